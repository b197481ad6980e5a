"""All families: layout, initial values, lanes; sines as in SIREN, and Fourier features as in Tancik
et al.
"""

from math import pi, sqrt

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import SHAPES, begun, networks

from harness import families

ACTIVATIONS = {"silu": F.silu, "relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}
EVERY = networks(shapes=SHAPES[:3])
MLPS = [families.MlpShape(shape=(2, 5, 1), activation=name) for name in ACTIVATIONS]
FEW = [
    *MLPS,
    families.KanShape(shape=(2, 5, 1), grid=5),
    families.KanShape(shape=(3, 4, 4, 2), grid=4, scales=True, bias=True),
    families.SplineMlpShape(shape=(2, 5, 1), grid=5),
    families.SplineMlpShape(shape=(3, 4, 4, 2), grid=4, place="before"),
    *EVERY[4::23],
]
# Whose layers are wide, or of odd sizes.
ODD = [
    families.KanShape(shape=(7, 29, 3), grid=3, order=5, base=False, scales=True),
    families.KanShape(shape=(2, 7, 5, 6, 1), grid=3, order=3, bias=True),
    families.KanShape(shape=(3, 13, 10), grid=4, order=2, scales=True),
    families.KanShape(shape=(5, 33, 33), grid=5, order=1),
]


# What a gain leaves as it is.
FIXED = {
    "mlp": ("slope",),
    "kan": ("scale", "bias"),
    "spline_mlp": ("coef",),
    "rbf_kan": ("norm_scale", "norm_shift"),
    "fourier_kan": ("bias",),
    "rational_kan": ("numerator", "denominator", "bias"),
}


def start(network, lanes, samples):
    """Parameters, knots, samples and targets; a lane's are the same whatever the number of
    lanes.
    """
    data = [np.random.default_rng([1, lane]) for lane in range(lanes)]
    x = torch.tensor(
        np.stack([rng.uniform(-1.2, 1.2, (samples, network.shape[0])) for rng in data])
    )
    y = torch.tensor(np.stack([rng.normal(size=(samples, network.shape[-1])) for rng in data]))
    return *begun(network, lanes), x, y


def loss_and_gradient(network, flat, knots, x, y):
    flat = flat.clone().requires_grad_()
    loss_R = (families.forward(network, flat, knots, x) - y).square().mean(dim=(1, 2))
    (gradient,) = torch.autograd.grad(loss_R.sum(), flat)
    return loss_R.detach(), gradient


def test_the_count_is_the_width_of_the_flat_vector():
    for network in EVERY:
        flat, knots, x, _ = start(network, 3, 40)
        assert flat.shape == (3, families.parameter_count(network)), network
        parts = families.unflatten(network, flat)
        assert {
            name: tuple(part.shape[1:]) for name, part in parts.items()
        } == network.parameter_shapes(), network
        assert all(
            part.data_ptr() >= flat.data_ptr() and part._base is not None for part in parts.values()
        ), network
        assert families.forward(network, flat, knots, x).shape == (3, 40, network.shape[-1]), (
            network
        )


@pytest.mark.parametrize("activation", [*ACTIVATIONS, "prelu", "sine"])
def test_an_mlp_is_a_stack_of_torchs_linear_layers_and_activations(activation):
    network = families.MlpShape(shape=(3, 4, 5, 2), activation=activation, omega_0=7.0)
    flat, _, x, _ = start(network, 3, 20)
    parts, out = (
        families.unflatten(network, flat + 0.1),
        families.forward(network, flat + 0.1, [], x),
    )
    for lane in range(3):
        h, own = x[lane], {name: value[lane] for name, value in parts.items()}
        for layer in range(3):
            h = F.linear(h, own[f"layer{layer}.weight"].T, own[f"layer{layer}.bias"])
            if layer < 2:
                slope, more = own.get(f"layer{layer}.slope"), {"sine": lambda z: torch.sin(7 * z)}
                h = (
                    F.prelu(h, slope)
                    if activation == "prelu"
                    else (ACTIVATIONS | more)[activation](h)
                )
        assert (out[lane] - h).abs().max() < 1e-13
    assert "layer2.slope" not in parts


@pytest.mark.parametrize("network", FEW, ids=repr)
def test_gradients_equal_finite_differences(network):
    """Gradients in parameters and samples pass torch's numerical check, away from where |Q| = 0 of
    rational KANs.
    """
    flat, knots, x, _ = start(network, 2, 3)
    flat, x = (flat + 0.1).requires_grad_(), x.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda *data: families.forward(network, data[0], knots, data[1]), (flat, x), fast_mode=True
    )


@pytest.mark.parametrize("network", FEW + ODD, ids=repr)
@pytest.mark.parametrize("samples", [7, 250, pytest.param(1000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_lane_has_its_own_bits_wherever_it_stands(network, samples, dtype):
    """Loss, gradient, and parameters after knots were moved by either solver, to knots that are not
    uniform.
    """
    flat, knots, x, y = start(network, 12, samples)
    _, knots = families.update_knots(network, flat, knots, x, 0.5, 0.01)
    lanes = flat.to(dtype), [layer.to(dtype) for layer in knots], x.to(dtype), y.to(dtype)

    def found(flat, knots, x, y):
        moved = [
            families.update_knots(network, flat, knots, x, 0.5, 0.01, solver)[0]
            for solver in ("gelsd", "qr")
        ]
        return *loss_and_gradient(network, flat, knots, x, y), *moved

    every = found(*lanes)
    for some in ([0, 1], [3, 1], [7, 2, 11], [5, 4, 3, 2, 1]):
        few = found(
            lanes[0][some], [layer[some] for layer in lanes[1]], lanes[2][some], lanes[3][some]
        )
        assert all(
            torch.equal(own, among_all[some]) for own, among_all in zip(few, every, strict=True)
        )


@pytest.mark.parametrize("network", FEW, ids=repr)
def test_initial_values_depend_on_the_gain_and_the_generator_of_their_lane(network):
    (alone, _), (plain, _), (twice, _) = (
        begun(network, 1),
        begun(network, 4),
        begun(network, 4, gain=2.0),
    )
    assert torch.equal(alone[0], plain[0])
    assert not torch.equal(plain[0], plain[1])
    parts, doubled = families.unflatten(network, plain), families.unflatten(network, twice)
    for name, part in parts.items():
        fixed = FIXED.get(network.family, ())
        assert torch.equal(doubled[name], part * (1.0 if name.endswith(fixed) else 2.0))


def test_initial_values_are_drawn_in_float64_and_then_rounded():
    network = families.KanShape(shape=(2, 5, 1), grid=5)
    double, single = (
        families.initialise(network, [np.random.default_rng(0)], 1.0, dtype, "cpu")
        for dtype in (torch.float64, torch.float32)
    )
    assert torch.equal(single, double.to(torch.float32))


# Of a parameter: that it is constant, normal with a standard deviation, or uniform between +- a
# bound.
RBF, SPLINES = (
    families.RbfKanShape(shape=(60, 40), grid=8),
    families.SplineMlpShape(shape=(60, 40, 1), grid=5),
)
KAN = families.KanShape(shape=(60, 40), grid=20, scales=True, bias=True)
SIREN = families.MlpShape(shape=(40, 50, 60, 30), activation="sine", omega_0=10.0)
LAWS = [
    (
        KAN,
        {
            "coef": ("std", 0.1),
            "scale": ("is", 1),
            "bias": ("is", 0),
            "base": ("within", sqrt(6 / 100)),
        },
    ),
    (
        families.MlpShape(shape=(60, 40)),
        {"weight": ("within", 1 / sqrt(60)), "bias": ("within", 1 / sqrt(60))},
    ),
    (SIREN, {"weight": ("within", 1 / 40), "bias": ("within", 1 / sqrt(40))}),
    (
        SIREN,
        {"layer1.weight": ("within", sqrt(6 / 50) / 10), "layer1.bias": ("within", 1 / sqrt(50))},
    ),
    (
        SIREN,
        {"layer2.weight": ("within", sqrt(6 / 60) / 10), "layer2.bias": ("within", 1 / sqrt(60))},
    ),
    (SIREN.model_copy(update={"omega_0": 30.0}), {"layer1.weight": ("within", sqrt(6 / 50) / 30)}),
    (SPLINES, {"weight": ("within", 1 / sqrt(60)), "bias": ("within", 1 / sqrt(60))}),
    (SPLINES.model_copy(update={"place": "before"}), {"weight": ("within", 1 / sqrt(60))}),
    (
        families.MlpShape(shape=(60, 40, 1), activation="prelu"),
        {"slope": ("is", torch.nn.PReLU().weight.item())},
    ),
    (
        RBF,
        {
            "coef": ("std", 0.1),
            "base": ("within", 1 / sqrt(60)),
            "norm_scale": ("is", 1),
            "norm_shift": ("is", 0),
        },
    ),
    (families.ChebyshevKanShape(shape=(60, 40), degree=4), {"coef": ("std", 1 / (60 * 5))}),
    (
        families.FourierKanShape(shape=(60, 40), harmonics=5),
        {"coef": ("std", 1 / sqrt(60 * 5)), "bias": ("is", 0)},
    ),
]


@pytest.mark.parametrize(("network", "laws"), LAWS, ids=lambda case: getattr(case, "family", ""))
def test_initial_values_follow_their_stated_laws(network, laws):
    """Those of the paper, of torch.nn.Linear and PReLU, SIREN, FastKAN, ChebyKAN and FourierKAN."""
    parts = families.unflatten(network, begun(network, 1)[0])
    for name, (law, number) in laws.items():
        values = parts[name if "." in name else f"layer0.{name}"]
        if law == "is":
            assert (values == number).all(), name
        elif law == "std":
            assert values.std().item() == pytest.approx(number, rel=0.03), name
        else:
            assert values.abs().max() <= number, name
            assert values.std().item() == pytest.approx(
                number / sqrt(3), rel=0.2 if "bias" in name else 0.03
            ), name


@pytest.mark.parametrize(
    ("network", "splines"),
    [
        (families.KanShape(shape=(2, 5, 1), grid=4, low=-2.0, high=2.0), (2, 5)),
        (families.SplineMlpShape(shape=(2, 5, 4, 1), grid=4, low=-2.0, high=2.0), (5, 4)),
        (
            families.SplineMlpShape(shape=(2, 5, 4, 1), grid=4, low=-2.0, high=2.0, place="before"),
            (2, 5, 4),
        ),
    ],
    ids=repr,
)
def test_initial_knots_are_uniform_on_the_stated_domain(network, splines):
    """Every spline has G+2k+1 equally spaced knots, of which k lie beyond each end of [low,
    high].
    """
    for knots, nodes in zip(network.initial_knots(3, torch.float64, "cpu"), splines, strict=True):
        expected = torch.arange(-5, 6, dtype=torch.float64).expand(3, nodes, -1)
        assert torch.allclose(knots, expected, rtol=0, atol=1e-14)


def test_features_are_sines_and_cosines_of_random_frequencies():
    """sin(2 pi B x), then cos(2 pi B x), before an ordinary MLP; and B is N(0, sigma^2)."""
    network = families.MlpShape(shape=(3, 4, 2), features=5, features_sigma=0.7)
    flat, carried = begun(network)
    (frequencies,) = carried
    x = torch.rand(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    phase = 2 * pi * x @ (frequencies / (2 * pi))
    waves = torch.cat([torch.sin(phase), torch.cos(phase)], 2)
    plain = families.forward(families.MlpShape(shape=(10, 4, 2)), flat, [], waves)
    torch.testing.assert_close(families.forward(network, flat, carried, x), plain)

    wide = network.model_copy(update={"features": 5000})
    (many,) = begun(wide, 1)[1]
    assert many.std().item() == pytest.approx(2 * pi * 0.7, rel=0.03)
    assert abs(many.mean().item()) < 0.1
