"""What a fit minimises, as the user writes it: least squares, Huber's loss that finds its scale, or a published one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import kurtosistest

from harness.errors import HarnessError
from harness.fit.laws import Logs
from harness.fit.points import HUBER, NORMAL_MAD
from harness.fit.solve import Edges, Problem, Solution, descend, floor_edges, residuals_of, solve

ALLOWED = "auto, least_squares, huber, huber_log(delta=NUMBER)"
MIN_POINTS = 12  # fewer show no tails
TAIL = 4.5  # standard deviations by the median absolute deviation
KURTOSIS_Z = 3.0
SCALE_TURNS = 50
NO_TERM = -60.0  # ln of a term that is nothing beside the others, where a search can start
KURTOSIS_POINTS = 20  # scipy's approximation is not valid for fewer


@dataclass(frozen=True)
class Objective:
    """`auto` is least squares, and Huber's loss where the residuals ask for it; `delta` is that of `huber_log`."""

    kind: Literal["auto", "least_squares", "huber", "huber_log"]
    delta: float | None = None


def read_objective(text: str) -> Objective:
    """The objective that `text` names; a HarnessError says what is allowed."""
    match text:
        case "auto" | "least_squares" | "huber":
            return Objective(text)
    found = re.fullmatch(r"huber_log\(\s*(?:delta\s*=\s*)?([0-9.eE+-]+)\s*\)", text)
    try:
        delta = float(found.group(1)) if found else 0.0
    except ValueError:
        delta = 0.0
    if not delta > 0:
        raise HarnessError(f"objective={text!r} is not known; allowed: {ALLOWED}, with a delta above 0 in ln loss.")
    return Objective("huber_log", delta)


def optimum(problem: Problem, objective: Objective) -> tuple[Problem, Edges | None, Solution, str]:
    """The best law under the objective: the problem with the loss that was used, its edges and solution, and in
    words.
    """
    if objective.kind == "huber_log":
        problem = replace(problem, delta=objective.delta)
        return problem, *solved(problem), f"huber_log(delta={objective.delta:g})"
    edges, solution = solved(problem)
    r = _residuals(problem, solution.p)
    if objective.kind == "least_squares" or (objective.kind == "auto" and not heavy_tailed(r, problem)):
        return problem, edges, solution, "least_squares"
    problem = replace(problem, delta=_settled_delta(problem, np.maximum(solution.p, NO_TERM)))
    return problem, *solved(problem), f"huber(delta={problem.delta:.3g}, {HUBER} sd)"


def solved(problem: Problem) -> tuple[Edges | None, Solution]:
    """The edges, of a law that has them, and the best law."""
    edges = floor_edges(problem) if problem.law.has_edges else None
    return edges, solve(problem, edges)


def _settled_delta(problem: Problem, p: np.ndarray) -> float:
    """1.345 robust standard deviations of the residuals that the fit with this very delta leaves; scale and fit in
    turns.
    """
    delta = HUBER * robust_sd(_residuals(problem, p), problem)
    longest, residuals = np.array(problem.law.longest_step), residuals_of(problem.law.curve, problem.logs)
    for _ in range(SCALE_TURNS):
        found, _ = descend(residuals, p[None], longest, problem.logs.roundoff, delta)
        p, before = found[0], delta
        delta = HUBER * robust_sd(_residuals(problem, p), problem)
        if abs(delta - before) <= 1e-6 * before:
            break
    return delta


def _residuals(problem: Problem, p: np.ndarray) -> np.ndarray:
    return residuals_of(problem.law.curve, problem.logs)(p)[0]


def heavy_tailed(r: np.ndarray, problem: Problem) -> bool:
    """Whether weighted residuals ask for a robust loss: one far out, or tails heavier than a normal's."""
    if r.size < MIN_POINTS or float(r @ r) <= problem.logs.roundoff:
        return False
    far = bool(np.abs(r).max() > TAIL * robust_sd(r, problem))
    return far or (r.size >= KURTOSIS_POINTS and float(kurtosistest(r).statistic) > KURTOSIS_Z)


def robust_sd(r: np.ndarray, problem: Problem) -> float:
    """1.4826 median |r|, for the parameters that the residuals have been fitted by; at least rounding."""
    spread = NORMAL_MAD * float(np.median(np.abs(r))) * np.sqrt(r.size / max(r.size - problem.law.parameters, 1))
    return max(float(spread), float(np.sqrt(problem.logs.roundoff / r.size)))


def with_weights(logs: Logs, weights: np.ndarray) -> Logs:
    """The same points with other weights."""
    return Logs(logs.u, logs.v, np.sqrt(weights), logs.log_x_first, logs.log_y_average, logs.roundoff)
