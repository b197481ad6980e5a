"""Laws of a search with replicates: each replicate is a curve for itself, and gives an exponent for itself."""

from __future__ import annotations

import numpy as np

from harness.comparison.replicates import Curve, OverReplicates, exponent_gap
from harness.judging.curves import side_curve
from harness.judging.found import Found
from harness.judging.quantity import Case
from harness.judging.runs import of_arm


def exponent_gap_of(case: Case) -> Found:
    """The exponent of the first side less that of the second, over the budgets that both have."""
    curves = [side_curve(of_arm(case.runs, case.task, side), case.axis) for side in case.condition.sides]
    shared = [size for size in curves[0].sizes if size in curves[1].sizes]
    first, second = (_curve(one.sizes, one.logs, shared) for one in curves)
    return found_of(exponent_gap(first, second, case.level))


def found_of(said: OverReplicates) -> Found:
    """The number with its interval, or every reason why there is none."""
    if said.found is None:
        return Found(refused=" ".join(f"{one.code}: {one.reason}" for one in said.refusals))
    replicates = int((~np.isnan(said.by_replicate)).sum())
    return Found(said.found.value, said.found.interval.low, said.found.interval.high, seeds=replicates)


def _curve(sizes: np.ndarray, logs: np.ndarray, shared: list[float]) -> Curve:
    ln_losses = logs[np.isin(sizes, shared)].T
    return Curve(np.array(shared), ln_losses, ln_losses)
