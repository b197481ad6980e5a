"""The expected test loss of the trial that validation picks among k, by the number k of trials.

The k trials are drawn without replacement from those of the search: the i-th best of n is the best of k in
C(n - i, k - 1) of the C(n, k) choices. Dodge et al. (2019, "Show Your Work") drew with replacement, which is biased as
an estimate of what k new trials give; Tang et al. (2020, "Showing Your Work Doesn't Always Work") showed it and gave
the unbiased form.

A trial that is picked and read on the same seeds looks better than it is. So the curve is cross-fitted: a trial is
picked on all seeds but one and read on that one, for each seed in turn.

Other seeds are one source of chance, other draws of k trials are another. Bands hold the first. `EffortRatio` has the
second too, exactly, from the chances of all pairs of picks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.comparison.choose import log_losses, scores
from harness.comparison.survivors import MOST_FAILED

DRAWS = 0.8  # the share of draws of trials that lie between the two ends that are shown
ROUNDING = 1e-12  # of sums of chances


@dataclass(frozen=True)
class TuningCurve:
    """Expected test loss by number of trials `k` [m], as geometric mean, with a pointwise band.

    `failed` [m] is the chance that the pick failed. Estimates are of the picks that trained, and nan where more than a
    fifth failed. `by_seed` [m, seeds] is what each seed contributes to the ln loss: the jackknife's pseudo-values, or
    with two seeds the reading on each. The band is Student's interval of them.
    `picked` [m, n] is the chance of each trial to be the pick on all seeds, and `ln_losses` [n] its mean ln test loss
    over them, inf where it failed.
    """

    trials: int
    seeds: tuple[int | str, ...]
    level: float
    k: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    failed: np.ndarray
    by_seed: np.ndarray
    picked: np.ndarray
    ln_losses: np.ndarray


@dataclass(frozen=True)
class EffortRatio:
    """second / first of two tuning curves by number of trials `k` [m], geometric mean, with a pointwise band.

    `trials` is how many both have in all: the lesser number. The band holds what other seeds would change.
    Other draws of k of these trials change the ratio too, read on all seeds: a share DRAWS of them lies from
    `draws_low` to `draws_high` [m], where both picks trained, and in a share `first_ahead` the first side's pick is
    better. A pick that failed is worse than one that trained.
    """

    trials: int
    level: float
    k: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    draws_low: np.ndarray
    draws_high: np.ndarray
    first_ahead: np.ndarray


def tuning_curve(
    validation: ArrayLike, test: ArrayLike, seeds: Sequence[int | str] | None = None, level: float = 0.95
) -> TuningCurve:
    """The tuning curve of one arm at one size, for k from 1 to half of its trials.

    `validation` and `test` are losses [trials, seeds]; `seeds` names the columns. A run that failed is inf or nan, and
    so are all runs of a trial with no network. Such trials are drawn like others. A trial is picked by `choose`'s
    rule, but trials that tie share the pick, so that their order does not matter. A pick fails where each of the k
    trials failed on one of the seeds that pick, or where the picked one failed on the seed that is read.

    The band holds what other seeds would change, not what other trials would. It is Student's t with the jackknife's
    error: the whole curve again without each seed in turn.
    """
    ln_validation, ln_test = log_losses(validation, "validation"), log_losses(test, "test")
    if ln_validation.shape != ln_test.shape:
        raise HarnessError(
            f"validation has shape {ln_validation.shape} and test {ln_test.shape}; give both of the same runs."
        )
    trials, count = ln_test.shape
    if count < 2:
        raise HarnessError(
            "a tuning curve needs 2 seeds a trial at least, as it picks on all seeds but one and reads on that one; "
            f"this search has {count}. Give the search more seeds."
        )
    if trials < 2:
        raise HarnessError(f"a tuning curve needs 2 trials at least; this search has {trials}. Give it more.")
    labels = tuple(range(count)) if seeds is None else tuple(seeds)
    if len(labels) != count:
        raise HarnessError(f"seeds names {len(labels)} seeds, and the losses are of {count}; name each column.")
    losses = np.asarray(validation, float)
    sums, trained = _cross_fitted(losses, ln_test)
    mean = _over_seeds(sums, trained)
    failed = (1 - trained.mean(axis=1)).round(12)  # exactly a fifth is to compare as such
    by_seed = _pseudo_values(losses, ln_test, mean) if count > 2 else _per_seed(sums, trained)
    mean = np.where(failed > MOST_FAILED, np.nan, mean)
    k = np.arange(1, trials // 2 + 1)
    picked = _pick_weights(scores(losses), _none_of_best(trials))
    return TuningCurve(
        trials, labels, level, k, *_band(mean, by_seed, level), failed, by_seed, picked, ln_test.mean(axis=1)
    )


def effort_ratio(first: TuningCurve, second: TuningCurve) -> EffortRatio:
    """The ratio second / first at equal numbers of trials, paired by seed: above 1 the first is better.

    A HarnessError where the curves are not of the same seeds in the same order, or not of one level.
    """
    if first.seeds != second.seeds or first.level != second.level:
        raise HarnessError(
            f"tuning curves are compared seed by seed at one level, but the first is of seeds {_words(first)} and the "
            f"second of {_words(second)}; search both on the same seeds."
        )
    common = min(first.k.size, second.k.size)
    gap = np.log(second.estimate[:common]) - np.log(first.estimate[:common])
    gaps = second.by_seed[:common] - first.by_seed[:common]
    band = _band(gap, gaps, first.level)
    draws = _over_draws(first, second, common)
    return EffortRatio(min(first.trials, second.trials), first.level, first.k[:common], *band, *draws)


def _over_draws(first: TuningCurve, second: TuningCurve, common: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of second / first over all pairs of draws, by k [m]: both ends of DRAWS, and how often first is ahead.

    Equal losses are ahead half as often. nan where a curve is left out, as its picks failed too often, and where no
    two picks trained.
    """
    mine, other = first.ln_losses[:, None], second.ln_losses[None, :]
    ahead = np.where(mine == other, 0.5, mine < other)
    both_trained = np.isfinite(mine) & np.isfinite(other)
    gaps = np.where(both_trained, other, 0) - np.where(both_trained, mine, 0)
    order = np.argsort(gaps, axis=None)
    found = np.full((3, common), np.nan)
    for place in range(common):
        chances = np.outer(first.picked[place], second.picked[place])
        upto = np.where(both_trained, chances, 0).ravel()[order].cumsum()
        if np.isnan([first.estimate[place], second.estimate[place]]).any() or not upto[-1]:
            continue
        share = upto / upto[-1]
        ends = [np.searchsorted(share, (1 - DRAWS) / 2 - ROUNDING), np.searchsorted(share, (1 + DRAWS) / 2 + ROUNDING)]
        found[:, place] = *gaps.ravel()[order][ends], (chances * ahead).sum()
    with np.errstate(over="ignore"):
        return np.exp(found[0]), np.exp(found[1]), found[2]


def _words(curve: TuningCurve) -> str:
    return f"{', '.join(map(str, curve.seeds))} at {curve.level:.0%}"


def _cross_fitted(validation: np.ndarray, ln_test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the picks that trained, by k and left-out seed [m, seeds]: the sum of ln test loss, and their share."""
    trials, seeds = ln_test.shape
    none_of_best = _none_of_best(trials)
    sums, trained = np.empty((2, trials // 2, seeds))
    for left_out in range(seeds):
        score = scores(np.delete(validation, left_out, axis=1))
        read = ln_test[:, left_out]
        known = np.isfinite(score) & np.isfinite(read)
        weights = _pick_weights(score, none_of_best)[:, known]
        sums[:, left_out] = weights @ read[known]
        trained[:, left_out] = weights.sum(axis=1)
    return sums, trained


def _none_of_best(trials: int) -> np.ndarray:
    """The chance that k of the trials hold none of the r best, for k from 1 to half [m] and r from 0 to all [n + 1].

    It is C(n - r, k) / C(n, k), one factor for each draw.
    """
    drawn, best = np.arange(trials // 2)[:, None], np.arange(trials + 1)
    return np.cumprod(np.maximum(trials - best - drawn, 0) / (trials - drawn), axis=0)


def _pick_weights(score: np.ndarray, none_of_best: np.ndarray) -> np.ndarray:
    """The chance [m, n] that each trial is the one with the least score among k; ties share theirs."""
    upto = rankdata(score, method="max").astype(int)
    below = rankdata(score, method="min").astype(int) - 1
    return (none_of_best[:, below] - none_of_best[:, upto]) / (upto - below)


def _over_seeds(sums: np.ndarray, trained: np.ndarray) -> np.ndarray:
    return _per_seed(sums.sum(axis=1), trained.sum(axis=1))


def _per_seed(sums: np.ndarray, trained: np.ndarray) -> np.ndarray:
    return np.divide(sums, trained, out=np.full_like(sums, np.nan), where=trained > 0)


def _pseudo_values(validation: np.ndarray, ln_test: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """What each seed contributes [m, seeds]: seeds times the mean, less seeds - 1 times the mean without that seed."""
    seeds = ln_test.shape[1]
    without = [
        _over_seeds(*_cross_fitted(np.delete(validation, seed, axis=1), np.delete(ln_test, seed, axis=1)))
        for seed in range(seeds)
    ]
    return seeds * mean[:, None] - (seeds - 1) * np.stack(without, axis=1)


def _band(mean: np.ndarray, by_seed: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate, low and high end, of which `mean` is the ln estimate."""
    seeds = by_seed.shape[1]
    error = by_seed.std(axis=1, ddof=1) / math.sqrt(seeds)
    half = t_distribution.isf((1 - level) / 2, seeds - 1) * error
    with np.errstate(over="ignore"):
        return np.exp(mean), np.exp(mean - half), np.exp(mean + half)
