"""The lower frontier of runs: a power law through a declared quantile of the loss, and the best run
of each bin.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.laws.law import PURE, exp_of
from harness.laws.points import runs
from harness.laws.refusal import exponent_cautions, local_cautions, size_refusals
from harness.laws.result import Caution, Groups, Interval, Refusal

MIN_EXPECTED = 5  # runs that a quantile leaves on its thinner side
# Where a quantile of the runs is a whole number, many lines are equally good, and rounding would
# choose among them. This much less of the quantile, far above the programme's tolerance of 1e-7,
# always chooses the lowest.
TIE_BREAK = 1e-5
ON_LINE = 1e-9  # of the range of ln y: the rounding of the linear programme


@dataclass(frozen=True)
class Frontier:
    """The law y = amplitude · x^-alpha that a share `quantile` of the runs lies on or below, in ln
    y given ln x.

    If `refusals` has any there is no law, and every number after `decades` is null.
    """

    quantile: Annotated[float, "the share of runs on or below the law"]
    runs: Annotated[int, "that were fitted"]
    sizes: Annotated[int, "that were fitted"]
    level: Annotated[float, "of the interval"]
    decades: Annotated[float, "powers of ten that sizes span"]
    alpha: Annotated[float | None, "the exponent"] = None
    alpha_interval: Annotated[Interval | None, "of the exponent"] = None
    amplitude: Annotated[float | None, "y at x = 1; null where it is beyond what a float holds"] = (
        None
    )
    log_amplitude: Annotated[float | None, "natural logarithm of the amplitude"] = None
    pinball: Annotated[
        float | None, "mean pinball loss of ln y, in which the law is the best one"
    ] = None
    on: Annotated[int | None, "runs on the law"] = None
    below: Annotated[int | None, "runs below it"] = None
    refusals: Annotated[tuple[Refusal, ...], "why there is no law"] = ()
    warnings: Annotated[tuple[Caution, ...], "what to know before quoting it"] = ()
    groups: Annotated[Groups | None, "what intervals are over, where rows have groups"] = None


def frontier(
    x: ArrayLike,
    y: ArrayLike,
    quantile: float,
    level: float = 0.95,
    seed: int = 0,
    replicates: int = 500,
) -> Frontier:
    """Quantile regression of ln y on ln x (Koenker & Bassett 1978), exact by linear programming;
    one entry per run.

    Unlike the best run of a size, a quantile means the same whatever the number of runs. Every run
    counts once, so sizes with more runs weigh more. The interval is Student's t with sizes - 2
    degrees of freedom times the standard deviation of alpha over a bootstrap, from `seed`, that
    draws whole sizes: what the runs of a size have in common is not noise between runs. In
    simulations of 5 to 20 sizes it held the truth in 95 to 99 % of fits at a nominal 95,
    percentiles of the same bootstrap in 87 to 94 %. A law that the data do not support is returned
    with its refusals and without numbers. Raises HarnessError on rows that are not finite and
    positive.
    """
    if not 0 < quantile < 1:
        raise HarnessError(
            f"quantile={quantile} must be between 0 and 1; .1 is a lower frontier, .5 the median."
        )
    if not 0 < level < 1:
        raise HarnessError(f"level={level} must be between 0 and 1.")
    x, y = runs(x, y)
    sizes = np.unique(x)
    decades = math.log10(sizes[-1] / sizes[0]) if sizes.size else 0.0
    found = Frontier(quantile, x.size, sizes.size, level, decades)
    if refusals := size_refusals(sizes, decades, PURE):
        return replace(found, refusals=refusals)
    return _law(found, np.log(x), np.log(y), np.random.default_rng(seed), replicates)


def _line(
    log_x: np.ndarray, log_y: np.ndarray, weights: np.ndarray, quantile: float
) -> tuple[float, float]:
    """Slope and level at 0 of the line of least pinball loss; a run counts `weights` times.

    It is the dual programme, whose variables are one a run and whose two constraints have the line
    as multipliers.
    """
    design = np.column_stack([log_x, np.ones_like(log_x)])
    solved = linprog(
        -log_y,
        A_eq=design.T,
        b_eq=(1 - quantile * (1 - TIE_BREAK)) * design.T @ weights,
        bounds=[(0.0, float(weight)) for weight in weights],
        method="highs-ds",
    )
    slope, level = -solved.eqlin.marginals
    return float(slope), float(level)


def quantile_exponent(x: np.ndarray, y: np.ndarray, quantile: float) -> float:
    """The exponent of `frontier`, without an interval."""
    (unit_x, _, half_x), (unit_y, _, half_y) = _on_unit(np.log(x)), _on_unit(np.log(y))
    return -half_y / half_x * _line(unit_x, unit_y, np.ones(x.size), quantile)[0]


def _law(
    found: Frontier, log_x: np.ndarray, log_y: np.ndarray, rng: np.random.Generator, replicates: int
) -> Frontier:
    (unit_x, middle_x, half_x), (unit_y, middle_y, half_y) = _on_unit(log_x), _on_unit(log_y)
    slope, level = _line(unit_x, unit_y, np.ones(found.runs), found.quantile)
    residuals = unit_y - slope * unit_x - level
    on = np.abs(residuals) <= ON_LINE
    slopes = [
        _line(unit_x[drawn > 0], unit_y[drawn > 0], drawn[drawn > 0], found.quantile)[0]
        for drawn in _drawn_sizes(log_x, rng, replicates)
    ]
    to_alpha = -half_y / half_x
    alpha = to_alpha * slope
    error = abs(to_alpha) * float(np.std(slopes, ddof=1))
    half = float(t_distribution.isf((1 - found.level) / 2, found.sizes - 2)) * error
    interval = Interval(alpha - half, alpha + half, found.level)
    below = int(np.sum(~on & (residuals < 0)))
    log_amplitude = middle_y + half_y * level + alpha * middle_x
    return replace(
        found,
        alpha=alpha,
        alpha_interval=interval,
        amplitude=float(exp_of(log_amplitude)),
        log_amplitude=log_amplitude,
        pinball=half_y
        * float(np.mean(np.maximum(found.quantile * residuals, (found.quantile - 1) * residuals))),
        on=int(np.sum(on)),
        below=below,
        warnings=_cautions(found, interval),
    )


def _on_unit(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Values on about [-1, 1], where tolerances of the programme are relative; the middle and half
    of their range.
    """
    low, high = float(values.min()), float(values.max())
    middle, half = (low + high) / 2, (high - low) / 2 or 1.0
    return (values - middle) / half, middle, half


def _drawn_sizes(
    log_x: np.ndarray, rng: np.random.Generator, replicates: int
) -> Iterator[np.ndarray]:
    """How often each run counts in each resample: sizes drawn with replacement, at least two of
    them distinct.
    """
    sizes, size_of_run = np.unique(log_x, return_inverse=True)
    for _ in range(replicates):
        counts = np.zeros(0, int)
        while np.count_nonzero(counts) < 2:
            counts = np.bincount(rng.integers(sizes.size, size=sizes.size), minlength=sizes.size)
        yield counts[size_of_run].astype(float)


def _cautions(found: Frontier, alpha: Interval) -> tuple[Caution, ...]:
    cautions = (
        *local_cautions("sizes", found.decades),
        *exponent_cautions("the exponent's", alpha),
    )
    expected = min(found.quantile, 1 - found.quantile) * found.runs
    if expected >= MIN_EXPECTED:
        return cautions
    reason = (
        f"{found.runs} runs leave {expected:.3g} of them beyond the quantile {found.quantile:g}, "
        "fewer than "
        f"{MIN_EXPECTED}: the line hangs on single runs. Add runs, or ask for a quantile "
        "nearer to .5."
    )
    return (*cautions, Caution("THIN_QUANTILE", reason))
