"""The dense evaluator of B-spline KANs, as PyTorch code has it that knows nothing of local support:
a reference.

All bases of every input by Cox-de Boor, then one matrix product: the convention `shared_dense` of
`harness.count`. Shape suffixes: R lanes, I inputs, O outputs, N samples, T knots, C coefficients of
a spline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.families.kan import KanShape
from harness.families.layout import of_layer


def evaluate(
    network: KanShape, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], h_RIN: Tensor
) -> Tensor:
    """Outputs [R, O, N] of the network."""
    for layer, knots_RIT in enumerate(knots):
        h_RIN = _evaluate_layer(of_layer(parameters, layer), knots_RIT, h_RIN, network.order)
    return h_RIN


def all_bases(knots_RIT: Tensor, x_RIN: Tensor, order: int) -> Tensor:
    """Every basis at every sample, [R, I, C, N]; 7 operations a term, as differences of knots have
    no sample axis.
    """
    t, x = knots_RIT[..., None], x_RIN[:, :, None]
    bases = ((t[:, :, :-1] <= x) & (x < t[:, :, 1:])).to(x.dtype)
    for degree in range(1, order + 1):
        begin, end = t[:, :, :-degree], t[:, :, degree:]
        width = end - begin
        # The basis of an empty support is zero, so that any other width makes 0/0 := 0.
        width = width.masked_fill(width == 0, 1.0)
        rising = (x - begin[:, :, :-1]) / width[:, :, :-1] * bases[:, :, :-1]
        falling = (end[:, :, 1:] - x) / width[:, :, 1:] * bases[:, :, 1:]
        bases = rising + falling
    return bases


def _evaluate_layer(
    parameters: Mapping[str, Tensor], knots_RIT: Tensor, h_RIN: Tensor, order: int
) -> Tensor:
    coef_RICO = parameters["coef"]
    if "scale" in parameters:
        coef_RICO = coef_RICO * parameters["scale"][:, :, None, :]
    bases_RICN = all_bases(knots_RIT, h_RIN, order)
    y_RON = torch.bmm(coef_RICO.flatten(1, 2).transpose(1, 2), bases_RICN.flatten(1, 2))
    if "base" in parameters:
        y_RON = torch.baddbmm(y_RON, parameters["base"].transpose(1, 2), F.silu(h_RIN))
    if "bias" in parameters:
        y_RON = y_RON + parameters["bias"][:, :, None]
    return y_RON
