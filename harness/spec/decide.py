"""Decision rules as data: what one number of one or two sides must be, at which budget, on how many
tasks.

docs/verdicts.md says in words what each quantity is and how it is judged.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, PositiveInt, model_validator

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import Frozen, Positive, alone_or_many, left_out_at, one_or_many
from harness.spec.counts import JudgedAxis, OneOf, all_axes, default_count, defined

LARGEST = "largest"  # of the budgets that all sides have
LIMITS = ("threshold", "most", "within")
# What `at` says: an axis with a budget on it, an axis alone, or nothing.
AtKind = Literal["budget", "axis", "nowhere"]

BEST_OF = "the best of "


def side_label(arms: Sequence[str]) -> str:
    """What a side is called: by its arm, or as the best of several."""
    return arms[0] if len(arms) == 1 else BEST_OF + ", ".join(arms)


class Takes(NamedTuple):
    """What a rule on a quantity may and must say, and what the quantity is of."""

    sides: tuple[int, ...]  # how many
    at: AtKind = "nowhere"
    needs_place: bool = False  # `at` must give a number
    is_difference: bool = False  # its limits and intervals are differences, not factors
    of_family: bool = False  # of tasks that differ in their inputs
    of_counts: bool = False  # it is the ratio of what `count` names
    of_observed: bool = False  # it is the ratio of a value that runs `observed` beside their losses
    of_efforts: bool = False  # it can be read as if a search had made fewer runs
    of_laws: bool = False  # it needs enough budgets for a law of each side
    of_networks: bool = (
        False  # of networks that a file names, and not of those that a search chooses
    )
    over_published: bool = False  # one side may be held against a `published` value
    matters: float = 1.1  # the smallest difference from a limit that matters where a rule says none


def takes_of(quantity: str) -> Takes:
    """What a quantity takes, by its name."""
    takes: Takes = _quantities()[quantity].takes
    return takes


def _quantities() -> Mapping[str, Any]:
    """Every quantity by its name (`harness.judging.quantity.Quantity`)."""
    quantities: Mapping[str, Any] = defined("harness.judging.quantities", "QUANTITIES")
    return quantities


def _described(schema: dict[str, Any]) -> None:
    """Say in the schema of a rule what each quantity is."""
    summaries = " ".join(f"{name}: {quantity.summary}." for name, quantity in _quantities().items())
    schema["description"] = schema["description"].replace(
        QUANTITIES_HERE, textwrap.fill(summaries, DESCRIPTION_WIDTH)
    )


def _side(value: object) -> object:
    """A name stays one, a list of names becomes a tuple; a mistake is one sentence."""
    if isinstance(value, str):
        return value
    names = value if isinstance(value, (list, tuple)) else ()
    if (
        not names
        or not all(isinstance(name, str) for name in names)
        or len(set(names)) < len(names)
    ):
        raise ValueError(
            "give the name of an arm, or a list of different names, which share the runs of "
            "the side"
        )
    return tuple(names)


def _at(value: object) -> object:
    """An axis alone stands for its largest budget; a mistake is one sentence."""
    places = {value: LARGEST} if isinstance(value, str) else value
    if not isinstance(places, dict) or len(places) != 1:
        raise ValueError(
            "give one axis, alone or with a budget on it, as in {params.trainable: 100}"
        )
    ((axis, place),) = places.items()
    if axis not in all_axes():
        raise ValueError(f"{axis!r} is no axis; {did_you_mean(str(axis), all_axes())}")
    is_number = isinstance(place, (int, float)) and not isinstance(place, bool)
    if place != LARGEST and not (is_number and 0 < place < math.inf):
        raise ValueError(f"{axis}: {place!r} must be a number above 0, or {LARGEST}")
    return places


SideChoice = Annotated[
    str | tuple[str, ...], BeforeValidator(_side, json_schema_input_type=str | list[str])
]
At = Annotated[
    dict[JudgedAxis, Positive | Literal["largest"]],
    Field(min_length=1, max_length=1),
    BeforeValidator(_at, json_schema_input_type=JudgedAxis | dict[str, float | Literal["largest"]]),
]
Counts = Annotated[tuple[JudgedAxis, ...], Field(max_length=2), one_or_many(JudgedAxis)]
Words = Annotated[tuple[str, ...], one_or_many(str)]
QuantityName = Annotated[str, OneOf(lambda: tuple(_quantities()))]
QUANTITIES_HERE = "What each quantity is stands with it, in `harness.judging.quantities`."
DESCRIPTION_WIDTH = 115


class Decide(Frozen):
    """A decision rule: on at least `at_least` tasks, a number of one or two sides lies on the right
    side of a limit.

    What each quantity is stands with it, in `harness.judging.quantities`.

    Ratios are second / first. A side may be a list of arms, which share its runs; validation picks
    among all of them. On a task it is supported where the whole interval is above `threshold`,
    below `most`, or within the factor `within`; refuted where it lies wholly on the other side. It
    is equal where the whole interval is nearer to the limit than the smallest difference that
    `matters`; else open. `tasks` are targets (or labels of tasks) that it is about, all by default.
    Quantities of families are counted by family: the tasks of one target that differ in inputs.
    """

    model_config = ConfigDict(json_schema_extra=_described)

    claim: str
    quantity: QuantityName
    sides: Annotated[tuple[SideChoice, ...], Field(min_length=1, max_length=2)]
    threshold: FiniteFloat | None = left_out_at(None)
    most: FiniteFloat | None = left_out_at(None)
    within: Positive | None = left_out_at(None, "a factor: 1.5 is from 1 / 1.5 to 1.5")
    matters: Positive | None = left_out_at(
        None,
        "the smallest difference from the limit that matters: a factor (1.1 if left out), of "
        "exponents a "
        "difference (0.2)",
    )
    at: At | None = left_out_at(
        None,
        "the axis and the budget on it, such as {params.trainable: 66}; an axis alone is its "
        "largest "
        "budget; left out, that of the axis that is matched",
    )
    effort: PositiveInt | None = left_out_at(
        None, "with search:, as if each side had made so many runs at each size"
    )
    count: Counts = left_out_at((), "of quantity: count, what is counted; two of one side")
    observed: str | None = left_out_at(
        None, "of quantity: observed, the name of what runs observe beside their losses"
    )
    published: Positive | None = left_out_at(
        None, "the value of somebody else that the number of one side is held against"
    )
    tasks: Words = left_out_at(())
    at_least: PositiveInt
    level: float = Field(0.95, gt=0.5, lt=1)

    @property
    def takes(self) -> Takes:
        """What its quantity takes."""
        return takes_of(self.quantity)

    @property
    def arms_of_sides(self) -> tuple[tuple[str, ...], ...]:
        """The arms of its one or two sides."""
        return tuple(map(alone_or_many, self.sides))

    @property
    def names(self) -> tuple[str, ...]:
        """The arms and series that its sides name, each once."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(self.arms_of_sides)))

    @property
    def axis(self) -> str | None:
        """The axis that it names; None of the matched one."""
        return next(iter(self.at)) if self.at else None

    @property
    def place(self) -> float | str:
        """The budget, or the loss, at which it is read."""
        return next(iter(self.at.values())) if self.at else LARGEST

    @property
    def smallest(self) -> float:
        """The smallest difference that matters: a factor above 1, or of a quantity `is_difference`
        a difference.
        """
        return self.within or self.matters or self.takes.matters

    @property
    def limit(self) -> float:
        """What it is judged against: its threshold or most; equality where it asks for that."""
        equal = 0.0 if self.takes.is_difference else 1.0
        return next((value for value in (self.threshold, self.most) if value is not None), equal)

    @model_validator(mode="after")
    def _quantity_takes_it(self) -> Decide:
        takes, name = self.takes, self.quantity
        sides = ", ".join(
            side if isinstance(side, str) else f"[{', '.join(side)}]" for side in self.sides
        )
        if len(self.sides) not in takes.sides:
            number = " or ".join(map(str, takes.sides))
            raise ValueError(
                f"sides=[{sides}]: {name} is of {number} side{'' if number == '1' else 's'}"
            )
        if len(self.sides) == 2 and set(self.arms_of_sides[0]) & set(self.arms_of_sides[1]):
            raise ValueError(f"sides=[{sides}]: an arm cannot be compared with itself")
        if sum(getattr(self, limit) is not None for limit in LIMITS) != 1:
            raise ValueError(
                f"{name} is judged against one limit; give exactly one of {', '.join(LIMITS)}"
            )
        if not takes.is_difference:
            if self.within is None and self.limit <= 0:
                field = "threshold" if self.most is None else "most"
                raise ValueError(
                    f"{field}={self.limit:g}: {name} is a ratio, always above 0; 1 is equality"
                )
            for field in ("within", "matters"):
                value = getattr(self, field)
                if value is not None and value <= 1:
                    raise ValueError(
                        f"{field}={value:g}: of {name} it is a factor above 1, such as 1.1"
                    )
        self._check_at(takes)
        if self.effort is not None and not takes.of_efforts:
            raise ValueError(
                f"effort={self.effort}: {name} is not read at fewer runs; leave it out"
            )
        if self.published is not None and not (takes.over_published and len(self.sides) == 1):
            those = [
                other for other, quantity in _quantities().items() if quantity.takes.over_published
            ]
            raise ValueError(
                f"published={self.published:g}: it goes with one side of {', '.join(those)}; "
                "leave it out"
            )
        if takes.of_observed != bool(self.observed):
            advice = (
                "say which, such as belief_error"
                if takes.of_observed
                else "it goes with quantity: observed"
            )
            raise ValueError(f"observed: {advice}")
        counts = f"count={list(self.count)}"
        if takes.of_counts and not self.count:
            raise ValueError(
                f"count: say what is counted, such as {default_count('flops_forward')}"
            )
        if self.count and not takes.of_counts:
            raise ValueError(f"{counts}: it goes with quantity: count; leave it out")
        if takes.of_counts and len(self.count) + len(self.sides) != 3:
            raise ValueError(f"{counts}: give one count of two sides, or two counts of one side")
        return self

    def _check_at(self, takes: Takes) -> None:
        place = f"at={{{self.axis}: {self.place}}}"
        if takes.at == "nowhere" and self.at:
            raise ValueError(f"{place}: {self.quantity} is read at no budget; leave it out")
        if takes.at == "axis" and self.place != LARGEST:
            raise ValueError(f"{place}: {self.quantity} is of all budgets; give the axis alone")
        if takes.needs_place and self.place == LARGEST:
            raise ValueError(
                f"at: {self.quantity} is read at a size; give one, as in {{params.trainable: 100}}"
            )
        if self.axis and not all_axes()[self.axis].is_size:
            raise ValueError(f"{place}: it goes with quantity: count; take seconds")


def units(rule: Decide, tasks: Mapping[str, tuple[str, int]]) -> dict[str, tuple[str, ...]]:
    """What a rule counts: each task it is about by its label, or each family by its target, with
    its tasks.

    `tasks` maps every label of an experiment to its target and number of inputs; a family's tasks
    are by ascending inputs. A HarnessError on names that no task has, and where no target has tasks
    of different inputs.
    """
    names = {*tasks, *(target for target, _ in tasks.values())}
    for name in rule.tasks:
        if name not in names:
            raise HarnessError(
                f"tasks: {name!r} is no task of this experiment; "
                f"{did_you_mean(name, sorted(names))}"
            )
    asked = set(rule.tasks)
    chosen = {
        label: task
        for label, task in tasks.items()
        if not asked or asked.intersection((label, task[0]))
    }
    if not rule.takes.of_family:
        return {label: (label,) for label in chosen}
    families: dict[str, list[str]] = {}
    for label, (target, _) in sorted(chosen.items(), key=lambda item: item[1][1]):
        families.setdefault(target, []).append(label)
    counted = {}
    for target, labels in families.items():
        if len({tasks[label][1] for label in labels}) > 1:
            counted[target] = tuple(labels)
    if not counted:
        raise HarnessError(
            f"quantity={rule.quantity}: it needs tasks of one target with different `inputs`, and "
            "there are none"
        )
    return counted
