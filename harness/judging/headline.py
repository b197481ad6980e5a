"""The answer of an experiment: which of two sides is better at equal size, by how much, and where that turns.

Nothing here is read off a law. Every number is a ratio of test losses at a size that both sides have, with an interval
over seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.base.reasons import Refusal
from harness.comparison.effort import efforts
from harness.comparison.replicates import FEW as FEW_REPLICATES
from harness.comparison.replicates import exponent
from harness.judging.baselines import baseline_losses
from harness.judging.failing import FAR, far_runs, far_runs_words
from harness.judging.found import Found, found_of, not_found
from harness.judging.judge import interval_level
from harness.judging.looks import level_over
from harness.judging.runs import ExperimentRuns, runs_of
from harness.judging.scaling import chosen_runs, headline_axes
from harness.judging.sides import (
    SideCurve,
    budget_ratio,
    check_any_learnt,
    common,
    largest_common,
    loss_ratio,
    picked,
    rows_of_side,
    side_curve,
    size_on,
    worse_than_constant,
)
from harness.judging.versus import Side, conventions_of, tasks_of_both
from harness.judging.winners import LOSS, of_side
from harness.spec import END_TOLERANCE, Decide, Manifest, all_axes, side_label, units

LEVEL = 0.95  # of intervals where no rule asks for another
FEW_SEEDS = 5  # with fewer, Student's intervals are several times wider than with many
MOST_DIVERGED = 0.1  # of a side's runs, which nobody needs to be warned of
STILL_FELL = 1.1  # times that a loss fell in the last half of training: the smallest factor that matters
DOUBLINGS = 3  # of training, by which a side that goes on falling so may draw level
PLACES = ("smallest", "middle", "largest")


@dataclass(frozen=True)
class Reading:
    """The ratio of test losses on a task, at one size that is equal on an axis."""

    task: Annotated[str, "the task"]
    axis: Annotated[str, "on which the sizes are equal"]
    place: Annotated[str, "`smallest`, `middle` or `largest` of the sizes that both have, or the budget asked for"]
    ratio: Annotated[Found, "test loss second / first"]
    worse_than_constant: Annotated[
        tuple[str, ...], "the sides whose median test loss there is above that of a constant"
    ] = ()
    multiplier: Annotated[Found, "the budget that the second needs for the loss of the first, over its own"] = field(
        default_factory=Found
    )


@dataclass(frozen=True)
class Lead:
    """Who is ahead on a task over a stretch of sizes."""

    task: Annotated[str, "the task"]
    axis: Annotated[str, "of the sizes"]
    low: Annotated[float, "from this size"]
    high: Annotated[float, "to that one"]
    leader: Annotated[str | None, "who is ahead; null if undecided"]


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
class Effort:
    """The answer of a search at the largest matched size, had each side made fewer runs."""

    task: Annotated[str, "the task"]
    runs: Annotated[int, "how many runs each side would have made at each size"]
    ratio: Annotated[Found, "test loss second / first"]


@dataclass(frozen=True)
class NearTheBest:
    """With `search:`, how many of a side's runs at the largest size end near the best one."""

    task: Annotated[str, "the task"]
    side: Annotated[str, "the side"]
    share: Annotated[
        OrNull,
        "of its runs that end within 10 times of the replicate's pick, the mean over replicates",
    ]


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


@dataclass(frozen=True)
class Headline:
    """Two sides of an experiment at equal size. Ratios are second / first: above 1, the first side is better.

    Where the experiment has `looks:`, intervals are so wide that all looks together err no more than one interval at
    `level`.
    """

    first: Annotated[Side, "the first side"]
    second: Annotated[Side, "the second side"]
    metric: Annotated[str, "the loss"]
    level: Annotated[float, "of intervals"]
    replicates: Annotated[int, "of the numbers"]
    formulas: Annotated[dict[str, str], "by task"]
    columns: Annotated[tuple[str, ...], "axes on which sizes are equal, the matched one first"]
    clock: Annotated[str | None, "the axis of seconds, if they were measured"]
    limits: Annotated[tuple[str, ...], "axes on which a size is what a run may spend, and it may spend less"]
    places: Annotated[tuple[str, ...], "`smallest`, `middle`, `largest`, or the budget that was asked for"]
    readings: Annotated[tuple[Reading, ...], "one a task, axis and place"]
    largest: Annotated[tuple[Largest, ...], "one a task and side"]
    leads: Annotated[tuple[Lead, ...], "by task and axis, over all sizes that both have"]
    cautions: Annotated[tuple[str, ...], "sentences, the most important one first"]
    looks: Annotated[tuple[int, ...], "with `looks:`, numbers of replicates"] = ()
    baselines: Annotated[tuple[Baseline, ...], "one a task and model"] = ()
    efforts: Annotated[tuple[Effort, ...], "of a search, one a task and effort"] = ()
    others: Annotated[tuple[Other, ...], "one a pair and task"] = ()
    exponents: Annotated[tuple[SideExponent, ...], "one a task, side and axis"] = ()
    near_the_best: Annotated[tuple[NearTheBest, ...], "of a search, one a task and side"] = ()

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.first, self.second

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks on which both sides have runs."""
        return tuple(dict.fromkeys(one.task for one in self.readings))

    def reading(self, task: str, axis: str, place: str) -> Reading:
        """The reading of a task on an axis at a place."""
        return next(one for one in self.readings if (one.task, one.axis, one.place) == (task, axis, place))


@dataclass(frozen=True)
class NoHeadline:
    """Why an experiment has no headline."""

    why: Annotated[str, "the reason, and what to do about it"]


def main_rule(manifest: Manifest) -> Decide | None:
    """The first rule that compares two sides by their sizes."""
    rules = manifest.experiment.decide
    return next((rule for rule in rules if len(rule.sides) == 2 and not rule.takes.of_networks), None)


def main_sides(manifest: Manifest) -> tuple[Side, Side] | None:
    """The two sides that an experiment is about: those of its first pair, or of its first rule of two sides.

    Else its only two arms, and of a search with replicates its first two.
    """
    if pairs := manifest.experiment.pairs:
        return _sides_of(pairs[0])
    if rule := main_rule(manifest):
        first, second = rule.arms_of_sides
        return _sides_of((first, second))
    arms = list(manifest.experiment.arms)
    has_pair = len(arms) > 1 if manifest.experiment.search else len(arms) == 2
    return (Side(arms[0], (arms[0],)), Side(arms[1], (arms[1],))) if has_pair else None


def _sides_of(pair: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[Side, Side]:
    first, second = pair
    return Side(side_label(first), first), Side(side_label(second), second)


def main_headline(manifest: Manifest, table: pd.DataFrame, every: pd.DataFrame | None = None) -> Headline | NoHeadline:
    """The headline of the two sides that an experiment is about, from the table that is judged (`winners.reported`).

    `every` has all runs, of which efforts are made.
    """
    sides = main_sides(manifest)
    if sides is None:
        arms = ", ".join(manifest.experiment.arms)
        return NoHeadline(f"No two sides are named to compare: `harness compare FILE A B` compares two of {arms}.")
    try:
        return headline(manifest, runs_of(manifest, table, every), sides)
    except HarnessError as error:
        return NoHeadline(f"Nothing can be compared: {error}.")


def headline(
    manifest: Manifest,
    runs: ExperimentRuns,
    sides: tuple[Side, Side],
    at: float | None = None,
    axis: str | None = None,
    level: float | None = None,
) -> Headline:
    """Both sides on every task and axis, at the smallest, a middle and the largest size that both have.

    With a budget `at` on `axis` (the matched one where it is None) there is one place: the network of that size of the
    first side, and the one of the second that is equal to it on each axis. Where `level` is None, intervals are at the
    level of the first rule that compares these sides, so that answer and verdict agree.
    """
    known = axis or runs.matched
    tasks = tasks_of_both(runs, sides)
    level = _level(manifest, runs, sides) if level is None else level
    looks = manifest.looks
    measured, _ = conventions_of(runs, known)
    axes = [known, *(one for one in measured if one != known)]
    places = PLACES if at is None else (f"{at:,.6g}",)
    readings: list[Reading] = []
    leads: list[Lead] = []
    for task in tasks:
        for axis_name in axes:
            try:
                first, second = (side_curve(runs, task, side.names, axis_name) for side in sides)
                curves = first, second
                matched = side_curve(runs, task, sides[0].names, known)
                sizes = _sizes(*curves) if at is None else [size_on(matched, at, axis_name)]
            except HarnessError as error:
                no = not_found(error)
                readings += [Reading(task, axis_name, place, no, (), no) for place in places]
                continue
            for place, size in zip(places, sizes, strict=True):
                readings.append(_reading(task, axis_name, place, curves, size, level, looks))
            leads += _leads(task, axis_name, curves, (sides[0].label, sides[1].label), level, looks)
    clocks = [name for name in axes if all_axes()[name].needs_seconds]
    return Headline(
        *sides,
        metric=str(runs.table["metric"].iloc[0]),
        level=level,
        replicates=max((one.ratio.replicates for one in readings), default=0),
        formulas={task: manifest.formulas[task].formula for task in tasks},
        columns=tuple(name for name in axes if name not in clocks),
        clock=clocks[0] if clocks else None,
        limits=tuple(
            name for name in axes if "won_on" in runs.table and all_axes()[name].kind in ("flops_train", "seconds")
        ),
        places=places,
        readings=tuple(readings),
        largest=tuple(_largest(manifest, runs, task, side) for task, side in itertools.product(tasks, sides)),
        leads=tuple(leads),
        cautions=tuple(_cautions(manifest, runs, sides, readings)),
        looks=looks,
        efforts=tuple(_efforts(runs, sides, tasks, level)),
        others=tuple(_others(manifest, runs, sides, tasks, level)),
        exponents=tuple(_exponents(manifest, runs, sides, tasks, level)),
        near_the_best=tuple(_near_the_best(runs, sides, tasks)),
        baselines=tuple(
            Baseline(task, name, loss) for task in tasks for name, loss in baseline_losses(runs.table, task).items()
        ),
    )


def _efforts(runs: ExperimentRuns, sides: tuple[Side, Side], tasks: Sequence[str], level: float) -> Iterator[Effort]:
    """Every effort on every task, at the largest matched budget; nothing where nothing is searched."""
    search = runs.manifest.experiment.search
    if runs.every is None or search is None:
        return
    for task, effort in itertools.product(tasks, efforts(search.runs)):
        first, second = (side_curve(runs, task, side.names, runs.matched, effort) for side in sides)
        try:
            ratio = _ratio(first, second, largest_common([first, second]), level, runs.manifest.looks)
        except HarnessError as error:
            ratio = not_found(error)
        yield Effort(task, effort, ratio)


def _near_the_best(runs: ExperimentRuns, sides: tuple[Side, Side], tasks: Sequence[str]) -> Iterator[NearTheBest]:
    """Of every side on every task; nothing where nothing is searched."""
    if runs.every is None or runs.manifest.experiment.search is None:
        return
    for task, side in itertools.product(tasks, sides):
        own = of_side(runs.manifest, runs.every, task, side.names)
        own = own[own["asked"] == own["asked"].max()]
        best = picked(own, ["seed"]).set_index("seed")[LOSS]
        near = (own["status"] == "done") & (own[LOSS] <= FAR * own["seed"].map(best))
        yield NearTheBest(task, side.label, float(near.groupby(own["seed"]).mean().mean()))


def _exponents(
    manifest: Manifest, runs: ExperimentRuns, sides: tuple[Side, Side], tasks: Sequence[str], level: float
) -> Iterator[SideExponent]:
    """Of both sides, by a size and by a training cost."""
    for axis, task, side in itertools.product(headline_axes(manifest), tasks, sides):
        try:
            curve = side_curve(runs, task, side.names, axis)
            seen = level_over(level, manifest.looks, len(curve.seeds)) if manifest.looks else level
            found = found_of(exponent(curve.over_budgets, seen))
        except HarnessError as error:
            found = not_found(error)
        yield SideExponent(task, side.label, axis, found)


def _others(
    manifest: Manifest, runs: ExperimentRuns, sides: tuple[Side, Side], tasks: Sequence[str], level: float
) -> Iterator[Other]:
    """The other pairs that the file names, on every task."""
    for pair in map(_sides_of, manifest.experiment.pairs):
        if pair == sides:
            continue
        for task in tasks:
            try:
                first, second = (side_curve(runs, task, side.names, runs.matched) for side in pair)
                ratio = _ratio(first, second, largest_common([first, second]), level, manifest.looks)
            except HarnessError as error:
                ratio = not_found(error)
            yield Other(pair[0].label, pair[1].label, task, ratio)


def leader(found: Found, first: str, second: str) -> str | None:
    """Which of two sides is better beyond doubt: the interval of second / first lies on one side of 1."""
    if found.low is None or found.high is None:
        return None
    return first if found.low > 1 else second if found.high < 1 else None


def is_lost_to_constant(ratio: Found) -> bool:
    """Whether there is no ratio because both sides are worse than a constant."""
    return ratio.is_refused_by("WORSE_THAN_CONSTANT")


def _level(manifest: Manifest, runs: ExperimentRuns, sides: tuple[Side, Side]) -> float:
    asked = tuple(side.names for side in sides)
    rule = next((rule for rule in manifest.experiment.decide if rule.arms_of_sides == asked), None)
    return LEVEL if rule is None else interval_level(rule, len(units(rule, runs.tasks)))


def _sizes(first: SideCurve, second: SideCurve) -> tuple[float | None, float | None, float]:
    """The smallest, a middle and the largest size that both have; the middle one is of the first side's own sizes.

    Where they have one size in common, it is the largest. None stands for a size that there is not.
    """
    largest = largest_common([first, second])
    smallest, _ = common([first, second])
    if smallest >= largest * (1 - END_TOLERANCE):
        return None, None, float(largest)
    between = first.sizes[(first.sizes > smallest) & (first.sizes < largest)]
    if not between.size:
        return float(smallest), None, float(largest)
    middle = between[np.argmin(np.abs(np.log(between / np.sqrt(smallest * largest))))]
    return float(smallest), float(middle), float(largest)


def _reading(
    task: str,
    axis: str,
    place: str,
    curves: tuple[SideCurve, SideCurve],
    size: float | None,
    level: float,
    looks: Sequence[int],
) -> Reading:
    ratio = _ratio(*curves, size, level, looks)
    worse = worse_than_constant(curves, size) if size is not None and ratio.estimate is not None else ()
    if size is None:
        return Reading(task, axis, place, ratio, worse, ratio)
    try:
        return Reading(task, axis, place, ratio, worse, found_of(budget_ratio(*curves, size, level), size))
    except HarnessError as error:
        return Reading(task, axis, place, ratio, worse, not_found(error, size))


def _ratio(first: SideCurve, second: SideCurve, size: float | None, level: float, looks: Sequence[int]) -> Found:
    if size is None:
        too_few = Refusal("NO_SIZE", f"{first.name} and {second.name} have too few sizes of {first.axis} in common")
        return Found(refusals=(too_few,))
    try:
        check_any_learnt([first, second], size)
        found = found_of(loss_ratio(first, second, size, level), size)
        if looks:
            found = found_of(loss_ratio(first, second, size, level_over(level, looks, found.replicates)), size)
        return found
    except HarnessError as error:
        return not_found(error, size)


def _of_largest(runs: ExperimentRuns, task: str, side: Side) -> pd.DataFrame:
    """The chosen runs of a side at its largest size on the matched axis, without those that diverged."""
    rows = chosen_runs(rows_of_side(runs.table, task, side.names), runs.matched)
    return rows[(rows["size"] == rows["size"].max()) & (rows["status"] == "done")]


def _largest(manifest: Manifest, runs: ExperimentRuns, task: str, side: Side) -> Largest:
    of_size = _of_largest(runs, task, side)
    networks = {cell.index: cell.network.words for cell in manifest.cells if cell.network}
    words = [networks.get(cell, "") for cell in of_size["cell"]]
    loss = float(np.exp(np.log(of_size["test_loss"]).mean()))
    return Largest(task, side.label, ", ".join(filter(None, dict.fromkeys(words))), loss)


def _leads(
    task: str,
    axis: str,
    curves: tuple[SideCurve, SideCurve],
    names: tuple[str, str],
    level: float,
    looks: Sequence[int],
) -> list[Lead]:
    """Stretches of neighbouring sizes with one leader: the first side's own, and the ends of those that both have.

    Sizes that cannot be read are left out.
    """
    smallest, largest = common(curves)
    between = curves[0].sizes[(curves[0].sizes > smallest) & (curves[0].sizes < largest)]
    found: list[Lead] = []
    for size in dict.fromkeys([smallest, *between, largest]):
        ratio = _ratio(*curves, float(size), level, looks)
        if ratio.refusals:
            continue
        ahead = leader(ratio, *names)
        low = float(size)
        if found and found[-1].leader == ahead:
            low = found.pop().low
        found.append(Lead(task, axis, low, float(size), ahead))
    return found


def _cautions(
    manifest: Manifest, runs: ExperimentRuns, sides: tuple[Side, Side], readings: Sequence[Reading]
) -> Iterator[str]:
    table = runs.table[runs.table["chosen"]]
    chosen = {side: table[table["arm"].isin(side.names) | table["series"].isin(side.names)] for side in sides}
    failed: dict[tuple[str, ...], list[str]] = {}
    for side in sides:
        failed.setdefault(_worse_than_constant(side, readings), []).append(side.label)
    for tasks, labels in failed.items():
        if tasks:
            lose = f"{' and '.join(labels)} {'are' if len(labels) > 1 else 'is'} worse than a constant"
            yield f"{lose} on {', '.join(tasks)}, at the largest equal size."
    for side, rows in chosen.items():
        is_lost = rows["status"] != "done"
        if is_lost.mean() > MOST_DIVERGED:
            yield f"{is_lost.mean():.0%} of the runs of {side.label} diverged."
    fell = list(filter(None, (_still_fell(runs, side, sides, readings) for side in sides)))
    if fell:
        learnt = ", that ".join(fell)
        yield f"Training was cut short: in its last half the error {learnt}. Longer training may turn this."
    for side, rows in chosen.items():
        far = far_runs(rows, side.label)
        if far.above:
            yield f"{far_runs_words(far.above, far)} ended over {FAR:g} times above the median of their size."
    seeds = table["seed"].nunique()
    if seeds < FEW_SEEDS and not manifest.experiment.search:
        yield f"{seeds} seeds give wide intervals; {FEW_SEEDS} or more narrow them."
    if search := manifest.experiment.search:
        if seeds < FEW_REPLICATES:
            yield f"Intervals of {seeds} replicates are too narrow in some cases; {FEW_REPLICATES} or more are better."
        yield f"Each side made {search.runs} runs a size in each replicate. More runs may turn this."
    else:
        yield "Each side has one recipe. Another recipe may turn this: search both sides."


def _worse_than_constant(side: Side, readings: Sequence[Reading]) -> tuple[str, ...]:
    """The tasks on which the median loss of a side is above that of a constant, at the largest size of any axis."""
    failed = [
        one.task
        for one in readings
        if one.place not in PLACES[:-1] and (side.label in one.worse_than_constant or is_lost_to_constant(one.ratio))
    ]
    return tuple(dict.fromkeys(failed))


def _still_fell(runs: ExperimentRuns, side: Side, sides: tuple[Side, Side], readings: Sequence[Reading]) -> str:
    """`of mlp on xy still fell 1.8x`: where a side that is not ahead fell most at the largest size; else empty.

    A task counts if DOUBLINGS more such falls would take the side to the near end of the interval.
    """
    falls = {}
    for one in readings:
        ratio, is_largest = one.ratio, one.axis == runs.matched and one.place == PLACES[-1]
        if not is_largest or not ratio.low or not ratio.high or leader(ratio, *(s.label for s in sides)) == side.label:
            continue
        rows = _of_largest(runs, one.task, side)
        if "late_fall" not in rows:
            continue
        fall = float(np.exp(np.log(rows["late_fall"]).mean()))
        if fall > STILL_FELL and fall**DOUBLINGS > max(ratio.low, 1 / ratio.high):
            falls[one.task] = fall
    most = max(falls, key=lambda task: falls[task], default=None)
    return f"of {side.label} on {most} still fell {falls[most]:.2g}x" if most else ""
