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
from harness.train.fused import dense
from harness.train.fused.compiled import part
from harness.train.fused.simd import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    ACTIVATIONS,
    BLOCK,
    LANES,
    PRELU,
    SAMPLES,
    VALUE,
    ZERO,
    activate,
    described,
    places,
    row_total,
    sizes_type,
    view,
    whole_vectors,
)

PARTS = ("dense",)
RECORD = np.int64(3 * BLOCK)

# Beside what `dense` has, of hidden layers with prelu: where slopes lie in the flat vector, and in the workspace the
# two rows and the sums.
SIZES = sizes_type(dense.NETWORK + "activation", dense.LAYER + "slope below by_slope slope_sum", real="omega_0")


def describe(network: MlpShape) -> np.ndarray:
    """`sizes` of a network.

    Fourier features are no layer: the kernels are given them in place of the inputs.
    """
    depth = len(network.nodes) - 1
    sizes = described(depth, SIZES)
    flat, room = places(), places(LANES)
    records = room(network.nodes[0] * int(RECORD))
    source = records + VALUE
    for number, (inputs, outputs) in enumerate(pairwise(network.nodes), 1):
        layer, slopes = sizes[number], outputs if network.activation == "prelu" and number < depth else 0
        layer.inputs, layer.outputs, layer.width = inputs, outputs, whole_vectors(outputs)
        layer.weight, layer.bias, layer.slope = flat(inputs * outputs), flat(outputs), flat(slopes)
        layer.below, layer.by_slope = room(slopes * BLOCK), room(slopes * BLOCK)
        layer.input_records, layer.source = records, source
        records = layer.records = room(outputs * int(RECORD))
        source = records + ACTIVATED
    whole = sizes[0]
    whole.inputs, whole.activation, whole.omega_0 = network.nodes[0], ACTIVATIONS[network.activation], network.omega_0
    whole.scratch = room(BLOCK * whole_vectors(max(network.nodes)))
    whole.sums = room(0)
    for layer in sizes[1:]:
        layer.weight_sum, layer.bias_sum = room(layer.inputs * layer.width), room(layer.outputs)
        layer.slope_sum = room(layer.outputs)
    whole.sums_end = room(0)
    return dense.close(sizes, flat, room)


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer."""
    dense.take_samples(sizes, RECORD, x, start, count, work)
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        dense.set_values(layer, RECORD, flat, work)
        if number == sizes[0].depth:
            break
        if sizes[0].activation == PRELU:
            _bend(layer, flat, work)
        else:
            for o in range(layer.outputs):
                activate(sizes[0].activation, sizes[0].omega_0, view(work, layer.records + o * RECORD, RECORD))


@part
def _bend(layer, flat, work):
    """What prelu makes of the outputs of a hidden layer."""
    for o in range(layer.outputs):
        record, below = view(work, layer.records + o * RECORD, RECORD), view(work, layer.below + o * BLOCK, SAMPLES)
        slope = flat[layer.slope + o]
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
    scratch = view(work, sizes[0].scratch, BLOCK * layer.inputs)
    dense.pull_back(layer, RECORD, flat, work, scratch, SAMPLES)
    for i in range(layer.inputs):
        record, row = view(work, layer.input_records + i * RECORD, RECORD), view(scratch, i * BLOCK, SAMPLES)
        for s in range(BLOCK):
            record[VALUE + s] = row[s] * record[ACTIVATED_SLOPE + s]
    if sizes[0].activation == PRELU:
        before = sizes[number - 1]
        below, by_slope = view(work, before.below, ZERO), view(work, before.by_slope, ZERO)
        for at in range(before.outputs * BLOCK):
            by_slope[at] = scratch[at] * below[at]


@part
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0].depth, 0, -1):
        dense.add_gradients(sizes, sizes[number], RECORD, work)
        if number > 1:
            _step_back(sizes, number, flat, work)
            if sizes[0].activation == PRELU:
                before = sizes[number - 1]
                for o in range(before.outputs):
                    work[before.slope_sum + o] += row_total(view(work, before.by_slope + o * BLOCK, SAMPLES))


@part
def _collect(sizes, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        dense.collect(layer, factor, work, gradient)
        if sizes[0].activation == PRELU and number < sizes[0].depth:
            for o in range(layer.outputs):
                gradient[layer.slope + o] = factor * work[layer.slope_sum + o]


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values of every node, in their place."""
    dense.choose_output(sizes, RECORD, output, work)
    for number in range(sizes[0].depth, 1, -1):
        _step_back(sizes, number, flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        dense.set_row(layer, RECORD, s, work, row)
        if sizes[0].activation == PRELU and number < sizes[0].depth:
            for o in range(layer.outputs):
                row[layer.slope + o] = work[layer.by_slope + o * BLOCK + s]


# --------------------------------------------------------------------------------------------------------- all kernels
_evaluate = dense.evaluator(RECORD, _forward, _backward, _collect, _differentiate, _set_row)


def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    sizes = carray(sizes_at, (1 + carray(sizes_at, (1,), SIZES)[0].depth,), SIZES)
    flat, work = carray(flat_at, (sizes[0].parameters,)), carray(work_at, (sizes[0].room,))
    return _evaluate(task, samples, sizes, flat, x_at, y_at, first_at, second_at, work)
