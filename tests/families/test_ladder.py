"""The networks between MLP and KAN: each is what its paper says, and where two of them are one
function they agree.

Legend: R lanes, N samples, I inputs, C functions of an input, O outputs, K splines of a node, T
knots.
"""

from itertools import pairwise, product

import every_basis
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import begun, networks
from numpy.polynomial import Polynomial, chebyshev
from scipy.interpolate import BSpline
from torch import Tensor

from harness import families
from harness.families import flatten, forward, parameter_count, unflatten, update_knots
from harness.families.grouped_chebyshev import GroupedChebyshevShape, series
from harness.families.layout import of_layer
from harness.families.rational_kan import groups_of_nodes
from harness.families.spline import design_matrix, extend_knots
from harness.optimisers import Adam

LANES = 2
SHAPES = [(1, 1), (2, 5, 1), (3, 4, 5, 2)]


def start(network, samples=60, seed=0, spread=1.0):
    """Parameters that are not tiny, knots, and samples on [-spread, spread]."""
    rng = np.random.default_rng(seed)
    flat = torch.tensor(rng.normal(size=(LANES, parameter_count(network))))
    x = torch.tensor(rng.uniform(-spread, spread, (LANES, samples, network.shape[0])))
    return flat, network.initial_knots(LANES, torch.float64, "cpu"), x


def assert_same(found: Tensor, wanted: Tensor, tolerance=1e-12):
    """Equal to that part of the largest number."""
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


def loss_and_gradient(function, flat):
    """Mean square of what a function of the flat vector gives, of every lane, and its gradient."""
    flat = flat.clone().requires_grad_()
    loss_R = (function(flat) - 0.3).square().mean((1, 2))
    (gradient,) = torch.autograd.grad(loss_R.sum(), flat)
    return loss_R.detach(), gradient


def agree(one, other, flat, tolerance=1e-12):
    assert_same(one(flat), other(flat), tolerance)
    for found, wanted in zip(
        loss_and_gradient(one, flat), loss_and_gradient(other, flat), strict=True
    ):
        assert_same(found, wanted, tolerance)


def uneven(network, seed=1):
    """Knots that are not uniform, every node's its own, over more than activations reach."""
    rng = np.random.default_rng(seed)
    return [
        extend_knots(
            torch.tensor(rng.uniform(0.5, 1.5, (*own.shape[:2], network.grid + 1)).cumsum(-1) - 3),
            network.order,
        )
        for own in network.initial_knots(LANES, torch.float64, "cpu")
    ]


def expansion(network, own, h):
    """The functions of the inputs h [N, I] of a layer, [N, I, C], by numpy and torch alone."""
    match network:
        case families.RbfKanShape():
            u = (
                F.layer_norm(h, (h.shape[1],), own["norm_scale"], own["norm_shift"])
                if "norm_scale" in own
                else h
            )
            centres = [0.0] if network.grid == 1 else np.linspace(-2, 2, network.grid)
            width = 4 / max(1, network.grid - 1)
            return torch.stack(
                [torch.exp(-(((u - centre) / width) ** 2)) for centre in centres], -1
            )
        case families.ChebyshevKanShape():
            return torch.tensor(chebyshev.chebvander(np.tanh(h.numpy()), network.degree))
        case families.FourierKanShape():
            numbers = torch.arange(1, network.harmonics + 1)
            return torch.cat(
                [torch.cos(h[..., None] * numbers), torch.sin(h[..., None] * numbers)], -1
            )


def test_a_layer_is_an_expansion_times_one_matrix():
    """And what stands beside it: of an RBF KAN a linear map of silu(x), a bias."""
    expanded = networks(
        families.RbfKanShape, families.ChebyshevKanShape, families.FourierKanShape, shapes=SHAPES
    )
    for network, lane in product(expanded, range(LANES)):
        flat, _, x = start(network, spread=2.0)
        out = forward(network, flat, [], x)
        h = x[lane]
        for layer in range(len(network.shape) - 1):
            own = {
                name: value[lane]
                for name, value in of_layer(unflatten(network, flat), layer).items()
            }
            y = expansion(network, own, h).flatten(1) @ own["coef"].flatten(0, 1)
            y = y + F.silu(h) @ own["base"] if "base" in own else y
            h = y + own["bias"] if "bias" in own else y
        assert_same(out[lane], h)


def test_a_rational_kan_is_numpys_polynomials_and_linear_layers():
    """P(x) / (1 + |Q(x)|) of every input, Q that of its group of neighbours, then the map."""
    for network, lane in product(networks(families.RationalKanShape, shapes=SHAPES), range(LANES)):
        flat, _, x = start(network, spread=2.0)
        out = forward(network, flat, [], x)
        h = x[lane].numpy()
        for layer, inputs in enumerate(network.shape[:-1]):
            own = {
                name: value[lane].numpy()
                for name, value in of_layer(unflatten(network, flat), layer).items()
            }
            groups = len(own["denominator"])
            assert groups == min(network.groups, inputs)
            columns = []
            for node in range(inputs):
                q = Polynomial([0.0, *own["denominator"][node * groups // inputs]])(h[:, node])
                columns.append(Polynomial(own["numerator"])(h[:, node]) / (1 + np.abs(q)))
            h = np.stack(columns, 1) @ own["weight"] + own["bias"]
        assert_same(out[lane], torch.tensor(h))


def test_a_denominator_that_starts_at_zero_learns():
    """The first layer's Q is 0 to begin with; its coefficients have a gradient all the same, as in
    KAT's kernels.
    """
    network = families.RationalKanShape(shape=(2, 3, 1))
    (flat, _), x = begun(network, LANES), start(network)[2]
    _, gradient = loss_and_gradient(lambda flat: forward(network, flat, [], x), flat)

    assert (unflatten(network, flat)["layer0.denominator"] == 0).all()
    assert (unflatten(network, gradient)["layer0.denominator"] != 0).all()


def test_a_rational_kan_starts_as_the_identity_and_then_swish_and_keeps_the_variance():
    """F of the first layer is x, of the others silu within 0.01 on [-3, 3]; normal inputs keep
    their variance.
    """
    shape, x = (200, 200, 200), torch.linspace(-3, 3, 200, dtype=torch.float64)
    network, rng = families.RationalKanShape(shape=shape), np.random.default_rng(1)
    flat, _ = begun(network)
    parts = unflatten(network, flat)
    for layer, wanted in enumerate((x, F.silu(x))):
        p, q = (parts[f"layer{layer}.{name}"][0].numpy() for name in ("numerator", "denominator"))
        found = Polynomial(p)(x.numpy()) / (1 + np.abs(Polynomial([0.0, *q[0]])(x.numpy())))
        assert np.abs(found - wanted.numpy()).max() < 0.01
        assert (q == q[0]).all()
    out = forward(network, flat, [], torch.tensor(rng.normal(size=(2, 500, 200))))
    assert out.square().mean().item() == pytest.approx(1, rel=0.1)


def trained(function, flat, steps=20):
    """Every position of Adam."""
    settings = Adam(name="adam", learning_rate=0.01)
    state, positions = settings.start(flat), []
    for _ in range(steps):
        state = settings.tell(state, *loss_and_gradient(function, settings.ask(state)))
        positions.append(state.position_RP)
    return torch.stack(positions)


def test_the_two_ways_to_write_a_kan_train_alike_and_redundant_scales_do_not():
    """From the same start: the same trajectory of Adam, and another function once w_s is trained
    beside c (E4).
    """
    network = families.KanShape(shape=(2, 4, 1), grid=5)
    scaled = network.model_copy(update={"scales": True})
    flat, knots, x = start(network)
    flat, knots = flat / 4, uneven(network)
    parts = unflatten(network, flat)
    ones = {
        f"layer{layer}.scale": flat.new_ones(LANES, *pair)
        for layer, pair in enumerate(pairwise(network.shape))
    }
    with_scales = flatten(scaled, {**parts, **ones})

    ours = trained(lambda flat: forward(network, flat, knots, x), flat)
    as_one_map = trained(
        lambda flat: every_basis.evaluate(network, unflatten(network, flat), knots, x.mT).mT, flat
    )
    assert_same(as_one_map, ours)

    other = trained(lambda flat: forward(scaled, flat, knots, x), with_scales)
    assert_same(forward(scaled, with_scales, knots, x), forward(network, flat, knots, x))
    before, after = forward(network, ours[-1], knots, x), forward(scaled, other[-1], knots, x)
    assert (after - before).abs().max() > 0.01 * before.abs().max()


def as_kan(network):
    """The KAN without base whose coefficients are those of a spline MLP before its maps, and what
    makes them.
    """
    kan = families.KanShape(
        shape=network.shape, grid=network.grid, order=network.order, base=False, bias=True
    )

    def coefficients(flat):
        parts, made = unflatten(network, flat), {}
        for layer, inputs in enumerate(network.shape[:-1]):
            coef, weight = parts[f"layer{layer}.coef"], parts[f"layer{layer}.weight"]
            coef = coef if coef.dim() == 4 else coef[..., None]
            weight_RKIO = weight.unflatten(1, (network.rank, inputs))
            made[f"layer{layer}.coef"] = torch.einsum("rick,rkio->rico", coef, weight_RKIO)
            made[f"layer{layer}.bias"] = parts[f"layer{layer}.bias"]
        return flatten(kan, made)

    return kan, coefficients


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_splines_before_a_map_are_a_kan_with_coefficients_of_that_rank(shape, order, rank):
    """c_i = sum_k w_ik a_ik^T: equal values, and gradients by the chain rule (E2 at rank 1)."""
    network = families.SplineMlpShape(shape=shape, grid=4, order=order, place="before", rank=rank)
    kan, coefficients = as_kan(network)
    flat, _, x = start(network)
    flat, knots = flat / 2, uneven(network)

    agree(
        lambda flat: forward(network, flat, knots, x),
        lambda flat: forward(kan, coefficients(flat), knots, x),
        flat,
    )
    for coef in (
        unflatten(kan, coefficients(flat))[f"layer{layer}.coef"] for layer in range(len(shape) - 1)
    ):
        ranks = torch.linalg.matrix_rank(coef)
        assert (ranks == min(rank, coef.shape[-1])).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_at_full_rank_they_are_every_kan_without_base(shape):
    """By singular values of each input's coefficients, a spline MLP of as many splines a node as
    there are outputs.
    """
    kan = families.KanShape(shape=shape, grid=4, base=False, bias=True)
    rank = max(min(outputs, 7) for outputs in shape[1:])
    network = families.SplineMlpShape(shape=shape, grid=4, place="before", rank=rank)
    flat, _, x = start(kan)
    flat, knots, made = flat / 4, uneven(kan), {}
    for layer in range(len(shape) - 1):
        own = of_layer(unflatten(kan, flat), layer)
        left, values, right = torch.linalg.svd(own["coef"], full_matrices=False)
        missing = rank - values.shape[-1]
        coef, weight = (
            F.pad(left * values[..., None, :], (0, missing)),
            F.pad(right, (0, 0, 0, missing)),
        )
        made[f"layer{layer}.coef"] = coef if rank > 1 else coef[..., 0]
        made[f"layer{layer}.weight"] = weight.transpose(1, 2).flatten(1, 2)
        made[f"layer{layer}.bias"] = own["bias"]

    assert_same(forward(network, flatten(network, made), knots, x), forward(kan, flat, knots, x))


def as_relu_network(kan, flat, knots):
    """The MLP that is a KAN of order 1 without base: a ReLU a knot, times the change of the slope
    there.
    """
    parts, made, maps = unflatten(kan, flat), {}, None
    for layer, own_knots in enumerate(knots):
        inputs, knot_count = own_knots.shape[1:]
        # From a node to its ReLUs: the map that makes the node, once a knot.
        maps = torch.eye(inputs, dtype=flat.dtype).repeat(LANES, 1, 1) if layer == 0 else maps
        made[f"layer{layer}.weight"] = maps.repeat_interleave(knot_count, 2)
        made[f"layer{layer}.bias"] = -own_knots.flatten(1)
        values = F.pad(parts[f"layer{layer}.coef"], (0, 0, 1, 1))  # at every knot; 0 at the ends
        slopes = F.pad(values.diff(dim=2) / own_knots.diff(dim=2)[..., None], (0, 0, 1, 1))
        maps = slopes.diff(dim=2).flatten(1, 2)
    last = len(knots)
    made[f"layer{last}.weight"], made[f"layer{last}.bias"] = (
        maps,
        flat.new_zeros(LANES, kan.shape[-1]),
    )
    widths = [own.shape[1] * own.shape[2] for own in knots]
    mlp = families.MlpShape(shape=(kan.shape[0], *widths, kan.shape[-1]), activation="relu")
    return mlp, flatten(mlp, made)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["uniform", "uneven"])
def test_straight_splines_are_a_relu_network_on_their_grid(shape, kind):
    """The whole network converts, inside of the grid, on knots and outside (E3, Schoots et al.
    2025).
    """
    kan = families.KanShape(shape=shape, grid=6, order=1, base=False)
    flat, knots, x = start(kan, 200, spread=3.0)
    knots = knots if kind == "uniform" else uneven(kan)
    x[:, :8] = knots[0][:, :, :8].transpose(1, 2)
    mlp, relus = as_relu_network(kan, flat, knots)

    assert_same(forward(mlp, relus, [], x), forward(kan, flat, knots, x), 1e-10)


@pytest.mark.parametrize("degree", [1, 2, 3, 7])
def test_a_series_is_numpys_of_its_group(degree):
    generator = np.random.default_rng(degree)
    coefficients_GC, t_IN = (
        generator.normal(size=(3, degree + 1)),
        generator.uniform(-1, 1, (7, 11)),
    )
    ours_RIN = series(torch.from_numpy(coefficients_GC)[None], torch.from_numpy(t_IN)[None])
    groups = groups_of_nodes(7, 3)
    numpys = [
        chebyshev.chebval(t_N, coefficients_GC[group])
        for t_N, group in zip(t_IN, groups, strict=True)
    ]
    np.testing.assert_allclose(ours_RIN[0], numpys, rtol=1e-12, atol=1e-12)


def test_it_begins_as_an_mlp_of_tanh_that_keeps_the_variance():
    network = GroupedChebyshevShape(shape=(400, 400, 400))
    flat, _ = begun(network, 1)
    own = unflatten(network, flat)
    x_RNI = torch.randn(
        1, 500, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    outputs = forward(network, flat, [], x_RNI)
    hidden = torch.tanh(x_RNI) @ own["layer0.weight"]
    torch.testing.assert_close(outputs, torch.tanh(hidden) @ own["layer1.weight"])
    assert outputs.var().item() == pytest.approx(1, rel=0.1)


ORDERS = [1, 2, 3, 4, 5]
PLACES = ["after", "before"]
both_places = pytest.mark.parametrize("place", PLACES)


def scipy_spline(knots, coef, order, x):
    """scipy's spline within all its knots, where k more without coefficients stand on each side,
    and 0 elsewhere.
    """
    steps, zeros = np.arange(1, order + 1), np.zeros(order)
    all_knots = np.concatenate([knots[0] - steps[::-1], knots, knots[-1] + steps])
    values = BSpline(all_knots, np.concatenate([zeros, coef, zeros]), order)(x)
    return np.where((x >= knots[0]) & (x < knots[-1]), values, 0.0)


def scipy_network(network, parts, knots, lane, x):
    """[N, O] of one lane, node by node."""
    h, depth = x[lane].numpy(), len(network.shape) - 1

    def activate(layer, h):
        coef, own = parts[f"layer{layer}.coef"][lane].numpy(), knots[layer][lane].numpy()
        return np.stack(
            [
                scipy_spline(*node, network.order, row)
                for *node, row in zip(own, coef, h.T, strict=True)
            ],
            1,
        )

    for layer in range(depth):
        h = activate(layer, h) if network.place == "before" else h
        h = (
            h @ parts[f"layer{layer}.weight"][lane].numpy()
            + parts[f"layer{layer}.bias"][lane].numpy()
        )
        h = activate(layer, h) if network.place == "after" and layer < depth - 1 else h
    return h


@both_places
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["uniform", "uneven"])
def test_the_network_is_linear_maps_and_splines_of_scipy(kind, order, place):
    for shape, grid in product([(1, 1), (2, 5, 1), (3, 4, 5, 2)], [1, 5]):
        network = families.SplineMlpShape(shape=shape, grid=grid, order=order, place=place)
        flat, knots, x = start(network, 100, spread=3.0)
        knots = uneven(network) if kind == "uneven" else knots
        out, parts = forward(network, flat, knots, x), unflatten(network, flat)
        for lane in range(LANES):
            expected = scipy_network(network, parts, knots, lane, x)
            assert np.abs(out[lane].numpy() - expected).max() < 1e-12 * max(
                1, np.abs(expected).max()
            )


@pytest.mark.parametrize("order", ORDERS)
def test_initial_splines_are_the_smallest_through_noise_at_the_knots(order):
    """As KANbeFair's: U(+-noise / 2G) at the G + 1 knots of the domain, and the least norm of
    coefficients.
    """
    network = families.SplineMlpShape(
        shape=(3, 400, 1), grid=5, order=order, noise=0.4, low=-2.0, high=3.0
    )
    flat, (knots,) = begun(network, 1)
    coef = unflatten(network, flat)["layer0.coef"][0]
    design = design_matrix(knots[:, :1], knots[:, :1, order:-order], order)[0, 0]
    values = coef @ design.T
    assert values.abs().max() <= 0.04 * (1 + 1e-12)
    assert values.std().item() == pytest.approx(0.08 / np.sqrt(12), rel=0.05)
    assert torch.allclose(coef, values @ torch.linalg.pinv(design).T, rtol=0, atol=1e-15)


@both_places
def test_update_takes_knots_to_the_activations(place):
    """With grid_eps=1 every domain is the range of what its spline is given, widened by the margin
    on each side.
    """
    network = families.SplineMlpShape(shape=(2, 4, 1), grid=6, place=place)
    flat, knots, x = start(network, 300)
    new_flat, new_knots = update_knots(network, flat, knots, x, 1.0, 0.25)
    parts = unflatten(network, new_flat)
    given = x
    if place == "before":
        splines = (
            design_matrix(new_knots[0], x.transpose(1, 2), 3) @ parts["layer0.coef"][..., None]
        )
        assert torch.allclose(new_knots[0][..., 3], x.amin(1) - 0.25, rtol=0, atol=1e-14)
        given = splines[..., 0].transpose(1, 2)
    given = given @ parts["layer0.weight"] + parts["layer0.bias"][:, None]
    assert torch.allclose(new_knots[-1][..., 3], given.amin(1) - 0.25, rtol=0, atol=1e-13)
    assert torch.allclose(new_knots[-1][..., -4], given.amax(1) + 0.25, rtol=0, atol=1e-13)
    for name in ("layer0.weight", "layer0.bias", "layer1.weight", "layer1.bias"):
        assert torch.equal(parts[name], unflatten(network, flat)[name])
