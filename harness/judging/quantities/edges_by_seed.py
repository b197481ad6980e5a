"""How far seeds alone move the number of active edges of a sparse KAN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    return f"the standard deviation over seeds of ln(active edges) of {sides_words(rule)[0]}"


def find(case: Case) -> OverReplicates:
    """The standard deviation, and the interval that chi-squared gives it where the ln counts are normal."""
    from harness.comparison.replicates import deviation_over
    from harness.judging.networks import logs_of, rows_trained_with

    (names,) = case.rule.arms_of_sides
    logs = logs_of(rows_trained_with(case, names, "sparsity", "active_edges"), "active_edges")
    return deviation_over(logs, case.level)


QUANTITY = Quantity(
    name="edges_by_seed",
    summary="the standard deviation over seeds of ln(active edges), with the interval of chi-squared",
    read_at="the end of the penalised part",
    takes=Takes(sides=(1,), of_networks=True),
    words=words,
    find=find,
)
