"""Profile-likelihood intervals: every law whose objective is within F of the best belongs to the
set.

A quantity's interval is what it takes within that set: the profile, the least objective at a fixed
value, is followed outward from the best law until it leaves. The bound is best + F(level; 1, dof) *
variance, which is the t interval where a law is linear. By simulation (results/fits/coverage.md) it
covers 93 to 98 % at harness sizes, also where the data hardly pin the law and a Wald interval
covers 73 %.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import elementwise
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from harness.laws.points import NORMAL_MAD
from harness.laws.solve import Edges, Problem, Residuals, Solution, descend, huber, residuals_of

DOUBLINGS = 60  # of a first step that may be as small as rounding
LEAST_STEP = 1e-12
FAR = 128.0  # an end that is not within e^255 is open; exponents and losses stay representable
# How many of the best candidates go on in a search, and for how many steps: most end within 20, but
# shallow data make a long curved valley.
STAGES = ((4, 3), (1, 40), (1, 260))
# halvings at worst: where a search ends in either of two valleys, the profile is no smooth curve
ROOT_STEPS = 24
OPEN = (-np.inf, np.inf)  # in place of an interval that nobody asked for
NO_OPEN_END = np.zeros(2, dtype=bool)
NO_FLOOR = 40.0  # e^-40 of the lowest loss is below rounding
# a chance of so much scatter, below which standard errors that were given do not explain it
SCATTER_P = 0.05


@dataclass(frozen=True)
class ProfiledQuantity:
    """p[index] + rest(p): what a profile holds at a value. `rest` is read where p[index] = 0.

    With `solved` it is rest(p) alone, which is the value where p[index] is solved(p, value).
    """

    index: int
    rest: Residuals | None = None
    solved: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None

    def __call__(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The quantity and its gradient at p [..., P], everywhere."""
        if self.solved and self.rest:
            return self.rest(p)
        own = np.eye(p.shape[-1])[self.index]
        if self.rest is None:
            return p[..., self.index], np.broadcast_to(own, p.shape)
        value, gradient = self.rest(np.where(own > 0, 0.0, p))
        return p[..., self.index] + value, gradient * (1 - own) + own


@dataclass(frozen=True)
class Region:
    """The laws that the data do not exclude: those with an objective up to `bound`.

    `variance` is that of a residual, in the scale of the objective, with `dof` degrees of freedom.
    """

    problem: Problem
    edges: Edges | None
    solution: Solution
    variance: float
    bound: float
    dof: float


def region(
    problem: Problem, edges: Edges | None, best: Solution, level: float, known: float | None = None
) -> Region:
    """The profile-likelihood set at `level`; data that fit perfectly are given errors of the size
    of rounding.

    The variance of a residual may be `known`: it counts unless the points scatter by more (5 %).
    """
    if known is not None and scatter_p(problem, best, known) >= SCATTER_P:
        return Region(
            problem, edges, best, known, best.objective + known * chi2.isf(1 - level, 1), np.inf
        )
    variance = residual_variance(problem, best)
    bound = best.objective + variance * f_distribution.isf(1 - level, 1, problem.dof)
    return Region(problem, edges, best, variance, bound, problem.dof)


def scatter_p(problem: Problem, solution: Solution, variance: float) -> float:
    """The chance that residuals of a known variance scatter so much."""
    return float(
        chi2.sf(solution.objective / variance, problem.logs.v.size - problem.law.parameters)
    )


def residual_variance(problem: Problem, solution: Solution) -> float:
    """The variance of weighted residuals that calibrates a difference of objectives to F.

    Objective / dof for squares of size means; of single runs, the mean of each size counts. For
    Huber's loss E[psi^2] / E[psi'], by which a robust likelihood ratio is asymptotically
    chi-squared for errors of one kind (Heritier & Ronchetti 1994, JASA 89, section 3).
    """
    logs, delta = problem.logs, problem.delta
    r = residuals_of(problem.law.curve, logs)(solution.p)[0]
    pull = huber(r, delta)[1] * r
    inside = 1.0 if delta is None else _curved_share(r, delta, problem.law.parameters)
    squares = float(np.sum(np.bincount(problem.units, pull) ** 2 / np.bincount(problem.units)))
    return max(squares / inside, logs.roundoff) / problem.dof


def _curved_share(r: np.ndarray, delta: float, parameters: int) -> float:
    """E[psi'] of Huber's loss: the share of residuals within delta.

    A delta far below their scatter makes the law pass through about as many points as it has
    parameters, whose residuals of zero say nothing: the share is then read off a wider window,
    without them.
    """
    wide = NORMAL_MAD * float(np.median(np.abs(r))) * np.sqrt(r.size / max(r.size - parameters, 1))
    if delta >= wide:
        return max(float(np.mean(np.abs(r) <= delta)), 1 / r.size)
    within = max(int(np.sum(np.abs(r) <= wide)) - parameters, 1) / max(r.size - parameters, 1)
    return within * delta / wide


# --------------------------------------------------------------------------------------------------
# quantities
def of_two(index: int, other: int, factor: float) -> ProfiledQuantity:
    """p[index] + factor p[other]."""

    def rest(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return factor * p[..., other], np.broadcast_to(factor * np.eye(p.shape[-1])[other], p.shape)

    return ProfiledQuantity(index, rest)


def log_floor(problem: Problem) -> ProfiledQuantity:
    """ln E less the average ln y, of a law with a floor."""
    assert problem.law.floor is not None
    # The floor's own parameter gives way, so that a floor of nothing leaves the other terms where
    # they are.
    return of_two(problem.law.floor, 0, 1.0)


def prediction(problem: Problem, u: np.ndarray) -> ProfiledQuantity:
    """ln y at u [m], less the average ln y: of p [m, k, P], or at u [1] of p [P]."""

    def rest(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = u if p.ndim == 1 else u[:, None, None]
        mu, jacobian = problem.law.curve(p, there)
        return mu[..., 0], jacobian[..., 0, :]

    if problem.law.held is None:
        return ProfiledQuantity(0, rest)
    index, solved = problem.law.held
    return ProfiledQuantity(index, rest, lambda p, value: solved(p, u[:, None], value))


def mean_prediction(problem: Problem, u: np.ndarray) -> ProfiledQuantity:
    """The mean of ln y over all u [n], less the average ln y; where p[0] is no level, ln y at the
    mean of these u.
    """
    if problem.law.held is not None:
        return prediction(problem, u.mean(keepdims=True))

    def rest(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mu, jacobian = problem.law.curve(p, u)
        return mu.mean(axis=-1), jacobian.mean(axis=-2)

    return ProfiledQuantity(0, rest)


# ---------------------------------------------------------------------------------------- the
# profile at given values
def pinned(residuals: Residuals, quantity: ProfiledQuantity, value: np.ndarray) -> Residuals:
    """Residuals over the other parameters [m, k, P-1] with the quantity at `value` [m]."""
    index = quantity.index

    def over_others(others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = np.insert(others, index, 0.0, axis=-1)
        wanted, gradient = value[:, None], None
        if quantity.rest is not None and quantity.solved is None:
            taken, gradient = quantity.rest(p)
            wanted = wanted - taken
        p[..., index] = wanted if quantity.solved is None else quantity.solved(p, wanted)
        if quantity.rest is not None and quantity.solved is not None:
            gradient = quantity.rest(p)[1]
            gradient = gradient / gradient[..., index : index + 1]
        r, jacobian = residuals(p)
        kept = np.delete(jacobian, index, axis=-1)
        if gradient is not None:
            kept = (
                kept
                - jacobian[..., index : index + 1]
                * np.delete(gradient, index, axis=-1)[..., None, :]
            )
        return r, kept

    return over_others


def profile_deviance(known: Region, quantity: ProfiledQuantity, value: np.ndarray) -> np.ndarray:
    """How far the objective rises where the quantity is `value` [m], in units of variance: F(1,
    dof) at the truth.
    """
    problem = known.problem
    residuals = pinned(residuals_of(problem.law.curve, problem.logs), quantity, value)
    return _rise(known, residuals, quantity.index, value.size)


def new_point_deviance(
    known: Region, u: np.ndarray, v: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """How far the objective rises with one more point at u, v [m], of weight `scale`^2: F(1, dof)
    for a new one.
    """
    law, residuals = known.problem.law, residuals_of(known.problem.law.curve, known.problem.logs)

    def with_point(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r, jacobian = residuals(p)
        mu, there = law.curve(p, u[:, None, None])
        extra = scale[:, None, None] * (mu - v[:, None, None])
        return np.concatenate([r, extra], axis=-1), np.concatenate(
            [jacobian, scale[:, None, None, None] * there], -2
        )

    return _rise(known, with_point, [], v.size)


def _rise(
    known: Region, residuals: Residuals, left_out: int | list[int], problems: int
) -> np.ndarray:
    """How far every problem's least objective [m] lies above the best law's, in units of the
    variance.

    It is searched from the best few of the law's starts and the solution, over all parameters but
    those left out.
    """
    problem = known.problem
    solution = np.maximum(known.solution.p, -FAR)  # no floor at all is far, but not at infinity
    candidates = np.delete(
        np.vstack([solution, problem.law.starts(problem.logs)]), left_out, axis=1
    )
    starts = np.broadcast_to(candidates, (problems, *candidates.shape))
    rest = (np.delete(problem.law.longest_step, left_out), problem.logs.roundoff, problem.delta)
    for kept, steps in STAGES:
        moved, objective = descend(residuals, starts, *rest, tolerance=1e-8, steps=steps)
        order = np.argsort(objective, axis=-1)[:, :kept]
        starts = np.take_along_axis(moved, order[..., None], axis=1)
    return np.maximum(objective.min(axis=-1) - known.solution.objective, 0) / known.variance


# --------------------------------------------------------------------------------------------------
# intervals
def exponent_interval(known: Region) -> tuple[float, float]:
    """The exponents within the region; 0 and inf are open ends of the floor law."""
    law = known.problem.law
    edges = known.edges
    open_ends = np.array([edges.flat, edges.step] if edges else [np.inf, np.inf]) <= known.bound
    low, high = law.alpha(np.array(coordinate_interval(known, law.exponent, open_ends)))
    return float(low), float(high)


def coordinate_interval(
    known: Region, index: int, open_ends: np.ndarray = NO_OPEN_END
) -> tuple[float, float]:
    """The values of a parameter within the region; `open_ends` are known to have none."""
    return quantity_interval(
        known, ProfiledQuantity(index), open_ends, known.problem.law.longest_step[index]
    )


def quantity_interval(
    known: Region,
    quantity: ProfiledQuantity,
    open_ends: np.ndarray = NO_OPEN_END,
    longest_step: float = 1.0,
) -> tuple[float, float]:
    """The values of any quantity within the region."""
    reach = min(_reach(known, quantity), longest_step)
    low, high = _quantity_ends(
        known, quantity, float(quantity(known.solution.p)[0]), reach, open_ends
    )
    return float(low), float(high)


def _quantity_ends(
    known: Region, quantity: ProfiledQuantity, inner: float, reach: float, open_ends: np.ndarray
) -> np.ndarray:
    """Both ends of a quantity, from `inner`, with first steps of `reach`."""

    def deviance(value: np.ndarray) -> np.ndarray:
        return profile_deviance(known, quantity, value)

    return _ends(deviance, known, np.full(2, inner), reach * np.array([-1.0, 1.0]), open_ends)


def floor_interval(known: Region) -> tuple[float, float]:
    """The floors E within the region, in units of y / its geometric mean over points; 0 is an open
    end.
    """
    problem, p = known.problem, known.solution.p
    quantity = log_floor(problem)
    lowest = float(problem.law.curve(p, problem.logs.u)[0].min())
    inner = max(float(quantity(p)[0]), lowest - NO_FLOOR)
    # From no floor at all, the law's slope in the floor is nothing, and so says nothing about how
    # far to go.
    reach = min(_reach(known, quantity), 1.0) if inner > lowest - NO_FLOOR else 1.0
    open_ends = np.array([known.edges is not None and known.edges.pure <= known.bound, False])
    low, high = np.exp(_quantity_ends(known, quantity, inner, reach, open_ends))
    # Below e^-40 of the lowest loss a floor is none: laws without edges are only followed to there.
    return (0.0 if np.log(max(low, 1e-300)) <= lowest - NO_FLOOR else float(low)), float(high)


def prediction_ends(
    known: Region, u: np.ndarray, scale: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest ln y at every u [m] or [m, 2] within the region, less the average
    ln y of the points.

    With `scale` it is the ln y that a new point there, of weight `scale`^2, may have. Above the
    smallest size they are finite; below it the floor law may be open upward.
    """
    reach = np.array([_reach(known, prediction(known.problem, u_1)) for u_1 in u[:, None]])
    if scale is not None:
        reach = np.hypot(reach, np.sqrt(known.bound - known.solution.objective) / scale)
    above = np.repeat([False, True], len(u))
    before_first = u < 0 if u.ndim == 1 else np.zeros(len(u), dtype=bool)
    steep = known.edges is not None and known.edges.step <= known.bound
    centre = np.tile(known.problem.law.curve(known.solution.p, u)[0], 2)
    step = np.tile(np.minimum(reach, 1.0), 2) * np.where(above, 1.0, -1.0)

    def deviance(value: np.ndarray, place: np.ndarray) -> np.ndarray:
        place = place.astype(int)  # the root finder makes its arguments floats
        if scale is None:
            return profile_deviance(known, prediction(known.problem, u[place]), value)
        return new_point_deviance(known, u[place], value, scale[place])

    places = np.tile(np.arange(len(u)), 2)
    ends = _ends(deviance, known, centre, step, above & np.tile(before_first, 2) & steep, places)
    return ends[: len(u)], ends[len(u) :]


# ---------------------------------------------------------------------------------------------
# where a profile leaves
def covariance(known: Region) -> np.ndarray:
    """The inverse of the weighted J'J at the solution [P, P], a pseudo-inverse where parameters
    trade off.
    """
    problem = known.problem
    _, jacobian = residuals_of(problem.law.curve, problem.logs)(known.solution.p)
    return np.linalg.pinv(jacobian.T @ jacobian, hermitian=True)


def _reach(known: Region, quantity: ProfiledQuantity) -> float:
    """How far a quantity reaches if the law were linear: the first step out."""
    gradient = quantity(known.solution.p)[1]
    gradient = np.where(np.isfinite(gradient), gradient, 0.0)
    variance = float(gradient @ covariance(known) @ gradient)
    # Near an edge the variance can be lost in rounding: a least step, which doublings can grow
    # from.
    return max(
        float(np.sqrt((known.bound - known.solution.objective) * max(variance, 0.0))), LEAST_STEP
    )


def _ends(
    deviance: Callable[..., np.ndarray],
    known: Region,
    inner: np.ndarray,
    step: np.ndarray,
    open_ends: np.ndarray,
    *args: np.ndarray,
) -> np.ndarray:
    """Where `deviance`(value, *args) reaches the region's bound, from `inner` in the direction of
    `step`; all [m].

    `open_ends` are known not to: they are answered by +-inf without a search.
    """
    allowed = (known.bound - known.solution.objective) / known.variance

    def excess(value: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        # The root of the profile is nearly linear in the value, which the root finder likes.
        return np.sqrt(deviance(value, *rest) / allowed) - 1

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
        found = elementwise.find_root(
            excess, (inner, inner + step), args=args, tolerances={"fatol": 1e-6}, maxiter=ROOT_STEPS
        )
        ends[closed[outside]] = found.x
    return ends
