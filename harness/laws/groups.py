"""Intervals where runs are not independent: each group of rows, such as the checkpoints of a run, is left out in turn.

What rows of a group have in common is not noise between rows. Refits without each group show how far a number moves
with the groups, whatever their rows share: the jackknife over groups, with Student's t of groups - 1 degrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.laws.bootstrap import refit
from harness.laws.frontier import Frontier, quantile_exponent
from harness.laws.isoflop import Isoflop, isoflop
from harness.laws.points import runs, size_means
from harness.laws.profile import Region, log_floor
from harness.laws.refusal import exponent_cautions, floor_cautions
from harness.laws.result import Caution, Estimate, Fit, Groups, Interval, Refusal
from harness.laws.shared import SharedFit, fit_shared
from harness.laws.surface import Surface

MIN_GROUPS, ENOUGH_GROUPS = 6, 10
OF_INTERVALS = ("EXPONENT_OPEN", "FLOOR_OPEN", "PLATEAU", "FEW_GROUPS")
OTHERS = {"shift": "log_shift", "first_alpha": "first_alpha", "break_at": "log_break", "width": "log_width"}
Law = TypeVar("Law", Fit, Surface, Isoflop, Frontier, SharedFit)
Without = Callable[[np.ndarray], Any]  # a number of the rows that are kept, or several


def jackknife(value: float, without: np.ndarray, level: float) -> Interval:
    """Student's interval of a number from its values without each group [G]."""
    groups = without.size
    error = math.sqrt((groups - 1) / groups * float(np.sum((without - without.mean()) ** 2)))
    half = float(t_distribution.isf((1 - level) / 2, groups - 1)) * error
    return Interval(value - half, value + half, level)


def law_by_groups(law: Fit, x: ArrayLike, y: ArrayLike, groups: Sequence[str]) -> Fit:
    """The law of these runs, of which each belongs to a group, with intervals over groups."""
    x, y = runs(x, y)
    names, group = _groups(groups, x.size)
    if law.region is None:
        return law
    if names.size < MIN_GROUPS:
        return _without_numbers(law, _too_few(names))
    known, points = law.region, law.points
    if known.problem.clusters is not None:
        raise HarnessError(f"`group` takes squares or `huber`, whose points are sizes, and not {law.objective}.")
    v = np.tile(known.problem.logs.v, (names.size, 1))
    scale = np.tile(known.problem.logs.scale, (names.size, 1))
    for index in range(names.size):
        kept = size_means(x[group != index], y[group != index], robust=bool(points.outliers.size))
        there = np.isin(points.sizes, kept.sizes)
        v[index, there] = np.log(kept.means) - known.problem.logs.log_y_average
        scale[index] *= there
        if there.sum() < known.problem.law.parameters:
            return _without_numbers(law, Refusal("FEW_GROUPS", f"without {names[index]} too few sizes are left."))
    parameters, _ = refit(known, v, scale)
    exponents = known.problem.law.alpha(parameters[:, known.problem.law.exponent])
    assert law.alpha is not None
    interval = jackknife(law.alpha, exponents, law.level)
    cautions = exponent_cautions("the exponent's", interval)
    floor = None
    if known.problem.law.floor is not None and law.floor is not None:
        floor = _floor(known, parameters, law.floor, law.level)
        cautions += floor_cautions(floor, float(points.means.min()))
    return replace(
        law,
        warnings=_cautions(law.warnings, names, cautions),
        alpha_interval=interval,
        floor_interval=floor,
        more=_more(known, parameters, law),
        groups=_told(names, exponents, law.alpha, parameters),
    )


def surface_by_groups(law: Surface, n: ArrayLike, d: ArrayLike, y: ArrayLike, groups: Sequence[str]) -> Surface:
    """The law of two sizes of these runs, with intervals over groups."""
    n, d, y = (np.asarray(values, float) for values in (n, d, y))
    names, group = _groups(groups, y.size)
    if law.region is None:
        return law
    if names.size < MIN_GROUPS:
        return _without_numbers(law, _too_few(names))
    known, order = law.region, np.lexsort((y, d, n))
    scale = known.problem.logs.scale * (group[order] != np.arange(names.size)[:, None])
    parameters, _ = refit(known, np.broadcast_to(known.problem.logs.v, scale.shape), scale)
    assert law.alpha is not None
    assert law.beta is not None
    assert law.floor is not None
    assert law.allocation is not None
    of_alpha, of_beta = np.exp(parameters[:, 1]), np.exp(parameters[:, 2])
    alpha, beta = _moved(law.alpha, of_alpha), _moved(law.beta, of_beta)
    share = _moved(law.allocation, expit(parameters[:, 2] - parameters[:, 1]))
    floor = replace(law.floor, interval=_floor(known, parameters, law.floor.value, law.level))
    cautions = floor_cautions(floor.interval, float(np.min(y)))
    for name, exponent in (("N", alpha), ("D", beta)):
        cautions += exponent_cautions(f"{name}'s exponent's", exponent.interval)
    return replace(
        law,
        warnings=_cautions(law.warnings, names, cautions),
        alpha=alpha,
        beta=beta,
        floor=floor,
        allocation=share,
        groups=_told(names, of_alpha, law.alpha.value, parameters),
    )


def isoflop_by_groups(law: Isoflop, budget: np.ndarray, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Isoflop:
    """The law of the best sizes of these runs, with its interval over groups."""
    return _exponent_by_groups(
        law,
        groups,
        x.size,
        lambda kept: isoflop(budget[kept], x[kept], y[kept], law.level).exponent,
        lambda interval: replace(law, exponent_interval=interval),
        law.exponent,
    )


def frontier_by_groups(law: Frontier, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Frontier:
    """The law through a quantile of these runs, with its interval over groups."""
    return _exponent_by_groups(
        law,
        groups,
        x.size,
        lambda kept: quantile_exponent(x[kept], y[kept], law.quantile),
        lambda interval: replace(law, alpha_interval=interval),
        law.alpha,
    )


def shared_by_groups(
    law: SharedFit,
    x: Mapping[str, np.ndarray],
    y: Mapping[str, np.ndarray],
    groups: Mapping[str, Sequence[str]],
) -> SharedFit:
    """The law of several arms, with intervals over groups, of which one may have rows of several arms."""
    every = np.concatenate([np.asarray(groups[arm], str) for arm in x])
    names = np.unique(every)
    if law.refusals:
        return law
    if names.size < MIN_GROUPS:
        return _without_numbers(law, _too_few(names))
    refits = []
    for name in names:
        kept = {arm: np.asarray(groups[arm], str) != name for arm in x}
        rest = ({arm: values[arm][kept[arm]] for arm in x} for values in (x, y))
        refits.append(fit_shared(*rest, law.share, law.level, intervals=False))
        if refits[-1].refusals:
            return _without_numbers(law, Refusal("FEW_GROUPS", f"without {name}: {refits[-1].refusals[0].reason}"))

    def moved(kind: str) -> dict[str, Estimate] | None:
        values = getattr(law, kind)
        if values is None:
            return None
        return {
            arm: _moved(of, np.array([getattr(again, kind)[arm].value for again in refits]))
            for arm, of in values.items()
        }

    alphas = moved("alphas")
    first = np.array([again.alphas[law.arms[0]].value for again in refits if again.alphas])
    assert law.alphas is not None
    told = _told(names, first, law.alphas[law.arms[0]].value, None)
    return replace(law, alphas=alphas, floors=moved("floors"), multipliers=moved("multipliers"), groups=told)


def _exponent_by_groups(
    law: Law,
    groups: Sequence[str],
    rows: int,
    without: Without,
    with_interval: Callable[[Interval], Law],
    exponent: float | None,
) -> Law:
    names, group = _groups(groups, rows)
    if exponent is None:
        return law
    if names.size < MIN_GROUPS:
        return _without_numbers(law, _too_few(names))
    exponents = np.array([without(group != index) for index in range(names.size)], float)
    if np.isnan(exponents).any():
        name = names[np.isnan(exponents)][0]
        return _without_numbers(law, Refusal("FEW_GROUPS", f"without {name} there is no law: it hangs on that group."))
    moved: Any = with_interval(jackknife(exponent, exponents, law.level))
    told = _told(names, exponents, exponent, None)
    return replace(moved, warnings=_cautions(law.warnings, names, ()), groups=told)


def _groups(groups: Sequence[str], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The names of groups [G], and the number of each row's [rows]."""
    if len(groups) != rows:
        raise HarnessError(f"groups has {len(groups)} rows, and there are {rows} runs; give one a run.")
    return np.unique(np.asarray(groups, str), return_inverse=True)


def _too_few(names: np.ndarray) -> Refusal:
    reason = (
        f"{names.size} groups; intervals over groups need {MIN_GROUPS}, and {ENOUGH_GROUPS} to be quoted without a "
        "caution. Add groups (more rows of a group do not count)."
    )
    return Refusal("FEW_GROUPS", reason)


def _without_numbers(law: Law, refusal: Refusal) -> Law:
    """The law refused: it keeps what it was fitted to."""
    numbers = ("alpha", "beta", "floor", "allocation", "exponent", "alphas", "floors", "multipliers", "more", "region")
    fields = [f"{name}{end}" for name in numbers for end in ("", "_interval") if hasattr(law, f"{name}{end}")]
    return replace(law, refusals=(refusal,), **dict.fromkeys(fields))


def _cautions(before: Sequence[Caution], names: np.ndarray, of_intervals: Sequence[Caution]) -> tuple[Caution, ...]:
    few: tuple[Caution, ...] = ()
    if names.size < ENOUGH_GROUPS:
        reason = f"{names.size} groups: intervals over fewer than {ENOUGH_GROUPS} are rough. Add groups."
        few = (Caution("FEW_GROUPS", reason),)
    return (*(caution for caution in before if caution.code not in OF_INTERVALS), *of_intervals, *few)


def _moved(estimate: Estimate, without: np.ndarray) -> Estimate:
    """The estimate of a number above 0, with its interval over groups, in logarithms."""
    if estimate.value <= 0 or np.any(without <= 0):
        return replace(estimate, interval=jackknife(estimate.value, without, estimate.interval.level))
    ends = jackknife(math.log(estimate.value), np.log(without), estimate.interval.level)
    return replace(estimate, interval=Interval(math.exp(ends.low), math.exp(ends.high), ends.level))


def _more(known: Region, parameters: np.ndarray, law: Fit) -> dict[str, Estimate] | None:
    """The other parameters of the shifted and the broken law."""
    moved = {}
    for name, of in (law.more or {}).items():
        column = parameters[:, known.problem.law.names.index(OTHERS[name])]
        moved[name] = _moved(of, column if name == "first_alpha" else of.value * np.exp(column - column.mean()))
    return moved or None


def _floor(known: Region, parameters: np.ndarray, value: float, level: float) -> Interval:
    floors = np.exp(log_floor(known.problem)(parameters)[0] + known.problem.logs.log_y_average)
    ends = jackknife(value, floors, level)
    return Interval(max(ends.low, 0.0), ends.high, level)


def _told(names: np.ndarray, exponents: np.ndarray, exponent: float, parameters: np.ndarray | None) -> Groups:
    most = int(np.argmax(np.abs(exponents - exponent)))
    return Groups(names.size, str(names[most]), float(exponents[most]), parameters)
