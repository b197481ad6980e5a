"""The benchmarks time the same computation: every exact peer makes our loss, from our parameters."""

import numpy as np
import pytest

from benchmarks.implementations import DENSE, FUSED, PYKAN, TORCH, dense, fused, initial, of_mlp, pykan
from benchmarks.implementations import batched as in_lanes
from harness.spec import KanShape, MlpShape

pytestmark = pytest.mark.slow
X = np.random.default_rng(0).uniform(-1, 1, (200, 2))
Y = np.exp(np.sin(np.pi * X[:, :1]) + X[:, 1:] ** 2)


@pytest.mark.parametrize("grid", [5, 50])
def test_everybody_computes_the_same_loss_of_a_kan(grid):
    """pykan, a dense evaluation and both engines, to 1e-10."""
    network = KanShape(shape=(2, 5, 1), grid=grid)
    flat = initial(network)
    makers = {FUSED: fused, TORCH: in_lanes, PYKAN: pykan, DENSE: dense}

    losses = {name: make(network, flat, X, Y).evaluate() for name, make in makers.items()}

    for name, loss in losses.items():
        assert loss == pytest.approx(losses[FUSED], rel=1e-10), name


def test_everybody_computes_the_same_loss_of_an_mlp():
    """torch's modules and the compiled kernels, to 1e-12."""
    network = MlpShape(shape=(2, 9, 9, 1))
    losses = [one.evaluate() for one in of_mlp(network, initial(network), X, Y).values()]

    assert len(losses) >= 2
    assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-12)
