"""The cost ratio without a law: monotone curves through the size means, read between neighbours.

Where it and the fitted ratio disagree beyond both intervals, the laws bend what the data show.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from harness.base.errors import HarnessError
from harness.comparison.bins import ArmRuns
from harness.comparison.ratios import CostRatio
from harness.laws import Caution
from harness.laws.points import Numbers, NumbersOrNull

LEAST_READ = 0.5  # of the draws
ROUNDING = 1e-12  # of ln loss: an end of the curve is on it


@dataclass(frozen=True)
class Twin:
    """Sizes of two arms at equal loss, without a law; null is no number, or one without end."""

    level: Annotated[float, "of intervals"]
    losses: Annotated[Numbers, "where they are compared"]
    estimate: Annotated[NumbersOrNull, "size B / A at each loss"]
    low: Annotated[NumbersOrNull, "lower ends, by a bootstrap"]
    high: Annotated[NumbersOrNull, "upper ends, by a bootstrap"]


def twin_ratio(
    first: ArmRuns, second: ArmRuns, at: ArrayLike, rng: np.random.Generator, level: float = 0.95, draws: int = 999
) -> Twin:
    """The ratio of sizes at equal loss, from the arms' size means made monotone and joined by lines in log-log space.

    The interval holds the middle `level` of `draws` resamplings of the sizes, and of the runs within each. Draws whose
    sizes do not enclose a loss cannot read it and are left out; where those are most, the interval is open.
    """
    losses = np.atleast_1d(np.asarray(at, float))
    if not np.all(np.isfinite(losses) & (losses > 0)):
        raise HarnessError(f"at={losses.tolist()}: every loss must be a finite number above 0.")
    arms = _by_size(first), _by_size(second)
    estimate = _log_ratio(arms, [arm.means for arm in arms], losses)
    drawn = np.array([_log_ratio(arms, [_resampled(arm, rng) for arm in arms], losses) for _ in range(draws)])
    ends = np.array([_middle(column, level) for column in drawn.T])
    return Twin(level, losses, np.exp(estimate), np.exp(ends[:, 0]), np.exp(ends[:, 1]))


def twin_cautions(fitted: CostRatio, twin: Twin) -> tuple[Caution, ...]:
    """A caution where each of the two ratios lies outside of the other's interval; both are at the same losses."""
    if fitted.losses is None or fitted.estimate is None or fitted.low is None or fitted.high is None:
        return ()
    if not np.array_equal(fitted.losses, twin.losses):
        raise HarnessError("the fitted ratio and its twin are at different losses; ask both at the same.")
    fit_outside = (fitted.estimate < twin.low) | (fitted.estimate > twin.high)
    twin_outside = (twin.estimate < fitted.low) | (twin.estimate > fitted.high)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs(np.log(fitted.estimate) - np.log(twin.estimate))
    wrong = np.flatnonzero(fit_outside & twin_outside & np.isfinite(gap))
    if not wrong.size:
        return ()
    worst = wrong[np.argmax(gap[wrong])]
    reason = (
        f"at {wrong.size} of {twin.losses.size} losses the laws and the data read without a law disagree, most at "
        f"{twin.losses[worst]:.4g}: fitted {fitted.estimate[worst]:.3g} ({fitted.low[worst]:.3g} to "
        f"{fitted.high[worst]:.3g}), interpolated {twin.estimate[worst]:.3g} ({twin.low[worst]:.3g} to "
        f"{twin.high[worst]:.3g}). Fit a law that bends, or a window."
    )
    return (Caution("TWIN_DISAGREES", reason),)


def _middle(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """The quantiles around the middle `level` of the draws that read the loss; open where most of them do not."""
    read = drawn[np.isfinite(drawn)]
    if read.size < LEAST_READ * drawn.size:
        return -np.inf, np.inf
    low, high = np.quantile(read, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class BySize(NamedTuple):
    """The ln losses of an arm [r], size after size; of each size its logarithm, its runs and where they begin [n]."""

    log_losses: np.ndarray
    log_sizes: np.ndarray
    runs: np.ndarray
    first: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Of every size [n]."""
        return np.add.reduceat(self.log_losses, self.first) / self.runs


def _log_ratio(arms: tuple[BySize, BySize], means: list[np.ndarray], losses: np.ndarray) -> np.ndarray:
    first, second = (_log_sizes(values, arm.log_sizes, losses) for arm, values in zip(arms, means, strict=True))
    with np.errstate(invalid="ignore"):  # inf - inf: neither arm attains the loss
        return second - first


def _by_size(arm: ArmRuns) -> BySize:
    sizes, runs = np.unique(arm.x, return_counts=True)
    return BySize(np.log(arm.y[np.argsort(arm.x, kind="stable")]), np.log(sizes), runs, np.cumsum(runs) - runs)


def _resampled(arm: BySize, rng: np.random.Generator) -> np.ndarray:
    """Means [n] of as many sizes, drawn with replacement, and of each as many runs; nan of a size that is not drawn.

    Copies of a size are one larger sample.
    """
    sizes = rng.integers(arm.runs.size, size=arm.runs.size)
    of_run = np.repeat(sizes, arm.runs[sizes])
    runs = arm.first[of_run] + rng.integers(arm.runs[of_run])
    counts = np.bincount(of_run, minlength=arm.runs.size)
    with np.errstate(invalid="ignore"):
        return np.bincount(of_run, arm.log_losses[runs], arm.runs.size) / counts


def _log_sizes(means: np.ndarray, log_sizes: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """ln of the size at which the monotone curve comes to each loss: -inf below all sizes, inf beyond them."""
    drawn = np.isfinite(means)
    falling = isotonic_regression(means[drawn], increasing=False).x  # pools adjacent violators
    nearest = np.clip(np.log(losses), falling[-1], falling[0])
    wanted = np.where(np.isclose(np.log(losses), nearest, rtol=0, atol=ROUNDING), nearest, np.log(losses))
    return np.interp(-wanted, -falling, log_sizes[drawn], left=-np.inf, right=np.inf)
