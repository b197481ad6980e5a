"""An arm on a task: what it can learn there, its networks, what it counts, and its runs."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.base.errors import HarnessError, at
from harness.count import count, count_of, run_flops
from harness.families import KanShape, Network, SplinedShape
from harness.optimisers import Optimiser
from harness.planning.solve import build_network
from harness.spec.arm import Arm, Match, Search
from harness.spec.budgets import by_count
from harness.spec.counts import count_names
from harness.spec.experiment import Experiment
from harness.spec.manifest import Moments
from harness.spec.recipe import (
    BUILT_IN_RECIPES,
    Recipe,
    Restarts,
    at_a_time,
    check_cap,
    least_evaluations,
)
from harness.spec.run import Engine, RunSpec
from harness.spec.task import RunTask
from harness.tasks import TASKS, is_data, loss_of


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
        """Each budget with the sizes that all arms have there: none, or with `match.like` those of
        that arm.
        """
        match = self.match
        if match.like is None:
            return [(budget, {}) for budget in match.at]
        model = replace(self, name=match.like)
        assert model.arm.sizes
        field, values = model.arm.sizes.ladder()
        return [(model.counted({field: value}), {field: value}) for value in values]

    def network(self, sizes: Mapping[str, Any]) -> Network:
        """Its network with the values of its free sizes."""
        scales = self.arm.recipe == "paper"
        where = f"arms.{self.name}.architecture"
        return build_network(
            self.arm.architecture, self.task.inputs, where, sizes, self.task.outputs, scales
        )

    def network_and_recipe(self, sizes: Mapping[str, Any]) -> tuple[Network, Recipe]:
        """The same and its recipe, of which `steps` is the cap."""
        recipe = self.recipe
        if "steps" in sizes:
            recipe = recipe.model_copy(update={"max_evaluations": sizes["steps"]})
        return self.network(
            {name: value for name, value in sizes.items() if name != "steps"}
        ), recipe

    def counted(self, sizes: Mapping[str, Any]) -> int:
        """What its network of these sizes counts on the axis of `match`; a CapTooSmall if it does
        not reach its end.
        """
        axis = self.match.count_name
        network, recipe = self.network_and_recipe(sizes)
        check_cap(network, recipe)
        of_run = axis.startswith("flops_train")
        flops = (
            run_flops(network, that_matters(recipe, network, self.task), self.task)
            if of_run
            else {}
        )
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
    def sizing(self) -> tuple[int | str | None, ...]:
        """What of the task decides the candidates of an arm: tasks that agree in it have the same
        ones, solved once.
        """
        task = self.task
        kind = task.classes, task.vocabulary, task.own_loss, self.is_of_data
        return task.inputs, task.train_points, task.boundary_points, *kind

    @property
    def is_of_data(self) -> bool:
        """Whether the task is learnt from rows, of the user's own or built in."""
        return self.task.is_data_file or is_data(self.task.target)

    def check_learnable(self) -> None:
        """A HarnessError if architecture or recipe cannot learn this kind of task, whatever the
        size.
        """
        architecture, recipe, task, loss = (
            self.arm.architecture,
            self.recipe,
            self.task,
            loss_of(self.task),
        )
        of_arm, of_recipe = f"arms.{self.name}.architecture", f"recipes.{self.arm.recipe}"
        family, optimizer = f"{of_arm}.family={architecture.family}", f"{of_recipe}.optimizer"
        if self.experiment.read_at and (refusal := recipe.why_no_budgets()):
            raise HarnessError(
                f"{of_recipe}.{refusal}; leave it out, or give one cap in place of budgets"
            )
        for place, optimiser in recipe.optimisers.items():
            with at(f"{of_recipe}.{place}"):
                optimiser.check()
        if task.vocabulary and not architecture.reads_tokens:
            why = f"{task.target} is of sequences, which a transformer learns"
            raise HarnessError(
                f"{family}: {why}; say family: transformer, with this family as its block"
            )
        if architecture.reads_tokens and not task.vocabulary:
            sequences = ", ".join(
                name for name, named in TASKS.items() if "context" in named.settings
            )
            why = f"it learns sequences ({sequences}), and {task.target} is none"
            raise HarnessError(f"{family}: {why}; say family: mlp, kan or another")
        if task.vocabulary and not recipe.optimizer.takes_batches:
            why = (
                f"each evaluation of {task.target} sees fresh sequences, which it cannot learn from"
            )
            raise HarnessError(f"{optimizer}.name={recipe.optimizer.name}: {why}; use adam")
        if self.experiment.dtype == "bfloat16" and not architecture.reads_tokens:
            why = "dtype: bfloat16 is for transformers, and its three digits are too few here"
            raise HarnessError(f"{family}: {why}; say dtype: float32")
        batch = recipe.optimizer.batch or 0
        if task.vocabulary and batch > task.train_points:
            why = f"more than the train_points={task.train_points} of {task.target}"
            raise HarnessError(f"{optimizer}.batch_size={batch}: {why}; raise these")
        if loss.is_equation and (why_none := architecture.why_no_pde()):
            raise HarnessError(f"{of_arm}.{why_none}")
        if loss.is_equation and (why_none := recipe.optimizer.why_no_pde()):
            raise HarnessError(f"{optimizer}.{why_none}")
        if loss.subject and recipe.optimizer.needs_squares:
            why = f"{loss.words} is no sum of squares"
            raise HarnessError(
                f"{optimizer}.name={recipe.optimizer.name}: {why}; use lbfgs or adam"
            )
        if loss.subject and (
            unfit := [name for name in ("sparsity", "phases") if getattr(recipe, name)]
        ):
            raise HarnessError(
                f"{of_recipe}.{unfit[0]}: {loss.subject} learnt without; leave it out"
            )
        updates = recipe.grid_updates
        if updates and updates.points == "domain" and self.is_of_data:
            why = f"{task.target} is data, which has no box to draw points from"
            raise HarnessError(f"{of_recipe}.grid_updates.points=domain: {why}; use points: train")

    @cached_property
    def counts_asked(self) -> list[tuple[str, str]]:
        """The counts by which the file speaks of the arm, each after its place in the file."""
        experiment = self.experiment
        counts = [("match.convention", experiment.match.count_name)] if experiment.match else []
        budgets_at = "search.budgets" if experiment.search else "budgets"
        counts += [(f"{budgets_at}.{axis}", axis) for axis in by_count(experiment.read_at)]
        if window := experiment.window.get(self.name):
            counts.append((f"window.{self.name}.axis", window.axis))
        for index, rule in enumerate(experiment.decide):
            if any(
                name == self.name or name.startswith(f"{self.name} ") for name in rule.names
            ):  # or of its series
                counts += [(f"decide.{index}.at", rule.axis)] if rule.axis else []
                counts += [(f"decide.{index}.count", name) for name in rule.count]
        return [(place, name) for place, name in counts if name in count_names()]

    def check_counted(self, network: Network, counts: Mapping[str, int]) -> None:
        """A HarnessError if one of the counts that are asked of the arm does not define its
        family.
        """
        for place, name in self.counts_asked:
            if name not in counts:
                kind = name.split(".")[0]
                allowed = [
                    count
                    for count in counts
                    if count.startswith(f"{kind}.") and count in count_names()
                ]
                problem = f"{place}: {name} does not count {network.family} (arm {self.name!r})"
                raise HarnessError(f"{problem}; use one of {', '.join(allowed)}")

    def run_of(
        self,
        network: Network,
        recipe: Recipe,
        seed: int,
        initialisation: int = 0,
        readings: tuple[int, ...] = (),
    ) -> RunSpec:
        """The run of a network by a recipe, which leaves readings after so many evaluations."""
        engine, version = engine_of(self.experiment, network, recipe.optimizer, self.task), 1
        if (
            engine == "torch" or recipe.sparsity
        ):  # whose numbers have changed for some networks and optimisers
            of_network = network.torch_version(bool(recipe.grid_updates or recipe.grid_extension))
            version = max(
                of_network, *(optimiser.torch_version for optimiser in recipe.optimisers.values())
            )
        return RunSpec(
            task=self.task,
            network=network,
            recipe=recipe,
            seed=seed,
            initialisation=initialisation,
            dtype=self.experiment.dtype,
            engine=engine,
            engine_version=version,
            readings=readings,
        )


def readings_at(moments: Moments) -> tuple[int, ...]:
    """After how many evaluations a run is read, ascending; budgets of several counts may share
    one.
    """
    all_moments = itertools.chain.from_iterable(moments.values())
    return tuple(sorted({moment for moment in all_moments if moment is not None}))


def engine_of(
    experiment: Experiment, network: Network, optimiser: Optimiser, task: RunTask
) -> Engine:
    """The engine of `network`: the experiment's, or `fused` where it can train it; a HarnessError
    if it cannot.
    """
    loss, move = loss_of(task), "use engine: torch, or leave `engine` out"
    fields = (("dtype", experiment.dtype, "float64"), ("device", experiment.device, "cpu"))
    others = [f"{field}: {value}" for field, value, of_kernels in fields if value != of_kernels]
    if not loss.kernel:
        why = f"has no {loss.needs}, by which {task.target} is learnt; {move}"
    elif others:
        why = f"computes in float64 on CPUs, but the file says {' and '.join(others)}; {move}"
    elif without_kernels := network.without_kernels() or optimiser.without_loop():
        why = f"{without_kernels}; leave `engine` out"
    else:
        return experiment.engine or "fused"
    if experiment.engine == "fused":
        raise HarnessError(f"engine: fused {why}")
    return "torch"


def that_matters(recipe: Recipe, network: Network, task: RunTask) -> Recipe:
    """The recipe without what changes nothing for this network and task, so that the same run has
    the same id.
    """
    changes: dict[str, Any] = {}
    if not isinstance(network, KanShape):
        changes["sparsity"] = None
    if not isinstance(network, SplinedShape):
        changes |= {"grid_updates": None, "grid_extension": None}
    elif extension := recipe.grid_extension:
        grids = tuple(grid for grid in extension.grids if grid < network.grid)
        changes["grid_extension"] = (
            extension.model_copy(update={"grids": grids, "equal": False}) if grids else None
        )
        if extension.equal:
            last = least_evaluations(network, recipe) - 1 + extension.evaluations
            changes["max_evaluations"] = min(last, recipe.max_evaluations)
    if recipe.restarts.count == 1:
        changes["restarts"] = Restarts()
    points = at_a_time(recipe, task).train_points
    changes["optimizer"] = recipe.optimizer.that_matters(network, points)
    return recipe.model_copy(update=changes)
