"""The families of networks as shapes: architectures with all sizes.

A layer of every family but the MLP is a basis expansion of each input followed by one linear map.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from harness.spec.counts import Positive
from harness.spec.frozen import Frozen
from harness.spec.module import ModuleShape

Activation = Literal["silu", "relu", "tanh", "gelu", "prelu", "sine"]
Order = Annotated[int, Field(ge=1, le=5, description="polynomial degree k, 3 = cubic")]
Place = Literal["after", "before"]
Base = bool | Literal["frozen"]

OMEGA_0 = 30.0  # Sitzmann et al. 2020, section 3.2: it worked well for all of their applications


class Shaped(Frozen):
    """`shape` lists nodes from input to output."""

    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=2)]

    @property
    def nodes(self) -> tuple[int, ...]:
        """What the layers of weights map, from the first one's inputs to the outputs."""
        return self.shape


class MlpShape(Shaped):
    """A resolved MLP."""

    family: Literal["mlp"] = "mlp"
    activation: Activation = "silu"
    omega_0: Positive = Field(OMEGA_0, exclude_if=lambda value: value == OMEGA_0)
    features: PositiveInt | None = Field(None, exclude_if=lambda value: value is None)
    features_sigma: Positive = Field(1.0, exclude_if=lambda value: value == 1.0)

    @property
    def nodes(self) -> tuple[int, ...]:
        """As of others; with Fourier features the first layer takes a sine and a cosine of each, not the inputs."""
        return self.shape if self.features is None else (2 * self.features, *self.shape[1:])


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
    rank: PositiveInt = Field(1, exclude_if=lambda value: value == 1)
    noise: float = Field(0.1, exclude_if=lambda value: value == 0.1)
    low: float = Field(-1.0, exclude_if=lambda value: value == -1.0)
    high: float = Field(1.0, exclude_if=lambda value: value == 1.0)


class RbfKanShape(Shaped):
    """A resolved FastKAN."""

    family: Literal["rbf_kan"] = "rbf_kan"
    grid: PositiveInt
    norm: bool = Field(True, exclude_if=lambda value: value)

    def has_norm(self, inputs: int) -> bool:
        """Whether a layer of so many inputs has LayerNorm, which would make a constant of one input."""
        return self.norm and inputs > 1


class ChebyshevKanShape(Shaped):
    """A resolved ChebyKAN."""

    family: Literal["chebyshev_kan"] = "chebyshev_kan"
    degree: PositiveInt


class FourierKanShape(Shaped):
    """A resolved FourierKAN."""

    family: Literal["fourier_kan"] = "fourier_kan"
    harmonics: PositiveInt


class RationalKanShape(Shaped):
    """A resolved GR-KAN."""

    family: Literal["rational_kan"] = "rational_kan"
    numerator: PositiveInt = 5
    denominator: PositiveInt = 4
    groups: PositiveInt = 8

    def groups_of(self, inputs: int) -> int:
        """Groups of a layer of so many inputs."""
        return min(self.groups, inputs)


SplinedShape = KanShape | SplineMlpShape  # knots, which may move, and a grid, which may be refined
LayeredShape = (
    MlpShape | KanShape | SplineMlpShape | RbfKanShape | ChebyshevKanShape | FourierKanShape | RationalKanShape
)  # of layers that are known here, unlike a user's module
Network = Annotated[LayeredShape | ModuleShape, Field(discriminator="family")]
SHAPES: dict[str, type[Network]] = {
    "mlp": MlpShape,
    "kan": KanShape,
    "spline_mlp": SplineMlpShape,
    "rbf_kan": RbfKanShape,
    "chebyshev_kan": ChebyshevKanShape,
    "fourier_kan": FourierKanShape,
    "rational_kan": RationalKanShape,
    "module": ModuleShape,
}
