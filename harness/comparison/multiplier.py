"""How much more of a size, such as compute, the second arm needs for the loss that the first
reaches, and its trend.

Both arms have laws of one form, y = E + (x / X)^-alpha, fitted at once. What they share is asked
for, or found: one floor, as arms of one data set have, unless the points reject it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike

from harness.comparison.ratios import SAME_SIZE
from harness.laws import Caution, Estimate, Fit, Interval, Refusal, fit_law
from harness.laws.points import Known
from harness.laws.profile import ProfiledQuantity, quantity_interval
from harness.laws.result import estimate_of
from harness.laws.shared import Joint, Pin, joint_law, parameter_numbers, sharing_p, with_pins

MIN_SIZES = 3  # of an arm
SPARE_POINTS = 2  # of both arms, beyond the number of parameters
FATAL = ("NONMONOTONE", "RANGE")  # refusals of an arm's own law that forbid a law of both
REJECTED = 0.05
# below which floors are each arm's own: a choice at 5 % would cost intervals 2 % of their coverage
CLEARLY = 0.01
WARN_DECADES = 0.5
REACH = 10.0  # times the sizes of an arm: a law says nothing further out
NO_ERRORS: Mapping[str, np.ndarray | None] = MappingProxyType({})


@dataclass(frozen=True)
class AtSize:
    """The multiplier at one size of the first arm."""

    size: Annotated[float, "of A"]
    loss: Annotated[float, "that A's law has there"]
    multiplier: Annotated[
        Estimate,
        "the size of B for that loss, over this one; infinite or 0 where B's law has the loss more "
        "than a decade beyond its sizes",
    ]
    extrapolated: Annotated[bool, "whether either size lies beyond those that its arm has"]


@dataclass(frozen=True)
class Multiplier:
    """How many times the size of the first arm the second needs for equal loss; above 1 the first
    is better.

    If `refusals` has any, there are no numbers.
    """

    level: Annotated[float, "of intervals"]
    floor: Annotated[Pin, "`free`, `shared`, or the floor that was given"]
    alpha: Annotated[Pin, "the same of exponents"]
    refusals: Annotated[tuple[Refusal, ...], "why there are no numbers"] = ()
    warnings: Annotated[tuple[Caution, ...], "what to know before quoting it"] = ()
    parameters: Annotated[int | None, "of both laws"] = None
    dof: Annotated[int | None, "points − parameters"] = None
    p: Annotated[
        float | None, "chance of so much worse a fit than with nothing shared, if sharing is true"
    ] = None
    sizes: Annotated[
        tuple[AtSize, ...], "the sizes of A, or five of them, and those asked for"
    ] = ()
    trend: Annotated[
        Estimate | None,
        "the factor that it grows by in each decade of size; null if exponents are not free",
    ] = None


def multiplier(
    x: Mapping[str, ArrayLike],
    y: Mapping[str, ArrayLike],
    at: tuple[float, ...] = (),
    floor: Pin | None = None,
    alpha: Pin = "free",
    level: float = 0.95,
    sd: Mapping[str, np.ndarray | None] = NO_ERRORS,
) -> Multiplier:
    """The multiplier of two arms, at the sizes of the first and at those asked for; x and y are
    runs by arm.

    Sizes weigh by known standard errors `sd` of runs, where an arm has them. `floor` and `alpha`
    are `free`, `shared`, or a number above 0 (of the floor also 0) that both arms have. Without
    `floor` it is shared, and free where sharing is rejected at 1 %.
    """
    fits = own_laws(x, y, sd, level)
    base = Multiplier(level, "shared" if floor is None else floor, alpha)
    joint = _law(fits, base)
    if floor is None and isinstance(joint, Joint) and alpha == "free":
        p = sharing_p(joint, fits)
        if p is not None and p < CLEARLY:
            reason = (
                f"one floor of both arms is rejected (p = {p:.2g}): each has its own. Do the "
                "losses mean the same?"
            )
            base = replace(base, floor="free", warnings=(Caution("SHARING_REJECTED", reason),))
            joint = _law(fits, base)
    if not isinstance(joint, Joint):
        return replace(base, refusals=joint)
    first, second = fits.values()
    places = first.points.sizes if "free" in (base.floor, alpha) else first.points.sizes[:1]
    places = places if places.size <= 8 else np.geomspace(places[0], places[-1], 5)
    sizes = [_at(joint, size, first, second) for size in (*places.tolist(), *at)]
    problem, p = joint.region.problem, sharing_p(joint, fits)
    if p is not None and p < REJECTED:
        reason = (
            f"what both laws have in common (p = {p:.2g}) is rejected by the points: let it "
            "be free."
        )
        base = replace(base, warnings=(*base.warnings, Caution("SHARING_REJECTED", reason)))
    return replace(
        base,
        warnings=(*base.warnings, *_cautions(sizes, first, second)),
        parameters=problem.law.parameters,
        dof=problem.dof,
        p=p,
        sizes=tuple(sizes),
        trend=_trend(joint, first, second) if alpha == "free" else None,
    )


def own_laws(
    x: Mapping[str, ArrayLike],
    y: Mapping[str, ArrayLike],
    sd: Mapping[str, np.ndarray | None],
    level: float,
) -> dict[str, Fit]:
    """Each arm's own law with a floor, without intervals."""
    known = {arm: Known(sd.get(arm)) for arm in x}
    return {
        arm: fit_law(x[arm], y[arm], "floor", level, intervals=False, known=known[arm]) for arm in x
    }


def _law(fits: Mapping[str, Fit], asked: Multiplier) -> Joint | tuple[Refusal, ...]:
    """The laws of both arms, or why there is none."""
    refusals = []
    for arm, fit in fits.items():
        fatal = (refusal for refusal in fit.refusals if refusal.code in FATAL)
        refusals += [Refusal(refusal.code, f"{arm}: {refusal.reason}") for refusal in fatal]
    points = [fit.points.sizes.size for fit in fits.values()]
    need = sum(parameter_numbers(len(fits), asked.floor, asked.alpha)) + SPARE_POINTS
    if min(points) < MIN_SIZES or sum(points) < need:
        reason = (
            f"{points[0]} and {points[1]} sizes; laws of both arms need {MIN_SIZES} each, and "
            f"{need} in all. Add "
            "sizes, or give the floor or the exponent that both have."
        )
        refusals.append(Refusal("TOO_FEW", reason))
    if refusals:
        return tuple(refusals)
    joint = joint_law(fits, asked.floor, asked.alpha, asked.level)
    return joint if isinstance(joint, Joint) else (joint,)


def _log_reducible(joint: Joint, p: np.ndarray, u: float) -> tuple[np.ndarray, np.ndarray]:
    """ln(loss of the first arm at u less the floor of the second) and its gradient; nan where none
    is left.
    """
    (floor, other_floor), (scale, _), (log_alpha, _) = joint.places
    every = with_pins(p, joint.pins)
    alpha = np.exp(every[..., log_alpha])
    steps = u - every[..., scale]
    log_own = -alpha * steps
    gradient = np.zeros(every.shape)
    gradient[..., scale], gradient[..., log_alpha] = alpha, log_own
    if floor != other_floor:
        reducible, of_floor, of_other = (
            np.exp(log_own),
            np.exp(every[..., floor]),
            np.exp(every[..., other_floor]),
        )
        left = reducible + of_floor - of_other
        with np.errstate(invalid="ignore", divide="ignore"):
            gradient *= (reducible / left)[..., None]
            gradient[..., floor] += of_floor / left
            gradient[..., other_floor] -= of_other / left
            log_own = np.where(left > 0, np.log(np.abs(left)), np.nan)
    return log_own, gradient


def log_multiplier(joint: Joint, u: float) -> ProfiledQuantity:
    """ln X of the second arm, and what else makes ln of the multiplier at u."""
    other_alpha = joint.places[2][1]

    def rest(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_reducible, gradient = _log_reducible(joint, p, u)
        alpha = np.exp(with_pins(p, joint.pins)[..., other_alpha])
        gradient = -gradient / alpha[..., None]
        gradient[..., other_alpha] += log_reducible / alpha
        return -log_reducible / alpha - u, gradient[..., : p.shape[-1]]

    return ProfiledQuantity(int(joint.places[1][1]), rest)


def _log_slope(joint: Joint, ends: tuple[float, float]) -> ProfiledQuantity:
    """ln alpha of the second arm over the mean slope of what it has to fall to between the ends."""

    def rest(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (high, high_gradient), (low, low_gradient) = (_log_reducible(joint, p, u) for u in ends)
        fall = high - low
        with np.errstate(invalid="ignore", divide="ignore"):
            log_slope = np.log(fall / (ends[1] - ends[0]))
            gradient = (high_gradient - low_gradient) / fall[..., None]
        return -log_slope, -gradient[..., : p.shape[-1]]

    return ProfiledQuantity(int(joint.places[2][1]), rest)


@np.errstate(over="ignore", invalid="ignore")
def _at(joint: Joint, size: float, first: Fit, second: Fit) -> AtSize:
    region = joint.region
    logs = region.problem.logs
    u = float(np.log(size) - logs.log_x_first)
    quantity = log_multiplier(joint, u)
    value = float(quantity(region.solution.p)[0])
    loss = (
        region.problem.law.curve(region.solution.p, np.array([[u, 0]]))[0][0] + logs.log_y_average
    )
    if np.isnan(value):  # the first is below the second's floor
        estimate = Estimate(np.inf, Interval(0.0, np.inf, joint.level))
    else:
        found = np.exp([value, *quantity_interval(region, quantity)])
        estimate = _within_reach(estimate_of(found, joint.level), size, second.points.sizes)
    both = is_within(size, first.points.sizes) and is_within(
        size * estimate.value, second.points.sizes
    )
    return AtSize(size, float(np.exp(loss)), estimate, not both)


def _within_reach(estimate: Estimate, size: float, others: np.ndarray) -> Estimate:
    """The multiplier; infinite or 0 if the law of the second arm has the loss more than REACH
    beyond its sizes. An end of the interval there is open, the other one no further than REACH.
    """
    least, most = others[0] / REACH / size, others[-1] * REACH / size
    interval = estimate.interval
    low = 0.0 if interval.low < least else min(interval.low, most)
    high = np.inf if interval.high > most else max(interval.high, least)
    value = 0.0 if estimate.value < least else np.inf if estimate.value > most else estimate.value
    return Estimate(value, replace(interval, low=low, high=high))


def is_within(size: float, sizes: np.ndarray) -> bool:
    """Whether a size lies within others in order; a budget that is asked for is as run within 5
    %.
    """
    return bool(sizes[0] / SAME_SIZE <= size <= sizes[-1] * SAME_SIZE)


def _trend(joint: Joint, first: Fit, second: Fit) -> Estimate:
    """Over the sizes that both arms have, or else those of the first: 10 to the mean slope of ln
    multiplier in ln x.
    """
    low, high = (
        pick(first.points.sizes[end], second.points.sizes[end])
        for pick, end in ((max, 0), (min, -1))
    )
    low, high = (low, high) if low < high else first.points.sizes[[0, -1]]
    ends = (float(np.log(at) - joint.region.problem.logs.log_x_first) for at in (low, high))
    quantity = _log_slope(joint, (next(ends), next(ends)))
    value = float(quantity(joint.region.solution.p)[0])
    if np.isnan(value):
        return Estimate(np.inf, Interval(0.0, np.inf, joint.level))
    low_end, high_end = quantity_interval(joint.region, quantity)
    with np.errstate(over="ignore"):
        return estimate_of(10 ** (np.exp(-np.array([value, high_end, low_end])) - 1), joint.level)


def _cautions(sizes: list[AtSize], first: Fit, second: Fit) -> tuple[Caution, ...]:
    far = []
    for place in sizes:
        asked = (
            np.log10(place.size / first.points.sizes[-1]),
            np.log10(first.points.sizes[0] / place.size),
        )
        needs = place.size * place.multiplier.value / second.points.sizes[-1]
        far.append(max(*asked, np.log10(needs) if np.isfinite(needs) and needs > 0 else 0.0))
    if not far or max(far) <= WARN_DECADES:
        return ()
    reason = (
        f"a multiplier lies {max(far):.2g} decades beyond the runs of an arm: the laws may "
        "end before."
    )
    return (Caution("EXTRAPOLATED", reason),)
