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
from itertools import pairwise

from harness.count import executed, families, kanbefair
from harness.count.families import features_flops, frozen, live, recursion_terms, spline_systems, stored, trainable
from harness.count.training import (
    Work,
    evaluation_flops,
    knots_flops,
    least_squares_flops,
    levenberg_marquardt_flops,
    optimizer_flops,
    penalty_flops,
    run_work,
    stage_optimizer_flops,
)
from harness.count.weights import DEFAULT_WEIGHTS, WEIGHTS
from harness.spec import (
    KanShape,
    MlpShape,
    ModuleShape,
    Network,
    Optimizer,
    Recipe,
    RunTask,
    SplineMlpShape,
    at_a_time,
    parts,
)

__all__ = [
    "DEFAULT_WEIGHTS",
    "FLOPS_CONVENTIONS",
    "WEIGHTS",
    "Work",
    "count",
    "frozen",
    "layer_flops",
    "least_squares_flops",
    "levenberg_marquardt_flops",
    "live",
    "optimizer_flops",
    "recursion_terms",
    "run_flops",
    "run_work",
    "spline_systems",
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
    if isinstance(network, MlpShape | KanShape):
        layers = pairwise(network.nodes)
        parameters["params.paper"] = sum(families.paper_parameters(network, *layer) for layer in layers)
    if _is_kanbefairs(network):
        parameters["params.kanbefair"] = _kanbefair_parameters(network)
    forward = {
        f"flops_forward.{name}": _features_flops(network, name, weights) + sum(layer_flops(network, name, weights))
        for name in _conventions(network)
    }
    return {**parameters, **forward, "flops_forward.executed": executed.forward(network, weights)}


def layer_flops(network: Network, convention: str, weights: str = DEFAULT_WEIGHTS) -> list[int]:
    """Forward FLOPs per sample of each layer of weights; a ValueError if the convention does not define the family."""
    if convention not in _conventions(network):
        raise ValueError(f"convention {convention!r} counts no FLOPs of {network.family}; {_conventions(network)} do")
    if isinstance(network, ModuleShape):
        return [live(network).forward_matmul if convention == "matmul" else live(network).forward]
    if convention == "kanbefair":
        return [_kanbefair_layer_flops(network, *layer) for layer in pairwise(network.shape)]
    return [families.layer_flops(network, convention, *layer, WEIGHTS[weights]) for layer in families.layers(network)]


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
        f"flops_train.{convention}": optimiser
        + knots
        + sum(_evaluation_flops(stage.network, convention) * stage.evaluations * stage.samples for stage in stages)
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
def _evaluation_flops(network: Network, convention: str) -> int:
    """Of a sample, forward and backward: by the layers' forward counts, or as it was counted on a user's module."""
    if isinstance(network, ModuleShape):
        return live(network).evaluation_matmul if convention == "matmul" else live(network).evaluation
    return _features_flops(network, convention, DEFAULT_WEIGHTS) + evaluation_flops(layer_flops(network, convention))


def _features_flops(network: Network, convention: str, weights: str) -> int:
    return features_flops(network, None if convention == "matmul" else WEIGHTS[weights])


def _conventions(network: Network) -> tuple[str, ...]:
    if _is_kanbefairs(network):
        return FLOPS_CONVENTIONS
    return tuple(name for name in FLOPS_CONVENTIONS if name != "kanbefair")


def _is_kanbefairs(network: Network) -> bool:
    """Whether KANbeFair has networks like it, and so a formula."""
    match network:
        case MlpShape():
            return network.activation not in ("prelu", "sine") and network.features is None
        case SplineMlpShape():
            return network.rank == 1
    return isinstance(network, KanShape)


def _kanbefair_parameters(network: Network) -> int:
    match network:
        case MlpShape():
            return kanbefair.mlp_parameters(network.shape)
        case KanShape():
            shortcut = "silu" if network.base else "zero"
            return kanbefair.kan_parameters(network.shape, network.grid, network.order, shortcut)
        case SplineMlpShape():
            before = network.place == "before"
            return kanbefair.spline_mlp_parameters(network.shape, network.grid, network.order, before)
    raise ValueError(f"KANbeFair has no {network.family}")


def _kanbefair_layer_flops(network: Network, inputs: int, outputs: int) -> int:
    match network:
        case MlpShape():
            return kanbefair.mlp_layer_flops(inputs, outputs, network.activation)
        case KanShape():
            shortcut = "silu" if network.base else "zero"
            return kanbefair.kan_layer_flops(inputs, outputs, network.grid, network.order, shortcut)
        case SplineMlpShape():
            before = network.place == "before"
            return kanbefair.spline_mlp_layer_flops(inputs, outputs, network.grid, network.order, before)
    raise ValueError(f"KANbeFair has no {network.family}")
