"""How many times the loss of the first arm the second arm has, at the same size."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike

from harness.base.errors import HarnessError
from harness.comparison.answer import Refusal, common_level, shared_sizes
from harness.comparison.profiled import FAR, Profiled, difference, most_root, profiled
from harness.laws import Fit, deviance, predict
from harness.laws.points import Numbers, NumbersOrNull

CURVE = 33
NODES = 9  # of a profile in ln loss, which is more nearly quadratic than one in size: within .1 % of an interval


@dataclass(frozen=True)
class LossRatio:
    """Losses of two arms at equal size, by their laws. If `refusals` has any, there are no numbers."""

    level: Annotated[float, "of intervals"]
    shared: Annotated[tuple[float, float] | None, "the range of sizes that both arms have"] = None
    refusals: Annotated[tuple[Refusal, ...], "why there are no numbers"] = ()
    sizes: Annotated[Numbers | None, "where they are compared"] = None
    estimate: Annotated[NumbersOrNull | None, "loss B / A at each size"] = None
    low: Annotated[NumbersOrNull | None, "lower ends"] = None
    high: Annotated[NumbersOrNull | None, "upper ends"] = None
    extrapolated: Annotated[np.ndarray | None, list[bool] | None, "which sizes lie outside of that range"] = None


def loss_ratio(first: Fit, second: Fit, at: ArrayLike | None = None, extrapolate: bool = False) -> LossRatio:
    """The ratio of the two laws' losses at sizes `at` (33 over the shared sizes where left out), with intervals.

    Sizes outside of those that both arms have raise HarnessError, unless `extrapolate`; they are then marked. A ratio
    above 1 is a lower loss of the first arm.
    """
    level = common_level(first, second)
    shared, refusals = shared_sizes(first, second)
    if shared is None:
        return LossRatio(level, refusals=refusals)
    sizes, extrapolated = asked("size", at, shared, extrapolate)
    estimate, low, high = (np.exp(part) for part in log_loss_ratio(first, second, np.log(sizes)))
    return LossRatio(level, shared, (), sizes, estimate, low, high, extrapolated)


def asked(
    name: str, at: ArrayLike | None, shared: tuple[float, float], extrapolate: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The places asked for [m], or a curve of them over the `shared` range, and which of them lie outside of it."""
    if at is None:
        places = np.geomspace(*shared, CURVE)
        return places, np.zeros(CURVE, dtype=bool)
    places = np.atleast_1d(np.asarray(at, float))
    wrong = ~(np.isfinite(places) & (places > 0))
    if wrong.any():
        raise HarnessError(f"{name} {places[wrong][0]} is not a finite number above 0; ask at one that is.")
    outside = (places < shared[0] * (1 - 1e-12)) | (places > shared[1] * (1 + 1e-12))
    if outside.any() and not extrapolate:
        raise HarnessError(
            f"{name} {places[outside][0]:.6g} is not attained by both arms, which share {shared[0]:.6g} to "
            f"{shared[1]:.6g}. Ask within, or pass extrapolate=True for a ratio that is marked as extrapolated."
        )
    return places, outside


def log_loss_ratio(first: Fit, second: Fit, log_sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ln(y_second / y_first) at ln sizes [m]: estimate, low and high, +-inf where open; neither fit is refused."""
    most = most_root(first.dof, second.dof, first.level)
    return difference(_log_loss(second, log_sizes, most), _log_loss(first, log_sizes, most), first.level)


def _log_loss(fit: Fit, log_sizes: np.ndarray, most: float) -> Profiled:
    sizes = np.exp(log_sizes)
    estimate = np.log(predict(fit, sizes, far=True))

    def away(offset: np.ndarray) -> np.ndarray:
        return deviance(fit, sizes[:, None], np.exp(estimate[:, None] + offset), far=True)

    offsets = profiled(away, np.zeros_like(estimate), (-FAR, FAR), most, fit.dof, NODES)
    return Profiled(estimate, estimate[:, None] + offsets.down, estimate[:, None] + offsets.up, most, fit.dof)
