"""Rows of the Jacobian of a B-spline KAN, and what Levenberg-Marquardt asks of them (see `kan`).

One row has few entries, in *segments*, runs of neighbours in the flat vector: the k+1 active
coefficients of one input for all outputs, and all base weights, scales and biases of a layer. Of
the last layer only one output's own are not zero; with several outputs these zeros are kept and
multiplied all the same.

Every segment has its place among the entries, in whole vectors with zeros behind. Where
coefficients start in the flat vector changes with the sample. The k+1 of a segment always exist:
near the ends some of them are not active.

Letters of shapes: as in `kan`.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from harness.families import KanShape
from harness.train.fused.compiled import part
from harness.train.fused.simd import add_gram, fill, fma, integers, load, store, view
from harness.train.fused.sizes import ACTIVATED, BLOCK, LANES, SAMPLES, whole_vectors
from harness.train.fused.spline import BASES, RECORD


def segment_lengths(network: KanShape) -> list[int]:
    """As `place_segments` has them."""
    lengths = []
    for inputs, outputs in pairwise(network.shape):
        lengths += [(network.order + 1) * outputs] * inputs
        lengths += (
            [inputs * outputs] * bool(network.base)
            + [inputs * outputs] * network.scales
            + [outputs] * network.bias
        )
    return lengths


def is_dense(lengths: list[int], parameters: int) -> bool:
    """Whether J^T J is faster from full rows of J; in clock cycles a sample, as measured on one
    machine (Zen 4).

    Each update of a vector of the matrix waits for the cache; a product of full rows computes all
    the time.
    """
    before = accumulate(whole_vectors(length) // LANES for length in lengths)
    updates = sum(length * vectors for length, vectors in zip(lengths, before, strict=True))
    return updates * (8 if updates < 8192 else 24) > parameters**2 // (2 * LANES)


@part
def place_segments(sizes, segments):
    """Rows of (start, place, length), in the order of the flat vector; starts of coefficients are
    left open.
    """
    at = place = 0
    for number in range(1, 1 + sizes[0].depth):
        layer = sizes[number]
        ends = layer.weight, layer.scale, layer.bias, layer.end
        for i in range(layer.inputs + 3):
            if i < layer.inputs:
                start, length = layer.coef, (sizes[0].order + 1) * layer.outputs
            else:
                start, length = (
                    ends[i - layer.inputs],
                    ends[i - layer.inputs + 1] - ends[i - layer.inputs],
                )
            if length > 0:
                segments[at, 0], segments[at, 1], segments[at, 2] = start, place, length
                place += (length + LANES - 1) // LANES * LANES
                at += 1


@part
def _set_entries(sizes, flat, s, work, segments, entries):
    """The derivatives at sample s of the block by all parameters that count there, after
    `differentiate` of `dense`.
    """
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
            record = view(work, layer.input_records + i * RECORD, RECORD)
            lowest = integers(work, layer.first + i * BLOCK, SAMPLES)[s] // width - order
            start = min(max(lowest, 0), coefs - order - 1)
            segments[at + i, 0] = layer.coef + (i * coefs + start) * outputs
            for r in range(order + 1):
                active = start + r - lowest
                basis = (
                    record[np.uint64(BASES + active * BLOCK + s)] if 0 <= active <= order else 0.0
                )
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

    A vector that reaches beyond its segment adds zeros to the neighbours, at the end of a line to
    the next line. Where that would leave the matrix, in the last line, numbers are added one by
    one.
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
                        store(
                            matrix,
                            to + n,
                            fma(load(matrix, to + n), entry, load(entries, place + n)),
                        )
                else:
                    for n in range(length):
                        matrix[to + n] += entry * entries[place + n]


def least_squares(differentiate):
    """See `dense.evaluator`."""

    @part
    def add_normal_equations(sizes, flat, count, matrix, work):
        """Add the block's part of J^T J."""
        size, step, segments, entries = (
            sizes[0].parameters,
            sizes[0].step_of_j,
            segments_of(sizes, work),
            entries_of(sizes, work),
        )
        rows = view(work, sizes[0].rows_of_j, BLOCK * step)
        for output in range(sizes[sizes[0].depth].outputs):
            differentiate(sizes, output, flat, work)
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
    def write_jacobian(sizes, flat, start, count, samples, jacobian, work):
        """The block's rows of `jacobian` [O * N, P] flat."""
        size, segments, entries = (
            sizes[0].parameters,
            segments_of(sizes, work),
            entries_of(sizes, work),
        )
        for output in range(sizes[sizes[0].depth].outputs):
            differentiate(sizes, output, flat, work)
            for s in range(count):
                _set_entries(sizes, flat, s, work, segments, entries)
                _scatter(
                    segments, entries, view(jacobian, (output * samples + start + s) * size, size)
                )

    return add_normal_equations, write_jacobian


@part
def segments_of(sizes, work):
    """Where `place_segments` writes, in the workspace."""
    return integers(work, sizes[0].segments, 3 * sizes[0].segment_count).reshape(-1, 3)


@part
def entries_of(sizes, work):
    """The entries of one row, in the workspace."""
    return view(work, sizes[0].entries, sizes[0].entries_end - sizes[0].entries)
