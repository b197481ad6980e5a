"""Two arms without a law: their runs in bins of size that both reach, who is better bin by bin, and
over all bins.

Over all bins the median stands for the runs of a bin. The best of all runs would reward the arm
that ran more: of equal arms with a seed sd of .3, the best of 44 is 1.32 times better than the best
of 6. (`--best-of` has the expected best.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.base.reasons import Refusal
from harness.laws import Interval
from harness.laws.law import exp_of
from harness.laws.points import Numbers, NumbersOrNull, runs
from harness.laws.replicates import half_width

MOST_BINS = 6  # of a verdict without a law: more bins widen the band of each
UNITS_A_BIN = (4, 3, 2)  # sizes, or else runs, that each arm should have in every bin
# of the error that is allowed: of 44 runs against 6, Welch's interval errs 1.5 times as often as it
# says
WELCH = 0.6
FEWEST_OF_SIZES = 3  # bins that sizes should fill: fewer show too little of a curve


def shared_range(
    what: str, first: np.ndarray, second: np.ndarray
) -> tuple[tuple[float, float] | None, tuple[Refusal, ...]]:
    """The range of values that both arms attain, or why there is none; `what` names the values."""
    low, high = max(first.min(), second.min()), min(first.max(), second.max())
    if low < high:
        return (float(low), float(high)), ()
    reason = (
        f"the first arm's {what} run from {first.min():.4g} to {first.max():.4g}, the "
        "second's from "
        f"{second.min():.4g} to {second.max():.4g}: no range is attained by both. Add sizes that "
        "bring them together."
    )
    return None, (Refusal("NO_OVERLAP", reason),)


@dataclass(frozen=True)
class ArmRuns:
    """Finished runs of one arm: size and loss of each [r]."""

    x: np.ndarray
    y: np.ndarray


Placed = tuple[
    np.ndarray, np.ndarray, np.ndarray
]  # ln size, ln loss and bin of every different run of an arm


@dataclass(frozen=True)
class SizePair:
    """What is compared at one size: the ln losses of the first arm [r] and of the second [s]."""

    first: np.ndarray
    second: np.ndarray


def to_runs(x: ArrayLike, y: ArrayLike) -> ArmRuns:
    """Runs from one size and one loss each; raises HarnessError on rows that are not finite and
    positive.
    """
    return ArmRuns(*runs(x, y))


def matched_edges(first_x: np.ndarray, second_x: np.ndarray, bins: int) -> np.ndarray:
    """The edges [bins + 1] of bins equal in ln x over the sizes that both arms reach."""
    if bins < 1:
        raise HarnessError(f"bins={bins} must be at least 1.")
    shared, refusals = shared_range("sizes", first_x, second_x)
    if shared is None:
        raise HarnessError(refusals[0].reason)
    edges = np.geomspace(*shared, bins + 1)
    edges[0], edges[-1] = shared  # rounding must not leave out the runs at the ends
    return edges


def bin_of(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of every size, whose lower edge belongs to it (the last bin has its upper edge too);
    -1 outside.
    """
    index = np.searchsorted(edges, x, side="right") - 1
    index[x == edges[-1]] = len(edges) - 2
    return np.where((x >= edges[0]) & (x <= edges[-1]), index, -1)


def cells(first: ArmRuns, second: ArmRuns, edges: np.ndarray) -> list[SizePair]:
    """One cell for each bin, empty where an arm has no runs; every run stands at the bin's middle.

    Arms have other sizes within a bin, and losses fall with size: runs are moved to the middle
    along the slope of ln loss in ln x there, one for both arms, from the runs of the bin and its
    neighbours. Copies of a run count once.
    """
    middles = (np.log(edges[:-1]) + np.log(edges[1:])) / 2
    arms: list[Placed] = []
    for arm in (first, second):
        distinct = np.unique(np.column_stack([arm.x, arm.y]), axis=0)
        arms.append((*np.log(distinct.T), bin_of(distinct[:, 0], edges)))
    pairs = []
    for place, middle in enumerate(middles):
        slope = _slope(arms, place)
        pairs.append(
            SizePair(
                *(v[index == place] - slope * (u[index == place] - middle) for u, v, index in arms)
            )
        )
    return pairs


def _slope(arms: list[Placed], place: int) -> float:
    """The slope of ln loss in ln x about a bin, within arms; 0 where each arm has one size
    there.
    """
    products = squares = 0.0
    for u, v, index in arms:
        near = (index >= 0) & (np.abs(index - place) <= 1)
        centred = u[near] - u[near].mean() if near.any() else np.zeros(0)
        products, squares = products + float(centred @ v[near]), squares + float(centred @ centred)
    return products / squares if squares > 0 else 0.0


# --------------------------------------------------------------------------------------------------
# bin by bin
@dataclass(frozen=True)
class Dominance:
    """The share of size bins in which A has the lower loss, with the range that the noise leaves
    it.

    The band holds all bins at once; where a bin lacks an arm, its ratio and upper end are null.
    Shares are of the bins where both arms have runs.
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

    The band is simultaneous by Sidak: bins hold different runs, so they are independent and the
    correction is exact, where a bootstrap of the largest t has too few runs a bin to resample. A
    bin with one run of an arm shows no noise and decides nothing.
    """
    both = cells(first, second, edges)
    filled = np.array([bool(cell.first.size and cell.second.size) for cell in both])
    if not filled.any():
        raise HarnessError("no bin holds runs of both arms; choose fewer bins.")
    each = level ** (1 / int(filled.sum()))
    ratio, low, high = exp_of(
        [_welch(cell, each) for cell in both]
    ).T  # two runs of an arm bound next to nothing
    share, at_least, at_most = (
        float(np.mean(better[filled])) for better in (ratio > 1, low > 1, ~(high < 1))
    )
    return Dominance(level, edges, ratio, low, high, share, at_least, at_most)


def without_law(first: ArmRuns, second: ArmRuns, level: float = 0.95) -> Dominance | None:
    """Two arms in as many bins as their runs support: who is ahead where no law can say; None if
    they share no bin.

    Sizes are the units of replication where there are many, or where the arms have others: a bin
    then shows what a line through it misses. Arms of a few common sizes have runs as units.
    """
    if not (first.x.size and second.x.size):
        return None
    shared, _ = shared_range("sizes", first.x, second.x)
    if shared is None:
        return None
    sizes = [
        np.unique(arm.x[(shared[0] <= arm.x) & (arm.x <= shared[1])]) for arm in (first, second)
    ]
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


# --------------------------------------------------------------------------------------------------
# over all bins
@dataclass(frozen=True)
class Ratio:
    """The loss of B / A over all bins that both arms have, without a law."""

    estimate: Annotated[float, "geometric mean over the bins of the ratio of medians"]
    interval: Annotated[Interval, "its interval"]
    cells: Annotated[int, "how many bins"]


def ratio(cells: Sequence[SizePair], level: float = 0.95) -> Ratio:
    """second / first at equal size, by medians of the cells that both arms have runs in; above 1
    the first is better.

    The cell is the unit of replication: the interval is Student's t over the cells' ln ratios,
    which asks nothing of the runs within and holds what sizes differ by; from a single cell it is
    open. Raises HarnessError without cells.
    """
    cells = [cell for cell in cells if cell.first.size and cell.second.size]
    if not cells:
        raise HarnessError("no bin holds runs of both arms; choose fewer bins.")
    gaps = [float(np.median(cell.second) - np.median(cell.first)) for cell in cells]
    half = half_width(np.std(gaps, ddof=1), len(gaps), level) if len(gaps) > 1 else np.inf
    estimate, low, high = np.exp(np.mean(gaps) + np.array([0.0, -half, half])).tolist()
    return Ratio(estimate, Interval(low, high, level), len(cells))
