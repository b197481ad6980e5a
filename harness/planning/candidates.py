"""The sizes of an arm on a task: by budget the network and recipe that meet it, or why not; and
what a search draws.

    for budget, candidate in candidates_of(ArmOnTask(experiment, "kan", task)):     # a Candidate,
    or Infeasible

Nothing is trained here.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple, get_args

from harness.base.errors import HarnessError, at
from harness.base.formats import as_typed
from harness.count import count, flops_by_cap, run_flops
from harness.families import Network
from harness.planning.arms import ArmOnTask, engine_of, readings_at, that_matters
from harness.planning.budgets import moments_of
from harness.planning.points import Point, points_of, runs_of_arm
from harness.planning.solve import LARGEST_SIZE, Infeasible, most_evaluations, solve
from harness.spec.arm import Size
from harness.spec.budgets import Budgets
from harness.spec.manifest import Moments
from harness.spec.recipe import Recipe, at_a_time, check_cap, least_evaluations
from harness.spec.run import RunSpec
from harness.spec.task import RunTask

LAST_POINT = " (of the last point that was tried, "  # what follows in a reason is that point


# --------------------------------------------------------------------------------------------------
# candidates
class Candidate(NamedTuple):
    """The network and recipe that a value of the free size makes, and its counts, at the end those
    of a run too.

    With budgets, `moments` says when it is read.
    """

    network: Network
    recipe: Recipe
    counts: dict[str, int]
    moments: Moments


Rungs = Sequence[tuple[float, Mapping[str, Any]]]  # budgets, and the sizes that all arms have there
Met = Candidate | Infeasible  # what meets a budget, or why nothing does
Solved = tuple[float | None, Met]  # the budget that is asked for, and what meets it
SecondsOf = Callable[
    [RunSpec], float
]  # what a run that spends its whole cap takes alone on a machine that was timed


class Drawn(NamedTuple):
    """A run of a replicate: its seed, its number, and what it trains."""

    replicate: int
    number: int
    candidate: Candidate


def candidates_of(sought: ArmOnTask) -> Iterator[Solved]:
    """The candidates of an arm on a task, by budget; a HarnessError if a count asked of it is not
    defined.
    """
    for budget, candidate in _solve_ladder(sought):
        if isinstance(candidate, Candidate) and sought.experiment.budgets:
            candidate = _with_budgets(candidate, sought, sought.experiment.budgets)
        if isinstance(candidate, Candidate):
            flops = run_flops(candidate.network, candidate.recipe, sought.task)
            candidate = candidate._replace(counts={**candidate.counts, **flops})
            sought.check_counted(candidate.network, candidate.counts)
        yield budget, candidate


def drawn_of(
    sought: ArmOnTask, seconds_of: SecondsOf | None = None
) -> dict[float, list[Drawn] | Infeasible]:
    """By budget the runs of an arm on a task in every replicate; a HarnessError as above.

    A run has the largest size of its setting that does not exceed the budget. Where a setting has
    none within the tolerance below it, or ends before its last stage, the next point of the space
    takes its place. A cap in seconds becomes evaluations by `seconds_of`.
    """
    number, budgets = (
        runs_of_arm(sought.experiment, sought.name),
        [budget for budget, _ in sought.rungs],
    )
    differ_in = _lanes_differ_in(sought)
    drawn: dict[float, list[Drawn]] = {budget: [] for budget in budgets}
    failed: dict[float, Infeasible] = {}
    for replicate in range(sought.search.replicates):
        chosen: dict[float, list[Candidate]] = {
            budget: [] for budget in budgets if budget not in failed
        }
        reasons = dict.fromkeys(chosen, "")
        for point in points_of(sought.experiment, sought.name, replicate, differ_in):
            short = [budget for budget, candidates in chosen.items() if len(candidates) < number]
            if not short:
                break
            for budget, candidate in _at_point(sought, point, short, seconds_of).items():
                if isinstance(candidate, Candidate):
                    chosen[budget].append(candidate)
                else:
                    reasons[budget] = candidate.why
        for budget, candidates in chosen.items():
            runs = len(candidates)
            if runs < number:
                why = (
                    f"{runs} of {number} settings of replicate {replicate} can have it: "
                    f"{reasons[budget]}"
                )
                failed[budget] = Infeasible(why)
            drawn[budget] += [
                Drawn(replicate, place, candidate) for place, candidate in enumerate(candidates)
            ]
    return {budget: failed.get(budget, runs) for budget, runs in drawn.items()}


def _at_point(
    sought: ArmOnTask, point: Point, budgets: Collection[float], seconds_of: SecondsOf | None
) -> dict[float, Met]:
    """The candidate of a point of the arm's space for each of these budgets."""
    search = sought.search
    tried = replace(sought, experiment=point.experiment)
    tried.check_learnable()
    candidates: dict[float, Met] = {}
    for budget, candidate in _solve_ladder(tried, sought.rungs, budgets, at_most=True):
        assert budget is not None
        if isinstance(candidate, Candidate):
            if search.budgets:
                candidate = _with_budgets(candidate, sought, search.budgets)
            else:
                candidate = _with_cap(candidate, sought, seconds_of)
        if isinstance(candidate, Infeasible):
            candidates[budget] = Infeasible(
                f"{candidate.why}{LAST_POINT}{point.values or 'the arm as written'})"
            )
            continue
        sought.check_counted(candidate.network, candidate.counts)
        if search.early_stopping:
            candidate = candidate._replace(
                recipe=candidate.recipe.model_copy(update={"early_stopping": True})
            )
        candidates[budget] = candidate
    return candidates


def _lanes_differ_in(sought: ArmOnTask) -> set[str] | None:
    """The axes of an arm's space in which runs of one pack may differ; None where the engine needs
    no packs.
    """
    for _, candidate in _solve_ladder(sought):
        if isinstance(candidate, Candidate):
            network, optimiser = candidate.network, candidate.recipe.optimizer
            if engine_of(sought.experiment, network, optimiser, sought.task) == "fused":
                return None
            begins_by = (f"architecture.{name}" for name in network.begins_by)
            return {"recipe.gain", "recipe.optimizer.learning_rate", *begins_by}
    return None


def _with_budgets(candidate: Candidate, sought: ArmOnTask, budgets: Budgets) -> Met:
    """The candidate that trains until it has spent the last budget of every count at which it is
    read.
    """
    network, recipe, counts, _ = candidate
    sought.check_counted(network, {**counts, **_flops(network, recipe, sought.task)})
    moments = moments_of(network, recipe, sought.task, budgets)
    read, place = readings_at(moments), "search.budgets" if sought.experiment.search else "budgets"
    if not read:
        return Infeasible(f"{place}: it is read at none of them; allow more, or widen per_param")
    if read[-1] < least_evaluations(network, recipe):
        return Infeasible(
            f"{place}: the last one ends before the last stage of the recipe; allow more"
        )
    recipe = recipe.model_copy(update={"max_evaluations": read[-1]})
    return Candidate(network, recipe, {**counts, **_flops(network, recipe, sought.task)}, moments)


def _flops(network: Network, recipe: Recipe, task: RunTask) -> dict[str, int]:
    """The FLOPs of a run to its end, worked out once for all that differ in what they begin by."""
    return _flops_of(network.begun_as(), recipe.model_copy(update={"gain": 1.0}), task)


@lru_cache(maxsize=2**12)
def _flops_of(network: Network, recipe: Recipe, task: RunTask) -> dict[str, int]:
    return run_flops(network, recipe, task)


def _with_cap(candidate: Candidate, sought: ArmOnTask, seconds_of: SecondsOf | None) -> Met:
    """The candidate with as many evaluations as its cap allows, by a number, a count or a clock.

    The clock is read in nanoseconds, as what is spent is a whole number.
    """
    ((name, allowed),) = sought.search.most.items()
    network, recipe, counts, _ = candidate
    least = least_evaluations(network, recipe)
    late = least + LARGEST_SIZE

    def capped(cap: int) -> Recipe:
        return recipe.model_copy(update={"max_evaluations": cap})

    flops_at = flops_by_cap(network, capped(late), sought.task)
    if name == "evaluations":
        most = int(allowed)
    elif name == "seconds":
        assert seconds_of  # a plan without one is refused before
        run, timed = sought.run_of(network, recipe, seed=0), seconds_of
        most = most_evaluations(
            lambda cap: round(1e9 * timed(run.model_copy(update={"recipe": capped(cap)}))),
            1e9 * allowed,
            least,
            late,
        )
    else:
        most = most_evaluations(lambda cap: flops_at(cap)[name], allowed, least, late)
    if most < least:
        limit = as_typed(str(allowed)).removesuffix(".0")
        return Infeasible(
            f"search.cap: {name}={limit} ends before the last stage of the recipe; allow more"
        )
    return Candidate(network, capped(most), {**counts, **flops_at(most)}, {})


def _solve_ladder(
    sought: ArmOnTask,
    rungs: Rungs = (),
    budgets: Collection[float] | None = None,
    at_most: bool = False,
) -> Iterator[Solved]:
    """The budget and what meets it, for every size of an arm on a task, or for some `budgets`.

    `rungs` are those of the arm as it is written, where `sought` has it otherwise.
    """
    field, values = sought.arm.sizes.ladder() if sought.arm.sizes else ("", (None,))
    ladder = [{field: value} if field else {} for value in values]
    if sought.experiment.match is None:
        for size in ladder:
            yield None, _candidate(sought, size)
        return
    rungs = [rung for rung in rungs or sought.rungs if budgets is None or rung[0] in budgets]
    if sought.match.like == sought.name:
        for budget, shared in rungs:
            yield budget, _candidate(sought, shared)
        return
    free = _free_size(sought)
    if sought.match.like:
        for budget, shared in rungs:
            yield budget, _solver(sought, free, shared, at_most)(budget)
        return
    solvers = [_solver(sought, free, size, at_most) for size in ladder]
    for (budget, _), solver in itertools.product(rungs, solvers):
        yield budget, solver(budget)


def _free_size(sought: ArmOnTask) -> str:
    """The size of an arm that each budget solves; a HarnessError if the file says none, or one it
    cannot have.
    """
    name, arm, match = sought.name, sought.arm, sought.match
    free = match.free_size(name)
    sizes = [size for size in get_args(Size) if size == "steps" or arm.architecture.has_size(size)]
    if free is None:
        raise HarnessError(
            f"match.solve: says nothing about arm {name!r}; add `{name}: {'|'.join(sizes)}`"
        )
    if arm.sizes and free != "steps":
        raise HarnessError(
            f"arms.{name}.sizes: match solves for {free}; sizes go with `solve: steps` or "
            "without match"
        )
    if free not in sizes:
        place = f"match.solve.{name}" if name in match.solve else "match.solve"
        problem = f"{place}: a network of family {arm.architecture.family} has no {free}"
        raise HarnessError(f"{problem}; arm {name!r} can solve for {', '.join(sizes)}")
    return free


def _solver(
    sought: ArmOnTask, free: str, fixed: Mapping[str, Any], at_most: bool
) -> Callable[[float], Met]:
    """From a budget to the candidate that meets it; all budgets share the sizes that are
    counted.
    """
    match, axis = sought.match, sought.match.count_name
    smallest = (
        2 if free == "depth" else 1
    )  # two layers of weights, or a cap that leaves the last stage some work
    if free == "steps":
        smallest = least_evaluations(sought.network(fixed), sought.recipe)

    @cache
    def count_at(value: int) -> int:
        return sought.counted({**fixed, free: value})

    def at_budget(budget: float) -> Met:
        size = solve(count_at, axis, budget, match.tol, free, smallest, at_most)
        return size if isinstance(size, Infeasible) else _candidate(sought, {**fixed, free: size})

    return at_budget


def _candidate(sought: ArmOnTask, sizes: Mapping[str, Any]) -> Met:
    """The candidate of these sizes, if it can be trained."""
    network, written = sought.network_and_recipe(sizes)
    task = sought.task
    recipe = that_matters(written, network, task)
    if recipe.phases and task.train_points % recipe.phases:
        problem = f"recipes.{sought.arm.recipe}.phases={recipe.phases}: they are of equal size"
        raise HarnessError(
            f"{problem}, but {task.target} has train_points={task.train_points}; give it a multiple"
        )
    check_cap(network, recipe)
    with at(f"arms.{sought.name}.architecture"):
        network.check(sought.experiment.dtype)  # a module of the user's may not train at all
        why = recipe.optimizer.why_infeasible(network, at_a_time(recipe, task).train_points)
    return Infeasible(why) if why else Candidate(network, recipe, count(network), {})
