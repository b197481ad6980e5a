"""Kernels of multilayer perceptrons, block by block.

In a block every node has its record (see `sizes`): its values, these activated, and the slope of
the activation. Values are what comes from the layer before (see `dense`); inputs and outputs of the
network have no activation.

With prelu a hidden node has two rows more: BELOW, its values where they are below 0, else 0, and
BY_SLOPE, derivatives, of whatever is differentiated, by the slope there.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters, S samples of a block.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from harness.families import MlpShape
from harness.train.fused import dense
from harness.train.fused.activations import ACTIVATIONS, PRELU, activate
from harness.train.fused.compiled import part
from harness.train.fused.simd import row_total, view
from harness.train.fused.sizes import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    SAMPLES,
    VALUE,
    ZERO,
    sizes_type,
)

RECORD = np.int64(3 * BLOCK)

# Beside what `dense` has, of hidden layers with prelu: where slopes lie in the flat vector, and in
# the workspace the two rows and the sums.
SIZES = sizes_type(
    dense.NETWORK + "activation", dense.LAYER + "slope below by_slope slope_sum", real="omega_0"
)


def describe(network: MlpShape) -> np.ndarray:
    """`sizes` of a network.

    Fourier features are no layer: the kernels are given them in place of the inputs.
    """
    sizes, flat, room = dense.begin(network.nodes, SIZES, RECORD)
    sizes[0].activation, sizes[0].omega_0 = ACTIVATIONS[network.activation], network.omega_0
    for number, layer in enumerate(sizes[1:], 1):
        slopes = layer.outputs if network.activation == "prelu" and number < sizes[0].depth else 0
        layer.source = layer.input_records + (VALUE if number == 1 else ACTIVATED)
        layer.weight, layer.bias = flat(layer.inputs * layer.outputs), flat(layer.outputs)
        layer.slope, layer.below, layer.by_slope = (
            flat(slopes),
            room(slopes * BLOCK),
            room(slopes * BLOCK),
        )

    return dense.close(sizes, flat, room, lambda layer: {"slope_sum": layer.outputs})


# ------------------------------------------------------------------------------------ a layer, see
# `dense.evaluator`
@part
def _enter(sizes, number, flat, work):
    layer = sizes[number]
    if number == 1:
        return
    if sizes[0].activation == PRELU:
        _bend(sizes[number - 1], flat, work)
    else:
        for i in range(layer.inputs):
            activate(
                sizes[0].activation,
                sizes[0].omega_0,
                view(work, layer.input_records + i * RECORD, RECORD),
            )


@part
def _bend(layer, flat, work):
    """What prelu makes of the outputs of a hidden layer."""
    for o in range(layer.outputs):
        record, below = (
            view(work, layer.records + o * RECORD, RECORD),
            view(work, layer.below + o * BLOCK, SAMPLES),
        )
        slope = flat[layer.slope + o]
        for s in range(BLOCK):
            value = record[VALUE + s]
            # What is not finite is neither above 0 nor below, and stays what it is.
            record[ACTIVATED + s] = value if value > 0.0 else slope * value
            record[ACTIVATED_SLOPE + s] = 1.0 if value > 0.0 else slope
            below[s] = 0.0 if value > 0.0 else value


@part
def _step_back(sizes, number, flat, work):
    layer = sizes[number]
    if number == 1:
        return
    scratch = view(work, sizes[0].scratch, BLOCK * layer.inputs)
    dense.pull_back(layer, RECORD, flat, work, scratch, SAMPLES)
    for i in range(layer.inputs):
        record, row = (
            view(work, layer.input_records + i * RECORD, RECORD),
            view(scratch, i * BLOCK, SAMPLES),
        )
        for s in range(BLOCK):
            record[VALUE + s] = row[s] * record[ACTIVATED_SLOPE + s]
    if sizes[0].activation == PRELU:
        before = sizes[number - 1]
        below, by_slope = view(work, before.below, ZERO), view(work, before.by_slope, ZERO)
        for at in range(before.outputs * BLOCK):
            by_slope[at] = scratch[at] * below[at]


@part
def _add_gradients(sizes, number, work):
    if sizes[0].activation == PRELU and number > 1:
        before = sizes[number - 1]
        for o in range(before.outputs):
            work[before.slope_sum + o] += row_total(
                view(work, before.by_slope + o * BLOCK, SAMPLES)
            )


@part
def _collect(sizes, number, factor, flat, work, gradient):
    layer = sizes[number]
    dense.collect(layer, factor, work, gradient)
    if sizes[0].activation == PRELU and number < sizes[0].depth:
        for o in range(layer.outputs):
            gradient[layer.slope + o] = factor * work[layer.slope_sum + o]


@part
def _set_row(sizes, number, s, work, row):
    layer = sizes[number]
    dense.set_row(layer, RECORD, s, work, row)
    if sizes[0].activation == PRELU and number < sizes[0].depth:
        for o in range(layer.outputs):
            row[layer.slope + o] = work[layer.by_slope + o * BLOCK + s]


# --------------------------------------------------------------------------------------------------
# all kernels
_evaluate = dense.evaluator(
    RECORD, _enter, _step_back, _add_gradients, _collect, dense.full_rows(_set_row)
)


def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    sizes = carray(sizes_at, (1 + carray(sizes_at, (1,), SIZES)[0].depth,), SIZES)
    flat, work = carray(flat_at, (sizes[0].parameters,)), carray(work_at, (sizes[0].room,))
    return _evaluate(task, samples, sizes, flat, x_at, y_at, first_at, second_at, work)
