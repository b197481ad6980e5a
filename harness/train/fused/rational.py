"""Kernels of rational KANs, block by block: linear maps (see `dense`) of a rational function of every input.

    F(x) = P(x) / (1 + |Q(x)|),    P = a_0 + ... + a_m x^m,    Q = b_1 x + ... + b_n x^n

P is that of a layer, Q that of a group of its inputs. In a block every node has its record (see `simd`): its value x,
F there and its slope, and what gradients need. The last layer's nodes are given no function.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters, S samples of a block.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import carray

from harness.families import RationalKanShape
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
    fma,
    jacobian_step,
    load,
    places,
    plus,
    spread,
    store,
    times,
    total,
    view,
    whole_vectors,
)

PARTS = ("dense",)
# More rows of a record: x again, as derivatives overwrite the value; the derivatives of F by P and by Q, of which the
# first is 1 / (1 + |Q|); and DELTA, the derivatives, of whatever is differentiated, by F.
ARGUMENT, BY_P, BY_Q, DELTA = 3 * BLOCK, 4 * BLOCK, 5 * BLOCK, 6 * BLOCK
RECORD = np.int64(7 * BLOCK)

# Columns of row 0 of `sizes` beside those of `dense`: how many coefficients P and Q have,
ABOVE, BELOW = 10, 11
# and of layers: where these are, those of P before those of Q, group by group; their sums; and how many groups.
COEF, COEF_SUM, GROUPS = 10, 11, 12
FIELDS = 13


def describe(network: RationalKanShape) -> np.ndarray:
    """`sizes` [1 + depth, FIELDS], the length ROOM of the workspace among them."""
    above, below = network.numerator + 1, network.denominator
    sizes = np.zeros((len(network.nodes), FIELDS), np.int64)
    flat, room = places(), places(LANES)
    records = room(network.nodes[0] * int(RECORD))
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.nodes), strict=True):
        layer[[INPUTS, OUTPUTS, WIDTH, GROUPS]] = inputs, outputs, whole_vectors(outputs), network.groups_of(inputs)
        layer[COEF] = flat(above + below * network.groups_of(inputs))
        layer[[WEIGHT, BIAS]] = flat(inputs * outputs), flat(outputs)
        layer[[INPUT_RECORDS, FROM]] = records, records + ACTIVATED
        records = layer[RECORDS] = room(outputs * int(RECORD))
    sizes[0, SCRATCH] = room(BLOCK * whole_vectors(max(network.nodes)))
    sizes[0, SUMS] = room(0)
    for layer in sizes[1:]:
        layer[WEIGHT_SUM], layer[BIAS_SUM] = room(layer[INPUTS] * layer[WIDTH]), room(layer[OUTPUTS])
        layer[COEF_SUM] = room((above + below * layer[GROUPS]) * LANES)
    sizes[0, SUMS_END] = room(0)
    sizes[0, [DEPTH, ABOVE, BELOW, PARAMETERS]] = len(network.nodes) - 1, above, below, flat(0)
    sizes[0, STEP_OF_J] = jacobian_step(flat(0))
    sizes[0, ROWS_OF_J] = room(BLOCK * jacobian_step(flat(0)))
    sizes[0, ROOM] = room(0)
    return sizes


# ----------------------------------------------------------------------------------------------------------- functions
@part
def _apply_functions(sizes, layer, flat, work):
    """F of every input, its slope, and its derivatives by P and Q, from the input's value."""
    above, below, inputs = sizes[0, ABOVE], sizes[0, BELOW], layer[INPUTS]
    coef = view(flat, layer[COEF], above)
    for i in range(inputs):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        lower = view(flat, layer[COEF] + above + _group(layer, i) * below, below)
        _set_polynomials(coef, lower, record)
        for s in range(BLOCK):
            p, p_slope, q, q_slope = (
                record[ACTIVATED + s],
                record[ACTIVATED_SLOPE + s],
                record[BY_P + s],
                record[BY_Q + s],
            )
            sign = -1.0 if q < 0.0 else 1.0
            share = 1 / (1 + sign * q)
            value = p * share
            by_q = -sign * value * share
            record[ACTIVATED + s] = value
            record[ACTIVATED_SLOPE + s] = p_slope * share + by_q * q_slope
            record[BY_P + s] = share
            record[BY_Q + s] = by_q


@part
def _group(layer, i):
    """Of an input: neighbours, and as many in each group as is possible (`groups_of_nodes`)."""
    return i * layer[GROUPS] // layer[INPUTS]


@part
def _set_polynomials(upper, lower, record):
    """P, its slope, Q and its slope, in ACTIVATED, ACTIVATED_SLOPE, BY_P and BY_Q, of a copy of x, ARGUMENT."""
    for s in range(0, BLOCK, 2 * LANES):
        x, y = load(record, VALUE + s), load(record, VALUE + s + LANES)
        store(record, ARGUMENT + s, x)
        store(record, ARGUMENT + s + LANES, y)
        p, p_slope, q, q_slope = _horner(upper, x, y)
        store(record, ACTIVATED + s, p)
        store(record, ACTIVATED + s + LANES, q)
        store(record, ACTIVATED_SLOPE + s, p_slope)
        store(record, ACTIVATED_SLOPE + s + LANES, q_slope)
        p, p_slope, q, q_slope = _horner(lower, x, y)
        store(record, BY_P + s, times(p, x))
        store(record, BY_P + s + LANES, times(q, y))
        store(record, BY_Q + s, fma(p, p_slope, x))
        store(record, BY_Q + s + LANES, fma(q, q_slope, y))


@inlined
def _horner(coef, x, y):
    """c_0 + x (c_1 + x (c_2 + ...)) and its slope, and the same of y."""
    p = q = spread(coef[coef.size - 1])
    p_slope = q_slope = spread(0.0)
    for m in range(coef.size - 2, -1, -1):
        coefficient = spread(coef[m])
        p_slope, q_slope = fma(p, p_slope, x), fma(q, q_slope, y)
        p, q = fma(coefficient, p, x), fma(coefficient, q, y)
    return p, p_slope, q, q_slope


@part
def _add_coef_gradients(sizes, layer, work):
    """Add the block's derivatives by the coefficients, each a vector of sums over every LANES-th sample."""
    above, below = sizes[0, ABOVE], sizes[0, BELOW]
    upper = view(work, layer[COEF_SUM], above * LANES)
    for i in range(layer[INPUTS]):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        lower = view(work, layer[COEF_SUM] + (above + _group(layer, i) * below) * LANES, below * LANES)
        _add_powers(record, BY_P, 0, upper)
        _add_powers(record, BY_Q, 1, lower)


@inlined
def _add_powers(record, by, first, sums):
    """Add DELTA times the row `by` times the powers of x from `first` on, a vector each; four samples of it in turn."""
    for s in range(0, BLOCK, 4 * LANES):
        x0, x1 = load(record, ARGUMENT + s), load(record, ARGUMENT + s + LANES)
        x2, x3 = load(record, ARGUMENT + s + 2 * LANES), load(record, ARGUMENT + s + 3 * LANES)
        a = times(load(record, DELTA + s), load(record, by + s))
        b = times(load(record, DELTA + s + LANES), load(record, by + s + LANES))
        c = times(load(record, DELTA + s + 2 * LANES), load(record, by + s + 2 * LANES))
        d = times(load(record, DELTA + s + 3 * LANES), load(record, by + s + 3 * LANES))
        if first == 1:
            a, b, c, d = times(a, x0), times(b, x1), times(c, x2), times(d, x3)
        for at in range(0, sums.size, LANES):
            store(sums, at, plus(plus(load(sums, at), plus(a, b)), plus(c, d)))
            a, b, c, d = times(a, x0), times(b, x1), times(c, x2), times(d, x3)


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the values of the last layer."""
    take_samples(sizes, RECORD, x, start, count, work)
    for number in range(1, 1 + sizes[0, DEPTH]):
        _apply_functions(sizes, sizes[number], flat, work)
        set_values(sizes[number], RECORD, flat, work)


@part
def _step_back(layer, flat, work):
    """From the derivatives by the values of the layer's outputs to DELTA and the values of its inputs."""
    pull_back(layer, RECORD, flat, work, view(work, layer[INPUT_RECORDS] + DELTA, ONE), RECORD)
    for i in range(layer[INPUTS]):
        record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
        for s in range(BLOCK):
            record[VALUE + s] = record[DELTA + s] * record[ACTIVATED_SLOPE + s]


@part
def _backward(sizes, flat, work):
    """From the values of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0, DEPTH], 0, -1):
        layer = sizes[number]
        add_gradients(sizes, layer, RECORD, work)
        _step_back(layer, flat, work)
        _add_coef_gradients(sizes, layer, work)


@part
def _collect(sizes, factor, work, gradient):
    """The sums, `factor` times, as the gradient."""
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        collect(layer, factor, work, gradient)
        for c in range(sizes[0, ABOVE] + sizes[0, BELOW] * layer[GROUPS]):
            gradient[layer[COEF] + c] = factor * total(load(work, layer[COEF_SUM] + c * LANES))


# ------------------------------------------------------------------------------------------------------- least squares
@part
def _differentiate(sizes, output, flat, work):
    """The derivatives of one output of the network by the values and functions of every node, in their place."""
    choose_output(sizes, RECORD, output, work)
    for number in range(sizes[0, DEPTH], 0, -1):
        _step_back(sizes[number], flat, work)


@part
def _set_row(sizes, s, work, row):
    """The derivatives by all parameters at sample s of the block, after `_differentiate`."""
    above, below = sizes[0, ABOVE], sizes[0, BELOW]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        set_row(layer, RECORD, s, work, row)
        slopes = view(row, layer[COEF], above + below * layer[GROUPS])
        fill(slopes, 0.0)
        for i in range(layer[INPUTS]):
            record = view(work, layer[INPUT_RECORDS] + i * RECORD, RECORD)
            x, delta = record[ARGUMENT + s], record[DELTA + s]
            by_coef = delta * record[BY_P + s]
            for m in range(above):
                slopes[m] += by_coef
                by_coef *= x
            by_coef, first = delta * record[BY_Q + s], above + _group(layer, i) * below
            for n in range(below):
                by_coef *= x
                slopes[first + n] += by_coef


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
