"""Made-up runs whose law is known."""

from __future__ import annotations

import numpy as np


def codes(reasons):
    return [reason.code for reason in reasons]


def curve(x, alpha, floor=1.0, crossing=1e4):
    """y = floor * (1 + (x / crossing)^-alpha): floor and reducible loss are equal at `crossing`."""
    return floor * (1 + (np.asarray(x) / crossing) ** -alpha)


def runs(rng, sizes, means, seeds, sd, size_sd=0.0):
    """x and y of seeds runs a size: noise of `sd` in ln y a run, and `size_sd` shared by the runs
    of a size.
    """
    effect = np.repeat(size_sd * rng.standard_normal(len(sizes)), seeds)
    noise = effect + sd * rng.standard_normal(len(sizes) * seeds)
    return np.repeat(sizes, seeds), np.repeat(means, seeds) * np.exp(noise)
