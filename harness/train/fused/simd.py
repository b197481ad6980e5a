"""Eight doubles at a time: a vector type for kernels, one matrix product, and activations that the compiler vectorises.

numba has no vectors and does not turn its loops over short rows into any: it must assume that arrays overlap. So a
kernel says `load`, `store` and `fma` where it wants a vector. Rows that are read by vectors are padded to whole ones.

Samples come in blocks of BLOCK. A *record* holds all about one node's values in a block, in rows of BLOCK doubles.
"""

# ruff: noqa: D103 - what one line of arithmetic does needs no sentence

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as untyped_intrinsic
from numba.extending import models, register_model
from numba.np.arrayobj import populate_array

from harness.train.fused.compiled import inlined, part

# The compiler splits vectors that the processor does not have, but then runs out of registers in `add_product`.
LANES = 8 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 4
BLOCK = 64
# The same for arguments of `add_product`: as Python integers, each would compile a version of its own.
ZERO, ONE, SAMPLES = np.int64(0), np.int64(1), np.int64(BLOCK)

# What the C function of a family is asked for, see `kernels`.
SQUARES, PREDICT, JACOBIAN, NORMAL_EQUATIONS, CROSS_ENTROPY = range(5)

# The first rows of a record: the values, an activation of them, and its slope.
VALUE, ACTIVATED, ACTIVATED_SLOPE = 0, BLOCK, 2 * BLOCK


# ------------------------------------------------------------------------------------------------------------- lengths
def places(unit: int = 1) -> Callable[[int], int]:
    """A function that hands out places in an array, one behind the other, in whole `unit`s; length 0 finds the end."""
    end = 0

    def take(length: int) -> int:
        nonlocal end
        start = end
        end += -(-length // unit) * unit
        return start

    return take


def sizes_type(of_network: str, of_layers: str, real: str = "") -> np.dtype:
    """Of the array `sizes` that describes a network: row 0 is about the network, row `number` about that layer.

    The fields of both are integers, but for those that are `real`.
    """
    integers_of_both = list(dict.fromkeys(f"{of_network} {of_layers}".split()))
    fields = [*((name, np.int64) for name in integers_of_both), *((name, np.float64) for name in real.split())]
    return np.dtype(fields, align=True)


def described(depth: int, kind: np.dtype) -> Any:
    """`sizes` to be filled, whose row 0 and layers are read and set by the names of their fields."""
    sizes = np.zeros(1 + depth, kind).view(np.recarray)
    sizes[0].depth = depth
    return sizes


def whole_vectors(length: int) -> int:
    """The least multiple of LANES that is not below `length`."""
    return -(-length // LANES) * LANES


def jacobian_step(parameters: int) -> int:
    """How far apart rows of the Jacobian are for `add_gram`: an odd number of cache lines, to meet all of the cache."""
    return 8 * (-(-(parameters + 2 * LANES) // 8) | 1)


# --------------------------------------------------------------------------------------------------------- vector type
# To a type checker an intrinsic would have the arguments of the function that generates its code.
intrinsic: Any = untyped_intrinsic

_DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
# See `compiled`: a product and a sum may become one instruction.
_FLAGS = ("contract", "nsz")


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
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(_INT, 0))
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
        factor = args[1] if isinstance(signature.args[1], _VectorType) else _spread(builder, args[1])
        return builder.fadd(args[0], builder.fmul(factor, args[2], flags=_FLAGS), flags=_FLAGS)

    return _vector(_vector, factor if isinstance(factor, _VectorType) else types.float64, _vector), generate


@intrinsic
def times(typing, a, b):
    """a * b, vectors both."""
    return _vector(_vector, _vector), lambda context, builder, signature, args: builder.fmul(*args, flags=_FLAGS)


@intrinsic
def plus(typing, a, b):
    """a + b, vectors both."""
    return _vector(_vector, _vector), lambda context, builder, signature, args: builder.fadd(*args, flags=_FLAGS)


@intrinsic
def total(typing, vector):
    """The sum over a vector, by halves."""

    def generate(context, builder, signature, args):
        (vector,), width = args, LANES
        while width > 1:
            width //= 2
            nothing = ir.Constant(ir.VectorType(_DOUBLE, 2 * width), ir.Undefined)
            low, high = (
                builder.shuffle_vector(
                    vector, nothing, ir.Constant(ir.VectorType(_INT, width), list(range(start, start + width)))
                )
                for start in (0, width)
            )
            vector = builder.fadd(low, high, flags=_FLAGS)
        return builder.extract_element(vector, ir.Constant(_INT, 0))

    return types.float64(_vector), generate


# --------------------------------------------------------------------------------------------------------------- views
def _viewer(dtype: Any) -> Any:
    """array[start : start + length] as numbers of this type; numba's code for a slice is much longer."""
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
            populate_array(result, data=pointer, shape=(length,), strides=(step,), itemsize=step, meminfo=None)
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


# ------------------------------------------------------------------------------------------------------------- product
@part
def add_product(left, row_step, step, right, right_step, out, out_step, rows, columns, inner):
    """out[m, n] += sum_k left[m, k] right[k, n], for m < rows, n < columns in whole vectors, k < inner.

    left[m, k] is at m * row_step + k * step; `right` and `out` are rows. Tiles of 4 by 2 vectors stay in registers, and
    what is left of 4 by 1 or 1 by 4: a sum waits for its last product, so that four are made in turn. All sums are in
    the order of k.
    """
    tiled_rows = rows - rows % 4
    tiled_columns = columns - columns % (2 * LANES)
    for n in range(0, tiled_columns, 2 * LANES):
        for m in range(0, tiled_rows, 4):
            _add_tile(left, m * row_step, row_step, step, right, n, right_step, out, m * out_step + n, out_step, inner)
    for n in range(tiled_columns, columns, LANES):
        for m in range(0, tiled_rows, 4):
            at, to = m * row_step, m * out_step + n
            _add_column(left, at, row_step, step, right, n, right_step, out, to, out_step, inner)
    tiled_columns = columns - columns % (4 * LANES)
    for m in range(tiled_rows, rows):
        for n in range(0, tiled_columns, 4 * LANES):
            _add_row(left, m * row_step, step, right, n, right_step, out, m * out_step + n, inner)
        for n in range(tiled_columns, columns, LANES):
            _add_vector(left, m * row_step, step, right, n, right_step, out, m * out_step + n, inner)


@part
def add_gram(rows, step, size, matrix):
    """matrix += rows^T rows in the lower triangle, and here and there above; `matrix` [P, P] flat, `rows` [S, P].

    Rows are `step` apart, as `jacobian_step` says, and zero beyond the P numbers. Tiles that reach beyond the end of a
    line of the matrix add these zeros to the next line. In the last line they would leave the matrix.
    """
    tile = np.int64(2 * LANES)
    for n in range(0, size, tile):
        whole = size - n >= tile or size < tile
        top = n - n % 4
        safe = size if whole else size - 1
        if size >= tile:
            lines, columns = view(rows, top, 0), view(rows, n, 0)
            add_product(
                lines, ONE, step, columns, step, view(matrix, top * size + n, 0), size, safe - top, tile, SAMPLES
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
        c, d = fma(c, factor, load(right, start + 2 * LANES)), fma(d, factor, load(right, start + 3 * LANES))
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
        a, b = fma(a, left[np.uint64(start)], vector), fma(b, left[np.uint64(start + row_step)], vector)
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


# ----------------------------------------------------------------------------------------------------------------- exp
# Added to a double of less than 2^51 in size it rounds it to an integer, which then stands in the low bits of the sum.
_ROUNDER = 1.5 * 2.0**52
_ROUNDER_BITS = np.float64(_ROUNDER).view(np.int64)
_LOG2_E = 1 / math.log(2)
# Cody and Waite: the first part of ln 2 has so few bits that its product with any exponent of a double is exact.
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")


def _polynomial(coefficients):
    """The polynomial with these coefficients, highest power first, by Horner's rule in one line of code.

    numba's loop over an array of coefficients stays a loop, and what is around it is then not vectorised.
    """

    @intrinsic
    def evaluate(typing, x):
        def generate(context, builder, signature, args):
            total, *rest = (ir.Constant(_DOUBLE, float(coefficient)) for coefficient in coefficients)
            for coefficient in rest:
                total = builder.fadd(builder.fmul(total, args[0], flags=_FLAGS), coefficient, flags=_FLAGS)
            return total

        return types.float64(types.float64), generate

    return evaluate


# (e^r - 1 - r) / r^2 by Taylor; what is left out is 1e-17 where |r| is largest, ln(2) / 2.
_exp_series = _polynomial([1 / math.factorial(power) for power in range(13, 1, -1)])


@inlined
def _exp_parts(x):
    """(s, q) with e^x = 2 (s + s q), s a power of two and |q| < .42, for -708 <= x <= 710; NaN stays NaN."""
    shifted = x * _LOG2_E + _ROUNDER
    power = shifted - _ROUNDER
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW
    bits = (np.float64(shifted).view(np.int64) - _ROUNDER_BITS + 1022) << 52
    return np.int64(bits).view(np.float64), _exp_series(r) * (r * r) + r


@inlined
def _clamp(x, low, high):
    """NaN stays NaN: it fails comparisons."""
    x = low if x < low else x
    return high if x > high else x


@inlined
def exp(x):
    """e^x to 1 ulp; 0 where it would be below 3e-308."""
    s, q = _exp_parts(_clamp(x, -708.0, 710.0))
    return 0.0 if x < -708.0 else 2 * (s * q + s)


@part
def exponentials(numbers):
    """e^x of every number, in its place."""
    for at in range(numbers.size):
        numbers[at] = exp(numbers[at])


# --------------------------------------------------------------------------------------------------------------- waves
# Cody and Waite again: the first two parts of pi/2 have 33 bits each, so that quarters of a turn below 2^20 multiply
# them exactly (the parts are those of fdlibm).
_LARGEST_PHASE = 1e6
_HALF_PI_HIGH = float.fromhex("0x1.921fb544p+0")
_HALF_PI_MIDDLE = float.fromhex("0x1.0b4611a6p-34")
_HALF_PI_LOW = float.fromhex("0x1.3198a2e037073p-69")

# (sin r - r) / r^3 and (cos r - 1 + r^2 / 2) / r^4 as series of r^2 by Taylor; what is left out is 1e-18 where |r| is
# largest, pi / 4.
_sine_series = _polynomial([(-1) ** power / math.factorial(2 * power + 1) for power in range(8, 0, -1)])
_cosine_series = _polynomial([(-1) ** power / math.factorial(2 * power) for power in range(9, 1, -1)])


@inlined
def _sine_and_cosine(x):
    """sin x and cos x to 2 ulp, for |x| <= _LARGEST_PHASE: those of what is left beyond whole quarters of a turn."""
    shifted = x * (2 / math.pi) + _ROUNDER
    quarters = shifted - _ROUNDER
    r = ((x - quarters * _HALF_PI_HIGH) - quarters * _HALF_PI_MIDDLE) - quarters * _HALF_PI_LOW
    square = r * r
    sine = _sine_series(square) * (square * r) + r
    cosine = _cosine_series(square) * (square * square) + (1 - 0.5 * square)
    turned = np.float64(shifted).view(np.int64)
    is_odd = (turned & 1) == 1
    first, second = cosine if is_odd else sine, sine if is_odd else cosine
    return -first if (turned & 2) == 2 else first, -second if ((turned + 1) & 2) == 2 else second


# --------------------------------------------------------------------------------------------------------- activations
SILU, RELU, TANH, GELU, SINE, PRELU = range(6)
ACTIVATIONS = {"silu": SILU, "relu": RELU, "tanh": TANH, "gelu": GELU, "sine": SINE, "prelu": PRELU}

# erfc(z) = e^(-z^2) p(y) / (1 + 2z) with y = (z - 2.5) / (z + 2.5), in the form of Shepherd and Laframboise (1981): the
# Chebyshev series of p, from mpmath with 60 digits, ends with terms of 4e-18; rewritten in powers, highest first, it
# stays well conditioned (the absolute values add up to 1.8).
_ERFC_CENTRE = 2.5
_erfc_series = _polynomial(
    [
        -1.4759816086462547e-09,
        3.3505549185349607e-09,
        1.928916211860086e-08,
        -1.9529757279629242e-08,
        -1.250612981958526e-07,
        -2.595789779732572e-09,
        5.323857055177547e-07,
        5.650897898007257e-07,
        -1.5844422539027936e-06,
        -4.244612526599291e-06,
        2.6086713496937893e-06,
        2.2712248592600015e-05,
        6.266010784972976e-06,
        -0.00011352632492718974,
        -8.847920687669829e-05,
        0.0006321251464155949,
        0.0004918658041021489,
        -0.004382078440847587,
        0.0009318928184352962,
        0.03276089327566133,
        -0.10296705603863399,
        0.1576299190229927,
        -0.09902453957360054,
        -0.12235676308240215,
        1.2648381843668615,
    ]
)


@part
def activate(kind, omega_0, record):
    """The rows ACTIVATED and ACTIVATED_SLOPE of a record from its row VALUE; `omega_0` is the frequency of sines.

    Not of PRELU, which has parameters.
    """
    if kind == SILU:
        silu(record)
    elif kind == RELU:
        _relu(record)
    elif kind == TANH:
        tanh(record)
    elif kind == GELU:
        _gelu(record)
    else:
        sine(omega_0, record)


@part
def silu(record):
    for s in range(BLOCK):
        x = record[VALUE + s]
        sigmoid = 1 / (1 + exp(-x))
        value = x * sigmoid
        record[ACTIVATED + s] = value
        record[ACTIVATED_SLOPE + s] = sigmoid + value * (1 - sigmoid)


@part
def _relu(record):
    for s in range(BLOCK):
        x = record[VALUE + s]
        record[ACTIVATED + s] = 0.0 if x <= 0.0 else x
        record[ACTIVATED_SLOPE + s] = 0.0 if x <= 0.0 else 1.0


@part
def tanh(record):
    for s in range(BLOCK):
        # e^2x - 1 without cancellation near 0; from 20 on tanh is 1 in doubles.
        half, q = _exp_parts(2 * _clamp(record[VALUE + s], -20.0, 20.0))
        less_one = 2 * (half * q + (half - 0.5))
        value = less_one / (less_one + 2)
        record[ACTIVATED + s] = value
        record[ACTIVATED_SLOPE + s] = 1 - value * value


@part
def _gelu(record):
    for s in range(BLOCK):
        x = record[VALUE + s]
        z = abs(x) * math.sqrt(0.5)
        bell = exp(-0.5 * (x * x))
        tail = 0.5 * bell * _erfc_series((z - _ERFC_CENTRE) / (z + _ERFC_CENTRE)) / (1 + 2 * z)
        below = tail if x < 0.0 else 1 - tail
        record[ACTIVATED + s] = x * below
        record[ACTIVATED_SLOPE + s] = below + x * (bell / math.sqrt(2 * math.pi))


@part
def sine(omega_0, record):
    beyond = 0
    for s in range(BLOCK):
        beyond += not abs(omega_0 * record[VALUE + s]) <= _LARGEST_PHASE
    if beyond == 0:
        for s in range(BLOCK):
            sine, cosine = _sine_and_cosine(omega_0 * record[VALUE + s])
            record[ACTIVATED + s] = sine
            record[ACTIVATED_SLOPE + s] = omega_0 * cosine
    else:  # some of them are too large or not finite
        for s in range(BLOCK):
            x = omega_0 * record[VALUE + s]
            record[ACTIVATED + s] = math.sin(x)
            record[ACTIVATED_SLOPE + s] = omega_0 * math.cos(x)
