"""How large a network is and what its training costs, under every named convention: closed forms, no torch.

Counts are keyed `axis.convention`. Axes: `params` (scalars), `flops_forward` (per sample), `flops_train` (of a run).
`harness.count.conventions` has every convention. One that does not define a family leaves its key out. A user's module
has no closed form: it is counted as it runs, and as nothing says how else it could, that count stands under all
conventions but `matmul`, which has its matrix products, and those that do not define it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from harness.count.conventions import CONVENTIONS, Convention
from harness.count.families import trainable
from harness.count.training import (
    Work,
    knots_flops,
    least_squares_flops,
    penalty_flops,
    run_work,
)
from harness.families import KanShape, Network, kanbefair
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS
from harness.families.splined import recursion_terms
from harness.optimisers import Optimiser
from harness.spec import Recipe, RunTask, at_a_time, parts

__all__ = [
    "CONVENTIONS",
    "DEFAULT_WEIGHTS",
    "WEIGHTS",
    "Work",
    "count",
    "kanbefair",
    "layer_flops",
    "least_squares_flops",
    "recursion_terms",
    "run_flops",
    "run_work",
    "trainable",
    "training_flops",
]


NETWORKS_KEPT = 2**12  # whose counts are remembered: the trials of a search ask for the same ones again and again


def count(network: Network, weights: str = DEFAULT_WEIGHTS) -> dict[str, int]:
    """Parameters and forward FLOPs per sample under every convention that defines this family."""
    return dict(_count(network, weights, tuple(CONVENTIONS)))


@lru_cache(maxsize=NETWORKS_KEPT)
def _count(network: Network, weights: str, conventions: tuple[Convention, ...]) -> dict[str, int]:
    counted = {f"params.{one.name}": one.parameters(network) for one in conventions if one.parameters}
    counted |= {f"flops_forward.{one.name}": one.flops.forward(network, weights) for one in conventions if one.flops}
    return {name: number for name, number in counted.items() if number is not None}


def layer_flops(network: Network, convention: str, weights: str = DEFAULT_WEIGHTS) -> list[int]:
    """Forward FLOPs per sample of each layer of weights; a ValueError if the convention does not define the family."""
    by_layers = {one.name: one.flops.layers for one in CONVENTIONS if one.flops and one.flops.layers}
    layers = by_layers[convention](network, weights) if convention in by_layers else None
    if layers is None:
        known = tuple(name for name, layers_of in by_layers.items() if layers_of(network, weights) is not None)
        raise ValueError(f"convention {convention!r} counts no FLOPs of {network.family}; {known} do")
    return layers


def training_flops(work: Iterable[Work], optimiser: Optimiser) -> dict[str, int]:
    """FLOPs of a run, keyed `flops_train.<convention>`, and the two parts that are the same in all of them.

    `flops_train.part_optimizer` and `flops_train.part_knots` are in every total already. A convention that does not
    define one of the networks leaves its key out.
    """
    stages = list(work)
    own = sum(
        optimiser.flops(stage.network, stage.samples, stage.evaluations, stage.iterations, stage.starts)
        for stage in stages
    )
    knots = sum(knots_flops(stage) for stage in stages)
    totals = {one.name: own + knots for one in CONVENTIONS if one.flops}
    for stage in stages:
        of_a_sample = _evaluation_flops(stage.network, tuple(CONVENTIONS))
        for name in totals.keys() - of_a_sample.keys():
            del totals[name]
        for name in totals:
            totals[name] += of_a_sample[name] * stage.evaluations * stage.samples
    flops = {f"flops_train.{name}": total for name, total in totals.items()}
    return {**flops, "flops_train.part_optimizer": own, "flops_train.part_knots": knots}


@lru_cache(maxsize=NETWORKS_KEPT)
def _evaluation_flops(network: Network, conventions: tuple[Convention, ...]) -> dict[str, int]:
    """Of an evaluation, a sample, by the names of the conventions that define the network."""
    counted = {one.name: one.flops.evaluation(network) for one in conventions if one.flops}
    return {name: number for name, number in counted.items() if number is not None}


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
            penalised = [f"flops_train.{one.name}" for one in CONVENTIONS if one.has_penalty]
            total.update(dict.fromkeys(penalised, sum(map(penalty_flops, work))))
    return dict(total)
