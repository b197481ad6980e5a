"""Two arms at equal sizes, without a law: the ratio of their mean losses, size by size.

It stands in for the multiplier where no law holds for both arms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as t_distribution

from harness.laws import Estimate
from harness.laws.law import exp_of
from harness.laws.points import runs
from harness.laws.result import estimate_of

SAME_SIZE = 1.05  # times: sizes of two arms within it count as one


@dataclass(frozen=True)
class RatioAt:
    """The mean losses of two arms at one size that both have."""

    size: Annotated[float, "of A; that of B is within 5 % of it"]
    runs: Annotated[tuple[int, int], "different runs of A and of B there"]
    ratio: Annotated[Estimate, "geometric mean loss of B over that of A; above 1 A is better"]


def ratios(
    x: Mapping[str, ArrayLike], y: Mapping[str, ArrayLike], level: float = 0.95
) -> tuple[RatioAt, ...]:
    """The ratio of mean losses at each size that two arms have in common; x and y are runs by arm.

    Intervals are Welch's, pointwise, of the difference of mean ln loss. Where an arm has one run
    they are open: one run shows no noise. Copies of a run count once.
    """
    first, second = (_log_losses(x[arm], y[arm]) for arm in x)
    found = []
    for size, losses in first.items():
        nearest = min(second, key=lambda other: abs(np.log(other / size)), default=np.inf)
        if not size / SAME_SIZE <= nearest <= size * SAME_SIZE:
            continue
        others = second[nearest]
        estimate = estimate_of(exp_of(_welch(losses, others, level)), level)
        found.append(RatioAt(size, (losses.size, others.size), estimate))
    return tuple(found)


def _log_losses(x: ArrayLike, y: ArrayLike) -> dict[float, np.ndarray]:
    """The ln losses of the different runs at each size, in order of size."""
    distinct = np.unique(np.column_stack(runs(x, y)), axis=0)
    sizes = distinct[:, 0]
    return {float(size): np.log(distinct[sizes == size, 1]) for size in np.unique(sizes)}


def _welch(first: np.ndarray, second: np.ndarray, level: float) -> tuple[float, float, float]:
    """Second less first of the means: estimate, low and high."""
    gap = float(second.mean() - first.mean())
    counts = np.array([first.size, second.size])
    if counts.min() < 2:
        return gap, -np.inf, np.inf
    variances = np.array([first.var(ddof=1), second.var(ddof=1)]) / counts
    if not variances.any():
        return gap, gap, gap
    dof = variances.sum() ** 2 / np.sum(variances**2 / (counts - 1))
    half = float(t_distribution.isf((1 - level) / 2, dof) * np.sqrt(variances.sum()))
    return gap, gap - half, gap + half
