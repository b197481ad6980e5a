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
from harness.train.fused.compiled import inlined, part
from harness.train.fused.dense import (
    BIAS,
    BIAS_SUM,
    DEPTH,
    FROM,
    INPUT_RECORDS,
    INPUTS,
    OUTPUTS,
    PARAMETERS,
    RECORDS,
    ROOM,
    ROWS_OF_J,
    SCRATCH,
    STEP_OF_J,
    SUMS,
    SUMS_END,
    WEIGHT,
    WEIGHT_SUM,
    WIDTH,
    add_gradients,
    choose_output,
    collect,
    compare,
    copy_outputs,
    pull_back,
    set_row,
    set_values,
    take_samples,
)
from harness.train.fused.loss import gradient_factor, target_rows
from harness.train.fused.simd import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    JACOBIAN,
    LANES,
    NORMAL_EQUATIONS,
    ONE,
    PREDICT,
    SAMPLES,
    VALUE,
    add_gram,
    fill,
    integers,
    jacobian_step,
    places,
    view,
    whole_vectors,
)
from harness.train.fused.spline import BASES, RECORD, SLOPES, prepare_knots, set_bases

PARTS = ("dense", "spline")
DELTA = SLOPES

# Columns of row 0 of `sizes` beside those of `dense`,
ORDER, GRID, KNOT_COUNT, RANK, FEATURES = range(10, 15)
# and of layers, about the nodes that have splines: how many, and where their knots and coefficients are,
NODES, KNOTS, COEF = range(10, 13)
# and in the workspace what is copied there before the blocks, what belongs to a block, and the sums.
PADDED_KNOTS, RECIPROCALS, LINES, PADDED_COEF, FIRST, COEF_SUM = range(13, 19)
FIELDS = 19


def describe(network: SplineMlpShape) -> np.ndarray:
    """`sizes` [1 + depth, FIELDS], the length ROOM of the workspace among them."""
    order, coefs, knots = network.order, network.grid + network.order, network.grid + 2 * network.order + 1
    is_before, depth, rank = network.place == "before", len(network.shape) - 1, network.rank
    sizes = np.zeros((1 + depth, FIELDS), np.int64)
    flat, all_knots, room = places(), places(), places(LANES)
    records = room(rank * network.shape[0] * int(RECORD))
    for number, (nodes, outputs) in enumerate(pairwise(network.shape), 1):
        layer, inputs = sizes[number], rank * nodes
        nodes = nodes if is_before or number > 1 else 0
        layer[[INPUTS, OUTPUTS, WIDTH, NODES]] = inputs, outputs, whole_vectors(outputs), nodes
        layer[[INPUT_RECORDS, FROM]] = records, records + (ACTIVATED if nodes else VALUE)
        records = layer[RECORDS] = room(rank * outputs * int(RECORD))
        layer[KNOTS] = all_knots(nodes * knots)
        layer[PADDED_KNOTS] = room(nodes * (knots + 2 * order))
        layer[RECIPROCALS] = room(nodes * (knots + 2 * order) * order)
        layer[LINES] = room(nodes * 2)
        layer[PADDED_COEF] = room(rank * nodes * (coefs + 2 * order))
        layer[FIRST] = room(nodes * BLOCK)
        layer[[WEIGHT, BIAS]] = flat(inputs * outputs), flat(outputs)
        # In the flat vector coefficients follow the map of their own layer, whose outputs they belong to if "after".
        if is_before:
            layer[COEF] = flat(inputs * coefs)
        elif number < depth:
            sizes[number + 1, COEF] = flat(outputs * coefs)
    sizes[0, SCRATCH] = room(BLOCK * whole_vectors(max(network.shape)))
    sizes[0, SUMS] = room(0)
    for layer in sizes[1:]:
        layer[[WEIGHT_SUM, BIAS_SUM]] = room(int(layer[INPUTS] * layer[WIDTH])), room(int(layer[OUTPUTS]))
        layer[COEF_SUM] = room(rank * int(layer[NODES]) * (coefs + 2 * order))
    sizes[0, SUMS_END] = room(0)
    sizes[0, [DEPTH, ORDER, GRID, PARAMETERS, KNOT_COUNT]] = depth, order, network.grid, flat(0), all_knots(0)
    sizes[0, [RANK, FEATURES]] = rank, network.shape[0]
    sizes[0, STEP_OF_J] = jacobian_step(flat(0))
    sizes[0, ROWS_OF_J] = room(BLOCK * jacobian_step(flat(0)))
    sizes[0, ROOM] = room(0)
    return sizes


# ------------------------------------------------------------------------------------------------------------- splines
@part
def _prepare(sizes, flat, knots, work):
    """Copy knots and coefficients into the workspace, in the form that the blocks want; clear the sums."""
    order, coefs, rank = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER], sizes[0, RANK]
    size, padded, length = coefs + order + 1, coefs + 3 * order + 1, coefs + 2 * order
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        for j in range(layer[NODES]):
            prepare_knots(
                order,
                view(knots, layer[KNOTS] + j * size, size),
                view(work, layer[LINES] + 2 * j, 2),
                view(work, layer[PADDED_KNOTS] + j * padded, padded),
                view(work, layer[RECIPROCALS] + j * padded * order, padded * order),
            )
            for k in range(rank):
                coef = view(work, layer[PADDED_COEF] + (k * layer[NODES] + j) * length, length)
                fill(coef, 0.0)
                for c in range(coefs):
                    coef[order + c] = flat[layer[COEF] + (j * coefs + c) * rank + k]
    fill(view(work, sizes[0, SUMS], sizes[0, SUMS_END] - sizes[0, SUMS]), 0.0)


@part
def _apply_splines(sizes, layer, work):
    """The nodes' bases, their splines and the slopes of these, from the nodes' values."""
    order, spans = sizes[0, ORDER], sizes[0, GRID] + 2 * sizes[0, ORDER]
    padded, length = spans + 1 + 2 * order, spans + order
    for j in range(layer[NODES]):
        node = view(work, layer[INPUT_RECORDS] + j * RECORD, RECORD)
        first = integers(work, layer[FIRST] + j * BLOCK, SAMPLES)
        line, knots = layer[LINES] + 2 * j, layer[PADDED_KNOTS] + j * padded
        reciprocals = layer[RECIPROCALS] + j * padded * order
        set_bases(order, spans, node, first, ONE, work, line, knots, reciprocals)
        for at in range(j, sizes[0, RANK] * layer[NODES], layer[NODES]):
            record = view(work, layer[INPUT_RECORDS] + at * RECORD, RECORD)
            coef = view(work, layer[PADDED_COEF] + at * length, length)
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
    for k in range(sizes[0, RANK]):
        if sizes[0, ORDER] == 3:
            _add_spline_gradients_of(3, k * layer[NODES], sizes, layer, work)
        else:
            _add_spline_gradients_of(sizes[0, ORDER], k * layer[NODES], sizes, layer, work)


@inlined
def _add_spline_gradients_of(order, ahead, sizes, layer, work):
    """sums[ahead + j, first + r] += B_r(x_j) delta[ahead + j], of one spline of every node.

    A few nodes in turn: neighbouring samples often meet the same coefficients, and would wait for each other.
    """
    length = sizes[0, GRID] + 3 * order
    for start in range(0, layer[NODES], 4):
        stop = min(start + 4, layer[NODES])
        for s in range(BLOCK):
            for j in range(start, stop):
                node = layer[INPUT_RECORDS] + j * RECORD + s
                delta = work[np.uint64(node + ahead * RECORD + DELTA)]
                to = layer[COEF_SUM] + (ahead + j) * length + integers(work, layer[FIRST] + j * BLOCK, SAMPLES)[s]
                for r in range(order + 1):
                    work[np.uint64(to + r)] += work[np.uint64(node + BASES + r * BLOCK)] * delta


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer."""
    take_samples(sizes, RECORD, x, start, count, work)
    for number in range(1, 1 + sizes[0, DEPTH]):
        _apply_splines(sizes, sizes[number], work)
        set_values(sizes[number], RECORD, flat, work)


@part
def _step_back(sizes, layer, flat, work):
    """From the derivatives by the values of the layer's outputs to DELTA and the values of its nodes."""
    pull_back(layer, RECORD, flat, work, view(work, layer[INPUT_RECORDS] + DELTA, ONE), RECORD)
    for j in range(layer[NODES]):
        node = view(work, layer[INPUT_RECORDS] + j * RECORD, RECORD)
        for s in range(BLOCK):
            node[VALUE + s] = node[DELTA + s] * node[ACTIVATED_SLOPE + s]
        for k in range(1, sizes[0, RANK]):
            record = view(work, layer[INPUT_RECORDS] + (k * layer[NODES] + j) * RECORD, RECORD)
            for s in range(BLOCK):
                node[VALUE + s] += record[DELTA + s] * record[ACTIVATED_SLOPE + s]


@part
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0, DEPTH], 0, -1):
        layer = sizes[number]
        add_gradients(sizes, layer, RECORD, work)
        if layer[NODES] > 0:
            _step_back(sizes, layer, flat, work)
            _add_spline_gradients(sizes, layer, work)


@part
def _collect(sizes, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    order, coefs, rank = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER], sizes[0, RANK]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        collect(layer, factor, work, gradient)
        for j in range(layer[NODES]):
            for k in range(rank):
                at = layer[COEF_SUM] + (k * layer[NODES] + j) * (coefs + 2 * order) + order
                for c in range(coefs):
                    gradient[layer[COEF] + (j * coefs + c) * rank + k] = factor * work[at + c]


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values of every node and every spline, in their place."""
    choose_output(sizes, RECORD, output, work)
    for number in range(sizes[0, DEPTH], 0, -1):
        if sizes[number, NODES] > 0:
            _step_back(sizes, sizes[number], flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    order, coefs, rank = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER], sizes[0, RANK]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        set_row(layer, RECORD, s, work, row)
        for j in range(layer[NODES]):
            node = view(work, layer[INPUT_RECORDS] + j * RECORD, RECORD)
            slopes = view(row, layer[COEF] + j * coefs * rank, coefs * rank)
            fill(slopes, 0.0)
            lowest = integers(work, layer[FIRST] + j * BLOCK, SAMPLES)[s] - order
            for k in range(rank):
                delta = work[layer[INPUT_RECORDS] + (k * layer[NODES] + j) * RECORD + DELTA + s]
                for r in range(order + 1):
                    if 0 <= lowest + r < coefs:
                        slopes[(lowest + r) * rank + k] = node[BASES + r * BLOCK + s] * delta


@part
def _add_normal_equations(sizes, flat, count, matrix, work):
    """Add the block's part of J^T J."""
    size, step = sizes[0, PARAMETERS], sizes[0, STEP_OF_J]
    rows = view(work, sizes[0, ROWS_OF_J], BLOCK * step)
    for output in range(sizes[sizes[0, DEPTH], OUTPUTS]):
        _differentiate(sizes, output, flat, work)
        for s in range(count):
            _set_row(sizes, s, work, view(rows, s * step, size))
        fill(view(rows, count * step, (BLOCK - count) * step), 0.0)
        add_gram(rows, step, size, matrix)


@part
def _write_jacobian(sizes, flat, start, count, samples, jacobian, work):
    """The block's rows of `jacobian` [O * N, P] flat."""
    size = sizes[0, PARAMETERS]
    for output in range(sizes[sizes[0, DEPTH], OUTPUTS]):
        _differentiate(sizes, output, flat, work)
        for s in range(count):
            _set_row(sizes, s, work, view(jacobian, (output * samples + start + s) * size, size))


# --------------------------------------------------------------------------------------------------------- all kernels
def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    depth = carray(sizes_at, (1,))[DEPTH]
    sizes = carray(sizes_at, (1 + depth, FIELDS))
    inputs, outputs, size = sizes[0, FEATURES], sizes[depth, OUTPUTS], sizes[0, PARAMETERS]
    flat, knots = carray(flat_at, (size,)), carray(knots_at, (sizes[0, KNOT_COUNT],))
    x, y = carray(x_at, (inputs, samples)), carray(y_at, (target_rows(task, outputs), samples))
    first = carray(first_at, (size * size if task == NORMAL_EQUATIONS else outputs * samples,))
    second = carray(second_at, (outputs * samples * size if task == JACOBIAN else size,))
    work = carray(work_at, (sizes[0, ROOM],))
    _prepare(sizes, flat, knots, work)
    if task == NORMAL_EQUATIONS:
        fill(first, 0.0)
        fill(view(work, sizes[0, ROWS_OF_J], BLOCK * sizes[0, STEP_OF_J]), 0.0)
    losses = 0.0
    for start in range(0, samples, BLOCK):
        count = min(SAMPLES, samples - start)
        _forward(sizes, flat, x, start, count, work)
        if task != PREDICT:
            losses += compare(task, sizes, RECORD, y, start, count, work)
        if task in (PREDICT, JACOBIAN):
            copy_outputs(sizes, RECORD, start, count, samples, first, work)
        else:
            _backward(sizes, flat, work)
        if task == NORMAL_EQUATIONS:
            _add_normal_equations(sizes, flat, count, first, work)
        elif task == JACOBIAN:
            _write_jacobian(sizes, flat, start, count, samples, second, work)
    if task not in (PREDICT, JACOBIAN):
        _collect(sizes, gradient_factor(task, y.size), work, second)
    return losses
