"""What a lane of the torch engine minimises: residuals at points, whose mean square is the loss.

Legend: R lanes, N points, I inputs, O outputs, P parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness import nets
from harness.spec import KanShape, MlpShape


@dataclass(frozen=True)
class Points:
    """One split of every lane: x_RNI, and what is wanted there, y_RNO."""

    x: Tensor
    y: Tensor


def residuals(network: MlpShape | KanShape, flat_RP: Tensor, knots: Sequence[Tensor], points: Points) -> Tensor:
    """What is there less what is wanted, [R, N, O]; differentiable in `flat_RP`."""
    return nets.forward(network, flat_RP, knots, points.x) - points.y


def loss_and_gradient(
    network: MlpShape | KanShape, flat_RP: Tensor, knots: Sequence[Tensor], points: Points
) -> tuple[Tensor, Tensor]:
    """Mean squared residual of every lane, [R], and its gradient, [R, P]."""
    flat_RP = flat_RP.detach().requires_grad_()
    loss_R = residuals(network, flat_RP, knots, points).square().mean((1, 2))
    (gradient_RP,) = torch.autograd.grad(loss_R.sum(), flat_RP)
    return loss_R.detach(), gradient_RP


@torch.no_grad()
def squared_errors(network: MlpShape | KanShape, flat_RP: Tensor, knots: Sequence[Tensor], points: Points) -> Tensor:
    """Squared residuals, [R, N * O], whose mean is the loss."""
    return residuals(network, flat_RP, knots, points).square().flatten(1)
