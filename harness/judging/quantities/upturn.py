"""How far the test loss turns up at a side's largest size: over the least of its smaller sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judging.quantity import Case, Quantity, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    return f"the test loss of {sides_words(rule)[0]} at its largest size over the least at a smaller one"


def find(case: Case) -> OverReplicates:
    """The ratio in each replicate."""
    import numpy as np

    from harness.base.errors import HarnessError
    from harness.comparison.replicates import ratio_over
    from harness.judging.sides import curves_of

    (curve,) = curves_of(case)
    if len(curve.sizes) < 2:
        raise HarnessError(f"{curve.name} has one size, so that nothing can turn up; give it two or more")
    *smaller, largest = curve.logs
    return ratio_over(largest - np.min(smaller, axis=0), case.level)


QUANTITY = Quantity(
    name="upturn",
    summary="the test loss at the largest size over the least at a smaller size",
    read_at="all sizes on an axis",
    takes=Takes(sides=(1,), at="axis", of_networks=True),
    words=words,
    find=find,
)
