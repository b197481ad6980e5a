"""How far seeds alone move the number of active edges of a sparse KAN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words
from harness.spec import Condition, Takes

if TYPE_CHECKING:
    from harness.judging.spread import Spread


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the standard deviation over seeds of ln(active edges) of {arms_words(condition)[0]}"


def find(case: Case) -> Found:
    """The standard deviation, and the interval that chi-squared gives it where the ln counts are normal."""
    from scipy.stats import chi2

    from harness.base.errors import HarnessError
    from harness.judging.any_size import logs_of, rows_trained_with

    (names,) = case.condition.sides
    logs = logs_of(rows_trained_with(case, names, "sparsity", "active_edges"), names, "active_edges")
    if len(logs) < 2:
        raise HarnessError(f"SEEDS: {arms_words(case.condition)[0]} has one seed, which has no spread; run more seeds")
    freedom, tail = len(logs) - 1, (1 - case.level) / 2
    deviation = float(logs.std(ddof=1))
    low, high = (deviation * math.sqrt(freedom / chi2.isf(share, freedom)) for share in (tail, 1 - tail))
    return Found(deviation, low, high, seeds=len(logs))


def spread(case: Case, found: Found) -> Spread:
    """The error of ln of the deviation, roughly normal: its variance is 1 / (2 (seeds - 1))."""
    from harness.judging.spread import Spread

    assert found.seeds is not None
    freedom = found.seeds - 1
    error = 1 / math.sqrt(2 * freedom)
    return Spread(error, ((1.0, freedom),), found.seeds, error * math.sqrt(found.seeds))


QUANTITY = Quantity(
    name="edges_by_seed",
    summary="the standard deviation over seeds of ln(active edges)",
    read_at="the end of the penalised part",
    interval="chi-squared, for normal ln counts",
    takes=Takes(arms=(1,), of_any_size=True, of_networks=True),
    words=words,
    find=find,
    spread=spread,
)
