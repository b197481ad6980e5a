"""Laws of several arms that share parameters: one floor, one exponent, or both, which leaves a pure
cost multiplier.

A floor or an exponent may be known, too: then it is pinned to a number.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution

from harness.base.errors import HarnessError, did_you_mean
from harness.base.plain import OrNull
from harness.laws.fitting import aicc, fit_law
from harness.laws.law import CurveFunction, Law, Logs, exp_of, to_logs
from harness.laws.points import noise_variances
from harness.laws.profile import (
    NO_FLOOR,
    OPEN,
    ProfiledQuantity,
    Region,
    of_two,
    quantity_interval,
    region,
)
from harness.laws.refusal import floor_refusals, stuck
from harness.laws.result import Estimate, Fit, Groups, Refusal, estimate_of
from harness.laws.solve import Problem, solve

Share = Literal["nothing", "floor", "alpha", "both"]
SHARES: tuple[Share, ...] = ("nothing", "floor", "alpha", "both")
Pin = (
    float | Literal["free", "shared"]
)  # what the arms have of a parameter: each its own, one in common, a known one
Places = tuple[
    np.ndarray, np.ndarray, np.ndarray
]  # where in p each arm finds its ln floor, its ln X and its ln alpha


@dataclass(frozen=True)
class SharedFit:
    """One fit of all arms, y = E + (x / X)^-alpha each, with E, alpha or both in common and X an
    arm's own.

    If `refusals` has any, every number after it is null.
    """

    share: Annotated[Share, "what the arms share"]
    arms: Annotated[tuple[str, ...], "of the table"]
    level: Annotated[float, "of intervals"]
    parameters: Annotated[int, "of the fit"]
    dof: Annotated[int, "points − parameters"]
    refusals: Annotated[tuple[Refusal, ...], "why there is none"] = ()
    alphas: Annotated[dict[str, Estimate] | None, "exponents, by arm"] = None
    floors: Annotated[dict[str, Estimate] | None, "by arm"] = None
    amplitudes: Annotated[
        dict[str, OrNull] | None, "A of E + A x^-alpha, by arm; null: too large"
    ] = None
    multipliers: Annotated[
        dict[str, Estimate] | None,
        (
            "of `both`, by arm: what it needs of x, at any loss, for each unit that the first "
            "arm needs"
        ),
    ] = None
    aicc: Annotated[float | None, "AICc"] = None
    p: Annotated[
        float | None, "chance of so much worse a fit than with nothing shared, if sharing is true"
    ] = None
    sigma: Annotated[float | None, "standard deviation of ln(mean / law)"] = None
    groups: Annotated[Groups | None, "what intervals are over, where rows have groups"] = None


def fit_shared(
    x: Mapping[str, ArrayLike],
    y: Mapping[str, ArrayLike],
    share: Share,
    level: float = 0.95,
    intervals: bool = True,
) -> SharedFit:
    """Fit laws with a floor to the runs of two or more arms at once, least squares on size means.

    Residuals of all arms have one variance, up to the noise between seeds where every arm has
    enough of them. An arm whose own law is refused refuses the whole. `intervals=False` leaves the
    intervals and `p` out. Raises HarnessError for fewer than two arms, or an unknown `share`.
    """
    if share not in SHARES:
        raise HarnessError(f"share={share!r} is not known; {did_you_mean(share, SHARES)}.")
    arms = tuple(x)
    if len(arms) < 2 or set(arms) != set(y):
        raise HarnessError(
            f"arms {list(arms)} with x and {list(y)} with y; give both for two arms or more."
        )
    fits = {arm: fit_law(x[arm], y[arm], "floor", level, intervals=False) for arm in arms}
    refusals = []
    for arm, fit in fits.items():
        refusals += [
            replace(refusal, reason=f"{arm}: {refusal.reason}") for refusal in fit.refusals
        ]
    joint = refusals[0] if refusals else joint_law(fits, *_pins(share), level)
    if isinstance(joint, Refusal):
        parameters = sum(parameter_numbers(len(arms), *_pins(share)))
        dof = sum(fit.points.sizes.size for fit in fits.values()) - parameters
        return SharedFit(share, arms, level, parameters, dof, tuple(refusals or [joint]))
    known, problem = joint.region, joint.region.problem
    in_floors, in_scales, in_alphas = joint.places
    base = SharedFit(share, arms, level, problem.law.parameters, problem.dof)
    return replace(
        base,
        alphas=_estimates(joint, in_alphas, 0.0, intervals),
        floors=_estimates(joint, in_floors, problem.logs.log_y_average, intervals),
        amplitudes=_amplitudes(joint),
        multipliers=_multipliers(joint, in_scales, intervals) if share == "both" else None,
        aicc=aicc(problem, known.solution),
        p=sharing_p(joint, fits) if intervals else None,
        sigma=float(np.sqrt(known.variance)),
    )


@dataclass(frozen=True)
class Joint:
    """The laws of all arms, fitted at once; `pins` [k] stand behind the parameters in p, as
    `places` find them.
    """

    arms: tuple[str, ...]
    region: Region
    places: Places
    pins: np.ndarray
    level: float


def joint_law(fits: Mapping[str, Fit], floor: Pin, alpha: Pin, level: float) -> Joint | Refusal:
    """The laws of two arms or more, which share or have what is asked; `fits` are each arm's own
    laws with a floor.
    """
    lowest = min((fit.points for fit in fits.values()), key=lambda points: points.means.min())
    if refusals := floor_refusals(lowest, floor if isinstance(floor, float) else None):
        return refusals[0]
    problem, places, pins = _problem(fits, floor, alpha)
    solution = solve(problem, None)
    if refusal := stuck(solution):
        return refusal
    return Joint(tuple(fits), region(problem, None, solution, level), places, pins, level)


def _pins(share: Share) -> tuple[Pin, Pin]:
    return "shared" if share in ("floor", "both") else "free", "shared" if share in (
        "alpha",
        "both",
    ) else "free"


def parameter_numbers(arms: int, floor: Pin, alpha: Pin) -> list[int]:
    """How many floors, scales and exponents the laws of so many arms have, without those that are
    pinned.
    """
    return [
        0 if isinstance(kind, float) else 1 if kind == "shared" else arms
        for kind in (floor, "free", alpha)
    ]


def _places(arms: int, floor: Pin, alpha: Pin) -> Places:
    """Floors first, then scales and exponents; behind them all what is pinned."""
    first, behind = 0, sum(parameter_numbers(arms, floor, alpha))
    places: list[np.ndarray] = []
    for number in parameter_numbers(arms, floor, alpha):
        if number:
            places.append(first + np.arange(arms) % number)
        else:
            places.append(np.full(arms, behind))
            behind += 1
        first += number
    return places[0], places[1], places[2]


def with_pins(p: np.ndarray, pins: np.ndarray) -> np.ndarray:
    """p [..., P] with the pins [k] behind: [..., P + k]."""
    return np.concatenate([p, np.broadcast_to(pins, (*p.shape[:-1], pins.size))], axis=-1)


def _curve(places: Places, pins: np.ndarray) -> CurveFunction:
    """ln y = ln(e^floor + e^(-alpha (u - scale))) with the parameters of each point's arm; u is [n,
    (ln x, arm)].
    """

    def curve(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        arm = u[..., 1].astype(int)
        columns, every = [place[arm] for place in places], with_pins(p, pins)
        floor, scale, log_alpha = (every[..., column] for column in columns)
        reducible = -np.exp(log_alpha) * (u[..., 0] - scale)
        mu = np.logaddexp(floor, reducible)
        share = np.exp(reducible - mu)
        jacobian = np.zeros((*mu.shape, every.shape[-1]))
        each = np.arange(arm.size)
        jacobian[..., each, columns[0]] = np.exp(floor - mu)
        jacobian[..., each, columns[1]] = share * np.exp(log_alpha)
        jacobian[..., each, columns[2]] = share * reducible
        return mu, jacobian[..., : p.shape[-1]]

    return curve


def _problem(fits: Mapping[str, Fit], floor: Pin, alpha: Pin) -> tuple[Problem, Places, np.ndarray]:
    arms = list(fits)
    places = _places(len(arms), floor, alpha)
    log_x = np.concatenate([np.log(fit.points.sizes) for fit in fits.values()])
    means = np.concatenate([fit.points.means for fit in fits.values()])
    arm = np.repeat(np.arange(len(arms)), [fit.points.sizes.size for fit in fits.values()])
    weights = _weights(list(fits.values()))
    logs = to_logs(np.exp(log_x), means, weights)
    logs = replace(logs, u=np.column_stack([logs.u, arm]))
    with np.errstate(divide="ignore"):  # a floor of 0 is at -inf
        known = [np.log(floor) - logs.log_y_average] if isinstance(floor, float) else []
        pins = np.array(known + ([np.log(alpha)] if isinstance(alpha, float) else []))
    parameters = sum(parameter_numbers(len(arms), floor, alpha))
    starts = _starts(fits, places, parameters, logs, pins[0] if known else None)
    names = tuple(f"p{index}" for index in range(parameters))
    law = Law(names, _curve(places, pins), lambda _: starts, longest_step=(3.0,) * parameters)
    return Problem(law, logs), places, pins


def _weights(fits: list[Fit]) -> np.ndarray:
    """Inverse variances of size means by the noise between seeds; ones where an arm has too few
    seeds or misfits.
    """
    if all(fit.points.known_variance is not None for fit in fits):
        together = np.concatenate(
            [fit.points.weights / (fit.points.known_variance or 1.0) for fit in fits]
        )
        return together / together.mean()
    weights = []
    for fit in fits:
        variances = noise_variances(fit.points, fit.points.sizes)
        if variances is None or (fit.misfit and fit.misfit.is_lack_of_fit):
            return np.ones(sum(other.points.sizes.size for other in fits))
        weights.append(fit.points.distinct / variances)
    together = np.concatenate(weights)
    return together / together.mean()


def _starts(
    fits: Mapping[str, Fit], places: Places, parameters: int, logs: Logs, floor: float | None
) -> np.ndarray:
    """Around each arm's own law; what is shared starts at the mean, and at each arm's value.

    Around, for own laws may be the solution already, and a search that does not move is taken for a
    failure.
    """
    values = np.array([_own(fit, logs, floor) for fit in fits.values()])
    starts = []
    for source in [values.mean(axis=0), *values]:
        p = np.zeros(max(map(np.max, places)) + 1)
        for column, place in enumerate(places):
            shared = np.unique(place).size == 1
            p[place] = source[column] if shared else values[:, column]
        aside = 0.1 * np.where(np.isin(np.arange(p.size), places[2]), 1.0, -1.0)
        starts += [p + aside, p - aside]
    return np.array(starts)[:, :parameters]


def _own(fit: Fit, logs: Logs, floor: float | None) -> tuple[float, float, float]:
    """ln floor, ln X and ln alpha of an arm's own law; where it was refused or its floor is known,
    by a line.
    """
    if floor is None and fit.region is not None and fit.alpha and fit.log_amplitude is not None:
        floor = math.log(fit.floor) - logs.log_y_average if fit.floor else float(logs.v.min()) - 5.0
        scale = (fit.log_amplitude - logs.log_y_average) / fit.alpha - float(logs.log_x_first)
        return floor, scale, math.log(fit.alpha)
    u, y = (
        np.log(fit.points.sizes) - logs.log_x_first,
        fit.points.means / math.exp(logs.log_y_average),
    )
    floor = math.log(0.5 * y.min()) if floor is None else floor
    slope, level = np.polyfit(u, np.log(y - math.exp(floor)), 1)
    alpha = max(-float(slope), 1e-3)
    return floor, float(level) / alpha, math.log(alpha)


def _estimates(
    joint: Joint, place: np.ndarray, unit: float, intervals: bool
) -> dict[str, Estimate]:
    """exp of a parameter of each arm, and its interval; what is shared is profiled once."""
    known, by_place = joint.region, {}
    for index in np.unique(place):
        low, high = quantity_interval(known, ProfiledQuantity(int(index))) if intervals else OPEN
        value = float(known.solution.p[index])
        nothing = low < float(known.problem.logs.v.min()) - NO_FLOOR
        ends = (0.0 if nothing else math.exp(low + unit), np.exp(high + unit))
        by_place[index] = estimate_of((math.exp(value + unit), *ends), joint.level)
    return {arm: by_place[index] for arm, index in zip(joint.arms, place, strict=True)}


def _amplitudes(joint: Joint) -> dict[str, float]:
    p, logs, (_, in_scales, in_alphas) = (
        joint.region.solution.p,
        joint.region.problem.logs,
        joint.places,
    )
    log_first = np.ravel(logs.log_x_first)[0]
    found = exp_of(np.exp(p[in_alphas]) * (p[in_scales] + log_first) + logs.log_y_average)
    return dict(zip(joint.arms, found.tolist(), strict=True))


def _multipliers(joint: Joint, in_scales: np.ndarray, intervals: bool) -> dict[str, Estimate]:
    """X of each arm over X of the first, in units of x a unit."""
    multipliers = {}
    for arm, index in zip(joint.arms[1:], in_scales[1:], strict=True):
        quantity = of_two(int(index), int(in_scales[0]), -1.0)
        value = math.exp(float(quantity(joint.region.solution.p)[0]))
        ends = quantity_interval(joint.region, quantity) if intervals else OPEN
        multipliers[arm] = estimate_of((value, *np.exp(ends)), joint.level)
    return multipliers


def sharing_p(joint: Joint, fits: Mapping[str, Fit]) -> float | None:
    """The chance of so much worse a fit than with nothing shared, if what is shared is the same in
    fact.
    """
    problem, solution = joint.region.problem, joint.region.solution
    free = _problem(fits, "free", "free")[0]
    spared = free.law.parameters - problem.law.parameters
    if not spared or free.dof < 1:
        return None
    least = solve(free, None)
    variance = max(least.objective, free.logs.roundoff) / free.dof
    gain = max(solution.objective - least.objective, 0.0) / spared / variance
    return float(f_distribution.sf(gain, spared, free.dof))
