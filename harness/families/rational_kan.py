"""GR-KAN, the layer of KAT (Yang & Wang 2024, arXiv 2409.10594): a rational function an input, then
a linear map.

    y = W F(x) + b,    F(x) = P(x) / (1 + |Q(x)|),    P = a_0 + ... + a_m x^m,    Q = b_1 x + ... +
    b_n x^n

P is that of the layer, Q that of a group of neighbouring inputs. It is the paper's formula; kernels
that its authors released later take |b_1| |x| + ... + |b_n| |x|^n for |Q|, which is nearly the same
where it starts. As there, the derivative of |Q| at Q = 0 is that of Q: the first layer starts at Q
= 0, where it would else stay for ever.

Shape suffixes: R lanes, I inputs, G groups, M coefficients of P, C coefficients of Q, O outputs, N
samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import PositiveInt

from harness.families.base import Layer, Layered, LayeredShape
from harness.families.later import Knots, Tensor, np, torch
from harness.families.linear import evaluate_dense, whole
from harness.families.shape import Prices
from harness.families.space import Range

if TYPE_CHECKING:
    from harness.families.jacobian import Trace


class Start(NamedTuple):
    """Coefficients that a layer starts with, and 1 over the mean of F(x)^2, x ~ N(0, 1).

    By that `gain` weights keep the variance of what they are given (katransformer.py).
    """

    numerator: list[float]
    denominator: list[float]
    gain: float


# KAT's start (github.com/Adamdad/rational_kat_cu, init.json): the first layer is the identity, the
# others are swish on [-3, 3]. Other degrees than its (5, 4) have these coefficients cut off, or
# filled up with zeros.
IDENTITY = Start([0.0, 1.0], [], gain=1.0)
SWISH = Start(
    [
        3.054879741161051e-07,
        0.5000007853744493,
        0.24999783422824703,
        0.05326628273219478,
        0.005803034571292244,
        0.0002751961022402342,
    ],
    [-4.111554955950634e-06, 0.10652899335007572, -1.2690007399796238e-06, 0.0005502331264140556],
    gain=2.8178205270359653,
)


class RationalKanShape(LayeredShape):
    """A resolved GR-KAN."""

    family: Literal["rational_kan"] = "rational_kan"
    numerator: PositiveInt = 5
    denominator: PositiveInt = 4
    groups: PositiveInt = 8

    title = "rational KAN"
    letters = {"numerator": "m", "denominator": "n", "groups": "g"}
    scaled = ("weight",)  # of a rational function a gain would change the form
    kernels = "rational"

    def groups_of(self, inputs: int) -> int:
        """Groups of a layer of so many inputs."""
        return min(self.groups, inputs)

    @property
    def numbers_of_input(self) -> int:
        return self.numerator + self.denominator + 1

    @property
    def long_words(self) -> str:
        return f"{self.titled}, m = {self.numerator}, n = {self.denominator}, {self.groups} groups"

    # -------------------------------------------------------------------------------------------
    # parameters, evaluation
    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        return {
            "numerator": (self.numerator + 1,),
            "denominator": (self.groups_of(layer.inputs), self.denominator),
            "weight": (layer.inputs, layer.outputs),
            "bias": (layer.outputs,),
        }

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """KAT's rational functions, weights N(0, gain / I), a bias of 0."""
        start = IDENTITY if layer.starts_as_first else SWISH
        match name:
            case "numerator":
                return _fitted(start.numerator, shape)
            case "denominator":
                return _fitted(start.denominator, shape)
            case "weight":
                return generator.standard_normal(shape) * sqrt(start.gain / layer.inputs)
        return np.zeros(shape)

    def evaluate_layer(
        self, layer: Layer, weights: Mapping[str, Tensor], knots: Knots, h_RIN: Tensor
    ) -> Tensor:
        return evaluate_dense(
            weights, rational(weights["numerator"], weights["denominator"], whole(h_RIN))
        )

    def trace(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, h_RIN: Tensor, trace: Trace
    ) -> Tensor:
        """The rational functions are a layer of their own."""
        numerator_RM, denominator_RGC = weights.pop("numerator"), weights.pop("denominator")
        coefficients = {"numerator": numerator_RM, "denominator": denominator_RGC}
        z_RIN = trace.add(
            coefficients, h_RIN, rational(numerator_RM, denominator_RGC, h_RIN), fill=_fill
        )
        return trace.add(weights, z_RIN, evaluate_dense(weights, z_RIN))

    # ----------------------------------------------------------------------------------------------
    # counts
    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """The KAT paper's own count. Horner without a constant in Q executes one less."""
        rational_operations = 2 * self.numerator + 2 * self.denominator + 3
        return layer.sites(convention) * rational_operations + 2 * layer.edges

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        """|Q| by a compare, a change of sign and a selection."""
        return 2 * layer.edges + (2 * self.numerator + 2 * self.denominator + 4) * layer.inputs

    def layer_backward(self, layer: Layer) -> int:
        degrees = self.numerator + self.denominator
        an_input = 4 * degrees + 9 if layer.needs_input_gradient else 2 * degrees + 10
        return 4 * layer.edges + layer.outputs + an_input * layer.inputs


class RationalKan(Layered):
    """GR-KAN, the layer of KAT (Yang & Wang 2024): a rational function P/(1 + |Q|) an input, then a
    linear map.

    One numerator (degree m, m + 1 coefficients) a layer, one denominator (degree n, no constant) a
    group of inputs; layers of fewer inputs than `groups` have one an input.
    """

    network = RationalKanShape
    colour = "#000000"  # black
    # KAT's own orders are 5 and 4, with 8 groups.
    standard_space = {
        "architecture.numerator": Range(low=3, high=7),
        "architecture.denominator": Range(low=2, high=6),
        "architecture.groups": (1, 8),
        "architecture.depth": Range(low=2, high=5),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["rational_kan"]
    numerator: PositiveInt = 5
    denominator: PositiveInt = 4
    groups: PositiveInt = 8


# --------------------------------------------------------------------------------------------------
# functions
def _fitted(coefficients: list[float], shape: tuple[int, ...]) -> np.ndarray:
    """Cut off or filled up to the last axis of `shape`, the same along the others."""
    padded = np.zeros(shape)
    filled = min(len(coefficients), shape[-1])
    padded[..., :filled] = coefficients[:filled]
    return padded


def rational(numerator_RM: Tensor, denominator_RGC: Tensor, x_RIN: Tensor) -> Tensor:
    """F of every input, by Horner's scheme."""
    p, q = _polynomials(numerator_RM, denominator_RGC, x_RIN)
    return p / (1 + torch.where(q < 0, -q, q))


def derivatives(
    numerator_RM: Tensor, denominator_RGC: Tensor, x_RIN: Tensor
) -> tuple[Tensor, Tensor]:
    """Of F of every input by the coefficients of P and of its own Q, [R, I, M, N] and [R, I, C,
    N].
    """
    p, q = _polynomials(numerator_RM, denominator_RGC, x_RIN)
    whole = 1 + q.abs()
    by_q = torch.where(q < 0, p, -p) / whole.square()
    powers = [torch.ones_like(x_RIN)]
    for _ in range(max(numerator_RM.shape[1] - 1, denominator_RGC.shape[2])):
        powers.append(powers[-1] * x_RIN)
    powers_RIMN = torch.stack(powers, 2)
    of_p, of_q = (
        powers_RIMN[:, :, : numerator_RM.shape[1]],
        powers_RIMN[:, :, 1 : 1 + denominator_RGC.shape[2]],
    )
    return of_p / whole[:, :, None], of_q * by_q[:, :, None]


def groups_of_nodes(nodes: int, groups: int) -> list[int]:
    """The group of every node: neighbours, and as many in each as is possible."""
    return [node * groups // nodes for node in range(nodes)]


def of_groups(each_RGC: Tensor, nodes: int) -> Tensor:
    """What each of so many nodes has of its group, [R, I, C]."""
    # `groups_of_nodes`, on the device: a list would have to be copied there at every evaluation.
    group_I = torch.div(
        torch.arange(nodes, device=each_RGC.device) * each_RGC.shape[1],
        nodes,
        rounding_mode="floor",
    )
    return each_RGC.index_select(1, group_I)


def _polynomials(
    numerator_RM: Tensor, denominator_RGC: Tensor, x_RIN: Tensor
) -> tuple[Tensor, Tensor]:
    q_RIC1 = of_groups(denominator_RGC, x_RIN.shape[1])[..., None]
    p_RM11 = numerator_RM[..., None, None]
    return _horner(p_RM11.unbind(1), x_RIN), _horner(q_RIC1.unbind(2), x_RIN) * x_RIN


def _horner(coefficients: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """c_0 + x (c_1 + x (c_2 + ...))."""
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


def _fill(
    into: Mapping[str, Tensor], weights: Mapping[str, Tensor], h_RIN: Tensor, delta_RJON: Tensor
) -> None:
    """Coefficients of a layer act on all of its nodes, those of a group on its own: node by node,
    in their order.
    """
    by_p, by_q = derivatives(weights["numerator"], weights["denominator"], h_RIN)
    for columns in into.values():
        columns.zero_()
    for node, group in enumerate(groups_of_nodes(h_RIN.shape[1], into["denominator"].shape[1])):
        delta_R1ON = delta_RJON[:, node, None]
        into["numerator"] += by_p[:, node, :, None] * delta_R1ON
        into["denominator"][:, group] += by_q[:, node, :, None] * delta_R1ON
