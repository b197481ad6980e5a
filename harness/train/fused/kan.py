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
    described,
    fill,
    fma,
    integers,
    jacobian_step,
    load,
    places,
    row_product,
    silu,
    sizes_type,
    spread,
    store,
    total,
    view,
    whole_vectors,
)
from harness.train.fused.spline import BASES, RECORD, SLOPES, prepare_knots, set_bases

PARTS = ("spline",)

SIZES = sizes_type(
    # Of the network: what it is, and where in the workspace what is not a layer's own lies.
    "depth order grid has_base has_scales has_bias trains_base is_dense parameters knot_count room "
    "sums sums_end segments segment_count entries entries_end rows_of_j step_of_j turned",
    # Of a layer, counted from 1: its shape, its place in the flat vector and among the knots, and in the workspace what
    # is copied there before the blocks, what belongs to a block, and the sums.
    "inputs outputs width knots coef base_weight scale bias end "
    "padded_knots reciprocals lines padded_coef padded_base padded_end records first rows coef_sum base_sum bias_sum",
)


def describe(network: KanShape) -> np.ndarray:
    """`sizes` of a network."""
    order, coefs, knots = network.order, network.grid + network.order, network.grid + 2 * network.order + 1
    sizes = described(len(network.shape) - 1, SIZES)
    flat, all_knots, room = places(), places(), places(LANES)
    for layer, (inputs, outputs) in zip(sizes[1:], pairwise(network.shape), strict=True):
        width = 1 if outputs == 1 else whole_vectors(outputs)
        layer.inputs, layer.outputs, layer.width = inputs, outputs, width
        layer.knots = all_knots(inputs * knots)
        layer.coef = flat(inputs * coefs * outputs)
        layer.base_weight = flat(inputs * outputs * bool(network.base))
        layer.scale = flat(inputs * outputs * network.scales)
        layer.bias = flat(outputs * network.bias)
        layer.end = flat(0)
        layer.padded_knots = room(inputs * (knots + 2 * order))
        layer.reciprocals = room(inputs * (knots + 2 * order) * order)
        layer.lines = room(inputs * 2)
        layer.padded_coef = room(inputs * (coefs + 2 * order) * width)
        layer.padded_base = room(inputs * width)
        layer.padded_end = room(0)
        layer.records = room(inputs * int(RECORD))
        layer.first = room(inputs * BLOCK)
        layer.rows = room(BLOCK * width)
    whole, lengths, parameters = sizes[0], _segment_lengths(network), flat(0)
    whole.sums = room(0)
    for layer in sizes[1:]:
        layer.coef_sum = room(int(layer.inputs) * (coefs + 2 * order) * int(layer.width))
        layer.base_sum, layer.bias_sum = room(int(layer.inputs * layer.width)), room(int(layer.width))
    whole.sums_end = room(0)
    whole.order, whole.grid, whole.parameters, whole.knot_count = order, network.grid, parameters, all_knots(0)
    whole.has_base, whole.has_scales, whole.has_bias = bool(network.base), network.scales, network.bias
    whole.trains_base = bool(network.base) and network.base != "frozen"
    whole.is_dense = _is_dense(lengths, parameters)
    whole.segment_count, whole.segments = len(lengths), room(3 * len(lengths))
    whole.entries = room(sum(whole_vectors(length) for length in lengths))
    whole.entries_end = room(0)
    whole.turned = room(BLOCK * int(sizes[-1].width) + CLASSIFY_ROOM)
    whole.step_of_j = jacobian_step(parameters)
    whole.rows_of_j = room(BLOCK * jacobian_step(parameters))
    whole.room = room(0)
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
    order, size = sizes[0].order, sizes[0].grid + 2 * sizes[0].order + 1
    padded = size + 2 * order
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        for i in range(layer.inputs):
            prepare_knots(
                order,
                view(knots, layer.knots + i * size, size),
                view(work, layer.lines + 2 * i, 2),
                view(work, layer.padded_knots + i * padded, padded),
                view(work, layer.reciprocals + i * padded * order, padded * order),
            )
        _pad_coefficients(sizes, layer, flat, work)
    fill(view(work, sizes[0].sums, sizes[0].sums_end - sizes[0].sums), 0.0)


@part
def _pad_coefficients(sizes, layer, flat, work):
    order, coefs = sizes[0].order, sizes[0].grid + sizes[0].order
    outputs, width = layer.outputs, layer.width
    fill(view(work, layer.padded_coef, layer.padded_end - layer.padded_coef), 0.0)
    for i in range(layer.inputs):
        for o in range(outputs):
            edge = i * outputs + o
            scale = flat[layer.scale + edge] if sizes[0].has_scales else 1.0
            at = layer.coef + i * coefs * outputs + o
            to = layer.padded_coef + (i * (coefs + 2 * order) + order) * width + o
            # Coefficients inside, though one is far from the next: these are the long loops.
            for c in range(coefs):
                work[np.uint64(to + c * width)] = flat[np.uint64(at + c * outputs)] * scale
            if sizes[0].has_base:
                work[layer.padded_base + i * width + o] = flat[layer.base_weight + edge]


# ------------------------------------------------------------------------------------------------------------- splines
# `order` is a constant where it is 3: the loops over r are then unrolled.
@part
def _add_splines(sizes, layer, work):
    if sizes[0].order == 3:
        _add_splines_of(3, sizes, layer, work)
    else:
        _add_splines_of(sizes[0].order, sizes, layer, work)


@inlined
def _add_splines_of(order, sizes, layer, work):
    """rows[s, o] += sum_i sum_r B_r(x_i) c[i, first + r, o]."""
    width = layer.width
    length = (sizes[0].grid + 3 * order) * width
    rows, first = view(work, layer.rows, BLOCK * width), integers(work, layer.first, layer.inputs * BLOCK)
    if width == 1:
        for s in range(BLOCK):
            row = rows[s]
            for i in range(layer.inputs):
                bases = layer.records + i * RECORD + BASES + s
                at = layer.padded_coef + i * length + first[i * BLOCK + s]
                for r in range(order + 1):
                    row += work[np.uint64(bases + r * BLOCK)] * work[np.uint64(at + r)]
            rows[s] = row
        return
    for i in range(layer.inputs):
        record = view(work, layer.records + i * RECORD, RECORD)
        coef = view(work, layer.padded_coef + i * length, length)
        for s in range(BLOCK):
            at = first[i * BLOCK + s]
            for o in range(0, width, LANES):
                outputs = load(rows, s * width + o)
                for r in range(order + 1):
                    outputs = fma(outputs, record[np.uint64(BASES + r * BLOCK + s)], load(coef, at + r * width + o))
                store(rows, s * width + o, outputs)


@part
def _add_gradients(sizes, layer, work):
    if sizes[0].order == 3:
        _add_gradients_of(3, sizes, layer, work)
    else:
        _add_gradients_of(sizes[0].order, sizes, layer, work)


@inlined
def _add_gradients_of(order, sizes, layer, work):
    """sums[i, first + r, o] += B_r(x_i) rows[s, o]."""
    width = layer.width
    length = (sizes[0].grid + 3 * order) * width
    rows, first = view(work, layer.rows, BLOCK * width), integers(work, layer.first, layer.inputs * BLOCK)
    if width == 1:
        # Inputs inside: neighbouring samples often meet the same coefficients, and would wait for each other.
        for s in range(BLOCK):
            row = rows[s]
            for i in range(layer.inputs):
                bases = layer.records + i * RECORD + BASES + s
                to = layer.coef_sum + i * length + first[i * BLOCK + s]
                for r in range(order + 1):
                    work[np.uint64(to + r)] += work[np.uint64(bases + r * BLOCK)] * row
        return
    for i in range(layer.inputs):
        record = view(work, layer.records + i * RECORD, RECORD)
        sums = view(work, layer.coef_sum + i * length, length)
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
    if sizes[0].order == 3:
        _step_back_of(3, sizes, sizes[number], sizes[number - 1], work)
    else:
        _step_back_of(sizes[0].order, sizes, sizes[number], sizes[number - 1], work)


@inlined
def _step_back_of(order, sizes, layer, before, work):
    """before[s, i] = sum_o (sum_r B'_r(x_i) c[i, first + r, o] + silu'(x_i) w[i, o]) rows[s, o]."""
    width, step = layer.width, before.width
    length = (sizes[0].grid + 3 * order) * width
    rows, first = view(work, layer.rows, BLOCK * width), integers(work, layer.first, layer.inputs * BLOCK)
    result = view(work, before.rows, BLOCK * step)
    fill(result, 0.0)
    for i in range(layer.inputs):
        record = view(work, layer.records + i * RECORD, RECORD)
        coef = view(work, layer.padded_coef + i * length, length)
        base = view(work, layer.padded_base + i * width, width)
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
    inputs, width = layer.inputs, layer.width
    activated, base = view(work, layer.records + ACTIVATED, ZERO), view(work, layer.padded_base, ZERO)
    rows = view(work, layer.rows, ZERO)
    if width == 1:
        add_product(base, ZERO, ONE, activated, RECORD, rows, SAMPLES, ONE, SAMPLES, inputs)
    else:
        add_product(activated, ONE, RECORD, base, width, rows, width, SAMPLES, width, inputs)


@part
def _add_base_gradients(layer, work):
    """sums[i, o] += sum_s silu(x_i) rows[s, o]."""
    inputs, width = layer.inputs, layer.width
    activated, sums = view(work, layer.records + ACTIVATED, ZERO), view(work, layer.base_sum, ZERO)
    rows = view(work, layer.rows, BLOCK * width)
    if width == 1:
        for i in range(inputs):
            work[layer.base_sum + i] += row_product(view(activated, i * RECORD, SAMPLES), rows)
    else:
        add_product(activated, RECORD, ONE, rows, width, sums, width, inputs, width, SAMPLES)


@part
def _set_bias(sizes, layer, flat, work):
    """rows[s, o] = bias[o], or 0 if there is none."""
    width, rows = layer.width, view(work, layer.rows, BLOCK * layer.width)
    fill(rows, 0.0)
    if sizes[0].has_bias:
        for s in range(BLOCK):
            for o in range(layer.outputs):
                rows[s * width + o] = flat[layer.bias + o]


@part
def _add_bias_gradients(layer, work):
    for s in range(BLOCK):
        for o in range(layer.width):
            work[layer.bias_sum + o] += work[layer.rows + s * layer.width + o]


# -------------------------------------------------------------------------------------------------------- whole blocks
@part
def _forward(sizes, flat, x, start, count, work):
    """The outputs at samples start..start+count-1, in the rows of the last layer.

    The samples that a block lacks are copies of its last: finite where it is.
    """
    for i in range(x.shape[0]):
        values = view(work, sizes[1].records + i * RECORD, SAMPLES)
        for s in range(BLOCK):
            values[s] = x[i, start + min(s, count - 1)]
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        _fill_records(sizes, layer, work)
        _set_bias(sizes, layer, flat, work)
        if sizes[0].has_base:
            _add_base(layer, work)
        _add_splines(sizes, layer, work)
        if number < sizes[0].depth:
            for o in range(layer.outputs):
                values = view(work, sizes[number + 1].records + o * RECORD, SAMPLES)
                for s in range(BLOCK):
                    values[s] = work[layer.rows + s * layer.width + o]


@part
def _fill_records(sizes, layer, work):
    """All that follows from the values of the inputs alone."""
    order, spans = sizes[0].order, sizes[0].grid + 2 * sizes[0].order
    padded = spans + 1 + 2 * order
    for i in range(layer.inputs):
        record = view(work, layer.records + i * RECORD, RECORD)
        first = integers(work, layer.first + i * BLOCK, SAMPLES)
        line, padded_knots = layer.lines + 2 * i, layer.padded_knots + i * padded
        reciprocals = layer.reciprocals + i * padded * order
        set_bases(order, spans, record, first, layer.width, work, line, padded_knots, reciprocals)
        if sizes[0].has_base:
            silu(record)
        else:
            fill(view(record, ACTIVATED_SLOPE, SAMPLES), 0.0)


@part
def _backward(sizes, work):
    """From the rows of the last layer, that hold derivatives by the outputs, to the sums of all gradients."""
    for number in range(sizes[0].depth, 0, -1):
        layer = sizes[number]
        if sizes[0].has_bias:
            _add_bias_gradients(layer, work)
        if sizes[0].trains_base:
            _add_base_gradients(layer, work)
        _add_gradients(sizes, layer, work)
        if number > 1:
            _step_back(sizes, number, work)


@part
def _compare(task, sizes, y, start, count, work):
    """Turn the last rows into derivatives of the loss by them; the sum of losses. As in `dense`."""
    if task == CROSS_ENTROPY:
        return _classify(sizes, y, start, count, work)
    last = sizes[sizes[0].depth]
    width, rows = last.width, view(work, last.rows, BLOCK * last.width)
    squares = 0.0
    for o in range(last.outputs):
        for s in range(count):
            residual = rows[s * width + o] - y[o, start + s]
            rows[s * width + o] = residual
            squares += residual * residual
    fill(view(rows, count * width, (BLOCK - count) * width), 0.0)
    return squares


@part
def _classify(sizes, y, start, count, work):
    """The same of classes, by way of the outputs as rows with a sample a column."""
    last = sizes[sizes[0].depth]
    width, rows = last.width, view(work, last.rows, BLOCK * last.width)
    turned, scratch = view(work, sizes[0].turned, BLOCK * width), view(work, sizes[0].turned + BLOCK * width, ZERO)
    for o in range(last.outputs):
        for s in range(BLOCK):
            turned[o * BLOCK + s] = rows[s * width + o]
    entropies = classify(turned, SAMPLES, last.outputs, y, start, count, scratch)
    for o in range(last.outputs):
        for s in range(BLOCK):
            rows[s * width + o] = turned[o * BLOCK + s]
    return entropies


@part
def _copy_outputs(sizes, start, count, samples, out, work):
    """The last rows, whatever they hold, to `out` [O, N] flat."""
    last = sizes[sizes[0].depth]
    for o in range(last.outputs):
        for s in range(count):
            out[o * samples + start + s] = work[last.rows + s * last.width + o]


@part
def _collect(sizes, factor, flat, work, gradient):
    """The sums, `factor` times, as the gradient."""
    order, coefs = sizes[0].order, sizes[0].grid + sizes[0].order
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        outputs, width = layer.outputs, layer.width
        for i in range(layer.inputs):
            for o in range(outputs):
                edge = i * outputs + o
                to = layer.coef + i * coefs * outputs + o
                at = layer.coef_sum + (i * (coefs + 2 * order) + order) * width + o
                for c in range(coefs):
                    gradient[np.uint64(to + c * outputs)] = factor * work[np.uint64(at + c * width)]
                if sizes[0].has_scales:
                    # These sums are of derivatives by the product of coefficient and scale.
                    scale, slope = flat[layer.scale + edge], 0.0
                    for c in range(coefs):
                        slope += gradient[np.uint64(to + c * outputs)] * flat[np.uint64(to + c * outputs)]
                        gradient[np.uint64(to + c * outputs)] *= scale
                    gradient[layer.scale + edge] = slope
                if sizes[0].has_base:
                    gradient[layer.base_weight + edge] = factor * work[layer.base_sum + i * width + o]
        if sizes[0].has_bias:
            for o in range(outputs):
                gradient[layer.bias + o] = factor * work[layer.bias_sum + o]


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
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        ends = layer.base_weight, layer.scale, layer.bias, layer.end
        for i in range(layer.inputs + 3):
            if i < layer.inputs:
                start, length = layer.coef, (sizes[0].order + 1) * layer.outputs
            else:
                start, length = ends[i - layer.inputs], ends[i - layer.inputs + 1] - ends[i - layer.inputs]
            if length > 0:
                segments[at, 0], segments[at, 1], segments[at, 2] = start, place, length
                place += (length + LANES - 1) // LANES * LANES
                at += 1


@part
def _differentiate(sizes, output, work):
    """The rows of every layer: the derivatives of one output of the network by the outputs of that layer."""
    last = sizes[sizes[0].depth]
    rows = view(work, last.rows, BLOCK * last.width)
    fill(rows, 0.0)
    for s in range(BLOCK):
        rows[s * last.width + output] = 1.0
    for number in range(sizes[0].depth, 1, -1):
        _step_back(sizes, number, work)


@part
def _set_entries(sizes, flat, s, work, segments, entries):
    """The derivatives at sample s of the block by all parameters that count there, after `_differentiate`."""
    order, coefs = sizes[0].order, sizes[0].grid + sizes[0].order
    at = 0
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        inputs, outputs, width = layer.inputs, layer.outputs, layer.width
        row = view(work, layer.rows + s * width, width)
        base = scale = 0
        after = at + inputs
        if sizes[0].has_base:
            base = segments[after, 1]
            after += 1
        if sizes[0].has_scales:
            scale = segments[after, 1]
            after += 1
            fill(view(entries, scale, inputs * outputs), 0.0)
        for i in range(inputs):
            record = view(work, layer.records + i * RECORD, RECORD)
            lowest = integers(work, layer.first + i * BLOCK, SAMPLES)[s] // width - order
            start = min(max(lowest, 0), coefs - order - 1)
            segments[at + i, 0] = layer.coef + (i * coefs + start) * outputs
            for r in range(order + 1):
                active = start + r - lowest
                basis = record[np.uint64(BASES + active * BLOCK + s)] if 0 <= active <= order else 0.0
                place, coef = segments[at + i, 1] + r * outputs, segments[at + i, 0] + r * outputs
                for o in range(outputs):
                    entry = basis * row[o]
                    if sizes[0].has_scales:
                        entries[scale + i * outputs + o] += entry * flat[coef + o]
                        entry *= flat[layer.scale + i * outputs + o]
                    entries[place + o] = entry
            if sizes[0].trains_base:
                for o in range(outputs):
                    entries[base + i * outputs + o] = record[ACTIVATED + s] * row[o]
        if sizes[0].has_bias:
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
    size, step = sizes[0].parameters, sizes[0].step_of_j
    rows = view(work, sizes[0].rows_of_j, BLOCK * step)
    for output in range(sizes[sizes[0].depth].outputs):
        _differentiate(sizes, output, work)
        for s in range(count):
            _set_entries(sizes, flat, s, work, segments, entries)
            if sizes[0].is_dense:
                _scatter(segments, entries, view(rows, s * step, step))
            else:
                _add_squares(segments, entries, size, matrix)
        if sizes[0].is_dense:
            fill(view(rows, count * step, (BLOCK - count) * step), 0.0)
            add_gram(rows, step, size, matrix)


@part
def _write_jacobian(sizes, flat, start, count, samples, segments, entries, jacobian, work):
    """The block's rows of `jacobian` [O * N, P] flat."""
    size = sizes[0].parameters
    for output in range(sizes[sizes[0].depth].outputs):
        _differentiate(sizes, output, work)
        for s in range(count):
            _set_entries(sizes, flat, s, work, segments, entries)
            _scatter(segments, entries, view(jacobian, (output * samples + start + s) * size, size))


# --------------------------------------------------------------------------------------------------------- all kernels
def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    depth = carray(sizes_at, (1,), SIZES)[0].depth
    sizes = carray(sizes_at, (1 + depth,), SIZES)
    inputs, outputs, size = sizes[1].inputs, sizes[depth].outputs, sizes[0].parameters
    flat, knots = carray(flat_at, (size,)), carray(knots_at, (sizes[0].knot_count,))
    x, y = carray(x_at, (inputs, samples)), carray(y_at, (target_rows(task, outputs), samples))
    first = carray(first_at, (size * size if task == NORMAL_EQUATIONS else outputs * samples,))
    second = carray(second_at, (outputs * samples * size if task == JACOBIAN else size,))
    work = carray(work_at, (sizes[0].room,))
    segments = integers(work, sizes[0].segments, 3 * sizes[0].segment_count).reshape(-1, 3)
    entries = view(work, sizes[0].entries, sizes[0].entries_end - sizes[0].entries)
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
