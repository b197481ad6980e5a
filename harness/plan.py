"""From an experiment to a manifest: expand, solve the free size for each budget, name the runs, pack them.

A cell that cannot be matched within the tolerance stays in the plan as infeasible, with the nearest sizes named.
"""

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from harness.count import Work, count, run_flops, run_work, trainable
from harness.count.training import is_dual
from harness.errors import HarnessError, did_you_mean
from harness.solve import build_network, solve
from harness.spec import (
    BUILT_IN_RECIPES,
    Adam,
    Arm,
    Cell,
    CountName,
    Experiment,
    Formula,
    Kan,
    KanShape,
    LevenbergMarquardt,
    Manifest,
    Mlp,
    MlpShape,
    ModuleShape,
    Network,
    PlannedRun,
    Recipe,
    Restarts,
    RunSpec,
    RunTask,
    SplinedShape,
    SplineMlpShape,
    Task,
    canonical_json,
    content_hash,
    least_evaluations,
    points_at_a_time,
    run_id,
    units,
    variants,
)
from harness.spec.nouns import Engine, Size
from harness.tasks import is_data, load_target, resolve

# In the torch engine, more lanes share fixed costs but leave the cache, and a pack is what Ctrl-C can lose. Not tuned:
# an assumption. The fused engine trains one lane after the other, so that company is of no use to a run.
MAX_LANES_PER_PACK = {"torch": 32, "fused": 1}
# What may differ between trials: fields that leave the work of a run as it was matched.
TUNABLE = (
    "gain",
    "optimizer.learning_rate",
    "optimizer.schedule",
    "optimizer.beta1",
    "optimizer.beta2",
    "optimizer.epsilon",
    "optimizer.history",
    "optimizer.damping",
    "optimizer.shrink",
    "optimizer.growth",
    "sparsity.strength",
)
# Unknowns of a system of Levenberg-Marquardt: its matrix twice takes a gigabyte, its factorisation ten seconds.
LARGEST_SYSTEM = 8192
SAME_NETWORK = "solves to the same network as a smaller budget; space the budgets wider"


Variants = list[tuple[dict[str, Any], Experiment]]  # the experiment at every point of its axes


class Candidate(NamedTuple):
    """One value of the free size: the network and recipe that it makes, and their planned counts."""

    value: int | tuple[int, ...] | None
    network: Network
    recipe: Recipe
    counts: dict[str, int]


# ------------------------------------------------------------------------------------------------------------- public
def make_plan(experiment: Experiment, name: str) -> Manifest:
    """The manifest of `experiment`; a HarnessError if it cannot be expanded or no cell is feasible."""
    cells: list[Cell] = []
    runs: list[PlannedRun] = []
    formulas: dict[str, Formula] = {}
    planned_before: set[tuple[str, str, str]] = set()
    points = variants(experiment)
    label_of = cache(partial(_task_label, points=points))  # each looks at all points, of which there can be thousands
    telling_of = cache(partial(_telling, points=points))
    _check_rules(experiment, {label_of(task): task for _, variant in points for task in variant.tasks})
    for axes, variant in points:
        planned_here: set[tuple[str, str, str]] = set()
        cells_here: set[tuple] = set()
        for task, arm_name in itertools.product(variant.tasks, variant.arms):
            run_task = resolve(task)
            if run_task.is_pde:
                _check_pde(variant, arm_name)
            if run_task.classes:
                _check_classes(variant, arm_name)
            if is_data(task.target):
                _check_data(variant, arm_name, task.target)
            label = label_of(task)
            formulas[label] = _formula(task)
            arm_series = _series_label(arm_name, axes, telling_of(arm_name, task))
            if (label, arm_name, arm_series) in planned_before:  # no axis that has moved since concerns this arm
                continue
            planned_here.add((label, arm_name, arm_series))
            for asked, candidate in _solve_ladder(variant, arm_name, run_task):
                budget = _budget_label(variant, arm_name, asked)
                names = (label, arm_name, arm_series + budget)
                cell = _cell(len(cells), variant, names, asked, candidate)
                cell = cell.model_copy(update={"frontier": f"{arm_series} (best size)" if budget else None})
                found = _runs_of(cell, variant, run_task, candidate)
                key = (*names, *sorted(planned.run_id for planned in found)) if found else (*names, cell.infeasible)
                if key in cells_here and found:
                    cell, found = cell.model_copy(update={"infeasible": SAME_NETWORK}), []
                cells_here.add(key)
                cells.append(cell)
                runs += found
        planned_before |= planned_here
    _check_tuning(runs, experiment)
    _check_hold_out(cells)
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


def _check_tuning(runs: Iterable[PlannedRun], experiment: Experiment) -> None:
    """Axes may vary what is tuned: the cells of all points of the axes must have equally many trials."""
    trials: dict[int, int] = {}
    for planned in runs:
        trials[planned.cell] = max(trials.get(planned.cell, 0), planned.trial + 1)
    if len(set(trials.values())) > 1 and not experiment.allow_unequal_tuning:
        raise HarnessError(
            f"tune: the axes lead to {sorted(set(trials.values()))} trials; make them equal, or say "
            "allow_unequal_tuning: true, which every figure will repeat"
        )


def _check_hold_out(cells: Iterable[Cell]) -> None:
    series: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        if not cell.infeasible and cell.in_window:
            series[cell.task, cell.series].append(cell)
    for (task, name), found in series.items():
        if len(found) <= (count := found[0].hold_out):
            raise HarnessError(
                f"hold_out={count}: {name} on {task} has {len(found)} sizes in its window, which leaves none to fit; "
                "hold out fewer, or add sizes"
            )


def _check_rules(experiment: Experiment, tasks: Mapping[str, Task]) -> None:
    if not experiment.decide:
        return
    known = {label: (task.target, resolve(task).inputs) for label, task in tasks.items()}
    for index, rule in enumerate(experiment.decide):
        try:
            counted = units(rule, known)
        except HarnessError as error:
            raise HarnessError(f"decide.{index}.{error}") from None
        if rule.at_least > len(counted):
            what = "families" if rule.of_family else "tasks"
            raise HarnessError(
                f"decide.{index}.at_least={rule.at_least}: there are {len(counted)} {what}; ask for no more"
            )


def _check_pde(variant: Experiment, arm_name: str) -> None:
    """A HarnessError if a PDE, which is learnt by second derivatives on all points, cannot be learnt by an arm."""
    arm = variant.arms[arm_name]
    architecture, optimizer = arm.architecture, _recipe(variant, arm).optimizer
    if not isinstance(architecture, Mlp | Kan):
        raise HarnessError(
            f"arms.{arm_name}.architecture.family={architecture.family}: no second derivatives, by which a PDE is "
            "learnt; use family mlp or kan"
        )
    if isinstance(architecture, Mlp) and architecture.activation in ("relu", "prelu"):
        raise HarnessError(
            f"arms.{arm_name}.architecture.activation={architecture.activation}: its second derivative is 0, so that "
            "no PDE of second order can be learnt; use silu, tanh or gelu"
        )
    if isinstance(architecture, Kan) and architecture.order == 1:
        raise HarnessError(
            f"arms.{arm_name}.architecture.order=1: splines of straight lines have no second derivative, by which a "
            "PDE is learnt; use order 3 or more"
        )
    if isinstance(optimizer, LevenbergMarquardt):
        raise HarnessError(
            f"recipes.{arm.recipe}.optimizer.name=levenberg_marquardt: it has no Jacobian of second derivatives, by "
            "which a PDE is learnt; use lbfgs or adam"
        )
    for name in ("sparsity", "phases"):
        if getattr(_recipe(variant, arm), name):
            raise HarnessError(f"recipes.{arm.recipe}.{name}: a PDE is learnt without; leave it out")
    if isinstance(optimizer, Adam) and optimizer.batch_size:
        raise HarnessError(
            f"recipes.{arm.recipe}.optimizer.batch_size={optimizer.batch_size}: a PDE is learnt from all its points; "
            "leave it out"
        )


def _check_classes(variant: Experiment, arm_name: str) -> None:
    """A HarnessError if classes, whose loss is a cross-entropy, cannot be learnt by an arm's recipe."""
    arm = variant.arms[arm_name]
    recipe = _recipe(variant, arm)
    if isinstance(recipe.optimizer, LevenbergMarquardt):
        raise HarnessError(
            f"recipes.{arm.recipe}.optimizer.name=levenberg_marquardt: a cross-entropy, by which classes are learnt, "
            "is no sum of squares; use lbfgs or adam"
        )
    for name in ("sparsity", "phases"):
        if getattr(recipe, name):
            raise HarnessError(f"recipes.{arm.recipe}.{name}: classes are learnt without; leave it out")


def _check_data(variant: Experiment, arm_name: str, target: str) -> None:
    arm = variant.arms[arm_name]
    updates = _recipe(variant, arm).grid_updates
    if updates and updates.points == "domain":
        raise HarnessError(
            f"recipes.{arm.recipe}.grid_updates.points=domain: {target} is data, which has no box to draw points from; "
            "use points: train"
        )


def _formula(task: Task) -> Formula:
    target = load_target(task.target, task.inputs, task.instance)
    return Formula(formula=target.formula, source=target.source)


def engine_of(experiment: Experiment, network: Network, task: RunTask) -> Engine:
    """What trains `network`: the experiment's engine, or else `fused` where it can; a HarnessError if it cannot."""
    if task.is_pde:
        if experiment.engine == "fused":
            raise HarnessError(
                f"engine: fused has no second derivatives, by which {task.target} is learnt; use engine: torch, or "
                "leave `engine` out"
            )
        return "torch"
    if task.classes:
        if experiment.engine == "fused":
            raise HarnessError(
                f"engine: fused has no cross-entropy, by which the classes of {task.target} are learnt; use engine: "
                "torch, or leave `engine` out"
            )
        return "torch"
    reasons = []
    if experiment.dtype != "float64":
        reasons.append(f"dtype: {experiment.dtype}")
    if experiment.device != "cpu":
        reasons.append(f"device: {experiment.device}")
    if experiment.engine == "fused" and reasons:
        raise HarnessError(
            f"engine: fused computes in float64 on CPUs, but the file says {' and '.join(reasons)}; "
            "use engine: torch, or leave `engine` out"
        )
    without_kernels = _without_kernels(network)
    if experiment.engine == "fused" and without_kernels:
        raise HarnessError(f"engine: fused {without_kernels}; leave `engine` out")
    if experiment.engine:
        return experiment.engine
    return "torch" if reasons or without_kernels else "fused"


def _without_kernels(network: Network) -> str | None:
    """Why there are no compiled kernels of a network, or None if there are."""
    match network:
        case KanShape(base="frozen"):
            return "trains all that a KAN has, so no base: frozen"
        case MlpShape(activation="prelu"):
            return "has no kernels with activation: prelu"
        case SplineMlpShape() if network.rank > 1:
            return f"has no kernels with several splines a node, rank: {network.rank}"
        case MlpShape() | KanShape() | SplineMlpShape():
            return None
    return f"has no kernels of family: {network.family}"


def planned_work(run: RunSpec) -> list[Work]:
    """The work of a run that spends its whole evaluation cap."""
    return run_work(run.network, run.recipe, run.task)


def planned_flops(run: RunSpec) -> dict[str, int]:
    """The training FLOPs of a run that spends its whole evaluation cap, under every convention."""
    return run_flops(run.network, run.recipe, run.task)


# ------------------------------------------------------------------------------------------------------------ solving
def _solve_ladder(variant: Experiment, arm_name: str, task: RunTask) -> Iterator[tuple[float | None, Candidate | str]]:
    """(budget asked, the candidate or why there is none) for every size of an arm on a task."""
    arm, match = variant.arms[arm_name], variant.match
    field, values = arm.sizes.ladder() if arm.sizes else ("", (None,))
    if match is None:
        for value in values:
            yield None, _if_possible(_candidate(variant, arm_name, task, **({field: value} if field else {})), task)
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
    own = [size for size in get_args(Size) if size == "steps" or size in type(arm.architecture).model_fields]
    if free not in own:
        raise HarnessError(
            f"match.solve: a network of family {arm.architecture.family} has no {free}; arm {arm_name!r} can solve for "
            f"{', '.join(own)}"
        )
    for budget, value in itertools.product(match.at, values):
        fixed = {field: value} if field else {}
        yield budget, _match_budget(variant, arm_name, task, free, budget, fixed)


def _match_budget(
    variant: Experiment, arm_name: str, task: RunTask, free: str, budget: float, fixed: dict[str, Any]
) -> Candidate | str:
    assert variant.match is not None
    axis, smallest = variant.match.count_name, _smallest(variant, arm_name, task, free, fixed)

    def candidate(value: int) -> Candidate:
        return _candidate(variant, arm_name, task, **fixed, **{free: value})

    found = solve(lambda value: candidate(value).counts, axis, budget, variant.match.tol, free, smallest)
    return found if isinstance(found, str) else _if_possible(candidate(found), task)


def _if_possible(candidate: Candidate, task: RunTask) -> Candidate | str:
    """The candidate, or why it cannot be trained: Levenberg-Marquardt keeps and factorises a dense matrix."""
    optimizer, network = candidate.recipe.optimizer, candidate.network
    if isinstance(network, ModuleShape):
        from harness.nets.module import check  # torch, for those who bring a module of torch's

        check(network)
    if isinstance(optimizer, LevenbergMarquardt):
        if isinstance(network, ModuleShape):
            return "levenberg_marquardt has no Jacobian of a module of yours; use lbfgs or adam"
        if isinstance(network, KanShape) and network.base == "frozen":
            return "levenberg_marquardt moves all that a network has, so no base: frozen; use lbfgs or adam"
        residuals = points_at_a_time(candidate.recipe, task.train_points) * network.shape[-1]
        size = residuals if is_dual(optimizer, network, residuals) else trainable(network)
        if size > LARGEST_SYSTEM:
            return (
                f"levenberg_marquardt would solve for {size:,} unknowns, at most {LARGEST_SYSTEM:,} are allowed; "
                "ask for smaller networks, or use lbfgs"
            )
    return candidate


def _smallest(variant: Experiment, arm_name: str, task: RunTask, free: str, fixed: dict[str, Any]) -> int:
    """The least value of the free size: two layers of weights, or a cap that leaves the last stage some work."""
    arm = variant.arms[arm_name]
    if free == "steps":
        return least_evaluations(_network(arm, arm_name, task, fixed), _recipe(variant, arm))
    return 2 if free == "depth" else 1


def _candidate(variant: Experiment, arm_name: str, task: RunTask, **free: Any) -> Candidate:
    arm = variant.arms[arm_name]
    recipe = _recipe(variant, arm)
    if "steps" in free:
        recipe = recipe.model_copy(update={"max_evaluations": free["steps"]})
    sizes = {name: value for name, value in free.items() if name != "steps"}
    network = _network(arm, arm_name, task, sizes)
    recipe = _that_matters(recipe, network, task)
    _check_phases(recipe, task)
    counts = {**count(network), **run_flops(network, recipe, task)}
    _check_counted(variant, arm_name, network, counts)
    return Candidate(next(reversed(free.values()), None), network, recipe, counts)


def _check_counted(variant: Experiment, arm_name: str, network: Network, counts: Mapping[str, int]) -> None:
    """A HarnessError if the file speaks of an arm by a count that does not define its family."""
    asked = [("match.convention", variant.match.count_name)] if variant.match else []
    if window := variant.window.get(arm_name):
        asked.append((f"window.{arm_name}.axis", window.axis))
    for index, rule in enumerate(variant.decide):
        conditions = (*rule.conditions, *rule.given)
        if any(arm_name in each.choice(number) for each in conditions for number in range(len(each.arms))):
            asked += [(f"decide.{index}.axes", name) for name in rule.conventions]
    for place, name in asked:
        if name in get_args(CountName) and name not in counts:
            axis = name.split(".")[0]
            known = [each for each in counts if each.startswith(f"{axis}.") and each in get_args(CountName)]
            raise HarnessError(
                f"{place}: {name} does not count {network.family} (arm {arm_name!r}); use one of {', '.join(known)}"
            )


def _check_phases(recipe: Recipe, task: RunTask) -> None:
    if recipe.phases and task.train_points % recipe.phases:
        raise HarnessError(
            f"phases={recipe.phases}: they are of equal size, but {task.target} has train_points={task.train_points}; "
            "give it a multiple"
        )


def _network(arm: Arm, arm_name: str, task: RunTask, sizes: dict[str, Any]) -> Network:
    where, scales = f"arms.{arm_name}.architecture", arm.recipe == "paper"
    return build_network(arm.architecture, task.inputs, where, sizes, task.outputs, scales)


def _that_matters(recipe: Recipe, network: Network, task: RunTask) -> Recipe:
    """The recipe without what changes nothing for this network and task, so that the same run has the same id."""
    changes: dict[str, Any] = {}
    if not isinstance(network, KanShape):
        changes["sparsity"] = None
    if not isinstance(network, SplinedShape):
        changes |= {"grid_updates": None, "grid_extension": None}
        if isinstance(recipe.optimizer, LevenbergMarquardt):
            changes["optimizer"] = recipe.optimizer.model_copy(update={"ridge": 0.0})
    elif extension := recipe.grid_extension:
        grids = tuple(grid for grid in extension.grids if grid < network.grid)
        changes["grid_extension"] = extension.model_copy(update={"grids": grids, "equal": False}) if grids else None
        if extension.equal:
            last = least_evaluations(network, recipe) - 1 + extension.evaluations
            changes["max_evaluations"] = min(last, recipe.max_evaluations)
    if recipe.restarts.count == 1:
        changes["restarts"] = Restarts()
    present = points_at_a_time(recipe, task.train_points)
    if isinstance(recipe.optimizer, Adam) and (recipe.optimizer.batch_size or 0) >= present:
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
        hold_out=variant.hold_out,
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
            engine=engine_of(variant, candidate.network, task),
        )
        found.append(PlannedRun(run_id=run_id(run), cell=cell.index, trial=trial, run=run))
    return found


def _trials(variant: Experiment, arm_name: str, recipe: Recipe) -> list[Recipe]:
    """The recipe at every point of the tuning grid; every arm must have equally many points."""
    counts = {name: math.prod(len(v) for v in _tune(variant, arm).values()) for name, arm in variant.arms.items()}
    if len(set(counts.values())) > 1 and not variant.allow_unequal_tuning:
        raise HarnessError(
            f"tune: unequal numbers of trials {counts}; give every arm equally many, or say "
            "allow_unequal_tuning: true, which every figure will repeat"
        )
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
            place = place.get(name) or {}
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


def _series_label(arm: str, axes: dict[str, Any], telling: Iterable[str]) -> str:
    """The arm's name, with the axis values that tell it from its siblings on the same task."""
    return arm + "".join(f" {path.rsplit('.', 1)[-1]}={axes[path]}" for path in telling)


def _telling(arm: str, task: Task, points: Variants) -> list[str]:
    """The axes that concern an arm and have more than one value on the task."""
    siblings = [other for other, variant in points if task in variant.tasks]
    recipes = [[variant.arms[arm].recipe] for _, variant in points]
    return [
        path
        for path in siblings[0]
        if path.split(".")[0] not in ("tasks", "question", "decide")
        and (path.split(".")[0] not in ("arms", "window") or path.split(".")[1:2] == [arm])
        and (path.split(".")[0] != "recipes" or path.split(".")[1:2] in recipes)
        and (not path.startswith("match.solve.") or path.split(".")[2] == arm)
        and len({canonical_json(other[path]) for other in siblings}) > 1
    ]


def _budget_label(variant: Experiment, arm_name: str, asked: float | None) -> str:
    """Sizes crossed with training budgets are one series a budget: longer training is not a larger size."""
    return f" at {asked:.6g} FLOPs" if asked is not None and variant.arms[arm_name].sizes else ""


# -------------------------------------------------------------------------------------------------------------- packs
def _packs(runs: Iterable[PlannedRun]) -> tuple[tuple[str, ...], ...]:
    """Run ids that share one computation (all but seed, gain and learning rate), the costliest pack first."""
    groups: dict[str, dict[str, RunSpec]] = defaultdict(dict)
    for planned in runs:
        groups[computation(planned.run)][planned.run_id] = planned.run
    packs = []
    for group in groups.values():
        first = next(iter(group.values()))
        engine = "torch" if first.recipe.sparsity else first.engine  # where penalised lanes train together
        size = max(1, MAX_LANES_PER_PACK[engine] // first.recipe.restarts.count)
        ids, flops = list(group), planned_flops(first)["flops_train.local_min"]  # of each of them
        for chunk in (ids[begin : begin + size] for begin in range(0, len(ids), size)):
            packs.append((len(chunk) * flops, tuple(chunk)))
    return tuple(ids for _, ids in sorted(packs, key=lambda pack: -pack[0]))


def computation(run: RunSpec) -> str:
    """What runs must have in common to train as one pack, as text: all but seed, gain and learning rate."""
    data = run.model_dump(mode="json")
    del data["seed"], data["recipe"]["gain"]
    data["recipe"]["optimizer"].pop("learning_rate", None)
    return canonical_json(data)
