"""The exponent of a side, or of two sides the first one's less the second one's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, effort_words, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    told = f"the exponent of {' minus that of '.join(sides_words(rule))}{effort_words(rule)}"
    return told if rule.published is None else f"{told}, less the published {rule.published:.4g},"


def find(case: Case) -> OverReplicates:
    """The slope of each replicate's own curve."""
    from harness.comparison.replicates import exponent, exponent_gap, shifted
    from harness.judging.sides import at_shared_budgets, curves_of

    curves = curves_of(case)
    if len(curves) == 2:
        return exponent_gap(*at_shared_budgets(*curves), case.level)
    found = exponent(curves[0].over_budgets, case.level)
    return found if case.rule.published is None else shifted(found, -case.rule.published)


QUANTITY = Quantity(
    name="exponent",
    summary="alpha of loss = c * budget^-alpha; of two sides the first one's less the second one's",
    read_at="all budgets on an axis",
    takes=Takes(
        sides=(1, 2), at="axis", is_difference=True, of_efforts=True, of_laws=True, over_published=True, matters=0.2
    ),
    words=words,
    find=find,
)
