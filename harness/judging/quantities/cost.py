"""The ratio of the sizes that both arms need for the same test loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, number_words, ratio_words
from harness.spec import RATIO, Condition, Takes

if TYPE_CHECKING:
    from harness.judging.spread import Spread


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    at = condition.place
    loss = f"the {at} loss that both attain" if isinstance(at, str) else f"test loss {number_words(at)}"
    size = conventions[0] if len(conventions) == 1 else "size"
    return f"the {size} {ratio_words(condition)} at {loss}"


def find(case: Case) -> Found:
    """From the laws of both arms."""
    from harness.judging.laws import cost_at, pair

    assert case.condition.place is not None
    return cost_at(*pair(case), case.condition.place)


def spread(case: Case, found: Found) -> Spread:
    """The scatter of sizes about both laws."""
    from harness.judging.laws import of_log_size, series_pair, spread_of_laws

    assert found.at is not None
    return spread_of_laws(case, found, series_pair(case), of_log_size(found.at))


QUANTITY = Quantity(
    name="cost",
    summary="the ratio of sizes at equal test loss",
    read_at="middle or lowest (of the losses that both attain) or a loss",
    interval="profile likelihood",
    takes=Takes(arms=(2,), limits=RATIO, at=("middle", "lowest"), numbers=True, of_laws=True),
    words=words,
    find=find,
    spread=spread,
)
