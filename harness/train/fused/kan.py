"""Kernels of B-spline KANs, block by block: only the k+1 active bases of a sample are ever touched.

In a block every input of every layer has its record (see `sizes`): its values, silu of them, the
active bases, and the slopes of both. Outputs are computed as rows, one a sample, [S, W] with W the
outputs in whole vectors: the coefficients of a basis for all outputs are then contiguous, as in the
flat vector. A single output has no row to be vectorised, and W = 1. Backwards, rows are overwritten
by the derivatives, by these outputs, of whatever is differentiated.

A frozen base is computed, and its gradients stay zero.

Coefficients are copied into the workspace at the start of a call, times their scales, with k rows
of zeros on each side: bases near the ends of the knots have no coefficient, and find zero. Sums of
gradients lie in the same way.

Letters of shapes: I inputs and O outputs of a layer, W outputs padded, N samples, C coefficients of
a spline, P parameters, S samples of a block.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from harness.families import KanShape
from harness.train.fused import dense, spline
from harness.train.fused.activations import silu
from harness.train.fused.compiled import part
from harness.train.fused.kan_rows import (
    entries_of,
    is_dense,
    least_squares,
    place_segments,
    segment_lengths,
    segments_of,
)
from harness.train.fused.simd import (
    add_product,
    fill,
    fma,
    integers,
    load,
    row_product,
    spread,
    store,
    total,
    view,
)
from harness.train.fused.sizes import (
    ACTIVATED,
    ACTIVATED_SLOPE,
    BLOCK,
    JACOBIAN,
    LANES,
    NORMAL_EQUATIONS,
    ONE,
    SAMPLES,
    ZERO,
    places,
    sizes_type,
    whole_vectors,
)
from harness.train.fused.spline import BASES, RECORD, SLOPES, prepare_knots, set_bases, unrolled

# Beside what `dense` has, whose linear map is here that of the base. Of the network: what it is,
# and where entries of rows of the Jacobian are. Of layers: places among the knots and in the flat
# vector, and in the workspace what is copied there before the blocks, what belongs to a block, and
# the sums.
SIZES = sizes_type(
    dense.NETWORK + "order grid has_base has_scales has_bias trains_base is_dense "
    "segments segment_count entries entries_end",
    dense.LAYER + spline.LAYER + "coef scale end padded_coef padded_base padded_end rows coef_sum",
)


def describe(network: KanShape) -> np.ndarray:
    """`sizes` of a network."""
    order, coefs = network.order, network.grid + network.order
    sizes, flat, room = dense.begin(network.shape, SIZES, RECORD)
    whole, all_knots = sizes[0], places()
    for layer in sizes[1:]:
        inputs, outputs = layer.inputs, layer.outputs
        width = layer.width = 1 if outputs == 1 else layer.width
        spline.place_knots(layer, inputs, network, all_knots, room)
        layer.coef = flat(inputs * coefs * outputs)
        layer.weight = flat(inputs * outputs * bool(network.base))
        layer.scale = flat(inputs * outputs * network.scales)
        layer.bias = flat(outputs * network.bias)
        layer.end = flat(0)
        layer.padded_coef = room(inputs * (coefs + 2 * order) * width)
        layer.padded_base = room(inputs * width)
        layer.padded_end = room(0)
        layer.rows = room(BLOCK * width)
    lengths = segment_lengths(network)
    whole.order, whole.grid, whole.knot_count = order, network.grid, all_knots(0)
    whole.has_base, whole.has_scales, whole.has_bias = (
        bool(network.base),
        network.scales,
        network.bias,
    )
    whole.trains_base = bool(network.base) and network.base != "frozen"
    whole.is_dense = is_dense(lengths, int(flat(0)))
    whole.segment_count, whole.segments = len(lengths), room(3 * len(lengths))
    whole.entries = room(sum(whole_vectors(length) for length in lengths))
    whole.entries_end = room(0)

    return dense.close(
        sizes,
        flat,
        room,
        lambda layer: {"coef_sum": layer.inputs * (coefs + 2 * order) * layer.width},
    )


# --------------------------------------------------------------------------------------------------
# before blocks
@part
def _prepare(sizes, flat, knots, work):
    """Copy knots and coefficients into the workspace, in the form that the blocks want."""
    order, spans = sizes[0].order, sizes[0].grid + 2 * sizes[0].order
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        prepare_knots(order, spans, layer, layer.inputs, knots, work)
        _pad_coefficients(sizes, layer, flat, work)


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
                work[layer.padded_base + i * width + o] = flat[layer.weight + edge]


# --------------------------------------------------------------------------------------------------
# splines
@unrolled
def _add_splines(order, sizes, layer, work):
    """rows[s, o] += sum_i sum_r B_r(x_i) c[i, first + r, o]."""
    width = layer.width
    length = (sizes[0].grid + 3 * order) * width
    rows, first = (
        view(work, layer.rows, BLOCK * width),
        integers(work, layer.first, layer.inputs * BLOCK),
    )
    if width == 1:
        for s in range(BLOCK):
            row = rows[s]
            for i in range(layer.inputs):
                bases = layer.input_records + i * RECORD + BASES + s
                at = layer.padded_coef + i * length + first[i * BLOCK + s]
                for r in range(order + 1):
                    row += work[np.uint64(bases + r * BLOCK)] * work[np.uint64(at + r)]
            rows[s] = row
        return
    for i in range(layer.inputs):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        coef = view(work, layer.padded_coef + i * length, length)
        for s in range(BLOCK):
            at = first[i * BLOCK + s]
            for o in range(0, width, LANES):
                outputs = load(rows, s * width + o)
                for r in range(order + 1):
                    outputs = fma(
                        outputs,
                        record[np.uint64(BASES + r * BLOCK + s)],
                        load(coef, at + r * width + o),
                    )
                store(rows, s * width + o, outputs)


@unrolled
def _add_coef_gradients(order, sizes, layer, work):
    """sums[i, first + r, o] += B_r(x_i) rows[s, o]."""
    width = layer.width
    length = (sizes[0].grid + 3 * order) * width
    rows, first = (
        view(work, layer.rows, BLOCK * width),
        integers(work, layer.first, layer.inputs * BLOCK),
    )
    if width == 1:
        # Inputs inside: neighbouring samples often meet the same coefficients, and would wait for
        # each other.
        for s in range(BLOCK):
            row = rows[s]
            for i in range(layer.inputs):
                bases = layer.input_records + i * RECORD + BASES + s
                to = layer.coef_sum + i * length + first[i * BLOCK + s]
                for r in range(order + 1):
                    work[np.uint64(to + r)] += work[np.uint64(bases + r * BLOCK)] * row
        return
    for i in range(layer.inputs):
        record = view(work, layer.input_records + i * RECORD, RECORD)
        sums = view(work, layer.coef_sum + i * length, length)
        for s in range(BLOCK):
            at = first[i * BLOCK + s]
            for o in range(0, width, LANES):
                row = load(rows, s * width + o)
                for r in range(order + 1):
                    to = at + r * width + o
                    store(
                        sums, to, fma(load(sums, to), record[np.uint64(BASES + r * BLOCK + s)], row)
                    )


@unrolled
def _pull_rows(order, sizes, layer, before, work):
    """The rows of the layer before.

    before[s, i] = sum_o (sum_r B'_r(x_i) c[i, first + r, o] + silu'(x_i) w[i, o]) rows[s, o].
    """
    width, step = layer.width, before.width
    length = (sizes[0].grid + 3 * order) * width
    rows, first = (
        view(work, layer.rows, BLOCK * width),
        integers(work, layer.first, layer.inputs * BLOCK),
    )
    result = view(work, before.rows, BLOCK * step)
    fill(result, 0.0)
    for i in range(layer.inputs):
        record = view(work, layer.input_records + i * RECORD, RECORD)
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
                        slopes = fma(
                            slopes,
                            record[np.uint64(SLOPES + r * BLOCK + s)],
                            load(coef, at + r * width + o),
                        )
                    products = fma(products, slopes, load(rows, s * width + o))
                result[s * step + i] = total(products)


# --------------------------------------------------------------------------------------------------
# base, bias
@part
def _add_base(layer, work):
    """rows[s, o] += sum_i silu(x_i) w[i, o]."""
    inputs, width = layer.inputs, layer.width
    activated, base = (
        view(work, layer.input_records + ACTIVATED, ZERO),
        view(work, layer.padded_base, ZERO),
    )
    rows = view(work, layer.rows, ZERO)
    if width == 1:
        add_product(base, ZERO, ONE, activated, RECORD, rows, SAMPLES, ONE, SAMPLES, inputs)
    else:
        add_product(activated, ONE, RECORD, base, width, rows, width, SAMPLES, width, inputs)


@part
def _add_base_gradients(layer, work):
    """sums[i, o] += sum_s silu(x_i) rows[s, o]."""
    inputs, width = layer.inputs, layer.width
    activated, sums = (
        view(work, layer.input_records + ACTIVATED, ZERO),
        view(work, layer.weight_sum, ZERO),
    )
    rows = view(work, layer.rows, BLOCK * width)
    if width == 1:
        for i in range(inputs):
            work[layer.weight_sum + i] += row_product(view(activated, i * RECORD, SAMPLES), rows)
    else:
        add_product(activated, RECORD, ONE, rows, width, sums, width, inputs, width, SAMPLES)


# ------------------------------------------------------------------------------------ a layer, see
# `dense.evaluator`
@part
def _enter(sizes, number, flat, work):
    """All that follows from the values of the inputs alone."""
    layer, order, spans = sizes[number], sizes[0].order, sizes[0].grid + 2 * sizes[0].order
    for i in range(layer.inputs):
        set_bases(order, spans, layer, i, layer.width, work)
        record = view(work, layer.input_records + i * RECORD, RECORD)
        if sizes[0].has_base:
            silu(record)
        else:
            fill(view(record, ACTIVATED_SLOPE, SAMPLES), 0.0)


@part
def _set_values(sizes, layer, record, flat, work):
    width, rows = layer.width, view(work, layer.rows, BLOCK * layer.width)
    fill(rows, 0.0)
    if sizes[0].has_bias:
        for s in range(BLOCK):
            for o in range(layer.outputs):
                rows[s * width + o] = flat[layer.bias + o]
    if sizes[0].has_base:
        _add_base(layer, work)
    _add_splines(sizes[0].order, sizes, layer, work)
    for o in range(layer.outputs):
        values = view(work, layer.records + o * record, SAMPLES)
        for s in range(BLOCK):
            values[s] = rows[s * width + o]


@part
def _add_no_gradients(sizes, layer, record, work):
    """All sums are of rows, which `_step_back` makes of the values of the last layer."""


@part
def _step_back(sizes, number, flat, work):
    """To the rows of the layer before."""
    layer = sizes[number]
    if number == sizes[0].depth:
        width, rows = layer.width, view(work, layer.rows, BLOCK * layer.width)
        fill(rows, 0.0)
        for o in range(layer.outputs):
            values = view(work, layer.records + o * RECORD, SAMPLES)
            for s in range(BLOCK):
                rows[s * width + o] = values[s]
    if number > 1:
        _pull_rows(sizes[0].order, sizes, layer, sizes[number - 1], work)


@part
def _add_gradients(sizes, number, work):
    layer = sizes[number]
    if sizes[0].has_bias:
        for s in range(BLOCK):
            for o in range(layer.width):
                work[layer.bias_sum + o] += work[layer.rows + s * layer.width + o]
    if sizes[0].trains_base:
        _add_base_gradients(layer, work)
    _add_coef_gradients(sizes[0].order, sizes, layer, work)


@part
def _collect(sizes, number, factor, flat, work, gradient):
    layer, order, coefs = sizes[number], sizes[0].order, sizes[0].grid + sizes[0].order
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
                    slope += (
                        gradient[np.uint64(to + c * outputs)] * flat[np.uint64(to + c * outputs)]
                    )
                    gradient[np.uint64(to + c * outputs)] *= scale
                gradient[layer.scale + edge] = slope
            if sizes[0].has_base:
                gradient[layer.weight + edge] = factor * work[layer.weight_sum + i * width + o]
    if sizes[0].has_bias:
        for o in range(outputs):
            gradient[layer.bias + o] = factor * work[layer.bias_sum + o]


# --------------------------------------------------------------------------------------------------
# all kernels
_evaluate = dense.evaluator(
    RECORD,
    _enter,
    _step_back,
    _add_gradients,
    _collect,
    least_squares,
    _set_values,
    _add_no_gradients,
)


def evaluate(task, samples, sizes_at, flat_at, knots_at, x_at, y_at, first_at, second_at, work_at):
    """What `kernels` offers, as a C function; `first` and `second` are the arrays to be filled."""
    sizes = carray(sizes_at, (1 + carray(sizes_at, (1,), SIZES)[0].depth,), SIZES)
    flat, work = carray(flat_at, (sizes[0].parameters,)), carray(work_at, (sizes[0].room,))
    _prepare(sizes, flat, carray(knots_at, (sizes[0].knot_count,)), work)
    if task in (JACOBIAN, NORMAL_EQUATIONS):
        fill(entries_of(sizes, work), 0.0)
        place_segments(sizes, segments_of(sizes, work))
    return _evaluate(task, samples, sizes, flat, x_at, y_at, first_at, second_at, work)
