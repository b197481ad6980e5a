"""Least squares for the shape of a law, many small problems at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.fit.laws import Edges, Law, Logs

Residuals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

AGREE = 1e-6  # relative to the best objective
EDGE = 1e-9


def descend(
    residuals: Residuals, theta: np.ndarray, roundoff: float, longest_step: float, tolerance: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Levenberg-Marquardt from every theta [..., q] at once; the theta reached and their sums of squares [...].

    `residuals` returns r [..., n] and dr/dtheta [..., n, q]. A problem rests when its next step promises less than
    `tolerance` of its own sum of squares (so the objective's scale is immaterial) or less than rounding can show.
    """
    r, jacobian = residuals(theta)
    rss = np.sum(r**2, axis=-1)
    damping = np.full(rss.shape, 1e-3)
    diagonal = np.eye(theta.shape[-1])
    for _ in range(steps):
        transposed = np.swapaxes(jacobian, -1, -2)
        gradient = (transposed @ r[..., None])[..., 0]
        hessian = transposed @ jacobian
        scale = np.sum(jacobian**2, axis=-2)
        scale = np.maximum(scale, 1e-12 * scale.max(axis=-1, initial=1e-280, keepdims=True))
        damped = hessian + (damping[..., None] * scale)[..., None] * diagonal
        step = -np.linalg.solve(damped, gradient[..., None])[..., 0]
        step = np.clip(step, -longest_step, longest_step)
        moving = np.abs(np.sum(gradient * step, axis=-1)) > tolerance * rss + 0.01 * roundoff
        if not moving.any():
            break
        trial = theta + step
        trial_r, trial_jacobian = residuals(trial)
        trial_rss = np.sum(trial_r**2, axis=-1)
        # Equal up to rounding counts as better: the gradient still improves when the objective no longer shows it.
        better = moving & (trial_rss <= rss * (1 + 1e-15))
        theta = np.where(better[..., None], trial, theta)
        r = np.where(better[..., None], trial_r, r)
        jacobian = np.where(better[..., None, None], trial_jacobian, jacobian)
        rss = np.where(better, trial_rss, rss)
        damping = np.clip(np.where(better, damping / 10, damping * 5), 1e-15, 1e15)
    return theta, rss


def free_level(law: Law, logs: Logs) -> Residuals:
    """Residuals with the level at its best value, the mean of v - h."""

    def residuals(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h, dh = law.shape(theta, logs.u)
        return h - h.mean(axis=-1, keepdims=True) - logs.v, dh - dh.mean(axis=-2, keepdims=True)

    return residuals


@dataclass(frozen=True)
class Solution:
    """The best law: its theta [q], its level, its sum of squares, and how many of the starts agree on that.

    `edge` says which limit of the floor law it is, if any: "flat" and "step" have no exponent; "pure" has no floor,
    and theta[1] = -inf.
    """

    theta: np.ndarray
    level: float
    rss: float
    agreeing: int
    starts: int
    edge: Literal["flat", "pure", "step"] | None


def _edge(edges: Edges, enough: float) -> Literal["flat", "pure", "step"] | None:
    if edges.flat <= enough:
        return "flat"
    if edges.pure <= enough:
        return "pure"
    return "step" if edges.step <= enough else None


def _as_good(best: float, relative: float, roundoff: float) -> float:
    """The sums of squares that count as `best`: within `relative` of it, or within rounding of its residuals."""
    return best * (1 + relative) + 2 * np.sqrt(best * roundoff) + roundoff


def solve(law: Law, logs: Logs, edges: Edges | None) -> Solution:
    """The law of least squares over all of its starts; an edge is taken where no interior point is better."""
    starts = law.starts(logs)
    reached, rss = descend(free_level(law, logs), starts, logs.roundoff, law.longest_step, tolerance=1e-20, steps=500)
    best, theta = float(rss.min()), reached[rss.argmin()]
    edge = _edge(edges, _as_good(best, EDGE, logs.roundoff)) if edges else None
    if edges and edge == "pure":
        best, theta = edges.pure, np.array([np.log(edges.pure_alpha), -np.inf])
    return Solution(
        theta=theta,
        level=float(np.mean(logs.v - law.shape(theta, logs.u)[0])),
        rss=best,
        agreeing=int(np.sum(rss <= _as_good(best, AGREE, logs.roundoff))),
        starts=len(starts),
        edge=edge,
    )
