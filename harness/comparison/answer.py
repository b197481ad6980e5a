"""What every comparison may answer besides numbers, and what it demands of two fits."""

import numpy as np

from harness.base.errors import HarnessError
from harness.base.reasons import Refusal
from harness.laws import Fit


def common_level(first: Fit, second: Fit) -> float:
    """The level of both fits' intervals, which must be one."""
    if first.level != second.level:
        raise HarnessError(
            f"the first fit has level={first.level:g} and the second level={second.level:g}; fit both at one level."
        )
    return first.level


def refused_fits(first: Fit, second: Fit) -> tuple[Refusal, ...]:
    """One refusal for each of the two fits that was refused."""
    refusals = []
    for arm, fit in (("first", first), ("second", second)):
        if fit.refusals:
            reasons = " ".join(map(str, fit.refusals))
            refusals.append(Refusal("REFUSED_FIT", f"the {arm} arm's {fit.law} law was refused. {reasons}"))
    return tuple(refusals)


def shared_range(
    what: str, first: np.ndarray, second: np.ndarray
) -> tuple[tuple[float, float] | None, tuple[Refusal, ...]]:
    """The range of values that both arms attain, or why there is none; `what` names the values."""
    low, high = max(first.min(), second.min()), min(first.max(), second.max())
    if low < high:
        return (float(low), float(high)), ()
    reason = (
        f"the first arm's {what} run from {first.min():.4g} to {first.max():.4g}, the second's from "
        f"{second.min():.4g} to {second.max():.4g}: no range is attained by both. Add sizes that bring them together."
    )
    return None, (Refusal("NO_OVERLAP", reason),)


def shared_sizes(first: Fit, second: Fit) -> tuple[tuple[float, float] | None, tuple[Refusal, ...]]:
    """The range of sizes that both arms have, or why the two laws are not compared."""
    if refusals := refused_fits(first, second):
        return None, refusals
    return shared_range("sizes", first.points.sizes, second.points.sizes)
