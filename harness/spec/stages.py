"""What a recipe means, part by part and stage by stage: which network is trained from how many starts, and how long."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from harness.base.errors import HarnessError
from harness.families import KanShape, Network, SplinedShape
from harness.spec.recipe import Recipe, Restarts
from harness.spec.task import RunTask


class CapTooSmall(HarnessError):
    """The evaluation cap does not reach the last stage."""


class Stage(NamedTuple):
    """`evaluations` passes of `network` from each of `starts` starts; of several, the best by training loss goes on."""

    network: Network
    starts: int
    evaluations: int


class Part(NamedTuple):
    """A training of one network by one recipe without sparsity or phases."""

    network: Network
    recipe: Recipe


def parts(network: Network, recipe: Recipe, pruned: KanShape | None = None) -> tuple[Part, ...]:
    """The trainings that make up a run: one, or with sparsity the penalised one and that of what pruning leaves.

    That is `pruned`, which nobody knows before: planned, it is the whole network. With phases there is one for each, of
    equal length; where the cap is no multiple of them, the first ones have one evaluation more.
    """
    if recipe.phases:
        each, over = divmod(recipe.max_evaluations, recipe.phases)
        caps = [each + (phase < over) for phase in range(recipe.phases)]
        return tuple(Part(network, recipe.model_copy(update={"phases": None, "max_evaluations": cap})) for cap in caps)
    sparsity = recipe.sparsity
    if sparsity is None or not isinstance(network, KanShape):
        return (Part(network, recipe),)
    spent = recipe.restarts.spent + sparsity.evaluations
    first = {
        "optimizer": sparsity.optimizer or recipe.optimizer,
        "max_evaluations": spent,
        "grid_extension": None,
        "sparsity": None,
    }
    rest = {"restarts": Restarts(), "max_evaluations": recipe.max_evaluations - spent, "sparsity": None}
    return (
        Part((_coarser(network, recipe) or [network])[0], recipe.model_copy(update=first)),
        Part(pruned or network, recipe.model_copy(update=rest)),
    )


def stages(network: Network, recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a run, which together spend exactly `recipe.max_evaluations`.

    A grid-extended network trains at each coarser grid first; the last stage, at the run's own grid, gets what is left.
    """
    check_cap(network, recipe)
    return tuple(itertools.chain.from_iterable(_of_part(*part) for part in parts(network, recipe)))


def check_cap(network: Network, recipe: Recipe) -> None:
    """A CapTooSmall if the recipe has no evaluation left for the last stage of such a network."""
    least = least_evaluations(network, recipe)
    if recipe.max_evaluations < least:
        raise CapTooSmall(
            f"max_evaluations={recipe.max_evaluations} is used up before the last stage of {network.family} "
            f"{network.words}: restarts, sparsity and coarser grids take {least - 1}; raise it or shorten "
            "grid_extension"
        )


def schedule_evaluations(run_stages: Sequence[Stage], index: int, recipe: Recipe) -> int:
    """The evaluations over which a schedule that begins with stage `index` decays: until the last of the same network.

    A run that is the beginning of a longer one (`Optimiser.spans`) lacks evaluations of the last stage only.
    """
    network = run_stages[index].network
    of_network = sum(stage.evaluations for stage in run_stages[index:] if stage.network == network)
    whole = recipe.optimizer.spans
    if whole and network == run_stages[-1].network:
        return of_network + whole - recipe.max_evaluations
    return of_network


def least_evaluations(network: Network, recipe: Recipe) -> int:
    """The smallest cap that leaves the last stage an evaluation, or every phase one."""
    if recipe.phases:
        return recipe.phases
    penalised = recipe.sparsity.evaluations if recipe.sparsity and isinstance(network, KanShape) else 0
    coarse = recipe.grid_extension.evaluations if recipe.grid_extension else 0
    return 1 + recipe.restarts.spent + penalised + coarse * len(_coarser_grids(network, recipe))


def _of_part(network: Network, recipe: Recipe) -> list[Stage]:
    before: list[Stage] = []
    if recipe.grid_extension:
        before = [Stage(each, 1, recipe.grid_extension.evaluations) for each in _coarser(network, recipe)]
    if recipe.restarts.count > 1:
        first = before[0].network if before else network
        before = [Stage(first, recipe.restarts.count, recipe.restarts.evaluations), *before]
    spent = sum(stage.starts * stage.evaluations for stage in before)
    return [*before, Stage(network, 1, recipe.max_evaluations - spent)]


def _coarser(network: Network, recipe: Recipe) -> list[Network]:
    """The network on each grid of the recipe's below its own."""
    return [network.model_copy(update={"grid": grid}) for grid in _coarser_grids(network, recipe)]


def _coarser_grids(network: Network, recipe: Recipe) -> tuple[int, ...]:
    if recipe.grid_extension is None or not isinstance(network, SplinedShape):
        return ()
    return tuple(grid for grid in recipe.grid_extension.grids if grid < network.grid)


def knot_update_points(recipe: Recipe, stage: int, evaluations: int) -> range:
    """The evaluations of a stage of that length before which a network's knots, if it has any, are moved.

    A later stage leaves out its first: the knots have just been moved before a refinement, or by the stage before.
    """
    updates = recipe.grid_updates
    if updates is None:
        return range(0)
    return range(updates.every if stage else 0, min(updates.until, evaluations), updates.every)


# Points of a PDE that go through the network at once: what their backward pass needs then stays in the cache, which
# makes an MLP of width 100 a quarter faster. One block more or less moves last bits, so it is the same for all.
PDE_BLOCK = 512


def points_at_a_time(recipe: Recipe, train_points: int) -> int:
    """The training points that there are at a time: those of a phase, or all."""
    return train_points // (recipe.phases or 1)


def at_a_time(recipe: Recipe, task: RunTask) -> RunTask:
    """The task with the training points that there are at a time."""
    if recipe.phases is None:
        return task
    return task.model_copy(update={"train_points": points_at_a_time(recipe, task.train_points)})


def samples_per_evaluation(recipe: Recipe, train_points: int) -> int:
    """Points in one forward+backward pass: the batch, or all of them."""
    return min(recipe.optimizer.batch or train_points, train_points)
