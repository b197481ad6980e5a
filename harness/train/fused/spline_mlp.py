"""Kernels of MLPs with splines on their nodes, block by block: those of an MLP, with a spline for
the activation.

A layer applies the splines of its nodes, if they have any, and then its linear map (see `dense`):
with `place` "after" the inputs of every layer but the first, with "before" those of all layers. In
a block every spline has its record (see `spline`): its values at the node's, the slope there, and
DELTA, the derivatives of whatever is differentiated by the spline's values. A node with several
splines (`rank`) has as many records: the first splines of all nodes come first, then the second
ones. The first record also holds what all splines of the node share: its values and the bases.
DELTA takes the place of the bases' slopes, which have then done their work.

Letters of shapes: J nodes with splines, O outputs of a layer, N samples, P parameters.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from harness.families import SplineMlpShape
from harness.train.fused import dense, spline
from harness.train.fused.compiled import part
from harness.train.fused.simd import fill, integers, view
from harness.train.fused.sizes import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    ONE,
    SAMPLES,
    VALUE,
    places,
    sizes_type,
)
from harness.train.fused.spline import BASES, RECORD, SLOPES, prepare_knots, set_bases, unrolled

DELTA = SLOPES

# Beside what `dense` has, of layers, about the nodes that have splines: how many, where their knots
# and coefficients are, and in the workspace what is copied there before the blocks, what belongs to
# a block, and the sums.
SIZES = sizes_type(
    dense.NETWORK + "order grid rank",
    dense.LAYER + spline.LAYER + "nodes coef padded_coef coef_sum",
)


def describe(network: SplineMlpShape) -> np.ndarray:
    """`sizes` of a network."""
    order, coefs = network.order, network.grid + network.order
    is_before, rank, all_knots = network.place == "before", network.rank, places()
    sizes, flat, room = dense.begin(network.shape, SIZES, RECORD, copies=rank)
    whole = sizes[0]
    whole.order, whole.grid, whole.rank = order, network.grid, rank
    for number, layer in enumerate(sizes[1:], 1):
        inputs, outputs = layer.inputs, layer.outputs
        nodes = layer.nodes = inputs // rank if is_before or number > 1 else 0
        layer.source = layer.input_records + (ACTIVATED if nodes else VALUE)
        spline.place_knots(layer, nodes, network, all_knots, room)
        layer.padded_coef = room(rank * nodes * (coefs + 2 * order))
        layer.weight, layer.bias = flat(inputs * outputs), flat(outputs)
        # In the flat vector coefficients follow the map of their own layer, whose outputs they
        # belong to if "after".
        if is_before:
            layer.coef = flat(inputs * coefs)
        elif number < whole.depth:
            sizes[number + 1].coef = flat(outputs * coefs)
    whole.knot_count = all_knots(0)

    return dense.close(
        sizes, flat, room, lambda layer: {"coef_sum": rank * layer.nodes * (coefs + 2 * order)}
    )


# --------------------------------------------------------------------------------------------------
# splines
@part
def _prepare(sizes, flat, knots, work):
    """Copy knots and coefficients into the workspace, in the form that the blocks want."""
    order, coefs, rank = sizes[0].order, sizes[0].grid + sizes[0].order, sizes[0].rank
    length = coefs + 2 * order
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        prepare_knots(order, coefs + order, layer, layer.nodes, knots, work)
        for j in range(layer.nodes):
            for k in range(rank):
                coef = view(work, layer.padded_coef + (k * layer.nodes + j) * length, length)
                fill(coef, 0.0)
                for c in range(coefs):
                    coef[order + c] = flat[layer.coef + (j * coefs + c) * rank + k]


@part
def _enter(sizes, number, flat, work):
    """The nodes' bases, their splines and the slopes of these, from the nodes' values."""
    layer, order, spans = sizes[number], sizes[0].order, sizes[0].grid + 2 * sizes[0].order
    length = spans + order
    for j in range(layer.nodes):
        node, first = (
            view(work, layer.input_records + j * RECORD, RECORD),
            set_bases(order, spans, layer, j, ONE, work),
        )
        for at in range(j, sizes[0].rank * layer.nodes, layer.nodes):
            record = view(work, layer.input_records + at * RECORD, RECORD)
            coef = view(work, layer.padded_coef + at * length, length)
            _sum_bases(order, node, first, coef, record)


@unrolled
def _sum_bases(order, node, first, coef, record):
    """sum_r B_r(x) c[first + r], and the same of slopes."""
    for s in range(BLOCK):
        value = slope = 0.0
        for r in range(order + 1):
            coefficient = coef[np.uint64(first[s] + r)]
            value += node[np.uint64(BASES + r * BLOCK + s)] * coefficient
            slope += node[np.uint64(SLOPES + r * BLOCK + s)] * coefficient
        record[ACTIVATED + s] = value
        record[ACTIVATED_SLOPE + s] = slope


@unrolled
def _add_spline_gradients(order, ahead, sizes, layer, work):
    """sums[ahead + j, first + r] += B_r(x_j) delta[ahead + j], of one spline of every node.

    A few nodes in turn: neighbouring samples often meet the same coefficients, and would wait for
    each other.
    """
    length, nodes = sizes[0].grid + 3 * order, layer.nodes
    records, sums, firsts = layer.input_records, layer.coef_sum, layer.first
    for start in range(0, nodes, 4):
        stop = min(start + 4, nodes)
        for s in range(BLOCK):
            for j in range(start, stop):
                node = records + j * RECORD + s
                delta = work[np.uint64(node + ahead * RECORD + DELTA)]
                to = sums + (ahead + j) * length + integers(work, firsts + j * BLOCK, SAMPLES)[s]
                for r in range(order + 1):
                    work[np.uint64(to + r)] += work[np.uint64(node + BASES + r * BLOCK)] * delta


# ------------------------------------------------------------------------------------ a layer, see
# `dense.evaluator`
@part
def _step_back(sizes, number, flat, work):
    """To DELTA and the values of the layer's nodes."""
    layer = sizes[number]
    if layer.nodes == 0:
        return
    dense.pull_back(layer, RECORD, flat, work, view(work, layer.input_records + DELTA, ONE), RECORD)
    for j in range(layer.nodes):
        node = view(work, layer.input_records + j * RECORD, RECORD)
        for s in range(BLOCK):
            node[VALUE + s] = node[DELTA + s] * node[ACTIVATED_SLOPE + s]
        for k in range(1, sizes[0].rank):
            record = view(work, layer.input_records + (k * layer.nodes + j) * RECORD, RECORD)
            for s in range(BLOCK):
                node[VALUE + s] += record[DELTA + s] * record[ACTIVATED_SLOPE + s]


@part
def _add_gradients(sizes, number, work):
    for k in range(sizes[0].rank):
        _add_spline_gradients(sizes[0].order, k * sizes[number].nodes, sizes, sizes[number], work)


@part
def _collect(sizes, number, factor, flat, work, gradient):
    layer, order, coefs, rank = (
        sizes[number],
        sizes[0].order,
        sizes[0].grid + sizes[0].order,
        sizes[0].rank,
    )
    dense.collect(layer, factor, work, gradient)
    for j in range(layer.nodes):
        for k in range(rank):
            at = layer.coef_sum + (k * layer.nodes + j) * (coefs + 2 * order) + order
            for c in range(coefs):
                gradient[layer.coef + (j * coefs + c) * rank + k] = factor * work[at + c]


@part
def _set_row(sizes, number, s, work, row):
    layer, order, coefs, rank = (
        sizes[number],
        sizes[0].order,
        sizes[0].grid + sizes[0].order,
        sizes[0].rank,
    )
    dense.set_row(layer, RECORD, s, work, row)
    for j in range(layer.nodes):
        node = view(work, layer.input_records + j * RECORD, RECORD)
        slopes = view(row, layer.coef + j * coefs * rank, coefs * rank)
        fill(slopes, 0.0)
        lowest = integers(work, layer.first + j * BLOCK, SAMPLES)[s] - order
        for k in range(rank):
            delta = work[layer.input_records + (k * layer.nodes + j) * RECORD + DELTA + s]
            for r in range(order + 1):
                if 0 <= lowest + r < coefs:
                    slopes[(lowest + r) * rank + k] = node[BASES + r * BLOCK + s] * delta


# --------------------------------------------------------------------------------------------------
# all kernels
_evaluate = dense.evaluator(
    RECORD, _enter, _step_back, _add_gradients, _collect, dense.full_rows(_set_row)
)


def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    sizes = carray(sizes_at, (1 + carray(sizes_at, (1,), SIZES)[0].depth,), SIZES)
    flat, work = carray(flat_at, (sizes[0].parameters,)), carray(work_at, (sizes[0].room,))
    _prepare(sizes, flat, carray(knots_at, (sizes[0].knot_count,)), work)
    return _evaluate(task, samples, sizes, flat, x_at, y_at, first_at, second_at, work)
