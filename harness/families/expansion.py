"""KANs with a fixed basis: every input is expanded in functions, and one matrix maps all of these
to the outputs.

A family of that kind gives the functions, how many there are and what they cost; the rest follows.
LayerNorm over a layer's inputs is here too, for those who want it before the expansion.

Shape suffixes: R lanes, I inputs, C functions of an input, O outputs, N samples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.families.base import Layer, LayeredShape
from harness.families.later import Knots, Tensor
from harness.families.linear import linear, whole
from harness.families.shape import Prices

if TYPE_CHECKING:
    from harness.families.jacobian import Trace

NORM_EPSILON = 1e-5  # as torch.nn.LayerNorm


class ExpansionShape(LayeredShape):
    """A network whose layers have a parameter `coef` [I, C, O], and where they want one a `bias`
    [O].

    Such a family gives its fields, `family`, `draw`, and all abstract methods here.
    """

    has_bias: ClassVar[bool] = False

    @property
    @abstractmethod
    def functions(self) -> int:
        """C, the functions of an input."""

    @abstractmethod
    def expand(self, weights: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
        """Every function at every input, [R, I, C, N]."""

    @abstractmethod
    def expansion_flops(self, prices: Prices) -> int:
        """FLOPs of all functions of one input."""

    def expansion_executed(self, prices: Prices) -> int:
        """Operations that torch executes in `expand` for one input."""
        return self.expansion_flops(prices)

    @abstractmethod
    def expansion_backward(self) -> int:
        """Operations that torch executes to take gradients back through `expand`, an input."""

    # ---------------------------------------------------------------------------------------------
    # what follows from it
    @property
    def numbers_of_input(self) -> int:
        return 2 * self.functions

    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        coef: tuple[int, ...] = (layer.inputs, self.functions, layer.outputs)
        return {"coef": coef, "bias": (layer.outputs,)} if self.has_bias else {"coef": coef}

    def evaluate_layer(
        self, layer: Layer, weights: Mapping[str, Tensor], knots: Knots, h_RIN: Tensor
    ) -> Tensor:
        return self.map_basis(weights, self.expand(weights, whole(h_RIN)), h_RIN)

    def map_basis(self, weights: Mapping[str, Tensor], basis_RICN: Tensor, h_RIN: Tensor) -> Tensor:
        """Outputs [R, O, N] of a layer from the expansion of its inputs, and these."""
        return linear(weights["coef"].flatten(1, 2), basis_RICN.flatten(1, 2), weights.get("bias"))

    def trace(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, h_RIN: Tensor, trace: Trace
    ) -> Tensor:
        basis_RICN = self.expand(weights, h_RIN)
        return trace.add(
            weights, h_RIN, self.map_basis(weights, basis_RICN, h_RIN), bases_RICN=basis_RICN
        )

    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """With a bias a sum has as many adds as terms, and without one it is said to have."""
        return (
            layer.sites(convention) * self.expansion_flops(prices)
            + 2 * layer.edges * self.functions
        )

    def products(self, layer: Layer) -> int:
        return 2 * layer.edges * self.functions

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        return self.products(layer) + layer.inputs * self.expansion_executed(prices)

    def layer_backward(self, layer: Layer) -> int:
        by_weights = self.products(layer) + (layer.outputs if self.has_bias else 0)
        if not layer.needs_input_gradient:
            return by_weights
        return by_weights + self.products(layer) + layer.inputs * self.expansion_backward()


def standardised(h_RIN: Tensor) -> Tensor:
    """Inputs of mean 0 and variance 1 at every sample: LayerNorm over a layer's inputs, without its
    parameters.
    """
    centred_RIN = h_RIN - h_RIN.mean(1, keepdim=True)
    variance_R1N = centred_RIN.square().mean(1, keepdim=True)
    return centred_RIN / (variance_R1N + NORM_EPSILON).sqrt()


def normalised(weights: Mapping[str, Tensor], standard_RIN: Tensor) -> Tensor:
    """The rest of LayerNorm."""
    return standard_RIN * weights["norm_scale"][..., None] + weights["norm_shift"][..., None]
