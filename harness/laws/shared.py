"""Laws of several arms that share parameters: one floor, one exponent, or both, which leaves a pure
cost multiplier.

A floor or an exponent may be known, too: then it is pinned to a number.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import f as f_distribution

from harness.laws.law import CurveFunction, Law, Logs, to_logs
from harness.laws.points import noise_variances
from harness.laws.profile import (
    Region,
    region,
)
from harness.laws.refusal import floor_refusals, stuck
from harness.laws.result import Fit, Refusal
from harness.laws.solve import Problem, solve

Pin = (
    float | Literal["free", "shared"]
)  # what the arms have of a parameter: each its own, one in common, a known one
Places = tuple[
    np.ndarray, np.ndarray, np.ndarray
]  # where in p each arm finds its ln floor, its ln X and its ln alpha


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
