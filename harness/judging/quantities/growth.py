"""How fast the budget that a side needs for a test loss grows with the inputs, in a family of tasks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.base.errors import HarnessError
from harness.base.formats import human
from harness.judging.quantity import Case, Quantity, sides_words
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates


def words(rule: Decide) -> str:
    """How it reads."""
    loss = human(rule.place) if isinstance(rule.place, float) else rule.place
    return (
        f"the slope in ln(inputs) of ln({rule.axis or 'size'}) that {sides_words(rule)[0]} needs for test loss {loss}"
    )


def find(case: Case) -> OverReplicates:
    """The least-squares slope in each replicate."""
    import numpy as np

    from harness.comparison.replicates import difference_over, needed
    from harness.judging.sides import curve_on

    (names,), loss = case.rule.arms_of_sides, case.rule.place
    assert isinstance(loss, float)
    inputs = np.log([case.runs.tasks[task][1] for task in case.tasks])
    if np.unique(inputs).size < 3:
        number = np.unique(inputs).size
        raise HarnessError(f"a slope needs tasks of three different numbers of inputs, and there are {number}")
    sizes = [needed(curve_on(case, task, names).over_budgets, math.log(loss)) for task in case.tasks]  # [tasks][R]
    centred = inputs - inputs.mean()
    return difference_over(centred @ np.array(sizes) / (centred @ centred), case.level)


QUANTITY = Quantity(
    name="growth",
    summary="the slope of ln budget at a test loss on ln inputs",
    read_at="a test loss",
    takes=Takes(sides=(1,), at="loss", needs_place=True, of_family=True, is_difference=True, matters=0.2),
    words=words,
    find=find,
)
