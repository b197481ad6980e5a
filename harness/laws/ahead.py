"""How well a law foresaw its own largest budgets from the smaller ones, and what a new run will be
by that.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as t_distribution

from harness.laws import profile
from harness.laws.fitting import fit_law
from harness.laws.law import exp_of
from harness.laws.points import NOTHING, Known, new_noise_variances, noise_variances, positive
from harness.laws.replicates import lines_of, on_lines
from harness.laws.result import Caution, Fit, LawName
from harness.laws.solve import residuals_of
from harness.laws.surface import Surface, fit_surface

MOST_ORIGINS = 3
MIN_BUDGETS = 3
ONE_BUDGET = (
    1.5  # sizes or computes within such a factor are one budget: budgets of grids stay apart
)
BAD_SDS = 2.0  # of a new run, beyond which a mean error says that the law extrapolates badly


@dataclass(frozen=True)
class BudgetAhead:
    """The runs of one budget, as a law of smaller budgets foresaw them; errors are ln(measured /
    predicted).
    """

    budget: Annotated[
        float, "the geometric mean of what its runs cost; of a law of one size, of their sizes"
    ]
    runs: Annotated[int, "at it"]
    step: Annotated[float, "ln of the budget over the largest one that was fitted"]
    error: Annotated[float, "mean error"]
    scatter: Annotated[
        float | None, "standard deviation of single runs about the mean error; null of one run"
    ]
    error_sd: Annotated[float, "standard deviation that the mean error has if the law is true"]
    run_sd: Annotated[
        float, "standard deviation that the error of a new run has if the law is true"
    ]
    dof: Annotated[int, "degrees of freedom of these standard deviations"]
    inside: Annotated[
        int | None, "runs inside the interval of a new run; null if the budget was fitted later"
    ] = None

    @property
    def is_bad(self) -> bool:
        """Whether the mean error exceeds two standard deviations of a new run, in Student's
        terms.
        """
        sds = float(t_distribution.isf(norm.sf(BAD_SDS), self.dof))
        return bool(np.isfinite(self.run_sd) and abs(self.error) > sds * self.run_sd)


class NewRun(NamedTuple):
    """What a law says of runs that nobody made, at m places: its curve with an interval, and one of
    a new run.
    """

    curve: np.ndarray
    low: np.ndarray
    high: np.ndarray
    run_low: np.ndarray
    run_high: np.ndarray


# --------------------------------------------------------------------------------------------------
# origins
def budgets_of(compute: ArrayLike) -> np.ndarray:
    """The budget that every run belongs to [n]: from the largest down, runs within a factor of 1.5
    share one.
    """
    distinct, of_run = np.unique(positive("compute", compute), return_inverse=True)
    budgets = np.empty(distinct.size)
    last = distinct.size
    while last > 0:
        first = int(np.searchsorted(distinct, distinct[last - 1] / ONE_BUDGET, side="right"))
        budgets[first:last] = np.exp(np.log(distinct[first:last]).mean())
        last = first
    return budgets[of_run]


def rolling_curve(
    x: ArrayLike,
    y: ArrayLike,
    law: LawName,
    level: float = 0.95,
    objective: str = "auto",
    known: Known = NOTHING,
) -> tuple[BudgetAhead, ...]:
    """The last budgets of a law of one size, each foreseen by the law of all sizes below it; x and
    y are of runs.
    """
    x, y = positive("x", x), positive("y", y)

    def fitted(kept: np.ndarray) -> Fit:
        return fit_law(x[kept], y[kept], law, level, objective, False, known.of(kept))

    return _rolling(fitted, x, y, budgets_of(x))


def rolling_surface(
    n: ArrayLike,
    d: ArrayLike,
    y: ArrayLike,
    compute: ArrayLike,
    level: float = 0.95,
    objective: str = "auto",
) -> tuple[BudgetAhead, ...]:
    """The last budgets of compute, each foreseen by the law of two sizes of all runs that cost
    less.
    """
    n, d, y = positive("n", n), positive("d", d), positive("y", y)
    fitted = partial(fit_surface, level=level, objective=objective, intervals=False)
    x, budget = np.column_stack([n, d]), budgets_of(compute)
    return _rolling(lambda kept: fitted(n[kept], d[kept], y[kept]), x, y, budget)


def _rolling(
    fitted: Callable[[np.ndarray], Fit | Surface], x: np.ndarray, y: np.ndarray, budget: np.ndarray
) -> tuple[BudgetAhead, ...]:
    """The last budgets that the ones before support a law of."""
    found = []
    for before, last in _last_steps(budget):
        law, there = fitted(budget <= before), budget == last
        if law.region is not None:
            found.append(seen_ahead(law, x[there], y[there], last, before))
    return tuple(found)


def _last_steps(budget: np.ndarray) -> list[tuple[float, float]]:
    """The last budgets, each with the one before it; none of fewer than three."""
    budgets = np.unique(budget).tolist()
    return list(itertools.pairwise(budgets))[-MOST_ORIGINS:] if len(budgets) >= MIN_BUDGETS else []


def seen_ahead(
    law: Fit | Surface, x: np.ndarray, y: np.ndarray, budget: float, largest_fitted: float
) -> BudgetAhead:
    """How runs at x [n] or [n, 2] of one budget lie to a law that was not fitted to them, and is
    not refused.
    """
    known = law.region
    assert known is not None
    places, of_run, counts = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    u = np.log(places) - known.problem.logs.log_x_first
    curve = known.problem.law.curve(known.solution.p, u)[0] + known.problem.logs.log_y_average
    errors = np.log(y) - curve[of_run.ravel()]
    error = float(np.mean(np.bincount(of_run.ravel(), errors) / counts))
    quantity = profile.mean_prediction(known.problem, u)
    centre = float(quantity(known.solution.p)[0])
    low, high = profile.quantity_interval(known, quantity)
    half = high - centre if error > 0 else centre - low
    law_sd = half / float(t_distribution.isf((1 - law.level) / 2, known.dof))
    of_mean, of_run_alone = (
        np.mean(new_variances(law, places, runs)) for runs in (counts, np.ones(len(places)))
    )
    return BudgetAhead(
        budget=float(budget),
        runs=y.size,
        step=float(np.log(budget / largest_fitted)),
        error=error,
        scatter=float(errors.std(ddof=1)) if y.size > 1 else None,
        error_sd=float(np.hypot(law_sd, np.sqrt(of_mean / len(places)))),
        run_sd=float(np.hypot(law_sd, np.sqrt(of_run_alone))),
        dof=known.problem.dof,
    )


def rolling_replicates(sizes: np.ndarray, ln_losses: np.ndarray) -> tuple[BudgetAhead, ...]:
    """The last budgets of a law over replicates, `ln_losses` [R, sizes], each foreseen by the lines
    of smaller ones.
    """
    budget, found = budgets_of(sizes), []
    for before, last in _last_steps(budget):
        smaller, there = budget <= before, budget == last
        losses = ln_losses[:, there]
        lines = lines_of(sizes[smaller], ln_losses[:, smaller])
        errors = np.mean(losses - on_lines(lines, sizes[there]), axis=1)
        errors = errors[np.isfinite(errors)]
        if errors.size < 2 or smaller.sum() < 2:
            continue
        scatter = float(errors.std(ddof=1))
        spread = float(np.nanstd(losses - np.nanmean(losses, axis=0), ddof=losses.shape[1]))
        runs, error_sd = int(np.isfinite(losses).sum()), scatter / np.sqrt(errors.size)
        run_sd, step = float(np.hypot(spread, error_sd)), float(np.log(last / before))
        found.append(
            BudgetAhead(
                last, runs, step, float(errors.mean()), scatter, error_sd, run_sd, errors.size - 1
            )
        )
    return tuple(found)


def origin_cautions(origins: Sequence[BudgetAhead]) -> tuple[Caution, ...]:
    """Whether the law of all smaller budgets missed the largest one by more than a new run may
    miss.
    """
    if not origins or not origins[-1].is_bad:
        return ()
    last = origins[-1]
    reason = (
        f"fitted to the budgets below {last.budget:.3g}, the law misses its runs by "
        f"{np.expm1(last.error):+.2%} in the "
        f"mean, {abs(last.error) / last.run_sd:.1f} standard deviations of a new run: the next "
        "budget may lie further "
        "off than the law's interval says. Rely on the interval of a new run, or add a "
        "larger budget."
    )
    return (Caution("EXTRAPOLATES_BADLY", reason),)


# --------------------------------------------------------------------------------------------------
# new runs
def new_run(
    law: Fit | Surface, x: np.ndarray, steps: np.ndarray, origins: Sequence[BudgetAhead] = ()
) -> NewRun:
    """What the law says at x [m] or [m, 2], which lie `steps` [m] in ln beyond the largest budget.

    To the scatter of a run about the law comes what the origins showed: their scatter, and their
    mean error beyond what the law's own uncertainty explains.
    """
    known = law.region
    assert known is not None
    problem, logs = known.problem, known.problem.logs
    u = np.log(x) - logs.log_x_first
    seen = [
        (origin.runs - 1, origin.scatter**2) for origin in origins if origin.scatter is not None
    ]
    dof = problem.dof + sum(runs for runs, _ in seen)
    variances = problem.dof * new_variances(law, x, np.ones(len(x))) + sum(
        runs * square for runs, square in seen
    )
    total = variances / dof + _missed_variance(origins, steps)
    curve = problem.law.curve(known.solution.p, u)[0]
    if law.groups is not None and law.groups.parameters is not None:
        without = problem.law.curve(law.groups.parameters, u)[0]
        ends = _student(
            curve, (len(without) - 1) * without.var(axis=0), total, len(without), law.level
        )
    else:
        scale = np.sqrt(known.variance / total)
        ends = (*profile.prediction_ends(known, u), *profile.prediction_ends(known, u, scale))
    return NewRun(*(exp_of(values + logs.log_y_average) for values in (curve, *ends)))


def new_run_of_lines(
    sizes: np.ndarray,
    ln_losses: np.ndarray,
    x: np.ndarray,
    level: float,
    origins: Sequence[BudgetAhead] = (),
    overlap: float = 0.0,
) -> NewRun:
    """The same by the lines of replicates, `ln_losses` [R, sizes]: Student's intervals over
    replicates.
    """
    lines = lines_of(sizes, ln_losses)
    has_line = np.isfinite(lines).all(axis=1)
    lines, ln_losses = lines[has_line], ln_losses[has_line]
    left = ln_losses - on_lines(lines, sizes)
    about_line = np.nansum(left**2) / max(int(np.isfinite(left).sum()) - lines.size, 1)
    values = on_lines(lines, x)
    centre, between = values.mean(axis=0), values.var(axis=0, ddof=1)
    missed = _missed_variance(origins, np.log(x / budgets_of(sizes).max()))
    ends = _student(
        centre,
        between * (1 / len(lines) + overlap),
        between + about_line + missed,
        len(lines),
        level,
    )
    return NewRun(*map(np.exp, (centre, *ends)))


def _student(
    centre: np.ndarray, of_law: np.ndarray, of_run: np.ndarray, units: int, level: float
) -> tuple[np.ndarray, ...]:
    """Both ends of the law, then of a run about it, from variances that so many units show."""
    quantile = float(t_distribution.isf((1 - level) / 2, units - 1))
    half, run_half = quantile * np.sqrt(of_law), quantile * np.sqrt(of_law + of_run)
    return centre - half, centre + half, centre - run_half, centre + run_half


def new_variances(law: Fit | Surface, x: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """The variance about the law of the mean of so many new runs [m] at each of the places x [m] or
    [m, 2].
    """
    known = law.region
    assert known is not None
    if isinstance(law, Surface):
        r, units = (
            residuals_of(known.problem.law.curve, known.problem.logs)(known.solution.p)[0],
            known.problem.units,
        )
        return np.full(len(x), np.mean(r**2) * (int(units.max()) + 1) / known.problem.dof)
    points = law.points
    if points.known_variance is not None:
        return known.variance / np.median(points.weights) / runs
    there, at_sizes = new_noise_variances(points, x), noise_variances(points, points.sizes)
    if there is None or at_sizes is None or np.all(points.weights == points.weights[0]):
        repeated = points.distinct - 1
        seeds = np.sum(repeated * np.where(repeated > 0, points.spreads, 0) ** 2) / max(
            repeated.sum(), 1
        )
        return np.maximum(
            known.variance + seeds * (1 / runs - 1 / np.median(points.distinct)),
            0.1 * known.variance,
        )
    return known.variance * np.mean(points.distinct / at_sizes) * there / runs


def _missed_variance(origins: Sequence[BudgetAhead], steps: np.ndarray) -> np.ndarray:
    """The squared mean error to expect so many steps ahead, beyond a true law's: in proportion to
    the step up to the origins' own, and further where the last origin is bad."""
    excess = [
        max(abs(origin.error) - origin.error_sd, 0) ** 2
        for origin in origins
        if np.isfinite(origin.error_sd)
    ]
    if not excess:
        return np.zeros_like(steps)
    share = np.maximum(steps, 0) / origins[-1].step
    return np.mean(excess) * (share if origins[-1].is_bad else np.minimum(share, 1.0)) ** 2
