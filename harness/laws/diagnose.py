"""What a demanding reader asks of every fit: leverage, sensitivity, condition, residuals."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from harness.base.plain import OrNull
from harness.laws.fitting import region_of, size_residuals
from harness.laws.law import above, to_logs
from harness.laws.objective import robust_sd, solved
from harness.laws.points import HUBER, Numbers, NumbersOrNull, runs
from harness.laws.profile import Region, covariance, log_floor
from harness.laws.result import Fit, Misfit
from harness.laws.solve import Problem, residuals_of

DROPPED = 30  # sizes that are left out one by one


@dataclass(frozen=True)
class Diagnostics:
    """How a fit hangs on its points and on how it was made; lists are in order of size."""

    sizes: Annotated[int, "that were fitted"]
    runs: Annotated[int, "that were fitted"]
    decades_x: Annotated[float, "powers of ten that sizes span"]
    decades_y: Annotated[float, "powers of ten that losses span"]
    dof: Annotated[int, "sizes − parameters"]
    residuals: Annotated[Numbers, "ln(mean / law)"]
    normal_scores: Annotated[Numbers, "the residuals' normal quantiles"]
    leverage: Annotated[Numbers, "of each size"]
    drop_one: Annotated[
        NumbersOrNull,
        "the exponent without each size; null where that is refused or needs a floor's limit, and "
        "of more than 30 "
        "sizes where the leverage is not among the 30 largest",
    ]
    deltas: Annotated[
        dict[str, OrNull],
        "the exponent by Huber's loss at 1.345 robust standard deviations, ten times that, squares",
    ]
    condition: Annotated[OrNull, "of the Jacobian with columns of length 1"]
    alpha_floor_correlation: Annotated[float | None, "of exponent and floor, linearised"]
    reducible_over_floor: Annotated[
        float | None, "loss above the floor over the floor, at the largest size"
    ]
    starts_agreeing: Annotated[float, "share of starts that came to the solution"]
    gradient: Annotated[OrNull, "cosine between residuals and a column of the Jacobian"]
    misfit: Annotated[Misfit, "whether the law goes through the points"]


def diagnose(fit: Fit) -> Diagnostics:
    """The diagnostics of a fit; raises HarnessError for a refused one."""
    known, points = region_of(fit), fit.points
    assert fit.misfit is not None
    problem, p = known.problem, known.solution.p
    logs, law = problem.logs, problem.law
    r, jacobian = residuals_of(law.curve, logs)(p)
    bread = covariance(known)
    residuals = size_residuals(points, problem, p)
    order = np.argsort(np.argsort(residuals))
    lengths = np.linalg.norm(jacobian, axis=0)
    leverage = np.bincount(problem.units, np.einsum("ni,ij,nj->n", jacobian, bread, jacobian))
    drop_one = np.full(points.sizes.size, np.nan)
    for index in np.argsort(-leverage, kind="stable")[:DROPPED]:
        drop_one[index] = _without(problem, int(index))
    log_y = np.log(points.means)
    delta = HUBER * robust_sd(r, problem)
    deltas = {"1.345 sd": delta, "13.45 sd": 10 * delta, "squares": None}
    return Diagnostics(
        sizes=points.sizes.size,
        runs=int(points.counts.sum()),
        decades_x=fit.decades,
        decades_y=float(np.ptp(log_y) / np.log(10)),
        dof=fit.dof,
        residuals=residuals,
        normal_scores=norm.ppf((order + 0.625) / (residuals.size + 0.25)),
        leverage=leverage,
        drop_one=drop_one,
        deltas={name: _alpha(Problem(law, logs, choice)) for name, choice in deltas.items()},
        condition=float(np.linalg.cond(jacobian[:, lengths > 0] / lengths[lengths > 0])),
        alpha_floor_correlation=_correlation(known, bread) if fit.floor and law.floor else None,
        reducible_over_floor=_reducible(known) if law.floor else None,
        starts_agreeing=known.solution.agreeing / known.solution.starts,
        gradient=known.solution.gradient,
        misfit=fit.misfit,
    )


def data_hash(x: ArrayLike, y: ArrayLike) -> str:
    """The first 16 hex digits of SHA-256 over the rows, sorted, so that the order of a file does
    not matter.
    """
    x, y = runs(x, y)
    order = np.lexsort((y, x))
    return hashlib.sha256(np.column_stack([x, y])[order].astype("<f8").tobytes()).hexdigest()[:16]


def _without(problem: Problem, index: int) -> float:
    """The exponent without a size."""
    logs, keep = problem.logs, problem.units != index
    if np.unique(problem.units[keep]).size < problem.law.parameters:
        return float("nan")
    x, y = np.exp(logs.u + logs.log_x_first), np.exp(logs.v + logs.log_y_average)
    kept, law = to_logs(x[keep], y[keep], logs.scale[keep] ** 2), problem.law
    if law.known_floor is not None:
        law = above(law.known_floor + logs.log_y_average - kept.log_y_average)
    return _alpha(Problem(law, kept, problem.delta))


def _alpha(problem: Problem) -> float:
    _, solution = solved(problem)
    if solution.edge in ("flat", "step"):
        return float("nan")
    return float(problem.law.alpha(solution.p[problem.law.exponent]))


def _correlation(known: Region, bread: np.ndarray) -> float | None:
    """Between the exponent and ln floor."""
    problem, p = known.problem, known.solution.p
    of_floor = log_floor(problem)(p)[1]
    of_alpha = np.eye(p.size)[problem.law.exponent]
    variances = (of_floor @ bread @ of_floor) * (of_alpha @ bread @ of_alpha)
    return float(of_floor @ bread @ of_alpha / np.sqrt(variances)) if variances > 0 else None


def _reducible(known: Region) -> float:
    """The loss above the floor over the floor, at the largest size."""
    problem, p = known.problem, known.solution.p
    top = problem.law.curve(p, problem.logs.u[-1:])[0][0]
    floor = log_floor(problem)(p)[0]
    return float(np.expm1(top - floor)) if np.isfinite(floor) else float("inf")
