"""What training costs in FLOPs: evaluations, the optimiser's own arithmetic, and the least squares
of knots.

    total = (2 F_first + 3 F_rest) x samples x evaluations + optimiser + knots

F is a layer's forward count. A backward pass costs a layer twice its forward (gradients by its
weights and by its input), the first layer once: nobody asks for the gradient by the data. That
ratio is exact for matrix products and an assumption for bases and activations;
`flops_train.executed` counts the backward pass that torch really runs. Fourier features are frozen,
so they have no backward pass: 1 times their forward count.

A PDE is learnt from derivatives of the network, which go through the layers as values do: a point
inside of its domain is counted as d + 2 points (value, d derivatives, Laplacian), under every
convention and for every family. That is exact for the matrix products of hidden layers; what torch
executes is within 10 % of it (tests/tasks/test_pde.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

from harness.families import KanShape, Network, SplinedShape
from harness.spec.recipe import (
    Recipe,
    at_a_time,
    knot_update_points,
    parts,
    samples_per_evaluation,
    stages,
)
from harness.spec.task import RunTask

# The norm of an edge, a sample: an absolute value and its sum, and back a sign and its sum.
PENALTY_OPERATIONS = 4


class Work(NamedTuple):
    """What one stage of a run does: `evaluations` forward+backward passes of `network` over
    `samples` points each.

    `iterations` are the optimiser's, of all `starts` together, each with a memory of its own;
    `knot_updates` least squares on `fit_samples` points move all its knots; `refined`: the stage
    began by interpolating a coarser one's splines.
    """

    network: Network
    evaluations: int
    samples: int
    iterations: int
    starts: int = 1
    knot_updates: int = 0
    fit_samples: int = 0
    refined: bool = False


def run_work(
    network: Network,
    recipe: Recipe,
    task: RunTask,
    spent: Sequence[tuple[int, int]] | None = None,
    pruned: KanShape | None = None,
) -> list[Work]:
    """The work of a run, stage by stage, whose stages made `spent` (evaluations, iterations); else
    its whole cap.

    `pruned` is what pruning left of a network whose recipe has sparsity; without it nothing is
    taken to be pruned. Planned, each evaluation is an iteration, which is the most there can be.
    Updates of knots are those due until the evaluations that were made; a lane that has come to
    rest skips its last ones, which overstates them by a few.
    """
    work: list[Work] = []
    for part in parts(network, recipe, pruned):
        work += _part_work(*part, at_a_time(recipe, task), spent and spent[len(work) :])
    return work


def _part_work(
    network: Network, recipe: Recipe, task: RunTask, spent: Sequence[tuple[int, int]] | None
) -> list[Work]:
    planned = stages(network, recipe)
    work: list[Work] = []
    for index, stage in enumerate(planned):
        evaluations, iterations = spent[index] if spent else (stage.starts * stage.evaluations,) * 2
        is_refined = (
            index > 0 and stage.network is not planned[index - 1].network
        )  # stages of one network share it
        if is_refined and recipe.grid_updates:  # knots are moved once more before the refinement
            work[-1] = work[-1]._replace(knot_updates=work[-1].knot_updates + 1)
        updates = len(knot_update_points(recipe, index, evaluations // stage.starts)) * stage.starts
        work.append(
            Work(
                network=stage.network,
                evaluations=evaluations,
                samples=samples_per_evaluation(recipe, task.points_evaluated),
                iterations=iterations,
                starts=stage.starts,
                knot_updates=updates if isinstance(stage.network, SplinedShape) else 0,
                fit_samples=task.train_points + (task.boundary_points or 0),
                refined=is_refined,
            )
        )
    return work


def penalty_flops(work: Work) -> int:
    """What the norms of all edges add to a stage's evaluations, forward and backward; their entropy
    is left out.
    """
    assert isinstance(work.network, KanShape)
    edges = sum(layer.edges for layer in work.network.layers)
    return PENALTY_OPERATIONS * edges * work.samples * work.evaluations


# --------------------------------------------------------------------------------------------------
# knots
def least_squares_flops(samples: int, unknowns: int, right_hand_sides: int) -> int:
    """Householder QR to leading order: 2 N n^2 - 2/3 n^3, and 4 N n - n^2 a right-hand side.

    The driver that runs (gelsd, by singular values, so that deficient rank is no danger) executes
    several times more.
    """
    tall, thin = max(samples, unknowns), min(samples, unknowns)
    return 2 * tall * thin**2 - 2 * thin**3 // 3 + right_hand_sides * (4 * tall * thin - thin**2)


def knots_flops(work: Work) -> int:
    """The least squares of a stage: one system a node, with a right-hand side a spline. (pykan
    solves one an edge.)
    """
    network = work.network
    if not isinstance(network, SplinedShape):
        return 0
    unknowns = network.grid + network.order

    def solved(samples: int) -> int:
        systems = network.spline_systems
        return sum(
            nodes * least_squares_flops(samples, unknowns, splines) for nodes, splines in systems
        )

    moved = work.knot_updates * solved(work.fit_samples) if work.knot_updates else 0
    return moved + (solved(unknowns) if work.refined else 0)
