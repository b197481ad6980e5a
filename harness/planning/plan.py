"""From an experiment to a manifest: expand, solve the free size for each budget, name the runs,
pack them.

A cell that cannot be matched within the tolerance stays in the plan as infeasible, with the nearest
sizes named.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import median_low
from typing import Any, NamedTuple

from harness.base.errors import HarnessError, at
from harness.count import run_flops
from harness.families.prices import WEIGHTS
from harness.planning.arms import ArmOnTask, readings_at
from harness.planning.budgets import check_region
from harness.planning.candidates import (
    Candidate,
    Drawn,
    Met,
    SecondsOf,
    Solved,
    candidates_of,
    drawn_of,
)
from harness.planning.points import space_of
from harness.planning.solve import Infeasible
from harness.planning.warnings import check_cells, check_rules
from harness.spec.experiment import Experiment
from harness.spec.manifest import Cell, Formula, Manifest, Moments, PlannedRun
from harness.spec.read import variants
from harness.spec.recipe import PDE_BLOCK, at_a_time, samples_per_evaluation
from harness.spec.run import Device, Dtype, RunSpec, canonical_json, content_hash, run_id, run_ids
from harness.spec.task import DataFile, Task
from harness.tasks import loss_of, resolve, target_of

Variants = list[tuple[dict[str, Any], Experiment]]  # the experiment at every point of its axes

# What the lanes of a pack may take in memory. On a CPU more lanes share the cost of calling torch
# but leave the cache; on a GPU they fill the device, whose smallest kinds have 16 GiB, with room
# for a second pack. Assumed, not tuned.
PACK_BYTES: dict[Device, int] = {"cpu": 2**30, "cuda": 2**33}
FEWEST = 2  # starts of a pack: the torch engine gives a lone one an idle companion
NUMBER_BYTES: dict[Dtype, int] = {
    "float64": 8,
    "float32": 4,
    "bfloat16": 4,
}  # of which parts are half as long

SAME_NETWORK = "solves to the same network as a smaller budget; space the budgets wider"


class Expanded(NamedTuple):
    """The cells and runs of all points of an experiment's axes; by label the tasks' formulas, and
    target and inputs.

    `observed` are the names of what some of its runs record beside their losses. `counts` has, by
    their ids, those of runs that train as their cell was counted: by its own recipe, to its end.
    """

    cells: list[Cell]
    runs: list[PlannedRun]
    counts: dict[str, dict[str, int]]
    formulas: dict[str, Formula]
    targets: dict[str, tuple[str, int]]
    observed: dict[str, None]


# --------------------------------------------------------------------------------------------------
# public
def make_plan(
    experiment: Experiment, name: str, folder: Path = Path(), seconds_of: SecondsOf | None = None
) -> Manifest:
    """The manifest of `experiment`; a HarnessError if it cannot be expanded or no cell is feasible.

    Paths of data files are relative to `folder`. A search with a cap in seconds needs `seconds_of`.
    """
    if seconds_of is None and experiment.search and experiment.search.cap_name == "seconds":
        raise HarnessError(
            "search.cap: a cap in seconds needs a machine that was timed; `harness bench` times "
            "this one"
        )
    cells, runs, counts, formulas, targets, observed = _expand(
        variants(experiment), folder, seconds_of
    )
    check_rules(experiment, targets, {cell.series for cell in cells}, observed)
    check_cells(experiment, name, cells)
    manifest = Manifest(
        name=name,
        experiment=experiment,
        experiment_hash=content_hash(experiment),
        cells=tuple(cells),
        runs=tuple(runs),
        packs=packs_of(runs, experiment.device, counts),
        formulas=formulas,
        spaces={arm: space_of(experiment, arm) for arm in experiment.arms}
        if experiment.search
        else {},
    )
    check_region(manifest)
    return manifest


def planned_flops(run: RunSpec) -> dict[str, int]:
    """The training FLOPs of a run that spends its whole evaluation cap, and of what is trained
    beside it.
    """
    evaluations = run.recipe.max_evaluations + run.evaluations_beside
    return run_flops(
        run.network, run.recipe.model_copy(update={"max_evaluations": evaluations}), run.task
    )


# --------------------------------------------------------------------------------------------------
# expanding
def _expand(points: Variants, folder: Path, seconds_of: SecondsOf | None) -> Expanded:
    """Every task and arm of every point, but for series that were planned at an earlier one."""
    plan = Expanded([], [], {}, {}, {}, {})
    label_of = cache(
        partial(_task_label, points=points)
    )  # each looks at all points, of which there can be thousands
    telling_of = cache(partial(_telling_axes, points=points))
    solved: dict[
        tuple, list[Solved]
    ] = {}  # by arm, what of a task decides it, and the axes that concern it
    drawn: dict[tuple, dict[float, list[Drawn] | Infeasible]] = {}
    planned_before: set[tuple[str, str, str]] = set()
    for axes, variant in points:
        planned_here: set[tuple[str, str, str]] = set()
        cells_here: set[tuple] = set()
        for (index, task), arm in itertools.product(enumerate(variant.tasks), variant.arms):
            with at(f"tasks.{index}"):
                sought = ArmOnTask(variant, arm, resolve(task, folder))
            sought.check_learnable()
            label, target = label_of(task), target_of(task, folder)
            plan.formulas[label] = Formula(
                formula=target.formula, source=target.source, pool=target.pool
            )
            plan.targets[label] = task.name, target.inputs
            plan.observed.update(dict.fromkeys(target.observed))
            telling = [f"{path.rsplit('.', 1)[-1]}={axes[path]}" for path in telling_of(arm, task)]
            series = " ".join([arm, *telling])
            if (label, arm, series) in planned_before:
                continue  # no axis that has moved since concerns this arm
            planned_here.add((label, arm, series))
            deciding = _deciding(arm, variant)
            own_axes = {
                path: value
                for path, value in axes.items()
                if _concerns(path, deciding, variant.recipes)
            }
            size = (arm, sought.sizing, canonical_json(own_axes))
            if variant.search:
                if size not in drawn:
                    drawn[size] = drawn_of(sought, seconds_of)
                _add_replicates(plan, sought, label, series, drawn[size])
            else:
                if size not in solved:
                    solved[size] = list(candidates_of(sought))
                _add_cells(plan, cells_here, sought, label, series, solved[size])
        planned_before |= planned_here
    return plan


def _add_cells(
    plan: Expanded,
    cells_here: set[tuple],
    sought: ArmOnTask,
    label: str,
    series: str,
    solved: Iterable[Solved],
) -> None:
    """Add the cells and runs of an arm on a task; `cells_here` tells those that solve to the same
    network.
    """
    seeds = sought.experiment.seeds
    for budget, candidate in solved:
        # Sizes crossed with training budgets are one series a budget: longer training is not a
        # larger size.
        is_crossed = budget is not None and bool(sought.arm.sizes) and sought.match.like is None
        of_budget = f"{series} at {budget:.6g} FLOPs" if is_crossed else series
        frontier = f"{series} (best size)" if is_crossed else None
        cell = _cell(plan, sought, label, of_budget, budget, candidate).model_copy(
            update={"frontier": frontier}
        )
        identities: list[str] = []
        moments: Moments = {}
        if isinstance(candidate, Candidate):
            run = sought.run_of(
                candidate.network,
                candidate.recipe,
                seeds[0],
                readings=readings_at(candidate.moments),
            )
            identities, moments = run_ids(run, seeds), candidate.moments
        key = (label, sought.name, of_budget, *sorted(identities or [str(cell.infeasible)]))
        if key in cells_here and identities:
            cell, identities = cell.model_copy(update={"infeasible": SAME_NETWORK}), []
        cells_here.add(key)
        plan.cells.append(cell)
        for seed, identity in zip(seeds, identities, strict=False):
            seeded = run.model_copy(update={"seed": seed})
            planned = PlannedRun(
                run_id=identity, cell=cell.index, trial=0, run=seeded, moments=moments
            )
            plan.runs.append(planned)
            plan.counts[identity] = cell.counts


def _add_replicates(
    plan: Expanded,
    sought: ArmOnTask,
    label: str,
    series: str,
    drawn: Mapping[float, list[Drawn] | Infeasible],
) -> None:
    """Add a cell for each budget of an arm on a task, with the runs of all replicates.

    Its counts are the medians of its runs, but for the one that is matched, which is the budget.
    """
    for budget, runs in drawn.items():
        cell = _cell(
            plan, sought, label, series, budget, runs if isinstance(runs, Infeasible) else None
        )
        if isinstance(runs, Infeasible):
            plan.cells.append(cell)
            continue
        counts_of_runs = [run.candidate.counts for run in runs]
        medians = {}
        for name in counts_of_runs[0]:
            if all(name in counts for counts in counts_of_runs):
                medians[name] = median_low(counts[name] for counts in counts_of_runs)
        matched = {sought.match.count_name: int(budget)}
        plan.cells.append(cell.model_copy(update={"counts": medians | matched}))
        for replicate, number, candidate in runs:
            moments = candidate.moments
            run = sought.run_of(
                candidate.network, candidate.recipe, replicate, number, readings_at(moments)
            )
            planned = PlannedRun(
                run_id=run_id(run), cell=cell.index, trial=number, run=run, moments=moments
            )
            plan.runs.append(planned)
            plan.counts[planned.run_id] = candidate.counts


def _cell(
    plan: Expanded,
    sought: ArmOnTask,
    label: str,
    series: str,
    budget: float | None,
    met: Met | None,
) -> Cell:
    experiment = sought.experiment
    solved = met if isinstance(met, Candidate) else None
    achieved = solved.counts[experiment.match.count_name] if solved and experiment.match else None
    return Cell(
        index=len(plan.cells),
        task=label,
        arm=sought.name,
        series=series,
        asked=budget,
        achieved=achieved,
        residual=achieved / budget - 1 if achieved and budget else None,
        network=solved.network if solved else None,
        counts=solved.counts if solved else {},
        infeasible=met.why if isinstance(met, Infeasible) else None,
        window=experiment.window.get(sought.name),
        hold_out=experiment.hold_out,
    )


# --------------------------------------------------------------------------------------------------
# labels
def _task_label(task: Task, points: Variants) -> str:
    """The target's name, with the fields that tell it from other tasks of the same target."""
    tasks = itertools.chain.from_iterable(variant.tasks for _, variant in points)
    namesakes = [_fields_of(namesake) for namesake in tasks if namesake.name == task.name]
    label = task.name
    for name, value in _fields_of(task).items():
        if any(namesake[name] != value for namesake in namesakes):
            label += f" {name}={value}"
    return label


def _fields_of(task: Task) -> dict[str, Any]:
    """All that a task says beside its name; of a data file its columns too."""
    fields = {name: getattr(task, name) for name in Task.model_fields if name != "target"}
    return fields | (dict(task.target) if isinstance(task.target, DataFile) else {})


def _telling_axes(arm: str, task: Task, points: Variants) -> list[str]:
    """The axes that concern an arm and have more than one value on the task."""
    siblings = [point for point, variant in points if task in variant.tasks]
    arms: set[str] = set()
    recipes: set[str] = set()
    for _, variant in points:
        deciding = _deciding(arm, variant)
        arms |= deciding
        # How the other one is trained is in its training FLOPs alone.
        counts_training = variant.match is not None and variant.match.axis == "flops_train"
        recipes |= {variant.arms[name].recipe for name in (deciding if counts_training else [arm])}
    telling = []
    for path in siblings[0]:
        differs = len({canonical_json(point[path]) for point in siblings}) > 1
        if differs and _concerns(path, arms, recipes):
            telling.append(path)
    return telling


def _deciding(arm: str, experiment: Experiment) -> set[str]:
    """The arms that decide the cells of one: itself, and with `match.like` the one whose counts are
    its budgets.
    """
    like = experiment.match.like if experiment.match else None
    return {arm, like or arm}


def _concerns(path: str, arms: Collection[str], recipes: Collection[str]) -> bool:
    """Whether a field of the file says how arms that are trained by some of these recipes are built
    or trained.
    """
    match path.split("."):
        case ["tasks", *_]:
            return False
        case ["arms" | "window", name, *_]:
            return name in arms
        case ["recipes", name, *_]:
            return name in recipes
        case ["match", "solve", name]:
            return name in (*arms, "*")
    return True


# --------------------------------------------------------------------------------------------------
# packs
def packs_of(
    runs: Iterable[PlannedRun], device: Device, counts_of: Mapping[str, Mapping[str, int]] = {}
) -> tuple[tuple[str, ...], ...]:
    """Run ids that share one `computation`, the costliest pack first.

    The fused engine trains one lane after the other, so that company is of no use to a run.
    `counts_of` has the counts of some runs by their ids.
    """
    groups: dict[str, dict[str, RunSpec]] = defaultdict(dict)
    by_cell = itertools.groupby(
        runs, lambda planned: (planned.cell, planned.run.network, planned.run.recipe)
    )
    for _, alike in by_cell:
        of_ids = {planned.run_id: planned.run for planned in alike}
        groups[computation(next(iter(of_ids.values())))] |= of_ids
    packs = []
    for group in groups.values():
        first = next(iter(group.values()))
        is_fused = (
            first.engine == "fused" and not first.recipe.sparsity
        )  # a penalty on edges is torch's at first
        size = 1 if is_fused else runs_at_a_time(first, device)
        ids = list(group)
        counts = counts_of.get(ids[0]) or run_flops(first.network, first.recipe, first.task)
        for chunk in (ids[begin : begin + size] for begin in range(0, len(ids), size)):
            packs.append((len(chunk) * counts["flops_train.local_min"], tuple(chunk)))
    return tuple(ids for _, ids in sorted(packs, key=lambda pack: -pack[0]))


def computation(run: RunSpec) -> str:
    """As text, what runs of one pack have in common: all but learning rate, seed and what else
    lanes begin by.
    """
    data = run.model_copy(update={"network": run.network.begun_as()}).model_dump(mode="json")
    del data["seed"], data["recipe"]["gain"]
    data.pop("initialisation", None)
    if run.recipe.optimizer.rate is not None:
        del data["recipe"]["optimizer"]["learning_rate"]
    return canonical_json(data)


def runs_at_a_time(run: RunSpec, device: Device) -> int:
    """How many runs like this one fit a pack, with all of their starts."""
    starts = run.recipe.restarts.count
    return max(FEWEST, PACK_BYTES[device] // lane_bytes(run)) // starts or 1


def pack_bytes(pack: Sequence[RunSpec]) -> int:
    """Memory that a pack takes, by `lane_bytes`; next to none on the compiled engine."""
    first = pack[0]
    return (
        0
        if first.engine == "fused"
        else lane_bytes(first) * len(pack) * first.recipe.restarts.count
    )


def lane_bytes(run: RunSpec) -> int:
    """Memory that the torch engine takes for a lane, roughly and rather too much (seen: 2 to 5
    times).

    That is its points, what an evaluation leaves for its backward pass, and what its optimiser
    keeps. Of transformers it is .8 to 1.4 times what is seen.
    """
    network, task = run.network, run.task
    points = at_a_time(run.recipe, task).train_points
    samples = samples_per_evaluation(run.recipe, points)
    numbers = (
        points * (network.inputs + loss_of(task).numbers_wanted(network))
        + (min(samples, PDE_BLOCK) if task.is_pde else samples)
        * network.numbers_left(WEIGHTS["unit"])
        + run.recipe.optimizer.kept_numbers(network, points * network.outputs)
    )
    return NUMBER_BYTES[run.dtype] * numbers
