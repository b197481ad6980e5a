"""The exponents of two arms, one minus the other."""

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
    return f"the exponent of {first} minus that of {second}"


def find(case: Case) -> Found:
    """From the laws of both arms; of replicates from the exponents of each."""
    if case.runs.are_replicates:
        from harness.judging.replicates import exponent_gap_of

        return exponent_gap_of(case)
    from harness.comparison import exponent_difference
    from harness.judging.kept import kept
    from harness.judging.laws import interval_of, pair

    return interval_of(kept(exponent_difference, *pair(case)))


def spread(case: Case, found: Found) -> Spread:
    """The scatter of sizes about both laws, or of replicates."""
    if case.runs.are_replicates:
        from harness.judging.spread import spread_of_seeds

        return spread_of_seeds(found, case.level, is_difference=True)
    from harness.judging.laws import of_exponent, series_pair, spread_of_laws

    return spread_of_laws(case, found, series_pair(case), of_exponent, is_of_exponents=True)


def foreseen(design: Design) -> Spread:
    """From the planned sizes."""
    from harness.judging.laws import foreseen_exponent

    return foreseen_exponent(design)


QUANTITY = Quantity(
    name="exponent",
    summary="alpha of the first arm minus alpha of the second",
    read_at="",
    interval="profile likelihood of both laws; of replicates Student's t",
    takes=Takes(arms=(2,), of_laws=True, is_difference=True, matters=0.2),
    words=words,
    find=find,
    spread=spread,
    foreseen=foreseen,
)
