"""A Chebyshev series of tanh x in each group of inputs, then a linear map: GR-KAN's arrangement,
ChebyKAN's functions.

    y = W F(x) + b,    F(x) = c_0 T_0(tanh x) + ... + c_D T_D(tanh x)

The series is that of a group of neighbouring inputs. So the network has an MLP's matrices and a few
numbers more.

Shape suffixes: R lanes, I inputs, G groups, C coefficients of a series, O outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Literal

from pydantic import PositiveInt

from harness.families.base import Layer, Layered, LayeredShape
from harness.families.later import Knots, Tensor, np, torch
from harness.families.linear import evaluate_dense, whole
from harness.families.rational_kan import of_groups
from harness.families.shape import Prices
from harness.families.space import Range

# 1 over the mean of tanh(x)^2, x ~ N(0, 1): by which weights keep the variance of what they are
# given at the start.
GAIN = 2.536175


class GroupedChebyshevShape(LayeredShape):
    """A resolved network of Chebyshev series."""

    family: Literal["grouped_chebyshev"] = "grouped_chebyshev"
    degree: PositiveInt = 5
    groups: PositiveInt = 8

    title = "grouped Chebyshev KAN"
    letters = {"degree": "D", "groups": "g"}
    scaled = ("weight",)  # of a series a gain would change the form

    @property
    def numbers_of_input(self) -> int:
        return self.degree + 2

    # -------------------------------------------------------------------------------------------
    # parameters, evaluation
    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        series = (min(self.groups, layer.inputs), self.degree + 1)
        return {"series": series, "weight": (layer.inputs, layer.outputs), "bias": (layer.outputs,)}

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """Every series is tanh, weights are N(0, GAIN / I), and a bias is 0: an MLP's start."""
        match name:
            case "series":
                return np.eye(1, shape[1], 1).repeat(shape[0], 0)
            case "weight":
                return generator.standard_normal(shape) * sqrt(GAIN / layer.inputs)
        return np.zeros(shape)

    def evaluate_layer(
        self, layer: Layer, weights: Mapping[str, Tensor], knots: Knots, h_RIN: Tensor
    ) -> Tensor:
        return evaluate_dense(weights, series(weights["series"], torch.tanh(whole(h_RIN))))

    # ----------------------------------------------------------------------------------------------
    # counts
    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """A tanh, and Clenshaw's three operations a degree; 2 t is not counted."""
        return layer.sites(convention) * (prices["tanh"] + 3 * self.degree - 1) + 2 * layer.edges

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        """With 2 t, which is computed where there is a recurrence."""
        doubled = layer.inputs if self.degree > 1 else 0
        return self.layer_flops(layer, "shared_dense", prices) + doubled

    def layer_backward(self, layer: Layer) -> int:
        """Where nobody asks for the gradient by the inputs, tanh has none, and the recurrence its
        own part.
        """
        an_input = (
            6 * self.degree + 1 + (self.degree > 1)
            if layer.needs_input_gradient
            else 4 * self.degree - 1
        )
        return 4 * layer.edges + layer.outputs + an_input * layer.inputs


class GroupedChebyshev(Layered):
    """A Chebyshev series of tanh(x) of each group of inputs (degree D, D + 1 coefficients), then a
    linear map.

    Layers of fewer inputs than `groups` have a series an input.
    """

    network = GroupedChebyshevShape
    colour = "#5D3FD3"  # iris
    standard_space = {
        "architecture.degree": Range(low=3, high=8),
        "architecture.groups": (1, 8),
        "architecture.depth": Range(low=2, high=5),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["grouped_chebyshev"]
    degree: PositiveInt = 5
    groups: PositiveInt = 8


def series(series_RGC: Tensor, t_RIN: Tensor) -> Tensor:
    """sum_n c_n T_n(t) of every input, by Clenshaw's recurrence."""
    first_RI1, *others = of_groups(series_RGC, t_RIN.shape[1])[..., None].unbind(2)
    if len(others) == 1:
        return first_RI1 + others[0] * t_RIN
    last_RI1, *between = reversed(others)
    twice_RIN = 2 * t_RIN
    after: Tensor = last_RI1
    value = between[0] + twice_RIN * last_RI1
    for coefficient_RI1 in between[1:]:
        after, value = value, coefficient_RI1 + twice_RIN * value - after
    return first_RI1 + t_RIN * value - after
