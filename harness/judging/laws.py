"""What is read off the laws of arms: pairs of them, intervals of comparisons, the reasons of refusals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness import comparison
from harness.base.errors import HarnessError
from harness.comparison.answer import refused_fits, shared_range
from harness.fit import Fit
from harness.judging.found import Found
from harness.judging.kept import kept
from harness.judging.quantity import Case
from harness.judging.runs import laws
from harness.judging.scaling import SeriesFit, common_law


def shown(fits: Sequence[SeriesFit], law: str | None = None) -> list[SeriesFit]:
    """The fit of each series by one law for all: `harness.judging.scaling.common_law` unless one is given."""
    chosen = law or common_law([one._replace(task="") for one in fits], "", fits[0].axis)
    return [one for one in fits if one.fit.law == chosen]


def laws_of_arms(case: Case) -> list[SeriesFit]:
    """Both laws of each arm on the task."""
    found: list[SeriesFit] = []
    for side in case.condition.sides:
        found += laws(case.runs, case.task, side, case.axis, case.level)
    return found


def pair(case: Case, law: str | None = None) -> tuple[Fit, Fit]:
    """The laws of the first and the second arm on the task (`shown`)."""
    first, second = shown(laws_of_arms(case), law)
    return first.fit, second.fit


def interval_of(found: comparison.ExponentDifference | comparison.ExponentRatio | comparison.FloorRatio) -> Found:
    """What a comparison of laws found, or why it refused."""
    if found.refusals or found.estimate is None or found.interval is None:
        return refused(found.refusals)
    return Found(found.estimate, found.interval.low, found.interval.high)


def refused(refusals: Sequence[comparison.Refusal]) -> Found:
    """No number, with every reason."""
    return Found(refused=" ".join(f"{refusal.code}: {refusal.reason}" for refusal in refusals))


def cost_at(first: Fit, second: Fit, at: float | str) -> Found:
    """The ratio of sizes second / first at a loss, or at the middle or the lowest of those that both attain."""
    refusals = refused_fits(first, second)
    if refusals:
        return refused(refusals)
    attained = shared_range("mean losses", first.points.means, second.points.means)
    if isinstance(attained, comparison.Refusal):
        return refused([attained])
    low, high = attained
    loss = {"middle": math.sqrt(low * high), "lowest": low}[at] if isinstance(at, str) else at
    if not low * (1 - 1e-12) <= loss <= high * (1 + 1e-12):
        raise HarnessError(f"loss {loss:.4g}: both attain {low:.4g} to {high:.4g}")
    found = kept(comparison.cost_ratio, first, second, loss)
    if found.refusals or found.estimate is None or found.low is None or found.high is None:
        return refused(found.refusals)
    if np.isnan(found.estimate[0]):
        return Found(refused=f"neither law comes to loss {loss:.4g} within a decade of its sizes")
    return Found(float(found.estimate[0]), float(found.low[0]), float(found.high[0]), at=loss)
