"""When a fit is refused, and what to know about one that is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy.stats import norm
from scipy.stats import t as t_distribution

from harness.base.formats import interval, plural
from harness.laws.law import BROKEN, FLOOR, PURE, Law
from harness.laws.points import MAX_ROWS_NAMED, Points
from harness.laws.result import Caution, Fit, Interval, Misfit, Refusal
from harness.laws.solve import Problem, Solution

SPARE_SIZES = 2  # sizes beyond the number of parameters
MANY_RUNS = 4  # of a size: these show what noise there is, so that no more sizes are needed
LARGEST_LOG = np.log(np.finfo(float).max)  # of a float
MIN_DECADES = 0.5
LOCAL_DECADES = 1.0
RANGE_SLACK = 1e-9  # rounding of a range that is exactly at a limit
SIGMAS = 3.0
SINGLE_SEED_RISE = 2.0
FLOOR_SHARE = 0.9
GRADIENT = 1e-5  # cosine between the residuals and a column of the Jacobian
FAR_SHIFT = 1e3  # times the largest size: there the shifted law is an exponential
# Chances below which a law misfits, half of those of faults where lack of fit is tested too: of
# simulated tables without a fault 4 to 7 % are told so.
LACK_P = 0.01
FAULT_P = {"floor": 0.03, "break": 0.02, "shift": 0.02, "end": 0.01}
FAULTS = {
    "floor": "the losses of the largest sizes lie high, as over a floor",
    "break": "the slope changes along the sizes",
    "shift": "the smallest sizes lie off the law, as if x lacked a constant",
    "end": "the largest size lies off the law",
}
NEAR = 10.0  # times the resolution of the arithmetic


def data_refusals(points: Points, law: Law) -> tuple[Refusal, ...]:
    """What the points alone forbid: too few sizes, too short a range, losses that rise with
    size.
    """
    refusals = size_refusals(points.sizes, points.decades, law)
    if points.sizes.size and law is not BROKEN:  # one break may be a rise
        refusals += _nonmonotone(points)
    return refusals


def size_refusals(sizes: np.ndarray, decades: float, law: Law) -> tuple[Refusal, ...]:
    """Whether distinct sizes, which span so many decades, are too few or too near for a law."""
    refusals: tuple[Refusal, ...] = ()
    need = law.parameters + SPARE_SIZES
    if sizes.size < need:
        reason = (
            f"{plural(sizes.size, 'distinct size')} for {law.parameters} parameters; at least "
            f"{need} are needed. Add "
            f"{plural(need - sizes.size, 'size')} (more seeds at the same sizes do not count)."
        )
        refusals = (Refusal("TOO_FEW", reason),)
    if sizes.size:
        refusals += range_refusals("sizes", decades, sizes[[0, -1]], "sizes")
    return refusals


def floor_refusals(points: Points, floor: float | None) -> tuple[Refusal, ...]:
    """Whether a floor that was given is none of these points."""
    if floor is None or not points.means.size or floor < points.means.min():
        return ()
    reason = (
        f"the floor that was given, {floor:g}, is not below the lowest mean loss, "
        f"{points.means.min():.4g}."
    )
    return (Refusal("FLOOR_ABOVE", reason),)


def range_refusals(
    what: str, decades: float, ends: Sequence[float] | np.ndarray, more: str
) -> tuple[Refusal, ...]:
    """Whether `what` spans too few decades between its ends for an exponent, and what there should
    be `more` of.
    """
    if decades >= MIN_DECADES - RANGE_SLACK:
        return ()
    span = f", from {ends[0]:.4g} to {ends[1]:.4g}" if len(ends) else ""
    reason = (
        f"the {what} span {decades:.2g} decades{span}; an exponent needs at least "
        f"{MIN_DECADES}, and "
        f"{LOCAL_DECADES:g} to be more than a local slope. Add larger or smaller {more}."
    )
    return (Refusal("RANGE", reason),)


def local_cautions(what: str, decades: float) -> tuple[Caution, ...]:
    """Whether `what` spans so few decades that an exponent is a local slope."""
    if decades >= LOCAL_DECADES - RANGE_SLACK:
        return ()
    reason = (
        f"the {what} span {decades:.2g} decades, less than {LOCAL_DECADES:g}: the exponent is a "
        "local slope and "
        "must not be extrapolated."
    )
    return (Caution("LOCAL_SLOPE", reason),)


def _nonmonotone(points: Points) -> tuple[Refusal, ...]:
    rises = np.diff(np.log(points.means))
    limits = _rise_limits(points)
    if not np.any(rises > limits):
        return ()
    worst = int(np.argmax(rises - limits))
    reason = (
        f"the mean loss rises from {points.means[worst]:.4g} at size {points.sizes[worst]:.4g} to "
        f"{points.means[worst + 1]:.4g} at size {points.sizes[worst + 1]:.4g}, a factor of "
        f"{_factor(rises[worst])} where noise explains {_factor(limits[worst])}. Fit only the "
        "sizes before the rise, "
        "or give larger models more data or more steps."
    )
    return (Refusal("NONMONOTONE", reason),)


def _factor(logarithm: float) -> str:
    """The factor with this natural logarithm, in words: it may be beyond what a float holds."""
    return (
        f"{np.exp(logarithm):.3g}" if logarithm < LARGEST_LOG else f"1e{logarithm / np.log(10):.0f}"
    )


def _rise_limits(points: Points) -> np.ndarray:
    """The largest rise of ln loss from each size to the next that noise explains [n-1].

    3 standard errors of the difference, from the seed noise pooled over sizes; the 3 is that of a
    normal and becomes the t value of equal probability at the pooled degrees of freedom. Without
    repeated seeds, a factor of 2.
    """
    dof = points.distinct - 1
    if not dof.sum():
        return np.full(points.sizes.size - 1, np.log(SINGLE_SEED_RISE))
    variance = np.sum(dof * np.where(dof > 0, points.spreads, 0) ** 2) / dof.sum()
    sigmas = t_distribution.isf(norm.sf(SIGMAS), dof.sum())
    return sigmas * np.sqrt(variance * (1 / points.distinct[:-1] + 1 / points.distinct[1:]))


def stuck(solution: Solution) -> Refusal | None:
    """Whether the search found one law: it must have moved, come to rest, not end where there is no
    exponent, and two starts must agree.
    """
    match solution.edge:
        case "flat":
            reason = (
                "the best law is flat: the losses do not fall with size. Fit the pure law "
                "for a slope and its sign."
            )
        case "step":
            reason = (
                "the exponent runs away: only the smallest size lies above the floor. Add sizes "
                "between the two "
                "smallest, or smaller ones."
            )
        case None if solution.agreeing < 2:
            reason = (
                f"{solution.agreeing} of {solution.starts} starts reach the best law found, and 2 "
                "are needed: the "
                "minimum is not certain. Add sizes, or fit the pure law."
            )
        case _ if solution.unmoved:
            reason = (
                "the search ended where it started, so it found nothing. Report this data "
                "set as a bug."
            )
        case _ if solution.gradient > GRADIENT:
            reason = (
                f"the search ended on a slope (cosine {solution.gradient:.1g}, at most "
                f"{GRADIENT:g} at rest): the data "
                "hardly pin the law. Add sizes, or fit a law with fewer parameters."
            )
        case _:
            return None
    return Refusal("STUCK", reason)


def runaway(problem: Problem, solution: Solution) -> Refusal | None:
    """Whether the shift of the shifted law runs away from all sizes."""
    if "log_shift" not in problem.law.names:
        return None
    if solution.p[problem.law.names.index("log_shift")] < problem.logs.span + np.log(FAR_SHIFT):
        return None
    return Refusal(
        "STUCK",
        f"the shift runs away, beyond {FAR_SHIFT:g} times the largest size: the losses fall like "
        "an exponential, not "
        "like a power. Fit the pure law, or add range.",
    )


def misfit_cautions(misfit: Misfit, points: Points) -> tuple[Caution, ...]:
    """What to know where the law does not go through the points."""
    signs = []
    if misfit.lack_of_fit_p is not None and misfit.lack_of_fit_p < LACK_P:
        noise = "seeds explain" if points.known_variance is None else "their standard errors say"
        signs.append(
            f"size means scatter about the law by more than {noise} (lack of fit, p = "
            f"{misfit.lack_of_fit_p:.2g})"
        )
    share = 1.0 if misfit.lack_of_fit_p is None else 0.5
    for kind, p in misfit.faults.items():
        if p < share * FAULT_P[kind]:
            signs.append(f"{FAULTS[kind]} ({kind}, p = {p:.2g})")
    if not signs:
        return ()
    reason = (
        f"{' and '.join(signs)}: the law is not the whole truth. Intervals rest on the scatter of "
        "sizes about it; "
        "try a law with a floor or a break."
    )
    return (Caution("MISFIT", reason),)


def data_cautions(points: Points, law: Law, dof: int) -> tuple[Caution, ...]:
    """What to know of the points: a range that only shows a local slope, sizes with one run, runs
    far from others.
    """
    cautions = []
    if dof == 1:
        cautions.append(
            Caution(
                "DOF1", "one degree of freedom is left for the noise: the interval is very wide."
            )
        )
    if law is not BROKEN:
        cautions += local_cautions("sizes", points.decades)
    cautions += _few_sizes(points, law)
    single = int(np.sum(points.distinct == 1))
    if single and points.known_variance is None:
        sizes = f"{single} of {points.sizes.size} sizes"
        cautions.append(
            Caution(
                "SINGLE_SEED",
                f"{sizes} have a single run, which shows no seed noise. Run more seeds.",
            )
        )
    if points.outliers.size:
        named = ", ".join(str(row) for row in points.outliers[:MAX_ROWS_NAMED])
        more = (
            f" and {points.outliers.size - MAX_ROWS_NAMED} more"
            if points.outliers.size > MAX_ROWS_NAMED
            else ""
        )
        reason = (
            f"{plural(points.outliers.size, 'run')} far from the others of the same size (row "
            f"{named}{more}, the "
            "first is 0): sizes are Huber's locations instead of means. Did these runs fail?"
        )
        cautions.append(Caution("OUTLIERS", reason))
    return tuple(cautions)


def _few_sizes(points: Points, law: Law) -> tuple[Caution, ...]:
    """Whether the sizes are enough to be fitted, and too few for a law that is quoted."""
    runs = int(np.median(points.distinct)) if points.known_variance is None else MANY_RUNS
    need, least = quoted_from(law, runs), quoted_from(law, MANY_RUNS)
    if points.sizes.size >= need:
        return ()
    why = ", as fewer do not show whether there is a floor" if law is PURE and need == least else ""
    more = f", or {MANY_RUNS} runs at each" if points.sizes.size >= least else ""
    reason = (
        f"{points.sizes.size} sizes of {plural(runs, 'run')} for {law.parameters} parameters; a "
        "law is quoted from "
        f"{need}{why}. Add sizes{more}."
    )
    return (Caution("FEW_SIZES", reason),)


def quoted_from(law: Law, runs: int) -> int:
    """How many sizes of so many runs a law is quoted from; without a floor no fewer than a floor
    can be fitted to.
    """
    if runs >= MANY_RUNS:
        return max(law.parameters, FLOOR.parameters if law is PURE else 0) + SPARE_SIZES
    return max(law.parameters * (3 if runs < 2 else 2), quoted_from(law, MANY_RUNS))


def rung_cautions(rungs: int) -> tuple[Caution, ...]:
    """Whether the rungs of a ladder, whose losses nobody knows yet, are too few for a law; one
    alone is for none.
    """
    single, several = (
        {law: quoted_from(law, runs) for law in (PURE, FLOOR)} for runs in (1, MANY_RUNS)
    )
    if rungs == 1 or rungs >= single[FLOOR]:
        return ()
    reason = (
        f"{rungs} rungs: with a run each, a law is quoted from {single[PURE]} rungs, and one with "
        "a floor from "
        f"{single[FLOOR]}; with {MANY_RUNS} seeds each, both from {several[FLOOR]}. Add rungs, or "
        "train several seeds."
    )
    return (Caution("FEW_SIZES", reason),)


def exponent_cautions(whose: str, alpha: Interval) -> tuple[Caution, ...]:
    """What to know of an exponent that may be 0 or unbounded; `whose` interval it is begins the
    sentence.
    """
    if alpha.low > 0 and not alpha.high_open:
        return ()
    next_move = (
        "Of a score, say the most that it can be (`ceiling`)."
        if alpha.high < 0
        else "Add sizes and range."
    )
    reason = (
        f"{whose} interval, {interval(alpha.low, alpha.high)}, reaches 0 or below, or has no end: "
        "the data "
        f"show no power law. {next_move}"
    )
    return (Caution("EXPONENT_OPEN", reason),)


def floor_cautions(floor: Interval, lowest: float) -> tuple[Caution, ...]:
    """What to know of a floor that may be nothing, or that the lowest loss lies on."""
    if floor.low_open:
        reason = (
            f"the floor's interval, {interval(floor.low, floor.high)}, reaches 0: the data show "
            "no floor. "
            "Quote the law without one."
        )
        return (Caution("FLOOR_OPEN", reason),)
    if floor.high <= FLOOR_SHARE * lowest:
        return ()
    reason = (
        f"the floor's interval, {interval(floor.low, floor.high)}, reaches {FLOOR_SHARE:.0%} of "
        "the lowest mean "
        f"loss, {lowest:.3g}: the best sizes lie on the floor. Is it the data, the optimiser or "
        "the precision?"
    )
    return (Caution("PLATEAU", reason),)


def warn_of_precision(fit: Fit, dtype: Literal["float32", "float64"]) -> Fit:
    """The fit, with the caution NUMERICAL_FLOOR where its floor lies within ten roundings of
    targets of size 1.

    Rounding errors of sums grow with their length, so that a floor higher up may be one too: this
    finds the plain ones.
    """
    resolution = float(np.finfo(dtype).eps)
    lowest = float(fit.points.means.min(initial=np.inf))
    if fit.refusals or (fit.floor or lowest) > NEAR * resolution:
        return fit
    what = f"the floor, {fit.floor:.2g}," if fit.floor else f"the lowest mean loss, {lowest:.2g},"
    reason = (
        f"{what} lies within {NEAR:g} times the rounding of {dtype}, {resolution:.1g} for targets "
        "of size 1: "
        "it is the arithmetic's. Train in a longer format, or fit the sizes before."
    )
    return replace(fit, warnings=(*fit.warnings, Caution("NUMERICAL_FLOOR", reason)))
