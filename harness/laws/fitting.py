"""Fit a law to runs, and read a fitted law: the numbers, the curve, the band."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution

from harness.base.errors import HarnessError, did_you_mean
from harness.laws import profile, refusal
from harness.laws.law import BROKEN, LAWS, Law, above, exp_of, to_logs
from harness.laws.objective import Objective, optimum, read_objective
from harness.laws.points import (
    NORMAL_MAD,
    NOTHING,
    Known,
    Points,
    new_noise_variances,
    noise_variances,
    positive,
    runs,
    seed_variances,
    size_means,
)
from harness.laws.profile import Region
from harness.laws.replicates import half_width, on_lines
from harness.laws.result import Caution, Estimate, Fit, Interval, LawName, Misfit, estimate_of
from harness.laws.solve import Problem, Solution

WARN_DECADES, MOST_DECADES = 0.5, 1.0  # that a law may be asked beyond its sizes
MOST_DECADES_BROKEN = 0.25


def fit_law(
    x: ArrayLike,
    y: ArrayLike,
    law: LawName,
    level: float = 0.95,
    objective: str = "auto",
    intervals: bool = True,
    known: Known = NOTHING,
) -> Fit:
    """Fit a law in log space to the mean of ln y at each size; x and y have one entry per run.

    Sizes are weighted by the noise between their seeds, as a line in ln x, unless size means
    scatter about the law by more than that noise explains: then all sizes weigh alike. Runs far
    from the others of their size are told of, and kept from moving its mean. `objective`:
    `least_squares`; `huber`, with a delta of 1.345 robust standard deviations of the residuals;
    `auto`, least squares and Huber's where residuals are heavy- tailed; or `huber_log(delta=...)`,
    summed over single runs, which reproduces published fits.

    Sizes weigh by `known` standard errors, and intervals rest on them unless sizes scatter by more.
    A known floor is that of the law of this name. `intervals=False` leaves the intervals out, which
    are most of the time: for scores and simulations. A fit that the data do not support is returned
    with its refusals and without numbers. Raises HarnessError on rows that are not finite and
    positive, and on an unknown law or objective.
    """
    if law not in LAWS:
        raise HarnessError(f"law={law!r} is not known; {did_you_mean(law, LAWS)}.")
    if not 0 < level < 1:
        raise HarnessError(f"level={level} must be between 0 and 1.")
    wanted = read_objective(objective)
    floor, of_runs = known.floor, wanted.kind == "huber_log"
    if (floor is not None and (law != "floor" or not floor > 0)) or (
        known.sd is not None and of_runs
    ):
        raise HarnessError(
            f"a known `floor` is above 0, of the floor law, not the {law} law; `sd` is not of "
            f"{objective}."
        )
    points = size_means(x, y, robust=wanted.kind in ("auto", "huber"), sd=known.sd)
    form = (
        above(math.log(floor) - float(np.log(y if of_runs else points.means).mean()))
        if floor
        else LAWS[law]
    )
    base = Fit(law, points, level, points.decades, points.sizes.size - form.parameters)
    if refusals := refusal.data_refusals(points, form) + refusal.floor_refusals(points, floor):
        return replace(base, refusals=refusals)
    if of_runs:
        laws, words, misfit = _published(*runs(x, y), points, form, level, wanted)
    else:
        points, laws, words, misfit = _settled(points, form, level, wanted)
    base = replace(base, points=points)
    if stuck := refusal.runaway(laws.problem, laws.solution) or refusal.stuck(laws.solution):
        return replace(base, refusals=(stuck,))
    return _with_numbers(replace(base, floor=floor), laws, words, misfit, intervals)


def predict(fit: Fit, x: ArrayLike, far: bool = False) -> np.ndarray:
    """The law's y at every x.

    Raises HarnessError for a refused fit, beyond the sizes of a local slope, and more than a decade
    (broken law: a quarter) beyond the sizes unless `far`.
    """
    _check_asked(fit, x, far)
    return extended(fit, x)


def extended(fit: Fit, x: ArrayLike) -> np.ndarray:
    """The law's y at every x, however far: for scoring extrapolation, not for claiming it."""
    if fit.lines is not None:
        return np.exp(on_lines(fit.lines, positive("x", x)).mean(axis=0))
    known = region_of(fit)
    u = np.log(positive("x", x)) - known.problem.logs.log_x_first
    return np.exp(
        known.problem.law.curve(known.solution.p, u)[0] + known.problem.logs.log_y_average
    )


def band(fit: Fit, x: ArrayLike, far: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The profile-likelihood interval of the law's y at every x, pointwise, at the fit's level:
    (low, high).

    Of a law of replicates it is Student's interval of their lines. It bounds the mean curve, not a
    new run. Below the smallest size the high end of a floor law may be inf. Raises as `predict`.
    """
    if fit.lines is not None:
        _check_asked(fit, x, far)
        values = on_lines(fit.lines, positive("x", x))
        mean, half = (
            values.mean(axis=0),
            half_width(values.std(axis=0, ddof=1), len(values), fit.level, fit.overlap),
        )
        return np.exp(mean - half), np.exp(mean + half)
    known, u = _asked(fit, x, far)
    low, high = profile.prediction_ends(known, u)
    return exp_of(low + known.problem.logs.log_y_average), exp_of(
        high + known.problem.logs.log_y_average
    )


def prediction_interval(
    fit: Fit, x: ArrayLike, runs: ArrayLike | None = None, far: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The profile interval, pointwise, for the mean ln y of `runs` new runs at every x: (low, high)
    of exp of it.

    The law's own uncertainty and the scatter of a new size; `runs` is by default the median number
    of runs at the fitted sizes, and does not matter where sizes weigh alike. Raises as `predict`.
    """
    known, u = _asked(fit, x, far)
    points = fit.points
    scale = np.ones(u.size)
    if points.known_variance is not None:
        scale *= math.sqrt(np.median(points.weights))
    elif not np.all(points.weights == points.weights[0]):
        at_sizes = noise_variances(points, points.sizes)
        there = new_noise_variances(points, np.exp(u + known.problem.logs.log_x_first))
        assert at_sizes is not None
        assert there is not None
        unit = np.mean(points.distinct / at_sizes)
        runs = np.median(points.distinct) if runs is None else np.asarray(runs, float)
        scale = np.sqrt(runs / there / unit)
    low, high = profile.prediction_ends(known, u, scale)
    return exp_of(low + known.problem.logs.log_y_average), exp_of(
        high + known.problem.logs.log_y_average
    )


def warn_of_distance(fit: Fit, x: ArrayLike) -> Fit:
    """The fit, with the caution EXTRAPOLATED where some x lies more than half a decade beyond its
    sizes.
    """
    away = 0.0 if fit.refusals else _decades_away(fit, np.asarray(x, float)).max(initial=0.0)
    if away <= WARN_DECADES:
        return fit
    caution = Caution(
        "EXTRAPOLATED", f"asked {away:.2g} decades beyond the sizes: the law may end before."
    )
    return replace(fit, warnings=(*fit.warnings, caution))


def region_of(fit: Fit) -> Region:
    """The laws that the data do not exclude; a HarnessError for a refused fit."""
    if fit.region is None:
        reasons = " ".join(map(str, fit.refusals))
        raise HarnessError(f"the {fit.law} law was refused, so there is no curve. {reasons}")
    return fit.region


def _decades_away(fit: Fit, x: np.ndarray) -> np.ndarray:
    first, last = np.log10(fit.points.sizes[[0, -1]])
    return np.maximum(np.maximum(first - np.log10(x), np.log10(x) - last), 0.0)


def _asked(fit: Fit, x: ArrayLike, far: bool) -> tuple[Region, np.ndarray]:
    """The region of a fit, and u at every x that it may be asked at."""
    known = region_of(fit)
    _check_asked(fit, x, far)
    return known, np.log(positive("x", x)) - known.problem.logs.log_x_first


def _check_asked(fit: Fit, x: ArrayLike, far: bool) -> None:
    """A HarnessError where a law is asked too far from its sizes, or was refused."""
    if fit.lines is None:
        region_of(fit)
    x = positive("x", x)
    is_broken = fit.law == "broken"
    most = MOST_DECADES_BROKEN if is_broken else MOST_DECADES
    if not is_broken and fit.decades < refusal.LOCAL_DECADES - refusal.RANGE_SLACK:
        most, far = 0.0, False
    outside = _decades_away(fit, x) > most + refusal.RANGE_SLACK
    if outside.any() and not far:
        first, last = fit.points.sizes[[0, -1]]
        why = (
            f"and more than {most:g} decades beyond. Ask nearer, add larger sizes, or insist "
            "with far=True"
        )
        if not most:
            why = (
                f"whose {fit.decades:.2g} decades show only a local slope. Ask within the "
                "sizes, or add range"
            )
        raise HarnessError(
            f"x = {x[outside][0]:.6g} is outside the sizes {first:.6g} to {last:.6g}, {why}."
        )


# --------------------------------------------------------------------------------------------------
# estimation
def _settled(
    points: Points, law: Law, level: float, wanted: Objective
) -> tuple[Points, Region, str, Misfit]:
    """The best law with the weights that the noise gives, or with equal ones where it does not
    explain the scatter.
    """
    weights = points.weights
    variances = noise_variances(points, points.sizes) if points.known_variance is None else None
    if variances is not None:
        weights = points.distinct / variances
        weights = weights / weights.mean()
    logs = to_logs(points.sizes, points.means, weights)
    problem, edges, solution, words = optimum(Problem(law, logs), wanted)
    misfit = _misfit(points, problem, solution)
    if points.known_variance is not None:
        return (
            points,
            profile.region(problem, edges, solution, level, points.known_variance),
            words,
            misfit,
        )
    if misfit.is_lack_of_fit and not np.all(weights == 1):
        weights = np.ones_like(weights)
        problem, edges, solution, words = optimum(
            Problem(law, replace(logs, scale=np.sqrt(weights))), wanted
        )
    return (
        replace(points, weights=weights),
        profile.region(problem, edges, solution, level),
        words,
        misfit,
    )


def _published(
    x: np.ndarray, y: np.ndarray, points: Points, law: Law, level: float, wanted: Objective
) -> tuple[Region, str, Misfit]:
    """The best law under a loss that is summed over single runs, whose sizes remain the units of
    replication.
    """
    order = np.lexsort((y, x))
    logs = to_logs(x[order], y[order], np.ones(x.size))
    problem = Problem(law, logs, clusters=np.searchsorted(points.sizes, x[order]))
    problem, edges, solution, words = optimum(problem, wanted)
    return (
        profile.region(problem, edges, solution, level),
        words,
        _misfit(points, problem, solution),
    )


def _misfit(points: Points, problem: Problem, solution: Solution) -> Misfit:
    """Lack of fit against the noise between seeds, and residuals that look like a known fault."""
    r = size_residuals(points, problem, solution.p)
    variances, seeds = seed_variances(points)
    p = None
    if points.known_variance is not None:
        p = profile.scatter_p(problem, solution, points.known_variance)
    elif variances is not None:
        q = float(np.sum(points.distinct * r**2 / variances))
        p = float(f_distribution.sf(q / problem.dof, problem.dof, seeds))
    return Misfit(p, _faults(points, problem, solution.p, r))


def _faults(points: Points, problem: Problem, p: np.ndarray, r: np.ndarray) -> dict[str, float]:
    """By kind of fault the chance of residuals [n] that so resemble what it adds to the law: F with
    1 and dof - 1.

    A missing floor can only raise the losses of large sizes, which halves its chance.
    """
    law, u = problem.law, np.log(points.sizes) - problem.logs.log_x_first
    mu, jacobian = law.curve(np.maximum(p, -profile.FAR), u)
    reducible = 1.0 if law.floor is None else 1 - jacobian[:, law.floor]
    reducible = reducible if law.known_floor is None else jacobian[:, 0]
    kinds = {"shift": reducible * np.exp(-u), "end": (u == u.max()).astype(float)}
    if law is not BROKEN:
        kinds["break"] = reducible * np.maximum(u - u.max() / 2, 0)
    if law.floor is None and law.known_floor is None:
        kinds["floor"] = np.exp(mu.min() - mu)
    weights = np.sqrt(points.weights)
    columns, dof = weights[:, None] * jacobian, r.size - law.parameters - 1
    basis = np.linalg.qr(
        columns[:, np.linalg.norm(columns, axis=0) > np.sqrt(problem.logs.roundoff)]
    )[0]
    left = weights * r - basis @ (basis.T @ (weights * r))
    found = {}
    for kind, added in kinds.items():
        own = weights * added - basis @ (basis.T @ (weights * added))
        squares, along = float(own @ own), float(own @ left)
        rest = float(left @ left) - along**2 / max(squares, 1e-300)
        if dof < 1 or squares < 1e-9 or rest <= problem.logs.roundoff:
            continue
        chance = float(f_distribution.sf(along**2 / squares / (rest / dof), 1, dof))
        if kind == "floor":
            chance = chance / 2 if along > 0 else 1 - chance / 2
        found[kind] = chance
    return found


def size_residuals(points: Points, problem: Problem, p: np.ndarray) -> np.ndarray:
    """ln(mean / law) of every size."""
    logs = problem.logs
    law = problem.law.curve(p, np.log(points.sizes) - logs.log_x_first)[0] + logs.log_y_average
    return np.log(points.means) - law


def _with_numbers(base: Fit, known: Region, words: str, misfit: Misfit, intervals: bool) -> Fit:
    points, level, problem, p = base.points, base.level, known.problem, known.solution.p
    logs = problem.logs
    alpha = float(problem.law.alpha(p[problem.law.exponent]))
    far_level, far_alpha = _asymptote(problem, p)
    log_amplitude = float(far_level + logs.log_y_average + far_alpha * logs.log_x_first)
    cautions = refusal.data_cautions(points, problem.law, problem.dof) + refusal.misfit_cautions(
        misfit, points
    )
    alpha_interval = floor_limits = None
    floor = base.floor
    if intervals:
        alpha_interval = Interval(*profile.exponent_interval(known), level)
        cautions += refusal.exponent_cautions("the exponent's", alpha_interval)
    if problem.law.floor:
        floor = float(np.exp(profile.log_floor(problem)(p)[0] + logs.log_y_average))
        if intervals:
            low, high = np.array(profile.floor_interval(known)) * math.exp(logs.log_y_average)
            floor_limits = Interval(float(low), float(high), level)
            cautions += refusal.floor_cautions(floor_limits, float(points.means.min()))
    return replace(
        base,
        warnings=cautions,
        alpha=alpha,
        alpha_interval=alpha_interval,
        amplitude=float(exp_of(log_amplitude)),
        log_amplitude=log_amplitude,
        floor=floor,
        floor_interval=floor_limits,
        more=_more(known, level) if intervals else None,
        sigma=_sigma(points, known),
        aicc=aicc(problem, known.solution, points.weights),
        objective=words,
        misfit=misfit,
        region=known,
    )


def _asymptote(problem: Problem, p: np.ndarray) -> tuple[float, float]:
    """Level and exponent of the reducible loss at the largest sizes, as a line in ln x through x =
    x_first.
    """
    if problem.law is not BROKEN:
        return float(p[0]), float(problem.law.alpha(p[problem.law.exponent]))
    _, alpha, before, place = p[:4]
    return float(p[0] + (alpha - before) * place), float(alpha)


def _more(known: Region, level: float) -> dict[str, Estimate] | None:
    """The other parameters of the shifted and the broken law, in the units of the data."""
    problem = known.problem
    names = {
        "log_shift": "shift",
        "first_alpha": "first_alpha",
        "log_break": "break_at",
        "log_width": "width",
    }
    told = {}
    for index, name in enumerate(problem.law.names):
        if name not in names:
            continue
        ends = np.array([known.solution.p[index], *profile.coordinate_interval(known, index)])
        if name in ("log_shift", "log_break"):
            ends = ends + problem.logs.log_x_first
        told[names[name]] = estimate_of(np.exp(ends) if name != "first_alpha" else ends, level)
    return told or None


def _sigma(points: Points, known: Region) -> float:
    """The standard deviation of ln(mean / law); of Huber's losses from the median, which outliers
    do not move.
    """
    problem = known.problem
    if problem.delta is None:
        return float(np.sqrt(known.variance))
    r = np.sqrt(points.weights) * size_residuals(points, problem, known.solution.p)
    return float(NORMAL_MAD * np.median(np.abs(r)) * np.sqrt(r.size / problem.dof))


def aicc(problem: Problem, solution: Solution, weights: np.ndarray | float = 1.0) -> float | None:
    """Corrected Akaike criterion (Hurvich & Tsai 1989) of ln means, up to a constant; sigma counts
    as a parameter.
    """
    n, counted = problem.logs.v.size, problem.law.parameters + 1
    if (
        n - counted < 2 or problem.delta is not None
    ):  # Huber's loss is not minus a normal's log-likelihood
        return None
    objective = max(solution.objective, problem.logs.roundoff)
    minus_two_ln = n * math.log(objective / n) - float(np.sum(np.log(weights)))
    return minus_two_ln + 2 * counted + 2 * counted * (counted + 1) / (n - counted - 1)
