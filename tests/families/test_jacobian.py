"""The Jacobian, and gradients and Laplacians carried forward: what autograd gives, for every
family.
"""

from itertools import product

import numpy as np
import pytest
import torch
from networks import SHAPES, begun, networks

from harness import families
from harness.families.jets import forward_laplacian
from harness.optimisers import LevenbergMarquardt

EVERY = networks(shapes=(SHAPES[0], SHAPES[2]))
FEW = [
    *(
        families.MlpShape(shape=(2, 5, 1), activation=name)
        for name in ("silu", "relu", "tanh", "gelu")
    ),
    *(
        families.SplineMlpShape(shape=(3, 4, 4, 2), grid=4, order=5, place=place, noise=4.0)
        for place in ("after", "before")
    ),
    families.KanShape(shape=(2, 5, 1), grid=5),
    families.KanShape(shape=(3, 4, 4, 2), grid=4, scales=True, bias=True),
]


def start(network, lanes, samples):
    """Parameters, knots that are not uniform, and samples, some of them outside of the grid."""
    (flat, knots), rng = begun(network, lanes), np.random.default_rng(0)
    flat = flat + torch.tensor(rng.normal(size=flat.shape)) / 8
    x = torch.tensor(rng.uniform(-1.2, 1.2, (lanes, samples, network.shape[0])))
    return *families.update_knots(network, flat, knots, 0.9 * x, 0.5, 0.0), x


def by_autograd(network, flat, knots, x):
    """Row by row, of all lanes at once."""
    flat = flat.clone().requires_grad_()
    outputs_RK = families.forward(network, flat, knots, x).transpose(1, 2).flatten(1)
    rows = [
        torch.autograd.grad(outputs_R.sum(), flat, retain_graph=True)[0]
        for outputs_R in outputs_RK.unbind(1)
    ]
    return torch.stack(rows, 1)


def distance(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max()


def test_every_row_is_that_of_autograd():
    for network in EVERY:
        if network.without_levenberg():
            continue
        flat, knots, x = start(network, 3, 5)
        outputs, jacobian = families.residual_jacobian(network, flat, knots, x)
        assert jacobian.shape == (3, 5 * network.shape[-1], families.parameter_count(network)), (
            network
        )
        assert torch.equal(outputs, families.forward(network, flat, knots, x)), network
        for own, peer in zip(jacobian, by_autograd(network, flat, knots, x), strict=True):
            assert distance(own, peer) < 1e-12, network


def test_nothing_is_left_for_autograd():
    flat, knots, x = start(FEW[-1], 2, 7)
    flat.requires_grad_()
    outputs, jacobian = families.residual_jacobian(FEW[-1], flat, knots, x)
    assert not outputs.requires_grad
    assert not jacobian.requires_grad
    assert flat.grad is None


@pytest.mark.parametrize("order", range(1, 6))
def test_a_row_has_as_many_numbers_as_are_counted(order):
    """Of a spline's G+k coefficients an output depends on k+1: `local_min` skips what multiplies
    the other numbers.
    """
    network = families.KanShape(
        shape=(2, 3, 1), grid=9, order=order, scales=True, bias=True, low=-10.0, high=10.0
    )
    x = torch.tensor(np.random.default_rng(1).uniform(-1, 1, (2, 20, 2)))
    _, jacobian = families.residual_jacobian(network, *begun(network), x)

    rows = (jacobian != 0).sum(-1)
    assert (rows == network.active_parameters).all()
    # Of J^T J the half that is computed, 2 a pair of numbers of a row, and of J^T r.
    every, active = (
        (row * (row + 1) + 2 * row).sum() for row in (torch.ones_like(jacobian[0]).sum(-1), rows[0])
    )
    optimiser = LevenbergMarquardt(name="levenberg_marquardt", ridge=1e-9)
    assert optimiser.flops_on_zeros(network, 20, evaluations=3) == 3 * (every - active)


SMOOTH = [(2, 5, 1), (1, 3, 1), (3, 4, 4, 2)]
MLPS = [
    families.MlpShape(shape=shape, activation=name)
    for shape, name in product(SMOOTH, ("silu", "tanh", "gelu"))
]
KANS = [
    families.KanShape(shape=shape, grid=4, order=order, base=base, scales=base, bias=not base)
    for shape, order, base in product(SMOOTH, (3, 4, 5), (False, True))
]
WAVES = [
    families.MlpShape(
        shape=shape, activation=name, features=features, features_sigma=0.3, omega_0=6
    )
    for shape, (name, features) in product(SMOOTH[::2], (("sine", None), ("sine", 4), ("tanh", 1)))
]


def twice_by_autograd(network, flat, knots, x):
    """Values, gradients and Laplacians, [R, N, O] and the like, by differentiating twice by the
    inputs.
    """
    x = x.clone().requires_grad_()
    values = families.forward(network, flat, knots, x)
    gradients, laplacians = [], []
    for output in values.unbind(2):
        (gradient,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        bends = [
            torch.autograd.grad(gradient[..., i].sum(), x, create_graph=True)[0][..., i]
            for i in range(x.shape[2])
        ]
        gradients.append(gradient)
        laplacians.append(sum(bends))
    return values, torch.stack(gradients, 2), torch.stack(laplacians, 2)


@pytest.mark.parametrize("network", MLPS + KANS + WAVES, ids=repr)
def test_everything_is_that_of_nested_autograd(network):
    flat, knots, x = start(network, 3, 7)
    flat = flat.clone().requires_grad_()
    both = []
    for found in (
        forward_laplacian(network, flat, knots, x),
        twice_by_autograd(network, flat, knots, x),
    ):
        total = sum(part.square().sum() for part in found)
        both.append([*(part.detach() for part in found), torch.autograd.grad(total, flat)[0]])
    for own, peer in zip(*both, strict=True):
        assert distance(own, peer) < 1e-10


def test_kinks_leave_nothing_in_a_laplacian():
    """Splines of order 1 have none; of order 2 they jump at knots, and are right-continuous
    there.
    """
    straight, network = (
        families.KanShape(shape=(1, 1), grid=4, order=order, base=False) for order in (1, 2)
    )
    assert not forward_laplacian(straight, *start(straight, 2, 9))[2].any()
    flat, knots, _ = start(network, 2, 9)
    at = knots[0][:, 0, 3:5, None]
    right, here, left = (
        forward_laplacian(network, flat, knots, at + shift)[2] for shift in (1e-9, 0.0, -1e-9)
    )
    torch.testing.assert_close(here, right, rtol=1e-6, atol=1e-6)
    assert (here - left).abs().min() > 1e-3
