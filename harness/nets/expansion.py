"""KANs with a fixed basis: every input is expanded in C functions, and one matrix maps all of these to the outputs.

    family          functions of an input x                                     beside them
    rbf_kan         exp(-((u - c) / h)^2) at G centres c, h apart, on [-2, 2]   w silu(x) on every edge, a bias
    chebyshev_kan   T_0 to T_D of tanh x
    fourier_kan     cos(n x), then sin(n x), n = 1..H                           a bias

u is x after LayerNorm over the layer's inputs. That, and tanh, are what these layers do about inputs that leave the
range of a basis; sines and cosines have none.

Shape suffixes: R lanes, I inputs, C functions of an input, O outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.nets import mlp
from harness.nets.layout import of_layer
from harness.spec.networks import ChebyshevKanShape, FourierKanShape, RbfKanShape

Expanded = RbfKanShape | ChebyshevKanShape | FourierKanShape

RBF_RANGE = 2.0  # the outermost centres are at +-2
RBF_NOISE = 0.1
NORM_EPSILON = 1e-5  # as torch.nn.LayerNorm


def draw(
    network: Expanded, inputs: int, name: str, shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    """Initial values of one parameter at gain 1, as in the published code of each family.

    FastKAN (github.com/ZiyaoLi/fast-kan): weights of Gaussians N(0, 0.1^2), its base map and bias as torch.nn.Linear,
    its LayerNorm ones and zeros. ChebyKAN (github.com/SynodicMonth/ChebyKAN): N(0, 1 / (I (D + 1))^2). FourierKAN
    (github.com/GistNoesis/FourierKAN): N(0, 1 / (I H)), and a bias of 0.
    """
    match network, name:
        case RbfKanShape(), "coef":
            return RBF_NOISE * generator.standard_normal(shape)
        case RbfKanShape(), "base" | "bias":
            return mlp.draw_linear(inputs, shape, generator)
        case ChebyshevKanShape(), "coef":
            return generator.standard_normal(shape) / (inputs * (network.degree + 1))
        case FourierKanShape(), "coef":
            return generator.standard_normal(shape) / sqrt(inputs * network.harmonics)
    return np.ones(shape) if name == "norm_scale" else np.zeros(shape)


def evaluate(network: Expanded, parameters: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of the network."""
    for layer in range(len(network.shape) - 1):
        own = of_layer(parameters, layer)
        h_RIN = evaluate_layer(own, expand(network, own, h_RIN), h_RIN)
    return h_RIN


def evaluate_layer(own: Mapping[str, Tensor], basis_RICN: Tensor, h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of one layer from its inputs and their expansion."""
    y_RON = mlp.linear(own["coef"].flatten(1, 2), basis_RICN.flatten(1, 2), own.get("bias"))
    return torch.baddbmm(y_RON, own["base"].transpose(1, 2), F.silu(h_RIN)) if "base" in own else y_RON


def expand(network: Expanded, own: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Every function of the basis at every input, [R, I, C, N]."""
    match network:
        case RbfKanShape():
            return _gaussians(network.grid, normalised(own, standardised(h_RIN)) if "norm_scale" in own else h_RIN)
        case ChebyshevKanShape():
            return _chebyshev(network.degree, torch.tanh(h_RIN))
        case FourierKanShape():
            numbers_H1 = torch.arange(1, network.harmonics + 1, dtype=h_RIN.dtype, device=h_RIN.device)[:, None]
            phase_RIHN = numbers_H1 * h_RIN[:, :, None]
            return torch.cat([torch.cos(phase_RIHN), torch.sin(phase_RIHN)], 2)


def standardised(h_RIN: Tensor) -> Tensor:
    """Inputs of mean 0 and variance 1 at every sample: LayerNorm over a layer's inputs, without its parameters."""
    centred_RIN = h_RIN - h_RIN.mean(1, keepdim=True)
    variance_R1N = centred_RIN.square().mean(1, keepdim=True)
    return centred_RIN / (variance_R1N + NORM_EPSILON).sqrt()


def normalised(own: Mapping[str, Tensor], standard_RIN: Tensor) -> Tensor:
    """The rest of LayerNorm."""
    return standard_RIN * own["norm_scale"][..., None] + own["norm_shift"][..., None]


def _gaussians(grid: int, u_RIN: Tensor) -> Tensor:
    """Centres are as far apart as the Gaussians are wide; a single one stands in the middle."""
    ends = (-RBF_RANGE, RBF_RANGE) if grid > 1 else (0.0, 0.0)
    centre_G1 = torch.linspace(*ends, grid, dtype=u_RIN.dtype, device=u_RIN.device)[:, None]
    width = 2 * RBF_RANGE / max(grid - 1, 1)
    return torch.exp(-((u_RIN[:, :, None] - centre_G1) / width).square())


def _chebyshev(degree: int, t_RIN: Tensor) -> Tensor:
    """By T_n = 2 t T_{n-1} - T_{n-2}."""
    terms = [torch.ones_like(t_RIN), t_RIN]
    twice_RIN = 2 * t_RIN if degree > 1 else t_RIN
    for _ in range(2, degree + 1):
        terms.append(twice_RIN * terms[-1] - terms[-2])
    return torch.stack(terms, 2)
