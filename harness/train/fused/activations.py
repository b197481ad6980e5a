"""Activations of a block, which the compiler vectorises: polynomials for exp, sines and the error
function.
"""

# ruff: noqa: D103 - what one line of arithmetic does needs no sentence

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from harness.train.fused.compiled import inlined, part
from harness.train.fused.simd import DOUBLE, FLAGS, intrinsic
from harness.train.fused.sizes import ACTIVATED, ACTIVATED_SLOPE, BLOCK, VALUE

# --------------------------------------------------------------------------------------------------
# exp Added to a double of less than 2^51 in size it rounds it to an integer, which then stands in
# the low bits of the sum.
_ROUNDER = 1.5 * 2.0**52
_ROUNDER_BITS = np.float64(_ROUNDER).view(np.int64)
_LOG2_E = 1 / math.log(2)
# Cody and Waite: the first part of ln 2 has so few bits that its product with any exponent of a
# double is exact.
_LN2_HIGH = float.fromhex("0x1.62e42feep-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")


def _polynomial(coefficients):
    """The polynomial with these coefficients, highest power first, by Horner's rule in one line of
    code.

    numba's loop over an array of coefficients stays a loop, and what is around it is then not
    vectorised.
    """

    @intrinsic
    def evaluate(typing, x):
        def generate(context, builder, signature, args):
            total, *rest = (ir.Constant(DOUBLE, float(coefficient)) for coefficient in coefficients)
            for coefficient in rest:
                total = builder.fadd(
                    builder.fmul(total, args[0], flags=FLAGS), coefficient, flags=FLAGS
                )
            return total

        return types.float64(types.float64), generate

    return evaluate


# (e^r - 1 - r) / r^2 by Taylor; what is left out is 1e-17 where |r| is largest, ln(2) / 2.
_exp_series = _polynomial([1 / math.factorial(power) for power in range(13, 1, -1)])


@inlined
def _exp_parts(x):
    """(s, q) with e^x = 2 (s + s q), s a power of two and |q| < .42, for -708 <= x <= 710; NaN
    stays NaN.
    """
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


# --------------------------------------------------------------------------------------------------
# waves Cody and Waite again: the first two parts of pi/2 have 33 bits each, so that quarters of a
# turn below 2^20 multiply them exactly (the parts are those of fdlibm).
_LARGEST_PHASE = 1e6
_HALF_PI_HIGH = float.fromhex("0x1.921fb544p+0")
_HALF_PI_MIDDLE = float.fromhex("0x1.0b4611a6p-34")
_HALF_PI_LOW = float.fromhex("0x1.3198a2e037073p-69")

# (sin r - r) / r^3 and (cos r - 1 + r^2 / 2) / r^4 as series of r^2 by Taylor; what is left out is
# 1e-18 where |r| is largest, pi / 4.
_sine_series = _polynomial(
    [(-1) ** power / math.factorial(2 * power + 1) for power in range(8, 0, -1)]
)
_cosine_series = _polynomial(
    [(-1) ** power / math.factorial(2 * power) for power in range(9, 1, -1)]
)


@inlined
def _sine_and_cosine(x):
    """sin x and cos x to 2 ulp, for |x| <= _LARGEST_PHASE: those of what is left beyond whole
    quarters of a turn.
    """
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


# --------------------------------------------------------------------------------------------------
# activations
SILU, RELU, TANH, GELU, SINE, PRELU = range(6)
ACTIVATIONS = {"silu": SILU, "relu": RELU, "tanh": TANH, "gelu": GELU, "sine": SINE, "prelu": PRELU}

# erfc(z) = e^(-z^2) p(y) / (1 + 2z) with y = (z - 2.5) / (z + 2.5), in the form of Shepherd and
# Laframboise (1981): the Chebyshev series of p, from mpmath with 60 digits, ends with terms of
# 4e-18; rewritten in powers, highest first, it stays well conditioned (the absolute values add up
# to 1.8).
_ERFC_CENTRE = 2.5
_ERFC = """
-1.4759816086462547e-09 3.3505549185349607e-09 1.928916211860086e-08 -1.9529757279629242e-08
-1.250612981958526e-07 -2.595789779732572e-09 5.323857055177547e-07 5.650897898007257e-07
-1.5844422539027936e-06 -4.244612526599291e-06 2.6086713496937893e-06 2.2712248592600015e-05
6.266010784972976e-06 -0.00011352632492718974 -8.847920687669829e-05 0.0006321251464155949
0.0004918658041021489 -0.004382078440847587 0.0009318928184352962 0.03276089327566133
-0.10296705603863399 0.1576299190229927 -0.09902453957360054 -0.12235676308240215 1.2648381843668615
"""
_erfc_series = _polynomial([float(coefficient) for coefficient in _ERFC.split()])


@part
def activate(kind, omega_0, record):
    """The rows ACTIVATED and ACTIVATED_SLOPE of a record from its row VALUE; `omega_0` is the
    frequency of sines.

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
