"""Kernels of multilayer perceptrons, block by block.

In a block every node has its record (see `simd`): its values, these activated, and the slope of the activation. Values
are what comes from the layer before (see `dense`); inputs and outputs of the network have no activation.

With prelu a hidden node has two rows more: BELOW, its values where they are below 0, else 0, and BY_SLOPE, derivatives,
of whatever is differentiated, by the slope there.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters, S samples of a block.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import carray

from harness.families import MlpShape
from harness.train.fused.compiled import part
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
    ACTIVATIONS,
    BLOCK,
    JACOBIAN,
    LANES,
    NORMAL_EQUATIONS,
    PREDICT,
    PRELU,
    SAMPLES,
    VALUE,
    ZERO,
    activate,
    add_gram,
    fill,
    jacobian_step,
    places,
    row_total,
    view,
    whole_vectors,
)

PARTS = ("dense",)
RECORD = np.int64(3 * BLOCK)

# Columns of row 0 of `sizes` beside those of `dense`,
ACTIVATION, OMEGA_0 = 8, 9  # the latter a float64, in the bits of an integer
# and of hidden layers with prelu: where slopes lie in the flat vector, and in the workspace the two rows and the sums.
SLOPE, BELOW, BY_SLOPE, SLOPE_SUM = range(10, 14)
FIELDS = 14


def describe(network: MlpShape) -> np.ndarray:
    """`sizes` [1 + depth, FIELDS], the length ROOM of the workspace among them.

    Fourier features are no layer: the kernels are given them in place of the inputs.
    """
    sizes = np.zeros((len(network.nodes), FIELDS), np.int64)
    flat, room = places(), places(LANES)
    records = room(network.nodes[0] * int(RECORD))
    source = records + VALUE
    depth = len(network.nodes) - 1
    for number, (inputs, outputs) in enumerate(pairwise(network.nodes), 1):
        layer, slopes = sizes[number], outputs if network.activation == "prelu" and number < depth else 0
        layer[[INPUTS, OUTPUTS, WIDTH]] = inputs, outputs, whole_vectors(outputs)
        layer[[WEIGHT, BIAS, SLOPE]] = flat(inputs * outputs), flat(outputs), flat(slopes)
        layer[[BELOW, BY_SLOPE]] = room(slopes * BLOCK), room(slopes * BLOCK)
        layer[[INPUT_RECORDS, FROM]] = records, source
        records = layer[RECORDS] = room(outputs * int(RECORD))
        source = records + ACTIVATED
    sizes[0, SCRATCH] = room(BLOCK * whole_vectors(max(network.nodes)))
    sizes[0, SUMS] = room(0)
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.nodes), strict=True):
        layer[[WEIGHT_SUM, BIAS_SUM]] = room(inputs * whole_vectors(outputs)), room(outputs)
        layer[SLOPE_SUM] = room(outputs)
    sizes[0, SUMS_END] = room(0)
    sizes[0, [DEPTH, ACTIVATION, PARAMETERS]] = depth, ACTIVATIONS[network.activation], flat(0)
    sizes[0, OMEGA_0] = np.float64(network.omega_0).view(np.int64)
    sizes[0, STEP_OF_J] = jacobian_step(flat(0))
    sizes[0, ROWS_OF_J] = room(BLOCK * jacobian_step(flat(0)))
    sizes[0, ROOM] = room(0)
    return sizes


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer."""
    omega_0 = np.int64(sizes[0, OMEGA_0]).view(np.float64)
    take_samples(sizes, RECORD, x, start, count, work)
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        set_values(layer, RECORD, flat, work)
        if number == sizes[0, DEPTH]:
            break
        if sizes[0, ACTIVATION] == PRELU:
            _bend(layer, flat, work)
        else:
            for o in range(layer[OUTPUTS]):
                activate(sizes[0, ACTIVATION], omega_0, view(work, layer[RECORDS] + o * RECORD, RECORD))


@part
def _bend(layer, flat, work):
    """What prelu makes of the outputs of a hidden layer."""
    for o in range(layer[OUTPUTS]):
        record, below = view(work, layer[RECORDS] + o * RECORD, RECORD), view(work, layer[BELOW] + o * BLOCK, SAMPLES)
        slope = flat[layer[SLOPE] + o]
        for s in range(BLOCK):
            value = record[VALUE + s]
            # What is not finite is neither above 0 nor below, and stays what it is.
            record[ACTIVATED + s] = value if value > 0.0 else slope * value
            record[ACTIVATED_SLOPE + s] = 1.0 if value > 0.0 else slope
            below[s] = 0.0 if value > 0.0 else value


@part
def _step_back(sizes, number, flat, work):
    """From the derivatives by the values of layer `number` to those of the layer before."""
    layer = sizes[number]
    scratch = view(work, sizes[0, SCRATCH], BLOCK * layer[INPUTS])
    pull_back(layer, RECORD, flat, work, scratch, SAMPLES)
    for i in range(layer[INPUTS]):
        record, row = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD), view(scratch, i * BLOCK, SAMPLES)
        for s in range(BLOCK):
            record[VALUE + s] = row[s] * record[ACTIVATED_SLOPE + s]
    if sizes[0, ACTIVATION] == PRELU:
        before = sizes[number - 1]
        below, by_slope = view(work, before[BELOW], ZERO), view(work, before[BY_SLOPE], ZERO)
        for at in range(before[OUTPUTS] * BLOCK):
            by_slope[at] = scratch[at] * below[at]


@part
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0, DEPTH], 0, -1):
        add_gradients(sizes, sizes[number], RECORD, work)
        if number > 1:
            _step_back(sizes, number, flat, work)
            if sizes[0, ACTIVATION] == PRELU:
                before = sizes[number - 1]
                for o in range(before[OUTPUTS]):
                    work[before[SLOPE_SUM] + o] += row_total(view(work, before[BY_SLOPE] + o * BLOCK, SAMPLES))


@part
def _collect(sizes, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        collect(layer, factor, work, gradient)
        if sizes[0, ACTIVATION] == PRELU and number < sizes[0, DEPTH]:
            for o in range(layer[OUTPUTS]):
                gradient[layer[SLOPE] + o] = factor * work[layer[SLOPE_SUM] + o]


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values of every node, in their place."""
    choose_output(sizes, RECORD, output, work)
    for number in range(sizes[0, DEPTH], 1, -1):
        _step_back(sizes, number, flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        set_row(layer, RECORD, s, work, row)
        if sizes[0, ACTIVATION] == PRELU and number < sizes[0, DEPTH]:
            for o in range(layer[OUTPUTS]):
                row[layer[SLOPE] + o] = work[layer[BY_SLOPE] + o * BLOCK + s]


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
    x, y = carray(x_at, (inputs, samples)), carray(y_at, (target_rows(task, outputs), samples))
    first = carray(first_at, (size * size if task == NORMAL_EQUATIONS else outputs * samples,))
    second = carray(second_at, (outputs * samples * size if task == JACOBIAN else size,))
    fill(view(work, sizes[0, SUMS], sizes[0, SUMS_END] - sizes[0, SUMS]), 0.0)
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
