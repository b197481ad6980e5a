"""The cost ratio without a law: monotone curves through the size means, read between neighbours.

Where it and the fitted ratio disagree beyond both intervals, the laws bend what the data show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from harness.compare.answer import Caution
from harness.compare.cost import CostRatio
from harness.compare.runs import Runs
from harness.errors import HarnessError


@dataclass(frozen=True)
class Twin:
    """x_second / x_first at each of `losses` [m] with its bootstrap interval: 0 and inf are open ends.

    The estimate is nan, 0 or inf where an arm does not attain the loss.
    """

    level: float
    losses: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def twin_ratio(
    first: Runs, second: Runs, at: ArrayLike, rng: np.random.Generator, level: float = 0.95, draws: int = 999
) -> Twin:
    """The ratio of sizes at equal loss, from the arms' size means made monotone and joined by lines in log-log space.

    The interval holds the middle `level` of `draws` resamplings of the sizes, and of the runs within each; a draw in
    which an arm does not attain a loss counts as beyond every size.
    """
    losses = np.atleast_1d(np.asarray(at, float))
    if not np.all(np.isfinite(losses) & (losses > 0)):
        raise HarnessError(f"at={losses.tolist()}: every loss must be a finite number above 0.")
    first_sizes, second_sizes = _by_size(first), _by_size(second)
    estimate = _log_sizes(second_sizes, losses) - _log_sizes(first_sizes, losses)
    drawn = np.array(
        [
            _log_sizes(_resampled(second_sizes, rng), losses) - _log_sizes(_resampled(first_sizes, rng), losses)
            for _ in range(draws)
        ]
    )
    # Where neither arm attains the loss a draw says nothing: it counts for both ends.
    low = np.sort(np.where(np.isnan(drawn), -np.inf, drawn), axis=0)[int((1 - level) / 2 * draws)]
    high = np.sort(np.where(np.isnan(drawn), np.inf, drawn), axis=0)[-1 - int((1 - level) / 2 * draws)]
    return Twin(level, losses, np.exp(estimate), np.exp(low), np.exp(high))


def twin_cautions(fitted: CostRatio, twin: Twin) -> tuple[Caution, ...]:
    """A caution where each of the two ratios lies outside of the other's interval; both are at the same losses."""
    if fitted.losses is None or fitted.estimate is None or fitted.low is None or fitted.high is None:
        return ()
    if not np.array_equal(fitted.losses, twin.losses):
        raise HarnessError("the fitted ratio and its twin are at different losses; ask both at the same.")
    fit_outside = (fitted.estimate < twin.low) | (fitted.estimate > twin.high)
    twin_outside = (twin.estimate < fitted.low) | (twin.estimate > fitted.high)
    wrong = np.flatnonzero(fit_outside & twin_outside)
    if not wrong.size:
        return ()
    worst = wrong[np.argmax(np.abs(np.log(fitted.estimate[wrong] / twin.estimate[wrong])))]
    return (
        Caution(
            "TWIN_DISAGREES",
            f"at {wrong.size} of {twin.losses.size} losses the laws and the data read without a law disagree, most at "
            f"{twin.losses[worst]:.4g}: fitted {fitted.estimate[worst]:.3g} ({fitted.low[worst]:.3g} to "
            f"{fitted.high[worst]:.3g}), interpolated {twin.estimate[worst]:.3g} ({twin.low[worst]:.3g} to "
            f"{twin.high[worst]:.3g}). Fit a law that bends, or a window.",
        ),
    )


def _by_size(runs: Runs) -> dict[float, np.ndarray]:
    return {float(size): np.log(runs.y[runs.x == size]) for size in np.unique(runs.x)}


def _resampled(sizes: dict[float, np.ndarray], rng: np.random.Generator) -> dict[float, np.ndarray]:
    """As many sizes, drawn with replacement, and of each as many runs; copies of a size are one larger sample."""
    drawn: dict[float, np.ndarray] = {}
    known = list(sizes)
    for index in rng.integers(len(known), size=len(known)):
        runs = sizes[known[index]]
        again = runs[rng.integers(runs.size, size=runs.size)]
        drawn[known[index]] = np.append(drawn.get(known[index], []), again)
    return dict(sorted(drawn.items()))


def _log_sizes(sizes: dict[float, np.ndarray], losses: np.ndarray) -> np.ndarray:
    """ln of the size at which the monotone curve comes to each loss: -inf below all sizes, inf beyond them."""
    means = [runs.mean() for runs in sizes.values()]
    falling = isotonic_regression(means, increasing=False).x  # pools adjacent violators
    return np.interp(-np.log(losses), -falling, np.log(list(sizes)), left=-np.inf, right=np.inf)
