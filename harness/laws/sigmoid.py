"""A score over the loss: y = chance + (ceiling - chance) / (1 + e^(-slope (x - midpoint))), in y
and x as they are.
"""

import itertools
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.laws import profile
from harness.laws.ahead import NewRun
from harness.laws.law import Law, Logs
from harness.laws.objective import Objective, optimum
from harness.laws.refusal import GRADIENT, LACK_P, SPARE_SIZES
from harness.laws.result import Caution, Estimate, Refusal, estimate_of
from harness.laws.solve import Problem

MIDPOINTS, FALLS = (
    (0.0, 0.25, 0.5, 0.75, 1.0),
    (2.0, 6.0, 15.0),
)  # in units of the range of x, and over it
FAR_LEVEL = 10.0  # times the range of scores: there a level that was not given has run away
LEVELS = ("chance", "ceiling")
Levels = tuple[float | None, float | None]
FREE: Levels = (None, None)


@dataclass(frozen=True)
class Sigmoid:
    """The sigmoid of a score over x. If `refusals` has any, it has no numbers."""

    # `scale` are the first x and their range, the least score and their range, which `region` is
    # relative to.

    level: Annotated[float, "of intervals"]
    points: Annotated[int, "different x"]
    runs: Annotated[int, "that were fitted"]
    ends: Annotated[tuple[OrNull, OrNull], "the least and the largest x"]
    given: Annotated[tuple[str, ...], "which of `chance` and `ceiling` were given"]
    refusals: Annotated[tuple[Refusal, ...], "why there is none"] = ()
    warnings: Annotated[tuple[Caution, ...], "what to know before quoting it"] = ()
    parameters: Annotated[
        dict[str, Estimate],
        (
            "`chance` and `ceiling`; `midpoint`, the x halfway between them; `slope` of the "
            "log odds, "
            "below 0 over losses"
        ),
    ] = field(default_factory=dict)
    region: profile.Region | None = field(default=None, repr=False, compare=False)
    scale: np.ndarray | None = field(default=None, repr=False, compare=False)


# p = (midpoint, ln of the slope's size, then the levels that were not given), all relative to the
# ranges of x and y.
def _law(levels: list[float | None], sign: float) -> Law:
    free = [place for place, level in enumerate(levels) if level is None]

    def ends_of(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fitted = iter(np.moveaxis(p[..., 2:], -1, 0)[..., None])
        low, high = (next(fitted) if level is None else np.array([level]) for level in levels)
        return low, high

    def curve(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        (low, high), slope = ends_of(p), sign * np.exp(p[..., 1:2])
        odds = slope * (u - p[..., :1])
        share, bend = expit(odds), expit(odds) * expit(-odds) * (high - low)
        columns = np.stack([-slope * bend, odds * bend, 1 - share, share], axis=-1)
        return low + (high - low) * share, columns[..., [0, 1, *(2 + place for place in free)]]

    def solved(p: np.ndarray, u: np.ndarray, value: np.ndarray) -> np.ndarray:
        low, high = (level[..., 0] for level in ends_of(p))
        share = expit(sign * np.exp(p[..., 1]) * (u - p[..., 0]))
        if not free:
            return u - logit((value - low) / (high - low)) * sign * np.exp(-p[..., 1])
        return low + (value - low) / share if 1 in free else high - (high - value) / (1 - share)

    def starts(logs: Logs) -> np.ndarray:
        """A grid of midpoints and slopes; free levels of each by least squares."""
        found, known = [], np.array([0.0 if level is None else level for level in levels])
        for midpoint, fall in itertools.product(MIDPOINTS, FALLS):
            share = expit(sign * fall * (logs.u - midpoint))
            columns = np.stack([1 - share, share])
            left = logs.scale * (logs.v - known @ columns)
            fitted = np.linalg.lstsq((logs.scale * columns[free]).T, left, rcond=None)[0]
            found.append((midpoint, np.log(fall), *fitted))
        return np.array(found)

    names = ("midpoint", "slope", *(LEVELS[place] for place in free))
    held = 1 + len(free) if free else 0  # a free level, which the curve is linear in
    return Law(names, curve, starts, (0.5, 1.0, *(1.0 for _ in free)), held=(held, solved))


def fit_sigmoid(
    x: ArrayLike, y: ArrayLike, levels: Levels = FREE, level: float = 0.95, sd: ArrayLike = 0.0
) -> Sigmoid:
    """Fit a sigmoid to runs, which have one x and one score each, and a known standard error `sd`
    if that is above 0.

    `levels` are chance and ceiling where they are known; else they are fitted. Runs of one x are
    one unit of replication. By least squares, or Huber's loss where residuals are heavy-tailed.
    Raises HarnessError on numbers that are not finite, and on levels that leave no room between
    them.
    """
    x, y, sds = np.broadcast_arrays(*(np.asarray(values, float) for values in (x, y, sd)))
    if not (np.isfinite(x) & np.isfinite(y) & np.isfinite(sds)).all():
        raise HarnessError("x, y and `sd` must be finite numbers; leave out runs without a score.")
    given = {name: known for name, known in zip(LEVELS, levels, strict=True) if known is not None}
    if len(given) == 2 and not given["chance"] < given["ceiling"]:
        raise HarnessError(
            f"`chance` {given['chance']:g} must be below `ceiling` {given['ceiling']:g}."
        )
    order = np.lexsort((y, x))
    x, y, sds = x[order], y[order], sds[order]
    places, unit = np.unique(x, return_inverse=True)
    limits = float(x.min(initial=np.inf)), float(x.max(initial=-np.inf))
    base = Sigmoid(level, places.size, x.size, limits, tuple(given))
    need = 4 - len(given) + SPARE_SIZES
    if places.size < need or np.ptp(y) == 0:
        have = f"{places.size} different x with {np.unique(y).size} different scores"
        reason = (
            f"{have}; {need - SPARE_SIZES} parameters need {need}. Add points, or give "
            "`chance` and `ceiling`."
        )
        return replace(base, refusals=(Refusal("TOO_FEW", reason),))
    scale = np.array([x[0], np.ptp(x), y.min(), np.ptp(y)])
    u, v = (x - scale[0]) / scale[1], (y - scale[2]) / scale[3]
    sign, is_noise_known = 1.0 if (u - u.mean()) @ v >= 0 else -1.0, bool(np.all(sds > 0))
    weights = scale[3] / sds if is_noise_known else np.ones_like(v)
    logs = Logs(
        u, v, weights, np.zeros(1), 0.0, float(np.sum((8 * np.finfo(float).eps * weights) ** 2))
    )
    law = _law([None if known is None else (known - scale[2]) / scale[3] for known in levels], sign)
    problem, _, solution, _ = optimum(Problem(law, logs, clusters=unit), Objective("auto"))
    away = np.maximum(-solution.p[2:], solution.p[2:] - 1).max(initial=0.0)
    if solution.agreeing < 2 or solution.gradient > GRADIENT or away > FAR_LEVEL:
        reason = (
            "the scores do not show where they level off: give `chance` and `ceiling`, or "
            "add points at both ends."
        )
        return replace(base, refusals=(Refusal("STUCK", reason),))
    known = profile.region(problem, None, solution, level, 1.0 if is_noise_known else None)
    found = {
        name: [solution.p[i], *profile.coordinate_interval(known, i)]
        for i, name in enumerate(law.names)
    }
    slope = sign * np.exp(found["slope"]) / scale[1]
    ends = {"midpoint": scale[0] + scale[1] * np.array(found["midpoint"])}
    ends["slope"] = np.array([slope[0], slope[1:].min(), slope[1:].max()])
    for name in LEVELS:
        ends[name] = (
            np.full(3, given[name])
            if name in given
            else scale[2] + scale[3] * np.array(found[name])
        )
    estimates = {name: estimate_of(values, level) for name, values in ends.items()}
    warnings = _cautions(estimates, known, is_noise_known)
    return replace(base, parameters=estimates, region=known, scale=scale, warnings=warnings)


def _cautions(
    estimates: dict[str, Estimate], known: profile.Region, is_noise_known: bool
) -> tuple[Caution, ...]:
    told = {}
    p = profile.scatter_p(known.problem, known.solution, 1.0) if is_noise_known else 1.0
    if p < LACK_P:
        told["MISFIT"] = (
            "the scores scatter about the curve by more than their standard errors say (p = "
            f"{p:.2g})."
        )
    ends = {name: (found.interval.low, found.interval.high) for name, found in estimates.items()}
    if opened := [
        name
        for name, pair in ends.items()
        if np.isinf(pair).any() or (name == "slope" and 0 in pair)
    ]:
        reason = (
            f"the interval of {' and '.join(opened)} has no end: the scores do not show it. "
            "Give `chance` and "
        )
        told["SIGMOID_OPEN"] = (
            f"{reason}`ceiling`, or add points where the scores bend and level off."
        )
    return tuple(itertools.starmap(Caution, told.items()))


def scores_at(law: Sigmoid, x: np.ndarray) -> NewRun:
    """What a sigmoid that is not refused says at x [m], with profile intervals at its level."""
    known, scale = law.region, law.scale
    assert known is not None
    assert scale is not None
    u = (x - scale[0]) / scale[1]
    run = np.full(u.size, np.median(known.problem.logs.scale))
    ends = (*profile.prediction_ends(known, u), *profile.prediction_ends(known, u, run))
    curve = known.problem.law.curve(known.solution.p, u)[0]
    return NewRun(*(scale[2] + scale[3] * values for values in (curve, *ends)))
