"""Whether one arm is ahead at the largest common size, so that wherever they may cross lies below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words
from harness.spec import Condition, Takes

if TYPE_CHECKING:
    from harness.judging.spread import Design, Spread


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    first, second = arms_words(condition)
    return f"{first} or {second} is ahead at the largest common size beyond doubt, every crossover lying below"


def find(case: Case) -> Found:
    """The ratio of the laws' losses at the largest common size: where it may be 1, they may cross there or beyond."""
    from harness.comparison import Refusal, loss_ratio
    from harness.comparison.answer import refused_fits, shared_range
    from harness.judging.kept import kept
    from harness.judging.laws import pair, refused

    first, second = pair(case)
    if refusals := refused_fits(first, second):
        return refused(refusals)
    shared = shared_range("sizes", first.points.sizes, second.points.sizes)
    if isinstance(shared, Refusal):
        return refused([shared])
    found = kept(loss_ratio, first, second, shared[1])
    assert found.estimate is not None
    assert found.low is not None
    assert found.high is not None
    estimate, low, high = float(found.estimate[0]), float(found.low[0]), float(found.high[0])
    return Found(estimate, low, high, holds=True if low > 1 or high < 1 else None, at=shared[1])


def spread(case: Case, found: Found) -> Spread:
    """The scatter of sizes about both laws."""
    from harness.judging.laws import of_log_loss, series_pair, spread_of_laws

    assert found.at is not None
    return spread_of_laws(case, found, series_pair(case), of_log_loss(found.at))


def foreseen(design: Design) -> Spread:
    """From the planned sizes."""
    from harness.judging.laws import foreseen_end

    return foreseen_end(design)


QUANTITY = Quantity(
    name="crossover",
    summary="one arm is ahead at the largest common size, and all sizes at which the arms may be equal lie below it",
    read_at="largest common size",
    interval="ratio of the laws' losses, profile likelihood",
    takes=Takes(arms=(2,), limits=(), true_or_false=True, whoever_leads=True, of_laws=True),
    words=words,
    find=find,
    spread=spread,
    foreseen=foreseen,
)
