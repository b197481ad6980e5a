"""Kernels of MLPs with splines on their nodes, block by block: those of an MLP, with a spline for the activation.

A layer applies the splines of its nodes, if they have any, and then its linear map (see `dense`): with `place` "after"
the inputs of every layer but the first, with "before" those of all layers. In a block every spline has its record (see
`spline`): its values at the node's, the slope there, and DELTA, the derivatives of whatever is differentiated by the
spline's values. A node with several splines (`rank`) has as many records: the first splines of all nodes come first,
then the second ones. The first record also holds what all splines of the node share: its values and the bases. DELTA
takes the place of the bases' slopes, which have then done their work.

Letters of shapes: J nodes with splines, O outputs of a layer, N samples, P parameters.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import carray

from harness.families import SplineMlpShape
from harness.train.fused import dense
from harness.train.fused.compiled import inlined, part
from harness.train.fused.simd import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    LANES,
    ONE,
    SAMPLES,
    VALUE,
    described,
    fill,
    integers,
    places,
    sizes_type,
    view,
    whole_vectors,
)
from harness.train.fused.spline import BASES, RECORD, SLOPES, prepare_knots, set_bases

PARTS = ("dense", "spline")
DELTA = SLOPES

# Beside what `dense` has, of layers, about the nodes that have splines: how many, where their knots and coefficients
# are, and in the workspace what is copied there before the blocks, what belongs to a block, and the sums.
SIZES = sizes_type(
    dense.NETWORK + "order grid rank",
    dense.LAYER + "nodes knots coef padded_knots reciprocals lines padded_coef first coef_sum",
)


def describe(network: SplineMlpShape) -> np.ndarray:
    """`sizes` of a network."""
    order, coefs, knots = network.order, network.grid + network.order, network.grid + 2 * network.order + 1
    is_before, depth, rank = network.place == "before", len(network.shape) - 1, network.rank
    sizes = described(depth, SIZES)
    flat, all_knots, room = places(), places(), places(LANES)
    records = room(rank * network.shape[0] * int(RECORD))
    for number, (nodes, outputs) in enumerate(pairwise(network.shape), 1):
        layer, inputs = sizes[number], rank * nodes
        nodes = nodes if is_before or number > 1 else 0
        layer.inputs, layer.outputs, layer.width, layer.nodes = inputs, outputs, whole_vectors(outputs), nodes
        layer.input_records, layer.source = records, records + (ACTIVATED if nodes else VALUE)
        records = layer.records = room(rank * outputs * int(RECORD))
        layer.knots = all_knots(nodes * knots)
        layer.padded_knots = room(nodes * (knots + 2 * order))
        layer.reciprocals = room(nodes * (knots + 2 * order) * order)
        layer.lines = room(nodes * 2)
        layer.padded_coef = room(rank * nodes * (coefs + 2 * order))
        layer.first = room(nodes * BLOCK)
        layer.weight, layer.bias = flat(inputs * outputs), flat(outputs)
        # In the flat vector coefficients follow the map of their own layer, whose outputs they belong to if "after".
        if is_before:
            layer.coef = flat(inputs * coefs)
        elif number < depth:
            sizes[number + 1].coef = flat(outputs * coefs)
    whole = sizes[0]
    whole.inputs, whole.order, whole.grid, whole.rank = network.shape[0], order, network.grid, rank
    whole.knot_count = all_knots(0)
    whole.scratch = room(BLOCK * whole_vectors(max(network.shape)))
    whole.sums = room(0)
    for layer in sizes[1:]:
        layer.weight_sum, layer.bias_sum = room(int(layer.inputs * layer.width)), room(int(layer.outputs))
        layer.coef_sum = room(rank * int(layer.nodes) * (coefs + 2 * order))
    whole.sums_end = room(0)
    return dense.close(sizes, flat, room)


# ------------------------------------------------------------------------------------------------------------- splines
@part
def _prepare(sizes, flat, knots, work):
    """Copy knots and coefficients into the workspace, in the form that the blocks want."""
    order, coefs, rank = sizes[0].order, sizes[0].grid + sizes[0].order, sizes[0].rank
    size, padded, length = coefs + order + 1, coefs + 3 * order + 1, coefs + 2 * order
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        for j in range(layer.nodes):
            prepare_knots(
                order,
                view(knots, layer.knots + j * size, size),
                view(work, layer.lines + 2 * j, 2),
                view(work, layer.padded_knots + j * padded, padded),
                view(work, layer.reciprocals + j * padded * order, padded * order),
            )
            for k in range(rank):
                coef = view(work, layer.padded_coef + (k * layer.nodes + j) * length, length)
                fill(coef, 0.0)
                for c in range(coefs):
                    coef[order + c] = flat[layer.coef + (j * coefs + c) * rank + k]


@part
def _apply_splines(sizes, layer, work):
    """The nodes' bases, their splines and the slopes of these, from the nodes' values."""
    order, spans = sizes[0].order, sizes[0].grid + 2 * sizes[0].order
    padded, length = spans + 1 + 2 * order, spans + order
    for j in range(layer.nodes):
        node = view(work, layer.input_records + j * RECORD, RECORD)
        first = integers(work, layer.first + j * BLOCK, SAMPLES)
        line, knots = layer.lines + 2 * j, layer.padded_knots + j * padded
        reciprocals = layer.reciprocals + j * padded * order
        set_bases(order, spans, node, first, ONE, work, line, knots, reciprocals)
        for at in range(j, sizes[0].rank * layer.nodes, layer.nodes):
            record = view(work, layer.input_records + at * RECORD, RECORD)
            coef = view(work, layer.padded_coef + at * length, length)
            # `order` is a constant where it is 3: the loops over r are then unrolled.
            if order == 3:
                _sum_bases(3, node, first, coef, record)
            else:
                _sum_bases(order, node, first, coef, record)


@inlined
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


@part
def _add_spline_gradients(sizes, layer, work):
    for k in range(sizes[0].rank):
        if sizes[0].order == 3:
            _add_spline_gradients_of(3, k * layer.nodes, sizes, layer, work)
        else:
            _add_spline_gradients_of(sizes[0].order, k * layer.nodes, sizes, layer, work)


@inlined
def _add_spline_gradients_of(order, ahead, sizes, layer, work):
    """sums[ahead + j, first + r] += B_r(x_j) delta[ahead + j], of one spline of every node.

    A few nodes in turn: neighbouring samples often meet the same coefficients, and would wait for each other.
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


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer."""
    dense.take_samples(sizes, RECORD, x, start, count, work)
    for number in range(1, 1 + sizes[0].depth):
        _apply_splines(sizes, sizes[number], work)
        dense.set_values(sizes[number], RECORD, flat, work)


@part
def _step_back(sizes, layer, flat, work):
    """From the derivatives by the values of the layer's outputs to DELTA and the values of its nodes."""
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
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0].depth, 0, -1):
        layer = sizes[number]
        dense.add_gradients(sizes, layer, RECORD, work)
        if layer.nodes > 0:
            _step_back(sizes, layer, flat, work)
            _add_spline_gradients(sizes, layer, work)


@part
def _collect(sizes, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    order, coefs, rank = sizes[0].order, sizes[0].grid + sizes[0].order, sizes[0].rank
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        dense.collect(layer, factor, work, gradient)
        for j in range(layer.nodes):
            for k in range(rank):
                at = layer.coef_sum + (k * layer.nodes + j) * (coefs + 2 * order) + order
                for c in range(coefs):
                    gradient[layer.coef + (j * coefs + c) * rank + k] = factor * work[at + c]


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values of every node and every spline, in their place."""
    dense.choose_output(sizes, RECORD, output, work)
    for number in range(sizes[0].depth, 0, -1):
        if sizes[number].nodes > 0:
            _step_back(sizes, sizes[number], flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    order, coefs, rank = sizes[0].order, sizes[0].grid + sizes[0].order, sizes[0].rank
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
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


# --------------------------------------------------------------------------------------------------------- all kernels
_evaluate = dense.evaluator(RECORD, _forward, _backward, _collect, _differentiate, _set_row)


def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    sizes = carray(sizes_at, (1 + carray(sizes_at, (1,), SIZES)[0].depth,), SIZES)
    flat, work = carray(flat_at, (sizes[0].parameters,)), carray(work_at, (sizes[0].room,))
    _prepare(sizes, flat, carray(knots_at, (sizes[0].knot_count,)), work)
    return _evaluate(task, samples, sizes, flat, x_at, y_at, first_at, second_at, work)
