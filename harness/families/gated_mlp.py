"""Gated MLPs (Shazeer 2020, arXiv 2002.05202): each hidden node is an activation times a second
linear map.

    h = act(W x + b) * (V x + c)

With silu that is SwiGLU, the feed-forward block of most language models since 2023; with gelu it is
GEGLU.

Shape suffixes: R lanes, I inputs, O outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from harness.families.base import Layer, Layered, LayeredShape
from harness.families.later import F, Knots, Tensor, np
from harness.families.linear import draw_linear, evaluate_dense, linear
from harness.families.prices import BACKWARD
from harness.families.shape import Prices
from harness.families.space import Range

Gate = Literal["silu", "gelu", "relu"]


class GatedMlpShape(LayeredShape):
    """A resolved gated MLP; the last layer is a linear map alone."""

    family: Literal["gated_mlp"] = "gated_mlp"
    activation: Gate = "silu"

    title = "gated MLP"
    scaled = ("weight", "bias", "gate", "gate_bias")

    @property
    def words(self) -> str:
        return super().words + (f" {self.activation}" if self.activation != "silu" else "")

    @property
    def long_words(self) -> str:
        return f"{self.titled}, {self.activation}"

    @property
    def numbers_of_input(self) -> int:
        return 2

    # -------------------------------------------------------------------------------------------
    # parameters, evaluation
    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        edges, bias = (layer.inputs, layer.outputs), (layer.outputs,)
        map_: dict[str, tuple[int, ...]] = {"weight": edges, "bias": bias}
        return map_ if layer.is_last else {**map_, "gate": edges, "gate_bias": bias}

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """All linear maps as torch.nn.Linear."""
        return draw_linear(layer.inputs, shape, generator)

    def evaluate_layer(
        self, layer: Layer, weights: Mapping[str, Tensor], knots: Knots, h_RIN: Tensor
    ) -> Tensor:
        z_RON = evaluate_dense(weights, h_RIN)
        if layer.is_last:
            return z_RON
        return getattr(F, self.activation)(z_RON) * linear(
            weights["gate"], h_RIN, weights["gate_bias"]
        )

    # ----------------------------------------------------------------------------------------------
    # counts
    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """Two linear maps, the activation, and a product; the last layer is one linear map."""
        if layer.is_last:
            return 2 * layer.edges
        return 4 * layer.edges + (prices[self.activation] + 1) * layer.outputs

    def products(self, layer: Layer) -> int:
        return (2 if layer.is_last else 4) * layer.edges

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        return self.layer_flops(layer, "shared_dense", prices)

    def layer_backward(self, layer: Layer) -> int:
        maps = 1 if layer.is_last else 2
        by_weights = maps * (2 * layer.edges + layer.outputs)
        by_inputs = (
            maps * 2 * layer.edges + (maps - 1) * layer.inputs if layer.needs_input_gradient else 0
        )
        gated = 0 if layer.is_last else (BACKWARD[self.activation] + 2) * layer.outputs
        return by_weights + by_inputs + gated


class GatedMlp(Layered):
    """A gated MLP (Shazeer 2020): a hidden node is an activation of one linear map times another
    linear map.

    `silu` gives SwiGLU, `gelu` GEGLU. At equal width it has nearly twice the weights of an MLP.
    """

    network = GatedMlpShape
    colour = "#774411"  # brown
    standard_space = {
        "architecture.activation": ("silu", "gelu", "relu"),
        "architecture.depth": Range(low=2, high=4),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["gated_mlp"]
    activation: Gate = "silu"
