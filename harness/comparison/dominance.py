"""On how much of the shared range of sizes the first arm is better, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.comparison.runs import ArmRuns, SizePair, cells
from harness.laws.points import Numbers, NumbersOrNull


@dataclass(frozen=True)
class Dominance:
    """The share of size bins in which A has the lower loss, with the range that the noise leaves it.

    The band holds all bins at once; where a bin lacks an arm, its ratio and upper end are null. Shares are of the bins
    where both arms have runs.
    """

    level: Annotated[float, "of the band"]
    edges: Annotated[Numbers, "ends of the bins"]
    ratio: Annotated[NumbersOrNull, "geometric mean loss B / A in each bin"]
    low: Annotated[NumbersOrNull, "lower ends of the band"]
    high: Annotated[NumbersOrNull, "upper ends of the band"]
    share: Annotated[float, "of bins in which A has the lower loss"]
    at_least: Annotated[float, "of bins whose band lies above 1"]
    at_most: Annotated[float, "of bins whose band does not lie below 1"]


def dominance(first: ArmRuns, second: ArmRuns, edges: np.ndarray, level: float = 0.95) -> Dominance:
    """Each bin between `edges`, as of `matched_edges`, compared by Welch's t on ln loss.

    Raises HarnessError where no bin has runs of both arms.

    The band is simultaneous by Sidak: bins hold different runs, so they are independent and the correction is exact,
    where a bootstrap of the largest t has too few runs a bin to resample. A bin with one run of an arm shows no noise
    and decides nothing.
    """
    both = cells(first, second, edges)
    filled = np.array([bool(cell.first.size and cell.second.size) for cell in both])
    if not filled.any():
        raise HarnessError("no bin holds runs of both arms; choose fewer bins.")
    each = level ** (1 / int(filled.sum()))
    ratio, low, high = np.exp(np.array([_welch(cell, each) for cell in both])).T
    share, at_least, at_most = (float(np.mean(better[filled])) for better in (ratio > 1, low > 1, ~(high < 1)))
    return Dominance(level, edges, ratio, low, high, share, at_least, at_most)


def _welch(cell: SizePair, level: float) -> tuple[float, float, float]:
    """second less first of the mean ln losses: estimate, low and high."""
    counts = np.array([cell.first.size, cell.second.size])
    if not counts.all():
        return np.nan, -np.inf, np.inf
    gap = float(cell.second.mean() - cell.first.mean())
    if counts.min() < 2:
        return gap, -np.inf, np.inf
    variances = np.array([cell.first.var(ddof=1), cell.second.var(ddof=1)]) / counts
    if not variances.any():
        return gap, gap, gap
    dof = variances.sum() ** 2 / np.sum(variances**2 / (counts - 1))
    half = float(t_distribution.isf((1 - level) / 2, dof) * np.sqrt(variances.sum()))
    return gap, gap - half, gap + half
