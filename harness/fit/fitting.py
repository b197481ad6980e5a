"""Fit a law to runs, and read a fitted law: the numbers, the curve, the band."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import HarnessError
from harness.fit.laws import LAWS, Law, Logs, to_logs
from harness.fit.points import Points, positive, size_means
from harness.fit.profile import (
    Region,
    exponent_interval,
    exponent_profile,
    floor_interval,
    prediction_deviance,
    prediction_ends,
    region,
)
from harness.fit.refusal import LOCAL_DECADES, RANGE_SLACK, data_cautions, data_refusals, interval_cautions, stuck
from harness.fit.result import Fit, Interval, LawName
from harness.fit.solve import Solution, solve


def fit_law(x: ArrayLike, y: ArrayLike, law: LawName, level: float = 0.95) -> Fit:
    """Least squares in log space on the mean of ln y at each size, unweighted; x and y have one entry per run.

    Noise that grows or falls strongly with size is not weighted: with sd of ln y from .05 to .3 over the sizes, floor
    and prediction were covered 76 to 77 % at a nominal 95 (falling noise: the exponent 90 %).
    A fit that the data do not support is returned with its refusals and without numbers. Raises HarnessError on rows
    that are not finite and positive, and on an unknown law.
    """
    if law not in LAWS:
        raise HarnessError(f"law={law!r} is not known; choose one of {', '.join(LAWS)}.")
    if not 0 < level < 1:
        raise HarnessError(f"level={level} must be between 0 and 1.")
    points = size_means(x, y)
    refusals = data_refusals(points, LAWS[law])
    if refusals:
        return _refused(law, points, level, refusals)
    known = _solved(points, LAWS[law], level)
    refusal = stuck(known.solution)
    if refusal:
        return _refused(law, points, level, (refusal,))
    return _fit(law, points, level, known)


def predict(fit: Fit, x: ArrayLike) -> np.ndarray:
    """The law's y at every x; raises HarnessError for a refused fit, and beyond the sizes of a local slope."""
    x = _askable(fit, x)
    assert fit.alpha is not None
    assert fit.log_amplitude is not None
    reducible = fit.log_amplitude - fit.alpha * np.log(x)
    return np.exp(np.logaddexp(np.log(fit.floor), reducible) if fit.floor else reducible)


def band(fit: Fit, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The profile-likelihood interval of the law's y at every x, pointwise, at the fit's level: (low, high).

    It bounds the mean curve, not a new run. Below the smallest size the high end of a floor law may be inf. Raises as
    `predict`.
    """
    x = _askable(fit, x)
    known = _solved(fit.points, LAWS[fit.law], fit.level)
    low, high = prediction_ends(known, np.log(x) - known.logs.log_x_first)
    return np.exp(low + known.logs.log_y_average), np.exp(high + known.logs.log_y_average)


def deviance(fit: Fit, x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """What the data say against the curve passing through each point (x, y): 0 on it, F(1, dof) distributed at the truth.

    It is the rise of the least sum of squares over laws through that point, over the variance of the fit; x and y
    broadcast against each other. Raises as `predict`.
    """
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    at = np.log(_askable(fit, x.ravel()))
    known = _solved(fit.points, LAWS[fit.law], fit.level)
    values = np.log(positive("y", y.ravel())) - known.logs.log_y_average
    return prediction_deviance(known, at - known.logs.log_x_first, values).reshape(x.shape)


def exponent_deviance(fit: Fit, alpha: ArrayLike) -> np.ndarray:
    """What the data say against each exponent: 0 at the fitted one, F(1, dof) distributed at the truth."""
    if fit.refusals:
        raise HarnessError(f"the {fit.law} law was refused, so it has no exponent")
    known = _solved(fit.points, LAWS[fit.law], fit.level)
    return exponent_profile(known, np.asarray(alpha, float))


def _askable(fit: Fit, x: ArrayLike) -> np.ndarray:
    if fit.refusals:
        reasons = " ".join(f"{refusal.code}: {refusal.reason}" for refusal in fit.refusals)
        raise HarnessError(f"the {fit.law} law was refused, so there is no curve. {reasons}")
    x = positive("x", x)
    smallest, largest = fit.points.sizes[0], fit.points.sizes[-1]
    outside = (x < smallest * (1 - RANGE_SLACK)) | (x > largest * (1 + RANGE_SLACK))
    if fit.decades < LOCAL_DECADES - RANGE_SLACK and outside.any():
        raise HarnessError(
            f"x = {x[outside][0]:.6g} is outside the sizes {smallest:.6g} to {largest:.6g}, whose {fit.decades:.2g} "
            "decades show only a local slope. Ask within the sizes, or add range."
        )
    return x


def _solved(points: Points, law: Law, level: float) -> Region:
    logs = to_logs(points)
    edges = law.edges(logs) if law.edges else None
    return region(law, logs, edges, solve(law, logs, edges), level)


def _refused(law: LawName, points: Points, level: float, refusals: tuple) -> Fit:
    dof = points.sizes.size - LAWS[law].parameters
    return Fit(law, points, level, points.decades, dof, refusals)


def _fit(law: LawName, points: Points, level: float, known: Region) -> Fit:
    logs, solution = known.logs, known.solution
    dof = points.sizes.size - known.law.parameters
    alpha = float(known.law.alpha(solution.theta)[0])
    log_amplitude = solution.level + logs.log_y_average + alpha * logs.log_x_first
    alpha_interval = Interval(*exponent_interval(known), level)
    floor, floor_limits = _floor(logs, solution, known, level) if law == "floor" else (None, None)
    with np.errstate(over="ignore"):
        amplitude = float(np.exp(log_amplitude))
    return Fit(
        law=law,
        points=points,
        level=level,
        decades=points.decades,
        dof=dof,
        warnings=data_cautions(points) + interval_cautions(points, alpha_interval, floor_limits),
        alpha=alpha,
        alpha_interval=alpha_interval,
        amplitude=amplitude,
        log_amplitude=log_amplitude,
        floor=floor,
        floor_interval=floor_limits,
        sigma=float(np.sqrt(solution.rss / dof)),
        aicc=_aicc(max(solution.rss, logs.roundoff), points.sizes.size, known.law.parameters),
    )


def _floor(logs: Logs, solution: Solution, known: Region, level: float) -> tuple[float, Interval]:
    unit = math.exp(logs.log_y_average)
    low, high = floor_interval(known)
    return float(unit * np.exp(solution.level + solution.theta[1])), Interval(low * unit, high * unit, level)


def _aicc(rss: float, sizes: int, parameters: int) -> float | None:
    """Corrected Akaike criterion (Hurvich & Tsai 1989) of ln means, up to a constant; sigma counts as a parameter."""
    counted = parameters + 1
    if sizes - counted < 2:
        return None
    return sizes * math.log(rss / sizes) + 2 * counted + 2 * counted * (counted + 1) / (sizes - counted - 1)
