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

# Of one node each; prelu has a slope of its own in every node. gelu is the exact one, x Phi(x).
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
}


def draw(fan_in: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Initial values of a weight or bias at gain 1: U(+-1/sqrt(fan_in)), the default of torch.nn.Linear."""
    return generator.uniform(-1 / sqrt(fan_in), 1 / sqrt(fan_in), shape)


PRELU_SLOPE = 0.25  # to start with, as torch.nn.PReLU


def evaluate(network: MlpShape, parameters: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N]; the activation follows every layer but the last."""
    last = len(network.shape) - 2
    for layer in range(last + 1):
        own = of_layer(parameters, layer)
        h_RIN = evaluate_layer(own, h_RIN)
        h_RIN = h_RIN if layer == last else activate(network, own, h_RIN)
    return h_RIN


def activate(network: MlpShape, own: Mapping[str, Tensor], z_RON: Tensor) -> Tensor:
    """What the activation makes of the outputs of a hidden layer."""
    if network.activation == "prelu":
        return torch.where(z_RON > 0, z_RON, own["slope"][:, :, None] * z_RON)
    return ACTIVATIONS[network.activation](z_RON)


def evaluate_layer(parameters: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of one layer, from inputs that the activation has gone over."""
    return linear(parameters["weight"], h_RIN, parameters["bias"])


def linear(weight_RIO: Tensor, h_RIN: Tensor, bias_RO: Tensor | None) -> Tensor:
    """A linear map of every lane, [R, O, N]."""
    if bias_RO is None:
        return torch.bmm(weight_RIO.transpose(1, 2), h_RIN)
    return torch.baddbmm(bias_RO[:, :, None], weight_RIO.transpose(1, 2), h_RIN)
