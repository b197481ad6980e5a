"""Searches whose truth is known, and what enumeration says of them."""

import itertools

import numpy as np


def enumerated(validation, test, k):
    """ln of the expected test loss and the chance of a failed pick: every k trials, each left-out seed, one by one.

    Trials that tie are all picked alike.
    """
    trials, seeds = np.shape(test)
    validation = np.nan_to_num(np.asarray(validation, float), nan=np.inf, posinf=np.inf)
    sums = weight = total = 0.0
    for left_out in range(seeds):
        means = np.sort(np.delete(validation, left_out, axis=1), axis=1).mean(axis=1)
        for drawn in itertools.combinations(range(trials), k):
            least = min(means[list(drawn)])
            picked = [trial for trial in drawn if means[trial] == least]
            for trial in picked:
                total += 1 / len(picked)
                if np.isfinite(least) and np.isfinite(test[trial, left_out]):
                    weight += 1 / len(picked)
                    sums += np.log(test[trial, left_out]) / len(picked)
    return (sums / weight if weight else np.nan), 1 - weight / total


def drawn(rng, qualities, seeds, noise=0.3, common=0.3, alike=0.7):
    """Losses of validation and test [trials, seeds]: ln quality, what a seed's data do to all, and each run's noise.

    `alike` is the correlation of a run's validation and test noise.
    """
    shape = (len(qualities), seeds)
    of_seed = common * rng.normal(size=seeds)
    own, other = rng.normal(size=shape), rng.normal(size=shape)
    centre = np.asarray(qualities)[:, None] + of_seed
    return np.exp(centre + noise * own), np.exp(centre + noise * (alike * own + np.sqrt(1 - alike**2) * other))
