"""What a quantity is: something that a rule can be about. Each one is a file in `harness/judging/quantities`.

To add one, add its file, which has its name and ends in QUANTITY, and its row to docs/verdicts.md. Rules may then be
about it, and messages, the JSON Schema and verdicts have its words. Every command that reads a plan with rules reads
these files too. So they import what computes, and the packages that it needs, within `find`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.judging.found import Found
from harness.spec import RATIO, Condition, Takes, side_label

if TYPE_CHECKING:
    from harness.judging.runs import ExperimentRuns
    from harness.judging.spread import Design, Spread


@dataclass(frozen=True)
class Case:
    """Where to find a quantity: a condition on a task, or on the tasks of a family, with sizes on `axis`."""

    condition: Condition
    tasks: Sequence[str]
    axis: str
    runs: ExperimentRuns
    level: float

    @property
    def task(self) -> str:
        """The task; of a family, that of the fewest inputs."""
        return self.tasks[0]


@dataclass(frozen=True)
class Quantity:
    """Something that a rule can be about.

    `takes` is what a condition on it may and must say, `words` how it reads, from the condition and the conventions of
    its rule, as the subject of a clause; `find` gives the number with its interval, and raises a HarnessError with the
    reason where the data do not carry it. `summary`, `read_at` and `interval` are its row in docs/verdicts.md, the
    first two also its part of the JSON Schema. `spread` says what the interval that was found hangs on, None where it
    is not the noise between seeds; its HarnessError says why nobody can tell. `foreseen` is the same before any run,
    None where only a pilot can say. Files of before may call it by its `older_name`. `reads` gives the cells
    whose runs it needs, or raises as `find`; left out where it needs all sizes of its sides. Experiments with `looks`
    add seeds to these alone.
    """

    name: str
    summary: str
    read_at: str
    interval: str
    takes: Takes
    words: Callable[[Condition, tuple[str, ...]], str]
    find: Callable[[Case], Found]
    spread: Callable[[Case, Found], Spread] | None = None
    foreseen: Callable[[Design], Spread] | None = None
    older_name: str | None = None
    reads: Callable[[Case], Collection[int]] | None = None


def spread_over_seeds(case: Case, found: Found) -> Spread:
    """For `spread`: of Student's interval over seeds, or the jackknife's where a side has several arms."""
    from harness.judging.spread import spread_of_seeds

    return spread_of_seeds(found, case.level)


def of_a_column(
    *, name: str, summary: str, read_at: str, what: str, column: str, trained_with: Literal["phases", "sparsity"]
) -> Quantity:
    """A quantity that is a column of the table of runs: of one arm its value, of two arms the ratio, whatever the size.

    `what` is how it reads, before the arms. Its runs are those whose recipe has the field `trained_with`.
    """

    def words(condition: Condition, conventions: tuple[str, ...]) -> str:
        return f"{what} {value_words(condition)}"

    def find(case: Case) -> Found:
        from harness.judging.any_size import value_or_ratio

        return value_or_ratio(case, column, trained_with)

    return Quantity(
        name=name,
        summary=summary,
        read_at=read_at,
        interval="Student's t of the seeds' ln values or ln ratios",
        takes=Takes(arms=(1, 2), limits=RATIO, of_any_size=True, of_networks=True, over_published=True),
        words=words,
        find=find,
        spread=spread_over_seeds,
    )


# -------------------------------------------------------------------------------------------------- words for `words`
def arms_words(condition: Condition) -> tuple[str, ...]:
    """Each arm, or the best of several."""
    return tuple(map(side_label, condition.sides))


def ratio_words(condition: Condition) -> str:
    """`of second / first`."""
    first, second = (f"({arm})" if ", " in arm else arm for arm in arms_words(condition))
    return f"of {second} / {first}"


def setting_words(condition: Condition) -> str:
    """`of kan grid=2 / kan grid=5, both with order=3`: a ratio of two series, with what they share said once."""
    first, second = arms_words(condition)
    settings = re.findall(r"\w+=(?:\[[^\]]*\]|\S+)", first)
    shared = [setting for setting in settings if f"{second} ".count(f" {setting} ")]
    if not shared or any(len(side) > 1 for side in condition.sides):
        return ratio_words(condition)
    for setting in shared:
        first, second = (f"{name} ".replace(f" {setting} ", " ").strip() for name in (first, second))
    return f"of {second} / {first}, both with {' '.join(shared)},"


def value_words(condition: Condition) -> str:
    """`of second / first`; of one arm `of it`, and what it is divided by."""
    if len(condition.arms) == 2:
        return setting_words(condition)
    return f"of {arms_words(condition)[0]}{over_published(condition)}"


def over_published(condition: Condition) -> str:
    """What the value of one arm is divided by, if it is."""
    return "" if condition.published is None else f", over the published {condition.published:.4g},"


def size_words(condition: Condition) -> str:
    """Where a quantity of equal sizes is read."""
    if condition.place == "largest":
        return "at the largest common size"
    return f"where {arms_words(condition)[0]} has size {number_words(condition.place)} on the matched axis"


def number_words(value: float | str | None) -> str:
    """A size or loss as a rule says it."""
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def listed(names: tuple[str, ...]) -> str:
    """The one name, or each of several."""
    return names[0] if len(names) == 1 else f"each of {', '.join(names)}"
