"""Counts of every family against live parameters and each other; tests/docs holds their formulas to
the page.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import networks

from harness import families
from harness.count import count
from harness.families import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    MlpShape,
    RationalKanShape,
    RbfKanShape,
    SplineMlpShape,
)

EVERY_FAMILY = (
    MlpShape(shape=(2, 4, 1)),
    KanShape(shape=(2, 4, 1), grid=6),
    KanShape(shape=(2, 4, 1), grid=6, base=False, scales=True, bias=True),
    SplineMlpShape(shape=(2, 4, 1), grid=6),
    SplineMlpShape(shape=(2, 4, 1), grid=6, place="before"),
    RbfKanShape(shape=(2, 4, 1), grid=6),
    ChebyshevKanShape(shape=(2, 4, 1), degree=6),
    RationalKanShape(shape=(2, 4, 1)),
    MlpShape(shape=(2, 4, 1), activation="prelu"),
    MlpShape(shape=(2, 4, 1), activation="sine"),
    SplineMlpShape(shape=(2, 4, 1), grid=6, place="before", rank=3),
    FourierKanShape(shape=(2, 4, 1), harmonics=6),
)
FROZEN = KanShape(shape=(3, 4, 2), grid=6, order=5, base="frozen")
every_family = pytest.mark.parametrize("network", EVERY_FAMILY, ids=lambda network: network.family)
sizes = st.integers(1, 40)
shapes = st.lists(sizes, min_size=2, max_size=5).map(tuple)


def test_trainable_is_the_vector_that_is_trained_and_stored_what_a_lane_carries():
    for network in [*networks(), FROZEN]:
        generators, counts = [np.random.default_rng(0)], count(network)
        flat = families.initialise(network, generators, 1.0, torch.float64, "cpu")
        carried = network.draw_knots(generators, torch.float64, "cpu")
        untrained = 0 if network != FROZEN else 3 * 4 + 4 * 2
        assert counts["params.trainable"] == flat.numel() - untrained, network
        assert counts["params.stored"] == flat.numel() + sum(layer.numel() for layer in carried), (
            network
        )


@every_family
@given(inputs=sizes, hidden=sizes, more=st.integers(1, 5))
def test_counts_are_positive_and_grow_with_every_width(network, inputs, hidden, more):
    small = count(network.model_copy(update={"shape": (inputs, hidden, 1)}))
    for shape in (
        (inputs + more, hidden, 1),
        (inputs, hidden + more, 1),
        (inputs, hidden, 1 + more),
    ):
        larger = count(network.model_copy(update={"shape": shape}))
        for name, value in small.items():
            assert value > 0 or name == "flops_forward.matmul"
            assert larger[name] > value or (name == "flops_forward.matmul" and value == 0)


@given(shapes, sizes, st.integers(1, 5))
def test_conventions_are_ordered(shape, grid, order):
    """Counting less repetition never counts more: local_min <= shared_dense <= per_edge wherever G
    >= k.
    """
    counts = count(KanShape(shape=shape, grid=grid + order, order=order))
    assert counts["flops_forward.shared_dense"] <= counts["flops_forward.per_edge"]
    assert counts["flops_forward.local_min"] <= counts["flops_forward.shared_dense"]
    assert counts["flops_forward.matmul"] <= counts["flops_forward.local_min"]


def test_a_family_that_a_convention_does_not_define_has_no_such_key():
    counts = count(ChebyshevKanShape(shape=(2, 1), degree=3))
    assert {"params.paper", "params.kanbefair", "flops_forward.kanbefair"}.isdisjoint(counts)
