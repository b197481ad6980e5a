"""From an experiment to a manifest: expand, solve the free size for each budget, name the runs, pack them.

A cell that cannot be matched within the tolerance stays in the plan as infeasible, with the nearest sizes named.
"""

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import all_fields
from harness.count import count, run_flops
from harness.optimisers import OPTIMISERS
from harness.planning.feasible import (
    check_counted,
    check_learnable,
    check_phases,
    engine_of,
    engine_version,
    recipe_of,
    why_infeasible,
)
from harness.planning.packs import packs_of
from harness.planning.place import at
from harness.planning.solve import build_network, nearest_sizes, solve
from harness.planning.trials import number_of_trials, space_of, trials_of, who_has
from harness.planning.warnings import check_arms_have_cells
from harness.spec import (
    Arm,
    Cell,
    DataFile,
    Experiment,
    Formula,
    KanShape,
    Manifest,
    Network,
    PlannedRun,
    Recipe,
    Restarts,
    RunSpec,
    RunTask,
    SplinedShape,
    Task,
    Tried,
    beginning,
    canonical_json,
    content_hash,
    least_evaluations,
    parts,
    points_at_a_time,
    run_id,
    stages,
    units,
    variants,
)
from harness.spec.arm import Size
from harness.spec.run import Dtype
from harness.spec.search import Effort, Search
from harness.tasks import resolve, target_of

SAME_NETWORK = "solves to the same network as a smaller budget; space the budgets wider"

Variants = list[tuple[dict[str, Any], Experiment]]  # the experiment at every point of its axes


class Candidate(NamedTuple):
    """One value of the free size: the network and recipe that it makes, and their planned counts."""

    value: int | tuple[int, ...] | None
    network: Network
    recipe: Recipe
    counts: dict[str, int]


class Expanded(NamedTuple):
    """The cells and runs of all points of an experiment's axes; by label the tasks' formulas, and target and inputs."""

    cells: list[Cell]
    runs: list[PlannedRun]
    formulas: dict[str, Formula]
    targets: dict[str, tuple[str, int]]


# ------------------------------------------------------------------------------------------------------------- public
def make_plan(experiment: Experiment, name: str, folder: Path = Path()) -> Manifest:
    """The manifest of `experiment`; a HarnessError if it cannot be expanded or no cell is feasible.

    Paths of data files are relative to `folder`.
    """
    cells, runs, formulas, targets = _expand(variants(experiment), folder)
    _check_rules(experiment, targets, {cell.series for cell in cells})
    _check_tuning(runs, experiment)
    if experiment.search:
        _check_one_series(cells)
    _check_hold_out(cells)
    _check_feasible(experiment, name, cells)
    check_arms_have_cells(cells)
    return Manifest(
        name=name,
        experiment=experiment,
        experiment_hash=content_hash(experiment),
        cells=tuple(cells),
        runs=tuple(runs),
        packs=packs_of(runs, experiment.device),
        formulas=formulas,
        spaces={arm: space_of(experiment, arm) for arm in experiment.arms} if experiment.search else {},
    )


def planned_flops(run: RunSpec) -> dict[str, int]:
    """The training FLOPs of a run that spends its whole evaluation cap, under every convention."""
    return run_flops(run.network, run.recipe, run.task)


# ---------------------------------------------------------------------------------------------------------- expanding
def _expand(points: Variants, folder: Path) -> Expanded:
    """Every task and arm of every point, but for series that were planned at an earlier one."""
    found = Expanded([], [], {}, {})
    label_of = cache(partial(_task_label, points=points))  # each looks at all points, of which there can be thousands
    telling_of = cache(partial(_telling, points=points))
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
            names = (label, arm_name, _series_label(arm_name, axes, telling_of(arm_name, task)))
            if names not in planned_before:  # else no axis that has moved since concerns this arm
                planned_here.add(names)
                _add_cells(found, cells_here, variant, names, run_task)
        planned_before |= planned_here
    return found


def _add_cells(
    found: Expanded, cells_here: set[tuple], variant: Experiment, names: tuple[str, str, str], task: RunTask
) -> None:
    """Add the cells and runs of an arm on a task; `cells_here` tells those that solve to the same network."""
    label, arm_name, arm_series = names
    for trial, asked, candidate in _solve_trials(variant, arm_name, task):
        budget = _budget_label(variant, arm_name, asked)
        names = (label, arm_name, arm_series + budget)
        cell = _cell(len(found.cells), variant, names, asked, candidate)
        frontier = f"{arm_series} (best size)" if budget else None
        cell = cell.model_copy(update={"frontier": frontier, "trial": trial})
        runs = _runs_of(cell, variant, task, candidate)
        identities = sorted(planned.run_id for planned in runs)
        key = (*names, trial, *(identities or [str(cell.infeasible)]))
        if trial is None and key in cells_here and runs:
            cell, runs = cell.model_copy(update={"infeasible": SAME_NETWORK}), []
        cells_here.add(key)
        found.cells.append(cell)
        found.runs.extend(runs)


# ----------------------------------------------------------------------------------------------------------- checking
def _check_feasible(experiment: Experiment, name: str, cells: Sequence[Cell]) -> None:
    """A HarnessError with the first reasons if no cell has a network."""
    if not all(cell.infeasible for cell in cells):
        return
    reasons = list(dict.fromkeys(f"  {cell.task} {cell.series}: {cell.infeasible}" for cell in cells))
    place = "match.at" if experiment.match else "arms"
    effort = ", or search.effort where it ends too soon" if experiment.search else ""
    remedy = f"change match.at to values named here, or raise match.tol{effort}"
    raise HarnessError("\n".join([f"{place}: no cell of {name} is feasible; {remedy}:", *reasons[:6]]))


def _check_tuning(runs: Iterable[PlannedRun], experiment: Experiment) -> None:
    """Axes may vary what is tuned: the cells of all points of the axes must have equally many trials."""
    trials: dict[int, int] = {}
    for planned in runs:
        trials[planned.cell] = max(trials.get(planned.cell, 0), planned.trial + 1)
    if experiment.search:  # gives sides, not cells, equally many
        return
    if len(set(trials.values())) > 1 and not experiment.allow_unequal_tuning:
        raise HarnessError(
            f"tune: the axes lead to {sorted(set(trials.values()))} trials; make them equal, or say "
            "allow_unequal_tuning: true, which every figure will repeat"
        )


def _check_one_series(cells: Iterable[Cell]) -> None:
    """Winners are chosen among all trials of an arm on a task: with more series it would have more than its share."""
    series: dict[tuple[str, str], set[str]] = defaultdict(set)
    for cell in cells:
        series[cell.task, cell.arm].add(cell.series)
    for (task, arm), names in series.items():
        if len(names) > 1:
            raise HarnessError(
                f"grid: with search an arm is one series a task, and {arm} is {len(names)} on {task} "
                f"({', '.join(sorted(names))}); let its space vary this, or make a file of each"
            )


def _check_hold_out(cells: Iterable[Cell]) -> None:
    series: dict[tuple[str, str], dict[tuple[float | None, int], Cell]] = defaultdict(dict)
    for cell in cells:
        if not cell.infeasible and cell.in_window:
            trial_or_size = 0 if cell.trial else cell.index  # a budget of all trials is one size
            series[cell.task, cell.series][cell.asked, trial_or_size] = cell
    for (task, name), of_size in series.items():
        found = list(of_size.values())
        if len(found) <= (count := found[0].hold_out):
            raise HarnessError(
                f"hold_out={count}: {name} on {task} has {len(found)} sizes in its window, which leaves none to fit; "
                "hold out fewer, or add sizes"
            )


def _check_rules(experiment: Experiment, known: Mapping[str, tuple[str, int]], series: Collection[str]) -> None:
    """A HarnessError if a rule names what the plan lacks; `known` has the target and inputs of each task by label."""
    for index, rule in enumerate(experiment.decide):
        for condition in rule.every_condition:
            for name in itertools.chain(*condition.sides):
                if name not in experiment.arms and name not in series:
                    told = did_you_mean(name, [*experiment.arms, *series])
                    raise HarnessError(f"decide.{index}.arms: {name!r} is no series of this plan; {told}")
        try:
            counted = units(rule, known)
        except HarnessError as error:
            raise HarnessError(f"decide.{index}.{error}") from None
        if rule.at_least > len(counted):
            what = "families" if rule.of_family else "tasks"
            raise HarnessError(
                f"decide.{index}.at_least={rule.at_least}: there are {len(counted)} {what}; ask for no more"
            )


# ------------------------------------------------------------------------------------------------------------ solving
def _solve_trials(
    variant: Experiment, arm_name: str, task: RunTask
) -> Iterator[tuple[Tried | None, float | None, Candidate | str]]:
    """(the trial, None without search; the budget asked; the candidate or why there is none) of an arm on a task.

    Of a search every budget has as many trials as the arm's share: where a point of its space has no size that meets
    the budget, the next point takes its place. What is short of them at the end counts as trials that failed.
    """
    search, match = variant.search, variant.match
    if search is None or match is None:
        for asked, candidate in _solve_ladder(variant, arm_name, task):
            yield None, asked, candidate
        return
    number = number_of_trials(variant, arm_name)
    for scramble in (search.scramble, *(variant.robust_to.scrambles if variant.robust_to else ())):
        found, reasons = dict.fromkeys(match.at, 0), dict.fromkeys(match.at, "")
        for values, tried in trials_of(variant, arm_name, scramble):
            check_learnable(tried, arm_name, task)
            short = [budget for budget, trials in found.items() if trials < number]
            for asked, candidate in _solve_ladder(tried, arm_name, task, short):
                assert asked is not None
                recipe, effort = tried.arms[arm_name].recipe, search.effort.of_budget(match.at.index(asked))
                spent = _with_effort(candidate, search.effort, effort, task)
                rungs = _rungs(spent, recipe, search, effort, task)
                if isinstance(spent, str) or isinstance(rungs, str):
                    why = spent if isinstance(spent, str) else rungs
                    reasons[asked] = f"{why} (of the last point that was tried, {values or 'the arm as written'})"
                    continue
                yield Tried(number=found[asked], scramble=scramble, recipe=recipe, rungs=rungs), asked, spent
                found[asked] += 1
            if min(found.values()) == number:
                break
        for asked in match.at:
            for rank in range(found[asked], number):
                tried_as = Tried(number=rank, scramble=scramble, recipe=variant.arms[arm_name].recipe)
                yield tried_as, asked, reasons[asked]


def _rungs(
    candidate: Candidate | str, recipe_name: str, search: Search, effort: float, task: RunTask
) -> tuple[int, ...] | str:
    """The evaluations at which each rung of a candidate ends, and those of the whole; or why a rung cannot be trained.

    Without halving there is none.
    """
    if search.halving is None or isinstance(candidate, str):
        return ()
    if candidate.recipe.phases or candidate.recipe.sparsity:
        part = "phases" if candidate.recipe.phases else "sparsity"
        raise HarnessError(
            f"search.halving: recipe {recipe_name!r} has {part}, so that a shorter training is no beginning of a "
            "longer one; leave halving or this recipe out"
        )
    ends: list[int] = []
    for share in search.halving.shares()[:-1]:
        until = _with_effort(candidate, search.effort, share * effort, task)
        if isinstance(until, str):
            return f"search.halving, rung {len(ends) + 1}: {until}"
        ends.append(until.recipe.max_evaluations)
    return (*ends, candidate.recipe.max_evaluations)


def _with_effort(candidate: Candidate | str, effort: Effort, at: float, task: RunTask) -> Candidate | str:
    """The candidate with as many evaluations as the effort `at` allows, or why it has none."""
    if isinstance(candidate, str):
        return candidate
    network, recipe = candidate.network, candidate.recipe

    def capped(evaluations: int) -> Recipe:
        return recipe.model_copy(update={"max_evaluations": evaluations})

    least = least_evaluations(network, recipe)

    name = effort.count_name

    @cache
    def spent(evaluations: int) -> float:
        return run_flops(network, capped(max(evaluations, least)), task)[name]

    if effort.axis == "evaluations":
        most = int(at)
    else:
        most = max((value for value in nearest_sizes(spent, at) if spent(value) <= at), default=0)
    if most < least:
        return f"search.effort: {name}={at:,.6g} ends before the last stage of the recipe; allow more"
    tried = that_matters(capped(most), network, task)
    return Candidate(candidate.value, network, tried, {**candidate.counts, **run_flops(network, tried, task)})


def _solve_ladder(
    variant: Experiment, arm_name: str, task: RunTask, budgets: Collection[float] | None = None
) -> Iterator[tuple[float | None, Candidate | str]]:
    """(budget asked, the candidate or why there is none) for every size of an arm on a task, or for some `budgets`."""
    arm, match = variant.arms[arm_name], variant.match
    field, values = arm.sizes.ladder() if arm.sizes else ("", (None,))
    if match is None:
        for value in values:
            candidate_of_value = _candidate(variant, arm_name, task, **({field: value} if field else {}))
            yield None, _if_possible(candidate_of_value, arm_name, task, variant.dtype)
        return
    free = match.solve.get(arm_name, match.solve.get("*"))
    own = [size for size in get_args(Size) if size == "steps" or size in type(arm.architecture).model_fields]
    if free is None:
        raise HarnessError(f"match.solve: says nothing about arm {arm_name!r}; add `{arm_name}: {'|'.join(own)}`")
    if arm.sizes and free != "steps":
        raise HarnessError(
            f"arms.{arm_name}.sizes: match solves for {free}; sizes go with `solve: steps` or without match"
        )
    if free not in own:
        place = f"match.solve.{arm_name}" if arm_name in match.solve else "match.solve"
        raise HarnessError(
            f"{place}: a network of family {arm.architecture.family} has no {free}; arm {arm_name!r} can solve for "
            f"{', '.join(own)}"
        )
    asked = match.at if budgets is None else [budget for budget in match.at if budget in budgets]
    for budget, value in itertools.product(asked, values):
        fixed = {field: value} if field else {}
        yield budget, _match_budget(variant, arm_name, task, free, budget, fixed)


def _match_budget(
    variant: Experiment, arm_name: str, task: RunTask, free: str, budget: float, fixed: dict[str, Any]
) -> Candidate | str:
    assert variant.match is not None
    axis, smallest = variant.match.count_name, _smallest(variant, arm_name, task, free, fixed)

    def candidate(value: int) -> Candidate:
        return _candidate(variant, arm_name, task, **fixed, **{free: value})

    def counts_at(value: int) -> dict[str, int]:
        if axis.startswith("flops_train"):
            return candidate(value).counts
        network, recipe = _network_and_recipe(variant, arm_name, task, {**fixed, free: value})
        for part in parts(network, recipe):
            stages(*part)  # a CapTooSmall where the recipe has no time for such a network
        counts = count(network)
        if axis not in counts:
            check_counted(variant, arm_name, network, counts)
        return counts

    found = solve(counts_at, axis, budget, variant.match.tol, free, smallest)
    return found if isinstance(found, str) else _if_possible(candidate(found), arm_name, task, variant.dtype)


def _if_possible(candidate: Candidate, arm_name: str, task: RunTask, dtype: Dtype) -> Candidate | str:
    with at(f"arms.{arm_name}.architecture"):
        return why_infeasible(candidate.network, candidate.recipe, task, dtype) or candidate


def _smallest(variant: Experiment, arm_name: str, task: RunTask, free: str, fixed: dict[str, Any]) -> int:
    """The least value of the free size: two layers of weights, or a cap that leaves the last stage some work."""
    arm = variant.arms[arm_name]
    if free == "steps":
        return least_evaluations(_network(arm, arm_name, task, fixed), recipe_of(variant, arm))
    return 2 if free == "depth" else 1


def _candidate(variant: Experiment, arm_name: str, task: RunTask, **free: Any) -> Candidate:
    network, recipe = _network_and_recipe(variant, arm_name, task, free)
    with at(f"recipes.{variant.arms[arm_name].recipe}.phases={recipe.phases}"):
        check_phases(recipe, task)
    counts = {**count(network), **run_flops(network, recipe, task)}
    check_counted(variant, arm_name, network, counts)
    return Candidate(next(reversed(free.values()), None), network, recipe, counts)


def _network_and_recipe(
    variant: Experiment, arm_name: str, task: RunTask, free: Mapping[str, Any]
) -> tuple[Network, Recipe]:
    """An arm's network with the values of its free sizes, and its recipe, of which `steps` is the cap."""
    arm = variant.arms[arm_name]
    recipe = recipe_of(variant, arm)
    if "steps" in free:
        recipe = recipe.model_copy(update={"max_evaluations": free["steps"]})
    sizes = {name: value for name, value in free.items() if name != "steps"}
    network = _network(arm, arm_name, task, sizes)
    return network, that_matters(recipe, network, task)


def _network(arm: Arm, arm_name: str, task: RunTask, sizes: dict[str, Any]) -> Network:
    where, scales = f"arms.{arm_name}.architecture", arm.recipe == "paper"
    return build_network(arm.architecture, task.inputs, where, sizes, task.outputs, scales)


def that_matters(recipe: Recipe, network: Network, task: RunTask) -> Recipe:
    """The recipe without what changes nothing for this network and task, so that the same run has the same id."""
    changes: dict[str, Any] = {}
    if not isinstance(network, KanShape):
        changes["sparsity"] = None
    if not isinstance(network, SplinedShape):
        changes |= {"grid_updates": None, "grid_extension": None}
    elif extension := recipe.grid_extension:
        grids = tuple(grid for grid in extension.grids if grid < network.grid)
        changes["grid_extension"] = extension.model_copy(update={"grids": grids, "equal": False}) if grids else None
        if extension.equal:
            last = least_evaluations(network, recipe) - 1 + extension.evaluations
            changes["max_evaluations"] = min(last, recipe.max_evaluations)
    if recipe.restarts.count == 1:
        changes["restarts"] = Restarts()
    points = points_at_a_time(recipe, task.train_points)
    changes["optimizer"] = recipe.optimizer.that_matters(network, points)
    return recipe.model_copy(update=changes)


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
    if variant.search and cell.trial:
        recipe = beginning(candidate.recipe, cell.trial.rungs[0]) if cell.trial.rungs else candidate.recipe
        trials, seeds = [(cell.trial.number, recipe)], variant.search.seeds
    else:
        trials, seeds = list(enumerate(_trials(variant, cell.arm, candidate.recipe))), variant.seeds
    found = []
    for (trial, recipe), seed in itertools.product(trials, seeds):
        engine = engine_of(variant, candidate.network, recipe.optimizer, task)
        run = RunSpec(
            task=task,
            network=candidate.network,
            recipe=recipe,
            seed=seed,
            dtype=variant.dtype,
            engine=engine,
            engine_version=engine_version(engine, candidate.network, recipe),
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
    place = "tune" if variant.arms[arm_name].tune is None else f"arms.{arm_name}.tune"
    tunable = _tunable(variant)
    for path in tune:
        if path not in tunable:
            raise HarnessError(f"{place}.{path}: it cannot be tuned; {did_you_mean(path, tunable)}")
    return [_tuned(recipe, dict(zip(tune, point, strict=True)), place) for point in itertools.product(*tune.values())]


def _tunable(variant: Experiment) -> list[str]:
    """What may differ between trials: fields that leave the work of a run as it was matched.

    An arm whose optimiser lacks one of them is told that it is no field of its recipe.
    """
    own = [type(recipe.optimizer) for recipe in variant.recipes.values()]
    names = dict.fromkeys(itertools.chain(*(kind.tunable for kind in (*OPTIMISERS.values(), *own))))
    return ["gain", *(f"optimizer.{name}" for name in names), "sparsity.strength"]


def _tune(variant: Experiment, arm: Arm) -> dict[str, tuple]:
    return variant.tune if arm.tune is None else arm.tune


def _tuned(recipe: Recipe, values: dict[str, Any], tune: str) -> Recipe:
    """The recipe with these values, which `tune`, a place in the file, gives it."""
    data = all_fields(recipe)
    for path, value in values.items():
        *parents, last = path.split(".")
        place: Any = data
        for name in parents:
            place = place.get(name) or {}
        if last not in place:
            raise HarnessError(f"{tune}.{path}: no field of this arm's recipe; {who_has(path, place)}")
        place[last] = value
    try:
        return Recipe.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        fields = {path.rpartition(".")[2]: path for path in values}
        path = fields.get(str(problem["loc"][-1]) if problem["loc"] else "", next(iter(values)))
        raise HarnessError(f"{tune}.{path}: {values[path]}: {problem['msg'].removeprefix('Value error, ')}") from None


def _task_label(task: Task, points: Variants) -> str:
    """The target's name, with the fields that tell it from other tasks of the same target."""
    tasks = itertools.chain.from_iterable(variant.tasks for _, variant in points)
    namesakes = [_fields_of(other) for other in tasks if other.name == task.name]
    own = _fields_of(task)
    told = [name for name in own if len({other[name] for other in namesakes}) > 1]
    return task.name + "".join(f" {name}={own[name]}" for name in told)


def _fields_of(task: Task) -> dict[str, Any]:
    """All that a task says beside its name; of a data file its columns too."""
    fields = {name: getattr(task, name) for name in Task.model_fields if name != "target"}
    return fields | (dict(task.target) if isinstance(task.target, DataFile) else {})


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
