"""What an arm can learn on a task, and its sizes there: by budget the network and recipe that meet it, or why not.

    for asked, candidate in candidates_of(ArmOnTask(experiment, "kan", task)):     # candidate: a Candidate, or a reason

Nothing is trained here.
"""

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, NamedTuple, get_args

from harness.base.errors import HarnessError, at
from harness.base.formats import as_typed
from harness.count import count, count_of, flops_by_cap, run_flops
from harness.families import KanShape, Network, SplinedShape
from harness.optimisers import Optimiser
from harness.planning.points import Point, points_of, runs_of_arm
from harness.planning.solve import LARGEST_SIZE, build_network, most_evaluations, solve
from harness.spec import BUILT_IN_RECIPES, Arm, Engine, Experiment, Recipe, Restarts, RunSpec, RunTask, count_names
from harness.spec.arm import Match, Search, Size
from harness.spec.recipe import check_cap, least_evaluations, points_at_a_time
from harness.tasks import TASKS, is_data, loss_of

LAST_POINT = " (of the last point that was tried, "  # what follows in a reason is that point


@dataclass(frozen=True)
class ArmOnTask:
    """An arm on a task, at one point of the axes of its experiment."""

    experiment: Experiment
    name: str
    task: RunTask

    @property
    def arm(self) -> Arm:
        """What the file says of the arm."""
        return self.experiment.arms[self.name]

    @property
    def match(self) -> Match:
        """What the file makes equal, where it does."""
        assert self.experiment.match
        return self.experiment.match

    @cached_property
    def rungs(self) -> list[tuple[float, dict[str, Any]]]:
        """Each budget with the sizes that all arms have there: none, or with `match.like` those of that arm."""
        match = self.match
        if match.like is None:
            return [(budget, {}) for budget in match.at]
        model = replace(self, name=match.like)
        assert model.arm.sizes
        field, values = model.arm.sizes.ladder()
        return [(model.counted({field: value}), {field: value}) for value in values]

    def counted(self, sizes: Mapping[str, Any]) -> int:
        """What its network of these sizes counts on the axis of `match`; a CapTooSmall if it does not reach its end."""
        axis = self.match.count_name
        network, recipe = _network_and_recipe(self, sizes)
        check_cap(network, recipe)
        of_run = axis.startswith("flops_train")
        flops = run_flops(network, that_matters(recipe, network, self.task), self.task) if of_run else {}
        counted = flops.get(axis) if of_run else count_of(network, axis)
        if counted is None:
            self.check_counted(network, {**count(network), **flops})
        assert counted is not None
        return counted

    @property
    def search(self) -> Search:
        """The search of the file, where there is one."""
        assert self.experiment.search
        return self.experiment.search

    @property
    def recipe(self) -> Recipe:
        """The recipe that the arm names, of the file or built in."""
        return self.experiment.recipes.get(self.arm.recipe) or BUILT_IN_RECIPES[self.arm.recipe]

    @property
    def sizing(self) -> tuple[int | None, ...]:
        """What of the task decides the candidates of an arm: tasks that agree in it have the same ones, solved once."""
        task = self.task
        kind = task.classes, task.vocabulary, self.is_of_data
        return task.inputs, task.train_points, task.boundary_points, *kind

    @property
    def is_of_data(self) -> bool:
        """Whether the task is learnt from rows, of the user's own or built in."""
        return self.task.is_data_file or is_data(self.task.target)

    def check_learnable(self) -> None:
        """A HarnessError if architecture or recipe cannot learn this kind of task, whatever the size."""
        arm, recipe, task = self.arm, self.recipe, self.task
        for place, optimiser in recipe.optimisers.items():
            with at(f"recipes.{arm.recipe}.{place}"):
                optimiser.check()
        if task.vocabulary and not arm.architecture.reads_tokens:
            raise HarnessError(
                f"arms.{self.name}.architecture.family={arm.architecture.family}: {task.target} is of sequences, which "
                "a transformer learns; say family: transformer, with this family as its block"
            )
        if arm.architecture.reads_tokens and not task.vocabulary:
            sequences = ", ".join(name for name, named in TASKS.items() if "context" in named.settings)
            raise HarnessError(
                f"arms.{self.name}.architecture.family={arm.architecture.family}: it learns sequences ({sequences}), "
                f"and {task.target} is none; say family: mlp, kan or another"
            )
        if task.vocabulary and not recipe.optimizer.takes_batches:
            name = recipe.optimizer.name
            raise HarnessError(
                f"recipes.{arm.recipe}.optimizer.name={name}: each evaluation of {task.target} sees fresh sequences, "
                "which it cannot learn from; use adam"
            )
        batch = recipe.optimizer.batch or 0
        if task.vocabulary and batch > task.train_points:
            raise HarnessError(
                f"recipes.{arm.recipe}.optimizer.batch_size={batch}: more than the train_points={task.train_points} of "
                f"{task.target}; raise these"
            )
        loss = loss_of(task)
        if loss.is_equation and (why := arm.architecture.why_no_pde()):
            raise HarnessError(f"arms.{self.name}.architecture.{why}")
        if loss.is_equation and (why := recipe.optimizer.why_no_pde()):
            raise HarnessError(f"recipes.{arm.recipe}.optimizer.{why}")
        if loss.subject and recipe.optimizer.needs_squares:
            why = f"{loss.words} is no sum of squares; use lbfgs or adam"
            raise HarnessError(f"recipes.{arm.recipe}.optimizer.name={recipe.optimizer.name}: {why}")
        if loss.subject and (given := [name for name in ("sparsity", "phases") if getattr(recipe, name)]):
            raise HarnessError(f"recipes.{arm.recipe}.{given[0]}: {loss.subject} learnt without; leave it out")
        updates = recipe.grid_updates
        if updates and updates.points == "domain" and self.is_of_data:
            raise HarnessError(
                f"recipes.{arm.recipe}.grid_updates.points=domain: {task.target} is data, which has no box to draw "
                "points from; use points: train"
            )

    @cached_property
    def counts_asked(self) -> list[tuple[str, str]]:
        """The counts by which the file speaks of the arm, each after its place in the file."""
        said = self.experiment
        asked = [("match.convention", said.match.count_name)] if said.match else []
        if window := said.window.get(self.name):
            asked.append((f"window.{self.name}.axis", window.axis))
        for index, rule in enumerate(said.decide):
            if any(name == self.name or name.startswith(f"{self.name} ") for name in rule.names):  # or of its series
                asked += [(f"decide.{index}.at", rule.axis)] if rule.axis else []
                asked += [(f"decide.{index}.count", name) for name in rule.count]
        return [(place, name) for place, name in asked if name in count_names()]

    def check_counted(self, network: Network, counts: Mapping[str, int]) -> None:
        """A HarnessError if one of the counts that are asked of the arm does not define its family."""
        for place, name in self.counts_asked:
            if name not in counts:
                kind = name.split(".")[0]
                allowed = [count for count in counts if count.startswith(f"{kind}.") and count in count_names()]
                raise HarnessError(
                    f"{place}: {name} does not count {network.family} (arm {self.name!r}); use one of "
                    f"{', '.join(allowed)}"
                )

    def run_of(self, network: Network, recipe: Recipe, seed: int, initialisation: int = 0) -> RunSpec:
        """The run of a network by a recipe."""
        engine, version = engine_of(self.experiment, network, recipe.optimizer, self.task), 1
        if engine == "torch" or recipe.sparsity:  # whose numbers have changed for some networks and optimisers
            of_network = network.torch_version(bool(recipe.grid_updates or recipe.grid_extension))
            version = max(of_network, *(optimiser.torch_version for optimiser in recipe.optimisers.values()))
        return RunSpec(
            task=self.task,
            network=network,
            recipe=recipe,
            seed=seed,
            initialisation=initialisation,
            dtype=self.experiment.dtype,
            engine=engine,
            engine_version=version,
        )


def engine_of(experiment: Experiment, network: Network, optimiser: Optimiser, task: RunTask) -> Engine:
    """The engine of `network`: the experiment's, or `fused` where it can train it; a HarnessError if it cannot."""
    if not (loss := loss_of(task)).kernel:
        if experiment.engine == "fused":
            raise HarnessError(
                f"engine: fused has no {loss.needs}, by which {task.target} is learnt; use engine: torch, or "
                "leave `engine` out"
            )
        return "torch"
    fields = (("dtype", experiment.dtype, "float64"), ("device", experiment.device, "cpu"))
    reasons = [f"{field}: {value}" for field, value, of_kernels in fields if value != of_kernels]
    if experiment.engine == "fused" and reasons:
        raise HarnessError(
            f"engine: fused computes in float64 on CPUs, but the file says {' and '.join(reasons)}; "
            "use engine: torch, or leave `engine` out"
        )
    without_kernels = network.without_kernels() or optimiser.without_loop()
    if experiment.engine == "fused" and without_kernels:
        raise HarnessError(f"engine: fused {without_kernels}; leave `engine` out")
    if experiment.engine:
        return experiment.engine
    return "torch" if reasons or without_kernels else "fused"


# ------------------------------------------------------------------------------------------------------- candidates
class Candidate(NamedTuple):
    """The network and recipe that a value of the free size makes, and its counts, at the end those of a run too."""

    network: Network
    recipe: Recipe
    counts: dict[str, int]


Rungs = Sequence[tuple[float, Mapping[str, Any]]]  # budgets, and the sizes that all arms have there

Solved = tuple[float | None, Candidate | str]  # the budget asked; the candidate or why there is none

SecondsOf = Callable[[RunSpec], float]  # what a run that spends its whole cap takes alone on a machine that was timed


class Drawn(NamedTuple):
    """A run of a replicate: its seed, its number, and what it trains."""

    replicate: int
    number: int
    candidate: Candidate


def candidates_of(sought: ArmOnTask) -> Iterator[Solved]:
    """The candidates of an arm on a task, by budget; a HarnessError if a count asked of it is not defined."""
    for asked, candidate in _solve_ladder(sought):
        if isinstance(candidate, Candidate):
            flops = run_flops(candidate.network, candidate.recipe, sought.task)
            candidate = candidate._replace(counts={**candidate.counts, **flops})
            sought.check_counted(candidate.network, candidate.counts)
        yield asked, candidate


def drawn_of(sought: ArmOnTask, seconds_of: SecondsOf | None = None) -> dict[float, list[Drawn] | str]:
    """By budget the runs of an arm on a task in every replicate, or why there are none; a HarnessError as above.

    A run has the largest size of its setting that does not exceed the budget. Where a setting has none within the
    tolerance below it, or ends before its last stage, the next point of the space takes its place. A cap in seconds
    becomes evaluations by `seconds_of`.
    """
    number, budgets = runs_of_arm(sought.experiment, sought.name), [budget for budget, _ in sought.rungs]
    differ_in = _lanes_differ_in(sought)
    drawn: dict[float, list[Drawn]] = {budget: [] for budget in budgets}
    failed: dict[float, str] = {}
    for replicate in range(sought.search.replicates):
        chosen: dict[float, list[Candidate]] = {budget: [] for budget in budgets if budget not in failed}
        reasons = dict.fromkeys(chosen, "")
        for point in points_of(sought.experiment, sought.name, replicate, differ_in):
            short = [budget for budget, candidates in chosen.items() if len(candidates) < number]
            if not short:
                break
            for budget, candidate in _at_point(sought, point, short, seconds_of).items():
                if isinstance(candidate, Candidate):
                    chosen[budget].append(candidate)
                else:
                    reasons[budget] = candidate
        for budget, candidates in chosen.items():
            runs = len(candidates)
            if runs < number:
                failed[budget] = f"{runs} of {number} settings of replicate {replicate} can have it: {reasons[budget]}"
            drawn[budget] += [Drawn(replicate, place, candidate) for place, candidate in enumerate(candidates)]
    return {budget: failed.get(budget, runs) for budget, runs in drawn.items()}


def _at_point(
    sought: ArmOnTask, point: Point, budgets: Collection[float], seconds_of: SecondsOf | None
) -> dict[float, Candidate | str]:
    """The candidate of a point of the arm's space for each of these budgets, or why there is none."""
    search, rungs = sought.search, [budget for budget, _ in sought.rungs]
    tried = replace(sought, experiment=point.experiment)
    tried.check_learnable()
    candidates: dict[float, Candidate | str] = {}
    for budget, candidate in _solve_ladder(tried, sought.rungs, budgets, at_most=True):
        assert budget is not None
        if isinstance(candidate, Candidate):
            candidate = _with_cap(candidate, sought, search.cap_of(rungs.index(budget)), seconds_of)
        if isinstance(candidate, str):
            candidates[budget] = f"{candidate}{LAST_POINT}{point.values or 'the arm as written'})"
            continue
        sought.check_counted(candidate.network, candidate.counts)
        if search.early_stopping:
            candidate = candidate._replace(recipe=candidate.recipe.model_copy(update={"early_stopping": True}))
        candidates[budget] = candidate
    return candidates


def _lanes_differ_in(sought: ArmOnTask) -> set[str] | None:
    """The axes of an arm's space in which runs of one pack may differ; None where the engine needs no packs."""
    for _, candidate in _solve_ladder(sought):
        if isinstance(candidate, Candidate):
            network, optimiser = candidate.network, candidate.recipe.optimizer
            if engine_of(sought.experiment, network, optimiser, sought.task) == "fused":
                return None
            begins_by = (f"architecture.{name}" for name in network.begins_by)
            return {"recipe.gain", "recipe.optimizer.learning_rate", *begins_by}
    return None


def _with_cap(candidate: Candidate, sought: ArmOnTask, allowed: float, seconds_of: SecondsOf | None) -> Candidate | str:
    """The candidate with as many evaluations as are `allowed`, or cost so much by a count or clock; or why it has none.

    The clock is read in nanoseconds, as what is spent is a whole number.
    """
    name = sought.search.cap_name
    network, recipe, counts = candidate
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
            lambda cap: round(1e9 * timed(run.model_copy(update={"recipe": capped(cap)}))), 1e9 * allowed, least, late
        )
    else:
        most = most_evaluations(lambda cap: flops_at(cap)[name], allowed, least, late)
    if most < least:
        limit = as_typed(str(allowed)).removesuffix(".0")
        return f"search.cap: {name}={limit} ends before the last stage of the recipe; allow more"
    return Candidate(network, capped(most), {**counts, **flops_at(most)})


def _solve_ladder(
    sought: ArmOnTask, rungs: Rungs = (), budgets: Collection[float] | None = None, at_most: bool = False
) -> Iterator[Solved]:
    """(budget asked, the candidate or why there is none) for every size of an arm on a task, or for some `budgets`.

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
    """The size of an arm that each budget solves; a HarnessError if the file says none, or one it cannot have."""
    name, arm, match = sought.name, sought.arm, sought.match
    free = match.free_size(name)
    sizes = [size for size in get_args(Size) if size == "steps" or arm.architecture.has_size(size)]
    if free is None:
        raise HarnessError(f"match.solve: says nothing about arm {name!r}; add `{name}: {'|'.join(sizes)}`")
    if arm.sizes and free != "steps":
        raise HarnessError(f"arms.{name}.sizes: match solves for {free}; sizes go with `solve: steps` or without match")
    if free not in sizes:
        place = f"match.solve.{name}" if name in match.solve else "match.solve"
        raise HarnessError(
            f"{place}: a network of family {arm.architecture.family} has no {free}; arm {name!r} can solve for "
            f"{', '.join(sizes)}"
        )
    return free


def _solver(
    sought: ArmOnTask, free: str, fixed: Mapping[str, Any], at_most: bool
) -> Callable[[float], Candidate | str]:
    """From a budget to the candidate that meets it, or why none does; all budgets share the sizes that it counts."""
    match, axis = sought.match, sought.match.count_name
    smallest = 2 if free == "depth" else 1  # two layers of weights, or a cap that leaves the last stage some work
    if free == "steps":
        smallest = least_evaluations(_network(sought, fixed), sought.recipe)

    @cache
    def count_at(value: int) -> int:
        return sought.counted({**fixed, free: value})

    def at_budget(budget: float) -> Candidate | str:
        size = solve(count_at, axis, budget, match.tol, free, smallest, at_most)
        return size if isinstance(size, str) else _candidate(sought, {**fixed, free: size})

    return at_budget


def _candidate(sought: ArmOnTask, sizes: Mapping[str, Any]) -> Candidate | str:
    """The candidate of these sizes, or why it cannot be trained."""
    network, written = _network_and_recipe(sought, sizes)
    task = sought.task
    recipe = that_matters(written, network, task)
    if recipe.phases and task.train_points % recipe.phases:
        raise HarnessError(
            f"recipes.{sought.arm.recipe}.phases={recipe.phases}: they are of equal size, but {task.target} has "
            f"train_points={task.train_points}; give it a multiple"
        )
    check_cap(network, recipe)
    with at(f"arms.{sought.name}.architecture"):
        network.check(sought.experiment.dtype)  # a module of the user's may not train at all
        why = recipe.optimizer.why_infeasible(network, points_at_a_time(recipe, task.train_points))
    return why or Candidate(network, recipe, count(network))


def _network_and_recipe(sought: ArmOnTask, sizes: Mapping[str, Any]) -> tuple[Network, Recipe]:
    """An arm's network with the values of its free sizes, and its recipe, of which `steps` is the cap."""
    recipe = sought.recipe
    if "steps" in sizes:
        recipe = recipe.model_copy(update={"max_evaluations": sizes["steps"]})
    return _network(sought, {name: value for name, value in sizes.items() if name != "steps"}), recipe


def _network(sought: ArmOnTask, sizes: Mapping[str, Any]) -> Network:
    arm, task = sought.arm, sought.task
    scales = arm.recipe == "paper"
    return build_network(arm.architecture, task.inputs, f"arms.{sought.name}.architecture", sizes, task.outputs, scales)


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
