"""The families of networks: an architecture as a user writes it, and a shape, which is an architecture with all sizes.

A layer of every family but the MLP is a basis expansion of each input followed by one linear map. `mlp`, `kan` and
`spline_mlp` train here; the others are counted and matched so far.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, PositiveInt

from harness.spec.frozen import Frozen

Activation = Literal["silu", "relu", "tanh", "gelu"]
Hidden = tuple[PositiveInt, ...]
Order = Annotated[int, Field(ge=1, le=5, description="polynomial degree k, 3 = cubic")]
Place = Literal["after", "before"]
Base = bool | Literal["frozen"]


# ------------------------------------------------------------------------------------------------------ architectures
class Layered(Frozen):
    """The sizes that every family has: give `hidden`, or `depth` and `width`, and leave out what is solved for."""

    hidden: Hidden | None = None
    depth: PositiveInt | None = Field(None, description="layers of weights, output layer included")
    width: PositiveInt | None = Field(None, description="hidden nodes per layer")


class Mlp(Layered):
    """A multilayer perceptron; give `hidden`, or `depth` and `width`, and leave out the one that is solved for."""

    family: Literal["mlp"]
    activation: Activation = "silu"


class Kan(Layered):
    """A B-spline KAN (Liu et al. 2024, eq. 2.10): phi(x) = w_b silu(x) + w_s sum_i c_i B_i(x) on every edge.

    A `base` that is `frozen` keeps the w_b that it was drawn with: they are computed, but are no parameters.
    `scales` (w_s) is redundant with the coefficients: off unless asked for, on when the arm's recipe is `paper`.
    `noise` is the standard deviation of the initial c_i.
    """

    family: Literal["kan"]
    grid: PositiveInt | None = Field(None, description="intervals per spline, G")
    order: Order = 3
    base: Base = True
    scales: bool | None = None
    bias: bool = False
    noise: Annotated[FiniteFloat, Field(gt=0)] = 0.1


class SplineMlp(Layered):
    """An MLP with one learnable B-spline a neuron: `after` the linear map, on hidden nodes, or `before` it, on inputs.

    KANbeFair (Yu et al. 2024) calls them BSpline_MLP and BSpline_First_MLP. `noise` over G is the range of the values
    of the initial splines at their knots.
    """

    family: Literal["spline_mlp"]
    grid: PositiveInt | None = Field(None, description="intervals per spline, G")
    order: Order = 3
    place: Place = "after"
    noise: Annotated[FiniteFloat, Field(gt=0)] = 0.1


class RbfKan(Layered):
    """FastKAN (Li 2024): LayerNorm, `grid` Gaussians an input, a linear map; beside it one of silu(x), with bias."""

    family: Literal["rbf_kan"]
    grid: PositiveInt | None = Field(None, description="Gaussians per input")


class ChebyshevKan(Layered):
    """ChebyKAN (Synodic 2024): sum_n c_n T_n(tanh x) on every edge, n = 0..degree."""

    family: Literal["chebyshev_kan"]
    degree: PositiveInt | None = None


class RationalKan(Layered):
    """GR-KAN, the layer of KAT (Yang & Wang 2024): a rational function P/(1 + |Q|) an input, then a linear map.

    One numerator (degree m, m + 1 coefficients) a layer, one denominator (degree n, no constant) a group of inputs. All
    `groups` are counted, in layers of fewer inputs too.
    """

    family: Literal["rational_kan"]
    numerator: PositiveInt = 5
    denominator: PositiveInt = 4
    groups: PositiveInt = 8


Architecture = Annotated[Mlp | Kan | SplineMlp, Field(discriminator="family")]
CountedArchitecture = Annotated[
    Mlp | Kan | SplineMlp | RbfKan | ChebyshevKan | RationalKan, Field(discriminator="family")
]


# ------------------------------------------------------------------------------------------------------------- shapes
class Shaped(Frozen):
    """`shape` lists nodes from input to output."""

    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=2)]


class MlpShape(Shaped):
    """A resolved MLP."""

    family: Literal["mlp"] = "mlp"
    activation: Activation = "silu"


class KanShape(Shaped):
    """A resolved KAN; knots start uniform on [low, high] in every layer."""

    family: Literal["kan"] = "kan"
    grid: PositiveInt
    order: Order = 3
    base: Base = True
    scales: bool = False
    bias: bool = False
    noise: float = 0.1
    low: float = -1.0
    high: float = 1.0


class SplineMlpShape(Shaped):
    """A resolved MLP with learnable spline activations; knots start uniform on [low, high] in every layer."""

    family: Literal["spline_mlp"] = "spline_mlp"
    grid: PositiveInt
    order: Order = 3
    place: Place = "after"
    noise: float = Field(0.1, exclude_if=lambda value: value == 0.1)
    low: float = Field(-1.0, exclude_if=lambda value: value == -1.0)
    high: float = Field(1.0, exclude_if=lambda value: value == 1.0)


class RbfKanShape(Shaped):
    """A resolved FastKAN."""

    family: Literal["rbf_kan"] = "rbf_kan"
    grid: PositiveInt


class ChebyshevKanShape(Shaped):
    """A resolved ChebyKAN."""

    family: Literal["chebyshev_kan"] = "chebyshev_kan"
    degree: PositiveInt


class RationalKanShape(Shaped):
    """A resolved GR-KAN."""

    family: Literal["rational_kan"] = "rational_kan"
    numerator: PositiveInt = 5
    denominator: PositiveInt = 4
    groups: PositiveInt = 8


SplinedShape = KanShape | SplineMlpShape  # knots, which may move, and a grid, which may be refined
Network = Annotated[MlpShape | KanShape | SplineMlpShape, Field(discriminator="family")]
CountedShape = MlpShape | KanShape | SplineMlpShape | RbfKanShape | ChebyshevKanShape | RationalKanShape
SHAPES: dict[str, type[CountedShape]] = {
    "mlp": MlpShape,
    "kan": KanShape,
    "spline_mlp": SplineMlpShape,
    "rbf_kan": RbfKanShape,
    "chebyshev_kan": ChebyshevKanShape,
    "rational_kan": RationalKanShape,
}
