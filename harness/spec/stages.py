"""What a recipe means, stage by stage: which network is trained from how many starts for how many evaluations."""

from typing import NamedTuple

from harness.errors import HarnessError
from harness.spec.networks import KanShape, MlpShape
from harness.spec.nouns import Adam, Recipe


class CapTooSmall(HarnessError):
    """The evaluation cap does not reach the last stage."""


class Stage(NamedTuple):
    """`evaluations` passes of `network` from each of `starts` starts; of several, the best by training loss goes on."""

    network: MlpShape | KanShape
    starts: int
    evaluations: int


def stages(network: MlpShape | KanShape, recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a run, which together spend exactly `recipe.max_evaluations`.

    A grid-extended KAN trains at each coarser grid first; the last stage, at the run's own grid, gets what is left.
    """
    before = _before_last(network, recipe)
    least = least_evaluations(network, recipe)
    if recipe.max_evaluations < least:
        raise CapTooSmall(
            f"max_evaluations={recipe.max_evaluations} is used up before the last stage of {network.family} "
            f"{list(network.shape)}: restarts and coarser grids take {least - 1}; raise it or shorten grid_extension"
        )
    return (*before, Stage(network, 1, recipe.max_evaluations - least + 1))


def least_evaluations(network: MlpShape | KanShape, recipe: Recipe) -> int:
    """The smallest cap that leaves the last stage an evaluation."""
    return 1 + sum(stage.starts * stage.evaluations for stage in _before_last(network, recipe))


def _before_last(network: MlpShape | KanShape, recipe: Recipe) -> list[Stage]:
    coarse: list[Stage] = []
    if recipe.grid_extension and isinstance(network, KanShape):
        grids = [grid for grid in recipe.grid_extension.grids if grid < network.grid]
        networks = [network.model_copy(update={"grid": grid}) for grid in grids]
        coarse = [Stage(each, 1, recipe.grid_extension.evaluations) for each in networks]
    if recipe.restarts.count == 1:
        return coarse
    first = coarse[0].network if coarse else network
    return [Stage(first, recipe.restarts.count, recipe.restarts.evaluations), *coarse]


def knot_update_points(recipe: Recipe, stage: int, evaluations: int) -> range:
    """The evaluations of a KAN's stage of that length before which its knots are moved.

    A later stage leaves out its first: the knots have just been moved before a refinement, or by the stage before.
    """
    updates = recipe.grid_updates
    if updates is None:
        return range(0)
    return range(updates.every if stage else 0, min(updates.until, evaluations), updates.every)


def samples_per_evaluation(recipe: Recipe, train_points: int) -> int:
    """Points in one forward+backward pass: the batch, or all of them."""
    batch = recipe.optimizer.batch_size if isinstance(recipe.optimizer, Adam) else None
    return min(batch or train_points, train_points)
