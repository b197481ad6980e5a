"""What an arm can learn, by which engine, and why not: said when a file is planned, before anything trains."""

from collections.abc import Iterable, Mapping

from harness.base.errors import HarnessError
from harness.optimisers import Optimiser
from harness.planning.place import at
from harness.spec import (
    BUILT_IN_RECIPES,
    Arm,
    Experiment,
    Network,
    Recipe,
    RunTask,
    count_names,
    points_at_a_time,
)
from harness.spec.run import Dtype, Engine
from harness.tasks import is_data


def recipe_of(variant: Experiment, arm: Arm) -> Recipe:
    """The recipe that an arm names, of the file or built in."""
    return variant.recipes.get(arm.recipe) or BUILT_IN_RECIPES[arm.recipe]


def check_learnable(variant: Experiment, arm_name: str, task: RunTask) -> None:
    """A HarnessError if an arm's architecture or recipe cannot learn this kind of task, whatever the size."""
    arm = variant.arms[arm_name]
    for place, optimiser in recipe_of(variant, arm).optimisers.items():
        with at(f"recipes.{arm.recipe}.{place}"):
            optimiser.check()
    if task.is_pde:
        _check_pde(variant, arm_name)
    if task.classes:
        _check_classes(variant, arm_name)
    if task.is_data_file or is_data(task.target):
        _check_data(variant, arm_name, task.target)


def _check_pde(variant: Experiment, arm_name: str) -> None:
    """A HarnessError if a PDE, which is learnt by second derivatives on all points, cannot be learnt by an arm."""
    arm = variant.arms[arm_name]
    recipe = recipe_of(variant, arm)
    if why := arm.architecture.why_no_pde():
        raise HarnessError(f"arms.{arm_name}.architecture.{why}")
    if why := recipe.optimizer.why_no_pde():
        raise HarnessError(f"recipes.{arm.recipe}.optimizer.{why}")
    for name in ("sparsity", "phases"):
        if getattr(recipe, name):
            raise HarnessError(f"recipes.{arm.recipe}.{name}: a PDE is learnt without; leave it out")


def _check_classes(variant: Experiment, arm_name: str) -> None:
    """A HarnessError if classes, whose loss is a cross-entropy, cannot be learnt by an arm's recipe."""
    arm = variant.arms[arm_name]
    recipe = recipe_of(variant, arm)
    if why := recipe.optimizer.why_no_classes():
        raise HarnessError(f"recipes.{arm.recipe}.optimizer.{why}")
    for name in ("sparsity", "phases"):
        if getattr(recipe, name):
            raise HarnessError(f"recipes.{arm.recipe}.{name}: classes are learnt without; leave it out")


def _check_data(variant: Experiment, arm_name: str, target: str) -> None:
    arm = variant.arms[arm_name]
    updates = recipe_of(variant, arm).grid_updates
    if updates and updates.points == "domain":
        raise HarnessError(
            f"recipes.{arm.recipe}.grid_updates.points=domain: {target} is data, which has no box to draw points from; "
            "use points: train"
        )


def check_phases(recipe: Recipe, task: RunTask) -> None:
    """A HarnessError if the data cannot be shared out equally to the recipe's phases."""
    if recipe.phases and task.train_points % recipe.phases:
        raise HarnessError(
            f"they are of equal size, but {task.target} has train_points={task.train_points}; give it a multiple"
        )


def counts_asked(variant: Experiment, arm_name: str) -> list[tuple[str, str]]:
    """The counts by which the file speaks of an arm, each after its place in the file."""
    asked = [("match.convention", variant.match.count_name)] if variant.match else []
    if window := variant.window.get(arm_name):
        asked.append((f"window.{arm_name}.axis", window.axis))
    for index, rule in enumerate(variant.decide):
        if any(name == arm_name or name.startswith(f"{arm_name} ") for name in rule.names):  # or one of its series
            asked += [(f"decide.{index}.at", rule.axis)] if rule.axis else []
            asked += [(f"decide.{index}.count", name) for name in rule.count]
    known = count_names()
    return [(place, name) for place, name in asked if name in known]


def check_counted(asked: Iterable[tuple[str, str]], arm_name: str, network: Network, counts: Mapping[str, int]) -> None:
    """A HarnessError if one of the counts that are `asked` of an arm does not define its family."""
    for place, name in asked:
        if name not in counts:
            kind = name.split(".")[0]
            known = [each for each in counts if each.startswith(f"{kind}.") and each in count_names()]
            raise HarnessError(
                f"{place}: {name} does not count {network.family} (arm {arm_name!r}); use one of {', '.join(known)}"
            )


def why_infeasible(network: Network, recipe: Recipe, task: RunTask, dtype: Dtype) -> str | None:
    """Why a network of this size cannot be trained, or None.

    A HarnessError if it is a module of the user's that cannot train at all.
    """
    network.check(dtype)
    return recipe.optimizer.why_infeasible(network, points_at_a_time(recipe, task.train_points))


def engine_of(experiment: Experiment, network: Network, optimiser: Optimiser, task: RunTask) -> Engine:
    """The engine of `network`: the experiment's, or `fused` where it can train it; a HarnessError if it cannot."""
    if task.is_pde:
        if experiment.engine == "fused":
            raise HarnessError(
                f"engine: fused has no second derivatives, by which {task.target} is learnt; use engine: torch, or "
                "leave `engine` out"
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
    without_kernels = network.without_kernels() or optimiser.without_loop()
    if experiment.engine == "fused" and without_kernels:
        raise HarnessError(f"engine: fused {without_kernels}; leave `engine` out")
    if experiment.engine:
        return experiment.engine
    return "torch" if reasons or without_kernels else "fused"


def engine_version(engine: Engine, network: Network, recipe: Recipe) -> int:
    """The version of an engine's numbers for runs of this network and recipe, which is part of their identity."""
    if engine == "fused" and not recipe.sparsity:
        return 1
    knots_move = bool(recipe.grid_updates or recipe.grid_extension)
    return max(
        network.torch_version(knots_move), *(optimiser.torch_version for optimiser in recipe.optimisers.values())
    )
