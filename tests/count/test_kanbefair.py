"""KANbeFair's released table, recounted by its own formulas, parameters and FLOPs."""

from itertools import pairwise

import pytest

from harness.count import count, kanbefair
from harness.families import KanShape, MlpShape, SplineMlpShape

# Of the released table, whose 21,030 rows were all recounted: a row of each order, shortcut and
# activation, and of several hidden layers. (shape, grid with order and shortcut or the MLP's
# activation, parameters, FLOPs).
RELEASED = [
    ((2352, 8, 10), (10, 2, "identity"), 283_458, 4_761_792),
    ((2352, 2, 10), (3, 2, "silu"), 37_804, 540_858),
    ((784, 16, 47), (3, 2, "zero"), 93_135, 1_462_560),
    ((57, 4, 2), (10, 3, "identity"), 3782, 96_052),
    ((2, 5, 5, 1), (10, 3, "silu"), 651, 16_340),
    ((2352, 4, 100), (5, 3, "zero"), 98_184, 2_550_080),
    ((784, 2, 37), (10, 5, "identity"), 29_595, 1_310_316),
    ((784, 2, 10), (10, 5, "silu"), 28_596, 1_271_154),
    ((2352, 8, 10), (10, 5, "zero"), 321_250, 15_041_216),
    ((2, 5, 5, 5, 1), (20, 5, "silu"), 1836, 82_505),
    ((2, 5, 5, 1), (50, 5, "zero"), 2291, 107_040),
    ((2, 100, 100, 100, 1), "gelu", 20_601, 44_814),
    ((16, 64, 2), "relu", 1218, 2370),
]


@pytest.mark.parametrize(("shape", "kind", "parameters", "flops"), RELEASED)
def test_released_rows_reproduce(shape, kind, parameters, flops):
    if isinstance(kind, str):
        assert kanbefair.mlp_parameters(shape) == parameters
        assert sum(kanbefair.mlp_layer_flops(*pair, kind) for pair in pairwise(shape)) == flops
    else:
        assert kanbefair.kan_parameters(shape, *kind) == parameters
        assert sum(kanbefair.kan_layer_flops(*pair, *kind) for pair in pairwise(shape)) == flops


@pytest.mark.parametrize("shape", [(16, 32, 8), (2, 5, 5, 1)])
def test_the_convention_is_the_formula(shape):
    pairs = list(pairwise(shape))
    with_base, without = (
        count(KanShape(shape=shape, grid=5)),
        count(KanShape(shape=shape, grid=5, base=False)),
    )
    spline = count(SplineMlpShape(shape=shape, grid=5))
    before = count(SplineMlpShape(shape=shape, grid=5, place="before"))
    assert with_base["params.kanbefair"] == kanbefair.kan_parameters(shape, 5, 3, "silu")
    assert without["params.kanbefair"] == kanbefair.kan_parameters(shape, 5, 3, "zero")
    assert without["flops_forward.kanbefair"] == sum(
        kanbefair.kan_layer_flops(*pair, 5, 3, "zero") for pair in pairs
    )
    assert count(MlpShape(shape=shape))["params.kanbefair"] == kanbefair.mlp_parameters(shape)
    assert spline["params.kanbefair"] - spline["params.trainable"] == 8 * shape[-1]
    assert before["params.kanbefair"] == before["params.trainable"]
    assert before["flops_forward.kanbefair"] - before["flops_forward.matmul"] == sum(shape[:-1]) * (
        9 * 27 + 15
    )


def test_what_the_formula_says_of_an_edge():
    """204 FLOPs an edge at G = 3, k = 3 with shortcut: the number that the KAT and FlashKAT papers
    quote.
    """
    assert kanbefair.kan_layer_flops(1000, 1000, 3, 3, "identity") == 204 * 1000**2
