"""How well a law foresaw its own largest budgets from the smaller ones, and what a new run will be by that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as t_distribution

from harness.laws import profile
from harness.laws.fitting import fit_law
from harness.laws.points import Points, new_noise_variances, noise_variances, positive
from harness.laws.replicates import lines_of, on_lines
from harness.laws.result import Caution, Fit, LawName
from harness.laws.solve import residuals_of
from harness.laws.surface import Surface, fit_surface

MOST_ORIGINS = 3
MIN_BUDGETS = 3
ONE_BUDGET = 1.5  # sizes or computes within such a factor are one budget: budgets of grids stay apart
BAD_SDS = 2.0  # of a new run, beyond which a mean error says that the law extrapolates badly


@dataclass(frozen=True)
class BudgetAhead:
    """The runs of one budget, as a law foresaw them that was fitted to smaller budgets alone.

    Errors are ln(measured / predicted).
    """

    budget: Annotated[float, "the geometric mean of what its runs cost; of a law of one size, of their sizes"]
    runs: Annotated[int, "at it"]
    step: Annotated[float, "ln of the budget over the largest one that was fitted"]
    error: Annotated[float, "mean error"]
    scatter: Annotated[float | None, "standard deviation of single runs about the mean error; null of one run"]
    error_sd: Annotated[float, "standard deviation that the mean error has if the law is true"]
    run_sd: Annotated[float, "standard deviation that the error of a new run has if the law is true"]
    dof: Annotated[int, "degrees of freedom of these standard deviations"]
    inside: Annotated[int | None, "runs inside the interval of a new run; null where the budget was fitted later"] = (
        None
    )

    @property
    def is_bad(self) -> bool:
        """Whether the mean error exceeds two standard deviations of a new run, in Student's terms."""
        sds = float(t_distribution.isf(norm.sf(BAD_SDS), self.dof))
        return bool(np.isfinite(self.run_sd) and abs(self.error) > sds * self.run_sd)


@dataclass(frozen=True)
class NewRun:
    """What a law says of a run that nobody made, at m places: its mean curve with an interval, and one new run."""

    curve: np.ndarray
    low: np.ndarray
    high: np.ndarray
    run_low: np.ndarray
    run_high: np.ndarray


# ------------------------------------------------------------------------------------------------------------- origins
def budgets_of(compute: ArrayLike) -> np.ndarray:
    """The budget that every run belongs to [n]: from the largest down, runs within a factor of 1.5 share one."""
    compute = positive("compute", compute)
    distinct, of_run = np.unique(compute, return_inverse=True)
    budgets = np.empty(distinct.size)
    last = distinct.size
    while last > 0:
        first = int(np.searchsorted(distinct, distinct[last - 1] / ONE_BUDGET, side="right"))
        budgets[first:last] = np.exp(np.log(distinct[first:last]).mean())
        last = first
    return budgets[of_run]


def rolling_curve(
    x: ArrayLike, y: ArrayLike, law: LawName, level: float = 0.95, objective: str = "auto"
) -> tuple[BudgetAhead, ...]:
    """The last budgets of a law of one size, each foreseen by the law of all sizes below it; x and y are of runs."""
    x, y = positive("x", x), positive("y", y)

    def fitted(kept: np.ndarray) -> Fit:
        return fit_law(x[kept], y[kept], law, level, objective, intervals=False)

    return _rolling(fitted, x, y, budgets_of(x))


def rolling_surface(
    n: ArrayLike, d: ArrayLike, y: ArrayLike, compute: ArrayLike, level: float = 0.95, objective: str = "auto"
) -> tuple[BudgetAhead, ...]:
    """The last budgets of compute, each foreseen by the law of two sizes of all runs that cost less."""
    x, y = np.column_stack([positive("n", n), positive("d", d)]), positive("y", y)

    def fitted(kept: np.ndarray) -> Surface:
        return fit_surface(*x[kept].T, y[kept], level, objective, intervals=False)

    return _rolling(fitted, x, y, budgets_of(compute))


def _rolling(
    fitted: Callable[[np.ndarray], Fit | Surface], x: np.ndarray, y: np.ndarray, budget: np.ndarray
) -> tuple[BudgetAhead, ...]:
    """The last budgets that the ones before support a law of."""
    budgets = np.unique(budget)
    if budgets.size < MIN_BUDGETS:
        return ()
    found = []
    for place in range(max(1, budgets.size - MOST_ORIGINS), budgets.size):
        law, there = fitted(budget < budgets[place]), budget == budgets[place]
        if law.region is not None:
            found.append(seen_ahead(law, x[there], y[there], budgets[place], budgets[place - 1]))
    return tuple(found)


def seen_ahead(law: Fit | Surface, x: np.ndarray, y: np.ndarray, budget: float, largest_fitted: float) -> BudgetAhead:
    """How runs at x [n] or [n, 2] of one budget lie to a law that was not fitted to them, and is not refused."""
    known = law.region
    assert known is not None
    places, of_run = np.unique(x, axis=0, return_inverse=True)
    u = np.log(places) - known.problem.logs.log_x_first
    curve = known.problem.law.curve(known.solution.p, u)[0] + known.problem.logs.log_y_average
    errors = np.log(y) - curve[of_run.ravel()]
    counts = np.bincount(of_run.ravel())
    of_places = np.bincount(of_run.ravel(), errors) / counts
    error = float(of_places.mean())
    quantity = profile.mean_prediction(known.problem, u)
    centre = float(quantity(known.solution.p)[0])
    low, high = profile.quantity_interval(known, quantity)
    half = high - centre if error > 0 else centre - low
    law_sd = half / float(t_distribution.isf((1 - law.level) / 2, known.problem.dof))
    mean_variance = float(np.mean(_new_variances(law, places, counts))) / len(places)
    run_variance = float(np.mean(_new_variances(law, places, np.ones(len(places)))))
    return BudgetAhead(
        budget=float(budget),
        runs=int(y.size),
        step=float(np.log(budget / largest_fitted)),
        error=error,
        scatter=float(errors.std(ddof=1)) if y.size > 1 else None,
        error_sd=float(np.hypot(law_sd, np.sqrt(mean_variance))),
        run_sd=float(np.hypot(law_sd, np.sqrt(run_variance))),
        dof=known.problem.dof,
    )


def rolling_replicates(sizes: np.ndarray, ln_losses: np.ndarray) -> tuple[BudgetAhead, ...]:
    """The last budgets of a law over replicates, `ln_losses` [R, sizes], each foreseen by the lines of smaller ones."""
    budget = budgets_of(sizes)
    budgets, replicates = np.unique(budget), len(ln_losses)
    found = []
    for place in range(max(1, budgets.size - MOST_ORIGINS), budgets.size) if budgets.size >= MIN_BUDGETS else ():
        before, there = budget < budgets[place], budget == budgets[place]
        lines = lines_of(sizes[before], ln_losses[:, before])
        losses = ln_losses[:, there]
        errors = np.mean(losses - on_lines(lines, sizes[there]), axis=1)
        errors = errors[np.isfinite(errors)]
        if errors.size < 2 or before.sum() < 2:
            continue
        spread = float(np.nanstd(losses - np.nanmean(losses, axis=0), ddof=1))
        found.append(
            BudgetAhead(
                budget=float(budgets[place]),
                runs=int(np.isfinite(losses).sum()),
                step=float(np.log(budgets[place] / budgets[place - 1])),
                error=float(errors.mean()),
                scatter=float(errors.std(ddof=1)),
                error_sd=float(errors.std(ddof=1) / np.sqrt(errors.size)),
                run_sd=spread * np.sqrt(1 + 1 / replicates),
                dof=errors.size - 1,
            )
        )
    return tuple(found)


def origin_cautions(origins: Sequence[BudgetAhead]) -> tuple[Caution, ...]:
    """Whether the law of all smaller budgets missed the largest one by more than a new run may miss."""
    if not origins or not origins[-1].is_bad:
        return ()
    last = origins[-1]
    reason = (
        f"fitted to the budgets below {last.budget:.3g}, the law misses its runs by {np.expm1(last.error):+.2%} in the "
        f"mean, {abs(last.error) / last.run_sd:.1f} standard deviations of a new run: the next budget may lie further "
        "off than the law's interval says. Rely on the interval of a new run, or add a larger budget."
    )
    return (Caution("EXTRAPOLATES_BADLY", reason),)


# ------------------------------------------------------------------------------------------------------------ new runs
def new_run(law: Fit | Surface, x: np.ndarray, steps: np.ndarray, origins: Sequence[BudgetAhead] = ()) -> NewRun:
    """What the law says at x [m] or [m, 2], which lie `steps` [m] in ln beyond the largest budget; below it none.

    To the scatter of a new run about the law comes what the origins showed: the mean error beyond what the law's own
    uncertainty explains, in proportion to the step, and their scatter.
    """
    known = law.region
    assert known is not None
    u = np.log(x) - known.problem.logs.log_x_first
    average = known.problem.logs.log_y_average
    scatter, seen = _scatter(origins)
    variances = _new_variances(law, x, np.ones(len(x)))
    pooled = (known.problem.dof * variances + seen * scatter) / (known.problem.dof + seen)
    total = pooled + _missed_variance(origins, steps)
    if law.groups is not None and law.groups.parameters is not None:
        return _new_run_by_groups(law, law.groups.parameters, u, total)
    ends = (
        *profile.prediction_ends(known, u),
        *profile.prediction_ends(known, u, np.sqrt(known.variance / total)),
    )
    with np.errstate(over="ignore"):
        low, high, run_low, run_high = (np.exp(end + average) for end in ends)
        curve = np.exp(known.problem.law.curve(known.solution.p, u)[0] + average)
    return NewRun(curve, low, high, run_low, run_high)


def _new_run_by_groups(law: Fit | Surface, parameters: np.ndarray, u: np.ndarray, variance: np.ndarray) -> NewRun:
    """The same with the law's uncertainty from its refits without each group, `parameters` [G, P]."""
    assert law.region is not None
    problem = law.region.problem
    without = problem.law.curve(parameters, u)[0]
    groups = len(without)
    of_law = (groups - 1) * without.var(axis=0)
    quantile = float(t_distribution.isf((1 - law.level) / 2, groups - 1))
    centre = problem.law.curve(law.region.solution.p, u)[0] + problem.logs.log_y_average
    half, run_half = quantile * np.sqrt(of_law), quantile * np.sqrt(of_law + variance)
    low, high, run_low, run_high = (np.exp(centre + offset) for offset in (-half, half, -run_half, run_half))
    return NewRun(np.exp(centre), low, high, run_low, run_high)


def new_run_of_lines(
    sizes: np.ndarray, ln_losses: np.ndarray, x: np.ndarray, level: float, origins: Sequence[BudgetAhead] = ()
) -> NewRun:
    """The same by the lines of replicates, `ln_losses` [R, sizes]: Student's intervals over replicates."""
    lines = lines_of(sizes, ln_losses)
    replicates = len(lines)
    left = ln_losses - on_lines(lines, sizes)
    about_line = np.nansum(left**2) / max(int(np.isfinite(left).sum()) - lines.size, 1)
    values = on_lines(lines, x)
    centre, between = np.nanmean(values, axis=0), np.nanvar(values, axis=0, ddof=1)
    steps = np.maximum(np.log(x / budgets_of(sizes).max()), 0)
    total = between * (1 + 1 / replicates) + about_line + _missed_variance(origins, steps)
    quantile = float(t_distribution.isf((1 - level) / 2, replicates - 1))
    half, run_half = quantile * np.sqrt(between / replicates), quantile * np.sqrt(total)
    ends = (np.exp(centre + offset) for offset in (-half, half, -run_half, run_half))
    return NewRun(np.exp(centre), *ends)


def _new_variances(law: Fit | Surface, x: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """The variance about the law of the mean of so many new runs [m] at each of the places x [m] or [m, 2]."""
    known = law.region
    assert known is not None
    if isinstance(law, Surface):
        r, units = residuals_of(known.problem.law.curve, known.problem.logs)(known.solution.p)[0], known.problem.units
        cells = int(units.max()) + 1
        return np.full(len(x), float(np.mean(r**2)) * cells / known.problem.dof)
    points = law.points
    if np.all(points.weights == points.weights[0]):
        variance = known.variance + _seed_variance(points) * (1 / runs - 1 / np.median(points.distinct))
        return np.maximum(variance, 0.1 * known.variance)
    there, at_sizes = new_noise_variances(points, x), noise_variances(points, points.sizes)
    assert there is not None
    assert at_sizes is not None
    return known.variance * np.mean(points.distinct / at_sizes) * there / runs


def _seed_variance(points: Points) -> float:
    """The variance of ln loss between runs of one size, pooled; 0 where no size has two."""
    dof = points.distinct - 1
    return float(np.sum(dof * np.where(dof > 0, points.spreads, 0) ** 2) / max(dof.sum(), 1))


def _scatter(origins: Sequence[BudgetAhead]) -> tuple[float, int]:
    """The variance of single runs about the mean errors of the origins, pooled, and its degrees of freedom."""
    seen = [origin for origin in origins if origin.scatter is not None]
    dof = sum(origin.runs - 1 for origin in seen)
    return sum((origin.runs - 1) * (origin.scatter or 0.0) ** 2 for origin in seen) / max(dof, 1), dof


def _missed_variance(origins: Sequence[BudgetAhead], steps: np.ndarray) -> np.ndarray:
    """The squared mean error that is to be expected so many steps ahead, beyond what a true law would show.

    It grows in proportion to the step up to the origins' own, and beyond it where the last origin is bad.
    """
    excess = [max(abs(origin.error) - origin.error_sd, 0) ** 2 for origin in origins if np.isfinite(origin.error_sd)]
    if not excess:
        return np.zeros_like(steps)
    share = np.maximum(steps, 0) / origins[-1].step
    if not origins[-1].is_bad:
        share = np.minimum(share, 1.0)
    return float(np.mean(excess)) * share**2


def largest_budgets(compute: ArrayLike, count: int) -> np.ndarray:
    """Which runs [n] lie at the `count` largest budgets."""
    budget = budgets_of(compute)
    budgets = np.unique(budget)
    return budget > budgets[-count - 1] if 0 < count < budgets.size else np.full(budget.size, count > 0)
