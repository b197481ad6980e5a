"""How many times a side's budget the other side needs for the same test loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, budget_words, effort_words, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    first, second = sides_words(rule)
    return f"the budget that {second} needs for {first}'s test loss {budget_words(rule)}, over it{effort_words(rule)},"


def find(case: Case) -> OverReplicates:
    """By log-log interpolation along the second side's falling curve, in each replicate."""
    from harness.judging.sides import budget_of, budget_ratio, curves_of

    first, second = curves_of(case)
    return budget_ratio(first, second, budget_of(case, (first, second)), case.level)


QUANTITY = Quantity(
    name="multiplier",
    summary="how many times the first side's budget the second one needs for the first one's test loss",
    read_at="a budget of the first side",
    takes=Takes(sides=(2,), at="budget", of_efforts=True, of_laws=True),
    words=words,
    find=find,
)
