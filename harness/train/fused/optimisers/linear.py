"""What the loops need of linear algebra, compiled here so that it takes one thread and rounds in
one order.

LAPACK's Cholesky factorisation is at most 1.4 times faster (P = 1560), but the bits of its result
hang on how many threads the process lets it have. Matrices are symmetric and have only their lower
triangle; the element right above the diagonal may be written, and nothing is read there.
"""

from math import sqrt

import numpy as np

from harness.train.fused.compiled import part

RANK = 8  # products of a matrix element that are summed before it is stored
PANEL = 2 * RANK  # columns that are eliminated together
STRIP = 512  # columns of a matrix that are updated together: a panel of them fits the second cache

INFINITY = np.inf


@part
def dot(a, b):
    """Inner product; eight sums side by side, because the compiler may not reorder one."""
    size = a.shape[0]
    whole = size - size % 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(0, whole, 8):
        u, v = a[i : i + 8], b[i : i + 8]
        s0 += u[0] * v[0]
        s1 += u[1] * v[1]
        s2 += u[2] * v[2]
        s3 += u[3] * v[3]
        s4 += u[4] * v[4]
        s5 += u[5] * v[5]
        s6 += u[6] * v[6]
        s7 += u[7] * v[7]
    rest = 0.0
    for i in range(whole, size):
        rest += a[i] * b[i]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)) + rest


@part
def assign(a, b):
    """a[:] = b, which numba takes a second to compile."""
    for i in range(a.shape[0]):
        a[i] = b[i]


@part
def size_of(a):
    """Sum of absolute values."""
    total = 0.0
    for value in a:
        total += abs(value)
    return total


@part
def largest(a):
    """Largest absolute value; NaN where there is one."""
    found = 0.0
    for value in a:
        if abs(value) > found or value != value:
            found = abs(value)
    return found


@part
def is_finite(a):
    """Whether every element is."""
    strange = 0
    for value in a:
        strange += not abs(value) < INFINITY
    return strange == 0


@part
def add_products(matrix, panel, first, weight):
    """matrix += weight * panel^T panel, from row and column `first` on; the panel has a multiple of
    RANK rows.

    Two rows at once share what is read of the panel. A last row without a companion is its own,
    with weight zero.
    """
    size = matrix.shape[0]
    for left in range(first, size, STRIP):
        for upper in range(left, size, 2):
            lower = min(upper + 1, size - 1)
            end = min(lower + 1, left + STRIP)
            above, below = matrix[upper, left:end], matrix[lower, left:end]
            for k in range(0, panel.shape[0], RANK):
                _add_rank(
                    above, below, panel, k, upper, lower, left, weight, weight * (lower - upper)
                )


@part
def _add_rank(above, below, panel, k, upper, lower, left, weight_a, weight_b):
    """RANK rows of the panel, the first of them number `k`, into two rows of the matrix from column
    `left` on.
    """
    # One by one, because the compiler must know that each of them is contiguous.
    p0, p1, p2, p3 = panel[k, left:], panel[k + 1, left:], panel[k + 2, left:], panel[k + 3, left:]
    p4, p5, p6, p7 = (
        panel[k + 4, left:],
        panel[k + 5, left:],
        panel[k + 6, left:],
        panel[k + 7, left:],
    )
    i = upper - left
    a0, a1, a2, a3 = weight_a * p0[i], weight_a * p1[i], weight_a * p2[i], weight_a * p3[i]
    a4, a5, a6, a7 = weight_a * p4[i], weight_a * p5[i], weight_a * p6[i], weight_a * p7[i]
    i = lower - left
    b0, b1, b2, b3 = weight_b * p0[i], weight_b * p1[i], weight_b * p2[i], weight_b * p3[i]
    b4, b5, b6, b7 = weight_b * p4[i], weight_b * p5[i], weight_b * p6[i], weight_b * p7[i]
    for j in range(above.shape[0]):
        q0, q1, q2, q3, q4, q5, q6, q7 = p0[j], p1[j], p2[j], p3[j], p4[j], p5[j], p6[j], p7[j]
        above[j] += ((a0 * q0 + a1 * q1) + (a2 * q2 + a3 * q3)) + (
            (a4 * q4 + a5 * q5) + (a6 * q6 + a7 * q7)
        )
        below[j] += ((b0 * q0 + b1 * q1) + (b2 * q2 + b3 * q3)) + (
            (b4 * q4 + b5 * q5) + (b6 * q6 + b7 * q7)
        )


@part
def factorise(matrix):
    """Cholesky: the lower triangle of `matrix` becomes that of its factor; False where a pivot is
    not positive.

    Right-looking, in panels of columns, which lie transposed beside the matrix while they are
    eliminated.
    """
    size = matrix.shape[0]
    panel = np.zeros((PANEL, size))
    for first in range(0, size, PANEL):
        width = min(PANEL, size - first)
        for i in range(first, size):
            for k in range(min(width, i + 1 - first)):
                panel[k, i] = matrix[i, first + k]
        if not _eliminate(panel, first, width):
            return False
        for i in range(first, size):
            for k in range(min(width, i + 1 - first)):
                matrix[i, first + k] = panel[k, i]
        if first + width < size:
            add_products(matrix, panel, first + width, -1.0)
    return True


@part
def _eliminate(panel, first, width):
    """The transposed factor in place of `width` transposed columns of a matrix, from its row
    `first` on.
    """
    for k in range(width):
        pivot = panel[k, first + k]
        if not 0.0 < pivot < INFINITY:
            return False
        scale = 1 / sqrt(pivot)
        source = panel[k, first + k :]
        for i in range(source.shape[0]):
            source[i] *= scale
        for later in range(k + 1, width):
            share = panel[k, first + later]
            above, below = panel[k, first + later :], panel[later, first + later :]
            for i in range(below.shape[0]):
                below[i] -= share * above[i]
    return True


@part
def solve(factor, values):
    """The solution of factor factor^T x = values, in place of the values."""
    for i in range(values.shape[0]):
        values[i] = (values[i] - dot(factor[i, :i], values[:i])) / factor[i, i]
    for i in range(values.shape[0] - 1, -1, -1):
        values[i] /= factor[i, i]
        value, row, before = values[i], factor[i, :i], values[:i]
        for j in range(i):
            before[j] -= value * row[j]
