"""Four or eight doubles at a time: a vector type for kernels, views, and one matrix product.

numba has no vectors and does not turn its loops over short rows into any: it must assume that
arrays overlap. So a kernel says `load`, `store` and `fma` where it wants a vector.
"""

# ruff: noqa: D103 - what one line of arithmetic does needs no sentence

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic as untyped_intrinsic
from numba.extending import models, register_model
from numba.np.arrayobj import populate_array

from harness.train.fused.compiled import inlined, part
from harness.train.fused.sizes import BLOCK, LANES, ONE, SAMPLES

# To a type checker an intrinsic would have the arguments of the function that generates its code.
intrinsic: Any = untyped_intrinsic

DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)
_VECTOR = ir.VectorType(DOUBLE, LANES)
# See `compiled`: a product and a sum may become one instruction.
FLAGS = ("contract", "nsz")


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Vector{LANES}")


_vector = _VectorType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _VECTOR)


def _address(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _spread(builder, scalar):
    single = builder.insert_element(
        ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(_INT, 0)
    )
    zeros = ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(_VECTOR, ir.Undefined), zeros)


@intrinsic
def load(typing, array, index):
    """The vector at array[index : index + LANES]; nothing is checked."""

    def generate(context, builder, signature, args):
        return builder.load(_address(context, builder, signature.args[0], *args), align=8)

    return _vector(array, types.intp), generate


@intrinsic
def store(typing, array, index, value):
    """The inverse of `load`."""

    def generate(context, builder, signature, args):
        builder.store(args[2], _address(context, builder, signature.args[0], *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


@intrinsic
def spread(typing, scalar):
    """A vector of LANES times the same number."""
    return _vector(types.float64), lambda context, builder, signature, args: _spread(builder, *args)


@intrinsic
def fma(typing, total, factor, other):
    """total + factor * other; the factor may be a scalar."""

    def generate(context, builder, signature, args):
        factor = (
            args[1] if isinstance(signature.args[1], _VectorType) else _spread(builder, args[1])
        )
        return builder.fadd(args[0], builder.fmul(factor, args[2], flags=FLAGS), flags=FLAGS)

    return _vector(
        _vector, factor if isinstance(factor, _VectorType) else types.float64, _vector
    ), generate


@intrinsic
def times(typing, a, b):
    """a * b, vectors both."""
    return _vector(_vector, _vector), lambda context, builder, signature, args: builder.fmul(
        *args, flags=FLAGS
    )


@intrinsic
def plus(typing, a, b):
    """a + b, vectors both."""
    return _vector(_vector, _vector), lambda context, builder, signature, args: builder.fadd(
        *args, flags=FLAGS
    )


@intrinsic
def total(typing, vector):
    """The sum over a vector, by halves."""

    def generate(context, builder, signature, args):
        (vector,), width = args, LANES
        while width > 1:
            width //= 2
            nothing = ir.Constant(ir.VectorType(DOUBLE, 2 * width), ir.Undefined)
            low, high = (
                builder.shuffle_vector(
                    vector,
                    nothing,
                    ir.Constant(ir.VectorType(_INT, width), list(range(start, start + width))),
                )
                for start in (0, width)
            )
            vector = builder.fadd(low, high, flags=FLAGS)
        return builder.extract_element(vector, ir.Constant(_INT, 0))

    return types.float64(_vector), generate


# --------------------------------------------------------------------------------------------------
# views
def _viewer(dtype: Any) -> Any:
    """array[start : start + length] as numbers of this type; numba's code for a slice is much
    longer.
    """
    item = 8
    kind = types.Array(dtype, 1, "C")

    @intrinsic
    def view(typing, array, start, length):
        def generate(context, builder, signature, args):
            array, start, length = args
            data = context.make_array(signature.args[0])(context, builder, array).data
            result = context.make_array(kind)(context, builder)
            step = context.get_constant(types.intp, item)
            pointer = builder.bitcast(builder.gep(data, [start]), result.data.type)
            populate_array(
                result, data=pointer, shape=(length,), strides=(step,), itemsize=step, meminfo=None
            )
            return result._getvalue()

        return kind(array, types.intp, types.intp), generate

    return view


view, integers = _viewer(types.float64), _viewer(types.int64)


@part
def fill(array, value):
    for at in range(array.size):
        array[at] = value


@part
def row_total(row):
    """The sum over a row of a block."""
    sums = spread(0.0)
    for s in range(0, BLOCK, LANES):
        sums = fma(sums, 1.0, load(row, s))
    return total(sums)


@part
def row_product(a, b):
    """The inner product of two rows of a block."""
    products = spread(0.0)
    for s in range(0, BLOCK, LANES):
        products = fma(products, load(a, s), load(b, s))
    return total(products)


# --------------------------------------------------------------------------------------------------
# product
@part
def add_product(left, row_step, step, right, right_step, out, out_step, rows, columns, inner):
    """out[m, n] += sum_k left[m, k] right[k, n], for m < rows, n < columns in whole vectors, k <
    inner.

    left[m, k] is at m * row_step + k * step; `right` and `out` are rows. Tiles of 4 by 2 vectors
    stay in registers, and what is left of 4 by 1 or 1 by 4: a sum waits for its last product, so
    that four are made in turn. All sums are in the order of k.
    """
    tiled_rows = rows - rows % 4
    tiled_columns = columns - columns % (2 * LANES)
    for n in range(0, tiled_columns, 2 * LANES):
        for m in range(0, tiled_rows, 4):
            _add_tile(
                left,
                m * row_step,
                row_step,
                step,
                right,
                n,
                right_step,
                out,
                m * out_step + n,
                out_step,
                inner,
            )
    for n in range(tiled_columns, columns, LANES):
        for m in range(0, tiled_rows, 4):
            at, to = m * row_step, m * out_step + n
            _add_column(left, at, row_step, step, right, n, right_step, out, to, out_step, inner)
    tiled_columns = columns - columns % (4 * LANES)
    for m in range(tiled_rows, rows):
        for n in range(0, tiled_columns, 4 * LANES):
            _add_row(left, m * row_step, step, right, n, right_step, out, m * out_step + n, inner)
        for n in range(tiled_columns, columns, LANES):
            _add_vector(
                left, m * row_step, step, right, n, right_step, out, m * out_step + n, inner
            )


@part
def add_gram(rows, step, size, matrix):
    """matrix += rows^T rows in the lower triangle, and here and there above; `matrix` [P, P] flat,
    `rows` [S, P].

    Rows are `step` apart, as `jacobian_step` says, and zero beyond the P numbers. Tiles that reach
    beyond the end of a line of the matrix add these zeros to the next line. In the last line they
    would leave the matrix.
    """
    tile = np.int64(2 * LANES)
    for n in range(0, size, tile):
        whole = size - n >= tile or size < tile
        top = n - n % 4
        safe = size if whole else size - 1
        if size >= tile:
            lines, columns = view(rows, top, 0), view(rows, n, 0)
            add_product(
                lines,
                ONE,
                step,
                columns,
                step,
                view(matrix, top * size + n, 0),
                size,
                safe - top,
                tile,
                SAMPLES,
            )
        for m in range(0 if size < tile else safe, size):
            for q in range(n, m + 1):
                sum_ = 0.0
                for s in range(BLOCK):
                    sum_ += rows[s * step + m] * rows[s * step + q]
                matrix[m * size + q] += sum_


@inlined
def _add_vector(left, at, step, right, n, right_step, out, to, inner):
    total = load(out, to)
    for k in range(inner):
        total = fma(total, left[np.uint64(at + k * step)], load(right, n + k * right_step))
    store(out, to, total)


@part
def _add_row(left, at, step, right, n, right_step, out, to, inner):
    a = load(out, to)
    b = load(out, to + LANES)
    c = load(out, to + 2 * LANES)
    d = load(out, to + 3 * LANES)
    for k in range(inner):
        factor, start = left[np.uint64(at + k * step)], n + k * right_step
        a, b = fma(a, factor, load(right, start)), fma(b, factor, load(right, start + LANES))
        c, d = (
            fma(c, factor, load(right, start + 2 * LANES)),
            fma(d, factor, load(right, start + 3 * LANES)),
        )
    store(out, to, a)
    store(out, to + LANES, b)
    store(out, to + 2 * LANES, c)
    store(out, to + 3 * LANES, d)


@part
def _add_column(left, at, row_step, step, right, n, right_step, out, to, out_step, inner):
    a = load(out, to)
    b = load(out, to + out_step)
    c = load(out, to + 2 * out_step)
    d = load(out, to + 3 * out_step)
    for k in range(inner):
        vector, start = load(right, n + k * right_step), at + k * step
        a, b = (
            fma(a, left[np.uint64(start)], vector),
            fma(b, left[np.uint64(start + row_step)], vector),
        )
        c = fma(c, left[np.uint64(start + 2 * row_step)], vector)
        d = fma(d, left[np.uint64(start + 3 * row_step)], vector)
    store(out, to, a)
    store(out, to + out_step, b)
    store(out, to + 2 * out_step, c)
    store(out, to + 3 * out_step, d)


@part
def _add_tile(left, at, row_step, step, right, n, right_step, out, to, out_step, inner):
    a0 = load(out, to)
    a1 = load(out, to + LANES)
    b0 = load(out, to + out_step)
    b1 = load(out, to + out_step + LANES)
    c0 = load(out, to + 2 * out_step)
    c1 = load(out, to + 2 * out_step + LANES)
    d0 = load(out, to + 3 * out_step)
    d1 = load(out, to + 3 * out_step + LANES)
    for k in range(inner):
        r0 = load(right, n + k * right_step)
        r1 = load(right, n + k * right_step + LANES)
        a = left[np.uint64(at + k * step)]
        b = left[np.uint64(at + k * step + row_step)]
        c = left[np.uint64(at + k * step + 2 * row_step)]
        d = left[np.uint64(at + k * step + 3 * row_step)]
        a0, a1 = fma(a0, a, r0), fma(a1, a, r1)
        b0, b1 = fma(b0, b, r0), fma(b1, b, r1)
        c0, c1 = fma(c0, c, r0), fma(c1, c, r1)
        d0, d1 = fma(d0, d, r0), fma(d1, d, r1)
    store(out, to, a0)
    store(out, to + LANES, a1)
    store(out, to + out_step, b0)
    store(out, to + out_step + LANES, b1)
    store(out, to + 2 * out_step, c0)
    store(out, to + 2 * out_step + LANES, c1)
    store(out, to + 3 * out_step, d0)
    store(out, to + 3 * out_step + LANES, d1)
