"""Kernels of multilayer perceptrons, block by block.

In a block every node has its record (see `simd`): its values, these activated, and the slope of the activation. Values
are what comes from the layer before; inputs and outputs of the network have no activation. Backwards, values are
overwritten by the derivatives, by them, of whatever is differentiated. So all matrices have samples as columns.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters, S samples of a block.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import carray

from harness.spec.networks import MlpShape
from harness.train.fused.compiled import part
from harness.train.fused.simd import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    ACTIVATIONS,
    BLOCK,
    JACOBIAN,
    LANES,
    LOSS,
    NORMAL_EQUATIONS,
    ONE,
    PREDICT,
    SAMPLES,
    VALUE,
    ZERO,
    activate,
    add_gram,
    add_product,
    fill,
    jacobian_step,
    places,
    row_total,
    view,
    whole_vectors,
)

RECORD = np.int64(3 * BLOCK)

# Columns of `sizes`. Row 0 is about the network: what it is, and where in the workspace what is not a layer's own lies.
DEPTH, ACTIVATION, PARAMETERS, ROOM, SUMS, SUMS_END, SCRATCH, ROWS_OF_J, STEP_OF_J = range(9)
# Row `number` is about that layer, counted from 1: its shape, its place in the flat vector, and in the workspace.
INPUTS, OUTPUTS, WIDTH, WEIGHT, BIAS, FROM, RECORDS, WEIGHT_SUM, BIAS_SUM = range(9)
FIELDS = 9


def describe(network: MlpShape) -> np.ndarray:
    """`sizes` [1 + depth, FIELDS], the length ROOM of the workspace among them."""
    sizes = np.zeros((len(network.shape), FIELDS), np.int64)
    flat, room = places(), places(LANES)
    source = room(network.shape[0] * int(RECORD)) + VALUE
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.shape), strict=True):
        layer[[INPUTS, OUTPUTS, WIDTH]] = inputs, outputs, whole_vectors(outputs)
        layer[[WEIGHT, BIAS]] = flat(inputs * outputs), flat(outputs)
        layer[[FROM, RECORDS]] = source, room(outputs * int(RECORD))
        source = int(layer[RECORDS]) + ACTIVATED
    sizes[0, SCRATCH] = room(BLOCK * whole_vectors(max(network.shape)))
    sizes[0, SUMS] = room(0)
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.shape), strict=True):
        layer[[WEIGHT_SUM, BIAS_SUM]] = room(inputs * whole_vectors(outputs)), room(outputs)
    sizes[0, SUMS_END] = room(0)
    sizes[0, [DEPTH, ACTIVATION, PARAMETERS]] = len(network.shape) - 1, ACTIVATIONS[network.activation], flat(0)
    sizes[0, STEP_OF_J] = jacobian_step(flat(0))
    sizes[0, ROWS_OF_J] = room(BLOCK * jacobian_step(flat(0)))
    sizes[0, ROOM] = room(0)
    return sizes


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer.

    The samples that a block lacks are copies of its last: finite where it is.
    """
    for i in range(x.shape[0]):
        values = view(work, sizes[1, FROM] + i * RECORD, SAMPLES)
        for s in range(BLOCK):
            values[s] = x[i, start + min(s, count - 1)]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        outputs = layer[OUTPUTS]
        for o in range(outputs):
            fill(view(work, layer[RECORDS] + o * RECORD, SAMPLES), flat[layer[BIAS] + o])
        weight, source = view(flat, layer[WEIGHT], ZERO), view(work, layer[FROM], ZERO)
        values = view(work, layer[RECORDS], ZERO)
        add_product(weight, ONE, outputs, source, RECORD, values, RECORD, outputs, SAMPLES, layer[INPUTS])
        if number < sizes[0, DEPTH]:
            for o in range(outputs):
                activate(sizes[0, ACTIVATION], view(work, layer[RECORDS] + o * RECORD, RECORD))


@part
def _step_back(sizes, number, flat, work):
    """From the derivatives by the values of layer `number` to those of the layer before."""
    layer, before = sizes[number], sizes[number - 1]
    inputs, outputs = layer[INPUTS], layer[OUTPUTS]
    scratch = view(work, sizes[0, SCRATCH], BLOCK * inputs)
    fill(scratch, 0.0)
    weight, values = view(flat, layer[WEIGHT], ZERO), view(work, layer[RECORDS], ZERO)
    add_product(weight, outputs, ONE, values, RECORD, scratch, SAMPLES, inputs, SAMPLES, outputs)
    for i in range(inputs):
        record, row = view(work, before[RECORDS] + i * RECORD, RECORD), view(scratch, i * BLOCK, SAMPLES)
        for s in range(BLOCK):
            record[VALUE + s] = row[s] * record[ACTIVATED_SLOPE + s]


@part
def _add_gradients(sizes, layer, work):
    """Add the block's sums over samples of the derivatives by weights and biases."""
    outputs, width = layer[OUTPUTS], layer[WIDTH]
    turned = view(work, sizes[0, SCRATCH], BLOCK * width)
    fill(turned, 0.0)
    for o in range(outputs):
        row = view(work, layer[RECORDS] + o * RECORD, SAMPLES)
        for s in range(BLOCK):
            turned[s * width + o] = row[s]
        work[layer[BIAS_SUM] + o] += row_total(row)
    source, sums = view(work, layer[FROM], ZERO), view(work, layer[WEIGHT_SUM], ZERO)
    add_product(source, RECORD, ONE, turned, width, sums, width, layer[INPUTS], width, SAMPLES)


@part
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0, DEPTH], 0, -1):
        _add_gradients(sizes, sizes[number], work)
        if number > 1:
            _step_back(sizes, number, flat, work)


@part
def _subtract(sizes, y, start, count, work):
    """Turn outputs into prediction - target, zero for the samples that the block lacks; the sum of squares."""
    last = sizes[sizes[0, DEPTH]]
    squares = 0.0
    for o in range(last[OUTPUTS]):
        row = view(work, last[RECORDS] + o * RECORD, SAMPLES)
        for s in range(count):
            residual = row[s] - y[o, start + s]
            row[s] = residual
            squares += residual * residual
        fill(view(row, count, BLOCK - count), 0.0)
    return squares


@part
def _copy_outputs(sizes, start, count, samples, out, work):
    """The last layer's values, whatever they hold, to `out` [O, N] flat."""
    last = sizes[sizes[0, DEPTH]]
    for o in range(last[OUTPUTS]):
        for s in range(count):
            out[o * samples + start + s] = work[last[RECORDS] + o * RECORD + s]


@part
def _collect(sizes, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        for o in range(layer[OUTPUTS]):
            for i in range(layer[INPUTS]):
                to = layer[WEIGHT] + i * layer[OUTPUTS] + o
                gradient[to] = factor * work[layer[WEIGHT_SUM] + i * layer[WIDTH] + o]
            gradient[layer[BIAS] + o] = factor * work[layer[BIAS_SUM] + o]


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values of every node, in their place."""
    last = sizes[sizes[0, DEPTH]]
    for o in range(last[OUTPUTS]):
        fill(view(work, last[RECORDS] + o * RECORD, SAMPLES), 1.0 if o == output else 0.0)
    for number in range(sizes[0, DEPTH], 1, -1):
        _step_back(sizes, number, flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        outputs = layer[OUTPUTS]
        slopes = view(row, layer[BIAS], outputs)
        for o in range(outputs):
            slopes[o] = work[layer[RECORDS] + o * RECORD + s]
        for i in range(layer[INPUTS]):
            value, weights = work[layer[FROM] + i * RECORD + s], view(row, layer[WEIGHT] + i * outputs, outputs)
            for o in range(outputs):
                weights[o] = value * slopes[o]


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
    flat, work = carray(flat_at, (size,)), carray(work_at, (sizes[0, ROOM],))
    x, y = carray(x_at, (inputs, samples)), carray(y_at, (outputs, samples))
    first = carray(first_at, (size * size if task == NORMAL_EQUATIONS else outputs * samples,))
    second = carray(second_at, (outputs * samples * size if task == JACOBIAN else size,))
    fill(view(work, sizes[0, SUMS], sizes[0, SUMS_END] - sizes[0, SUMS]), 0.0)
    if task == NORMAL_EQUATIONS:
        fill(first, 0.0)
        fill(view(work, sizes[0, ROWS_OF_J], BLOCK * sizes[0, STEP_OF_J]), 0.0)
    squares = 0.0
    for start in range(0, samples, BLOCK):
        count = min(SAMPLES, samples - start)
        _forward(sizes, flat, x, start, count, work)
        if task != PREDICT:
            squares += _subtract(sizes, y, start, count, work)
        if task in (PREDICT, JACOBIAN):
            _copy_outputs(sizes, start, count, samples, first, work)
        else:
            _backward(sizes, flat, work)
        if task == NORMAL_EQUATIONS:
            _add_normal_equations(sizes, flat, count, first, work)
        elif task == JACOBIAN:
            _write_jacobian(sizes, flat, start, count, samples, second, work)
    if task in (LOSS, NORMAL_EQUATIONS):
        _collect(sizes, 2.0 / y.size if task == LOSS else 1.0, work, second)
    return squares
