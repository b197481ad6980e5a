"""How large a network is and what its training costs, under every named convention: closed forms, no torch.

Counts are keyed `axis.convention`. Axes: `params` (scalars), `flops_forward` (per sample), `flops_train` (of a run).

    convention     parameters                     FLOPs
    trainable      every trainable scalar         -
    stored         these, and frozen ones, knots  -
    paper          KAN: E G; MLP: E (no biases)   -
    kanbefair      KANbeFair's released formula   KANbeFair's released formula, 2 and 3 times it for training
    per_edge       -                              bases computed on every edge
    shared_dense   -                              bases once an input, all of them multiplied (default)
    local_min      -                              only the bases that are not zero
    matmul         -                              matrix products only, as torch.utils.flop_counter sees them
    executed       -                              what torch executes, element-wise work included

A convention that does not define a family leaves its key out. A user's module has no closed form: it is counted as it
runs, and as nothing says how else it could, that count stands under per_edge, shared_dense, local_min and executed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.count import executed
from harness.count.families import frozen, stored, trainable
from harness.count.training import (
    Work,
    knots_flops,
    least_squares_flops,
    levenberg_marquardt_flops,
    optimizer_flops,
    penalty_flops,
    run_work,
    stage_optimizer_flops,
)
from harness.families import KanShape, ModuleShape, Network, kanbefair
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS
from harness.families.splined import recursion_terms
from harness.spec import Optimizer, Recipe, RunTask, at_a_time, parts

__all__ = [
    "DEFAULT_WEIGHTS",
    "FLOPS_CONVENTIONS",
    "WEIGHTS",
    "Work",
    "count",
    "frozen",
    "kanbefair",
    "layer_flops",
    "least_squares_flops",
    "levenberg_marquardt_flops",
    "optimizer_flops",
    "recursion_terms",
    "run_flops",
    "run_work",
    "stored",
    "trainable",
    "training_flops",
]

# That have a count of what a penalty on edges takes: the others know matrix products or one formula only.
PENALISED = tuple(f"flops_train.{name}" for name in ("shared_dense", "local_min", "per_edge", "executed"))
FLOPS_CONVENTIONS = ("shared_dense", "local_min", "per_edge", "kanbefair", "matmul")


def count(network: Network, weights: str = DEFAULT_WEIGHTS) -> dict[str, int]:
    """Parameters and forward FLOPs per sample under every convention that defines this family."""
    parameters = {"params.trainable": trainable(network)}
    if not isinstance(network, ModuleShape):
        parameters["params.stored"] = stored(network)
    if network.paper_parameters is not None:
        parameters["params.paper"] = network.paper_parameters
    if network.kanbefair_parameters is not None:
        parameters["params.kanbefair"] = network.kanbefair_parameters
    forward = {}
    for name in _conventions(network):
        before = network.flops_before(None if name == "matmul" else WEIGHTS[weights])
        forward[f"flops_forward.{name}"] = before + sum(layer_flops(network, name, weights))
    return {**parameters, **forward, "flops_forward.executed": executed.forward(network, weights)}


def layer_flops(network: Network, convention: str, weights: str = DEFAULT_WEIGHTS) -> list[int]:
    """Forward FLOPs per sample of each layer of weights; a ValueError if the convention does not define the family."""
    if convention not in _conventions(network):
        raise ValueError(f"convention {convention!r} counts no FLOPs of {network.family}; {_conventions(network)} do")
    return network.flops(convention, WEIGHTS[weights])


def training_flops(work: Iterable[Work], optimizer: Optimizer) -> dict[str, int]:
    """FLOPs of a run, keyed `flops_train.<convention>`, and the two parts that are the same in all of them.

    `flops_train.part_optimizer` and `flops_train.part_knots` are in every total already. A convention that does not
    define one of the networks leaves its key out.
    """
    stages = list(work)
    conventions = [name for name in FLOPS_CONVENTIONS if all(name in _conventions(stage.network) for stage in stages)]
    optimiser = sum(stage_optimizer_flops(optimizer, stage) for stage in stages)
    knots = sum(knots_flops(stage) for stage in stages)
    totals = {
        f"flops_train.{convention}": optimiser + knots + sum(_evaluation_flops(stage, convention) for stage in stages)
        for convention in conventions
    }
    evaluated = sum(executed.evaluation(stage.network) * stage.evaluations * stage.samples for stage in stages)
    totals["flops_train.executed"] = evaluated + optimiser + knots
    return {**totals, "flops_train.part_optimizer": optimiser, "flops_train.part_knots": knots}


def run_flops(
    network: Network,
    recipe: Recipe,
    task: RunTask,
    spent: Sequence[tuple[int, int]] | None = None,
    pruned: KanShape | None = None,
) -> dict[str, int]:
    """Training FLOPs of a run (`training_flops`) by what its stages `spent`, or else its whole cap; see `run_work`."""
    total: Counter[str] = Counter()
    done = 0
    for part in parts(network, recipe, pruned):
        work = run_work(*part, at_a_time(recipe, task), spent and spent[done:])
        done += len(work)
        total.update(training_flops(work, part.recipe.optimizer))
        if recipe.sparsity and done == len(work) and part.recipe != recipe:
            total.update(dict.fromkeys(PENALISED, sum(map(penalty_flops, work))))
    return dict(total)


# ---------------------------------------------------------------------------------------------------------- internals
def _evaluation_flops(stage: Work, convention: str) -> int:
    """Of all evaluations of a stage, forward and backward."""
    a_sample = stage.network.evaluation_flops(convention, WEIGHTS[DEFAULT_WEIGHTS])
    return a_sample * stage.evaluations * stage.samples


def _conventions(network: Network) -> tuple[str, ...]:
    """KANbeFair's formula counts only what KANbeFair has networks like."""
    is_kanbefairs = network.kanbefair_parameters is not None
    return tuple(name for name in FLOPS_CONVENTIONS if name != "kanbefair" or is_kanbefairs)
