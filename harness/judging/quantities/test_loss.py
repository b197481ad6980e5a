"""The ratio of the test losses of what both sides find at equal budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, budget_words, effort_words, ratio_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    return f"the test loss {ratio_words(rule)} {budget_words(rule)}{effort_words(rule)}"


def find(case: Case) -> OverReplicates:
    """The ratio in each replicate; refused where both sides are worse than a constant.

    Where networks are not matched, none has just the size that a rule names, so that the best one up to it counts.
    """
    from harness.judging.networks import loss_ratio_up_to
    from harness.judging.sides import budget_of, check_any_learnt, curves_of, loss_ratio

    place = case.rule.place
    if case.runs.manifest.experiment.match is None and isinstance(place, float):
        return loss_ratio_up_to(case, place)
    first, second = curves_of(case)
    budget = budget_of(case, [first, second])
    check_any_learnt([first, second], budget)
    return loss_ratio(first, second, budget, case.level)


QUANTITY = Quantity(
    name="test_loss",
    summary="the ratio of test losses of what both sides find at equal budgets",
    read_at="a budget, the largest one that both have if none is given",
    takes=Takes(sides=(2,), at="budget", of_efforts=True),
    words=words,
    find=find,
)
