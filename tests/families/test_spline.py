"""B-splines: against scipy and theory; the dense evaluator is the local one that trains, in wide
layers too.
"""

from itertools import product

import every_basis
import numpy as np
import pytest
import torch
from networks import local
from scipy.interpolate import BSpline

from harness.families import KanShape
from harness.families.base import samples_last
from harness.families.spline import (
    active_bases,
    design_matrix,
    extend_knots,
    fit_coefficients,
    knots_from_samples,
    spline_sum,
)
from harness.families.wide import FEW_KNOTS

ORDERS = [1, 2, 3, 4, 5]
KINDS = ["uniform", "random", "repeated"]
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


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_basis_equals_scipys_basis_element(kind, order):
    knots = some_knots(kind, order, 3, np.random.default_rng(order))
    x = some_samples(knots, np.random.default_rng(1))
    design = design_matrix(knots, x, order).numpy()
    for lane, knots_IT in enumerate(knots.numpy()):
        for node, knots_T in enumerate(knots_IT):
            samples = x[lane, node].numpy()
            for basis in range(design.shape[-1]):
                support = knots_T[basis : basis + order + 2]
                expected = np.zeros_like(samples)
                within = (support[0] <= samples) & (samples < support[-1])
                if within.any():
                    expected[within] = BSpline.basis_element(support)(samples[within])
                np.testing.assert_allclose(
                    design[lane, node, :, basis], expected, rtol=0, atol=1e-12
                )


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_of_every_degree_equal_scipys(order):
    knots = some_knots("random", order, 1, np.random.default_rng(order), lanes=1)
    coef = torch.tensor(np.random.default_rng(3).normal(size=(1, 1, 7 + order, 1)))
    low, high = knots[0, 0, order].item(), knots[0, 0, -order - 1].item()
    x = torch.linspace(low, high, 52, dtype=torch.float64)[1:-1].reshape(1, 1, -1).requires_grad_()
    spline = BSpline(knots[0, 0].numpy(), coef[0, 0, :, 0].numpy(), order)
    value = spline_sum(coef, active_bases(knots, x, order))
    for degree in range(1, order + 2):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        expected = (
            spline.derivative(degree)(x.detach().numpy())
            if degree <= order
            else 0 * x.detach().numpy()
        )
        scale = max(1.0, abs(expected).max())
        np.testing.assert_allclose(value.detach().numpy(), expected, rtol=0, atol=1e-10 * scale)


def test_least_squares_is_of_least_norm_in_every_batch_entry():
    rng = np.random.default_rng(6)
    design = rng.normal(size=(4, 3, 60, 20))
    design[..., 7] = design[..., 8]
    values = rng.normal(size=(4, 3, 60, 2))
    ours = fit_coefficients(torch.tensor(design), torch.tensor(values)).numpy()
    for entry in np.ndindex(4, 3):
        expected = np.linalg.lstsq(design[entry], values[entry], rcond=None)[0]
        np.testing.assert_allclose(ours[entry], expected, rtol=0, atol=1e-11)


def test_least_squares_confines_what_is_not_finite():
    rng = np.random.default_rng(7)
    design, values = (
        torch.tensor(rng.normal(size=(3, 1, 9, 4))),
        torch.tensor(rng.normal(size=(3, 1, 9, 2))),
    )
    clean = fit_coefficients(design, values)
    values[1, 0, 2, 1] = torch.inf
    broken = fit_coefficients(design, values)
    assert broken[1].isnan().all()
    assert torch.equal(broken[[0, 2]], clean[[0, 2]])


def test_constant_activations_give_zero_splines_and_no_nan():
    x = torch.full((2, 1, 40), 0.3, dtype=torch.float64, requires_grad=True)
    knots = knots_from_samples(x.detach(), 5, 3, grid_eps=0.02, margin=0.0)
    design = design_matrix(knots, x, 3)
    design.sum().backward()
    assert (design == 0).all()
    assert (x.grad == 0).all()


def some_network(kind, order, base, scales, bias):
    rng = np.random.default_rng([order, base, scales, bias])
    network = KanShape(shape=(3, 4, 2), grid=GRID, order=order, base=base, scales=scales, bias=bias)
    shapes = network.parameter_shapes()
    parameters = {
        name: torch.tensor(rng.normal(size=(LANES, *shape))) for name, shape in shapes.items()
    }
    knots = [some_knots(kind, order, inputs, rng) for inputs in network.shape[:-1]]
    return network, parameters, knots, some_samples(knots[0], rng)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_evaluators_are_one_function(kind, order):
    for base, scales, bias in product((True, False), repeat=3):
        network, parameters, knots, x = some_network(kind, order, base, scales, bias)
        local = network.evaluate(parameters, knots, x)
        difference = every_basis.evaluate(network, parameters, knots, x) - local
        assert local.shape == (LANES, 2, x.shape[-1])
        assert (difference.abs() <= 1e-12 * (1 + local.abs())).all(), network


BASES = [True, False, "frozen"]
# Of the largest number.
TOLERANCES = {torch.float64: 1e-14, torch.float32: 5e-6}


def some_wide_network(order, base, scales, bias, kind, dtype, lanes, grid=7, outputs=40):
    """A network of one wide layer, its parameters, its knots, and samples inside and outside of
    them.
    """
    rng = np.random.default_rng([order, scales, bias, lanes])
    network = KanShape(
        shape=(3, outputs), grid=grid, order=order, base=base, scales=scales, bias=bias
    )
    assert all(map(network.is_wide, network.layers))
    shapes = network.parameter_shapes()
    parameters = {name: rng.normal(size=(lanes, *shape)) for name, shape in shapes.items()}
    knots = [
        some_knots(kind, order, inputs, rng, lanes, grid).to(dtype) for inputs in network.shape[:-1]
    ]
    x = samples_last(some_samples(knots[0], rng).to(dtype).clamp(-9, 9).transpose(1, 2))
    return (
        network,
        {name: torch.tensor(value, dtype=dtype) for name, value in parameters.items()},
        knots,
        x,
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_product_is_the_function_that_gathering_is(kind, order):
    for base, scales, bias, (dtype, lanes) in product(
        BASES, (0, 1), (0, 1), zip(TOLERANCES, (2, 3), strict=True)
    ):
        network, parameters, knots, x = some_wide_network(
            order, base, bool(scales), bool(bias), kind, dtype, lanes
        )
        trained = [
            value
            for name, value in parameters.items()
            if name.rpartition(".")[2] not in network.frozen_names
        ]
        leaves = [x, *trained]
        for leaf in leaves:
            leaf.requires_grad_()
        probe_RON = torch.tensor(
            np.random.default_rng(0).normal(size=(lanes, 40, x.shape[-1])), dtype=dtype
        )
        found = []
        for evaluate in (KanShape.evaluate, local):
            y_RON = evaluate(network, parameters, knots, x)
            found.append([y_RON.detach(), *torch.autograd.grad(y_RON, leaves, probe_RON)])
        for own, peer in zip(*found, strict=True):
            assert (own - peer).abs().max() <= TOLERANCES[dtype] * peer.abs().max(), network


def test_searching_many_knots_is_counting_few():
    network, parameters, knots, x = some_wide_network(
        3, True, False, False, "random", torch.float64, 2, 70, 75
    )
    assert knots[0].shape[-1] > FEW_KNOTS + 1
    own, peer = (evaluate(network, parameters, knots, x) for evaluate in (KanShape.evaluate, local))
    assert (own - peer).abs().max() <= 1e-12 * peer.abs().max()
