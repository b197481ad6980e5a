"""The difference of one quantity between two arms, from what each arm's data say against each of
its values.

The arms' runs are independent, so a pair of values has the sum of their deviances, and a difference
has the least sum over all pairs with that difference. It is F(1, d) distributed at the truth, with
the degrees of freedom d of Welch and Satterthwaite: where the quantity has variances V1 and V2, the
arms' shares of the least sum are V1 / (V1 + V2) and the rest, and 1/d = share1^2 / dof1 + share2^2
/ dof2. For linear quantities this is Welch's t interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as t_distribution

# of a profile, a side; the root of a deviance is nearly linear in the value: within 1 % of an
# interval
NODES = 17
ROOTS = 129  # the grid of roots of deviance that both arms' profiles are read on
SHARES = 91  # ways to split a deviance between the arms
SEARCHES = 40
FAR = 80.0  # in ln: a quantity that reaches e^80 from its estimate is not bounded by the data
Deviance = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Profiled:
    """One arm's quantity at m places: its estimate [m], and how far down and up [m, ROOTS] it goes
    for each root of deviance in [0, `most`]; +-inf where it is never excluded."""

    estimate: np.ndarray
    down: np.ndarray
    up: np.ndarray
    most: float
    dof: float  # inf where the noise is known


def most_root(dof: float, other_dof: float, level: float) -> float:
    """The largest root of deviance that an interval of a difference may need."""
    return float(t_distribution.isf((1 - level) / 2, min(dof, other_dof)))


def profiled(
    deviance: Deviance,
    estimate: np.ndarray,
    limits: tuple[float, float],
    most: float,
    dof: float,
    nodes: int = NODES,
) -> Profiled:
    """The profile of a quantity from its `deviance`, which maps values [m, n] to what the data say
    against them [m, n].

    Values are only asked for within `limits`; what is not excluded there is open. An estimate may
    lie beyond them.
    """
    inside = np.clip(estimate, *limits)
    down = inside[:, None] - _reached(deviance, inside, -1.0, inside - limits[0], most, nodes)
    up = inside[:, None] + _reached(deviance, inside, 1.0, limits[1] - inside, most, nodes)
    down[estimate < limits[0]], up[estimate > limits[1]] = -np.inf, np.inf
    return Profiled(estimate, down, up, most, dof)


def _reached(
    deviance: Deviance, start: np.ndarray, sign: float, room: np.ndarray, most: float, nodes: int
) -> np.ndarray:
    """How far from `start` [m] the root of deviance reaches each value of the grid [m, ROOTS], at
    most `room` [m].
    """
    reach = np.minimum(0.01, room)
    for _ in range(SEARCHES):
        root = np.sqrt(deviance((start + sign * reach)[:, None])[:, 0])
        seeking = ((root < most) & (reach < room)) | ((root > 2 * most) & (reach > 0))
        if not seeking.any():
            break
        factor = np.clip(1.4 * most / np.maximum(root, 1e-300), 1e-6, 8.0)
        reach = np.where(seeking, np.minimum(reach * factor, room), reach)
    distances = reach[:, None] * np.linspace(0, 1, nodes)
    roots = np.sqrt(deviance(start[:, None] + sign * distances))
    roots = np.maximum.accumulate(roots, axis=1)
    grid = np.linspace(0, most, ROOTS)
    return np.array(
        [np.interp(grid, *row, right=np.inf) for row in zip(roots, distances, strict=True)]
    )


def difference(
    first: Profiled, second: Profiled, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First less second [m]: the estimate, and the low and high end of its interval at `level`,
    +-inf where open.
    """
    with np.errstate(invalid="ignore"):
        estimate = first.estimate - second.estimate
    low = -_furthest(-first.down, second.up, first, second, level)
    high = _furthest(first.up, -second.down, first, second, level)
    return estimate, low, high


def _furthest(
    reach: np.ndarray, other: np.ndarray, first: Profiled, second: Profiled, level: float
) -> np.ndarray:
    """The largest sum of two reaches [m] whose deviances add up to no more than the quantile; both
    are [m, ROOTS].
    """
    variance, other_variance = _variance(reach, first.most), _variance(other, second.most)
    with np.errstate(invalid="ignore", divide="ignore"):  # the noise of both may be known
        share = np.where(np.isinf(variance), 1.0, variance / (variance + other_variance))
        share = np.where(np.isinf(variance) & np.isinf(other_variance), 0.5, share)
        dof = 1 / (share**2 / first.dof + (1 - share) ** 2 / second.dof)
    allowed = np.asarray(t_distribution.isf((1 - level) / 2, dof))[:, None]
    angle = np.linspace(0, np.pi / 2, SHARES)
    of_first, of_second = (
        allowed * np.cos(angle) / first.most,
        allowed * np.sin(angle) / second.most,
    )
    return (_read(reach, of_first) + _read(other, of_second)).max(axis=1)


def _variance(reached: np.ndarray, most: float) -> np.ndarray:
    """The squared reach at one standard error [m]: the root of deviance is 1 there, if the quantity
    is linear.
    """
    there = _read(reached, np.full((len(reached), 1), min(1.0, most) / most))[:, 0]
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(there), np.inf, np.maximum((there - reached[:, 0]) ** 2, 1e-300))


def _read(reached: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The reach at `share` [m, s] of the largest root, on straight lines between the grid's; inf
    next to an inf.
    """
    position = np.clip(share, 0, 1) * (ROOTS - 1)
    below = np.minimum(position.astype(int), ROOTS - 2)
    rest = position - below
    left = np.take_along_axis(reached, below, axis=1)
    right = np.take_along_axis(reached, below + 1, axis=1)
    with np.errstate(invalid="ignore"):
        return np.where((rest > 1e-9) & np.isfinite(left), left + rest * (right - left), left)
