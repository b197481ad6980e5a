"""GR-KAN, the layer of KAT (Yang & Wang 2024, arXiv 2409.10594): a rational function an input, then a linear map.

    y = W F(x) + b,    F(x) = P(x) / (1 + |Q(x)|),    P = a_0 + ... + a_m x^m,    Q = b_1 x + ... + b_n x^n

P is that of the layer, Q that of a group of neighbouring inputs. It is the paper's formula; kernels that its authors
released later take |b_1| |x| + ... + |b_n| |x|^n for |Q|, which is nearly the same where it starts. As there, the
derivative of |Q| at Q = 0 is that of Q: the first layer starts at Q = 0, where it would else stay for ever.

Shape suffixes: R lanes, I inputs, G groups, M coefficients of P, C coefficients of Q, O outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from harness.nets import mlp
from harness.nets.layout import of_layer
from harness.spec.networks import RationalKanShape

# KAT's start (github.com/Adamdad/rational_kat_cu, init.json): the first layer is the identity, the others are swish on
# [-3, 3]. Other degrees than its (5, 4) have these coefficients cut off, or filled up with zeros.
IDENTITY: tuple[list[float], list[float]] = [0.0, 1.0], []
SWISH: tuple[list[float], list[float]] = (
    [
        3.054879741161051e-07,
        0.5000007853744493,
        0.24999783422824703,
        0.05326628273219478,
        0.005803034571292244,
        0.0002751961022402342,
    ],
    [-4.111554955950634e-06, 0.10652899335007572, -1.2690007399796238e-06, 0.0005502331264140556],
)
# 1 over the mean of F(x)^2, x ~ N(0, 1): by which weights keep the variance of what they are given (katransformer.py).
GAINS = {"identity": 1.0, "swish": 2.8178205270359653}


def draw(layer: int, inputs: int, name: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Initial values of one parameter at gain 1: KAT's rational functions, weights N(0, gain / I), a bias of 0."""
    numerator, denominator = SWISH if layer else IDENTITY
    match name:
        case "numerator":
            return _fitted(numerator, shape)
        case "denominator":
            return _fitted(denominator, shape)
        case "weight":
            return generator.standard_normal(shape) * sqrt(GAINS["swish" if layer else "identity"] / inputs)
    return np.zeros(shape)


def _fitted(coefficients: list[float], shape: tuple[int, ...]) -> np.ndarray:
    """Cut off or filled up to the last axis of `shape`, the same along the others."""
    padded = np.zeros(shape)
    known = min(len(coefficients), shape[-1])
    padded[..., :known] = coefficients[:known]
    return padded


def evaluate(network: RationalKanShape, parameters: Mapping[str, Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of the network."""
    for layer in range(len(network.shape) - 1):
        own = of_layer(parameters, layer)
        h_RIN = mlp.evaluate_layer(own, rational(own["numerator"], own["denominator"], h_RIN))
    return h_RIN


def rational(numerator_RM: Tensor, denominator_RGC: Tensor, x_RIN: Tensor) -> Tensor:
    """F of every input, by Horner's scheme."""
    p, q = _polynomials(numerator_RM, denominator_RGC, x_RIN)
    return p / (1 + torch.where(q < 0, -q, q))


def derivatives(numerator_RM: Tensor, denominator_RGC: Tensor, x_RIN: Tensor) -> tuple[Tensor, Tensor]:
    """Of F of every input by the coefficients of P and of its own Q, [R, I, M, N] and [R, I, C, N]."""
    p, q = _polynomials(numerator_RM, denominator_RGC, x_RIN)
    whole = 1 + q.abs()
    by_q = torch.where(q < 0, p, -p) / whole.square()
    powers = [torch.ones_like(x_RIN)]
    for _ in range(max(numerator_RM.shape[1] - 1, denominator_RGC.shape[2])):
        powers.append(powers[-1] * x_RIN)
    powers_RIMN = torch.stack(powers, 2)
    of_p, of_q = powers_RIMN[:, :, : numerator_RM.shape[1]], powers_RIMN[:, :, 1 : 1 + denominator_RGC.shape[2]]
    return of_p / whole[:, :, None], of_q * by_q[:, :, None]


def groups_of_nodes(nodes: int, groups: int) -> list[int]:
    """The group of every node: neighbours, and as many in each as is possible."""
    return [node * groups // nodes for node in range(nodes)]


def _polynomials(numerator_RM: Tensor, denominator_RGC: Tensor, x_RIN: Tensor) -> tuple[Tensor, Tensor]:
    group_I = torch.tensor(groups_of_nodes(x_RIN.shape[1], denominator_RGC.shape[1]), device=x_RIN.device)
    q_RIC1 = denominator_RGC.index_select(1, group_I)[..., None]
    p_RM11 = numerator_RM[..., None, None]
    return _horner(p_RM11.unbind(1), x_RIN), _horner(q_RIC1.unbind(2), x_RIN) * x_RIN


def _horner(coefficients: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """c_0 + x (c_1 + x (c_2 + ...))."""
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value
