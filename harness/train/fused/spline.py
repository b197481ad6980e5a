"""B-splines in kernels: the k+1 bases that are active at the samples of a block, and their slopes.

They are written into the rows BASES and SLOPES of a record (see `sizes`), with `first`: where in a
row of coefficients the first one's is. Such a row has k zeros on each side, since bases near the
ends of the knots have no coefficient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from harness.families import SplinedShape
from harness.train.fused.compiled import inlined, part
from harness.train.fused.simd import integers, view
from harness.train.fused.sizes import BLOCK, SAMPLES, VALUE, Places

MAX_ORDER = 5
BASES = 3 * BLOCK
SLOPES = BASES + (MAX_ORDER + 1) * BLOCK
RECORD = np.int64(SLOPES + (MAX_ORDER + 1) * BLOCK)
# Fields of a layer in `sizes`: see `place_knots`.
LAYER = "knots lines first padded_knots reciprocals "


def unrolled(function: Callable[..., None]) -> Any:
    """Decorator: a part whose first argument, the order, is a constant where it is 3: loops up to
    it are unrolled.
    """
    body = inlined(function)

    @part
    def call(order, *arguments):
        if order == 3:
            body(3, *arguments)
        else:
            body(order, *arguments)

    return call


# --------------------------------------------------------------------------------------------------
# knots
def place_knots(layer: Any, nodes: int, network: SplinedShape, knots: Places, room: Places) -> None:
    """Give a layer, with splines on so many nodes, its places among the knots and in the
    workspace.
    """
    order, count = network.order, network.grid + 2 * network.order + 1
    layer.knots, layer.lines, layer.first = (
        knots(nodes * count),
        room(nodes * 2),
        room(nodes * BLOCK),
    )
    layer.padded_knots, layer.reciprocals = (
        room(nodes * (count + 2 * order)),
        room(nodes * (count + 2 * order) * order),
    )


@part
def prepare_knots(order, spans, layer, nodes, knots, work):
    """What `set_bases` wants of the knots of each node: their origin and 1 / width, or 0 and the
    other two arrays.
    """
    padded = spans + 1 + 2 * order
    for j in range(nodes):
        own, line = view(knots, layer.knots + j * (spans + 1), spans + 1), layer.lines + 2 * j
        work[line], work[line + 1] = own[0], _per_width(own) if order == 3 else 0.0
        if work[line + 1] == 0.0:
            reciprocals = view(work, layer.reciprocals + j * padded * order, padded * order)
            _pad_knots(order, own, view(work, layer.padded_knots + j * padded, padded), reciprocals)


@part
def _per_width(knots):
    """1 / width of the intervals if they are all the same up to rounding, else 0."""
    width = (knots[-1] - knots[0]) / (knots.size - 1)
    rounding = 4 * 2.0**-52 * max(abs(knots[0]), abs(knots[-1]))
    worst = 0.0
    for j in range(knots.size):
        worst = max(worst, abs(knots[j] - (knots[0] + j * width)))
    return 1 / width if worst <= rounding and width > 4 * rounding else 0.0


@part
def _pad_knots(order, knots, padded, reciprocals):
    """Knots with their ends repeated k times more, and 1 / (t_j - t_{j-d}) for every degree d from
    1 to k.
    """
    for j in range(padded.size):
        padded[j] = knots[min(max(j - order, 0), knots.size - 1)]
    for degree in range(1, order + 1):
        row = view(reciprocals, (degree - 1) * padded.size, padded.size)
        for j in range(degree, padded.size):
            # No basis that is not zero is divided by an empty width: any number will do, but
            # infinity.
            row[j] = 1 / max(padded[j] - padded[j - degree], 2.0**-1022)


# --------------------------------------------------------------------------------------------------
# bases
@inlined
def set_bases(order, spans, layer, node, width, work):
    """Fill a node's rows of bases and slopes from that of its values; `first`, times `width`, for
    rows of outputs.
    """
    record = view(work, layer.input_records + node * RECORD, RECORD)
    first = integers(work, layer.first + node * BLOCK, SAMPLES)
    origin, per_width = work[layer.lines + 2 * node], work[layer.lines + 2 * node + 1]
    if per_width > 0.0:
        _cubic_bases(record, first, width, origin, per_width, np.float64(spans))
    else:
        padded = spans + 1 + 2 * order
        knots = view(work, layer.padded_knots + node * padded, padded)
        reciprocals = view(work, layer.reciprocals + node * padded * order, padded * order)
        _general_bases(order, record, first, width, knots, reciprocals)
    return first


@part
def _cubic_bases(record, first, width, origin, per_width, spans):
    """The cubic bases on uniform knots in closed form, and `first`: where the first one's
    coefficients are.
    """
    for s in range(BLOCK):
        x = record[VALUE + s]
        u = (x - origin) * per_width
        floor = np.floor(u)
        inside = (floor >= 0.0) & (floor < spans)
        # Clamped before it becomes an integer, which NaN and huge numbers can't: NaN fails
        # comparisons and gives 0.
        span = floor if floor > 0.0 else 0.0
        span = span if span < spans else spans - 1.0
        first[s] = np.int64(span) * width
        # x - x is 0, or NaN if x is not finite.
        weight = (x - x) + (1.0 if inside else 0.0)
        f = u - span if inside else 0.0
        g = 1 - f
        sixth, half = weight * (1 / 6), weight * 0.5 * per_width
        record[BASES + s] = sixth * (g * g * g)
        record[BASES + BLOCK + s] = sixth * (4 - 3 * (f * f) * (1 + g))
        record[BASES + 2 * BLOCK + s] = sixth * (4 - 3 * (g * g) * (1 + f))
        record[BASES + 3 * BLOCK + s] = sixth * (f * f * f)
        record[SLOPES + s] = -half * (g * g)
        record[SLOPES + BLOCK + s] = half * (f * (3 * f - 4))
        record[SLOPES + 2 * BLOCK + s] = half * (g * (4 - 3 * g))
        record[SLOPES + 3 * BLOCK + s] = half * (f * f)


@part
def _general_bases(order, record, first, width, knots, reciprocals):
    """The same for any order on any knots, which come from `_pad_knots`."""
    _find_spans(order, record, first, knots)
    _recursion(order, record, first, knots, reciprocals)
    for s in range(BLOCK):
        first[s] *= width


@part
def _find_spans(order, record, first, knots):
    """The last knot that is not above x, by bisection: one step of all samples, so that none waits
    for its knot.
    """
    for s in range(BLOCK):
        first[s] = 0
    size = knots.size - 2 * order
    while size > 1:
        half = size // 2
        for s in range(BLOCK):
            ahead = first[s] + half
            first[s] = ahead if knots[np.uint64(order + ahead)] <= record[VALUE + s] else first[s]
        size -= half


@unrolled
def _recursion(order, record, first, knots, reciprocals):
    """The triangular recursion (Piegl & Tiller, The NURBS Book, A2.2), and the slopes from its last
    step (eq. 2.7).
    """
    size = knots.size
    spans = size - 2 * order - 1
    low, high = knots[0], knots[size - 1]
    for s in range(BLOCK):
        x = record[VALUE + s]
        span = min(first[s], spans - 1)
        first[s] = span
        record[BASES + s] = (x - x) + (1.0 if (low <= x) & (x < high) else 0.0)
        share = 0.0
        for degree in range(1, order + 1):
            rising = before = 0.0
            for r in range(degree):
                j = span + order + 1 + r
                share = (
                    record[BASES + r * BLOCK + s] * reciprocals[np.uint64((degree - 1) * size + j)]
                )
                record[BASES + r * BLOCK + s] = rising + (knots[np.uint64(j)] - x) * share
                rising = (x - knots[np.uint64(j - degree)]) * share
                if degree == order:
                    record[SLOPES + r * BLOCK + s] = order * (before - share)
                    before = share
            record[BASES + degree * BLOCK + s] = rising
        record[SLOPES + order * BLOCK + s] = order * share
