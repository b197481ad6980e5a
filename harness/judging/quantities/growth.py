"""How fast the size that an arm needs for a test loss grows with the inputs, in a family of tasks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.base.errors import HarnessError
from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words, number_words
from harness.spec import Condition, Takes

if TYPE_CHECKING:
    from harness.judging.curves import SideCurve
    from harness.judging.spread import Spread


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    loss = number_words(condition.place)
    return f"the slope in ln(inputs) of ln(size) that {arms_words(condition)[0]} needs for test loss {loss}"


def find(case: Case) -> Found:
    """The slope of ln size on ln inputs at one test loss, with Student's interval: tasks are the units."""
    from scipy.stats import linregress
    from scipy.stats import t as t_distribution

    from harness.judging.curves import curve
    from harness.judging.runs import of_arm

    loss, names = case.condition.place, case.condition.sides[0]
    assert isinstance(loss, float)
    inputs = [math.log(case.runs.tasks[task][1]) for task in case.tasks]
    if len(set(inputs)) < 3:
        raise HarnessError(
            f"a slope needs tasks of three different numbers of inputs, and there are {len(set(inputs))}"
        )
    sizes = [_log_size(curve(of_arm(case.runs, task, names).runs, case.axis), loss, task) for task in case.tasks]
    line = linregress(inputs, sizes)
    half = float(t_distribution.isf((1 - case.level) / 2, len(sizes) - 2) * line.stderr)
    slope = float(line.slope)
    return Found(slope, slope - half, slope + half, at=loss)


def _log_size(one: SideCurve, loss: float, task: str) -> float:
    """ln of the smallest size at which the mean loss comes down to `loss`, between neighbours."""
    import numpy as np

    known = np.isfinite(one.logs) & (one.lost[:, None] <= 0.5)
    means = np.where(known, one.logs, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    best = np.minimum.accumulate(np.where(known.any(axis=1), means, np.inf))
    wanted = math.log(loss)
    if not best[-1] <= wanted:
        raise HarnessError(
            f"{one.name} does not come to test loss {loss:g} on {task}: its least is {math.exp(best[-1]):.3g}; "
            "choose a larger `at`, or add sizes"
        )
    if best[0] <= wanted:
        raise HarnessError(
            f"{one.name} is below test loss {loss:g} on {task} at its smallest size already ({math.exp(best[0]):.3g}); "
            "choose a smaller `at`, or add sizes"
        )
    upper = int(np.argmax(best <= wanted))
    share = (best[upper - 1] - wanted) / (best[upper - 1] - best[upper]) if np.isfinite(best[upper - 1]) else 1.0
    low, high = np.log(one.sizes[upper - 1]), np.log(one.sizes[upper])
    return float(low + share * (high - low))


def spread(case: Case, found: Found) -> Spread:
    """Tasks, and not seeds, are its units."""
    raise HarnessError("more seeds will not help: tasks are the units of a slope, so add tasks of other inputs")


QUANTITY = Quantity(
    name="growth",
    summary="the slope of ln size at test loss `at` on ln inputs",
    read_at="a test loss",
    interval="Student's t, tasks being the units",
    takes=Takes(arms=(1,), numbers=True, of_family=True, is_difference=True, matters=0.2),
    words=words,
    find=find,
    spread=spread,
)
