"""The size at which a side has its least test loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, over_published, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    return f"the {rule.axis or 'size'} at which {sides_words(rule)[0]} has its least test loss{over_published(rule)}"


def find(case: Case) -> OverReplicates:
    """The size of each replicate; runs that diverged are passed over."""
    import numpy as np

    from harness.comparison.replicates import ratio_over
    from harness.judging.sides import curves_of

    (curve,) = curves_of(case)
    best = np.argmin(np.where(np.isnan(curve.logs), np.inf, curve.logs), axis=0)
    return ratio_over(np.log(curve.sizes[best] / (case.rule.published or 1.0)), case.level)


QUANTITY = Quantity(
    name="best_size",
    summary="the size at which the test loss is least, over the `published` one if that is given",
    read_at="all sizes on an axis",
    takes=Takes(sides=(1,), at="axis", of_networks=True, over_published=True),
    words=words,
    find=find,
)
