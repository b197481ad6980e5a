"""When a run has spent each budget, in evaluations, and which sizes are read at which budgets."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

from harness.base.errors import HarnessError
from harness.base.formats import number
from harness.count import flops_by_cap
from harness.families import Network
from harness.planning.solve import LARGEST_SIZE, most_evaluations
from harness.spec.budgets import PER_PARAM, Budgets, by_count
from harness.spec.decide import side_label
from harness.spec.experiment import Experiment
from harness.spec.manifest import Cell, Manifest, Moments
from harness.spec.recipe import (
    Recipe,
    coarser,
    ending_at,
    least_evaluations,
    samples_per_evaluation,
)
from harness.spec.task import RunTask

SIZE = "params.trainable"  # of networks whose sizes the file lists
# sizes of a side at each budget, or all where it has fewer: with less a best size lies at an end
NEIGHBOURS = 3


class _Stretch(NamedTuple):
    """The part of a run on one grid: its first evaluation and its last, and what a run costs that
    ends within it.
    """

    first: int
    last: int | None
    flops_at: Callable[[int], dict[str, int]]


def moments_of(network: Network, recipe: Recipe, task: RunTask, budgets: Budgets) -> Moments:
    """By count, after how many evaluations a run has spent each budget; None where it is not read.

    That is where a budget ends before the run's first evaluation or among its restarts, or where
    the run has then seen fewer or more samples a parameter than `per_param` says. What a run begins
    by changes nothing.
    """
    alike = recipe.model_copy(update={"gain": 1.0})
    return dict(_moments_of(network.begun_as(), alike, task, tuple(budgets.items())))


@lru_cache(maxsize=2**12)
def _moments_of(
    network: Network,
    recipe: Recipe,
    task: RunTask,
    budgets: tuple[tuple[str, tuple[float, ...]], ...],
) -> Moments:
    fewest, most = dict(budgets).get(PER_PARAM, (0.0, math.inf))
    samples = samples_per_evaluation(recipe, task.train_points) / network.trainable
    stretches = _stretches(network, recipe, task)
    moments: Moments = {}
    for name, of_count in by_count(dict(budgets)).items():
        allowed = [_evaluations(stretches, name, budget) for budget in of_count]
        moments[name] = tuple(
            made if made and fewest <= samples * made <= most else None for made in allowed
        )
    return moments


def _stretches(network: Network, recipe: Recipe, task: RunTask) -> list[_Stretch]:
    """One a grid, the coarsest first: a run that ends on a coarser grid is one of that network."""
    extension = recipe.grid_extension
    stretches = []
    for on_grid in (*coarser(network, recipe), network):
        ending = ending_at(recipe, on_grid)
        first = least_evaluations(on_grid, ending)
        last = first - 1 + extension.evaluations if extension and on_grid is not network else None
        late = ending.model_copy(update={"max_evaluations": first + LARGEST_SIZE})
        stretches.append(_Stretch(first, last, flops_by_cap(on_grid, late, task)))
    return stretches


def _evaluations(stretches: list[_Stretch], name: str, budget: float) -> int:
    """The most evaluations that a budget allows, 0 if not one."""
    made = 0
    for first, last, flops_at in stretches:
        most = most_evaluations(
            partial(_flops, flops_at, name), budget, first, first + LARGEST_SIZE
        )
        if most < first:
            break
        made = most if last is None else min(most, last)
        if made == most:
            break
    return made


def _flops(flops_at: Callable[[int], dict[str, int]], name: str, cap: int) -> int:
    return flops_at(cap)[name]


# --------------------------------------------------------------------------------------------------
# region
class Place(NamedTuple):
    """A budget of a count on a task, and the side of a search or the series of sizes that is read
    there.
    """

    task: str
    side: str
    axis: str
    budget: float


def sizes_read(plan: Manifest) -> dict[Place, list[tuple[float, bool]]]:
    """At each place every size of the side, ascending, and whether a run of it is read there."""
    read: dict[Place, dict[float, bool]] = defaultdict(dict)
    budgets = by_count(plan.experiment.read_at)
    for planned in plan.runs:
        cell = plan.cells[planned.cell]
        size = cell.asked or cell.counts[SIZE]
        for side in _sides_of(plan.experiment, cell):
            for axis, moments in planned.moments.items():
                for budget, moment in zip(budgets[axis], moments, strict=True):
                    sizes = read[Place(cell.task, side, axis, budget)]
                    sizes[size] = sizes.get(size, False) or moment is not None
    return {place: sorted(sizes.items()) for place, sizes in read.items()}


def _sides_of(experiment: Experiment, cell: Cell) -> list[str]:
    """Those that a cell's runs count for."""
    if experiment.search is None:
        return [cell.series]
    return [side_label(side) for side in experiment.sides if cell.arm in side]


def check_region(plan: Manifest) -> None:
    """A HarnessError if a side is read at fewer than three neighbouring sizes at a budget, so that
    none can be best.
    """
    field = "search.budgets" if plan.experiment.search else "budgets"
    for (task, side, axis, budget), sizes in sizes_read(plan).items():
        flags = "".join("x" if is_read else " " for _, is_read in sizes)
        longest = max(map(len, flags.split()), default=0)
        if longest < min(NEIGHBOURS, len(sizes)):
            read = ", ".join(number(size) for size, is_read in sizes if is_read) or "none"
            raise HarnessError(
                f"{field}.{axis}: at {number(budget)} {side} is read at {longest} neighbouring "
                f"sizes on {task} "
                f"({read}), and a best size takes {NEIGHBOURS}; leave this budget out, or widen "
                f"{PER_PARAM}"
            )
