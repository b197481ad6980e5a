"""Counts: closed forms against the notes' reference, live parameters, and each other."""

import importlib.util
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import nets
from harness.count import FLOPS_CONVENTIONS, KANBEFAIR_WEIGHTS, Work, count, layer_flops, training_flops
from harness.spec import KanShape, MlpShape

REFERENCE = Path(__file__).parents[2] / "shared" / "notes" / "accounting_ref.py"
SHAPES = [(1, 1), (2, 5, 1), (4, 2, 2, 1), (16, 32, 8)]
sizes = st.integers(1, 40)
shapes = st.lists(sizes, min_size=2, max_size=5).map(tuple)


@pytest.fixture(scope="module")
def reference():
    """The closed forms of the accounting notes, an independent implementation."""
    if not REFERENCE.exists():
        pytest.skip(f"{REFERENCE.name} is not on this machine")
    spec = importlib.util.spec_from_file_location("accounting_ref", REFERENCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grid", [1, 3, 5, 50])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("scales", [False, True])
def test_kan_counts_equal_the_reference(reference, shape, grid, order, scales):
    """Parameters and forward FLOPs of a KAN are the notes' formulas, which count a scale's multiply per edge only."""
    counts = count(KanShape(shape=shape, grid=grid, order=order, scales=scales))
    edges = sum(a * b for a, b in pairwise(shape))
    scale = edges if scales else 0

    assert counts["params.trainable"] == reference.p_bspline(shape, grid, order, sp=scales)
    assert counts["params.paper"] == reference.p_kan_paper(shape, grid)
    assert counts["flops_forward.per_edge"] == reference.f_bspline(shape, grid, order, "per_edge") - edges + scale
    assert counts["flops_forward.shared_dense"] == reference.f_bspline(shape, grid, order, "shared_dense") + scale
    assert counts["flops_forward.local_min"] == reference.f_bspline(shape, grid, order, "local") + scale


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", KANBEFAIR_WEIGHTS)
def test_mlp_counts_equal_the_reference(reference, shape, activation):
    """An MLP has one forward count under every convention, and no activation on its output."""
    counts = count(MlpShape(shape=shape, activation=activation))

    assert counts["params.trainable"] == reference.p_mlp(shape)
    assert counts["params.paper"] == reference.p_mlp_paper(shape)
    for convention in FLOPS_CONVENTIONS:
        assert counts[f"flops_forward.{convention}"] == reference.f_mlp(shape, KANBEFAIR_WEIGHTS[activation])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize("scales", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_trainable_is_what_the_live_kan_has(shape, base, scales, bias):
    """Trainable parameters equal the width of the flat vector that is trained."""
    network = KanShape(shape=shape, grid=4, order=2, base=base, scales=scales, bias=bias)
    flat = nets.initialise(network, [np.random.default_rng(0)], 1.0, torch.float64, "cpu")

    assert count(network)["params.trainable"] == flat.shape[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_trainable_is_what_torch_linear_layers_have(shape):
    """Trainable parameters of an MLP equal the numel of a stack of torch.nn.Linear."""
    layers = [torch.nn.Linear(a, b) for a, b in pairwise(shape)]

    assert count(MlpShape(shape=shape))["params.trainable"] == sum(p.numel() for m in layers for p in m.parameters())


@given(shapes, sizes, st.integers(1, 5), st.booleans())
def test_counts_grow_with_every_size(shape, grid, order, base):
    """Positive, and more for a finer grid or one more hidden node."""
    small = count(KanShape(shape=shape, grid=grid, order=order, base=base))
    finer = count(KanShape(shape=shape, grid=grid + 1, order=order, base=base))
    wider = count(KanShape(shape=(shape[0] + 1, *shape[1:]), grid=grid, order=order, base=base))

    assert all(value > 0 for value in small.values())
    assert all(wider[name] > value for name, value in small.items())
    assert all(finer[n] > v for n, v in small.items() if n != "flops_forward.local_min")
    assert finer["flops_forward.local_min"] == small["flops_forward.local_min"]


@given(shapes, shapes, sizes, st.integers(1, 5))
def test_counts_add_over_layers(left, right, grid, order):
    """A KAN joined from two has the sum of their counts."""
    joined = (*left, *right[1:])
    right = (left[-1], *right[1:])
    whole, *parts = (count(KanShape(shape=shape, grid=grid, order=order)) for shape in (joined, left, right))

    assert whole == {name: parts[0][name] + parts[1][name] for name in whole}


@given(shapes, sizes, st.integers(1, 5))
def test_conventions_are_ordered(shape, grid, order):
    """Counting less repetition never counts more: local_min <= shared_dense <= per_edge wherever G >= k."""
    counts = count(KanShape(shape=shape, grid=grid + order, order=order))

    assert counts["flops_forward.shared_dense"] <= counts["flops_forward.per_edge"]
    assert counts["flops_forward.local_min"] <= counts["flops_forward.shared_dense"]


def test_training_is_twice_the_first_layer_and_three_times_the_rest():
    """The first layer's input needs no gradient; work adds over stages."""
    network = MlpShape(shape=(2, 8, 8, 1))
    first, *rest = layer_flops(network, "shared_dense")

    once = training_flops([Work(network, 10, 100)])
    twice = training_flops([Work(network, 4, 100), Work(network, 6, 100)])

    assert once == twice
    assert once["flops_train.shared_dense"] == 1000 * (2 * first + 3 * sum(rest))
    assert math.isclose(once["flops_train.local_min"], once["flops_train.per_edge"])
