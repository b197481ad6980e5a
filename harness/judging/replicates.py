"""Laws of a search with replicates: each replicate is a curve for itself, and gives an exponent for itself."""

from __future__ import annotations

import numpy as np

from harness.comparison.replicates import Curve, exponent_gap
from harness.judging.curves import side_curve
from harness.judging.found import Found
from harness.judging.laws import refused
from harness.judging.quantity import Case
from harness.judging.runs import of_arm


def exponent_gap_of(case: Case) -> Found:
    """The exponent of the first side less that of the second, over the budgets that both have."""
    curves = [side_curve(of_arm(case.runs, case.task, side), case.axis) for side in case.condition.sides]
    shared = [size for size in curves[0].sizes if size in curves[1].sizes]
    first, second = (_curve(one.sizes, one.logs, shared) for one in curves)
    found = exponent_gap(first, second, case.level)
    if found.found is None:
        return refused(found.refusals)
    seeds = int((~np.isnan(found.by_replicate)).sum())
    return Found(found.found.value, found.found.interval.low, found.found.interval.high, seeds=seeds)


def _curve(sizes: np.ndarray, logs: np.ndarray, shared: list[float]) -> Curve:
    ln_losses = logs[np.isin(sizes, shared)].T
    return Curve(np.array(shared), ln_losses, ln_losses)
