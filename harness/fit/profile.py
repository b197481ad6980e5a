"""Profile-likelihood intervals: every law whose sum of squares is within F of the best belongs to the set.

A parameter's interval is what it takes within that set: the profile, the least sum of squares at a fixed value, is
followed outward from the best law until it leaves. The bound is best * (1 + F(level; 1, dof) / dof), which is the
t interval where a law is linear. By simulation (tests/fit/test_coverage.py) it covers 93 to 98 % at harness sizes, also
where the data hardly pin the law and a Wald interval covers 73 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import elementwise
from scipy.stats import f as f_distribution

from harness.fit.laws import Edges, Law, Logs
from harness.fit.solve import Residuals, Solution, descend

DOUBLINGS = 60  # of a first step that may be as small as rounding
LEAST_STEP = 1e-12
FAR = 128.0  # an end that is not within e^255 is open; exponents and losses stay representable
STARTS_KEPT = 4
STEPS = 300  # shallow data make a long curved valley; most searches end within 20
NO_FLOOR = 40.0  # e^-40 of the lowest loss is below rounding
Rss = Callable[..., np.ndarray]
Reference = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Region:
    """The laws that the data do not exclude: those with a sum of squares up to `bound`."""

    law: Law
    logs: Logs
    edges: Edges | None
    solution: Solution
    bound: float


def region(law: Law, logs: Logs, edges: Edges | None, solution: Solution, level: float) -> Region:
    """The profile-likelihood set at `level`; data that fit perfectly are given errors of the size of rounding."""
    dof = logs.v.size - law.parameters
    spread = max(solution.rss, logs.roundoff) / dof
    return Region(law, logs, edges, solution, solution.rss + spread * f_distribution.isf(1 - level, 1, dof))


def exponent_interval(known: Region) -> tuple[float, float]:
    """The exponents within the region; 0 and inf are open ends of the floor law."""
    law, solution = known.law, known.solution
    candidates = _candidates(known)[:, 1:]

    def rss(exponent: np.ndarray) -> np.ndarray:
        residuals = _exponent_fixed(law, known.logs, exponent)
        return _least(known, residuals, candidates, exponent.size)

    open_ends = np.array([known.edges.flat, known.edges.step] if known.edges else [np.inf, np.inf]) <= known.bound
    gradient = np.eye(1 + solution.theta.size)[1]
    step = min(_reach(known, gradient), law.longest_step) * np.array([-1.0, 1.0])
    low, high = law.alpha(_ends(known, rss, np.repeat(solution.theta[0], 2), step, open_ends))
    return float(low), float(high)


def floor_interval(known: Region) -> tuple[float, float]:
    """The floors E within the region, in units of y / its geometric mean over sizes; 0 is an open end."""
    logs, solution = known.logs, known.solution
    lowest = solution.level + float(known.law.shape(solution.theta, logs.u[-1:])[0][0])
    inner = max(solution.level + float(solution.theta[1]), lowest - NO_FLOOR)

    def rss(log_floor: np.ndarray) -> np.ndarray:
        residuals = _level_fixed(known.law, logs, _asymptote, log_floor)
        return _least(known, residuals, _candidates(known), log_floor.size)

    # From no floor at all, the law's slope in the floor is nothing, and so says nothing about how far to go.
    reach = min(_reach(known, np.array([1.0, 0.0, 1.0])), 1.0) if inner > lowest - NO_FLOOR else 1.0
    step = reach * np.array([-1.0, 1.0])
    open_ends = np.array([known.edges is not None and known.edges.pure <= known.bound, False])
    low, high = np.exp(_ends(known, rss, np.array([inner, inner]), step, open_ends))
    return float(low), float(high)


def prediction_ends(known: Region, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest ln y at every u [m] within the region, less the average ln y of the sizes.

    Above the smallest size they are finite; below it the floor law may be open upward.
    """
    law, logs, solution = known.law, known.logs, known.solution
    h, dh = law.shape(solution.theta, u)
    gradients = np.concatenate([np.ones((u.size, 1)), dh], axis=1)
    reach = np.minimum([_reach(known, gradient) for gradient in gradients], 1.0)

    def rss(value: np.ndarray, at: np.ndarray) -> np.ndarray:
        residuals = _level_fixed(law, logs, lambda theta: law.shape(theta, at[:, None, None]), value)
        return _least(known, residuals, _candidates(known), value.size)

    above = np.repeat([False, True], u.size)
    steep = known.edges is not None and known.edges.step <= known.bound
    at = np.tile(u, 2)
    ends = _ends(
        known,
        rss,
        np.tile(solution.level + h, 2),
        np.tile(reach, 2) * np.where(above, 1.0, -1.0),
        above & (at < 0) & steep,
        at,
    )
    return ends[: u.size], ends[u.size :]


def prediction_deviance(known: Region, u: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The scaled rise of the objective where ln y at u [m], less the average, is `values` [m]."""
    residuals = _level_fixed(known.law, known.logs, lambda theta: known.law.shape(theta, u[:, None, None]), values)
    return _scaled(known, _least(known, residuals, _candidates(known), values.size))


def exponent_profile(known: Region, alpha: np.ndarray) -> np.ndarray:
    """The scaled rise of the objective where the exponent is `alpha` [m]."""
    theta = np.log(alpha) if known.edges else alpha
    residuals = _exponent_fixed(known.law, known.logs, theta)
    return _scaled(known, _least(known, residuals, _candidates(known)[:, 1:], alpha.size))


def _scaled(known: Region, rss: np.ndarray) -> np.ndarray:
    dof = known.logs.v.size - known.law.parameters
    return np.maximum(rss - known.solution.rss, 0) / (max(known.solution.rss, known.logs.roundoff) / dof)


# ---------------------------------------------------------------------------------------- the profile at given values
def _exponent_fixed(law: Law, logs: Logs, exponent: np.ndarray) -> Residuals:
    """Residuals over the rest of theta [m, k, q-1] with theta[0] fixed at `exponent` [m] and the level free."""

    def residuals(rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = np.broadcast_to(exponent[:, None, None], (*rest.shape[:-1], 1))
        h, dh = law.shape(np.concatenate([first, rest], axis=-1), logs.u)
        dh = dh[..., 1:]
        return h - h.mean(axis=-1, keepdims=True) - logs.v, dh - dh.mean(axis=-2, keepdims=True)

    return residuals


def _level_fixed(law: Law, logs: Logs, reference: Reference, value: np.ndarray) -> Residuals:
    """Residuals over theta [m, k, q] with the level such that level + `reference`(theta) is `value` [m]."""

    def residuals(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, dh = law.shape(theta, logs.u)
        h_there, dh_there = reference(theta)
        return h - h_there + value[:, None, None] - logs.v, dh - dh_there

    return residuals


def _asymptote(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shape of the floor law at x = inf, in the form of a shape at one u."""
    dh = np.zeros((*theta.shape[:-1], 1, 2))
    dh[..., 1] = 1.0
    return theta[..., 1:], dh


def _candidates(known: Region) -> np.ndarray:
    return np.vstack([known.solution.theta, known.law.starts(known.logs)])


def _least(known: Region, residuals: Residuals, candidates: np.ndarray, problems: int) -> np.ndarray:
    """The least sum of squares of every problem [m], searched from the best few of the candidates [c, q]."""
    candidates = np.broadcast_to(candidates, (problems, *candidates.shape))
    r, _ = residuals(candidates)
    order = np.argsort(np.sum(r**2, axis=-1), axis=-1)[:, :STARTS_KEPT]
    starts = np.take_along_axis(candidates, order[..., None], axis=1)
    _, rss = descend(residuals, starts, known.logs.roundoff, known.law.longest_step, tolerance=1e-8, steps=STEPS)
    return rss.min(axis=-1)


# --------------------------------------------------------------------------------------------- where a profile leaves
def _reach(known: Region, gradient: np.ndarray) -> float:
    """How far a quantity with this gradient in (level, theta) reaches if the law were linear: the first step out."""
    _, dh = known.law.shape(known.solution.theta, known.logs.u)
    jacobian = np.column_stack([np.ones(len(dh)), dh])
    variance = gradient @ np.linalg.pinv(jacobian.T @ jacobian, hermitian=True) @ gradient
    # Near an edge the variance can be lost in rounding: a least step, which doublings can grow from.
    return max(float(np.sqrt((known.bound - known.solution.rss) * max(variance, 0.0))), LEAST_STEP)


def _ends(
    known: Region, rss: Rss, inner: np.ndarray, step: np.ndarray, open_ends: np.ndarray, *args: np.ndarray
) -> np.ndarray:
    """Where `rss`(value, *args) reaches the bound, going from `inner` in the direction of `step`; all are [m].

    `open_ends` are known not to: they are answered by +-inf without a search.
    """
    best, allowed = known.solution.rss, known.bound - known.solution.rss

    def excess(value: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        # The root of the profile is nearly linear in the value, which the root finder likes.
        return np.sqrt(np.maximum(rss(value, *rest) - best, 0) / allowed) - 1

    ends = np.sign(step) * np.inf
    closed = np.flatnonzero(~open_ends)
    inner, step, args = inner[closed], step[closed], tuple(arg[closed] for arg in args)
    outside = np.zeros(closed.size, dtype=bool)
    for _ in range(DOUBLINGS):
        outside = outside | (excess(inner + step, *args) > 0)
        seeking = ~outside & (np.abs(step) < FAR)
        if not seeking.any():
            break
        inner, step = np.where(seeking, inner + step, inner), np.where(seeking, 2 * step, step)
    inner, step, args = inner[outside], step[outside], tuple(arg[outside] for arg in args)
    if inner.size:
        found = elementwise.find_root(excess, (inner, inner + step), args=args, tolerances={"fatol": 1e-6})
        ends[closed[outside]] = found.x
    return ends
