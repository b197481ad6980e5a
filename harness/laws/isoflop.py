"""The best size for each training budget, and its law: the isoFLOP parabolas of Hoffmann et al.
2022, approach 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.laws.law import exp_of
from harness.laws.points import NEGLIGIBLE, Points, positive, size_means
from harness.laws.refusal import RANGE_SLACK, local_cautions, range_refusals
from harness.laws.result import Caution, Estimate, Groups, Interval, Refusal
from harness.laws.surface import fit_surface

MIN_SIZES = 4  # a parabola has 3 parameters, and a residual is needed for the error of its minimum
MIN_BUDGETS = 3  # the law has 2 parameters
SKEWED = 0.05  # chance of so skewed valleys by accident, below which parabolas are said to be wrong
OUTER_SHARE = 0.25  # of the tried range of ln x, at either end
OF_SIZES = ("sizes", "means", "counts", "distinct", "spreads", "weights")  # fields of points
DRIFT = 0.15  # of that range, by which minima may move from the first budget to the last


@dataclass(frozen=True)
class Valley:
    """One budget's parabola of ln y in ln x through the geometric mean loss at each of its distinct
    x.

    What there is not is null: TOO_FEW has no parabola, NO_MINIMUM no minimum, and OUTSIDE has one
    beyond the tried x.
    """

    budget: Annotated[float, "the budget"]
    runs: Annotated[int, "of it"]
    sizes: Annotated[int, "distinct ones of these"]
    smallest: Annotated[float, "size that was tried"]
    largest: Annotated[float, "size that was tried"]
    curvature: Annotated[float | None, "second derivative of ln y in ln x"] = None
    x_best: Annotated[float | None, "size of the minimum"] = None
    y_best: Annotated[float | None, "loss at the minimum"] = None
    error: Annotated[
        float | None,
        "standard error of ln x_best, by the delta method with sizes − 3 degrees of freedom",
    ] = None
    place: Annotated[float | None, "of the minimum in the tried range of ln x: from 0 to 1"] = None
    refusal: Annotated[Refusal | None, "why it is not in the law"] = None

    @property
    def inside(self) -> bool:
        """The minimum exists, and lies within the tried x."""
        return self.place is not None and -RANGE_SLACK <= self.place <= 1 + RANGE_SLACK


@dataclass(frozen=True)
class Isoflop:
    """The law x_best = coefficient · budget^exponent through the minima of the valleys that have no
    refusal.

    If `refusals` has any there is no law, and every number after `dof` is null.
    """

    valleys: Annotated[tuple[Valley, ...], "all of them, in order of budget"]
    level: Annotated[float, "of the interval"]
    decades: Annotated[float, "powers of ten that budgets in the law span"]
    dof: Annotated[int, "budgets in the law − 2"]
    refusals: Annotated[tuple[Refusal, ...], "why there is no law"] = ()
    warnings: Annotated[tuple[Caution, ...], "what to know before quoting it"] = ()
    exponent: Annotated[float | None, "of the law"] = None
    exponent_interval: Annotated[Interval | None, "of the exponent"] = None
    coefficient: Annotated[
        float | None, "x_best at budget 1; null where it is beyond what a float holds"
    ] = None
    log_coefficient: Annotated[float | None, "natural logarithm of the coefficient"] = None
    sigma: Annotated[float | None, "standard deviation of ln(x_best / law)"] = None
    excess: Annotated[
        float | None,
        "scatter about the law, in squares, over what the errors of the minima explain: about 1 "
        "when they are all "
        "there is, more when the minima follow no single law or the parabolas are wrong; null "
        "without these errors",
    ] = None
    skew_p: Annotated[
        float | None,
        (
            "chance of valleys so skewed if all are parabolas, by one cubic term of the table; "
            "null of few"
        ),
    ] = None
    skew_shift: Annotated[
        float | None, "what that term adds to the exponent; the interval reaches so much further"
    ] = None
    by_surface: Annotated[
        Estimate | None,
        "the same exponent by a law of x and budget / x, where cost is their product (approach 3)",
    ] = None
    groups: Annotated[Groups | None, "what intervals are over, where rows have groups"] = None

    @property
    def used(self) -> tuple[Valley, ...]:
        """The valleys that the law goes through."""
        return tuple(valley for valley in self.valleys if valley.refusal is None)


def isoflop(
    budget: ArrayLike, x: ArrayLike, y: ArrayLike, level: float = 0.95, within: float | None = None
) -> Isoflop:
    """The power law of the loss-minimising x over training budgets; budget, x and y have one entry
    per run.

    Each budget's parabola is in ln y: on seven published sweeps of language models, over tokens or
    params and with or without their outliers, it left smaller residuals than one in y in 26 of 28
    fits, and moved the exponent by less than .007; and losses that span decades, with noise in
    proportion, need it. The law is least squares in ln x_best over the budgets, unweighted: the
    budget is the replication unit, and the interval is Student's t. Minima beyond the tried x are
    left out: used, they multiplied the scatter of the exponent by 4 and more in simulations with
    noise of a tenth of the loss. Valleys of real losses are skewed, which biases approach 2 on
    grids that are off-centre, the more so when they drift with the budget (arXiv 2603.22339). One
    cubic term of the table tests for it; what it adds to the exponent is in the interval. With
    `within` only x up to this factor from each minimum count, which are less skewed.

    Budgets are the same only when equal to the last bit, so give the nominal ones. The law of the
    best loss is `fit_law` through the budgets and y_best of `used`. A law that the data do not
    support is returned with its refusals and without numbers. Raises HarnessError on rows that are
    not finite and positive.
    """
    if not 0 < level < 1:
        raise HarnessError(f"level={level} must be between 0 and 1.")
    budget, x, y = positive("budget", budget), positive("x", x), positive("y", y)
    if not budget.size == x.size == y.size:
        raise HarnessError(
            f"budget has {budget.size} rows, x {x.size} and y {y.size}; give one of each per run."
        )
    points = {float(at): size_means(x[budget == at], y[budget == at]) for at in np.unique(budget)}
    valleys = tuple(_valley(at, of_budget) for at, of_budget in points.items())
    if within is not None:
        for valley in valleys:
            if valley.x_best:
                near = (
                    np.abs(np.log(points[valley.budget].sizes / valley.x_best))
                    <= math.log(within) + RANGE_SLACK
                )
                kept = {name: getattr(points[valley.budget], name)[near] for name in OF_SIZES}
                points[valley.budget] = replace(points[valley.budget], **kept)
        valleys = tuple(_valley(at, of_budget) for at, of_budget in points.items())
    found = Isoflop(valleys, level, 0.0, -2)
    if used := found.used:
        found = replace(
            found, decades=math.log10(used[-1].budget / used[0].budget), dof=len(used) - 2
        )
    refusals = _refusals(found)
    return replace(found, refusals=refusals) if refusals else _law(found, points)


def beside_surface(found: Isoflop, budget: np.ndarray, x: np.ndarray, y: np.ndarray) -> Isoflop:
    """The law, with the exponent that a law of x and budget / x has, where that is not refused."""
    law = fit_surface(x, budget / x, y, found.level)
    return replace(found, by_surface=law.allocation)


def _valley(budget: float, points: Points) -> Valley:
    ends = (
        (float(points.sizes[0]), float(points.sizes[-1]))
        if points.sizes.size
        else (math.nan, math.nan)
    )
    tried = Valley(budget, int(points.counts.sum()), points.sizes.size, *ends)
    at = f"at budget {budget:.6g}"
    if tried.sizes < MIN_SIZES:
        reason = (
            f"{tried.sizes} distinct x {at}; a parabola and its error need {MIN_SIZES}. Try "
            "more sizes at exactly this"
        )
        return replace(tried, refusal=Refusal("TOO_FEW", f"{reason} budget."))
    # On [-1, 1], where the columns of the parabola are well conditioned.
    first, last = math.log(tried.smallest), math.log(tried.largest)
    middle, half = (first + last) / 2, (last - first) / 2
    design = np.vander((np.log(points.sizes) - middle) / half, 3)
    log_means = np.log(points.means)
    q, r = np.linalg.qr(design)
    bend, slope, level = solution = np.linalg.solve(r, q.T @ log_means)
    bent = replace(tried, curvature=float(2 * bend / half**2))
    if bend <= 0:
        reason = (
            f"the parabola {at} has curvature {bent.curvature:.3g}, which must be above 0 "
            "for a minimum. Try x over a"
        )
        return replace(bent, refusal=Refusal("NO_MINIMUM", f"{reason} wider range."))
    lowest = -slope / (2 * bend)
    variance = np.sum((log_means - design @ solution) ** 2) / (tried.sizes - 3)
    gradient = np.array(
        [-lowest / bend, -1 / (2 * bend), 0]
    )  # of `lowest`, by the three coefficients
    valley = replace(
        bent,
        x_best=float(exp_of(middle + half * lowest)),
        y_best=float(exp_of(level + slope * lowest / 2)),
        error=float(half * np.sqrt(variance) * np.linalg.norm(np.linalg.solve(r.T, gradient))),
        place=float((lowest + 1) / 2),
    )
    if valley.inside:
        return valley
    beyond = (
        f"lies outside of the tried x, {valley.smallest:.4g} to {valley.largest:.4g}. Try x "
        "on both sides of it."
    )
    return replace(
        valley, refusal=Refusal("OUTSIDE", f"the minimum {at}, x = {valley.x_best:.4g}, {beyond}")
    )


def _refusals(found: Isoflop) -> tuple[Refusal, ...]:
    used, valleys = found.used, found.valleys
    refusals = []
    if len(used) < MIN_BUDGETS:
        reason = (
            f"{len(used)} of {len(valleys)} budgets have a minimum within the tried x; a law of "
            "the minima needs "
            f"{MIN_BUDGETS}.{_first_reason(valleys)} Add budgets, or sizes at these."
        )
        refusals.append(Refusal("TOO_FEW", reason))
    ends = (used[0].budget, used[-1].budget) if used else ()
    return (*refusals, *range_refusals("budgets with a minimum", found.decades, ends, "budgets"))


def _first_reason(valleys: tuple[Valley, ...]) -> str:
    reasons = [valley.refusal.reason for valley in valleys if valley.refusal]
    return f" The first without: {reasons[0]}" if reasons else ""


def _skew(
    used: tuple[Valley, ...], points: Mapping[float, Points]
) -> tuple[float | None, np.ndarray]:
    """The chance of so much of one cubic term in all valleys by accident, and ln of the best sizes
    with it [n].
    """
    along = squares = rest = 0.0
    dof, designs = -1, []
    for valley in used:
        of_budget = points[valley.budget]
        u, v = np.log(of_budget.sizes / float(valley.x_best or 1)), np.log(of_budget.means)
        basis = np.linalg.qr(np.vander(u, 3))[0]
        left, cubic = (values - basis @ (basis.T @ values) for values in (v, u**3))
        along, squares, rest = along + cubic @ left, squares + cubic @ cubic, rest + left @ left
        dof += u.size - 3
        designs.append((u, v))
    best = np.log(np.array([valley.x_best for valley in used], float))
    if dof < 1 or squares <= 0:
        return None, best
    term = along / squares
    for index, (u, v) in enumerate(designs):
        bend, slope, _ = np.linalg.lstsq(np.vander(u, 3), v - term * u**3)[0]
        best[index] -= slope / (2 * bend)
    noise = max((rest - along * term) / dof, NEGLIGIBLE**2)
    return float(f_distribution.sf(along * term / noise, 1, dof)), best


def _law(found: Isoflop, points: Mapping[float, Points]) -> Isoflop:
    """What is known of the valleys, and the least-squares line of ln x_best over ln budget through
    them.
    """
    used = found.used
    log_budget = np.log([valley.budget for valley in used])
    log_best = np.log(np.array([valley.x_best for valley in used], float))
    errors = np.array([valley.error for valley in used], float)
    centre = float(log_budget.mean())
    steps = log_budget - centre
    spread = float(np.sum(steps**2))
    exponent = float(steps @ log_best / spread)
    residuals = log_best - log_best.mean() - exponent * steps
    sigma = math.sqrt(residuals @ residuals / found.dof)
    half = float(t_distribution.isf((1 - found.level) / 2, found.dof)) * sigma / math.sqrt(spread)
    skew_p, skewed = _skew(used, points)
    shift = float(steps @ skewed / spread) - exponent
    # The errors' share of the residuals: what the line does not take up by its leverage.
    explained = np.sum((1 - 1 / len(used) - steps**2 / spread) * errors**2)
    log_coefficient = float(log_best.mean() - exponent * centre)
    ends = exponent - half + min(shift, 0.0), exponent + half + max(shift, 0.0)
    return replace(
        found,
        warnings=_cautions(found, skew_p, shift),
        exponent=exponent,
        exponent_interval=Interval(*ends, found.level),
        skew_p=skew_p,
        skew_shift=shift,
        coefficient=float(exp_of(log_coefficient)),
        log_coefficient=log_coefficient,
        sigma=sigma,
        excess=float(residuals @ residuals / explained) if explained > 0 else None,
    )


def _cautions(fit: Isoflop, skew_p: float | None, shift: float) -> tuple[Caution, ...]:
    left_out = [valley for valley in fit.valleys if valley.refusal]
    outer = [
        valley for valley in fit.used if not OUTER_SHARE <= (valley.place or 0) <= 1 - OUTER_SHARE
    ]
    reasons = {}
    if fit.dof == 1:
        reasons["DOF1"] = (
            "one degree of freedom is left for the noise: the interval is very wide. Add budgets."
        )
    if skew_p is not None and skew_p < SKEWED:
        reasons["SKEWED"] = (
            f"the valleys are no parabolas (a cubic term, p = {skew_p:.2g}), which moves the "
            f"exponent by {shift:+.2g}: "
            "the interval reaches so much further. Fit sizes nearer to the minima."
        )
    if left_out:
        first = _first_reason(fit.valleys)
        reasons["LEFT_OUT"] = (
            f"{len(left_out)} of {len(fit.valleys)} budgets are not in the law.{first}"
        )
    places, log_budgets = zip(
        *((valley.place, math.log(valley.budget)) for valley in fit.used), strict=True
    )
    drift = float(np.polyfit(log_budgets, np.array(places, float), 1)[0]) * (
        log_budgets[-1] - log_budgets[0]
    )
    if outer or abs(drift) > DRIFT:
        where = (
            f"minima move through {abs(drift):.0%} of the tried range of ln x from the first "
            "budget to the last"
        )
        if outer:
            where = (
                f"{len(outer)} of {len(fit.used)} minima lie in the outer quarters of the tried "
                "range of ln x, the "
                f"first at budget {outer[0].budget:.6g}"
            )
        reasons["OFF_CENTRE"] = (
            f"{where}: where grids are off-centre, parabolas shift the exponent. Try x on both "
            "sides of the minimum."
        )
    return (*local_cautions("budgets", fit.decades), *starmap(Caution, reasons.items()))
