"""Intervals where rows are not independent: each group of them, such as the checkpoints of a run,
is left out in turn.

Refits show how far a number moves with the groups, whatever their rows share: the jackknife, with
Student's t.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.special import expit
from scipy.stats import t as t_distribution

from harness.base.reasons import NoNumber
from harness.laws.bootstrap import refit
from harness.laws.frontier import Frontier, quantile_exponent
from harness.laws.isoflop import Isoflop, isoflop
from harness.laws.points import size_means
from harness.laws.profile import Region, log_floor
from harness.laws.refusal import exponent_cautions, floor_cautions
from harness.laws.result import Caution, Estimate, Fit, Groups, Interval, Refusal
from harness.laws.surface import Surface

MIN_GROUPS, ENOUGH_GROUPS = 6, 10
OF_INTERVALS = ("EXPONENT_OPEN", "FLOOR_OPEN", "PLATEAU")  # cautions
Law = TypeVar("Law", Fit, Surface, Isoflop, Frontier)


class Refits(NamedTuple):
    """What the law is without each group: its exponent [G], and its fields with intervals over
    groups.
    """

    exponent: float
    without: np.ndarray
    fields: dict[str, Any]
    cautions: tuple[Caution, ...] = ()
    parameters: np.ndarray | None = None


def jackknife(value: float, without: np.ndarray, level: float) -> Interval:
    """Student's interval of a number from its values without each group [G]."""
    groups = without.size
    error = math.sqrt((groups - 1) / groups * float(np.sum((without - without.mean()) ** 2)))
    half = float(t_distribution.isf((1 - level) / 2, groups - 1)) * error
    return Interval(value - half, value + half, level)


def law_by_groups(law: Fit, x: np.ndarray, y: np.ndarray, groups: Sequence[str]) -> Fit:
    """The law of these runs, of which each belongs to a group, with intervals over groups."""

    def refitted(group: np.ndarray, number: int) -> Refits:
        known, points, alpha = _all_of(law.region, law.points, law.alpha)
        if known.problem.clusters is not None:
            raise NoNumber(
                "FEW_GROUPS",
                f"groups need a law of size means, and {law.objective} is over single runs.",
            )
        v, scale = (
            np.tile(values, (number, 1))
            for values in (known.problem.logs.v, known.problem.logs.scale)
        )
        for index in range(number):
            kept = size_means(
                x[group != index], y[group != index], robust=bool(points.outliers.size)
            )
            there = np.isin(points.sizes, kept.sizes)
            v[index, there] = np.log(kept.means) - known.problem.logs.log_y_average
            scale[index] *= there
            if there.sum() < known.problem.law.parameters:
                raise NoNumber(
                    "FEW_GROUPS", "without one of the groups too few sizes are left: add groups."
                )
        parameters, _ = refit(known, v, scale)
        exponents = known.problem.law.alpha(parameters[:, known.problem.law.exponent])
        fields: dict[str, Any] = {
            "alpha_interval": jackknife(alpha, exponents, law.level),
            "more": None,
        }
        cautions = exponent_cautions("the exponent's", fields["alpha_interval"])
        if law.floor is not None and known.problem.law.known_floor is None:
            fields["floor_interval"] = _floor(known, parameters, law.floor, law.level)
            cautions += floor_cautions(fields["floor_interval"], float(points.means.min()))
        return Refits(alpha, exponents, fields, cautions, parameters)

    return _over_groups(law, groups, refitted)


def surface_by_groups(
    law: Surface, n: np.ndarray, d: np.ndarray, y: np.ndarray, groups: Sequence[str]
) -> Surface:
    """The law of two sizes of these runs, with intervals over groups."""

    def refitted(group: np.ndarray, number: int) -> Refits:
        known, alpha, beta, floor, share = _all_of(
            law.region, law.alpha, law.beta, law.floor, law.allocation
        )
        logs = known.problem.logs
        scale = logs.scale * (group[np.lexsort((y, d, n))] != np.arange(number)[:, None])
        parameters, _ = refit(known, np.broadcast_to(logs.v, scale.shape), scale)
        alphas, betas = np.exp(parameters[:, 1]), np.exp(parameters[:, 2])
        fields = {
            "alpha": _moved(alpha, alphas),
            "beta": _moved(beta, betas),
            "floor": replace(floor, interval=_floor(known, parameters, floor.value, law.level)),
            "allocation": _moved(share, expit(parameters[:, 2] - parameters[:, 1])),
        }
        if law.decay:
            ends = jackknife(law.decay.value, parameters[:, 5], law.level)
            fields["decay"] = replace(law.decay, interval=ends)
        cautions = floor_cautions(fields["floor"].interval, float(np.min(y)))
        for name, exponent in (("N", "alpha"), ("D", "beta")):
            cautions += exponent_cautions(f"{name}'s exponent's", fields[exponent].interval)
        return Refits(alpha.value, alphas, fields, cautions, parameters)

    return _over_groups(law, groups, refitted)


def isoflop_by_groups(
    law: Isoflop,
    budget: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    groups: Sequence[str],
    within: float | None = None,
) -> Isoflop:
    """The law of the best sizes of these runs, with its interval over groups; `within` is as the
    law was fitted.
    """

    def refitted(group: np.ndarray, number: int) -> Refits:
        exponent, shift = _all_of(law.exponent, law.skew_shift)
        rest = (group != index for index in range(number))
        without = _exponents(
            isoflop(budget[rows], x[rows], y[rows], within=within).exponent for rows in rest
        )
        ends = jackknife(exponent, without, law.level)
        interval = Interval(ends.low + min(shift, 0.0), ends.high + max(shift, 0.0), law.level)
        return Refits(exponent, without, {"exponent_interval": interval})

    return _over_groups(law, groups, refitted)


def frontier_by_groups(
    law: Frontier, x: np.ndarray, y: np.ndarray, groups: Sequence[str]
) -> Frontier:
    """The law through a quantile of these runs, with its interval over groups."""

    def refitted(group: np.ndarray, number: int) -> Refits:
        (alpha,) = _all_of(law.alpha)
        rest = (group != index for index in range(number))
        without = _exponents(quantile_exponent(x[rows], y[rows], law.quantile) for rows in rest)
        interval = jackknife(alpha, without, law.level)
        return Refits(
            alpha,
            without,
            {"alpha_interval": interval},
            exponent_cautions("the exponent's", interval),
        )

    return _over_groups(law, groups, refitted)


def _exponents(found: Iterable[float | None]) -> np.ndarray:
    """The exponents without each group, which must all be there."""
    without = np.array(list(found), float)
    if np.isnan(without).any():
        raise NoNumber("FEW_GROUPS", "without one of the groups there is no law: add groups.")
    return without


def _over_groups(
    law: Law, groups: Sequence[str], refitted: Callable[[np.ndarray, int], Refits]
) -> Law:
    """The law with what its refits say; without numbers where the groups are too few, or where it
    hangs on one.
    """
    if law.refusals:
        return law
    names, group = np.unique(np.asarray(groups, str), return_inverse=True)
    few = (
        f"{names.size} groups; intervals over groups need {MIN_GROUPS}, and are rough below "
        f"{ENOUGH_GROUPS}."
    )
    try:
        if names.size < MIN_GROUPS:
            raise NoNumber("FEW_GROUPS", f"{few} Add groups (more rows of a group do not count).")
        found = refitted(group, names.size)
    except NoNumber as error:
        return without_numbers(law, error.refusal)
    most = int(np.argmax(np.abs(found.without - found.exponent)))
    told = Groups(names.size, str(names[most]), float(found.without[most]), found.parameters)
    cautions = [caution for caution in law.warnings if caution.code not in OF_INTERVALS]
    cautions += found.cautions
    if names.size < ENOUGH_GROUPS:
        cautions.append(Caution("FEW_GROUPS", few))
    return replace(law, warnings=tuple(cautions), groups=told, **found.fields)


def without_numbers(law: Law, refusal: Refusal) -> Law:
    """The law, refused for this reason."""
    none: Any = {field.name: None for field in fields_of(law) if field.default is None}
    return replace(law, refusals=(refusal,), **none)


def _all_of(*numbers: Any) -> tuple[Any, ...]:
    """The numbers of a law that is not refused, which has them all."""
    assert all(number is not None for number in numbers)
    return numbers


def _moved(estimate: Estimate, without: np.ndarray) -> Estimate:
    """The estimate with its interval over groups, in logarithms if it is above 0."""
    level = estimate.interval.level
    if estimate.value <= 0 or np.any(without <= 0):
        return replace(estimate, interval=jackknife(estimate.value, without, level))
    ends = jackknife(math.log(estimate.value), np.log(without), level)
    return replace(estimate, interval=Interval(math.exp(ends.low), math.exp(ends.high), level))


def _floor(known: Region, parameters: np.ndarray, value: float, level: float) -> Interval:
    floors = np.exp(log_floor(known.problem)(parameters)[0] + known.problem.logs.log_y_average)
    ends = jackknife(value, floors, level)
    return Interval(max(ends.low, 0.0), ends.high, level)
