"""Wide layers: one product of all bases is the same function as the gathered coefficients, and lanes stay apart."""

from itertools import product

import numpy as np
import pytest
import torch
from networks import local
from test_networks import loss_and_gradient, start
from test_spline import KINDS, some_knots, some_samples

from harness.families import KanShape, update_knots
from harness.families.base import samples_last
from harness.families.wide import FEW_KNOTS

ORDERS = [1, 2, 3, 4, 5]
BASES = [True, False, "frozen"]
# Of the largest number.
TOLERANCES = {torch.float64: 1e-14, torch.float32: 5e-6}
ODD = [
    KanShape(shape=(7, 29, 3), grid=3, order=5, base=False, scales=True),
    KanShape(shape=(2, 7, 5, 6, 1), grid=3, order=3, bias=True),
    KanShape(shape=(3, 13, 10), grid=4, order=2, scales=True),
    KanShape(shape=(5, 33, 33), grid=5, order=1),
]


def some_network(order, base, scales, bias, kind, dtype, lanes, grid=7, outputs=40):
    """A network of one wide layer, its parameters, its knots, and samples inside and outside of them."""
    rng = np.random.default_rng([order, scales, bias, lanes])
    network = KanShape(shape=(3, outputs), grid=grid, order=order, base=base, scales=scales, bias=bias)
    assert all(map(network.is_wide, network.layers))
    shapes = network.parameter_shapes()
    parameters = {name: rng.normal(size=(lanes, *shape)) for name, shape in shapes.items()}
    knots = [some_knots(kind, order, inputs, rng, lanes, grid).to(dtype) for inputs in network.shape[:-1]]
    x = samples_last(some_samples(knots[0], rng).to(dtype).clamp(-9, 9).transpose(1, 2))
    return network, {name: torch.tensor(value, dtype=dtype) for name, value in parameters.items()}, knots, x


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_product_is_the_function_that_gathering_is(kind, order):
    for base, scales, bias, (dtype, lanes) in product(BASES, (0, 1), (0, 1), zip(TOLERANCES, (2, 3), strict=True)):
        network, parameters, knots, x = some_network(order, base, bool(scales), bool(bias), kind, dtype, lanes)
        trained = [value for name, value in parameters.items() if name.rpartition(".")[2] not in network.frozen_names]
        leaves = [x, *trained]
        for leaf in leaves:
            leaf.requires_grad_()
        probe_RON = torch.tensor(np.random.default_rng(0).normal(size=(lanes, 40, x.shape[-1])), dtype=dtype)
        found = []
        for evaluate in (KanShape.evaluate, local):
            y_RON = evaluate(network, parameters, knots, x)
            found.append([y_RON.detach(), *torch.autograd.grad(y_RON, leaves, probe_RON)])
        for own, peer in zip(*found, strict=True):
            assert (own - peer).abs().max() <= TOLERANCES[dtype] * peer.abs().max(), network


def test_searching_many_knots_is_counting_few():
    network, parameters, knots, x = some_network(3, True, False, False, "random", torch.float64, 2, 70, 75)
    assert knots[0].shape[-1] > FEW_KNOTS + 1
    own, peer = (evaluate(network, parameters, knots, x) for evaluate in (KanShape.evaluate, local))
    assert (own - peer).abs().max() <= 1e-12 * peer.abs().max()


@pytest.mark.parametrize("samples", [7, 250, pytest.param(1000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("network", ODD, ids=repr)
def test_a_lane_has_its_own_bits_wherever_it_stands(network, samples):
    flat, knots, x, y = start(network, 12, samples)
    _, knots = update_knots(network, flat, knots, x, 0.5, 0.01)
    for dtype in TOLERANCES:
        data = flat.to(dtype), [layer.to(dtype) for layer in knots], x.to(dtype), y.to(dtype)
        every = loss_and_gradient(network, *data)
        for lanes in ([0, 1], [3, 1], [7, 2, 11], [5, 4, 3, 2, 1]):
            few = data[0][lanes], [layer[lanes] for layer in data[1]], data[2][lanes], data[3][lanes]
            for own, among_all in zip(loss_and_gradient(network, *few), every, strict=True):
                assert torch.equal(own, among_all[lanes])
