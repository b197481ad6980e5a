"""The ratio of a count, or of the seconds of an evaluation, of what both sides find at equal budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, budget_words, ratio_words, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    if len(rule.sides) == 1:
        below, above = rule.count
        return f"{above} over {below} of {sides_words(rule)[0]} {budget_words(rule)}"
    return f"{rule.count[0]} {ratio_words(rule)} {budget_words(rule)}"


def find(case: Case) -> OverReplicates:
    """From the networks of each replicate."""
    from harness.judging.sides import budget_of, column_ratio, curves_of

    first, *others = curves_of(case)
    budget = budget_of(case, [first, *others])
    below, above = case.rule.count[0], case.rule.count[-1]
    return column_ratio(first.of_column(below), (others or [first])[0].of_column(above), budget, case.level)


QUANTITY = Quantity(
    name="count",
    summary="the ratio of what `count` names of two sides at equal budgets, or of two counts of one side",
    read_at="a budget, the largest one that both have if none is given",
    takes=Takes(sides=(1, 2), at="budget", of_counts=True),
    words=words,
    find=find,
)
