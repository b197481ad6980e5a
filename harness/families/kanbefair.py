"""The formulas of KANbeFair's released code (Yu et al. 2024, arXiv 2407.16674), exactly, to replay
its axes.

They count Cox-de Boor on every edge, an activation on the output layer too, and one parameter an
edge more than its KANs have. All 21,030 released rows reproduce (tests/count/test_kanbefair.py).
"""

from collections.abc import Sequence
from itertools import pairwise

from harness.families.prices import KANBEFAIR

ACTIVATIONS = {"zero": 0, "identity": 0, **KANBEFAIR}


def kan_parameters(shape: Sequence[int], grid: int, order: int, shortcut: str = "silu") -> int:
    """E (G + k + 2) + O a layer, and E more if there is a shortcut."""
    per_edge = grid + order + 2 + (shortcut != "zero")
    return sum(inputs * outputs * per_edge + outputs for inputs, outputs in pairwise(shape))


def mlp_parameters(shape: Sequence[int]) -> int:
    """O (I + 1) a layer."""
    return sum(outputs * (inputs + 1) for inputs, outputs in pairwise(shape))


def spline_mlp_parameters(shape: Sequence[int], grid: int, order: int, before: bool = False) -> int:
    """An MLP's, and G + k a spline: one an output (BSpline_MLP), of the last layer too, where their
    networks have none.

    `before` the linear maps it is one an input (BSpline_First_MLP).
    """
    nodes = shape[:-1] if before else shape[1:]
    return mlp_parameters(shape) + sum(nodes) * (grid + order)


def kan_layer_flops(
    inputs: int, outputs: int, grid: int, order: int, shortcut: str = "silu"
) -> int:
    """E (9 k (G + 1.5 k) + 2 G - 2.5 k + 1), and with a shortcut 2 E and its activation an input
    more.
    """
    splines = inputs * outputs * (_recursion(grid, order) + 2 * (grid + order) + 1)
    return splines + (
        ACTIVATIONS[shortcut] * inputs + 2 * inputs * outputs if shortcut != "zero" else 0
    )


def mlp_layer_flops(inputs: int, outputs: int, activation: str) -> int:
    """2 E and an activation an output, on the last layer too."""
    return 2 * inputs * outputs + ACTIVATIONS[activation] * outputs


def spline_mlp_layer_flops(
    inputs: int, outputs: int, grid: int, order: int, before: bool = False
) -> int:
    """2 E and a spline an output, on the last layer too; or an input, `before` the map."""
    return 2 * inputs * outputs + (inputs if before else outputs) * (
        _recursion(grid, order) + 2 * (grid + order) - 1
    )


def _recursion(grid: int, order: int) -> int:
    """9 k (G + 1.5 k) - 4.5 k, which is a whole number for every k."""
    return 9 * order * (2 * grid + 3 * order - 1) // 2
