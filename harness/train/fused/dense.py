"""Linear maps in kernels, in a block: from records to records (see `simd`), and back.

A layer takes its inputs from one row of their records, FROM, and writes the values of its outputs. Backwards, values
are overwritten by the derivatives, by them, of whatever is differentiated. So all matrices have samples as columns.
`record` is how far apart records are; what else is in them is the family's. Functions are inlined, so that it is a
constant in them.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters, S samples of a block.
"""

from __future__ import annotations

from harness.train.fused.compiled import inlined
from harness.train.fused.loss import classify
from harness.train.fused.simd import (
    BLOCK,
    CROSS_ENTROPY,
    ONE,
    SAMPLES,
    VALUE,
    ZERO,
    add_product,
    fill,
    row_total,
    view,
)

# The first columns of `sizes`. Row 0 is about the network: what it is, and where in the workspace what is not a layer's
# own lies.
DEPTH, PARAMETERS, ROOM, SUMS, SUMS_END, SCRATCH, ROWS_OF_J, STEP_OF_J = range(8)
# Row `number` is about that layer, counted from 1: its shape, its place in the flat vector, and in the workspace.
INPUTS, OUTPUTS, WIDTH, WEIGHT, BIAS, INPUT_RECORDS, FROM, RECORDS, WEIGHT_SUM, BIAS_SUM = range(10)


@inlined
def take_samples(sizes, record, x, start, count, work):
    """Samples start..start+count-1 as the values of the inputs; those that a block lacks are copies of its last."""
    for i in range(x.shape[0]):
        values = view(work, sizes[1, INPUT_RECORDS] + i * record + VALUE, SAMPLES)
        for s in range(BLOCK):
            values[s] = x[i, start + min(s, count - 1)]


@inlined
def set_values(layer, record, flat, work):
    """The values of the outputs, bias + weight^T inputs."""
    outputs = layer[OUTPUTS]
    for o in range(outputs):
        fill(view(work, layer[RECORDS] + o * record, SAMPLES), flat[layer[BIAS] + o])
    weight, source = view(flat, layer[WEIGHT], ZERO), view(work, layer[FROM], ZERO)
    values = view(work, layer[RECORDS], ZERO)
    add_product(weight, ONE, outputs, source, record, values, record, outputs, SAMPLES, layer[INPUTS])


@inlined
def pull_back(layer, record, flat, work, rows, step):
    """From the derivatives by the values of the outputs to those by the inputs, as rows of a block, `step` apart."""
    inputs, outputs = layer[INPUTS], layer[OUTPUTS]
    for i in range(inputs):
        fill(view(rows, i * step, SAMPLES), 0.0)
    weight, values = view(flat, layer[WEIGHT], ZERO), view(work, layer[RECORDS], ZERO)
    add_product(weight, outputs, ONE, values, record, rows, step, inputs, SAMPLES, outputs)


@inlined
def add_gradients(sizes, layer, record, work):
    """Add the block's sums over samples of the derivatives by weights and biases."""
    outputs, width = layer[OUTPUTS], layer[WIDTH]
    turned = view(work, sizes[0, SCRATCH], BLOCK * width)
    fill(turned, 0.0)
    for o in range(outputs):
        row = view(work, layer[RECORDS] + o * record, SAMPLES)
        for s in range(BLOCK):
            turned[s * width + o] = row[s]
        work[layer[BIAS_SUM] + o] += row_total(row)
    source, sums = view(work, layer[FROM], ZERO), view(work, layer[WEIGHT_SUM], ZERO)
    add_product(source, record, ONE, turned, width, sums, width, layer[INPUTS], width, SAMPLES)


@inlined
def compare(task, sizes, record, y, start, count, work):
    """Turn outputs into derivatives of the loss by them, zero for the samples that the block lacks; the sum of losses.

    Of squares and all that needs residuals these are prediction - target, half of the derivatives.
    """
    last = sizes[sizes[0, DEPTH]]
    if task == CROSS_ENTROPY:
        rows, scratch = view(work, last[RECORDS], ZERO), view(work, sizes[0, SCRATCH], ZERO)
        return classify(rows, record, last[OUTPUTS], y, start, count, scratch)
    squares = 0.0
    for o in range(last[OUTPUTS]):
        row = view(work, last[RECORDS] + o * record, SAMPLES)
        for s in range(count):
            residual = row[s] - y[o, start + s]
            row[s] = residual
            squares += residual * residual
        fill(view(row, count, BLOCK - count), 0.0)
    return squares


@inlined
def copy_outputs(sizes, record, start, count, samples, out, work):
    """The last layer's values, whatever they hold, to `out` [O, N] flat."""
    last = sizes[sizes[0, DEPTH]]
    for o in range(last[OUTPUTS]):
        for s in range(count):
            out[o * samples + start + s] = work[last[RECORDS] + o * record + s]


@inlined
def choose_output(sizes, record, output, work):
    """The derivatives of one output of the network by all of them, as the last layer's values."""
    last = sizes[sizes[0, DEPTH]]
    for o in range(last[OUTPUTS]):
        fill(view(work, last[RECORDS] + o * record, SAMPLES), 1.0 if o == output else 0.0)


@inlined
def collect(layer, factor, work, gradient):
    """The sums, `factor` times, as the gradient by weights and biases."""
    for o in range(layer[OUTPUTS]):
        for i in range(layer[INPUTS]):
            to = layer[WEIGHT] + i * layer[OUTPUTS] + o
            gradient[to] = factor * work[layer[WEIGHT_SUM] + i * layer[WIDTH] + o]
        gradient[layer[BIAS] + o] = factor * work[layer[BIAS_SUM] + o]


@inlined
def set_row(layer, record, s, work, row):
    """The derivatives by weights and biases at sample s of the block."""
    outputs = layer[OUTPUTS]
    slopes = view(row, layer[BIAS], outputs)
    for o in range(outputs):
        slopes[o] = work[layer[RECORDS] + o * record + s]
    for i in range(layer[INPUTS]):
        value, weights = work[layer[FROM] + i * record + s], view(row, layer[WEIGHT] + i * outputs, outputs)
        for o in range(outputs):
            weights[o] = value * slopes[o]
