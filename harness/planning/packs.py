"""Packs: the runs that train together, as one computation on many lanes."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping

from harness.count import run_flops
from harness.families.prices import WEIGHTS
from harness.spec import (
    PDE_BLOCK,
    Device,
    Dtype,
    PlannedRun,
    RunSpec,
    canonical_json,
    points_at_a_time,
    samples_per_evaluation,
)

# What the lanes of a pack may take in memory. On a CPU more lanes share the cost of calling torch but leave the cache;
# on a GPU they fill the device, whose smallest kinds have 16 GiB, with room for a second pack. Assumed, not tuned.
PACK_BYTES: dict[Device, int] = {"cpu": 2**30, "cuda": 2**33}
FEWEST = 2  # starts of a pack: the torch engine gives a lone one an idle companion
NUMBER_BYTES: dict[Dtype, int] = {"float64": 8, "float32": 4}


def packs_of(
    runs: Iterable[PlannedRun], device: Device, counts_of: Mapping[str, Mapping[str, int]] = {}
) -> tuple[tuple[str, ...], ...]:
    """Run ids that share one `computation`, the costliest pack first.

    The fused engine trains one lane after the other, so that company is of no use to a run. `counts_of` has the
    counts of some runs by their ids.
    """
    groups: dict[str, dict[str, RunSpec]] = defaultdict(dict)
    for _, alike in itertools.groupby(runs, key=lambda one: (one.cell, one.run.network, one.run.recipe)):
        of_ids = {planned.run_id: planned.run for planned in alike}
        groups[computation(next(iter(of_ids.values())))] |= of_ids
    packs = []
    for group in groups.values():
        first = next(iter(group.values()))
        is_fused = first.engine == "fused" and not first.recipe.sparsity  # a penalty on edges is torch's at first
        size = 1 if is_fused else runs_at_a_time(first, device)
        ids = list(group)
        counts = counts_of.get(ids[0]) or run_flops(first.network, first.recipe, first.task)
        for chunk in (ids[begin : begin + size] for begin in range(0, len(ids), size)):
            packs.append((len(chunk) * counts["flops_train.local_min"], tuple(chunk)))
    return tuple(ids for _, ids in sorted(packs, key=lambda pack: -pack[0]))


def computation(run: RunSpec) -> str:
    """As text, what runs of one pack have in common: all but learning rate, seed and what else lanes begin by."""
    data = run.model_copy(update={"network": run.network.begun_as()}).model_dump(mode="json")
    del data["seed"], data["recipe"]["gain"]
    data.pop("initialisation", None)
    if run.recipe.optimizer.rate is not None:
        del data["recipe"]["optimizer"]["learning_rate"]
    return canonical_json(data)


def runs_at_a_time(run: RunSpec, device: Device) -> int:
    """How many runs like this one fit a pack, with all of their starts."""
    starts = run.recipe.restarts.count
    return max(FEWEST, PACK_BYTES[device] // lane_bytes(run)) // starts or 1


def lane_bytes(run: RunSpec) -> int:
    """Memory that the torch engine takes for a lane, roughly and rather too much (seen: 2 to 5 times).

    That is its points, what an evaluation leaves for its backward pass, and what its optimiser keeps. An evaluation is
    taken to leave a number for each operation that is no part of a matrix product.
    """
    network, task = run.network, run.task
    points = points_at_a_time(run.recipe, task.train_points)
    prices = WEIGHTS["unit"]
    left_a_sample = network.executed_evaluation(prices) - network.evaluation_flops("matmul", prices)
    samples = samples_per_evaluation(run.recipe, points)
    numbers = (
        points * (network.inputs + network.outputs)
        + (min(samples, PDE_BLOCK) if task.is_pde else samples) * left_a_sample
        + run.recipe.optimizer.kept_numbers(network, points * network.outputs)
    )
    return NUMBER_BYTES[run.dtype] * numbers
