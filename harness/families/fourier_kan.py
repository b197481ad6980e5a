"""FourierKAN (GistNoesis 2024, github.com/GistNoesis/FourierKAN): sines and cosines of every input,
then a linear map.

Shape suffixes: R lanes, I inputs, H harmonics, C functions of an input (2 H), N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Literal

from pydantic import PositiveInt

from harness.families.base import Layer, Layered
from harness.families.expansion import ExpansionShape
from harness.families.later import Tensor, np, torch
from harness.families.shape import Prices
from harness.families.space import Range


class FourierKanShape(ExpansionShape):
    """A resolved FourierKAN."""

    family: Literal["fourier_kan"] = "fourier_kan"
    harmonics: PositiveInt

    title = "Fourier KAN"
    letters = {"harmonics": "H"}
    scaled = ("coef",)
    kernels = "expansion"
    has_bias = True

    @property
    def functions(self) -> int:
        """Cosines of 1 to H times the input, then sines."""
        return 2 * self.harmonics

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """As in the published code: N(0, 1 / (I H)), and a bias of 0."""
        if name == "bias":
            return np.zeros(shape)
        return generator.standard_normal(shape) / sqrt(layer.inputs * self.harmonics)

    def expand(self, weights: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
        numbers_H1 = torch.arange(1, self.harmonics + 1, dtype=h_RIN.dtype, device=h_RIN.device)[
            :, None
        ]
        phase_RIHN = numbers_H1 * h_RIN[:, :, None]
        return torch.cat([torch.cos(phase_RIHN), torch.sin(phase_RIHN)], 2)

    def expansion_flops(self, prices: Prices) -> int:
        """n x, its cosine and its sine."""
        return (1 + prices["cos"] + prices["sin"]) * self.harmonics

    def expansion_backward(self) -> int:
        """Two slopes a harmonic, each times its sensitivity; their sums, of one harmonic one
        less.
        """
        return 8 * self.harmonics if self.harmonics > 1 else 7


class FourierKan(Layered):
    """FourierKAN (GistNoesis 2024): sum_n a_n cos(n x) + b_n sin(n x) on every edge, n =
    1..harmonics, and a bias.
    """

    network = FourierKanShape
    colour = "#D55E00"  # vermilion
    sizes = ("harmonics",)
    standard_space = {
        "architecture.harmonics": Range(low=2, high=16, log=True),
        "architecture.depth": Range(low=2, high=3),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["fourier_kan"]
    harmonics: PositiveInt | None = None
