"""Made-up arms whose laws are known, and their runs: what the analysis is tried on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

FIRST_SIZE = 1e3


@dataclass(frozen=True)
class Arm:
    """y = floor + (x / at)^-alpha at `sizes` sizes over `decades`, and how its runs scatter.

    `sd` is that of ln y between seeds at the smallest size, `last_sd` at the largest if it is
    another, with a line of ln sd in ln x; `size_sd` is that of an effect that all runs of a size
    share. With `t_dof` the noise is Student's, of the same sd. `outliers` is the share of runs
    whose loss is 8 times what it should be, `failed` the factor by which one run at each of the two
    largest sizes is too high.
    """

    alpha: float = 1.0
    at: float = 1e6
    floor: float = 0.0
    sizes: int = 7
    decades: float = 3.0
    seeds: int = 5
    sd: float = 0.1
    last_sd: float | None = None
    size_sd: float = 0.0
    t_dof: int | None = None
    outliers: float = 0.0
    failed: float | None = None


OUTLIER = 8.0
Table = tuple[np.ndarray, np.ndarray]


def floored(ratio: float, alpha: float = 1.0, decades: float = 3.0) -> dict[str, float]:
    """An Arm's alpha, decades, floor and `at` by which the reducible loss is `ratio` times the
    floor at the largest size.
    """
    at = FIRST_SIZE * 10**decades * ratio ** (1 / alpha)
    return {"alpha": alpha, "decades": decades, "floor": 1.0, "at": at}


def sizes_of(arm: Arm) -> np.ndarray:
    """The sizes that an arm is run at [sizes]."""
    return FIRST_SIZE * 10 ** (arm.decades * np.linspace(0, 1, arm.sizes))


def curve(arm: Arm, x: ArrayLike) -> np.ndarray:
    """The true loss at x."""
    return arm.floor + (np.asarray(x, float) / arm.at) ** -arm.alpha


def new_runs(arm: Arm, sizes: np.ndarray, rng: np.random.Generator) -> Table:
    """x and y of all seeds at each of `sizes`, none of which is spoilt."""
    x = np.repeat(sizes, arm.seeds)
    effect = np.repeat(arm.size_sd * rng.standard_normal(sizes.size), arm.seeds)
    return x, curve(arm, x) * np.exp(effect + _sd(arm, x) * _noise(arm, rng, x.size))


def runs_of(arm: Arm, rng: np.random.Generator) -> Table:
    """x and y of all runs of an arm."""
    x, y = new_runs(arm, sizes_of(arm), rng)
    spoilt = rng.choice(y.size, round(arm.outliers * y.size), replace=False)
    y[spoilt] *= OUTLIER
    if arm.failed is not None:
        y[[-1, -1 - arm.seeds]] *= arm.failed
    return x, y


def _sd(arm: Arm, x: np.ndarray) -> np.ndarray:
    ratio = 1.0 if arm.last_sd is None else arm.last_sd / arm.sd
    return arm.sd * ratio ** (np.log10(x / FIRST_SIZE) / arm.decades)


def _noise(arm: Arm, rng: np.random.Generator, count: int) -> np.ndarray:
    if arm.t_dof is None:
        return rng.standard_normal(count)
    return rng.standard_t(arm.t_dof, count) / math.sqrt(arm.t_dof / (arm.t_dof - 2))
