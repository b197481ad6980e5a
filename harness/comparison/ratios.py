"""Two laws compared: sizes at equal loss, losses at equal size, and exponents.

A ratio is second / first, and above 1 the first arm is better.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import elementwise

from harness.base.errors import HarnessError
from harness.base.reasons import Refusal
from harness.comparison.bins import shared_range
from harness.comparison.profiled import FAR, Profiled, difference, most_root, profiled
from harness.laws import Fit, Interval, deviance, exponent_deviance, predict
from harness.laws.fitting import region_of
from harness.laws.law import exp_of
from harness.laws.points import Numbers, NumbersOrNull

REACH_DECADES = (
    1.0  # beyond the sizes, as far as laws are asked elsewhere: an end further out is open
)
SEEN = 257  # sizes at which a law is seen to fall
CURVE = 33  # places of a curve, where none are asked for
# of a profile in ln loss, which is more nearly quadratic than one in size: within .1 % of an
# interval
NODES = 9
LEAST = 1e-30  # no curve tells a smaller exponent from 0


def common_level(first: Fit, second: Fit) -> float:
    """The level of both fits' intervals, which must be one."""
    if first.level != second.level:
        raise HarnessError(
            f"the first fit has level={first.level:g} and the second level={second.level:g}; fit "
            "both at one level."
        )
    return first.level


def refused_fits(first: Fit, second: Fit) -> tuple[Refusal, ...]:
    """One refusal for each of the two fits that was refused."""
    refusals = []
    for arm, fit in (("first", first), ("second", second)):
        if fit.refusals:
            reasons = " ".join(map(str, fit.refusals))
            refusals.append(
                Refusal("REFUSED_FIT", f"the {arm} arm's {fit.law} law was refused. {reasons}")
            )
    return tuple(refusals)


def shared_sizes(first: Fit, second: Fit) -> tuple[tuple[float, float] | None, tuple[Refusal, ...]]:
    """The range of sizes that both arms have, or why the two laws are not compared."""
    if refusals := refused_fits(first, second):
        return None, refusals
    return shared_range("sizes", first.points.sizes, second.points.sizes)


def places_asked(
    name: str, at: ArrayLike | None, shared: tuple[float, float], extrapolate: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The places asked for [m], or a curve of them over the `shared` range, and which of them lie
    outside of it.
    """
    if at is None:
        places = np.geomspace(*shared, CURVE)
        return places, np.zeros(CURVE, dtype=bool)
    places = np.atleast_1d(np.asarray(at, float))
    wrong = ~(np.isfinite(places) & (places > 0))
    if wrong.any():
        raise HarnessError(
            f"{name} {places[wrong][0]} is not a finite number above 0; ask at one that is."
        )
    outside = (places < shared[0] * (1 - 1e-12)) | (places > shared[1] * (1 + 1e-12))
    if outside.any() and not extrapolate:
        raise HarnessError(
            f"{name} {places[outside][0]:.6g} is not attained by both arms, which share "
            f"{shared[0]:.6g} to "
            f"{shared[1]:.6g}. Ask within, or pass extrapolate=True for a ratio that is marked as "
            "extrapolated."
        )
    return places, outside


# --------------------------------------------------------------------------------------------------
# sizes at equal loss
@dataclass(frozen=True)
class CostRatio:
    """Sizes of two arms at equal loss, by their laws. If `refusals` has any, there are no numbers.

    An estimate is 0 or not finite where a law does not come to the loss within a decade of its
    sizes.
    """

    level: Annotated[float, "of intervals"]
    attained: Annotated[
        tuple[float, float] | None, "the range of mean losses that both arms attain"
    ] = None
    refusals: Annotated[tuple[Refusal, ...], "why there are no numbers"] = ()
    losses: Annotated[Numbers | None, "where they are compared"] = None
    estimate: Annotated[NumbersOrNull | None, "size B / A at each loss"] = None
    low: Annotated[NumbersOrNull | None, "lower ends"] = None
    high: Annotated[NumbersOrNull | None, "upper ends"] = None
    extrapolated: Annotated[
        np.ndarray | None, list[bool] | None, "which losses lie outside of that range"
    ] = None


def cost_ratio(
    first: Fit, second: Fit, at: ArrayLike | None = None, extrapolate: bool = False
) -> CostRatio:
    """The ratio of sizes at equal loss, at the losses `at` (33 over the attained range where left
    out).

    A ratio above 1 is a cheaper first arm. Losses outside of the mean losses that both arms attain
    raise HarnessError, unless `extrapolate`; so do fits at different levels.
    """
    level = common_level(first, second)
    if refusals := refused_fits(first, second):
        return CostRatio(level, refusals=refusals)
    attained, no_overlap = shared_range("mean losses", first.points.means, second.points.means)
    refusals = (*_not_falling(first, second), *no_overlap)
    if refusals or attained is None:
        return CostRatio(level, refusals=refusals)
    losses, extrapolated = places_asked("loss", at, attained, extrapolate)
    most = most_root(region_of(first).dof, region_of(second).dof, level)
    parts = difference(_log_size(second, losses, most), _log_size(first, losses, most), level)
    estimate, low, high = map(exp_of, parts)
    return CostRatio(level, attained, (), losses, estimate, low, high, extrapolated)


def _not_falling(first: Fit, second: Fit) -> tuple[Refusal, ...]:
    refusals = []
    for arm, fit in (("first", first), ("second", second)):
        curve = predict(fit, np.geomspace(fit.points.sizes[0], fit.points.sizes[-1], SEEN))
        if np.any(np.diff(curve) > 0) or curve[0] == curve[-1]:
            reason = (
                f"the {arm} arm's {fit.law} law does not fall with size, so no size belongs "
                "to a loss."
            )
            refusals.append(Refusal("NOT_FALLING", reason + " Compare losses at equal size."))
    return tuple(refusals)


def _log_size(fit: Fit, losses: np.ndarray, most: float) -> Profiled:
    """ln of the size at which the law has each loss [m]."""
    is_local = any(
        caution.code == "LOCAL_SLOPE" for caution in fit.warnings
    )  # which says nothing beyond its sizes
    reach = 0.0 if is_local else REACH_DECADES * np.log(10)
    limits = float(np.log(fit.points.sizes[0]) - reach), float(np.log(fit.points.sizes[-1]) + reach)

    def against(log_size: np.ndarray) -> np.ndarray:
        return deviance(fit, np.exp(log_size), losses[:, None], far=True)

    return profiled(against, _solved_for(fit, losses, limits), limits, most, region_of(fit).dof)


def _solved_for(fit: Fit, losses: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """ln of the size at which the law has each loss [m], -inf or inf where it is beyond the
    limits.
    """
    highest, lowest = predict(fit, np.exp(limits), far=True)
    log_sizes = np.where(losses >= highest, -np.inf, np.inf)
    within = (losses < highest) & (losses > lowest)

    def above(log_size: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
        return np.log(predict(fit, np.exp(log_size), far=True)) - log_loss

    ends = (np.full(within.sum(), limits[0]), np.full(within.sum(), limits[1]))
    log_sizes[within] = elementwise.find_root(above, ends, args=(np.log(losses[within]),)).x
    return log_sizes


# -------------------------------------------------------------------------------------------------
# losses at equal size
@dataclass(frozen=True)
class LossRatio:
    """Losses of two arms at equal size, by their laws. If `refusals` has any, there are no
    numbers.
    """

    level: Annotated[float, "of intervals"]
    shared: Annotated[tuple[float, float] | None, "the range of sizes that both arms have"] = None
    refusals: Annotated[tuple[Refusal, ...], "why there are no numbers"] = ()
    sizes: Annotated[Numbers | None, "where they are compared"] = None
    estimate: Annotated[NumbersOrNull | None, "loss B / A at each size"] = None
    low: Annotated[NumbersOrNull | None, "lower ends"] = None
    high: Annotated[NumbersOrNull | None, "upper ends"] = None
    extrapolated: Annotated[
        np.ndarray | None, list[bool] | None, "which sizes lie outside of that range"
    ] = None


def loss_ratio(
    first: Fit, second: Fit, at: ArrayLike | None = None, extrapolate: bool = False
) -> LossRatio:
    """The ratio of the two laws' losses at sizes `at` (33 over the shared sizes where left out),
    with intervals.

    Sizes outside of those that both arms have raise HarnessError, unless `extrapolate`; they are
    then marked. A ratio above 1 is a lower loss of the first arm.
    """
    level = common_level(first, second)
    shared, refusals = shared_sizes(first, second)
    if shared is None:
        return LossRatio(level, refusals=refusals)
    sizes, extrapolated = places_asked("size", at, shared, extrapolate)
    estimate, low, high = (np.exp(part) for part in log_loss_ratio(first, second, np.log(sizes)))
    return LossRatio(level, shared, (), sizes, estimate, low, high, extrapolated)


def log_loss_ratio(
    first: Fit, second: Fit, log_sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln(y_second / y_first) at ln sizes [m]: estimate, low and high, +-inf where open; neither fit
    is refused.
    """
    most = most_root(region_of(first).dof, region_of(second).dof, first.level)
    return difference(
        _log_loss(second, log_sizes, most), _log_loss(first, log_sizes, most), first.level
    )


def _log_loss(fit: Fit, log_sizes: np.ndarray, most: float) -> Profiled:
    sizes, dof = np.exp(log_sizes), region_of(fit).dof
    estimate = np.log(predict(fit, sizes, far=True))

    def away(offset: np.ndarray) -> np.ndarray:
        return deviance(fit, sizes[:, None], np.exp(estimate[:, None] + offset), far=True)

    offsets = profiled(away, np.zeros_like(estimate), (-FAR, FAR), most, dof, NODES)
    return Profiled(
        estimate, estimate[:, None] + offsets.down, estimate[:, None] + offsets.up, most, dof
    )


# --------------------------------------------------------------------------------------------------
# exponents
@dataclass(frozen=True)
class ExponentDifference:
    """The exponent of A minus that of B; without numbers when refused."""

    level: Annotated[float, "of the interval"]
    refusals: Annotated[tuple[Refusal, ...], "why there is no number"] = ()
    estimate: Annotated[float | None, "the difference"] = None
    interval: Annotated[Interval | None, "its interval"] = None


def exponent_difference(first: Fit, second: Fit) -> ExponentDifference:
    """The difference of two exponents; its interval leaves 0 out when their equality is rejected at
    the fits' level.

    Fits at different levels, or of different laws, whose exponents are different quantities, raise
    HarnessError.
    """
    if first.law != second.law:
        raise HarnessError(
            f"law={first.law!r} of the first arm and law={second.law!r} of the second have "
            "exponents of different "
            "meaning; fit one law to both."
        )
    level = common_level(first, second)
    if refusals := refused_fits(first, second):
        return ExponentDifference(level, refusals)
    most = most_root(region_of(first).dof, region_of(second).dof, level)
    estimate, low, high = difference(_exponent(first, most), _exponent(second, most), level)
    return ExponentDifference(
        level, (), float(estimate[0]), Interval(float(low[0]), float(high[0]), level)
    )


def _exponent(fit: Fit, most: float) -> Profiled:
    assert fit.alpha is not None

    # The floor law's exponent is above 0, which is then its low end when it is open.
    least, end = (LEAST, 0.0) if fit.law == "floor" else (-FAR, -np.inf)

    def against(alpha: np.ndarray) -> np.ndarray:
        return exponent_deviance(fit, np.maximum(alpha, least).ravel()).reshape(alpha.shape)

    profile = profiled(against, np.array([fit.alpha]), (least, FAR), most, region_of(fit).dof)
    return replace(profile, down=np.maximum(profile.down, end))
