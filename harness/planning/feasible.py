"""What an arm can learn, by which engine, and why not: said when a file is planned, before anything trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.base.errors import HarnessError, at
from harness.optimisers import Optimiser
from harness.spec import BUILT_IN_RECIPES, Arm, Engine, Experiment, Network, Recipe, RunSpec, RunTask, count_names
from harness.spec.arm import Match, Search
from harness.tasks import is_data


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

    @property
    def search(self) -> Search:
        """The search of the file, where there is one."""
        assert self.experiment.search
        return self.experiment.search

    @property
    def recipe(self) -> Recipe:
        """The recipe that the arm names, of the file or built in."""
        return self.experiment.recipes.get(self.arm.recipe) or BUILT_IN_RECIPES[self.arm.recipe]

    def check_learnable(self) -> None:
        """A HarnessError if architecture or recipe cannot learn this kind of task, whatever the size."""
        arm, recipe, task = self.arm, self.recipe, self.task
        for place, optimiser in recipe.optimisers.items():
            with at(f"recipes.{arm.recipe}.{place}"):
                optimiser.check()
        # A PDE is learnt by second derivatives on all points, classes by a cross-entropy.
        if task.is_pde and (why := arm.architecture.why_no_pde()):
            raise HarnessError(f"arms.{self.name}.architecture.{why}")
        for is_kind, kind, why in (
            (task.is_pde, "a PDE is", recipe.optimizer.why_no_pde()),
            (task.classes, "classes are", recipe.optimizer.why_no_classes()),
        ):
            if is_kind and why:
                raise HarnessError(f"recipes.{arm.recipe}.optimizer.{why}")
            if given := [name for name in ("sparsity", "phases") if is_kind and getattr(recipe, name)]:
                raise HarnessError(f"recipes.{arm.recipe}.{given[0]}: {kind} learnt without; leave it out")
        updates = recipe.grid_updates
        if updates and updates.points == "domain" and (task.is_data_file or is_data(task.target)):
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
    if task.is_pde:
        if experiment.engine == "fused":
            raise HarnessError(
                f"engine: fused has no second derivatives, by which {task.target} is learnt; use engine: torch, or "
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
