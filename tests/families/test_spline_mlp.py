"""MLPs with splines: against scipy, and what moving knots and raising G keep. Lanes: see test_networks."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from test_ladder import LANES, start, uneven

from harness.families import SplineMlpShape, forward, initialise, unflatten, update_knots
from harness.families.spline import design_matrix

ORDERS = [1, 2, 3, 4, 5]
PLACES = ["after", "before"]
both_places = pytest.mark.parametrize("place", PLACES)


def scipy_spline(knots, coef, order, x):
    """scipy's spline within all its knots, where k more without coefficients stand on each side, and 0 elsewhere."""
    steps, zeros = np.arange(1, order + 1), np.zeros(order)
    all_knots = np.concatenate([knots[0] - steps[::-1], knots, knots[-1] + steps])
    values = BSpline(all_knots, np.concatenate([zeros, coef, zeros]), order)(x)
    return np.where((x >= knots[0]) & (x < knots[-1]), values, 0.0)


def scipy_network(network, parts, knots, lane, x):
    """[N, O] of one lane, node by node."""
    h, depth = x[lane].numpy(), len(network.shape) - 1

    def activate(layer, h):
        coef, own = parts[f"layer{layer}.coef"][lane].numpy(), knots[layer][lane].numpy()
        return np.stack([scipy_spline(*node, network.order, row) for *node, row in zip(own, coef, h.T, strict=True)], 1)

    for layer in range(depth):
        h = activate(layer, h) if network.place == "before" else h
        h = h @ parts[f"layer{layer}.weight"][lane].numpy() + parts[f"layer{layer}.bias"][lane].numpy()
        h = activate(layer, h) if network.place == "after" and layer < depth - 1 else h
    return h


@both_places
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["uniform", "uneven"])
def test_the_network_is_linear_maps_and_splines_of_scipy(kind, order, place):
    for shape, grid in product([(1, 1), (2, 5, 1), (3, 4, 5, 2)], [1, 5]):
        network = SplineMlpShape(shape=shape, grid=grid, order=order, place=place)
        flat, knots, x = start(network, 100, spread=3.0)
        knots = uneven(network) if kind == "uneven" else knots
        out, parts = forward(network, flat, knots, x), unflatten(network, flat)
        for lane in range(LANES):
            expected = scipy_network(network, parts, knots, lane, x)
            assert np.abs(out[lane].numpy() - expected).max() < 1e-12 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("order", ORDERS)
def test_initial_splines_are_the_smallest_through_noise_at_the_knots(order):
    """As KANbeFair's: U(+-noise / 2G) at the G + 1 knots of the domain, and the least norm of coefficients."""
    network = SplineMlpShape(shape=(3, 400, 1), grid=5, order=order, noise=0.4, low=-2.0, high=3.0)
    generators = [np.random.default_rng(0)]
    parts = unflatten(network, initialise(network, generators, 1.0, torch.float64, "cpu"))
    (knots,) = network.initial_knots(1, torch.float64, "cpu")
    coef = parts["layer0.coef"][0]
    design = design_matrix(knots[:, :1], knots[:, :1, order:-order], order)[0, 0]
    values = coef @ design.T
    assert values.abs().max() <= 0.04 * (1 + 1e-12)
    assert values.std().item() == pytest.approx(0.08 / np.sqrt(12), rel=0.05)
    assert torch.allclose(coef, values @ torch.linalg.pinv(design).T, rtol=0, atol=1e-15)


@both_places
def test_update_takes_knots_to_the_activations(place):
    """With grid_eps=1 every domain is the range of what its spline is given, widened by the margin on each side."""
    network = SplineMlpShape(shape=(2, 4, 1), grid=6, place=place)
    flat, knots, x = start(network, 300)
    new_flat, new_knots = update_knots(network, flat, knots, x, 1.0, 0.25)
    parts = unflatten(network, new_flat)
    given = x
    if place == "before":
        splines = design_matrix(new_knots[0], x.transpose(1, 2), 3) @ parts["layer0.coef"][..., None]
        assert torch.allclose(new_knots[0][..., 3], x.amin(1) - 0.25, rtol=0, atol=1e-14)
        given = splines[..., 0].transpose(1, 2)
    given = given @ parts["layer0.weight"] + parts["layer0.bias"][:, None]
    assert torch.allclose(new_knots[-1][..., 3], given.amin(1) - 0.25, rtol=0, atol=1e-13)
    assert torch.allclose(new_knots[-1][..., -4], given.amax(1) + 0.25, rtol=0, atol=1e-13)
    for name in ("layer0.weight", "layer0.bias", "layer1.weight", "layer1.bias"):
        assert torch.equal(parts[name], unflatten(network, flat)[name])
