"""FastKAN (Li 2024, github.com/ZiyaoLi/fast-kan): Gaussians of every input, then a linear map;
beside it silu(x).

    exp(-((u - c) / h)^2) at G centres c, h apart, on [-2, 2]

u is x after LayerNorm over the layer's inputs, which is what it does about inputs that leave [-2,
2].

Shape suffixes: R lanes, I inputs, G Gaussians of an input, O outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from harness.base.frozen import left_out_at
from harness.families.base import Layer, Layered
from harness.families.expansion import ExpansionShape, normalised, standardised
from harness.families.later import F, Knots, Tensor, np, product, torch
from harness.families.linear import draw_linear
from harness.families.prices import BACKWARD
from harness.families.shape import Prices
from harness.families.space import Range

if TYPE_CHECKING:
    from harness.families.jacobian import Trace

RBF_RANGE = 2.0  # the outermost centres are at +-2
RBF_NOISE = 0.1  # standard deviation of initial coefficients; FastKAN's spline_weight_init_scale
# LayerNorm, an input: two sums, a difference, a square, a scaling by the deviation, two for the
# affine map, and a share of what is done once a sample.
LAYER_NORM_OPERATIONS = 8


class RbfKanShape(ExpansionShape):
    """A resolved FastKAN."""

    family: Literal["rbf_kan"] = "rbf_kan"
    grid: PositiveInt
    norm: bool = left_out_at(True)

    title = "RBF KAN"
    letters = {"grid": "G"}
    scaled = ("coef", "base", "bias")
    kernels = "expansion"
    has_bias = True

    def has_norm(self, inputs: int) -> bool:
        """Whether a layer of so many inputs has LayerNorm, which would make a constant of one
        input.
        """
        return self.norm and inputs > 1

    @property
    def long_words(self) -> str:
        return super().long_words + ("" if self.norm else ", no LayerNorm")

    # -------------------------------------------------------------------------------------------
    # parameters, evaluation
    @property
    def functions(self) -> int:
        """A Gaussian a centre."""
        return self.grid

    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        of_inputs = (layer.inputs,)
        norm = (
            {"norm_scale": of_inputs, "norm_shift": of_inputs}
            if self.has_norm(layer.inputs)
            else {}
        )
        coef = {"coef": (layer.inputs, self.grid, layer.outputs)}
        return {**norm, **coef, "base": (layer.inputs, layer.outputs), "bias": (layer.outputs,)}

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """As in the published code: N(0, 0.1^2), base map and bias as torch.nn.Linear, LayerNorm
        ones and zeros.
        """
        match name:
            case "coef":
                return RBF_NOISE * generator.standard_normal(shape)
            case "norm_scale":
                return np.ones(shape)
            case "norm_shift":
                return np.zeros(shape)
        return draw_linear(layer.inputs, shape, generator)

    def expand(self, weights: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
        return self._gaussians(
            normalised(weights, standardised(h_RIN)) if "norm_scale" in weights else h_RIN
        )

    def _gaussians(self, u_RIN: Tensor) -> Tensor:
        """Centres are as far apart as the Gaussians are wide; a single one stands in the middle."""
        ends = (-RBF_RANGE, RBF_RANGE) if self.grid > 1 else (0.0, 0.0)
        centre_G1 = torch.linspace(*ends, self.grid, dtype=u_RIN.dtype, device=u_RIN.device)[
            :, None
        ]
        width = 2 * RBF_RANGE / max(self.grid - 1, 1)
        return torch.exp(-((u_RIN[:, :, None] - centre_G1) / width).square())

    def map_basis(self, weights: Mapping[str, Tensor], basis_RICN: Tensor, h_RIN: Tensor) -> Tensor:
        of_bumps_RON = super().map_basis(weights, basis_RICN, h_RIN)
        return product.product(weights["base"].mT, F.silu(h_RIN), of_bumps_RON)

    def trace(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, h_RIN: Tensor, trace: Trace
    ) -> Tensor:
        """LayerNorm is a layer of its own."""
        norm = {name: weights.pop(name) for name in list(weights) if name.startswith("norm")}
        u_RIN = h_RIN
        if norm:
            standard_RIN = standardised(h_RIN)
            u_RIN = trace.add(norm, standard_RIN, normalised(norm, standard_RIN))
        basis_RICN = self._gaussians(u_RIN)
        return trace.add(
            weights, h_RIN, self.map_basis(weights, basis_RICN, h_RIN), bases_RICN=basis_RICN
        )

    # ----------------------------------------------------------------------------------------------
    # counts
    def expansion_flops(self, prices: Prices) -> int:
        """A Gaussian: subtract, divide, square, negate, exp."""
        return (4 + prices["exp"]) * self.grid

    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        base = 2 * layer.edges + prices["silu"] * layer.inputs
        norm = LAYER_NORM_OPERATIONS * layer.inputs if self.has_norm(layer.inputs) else 0
        return super().layer_flops(layer, convention, prices) + norm + base

    def products(self, layer: Layer) -> int:
        return 2 * layer.edges * (self.grid + 1)

    def expansion_backward(self) -> int:
        return 6 * self.grid if self.grid > 1 else 5

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        norm = 7 * layer.inputs + 2 if self.has_norm(layer.inputs) else 0
        return super().layer_executed(layer, prices) + layer.inputs * prices["silu"] + norm

    def layer_backward(self, layer: Layer) -> int:
        work = super().layer_backward(layer)
        if layer.needs_input_gradient:
            work += (BACKWARD["silu"] + 1) * layer.inputs
        if self.has_norm(layer.inputs):
            if layer.needs_input_gradient:
                work += 18 * layer.inputs + 2
            else:  # LayerNorm asks for gradients by its outputs, and nobody by its inputs
                work += 2 * layer.edges * self.grid + layer.inputs * (self.expansion_backward() + 3)
        return work


class RbfKan(Layered):
    """FastKAN (Li 2024): LayerNorm, `grid` Gaussians an input, a linear map; beside it one of
    silu(x), with bias.

    Without `norm` the Gaussians, on [-2, 2], see inputs as they are. Of few inputs LayerNorm keeps
    little, of two the sign of their difference; layers of one input have none.
    """

    network = RbfKanShape
    colour = "#009E73"  # bluish green
    sizes = ("grid",)
    # FastKAN's own grid is 8, with LayerNorm.
    standard_space = {
        "architecture.grid": Range(low=4, high=16, log=True),
        "architecture.norm": (True, False),
        "architecture.depth": Range(low=2, high=3),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["rbf_kan"]
    grid: PositiveInt | None = Field(None, description="Gaussians per input")
    norm: bool = True
