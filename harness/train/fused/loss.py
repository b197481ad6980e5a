"""What kernels minimise, in a block: the outputs of a network become the derivatives of the loss by
them.

Targets of SQUARES are as many as outputs. CROSS_ENTROPY has one target a sample, the number of its
class. Its loss is -ln softmax at that class, and derivatives are softmax less 1 there.
"""

from __future__ import annotations

import math

from harness.train.fused.activations import exp
from harness.train.fused.compiled import inlined, part
from harness.train.fused.simd import fill, view
from harness.train.fused.sizes import BLOCK, CROSS_ENTROPY, SAMPLES, SQUARES

# Rows of BLOCK doubles that `classify` works in.
CLASS, LARGEST, OWN, OTHERS = 0, BLOCK, 2 * BLOCK, 3 * BLOCK
CLASSIFY_ROOM = 4 * BLOCK


@inlined
def target_rows(task, outputs):
    """How many targets a sample has."""
    return outputs if task != CROSS_ENTROPY else outputs - outputs + 1


@inlined
def gradient_factor(task, targets):
    """What makes the gradient of the mean of sums over samples; normal equations are of the sums
    themselves.
    """
    if task == SQUARES:
        return 2.0 / targets
    return 1.0 / targets if task == CROSS_ENTROPY else 1.0


@part
def classify(rows, step, outputs, y, start, count, work):
    """Turn outputs, rows of a block that are `step` apart, into softmax - 1 at the class; the sum
    of cross-entropies.

    Derivatives are zero for the samples that the block lacks. A cross-entropy is ln(1 + sum over
    the others of e^(other - own)), in a form that no large output overflows, and that has all
    digits where it is nearly 0. One that is not finite comes from any output that is not, and from
    a class that does not exist. `work` has CLASSIFY_ROOM.
    """
    for s in range(BLOCK):
        work[CLASS + s] = y[0, start + min(s, count - 1)]
        work[LARGEST + s] = -math.inf
        work[OWN + s] = math.nan
        work[OTHERS + s] = 0.0
    for o in range(outputs):
        row, number = view(rows, o * step, SAMPLES), float(o)
        for s in range(BLOCK):
            work[LARGEST + s] = row[s] if row[s] > work[LARGEST + s] else work[LARGEST + s]
            work[OWN + s] = row[s] if work[CLASS + s] == number else work[OWN + s]
    for o in range(outputs):
        row, number = view(rows, o * step, SAMPLES), float(o)
        for s in range(BLOCK):
            power = exp(row[s] - work[LARGEST + s])
            # An output less itself is 0, or NaN if it is not finite.
            work[OTHERS + s] += (0.0 if work[CLASS + s] == number else power) + (row[s] - row[s])
            row[s] = power
    entropies = 0.0
    for s in range(count):
        apart, others = work[LARGEST + s] - work[OWN + s], work[OTHERS + s]
        # Where the own output is the largest, what the others add to 1 may be tiny.
        entropies += (
            math.log1p(others) if apart == 0.0 else apart + math.log(others + math.exp(-apart))
        )
    for s in range(BLOCK):
        work[OWN + s] = 1 / (work[OTHERS + s] + exp(work[OWN + s] - work[LARGEST + s]))
    for o in range(outputs):
        row, number = view(rows, o * step, SAMPLES), float(o)
        for s in range(BLOCK):
            row[s] = (-work[OTHERS + s] if work[CLASS + s] == number else row[s]) * work[OWN + s]
        fill(view(row, count, BLOCK - count), 0.0)
    return entropies
