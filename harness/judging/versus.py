"""A against B at equal size over replicates (`judging.headline`): one value, of which the terminal,
tables, figures and JSON are made.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated

from harness.base.plain import OrNull
from harness.comparison.replicates import Found
from harness.laws.points import Numbers, NumbersOrNull

PLACES = ("smallest", "middle", "largest")


@dataclass(frozen=True)
class Side:
    """An arm or series, or several of them, of which the best at each budget is compared."""

    label: Annotated[str, "what it is called"]
    names: Annotated[tuple[str, ...], "its arms or series"]


@dataclass(frozen=True)
class VersusRequest:
    """What is asked of two sides A and B."""

    sides: Annotated[tuple[Side, Side], "A and B"]
    axis: Annotated[str, "what `at` counts"]
    at: Annotated[float | None, "a size of A; null is the largest common budget"] = None
    level: Annotated[float, "of intervals"] = 0.95

    @property
    def first(self) -> str:
        """What A is called."""
        return self.sides[0].label

    @property
    def second(self) -> str:
        """What B is called."""
        return self.sides[1].label


@dataclass(frozen=True)
class RatioLine:
    """The ratio of test losses at the sizes of A, B being equal on an axis: a curve of the
    figure.
    """

    task: Annotated[str, "the task"]
    axis: Annotated[str, "on which B is equal"]
    x: Annotated[Numbers, "sizes of A on the axis asked for"]
    ratio: Annotated[Numbers, "test loss B / A at them"]
    low: Annotated[NumbersOrNull, "lower ends"]
    high: Annotated[NumbersOrNull, "upper ends"]


@dataclass(frozen=True)
class Reading:
    """The ratio of test losses on a task, at one size that is equal on an axis."""

    task: Annotated[str, "the task"]
    axis: Annotated[str, "on which the sizes are equal"]
    place: Annotated[
        str,
        "`smallest`, `middle` or `largest` of the sizes that both have, or the budget asked for",
    ]
    ratio: Annotated[Found, "test loss second / first"]
    worse_than_constant: Annotated[
        tuple[str, ...], "the sides whose median test loss there is above that of a constant"
    ] = ()
    multiplier: Annotated[
        Found, "the budget that the second needs for the loss of the first, over its own"
    ] = field(default_factory=Found)


@dataclass(frozen=True)
class Lead:
    """Who is ahead on a task over a stretch of sizes."""

    task: Annotated[str, "the task"]
    axis: Annotated[str, "of the sizes"]
    low: Annotated[float, "from this size"]
    high: Annotated[float, "to that one"]
    leader: Annotated[str | None, "who is ahead; null if undecided"]


def merged(leads: Iterable[Lead]) -> list[Lead]:
    """The stretches of one task and axis, in order, neighbours with one leader as one."""
    stretches: list[Lead] = []
    for lead in leads:
        if stretches and stretches[-1].leader == lead.leader:
            lead = replace(stretches.pop(), high=lead.high)
        stretches.append(lead)
    return stretches


@dataclass(frozen=True)
class Largest:
    """The largest network of a side on a task, on the matched axis."""

    task: Annotated[str, "the task"]
    side: Annotated[str, "the side"]
    network: Annotated[str, "in words"]
    loss: Annotated[OrNull, "geometric mean of its test losses"]


@dataclass(frozen=True)
class Baseline:
    """What a model without training reaches on a task."""

    task: Annotated[str, "the task"]
    name: Annotated[str, "`constant`, or of data `linear`: least squares or logistic regression"]
    loss: Annotated[float, "its test loss, the median over replicates"]


@dataclass(frozen=True)
class Won:
    """What validation picked of a side on a task in the replicates, at the last budget, or the
    largest size.
    """

    task: Annotated[str, "the task"]
    side: Annotated[str, "the side"]
    axis: Annotated[str, "of the budget: training FLOPs, or the matched axis"]
    at: Annotated[float, "the budget"]
    what: Annotated[str, "the shape, or of an MLP the units, that was picked most often"]
    times: Annotated[int, "in how many replicates"]
    of: Annotated[int, "of so many"]
    smallest: Annotated[int, "trainable parameters of the smallest network that was picked"]
    largest: Annotated[int, "and of the largest"]
    is_edge: Annotated[
        bool,
        "whether the middle one of the picked sizes is the smallest or the largest that was tried",
    ]


@dataclass(frozen=True)
class Effort:
    """The answer of a search at the largest matched size, had each side made fewer runs."""

    task: Annotated[str, "the task"]
    runs: Annotated[int, "how many runs each side would have made at each size"]
    ratio: Annotated[Found, "test loss second / first"]


@dataclass(frozen=True)
class SideExponent:
    """How the losses of a side fall with size on a task."""

    task: Annotated[str, "the task"]
    side: Annotated[str, "the side"]
    axis: Annotated[str, "a size or a training cost"]
    exponent: Annotated[Found, "the mean of the replicates' own exponents"]


@dataclass(frozen=True)
class Other:
    """Another pair of `compare:` on a task, at the largest size that both have."""

    first: Annotated[str, "a side"]
    second: Annotated[str, "the other side"]
    task: Annotated[str, "the task"]
    ratio: Annotated[Found, "test loss second / first"]


@dataclass(frozen=True, kw_only=True)
class Headline:
    """Two sides at equal size. Ratios are second / first: above 1, the first side is better."""

    first: Annotated[Side, "the first side"]
    second: Annotated[Side, "the second side"]
    metric: Annotated[str, "the loss; `loss` where tasks have several"]
    level: Annotated[float, "of intervals"]
    replicates: Annotated[int, "of the numbers"] = 0
    formulas: Annotated[dict[str, str], "by task"] = field(default_factory=dict)
    columns: Annotated[tuple[str, ...], "axes on which sizes are equal, the matched one first"]
    clock: Annotated[str | None, "the axis of seconds, if they were measured"] = None
    limits: Annotated[
        tuple[str, ...], "axes on which a size is what a run may spend, and it may spend less"
    ] = ()
    places: Annotated[
        tuple[str, ...], "`smallest`, `middle`, `largest`, or the budget that was asked for"
    ]
    readings: Annotated[tuple[Reading, ...], "one a task, axis and place"]
    largest: Annotated[tuple[Largest, ...], "one a task and side"] = ()
    leads: Annotated[tuple[Lead, ...], "by task and axis, over all sizes that both have"]
    cautions: Annotated[tuple[str, ...], "sentences, the most important one first"]
    baselines: Annotated[tuple[Baseline, ...], "one a task and model"] = ()
    deviations: Annotated[
        dict[str, float], "of numbers in tables of the user's: what an RMSE of 1 is in their unit"
    ] = field(default_factory=dict)
    won: Annotated[tuple[Won, ...], "of a search, one a task and side"] = ()
    efforts: Annotated[tuple[Effort, ...], "of a search, one a task and effort"] = ()
    others: Annotated[tuple[Other, ...], "one a pair and task"] = ()
    exponents: Annotated[tuple[SideExponent, ...], "one a task, side and axis"] = ()

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.first, self.second

    @property
    def labels(self) -> tuple[str, str]:
        """What both sides are called."""
        return self.first.label, self.second.label

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The arms or series of each side, by its label."""
        return {side.label: side.names for side in self.sides}

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks on which both sides have runs."""
        return tuple(dict.fromkeys(reading.task for reading in self.readings))

    def reading(self, task: str, axis: str, place: str) -> Reading:
        """The reading of a task on an axis at a place."""
        wanted = (task, axis, place)
        return next(
            reading
            for reading in self.readings
            if (reading.task, reading.axis, reading.place) == wanted
        )


@dataclass(frozen=True)
class NoHeadline:
    """Why an experiment has no headline."""

    why: Annotated[str, "the reason, and what to do about it"]


def leader(ratio: Found, first: str, second: str) -> str | None:
    """Which of two sides is better beyond doubt: the interval of second / first lies on one side of
    1.
    """
    if ratio.low is None or ratio.high is None:
        return None
    return first if ratio.low > 1 else second if ratio.high < 1 else None
