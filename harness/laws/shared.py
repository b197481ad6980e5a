"""Laws of several arms that share parameters: one floor, one exponent, or both, which leaves a pure cost multiplier."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution

from harness.base.errors import HarnessError, did_you_mean
from harness.laws.fitting import aicc, fit_law
from harness.laws.law import CurveFunction, Law, Logs, to_logs
from harness.laws.points import noise_variances
from harness.laws.profile import NO_FLOOR, ProfiledQuantity, Region, of_two, quantity_interval, region
from harness.laws.refusal import stuck
from harness.laws.result import Estimate, Fit, Groups, Refusal, estimate_of
from harness.laws.solve import Problem, Solution, solve

Share = Literal["nothing", "floor", "alpha", "both"]
SHARES: tuple[Share, ...] = ("nothing", "floor", "alpha", "both")
Places = tuple[np.ndarray, np.ndarray, np.ndarray]  # where in p each arm finds its ln floor, its ln X and its ln alpha
OPEN = (-np.inf, np.inf)  # in place of an interval that nobody asked for


@dataclass(frozen=True)
class SharedFit:
    """One fit of all arms, y = E + (x / X)^-alpha each, with E, alpha or both in common and X an arm's own.

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
    multipliers: Annotated[
        dict[str, Estimate] | None,
        "of `both`, by arm: what it needs of x, at any loss, for each unit that the first arm needs",
    ] = None
    aicc: Annotated[float | None, "AICc"] = None
    p: Annotated[float | None, "chance of so much worse a fit than with nothing shared, if sharing is true"] = None
    sigma: Annotated[float | None, "standard deviation of ln(mean / law)"] = None
    groups: Annotated[Groups | None, "what intervals are over, where rows have groups"] = None


def fit_shared(
    x: Mapping[str, ArrayLike], y: Mapping[str, ArrayLike], share: Share, level: float = 0.95, intervals: bool = True
) -> SharedFit:
    """Fit laws with a floor to the runs of two or more arms at once, least squares on size means.

    Residuals of all arms have one variance, up to the noise between seeds where every arm has enough of them. An arm
    whose own law is refused refuses the whole. `intervals=False` leaves the intervals and `p` out. Raises HarnessError
    for fewer than two arms, or an unknown `share`.
    """
    if share not in SHARES:
        raise HarnessError(f"share={share!r} is not known; {did_you_mean(share, SHARES)}.")
    arms = tuple(x)
    if len(arms) < 2 or set(arms) != set(y):
        raise HarnessError(f"arms {list(arms)} with x and {list(y)} with y; give both for two arms or more.")
    fits = {arm: fit_law(x[arm], y[arm], "floor", level, intervals=False) for arm in arms}
    refusals: tuple[Refusal, ...] = ()
    for arm, fit in fits.items():
        refusals += tuple(replace(refusal, reason=f"{arm}: {refusal.reason}") for refusal in fit.refusals)
    if refusals:
        parameters = int(_places(len(arms), share)[2].max()) + 1
        dof = sum(fit.points.sizes.size for fit in fits.values()) - parameters
        return SharedFit(share, arms, level, parameters, dof, refusals)
    problem = _problem(fits, share)
    solution = solve(problem, None)
    base = SharedFit(share, arms, level, problem.law.parameters, problem.dof)
    if refusal := stuck(solution):
        return replace(base, refusals=(refusal,))
    known = region(problem, None, solution, level)
    places = _places(len(arms), share)
    return replace(
        base,
        alphas=_estimates(known, arms, places[2], 0.0, level, intervals),
        floors=_estimates(known, arms, places[0], problem.logs.log_y_average, level, intervals),
        multipliers=_multipliers(known, arms, places[1], level, intervals) if share == "both" else None,
        aicc=aicc(problem, solution),
        p=_p(problem, solution, fits) if intervals else None,
        sigma=float(np.sqrt(known.variance)),
    )


def _places(arms: int, share: Share) -> Places:
    own = np.arange(arms)
    floor = own * 0 if share in ("floor", "both") else own
    scale = floor.max() + 1 + own
    alpha = scale.max() + 1 + (own * 0 if share in ("alpha", "both") else own)
    return floor, scale, alpha


def _curve(places: Places) -> CurveFunction:
    """ln y = ln(e^floor + e^(-alpha (u - scale))) with the parameters of each point's arm; u is [n, (ln x, arm)]."""

    def curve(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        arm = u[..., 1].astype(int)
        columns = [place[arm] for place in places]
        floor, scale, log_alpha = (p[..., column] for column in columns)
        reducible = -np.exp(log_alpha) * (u[..., 0] - scale)
        mu = np.logaddexp(floor, reducible)
        share = np.exp(reducible - mu)
        jacobian = np.zeros((*mu.shape, p.shape[-1]))
        each = np.arange(arm.size)
        jacobian[..., each, columns[0]] = np.exp(floor - mu)
        jacobian[..., each, columns[1]] = share * np.exp(log_alpha)
        jacobian[..., each, columns[2]] = share * reducible
        return mu, jacobian

    return curve


def _problem(fits: Mapping[str, Fit], share: Share) -> Problem:
    arms = list(fits)
    places = _places(len(arms), share)
    log_x = np.concatenate([np.log(fit.points.sizes) for fit in fits.values()])
    means = np.concatenate([fit.points.means for fit in fits.values()])
    arm = np.repeat(np.arange(len(arms)), [fit.points.sizes.size for fit in fits.values()])
    weights = _weights(list(fits.values()))
    logs = to_logs(np.exp(log_x), means, weights)
    logs = replace(logs, u=np.column_stack([logs.u, arm]))
    parameters = int(places[2].max()) + 1
    starts = _starts(fits, places, parameters, logs)
    names = tuple(f"p{index}" for index in range(parameters))
    law = Law(names, _curve(places), lambda _: starts, longest_step=(3.0,) * parameters)
    return Problem(law, logs)


def _weights(fits: list[Fit]) -> np.ndarray:
    """Inverse variances of size means by the noise between seeds; ones where an arm has too few seeds or misfits."""
    weights = []
    for fit in fits:
        variances = noise_variances(fit.points, fit.points.sizes)
        if variances is None or (fit.misfit and fit.misfit.is_lack_of_fit):
            return np.ones(sum(other.points.sizes.size for other in fits))
        weights.append(fit.points.distinct / variances)
    together = np.concatenate(weights)
    return together / together.mean()


def _starts(fits: Mapping[str, Fit], places: Places, parameters: int, logs: Logs) -> np.ndarray:
    """Around each arm's own law; what is shared starts at the mean, and at each arm's value.

    Around, for own laws may be the solution already, and a search that does not move is taken for a failure.
    """
    own = []
    for fit in fits.values():
        if fit.region is None or not fit.alpha or fit.log_amplitude is None:
            own.append((-1.0, 0.0, 0.0))
            continue
        floor = math.log(fit.floor) - logs.log_y_average if fit.floor else float(logs.v.min()) - 5.0
        scale = (fit.log_amplitude - logs.log_y_average) / fit.alpha - float(logs.log_x_first)
        own.append((floor, scale, math.log(fit.alpha)))
    values = np.array(own)
    starts = []
    for source in [values.mean(axis=0), *values]:
        p = np.zeros(parameters)
        for column, place in enumerate(places):
            shared = np.unique(place).size == 1
            p[place] = source[column] if shared else values[:, column]
        aside = 0.1 * np.where(np.isin(np.arange(parameters), places[2]), 1.0, -1.0)
        starts += [p + aside, p - aside]
    return np.array(starts)


def _estimates(
    known: Region, arms: tuple[str, ...], place: np.ndarray, unit: float, level: float, intervals: bool
) -> dict[str, Estimate]:
    """exp of a parameter of each arm, and its interval; what is shared is profiled once."""
    by_place = {}
    for index in np.unique(place):
        low, high = quantity_interval(known, ProfiledQuantity(int(index))) if intervals else OPEN
        value = float(known.solution.p[index])
        nothing = low < float(known.problem.logs.v.min()) - NO_FLOOR
        ends = (0.0 if nothing else math.exp(low + unit), np.exp(high + unit))
        by_place[index] = estimate_of((math.exp(value + unit), *ends), level)
    return {arm: by_place[index] for arm, index in zip(arms, place, strict=True)}


def _multipliers(
    known: Region, arms: tuple[str, ...], place: np.ndarray, level: float, intervals: bool
) -> dict[str, Estimate]:
    """X of each arm over X of the first, in units of x a unit."""
    multipliers = {}
    for arm, index in zip(arms[1:], place[1:], strict=True):
        quantity = of_two(int(index), int(place[0]), -1.0)
        value = math.exp(float(quantity(known.solution.p)[0]))
        ends = quantity_interval(known, quantity) if intervals else OPEN
        multipliers[arm] = estimate_of((value, *np.exp(ends)), level)
    return multipliers


def _p(problem: Problem, solution: Solution, fits: Mapping[str, Fit]) -> float | None:
    free = _problem(fits, "nothing")
    spared = free.law.parameters - problem.law.parameters
    if not spared:
        return None
    least = solve(free, None)
    variance = max(least.objective, free.logs.roundoff) / free.dof
    gain = max(solution.objective - least.objective, 0.0) / spared / variance
    return float(f_distribution.sf(gain, spared, free.dof))
