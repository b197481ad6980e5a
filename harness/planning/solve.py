"""Making arms equal: from an architecture with one size left open to the network that meets a budget.

Every count grows with every size, so the two integers that bracket a budget are all that can be nearest to it. The
search interpolates, as a power law, between sizes that it has counted, because a plan asks for thousands of sizes.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

from harness.base.errors import HarnessError
from harness.count.outside import check_family
from harness.families import LARGEST_DEPTH, Architecture, Layered, Module, Network
from harness.families.module import SizeName
from harness.planning.place import at
from harness.spec import CapTooSmall

# Largest free integers that the search will try.
LARGEST_SIZE = 2**20
STRIDE = 16  # by which the search enlarges a size until it passes the budget

Counts = Mapping[str, int]


class NoInfluence(HarnessError):
    """The size that is solved for does not change what is matched."""


# ----------------------------------------------------------------------------------------------------------- networks
def build_network(
    architecture: Architecture,
    inputs: int,
    where: str,
    sizes: Mapping[str, Any],
    outputs: int = 1,
    scales: bool = False,
) -> Network:
    """The network of `architecture` on `inputs` variables with the open `sizes` (width, grid, depth, hidden) filled in.

    A HarnessError names `where` when a size is missing, or given twice. `scales` holds where a KAN does not say.
    """
    for size, value in sizes.items():
        if (fixed := getattr(architecture, size, None)) is not None:
            raise HarnessError(f"{where}.{size}={fixed}: this size is varied by the plan; leave it out")
        architecture = architecture.model_copy(update={size: value})
    if isinstance(architecture, Module):
        return _live_network(architecture, inputs, outputs, where)
    assert isinstance(architecture, Layered)
    shape = architecture.network
    given = type(architecture).model_fields
    own = [name for name in shape.model_fields if name in given and name not in ("family", "source")]
    fields = {name: getattr(architecture, name) for name in own}
    if fields.get("scales", False) is None:
        fields["scales"] = scales
    for name, value in fields.items():
        if value is None and shape.model_fields[name].is_required():
            raise HarnessError(f"{where}.{name} is missing: give it, or let match.solve find it")
    if architecture.source is not None:
        fields["source"] = architecture.source
    network = shape(shape=(inputs, *_hidden(architecture, where), outputs), **fields)
    if ":" in network.family:
        with at(where):
            check_family(network)
    return network


def _live_network(architecture: Module, inputs: int, outputs: int, where: str) -> Network:
    """A user's module, made and counted: what there is no closed form of; hence torch, where one is asked for."""
    from harness.count.module import module_network

    given = [name for name in get_args(SizeName) if getattr(architecture, name) is not None]
    if wrong := [name for name in given if name != architecture.size]:
        raise HarnessError(
            f"{where}.size={architecture.size}: it is the size of this module, and {wrong[0]} is given or solved for; "
            "use one name for it"
        )
    if not given:
        raise HarnessError(f"{where}.{architecture.size} is missing: give it, or let match.solve find it")
    with at(f"{where}.module"):
        return module_network(architecture, inputs, outputs, getattr(architecture, architecture.size))


def _hidden(architecture: Layered, where: str) -> tuple[int, ...]:
    hidden, depth, width = architecture.hidden, architecture.depth, architecture.width
    if hidden is not None:
        if depth or width:
            raise HarnessError(f"{where}: hidden={list(hidden)} fixes depth and width; give either it or those two")
        return hidden
    if depth == 1:
        if width is not None:
            raise HarnessError(f"{where}: depth=1 has no hidden layer, so width={width} says nothing; leave it out")
        return ()
    if not (depth and width):
        missing = "depth" if not depth else "width"
        raise HarnessError(f"{where}.{missing} is missing: give hidden, or depth and width, or let match.solve find it")
    return (width,) * (depth - 1)


# ------------------------------------------------------------------------------------------------------------- search
def nearest_sizes(counted: Callable[[int], float], budget: float, largest: int = LARGEST_SIZE) -> list[int]:
    """The one or two integers in 1..`largest` whose count brackets `budget`; `counted` must not decrease."""
    low, below = 0, 0.0
    high, above = 1, counted(1)
    while high < largest and above < budget:
        low, below = high, above
        high = min(STRIDE * high, largest)
        above = counted(high)
    step = 0
    while high - low > 1:
        step += 1
        if step % 3 and below > 0 and 1 < above / below < math.inf:
            share = min(math.log(budget / below) / math.log(above / below), 1)
            middle = min(max(round(low * (high / low) ** share), low + 1), high - 1)
        else:  # every third step halves, so that counts of any form take few steps
            middle = (low + high) // 2
        if (count := counted(middle)) < budget:
            low, below = middle, count
        else:
            high, above = middle, count
    return [value for value in (low, high) if value >= 1]


def largest_size(free: str) -> int:
    """The largest value of the size `free` that the search will try."""
    return LARGEST_DEPTH if free == "depth" else LARGEST_SIZE


def bracket(
    counts_at: Callable[[int], Counts], axis: str, budget: float, free: str, smallest: int = 1
) -> dict[int, int]:
    """The values of the size `free` whose counts on `axis` bracket `budget`, with those counts; the nearest one first.

    Near is meant in ratio. A size at which `counts_at` raises CapTooSmall is too large. NoInfluence if the axis does
    not depend on the size.
    """

    def counted(value: int) -> float:
        try:
            return counts_at(max(value, smallest))[axis]
        except CapTooSmall:  # a grid with more coarser ones before it than the cap allows
            return math.inf

    largest = largest_size(free)
    nearest = {max(value, smallest) for value in nearest_sizes(counted, budget, largest)}
    found = {value: counted(value) for value in nearest}
    if nearest & {smallest, largest} and counted(smallest) == counted(largest) < math.inf:
        raise NoInfluence(f"{axis} is {counted(smallest):,} whatever the {free}; solve for another size")
    feasible = {value: int(counts) for value, counts in found.items() if counts < math.inf}
    return dict(sorted(feasible.items(), key=lambda pair: (abs(pair[1] / budget - 1), pair[0])))


def solve(
    counts_at: Callable[[int], Counts], axis: str, budget: float, tolerance: float, free: str, smallest: int = 1
) -> int | str:
    """The size nearest to `budget`, or why there is none within `tolerance`."""
    try:
        found = bracket(counts_at, axis, budget, free, smallest)
    except NoInfluence as error:
        return str(error)
    if not found:
        return f"{axis}={budget:,.10g}: the evaluation cap is used up before the last grid, whatever the {free}"
    best = next(iter(found))
    if abs(found[best] / budget - 1) <= tolerance:
        return best
    if found.get(largest := largest_size(free), budget) < budget:
        return f"{axis}={budget:,.10g} is beyond {free}={largest:,}, the largest that is tried; ask for less"
    offers = [
        f"{free}={value} gives {counts:,} ({counts / budget - 1:+.0%})" for value, counts in sorted(found.items())
    ]
    return f"{axis}={budget:,.10g} cannot be met within {tolerance:.0%}; nearest: {', '.join(offers)}"
