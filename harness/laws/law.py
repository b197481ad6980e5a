"""The laws in log space: ln y = curve(p; u), with u = ln(x / smallest size); p[0] is an additive
level.

Arrays: p [..., P], u [..., n] (of two variables [..., n, 2]), curve [..., n], its Jacobian [..., n,
P]; leading axes are independent problems. Levels and exponents are relative to the data, so that
neither the unit of x nor that of y matters.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

CurveFunction = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
Solved = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of p, u and a value


def exp_of(logarithms: ArrayLike) -> np.ndarray:
    """e to the power of each; inf where that is beyond what a float holds."""
    with np.errstate(over="ignore"):
        return np.exp(logarithms)


@dataclass(frozen=True)
class Logs:
    """Points in log space: u = ln(size / smallest) and v = ln loss less its average, both [n].

    `scale` [n] are square roots of relative weights. `roundoff` is the sum of squares below which
    residuals are rounding errors of the logarithms.
    """

    u: np.ndarray
    v: np.ndarray
    scale: np.ndarray
    log_x_first: np.ndarray
    log_y_average: float
    roundoff: float

    @property
    def span(self) -> float:
        """ln(largest size / smallest size)."""
        return float(self.u.max())


def to_logs(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Logs:
    """The logarithms of points x [n] or [n, variables] and y [n], shifted so that no unit
    matters.
    """
    log_x, log_y = np.log(x), np.log(y)
    largest = max(1.0, float(np.abs(log_y).max()), float(np.abs(log_x).max()))
    first = log_x.min(axis=0)
    return Logs(
        u=log_x - first,
        v=log_y - log_y.mean(),
        scale=np.sqrt(weights),
        log_x_first=first,
        log_y_average=float(log_y.mean()),
        roundoff=log_y.size * (8 * np.finfo(float).eps * largest) ** 2 * float(weights.mean()),
    )


@dataclass(frozen=True)
class Law:
    """A law's curve, and where a search for it starts; `names` are those of p.

    `exponent` is the index of the exponent in p, which is its logarithm where `log_exponent`.
    `floor` is the index of ln(floor) - p[0], None for a law without a floor or with a known one;
    `has_edges` where the law only approaches its limits (see `solve.Edges`). `longest_step` [P]
    caps a step of the search. `known_floor` is ln(floor) less the average ln y, of a law whose
    floor was given. A curve that p[0] is not added to is `held` by a parameter: its index, and what
    solves it for a value at u.
    """

    names: tuple[str, ...]
    curve: CurveFunction
    starts: Callable[[Logs], np.ndarray]
    longest_step: tuple[float, ...]
    exponent: int = 1
    log_exponent: bool = False
    floor: int | None = None
    has_edges: bool = False
    held: tuple[int, Solved] | None = None
    known_floor: float | None = None

    @property
    def parameters(self) -> int:
        """How many parameters the law has, the level included."""
        return len(self.names)

    def alpha(self, value: np.ndarray) -> np.ndarray:
        """The exponent that the value of p at `exponent` stands for."""
        return np.exp(value) if self.log_exponent else np.asarray(value)


def seen(logs: Logs) -> float:
    """How far ln y ranges over the points, at least what rounding makes of it: the scale of a
    search's starts.
    """
    return max(float(np.ptp(logs.v)), float(np.sqrt(logs.roundoff)))


def with_level(curve: CurveFunction, theta: np.ndarray, logs: Logs) -> np.ndarray:
    """Starts [S, P] from all but their level [S, P-1]: the level is the mean of what the curve
    leaves.
    """
    p = np.concatenate([np.zeros((len(theta), 1)), theta], axis=1)
    p[:, 0] = np.mean(logs.v - curve(p, logs.u)[0], axis=-1)
    return p


# -----------------------------------------------------------------------------------------------
# pure: y = A x^-alpha
def _pure(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mu = p[..., :1] - p[..., 1:] * u
    return mu, np.stack([np.ones_like(mu), np.broadcast_to(-u, mu.shape)], axis=-1)


PURE = Law(
    ("level", "alpha"),
    _pure,
    starts=lambda logs: with_level(_pure, np.array([[0.5], [2.0]]) * seen(logs) / logs.span, logs),
    longest_step=(np.inf, np.inf),
)


# ------------------------------------------------------------------------------------------ floor:
# y = E + A x^-alpha p = (level, ln alpha, t): ln y = level + ln(e^t + e^(-alpha u)), so t =
# ln(floor / reducible loss at the first size).
def _floor(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha, t = np.exp(p[..., 1:2]), p[..., 2:]
    fall = alpha * u
    h = np.logaddexp(t, -fall)
    return p[..., :1] + h, np.stack(
        [np.ones_like(h), -fall * np.exp(-fall - h), np.exp(t - h)], axis=-1
    )


# The total fall of the reducible loss in units of the fall seen (a floor hides some of it), times
# the place where floor and reducible loss are equal, in units of the span. Both are relative: no
# exponent or loss is out of reach.
FALLS = (1.0, 2.0, 5.0, 15.0)
CROSSINGS = (0.1, 0.4, 0.7, 1.1)


def _floor_starts(logs: Logs) -> np.ndarray:
    falls = np.array(FALLS) * seen(logs)
    grid = itertools.product(falls, CROSSINGS)
    theta = np.array([(np.log(fall / logs.span), -fall * crossing) for fall, crossing in grid])
    return with_level(_floor, theta, logs)


FLOOR = Law(
    ("level", "log_alpha", "log_floor"),
    _floor,
    _floor_starts,
    longest_step=(np.inf, 3.0, 3.0),
    log_exponent=True,
    floor=2,
    has_edges=True,
)


@cache
def above(log_floor: float) -> Law:
    """The law y = E + A x^-alpha with a known E: p = (ln of what is above E at the first size,
    alpha).
    """

    def curve(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reducible = p[..., :1] - p[..., 1:] * u
        mu = np.logaddexp(reducible, log_floor)
        share = np.exp(reducible - mu)
        return mu, np.stack([share, -u * share], axis=-1)

    def starts(logs: Logs) -> np.ndarray:
        left = np.log(np.maximum(np.exp(logs.v) - np.exp(log_floor), 1e-3 * np.exp(logs.v)))
        slope, level = np.polyfit(logs.u, left, 1)
        return np.array([(level, -slope), (level, -0.5 * slope), (level - 1, -2 * slope)])

    held = 0, lambda p, u, value: np.log(np.exp(value) - np.exp(log_floor)) + p[..., 1] * u
    return Law(("level", "alpha"), curve, starts, (3.0, np.inf), held=held, known_floor=log_floor)


# ----------------------------------------------------------------------------------- shifted: y = A
# (x + x0)^-alpha p = (level, alpha, s), s = ln(x0 / smallest size): a KAN of grid G and order k has
# G + k coefficients a spline.
def _shifted(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha, s = p[..., 1:2], p[..., 2:]
    longer = np.logaddexp(u, s)
    mu = p[..., :1] - alpha * longer
    return mu, np.stack([np.ones_like(mu), -longer, -alpha * np.exp(s - longer)], axis=-1)


def _shifted_starts(logs: Logs) -> np.ndarray:
    shifts = np.array([-3.0, 0.0, 0.3 * logs.span, 0.7 * logs.span])
    reach = np.logaddexp(logs.span, shifts) - np.logaddexp(0.0, shifts)
    theta = np.stack(
        [np.outer([1.0, 1.5], seen(logs) / reach), np.broadcast_to(shifts, (2, 4))], axis=-1
    )
    return with_level(_shifted, theta.reshape(-1, 2), logs)


SHIFTED = Law(
    ("level", "alpha", "log_shift"), _shifted, _shifted_starts, longest_step=(np.inf, np.inf, 3.0)
)


# ---------------------------------------------- broken: y = E + B x^-c0 (1 + (x / d)^(1/f))^(-c1
# f), alpha = c0 + c1 One smoothly broken power law (Caballero et al. 2022, arXiv 2210.14891, n =
# 1). In logs the break is a smooth hinge. p = (level, alpha, c0, ln(d / smallest size), ln f, t).
def _broken(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha, before, place, log_width, t = (p[..., i : i + 1] for i in range(1, 6))
    width = np.exp(log_width)
    z = (u - place) / width
    softplus, sigmoid = np.logaddexp(0.0, z), expit(z)
    hinge, bend = width * softplus, alpha - before
    reducible = -before * u - bend * hinge
    h = np.logaddexp(t, reducible)
    share = np.exp(reducible - h)
    columns = (
        np.ones_like(h),
        -share * hinge,
        share * (hinge - u),
        share * bend * sigmoid,
        -share * bend * width * (softplus - z * sigmoid),
        np.exp(t - h),
    )
    return p[..., :1] + h, np.stack(columns, axis=-1)


PLACES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85)  # of the break, in units of the span
WIDTHS = (0.02, 0.15)  # of the break, in units of the span
FLOOR_SHARES = (0.02, 0.5, 0.95)  # of the lowest loss


def _broken_starts(logs: Logs) -> np.ndarray:
    """Lines through the points on both sides of a break, after a share of the lowest loss is taken
    off as floor.
    """
    theta = []
    for share in FLOOR_SHARES:
        log_floor = np.log(share) + logs.v.min()
        reducible = np.log(np.exp(logs.v) - np.exp(log_floor))
        for place in np.array(PLACES) * logs.span:
            before, after = logs.u <= place, logs.u >= place
            if min(np.unique(logs.u[before]).size, np.unique(logs.u[after]).size) < 2:
                continue
            first, last = (np.polyfit(logs.u[part], reducible[part], 1) for part in (before, after))
            for width in WIDTHS:
                theta.append(
                    (-last[0], -first[0], place, np.log(width * logs.span), log_floor - first[1])
                )
    if not theta:  # all sizes but one in one place: any start is as good
        theta = [
            (
                seen(logs) / logs.span,
                seen(logs) / logs.span,
                logs.span / 2,
                np.log(logs.span / 10),
                -3.0,
            )
        ]
    return with_level(_broken, np.array(theta), logs)


BROKEN = Law(
    ("level", "alpha", "first_alpha", "log_break", "log_width", "log_floor"),
    _broken,
    _broken_starts,
    longest_step=(np.inf, np.inf, np.inf, 1.0, 1.0, 3.0),
    floor=5,
)

LAWS = {"pure": PURE, "floor": FLOOR, "shifted": SHIFTED, "broken": BROKEN}
