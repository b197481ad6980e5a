"""The compiled kernels: equal to the reference evaluators of `harness.families`, and the same bits
whatever is around.

Legend: I inputs, O outputs, N samples, P parameters, T knots.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Literal

import numpy as np
import pytest
import scipy.special
import torch
from networks import SHAPES as COMMON_SHAPES
from networks import networks

from harness import families
from harness.base.errors import HarnessError
from harness.families import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    MlpShape,
    RationalKanShape,
    RbfKanShape,
    SplineMlpShape,
)
from harness.families.spline import extend_knots
from harness.families.splined import SplinedShape
from harness.tasks.loss import CROSS_ENTROPY as OF_CLASSES
from harness.tasks.loss import LanePoints
from harness.train.fused import kan, kernels
from harness.train.fused.sizes import CROSS_ENTROPY, SQUARES

pytestmark = pytest.mark.slow  # compiling takes longer than all other tests of a room

SHAPES = [(1, 1), (2, 5, 1), (4, 2, 2, 1), (3, 4, 5, 2)]
GRIDS = [1, 3, 5, 50]
ORDERS = [1, 2, 3, 4, 5]
EXTRAS = [
    dict(zip(("base", "scales", "bias"), flags, strict=True))
    for flags in product((False, True), repeat=3)
]
KNOTS = ["uniform", "uneven", "repeated"]
SPLINES_OF_NODES = [{"place": "after"}, {"place": "before"}, {"place": "before", "rank": 3}]
MLPS = [
    MlpShape(shape=shape, activation=activation)
    for shape, activation in product(
        ((3, 1), (3, 1, 3), (3, 5, 5, 1), (3, 40, 1), (3, 40, 40, 40, 3)),
        ("silu", "relu", "tanh", "gelu", "sine", "prelu"),
    )
]
SINES = [network for network in MLPS if network.activation == "sine"]
FEW = [
    KanShape(shape=(2, 5, 1), grid=5),
    KanShape(shape=(2, 5, 1), grid=40, order=2, base=False),
    KanShape(shape=(1, 1), grid=1, order=1, base=False),
    KanShape(shape=(2, 1, 1), grid=3, scales=True, bias=True),
    KanShape(shape=(3, 4, 5, 2), grid=4, order=3, scales=True, bias=True),
    MlpShape(shape=(2, 5, 5, 1)),
    MlpShape(shape=(1, 1), activation="tanh"),
    MlpShape(shape=(3, 7, 9, 2), activation="gelu"),
    MlpShape(shape=(3, 7, 9, 2), activation="sine", omega_0=5),
    MlpShape(shape=(3, 7, 9, 2), activation="prelu"),
    KanShape(shape=(3, 4, 2), grid=4, base="frozen", scales=True, bias=True),
    SplineMlpShape(shape=(2, 5, 1), grid=5),
    SplineMlpShape(shape=(3, 4, 9, 2), grid=4, order=2),
    SplineMlpShape(shape=(2, 5, 3, 2), grid=20, place="before"),
    SplineMlpShape(shape=(1, 1), grid=1, order=1, place="before"),
    SplineMlpShape(shape=(2, 5, 3, 2), grid=4, place="before", rank=3),
    RbfKanShape(shape=(2, 5, 1), grid=5),
    RbfKanShape(shape=(1, 3, 2), grid=1),
    RbfKanShape(shape=(3, 4, 9, 2), grid=4, norm=False),
    ChebyshevKanShape(shape=(3, 4, 9, 2), degree=4),
    ChebyshevKanShape(shape=(1, 1), degree=1),
    FourierKanShape(shape=(3, 4, 9, 2), harmonics=3),
    FourierKanShape(shape=(1, 1), harmonics=1),
    RationalKanShape(shape=(3, 4, 9, 2), groups=2),
    RationalKanShape(shape=(1, 1), numerator=1, denominator=1),
]
# Wide layers, in which gradients are a matrix product.
FIXED = networks(
    RbfKanShape,
    ChebyshevKanShape,
    FourierKanShape,
    RationalKanShape,
    shapes=(*COMMON_SHAPES, (2, 64, 64, 5)),
)


def make_knots(network, kind, rng):
    """[1, I, T] of every layer, as it starts, or moved by less than their distance, and some of
    them repeated.
    """
    uniform = network.initial_knots(1, torch.float64, "cpu")
    if kind == "uniform":
        return uniform
    layers = []
    for _, splines, _ in (knots.shape for knots in uniform):
        inner = (
            np.linspace(-1, 1, network.grid + 1)
            + rng.uniform(-0.8, 0.8, (1, splines, network.grid + 1)) / network.grid
        )
        if kind == "repeated" and network.grid > 1:
            inner[..., 2::3] = inner[..., 1:-1:3]
            inner[..., -1] = inner[..., -2]
        layers.append(extend_knots(torch.from_numpy(inner), network.order))
    return layers


class Case:
    """A network with parameters, samples and everything that the kernels want."""

    def __init__(self, network, samples=67, knots="uniform", seed=0):
        rng = np.random.default_rng(seed)
        self.network = network
        # Steep functions, one after the other, would magnify rounding errors beyond what is asked
        # for.
        calm = 1 + network.grid / 10 if isinstance(network, SplinedShape) else 3
        self.parameters = rng.normal(size=families.parameter_count(network))
        for name, part in families.unflatten(
            network, torch.from_numpy(self.parameters)[None]
        ).items():
            # Between splines linear maps are not steep, and take activations out of the knots.
            part /= 1 if network.family == "spline_mlp" and not name.endswith("coef") else calm
            if network.family not in (
                "mlp",
                "kan",
                "spline_mlp",
            ):  # the more terms a sum has, the smaller these
                part /= np.sqrt(part.shape[1:-1].numel())
        self.torch_knots = make_knots(network, knots, rng)
        self.knots = np.concatenate(
            [np.empty(0), *[layer.numpy().ravel() for layer in self.torch_knots]]
        )
        self.x = rng.uniform(-1.6, 1.6, (network.shape[0], samples))
        for i, row in enumerate(self.x):
            if len(self.torch_knots) == len(network.shape) - 1:  # some samples lie exactly on knots
                own = self.torch_knots[0][0, i].numpy()
                row[: samples // 2 : 2] = rng.choice(own, len(row[: samples // 2 : 2]))
        self.y = rng.normal(size=(network.shape[-1], samples))
        self.kind, self.sizes = kernels.describe(network)
        self.work = kernels.workspace(network)
        self.work[:] = np.nan

    @property
    def arguments(self):
        return self.kind, self.sizes, self.parameters, self.knots, self.x

    def loss_and_gradient(self):
        gradient = np.full(self.parameters.size, np.nan)
        return kernels.loss_and_gradient(
            SQUARES, *self.arguments, self.y, gradient, self.work
        ), gradient

    def predict(self):
        out = np.full(self.y.shape, np.nan)
        kernels.predict(*self.arguments, out, self.work)
        return out

    def residuals_and_jacobian(self):
        residual = np.full(self.y.size, np.nan)
        jacobian = np.full((self.y.size, self.parameters.size), np.nan)
        kernels.residuals_and_jacobian(*self.arguments, self.y, residual, jacobian, self.work)
        return residual, jacobian

    def normal_equations(self):
        size = self.parameters.size
        matrix, gradient = np.full((size, size), np.nan), np.full(size, np.nan)
        squares = kernels.normal_equations(*self.arguments, self.y, matrix, gradient, self.work)
        return squares, np.tril(matrix), gradient

    def torch_outputs(self, flat_P):
        """[O, N] by the reference evaluators."""
        x_RNI = torch.from_numpy(self.x.T.copy())[None]
        return families.forward(self.network, flat_P[None], self.torch_knots, x_RNI)[0].T

    def torch_loss_and_gradient(self):
        flat_P = torch.from_numpy(self.parameters).requires_grad_()
        outputs = self.torch_outputs(flat_P)
        loss = (outputs - torch.from_numpy(self.y)).square().mean()
        (gradient,) = torch.autograd.grad(loss, flat_P)
        return outputs.detach().numpy(), loss.item(), gradient.numpy()


def distance(a, b):
    return np.abs(np.asarray(a) - b).max() / max(np.abs(b).max(), 1e-300)


def assert_equals_torch(case, gradient_within=1e-12, within=1e-12):
    outputs, loss, gradient = case.torch_loss_and_gradient()
    own_loss, own_gradient = case.loss_and_gradient()
    assert distance(case.predict(), outputs) < within, case.network
    assert abs(own_loss / loss - 1) < within, case.network
    assert distance(own_gradient, gradient) < gradient_within, case.network


def everything(case):
    loss, gradient = case.loss_and_gradient()
    parts = [
        [loss],
        gradient,
        case.predict(),
        *case.residuals_and_jacobian(),
        *case.normal_equations(),
    ]
    return np.concatenate([np.ravel(part) for part in parts])


@pytest.mark.parametrize("knots", KNOTS)
def test_kans_equal_the_reference(knots):
    for shape, order in product(SHAPES, ORDERS):
        extras = EXTRAS if order == 3 else [EXTRAS[0], EXTRAS[5], EXTRAS[7]]
        for seed, (grid, extra) in enumerate(product(GRIDS, extras)):
            assert_equals_torch(
                Case(KanShape(shape=shape, grid=grid, order=order, **extra), knots=knots, seed=seed)
            )


@pytest.mark.parametrize("knots", KNOTS)
def test_spline_mlps_equal_the_reference(knots):
    for splines, order in product(SPLINES_OF_NODES, ORDERS):
        for seed, (shape, grid) in enumerate(product([*SHAPES, (2, 20, 20, 1)], GRIDS)):
            network = SplineMlpShape(shape=shape, grid=grid, order=order, **splines)
            # Sums over samples round by the processor: one gradient of repeated knots, or of a
            # rank, is 2e-12 off.
            within = 1e-11 if knots == "repeated" or network.rank > 1 else 1e-12
            assert_equals_torch(Case(network, knots=knots, seed=seed), within)


def test_all_others_equal_the_reference():
    for network in MLPS + FIXED:
        # A layer of sines multiplies what rounding has done before it by omega_0, which is 30.
        within = 1e-10 if network in SINES else 1e-12
        assert_equals_torch(Case(network), within, within)


def test_harmonics_are_accurate_to_the_last_bits():
    """cos n x and sin n x up to n = 16, each from the one before, are those of numpy to the
    rounding of n x.
    """
    harmonics, x = 16, np.concatenate([np.linspace(-9, 9, 997), [1e5, -3e7, 0.0]])
    case = Case(FourierKanShape(shape=(1, 1), harmonics=harmonics), samples=x.size)
    case.x[0] = x
    phases = np.arange(1, 1 + harmonics)[:, None] * x
    truth = np.concatenate([np.cos(phases), np.sin(phases)])

    _, jacobian = case.residuals_and_jacobian()

    error = np.abs(jacobian[:, : 2 * harmonics].T - truth)
    assert (error <= 1e-15 * np.maximum(harmonics, np.abs(np.tile(phases, (2, 1))))).all()


def test_gaussians_are_accurate_where_they_vanish():
    """exp(-((x - c) / h)^2) is that of numpy far out, where it is 0."""
    x = np.concatenate([np.linspace(-60, 60, 997), [1e100, 0.0, -2.0]])
    case = Case(RbfKanShape(shape=(1, 1), grid=5), samples=x.size)
    case.x[0] = x
    away = x - np.linspace(-2, 2, 5)[:, None]  # they are 1 apart

    _, jacobian = case.residuals_and_jacobian()

    truth = np.exp(-(away**2))
    assert (np.abs(jacobian[:, :5].T - truth) <= 1e-15 * (1 + away**2) * truth + 1e-300).all()


def test_the_derivative_of_the_size_of_q_at_0_is_that_of_q():
    """Where a rational KAN starts, all of its first Q is 0: its gradient is torch's there."""
    case = Case(RationalKanShape(shape=(2, 3, 1), numerator=3, denominator=2, groups=2))
    case.parameters[4:8] = 0.0
    assert_equals_torch(case)
    assert (case.loss_and_gradient()[1][4:8] != 0.0).all()


class ClassCase(Case):
    """Targets are the numbers of classes, one a sample."""

    def __init__(self, network, samples=67, seed=0):
        super().__init__(network, samples, seed=seed)
        self.y = (
            np.random.default_rng(seed + 1)
            .integers(0, network.shape[-1], (1, samples))
            .astype(float)
        )

    def loss_and_gradient(self):
        gradient = np.full(self.parameters.size, np.nan)
        loss = kernels.loss_and_gradient(
            CROSS_ENTROPY, *self.arguments, self.y, gradient, self.work
        )
        return loss, gradient

    def torch_loss_and_gradient(self):
        flat_P = torch.from_numpy(self.parameters)
        points = LanePoints(*(torch.from_numpy(part.T[None].copy()) for part in (self.x, self.y)))
        loss_R, gradient_RP = OF_CLASSES.loss_and_gradient(
            self.network, flat_P[None], self.torch_knots, points
        )
        return self.torch_outputs(flat_P).numpy(), loss_R.item(), gradient_RP[0].numpy()


def assert_losses_are_torchs(case, within=1e-12):
    _, loss, gradient = case.torch_loss_and_gradient()
    own_loss, own_gradient = case.loss_and_gradient()
    assert abs(own_loss / loss - 1) < within, case.network
    assert distance(own_gradient, gradient) < within, case.network


@pytest.mark.parametrize("samples", [1, 64, 67, 256])
def test_cross_entropies_are_those_of_torch(samples):
    """Value and gradient, for networks of every family, two classes and many; a batch leaves no
    trace of its block.
    """
    networks = [network for network in (*FEW, *FIXED) if network.shape[-1] > 1]
    networks += [
        MlpShape(shape=(5, 7, 17)),
        KanShape(shape=(5, 3, 17), grid=3),
        SplineMlpShape(shape=(5, 17), grid=3),
    ]
    for network in networks:
        assert_losses_are_torchs(ClassCase(network, samples))


LOGITS = MlpShape(shape=(1, 4))  # whose outputs are its biases where x = 0
LOGITS_OF_KAN = KanShape(shape=(1, 4), grid=1, base=False, bias=True)


@pytest.mark.parametrize("network", [LOGITS, LOGITS_OF_KAN], ids=["mlp", "kan"])
def test_cross_entropies_of_all_sizes_have_their_digits(network):
    """Outputs of +-1e3, equal ones, a class that is told wrong for sure, and losses down to
    1e-300.
    """
    rows = [
        [1e3, -1e3, 1e3, 0],
        [-1e3, 1e3, -1e3, -1e3],
        [5.0, 5.0, 5.0, 5.0],
        [28, 0, 0, 0],
        [27.7, 0, -9, -1e3],
        [690, 0, 1, 2],
        [1e-9, 0, 0, 0],
        [0, 27.7, 0, 0],
    ]
    for row, shift in product(rows, (0.0, 1e3)):
        case = ClassCase(network, samples=3)
        case.parameters[:] = 0.0
        case.parameters[-4:] = np.array(row) + shift
        case.x[:], case.y[:] = 0.0, 0.0
        assert_losses_are_torchs(case)


def test_outputs_that_are_not_finite_make_a_cross_entropy_that_is_not():
    for network, output, bad in product((LOGITS, LOGITS_OF_KAN), (0, 3), (np.nan, np.inf, -np.inf)):
        case = ClassCase(network, samples=70)
        case.parameters[-4 + output] = bad
        assert not np.isfinite(case.loss_and_gradient()[0]), (network, output, bad)
    for number in (4.0, -1.0, np.nan):
        case = ClassCase(LOGITS, samples=70)
        case.y[0, 69] = number
        assert not np.isfinite(case.loss_and_gradient()[0]), number


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 1000])
def test_any_number_of_samples(samples):
    for network in (FEW[0], FEW[4], FEW[5], FEW[7], FEW[8], *FEW[10::2]):
        case = Case(network, samples=samples)
        assert_equals_torch(case)
        assert_normal_equations_are_right(case)


def test_activations_are_accurate_to_the_last_bits():
    sizes = np.logspace(-300, 1.5, 600)
    x = np.concatenate([-sizes, [0.0], sizes])
    truth = {
        "silu": x * scipy.special.expit(x),
        "tanh": np.tanh(x),
        "gelu": x * scipy.special.ndtr(x),
    }
    for name, values in truth.items():
        case = Case(MlpShape(shape=(1, 1, 1), activation=name), samples=x.size)
        case.parameters[:], case.x[0] = [1, 0, 1, 0], x
        error = np.abs(case.predict()[0] - values)
        # In gelu's tail e^(-x^2/2) multiplies the rounding of its exponent, in scipy too.
        assert (error <= 1e-15 * (1 + x**2 * (name == "gelu")) * np.abs(values)).all(), name


def test_sines_are_accurate_to_the_last_bits():
    omega, rng = 7.0, np.random.default_rng(0)
    zeros = np.arange(-(10**5), 10**5, 997) * np.pi / 2
    phases = np.concatenate(
        [np.logspace(-300, 12, 2000), -np.logspace(-3, 6, 500), zeros, rng.uniform(-9, 9, 500)]
    )
    case = Case(MlpShape(shape=(1, 1, 1), activation="sine", omega_0=omega), samples=phases.size)
    case.parameters[:], case.x[0] = [1, 0, 1, 0], phases / omega
    truth = omega * case.x[0]

    outputs, (_, jacobian) = case.predict()[0], case.residuals_and_jacobian()
    by_phase = jacobian[:, 1] / omega

    # To 2 units in the last place: how the compiler joins products and sums moves the last one.
    assert (
        np.abs(outputs - np.sin(truth)) <= 4.5e-16 * np.maximum(np.abs(np.sin(truth)), 1e-9)
    ).all()
    assert (
        np.abs(by_phase - np.cos(truth)) <= 4.5e-16 * np.maximum(np.abs(np.cos(truth)), 1e-9)
    ).all()
    for bad in (np.inf, -np.inf, np.nan):
        case.x[0, 5] = bad
        assert np.isnan(case.predict()[0, 5])
        assert np.isnan(case.loss_and_gradient()[0])


@pytest.mark.parametrize("knots", KNOTS)
def test_the_jacobian_is_that_of_autograd(knots):
    for case in [Case(network, samples=70, knots=knots) for network in FEW]:
        residual, jacobian = case.residuals_and_jacobian()
        flat_P = torch.from_numpy(case.parameters)
        reference = torch.autograd.functional.jacobian(case.torch_outputs, flat_P).flatten(0, 1)
        assert distance(residual, (case.torch_outputs(flat_P).numpy() - case.y).ravel()) < 1e-12, (
            case.network
        )
        assert distance(jacobian, reference.numpy()) < 1e-11, case.network


@pytest.mark.parametrize("knots", KNOTS)
def test_normal_equations_of_splines(knots):
    """J^T J and J^T r are those of the Jacobian; nothing else is written. Of KANs from few entries
    and full rows.
    """
    extras = (EXTRAS[0], EXTRAS[5], EXTRAS[7])
    for shape, order, grid in product(SHAPES, (1, 3, 5), (1, 4, 12)):
        sizes = {"shape": shape, "grid": grid, "order": order}
        for extra, dense in product(extras, (0, 1)):
            case = Case(KanShape(**sizes, **extra), samples=70, knots=knots)
            case.sizes.view(kan.SIZES)[0, 0]["is_dense"] = dense
            assert_normal_equations_are_right(case)
        for splines in SPLINES_OF_NODES:
            assert_normal_equations_are_right(
                Case(SplineMlpShape(**sizes, **splines), samples=70, knots=knots)
            )


def test_normal_equations_without_splines():
    for network in MLPS + FIXED:
        if families.parameter_count(network) < 500:
            assert_normal_equations_are_right(Case(network))


def assert_normal_equations_are_right(case):
    size = case.parameters.size
    residual, jacobian = case.residuals_and_jacobian()
    room, gradient = np.full(size * size + 64, 7.0), np.empty(size)
    matrix = room[:-64].reshape(size, size)
    squares = kernels.normal_equations(*case.arguments, case.y, matrix, gradient, case.work)
    assert abs(squares / (residual @ residual) - 1) < 1e-12, case.network
    assert distance(np.tril(matrix), np.tril(jacobian.T @ jacobian)) < 1e-10, case.network
    assert distance(gradient, jacobian.T @ residual) < 1e-10, case.network
    assert (room[-64:] == 7.0).all(), case.network


@pytest.mark.parametrize("network", FEW, ids=repr)
def test_bits_hang_on_the_arguments_alone(network):
    case = Case(network, samples=200)
    bits = everything(case).tobytes()
    case.work[:] = 1e300
    assert everything(case).tobytes() == bits

    moved = Case(network, samples=200)
    for name in ("parameters", "knots", "x", "y", "work"):
        array = getattr(moved, name)
        setattr(moved, name, np.concatenate([[0.0], array.ravel()])[1:].reshape(array.shape))
    assert everything(moved).tobytes() == bits

    cases = [Case(network, samples=200) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert {values.tobytes() for values in pool.map(everything, cases)} == {bits}


@pytest.mark.parametrize("knots", KNOTS)
def test_what_is_not_finite_makes_a_loss_that_is_not(knots):
    """No kernel raises, hangs or leaves its arrays. tanh of a Chebyshev KAN makes 1 of an infinite
    sample.
    """
    for network, bad, where in product(FEW, (np.nan, np.inf, -np.inf), ("x", "y", "parameters")):
        if network.family == "chebyshev_kan" and where == "x" and np.isinf(bad):
            continue
        case = Case(network, samples=70, knots=knots)
        if where == "parameters":
            case.parameters[:] = bad
        else:
            getattr(case, where)[0, -1] = bad
        loss, gradient = case.loss_and_gradient()
        squares, _, _ = case.normal_equations()
        assert not np.isfinite(loss), (network, bad, where)
        assert not np.isfinite(squares), (network, bad, where)
        assert not np.isfinite(gradient).all(), (network, bad, where)
        assert not np.isfinite(case.residuals_and_jacobian()[0]).all(), (network, bad, where)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("knots", KNOTS)
@pytest.mark.parametrize(
    ("family", "extra"),
    [(KanShape, {"base": False}), (SplineMlpShape, {"place": "before"})],
    ids=["kan", "spline_mlp"],
)
def test_huge_samples_are_outside(family, extra, knots, order):
    """A spline is zero at 1e300 as it is at 2, and so are its derivatives."""
    case = Case(family(shape=(2, 5, 1), grid=5, order=order, **extra), knots=knots)
    case.x[:] = 1e300
    case.x[0] *= -1
    case.y[:] = 0.0
    at_zero = Case(case.network, knots=knots)
    assert np.isfinite(everything(case)).all()
    assert_equals_torch(case)
    assert case.predict().std() < 1e-14
    assert at_zero.predict().std() > 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_knots_that_are_not_finite(bad):
    for position in (0, 5, -1):
        case = Case(FEW[0])
        case.knots[position] = bad
        everything(case)


class OwnShape(FourierKanShape):
    """A family of a user's own."""

    family: Literal["own.py:Own"] = "own.py:Own"


def test_a_family_that_is_derived_from_one_with_kernels_has_none():
    """It may compute something else."""
    with pytest.raises(HarnessError, match=r"no kernels of family: own.py:Own.*'torch'"):
        kernels.describe(OwnShape(shape=(2, 1), harmonics=3))


def test_the_workspace_is_aligned_and_sizes_tell_its_length():
    for network in FEW:
        work = kernels.workspace(network)
        whole = kernels.MODULES[network.kernels].describe(network)[0]
        assert work.ctypes.data % 64 == 0
        assert work.size == whole.room
        assert whole.parameters == families.parameter_count(network)
