"""From a complete search to the plan that confirms it: the winners of every side, to be trained again on fresh seeds.

A winner is chosen for the axis on which it will be read. For sizes it is the best trial at each size. For a training
cost it is the best among all trials, sizes and stops that cost no more: the lower envelope. The records of the search
choose; what is reported comes from the fresh seeds alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.base.errors import INCOMPLETE, HarnessError
from harness.comparison.choose import choose, scores
from harness.planning.candidates import that_matters
from harness.planning.halving import all_rungs
from harness.planning.packs import packs_of
from harness.planning.plan import planned_flops
from harness.planning.sides import cells_of_sides, trial_of, ways_of
from harness.record import Record, records_hash
from harness.spec import (
    Cell,
    Confirms,
    Experiment,
    Manifest,
    PlannedRun,
    RunSpec,
    Won,
    content_hash,
    default_count,
    least_evaluations,
    run_id,
    searched_name,
    side_label,
)

ALWAYS_COSTED = default_count("flops_train")  # an axis on which winners are chosen whatever the rules say
LEAST_COST_RANGE = 10.0  # from the least to the largest cost budget: what a law needs to be fitted
DIGITS = 3  # of a cost budget


class Contender(NamedTuple):
    """A trial at one size, at its end or at a `stop`: its losses by the search's seeds, and its cost by axis."""

    cell: Cell
    run: RunSpec
    run_ids: tuple[str, ...]
    stop: int | None
    validation: tuple[float, ...]
    test_loss: float
    costs: Mapping[str, float]


class Competition(NamedTuple):
    """The `allowed` contenders for a side's winner at a budget, and how many trials they come from, at what cost."""

    task: str
    side: tuple[str, ...]
    under: str | None
    axis: str
    budget: float
    trials: int
    flops_search: int
    allowed: list[Contender]


def confirmation(
    rungs: Sequence[Manifest], records: Mapping[str, Record], seconds: Mapping[int, float] | None
) -> Manifest:
    """The plan of the winners of a complete search, from its records by run id; a HarnessError if there is none.

    `rungs` are the plans of the search: one, or with halving one for each rung.
    `seconds` are those of the runs of each cell, by its index, where they are measured.
    """
    search = all_rungs(rungs)
    experiment = search.experiment
    axes = cost_axes(experiment, seconds is not None)
    contenders = _contenders(search, records, axes, seconds or {})
    cells: list[Cell] = []
    runs: list[PlannedRun] = []
    for competition in _competitions(search, contenders, axes, records):
        cell, found = _winner(len(cells), experiment, competition)
        cells.append(cell)
        runs += found
    if not runs:
        reasons = dict.fromkeys(f"  {cell.task} {cell.series}: {cell.infeasible}" for cell in cells)
        raise HarnessError(
            "\n".join([f"no trial of {search.name} can win:", *list(reasons)[:6]])
            + "\nlook at why they failed, and narrow the spaces or change the recipes",
            INCOMPLETE,
        )
    return Manifest(
        name=searched_name(search.name),
        experiment=experiment,
        experiment_hash=search.experiment_hash,
        cells=tuple(cells),
        runs=tuple(runs),
        packs=packs_of(runs, experiment.device),
        formulas=search.formulas,
        spaces=search.spaces,
        confirms=Confirms(
            plan=content_hash(rungs[-1]),
            records=records_hash(records),
            flops_search=_recorded_flops(records.values()),
        ),
    )


def _competitions(
    search: Manifest, contenders: Mapping[int, list[Contender]], axes: Sequence[str], records: Mapping[str, Record]
) -> Iterator[Competition]:
    """One for each task, way of searching, budget (of size, and of each training cost) and side."""
    experiment = search.experiment
    assert experiment.match is not None
    assert experiment.trial_search is not None
    can_stop = experiment.trial_search.early_stopping
    ways = ways_of(experiment)
    for task in dict.fromkeys(cell.task for cell in search.cells):
        of_task = [cell for cell in search.cells if cell.task == task]
        of_sides = {way: cells_of_sides(of_task, experiment, way) for way in ways}
        ends = [_of_cells(own, contenders) for own in of_sides[None].values()]
        sizes = [budget for budget in dict.fromkeys(cell.asked for cell in of_task) if budget is not None]
        budgets = [(experiment.match.count_name, budget) for budget in sizes]
        for axis in axes:
            budgets += [(axis, budget) for budget in _cost_budgets(ends, axis, len(sizes))]
        for way, (axis, budget), side in itertools.product(ways, budgets, experiment.sides):
            own = of_sides[way][side]
            if axis not in axes:
                own = [cell for cell in own if cell.asked == budget]
            competing = _of_cells(own, contenders)
            yield Competition(
                task=task,
                side=side,
                under=way.name if way else None,
                axis=axis,
                budget=budget,
                trials=len({trial_of(cell) for cell in own}),
                flops_search=_search_flops(competing, records),
                allowed=[one for one in competing if _is_allowed(one, axis, budget, can_stop)],
            )


def cost_axes(experiment: Experiment, with_seconds: bool) -> tuple[str, ...]:
    """The training costs by which rules read, beside that which figures show."""
    asked = list(itertools.chain.from_iterable(rule.conventions for rule in experiment.decide))
    flops = [axis for axis in asked if axis.startswith("flops_train")]
    seconds = ["seconds"] if with_seconds and "seconds" in asked else []
    return tuple(dict.fromkeys([ALWAYS_COSTED, *flops, *seconds]))


# ---------------------------------------------------------------------------------------------------------- contenders
def _contenders(
    search: Manifest, records: Mapping[str, Record], axes: Sequence[str], seconds: Mapping[int, float]
) -> dict[int, list[Contender]]:
    """By cell, what a side may choose from: the trial at its end and at the stops of its learning curve."""
    runs: dict[int, list[RunSpec]] = {}
    for planned in search.runs:
        runs.setdefault(planned.cell, []).append(planned.run)
    return {
        index: _of_cell(
            search.cells[index], of_cell, [records[run_id(run)] for run in of_cell], axes, seconds.get(index)
        )
        for index, of_cell in runs.items()
    }


def _of_cells(cells: Iterable[Cell], contenders: Mapping[int, list[Contender]]) -> list[Contender]:
    return list(itertools.chain.from_iterable(contenders.get(cell.index, ()) for cell in cells))


def _of_cell(
    cell: Cell, runs: Sequence[RunSpec], records: Sequence[Record], axes: Sequence[str], seconds: float | None
) -> list[Contender]:
    assert cell.trial is not None
    run_ids = tuple(record.run_id for record in records)
    run = max(runs, key=lambda one: one.recipe.max_evaluations)  # with halving, that of the last rung it reached
    stop = None if cell.trial.is_whole(run) else run.recipe.max_evaluations
    if stop and not run.recipe.can_stop:
        return []
    records = [record for record, of_record in zip(records, runs, strict=True) if of_record.recipe == run.recipe]
    losses = [record.metrics.losses if record.metrics else None for record in records]
    validation = tuple(one.validation if one else math.inf for one in losses)
    test_loss = _mean([one.test if one else math.inf for one in losses])
    costs = {axis: float(np.median([record.counts[axis] for record in records])) for axis in axes if axis != "seconds"}
    if seconds is not None:
        costs["seconds"] = seconds
    contenders = [Contender(cell, run, run_ids, stop, validation, test_loss, costs)]
    spent = float(np.median([record.evaluations for record in records]))
    for stop in _stops(run, records):
        stopped = run.model_copy(update={"recipe": run.recipe.model_copy(update={"max_evaluations": stop})})
        flops = planned_flops(stopped)
        until = {axis: costs[axis] * stop / spent if axis == "seconds" else flops[axis] for axis in costs}
        at_stop = tuple(_validation_at(record, stop) for record in records)
        contenders.append(Contender(cell, stopped, run_ids, stop, at_stop, math.nan, until))
    return contenders


def _mean(losses: Sequence[float]) -> float:
    """As trials are chosen; infinite where a seed failed."""
    return float(np.exp(scores([losses])[0]))


def _stops(run: RunSpec, records: Sequence[Record]) -> list[int]:
    """The evaluations at which a run can be read as if it had ended there."""
    if not run.recipe.can_stop:
        return []
    least = least_evaluations(run.network, run.recipe)
    moments = {point.evaluations for point in itertools.chain.from_iterable(record.curve for record in records)}
    end = max(record.evaluations for record in records)
    return sorted(at for at in moments if least <= at < end)


def _validation_at(record: Record, stop: int) -> float:
    """The validation loss after so many evaluations; a lane that had come to rest stays where it was."""
    if record.diverged_at is not None and record.diverged_at <= stop:
        return math.inf
    losses = [point.validation_loss for point in record.curve if point.evaluations <= stop]
    return math.inf if not losses or losses[-1] is None else losses[-1]


def _is_allowed(one: Contender, axis: str, budget: float, can_stop: bool) -> bool:
    """Whether a contender may win: on a training cost if it costs no more, on sizes if it is whole or `can_stop`."""
    return one.costs[axis] <= budget if axis in one.costs else one.stop is None or can_stop


def _cost_budgets(sides: Sequence[Sequence[Contender]], axis: str, number: int) -> list[float]:
    """So many budgets, evenly in the logarithm, that every side can spend.

    The largest is what the side can spend that can spend least. The smallest is the least with which every side can
    train one trial to its end, or a tenth of the largest where that is more.
    """
    ends = [[one.costs[axis] for one in side if one.stop is None and axis in one.costs] for side in sides]
    if not all(ends):
        return []
    high = min(map(max, ends))
    low = min(max(map(min, ends)), high / LEAST_COST_RANGE)
    return [_rounded_up(budget) for budget in np.geomspace(high, low, number)[::-1]]  # of one, the largest


def _rounded_up(budget: float) -> float:
    """To DIGITS digits, and never below what a contender costs that just fits."""
    unit = 10.0 ** (math.floor(math.log10(budget)) - DIGITS + 1)
    return math.ceil(budget / unit * (1 - 1e-12)) * unit


# ------------------------------------------------------------------------------------------------------------- winners
def _winner(index: int, experiment: Experiment, competition: Competition) -> tuple[Cell, list[PlannedRun]]:
    """The cell of a side's winner at a budget, and its runs on the fresh seeds; infeasible where nothing can win."""
    task, side, under, axis, budget, trials, flops_search, allowed = competition
    names: dict[str, Any] = {"index": index, "task": task, "series": side_label(side), "asked": budget}
    if not allowed or not np.isfinite(scores([one.validation for one in allowed])).any():
        why = "every trial of the search failed here" if allowed else "no trial of the search meets this budget"
        of_way = f", {under}" if under else ""
        empty: dict[str, Any] = {"achieved": None, "residual": None, "network": None, "counts": {}, "window": None}
        return Cell(arm=side[0], **names, **empty, infeasible=f"{axis}={budget:,.6g}{of_way}: {why}"), []
    best = allowed[choose([one.validation for one in allowed])]
    assert best.cell.trial is not None
    counts = {**best.cell.counts, **planned_flops(best.run)}
    achieved = best.costs[axis] if axis in best.costs else counts[axis]
    won = Won(
        under=under,
        axis=axis,
        trial=best.cell.trial.number,
        stop=best.stop,
        trials=trials,
        flops_search=flops_search,
        validation_loss=_mean(best.validation),
        test_loss=best.test_loss if math.isfinite(best.test_loss) else None,
    )
    solved = {"achieved": achieved, "residual": achieved / budget - 1, "counts": counts}
    cell = best.cell.model_copy(update={**names, **solved, "trial": None, "won": won})
    recipe = that_matters(best.run.recipe, best.run.network, best.run.task)
    runs = [best.run.model_copy(update={"recipe": recipe, "seed": seed}) for seed in experiment.seeds]
    return cell, [PlannedRun(run_id=run_id(run), cell=index, trial=won.trial, run=run) for run in runs]


# ---------------------------------------------------------------------------------------------------------------- work
def _search_flops(contenders: Iterable[Contender], records: Mapping[str, Record]) -> int:
    """The training FLOPs (shared_dense) of all their runs; one that several trials share counts once."""
    identities = set(itertools.chain.from_iterable(one.run_ids for one in contenders))
    return sum(records[identity].counts[ALWAYS_COSTED] for identity in identities)


def _recorded_flops(records: Iterable[Record]) -> dict[str, int]:
    """The training FLOPs of runs, as recorded, under every convention."""
    total: dict[str, int] = {}
    for record in records:
        for name, value in record.counts.items():
            if name.startswith("flops_train"):
                total[name] = total.get(name, 0) + value
    return total
