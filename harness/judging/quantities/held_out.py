"""Whether laws predict the sizes that were held out of their fits."""

import math
from dataclasses import replace

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words
from harness.spec import Condition, Takes


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the held-out sizes are as the law of {' and that of '.join(arms_words(condition))} predicts"


def find(case: Case) -> Found:
    """The held-out size of all arms that is furthest off: measured / predicted, and what the interval allows."""
    import numpy as np

    from harness.base.errors import HarnessError
    from harness.judging.laws import laws_of_arms, shown

    margin = case.condition.margin
    worst, all_hold = None, True
    for one in shown(laws_of_arms(case)):
        if one.held_out is None:
            raise HarnessError(f"{one.series} has no held-out size on {case.task}")
        if one.held_out.prediction is None:
            raise HarnessError(f"{one.series}: {one.held_out.reason}")
        measured, predicted = one.held_out.measured, one.held_out.prediction
        off = np.abs(np.log(measured.means / predicted.curve))
        allowed = np.inf if margin is None else math.log(1 + margin)
        all_hold &= bool(np.all(predicted.within & (off <= allowed)))
        i = int(np.argmax(off))
        mean = measured.means[i]
        here = Found(
            float(mean / predicted.curve[i]),
            float(mean / predicted.high[i]),
            float(mean / predicted.low[i]),
            at=float(measured.sizes[i]),
        )
        if worst is None or off[i] > abs(math.log(worst.estimate or 1.0)):
            worst = here
    assert worst is not None
    return replace(worst, holds=all_hold)


QUANTITY = Quantity(
    name="held_out",
    summary="both laws predict the held-out sizes",
    read_at="each held-out size",
    interval="prediction interval; within `margin` too, if one is given",
    takes=Takes(arms=(1, 2), limits=("margin",), true_or_false=True, of_held_out=True, of_laws=True),
    words=words,
    find=find,
)
