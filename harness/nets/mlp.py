"""Multilayer perceptrons, one lane a batch entry.

Shape suffixes: R lanes, I inputs, O outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.nets.layout import of_layer
from harness.spec.networks import MlpShape

# gelu is the exact one, x Phi(x), not its tanh approximation.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
}


def draw(fan_in: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Initial values of a weight or bias at gain 1: U(+-1/sqrt(fan_in)), the default of torch.nn.Linear."""
    return generator.uniform(-1 / sqrt(fan_in), 1 / sqrt(fan_in), shape)


def evaluate(network: MlpShape, parameters: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N]; the activation follows every layer but the last."""
    activation = ACTIVATIONS[network.activation]
    for layer in range(len(network.shape) - 1):
        h_RIN = evaluate_layer(of_layer(parameters, layer), activation(h_RIN) if layer else h_RIN)
    return h_RIN


def evaluate_layer(parameters: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of one layer, from inputs that the activation has gone over."""
    return torch.baddbmm(parameters["bias"][:, :, None], parameters["weight"].transpose(1, 2), h_RIN)
