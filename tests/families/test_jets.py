"""Gradients and Laplacians carried forward: what nested autograd gives, for every family, and each lane's own bits."""

from itertools import product

import pytest
import torch

from harness.families import KanShape, MlpShape, forward
from harness.families.jets import forward_laplacian
from tests.families.test_jacobian import distance, start

SHAPES = [(2, 5, 1), (1, 3, 1), (3, 4, 4, 2)]
MLPS = [MlpShape(shape=shape, activation=name) for shape, name in product(SHAPES, ("silu", "tanh", "gelu"))]
KANS = [
    KanShape(shape=shape, grid=4, order=order, base=base, scales=base, bias=not base)
    for shape, order, base in product(SHAPES, (3, 4, 5), (False, True))
]
WAVES = [
    MlpShape(shape=shape, activation=name, features=features, features_sigma=0.3, omega_0=6)
    for shape, (name, features) in product(SHAPES[::2], (("sine", None), ("sine", 4), ("tanh", 1)))
]


def by_autograd(network, flat, knots, x):
    """Values, gradients and Laplacians, [R, N, O] and the like, by differentiating twice by the inputs."""
    x = x.clone().requires_grad_()
    values = forward(network, flat, knots, x)
    gradients, laplacians = [], []
    for output in values.unbind(2):
        (gradient,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        bends = [
            torch.autograd.grad(gradient[..., i].sum(), x, create_graph=True)[0][..., i] for i in range(x.shape[2])
        ]
        gradients.append(gradient)
        laplacians.append(sum(bends))
    return values, torch.stack(gradients, 2), torch.stack(laplacians, 2)


@pytest.mark.parametrize("network", MLPS + KANS + WAVES, ids=repr)
def test_everything_is_that_of_nested_autograd(network):
    flat, knots, x = start(network, 3, 7)
    flat = flat.clone().requires_grad_()
    both = []
    for found in (forward_laplacian(network, flat, knots, x), by_autograd(network, flat, knots, x)):
        total = sum(part.square().sum() for part in found)
        both.append([*(part.detach() for part in found), torch.autograd.grad(total, flat)[0]])
    for own, peer in zip(*both, strict=True):
        assert distance(own, peer) < 1e-10


def test_kinks_leave_nothing_in_a_laplacian():
    """Splines of order 1 have none; of order 2 they jump at knots, and are right-continuous there."""
    flat, knots, x = start(KanShape(shape=(1, 1), grid=4, order=1, base=False), 2, 9)
    assert not forward_laplacian(KanShape(shape=(1, 1), grid=4, order=1, base=False), flat, knots, x)[2].any()
    network = KanShape(shape=(1, 1), grid=4, order=2, base=False)
    flat, knots, _ = start(network, 2, 9)
    at = knots[0][:, 0, 3:5, None]
    right, here, left = (forward_laplacian(network, flat, knots, at + shift)[2] for shift in (1e-9, 0.0, -1e-9))
    torch.testing.assert_close(here, right, rtol=1e-6, atol=1e-6)
    assert (here - left).abs().min() > 1e-3
