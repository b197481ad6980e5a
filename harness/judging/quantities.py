"""Each quantity that a rule can be about, as a number with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import linregress
from scipy.stats import t as t_distribution

from harness import comparison
from harness.base.errors import HarnessError
from harness.comparison.answer import refused_fits, shared_range
from harness.fit import Fit
from harness.judging.curves import Curve, Paired, curve, largest_common, mean, paired, read, side_curve, size_of
from harness.judging.found import Found
from harness.judging.pairs import pairs_axis
from harness.judging.scaling import SeriesFit, common_law, fit_table
from harness.judging.side_runs import SideRuns, side_runs
from harness.spec import Condition, Manifest, side_label


@dataclass(frozen=True)
class Runs:
    """The runs of an experiment, the target and inputs of its tasks, and the axis on which its arms are matched.

    `sides` and `fitted` remember runs and laws: rules ask for the same ones again.
    """

    table: pd.DataFrame
    tasks: Mapping[str, tuple[str, int]]
    matched: str
    sides: dict[tuple, SideRuns] = field(default_factory=dict, compare=False)
    fitted: dict[tuple, list[SeriesFit]] = field(default_factory=dict, compare=False)


def runs_of(manifest: Manifest, table: pd.DataFrame) -> Runs:
    """The runs of a plan from their table (`record.load`, with `seconds` where they are measured)."""
    if "seconds" in table:
        table = table.assign(seconds_per_evaluation=table["seconds"] / table["evaluations"])
    labels = {cell.index: cell.task for cell in manifest.cells}
    tasks = {labels[planned.cell]: planned.run.task for planned in manifest.runs}
    return Runs(table, {label: (task.target, task.inputs) for label, task in tasks.items()}, pairs_axis(manifest))


def of_arm(runs: Runs, task: str, names: Sequence[str]) -> SideRuns:
    """The runs of an arm, or of the best of several (`side_runs`)."""
    key = (task, tuple(names))
    if key not in runs.sides:
        runs.sides[key] = side_runs(runs.table, task, names, side_label(names))
    return runs.sides[key]


def laws(runs: Runs, task: str, names: Sequence[str], axis: str, level: float) -> list[SeriesFit]:
    """Both laws of an arm on a task; a HarnessError where the axis is not measured, or counts nothing."""
    key = (task, tuple(names), axis, level)
    if key not in runs.fitted:
        own = of_arm(runs, task, names).runs
        if axis not in own:
            raise HarnessError(f"{axis} is not measured")
        runs.fitted[key] = fit_table(own, [axis], level)
    if not runs.fitted[key]:
        raise HarnessError(f"{axis} counts nothing of {', '.join(names)}")
    return runs.fitted[key]


def find(condition: Condition, unit: Sequence[str], axis: str, runs: Runs, level: float) -> Found:
    """The condition's quantity on a task (or the tasks of a family), sizes being counted on `axis`.

    What the data do not carry is refused with the reason, never an error.
    """
    try:
        match condition.quantity:
            case "exponent":
                return _of(comparison.exponent_difference(*_pair(condition, unit[0], axis, runs, level)))
            case "test_loss" | "test_rmse":
                return _loss_ratio(condition, unit[0], axis, runs, level)
            case "cost":
                return _cost(condition, unit[0], axis, runs, level)
            case "floor":
                return _of(comparison.floor_ratio(*_pair(condition, unit[0], axis, runs, level, "floor")))
            case "count":
                return _count(condition, unit[0], axis, runs, level)
            case "held_out":
                return _held_out(condition, unit[0], axis, runs, level)
            case "crossover":
                return _crossover(condition, unit[0], axis, runs, level)
            case "exponent_kept":
                return _exponent_kept(condition, unit, axis, runs, level)
            case "growth":
                return _growth(condition, unit, axis, runs, level)
    except HarnessError as error:
        return Found(refused=str(error))


# ----------------------------------------------------------------------------------------------------------- from laws
def shown(fits: Sequence[SeriesFit], law: str | None = None) -> list[SeriesFit]:
    """Of each series the fit of one law for all, that of `harness.judging.scaling.common_law` unless it is given."""
    chosen = law or common_law([one._replace(task="") for one in fits], "", fits[0].axis)
    return [one for one in fits if one.fit.law == chosen]


def _pair(
    condition: Condition, task: str, axis: str, runs: Runs, level: float, law: str | None = None
) -> tuple[Fit, Fit]:
    fits = [one for index in (0, 1) for one in laws(runs, task, condition.choice(index), axis, level)]
    first, second = shown(fits, law)
    return first.fit, second.fit


def _of(
    found: comparison.ExponentDifference | comparison.ExponentRatio | comparison.FloorRatio,
) -> Found:
    if found.refusals or found.estimate is None or found.interval is None:
        return Found(refused=_reasons(found.refusals))
    return Found(found.estimate, found.interval.low, found.interval.high)


def _reasons(refusals: Sequence[comparison.Refusal]) -> str:
    return " ".join(f"{refusal.code}: {refusal.reason}" for refusal in refusals)


def cost_at(first: Fit, second: Fit, at: float | str) -> Found:
    """The ratio of sizes second / first at a loss, or at the middle or the lowest of those that both attain."""
    refusals = refused_fits(first, second)
    if refusals:
        return Found(refused=_reasons(refusals))
    attained = shared_range("mean losses", first.points.means, second.points.means)
    if isinstance(attained, comparison.Refusal):
        return Found(refused=_reasons([attained]))
    low, high = attained
    loss = {"middle": math.sqrt(low * high), "lowest": low}[at] if isinstance(at, str) else at
    if not low * (1 - 1e-12) <= loss <= high * (1 + 1e-12):
        raise HarnessError(f"loss {loss:.4g}: both attain {low:.4g} to {high:.4g}")
    found = comparison.cost_ratio(first, second, loss)
    if found.refusals or found.estimate is None or found.low is None or found.high is None:
        return Found(refused=_reasons(found.refusals))
    if np.isnan(found.estimate[0]):
        return Found(refused=f"neither law comes to loss {loss:.4g} within a decade of its sizes")
    return Found(float(found.estimate[0]), float(found.low[0]), float(found.high[0]), at=loss)


def _cost(condition: Condition, task: str, axis: str, runs: Runs, level: float) -> Found:
    assert condition.place is not None
    return cost_at(*_pair(condition, task, axis, runs, level), condition.place)


def _held_out(condition: Condition, task: str, axis: str, runs: Runs, level: float) -> Found:
    """Of all arms' held-out sizes the one that is furthest off: measured / predicted, and what the interval allows."""
    fits = [one for i in range(len(condition.arms)) for one in laws(runs, task, condition.choice(i), axis, level)]
    worst, all_hold = None, True
    for one in shown(fits):
        if one.held_out is None:
            raise HarnessError(f"{one.series} has no held-out size on {task}")
        if one.held_out.prediction is None:
            raise HarnessError(f"{one.series}: {one.held_out.reason}")
        measured, predicted = one.held_out.measured, one.held_out.prediction
        off = np.abs(np.log(measured.means / predicted.curve))
        allowed = np.inf if condition.margin is None else math.log(1 + condition.margin)
        all_hold &= bool(np.all(predicted.within & (off <= allowed)))
        i = int(np.argmax(off))
        mean = measured.means[i]
        here = Found(
            float(mean / predicted.curve[i]),
            float(mean / predicted.high[i]),
            float(mean / predicted.low[i]),
            at=float(measured.sizes[i]),
        )
        if worst is None or off[i] > abs(math.log(worst.estimate or 1.0)):
            worst = here
    assert worst is not None
    return replace(worst, holds=all_hold)


def _crossover(condition: Condition, task: str, axis: str, runs: Runs, level: float) -> Found:
    """The ratio of the laws' losses at the largest common size: where it may be 1, they may cross there or beyond."""
    first, second = _pair(condition, task, axis, runs, level)
    if refusals := refused_fits(first, second):
        return Found(refused=_reasons(refusals))
    shared = shared_range("sizes", first.points.sizes, second.points.sizes)
    if isinstance(shared, comparison.Refusal):
        return Found(refused=_reasons([shared]))
    found = comparison.loss_ratio(first, second, shared[1])
    assert found.estimate is not None
    assert found.low is not None
    assert found.high is not None
    estimate, low, high = float(found.estimate[0]), float(found.low[0]), float(found.high[0])
    return Found(estimate, low, high, holds=True if low > 1 or high < 1 else None, at=shared[1])


def _exponent_kept(condition: Condition, family: Sequence[str], axis: str, runs: Runs, level: float) -> Found:
    names = condition.choice(0)
    fits = [one for task in (family[-1], family[0]) for one in laws(runs, task, names, axis, level)]
    most, fewest = shown(fits)
    return _of(comparison.exponent_ratio(most.fit, fewest.fit))


# ----------------------------------------------------------------------------------------------------------- from runs
def _loss_ratio(condition: Condition, task: str, axis: str, runs: Runs, level: float) -> Found:
    first, second = (of_arm(runs, task, condition.choice(index)) for index in (0, 1))
    at = condition.place
    return loss_at(first, second, axis, None if isinstance(at, str) else at, runs.matched, level)


def loss_at(first: SideRuns, second: SideRuns, axis: str, at: float | None, known: str, level: float) -> Found:
    """The ratio of test losses second / first at equal size on `axis`, from the spread of its seeds.

    It is that of the first arm's network with size `at` on the axis `known`, or the largest size that both have.
    """
    one, other = side_curve(first, axis), side_curve(second, axis)
    size = largest_common(one, other) if at is None else size_of(first.runs, axis, at, known)
    return _of_paired(paired(one, other, size, level), size)


def _of_paired(found: Paired, at: float) -> Found:
    return Found(found.estimate, found.low, found.high, at=float(at), seeds=found.seeds)


def _count(condition: Condition, task: str, count: str, runs: Runs, level: float) -> Found:
    """The ratio of a count at equal size; what does not hang on the run has no spread, and so one seed is enough."""
    equal, at = condition.equal or "params.trainable", condition.place
    first, second = (of_arm(runs, task, condition.choice(index)) for index in (0, 1))
    one, other = side_curve(first, equal, count), side_curve(second, equal, count)
    largest = isinstance(at, str)
    size = largest_common(one, other) if largest else size_of(first.runs, equal, float(at or 0), runs.matched)
    if count.startswith(("params", "flops_forward")):
        ratio = math.exp(mean(read(other, size), count, other.name) - mean(read(one, size), count, one.name))
        return Found(ratio, ratio, ratio, at=float(size))
    return _of_paired(paired(one, other, size, level), size)


def _growth(condition: Condition, family: Sequence[str], axis: str, runs: Runs, level: float) -> Found:
    """The slope of ln size on ln inputs at one test loss, with Student's interval: tasks are the units."""
    assert isinstance(condition.place, float)
    inputs = [math.log(runs.tasks[task][1]) for task in family]
    if len(set(inputs)) < 3:
        raise HarnessError(
            f"a slope needs tasks of three different numbers of inputs, and there are {len(set(inputs))}"
        )
    names = condition.choice(0)
    sizes = [_log_size(curve(of_arm(runs, task, names).runs, axis), condition.place, task) for task in family]
    line = linregress(inputs, sizes)
    half = float(t_distribution.isf((1 - level) / 2, len(sizes) - 2) * line.stderr)
    slope = float(line.slope)
    return Found(slope, slope - half, slope + half, at=condition.place)


def _log_size(one: Curve, loss: float, task: str) -> float:
    """ln of the smallest size at which the mean loss comes down to `loss`, between neighbours."""
    known = np.isfinite(one.logs) & (one.lost[:, None] <= 0.5)
    means = np.where(known, one.logs, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    best = np.minimum.accumulate(np.where(known.any(axis=1), means, np.inf))
    wanted = math.log(loss)
    if not best[-1] <= wanted:
        raise HarnessError(
            f"{one.name} does not come to test loss {loss:g} on {task}: its least is {math.exp(best[-1]):.3g}; "
            "choose a larger `at`, or add sizes"
        )
    if best[0] <= wanted:
        raise HarnessError(
            f"{one.name} is below test loss {loss:g} on {task} at its smallest size already ({math.exp(best[0]):.3g}); "
            "choose a smaller `at`, or add sizes"
        )
    upper = int(np.argmax(best <= wanted))
    share = (best[upper - 1] - wanted) / (best[upper - 1] - best[upper]) if np.isfinite(best[upper - 1]) else 1.0
    low, high = np.log(one.sizes[upper - 1]), np.log(one.sizes[upper])
    return float(low + share * (high - low))
