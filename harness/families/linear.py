"""Linear maps of all lanes, which every family has.

Shape suffixes: R lanes, I inputs, O outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from harness.families.later import Tensor, np, product, torch


def draw_linear(fan_in: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Initial values of a weight or bias at gain 1: U(+-1/sqrt(fan_in)), the default of
    torch.nn.Linear.
    """
    return generator.uniform(-1 / sqrt(fan_in), 1 / sqrt(fan_in), shape)


def linear(weight_RIO: Tensor, h_RIN: Tensor, bias_RO: Tensor | None) -> Tensor:
    """A linear map of every lane, [R, O, N]."""
    return product.product(weight_RIO.mT, h_RIN, None if bias_RO is None else bias_RO[:, :, None])


def whole(h_RIN: Tensor) -> Tensor:
    """In float32 where mixed precision gives bfloat16, whose three digits are too few for functions
    of a basis.
    """
    return h_RIN.float() if h_RIN.dtype == torch.bfloat16 else h_RIN


def evaluate_dense(weights: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of a layer with a weight and a bias."""
    return linear(weights["weight"], h_RIN, weights["bias"])
