"""The laws in log space, as a free level plus a shape: ln y = level + h(u; theta), with u = ln(x / smallest size).

Every law of this kind has an additive level, whose best value for a given shape is a mean. It is eliminated in closed
form, which does to the shape's Jacobian what centring u would do. Arrays: theta [..., q], u [..., n],
h [..., n], dh/dtheta [..., n, q]; leading axes are independent problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.fit.points import Points

Shape = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Logs:
    """Points in log space: u = ln(size / smallest), v = ln mean less its average, both [n].

    `roundoff` is the sum of squares below which residuals are rounding errors of the logarithms.
    """

    u: np.ndarray
    v: np.ndarray
    log_x_first: float
    log_y_average: float
    roundoff: float

    @property
    def span(self) -> float:
        """ln(largest size / smallest size)."""
        return float(self.u[-1])


def to_logs(points: Points) -> Logs:
    """The points' logarithms, shifted so that neither the unit of x nor the unit of y matters."""
    log_x, log_y = np.log(points.sizes), np.log(points.means)
    largest = max(1.0, float(np.abs(log_y).max()), float(np.abs(log_x).max()))
    return Logs(
        u=log_x - log_x[0],
        v=log_y - log_y.mean(),
        log_x_first=float(log_x[0]),
        log_y_average=float(log_y.mean()),
        roundoff=log_y.size * (8 * np.finfo(float).eps * largest) ** 2,
    )


@dataclass(frozen=True)
class Edges:
    """Sums of squares that the floor law only approaches, in closed form; they decide which interval ends are open.

    flat: alpha -> 0. step: alpha -> inf, only the smallest size is above the floor. pure: E -> 0 with exponent
    `pure_alpha` >= 0.
    """

    flat: float
    step: float
    pure: float
    pure_alpha: float


@dataclass(frozen=True)
class Law:
    """A law's shape, and where a search for it starts; theta[0] is the exponent, as `alpha` reads it.

    `parameters` counts the level. `edges` is None for a law that reaches all of its limits. `longest_step` caps one
    step of the search in every theta.
    """

    parameters: int
    shape: Shape
    starts: Callable[[Logs], np.ndarray]
    edges: Callable[[Logs], Edges] | None
    alpha: Callable[[np.ndarray], np.ndarray]
    longest_step: float


def seen(logs: Logs) -> float:
    """How far ln y ranges over the sizes, at least what rounding makes of it: the scale of a search's starts."""
    return max(float(np.ptp(logs.v)), float(np.sqrt(logs.roundoff)))


# ----------------------------------------------------------------------------------------------- pure: y = A x^-alpha
def _pure_shape(theta: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    h = -theta[..., :1] * u
    return h, np.broadcast_to(-u[..., None], (*h.shape, 1))


def _pure_starts(logs: Logs) -> np.ndarray:
    return np.array([[0.5], [2.0]]) * seen(logs) / logs.span


PURE = Law(parameters=2, shape=_pure_shape, starts=_pure_starts, edges=None, alpha=np.positive, longest_step=np.inf)


# ------------------------------------------------------------------------------------------ floor: y = E + A x^-alpha
# theta = (ln alpha, t): h = ln(e^t + e^(-alpha u)), so t = ln(floor / reducible loss at the smallest size).
def _floor_shape(theta: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha, t = np.exp(theta[..., :1]), theta[..., 1:]
    fall = alpha * u
    h = np.logaddexp(t, -fall)
    return h, np.stack([-fall * np.exp(-fall - h), np.exp(t - h)], axis=-1)


# The total fall of the reducible loss in units of the fall seen (a floor hides some of it), times the place where
# floor and reducible loss are equal, in units of the span. Both are relative: no exponent or loss is out of reach.
FALLS = (1.0, 2.0, 5.0, 15.0)
CROSSINGS = (0.1, 0.4, 0.7, 1.1)


def _floor_starts(logs: Logs) -> np.ndarray:
    falls = np.array(FALLS) * seen(logs)
    return np.array([(np.log(fall / logs.span), -fall * crossing) for fall in falls for crossing in CROSSINGS])


def _floor_edges(logs: Logs) -> Edges:
    """The limits of the floor law: together with its interior they are all the curves it can reach."""
    u, v = logs.u - logs.u.mean(), logs.v
    alpha = max(0.0, -float(u @ v / (u @ u)))
    flat = float(v @ v)
    rest = v[1:] - v[1:].mean()
    return Edges(
        flat=flat,
        step=float(rest @ rest) if v[0] >= v[1:].mean() else flat,
        pure=float(np.sum((v + alpha * u) ** 2)),
        pure_alpha=alpha,
    )


FLOOR = Law(parameters=3, shape=_floor_shape, starts=_floor_starts, edges=_floor_edges, alpha=np.exp, longest_step=3.0)

LAWS = {"pure": PURE, "floor": FLOOR}
