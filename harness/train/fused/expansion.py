"""Kernels of KANs with a fixed basis (RBF, Chebyshev, Fourier), block by block.

A layer computes all functions of its inputs, and one matrix maps these to its outputs. In a block
every node has its record (see `sizes`): its value, an activation of it, and the slope of that.
Functions have rows of a block to themselves, those of a layer one behind the other, so that the map
is one matrix product.

- Chebyshev: the activation is tanh x, and the functions are polynomials of it.
- Fourier: activation and slope are sin x and cos x, from which all harmonics follow.
- RBF: the activation is silu x, which a second matrix maps to the outputs. Gaussians are functions
  of ARGUMENT: x, or x after LayerNorm over the layer's inputs, which first makes of it STANDARD, of
  mean 0 and variance 1 at each sample. DELTA are derivatives, of whatever is differentiated, by
  ARGUMENT.

Letters of shapes: I inputs, C functions of an input and O outputs of a layer, N samples, P
parameters, S samples of a block.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray

from harness.families.expansion import NORM_EPSILON, ExpansionShape
from harness.families.rbf_kan import RBF_RANGE, RbfKanShape
from harness.train.fused import dense
from harness.train.fused.activations import silu, sine, tanh
from harness.train.fused.bases import (
    ARGUMENT,
    DELTA,
    fold_gaussians,
    fold_harmonics,
    fold_polynomials,
    set_gaussians,
    set_harmonics,
    set_polynomials,
)
from harness.train.fused.compiled import part
from harness.train.fused.simd import (
    add_product,
    fill,
    fma,
    load,
    plus,
    row_product,
    row_total,
    spread,
    store,
    times,
    view,
)
from harness.train.fused.sizes import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    LANES,
    ONE,
    SAMPLES,
    VALUE,
    ZERO,
    sizes_type,
)

STANDARD = 4 * BLOCK
RECORD = np.int64(6 * BLOCK)

RBF, CHEBYSHEV, FOURIER = range(3)
BASES = {"rbf_kan": RBF, "chebyshev_kan": CHEBYSHEV, "fourier_kan": FOURIER}

# Beside what `dense` has, of the network: the first Gaussian's centre, how far apart Gaussians are,
# which is how wide they are, and what LayerNorm adds to a variance. Of layers: `inputs` of `dense`
# are here all functions of all inputs, which begin at `source`. `norm` are the scales of LayerNorm
# and behind them its shifts. `bias`, `base_weight` and `norm` are NOWHERE in a layer that has none.
SIZES = sizes_type(
    dense.NETWORK + "basis functions",
    dense.LAYER + "nodes base_weight base_sum norm norm_sum norm_row",
    real="centre spacing epsilon",
)
NOWHERE = -1

# Of so many outputs gradients are inner products of rows; of more they are one matrix product.
NARROW = 4


def describe(network: ExpansionShape) -> np.ndarray:
    """`sizes` of a network."""
    basis, functions = BASES[network.family], network.functions
    sizes, flat, room = dense.begin(network.nodes, SIZES, RECORD)
    whole = sizes[0]
    whole.basis, whole.functions = basis, functions
    for layer in sizes[1:]:
        inputs, outputs = layer.inputs, layer.outputs
        layer.nodes, layer.inputs = inputs, inputs * functions
        has_norm = isinstance(network, RbfKanShape) and network.has_norm(inputs)
        layer.norm = flat(2 * inputs) if has_norm else NOWHERE
        layer.weight = flat(inputs * functions * outputs)
        layer.base_weight = flat(inputs * outputs) if basis == RBF else NOWHERE
        layer.bias = flat(outputs) if network.has_bias else NOWHERE
        layer.source, layer.norm_row = room(inputs * functions * BLOCK), room(BLOCK)
    if basis == RBF:  # a single Gaussian stands in the middle
        whole.centre, whole.spacing = (
            -RBF_RANGE if functions > 1 else 0.0,
            2 * RBF_RANGE / max(functions - 1, 1),
        )
        whole.epsilon = NORM_EPSILON

    return dense.close(
        sizes,
        flat,
        room,
        lambda layer: {"base_sum": layer.nodes * layer.width, "norm_sum": 2 * layer.nodes},
    )


# --------------------------------------------------------------------------------------------------
# functions
@part
def _enter(sizes, number, flat, work):
    """All functions of the layer's inputs, from their values."""
    layer, basis, functions = sizes[number], sizes[0].basis, sizes[0].functions
    first, spacing = sizes[0].centre, sizes[0].spacing
    if basis == RBF:
        _set_arguments(layer, sizes[0].epsilon, flat, work)
    for i in range(layer.nodes):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        rows = view(work, layer.source + i * functions * BLOCK, functions * BLOCK)
        if basis == RBF:
            silu(record)
            set_gaussians(functions, first, spacing, record, rows)
        elif basis == CHEBYSHEV:
            tanh(record)
            set_polynomials(functions, record, rows)
        else:
            sine(1.0, record)
            set_harmonics(functions // 2, record, rows)


@part
def _fold(sizes, layer, pulled, work):
    """From derivatives by the functions of the layer's inputs to those by these, in their values;
    by ARGUMENT of RBF.

    `pulled` [I * C, S].
    """
    basis, functions = sizes[0].basis, sizes[0].functions
    first, spacing = sizes[0].centre, sizes[0].spacing
    for i in range(layer.nodes):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        rows = view(work, layer.source + i * functions * BLOCK, functions * BLOCK)
        by_rows = view(pulled, i * functions * BLOCK, functions * BLOCK)
        if basis == RBF:
            fold_gaussians(functions, first, spacing, by_rows, rows, record)
        elif basis == CHEBYSHEV:
            fold_polynomials(functions, by_rows, record)
        else:
            fold_harmonics(functions // 2, by_rows, rows, record)


# --------------------------------------------------------------------------------------------------
# LayerNorm
@part
def _set_arguments(layer, epsilon, flat, work):
    """ARGUMENT of every input; with LayerNorm STANDARD too, and 1 / deviation in the row at
    `norm_row`.
    """
    nodes, records = layer.nodes, layer.input_records
    if layer.norm == NOWHERE:
        for i in range(nodes):
            record = view(work, records + i * RECORD, RECORD)
            for s in range(0, BLOCK, LANES):
                store(record, ARGUMENT + s, load(record, VALUE + s))
        return
    reciprocals = view(work, layer.norm_row, SAMPLES)
    for s in range(0, BLOCK, LANES):
        sum_, squares = spread(0.0), spread(0.0)
        for i in range(nodes):
            sum_ = plus(sum_, load(work, records + i * RECORD + VALUE + s))
        less_mean = times(spread(-1.0 / nodes), sum_)
        for i in range(nodes):
            centred = plus(load(work, records + i * RECORD + VALUE + s), less_mean)
            squares = fma(squares, centred, centred)
            store(work, records + i * RECORD + STANDARD + s, centred)
        store(reciprocals, s, times(spread(1.0 / nodes), squares))
    for s in range(BLOCK):
        reciprocals[s] = 1 / math.sqrt(reciprocals[s] + epsilon)
    for i in range(nodes):
        record = view(work, records + i * RECORD, RECORD)
        scale, shift = flat[layer.norm + i], flat[layer.norm + nodes + i]
        for s in range(0, BLOCK, LANES):
            standard = times(load(record, STANDARD + s), load(reciprocals, s))
            store(record, STANDARD + s, standard)
            store(record, ARGUMENT + s, fma(spread(shift), scale, standard))


@part
def _fold_arguments(layer, flat, work):
    """From the derivatives by ARGUMENT of every input, DELTA, to those by the values."""
    nodes, records = layer.nodes, layer.input_records
    if layer.norm == NOWHERE:
        for i in range(nodes):
            record = view(work, records + i * RECORD, RECORD)
            for s in range(0, BLOCK, LANES):
                store(record, VALUE + s, load(record, DELTA + s))
        return
    for s in range(0, BLOCK, LANES):
        sum_, product, reciprocal = spread(0.0), spread(0.0), load(work, layer.norm_row + s)
        for i in range(nodes):
            by_standard = times(
                spread(flat[layer.norm + i]), load(work, records + i * RECORD + DELTA + s)
            )
            sum_ = plus(sum_, by_standard)
            product = fma(product, by_standard, load(work, records + i * RECORD + STANDARD + s))
        less_mean, less_product = (
            times(spread(-1.0 / nodes), sum_),
            times(spread(-1.0 / nodes), product),
        )
        for i in range(nodes):
            record = view(work, records + i * RECORD, RECORD)
            by_standard = fma(less_mean, flat[layer.norm + i], load(record, DELTA + s))
            by_centred = fma(by_standard, less_product, load(record, STANDARD + s))
            store(record, VALUE + s, times(by_centred, reciprocal))


# ------------------------------------------------------------------------------------ a layer, see
# `dense.evaluator`
@part
def _set_values(sizes, layer, record, flat, work):
    outputs, values = layer.outputs, view(work, layer.records, ZERO)
    for o in range(outputs):
        bias = 0.0 if layer.bias == NOWHERE else flat[layer.bias + o]
        fill(view(values, o * record, SAMPLES), bias)
    coef, rows = view(flat, layer.weight, ZERO), view(work, layer.source, ZERO)
    add_product(coef, ONE, outputs, rows, SAMPLES, values, record, outputs, SAMPLES, layer.inputs)
    if layer.base_weight != NOWHERE:
        base, activated = (
            view(flat, layer.base_weight, ZERO),
            view(work, layer.input_records + ACTIVATED, ZERO),
        )
        add_product(
            base, ONE, outputs, activated, record, values, record, outputs, SAMPLES, layer.nodes
        )


@part
def _step_back(sizes, number, flat, work):
    """To the values of the inputs, and DELTA of these."""
    layer = sizes[number]
    if number == 1 and layer.norm == NOWHERE:
        return
    nodes, functions, outputs = layer.nodes, layer.inputs, layer.outputs
    values, pulled = (
        view(work, layer.records, ZERO),
        view(work, sizes[0].scratch, BLOCK * functions),
    )
    fill(pulled, 0.0)
    coef = view(flat, layer.weight, ZERO)
    add_product(coef, outputs, ONE, values, RECORD, pulled, SAMPLES, functions, SAMPLES, outputs)
    _fold(sizes, layer, pulled, work)
    if number == 1 or layer.base_weight == NOWHERE:
        return
    _fold_arguments(layer, flat, work)
    fill(view(pulled, 0, BLOCK * nodes), 0.0)
    base = view(flat, layer.base_weight, ZERO)
    add_product(base, outputs, ONE, values, RECORD, pulled, SAMPLES, nodes, SAMPLES, outputs)
    for i in range(nodes):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        for s in range(0, BLOCK, LANES):
            by_value = fma(
                load(record, VALUE + s),
                load(pulled, i * BLOCK + s),
                load(record, ACTIVATED_SLOPE + s),
            )
            store(record, VALUE + s, by_value)


@part
def _add_map_gradients(sizes, layer, record, work):
    outputs, width = layer.outputs, layer.width
    turned = view(work, sizes[0].scratch, BLOCK * width)
    if outputs > NARROW:
        fill(turned, 0.0)
    for o in range(outputs):
        row = view(work, layer.records + o * record, SAMPLES)
        if outputs > NARROW:
            for s in range(BLOCK):
                turned[s * width + o] = row[s]
        work[layer.bias_sum + o] += row_total(row)
    _add_products(layer, layer.source, SAMPLES, layer.inputs, layer.weight_sum, turned, work)
    if layer.base_weight != NOWHERE:
        activated = layer.input_records + ACTIVATED
        _add_products(layer, activated, record, layer.nodes, layer.base_sum, turned, work)


@part
def _add_products(layer, rows_at, step, count, sums_at, turned, work):
    """Add the block's sums over samples of the derivatives by the weights of `count` rows, `step`
    apart.

    `turned` [S, width] are the derivatives by the layer's values, if there are more than NARROW.
    """
    outputs, width = layer.outputs, layer.width
    if outputs > NARROW:
        rows, sums = view(work, rows_at, ZERO), view(work, sums_at, ZERO)
        add_product(rows, step, ONE, turned, width, sums, width, count, width, SAMPLES)
        return
    for i in range(count):
        row = view(work, rows_at + i * step, SAMPLES)
        for o in range(outputs):
            values = view(work, layer.records + o * RECORD, SAMPLES)
            work[sums_at + i * width + o] += row_product(row, values)


@part
def _add_gradients(sizes, number, work):
    layer = sizes[number]
    if layer.norm != NOWHERE:
        for i in range(layer.nodes):
            record = view(work, layer.input_records + i * RECORD, RECORD)
            delta = view(record, DELTA, SAMPLES)
            work[layer.norm_sum + i] += row_product(delta, view(record, STANDARD, SAMPLES))
            work[layer.norm_sum + layer.nodes + i] += row_total(delta)


@part
def _collect(sizes, number, factor, flat, work, gradient):
    layer = sizes[number]
    _collect_map(layer, layer.weight, layer.inputs, layer.weight_sum, factor, work, gradient)
    if layer.base_weight != NOWHERE:
        _collect_map(layer, layer.base_weight, layer.nodes, layer.base_sum, factor, work, gradient)
    if layer.bias != NOWHERE:
        for o in range(layer.outputs):
            gradient[layer.bias + o] = factor * work[layer.bias_sum + o]
    if layer.norm != NOWHERE:
        for i in range(2 * layer.nodes):
            gradient[layer.norm + i] = factor * work[layer.norm_sum + i]


@part
def _collect_map(layer, weight, rows, sums, factor, work, gradient):
    for i in range(rows):
        for o in range(layer.outputs):
            gradient[weight + i * layer.outputs + o] = factor * work[sums + i * layer.width + o]


@part
def _set_row(sizes, number, s, work, row):
    layer = sizes[number]
    _set_row_of_map(
        layer, layer.source + s, SAMPLES, layer.inputs, s, work, view(row, layer.weight, ZERO)
    )
    if layer.base_weight != NOWHERE:
        activated = layer.input_records + ACTIVATED + s
        _set_row_of_map(
            layer, activated, RECORD, layer.nodes, s, work, view(row, layer.base_weight, ZERO)
        )
    if layer.bias != NOWHERE:
        for o in range(layer.outputs):
            row[layer.bias + o] = work[layer.records + o * RECORD + s]
    if layer.norm != NOWHERE:
        for i in range(layer.nodes):
            record = layer.input_records + i * RECORD + s
            row[layer.norm + i] = work[record + DELTA] * work[record + STANDARD]
            row[layer.norm + layer.nodes + i] = work[record + DELTA]


@part
def _set_row_of_map(layer, first, step, count, s, work, row):
    """By the weights of `count` numbers, `step` apart."""
    outputs = layer.outputs
    for o in range(outputs):
        slope = work[layer.records + o * RECORD + s]
        for i in range(count):
            row[np.uint64(i * outputs + o)] = work[np.uint64(first + i * step)] * slope


# --------------------------------------------------------------------------------------------------
# all kernels
_evaluate = dense.evaluator(
    RECORD,
    _enter,
    _step_back,
    _add_gradients,
    _collect,
    dense.full_rows(_set_row),
    _set_values,
    _add_map_gradients,
)


def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    sizes = carray(sizes_at, (1 + carray(sizes_at, (1,), SIZES)[0].depth,), SIZES)
    flat, work = carray(flat_at, (sizes[0].parameters,)), carray(work_at, (sizes[0].room,))
    return _evaluate(task, samples, sizes, flat, x_at, y_at, first_at, second_at, work)
