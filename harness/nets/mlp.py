"""Multilayer perceptrons, one lane a batch entry.

Shape suffixes: R lanes, I inputs, O outputs, N samples, F frequencies of Fourier features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import pi, sqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.nets.layout import of_layer
from harness.spec.networks import MlpShape

# Of one node each; prelu has a slope of its own in every node, sine a frequency. gelu is the exact one, x Phi(x).
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "gelu": F.gelu,
}


def draw_linear(fan_in: int, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Initial values of a weight or bias at gain 1: U(+-1/sqrt(fan_in)), the default of torch.nn.Linear."""
    return generator.uniform(-1 / sqrt(fan_in), 1 / sqrt(fan_in), shape)


PRELU_SLOPE = 0.25  # to start with, as torch.nn.PReLU


def draw(
    network: MlpShape, layer: int, name: str, shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    """Initial values of one parameter at gain 1: linear maps as torch.nn.Linear, but for the weights of a sine network.

    These are SIREN's (Sitzmann et al. 2020, section 3.2 and github.com/vsitzmann/siren): U(+-1/I) in the first layer,
    U(+-sqrt(6/I)/omega_0) in all others, the last one included, by which omega_0 W h has a variance of about 1 in each
    of them. Biases keep torch's default, as in their code: a phase of up to omega_0/sqrt(I).
    """
    inputs = network.nodes[layer]
    if name == "slope":
        return np.full(shape, PRELU_SLOPE)
    if name == "weight" and network.activation == "sine":
        bound = sqrt(6 / inputs) / network.omega_0 if layer else 1 / inputs
        return generator.uniform(-bound, bound, shape)
    return draw_linear(inputs, shape, generator)


def draw_frequencies(network: MlpShape, generator: np.random.Generator) -> np.ndarray:
    """What the inputs of a network with Fourier features are multiplied with, [I, F]: 2 pi B, and B N(0, sigma^2)."""
    assert network.features is not None
    return 2 * pi * network.features_sigma * generator.standard_normal((network.shape[0], network.features))


def layer_inputs(network: MlpShape, knots: Sequence[Tensor], x_RIN: Tensor) -> Tensor:
    """What the first layer is given: the inputs, or sines and then cosines of their products with the frequencies."""
    if network.features is None:
        return x_RIN
    phase_RFN = linear(knots[0], x_RIN, None)
    return torch.cat([torch.sin(phase_RFN), torch.cos(phase_RFN)], 1)


def evaluate(network: MlpShape, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], x_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N]; the activation follows every layer but the last."""
    last, h_RIN = len(network.shape) - 2, layer_inputs(network, knots, x_RIN)
    for layer in range(last + 1):
        own = of_layer(parameters, layer)
        h_RIN = evaluate_layer(own, h_RIN)
        h_RIN = h_RIN if layer == last else activate(network, own, h_RIN)
    return h_RIN


def activate(network: MlpShape, own: Mapping[str, Tensor], z_RON: Tensor) -> Tensor:
    """What the activation makes of the outputs of a hidden layer."""
    if network.activation == "prelu":
        return torch.where(z_RON > 0, z_RON, own["slope"][:, :, None] * z_RON)
    if network.activation == "sine":
        return torch.sin(network.omega_0 * z_RON)
    return ACTIVATIONS[network.activation](z_RON)


def evaluate_layer(parameters: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of one layer, from inputs that the activation has gone over."""
    return linear(parameters["weight"], h_RIN, parameters["bias"])


def linear(weight_RIO: Tensor, h_RIN: Tensor, bias_RO: Tensor | None) -> Tensor:
    """A linear map of every lane, [R, O, N]."""
    if bias_RO is None:
        return torch.bmm(weight_RIO.transpose(1, 2), h_RIN)
    return torch.baddbmm(bias_RO[:, :, None], weight_RIO.transpose(1, 2), h_RIN)
