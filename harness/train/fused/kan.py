"""Kernels of B-spline KANs, block by block: only the k+1 active bases of a sample are ever touched.

In a block every input of every layer has its record (see `simd`): its values, silu of them, the active bases, and the
slopes of both. Outputs are rows, one a sample, [S, W] with W the outputs in whole vectors: the coefficients of a basis
for all outputs are then contiguous, as in the flat vector. A single output has no row to be vectorised, and W = 1.
Backwards, rows are overwritten by the derivatives, by these outputs, of whatever is differentiated.

A frozen base is computed, and its gradients stay zero.

Coefficients are copied into the workspace at the start of a call, times their scales, with k rows of zeros on each
side: bases near the ends of the knots have no coefficient, and find zero. Sums of gradients lie in the same way.

Letters of shapes: I inputs and O outputs of a layer, W outputs padded, N samples, C coefficients of a spline,
P parameters, S samples of a block.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
from numba import carray

from harness.families import KanShape
from harness.train.fused.compiled import inlined, part
from harness.train.fused.loss import CLASSIFY_ROOM, classify, gradient_factor, target_rows
from harness.train.fused.simd import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    CROSS_ENTROPY,
    JACOBIAN,
    LANES,
    NORMAL_EQUATIONS,
    ONE,
    PREDICT,
    SAMPLES,
    ZERO,
    add_gram,
    add_product,
    fill,
    fma,
    integers,
    jacobian_step,
    load,
    places,
    row_product,
    silu,
    spread,
    store,
    total,
    view,
    whole_vectors,
)
from harness.train.fused.spline import BASES, RECORD, SLOPES, prepare_knots, set_bases

PARTS = ("spline",)

# Columns of `sizes`. Row 0 is about the network: what it is, and where in the workspace what is not a layer's own lies.
DEPTH, ORDER, GRID, HAS_BASE, HAS_SCALES, HAS_BIAS, PARAMETERS, KNOT_COUNT, ROOM = range(9)
SUMS, SUMS_END, IS_DENSE, SEGMENTS, SEGMENT_COUNT, ENTRIES, ENTRIES_END, ROWS_OF_J, STEP_OF_J, TURNED, TRAINS_BASE = (
    range(9, 20)
)
# Row `number` is about that layer, counted from 1: its shape, its place in the flat vector and among the knots,
INPUTS, OUTPUTS, WIDTH, KNOTS, COEF, BASE, SCALE, BIAS, END = range(9)
# and its places in the workspace: what is copied there before the blocks, what belongs to a block, and the sums.
PADDED_KNOTS, RECIPROCALS, LINES, PADDED_COEF, PADDED_BASE, PADDED_END = range(9, 15)
RECORDS, FIRST, ROWS, COEF_SUM, BASE_SUM, BIAS_SUM = range(15, 21)
FIELDS = 21


def describe(network: KanShape) -> np.ndarray:
    """`sizes` [1 + depth, FIELDS], the length ROOM of the workspace among them."""
    order, coefs, knots = network.order, network.grid + network.order, network.grid + 2 * network.order + 1
    sizes = np.zeros((len(network.shape), FIELDS), np.int64)
    flat, all_knots, room = places(), places(), places(LANES)
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.shape), strict=True):
        width = 1 if outputs == 1 else whole_vectors(outputs)
        layer[[INPUTS, OUTPUTS, WIDTH]] = inputs, outputs, width
        layer[KNOTS] = all_knots(inputs * knots)
        layer[COEF] = flat(inputs * coefs * outputs)
        layer[BASE] = flat(inputs * outputs * bool(network.base))
        layer[SCALE] = flat(inputs * outputs * network.scales)
        layer[BIAS] = flat(outputs * network.bias)
        layer[END] = flat(0)
        layer[PADDED_KNOTS] = room(inputs * (knots + 2 * order))
        layer[RECIPROCALS] = room(inputs * (knots + 2 * order) * order)
        layer[LINES] = room(inputs * 2)
        layer[PADDED_COEF] = room(inputs * (coefs + 2 * order) * width)
        layer[PADDED_BASE] = room(inputs * width)
        layer[PADDED_END] = room(0)
        layer[RECORDS] = room(inputs * int(RECORD))
        layer[FIRST] = room(inputs * BLOCK)
        layer[ROWS] = room(BLOCK * width)
    sizes[0, SUMS] = room(0)
    for layer, (inputs, _) in zip(sizes[1:], pairwise(network.shape), strict=True):
        width = int(layer[WIDTH])
        layer[COEF_SUM] = room(inputs * (coefs + 2 * order) * width)
        layer[BASE_SUM] = room(inputs * width)
        layer[BIAS_SUM] = room(width)
    sizes[0, SUMS_END] = room(0)
    sizes[0, [DEPTH, ORDER, GRID]] = len(network.shape) - 1, order, network.grid
    sizes[0, [HAS_BASE, HAS_SCALES, HAS_BIAS]] = bool(network.base), network.scales, network.bias
    sizes[0, TRAINS_BASE] = bool(network.base) and network.base != "frozen"
    sizes[0, [PARAMETERS, KNOT_COUNT]] = flat(0), all_knots(0)
    lengths = _segment_lengths(network)
    sizes[0, IS_DENSE] = _is_dense(lengths, flat(0))
    sizes[0, [SEGMENT_COUNT, SEGMENTS]] = len(lengths), room(3 * len(lengths))
    sizes[0, ENTRIES] = room(sum(whole_vectors(length) for length in lengths))
    sizes[0, ENTRIES_END] = room(0)
    sizes[0, TURNED] = room(BLOCK * int(sizes[-1, WIDTH]) + CLASSIFY_ROOM)
    sizes[0, STEP_OF_J] = jacobian_step(flat(0))
    sizes[0, ROWS_OF_J] = room(BLOCK * jacobian_step(flat(0)))
    sizes[0, ROOM] = room(0)
    return sizes


def _segment_lengths(network: KanShape) -> list[int]:
    """As `_place_segments` has them."""
    lengths = []
    for inputs, outputs in pairwise(network.shape):
        lengths += [(network.order + 1) * outputs] * inputs
        lengths += (
            [inputs * outputs] * bool(network.base) + [inputs * outputs] * network.scales + [outputs] * network.bias
        )
    return lengths


def _is_dense(lengths: list[int], parameters: int) -> bool:
    """Whether J^T J is faster from full rows of J; in clock cycles a sample, as measured on one machine (Zen 4).

    Each update of a vector of the matrix waits for the cache; a product of full rows computes all the time.
    """
    before = accumulate(whole_vectors(length) // LANES for length in lengths)
    updates = sum(length * vectors for length, vectors in zip(lengths, before, strict=True))
    return updates * (8 if updates < 8192 else 24) > parameters**2 // (2 * LANES)


# ------------------------------------------------------------------------------------------------------- before blocks
@part
def _prepare(sizes, flat, knots, work):
    """Copy knots and coefficients into the workspace, in the form that the blocks want; clear the sums."""
    order, size = sizes[0, ORDER], sizes[0, GRID] + 2 * sizes[0, ORDER] + 1
    padded = size + 2 * order
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        for i in range(layer[INPUTS]):
            prepare_knots(
                order,
                view(knots, layer[KNOTS] + i * size, size),
                view(work, layer[LINES] + 2 * i, 2),
                view(work, layer[PADDED_KNOTS] + i * padded, padded),
                view(work, layer[RECIPROCALS] + i * padded * order, padded * order),
            )
        _pad_coefficients(sizes, layer, flat, work)
    fill(view(work, sizes[0, SUMS], sizes[0, SUMS_END] - sizes[0, SUMS]), 0.0)


@part
def _pad_coefficients(sizes, layer, flat, work):
    order, coefs = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER]
    outputs, width = layer[OUTPUTS], layer[WIDTH]
    fill(view(work, layer[PADDED_COEF], layer[PADDED_END] - layer[PADDED_COEF]), 0.0)
    for i in range(layer[INPUTS]):
        for o in range(outputs):
            edge = i * outputs + o
            scale = flat[layer[SCALE] + edge] if sizes[0, HAS_SCALES] else 1.0
            at = layer[COEF] + i * coefs * outputs + o
            to = layer[PADDED_COEF] + (i * (coefs + 2 * order) + order) * width + o
            # Coefficients inside, though one is far from the next: these are the long loops.
            for c in range(coefs):
                work[np.uint64(to + c * width)] = flat[np.uint64(at + c * outputs)] * scale
            if sizes[0, HAS_BASE]:
                work[layer[PADDED_BASE] + i * width + o] = flat[layer[BASE] + edge]


# ------------------------------------------------------------------------------------------------------------- splines
# `order` is a constant where it is 3: the loops over r are then unrolled.
@part
def _add_splines(sizes, layer, work):
    if sizes[0, ORDER] == 3:
        _add_splines_of(3, sizes, layer, work)
    else:
        _add_splines_of(sizes[0, ORDER], sizes, layer, work)


@inlined
def _add_splines_of(order, sizes, layer, work):
    """rows[s, o] += sum_i sum_r B_r(x_i) c[i, first + r, o]."""
    width = layer[WIDTH]
    length = (sizes[0, GRID] + 3 * order) * width
    rows, first = view(work, layer[ROWS], BLOCK * width), integers(work, layer[FIRST], layer[INPUTS] * BLOCK)
    if width == 1:
        for s in range(BLOCK):
            row = rows[s]
            for i in range(layer[INPUTS]):
                bases = layer[RECORDS] + i * RECORD + BASES + s
                at = layer[PADDED_COEF] + i * length + first[i * BLOCK + s]
                for r in range(order + 1):
                    row += work[np.uint64(bases + r * BLOCK)] * work[np.uint64(at + r)]
            rows[s] = row
        return
    for i in range(layer[INPUTS]):
        record = view(work, layer[RECORDS] + i * RECORD, RECORD)
        coef = view(work, layer[PADDED_COEF] + i * length, length)
        for s in range(BLOCK):
            at = first[i * BLOCK + s]
            for o in range(0, width, LANES):
                outputs = load(rows, s * width + o)
                for r in range(order + 1):
                    outputs = fma(outputs, record[np.uint64(BASES + r * BLOCK + s)], load(coef, at + r * width + o))
                store(rows, s * width + o, outputs)


@part
def _add_gradients(sizes, layer, work):
    if sizes[0, ORDER] == 3:
        _add_gradients_of(3, sizes, layer, work)
    else:
        _add_gradients_of(sizes[0, ORDER], sizes, layer, work)


@inlined
def _add_gradients_of(order, sizes, layer, work):
    """sums[i, first + r, o] += B_r(x_i) rows[s, o]."""
    width = layer[WIDTH]
    length = (sizes[0, GRID] + 3 * order) * width
    rows, first = view(work, layer[ROWS], BLOCK * width), integers(work, layer[FIRST], layer[INPUTS] * BLOCK)
    if width == 1:
        # Inputs inside: neighbouring samples often meet the same coefficients, and would wait for each other.
        for s in range(BLOCK):
            row = rows[s]
            for i in range(layer[INPUTS]):
                bases = layer[RECORDS] + i * RECORD + BASES + s
                to = layer[COEF_SUM] + i * length + first[i * BLOCK + s]
                for r in range(order + 1):
                    work[np.uint64(to + r)] += work[np.uint64(bases + r * BLOCK)] * row
        return
    for i in range(layer[INPUTS]):
        record = view(work, layer[RECORDS] + i * RECORD, RECORD)
        sums = view(work, layer[COEF_SUM] + i * length, length)
        for s in range(BLOCK):
            at = first[i * BLOCK + s]
            for o in range(0, width, LANES):
                row = load(rows, s * width + o)
                for r in range(order + 1):
                    to = at + r * width + o
                    store(sums, to, fma(load(sums, to), record[np.uint64(BASES + r * BLOCK + s)], row))


@part
def _step_back(sizes, number, work):
    """The rows of the layer before from those of layer `number`."""
    if sizes[0, ORDER] == 3:
        _step_back_of(3, sizes, sizes[number], sizes[number - 1], work)
    else:
        _step_back_of(sizes[0, ORDER], sizes, sizes[number], sizes[number - 1], work)


@inlined
def _step_back_of(order, sizes, layer, before, work):
    """before[s, i] = sum_o (sum_r B'_r(x_i) c[i, first + r, o] + silu'(x_i) w[i, o]) rows[s, o]."""
    width, step = layer[WIDTH], before[WIDTH]
    length = (sizes[0, GRID] + 3 * order) * width
    rows, first = view(work, layer[ROWS], BLOCK * width), integers(work, layer[FIRST], layer[INPUTS] * BLOCK)
    result = view(work, before[ROWS], BLOCK * step)
    fill(result, 0.0)
    for i in range(layer[INPUTS]):
        record = view(work, layer[RECORDS] + i * RECORD, RECORD)
        coef = view(work, layer[PADDED_COEF] + i * length, length)
        base = view(work, layer[PADDED_BASE] + i * width, width)
        for s in range(BLOCK):
            at = first[i * BLOCK + s]
            if width == 1:
                slope = record[ACTIVATED_SLOPE + s] * base[0]
                for r in range(order + 1):
                    slope += record[np.uint64(SLOPES + r * BLOCK + s)] * coef[np.uint64(at + r)]
                result[s * step + i] = slope * rows[s]
            else:
                products = spread(0.0)
                for o in range(0, width, LANES):
                    slopes = fma(spread(0.0), record[ACTIVATED_SLOPE + s], load(base, o))
                    for r in range(order + 1):
                        slopes = fma(slopes, record[np.uint64(SLOPES + r * BLOCK + s)], load(coef, at + r * width + o))
                    products = fma(products, slopes, load(rows, s * width + o))
                result[s * step + i] = total(products)


# ---------------------------------------------------------------------------------------------------------- base, bias
@part
def _add_base(layer, work):
    """rows[s, o] += sum_i silu(x_i) w[i, o]."""
    inputs, width = layer[INPUTS], layer[WIDTH]
    activated, base = view(work, layer[RECORDS] + ACTIVATED, ZERO), view(work, layer[PADDED_BASE], ZERO)
    rows = view(work, layer[ROWS], ZERO)
    if width == 1:
        add_product(base, ZERO, ONE, activated, RECORD, rows, SAMPLES, ONE, SAMPLES, inputs)
    else:
        add_product(activated, ONE, RECORD, base, width, rows, width, SAMPLES, width, inputs)


@part
def _add_base_gradients(layer, work):
    """sums[i, o] += sum_s silu(x_i) rows[s, o]."""
    inputs, width = layer[INPUTS], layer[WIDTH]
    activated, sums = view(work, layer[RECORDS] + ACTIVATED, ZERO), view(work, layer[BASE_SUM], ZERO)
    rows = view(work, layer[ROWS], BLOCK * width)
    if width == 1:
        for i in range(inputs):
            work[layer[BASE_SUM] + i] += row_product(view(activated, i * RECORD, SAMPLES), rows)
    else:
        add_product(activated, RECORD, ONE, rows, width, sums, width, inputs, width, SAMPLES)


@part
def _set_bias(sizes, layer, flat, work):
    """rows[s, o] = bias[o], or 0 if there is none."""
    width, rows = layer[WIDTH], view(work, layer[ROWS], BLOCK * layer[WIDTH])
    fill(rows, 0.0)
    if sizes[0, HAS_BIAS]:
        for s in range(BLOCK):
            for o in range(layer[OUTPUTS]):
                rows[s * width + o] = flat[layer[BIAS] + o]


@part
def _add_bias_gradients(layer, work):
    for s in range(BLOCK):
        for o in range(layer[WIDTH]):
            work[layer[BIAS_SUM] + o] += work[layer[ROWS] + s * layer[WIDTH] + o]


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the rows of the last layer.

    The samples that a block lacks are copies of its last: finite where it is.
    """
    for i in range(x.shape[0]):
        values = view(work, sizes[1, RECORDS] + i * RECORD, SAMPLES)
        for s in range(BLOCK):
            values[s] = x[i, start + min(s, count - 1)]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        _fill_records(sizes, layer, work)
        _set_bias(sizes, layer, flat, work)
        if sizes[0, HAS_BASE]:
            _add_base(layer, work)
        _add_splines(sizes, layer, work)
        if number < sizes[0, DEPTH]:
            for o in range(layer[OUTPUTS]):
                values = view(work, sizes[number + 1, RECORDS] + o * RECORD, SAMPLES)
                for s in range(BLOCK):
                    values[s] = work[layer[ROWS] + s * layer[WIDTH] + o]


@part
def _fill_records(sizes, layer, work):
    """All that follows from the values of the inputs alone."""
    order, spans = sizes[0, ORDER], sizes[0, GRID] + 2 * sizes[0, ORDER]
    padded = spans + 1 + 2 * order
    for i in range(layer[INPUTS]):
        record = view(work, layer[RECORDS] + i * RECORD, RECORD)
        first = integers(work, layer[FIRST] + i * BLOCK, SAMPLES)
        line, padded_knots = layer[LINES] + 2 * i, layer[PADDED_KNOTS] + i * padded
        reciprocals = layer[RECIPROCALS] + i * padded * order
        set_bases(order, spans, record, first, layer[WIDTH], work, line, padded_knots, reciprocals)
        if sizes[0, HAS_BASE]:
            silu(record)
        else:
            fill(view(record, ACTIVATED_SLOPE, SAMPLES), 0.0)


@part
def _backward(sizes, work):
    """From the rows of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0, DEPTH], 0, -1):
        layer = sizes[number]
        if sizes[0, HAS_BIAS]:
            _add_bias_gradients(layer, work)
        if sizes[0, TRAINS_BASE]:
            _add_base_gradients(layer, work)
        _add_gradients(sizes, layer, work)
        if number > 1:
            _step_back(sizes, number, work)


@part
def _compare(task, sizes, y, start, count, work):
    """Turn the last rows into derivatives of the loss by them; the sum of losses. As in `dense`."""
    if task == CROSS_ENTROPY:
        return _classify(sizes, y, start, count, work)
    last = sizes[sizes[0, DEPTH]]
    width, rows = last[WIDTH], view(work, last[ROWS], BLOCK * last[WIDTH])
    squares = 0.0
    for o in range(last[OUTPUTS]):
        for s in range(count):
            residual = rows[s * width + o] - y[o, start + s]
            rows[s * width + o] = residual
            squares += residual * residual
    fill(view(rows, count * width, (BLOCK - count) * width), 0.0)
    return squares


@part
def _classify(sizes, y, start, count, work):
    """The same of classes, by way of the outputs as rows with a sample a column."""
    last = sizes[sizes[0, DEPTH]]
    width, rows = last[WIDTH], view(work, last[ROWS], BLOCK * last[WIDTH])
    turned, scratch = view(work, sizes[0, TURNED], BLOCK * width), view(work, sizes[0, TURNED] + BLOCK * width, ZERO)
    for o in range(last[OUTPUTS]):
        for s in range(BLOCK):
            turned[o * BLOCK + s] = rows[s * width + o]
    entropies = classify(turned, SAMPLES, last[OUTPUTS], y, start, count, scratch)
    for o in range(last[OUTPUTS]):
        for s in range(BLOCK):
            rows[s * width + o] = turned[o * BLOCK + s]
    return entropies


@part
def _copy_outputs(sizes, start, count, samples, out, work):
    """The last rows, whatever they hold, to `out` [O, N] flat."""
    last = sizes[sizes[0, DEPTH]]
    for o in range(last[OUTPUTS]):
        for s in range(count):
            out[o * samples + start + s] = work[last[ROWS] + s * last[WIDTH] + o]


@part
def _collect(sizes, factor, flat, work, gradient):
    """The sums, `factor` times, as the gradient."""
    order, coefs = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER]
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        outputs, width = layer[OUTPUTS], layer[WIDTH]
        for i in range(layer[INPUTS]):
            for o in range(outputs):
                edge = i * outputs + o
                to = layer[COEF] + i * coefs * outputs + o
                at = layer[COEF_SUM] + (i * (coefs + 2 * order) + order) * width + o
                for c in range(coefs):
                    gradient[np.uint64(to + c * outputs)] = factor * work[np.uint64(at + c * width)]
                if sizes[0, HAS_SCALES]:
                    # These sums are of derivatives by the product of coefficient and scale.
                    scale, slope = flat[layer[SCALE] + edge], 0.0
                    for c in range(coefs):
                        slope += gradient[np.uint64(to + c * outputs)] * flat[np.uint64(to + c * outputs)]
                        gradient[np.uint64(to + c * outputs)] *= scale
                    gradient[layer[SCALE] + edge] = slope
                if sizes[0, HAS_BASE]:
                    gradient[layer[BASE] + edge] = factor * work[layer[BASE_SUM] + i * width + o]
        if sizes[0, HAS_BIAS]:
            for o in range(outputs):
                gradient[layer[BIAS] + o] = factor * work[layer[BIAS_SUM] + o]


# ------------------------------------------------------------------------------------------------------- least squares
# One row of the Jacobian has few entries, in *segments*, runs of neighbours in the flat vector: the k+1 active
# coefficients of one input for all outputs, and all base weights, scales and biases of a layer. Of the last layer only
# one output's own are not zero; with several outputs these zeros are kept and multiplied all the same.
# Every segment has its place among the entries, in whole vectors with zeros behind. Where coefficients start in the
# flat vector changes with the sample. The k+1 of a segment always exist: near the ends some of them are not active.
@part
def _place_segments(sizes, segments):
    """Rows of (start, place, length), in the order of the flat vector; starts of coefficients are left open."""
    at = place = 0
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        for i in range(layer[INPUTS] + 3):
            if i < layer[INPUTS]:
                start, length = layer[COEF], (sizes[0, ORDER] + 1) * layer[OUTPUTS]
            else:
                column = (BASE, SCALE, BIAS)[i - layer[INPUTS]]
                start, length = layer[column], layer[column + 1] - layer[column]
            if length > 0:
                segments[at, 0], segments[at, 1], segments[at, 2] = start, place, length
                place += (length + LANES - 1) // LANES * LANES
                at += 1


@part
def _differentiate(sizes, output, work):
    """The rows of every layer: the derivatives of one output of the network by the outputs of that layer."""
    last = sizes[sizes[0, DEPTH]]
    rows = view(work, last[ROWS], BLOCK * last[WIDTH])
    fill(rows, 0.0)
    for s in range(BLOCK):
        rows[s * last[WIDTH] + output] = 1.0
    for number in range(sizes[0, DEPTH], 1, -1):
        _step_back(sizes, number, work)


@part
def _set_entries(sizes, flat, s, work, segments, entries):
    """The derivatives at sample s of the block by all parameters that count there, after `_differentiate`."""
    order, coefs = sizes[0, ORDER], sizes[0, GRID] + sizes[0, ORDER]
    at = 0
    for number in range(1, 1 + sizes[0, DEPTH]):
        layer = sizes[number]
        inputs, outputs, width = layer[INPUTS], layer[OUTPUTS], layer[WIDTH]
        row = view(work, layer[ROWS] + s * width, width)
        base = scale = 0
        after = at + inputs
        if sizes[0, HAS_BASE]:
            base = segments[after, 1]
            after += 1
        if sizes[0, HAS_SCALES]:
            scale = segments[after, 1]
            after += 1
            fill(view(entries, scale, inputs * outputs), 0.0)
        for i in range(inputs):
            record = view(work, layer[RECORDS] + i * RECORD, RECORD)
            lowest = integers(work, layer[FIRST] + i * BLOCK, SAMPLES)[s] // width - order
            start = min(max(lowest, 0), coefs - order - 1)
            segments[at + i, 0] = layer[COEF] + (i * coefs + start) * outputs
            for r in range(order + 1):
                active = start + r - lowest
                basis = record[np.uint64(BASES + active * BLOCK + s)] if 0 <= active <= order else 0.0
                place, coef = segments[at + i, 1] + r * outputs, segments[at + i, 0] + r * outputs
                for o in range(outputs):
                    entry = basis * row[o]
                    if sizes[0, HAS_SCALES]:
                        entries[scale + i * outputs + o] += entry * flat[coef + o]
                        entry *= flat[layer[SCALE] + i * outputs + o]
                    entries[place + o] = entry
            if sizes[0, TRAINS_BASE]:
                for o in range(outputs):
                    entries[base + i * outputs + o] = record[ACTIVATED + s] * row[o]
        if sizes[0, HAS_BIAS]:
            for o in range(outputs):
                entries[segments[after, 1] + o] = row[o]
            after += 1
        at = after


@part
def _scatter(segments, entries, row):
    """The entries as a full row of the Jacobian."""
    fill(row, 0.0)
    for a in range(segments.shape[0]):
        start, place = segments[a, 0], segments[a, 1]
        for j in range(segments[a, 2]):
            row[start + j] = entries[place + j]


@part
def _add_squares(segments, entries, size, matrix):
    """Add the products of all pairs of entries to the lower triangle of `matrix` [P, P] flat.

    A vector that reaches beyond its segment adds zeros to the neighbours, at the end of a line to the next line.
    Where that would leave the matrix, in the last line, numbers are added one by one.
    """
    for a in range(segments.shape[0]):
        for j in range(segments[a, 2]):
            entry = entries[segments[a, 1] + j]
            line = (segments[a, 0] + j) * size
            is_safe = line + size + LANES <= matrix.size
            for b in range(a + 1):
                to, place = line + segments[b, 0], segments[b, 1]
                length = segments[b, 2] if b < a else j + 1
                if is_safe:
                    for n in range(0, length, LANES):
                        store(matrix, to + n, fma(load(matrix, to + n), entry, load(entries, place + n)))
                else:
                    for n in range(length):
                        matrix[to + n] += entry * entries[place + n]


@part
def _add_normal_equations(sizes, flat, count, segments, entries, matrix, work):
    """Add the block's part of J^T J."""
    size, step = sizes[0, PARAMETERS], sizes[0, STEP_OF_J]
    rows = view(work, sizes[0, ROWS_OF_J], BLOCK * step)
    for output in range(sizes[sizes[0, DEPTH], OUTPUTS]):
        _differentiate(sizes, output, work)
        for s in range(count):
            _set_entries(sizes, flat, s, work, segments, entries)
            if sizes[0, IS_DENSE]:
                _scatter(segments, entries, view(rows, s * step, step))
            else:
                _add_squares(segments, entries, size, matrix)
        if sizes[0, IS_DENSE]:
            fill(view(rows, count * step, (BLOCK - count) * step), 0.0)
            add_gram(rows, step, size, matrix)


@part
def _write_jacobian(sizes, flat, start, count, samples, segments, entries, jacobian, work):
    """The block's rows of `jacobian` [O * N, P] flat."""
    size = sizes[0, PARAMETERS]
    for output in range(sizes[sizes[0, DEPTH], OUTPUTS]):
        _differentiate(sizes, output, work)
        for s in range(count):
            _set_entries(sizes, flat, s, work, segments, entries)
            _scatter(segments, entries, view(jacobian, (output * samples + start + s) * size, size))


# --------------------------------------------------------------------------------------------------------- all kernels
def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    depth = carray(sizes_at, (1,))[DEPTH]
    sizes = carray(sizes_at, (1 + depth, FIELDS))
    inputs, outputs, size = sizes[1, INPUTS], sizes[depth, OUTPUTS], sizes[0, PARAMETERS]
    flat, knots = carray(flat_at, (size,)), carray(knots_at, (sizes[0, KNOT_COUNT],))
    x, y = carray(x_at, (inputs, samples)), carray(y_at, (target_rows(task, outputs), samples))
    first = carray(first_at, (size * size if task == NORMAL_EQUATIONS else outputs * samples,))
    second = carray(second_at, (outputs * samples * size if task == JACOBIAN else size,))
    work = carray(work_at, (sizes[0, ROOM],))
    segments = integers(work, sizes[0, SEGMENTS], 3 * sizes[0, SEGMENT_COUNT]).reshape(-1, 3)
    entries = view(work, sizes[0, ENTRIES], sizes[0, ENTRIES_END] - sizes[0, ENTRIES])
    if task in (JACOBIAN, NORMAL_EQUATIONS):
        fill(entries, 0.0)
        _place_segments(sizes, segments)
    if task == NORMAL_EQUATIONS:
        fill(first, 0.0)
    _prepare(sizes, flat, knots, work)
    losses = 0.0
    for start in range(0, samples, BLOCK):
        count = min(SAMPLES, samples - start)
        _forward(sizes, flat, x, start, count, work)
        if task != PREDICT:
            losses += _compare(task, sizes, y, start, count, work)
        if task in (PREDICT, JACOBIAN):
            _copy_outputs(sizes, start, count, samples, first, work)
        else:
            _backward(sizes, work)
        if task == NORMAL_EQUATIONS:
            _add_normal_equations(sizes, flat, count, segments, entries, first, work)
        elif task == JACOBIAN:
            _write_jacobian(sizes, flat, start, count, samples, segments, entries, second, work)
    if task not in (PREDICT, JACOBIAN):
        _collect(sizes, gradient_factor(task, y.size), flat, work, second)
    return losses
