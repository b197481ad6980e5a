"""Making arms equal: from an architecture with one size left open to the network that meets a
budget.

Every count grows with every size, so the two integers that bracket a budget are all that can be
nearest to it. The search interpolates by a parabola, which most counts are, because a plan asks for
thousands of sizes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from harness.base.errors import HarnessError, at
from harness.count.outside import check_family
from harness.families import LARGEST_DEPTH, Architecture, LayeredShape, Module, Network
from harness.families.base import ClosedForm
from harness.families.module import SizeName
from harness.spec.recipe import CapTooSmall

# Largest free integers that the search will try.
LARGEST_SIZE = 2**20
STRIDE = 16  # by which the search enlarges a size until it passes the budget


class NoInfluence(HarnessError):
    """The size that is solved for does not change what is matched."""


class Infeasible(NamedTuple):
    """Why nothing meets a budget."""

    why: str


# --------------------------------------------------------------------------------------------------
# networks
def build_network(
    architecture: Architecture,
    inputs: int,
    where: str,
    sizes: Mapping[str, Any],
    outputs: int = 1,
    scales: bool = False,
) -> Network:
    """The network of `architecture` on `inputs` variables with the open `sizes` (width, grid,
    depth, hidden) filled in.

    A HarnessError names `where` when a size is missing, or given twice. `scales` holds where a KAN
    does not say.
    """
    for size, value in sizes.items():
        architecture = architecture.with_size(size, value, where)
    if isinstance(architecture, Module):
        return _live_network(architecture, inputs, outputs, where)
    assert isinstance(architecture, ClosedForm)
    network = architecture.network_of(inputs, outputs, where, scales)
    if isinstance(network, LayeredShape) and ":" in network.family:
        with at(where):
            check_family(network)
    return network


def _live_network(architecture: Module, inputs: int, outputs: int, where: str) -> Network:
    """A user's module, made and counted: what there is no closed form of; hence torch, where one is
    asked for.
    """
    from harness.count.module import module_network

    named = [name for name in get_args(SizeName) if getattr(architecture, name) is not None]
    if wrong := [name for name in named if name != architecture.size]:
        why = f"it is the size of this module, and {wrong[0]} is given or solved for"
        raise HarnessError(f"{where}.size={architecture.size}: {why}; use one name for it")
    if not named:
        raise HarnessError(
            f"{where}.{architecture.size} is missing: give it, or let match.solve find it"
        )
    with at(f"{where}.module"):
        return module_network(
            architecture, inputs, outputs, getattr(architecture, architecture.size)
        )


# --------------------------------------------------------------------------------------------------
# search
def nearest_sizes(
    counted: Callable[[int], float], budget: float, largest: int = LARGEST_SIZE
) -> list[int]:
    """The one or two integers in 1..`largest` whose count brackets `budget`; `counted` must not
    decrease.
    """
    low, high = 0, 1
    points = [(1, counted(1))]
    while high < largest and points[-1][1] < budget:
        low, high = high, min(STRIDE * high, largest)
        points.append((high, counted(high)))
    step = 0
    while high - low > 1:
        step += 1
        met = (
            _where_met(points[-3:], budget) if step % 3 else None
        )  # else halve: few steps for counts of any form
        middle = (low + high) // 2 if met is None else int(min(max(met, low + 1), high - 1))
        points.append((middle, counted(middle)))
        low, high = (middle, high) if points[-1][1] < budget else (low, middle)
    return [value for value in (low, high) if value >= 1]


def _where_met(points: Sequence[tuple[int, float]], budget: float) -> float | None:
    """Where the parabola through the last three points, or the line through two, rises to the
    budget, if it does.
    """
    *_, (before, count_before), (last, count) = points
    bend, slope, short = 0.0, (count - count_before) / (last - before), budget - count
    if len(points) > 2:
        first, count_first = points[0]
        bend = (slope - (count_before - count_first) / (before - first)) / (last - first)
        slope += bend * (last - before)
    root = slope**2 + 4 * bend * short
    if not 0 <= root < math.inf or slope + math.sqrt(root) <= 0:
        return None
    return last + 2 * short / (slope + math.sqrt(root))


def most_evaluations(spent: Callable[[int], int], allowed: float, least: int, late: int) -> int:
    """The largest cap that spends no more than is allowed; 0 if that is below `least`, the smallest
    cap there is.

    Evaluations beyond a `late` cap cost equally much, and so most of those before, which tells how
    many are allowed. If it is wrong, as for few evaluations while knots still move, caps are
    searched.
    """
    evaluation = max(spent(late + 1) - spent(late), 1)
    most = max(late + math.floor((allowed - spent(late)) / evaluation), least)
    if most <= LARGEST_SIZE and spent(most) <= allowed < spent(most + 1):
        return most
    nearest = nearest_sizes(lambda cap: spent(max(cap, least)), allowed)
    return max((cap for cap in nearest if cap >= least and spent(cap) <= allowed), default=0)


def largest_size(free: str) -> int:
    """The largest value of the size `free` that the search will try."""
    return LARGEST_DEPTH if free == "depth" else LARGEST_SIZE


def bracket(
    count_at: Callable[[int], int], axis: str, budget: float, free: str, smallest: int = 1
) -> dict[int, int]:
    """The values of the size `free` whose counts on `axis` bracket `budget`, with those counts; the
    nearest one first.

    Near is meant in ratio. A size at which `count_at` raises CapTooSmall is too large. NoInfluence
    if the axis does not depend on the size.
    """

    def counted(value: int) -> float:
        try:
            return count_at(max(value, smallest))
        except CapTooSmall:  # a grid with more coarser ones before it than the cap allows
            return math.inf

    largest = largest_size(free)
    nearest = {max(value, smallest) for value in nearest_sizes(counted, budget, largest)}
    if nearest & {smallest, largest} and counted(smallest) == counted(largest) < math.inf:
        raise NoInfluence(
            f"{axis} is {counted(smallest):,} whatever the {free}; solve for another size"
        )
    counts = {value: int(counted(value)) for value in nearest if counted(value) < math.inf}
    return dict(sorted(counts.items(), key=lambda pair: (abs(pair[1] / budget - 1), pair[0])))


def solve(
    count_at: Callable[[int], int],
    axis: str,
    budget: float,
    tolerance: float,
    free: str,
    smallest: int = 1,
    at_most: bool = False,
) -> int | Infeasible:
    """The size nearest to `budget`, or the largest `at_most` as large; infeasible if none is within
    `tolerance`.
    """
    size = f"{axis}={budget:,.10g}"
    try:
        nearest = bracket(count_at, axis, budget, free, smallest)
    except NoInfluence as error:
        return Infeasible(str(error))
    if not nearest:
        return Infeasible(
            f"{size}: the evaluation cap is used up before the last grid, whatever the {free}"
        )
    allowed = (
        [value for value, counts in nearest.items() if counts <= budget]
        if at_most
        else list(nearest)
    )
    best = max(allowed, default=None) if at_most else allowed[0]
    if best is not None and abs(nearest[best] / budget - 1) <= tolerance:
        return best
    if nearest.get(largest := largest_size(free), budget) < budget:
        return Infeasible(
            f"{size} is beyond {free}={largest:,}, the largest that is tried; ask for less"
        )
    offers = [
        f"{free}={value} gives {counts:,} ({counts / budget - 1:+.0%})"
        for value, counts in sorted(nearest.items())
    ]
    within = f"from {1 - tolerance:.0%} of it" if at_most else f"within {tolerance:.0%}"
    return Infeasible(f"{size} cannot be met {within}; nearest: {', '.join(offers)}")
