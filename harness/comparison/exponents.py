"""How much steeper the first arm's law is than the second's: the difference of exponents."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from harness.base.errors import HarnessError
from harness.comparison.answer import Refusal, common_level, refused_fits
from harness.comparison.profiled import FAR, Profiled, difference, most_root, profiled
from harness.laws import Fit, Interval, exponent_deviance

LEAST = 1e-30  # no curve tells a smaller exponent from 0


@dataclass(frozen=True)
class ExponentDifference:
    """The exponent of A minus that of B; without numbers when refused."""

    level: Annotated[float, "of the interval"]
    refusals: Annotated[tuple[Refusal, ...], "why there is no number"] = ()
    estimate: Annotated[float | None, "the difference"] = None
    interval: Annotated[Interval | None, "its interval"] = None


def exponent_difference(first: Fit, second: Fit) -> ExponentDifference:
    """The difference of two exponents; its interval leaves 0 out when their equality is rejected at the fits' level.

    Fits at different levels, or of different laws, whose exponents are different quantities, raise HarnessError.
    """
    if first.law != second.law:
        raise HarnessError(
            f"law={first.law!r} of the first arm and law={second.law!r} of the second have exponents of different "
            "meaning; fit one law to both."
        )
    level = common_level(first, second)
    if refusals := refused_fits(first, second):
        return ExponentDifference(level, refusals)
    most = most_root(first.dof, second.dof, level)
    estimate, low, high = difference(_exponent(first, most), _exponent(second, most), level)
    return ExponentDifference(level, (), float(estimate[0]), Interval(float(low[0]), float(high[0]), level))


def _exponent(fit: Fit, most: float) -> Profiled:
    assert fit.alpha is not None

    # The floor law's exponent is above 0, which is then its low end when it is open.
    least, end = (LEAST, 0.0) if fit.law == "floor" else (-FAR, -np.inf)

    def against(alpha: np.ndarray) -> np.ndarray:
        return exponent_deviance(fit, np.maximum(alpha, least).ravel()).reshape(alpha.shape)

    profile = profiled(against, np.array([fit.alpha]), (least, FAR), most, fit.dof)
    return replace(profile, down=np.maximum(profile.down, end))
