"""Least squares, or Huber's loss, for the parameters of a law: many small problems at once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.laws.law import PURE, CurveFunction, Law, Logs

Residuals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
EdgeCase = Literal["flat", "pure", "step"]

AGREE = 1e-6  # relative to the best objective
EDGE = 1e-9
STEPS = 500
EARLY_STEPS, LATE_STARTS = 40, 16  # most starts are at rest by then; of the others, the best go on
ROUNDING_SEEN = 0.2  # of 8 units in the last place, which `roundoff` allows for
NEWTON = 1e-20  # of the objective: what a last step may still promise
LEAST_DAMPING = (
    1e-13  # of the curvature: above the rounding of its sums, so that no system is singular
)
REWEIGHTED = 15  # steps of Huber's loss before its own curvature
LINEAR = 1e-2  # of the reweighted curvature is left to residuals beyond delta, which have none


@dataclass(frozen=True)
class Problem:
    """A law and the points it is fitted to; `delta` is the residual at which squares become linear
    (None: never).

    `clusters` [n] numbers the unit of replication that each point belongs to, where points are
    single runs: residuals of runs of one size are not independent if the law misses that size. None
    where every point is a size.
    """

    law: Law
    logs: Logs
    delta: float | None = None
    clusters: np.ndarray | None = None

    @property
    def dof(self) -> int:
        """Units of replication less parameters."""
        return int(self.units.max()) + 1 - self.law.parameters

    @property
    def units(self) -> np.ndarray:
        """The unit of replication that each point belongs to [n]."""
        return np.arange(self.logs.v.size) if self.clusters is None else self.clusters


@dataclass(frozen=True)
class Edges:
    """Objectives that the floor law only approaches; they decide which ends of an interval are
    open.

    flat: alpha -> 0. step: alpha -> inf, only the smallest size is above the floor. pure: E -> 0,
    with the pure law's level and exponent `pure_p`.
    """

    flat: float
    step: float
    pure: float
    pure_p: np.ndarray


@dataclass(frozen=True)
class Solution:
    """The best law: its p [P], its objective, and how many of the starts agree on that.

    `edge` says which limit of the floor law it is, if any: "flat" and "step" have no exponent;
    "pure" has no floor. A floor of nothing is p = -inf, of any law. `gradient` is the largest
    cosine between the residuals and a column of the Jacobian that is more than rounding: 0 at an
    optimum.
    """

    p: np.ndarray
    objective: float
    agreeing: int
    starts: int
    edge: EdgeCase | None
    gradient: float
    unmoved: bool = False


def huber(r: np.ndarray, delta: float | None) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each residual, in the scale of a square, and the share of the residual that its
    gradient keeps.
    """
    if delta is None:
        return r**2, np.ones_like(r)
    size = np.abs(r)
    inside = size <= delta
    kept = np.where(inside, 1.0, delta / np.where(inside, 1.0, size))
    return np.where(inside, r**2, 2 * delta * size - delta**2), kept


@np.errstate(
    over="ignore", invalid="ignore"
)  # a trial step may leave the numbers, and is then not taken
def descend(
    residuals: Residuals,
    p: np.ndarray,
    longest_step: np.ndarray,
    roundoff: float,
    delta: float | None = None,
    tolerance: float = NEWTON,
    steps: int = STEPS,
) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt from every p [..., q] at once; the p reached and their objectives [...].

    `residuals` returns r [..., n] and dr/dp [..., n, q]. A problem rests when its next step
    promises less than `tolerance` of its own objective (so the objective's scale is immaterial) or
    less than rounding can show. For Huber's loss the first steps reweight squares, which is sure
    from afar but slow where most residuals are beyond delta; later ones follow the curvature of the
    loss itself.
    """
    r, jacobian = residuals(p)
    objective, kept = _objective(r, delta)
    damping = np.full(objective.shape, 1e-3)
    diagonal = np.eye(p.shape[-1])
    for taken in range(steps):
        weighted = jacobian if delta is None else jacobian * kept[..., None]
        transposed = np.swapaxes(weighted, -1, -2)
        gradient = (transposed @ r[..., None])[..., 0]
        hessian = transposed @ jacobian
        scale = np.einsum("...ii->...i", hessian)
        if delta is not None and taken >= REWEIGHTED:
            curvature = np.where(kept < 1, LINEAR * kept, 1.0)
            hessian = np.swapaxes(jacobian * curvature[..., None], -1, -2) @ jacobian
        scale = np.maximum(scale, 1e-12 * scale.max(axis=-1, initial=1e-280, keepdims=True))
        damped = hessian + (damping[..., None] * scale)[..., None] * diagonal
        step = -np.linalg.solve(damped, gradient[..., None])[..., 0]
        step = np.clip(step, -longest_step, longest_step)
        moving = np.abs(np.sum(gradient * step, axis=-1)) > tolerance * objective + 0.01 * roundoff
        if not moving.any():
            break
        trial = p + step
        trial_r, trial_jacobian = residuals(trial)
        trial_objective, trial_kept = _objective(trial_r, delta)
        # Equal up to rounding counts as better: the gradient still improves when the objective no
        # longer shows it.
        noise = ROUNDING_SEEN * np.sqrt(objective * roundoff)
        better = moving & (trial_objective <= objective * (1 + 1e-15) + noise)
        p = np.where(better[..., None], trial, p)
        r = np.where(better[..., None], trial_r, r)
        jacobian = np.where(better[..., None, None], trial_jacobian, jacobian)
        kept = np.where(better[..., None], trial_kept, kept) if delta is not None else kept
        objective = np.where(better, trial_objective, objective)
        damping = np.clip(np.where(better, damping / 10, damping * 5), LEAST_DAMPING, 1e15)
    return p, objective


def _objective(r: np.ndarray, delta: float | None) -> tuple[np.ndarray, np.ndarray]:
    """The sum of losses, and the shares kept; inf where a law has left the numbers, so that no
    search goes there.
    """
    loss, kept = huber(r, delta)
    return np.nan_to_num(loss.sum(axis=-1), nan=np.inf, posinf=np.inf), kept


def residuals_of(curve: CurveFunction, logs: Logs) -> Residuals:
    """Weighted residuals of the curve at the points."""

    def residuals(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mu, jacobian = curve(p, logs.u)
        return logs.scale * (mu - logs.v), logs.scale[..., None] * jacobian

    return residuals


def solve(problem: Problem, edges: Edges | None) -> Solution:
    """The best law over all of its starts; an edge is taken where no interior point is better."""
    law, logs = problem.law, problem.logs
    starts, residuals = law.starts(logs), residuals_of(law.curve, logs)
    rest = (np.array(law.longest_step), logs.roundoff, problem.delta)
    reached, objectives = descend(residuals, starts, *rest, steps=EARLY_STEPS)
    ahead = np.argsort(objectives)[:LATE_STARTS]
    reached[ahead], objectives[ahead] = descend(residuals, reached[ahead], *rest)
    best, p = float(objectives.min()), reached[objectives.argmin()]
    edge = _edge(edges, as_good(best, EDGE, logs.roundoff)) if edges else None
    if edges and edge == "pure":
        level, alpha = edges.pure_p
        best, p = edges.pure, np.array([level, np.log(alpha), -np.inf])
    if law.floor is not None and _unseen(residuals(p)[1], logs.roundoff)[law.floor]:
        p[law.floor] = -np.inf
    return Solution(
        p=p,
        objective=best,
        agreeing=int(np.sum(objectives <= as_good(best, AGREE, logs.roundoff))),
        starts=len(starts),
        edge=edge,
        gradient=_cosine(*residuals(p), logs.roundoff, problem.delta),
        unmoved=bool(np.any(np.all(starts == p, axis=1))),
    )


def floor_edges(problem: Problem) -> Edges:
    """The limits of the floor law: together with its interior they are all the curves it can
    reach.
    """
    logs = problem.logs
    first = logs.u == 0
    pure_p, pure = _best(PURE.curve, logs, PURE.starts(logs)[:1], problem.delta)
    flat_p, flat = _best(_constant, logs, np.zeros((1, 1)), problem.delta)
    if pure_p[1] < 0:
        pure_p, pure = np.array([flat_p[0], 0.0]), flat
    masked = replace(logs, scale=np.where(first, 0.0, logs.scale))
    step_p, step = _best(_constant, masked, np.zeros((1, 1)), problem.delta)
    smallest = replace(logs, u=logs.u[first], v=logs.v[first], scale=logs.scale[first])
    top, top_step = _best(_constant, smallest, np.zeros((1, 1)), problem.delta)
    return Edges(
        flat=flat, step=step + top_step if top[0] >= step_p[0] else flat, pure=pure, pure_p=pure_p
    )


def as_good(best: float, relative: float, roundoff: float) -> float:
    """The objectives that count as `best`: within `relative` of it, or within rounding of its
    residuals.
    """
    return best * (1 + relative) + 2 * np.sqrt(best * roundoff) + roundoff


def _constant(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mu = np.broadcast_to(p, (*p.shape[:-1], u.shape[-1]))
    return mu, np.ones((*mu.shape, 1))


def _best(
    curve: CurveFunction, logs: Logs, start: np.ndarray, delta: float | None
) -> tuple[np.ndarray, float]:
    """A linear problem, solved from one start."""
    p, objective = descend(
        residuals_of(curve, logs), start, np.array([np.inf]), logs.roundoff, delta
    )
    return p[0], float(objective[0])


def _edge(edges: Edges, enough: float) -> EdgeCase | None:
    if edges.flat <= enough:
        return "flat"
    if edges.pure <= enough:
        return "pure"
    return "step" if edges.step <= enough else None


def _cosine(r: np.ndarray, jacobian: np.ndarray, roundoff: float, delta: float | None) -> float:
    """The largest cosine between kept residuals and a column of the Jacobian, less what rounding
    can make of it.
    """
    pull = huber(r, delta)[1] * r
    columns = jacobian[:, ~_unseen(jacobian, roundoff)]
    squares = (columns.T @ pull / np.linalg.norm(columns, axis=0)) ** 2
    norm = max(float(pull @ pull), roundoff)
    return float(np.sqrt(max(0.0, (squares.max(initial=0.0) - 100 * roundoff) / norm)))


def _unseen(jacobian: np.ndarray, roundoff: float) -> np.ndarray:
    """Which parameters [P] the curve no longer shows: logarithms of what has gone to nothing, as
    far as they got.
    """
    return np.linalg.norm(jacobian, axis=0) <= np.sqrt(roundoff)
