"""Kernels of rational KANs, block by block: linear maps (see `dense`) of a rational function of
every input.

    F(x) = P(x) / (1 + |Q(x)|),    P = a_0 + ... + a_m x^m,    Q = b_1 x + ... + b_n x^n

P is that of a layer, Q that of a group of its inputs. In a block every node has its record (see
`sizes`): its value x, F there and its slope, and what gradients need. The last layer's nodes are
given no function.

Letters of shapes: I inputs and O outputs of a layer, N samples, P parameters, S samples of a block.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from harness.families import RationalKanShape
from harness.train.fused import dense
from harness.train.fused.compiled import inlined, part
from harness.train.fused.simd import fill, fma, load, plus, spread, store, times, total, view
from harness.train.fused.sizes import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    LANES,
    ONE,
    VALUE,
    sizes_type,
)

# More rows of a record: x again, as derivatives overwrite the value; the derivatives of F by P and
# by Q, of which the first is 1 / (1 + |Q|); and DELTA, the derivatives, of whatever is
# differentiated, by F.
ARGUMENT, BY_P, BY_Q, DELTA = 3 * BLOCK, 4 * BLOCK, 5 * BLOCK, 6 * BLOCK
RECORD = np.int64(7 * BLOCK)

# Beside what `dense` has, of the network: how many coefficients P and Q have. Of layers: where
# these are, those of P before those of Q, group by group; their sums; and how many groups.
SIZES = sizes_type(dense.NETWORK + "above below", dense.LAYER + "coef coef_sum groups")


def describe(network: RationalKanShape) -> np.ndarray:
    """`sizes` of a network."""
    above, below = network.numerator + 1, network.denominator
    sizes, flat, room = dense.begin(network.nodes, SIZES, RECORD)
    sizes[0].above, sizes[0].below = above, below
    for layer in sizes[1:]:
        layer.groups = network.groups_of(layer.inputs)
        layer.coef = flat(above + below * layer.groups)
        layer.weight, layer.bias = flat(layer.inputs * layer.outputs), flat(layer.outputs)
        layer.source = layer.input_records + ACTIVATED

    return dense.close(
        sizes, flat, room, lambda layer: {"coef_sum": (above + below * layer.groups) * LANES}
    )


# --------------------------------------------------------------------------------------------------
# functions
@part
def _enter(sizes, number, flat, work):
    """F of every input, its slope, and its derivatives by P and Q, from the input's value."""
    layer, above, below = sizes[number], sizes[0].above, sizes[0].below
    coef = view(flat, layer.coef, above)
    for i in range(layer.inputs):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        lower = view(flat, layer.coef + above + _group(layer, i) * below, below)
        _set_polynomials(coef, lower, record)
        for s in range(BLOCK):
            p, p_slope = record[ACTIVATED + s], record[ACTIVATED_SLOPE + s]
            q, q_slope = record[BY_P + s], record[BY_Q + s]
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
    return i * layer.groups // layer.inputs


@part
def _set_polynomials(upper, lower, record):
    """P, its slope, Q and its slope, in ACTIVATED, ACTIVATED_SLOPE, BY_P and BY_Q; and ARGUMENT.

    Two vectors of samples in turn, as each step of a polynomial waits for the one before.
    """
    for s in range(0, BLOCK, 2 * LANES):
        x, other_x = load(record, VALUE + s), load(record, VALUE + s + LANES)
        store(record, ARGUMENT + s, x)
        store(record, ARGUMENT + s + LANES, other_x)
        value, slope, other, other_slope = _horner(upper, x, other_x)
        store(record, ACTIVATED + s, value)
        store(record, ACTIVATED + s + LANES, other)
        store(record, ACTIVATED_SLOPE + s, slope)
        store(record, ACTIVATED_SLOPE + s + LANES, other_slope)
        value, slope, other, other_slope = _horner(lower, x, other_x)
        store(record, BY_P + s, times(value, x))
        store(record, BY_P + s + LANES, times(other, other_x))
        store(record, BY_Q + s, fma(value, slope, x))
        store(record, BY_Q + s + LANES, fma(other, other_slope, other_x))


@inlined
def _horner(coef, x, other_x):
    """c_0 + x (c_1 + x (c_2 + ...)) and its slope, and the same at other x."""
    value = other = spread(coef[coef.size - 1])
    slope = other_slope = spread(0.0)
    for m in range(coef.size - 2, -1, -1):
        coefficient = spread(coef[m])
        slope, other_slope = fma(value, slope, x), fma(other, other_slope, other_x)
        value, other = fma(coefficient, value, x), fma(coefficient, other, other_x)
    return value, slope, other, other_slope


@part
def _add_gradients(sizes, number, work):
    """Add the block's derivatives by the coefficients, each a vector of sums over every LANES-th
    sample.
    """
    layer, above, below = sizes[number], sizes[0].above, sizes[0].below
    upper = view(work, layer.coef_sum, above * LANES)
    for i in range(layer.inputs):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        lower = view(
            work, layer.coef_sum + (above + _group(layer, i) * below) * LANES, below * LANES
        )
        _add_powers(record, BY_P, 0, upper)
        _add_powers(record, BY_Q, 1, lower)


@inlined
def _add_powers(record, by, first, sums):
    """Add DELTA times the row `by` times each power of x, from `first` on, to a vector of `sums`.

    Four vectors of samples in turn, so that sums are loaded and stored a quarter as often.
    """
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


# ------------------------------------------------------------------------------------ a layer, see
# `dense.evaluator`
@part
def _step_back(sizes, number, flat, work):
    """To DELTA and the values of the inputs."""
    layer = sizes[number]
    dense.pull_back(layer, RECORD, flat, work, view(work, layer.input_records + DELTA, ONE), RECORD)
    for i in range(layer.inputs):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        for s in range(BLOCK):
            record[VALUE + s] = record[DELTA + s] * record[ACTIVATED_SLOPE + s]


@part
def _collect(sizes, number, factor, flat, work, gradient):
    layer = sizes[number]
    dense.collect(layer, factor, work, gradient)
    for c in range(sizes[0].above + sizes[0].below * layer.groups):
        gradient[layer.coef + c] = factor * total(load(work, layer.coef_sum + c * LANES))


@part
def _set_row(sizes, number, s, work, row):
    layer, above, below = sizes[number], sizes[0].above, sizes[0].below
    dense.set_row(layer, RECORD, s, work, row)
    slopes = view(row, layer.coef, above + below * layer.groups)
    fill(slopes, 0.0)
    for i in range(layer.inputs):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        x, delta = record[ARGUMENT + s], record[DELTA + s]
        by_coef = delta * record[BY_P + s]
        for m in range(above):
            slopes[m] += by_coef
            by_coef *= x
        by_coef, first = delta * record[BY_Q + s], above + _group(layer, i) * below
        for n in range(below):
            by_coef *= x
            slopes[first + n] += by_coef


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
