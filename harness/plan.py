"""From an experiment to a manifest: expand, solve the free size for each budget, name the runs, pack them.

A cell that cannot be matched within the tolerance stays in the plan as infeasible, with the nearest sizes named.
"""

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from harness.count import Work, count, training_flops
from harness.errors import HarnessError, did_you_mean
from harness.spec import (
    BUILT_IN_RECIPES,
    Adam,
    Arm,
    CapTooSmall,
    Cell,
    Experiment,
    Formula,
    Kan,
    KanShape,
    Manifest,
    Mlp,
    MlpShape,
    PlannedRun,
    Recipe,
    Restarts,
    RunSpec,
    RunTask,
    Task,
    canonical_json,
    content_hash,
    least_evaluations,
    run_id,
    samples_per_evaluation,
    stages,
    variants,
)
from harness.tasks import load_target, resolve

# More lanes share fixed costs but leave the cache, and a pack is what Ctrl-C can lose. Not tuned: an assumption.
MAX_LANES_PER_PACK = 32
# What may differ between trials: fields that leave the work of a run as it was matched.
TUNABLE = (
    "gain",
    "optimizer.learning_rate",
    "optimizer.schedule",
    "optimizer.beta1",
    "optimizer.beta2",
    "optimizer.epsilon",
    "optimizer.history",
)
SAME_NETWORK = "solves to the same network as a smaller budget; space the budgets wider"
# Largest free integer that the search will try.
LARGEST_SIZE = 2**20


Variants = list[tuple[dict[str, Any], Experiment]]  # the experiment at every point of its axes


class Candidate(NamedTuple):
    """One value of the free size: the network and recipe that it makes, and their planned counts."""

    value: int | tuple[int, ...] | None
    network: MlpShape | KanShape
    recipe: Recipe
    counts: dict[str, int]


# ------------------------------------------------------------------------------------------------------------- public
def make_plan(experiment: Experiment, name: str) -> Manifest:
    """The manifest of `experiment`; a HarnessError if it cannot be expanded or no cell is feasible."""
    cells: list[Cell] = []
    runs: list[PlannedRun] = []
    formulas: dict[str, Formula] = {}
    planned_before: set[tuple] = set()
    points = variants(experiment)
    _check_rules(experiment, {_task_label(task, points) for _, variant in points for task in variant.tasks})
    for axes, variant in points:
        planned_here: set[tuple] = set()
        for task, arm_name in itertools.product(variant.tasks, variant.arms):
            run_task = resolve(task)
            label = _task_label(task, points)
            formulas[label] = _formula(task)
            arm_series = _series_label(arm_name, task, axes, points)
            for asked, candidate in _solve_ladder(variant, arm_name, run_task):
                names = (label, arm_name, arm_series + _budget_label(variant, arm_name, asked))
                cell = _cell(len(cells), variant, names, asked, candidate)
                found = _runs_of(cell, variant, run_task, candidate)
                key = (*names, *sorted(planned.run_id for planned in found)) if found else (*names, cell.infeasible)
                if key in planned_before:  # an axis that does not concern this arm: the cell is there already
                    continue
                if key in planned_here and found:
                    cell, found = cell.model_copy(update={"infeasible": SAME_NETWORK}), []
                planned_here.add(key)
                cells.append(cell)
                runs += found
        planned_before |= planned_here
    if not runs:
        reasons = "\n".join(f"  {cell.task} {cell.series}: {cell.infeasible}" for cell in cells[:6])
        raise HarnessError(
            f"no cell of {name} is feasible:\n{reasons}\nchange match.at to values named above, or raise match.tol"
        )
    return Manifest(
        name=name,
        experiment=experiment,
        experiment_hash=content_hash(experiment),
        cells=tuple(cells),
        runs=tuple(runs),
        packs=_packs(runs),
        formulas=formulas,
    )


def _check_rules(experiment: Experiment, tasks: set[str]) -> None:
    for index, rule in enumerate(experiment.decide):
        if rule.at_least > len(tasks):
            raise HarnessError(
                f"decide.{index}.at_least={rule.at_least}: there are {len(tasks)} tasks; ask for no more"
            )


def _formula(task: Task) -> Formula:
    target = load_target(task.target, task.inputs)
    return Formula(formula=target.formula, source=target.source)


def planned_work(run: RunSpec) -> list[Work]:
    """The work of a run that spends its whole evaluation cap."""
    return _work(run.network, run.recipe, run.task.train_points)


def _work(network: MlpShape | KanShape, recipe: Recipe, train_points: int) -> list[Work]:
    samples = samples_per_evaluation(recipe, train_points)
    return [Work(stage.network, stage.starts * stage.evaluations, samples) for stage in stages(network, recipe)]


# ------------------------------------------------------------------------------------------------------------ solving
def build_network(
    architecture: Mlp | Kan, inputs: int, where: str, scales: bool = False, **free: Any
) -> MlpShape | KanShape:
    """The network of `architecture` on `inputs` variables with the free sizes (width, grid, depth, hidden) filled in.

    A HarnessError names `where` when a size is missing, or given twice.
    """
    sizes = {name: getattr(architecture, name, None) for name in ("hidden", "depth", "width", "grid")}
    for size, value in free.items():
        if sizes[size] is not None:
            raise HarnessError(f"{where}.{size}={sizes[size]}: this size is varied by the plan; leave it out")
        sizes[size] = value
    hidden, depth, width = sizes["hidden"], sizes["depth"], sizes["width"]
    if hidden is not None and (depth or width):
        raise HarnessError(f"{where}: hidden={list(hidden)} fixes depth and width; give either it or those two")
    if hidden is None and depth == 1 and width is None:
        hidden = ()
    if depth == 1 and width is not None:
        raise HarnessError(f"{where}: depth=1 has no hidden layer, so width={width} says nothing; leave it out")
    if hidden is None:
        if not (depth and width):
            missing = "depth" if not depth else "width"
            raise HarnessError(
                f"{where}.{missing} is missing: give hidden, or depth and width, or let match.solve find it"
            )
        hidden = (width,) * (depth - 1)
    shape = (inputs, *hidden, 1)
    if isinstance(architecture, Mlp):
        return MlpShape(shape=shape, activation=architecture.activation)
    if sizes["grid"] is None:
        raise HarnessError(f"{where}.grid is missing: give it, or let match.solve find it")
    fields = {name: getattr(architecture, name) for name in ("order", "base", "bias", "noise")}
    scales = scales if architecture.scales is None else architecture.scales
    return KanShape(shape=shape, grid=sizes["grid"], scales=scales, **fields)


def nearest_sizes(counted: Callable[[int], float], budget: float) -> list[int]:
    """The one or two integers >= 1 whose count brackets `budget`; `counted` must not decrease."""
    low, high = 0, 1
    while high < LARGEST_SIZE and counted(high) < budget:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if counted(middle) < budget else (low, middle)
    return [value for value in (low, high) if value >= 1]


def _solve_ladder(variant: Experiment, arm_name: str, task: RunTask) -> Iterator[tuple[float | None, Candidate | str]]:
    """(budget asked, the candidate or why there is none) for every size of an arm on a task."""
    arm, match = variant.arms[arm_name], variant.match
    field, values = arm.sizes.ladder() if arm.sizes else ("", (None,))
    if match is None:
        for value in values:
            yield None, _candidate(variant, arm_name, task, **({field: value} if field else {}))
        return
    free = match.solve.get(arm_name, match.solve.get("*"))
    if free is None:
        raise HarnessError(
            f"match.solve: says nothing about arm {arm_name!r}; add `{arm_name}: width|grid|depth|steps`"
        )
    if arm.sizes and free != "steps":
        raise HarnessError(
            f"arms.{arm_name}.sizes: match solves for {free}; sizes go with `solve: steps` or without match"
        )
    if free == "grid" and isinstance(arm.architecture, Mlp):
        raise HarnessError(f"match.solve: an MLP has no grid; arm {arm_name!r} can solve for width, depth or steps")
    for budget, value in itertools.product(match.at, values):
        fixed = {field: value} if field else {}
        yield budget, _match_budget(variant, arm_name, task, free, budget, fixed)


def _match_budget(
    variant: Experiment, arm_name: str, task: RunTask, free: str, budget: float, fixed: dict[str, Any]
) -> Candidate | str:
    assert variant.match is not None
    axis, tolerance = variant.match.count_name, variant.match.tol

    def candidate(value: int) -> Candidate:
        return _candidate(variant, arm_name, task, **fixed, **{free: value})

    def counted(value: int) -> float:
        try:
            return candidate(max(value, smallest)).counts[axis]
        except CapTooSmall:  # a grid with more coarser ones before it than the cap allows: too large
            return math.inf

    smallest = _smallest(variant, arm_name, task, free, fixed)
    nearest = dict.fromkeys(max(value, smallest) for value in nearest_sizes(counted, budget))
    candidates = [candidate(value) for value in nearest if counted(value) < math.inf]
    if not candidates:
        return f"{axis}={budget:,.10g}: the evaluation cap is used up before the last grid, whatever the {free}"
    best = min(candidates, key=lambda found: abs(found.counts[axis] / budget - 1))
    if abs(best.counts[axis] / budget - 1) <= tolerance:
        return best
    if best.value == LARGEST_SIZE:
        return f"{axis}={budget:,.10g} is beyond {free}={LARGEST_SIZE:,}, the largest that is tried; ask for less"
    offers = [f"{free}={c.value} gives {c.counts[axis]:,} ({c.counts[axis] / budget - 1:+.0%})" for c in candidates]
    return f"{axis}={budget:,.10g} cannot be met within {tolerance:.0%}; nearest: {', '.join(offers)}"


def _smallest(variant: Experiment, arm_name: str, task: RunTask, free: str, fixed: dict[str, Any]) -> int:
    """The least value of the free size: two layers of weights, or a cap that leaves the last stage some work."""
    arm = variant.arms[arm_name]
    if free == "steps":
        network = build_network(arm.architecture, task.inputs, f"arms.{arm_name}.architecture", **fixed)
        return least_evaluations(network, _recipe(variant, arm))
    return 2 if free == "depth" else 1


def _candidate(variant: Experiment, arm_name: str, task: RunTask, **free: Any) -> Candidate:
    arm = variant.arms[arm_name]
    recipe = _recipe(variant, arm)
    if "steps" in free:
        recipe = recipe.model_copy(update={"max_evaluations": free["steps"]})
    sizes = {name: value for name, value in free.items() if name != "steps"}
    network = build_network(
        arm.architecture, task.inputs, f"arms.{arm_name}.architecture", scales=arm.recipe == "paper", **sizes
    )
    recipe = _that_matters(recipe, network, task)
    counts = {**count(network), **training_flops(_work(network, recipe, task.train_points))}
    return Candidate(next(reversed(free.values()), None), network, recipe, counts)


def _that_matters(recipe: Recipe, network: MlpShape | KanShape, task: RunTask) -> Recipe:
    """The recipe without what changes nothing for this network and task, so that the same run has the same id."""
    changes: dict[str, Any] = {}
    if isinstance(network, MlpShape):
        changes |= {"grid_updates": None, "grid_extension": None}
    elif recipe.grid_extension:
        grids = tuple(grid for grid in recipe.grid_extension.grids if grid < network.grid)
        changes["grid_extension"] = recipe.grid_extension.model_copy(update={"grids": grids}) if grids else None
    if recipe.restarts.count == 1:
        changes["restarts"] = Restarts()
    if isinstance(recipe.optimizer, Adam) and (recipe.optimizer.batch_size or 0) >= task.train_points:
        changes["optimizer"] = recipe.optimizer.model_copy(update={"batch_size": None})
    return recipe.model_copy(update=changes)


def _recipe(variant: Experiment, arm: Arm) -> Recipe:
    return variant.recipes.get(arm.recipe) or BUILT_IN_RECIPES[arm.recipe]


# -------------------------------------------------------------------------------------------------------------- cells
def _cell(
    index: int, variant: Experiment, names: tuple[str, str, str], asked: float | None, candidate: Candidate | str
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
    )


def _runs_of(cell: Cell, variant: Experiment, task: RunTask, candidate: Candidate | str) -> list[PlannedRun]:
    if isinstance(candidate, str):
        return []
    found = []
    for (trial, recipe), seed in itertools.product(
        enumerate(_trials(variant, cell.arm, candidate.recipe)), variant.seeds
    ):
        run = RunSpec(
            task=task,
            network=candidate.network,
            recipe=recipe,
            seed=seed,
            dtype=variant.dtype,
            engine=variant.engine,
        )
        found.append(PlannedRun(run_id=run_id(run), cell=cell.index, trial=trial, run=run))
    return found


def _trials(variant: Experiment, arm_name: str, recipe: Recipe) -> list[Recipe]:
    """The recipe at every point of the tuning grid; every arm must have equally many points."""
    counts = {name: math.prod(len(v) for v in _tune(variant, arm).values()) for name, arm in variant.arms.items()}
    if len(set(counts.values())) > 1:
        raise HarnessError(f"tune: unequal numbers of trials {counts}; give every arm equally many")
    tune = _tune(variant, variant.arms[arm_name])
    for path in tune:
        if path not in TUNABLE:
            raise HarnessError(f"tune: {path!r} cannot be tuned; {did_you_mean(path, TUNABLE)}")
    return [_tuned(recipe, dict(zip(tune, point, strict=True))) for point in itertools.product(*tune.values())]


def _tune(variant: Experiment, arm: Arm) -> dict[str, tuple]:
    return variant.tune if arm.tune is None else arm.tune


def _tuned(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    data = recipe.model_dump(mode="json")
    for path, value in values.items():
        *parents, last = path.split(".")
        place: Any = data
        for name in parents:
            place = place[name]
        if last not in place:
            raise HarnessError(f"tune: {path!r} is not a field of this recipe; {did_you_mean(last, place)}")
        place[last] = value
    try:
        return Recipe.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise HarnessError(f"tune: {values}: {error.errors()[0]['msg']}") from None


def _task_label(task: Task, points: Variants) -> str:
    """The target's name, with the fields that tell it from other tasks of the same target."""
    namesakes = [other for _, variant in points for other in variant.tasks if other.target == task.target]
    fields = [name for name in Task.model_fields if len({getattr(other, name) for other in namesakes}) > 1]
    return task.target + "".join(f" {name}={getattr(task, name)}" for name in fields)


def _series_label(arm: str, task: Task, axes: dict[str, Any], points: Variants) -> str:
    """The arm's name, with the axis values that tell it from its siblings on the same task."""
    siblings = [other for other, variant in points if task in variant.tasks]
    recipes = [[variant.arms[arm].recipe] for _, variant in points]
    telling = [
        path
        for path in axes
        if path.split(".")[0] not in ("tasks", "question", "decide")
        and (path.split(".")[0] not in ("arms", "window") or path.split(".")[1:2] == [arm])
        and (path.split(".")[0] != "recipes" or path.split(".")[1:2] in recipes)
        and (not path.startswith("match.solve.") or path.split(".")[2] == arm)
        and len({canonical_json(other[path]) for other in siblings}) > 1
    ]
    return arm + "".join(f" {path.rsplit('.', 1)[-1]}={axes[path]}" for path in telling)


def _budget_label(variant: Experiment, arm_name: str, asked: float | None) -> str:
    """Sizes crossed with training budgets are one series a budget: longer training is not a larger size."""
    return f" at {asked:.6g} FLOPs" if asked is not None and variant.arms[arm_name].sizes else ""


# -------------------------------------------------------------------------------------------------------------- packs
def _packs(runs: Iterable[PlannedRun]) -> tuple[tuple[str, ...], ...]:
    """Run ids that share one computation (all but seed, gain and learning rate), the costliest pack first."""
    groups: dict[str, dict[str, RunSpec]] = defaultdict(dict)
    for planned in runs:
        groups[_computation(planned.run)][planned.run_id] = planned.run
    packs = []
    for group in groups.values():
        starts = next(iter(group.values())).recipe.restarts.count
        size = max(1, MAX_LANES_PER_PACK // starts)
        ids = list(group)
        for chunk in (ids[first : first + size] for first in range(0, len(ids), size)):
            cost = sum(training_flops(planned_work(group[identity]))["flops_train.local_min"] for identity in chunk)
            packs.append((cost, tuple(chunk)))
    return tuple(ids for _, ids in sorted(packs, key=lambda pack: -pack[0]))


def _computation(run: RunSpec) -> str:
    data = run.model_dump(mode="json")
    del data["seed"], data["recipe"]["gain"], data["recipe"]["optimizer"]["learning_rate"]
    return canonical_json(data)
