"""Closed forms of every family against implementations of their papers that share nothing with this
package.

Each network is written as its paper has it, from torch alone, and counted as it runs. A forward
pass costs what one sample more costs, (64 samples - 32 samples) / 32, so that what is done once a
batch has no share in it. Compares are removed on both sides. In the formulas a layer maps I inputs
to O outputs over E = I O edges.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import GRIDS_AND_ORDERS, SETTINGS, SHAPES, networks
from scipy.interpolate import BSpline
from torch import nn

from harness import families
from harness.count import count
from harness.count.dispatched import Counter

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def is_of_its_paper(network):
    """FastKAN normalises and has several Gaussians, KAT refuses groups that do not divide a layer's
    inputs.
    """
    match network:
        case families.RbfKanShape():
            return network.norm and network.grid > 1
        case families.RationalKanShape():
            return not any(inputs % network.groups for inputs in network.shape[:-1])
    return True


NETWORKS = [network for network in networks() if is_of_its_paper(network)]


def weights(*size):
    return nn.Parameter(torch.empty(size, dtype=torch.float64))


def linear(inputs, outputs):
    """A torch layer that draws no initial weights."""
    return nn.utils.skip_init(nn.Linear, inputs, outputs, dtype=torch.float64)


class Gated(nn.Module):
    """A hidden layer of SwiGLU and its relatives."""

    def __init__(self, inputs, outputs, activation):
        super().__init__()
        self.value, self.gate = linear(inputs, outputs), linear(inputs, outputs)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x):
        return self.activation(self.value(x)) * self.gate(x)


class UniformGrid(nn.Module):
    """B-splines of order k on G intervals of [-1, 1], extended by k knots on each side."""

    def __init__(self, grid, order):
        super().__init__()
        self.grid, self.order, self.step = grid, order, 2 / grid
        self.register_buffer(
            "knots", torch.arange(-order, grid + order + 1).double() * self.step - 1
        )

    def all_bases(self, x):
        """Cox-de Boor, all G + k bases on a last axis: 7 operations a term, knots have no axis of
        samples.
        """
        t, x = self.knots, x[..., None]
        bases = ((x >= t[:-1]) & (x < t[1:])).double()
        for p in range(1, self.order + 1):
            width = t[p:] - t[:-p]
            left = (x - t[: -p - 1]) / width[:-1] * bases[..., :-1]
            right = (t[p + 1 :] - x) / width[1:] * bases[..., 1:]
            bases = left + right
        return bases

    def active_bases(self, x):
        """Index of the first of the k + 1 bases that are not zero, and these: A2.2 of The NURBS
        Book, as printed.
        """
        first = ((x + 1) / self.step).floor().clamp(0, self.grid - 1).long()
        left = [
            None,
            *(x - self.knots[first + self.order + 1 - j] for j in range(1, self.order + 1)),
        ]
        right = [None, *(self.knots[first + self.order + j] - x for j in range(1, self.order + 1))]
        bases = [torch.ones_like(x)]
        for j in range(1, self.order + 1):
            saved = torch.zeros_like(x)
            for r in range(j):
                term = bases[r] / (right[r + 1] + left[j - r])
                bases[r] = saved + right[r + 1] * term
                saved = left[j - r] * term
            bases.append(saved)
        return first, bases


class SplineActivation(nn.Module):
    """A learnable B-spline a neuron (Yu et al. 2024); `local` gathers the k + 1 coefficients it
    needs.
    """

    def __init__(self, width, grid, order, local):
        super().__init__()
        self.basis, self.local = UniformGrid(grid, order), local
        self.coefficients = weights(width, grid + order)

    def forward(self, x):
        if not self.local:
            return (self.basis.all_bases(x) * self.coefficients).sum(-1)
        first, bases = self.basis.active_bases(x)
        neuron = torch.arange(x.shape[1])
        y = self.coefficients[neuron, first] * bases[0]
        for r, basis in enumerate(bases[1:], start=1):
            y = y + self.coefficients[neuron, first + r] * basis
        return y


class BSplineKanLayer(nn.Module):
    """Liu et al. 2024, eq. 2.10, the basis once an input: w_b silu(x) + w_s sum_i c_i B_i(x) on
    every edge.
    """

    def __init__(self, inputs, outputs, network, local):
        super().__init__()
        self.basis, self.local = UniformGrid(network.grid, network.order), local
        self.coefficients = weights(inputs, network.grid + network.order, outputs)
        self.base = weights(inputs, outputs) if network.base else None
        self.scales = weights(inputs, 1, outputs) if network.scales else None
        self.bias = weights(outputs) if network.bias else None

    def forward(self, x):
        c = self.coefficients if self.scales is None else self.coefficients * self.scales
        if self.local:
            first, bases = self.basis.active_bases(x)
            node = torch.arange(x.shape[1])
            edges = c[node, first] * bases[0][..., None]
            for r, basis in enumerate(bases[1:], start=1):
                edges = edges + c[node, first + r] * basis[..., None]
            y = edges.sum(1)
        else:
            y = self.basis.all_bases(x).flatten(1) @ c.flatten(0, 1)
        y = y if self.base is None else y + F.silu(x) @ self.base
        return y if self.bias is None else y + self.bias


class FastKanLayer(nn.Module):
    """Li 2024: Gaussians exp(-((x - c) / h)^2) of normalised inputs; a base branch on inputs as
    they are.
    """

    def __init__(self, inputs, outputs, grid):
        super().__init__()
        self.register_buffer("centres", torch.linspace(-2, 2, grid, dtype=torch.float64))
        self.width = 4 / (grid - 1)
        self.gain, self.shift = (weights(inputs), weights(inputs)) if inputs > 1 else (None, None)
        self.spline = weights(outputs, inputs * grid)
        self.base = linear(inputs, outputs)

    def normalise(self, x):
        """LayerNorm by its formula; the counter does not know the fused operation."""
        if self.gain is None:
            return x
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / deviation * self.gain + self.shift

    def forward(self, x):
        gaussians = torch.exp(-(((self.normalise(x)[..., None] - self.centres) / self.width) ** 2))
        return F.linear(gaussians.flatten(1), self.spline) + self.base(F.silu(x))


class ChebyshevLayer(nn.Module):
    """SynodicMonth 2024, by recurrence: T_n = 2 x T_{n-1} - T_{n-2} of x = tanh(input)."""

    def __init__(self, inputs, outputs, degree):
        super().__init__()
        self.coefficients = weights(inputs * (degree + 1), outputs)
        self.degree = degree

    def polynomials(self, x):
        terms = [torch.ones_like(x), x]
        if self.degree > 1:
            twice = 2 * x
            for _ in range(2, self.degree + 1):
                terms.append(twice * terms[-1] - terms[-2])
        return torch.stack(terms, -1)

    def forward(self, x):
        return self.polynomials(torch.tanh(x)).flatten(1) @ self.coefficients


class PReLU(nn.Module):
    """He et al. 2015: x where it is above 0, else a x: a product, and a compare that selects."""

    def __init__(self, width):
        super().__init__()
        self.slope = weights(width)

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)


class Sine(nn.Module):
    """Sitzmann et al. 2020, SIREN."""

    def __init__(self, omega_0):
        super().__init__()
        self.omega_0 = omega_0

    def forward(self, x):
        return torch.sin(self.omega_0 * x)


class FourierFeatures(nn.Module):
    """Tancik et al. 2020, with 2 pi in the buffer that holds B."""

    def __init__(self, inputs, features):
        super().__init__()
        self.register_buffer("frequencies", torch.empty(inputs, features, dtype=torch.float64))

    def forward(self, x):
        phase = x @ self.frequencies
        return torch.cat([torch.sin(phase), torch.cos(phase)], 1)


class SeveralSplines(SplineActivation):
    """`rank` learnable splines a neuron on one basis, the first of all neurons, then the second,
    and so on.
    """

    def __init__(self, width, grid, order, rank):
        super().__init__(width, grid, order, False)
        self.coefficients = weights(rank, width, grid + order)

    def forward(self, x):
        return (self.basis.all_bases(x)[:, None] * self.coefficients).sum(-1).flatten(1)


class FourierLayer(nn.Module):
    """GistNoesis 2024: cosines and sines of n x, n = 1..harmonics, and a bias."""

    def __init__(self, inputs, outputs, harmonics):
        super().__init__()
        self.coefficients, self.bias = weights(2 * inputs * harmonics, outputs), weights(outputs)
        self.register_buffer("numbers", torch.arange(1, harmonics + 1).double())

    def forward(self, x):
        phase = x[..., None] * self.numbers
        waves = torch.cat([torch.cos(phase), torch.sin(phase)], -1)
        return torch.addmm(self.bias, waves.flatten(1), self.coefficients)


class GroupRational(nn.Module):
    """Yang & Wang 2024, KAT: P(x) / (1 + |Q(x)|) by Horner; Q has no constant."""

    def __init__(self, numerator, denominator, groups):
        super().__init__()
        self.numerator, self.denominator = weights(numerator + 1), weights(groups, denominator)

    def forward(self, x):
        a, b = self.numerator, self.denominator[:, :, None]
        x = x.unflatten(1, (len(b), -1))  # samples, groups, inputs of a group
        p = a[-1] * x + a[-2]
        for i in range(len(a) - 3, -1, -1):
            p = p * x + a[i]
        q = b[:, -1] * x
        for i in range(b.shape[1] - 2, -1, -1):
            q = (q + b[:, i]) * x
        return (p / (1 + q.abs())).flatten(1)


class GroupChebyshev(nn.Module):
    """sum_n c_n T_n(tanh x) with the series of a group, by Clenshaw (1955)."""

    def __init__(self, degree, groups):
        super().__init__()
        self.series = weights(groups, degree + 1)

    def forward(self, x):
        c = self.series[:, :, None]
        t = torch.tanh(x).unflatten(1, (len(c), -1))
        if c.shape[1] == 2:
            return (c[:, 1] * t + c[:, 0]).flatten(1)
        twice, before, now = t * 2, c[:, -1], None
        now = twice * before + c[:, -2]
        for n in range(c.shape[1] - 3, 0, -1):
            before, now = now, twice * now - before + c[:, n]
        return (t * now - before + c[:, 0]).flatten(1)


def build(network, local=False):
    layers, features = [], getattr(network, "features", None)
    nodes = list(network.shape)
    if features:
        layers, nodes[0] = [FourierFeatures(nodes[0], features)], 2 * features
    for at, (inputs, outputs) in enumerate(pairwise(nodes)):
        is_last = at == len(network.shape) - 2
        match network:
            case families.MlpShape(activation="prelu"):
                layers += [linear(inputs, outputs), *([] if is_last else [PReLU(outputs)])]
            case families.MlpShape(activation="sine"):
                layers += [linear(inputs, outputs), *([] if is_last else [Sine(network.omega_0)])]
            case families.MlpShape():
                layers += [
                    linear(inputs, outputs),
                    *([] if is_last else [ACTIVATIONS[network.activation]()]),
                ]
            case families.SplineMlpShape() if network.rank > 1:
                splines = SeveralSplines(inputs, network.grid, network.order, network.rank)
                layers += [splines, linear(network.rank * inputs, outputs)]
            case families.SplineMlpShape(place="before"):
                layers += [
                    SplineActivation(inputs, network.grid, network.order, local),
                    linear(inputs, outputs),
                ]
            case families.SplineMlpShape():
                spline = (
                    []
                    if is_last
                    else [SplineActivation(outputs, network.grid, network.order, local)]
                )
                layers += [linear(inputs, outputs), *spline]
            case families.KanShape():
                layers += [BSplineKanLayer(inputs, outputs, network, local)]
            case families.GatedMlpShape():
                layers += [
                    linear(inputs, outputs)
                    if is_last
                    else Gated(inputs, outputs, network.activation)
                ]
            case families.RbfKanShape():
                layers += [FastKanLayer(inputs, outputs, network.grid)]
            case families.ChebyshevKanShape():
                layers += [ChebyshevLayer(inputs, outputs, network.degree)]
            case families.FourierKanShape():
                layers += [FourierLayer(inputs, outputs, network.harmonics)]
            case families.RationalKanShape():
                rational = GroupRational(network.numerator, network.denominator, network.groups)
                layers += [rational, linear(inputs, outputs)]
            case families.GroupedChebyshevShape():
                layers += [
                    GroupChebyshev(network.degree, min(network.groups, inputs)),
                    linear(inputs, outputs),
                ]
    module, generator = (
        nn.Sequential(*layers).requires_grad_(False),
        torch.Generator().manual_seed(0),
    )
    for parameter in [
        *module.parameters(),
        *(b for n, b in module.named_buffers() if n.endswith("frequencies")),
    ]:
        parameter.normal_(generator=generator)
    return module


def samples(number, inputs):
    return torch.tensor(np.random.default_rng(0).uniform(-1, 1, (number, inputs)))


@cache
def executed(network, local=False):
    """(matrix products, all but compares) of a forward pass of one sample more."""
    module, passes = build(network, local), []
    for number in (32, 64):
        with Counter() as counter:
            module(samples(number, network.shape[0]))
        passes.append(
            (counter.executed.matmul, counter.executed.matmul + counter.executed.elementwise)
        )
    shares = [divmod(after - before, 32) for before, after in zip(*passes, strict=True)]
    assert not any(rest for _, rest in shares)
    return tuple(share for share, _ in shares)


def splines(network):
    """Sites where a local basis is evaluated, each with one clamp."""
    inside = isinstance(network, families.SplineMlpShape) and network.place == "after"
    return sum(network.shape[1:-1] if inside else network.shape[:-1])


def closed(network, local=False):
    """The closed form, less a clamp a local spline, or a compare a prelu."""
    convention = "local_min" if local else "shared_dense"
    compares = sum(network.shape[1:-1]) if getattr(network, "activation", "") == "prelu" else 0
    return count(network)[f"flops_forward.{convention}"] - (splines(network) if local else compares)


def difference(network, local):
    """Executed less closed; what is in it is said in the test of the differences."""
    inputs, outputs = sum(network.shape[:-1]), sum(network.shape[1:])
    match network:
        case families.MlpShape() | families.GatedMlpShape():
            return 0
        case families.SplineMlpShape():
            return 0 if local else network.rank * splines(network)
        case families.KanShape():
            return outputs if network.base else 0
        case families.RbfKanShape():
            return outputs + sum(2 - each for each in network.shape[:-1] if each > 1)
        case families.ChebyshevKanShape():
            return inputs if network.degree > 1 else 0
        case families.FourierKanShape():
            return 0
        case families.GroupedChebyshevShape():
            return inputs if network.degree > 1 else 0
        case families.RationalKanShape():
            return -inputs


# The smallest networks of two families, whose differences, exact as they are, exceed 5 %: 15 where
# the closed form has 14, as 2 x is formed; and 8 where KAT's count, one more an input, has 9, or
# 138 where it has 149.
BEYOND = [families.ChebyshevKanShape(shape=(1, 1), degree=2)]
BEYOND += [
    families.RationalKanShape(shape=small, numerator=1, denominator=1, groups=1)
    for small in SHAPES[:3]
]


def evaluators(family):
    """The networks of a family, each with whether it is evaluated locally: splines that stand alone
    are both ways.
    """
    for network in NETWORKS:
        if isinstance(network, family):
            yield network, False
            if (
                isinstance(network, families.KanShape | families.SplineMlpShape)
                and getattr(network, "rank", 1) == 1
            ):
                yield network, True


every_family = pytest.mark.parametrize("family", SETTINGS, ids=lambda family: family.__name__)


@every_family
def test_differences_from_the_closed_forms_are_these(family):
    """Executed less closed, exactly; all but BEYOND are within 5 % of each other.

    mlp, gated_mlp 0. spline_mlp     dense: a sum of n terms counts n here, and n - 1 in the closed
    form: 1 a spline. Local: 0. kan            O where two branches meet: products of n terms count
    n adds, so both branches have theirs already. rbf_kan        O as above. LayerNorm is 7 I + 2,
    in place of 8 I: means count I each, difference, square, division,
                   gain and shift one an input; and the term under the root and the root one a
                   sample.
    chebyshev_kan  I where D > 1: forming 2 x, which the closed form leaves out of T_n = (2 x)
    T_{n-1} - T_{n-2}. grouped_chebyshev  I where D > 1, for 2 x, as above. rational_kan   -I:
    Horner is 2 m for P and 2 n - 1 for Q, which has no constant; |Q|, 1 + and division make it
                   2 m + 2 n + 2. The KAT paper counts one more.
    """
    for network, local in evaluators(family):
        found = executed(network, local)[1]
        assert found - closed(network, local) == difference(network, local), (network, local)
        assert (found == pytest.approx(closed(network, local), rel=0.05)) == (
            network not in BEYOND
        ), (network, local)


@every_family
def test_matrix_products_are_the_convention_matmul(family):
    for network, local in evaluators(family):
        if local == (family is families.KanShape):
            assert executed(network, local)[0] == count(network)["flops_forward.matmul"], network


@pytest.mark.parametrize(("grid", "order"), GRIDS_AND_ORDERS)
def test_both_splines_are_scipys(grid, order):
    network = families.SplineMlpShape(shape=(3, 1), grid=grid, order=order, place="before")
    dense, local = build(network)[0], build(network, local=True)[0]
    x = samples(200, 3)
    theirs = BSpline(dense.basis.knots.numpy(), dense.coefficients.T.numpy(), order)(x.numpy())
    expected = torch.tensor(np.einsum("nii->ni", theirs))
    torch.testing.assert_close(dense(x), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(local(x), expected, rtol=0, atol=1e-10)


def test_both_kan_layers_are_one_function():
    network, x = families.KanShape(shape=(3, 4), grid=5, scales=True, bias=True), samples(200, 3)
    torch.testing.assert_close(build(network)(x), build(network, local=True)(x), rtol=0, atol=1e-10)


def test_the_other_bases_are_their_definitions():
    x = samples(50, 4)
    layer = build(families.RbfKanShape(shape=(4, 3), grid=5))[0]
    torch.testing.assert_close(layer.normalise(x), F.layer_norm(x, (4,), layer.gain, layer.shift))
    polynomials = build(families.ChebyshevKanShape(shape=(4, 3), degree=6))[0].polynomials(x)
    torch.testing.assert_close(polynomials, torch.cos(torch.arange(7) * torch.arccos(x)[..., None]))
    rational = build(families.RationalKanShape(shape=(4, 3), groups=2))[0]
    p = np.polynomial.Polynomial(rational.numerator.numpy())(x.numpy())
    for group, nodes in enumerate(([0, 1], [2, 3])):
        q = np.polynomial.Polynomial([0, *rational.denominator[group].numpy()])(x[:, nodes].numpy())
        torch.testing.assert_close(
            rational(x)[:, nodes], torch.tensor(p[:, nodes] / (1 + np.abs(q)))
        )
