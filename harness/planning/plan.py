"""From an experiment to a manifest: expand, solve the free size for each budget, name the runs, pack them.

A cell that cannot be matched within the tolerance stays in the plan as infeasible, with the nearest sizes named.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import median_low
from typing import NamedTuple

from harness.base.errors import HarnessError
from harness.count import run_flops
from harness.planning.candidates import (
    Candidate,
    Drawn,
    SecondsOf,
    Sizing,
    Solved,
    candidates_of,
    drawn_of,
    sizing_of,
    spec_of,
)
from harness.planning.checks import check_feasible, check_hold_out, check_one_series, check_rules
from harness.planning.feasible import check_learnable
from harness.planning.labels import Variants, budget_label, concerns, series_label, task_label, telling_axes
from harness.planning.packs import packs_of
from harness.planning.place import at
from harness.planning.trials import space_of
from harness.planning.warnings import check_arms_have_cells
from harness.spec import (
    Cell,
    Experiment,
    Formula,
    Manifest,
    PlannedRun,
    RunSpec,
    RunTask,
    canonical_json,
    content_hash,
    run_id,
    run_ids,
    variants,
)
from harness.tasks import resolve, target_of

SAME_NETWORK = "solves to the same network as a smaller budget; space the budgets wider"


class Expanded(NamedTuple):
    """The cells and runs of all points of an experiment's axes; by label the tasks' formulas, and target and inputs.

    `counts` has, by their ids, those of runs that train as their cell was counted: by its own recipe, to its end.
    """

    cells: list[Cell]
    runs: list[PlannedRun]
    counts: dict[str, dict[str, int]]
    formulas: dict[str, Formula]
    targets: dict[str, tuple[str, int]]


# ------------------------------------------------------------------------------------------------------------- public
def make_plan(
    experiment: Experiment, name: str, folder: Path = Path(), seconds_of: SecondsOf | None = None
) -> Manifest:
    """The manifest of `experiment`; a HarnessError if it cannot be expanded or no cell is feasible.

    Paths of data files are relative to `folder`. A search with a cap in seconds needs `seconds_of`.
    """
    if seconds_of is None and experiment.search and experiment.search.cap_name == "seconds":
        raise HarnessError(
            "search.cap: a cap in seconds needs a machine that was timed; `harness bench` times this one"
        )
    cells, runs, counts, formulas, targets = _expand(variants(experiment), folder, seconds_of)
    check_rules(experiment, targets, {cell.series for cell in cells})
    if experiment.search:
        check_one_series(cells)
    check_hold_out(cells)
    check_feasible(experiment, name, cells)
    check_arms_have_cells(cells)
    return Manifest(
        name=name,
        experiment=experiment,
        experiment_hash=content_hash(experiment),
        cells=tuple(cells),
        runs=tuple(runs),
        packs=packs_of(runs, experiment.device, counts),
        formulas=formulas,
        spaces={arm: space_of(experiment, arm) for arm in experiment.arms} if experiment.search else {},
    )


def planned_flops(run: RunSpec) -> dict[str, int]:
    """The training FLOPs of a run that spends its whole evaluation cap, under every convention."""
    return run_flops(run.network, run.recipe, run.task)


# ---------------------------------------------------------------------------------------------------------- expanding
def _expand(points: Variants, folder: Path, seconds_of: SecondsOf | None) -> Expanded:
    """Every task and arm of every point, but for series that were planned at an earlier one."""
    found = Expanded([], [], {}, {}, {})
    label_of = cache(partial(task_label, points=points))  # each looks at all points, of which there can be thousands
    telling_of = cache(partial(telling_axes, points=points))
    solved: dict[tuple[str, Sizing, str], list[Solved]] = {}
    drawn: dict[tuple[str, Sizing, str], dict[float, list[Drawn] | str]] = {}
    planned_before: set[tuple[str, str, str]] = set()
    for axes, variant in points:
        planned_here: set[tuple[str, str, str]] = set()
        cells_here: set[tuple] = set()
        for (index, task), arm_name in itertools.product(enumerate(variant.tasks), variant.arms):
            with at(f"tasks.{index}"):
                run_task = resolve(task, folder)
            check_learnable(variant, arm_name, run_task)
            label, target = label_of(task), target_of(task, folder)
            found.formulas[label] = Formula(formula=target.formula, source=target.source)
            found.targets[label] = task.name, target.inputs
            names = (label, arm_name, series_label(arm_name, axes, telling_of(arm_name, task)))
            if names not in planned_before:  # else no axis that has moved since concerns this arm
                planned_here.add(names)
                own = {path: value for path, value in axes.items() if concerns(path, arm_name, variant.recipes)}
                size = (arm_name, sizing_of(run_task), canonical_json(own))
                if variant.search:
                    if size not in drawn:
                        drawn[size] = drawn_of(variant, arm_name, run_task, seconds_of)
                    _add_replicates(found, variant, names, run_task, drawn[size])
                    continue
                if size not in solved:
                    solved[size] = list(candidates_of(variant, arm_name, run_task))
                _add_cells(found, cells_here, variant, names, run_task, solved[size])
        planned_before |= planned_here
    return found


def _add_cells(
    found: Expanded,
    cells_here: set[tuple],
    variant: Experiment,
    names: tuple[str, str, str],
    task: RunTask,
    solved: Iterable[Solved],
) -> None:
    """Add the cells and runs of an arm on a task; `cells_here` tells those that solve to the same network."""
    label, arm_name, arm_series = names
    for asked, candidate in solved:
        budget = budget_label(variant, arm_name, asked)
        names_at_budget = (label, arm_name, arm_series + budget)
        frontier = f"{arm_series} (best size)" if budget else None
        cell = _cell(len(found.cells), variant, names_at_budget, frontier, asked, candidate)
        runs = _runs_of(cell, variant, task, candidate)
        identities = sorted(planned.run_id for planned in runs)
        key = (*names_at_budget, *(identities or [str(cell.infeasible)]))
        if key in cells_here and runs:
            cell, runs = cell.model_copy(update={"infeasible": SAME_NETWORK}), []
        cells_here.add(key)
        found.cells.append(cell)
        found.runs.extend(runs)
        if isinstance(candidate, Candidate):
            found.counts.update((one.run_id, cell.counts) for one in runs if one.run.recipe is candidate.recipe)


def _add_replicates(
    found: Expanded,
    variant: Experiment,
    names: tuple[str, str, str],
    task: RunTask,
    drawn: Mapping[float, list[Drawn] | str],
) -> None:
    """Add a cell for each budget of an arm on a task, with the runs of all replicates.

    Its counts are the medians of its runs, but for the one that is matched, which is the budget.
    """
    search, match = variant.search, variant.match
    assert search
    assert match
    for asked, runs in drawn.items():
        why = runs if isinstance(runs, str) else None
        cell = _cell(len(found.cells), variant, names, None, asked, str(why))
        counts = {} if isinstance(runs, str) else _medians([one.candidate.counts for one in runs])
        matched = {match.count_name: int(asked)} if counts else {}
        cell = cell.model_copy(update={"infeasible": why, "counts": counts | matched})
        found.cells.append(cell)
        for replicate, number, candidate in () if isinstance(runs, str) else runs:
            run = spec_of(variant, candidate.network, candidate.recipe, task, replicate, number)
            found.runs.append(PlannedRun(run_id=run_id(run), cell=cell.index, trial=number, run=run))
            found.counts[found.runs[-1].run_id] = candidate.counts


def _medians(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Of the counts that all have."""
    shared = [name for name in counts[0] if all(name in one for one in counts)]
    return {name: median_low(one[name] for one in counts) for name in shared}


# -------------------------------------------------------------------------------------------------------------- cells
def _cell(
    index: int,
    variant: Experiment,
    names: tuple[str, str, str],
    frontier: str | None,
    asked: float | None,
    candidate: Candidate | str,
) -> Cell:
    task, arm, series = names
    solved = candidate if isinstance(candidate, Candidate) else None
    achieved = solved.counts[variant.match.count_name] if solved and variant.match else None
    return Cell(
        index=index,
        task=task,
        arm=arm,
        series=series,
        asked=asked,
        achieved=achieved,
        residual=achieved / asked - 1 if achieved and asked else None,
        network=solved.network if solved else None,
        counts=solved.counts if solved else {},
        infeasible=candidate if isinstance(candidate, str) else None,
        window=variant.window.get(arm),
        frontier=frontier,
        hold_out=variant.hold_out,
    )


def _runs_of(cell: Cell, variant: Experiment, task: RunTask, candidate: Candidate | str) -> list[PlannedRun]:
    if isinstance(candidate, str):
        return []
    run = spec_of(variant, candidate.network, candidate.recipe, task, variant.seeds[0])
    return [
        PlannedRun(run_id=identity, cell=cell.index, trial=0, run=run.model_copy(update={"seed": seed}))
        for seed, identity in zip(variant.seeds, run_ids(run, variant.seeds), strict=True)
    ]
