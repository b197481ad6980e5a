"""What a network is to kernels, `sizes`, and how a block of samples lies in memory.

Samples come in blocks of BLOCK. A *record* holds all about one node's values in a block, in rows of
BLOCK doubles. Rows that are read by vectors (see `simd`) are padded to whole ones.
"""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.binding  # type: ignore[import-untyped]
import numpy as np

Places = Callable[[int], int]

# The compiler splits vectors that the processor does not have, but then runs out of registers in
# `add_product`.
LANES = 8 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 4
BLOCK = 64
# The same for arguments of `add_product`: as Python integers, each would compile a version of its
# own.
ZERO, ONE, SAMPLES = np.int64(0), np.int64(1), np.int64(BLOCK)

# What the C function of a family is asked for, see `kernels`.
SQUARES, PREDICT, JACOBIAN, NORMAL_EQUATIONS, CROSS_ENTROPY = range(5)

# The first rows of a record: the values, an activation of them, and its slope.
VALUE, ACTIVATED, ACTIVATED_SLOPE = 0, BLOCK, 2 * BLOCK


def places(unit: int = 1) -> Places:
    """A function that hands out places in an array, one behind the other, in whole `unit`s; length
    0 finds the end.
    """
    end = 0

    def take(length: int) -> int:
        nonlocal end
        start = end
        end += -(-length // unit) * unit
        return start

    return take


def sizes_type(of_network: str, of_layers: str, real: str = "") -> np.dtype:
    """Of the array `sizes` that describes a network: row 0 is about the network, row `number` about
    that layer.

    The fields of both are integers, but for those that are `real`.
    """
    integers_of_both = list(dict.fromkeys(f"{of_network} {of_layers}".split()))
    fields = [
        *((name, np.int64) for name in integers_of_both),
        *((name, np.float64) for name in real.split()),
    ]
    return np.dtype(fields, align=True)


def whole_vectors(length: int) -> int:
    """The least multiple of LANES that is not below `length`."""
    return -(-length // LANES) * LANES


def jacobian_step(parameters: int) -> int:
    """How far apart rows of the Jacobian are for `add_gram`: an odd number of cache lines, to meet
    all of the cache.
    """
    return 8 * (-(-(parameters + 2 * LANES) // 8) | 1)
