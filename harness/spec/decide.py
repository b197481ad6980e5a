"""Decision rules as data: what must be true of which quantities, on how many tasks, under which conventions.

docs/verdicts.md says in words what each quantity is and how it is judged.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, PositiveInt, model_validator

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import Frozen, Positive
from harness.spec.counts import ANY_SIZE, CountName, JudgedAxis, all_axes, default_count, stable_axes
from harness.spec.names import OneOf, defined

LimitName = Literal["threshold", "most", "margin"]


class Takes(NamedTuple):
    """What a condition on a quantity may and must say, and what the quantity is of."""

    arms: tuple[int, ...]  # how many sides
    limits: tuple[LimitName, ...] = ("threshold", "most")  # it says one of them
    at: tuple[str, ...] = ()  # words for where it is read, the default first
    numbers: bool = False  # `at` may also be a number:
    at_a_size: bool = False  # a size of the first arm on the matched axis, or one between two of them
    true_or_false: bool = False  # needs no limit
    whoever_leads: bool = False  # true by an estimate, second / first, on either side of 1
    of_family: bool = False  # of tasks that differ in their inputs
    of_counts: bool = False  # compares what `axes` name, at sizes that are `equal` in another count
    of_held_out: bool = False  # needs sizes held out
    of_laws: bool = False  # needs enough sizes for a law of each arm
    of_any_size: bool = False  # compares networks whatever their size, so that no convention enters
    of_networks: bool = False  # of networks that a file names, and not of those that a search chooses
    over_published: bool = False  # one arm may be held against a `published` value
    is_difference: bool = False  # its limits and intervals are differences, not factors
    matters: float = 1.1  # the smallest difference from a limit that matters where a rule says none


RATIO: tuple[LimitName, ...] = ("threshold", "most", "margin")


def takes_of(quantity: str) -> Takes:
    """What a quantity takes, by its name."""
    takes: Takes = _quantities()[quantity].takes
    return takes


def _quantities() -> Mapping[str, Any]:
    """Every quantity by its name (`harness.judging.quantity.Quantity`)."""
    found: Mapping[str, Any] = defined("harness.judging.quantities", "QUANTITIES")
    return found


def _quantity_names() -> tuple[str, ...]:
    return tuple(_quantities())


def _of_counts() -> str:
    """The quantities that compare counts."""
    return " or ".join(name for name, quantity in _quantities().items() if quantity.takes.of_counts)


def _over_published() -> str:
    """The quantities that can be held against a published value."""
    return " or ".join(name for name, quantity in _quantities().items() if quantity.takes.over_published)


def _place_words() -> tuple[str, ...]:
    """Every word that `at` can be."""
    found: list[str] = []
    for quantity in _quantities().values():
        found += quantity.takes.at
    return tuple(dict.fromkeys(found))


def _described(schema: dict[str, Any]) -> None:
    """Say in the schema of a condition what each quantity is, and where it is read."""
    own = [quantity for name, quantity in _quantities().items() if name == quantity.name]  # not by an older name
    summaries = " ".join(f"{quantity.name}: {quantity.summary}." for quantity in own)
    schema["description"] = schema["description"].replace(QUANTITIES_HERE, textwrap.fill(summaries, DESCRIPTION_WIDTH))
    places: dict[str, list[str]] = {}
    for quantity in own:
        if quantity.takes.at or quantity.takes.numbers:
            places.setdefault(quantity.read_at, []).append(quantity.name)
    read_at = [f"{', '.join(names)}: {place}" for place, names in places.items()]
    schema["properties"]["at"]["description"] = "; ".join(read_at)
    schema["properties"]["equal"]["description"] = f"of {_of_counts()}: what is made equal"


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
    words = _place_words()
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
PlaceWord = Annotated[str, OneOf(_place_words)]
ReadAt = Annotated[float | str, BeforeValidator(_place, json_schema_input_type=float | PlaceWord)]
QuantityName = Annotated[str, OneOf(_quantity_names)]
QUANTITIES_HERE = "What each quantity is stands with it, in `harness.judging.quantities`."
DESCRIPTION_WIDTH = 115


class Condition(Frozen):
    """What must be true of one quantity of one or two arms, on a task under a convention. Ratios are second / first.

    An arm may be a list of names: the best of them at each budget, by validation on other seeds than the one that is
    read, stands for all; so does the best of an arm's series where axes make several.

    What each quantity is stands with it, in `harness.judging.quantities`.

    It is supported where the interval lies wholly above `threshold` (and the estimate is at `least` that much), wholly
    below `most`, or wholly within 1 / (1 + margin) and 1 + margin; refuted where it lies wholly on the other side. It
    is equal where the whole interval is nearer to the limit than the smallest difference that `matters`.
    """

    model_config = ConfigDict(json_schema_extra=_described)

    quantity: QuantityName
    arms: Annotated[tuple[ArmChoice, ...], Field(min_length=1, max_length=2)]
    threshold: FiniteFloat | None = Field(None, exclude_if=_is_none)
    most: FiniteFloat | None = Field(None, exclude_if=_is_none)
    margin: Positive | None = Field(None, exclude_if=_is_none, description="0.05 means within 5 % of equal")
    least: FiniteFloat | None = Field(None, exclude_if=_is_none)
    matters: Positive | None = Field(
        None,
        exclude_if=_is_none,
        description="the smallest difference from the limit that matters: a factor (1.1 if left out), of exponents a "
        "difference (0.2)",
    )
    at: ReadAt | None = Field(None, exclude_if=_is_none)
    equal: CountName | None = Field(None, exclude_if=_is_none)
    published: Positive | None = Field(
        None, exclude_if=_is_none, description="the value of somebody else that the number of one arm is divided by"
    )

    @model_validator(mode="after")
    def _quantity_takes_it(self) -> Condition:
        takes, name = self.takes, self.quantity
        if len(self.arms) not in takes.arms:
            number = " or ".join(map(str, takes.arms))
            raise ValueError(f"arms={_listed(self.arms)}: {name} is of {number} arm{'' if number == '1' else 's'}")
        if len(self.arms) == 2 and set(self.sides[0]) & set(self.sides[1]):
            raise ValueError(f"arms={_listed(self.arms)}: an arm cannot be compared with itself")
        given = [limit for limit in RATIO if getattr(self, limit) is not None]
        if wrong := [limit for limit in given if limit not in takes.limits]:
            instead = f"use {' or '.join(takes.limits)}" if takes.limits else "leave it out"
            raise ValueError(f"{wrong[0]}={getattr(self, wrong[0]):g}: {name} has no {wrong[0]}; {instead}")
        if len(given) != 1 and not takes.true_or_false:
            raise ValueError(f"{name} is judged against one limit; give exactly one of {', '.join(takes.limits)}")
        if "margin" in takes.limits and self.limit <= 0 and not takes.true_or_false:
            raise ValueError(
                f"{given[0]}={self.limit:g}: {name} is a ratio, always above 0; 1 says that both are equal"
            )
        if self.least is not None and (self.threshold is None or self.least < self.threshold):
            raise ValueError(f"least={self.least:g}: it goes with a threshold that it is not below")
        self._check_matters(takes)
        self._check_place(takes)
        if self.published is not None and not (takes.over_published and len(self.arms) == 1):
            raise ValueError(f"published={self.published:g}: it goes with one arm of {_over_published()}; leave it out")
        if self.equal is not None and not takes.of_counts:
            raise ValueError(
                f"equal={self.equal}: {name} is compared on each of its axes; `equal` goes with {_of_counts()}"
            )
        return self

    def _check_matters(self, takes: Takes) -> None:
        if self.matters is None:
            return
        if self.margin is not None:
            raise ValueError(f"matters={self.matters:g}: margin says it already; leave it out")
        if not takes.is_difference and self.matters <= 1:
            raise ValueError(f"matters={self.matters:g}: of {self.quantity} it is a factor above 1, such as 1.1")

    def _check_place(self, takes: Takes) -> None:
        if self.at is None:
            if takes.numbers and not takes.at:
                raise ValueError(
                    f"{self.quantity} is read at {_quantities()[self.quantity].read_at}; say which in `at`"
                )
            return
        if not takes.at and not takes.numbers:
            raise ValueError(f"at={self.at}: {self.quantity} is read nowhere in particular; leave it out")
        if isinstance(self.at, str) and self.at not in takes.at:
            words = [*takes.at, "a number"]
            raise ValueError(f"at={self.at}: {self.quantity} is read at {' or '.join(words)}")

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The one or two sides that are compared, each the arms of which the best is taken."""
        return tuple((arm,) if isinstance(arm, str) else arm for arm in self.arms)

    @property
    def takes(self) -> Takes:
        """What its quantity takes."""
        return takes_of(self.quantity)

    @property
    def smallest(self) -> float:
        """The smallest difference that matters: a factor above 1, or of a quantity `is_difference` a difference."""
        if self.margin is not None:
            return 1 + self.margin
        return self.takes.matters if self.matters is None else self.matters

    @property
    def limit(self) -> float:
        """What it is judged against: its threshold or most; 1 where both sides are asked to be equal."""
        return next((value for value in (self.threshold, self.most) if value is not None), 1.0)

    @property
    def place(self) -> float | str | None:
        """Where it is read: `at`, or what the quantity has in its stead."""
        return self.at if self.at is not None else next(iter(self.takes.at), None)

    @property
    def of_family(self) -> bool:
        """Whether it is of tasks that differ in their number of inputs, and not of single tasks."""
        return self.takes.of_family


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

    # CONVENTIONS above are `stable_axes`: the text is that of the JSON Schema, which stays as it is.
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
    def conventions(self) -> tuple[str, ...]:
        """The axes under which it is judged; ANY_SIZE alone where no size enters."""
        if self.takes.of_any_size:
            return (ANY_SIZE,)
        return (self.axis,) if self.axis else self.axes or stable_axes()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What must hold: its own condition, and those of `also`."""
        own = {name: getattr(self, name) for name in Condition.model_fields}
        return (Condition.model_construct(**own), *self.also)

    @property
    def every_condition(self) -> tuple[Condition, ...]:
        """What must hold, and what is given."""
        return (*self.conditions, *self.given)

    @property
    def names(self) -> tuple[str, ...]:
        """The arms and series that its sides name, each once."""
        sides = itertools.chain.from_iterable(condition.sides for condition in self.every_condition)
        return tuple(dict.fromkeys(itertools.chain.from_iterable(sides)))

    @model_validator(mode="after")
    def _axes_fit(self) -> Decide:
        if self.axis and self.axes:
            raise ValueError(f"axis={self.axis} and axes={list(self.axes)}: give one of the two")
        if len(set(self.axes)) < len(self.axes):
            raise ValueError(f"axes={list(self.axes)}: a convention is given more than once")
        every = (*self.conditions, *self.given)
        if len({condition.of_family for condition in every}) > 1:
            raise ValueError("its conditions are of single tasks and of families of tasks; make two rules of it")
        counts = {condition.takes.of_counts for condition in every}
        if len(counts) > 1:
            raise ValueError("its conditions are of counts and of other quantities; make two rules of it")
        if True in counts and not (self.axis or self.axes):
            such_as = default_count("flops_forward")
            raise ValueError(f"{self.quantity}: say in `axes` which counts are compared, such as [{such_as}]")
        if len({condition.takes.of_any_size for condition in every}) > 1:
            raise ValueError("its conditions are of networks of any size and of equal sizes; make two rules of it")
        if self.takes.of_any_size:
            if self.axis or self.axes or self.invariant:
                raise ValueError(f"{self.quantity} is of networks of any size; leave axis, axes and invariant out")
            return self
        known = all_axes()
        no_sizes = [axis for axis in self.conventions if not known[axis].is_size]
        if no_sizes and counts != {True}:
            raise ValueError(f"axes: {no_sizes[0]} goes with quantity: {_of_counts()}; use seconds")
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
