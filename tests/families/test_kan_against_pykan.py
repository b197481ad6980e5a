"""KANs against pykan 0.2.8, with equal parameters and knots."""

import random
import warnings

import numpy as np
import pytest
import torch
from networks import begun

from harness.families import KanShape, forward, of_layer, unflatten, update_knots


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


def their_network(pykan, network, flat, knots, lane, grid_eps=0.02):
    """With our parameters, of which their coefficients are [I, O, C]."""
    sizes = {
        "width": list(network.shape),
        "grid": network.grid,
        "k": network.order,
        "grid_eps": grid_eps,
    }
    theirs = pykan.KAN(**sizes, auto_save=False, symbolic_enabled=False).double()
    parameters = unflatten(network, flat)
    for number, layer in enumerate(theirs.act_fun):
        own = of_layer(parameters, number)
        layer.grid.data = knots[number][lane].clone()
        layer.coef.data = own["coef"][lane].transpose(1, 2).clone()
        layer.scale_base.data, layer.scale_sp.data = (
            own["base"][lane].clone(),
            own["scale"][lane].clone(),
        )
        layer.mask.data = layer.mask.data.to(torch.float64)
    return theirs


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("grid", [1, 3, 8])
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (2, 5, 1), (3, 2, 2, 1)])
def test_a_network_equals_pykans_inside_and_outside_the_grid(pykan, shape, grid, order):
    """Outputs and gradients at samples within all knots, on them and beyond them."""
    network = KanShape(shape=shape, grid=grid, order=order, scales=True)
    flat, knots = start(network)
    flat.requires_grad_()
    reach = 2 + order * 2 / grid
    x_N = torch.cat([torch.linspace(-reach, reach, 101, dtype=torch.float64), knots[0][0, 0]])
    x = torch.stack([x_N.roll(shift) for shift in range(shape[0])], 1).expand(2, -1, -1)
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
            theirs_by_name = {
                "coef": act.coef.grad.mT,
                "base": act.scale_base.grad,
                "scale": act.scale_sp.grad,
            }
            for name, wanted in theirs_by_name.items():
                assert (
                    ours_by_name[f"layer{layer}.{name}"][lane] - wanted
                ).abs().max() < 1e-12 * scale


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
