"""What a fit minimises, as the user writes it: least squares, Huber's loss that finds its scale, or a published one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import kurtosistest

from harness.errors import HarnessError
from harness.fit.laws import Logs
from harness.fit.points import HUBER, NORMAL_MAD
from harness.fit.solve import Edges, Problem, Solution, floor_edges, residuals_of, solve

ALLOWED = "auto, least_squares, huber, huber_log(delta=NUMBER)"
MIN_POINTS = 12  # fewer show no tails
TAIL = 4.5  # standard deviations by the median absolute deviation
KURTOSIS_Z = 3.0
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
    """The best law under the objective: the problem with the loss that was used, its edges, the solution, and in
    words.
    """
    if objective.kind == "huber_log":
        problem = Problem(problem.law, problem.logs, objective.delta)
        return (*_solved(problem), f"huber_log(delta={objective.delta:g})")
    problem, edges, solution = _solved(Problem(problem.law, problem.logs))
    r = residuals_of(problem.law.curve, problem.logs)(solution.p)[0]
    if objective.kind == "least_squares" or (objective.kind == "auto" and not heavy_tailed(r, problem)):
        return problem, edges, solution, "least_squares"
    delta = HUBER * robust_sd(r, problem)
    for _ in range(50):  # the scale and the fit, in turns
        problem, edges, solution = _solved(Problem(problem.law, problem.logs, delta))
        before, delta = delta, HUBER * robust_sd(residuals_of(problem.law.curve, problem.logs)(solution.p)[0], problem)
        if abs(delta - before) <= 1e-6 * before:
            break
    return problem, edges, solution, f"huber(delta={before:.3g}, {HUBER} sd)"


def heavy_tailed(r: np.ndarray, problem: Problem) -> bool:
    """Whether weighted residuals ask for a robust loss: one far out, or tails heavier than a normal's."""
    if r.size < MIN_POINTS or float(r @ r) <= problem.logs.roundoff:
        return False
    far = bool(np.abs(r).max() > TAIL * robust_sd(r, problem))
    return far or (r.size >= KURTOSIS_POINTS and float(kurtosistest(r).statistic) > KURTOSIS_Z)


def robust_sd(r: np.ndarray, problem: Problem) -> float:
    """1.4826 median |r|, for the parameters that the residuals have been fitted by; at least rounding."""
    spread = NORMAL_MAD * float(np.median(np.abs(r))) * np.sqrt(r.size / max(problem.dof, 1))
    return max(float(spread), float(np.sqrt(problem.logs.roundoff / r.size)))


def _solved(problem: Problem) -> tuple[Problem, Edges | None, Solution]:
    edges = floor_edges(problem) if problem.law.has_edges else None
    return problem, edges, solve(problem, edges)


def with_weights(logs: Logs, weights: np.ndarray) -> Logs:
    """The same points with other weights."""
    return Logs(logs.u, logs.v, np.sqrt(weights), logs.log_x_first, logs.log_y_average, logs.roundoff)
