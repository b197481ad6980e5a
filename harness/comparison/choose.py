"""Which trial of a search wins, and how many trials each arm of a side gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from harness.base.errors import HarnessError


def choose(validation: ArrayLike) -> int:
    """The trial with the least mean validation loss over the search's seeds; the lower number wins a tie.

    `validation` is [trials, seeds] in losses; a run that failed is inf or nan and counts as infinite. A HarnessError
    where the mean of every trial is infinite.
    """
    means = scores(validation)
    if not np.isfinite(means).any():
        raise HarnessError(
            f"none of the {means.size} trials can win: of each, a seed failed. Look at why they failed, and narrow the "
            "space or change its default recipe."
        )
    return int(np.argmin(means))


def scores(validation: ArrayLike) -> np.ndarray:
    """What trials are chosen by: ln of the mean validation loss over seeds [trials], inf where one of them failed.

    The mean is of the losses, not of their logarithms: a trial that trains on most seeds and fails on one has a good
    median and a good geometric mean, yet nobody can rely on it (results/LOG.md has the measurement).
    """
    logs = np.sort(log_losses(validation, "validation"), axis=1)  # so that the last bit has nothing of the seeds' order
    return logsumexp(logs, axis=1) - np.log(logs.shape[1])


def choose_on_others(validation: ArrayLike) -> np.ndarray:
    """For each seed the candidate with the least score on all other seeds [seeds]; the first of equals.

    `validation` is [candidates, seeds] as in `choose`. What is then read of a seed had no part in its choice. With one
    candidate there is nothing to choose; else it needs two seeds.
    """
    losses = np.asarray(validation, float)
    candidates, seeds = losses.shape
    if candidates == 1:
        return np.zeros(seeds, int)
    return np.array([np.argmin(scores(np.delete(losses, seed, axis=1))) for seed in range(seeds)], int)


def log_losses(losses: ArrayLike, name: str) -> np.ndarray:
    """ln of losses [trials, seeds], inf where a run failed; a HarnessError where a loss is negative.

    A loss of 0, which a cross-entropy can round to, counts as the least positive number.
    """
    values = np.asarray(losses, float)
    if values.ndim != 2 or not values.size:
        raise HarnessError(f"{name} has shape {values.shape}; give one loss a trial and seed, as [trials, seeds].")
    if np.any(values < 0):
        trial, seed = np.argwhere(values < 0)[0]
        raise HarnessError(
            f"{name} of trial {trial} is {values[trial, seed]:g} in column {seed}; losses are compared by their "
            "logarithm, so give none below 0."
        )
    return np.log(np.maximum(np.where(np.isnan(values), np.inf, values), np.finfo(float).tiny))


def shares(trials: int, arms: int) -> tuple[int, ...]:
    """How many trials each arm of a side gets, of `trials` in all: as even as possible, the first arms one more.

    An arm's trials are the first of its own sequence, and the side's pool is all of them. The sequences need scrambles
    of their own: arms with one space and one scramble would try the same points.
    """
    if not 1 <= arms <= trials:
        raise HarnessError(
            f"a side of {arms} arms has {trials} trials in all, and each arm needs one at least; give the search "
            f"{max(arms, 1)} trials or more, or the side fewer arms."
        )
    each, more = divmod(trials, arms)
    return tuple(each + (arm < more) for arm in range(arms))
