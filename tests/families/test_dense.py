"""The dense evaluator is the same function as the local one that trains, everywhere."""

from itertools import product

import every_basis as dense
import numpy as np
import pytest
import torch

from harness.families import KanShape
from harness.families.spline import extend_knots

ORDERS = [1, 2, 3, 5]
KINDS = ["uniform", "random", "repeated"]
PARTS = list(product((True, False), repeat=3))
GRID, LANES = 7, 2


def some_knots(kind, order, inputs, rng, lanes=LANES, grid=GRID):
    """Knots [R, I, T] whose domain is about [-1, 1]."""
    inner = {
        "uniform": np.broadcast_to(np.linspace(-1, 1, grid + 1), (lanes, inputs, grid + 1)),
        "random": rng.uniform(-1, 1, (lanes, inputs, grid + 1)),
        "repeated": rng.integers(-2, 3, (lanes, inputs, grid + 1)) / 2,
    }[kind]
    return extend_knots(torch.tensor(np.sort(inner)), order)


def some_samples(knots, rng):
    """Samples [R, I, N] on the knots, between them, and far beyond both ends."""
    free = torch.tensor(rng.uniform(-5, 5, (*knots.shape[:2], 200)))
    return torch.cat([free, knots, 1e3 * free[..., :5]], dim=-1)


def some_network(kind, order, base, scales, bias):
    """A network with knots of this kind, parameters of size 1 and samples."""
    rng = np.random.default_rng([order, base, scales, bias])
    network = KanShape(shape=(3, 4, 2), grid=GRID, order=order, base=base, scales=scales, bias=bias)
    shapes = network.parameter_shapes()
    parameters = {name: torch.tensor(rng.normal(size=(LANES, *shape))) for name, shape in shapes.items()}
    knots = [some_knots(kind, order, inputs, rng) for inputs in network.shape[:-1]]
    return network, parameters, knots, some_samples(knots[0], rng)


@pytest.mark.parametrize(("base", "scales", "bias"), PARTS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_evaluators_are_one_function(kind, order, base, scales, bias):
    """Outputs agree to 1e-12 of their size: on any knots, inside and outside of the grid, with any parts."""
    network, parameters, knots, x = some_network(kind, order, base, scales, bias)
    local = network.evaluate(parameters, knots, x)
    difference = dense.evaluate(network, parameters, knots, x) - local
    assert local.shape == (LANES, 2, x.shape[-1])
    assert (difference.abs() <= 1e-12 * (1 + local.abs())).all()
