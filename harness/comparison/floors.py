"""How many times the floor of the first arm's law the second's has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.base.errors import HarnessError
from harness.comparison.answer import Refusal, common_level, refused_fits
from harness.comparison.profiled import Profiled, difference, most_root, profiled
from harness.fit import Fit, Interval, floor_deviance

NOTHING = 40.0  # e^-40 of the lowest loss is no floor


@dataclass(frozen=True)
class FloorRatio:
    """E_second / E_first with its profile interval, 0 and inf being open ends; without numbers when refused.

    The estimate is 0 or inf where one of the laws has no floor.
    """

    level: float
    refusals: tuple[Refusal, ...] = ()
    estimate: float | None = None
    interval: Interval | None = None


def floor_ratio(first: Fit, second: Fit) -> FloorRatio:
    """The ratio of two floors: above 1, the first arm levels off lower. It is refused where neither has a floor.

    Raises HarnessError on other laws than `floor`, and on fits at different levels.
    """
    level = common_level(first, second)
    for fit in (first, second):
        if fit.law != "floor":
            raise HarnessError(f"law={fit.law!r} has no floor to compare; fit law='floor' to both arms.")
    refusals = refused_fits(first, second)
    if not refusals and first.floor == second.floor == 0:
        refusals = (Refusal("NO_FLOOR", "neither law levels off within its sizes. Add larger sizes."),)
    if refusals:
        return FloorRatio(level, refusals)
    most = most_root(first.dof, second.dof, level)
    parts = difference(_log_floor(second, most), _log_floor(first, most), level)
    with np.errstate(over="ignore"):
        estimate, low, high = (float(np.exp(part[0])) for part in parts)
    return FloorRatio(level, (), estimate, Interval(low, high, level))


def _log_floor(fit: Fit, most: float) -> Profiled:
    assert fit.floor is not None
    lowest = float(np.log(fit.points.means.min()))

    def against(log_floor: np.ndarray) -> np.ndarray:
        return floor_deviance(fit, np.exp(log_floor))

    estimate = np.array([np.log(fit.floor) if fit.floor > 0 else -np.inf])
    return profiled(against, estimate, (lowest - NOTHING, lowest + NOTHING), most, fit.dof)
