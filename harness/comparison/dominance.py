"""On how much of the shared range of sizes the first arm is better, bin by bin."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.comparison.answer import shared_range
from harness.comparison.runs import ArmRuns, SizePair, cells, matched_edges
from harness.laws.points import Numbers, NumbersOrNull

MOST_BINS = 6  # of a verdict without a law: more bins widen the band of each
UNITS_A_BIN = (4, 3, 2)  # sizes, or else runs, that each arm should have in every bin
WELCH = 0.6  # of the error that is allowed: of 44 runs against 6, Welch's interval errs 1.5 times as often as it says
FEWEST_OF_SIZES = 3  # bins that sizes should fill: fewer show too little of a curve


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
    with np.errstate(over="ignore"):  # two runs of an arm bound next to nothing
        ratio, low, high = np.exp(np.array([_welch(cell, each) for cell in both])).T
    share, at_least, at_most = (float(np.mean(better[filled])) for better in (ratio > 1, low > 1, ~(high < 1)))
    return Dominance(level, edges, ratio, low, high, share, at_least, at_most)


def without_law(first: ArmRuns, second: ArmRuns, level: float = 0.95) -> Dominance | None:
    """Two arms in as many bins as their runs support: who is ahead where no law can say; None if they share no bin.

    Sizes are the units of replication where there are many, or where the arms have others: a bin then shows what a
    line through it misses. Arms of a few common sizes have runs as units.
    """
    if not (first.x.size and second.x.size):
        return None
    shared, _ = shared_range("sizes", first.x, second.x)
    if shared is None:
        return None
    sizes = [np.unique(arm.x[(shared[0] <= arm.x) & (arm.x <= shared[1])]) for arm in (first, second)]
    by_size = _size_means(first), _size_means(second)
    units: list[tuple[tuple[ArmRuns, ArmRuns], int]] = [(by_size, 1)]
    if np.array_equal(sizes[0], sizes[1]):
        units = [(by_size, FEWEST_OF_SIZES), ((first, second), 1)]
    for least in UNITS_A_BIN:
        for arms, fewest in units:
            for bins in range(MOST_BINS, fewest - 1, -1):
                edges = matched_edges(first.x, second.x, bins)
                counts = [min(cell.first.size, cell.second.size) for cell in cells(*arms, edges)]
                if min(counts) >= least:
                    return replace(dominance(*arms, edges, 1 - WELCH * (1 - level)), level=level)
    return None


def _size_means(arm: ArmRuns) -> ArmRuns:
    """The geometric mean loss at each size, as one run."""
    sizes, of_run = np.unique(arm.x, return_inverse=True)
    return ArmRuns(sizes, np.exp(np.bincount(of_run, np.log(arm.y)) / np.bincount(of_run)))


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
