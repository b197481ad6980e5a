"""Which of several candidates is read for a seed, and how many runs each arm of a side gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from harness.base.errors import HarnessError


def scores(validation: ArrayLike) -> np.ndarray:
    """What candidates are chosen by: ln of the mean validation loss over seeds [candidates], inf where one failed.

    `validation` is [candidates, seeds] in losses; a run that failed is inf or nan and counts as infinite. The mean is
    of the losses, not of their logarithms: a candidate that trains on most seeds and fails on one has a good median and
    a good geometric mean, yet nobody can rely on it (results/LOG.md has the measurement).
    """
    logs = np.sort(log_losses(validation, "validation"), axis=1)  # so that the last bit has nothing of the seeds' order
    return logsumexp(logs, axis=1) - np.log(logs.shape[1])


def choose_on_others(validation: ArrayLike) -> np.ndarray:
    """For each seed the candidate with the least score on all other seeds [seeds]; the first of equals.

    `validation` is as in `scores`. What is then read of a seed had no part in its choice. With one
    candidate there is nothing to choose; else it needs two seeds.
    """
    losses = np.asarray(validation, float)
    candidates, seeds = losses.shape
    if candidates == 1:
        return np.zeros(seeds, int)
    return np.array([np.argmin(scores(np.delete(losses, seed, axis=1))) for seed in range(seeds)], int)


def log_losses(losses: ArrayLike, name: str) -> np.ndarray:
    """ln of losses [candidates, seeds], inf where a run failed; a HarnessError where a loss is negative.

    A loss of 0, which a cross-entropy can round to, counts as the least positive number.
    """
    values = np.asarray(losses, float)
    if values.ndim != 2 or not values.size:
        raise HarnessError(
            f"{name} has shape {values.shape}; give one loss a candidate and seed, as [candidates, seeds]."
        )
    if np.any(values < 0):
        candidate, seed = np.argwhere(values < 0)[0]
        raise HarnessError(
            f"{name} of candidate {candidate} is {values[candidate, seed]:g} in column {seed}; losses are compared by "
            "their logarithm, so give none below 0."
        )
    return np.log(np.maximum(np.where(np.isnan(values), np.inf, values), np.finfo(float).tiny))


def shares(runs: int, arms: int) -> tuple[int, ...]:
    """How many runs each arm of a side gets, of `runs` in all: as even as possible, the first arms one more.

    An arm's runs are the first of its own sequence, and the side's pool is all of them. The sequences need scrambles of
    their own: arms with one space and one scramble would try the same points.
    """
    if not 1 <= arms <= runs:
        raise HarnessError(
            f"a side of {arms} arms has {runs} runs in all, and each arm needs one at least; give the search "
            f"{max(arms, 1)} runs or more, or the side fewer arms."
        )
    each, more = divmod(runs, arms)
    return tuple(each + (arm < more) for arm in range(arms))
