"""ChebyKAN (Synodic 2024, github.com/SynodicMonth/ChebyKAN): Chebyshev polynomials of tanh x, then
a linear map.

tanh is what it does about inputs that leave [-1, 1].

Shape suffixes: R lanes, I inputs, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import PositiveInt

from harness.families.base import Layer, Layered
from harness.families.expansion import ExpansionShape
from harness.families.later import Tensor, np, torch
from harness.families.prices import BACKWARD
from harness.families.shape import Prices
from harness.families.space import Range


class ChebyshevKanShape(ExpansionShape):
    """A resolved ChebyKAN."""

    family: Literal["chebyshev_kan"] = "chebyshev_kan"
    degree: PositiveInt

    title = "Chebyshev KAN"
    letters = {"degree": "D"}
    scaled = ("coef",)
    kernels = "expansion"

    @property
    def functions(self) -> int:
        """T_0 to T_D."""
        return self.degree + 1

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """As in the published code: N(0, 1 / (I (D + 1))^2)."""
        return generator.standard_normal(shape) / (layer.inputs * (self.degree + 1))

    def expand(self, weights: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
        """By T_n = 2 t T_{n-1} - T_{n-2}."""
        t_RIN = torch.tanh(h_RIN)
        terms = [torch.ones_like(t_RIN), t_RIN]
        twice_RIN = 2 * t_RIN if self.degree > 1 else t_RIN
        for _ in range(2, self.degree + 1):
            terms.append(twice_RIN * terms[-1] - terms[-2])
        return torch.stack(terms, 2)

    def expansion_flops(self, prices: Prices) -> int:
        """A product and a difference a term, 2 t not counted; others call acos and cos instead."""
        return prices["tanh"] + 2 * (self.degree - 1)

    def expansion_executed(self, prices: Prices) -> int:
        """With 2 t, which is computed where there is a recurrence."""
        return prices["tanh"] + (2 * self.degree - 1 if self.degree > 1 else 0)

    def expansion_backward(self) -> int:
        """Back through the recurrence, and tanh."""
        return 6 * self.degree - 4 if self.degree > 1 else BACKWARD["tanh"]


class ChebyshevKan(Layered):
    """ChebyKAN (Synodic 2024): sum_n c_n T_n(tanh x) on every edge, n = 0..degree."""

    network = ChebyshevKanShape
    colour = "#56B4E9"  # sky blue
    sizes = ("degree",)
    # ChebyKAN's examples have degrees 4 and 8.
    standard_space = {
        "architecture.degree": Range(low=3, high=10),
        "architecture.depth": Range(low=2, high=3),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["chebyshev_kan"]
    degree: PositiveInt | None = None
