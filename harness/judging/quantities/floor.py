"""The ratio of the floors that the laws of both arms end at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, ratio_words
from harness.spec import RATIO, Condition, Takes

if TYPE_CHECKING:
    from harness.judging.spread import Spread


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the floor {ratio_words(condition)}"


def find(case: Case) -> Found:
    """From the laws with a floor."""
    from harness.comparison import floor_ratio
    from harness.judging.kept import kept
    from harness.judging.laws import interval_of, pair

    return interval_of(kept(floor_ratio, *pair(case, "floor")))


def spread(case: Case, found: Found) -> Spread:
    """The scatter of sizes about both laws."""
    from harness.judging.laws import of_log_floor, series_pair, spread_of_laws

    return spread_of_laws(case, found, series_pair(case, "floor"), of_log_floor)


QUANTITY = Quantity(
    name="floor",
    summary="the ratio of the laws' floors",
    read_at="",
    interval="profile likelihood",
    takes=Takes(arms=(2,), limits=RATIO, of_laws=True),
    words=words,
    find=find,
    spread=spread,
)
