"""Linear maps in kernels, in a block: from records to records (see `sizes`), and back.

A layer takes its inputs from one row of their records, at `source`, and writes the values of its
outputs. Backwards, values are overwritten by the derivatives, by them, of whatever is
differentiated. So all matrices have samples as columns. `record` is how far apart records are; what
else is in them is the family's. Functions are inlined, so that it is a constant in them.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters, S samples of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numba import carray

from harness.train.fused.compiled import inlined, merged, part
from harness.train.fused.loss import classify, gradient_factor, target_rows
from harness.train.fused.simd import add_gram, add_product, fill, row_total, view
from harness.train.fused.sizes import (
    BLOCK,
    CROSS_ENTROPY,
    JACOBIAN,
    LANES,
    NORMAL_EQUATIONS,
    ONE,
    PREDICT,
    SAMPLES,
    VALUE,
    ZERO,
    Places,
    jacobian_step,
    places,
    whole_vectors,
)

# Fields of `sizes` that every family has. Of the network: what it is, and where in the workspace
# what is not a layer's own lies.
NETWORK = "depth inputs parameters knot_count room sums sums_end scratch rows_of_j step_of_j "
# Of a layer, counted from 1: its shape, its place in the flat vector, and in the workspace.
LAYER = "inputs outputs width weight bias input_records source records weight_sum bias_sum "


def begin(
    nodes: Sequence[int], kind: np.dtype, record: np.int64, copies: int = 1
) -> tuple[Any, Places, Places]:
    """`sizes` of layers of linear maps between records, and what hands out places in the flat
    vector and the workspace.

    Row 0 and layers are read and set by the names of their fields. Every node has so many `copies`
    of a `record`.
    """
    sizes, room = np.zeros(len(nodes), kind).view(np.recarray), places(LANES)
    sizes[0].depth, sizes[0].inputs = len(nodes) - 1, nodes[0]
    records = room(copies * nodes[0] * int(record))
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(nodes), strict=True):
        layer.inputs, layer.outputs, layer.width = copies * inputs, outputs, whole_vectors(outputs)
        layer.input_records = records
        records = layer.records = room(copies * outputs * int(record))
    return sizes, places(), room


def close(
    sizes: Any, flat: Places, room: Places, sums_of: Callable[[Any], Mapping[str, int]]
) -> np.ndarray:
    """`sizes` with what follows from its layers; `sums_of` has the lengths of a layer's sums that
    are the family's.
    """
    whole, layers, parameters = sizes[0], sizes[1:], flat(0)
    whole.scratch = room(BLOCK * max(layers.inputs.max(), layers.width.max()))
    whole.sums = room(0)
    for layer in layers:
        layer.weight_sum, layer.bias_sum = room(layer.inputs * layer.width), room(layer.outputs)
        for name, length in sums_of(layer).items():
            setattr(layer, name, room(length))
    whole.sums_end = room(0)
    whole.parameters, whole.step_of_j = parameters, jacobian_step(parameters)
    whole.rows_of_j = room(BLOCK * jacobian_step(parameters))
    whole.room = room(0)
    return sizes


@inlined
def take_samples(sizes, record, x, start, count, work):
    """Samples start..start+count-1 as the values of the inputs; those that a block lacks are copies
    of its last.
    """
    for i in range(x.shape[0]):
        values = view(work, sizes[1].input_records + i * record + VALUE, SAMPLES)
        for s in range(BLOCK):
            values[s] = x[i, start + min(s, count - 1)]


@inlined
def set_values(sizes, layer, record, flat, work):
    """The values of the outputs, bias + weight^T inputs."""
    outputs = layer.outputs
    for o in range(outputs):
        fill(view(work, layer.records + o * record, SAMPLES), flat[layer.bias + o])
    weight, source = view(flat, layer.weight, ZERO), view(work, layer.source, ZERO)
    values = view(work, layer.records, ZERO)
    add_product(
        weight, ONE, outputs, source, record, values, record, outputs, SAMPLES, layer.inputs
    )


@inlined
def pull_back(layer, record, flat, work, rows, step):
    """From the derivatives by the values of the outputs to those by the inputs, as rows of a block,
    `step` apart.
    """
    inputs, outputs = layer.inputs, layer.outputs
    for i in range(inputs):
        fill(view(rows, i * step, SAMPLES), 0.0)
    weight, values = view(flat, layer.weight, ZERO), view(work, layer.records, ZERO)
    add_product(weight, outputs, ONE, values, record, rows, step, inputs, SAMPLES, outputs)


@inlined
def add_map_gradients(sizes, layer, record, work):
    """Add the block's sums over samples of the derivatives by weights and biases."""
    outputs, width = layer.outputs, layer.width
    turned = view(work, sizes[0].scratch, BLOCK * width)
    fill(turned, 0.0)
    for o in range(outputs):
        row = view(work, layer.records + o * record, SAMPLES)
        for s in range(BLOCK):
            turned[s * width + o] = row[s]
        work[layer.bias_sum + o] += row_total(row)
    source, sums = view(work, layer.source, ZERO), view(work, layer.weight_sum, ZERO)
    add_product(source, record, ONE, turned, width, sums, width, layer.inputs, width, SAMPLES)


@inlined
def compare(task, sizes, record, y, start, count, work):
    """Turn outputs into derivatives of the loss by them, zero for the samples that the block lacks;
    the sum of losses.

    Of squares and all that needs residuals these are prediction - target, half of the derivatives.
    """
    last = sizes[sizes[0].depth]
    if task == CROSS_ENTROPY:
        rows, scratch = view(work, last.records, ZERO), view(work, sizes[0].scratch, ZERO)
        return classify(rows, record, last.outputs, y, start, count, scratch)
    squares = 0.0
    for o in range(last.outputs):
        row = view(work, last.records + o * record, SAMPLES)
        for s in range(count):
            residual = row[s] - y[o, start + s]
            row[s] = residual
            squares += residual * residual
        fill(view(row, count, BLOCK - count), 0.0)
    return squares


@inlined
def copy_outputs(sizes, record, start, count, samples, out, work):
    """The last layer's values, whatever they hold, to `out` [O, N] flat."""
    last = sizes[sizes[0].depth]
    for o in range(last.outputs):
        for s in range(count):
            out[o * samples + start + s] = work[last.records + o * record + s]


@inlined
def choose_output(sizes, record, output, work):
    """The derivatives of one output of the network by all of them, as the last layer's values."""
    last = sizes[sizes[0].depth]
    for o in range(last.outputs):
        fill(view(work, last.records + o * record, SAMPLES), 1.0 if o == output else 0.0)


@inlined
def collect(layer, factor, work, gradient):
    """The sums, `factor` times, as the gradient by weights and biases."""
    for o in range(layer.outputs):
        for i in range(layer.inputs):
            to = layer.weight + i * layer.outputs + o
            gradient[to] = factor * work[layer.weight_sum + i * layer.width + o]
        gradient[layer.bias + o] = factor * work[layer.bias_sum + o]


@inlined
def set_row(layer, record, s, work, row):
    """The derivatives by weights and biases at sample s of the block."""
    outputs = layer.outputs
    slopes = view(row, layer.bias, outputs)
    for o in range(outputs):
        slopes[o] = work[layer.records + o * record + s]
    for i in range(layer.inputs):
        value, weights = (
            work[layer.source + i * record + s],
            view(row, layer.weight + i * outputs, outputs),
        )
        for o in range(outputs):
            weights[o] = value * slopes[o]


# --------------------------------------------------------------------------------------------------
# whole blocks
def full_rows(set_row):
    """Of `evaluator` what makes normal equations and Jacobians from full rows; `set_row` sets those
    of a layer.
    """

    @part
    def set_rows(sizes, s, work, row):
        """The derivatives by all parameters at sample s of the block; zeros behind them."""
        fill(view(row, sizes[0].parameters, row.size - sizes[0].parameters), 0.0)
        for number in range(1, 1 + sizes[0].depth):
            set_row(sizes, number, s, work, row)

    def least_squares(differentiate):
        @part
        def add_normal_equations(sizes, flat, count, matrix, work):
            """Add the block's part of J^T J."""
            size, step = sizes[0].parameters, sizes[0].step_of_j
            rows = view(work, sizes[0].rows_of_j, BLOCK * step)
            for output in range(sizes[sizes[0].depth].outputs):
                differentiate(sizes, output, flat, work)
                for s in range(count):
                    set_rows(sizes, s, work, view(rows, s * step, step))
                fill(view(rows, count * step, (BLOCK - count) * step), 0.0)
                add_gram(rows, step, size, matrix)

        @part
        def write_jacobian(sizes, flat, start, count, samples, jacobian, work):
            """The block's rows of `jacobian` [O * N, P] flat."""
            size = sizes[0].parameters
            for output in range(sizes[sizes[0].depth].outputs):
                differentiate(sizes, output, flat, work)
                for s in range(count):
                    set_rows(
                        sizes, s, work, view(jacobian, (output * samples + start + s) * size, size)
                    )

        return add_normal_equations, write_jacobian

    return least_squares


def evaluator(
    record,
    enter,
    step_back,
    add_gradients,
    collect,
    least_squares,
    set_values=set_values,
    add_map_gradients=add_map_gradients,
):
    """What `kernels` offers of a family, as a compiled function made of what the family does with a
    layer in a block.

    `enter` computes the functions of the inputs, which `set_values` maps to the values of the
    outputs. From derivatives by these, in their place, `add_map_gradients` adds to the map's sums,
    `step_back` makes those by the values of the inputs, if there is a use for them, and
    `add_gradients` adds to the family's own sums. `collect` makes a gradient of the sums.
    `least_squares` gives two functions, of what differentiates one output: see `full_rows`.
    """

    @part
    def forward(sizes, flat, x, start, count, work):
        """The outputs at samples start..start+count-1, in the values of the last layer."""
        take_samples(sizes, record, x, start, count, work)
        for number in range(1, 1 + sizes[0].depth):
            enter(sizes, number, flat, work)
            set_values(sizes, sizes[number], record, flat, work)

    @part
    def backward(sizes, flat, work):
        """From the values of the last layer, that hold derivatives by the outputs, to the sums of
        all gradients.
        """
        for number in range(sizes[0].depth, 0, -1):
            add_map_gradients(sizes, sizes[number], record, work)
            step_back(sizes, number, flat, work)
            add_gradients(sizes, number, work)

    @part
    def differentiate(sizes, output, flat, work):
        """The derivatives of one output of the network by the values of every node, in their
        place.
        """
        choose_output(sizes, record, output, work)
        for number in range(sizes[0].depth, 0, -1):
            step_back(sizes, number, flat, work)

    add_normal_equations, write_jacobian = least_squares(differentiate)

    @merged
    def evaluate(task, samples, sizes, flat, x_at, y_at, first_at, second_at, work):
        """`first` and `second` are the arrays to be filled."""
        outputs, size = sizes[sizes[0].depth].outputs, sizes[0].parameters
        x, y = (
            carray(x_at, (sizes[0].inputs, samples)),
            carray(y_at, (target_rows(task, outputs), samples)),
        )
        first = carray(first_at, (size * size if task == NORMAL_EQUATIONS else outputs * samples,))
        second = carray(second_at, (outputs * samples * size if task == JACOBIAN else size,))
        fill(view(work, sizes[0].sums, sizes[0].sums_end - sizes[0].sums), 0.0)
        if task == NORMAL_EQUATIONS:
            fill(first, 0.0)
        losses = 0.0
        for start in range(0, samples, BLOCK):
            count = min(SAMPLES, samples - start)
            forward(sizes, flat, x, start, count, work)
            if task != PREDICT:
                losses += compare(task, sizes, record, y, start, count, work)
            if task in (PREDICT, JACOBIAN):
                copy_outputs(sizes, record, start, count, samples, first, work)
            else:
                backward(sizes, flat, work)
            if task == NORMAL_EQUATIONS:
                add_normal_equations(sizes, flat, count, first, work)
            elif task == JACOBIAN:
                write_jacobian(sizes, flat, start, count, samples, second, work)
        if task not in (PREDICT, JACOBIAN):
            for number in range(1, 1 + sizes[0].depth):
                collect(sizes, number, gradient_factor(task, y.size), flat, work, second)
        return losses

    return evaluate
