"""The ratio of test losses where both arms have the same size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, ratio_words, size_words, spread_over_seeds
from harness.spec import RATIO, Condition, Takes

if TYPE_CHECKING:
    from harness.judging.spread import Design, Spread


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the test loss {ratio_words(condition)} {size_words(condition)}"


def find(case: Case) -> Found:
    """From the runs of both arms, seed by seed."""
    from harness.judging.curves import loss_at
    from harness.judging.runs import of_arm

    first, second = (of_arm(case.runs, case.task, side) for side in case.condition.sides)
    place = case.condition.place
    return loss_at(first, second, case.axis, None if isinstance(place, str) else place, case.runs.matched, case.level)


def foreseen(design: Design) -> Spread:
    """Of sides whose noise is independent; what seeds do to both makes it less."""
    from harness.judging.spread import Spread

    noise = design.noise * math.sqrt(2)
    return Spread(noise / math.sqrt(design.seeds), ((1.0, design.seeds - 1),), design.seeds, noise)


def reads(case: Case) -> set[int]:
    """The sizes next to the one where both are equal."""
    from harness.judging.reads import cells_next_to

    return cells_next_to(case, case.axis)


QUANTITY = Quantity(
    name="test_loss",
    older_name="test_rmse",
    summary="the ratio of test losses at equal size",
    read_at="largest (common size) or a size of the first arm on the matched axis",
    interval="Student's t of the seeds' ln ratios; of several arms the jackknife's",
    takes=Takes(arms=(2,), limits=RATIO, at=("largest",), numbers=True, at_a_size=True),
    words=words,
    find=find,
    spread=spread_over_seeds,
    foreseen=foreseen,
    reads=reads,
)
