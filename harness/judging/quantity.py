"""What a quantity is: something that a rule can be about (`judging.quantities` has all); and parts
of its words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from harness.base.formats import human, plural
from harness.spec.decide import Decide, Takes, side_label

if TYPE_CHECKING:
    from harness.comparison.replicates import Found
    from harness.judging.runs import ExperimentRuns


@dataclass(frozen=True)
class Case:
    """Where to find a quantity: a rule on a task, or on the tasks of a family, with budgets on
    `axis`.
    """

    rule: Decide
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

    `takes` is what a rule on it may and must say, `words` how it reads, as the subject of a clause.
    `summary` and `read_at` are its row in docs/verdicts.md, the first one also its part of the JSON
    Schema. It is found by `finder`, or else by the function of `judging.finding` that has its name.
    """

    name: str
    summary: str
    read_at: str
    takes: Takes
    words: Callable[[Decide], str]
    finder: Callable[[Case], Found] | None = None

    def find(self, case: Case) -> Found:
        """The number of each replicate, and their mean with its interval; a HarnessError says why
        there is none.
        """
        finder = self.finder or getattr(import_module("harness.judging.finding"), self.name)
        result: Found = finder(case)
        return result


# --------------------------------------------------------------------------------------------------
# words for `words`
def sides_words(rule: Decide) -> tuple[str, ...]:
    """Each arm, or the best of several."""
    return tuple(map(side_label, rule.arms_of_sides))


def ratio_words(rule: Decide) -> str:
    """`of second / first`."""
    first, second = (f"({side})" if ", " in side else side for side in sides_words(rule))
    return f"of {second} / {first}"


def over_published(rule: Decide) -> str:
    """What the value of one side is divided by, if it is."""
    return "" if rule.published is None else f", over the published {rule.published:.4g},"


def budget_words(rule: Decide) -> str:
    """`at the largest params.trainable`, or `at 66 params.trainable`; the axis that is matched is
    `size`.
    """
    on = rule.axis or "size"
    return f"at the largest {on}" if isinstance(rule.place, str) else f"at {human(rule.place)} {on}"


def effort_words(rule: Decide) -> str:
    """`, with 1 run a side`; nothing where all runs count."""
    if rule.effort is None:
        return ""
    return f", with {plural(rule.effort, 'run')} a side"
