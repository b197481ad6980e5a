"""How many times the size of the first arm the second arm needs for the same loss."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import elementwise

from harness.comparison.answer import Refusal, common_level, refused_fits, shared_range
from harness.comparison.loss import asked
from harness.comparison.profiled import Profiled, difference, most_root, profiled
from harness.laws import Fit, deviance, predict
from harness.laws.points import Numbers, NumbersOrNull

REACH_DECADES = 1.0  # beyond the sizes, as far as laws are asked elsewhere: an end further out is open
SEEN = 257


@dataclass(frozen=True)
class CostRatio:
    """Sizes of two arms at equal loss, by their laws. If `refusals` has any, there are no numbers.

    An estimate is 0 or not finite where a law does not come to the loss within a decade of its sizes.
    """

    level: Annotated[float, "of intervals"]
    attained: Annotated[tuple[float, float] | None, "the range of mean losses that both arms attain"] = None
    refusals: Annotated[tuple[Refusal, ...], "why there are no numbers"] = ()
    losses: Annotated[Numbers | None, "where they are compared"] = None
    estimate: Annotated[NumbersOrNull | None, "size B / A at each loss"] = None
    low: Annotated[NumbersOrNull | None, "lower ends"] = None
    high: Annotated[NumbersOrNull | None, "upper ends"] = None
    extrapolated: Annotated[np.ndarray | None, list[bool] | None, "which losses lie outside of that range"] = None


def cost_ratio(first: Fit, second: Fit, at: ArrayLike | None = None, extrapolate: bool = False) -> CostRatio:
    """The ratio of sizes at equal loss, at the losses `at` (33 over the attained range where left out).

    A ratio above 1 is a cheaper first arm. Losses outside of the mean losses that both arms attain raise HarnessError,
    unless `extrapolate`; so do fits at different levels.
    """
    level = common_level(first, second)
    if refusals := refused_fits(first, second):
        return CostRatio(level, refusals=refusals)
    attained, no_overlap = shared_range("mean losses", first.points.means, second.points.means)
    refusals = (*_not_falling(first, second), *no_overlap)
    if refusals or attained is None:
        return CostRatio(level, refusals=refusals)
    losses, extrapolated = asked("loss", at, attained, extrapolate)
    most = most_root(first.dof, second.dof, level)
    parts = difference(_log_size(second, losses, most), _log_size(first, losses, most), level)
    with np.errstate(over="ignore"):
        estimate, low, high = (np.exp(part) for part in parts)
    return CostRatio(level, attained, (), losses, estimate, low, high, extrapolated)


def _not_falling(first: Fit, second: Fit) -> tuple[Refusal, ...]:
    refusals = []
    for arm, fit in (("first", first), ("second", second)):
        curve = predict(fit, np.geomspace(fit.points.sizes[0], fit.points.sizes[-1], SEEN))
        if np.any(np.diff(curve) > 0) or curve[0] == curve[-1]:
            reason = f"the {arm} arm's {fit.law} law does not fall with size, so no size belongs to a loss."
            refusals.append(Refusal("NOT_FALLING", reason + " Compare losses at equal size."))
    return tuple(refusals)


def _log_size(fit: Fit, losses: np.ndarray, most: float) -> Profiled:
    """ln of the size at which the law has each loss [m]."""
    is_local = any(caution.code == "LOCAL_SLOPE" for caution in fit.warnings)  # which says nothing beyond its sizes
    reach = 0.0 if is_local else REACH_DECADES * np.log(10)
    limits = float(np.log(fit.points.sizes[0]) - reach), float(np.log(fit.points.sizes[-1]) + reach)

    def against(log_size: np.ndarray) -> np.ndarray:
        return deviance(fit, np.exp(log_size), losses[:, None], far=True)

    return profiled(against, _solved_for(fit, losses, limits), limits, most, fit.dof)


def _solved_for(fit: Fit, losses: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """ln of the size at which the law has each loss [m], -inf or inf where it is beyond the limits."""
    highest, lowest = predict(fit, np.exp(limits), far=True)
    log_sizes = np.where(losses >= highest, -np.inf, np.inf)
    within = (losses < highest) & (losses > lowest)

    def above(log_size: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
        return np.log(predict(fit, np.exp(log_size), far=True)) - log_loss

    ends = (np.full(within.sum(), limits[0]), np.full(within.sum(), limits[1]))
    log_sizes[within] = elementwise.find_root(above, ends, args=(np.log(losses[within]),)).x
    return log_sizes
