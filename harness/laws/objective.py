"""What a fit minimises, as the user writes it: least squares, Huber's loss that finds its scale, or
a published one.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import kurtosistest

from harness.base.errors import HarnessError
from harness.laws.points import HUBER, NORMAL_MAD
from harness.laws.solve import Edges, Problem, Solution, floor_edges, residuals_of, solve

ALLOWED = "auto, least_squares, huber, huber_log(delta=NUMBER)"
LARGEST_DELTA = 1e6  # no ln loss is so far off: it is least squares
MIN_POINTS = 12  # fewer show no tails
TAIL = 4.5  # standard deviations by the median absolute deviation
KURTOSIS_Z = 3.0
KURTOSIS_POINTS = 20  # scipy's approximation is not valid for fewer


@dataclass(frozen=True)
class Objective:
    """`auto` is least squares, and Huber's loss where the residuals ask for it; `delta` is that of
    `huber_log`.
    """

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
    if not 0 < delta <= LARGEST_DELTA:
        raise HarnessError(
            f"objective={text!r} is not known; allowed: {ALLOWED}, with a delta above 0 in "
            "ln loss, "
            f"{LARGEST_DELTA:g} at most."
        )
    return Objective("huber_log", delta)


def optimum(problem: Problem, objective: Objective) -> tuple[Problem, Edges | None, Solution, str]:
    """The best law under the objective: the problem with the loss that was used, its edges and
    solution; in words.
    """
    if objective.kind == "huber_log":
        problem = replace(problem, delta=objective.delta)
        return problem, *solved(problem), f"huber_log(delta={objective.delta:g})"
    edges, solution = solved(problem)
    r = residuals_of(problem.law.curve, problem.logs)(solution.p)[0]
    if objective.kind == "least_squares" or (
        objective.kind == "auto" and not heavy_tailed(r, problem)
    ):
        return problem, edges, solution, "least_squares"
    problem = replace(problem, delta=HUBER * robust_sd(r, problem))
    return problem, *solved(problem), f"huber(delta={problem.delta:.3g}, {HUBER} sd)"


def solved(problem: Problem) -> tuple[Edges | None, Solution]:
    """The edges, of a law that has them, and the best law."""
    edges = floor_edges(problem) if problem.law.has_edges else None
    return edges, solve(problem, edges)


def heavy_tailed(r: np.ndarray, problem: Problem) -> bool:
    """Whether weighted residuals ask for a robust loss: one far out, or tails heavier than a
    normal's.

    Equal residuals are copies of a row, and count once.
    """
    r = np.unique(r)
    if r.size < MIN_POINTS or float(r @ r) <= problem.logs.roundoff:
        return False
    far = bool(np.abs(r).max() > TAIL * robust_sd(r, problem))
    return far or (r.size >= KURTOSIS_POINTS and float(kurtosistest(r).statistic) > KURTOSIS_Z)


def robust_sd(r: np.ndarray, problem: Problem) -> float:
    """1.4826 median absolute deviations of the residuals that least squares leaves; at least
    rounding.
    """
    spread = NORMAL_MAD * float(np.median(np.abs(r - np.median(r))))
    return max(spread, float(np.sqrt(problem.logs.roundoff / r.size)))
