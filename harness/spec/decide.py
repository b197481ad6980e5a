"""Decision rules as data: what must be true of which quantities, on how many tasks, under which conventions.

docs/verdicts.md says in words what each quantity is and how it is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, FiniteFloat, PositiveInt, model_validator

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import Frozen, Positive
from harness.spec.counts import CountName

JudgedAxis = Literal[CountName, "seconds", "seconds_per_evaluation"]
# A verdict is stable if it is the same under these: a count of parameters, two of work, and the clock.
CONVENTIONS: tuple[JudgedAxis, ...] = (
    "params.trainable",
    "flops_train.shared_dense",
    "flops_train.local_min",
    "seconds",
)

QuantityName = Literal[
    "exponent",
    "test_loss",
    "test_rmse",
    "cost",
    "floor",
    "count",
    "held_out",
    "crossover",
    "exponent_kept",
    "growth",
]
LimitName = Literal["threshold", "most", "margin"]


class Takes(NamedTuple):
    """What a quantity takes: how many arms, which limits, words for `at` with the default first, or also `numbers`.

    One that is `true_or_false` needs no limit; one `of_family` is of tasks that differ in their inputs.
    """

    arms: tuple[int, ...]
    limits: tuple[LimitName, ...] = ("threshold", "most")
    at: tuple[str, ...] = ()
    numbers: bool = False
    true_or_false: bool = False
    of_family: bool = False


RATIO: tuple[LimitName, ...] = ("threshold", "most", "margin")
TAKES: dict[QuantityName, Takes] = {
    "exponent": Takes((2,)),
    "test_loss": Takes((2,), RATIO, ("largest",), numbers=True),
    "test_rmse": Takes((2,), RATIO, ("largest",), numbers=True),  # as the first version called it
    "cost": Takes((2,), RATIO, ("middle", "lowest"), numbers=True),
    "floor": Takes((2,), RATIO),
    "count": Takes((2,), RATIO, ("largest",), numbers=True),
    "held_out": Takes((1, 2), ("margin",), true_or_false=True),
    "crossover": Takes((2,), (), true_or_false=True),
    "exponent_kept": Takes((1,), of_family=True),
    "growth": Takes((1,), numbers=True, of_family=True),
}


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: object) -> bool:
    return not value


def _arm_choice(value: object) -> object:
    """A name stays one, a list of names becomes a tuple; a mistake is one sentence."""
    if isinstance(value, str):
        return value
    names = value if isinstance(value, (list, tuple)) else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError("give the name of an arm, or a list of different names, the best of which stands for all")
    return tuple(names)


def _place(value: object) -> object:
    words = list(dict.fromkeys(word for takes in TAKES.values() for word in takes.at))
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"give a number above 0, or a word ({', '.join(words)})")
    if isinstance(value, str):
        if value not in words:
            raise ValueError(f"{value!r}: {did_you_mean(value, words)}, or a number above 0")
        return value
    if not 0 < value < float("inf"):
        raise ValueError(f"{value:g} must be above 0")
    return float(value)


ArmChoice = Annotated[str | tuple[str, ...], BeforeValidator(_arm_choice, json_schema_input_type=str | list[str])]
Place = Annotated[
    float | str, BeforeValidator(_place, json_schema_input_type=float | Literal["largest", "middle", "lowest"])
]


class Condition(Frozen):
    """What must be true of one quantity of one or two arms, on a task under a convention. Ratios are second / first.

    An arm may be a list of names: the best of them at each budget, by validation on other seeds than the one that is
    read, stands for all; so does the best of an arm's series where axes make several.

    exponent: alpha of the first arm minus alpha of the second. test_loss: the ratio of test losses at equal size.
    cost: the ratio of sizes at equal test loss. floor: the ratio of the laws' floors. count: the ratio of the counts
    named by `axes` at equal `equal`. held_out: both laws predict the held-out sizes. crossover: wherever the arms may
    be equal lies below the largest common size, at which one of them is ahead. exponent_kept: alpha at the most inputs
    over alpha at the fewest, in a family of tasks. growth: the slope of ln size at test loss `at` on ln inputs.

    It is supported where the interval lies wholly above `threshold` (and the estimate is at `least` that much), wholly
    below `most`, or wholly within 1 / (1 + margin) and 1 + margin; refuted where it lies wholly on the other side.
    """

    quantity: QuantityName
    arms: Annotated[tuple[ArmChoice, ...], Field(min_length=1, max_length=2)]
    threshold: FiniteFloat | None = Field(None, exclude_if=_is_none)
    most: FiniteFloat | None = Field(None, exclude_if=_is_none)
    margin: Positive | None = Field(None, exclude_if=_is_none, description="0.05 means within 5 % of equal")
    least: FiniteFloat | None = Field(None, exclude_if=_is_none)
    at: Place | None = Field(
        None,
        exclude_if=_is_none,
        description="test_loss, count: largest (common size) or a size of the first arm on the matched axis; "
        "cost: middle or lowest (of the losses that both attain) or a loss; growth: a loss",
    )
    equal: CountName | None = Field(None, exclude_if=_is_none, description="of count: what is made equal")

    @model_validator(mode="after")
    def _quantity_takes_it(self) -> Condition:
        takes, name = TAKES[self.quantity], self.quantity
        if len(self.arms) not in takes.arms:
            number = " or ".join(map(str, takes.arms))
            raise ValueError(f"arms={_listed(self.arms)}: {name} is of {number} arm{'' if number == '1' else 's'}")
        if len(self.arms) == 2 and set(self.choice(0)) & set(self.choice(1)):
            raise ValueError(f"arms={_listed(self.arms)}: an arm cannot be compared with itself")
        given = [limit for limit in RATIO if getattr(self, limit) is not None]
        if wrong := [limit for limit in given if limit not in takes.limits]:
            instead = f"use {' or '.join(takes.limits)}" if takes.limits else "leave it out"
            raise ValueError(f"{wrong[0]}={getattr(self, wrong[0]):g}: {name} has no {wrong[0]}; {instead}")
        if len(given) != 1 and not takes.true_or_false:
            raise ValueError(f"{name} is judged against one limit; give exactly one of {', '.join(takes.limits)}")
        limit = next((value for value in (self.threshold, self.most) if value is not None), 1.0)
        if "margin" in takes.limits and limit <= 0 and not takes.true_or_false:
            raise ValueError(f"{given[0]}={limit:g}: {name} is a ratio, always above 0; 1 says that both are equal")
        if self.least is not None and (self.threshold is None or self.least < self.threshold):
            raise ValueError(f"least={self.least:g}: it goes with a threshold that it is not below")
        self._check_place(takes)
        if self.equal is not None and name != "count":
            raise ValueError(f"equal={self.equal}: {name} is compared on each of its axes; `equal` goes with count")
        return self

    def _check_place(self, takes: Takes) -> None:
        if self.at is None:
            if takes.numbers and not takes.at:
                raise ValueError(f"{self.quantity} is read at a test loss; say which, such as `at: 1e-2`")
            return
        if not takes.at and not takes.numbers:
            raise ValueError(f"at={self.at}: {self.quantity} is read nowhere in particular; leave it out")
        if isinstance(self.at, str) and self.at not in takes.at:
            words = [*takes.at, "a number"]
            raise ValueError(f"at={self.at}: {self.quantity} is read at {' or '.join(words)}")

    def choice(self, index: int) -> tuple[str, ...]:
        """The arms of which the best is the first (0) or the second (1) of the comparison."""
        arm = self.arms[index]
        return (arm,) if isinstance(arm, str) else arm

    @property
    def place(self) -> float | str | None:
        """Where it is read: `at`, or what the quantity has in its stead."""
        return self.at if self.at is not None else next(iter(TAKES[self.quantity].at), None)

    @property
    def of_family(self) -> bool:
        """Whether it is of tasks that differ in their number of inputs, and not of single tasks."""
        return TAKES[self.quantity].of_family


def _listed(arms: Iterable[str | tuple[str, ...]]) -> str:
    return "[" + ", ".join(arm if isinstance(arm, str) else f"[{', '.join(arm)}]" for arm in arms) + "]"


def _tuple_of_words(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_tuple_of_words, json_schema_input_type=str | list[str])]


class Decide(Condition):
    """A decision rule: its condition and all of `also` hold on at least `at_least` tasks, under every one of `axes`.

    On one task under one convention it is supported where all conditions are, refuted where one is, else inconclusive.
    Where one of `given` is refuted there is nothing to show, so that the rule is supported. With `invariant` a task
    supports it if every condition has the same outcome, supported or refuted, under every convention; opposite outcomes
    refute it. `tasks` are targets (or labels of tasks) that it is about, all by default. Quantities of families are
    counted by family: the tasks of one target that differ in their inputs. `axes` are the conventions, by default
    CONVENTIONS; `axis` names a single one.
    """

    claim: str
    axis: JudgedAxis | None = Field(None, exclude_if=_is_none)
    axes: tuple[JudgedAxis, ...] = Field((), exclude_if=_is_empty)
    tasks: Words = Field((), exclude_if=_is_empty)
    at_least: PositiveInt
    level: float = Field(0.95, gt=0.5, lt=1)
    also: tuple[Condition, ...] = Field((), exclude_if=_is_empty)
    given: tuple[Condition, ...] = Field((), exclude_if=_is_empty)
    invariant: bool = Field(False, exclude_if=_is_empty)

    @property
    def conventions(self) -> tuple[JudgedAxis, ...]:
        """The axes under which it is judged."""
        return (self.axis,) if self.axis else self.axes or CONVENTIONS

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What must hold: its own condition, and those of `also`."""
        own = {name: getattr(self, name) for name in Condition.model_fields}
        return (Condition.model_construct(**own), *self.also)

    @model_validator(mode="after")
    def _axes_fit(self) -> Decide:
        if self.axis and self.axes:
            raise ValueError(f"axis={self.axis} and axes={list(self.axes)}: give one of the two")
        if len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes={list(self.axes)}: a convention is given more than once")
        every = (*self.conditions, *self.given)
        if len({condition.of_family for condition in every}) > 1:
            raise ValueError("its conditions are of single tasks and of families of tasks; make two rules of it")
        counts = {condition.quantity == "count" for condition in every}
        if len(counts) > 1:
            raise ValueError("its conditions are of counts and of other quantities; make two rules of it")
        if True in counts and not (self.axis or self.axes):
            raise ValueError("count: say in `axes` which counts are compared, such as [flops_forward.shared_dense]")
        if "seconds_per_evaluation" in self.conventions and counts != {True}:
            raise ValueError("axes: seconds_per_evaluation goes with quantity: count; use seconds")
        if self.invariant and len(self.conventions) < 2:
            raise ValueError("invariant: true compares conventions; give at least two axes")
        return self


def units(rule: Decide, tasks: Mapping[str, tuple[str, int]]) -> dict[str, tuple[str, ...]]:
    """What a rule counts: each task it is about by its label, or each family by its target, with its tasks.

    `tasks` maps every label of an experiment to its target and number of inputs; a family's tasks are by ascending
    inputs. A HarnessError on names that no task has, and where no target has tasks of different inputs.
    """
    known = {*tasks, *(target for target, _ in tasks.values())}
    for name in rule.tasks:
        if name not in known:
            raise HarnessError(f"tasks: {name!r} is no task of this experiment; {did_you_mean(name, sorted(known))}")
    asked = {
        label: task for label, task in tasks.items() if not rule.tasks or {label, task[0]}.intersection(rule.tasks)
    }
    if not rule.of_family:
        return {label: (label,) for label in asked}
    families: dict[str, list[str]] = {}
    for label, (target, _) in sorted(asked.items(), key=lambda item: item[1][1]):
        families.setdefault(target, []).append(label)
    found = {name: tuple(own) for name, own in families.items() if len({tasks[label][1] for label in own}) > 1}
    if not found:
        raise HarnessError(
            f"quantity={rule.quantity}: it needs tasks of one target with different `inputs`, and there are none"
        )
    return found
