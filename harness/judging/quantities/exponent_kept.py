"""How much of a side's exponent is left at the most inputs, in a family of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    return f"the exponent of {sides_words(rule)[0]} at the most inputs over that at the fewest"


def find(case: Case) -> OverReplicates:
    """The ratio of the exponents in each replicate."""
    from harness.comparison.replicates import exponent, quotient
    from harness.judging.sides import curve_on

    (names,) = case.rule.arms_of_sides
    most, fewest = (
        exponent(curve_on(case, task, names).over_budgets, case.level) for task in (case.tasks[-1], case.tasks[0])
    )
    return quotient(most, fewest, case.level)


QUANTITY = Quantity(
    name="exponent_kept",
    summary="alpha at the most inputs over alpha at the fewest, in a family of tasks",
    read_at="all budgets on an axis",
    takes=Takes(sides=(1,), at="axis", of_family=True, of_laws=True),
    words=words,
    find=find,
)
