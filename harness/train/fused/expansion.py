"""Kernels of KANs with a fixed basis (RBF, Chebyshev, Fourier), block by block.

A layer computes all functions of its inputs, and one matrix maps these to its outputs. In a block every node has its
record (see `simd`): its value, an activation of it, and the slope of that. Functions have rows of a block to
themselves, those of a layer one behind the other, so that the map is one matrix product.

- Chebyshev: the activation is tanh x, and the functions are polynomials of it.
- Fourier: activation and slope are sin x and cos x, from which all harmonics follow.
- RBF: the activation is silu x, which a second matrix maps to the outputs. Gaussians are functions of ARGUMENT: x, or
  x after LayerNorm over the layer's inputs, which first makes of it STANDARD, of mean 0 and variance 1 at each sample.
  DELTA are derivatives, of whatever is differentiated, by ARGUMENT.

Letters of shapes: I inputs, C functions of an input and O outputs of a layer, N samples, P parameters, S samples of a
block.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numba import carray

from harness.families.expansion import NORM_EPSILON, ExpansionShape
from harness.families.rbf_kan import RBF_RANGE, RbfKanShape
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
    choose_output,
    compare,
    copy_outputs,
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
    ZERO,
    add_gram,
    add_product,
    exponentials,
    fill,
    fma,
    jacobian_step,
    load,
    places,
    plus,
    row_product,
    row_total,
    silu,
    sine,
    spread,
    store,
    tanh,
    times,
    view,
    whole_vectors,
)

PARTS = ("dense",)
ARGUMENT, STANDARD, DELTA = 3 * BLOCK, 4 * BLOCK, 5 * BLOCK
RECORD = np.int64(6 * BLOCK)

RBF, CHEBYSHEV, FOURIER = range(3)
BASES = {"rbf_kan": RBF, "chebyshev_kan": CHEBYSHEV, "fourier_kan": FOURIER}

# Columns of row 0 of `sizes` beside those of `dense`; the last three are float64, in the bits of an integer: the first
# Gaussian's centre, how wide Gaussians are and how far apart, and what LayerNorm adds to a variance.
BASIS, FUNCTIONS, CENTRE, SPACING, EPSILON = range(10, 15)
# And of layers: INPUTS of `dense` are here all functions of all inputs, which begin at FROM. NORM are the scales of
# LayerNorm and behind them its shifts. BIAS, BASE and NORM are NOWHERE in a layer that has none.
NODES, BASE, BASE_SUM, NORM, NORM_SUM, NORM_ROWS = range(10, 16)
FIELDS = 16
NOWHERE = -1

# Of so many outputs gradients are inner products of rows; of more they are one matrix product.
NARROW = 4


def describe(network: ExpansionShape) -> np.ndarray:
    """`sizes` [1 + depth, FIELDS], the length ROOM of the workspace among them."""
    basis, functions = BASES[network.family], network.functions
    sizes = np.zeros((len(network.nodes), FIELDS), np.int64)
    flat, room = places(), places(LANES)
    records = room(network.nodes[0] * int(RECORD))
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.nodes), strict=True):
        layer[[NODES, INPUTS, OUTPUTS, WIDTH]] = inputs, inputs * functions, outputs, whole_vectors(outputs)
        has_norm = isinstance(network, RbfKanShape) and network.has_norm(inputs)
        layer[NORM] = flat(2 * inputs) if has_norm else NOWHERE
        layer[WEIGHT] = flat(inputs * functions * outputs)
        layer[BASE] = flat(inputs * outputs) if basis == RBF else NOWHERE
        layer[BIAS] = flat(outputs) if network.has_bias else NOWHERE
        layer[[INPUT_RECORDS, FROM, NORM_ROWS]] = records, room(inputs * functions * BLOCK), room(2 * BLOCK)
        records = layer[RECORDS] = room(outputs * int(RECORD))
    sizes[0, SCRATCH] = room(BLOCK * max(sizes[1:, INPUTS].max(), sizes[1:, WIDTH].max()))
    sizes[0, SUMS] = room(0)
    for layer in sizes[1:]:
        layer[WEIGHT_SUM] = room(layer[INPUTS] * layer[WIDTH])
        layer[BASE_SUM] = room(layer[NODES] * layer[WIDTH])
        layer[[BIAS_SUM, NORM_SUM]] = room(layer[OUTPUTS]), room(2 * layer[NODES])
    sizes[0, SUMS_END] = room(0)
    sizes[0, [DEPTH, BASIS, FUNCTIONS, PARAMETERS]] = len(network.nodes) - 1, basis, functions, flat(0)
    if basis == RBF:  # a single Gaussian stands in the middle
        spacing = 2 * RBF_RANGE / max(functions - 1, 1)
        numbers = np.array([-RBF_RANGE if functions > 1 else 0.0, spacing, NORM_EPSILON])
        sizes[0, [CENTRE, SPACING, EPSILON]] = numbers.view(np.int64)
    sizes[0, STEP_OF_J] = jacobian_step(flat(0))
    sizes[0, ROWS_OF_J] = room(BLOCK * jacobian_step(flat(0)))
    sizes[0, ROOM] = room(0)
    return sizes


# ----------------------------------------------------------------------------------------------------------- functions
@part
def _expand(sizes, layer, flat, work):
    """All functions of the layer's inputs, from their values."""
    basis, functions = sizes[0, BASIS], sizes[0, FUNCTIONS]
    first, spacing = np.int64(sizes[0, CENTRE]).view(np.float64), np.int64(sizes[0, SPACING]).view(np.float64)
    if basis == RBF:
        _set_arguments(layer, np.int64(sizes[0, EPSILON]).view(np.float64), flat, work)
    for i in range(layer[NODES]):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        rows = view(work, layer[FROM] + i * functions * BLOCK, functions * BLOCK)
        if basis == RBF:
            silu(record)
            _set_gaussians(functions, first, spacing, record, rows)
        elif basis == CHEBYSHEV:
            tanh(record)
            _set_polynomials(functions, record, rows)
        else:
            sine(1.0, record)
            _set_harmonics(functions // 2, record, rows)


@part
def _fold(sizes, layer, pulled, work):
    """From derivatives by the functions of the layer's inputs to those by these, in their values; by ARGUMENT of RBF.

    `pulled` [I * C, S].
    """
    basis, functions = sizes[0, BASIS], sizes[0, FUNCTIONS]
    first, spacing = np.int64(sizes[0, CENTRE]).view(np.float64), np.int64(sizes[0, SPACING]).view(np.float64)
    for i in range(layer[NODES]):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        rows = view(work, layer[FROM] + i * functions * BLOCK, functions * BLOCK)
        by_rows = view(pulled, i * functions * BLOCK, functions * BLOCK)
        if basis == RBF:
            _fold_gaussians(functions, first, spacing, by_rows, rows, record)
        elif basis == CHEBYSHEV:
            _fold_polynomials(functions, by_rows, record)
        else:
            _fold_harmonics(functions // 2, by_rows, rows, record)


@part
def _set_polynomials(functions, record, rows):
    """T_0 to T_D of t = tanh x, by T_n = 2 t T_{n-1} - T_{n-2}."""
    for s in range(0, BLOCK, LANES):
        t = load(record, ACTIVATED + s)
        twice, before, last = times(spread(2.0), t), spread(1.0), t
        store(rows, s, before)
        store(rows, BLOCK + s, last)
        for n in range(2, functions):
            before, last = last, fma(times(spread(-1.0), before), twice, last)
            store(rows, n * BLOCK + s, last)


@part
def _fold_polynomials(functions, by_rows, record):
    """The slope of T_n is n U_{n-1}, and U follows the recurrence of T from U_0 = 1 and U_1 = 2 t."""
    for s in range(0, BLOCK, LANES):
        twice = times(spread(2.0), load(record, ACTIVATED + s))
        before, last, by_t = spread(0.0), spread(1.0), load(by_rows, BLOCK + s)
        for n in range(2, functions):
            before, last = last, fma(times(spread(-1.0), before), twice, last)
            by_t = fma(by_t, times(spread(float(n)), load(by_rows, n * BLOCK + s)), last)
        store(record, VALUE + s, times(by_t, load(record, ACTIVATED_SLOPE + s)))


@part
def _set_harmonics(harmonics, record, rows):
    """cos n x and sin n x, n = 1..H, each turned by x from the one before: rounding grows as n, as that of n x does."""
    for s in range(0, BLOCK, LANES):
        first_sine, first_cosine = load(record, ACTIVATED + s), load(record, ACTIVATED_SLOPE + s)
        less_sine = times(spread(-1.0), first_sine)
        sine_, cosine = first_sine, first_cosine
        store(rows, s, cosine)
        store(rows, harmonics * BLOCK + s, sine_)
        for n in range(1, harmonics):
            cosine, sine_ = (
                fma(times(less_sine, sine_), first_cosine, cosine),
                fma(times(first_sine, cosine), first_cosine, sine_),
            )
            store(rows, n * BLOCK + s, cosine)
            store(rows, (harmonics + n) * BLOCK + s, sine_)


@part
def _fold_harmonics(harmonics, by_rows, rows, record):
    """The slopes of cos n x and sin n x are -n sin n x and n cos n x."""
    for s in range(0, BLOCK, LANES):
        by_x = spread(0.0)
        for n in range(harmonics):
            cosine, sine_ = n * BLOCK + s, (harmonics + n) * BLOCK + s
            turned = times(load(by_rows, cosine), load(rows, sine_))
            by_phase = fma(times(spread(-1.0), turned), load(by_rows, sine_), load(rows, cosine))
            by_x = fma(by_x, n + 1.0, by_phase)
        store(record, VALUE + s, by_x)


@part
def _set_gaussians(functions, first, spacing, record, rows):
    """exp(-((u - c) / h)^2), u in ARGUMENT."""
    for s in range(0, BLOCK, LANES):
        u = load(record, ARGUMENT + s)
        for g in range(functions):
            away = times(spread(1 / spacing), plus(u, spread(-(first + g * spacing))))
            store(rows, g * BLOCK + s, times(times(spread(-1.0), away), away))
    exponentials(rows)


@part
def _fold_gaussians(functions, first, spacing, by_rows, rows, record):
    """A Gaussian's slope is 2 (c - u) / h^2 times itself."""
    for s in range(0, BLOCK, LANES):
        u, by_u = load(record, ARGUMENT + s), spread(0.0)
        for g in range(functions):
            away = fma(spread(first + g * spacing), -1.0, u)
            by_u = fma(by_u, times(load(by_rows, g * BLOCK + s), load(rows, g * BLOCK + s)), away)
        store(record, DELTA + s, times(spread(2 / (spacing * spacing)), by_u))


# ----------------------------------------------------------------------------------------------------------- LayerNorm
@part
def _set_arguments(layer, epsilon, flat, work):
    """ARGUMENT of every input; with LayerNorm STANDARD too, and 1 / deviation, the first of NORM_ROWS."""
    nodes, records = layer[NODES], layer[INPUT_RECORDS]
    if layer[NORM] == NOWHERE:
        for i in range(nodes):
            record = view(work, records + i * RECORD, RECORD)
            for s in range(0, BLOCK, LANES):
                store(record, ARGUMENT + s, load(record, VALUE + s))
        return
    reciprocals = view(work, layer[NORM_ROWS], SAMPLES)
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
        scale, shift = flat[layer[NORM] + i], flat[layer[NORM] + nodes + i]
        for s in range(0, BLOCK, LANES):
            standard = times(load(record, STANDARD + s), load(reciprocals, s))
            store(record, STANDARD + s, standard)
            store(record, ARGUMENT + s, fma(spread(shift), scale, standard))


@part
def _fold_arguments(layer, flat, work):
    """From the derivatives by ARGUMENT of every input, DELTA, to those by the values."""
    nodes, records = layer[NODES], layer[INPUT_RECORDS]
    if layer[NORM] == NOWHERE:
        for i in range(nodes):
            record = view(work, records + i * RECORD, RECORD)
            for s in range(0, BLOCK, LANES):
                store(record, VALUE + s, load(record, DELTA + s))
        return
    for s in range(0, BLOCK, LANES):
        sum_, product, reciprocal = spread(0.0), spread(0.0), load(work, layer[NORM_ROWS] + s)
        for i in range(nodes):
            by_standard = times(spread(flat[layer[NORM] + i]), load(work, records + i * RECORD + DELTA + s))
            sum_ = plus(sum_, by_standard)
            product = fma(product, by_standard, load(work, records + i * RECORD + STANDARD + s))
        less_mean, less_product = times(spread(-1.0 / nodes), sum_), times(spread(-1.0 / nodes), product)
        for i in range(nodes):
            record = view(work, records + i * RECORD, RECORD)
            by_standard = fma(less_mean, flat[layer[NORM] + i], load(record, DELTA + s))
            by_centred = fma(by_standard, less_product, load(record, STANDARD + s))
            store(record, VALUE + s, times(by_centred, reciprocal))


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer."""
    take_samples(sizes, RECORD, x, start, count, work)
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        _expand(sizes, layer, flat, work)
        outputs, values = layer[OUTPUTS], view(work, layer[RECORDS], ZERO)
        for o in range(outputs):
            bias = 0.0 if layer[BIAS] == NOWHERE else flat[layer[BIAS] + o]
            fill(view(values, o * RECORD, SAMPLES), bias)
        coef, rows = view(flat, layer[WEIGHT], ZERO), view(work, layer[FROM], ZERO)
        add_product(coef, ONE, outputs, rows, SAMPLES, values, RECORD, outputs, SAMPLES, layer[INPUTS])
        if layer[BASE] != NOWHERE:
            base, activated = view(flat, layer[BASE], ZERO), view(work, layer[INPUT_RECORDS] + ACTIVATED, ZERO)
            add_product(base, ONE, outputs, activated, RECORD, values, RECORD, outputs, SAMPLES, layer[NODES])


@part
def _step_back(sizes, number, flat, work):
    """From the derivatives by the values of layer `number` to those of its inputs, and DELTA of these."""
    layer = sizes[number]
    if number == 1 and layer[NORM] == NOWHERE:
        return
    nodes, functions, outputs = layer[NODES], layer[INPUTS], layer[OUTPUTS]
    values, pulled = view(work, layer[RECORDS], ZERO), view(work, sizes[0, SCRATCH], BLOCK * functions)
    fill(pulled, 0.0)
    coef = view(flat, layer[WEIGHT], ZERO)
    add_product(coef, outputs, ONE, values, RECORD, pulled, SAMPLES, functions, SAMPLES, outputs)
    _fold(sizes, layer, pulled, work)
    if number == 1 or layer[BASE] == NOWHERE:
        return
    _fold_arguments(layer, flat, work)
    fill(view(pulled, 0, BLOCK * nodes), 0.0)
    base = view(flat, layer[BASE], ZERO)
    add_product(base, outputs, ONE, values, RECORD, pulled, SAMPLES, nodes, SAMPLES, outputs)
    for i in range(nodes):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        for s in range(0, BLOCK, LANES):
            by_value = fma(load(record, VALUE + s), load(pulled, i * BLOCK + s), load(record, ACTIVATED_SLOPE + s))
            store(record, VALUE + s, by_value)


@part
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0, DEPTH], 0, -1):
        layer = sizes[number]
        outputs, width = layer[OUTPUTS], layer[WIDTH]
        turned = view(work, sizes[0, SCRATCH], BLOCK * width)
        if outputs > NARROW:
            fill(turned, 0.0)
        for o in range(outputs):
            row = view(work, layer[RECORDS] + o * RECORD, SAMPLES)
            if outputs > NARROW:
                for s in range(BLOCK):
                    turned[s * width + o] = row[s]
            work[layer[BIAS_SUM] + o] += row_total(row)
        _add_gradients(layer, layer[FROM], SAMPLES, layer[INPUTS], layer[WEIGHT_SUM], turned, work)
        if layer[BASE] != NOWHERE:
            activated = layer[INPUT_RECORDS] + ACTIVATED
            _add_gradients(layer, activated, RECORD, layer[NODES], layer[BASE_SUM], turned, work)
        _step_back(sizes, number, flat, work)
        if layer[NORM] != NOWHERE:
            for i in range(layer[NODES]):
                record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
                delta = view(record, DELTA, SAMPLES)
                work[layer[NORM_SUM] + i] += row_product(delta, view(record, STANDARD, SAMPLES))
                work[layer[NORM_SUM] + layer[NODES] + i] += row_total(delta)


@part
def _add_gradients(layer, rows_at, step, count, sums_at, turned, work):
    """Add the block's sums over samples of the derivatives by the weights of `count` rows, `step` apart.

    `turned` [S, WIDTH] are the derivatives by the layer's values, if there are more than NARROW.
    """
    outputs, width = layer[OUTPUTS], layer[WIDTH]
    if outputs > NARROW:
        rows, sums = view(work, rows_at, ZERO), view(work, sums_at, ZERO)
        add_product(rows, step, ONE, turned, width, sums, width, count, width, SAMPLES)
        return
    for i in range(count):
        row = view(work, rows_at + i * step, SAMPLES)
        for o in range(outputs):
            values = view(work, layer[RECORDS] + o * RECORD, SAMPLES)
            work[sums_at + i * width + o] += row_product(row, values)


@part
def _collect(layer, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    outputs = layer[OUTPUTS]
    _collect_map(layer, layer[WEIGHT], layer[INPUTS], layer[WEIGHT_SUM], factor, work, gradient)
    if layer[BASE] != NOWHERE:
        _collect_map(layer, layer[BASE], layer[NODES], layer[BASE_SUM], factor, work, gradient)
    if layer[BIAS] != NOWHERE:
        for o in range(outputs):
            gradient[layer[BIAS] + o] = factor * work[layer[BIAS_SUM] + o]
    if layer[NORM] != NOWHERE:
        for i in range(2 * layer[NODES]):
            gradient[layer[NORM] + i] = factor * work[layer[NORM_SUM] + i]


@part
def _collect_map(layer, weight, rows, sums, factor, work, gradient):
    for i in range(rows):
        for o in range(layer[OUTPUTS]):
            gradient[weight + i * layer[OUTPUTS] + o] = factor * work[sums + i * layer[WIDTH] + o]


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values of every node, in their place."""
    choose_output(sizes, RECORD, output, work)
    for number in range(sizes[0, DEPTH], 0, -1):
        _step_back(sizes, number, flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        outputs, nodes = layer[OUTPUTS], layer[NODES]
        _set_row_of_map(layer, layer[FROM] + s, SAMPLES, layer[INPUTS], s, work, view(row, layer[WEIGHT], ZERO))
        if layer[BASE] != NOWHERE:
            activated = layer[INPUT_RECORDS] + ACTIVATED + s
            _set_row_of_map(layer, activated, RECORD, nodes, s, work, view(row, layer[BASE], ZERO))
        if layer[BIAS] != NOWHERE:
            for o in range(outputs):
                row[layer[BIAS] + o] = work[layer[RECORDS] + o * RECORD + s]
        if layer[NORM] != NOWHERE:
            for i in range(nodes):
                record = layer[INPUT_RECORDS] + i * RECORD + s
                row[layer[NORM] + i] = work[record + DELTA] * work[record + STANDARD]
                row[layer[NORM] + nodes + i] = work[record + DELTA]


@part
def _set_row_of_map(layer, first, step, count, s, work, row):
    """By the weights of `count` numbers, `step` apart."""
    outputs = layer[OUTPUTS]
    for o in range(outputs):
        slope = work[layer[RECORDS] + o * RECORD + s]
        for i in range(count):
            row[np.uint64(i * outputs + o)] = work[np.uint64(first + i * step)] * slope


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
    inputs, outputs, size = sizes[1, NODES], sizes[depth, OUTPUTS], sizes[0, PARAMETERS]
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
        for number in range(1, 1 + depth):
            _collect(sizes[number], gradient_factor(task, y.size), work, second)
    return losses
