"""Kernels of MLPs with one spline a node, block by block: those of an MLP, with a spline for the activation.

A layer applies the splines of its inputs, if they have any, and then its linear map (see `dense`): with `place` "after"
the inputs of every layer but the first, with "before" those of all layers. In a block every node has its record (see
`spline`): its values, these through the spline, the slope there, and the bases. The slopes of the bases have then done
their work, and their first row is DELTA: derivatives, of whatever is differentiated, by the spline's values.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters.
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
ORDER, GRID, KNOT_COUNT = range(10, 13)
# and of layers, about the splines of their inputs: how many, and where their knots and coefficients are,
SPLINES, KNOTS, COEF = range(10, 13)
# and in the workspace what is copied there before the blocks, what belongs to a block, and the sums.
PADDED_KNOTS, RECIPROCALS, LINES, PADDED_COEF, FIRST, COEF_SUM = range(13, 19)
FIELDS = 19


def describe(network: SplineMlpShape) -> np.ndarray:
    """`sizes` [1 + depth, FIELDS], the length ROOM of the workspace among them."""
    order, coefs, knots = network.order, network.grid + network.order, network.grid + 2 * network.order + 1
    is_before, depth = network.place == "before", len(network.shape) - 1
    sizes = np.zeros((1 + depth, FIELDS), np.int64)
    flat, all_knots, room = places(), places(), places(LANES)
    records = room(network.shape[0] * int(RECORD))
    for number, (inputs, outputs) in enumerate(pairwise(network.shape), 1):
        layer, splines = sizes[number], inputs if is_before or number > 1 else 0
        layer[[INPUTS, OUTPUTS, WIDTH, SPLINES]] = inputs, outputs, whole_vectors(outputs), splines
        layer[[INPUT_RECORDS, FROM]] = records, records + (ACTIVATED if splines else VALUE)
        records = layer[RECORDS] = room(outputs * int(RECORD))
        layer[KNOTS] = all_knots(splines * knots)
        layer[PADDED_KNOTS] = room(splines * (knots + 2 * order))
        layer[RECIPROCALS] = room(splines * (knots + 2 * order) * order)
        layer[LINES] = room(splines * 2)
        layer[PADDED_COEF] = room(splines * (coefs + 2 * order))
        layer[FIRST] = room(splines * BLOCK)
        layer[[WEIGHT, BIAS]] = flat(inputs * outputs), flat(outputs)
        # In the flat vector coefficients follow the map of their own layer, whose outputs they belong to if "after".
        if is_before:
            layer[COEF] = flat(inputs * coefs)
        elif number < depth:
            sizes[number + 1, COEF] = flat(outputs * coefs)
    sizes[0, SCRATCH] = room(BLOCK * whole_vectors(max(network.shape)))
    sizes[0, SUMS] = room(0)
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.shape), strict=True):
        layer[[WEIGHT_SUM, BIAS_SUM]] = room(inputs * whole_vectors(outputs)), room(outputs)
        layer[COEF_SUM] = room(int(layer[SPLINES]) * (coefs + 2 * order))
    sizes[0, SUMS_END] = room(0)
    sizes[0, [DEPTH, ORDER, GRID, PARAMETERS, KNOT_COUNT]] = depth, order, network.grid, flat(0), all_knots(0)
    sizes[0, STEP_OF_J] = jacobian_step(flat(0))
    sizes[0, ROWS_OF_J] = room(BLOCK * jacobian_step(flat(0)))
    sizes[0, ROOM] = room(0)
    return sizes


# ------------------------------------------------------------------------------------------------------------- splines
@part
def _prepare(sizes, flat, knots, work):
    """Copy knots and coefficients into the workspace, in the form that the blocks want; clear the sums."""
    order, coefs = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER]
    size, padded, length = coefs + order + 1, coefs + 3 * order + 1, coefs + 2 * order
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        for i in range(layer[SPLINES]):
            prepare_knots(
                order,
                view(knots, layer[KNOTS] + i * size, size),
                view(work, layer[LINES] + 2 * i, 2),
                view(work, layer[PADDED_KNOTS] + i * padded, padded),
                view(work, layer[RECIPROCALS] + i * padded * order, padded * order),
            )
            coef = view(work, layer[PADDED_COEF] + i * length, length)
            fill(coef, 0.0)
            for c in range(coefs):
                coef[order + c] = flat[layer[COEF] + i * coefs + c]
    fill(view(work, sizes[0, SUMS], sizes[0, SUMS_END] - sizes[0, SUMS]), 0.0)


@part
def _apply_splines(sizes, layer, work):
    """The inputs' bases, their splines and the slopes of these, from the inputs' values."""
    order, spans = sizes[0, ORDER], sizes[0, GRID] + 2 * sizes[0, ORDER]
    padded, length = spans + 1 + 2 * order, spans + order
    for i in range(layer[SPLINES]):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        first = integers(work, layer[FIRST] + i * BLOCK, SAMPLES)
        line, knots = layer[LINES] + 2 * i, layer[PADDED_KNOTS] + i * padded
        reciprocals = layer[RECIPROCALS] + i * padded * order
        set_bases(order, spans, record, first, ONE, work, line, knots, reciprocals)
        coef = view(work, layer[PADDED_COEF] + i * length, length)
        # `order` is a constant where it is 3: the loops over r are then unrolled.
        if order == 3:
            _sum_bases(3, record, first, coef)
        else:
            _sum_bases(order, record, first, coef)


@inlined
def _sum_bases(order, record, first, coef):
    """sum_r B_r(x) c[first + r], and the same of slopes."""
    for s in range(BLOCK):
        value = slope = 0.0
        for r in range(order + 1):
            coefficient = coef[np.uint64(first[s] + r)]
            value += record[np.uint64(BASES + r * BLOCK + s)] * coefficient
            slope += record[np.uint64(SLOPES + r * BLOCK + s)] * coefficient
        record[ACTIVATED + s] = value
        record[ACTIVATED_SLOPE + s] = slope


@part
def _add_spline_gradients(sizes, layer, work):
    if sizes[0, ORDER] == 3:
        _add_spline_gradients_of(3, sizes, layer, work)
    else:
        _add_spline_gradients_of(sizes[0, ORDER], sizes, layer, work)


@inlined
def _add_spline_gradients_of(order, sizes, layer, work):
    """sums[i, first + r] += B_r(x_i) delta_i.

    A few inputs in turn: neighbouring samples often meet the same coefficients, and would wait for each other.
    """
    length = sizes[0, GRID] + 3 * order
    for start in range(0, layer[SPLINES], 4):
        stop = min(start + 4, layer[SPLINES])
        for s in range(BLOCK):
            for i in range(start, stop):
                record = layer[INPUT_RECORDS] + i * RECORD + s
                delta = work[np.uint64(record + DELTA)]
                to = layer[COEF_SUM] + i * length + integers(work, layer[FIRST] + i * BLOCK, SAMPLES)[s]
                for r in range(order + 1):
                    work[np.uint64(to + r)] += work[np.uint64(record + BASES + r * BLOCK)] * delta


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer."""
    take_samples(sizes, RECORD, x, start, count, work)
    for number in range(1, 1 + sizes[0, DEPTH]):
        _apply_splines(sizes, sizes[number], work)
        set_values(sizes[number], RECORD, flat, work)


@part
def _step_back(layer, flat, work):
    """From the derivatives by the values of the layer's outputs to DELTA and the values of its inputs."""
    pull_back(layer, RECORD, flat, work, view(work, layer[INPUT_RECORDS] + DELTA, ONE), RECORD)
    for i in range(layer[SPLINES]):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        for s in range(BLOCK):
            record[VALUE + s] = record[DELTA + s] * record[ACTIVATED_SLOPE + s]


@part
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0, DEPTH], 0, -1):
        layer = sizes[number]
        add_gradients(sizes, layer, RECORD, work)
        if layer[SPLINES] > 0:
            _step_back(layer, flat, work)
            _add_spline_gradients(sizes, layer, work)


@part
def _collect(sizes, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    order, coefs = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        collect(layer, factor, work, gradient)
        for i in range(layer[SPLINES]):
            at = layer[COEF_SUM] + i * (coefs + 2 * order) + order
            for c in range(coefs):
                gradient[layer[COEF] + i * coefs + c] = factor * work[at + c]


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values of every node and every spline, in their place."""
    choose_output(sizes, RECORD, output, work)
    for number in range(sizes[0, DEPTH], 0, -1):
        if sizes[number, SPLINES] > 0:
            _step_back(sizes[number], flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    order, coefs = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        set_row(layer, RECORD, s, work, row)
        for i in range(layer[SPLINES]):
            record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
            slopes = view(row, layer[COEF] + i * coefs, coefs)
            fill(slopes, 0.0)
            lowest = integers(work, layer[FIRST] + i * BLOCK, SAMPLES)[s] - order
            for r in range(order + 1):
                if 0 <= lowest + r < coefs:
                    slopes[lowest + r] = record[BASES + r * BLOCK + s] * record[DELTA + s]


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
    inputs, outputs, size = sizes[1, INPUTS], sizes[depth, OUTPUTS], sizes[0, PARAMETERS]
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
