"""The networks as torch modules: the same numbers as in an experiment, and what torch asks of any
module.
"""

import copy

import numpy as np
import pytest
import torch
from commands import refused
from matplotlib.lines import Line2D

import harness
from harness import families, nn
from harness.count import count
from harness.families import ShapeBase
from harness.nn.classes import CLASSES, module_of
from harness.tasks import stream
from harness.tasks.loss import SQUARES, LanePoints

MODULES = {
    "kan": lambda **more: nn.KAN([2, 3, 1], grid=4, order=3, **more),
    "kan with all": lambda **more: nn.KAN(
        [2, 3, 1], grid=4, base="frozen", scales=True, bias=True, **more
    ),
    "wide kan": lambda **more: nn.KAN([4, 40, 2], grid=3, order=2, **more),
    "spline mlp": lambda **more: nn.SplineMLP([2, 4, 1], grid=4, **more),
    "spline mlp before": lambda **more: nn.SplineMLP(
        [2, 4, 1], grid=4, place="before", rank=2, **more
    ),
    "mlp": lambda **more: nn.MLP([2, 6, 6, 1], activation="prelu", **more),
    "mlp with features": lambda **more: nn.MLP([2, 6, 1], features=3, features_sigma=2.0, **more),
    "rbf kan": lambda **more: nn.RBFKAN([3, 4, 2], grid=5, **more),
    "chebyshev kan": lambda **more: nn.ChebyshevKAN([2, 3, 1], degree=4, **more),
    "fourier kan": lambda **more: nn.FourierKAN([2, 3, 1], harmonics=3, **more),
    "rational kan": lambda **more: nn.RationalKAN([2, 3, 1], groups=2, **more),
}


def points(network: ShapeBase, number: int = 50, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.rand(number, network.shape[0], generator=generator, dtype=torch.float64)
        .mul(2)
        .sub(1)
        .to(dtype)
    )


def target(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(3 * x[:, :1]) * x[:, 1:2] if x.shape[1] > 1 else torch.sin(3 * x)


@pytest.mark.parametrize("name", MODULES)
def test_outputs_and_gradients_are_those_of_an_experiment(name):
    network = MODULES[name]().network
    flat_RP = families.initialise(network, [stream(3, "initial", 0)], 1.5, torch.float64, "cpu")
    knots = network.draw_knots([stream(3, "features", 0)], torch.float64, "cpu")
    module, x = module_of(network, flat_RP, knots), points(network)
    assert type(module) is type(MODULES[name]())
    y = torch.cat([target(x)] * network.shape[-1], 1)
    wanted, gradient_RP = SQUARES.loss_and_gradient(
        network, flat_RP, knots, LanePoints(x[None], y[None])
    )
    torch.testing.assert_close(
        module(x), families.forward(network, flat_RP, knots, x[None])[0], rtol=1e-12, atol=1e-12
    )
    loss = (module(x) - y).square().mean()
    loss.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)
    for key, value in families.unflatten(network, gradient_RP).items():
        parameter = module.get_parameter(key)
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, value[0], rtol=1e-12, atol=1e-12)
        else:
            assert parameter.grad is None


@pytest.mark.parametrize("name", MODULES)
def test_it_is_a_module_like_any_other(name, tmp_path):
    module = MODULES[name](generator=0, dtype=torch.float64)
    other = MODULES[name](generator=1, dtype=torch.float64)
    x = points(module.network)
    assert not torch.equal(module(x), other(x))
    torch.save(module.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(module(x), other(x))
    assert torch.equal(module(x), copy.deepcopy(module)(x))
    assert torch.equal(module(x.reshape(5, 10, -1)).reshape(50, -1), module(x))
    assert module(x[:0]).shape == (0, module.network.shape[-1])
    torch.testing.assert_close(module.float()(x.float()).double(), other(x), rtol=1e-4, atol=1e-4)
    assert MODULES[name](dtype=torch.float32)(x.float()).dtype == torch.float32
    assert module.network.words in repr(module)
    assert "takes points [..., " in refused(module, x.float()[:, :1])


@pytest.mark.parametrize("name", MODULES)
def test_it_has_as_many_parameters_as_an_experiment_counts(name):
    module = MODULES[name]()
    trainable = sum(value.numel() for value in module.parameters() if value.requires_grad)
    assert trainable == module.network.trainable == module.counts["params.trainable"]
    assert module.counts == count(module.network)
    stored = trainable + sum(
        value.numel() for value in module.parameters() if not value.requires_grad
    )
    assert stored + sum(value.numel() for value in module.buffers()) == module.network.stored


def test_initial_values_come_from_the_generator_alone():
    for make in MODULES.values():
        x = points(make().network)
        torch.manual_seed(0)
        first = make(generator=5, dtype=torch.float64)(x)
        torch.manual_seed(1)
        state = torch.get_rng_state()
        for generator in (5, np.random.default_rng(5)):
            assert torch.equal(make(generator=generator, dtype=torch.float64)(x), first)
        of_torch = [
            make(generator=torch.Generator().manual_seed(2), dtype=torch.float64)(x)
            for _ in range(2)
        ]
        assert torch.equal(*of_torch)
        assert not torch.equal(make(dtype=torch.float64)(x), make(dtype=torch.float64)(x))
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "name", ["kan", "kan with all", "wide kan", "spline mlp", "spline mlp before"]
)
def test_the_grid_moves_and_is_refined_as_in_an_experiment(name):
    module = MODULES[name](generator=0, dtype=torch.float64, noise=0.3)
    assert isinstance(module, nn.SplinedModule)
    network, x = module.network, 0.6 * points(module.network, 300)
    lane = module.flat_lane().detach(), module.knots_of_lane()
    before = module(x).detach()
    module.update_grid(x)
    moved = families.update_knots(network, *lane, x[None], 1.0, 0.01, solver="qr")
    torch.testing.assert_close(module.flat_lane().detach(), moved[0], rtol=1e-12, atol=1e-12)
    moved_outputs = module(x).detach()
    assert (moved_outputs - before).square().mean().sqrt() < 0.1 * before.std()
    module.extend_grid(2 * network.grid)  # whose knots contain the old ones
    finer, flat_1P, knots = families.extend_grid(network, *moved, 2 * network.grid, solver="qr")
    assert module.network == finer
    torch.testing.assert_close(module.flat_lane().detach(), flat_1P, rtol=1e-12, atol=1e-12)
    for mine, others in zip(module.knots_of_lane(), knots, strict=True):
        torch.testing.assert_close(mine, others, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(module(x).detach(), moved_outputs, rtol=1e-9, atol=1e-9)
    assert module.counts["params.trainable"] == sum(
        p.numel() for p in module.parameters() if p.requires_grad
    )
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)
    (module(x).square().mean()).backward()
    optimiser.step()
    assert "coarsen" in refused(module.extend_grid, 3)
    module.extend_grid(12, x)
    assert module.network.grid == 12


def test_edges_of_a_kan_sum_to_its_nodes():
    module = nn.KAN([2, 3, 1], grid=4, generator=0, dtype=torch.float64)
    x = points(module.network)
    first, last = module.edges(x)
    assert first.shape == (50, 3, 2)
    torch.testing.assert_close(last.sum(2), module(x), rtol=1e-12, atol=1e-12)
    assert last.requires_grad
    module.update_grid(x)
    figure = module.plot_edges()
    lines = [line for line in figure.findobj(Line2D) if str(line.get_gid()).startswith("edge:")]
    assert len(lines) == 2 * 3 + 3 * 1
    alone = torch.zeros(201, 2, dtype=torch.float64)
    alone[:, 0] = torch.from_numpy(np.asarray(lines[1].get_xdata()))
    np.testing.assert_allclose(
        lines[1].get_ydata(), module.edges(alone)[0][:, 1, 0].detach(), rtol=0, atol=1e-12
    )


def test_wrong_arguments_are_named():
    wrong = {
        "grid=0": lambda: nn.KAN([2, 1], grid=0),
        "order=9": lambda: nn.KAN([2, 1], order=9),
        "place: before": lambda: nn.SplineMLP([2, 3, 1], rank=2),
        "activation=": lambda: nn.MLP([2, 3, 1], activation="swish"),
        "omega_0": lambda: nn.MLP([2, 3, 1], omega_0=3.0),
        "shape": lambda: nn.FourierKAN([2]),
    }
    for words, make in wrong.items():
        with pytest.raises(harness.HarnessError, match=words):
            make()


@pytest.mark.parametrize("name", MODULES)
def test_points_of_another_kind_are_told_what_to_do(name):
    double, single = MODULES[name](dtype=torch.float64), MODULES[name](dtype=torch.float32)
    x = points(double.network)
    wrong = [
        (
            double,
            x.float(),
            (
                r"is of torch.float64, .*are of torch.float32: give it x.double\(\), or .* by "
                r".float\(\)$"
            ),
        ),
        (
            single,
            x,
            (
                r"is of torch.float32, .*are of torch.float64: give it x.float\(\), or .* by "
                r".double\(\)$"
            ),
        ),
        (single, x.long(), r"are of torch.int64: give it x.float\(\)$"),
        (
            single,
            x.numpy(),
            r"this is of type ndarray: give torch.tensor\(np.asarray\(x\), dtype=torch.float32\)",
        ),
    ]
    for module, given, words in wrong:
        calls = [module] + ([module.update_grid] if isinstance(module, nn.SplinedModule) else [])
        for call in calls + ([module.edges] if isinstance(module, nn.KAN) else []):
            with pytest.raises(harness.HarnessError, match=words):
                call(given)


@pytest.mark.parametrize("name", MODULES)
def test_under_autocast_it_computes_in_its_own_dtype(name):
    module = MODULES[name](dtype=torch.float32)
    x = points(module.network).bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = module(x)
    assert torch.equal(outputs, module(x.float()))
    outputs.sum().backward()
    assert x.grad.dtype == torch.bfloat16


def test_under_autocast_knots_move_in_its_own_dtype():
    one, other = (nn.KAN([2, 5, 1], generator=0) for _ in range(2))
    x = points(one.network).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        one.extend_grid(10, x)
    other.extend_grid(10, x.float())
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def test_every_family_of_layers_has_its_class():
    assert set(CLASSES) == set(families.FAMILIES) - {"module", "transformer"}


@pytest.mark.parametrize(
    ("typed", "write"),
    [
        ({"grid_size": 5}, "KAN: grid_size: no such argument; write grid=5"),
        ({"spline_order": 3}, "KAN: spline_order: no such argument; write order=3"),
        ({"k": 3}, "KAN: k: no such argument; write order=3"),
        ({"grids": 5}, "KAN: grids: no such argument; did you mean 'grid'"),
    ],
)
def test_words_of_other_packages_are_refused_with_ours(typed, write):
    with pytest.raises(harness.HarnessError, match=write):
        nn.KAN([2, 5, 1], **typed)
    assert "KAN: width: no such argument; write shape=[2, 5, 1]" in refused(nn.KAN, width=[2, 5, 1])


class Derived(nn.KAN):
    """A class of a user's, which hands on what it does not name."""

    def __init__(self, shape, **settings):
        super().__init__(shape, **settings)


def test_modules_can_be_derived_from_and_made_of_their_parts():
    module = Derived([2, 5, 1], grid=7, generator=0)
    assert module.network.grid == 7
    parts = {
        "network": module.network,
        "flat_1P": module.flat_lane(),
        "knots": module.knots_of_lane(),
    }
    x = points(module.network).float()
    assert torch.equal(nn.NetworkModule(**parts)(x), module(x))
