"""The ratio of the test losses of the best networks of both sides, up to a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words, number_words, ratio_words, spread_over_seeds
from harness.spec import RATIO, Condition, Takes

if TYPE_CHECKING:
    from harness.judging.side_runs import SideRuns


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    first, second = arms_words(condition)
    place = condition.place
    sizes = (
        f" of size {number_words(place)} or less"
        if place != "first"
        else f", that of {second} no larger than that of {first}"
    )
    return f"the test loss {ratio_words(condition)}, each by its best network{sizes},"


def find(case: Case) -> Found:
    """From the networks that validation chooses on other seeds."""
    from harness.judging.any_size import ratio_of
    from harness.judging.curves import LOSS
    from harness.judging.scaling import sizes_of

    one, other = case.condition.sides
    largest = case.condition.place
    if isinstance(largest, float):
        first = _best(case, one, largest)
    else:
        first = _best(case, one)
        largest = float(sizes_of(first.runs, case.axis).max())
    return ratio_of(first, _best(case, other, largest), LOSS, case.level)


def _best(case: Case, names: Sequence[str], largest: float = math.inf) -> SideRuns:
    """The best network of a side that is not larger on the axis; a HarnessError where all are."""
    from harness.base.errors import HarnessError
    from harness.judging.any_size import best_of, rows_of
    from harness.judging.scaling import sizes_of
    from harness.spec import END_TOLERANCE, side_label

    rows = rows_of(case, names)
    sizes = sizes_of(rows, case.axis)
    within = rows[sizes <= largest * (1 + END_TOLERANCE)]
    if within.empty:
        raise HarnessError(
            f"{side_label(names)} has no network of size {largest:,.6g} or less on {case.axis}: the smallest has "
            f"{sizes.min():,.6g}"
        )
    return best_of(within, names)


QUANTITY = Quantity(
    name="best_loss",
    summary="the ratio of test losses of the best networks, of size `at` or less",
    read_at="first (the second side's is no larger than the first's) or the largest size of both",
    interval="the jackknife's t of the seeds' ln ratios, in which other seeds choose the networks",
    takes=Takes(arms=(2,), limits=RATIO, at=("first",), numbers=True, of_networks=True),
    words=words,
    find=find,
    spread=spread_over_seeds,
)
