"""KANs against pykan 0.2.8, with equal parameters and knots."""

import random
import warnings

import numpy as np
import pytest
import torch
from networks import begun

from harness.families import KanShape, forward, unflatten, update_knots


@pytest.fixture
def pykan():
    """The peer, with the global random states that it seeds put back afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kan

        yield kan
    np.random.set_state(numpy_state)  # noqa: NPY002
    random.setstate(python_state)


def start(network):
    flat, knots = begun(network)
    return flat + 0.1 * torch.tensor(np.random.default_rng(0).normal(size=flat.shape)), knots


def give(theirs, parameters, knots, layer, lane):
    """Our parameters put into a layer of pykan, whose coefficients are [I, O, C]."""
    theirs.grid.data = knots[layer][lane].clone()
    theirs.coef.data = parameters[f"layer{layer}.coef"][lane].transpose(1, 2).clone()
    theirs.scale_base.data = parameters[f"layer{layer}.base"][lane].clone()
    theirs.scale_sp.data = parameters[f"layer{layer}.scale"][lane].clone()
    theirs.mask.data = theirs.mask.data.to(torch.float64)


def their_network(pykan, network, flat, knots, lane, grid_eps=0.02):
    sizes = {"width": list(network.shape), "grid": network.grid, "k": network.order, "grid_eps": grid_eps}
    theirs = pykan.KAN(**sizes, auto_save=False, symbolic_enabled=False).double()
    parameters = unflatten(network, flat)
    for layer in range(len(network.shape) - 1):
        give(theirs.act_fun[layer], parameters, knots, layer, lane)
    return theirs


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("grid", [1, 3, 8])
@pytest.mark.parametrize("shape", [(1, 1), (3, 4)])
def test_a_layer_equals_pykans_inside_and_outside_the_grid(pykan, shape, grid, order):
    network = KanShape(shape=shape, grid=grid, order=order, scales=True)
    flat, knots = start(network)
    reach = 1 + order * 2 / grid
    on_knots = knots[0][0, 0]
    x_N = torch.cat([torch.linspace(-reach - 1, reach + 1, 301, dtype=torch.float64), on_knots])
    x = x_N[None, :, None].repeat(2, 1, shape[0])
    ours = forward(network, flat, knots, x)
    for lane in range(2):
        theirs = their_network(pykan, network, flat, knots, lane)(x[lane])
        assert (ours[lane] - theirs).abs().max() < 1e-12


@pytest.mark.parametrize("shape", [(2, 5, 1), (3, 2, 2, 1)])
def test_a_network_equals_pykans(pykan, shape):
    network = KanShape(shape=shape, grid=5, scales=True)
    flat, knots = start(network)
    flat.requires_grad_()
    x = torch.tensor(np.random.default_rng(1).uniform(-1.5, 1.5, (2, 100, shape[0])))
    ours = forward(network, flat, knots, x)
    (gradient,) = torch.autograd.grad(ours.square().sum(), flat)
    ours_by_name = unflatten(network, gradient)
    for lane in range(2):
        model = their_network(pykan, network, flat.detach(), knots, lane)
        theirs = model(x[lane])
        theirs.square().sum().backward()
        assert (ours[lane] - theirs).abs().max() < 1e-12
        for layer, act in enumerate(model.act_fun):
            scale = act.coef.grad.abs().max()
            theirs_by_name = {"coef": act.coef.grad.mT, "base": act.scale_base.grad, "scale": act.scale_sp.grad}
            for name, wanted in theirs_by_name.items():
                assert (ours_by_name[f"layer{layer}.{name}"][lane] - wanted).abs().max() < 1e-12 * scale


@pytest.mark.parametrize("grid_eps", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("samples", [100, 997])
def test_updated_knots_and_splines_equal_pykans(pykan, samples, grid_eps):
    network = KanShape(shape=(2, 3, 1), grid=7, scales=True)
    flat, knots = start(network)
    x = torch.tensor(np.random.default_rng(2).uniform(-1, 1, (2, samples, 2)))
    new_flat, new_knots = update_knots(network, flat, knots, x, grid_eps, 0.0)
    ours = forward(network, new_flat, new_knots, x)
    for lane in range(2):
        model = their_network(pykan, network, flat, knots, lane, grid_eps)
        model.update_grid_from_samples(x[lane])
        for layer, act in enumerate(model.act_fun):
            assert (new_knots[layer][lane] - act.grid).abs().max() < 1e-11
        assert (ours[lane] - model(x[lane])).abs().max() < 1e-10
