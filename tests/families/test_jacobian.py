"""The Jacobian: what autograd gives row by row, for every family, and each lane's own bits."""

import numpy as np
import pytest
import torch
from networks import SHAPES, networks

from harness.families import (
    KanShape,
    MlpShape,
    SplineMlpShape,
    forward,
    initialise,
    parameter_count,
    residual_jacobian,
    update_knots,
)
from harness.optimisers import LevenbergMarquardt

EVERY = networks(shapes=(SHAPES[0], SHAPES[2]))
FEW = [
    *(MlpShape(shape=(2, 5, 1), activation=name) for name in ("silu", "relu", "tanh", "gelu")),
    *(SplineMlpShape(shape=(3, 4, 4, 2), grid=4, order=5, place=place, noise=4.0) for place in ("after", "before")),
    KanShape(shape=(2, 5, 1), grid=5),
    KanShape(shape=(3, 4, 4, 2), grid=4, scales=True, bias=True),
]


def start(network, lanes, samples):
    """Parameters, knots that are not uniform, and samples, some of them outside of the grid."""
    generators = [np.random.default_rng(lane) for lane in range(lanes)]
    flat = initialise(network, generators, 1.0, torch.float64, "cpu")
    flat = flat + torch.tensor(np.stack([rng.normal(size=flat.shape[1]) for rng in generators])) / 8
    x = torch.tensor(np.stack([rng.uniform(-1.2, 1.2, (samples, network.shape[0])) for rng in generators]))
    knots = network.draw_knots(generators, torch.float64, "cpu")
    return *update_knots(network, flat, knots, 0.9 * x, 0.5, 0.0), x


def by_autograd(network, flat, knots, x):
    """Row by row, of all lanes at once."""
    flat = flat.clone().requires_grad_()
    outputs_RK = forward(network, flat, knots, x).transpose(1, 2).flatten(1)
    rows = [torch.autograd.grad(outputs_R.sum(), flat, retain_graph=True)[0] for outputs_R in outputs_RK.unbind(1)]
    return torch.stack(rows, 1)


def distance(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max()


def test_every_row_is_that_of_autograd():
    for network in EVERY:
        if network.without_levenberg():
            continue
        flat, knots, x = start(network, 3, 5)
        outputs, jacobian = residual_jacobian(network, flat, knots, x)
        assert jacobian.shape == (3, 5 * network.shape[-1], parameter_count(network)), network
        assert torch.equal(outputs, forward(network, flat, knots, x)), network
        for own, peer in zip(jacobian, by_autograd(network, flat, knots, x), strict=True):
            assert distance(own, peer) < 1e-12, network


def test_nothing_is_left_for_autograd():
    flat, knots, x = start(FEW[-1], 2, 7)
    flat.requires_grad_()
    outputs, jacobian = residual_jacobian(FEW[-1], flat, knots, x)
    assert not outputs.requires_grad
    assert not jacobian.requires_grad
    assert flat.grad is None


@pytest.mark.parametrize("order", range(1, 6))
def test_a_row_has_as_many_numbers_as_are_counted(order):
    """Of a spline's G+k coefficients an output depends on k+1: `local_min` skips what multiplies the other numbers."""
    network = KanShape(shape=(2, 3, 1), grid=9, order=order, scales=True, bias=True, low=-10.0, high=10.0)
    flat = initialise(network, [np.random.default_rng(0)] * 2, 1.0, torch.float64, "cpu")
    x = torch.tensor(np.random.default_rng(1).uniform(-1, 1, (2, 20, 2)))
    _, jacobian = residual_jacobian(network, flat, network.initial_knots(2, torch.float64, "cpu"), x)

    rows = (jacobian != 0).sum(-1)
    assert (rows == network.active_parameters).all()
    # Of J^T J the half that is computed, 2 a pair of numbers of a row, and of J^T r.
    every, active = ((row * (row + 1) + 2 * row).sum() for row in (torch.ones_like(jacobian[0]).sum(-1), rows[0]))
    optimiser = LevenbergMarquardt(name="levenberg_marquardt", ridge=1e-9)
    assert optimiser.flops_on_zeros(network, 20, evaluations=3) == 3 * (every - active)
