"""The sizes of an arm: by budget the network and recipe that meet it, or why none does.

    for asked, candidate in candidates_of(experiment, "kan", task):     # candidate: a Candidate, or a reason

Nothing is trained here. Whether a size can be trained at all is said by `feasible`.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, get_args

from harness.base.errors import HarnessError
from harness.count import count, count_of, flops_by_cap, run_flops
from harness.planning.feasible import (
    check_counted,
    check_learnable,
    check_phases,
    counts_asked,
    engine_of,
    engine_version,
    recipe_of,
    why_infeasible,
)
from harness.planning.place import at
from harness.planning.solve import LARGEST_SIZE, build_network, most_evaluations, solve
from harness.planning.trials import number_of_trials, trials_of
from harness.spec import (
    Arm,
    Experiment,
    KanShape,
    Network,
    Recipe,
    Restarts,
    RunSpec,
    RunTask,
    SplinedShape,
    check_cap,
    least_evaluations,
    points_at_a_time,
)
from harness.spec.arm import Size
from harness.spec.run import Dtype
from harness.tasks import is_data

LAST_POINT = " (of the last point that was tried, "  # what follows in a reason is that point


class Sizing(NamedTuple):
    """What of a task decides the candidates of an arm: tasks that agree in it have the same ones, solved once."""

    inputs: int
    classes: int | None
    train_points: int
    boundary_points: int | None
    is_data: bool


def sizing_of(task: RunTask) -> Sizing:
    """What of a task decides the candidates of an arm."""
    is_of_data = task.is_data_file or is_data(task.target)
    return Sizing(task.inputs, task.classes, task.train_points, task.boundary_points, is_of_data)


class Candidate(NamedTuple):
    """The network and recipe that a value of the free size makes, and its counts, at the end those of a run too."""

    network: Network
    recipe: Recipe
    counts: dict[str, int]


Solved = tuple[float | None, Candidate | str]  # the budget asked; the candidate or why there is none


SecondsOf = Callable[[RunSpec], float]  # what a run that spends its whole cap takes alone on a machine that was timed


class Drawn(NamedTuple):
    """A run of a replicate: its seed, its number, and what it trains."""

    replicate: int
    number: int
    candidate: Candidate


def candidates_of(variant: Experiment, arm_name: str, task: RunTask) -> Iterator[Solved]:
    """The candidates of an arm on a task, by budget; a HarnessError if a count asked of it is not defined."""
    counts = counts_asked(variant, arm_name)
    for asked, candidate in _solve_ladder(variant, arm_name, task):
        if isinstance(candidate, Candidate):
            flops = run_flops(candidate.network, candidate.recipe, task)
            candidate = candidate._replace(counts={**candidate.counts, **flops})
            check_counted(counts, arm_name, candidate.network, candidate.counts)
        yield asked, candidate


def drawn_of(
    variant: Experiment, arm_name: str, task: RunTask, seconds_of: SecondsOf | None = None
) -> dict[float, list[Drawn] | str]:
    """By budget the runs of an arm on a task in every replicate, or why there are none; a HarnessError as above.

    A run has the largest size of its setting that does not exceed the budget. Where a setting has none within the
    tolerance below it, or ends before its last stage, the next point of the space takes its place. A cap in seconds
    becomes evaluations by `seconds_of`.
    """
    search, match = variant.search, variant.match
    assert search
    assert match
    number = number_of_trials(variant, arm_name)
    counts = counts_asked(variant, arm_name)
    differ_in = _lanes_differ_in(variant, arm_name, task)
    found: dict[float, list[Drawn] | str] = {budget: [] for budget in match.at}
    for replicate in range(search.replicates):
        reasons = dict.fromkeys(match.at, "")
        taken = {budget: 0 for budget, runs in found.items() if isinstance(runs, list)}
        for values, tried in trials_of(variant, arm_name, replicate, differ_in):
            if not (short := [budget for budget, runs in taken.items() if runs < number]):
                break
            check_learnable(tried, arm_name, task)
            for budget, matched in _solve_ladder(tried, arm_name, task, short, at_most=True):
                assert budget is not None
                cap = search.cap_of(match.at.index(budget))
                if search.cap_name == "seconds":
                    candidate = _with_seconds(matched, cap, variant, task, seconds_of)
                else:
                    candidate = _with_cap(matched, search.cap_name, cap, task)
                if isinstance(candidate, str):
                    reasons[budget] = f"{candidate}{LAST_POINT}{values or 'the arm as written'})"
                    continue
                check_counted(counts, arm_name, candidate.network, candidate.counts)
                if search.early_stopping:
                    recipe = candidate.recipe.model_copy(update={"early_stopping": True})
                    candidate = candidate._replace(recipe=recipe)
                of_budget = found[budget]
                assert isinstance(of_budget, list)
                of_budget.append(Drawn(replicate, taken[budget], candidate))
                taken[budget] += 1
        for budget, runs in taken.items():
            if runs < number:
                found[budget] = f"{runs} of {number} settings of replicate {replicate} can have it: {reasons[budget]}"
    return found


def _lanes_differ_in(variant: Experiment, arm_name: str, task: RunTask) -> set[str] | None:
    """The axes of an arm's space in which runs of one pack may differ; None where the engine needs no packs."""
    for _, candidate in _solve_ladder(variant, arm_name, task):
        if isinstance(candidate, Candidate):
            network, recipe = candidate.network, candidate.recipe
            if engine_of(variant, network, recipe.optimizer, task) == "fused":
                return None
            begins_by = (f"architecture.{name}" for name in network.begins_by)
            return {"recipe.gain", "recipe.optimizer.learning_rate", *begins_by}
    return None


def _with_cap(candidate: Candidate | str, name: str, allowed: float, task: RunTask) -> Candidate | str:
    """The candidate with as many evaluations as are `allowed`, or as cost so much by a count; or why it has none."""
    if isinstance(candidate, str):
        return candidate
    network, recipe, counts = candidate
    least = least_evaluations(network, recipe)
    late = least + LARGEST_SIZE
    flops_at = flops_by_cap(network, recipe.model_copy(update={"max_evaluations": late}), task)
    if name == "evaluations":
        most = int(allowed)
    else:
        most = most_evaluations(lambda cap: flops_at(cap)[name], allowed, least, late)
    if most < least:
        return f"search.cap: {name}={allowed:,.6g} ends before the last stage of the recipe; allow more"
    return Candidate(network, recipe.model_copy(update={"max_evaluations": most}), {**counts, **flops_at(most)})


def _with_seconds(
    candidate: Candidate | str, allowed: float, variant: Experiment, task: RunTask, seconds_of: SecondsOf | None
) -> Candidate | str:
    """The candidate with as many evaluations as take the seconds that are `allowed`, or why it has none."""
    if isinstance(candidate, str):
        return candidate
    assert seconds_of  # a plan without one is refused before
    network, recipe, counts = candidate
    run = spec_of(variant, network, recipe, task, seed=0)

    def nanoseconds(cap: int) -> int:
        capped = recipe.model_copy(update={"max_evaluations": cap})
        return round(1e9 * seconds_of(run.model_copy(update={"recipe": capped})))

    least = least_evaluations(network, recipe)
    most = most_evaluations(nanoseconds, 1e9 * allowed, least, least + LARGEST_SIZE)
    if most < least:
        return f"search.cap: seconds={allowed:,.6g} end before the last stage of the recipe; allow more"
    capped = recipe.model_copy(update={"max_evaluations": most})
    return Candidate(network, capped, {**counts, **run_flops(network, capped, task)})


def spec_of(
    variant: Experiment, network: Network, recipe: Recipe, task: RunTask, seed: int, initialisation: int = 0
) -> RunSpec:
    """The run of a network by a recipe."""
    engine = engine_of(variant, network, recipe.optimizer, task)
    return RunSpec(
        task=task,
        network=network,
        recipe=recipe,
        seed=seed,
        initialisation=initialisation,
        dtype=variant.dtype,
        engine=engine,
        engine_version=engine_version(engine, network, recipe),
    )


def _solve_ladder(
    variant: Experiment,
    arm_name: str,
    task: RunTask,
    budgets: Collection[float] | None = None,
    at_most: bool = False,
) -> Iterator[tuple[float | None, Candidate | str]]:
    """(budget asked, the candidate or why there is none) for every size of an arm on a task, or for some `budgets`."""
    arm, match = variant.arms[arm_name], variant.match
    field, values = arm.sizes.ladder() if arm.sizes else ("", (None,))
    if match is None:
        for value in values:
            candidate_of_value = _candidate(variant, arm_name, task, **({field: value} if field else {}))
            yield None, _if_possible(candidate_of_value, arm_name, task, variant.dtype)
        return
    free = _free_size(variant, arm_name)
    asked = match.at if budgets is None else [budget for budget in match.at if budget in budgets]
    solvers = [_solver(variant, arm_name, task, free, {field: value} if field else {}, at_most) for value in values]
    for budget, solver in itertools.product(asked, solvers):
        yield budget, solver(budget)


def _free_size(variant: Experiment, arm_name: str) -> str:
    """The size of an arm that each budget solves; a HarnessError if the file says none, or one it cannot have."""
    arm, match = variant.arms[arm_name], variant.match
    assert match is not None
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
    return free


def _solver(
    variant: Experiment, arm_name: str, task: RunTask, free: str, fixed: dict[str, Any], at_most: bool
) -> Callable[[float], Candidate | str]:
    """From a budget to the candidate that meets it, or why none does; all budgets share the sizes that it counts."""
    assert variant.match is not None
    axis, tolerance = variant.match.count_name, variant.match.tol
    smallest = _smallest(variant, arm_name, task, free, fixed)

    @cache
    def count_at(value: int) -> int:
        network, recipe = _network_and_recipe(variant, arm_name, task, {**fixed, free: value})
        check_cap(network, recipe)
        of_run = axis.startswith("flops_train")
        flops = run_flops(network, that_matters(recipe, network, task), task) if of_run else {}
        counted = flops.get(axis) if of_run else count_of(network, axis)
        if counted is None:
            check_counted(counts_asked(variant, arm_name), arm_name, network, {**count(network), **flops})
        assert counted is not None
        return counted

    def at_budget(budget: float) -> Candidate | str:
        found = solve(count_at, axis, budget, tolerance, free, smallest, at_most)
        if isinstance(found, str):
            return found
        candidate = _candidate(variant, arm_name, task, **fixed, **{free: found})
        return _if_possible(candidate, arm_name, task, variant.dtype)

    return at_budget


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
    network, written = _network_and_recipe(variant, arm_name, task, free)
    recipe = that_matters(written, network, task)
    with at(f"recipes.{variant.arms[arm_name].recipe}.phases={recipe.phases}"):
        check_phases(recipe, task)
    check_cap(network, recipe)
    return Candidate(network, recipe, count(network))


def _network_and_recipe(
    variant: Experiment, arm_name: str, task: RunTask, free: Mapping[str, Any]
) -> tuple[Network, Recipe]:
    """An arm's network with the values of its free sizes, and its recipe, of which `steps` is the cap."""
    arm = variant.arms[arm_name]
    recipe = recipe_of(variant, arm)
    if "steps" in free:
        recipe = recipe.model_copy(update={"max_evaluations": free["steps"]})
    sizes = {name: value for name, value in free.items() if name != "steps"}
    return _network(arm, arm_name, task, sizes), recipe


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
