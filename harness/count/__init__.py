"""How large a network is and what its training costs, under every named convention: closed forms,
no torch.

Counts are keyed `axis.convention`. Axes: `params` (scalars), `flops_forward` (per sample),
`flops_train` (of a run). `harness.count.conventions` has every convention. One that does not define
a family leaves its key out. A user's module has no closed form: it is counted as it runs, and as
nothing says how else it could, that count stands under all conventions but `matmul`, which has its
matrix products, and those that do not define it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache

from harness.count.conventions import CONVENTIONS, Convention
from harness.count.training import Work, knots_flops, least_squares_flops, penalty_flops, run_work
from harness.families import KanShape, Network, kanbefair
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS
from harness.families.splined import recursion_terms
from harness.optimisers import Optimiser
from harness.spec.recipe import Recipe, Restarts, at_a_time, least_evaluations, parts
from harness.spec.task import RunTask

NETWORKS_KEPT = (
    2**12
)  # whose counts are remembered: the trials of a search ask for the same ones again and again


def count(network: Network, weights: str = DEFAULT_WEIGHTS) -> dict[str, int]:
    """Parameters and forward FLOPs per sample under every convention that defines this family."""
    return dict(_count(network, weights, tuple(CONVENTIONS)))


@lru_cache(maxsize=NETWORKS_KEPT)
def _count(network: Network, weights: str, conventions: tuple[Convention, ...]) -> dict[str, int]:
    counted = {
        f"params.{rule.name}": rule.parameters(network) for rule in conventions if rule.parameters
    }
    counted |= {
        f"flops_forward.{rule.name}": rule.flops.forward(network, weights)
        for rule in conventions
        if rule.flops
    }
    return {name: number for name, number in counted.items() if number is not None}


def count_of(network: Network, name: str) -> int | None:
    """One of these counts, without the others; None if its convention does not define this
    family.
    """
    kind, convention = name.split(".")
    for rule in CONVENTIONS:
        if rule.name == convention and rule.parameters and kind == "params":
            return rule.parameters(network)
        if rule.name == convention and rule.flops and kind == "flops_forward":
            return rule.flops.forward(network, DEFAULT_WEIGHTS)
    return None


def training_flops(work: Iterable[Work], optimiser: Optimiser) -> dict[str, int]:
    """FLOPs of a run, keyed `flops_train.<convention>`, and two parts of them.

    `flops_train.part_optimizer` and `flops_train.part_knots` are in every total already, but for
    what the optimiser multiplies by zeros, where the convention `skips_zeros`. One that does not
    define one of the networks leaves its key out.
    """
    optimiser_flops = zeros = knots = 0
    flops = {f"flops_train.{rule.name}": 0 for rule in CONVENTIONS if rule.flops}
    for stage in work:
        network, samples, evaluations = stage.network, stage.samples, stage.evaluations
        optimiser_flops += optimiser.flops(
            network, samples, evaluations, stage.iterations, stage.starts
        )
        zeros += optimiser.flops_on_zeros(network, samples, evaluations)
        knots += knots_flops(stage)
        passes = _evaluation_flops(network, tuple(CONVENTIONS))
        flops = {
            name: total + passes[name] * samples * evaluations
            for name, total in flops.items()
            if name in passes
        }
    skipped = {f"flops_train.{rule.name}": zeros for rule in CONVENTIONS if rule.skips_zeros}
    totals = {
        name: total + optimiser_flops - skipped.get(name, 0) + knots
        for name, total in flops.items()
    }
    return {
        **totals,
        "flops_train.part_optimizer": optimiser_flops,
        "flops_train.part_knots": knots,
    }


@lru_cache(maxsize=NETWORKS_KEPT)
def _evaluation_flops(network: Network, conventions: tuple[Convention, ...]) -> dict[str, int]:
    """Of an evaluation, a sample, under every convention that defines the network."""
    counted = {
        f"flops_train.{rule.name}": rule.flops.evaluation(network)
        for rule in conventions
        if rule.flops
    }
    return {name: number for name, number in counted.items() if number is not None}


def run_flops(
    network: Network,
    recipe: Recipe,
    task: RunTask,
    spent: Sequence[tuple[int, int]] | None = None,
    pruned: KanShape | None = None,
) -> dict[str, int]:
    """Training FLOPs of a run (`training_flops`) by what its stages `spent`, or else its whole cap;
    see `run_work`.
    """
    trainings = parts(network, recipe, pruned)
    done = 0
    total: dict[str, int] = {}
    for part in trainings:
        work = run_work(*part, at_a_time(recipe, task), spent and spent[done:])
        done += len(work)
        flops = training_flops(work, part.recipe.optimizer)
        if recipe.sparsity and part is trainings[0] and len(trainings) > 1:
            penalised = [f"flops_train.{rule.name}" for rule in CONVENTIONS if rule.has_penalty]
            flops |= {name: flops[name] + sum(map(penalty_flops, work)) for name in penalised}
        total = (
            {name: total[name] + part_flops for name, part_flops in flops.items()}
            if total
            else flops
        )
    return total


def flops_by_cap(
    network: Network, recipe: Recipe, task: RunTask
) -> Callable[[int], dict[str, int]]:
    """The planned `run_flops` of a run by its cap, for many caps: the cap decides how long its last
    stage is.

    So the rest is what a run takes beyond one that is nothing but this stage.
    """
    only_last = recipe.model_copy(
        update={"restarts": Restarts(), "grid_extension": None, "sparsity": None}
    )
    before = least_evaluations(network, recipe) - least_evaluations(network, only_last)

    @cache
    def of_last(cap: int) -> dict[str, int]:
        return run_flops(
            network, only_last.model_copy(update={"max_evaluations": cap - before}), task
        )

    whole, last = run_flops(network, recipe, task), of_last(recipe.max_evaluations)
    beyond = {name: flops - last[name] for name, flops in whole.items()}
    return lambda cap: {name: flops + beyond[name] for name, flops in of_last(cap).items()}
