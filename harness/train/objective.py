"""What a lane of the torch engine minimises: the mean of the losses at its points.

The loss at a point is the squared residual, or where classes are learnt the cross-entropy of softmax in nats.

Legend: R lanes, N points, I inputs, O outputs, P parameters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from harness import families
from harness.families.jets import forward_laplacian
from harness.families.later import Knots
from harness.spec import PDE_BLOCK, Network
from harness.tasks import Inside, Quadrature


@dataclass(frozen=True)
class LanePoints:
    """One split of every lane: x_RNI, and what is wanted there, y_RNO; of classes their numbers, [R, N, 1].

    `inside` is of a PDE: at its points the Laplacian is wanted, at the others the values.
    """

    x: Tensor
    y: Tensor
    inside: Inside | None = None
    are_classes: bool = False


@dataclass(frozen=True)
class _Block:
    """Points that are alike; their residuals are scaled by `weight`."""

    x: Tensor
    y: Tensor
    is_inside: bool
    weight: float


def residuals(network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
    """What is there less what is wanted, [R, N, O]; differentiable in `flat_RP`.

    Those of a PDE are scaled so that their mean square is the weight of the inside times the mean square there, plus
    the mean square on the boundary.
    """
    if points.inside is None:
        return families.forward(network, flat_RP, knots, points.x) - points.y
    return torch.cat([_residuals(network, flat_RP, knots, block) for block in _blocks(points, points.inside)], 1)


def loss_and_gradient(network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> tuple[Tensor, Tensor]:
    """The loss of every lane, [R], and its gradient, [R, P]."""
    flat_RP = flat_RP.detach().requires_grad_()
    if points.are_classes:
        return backward(_cross_entropies(network, flat_RP, knots, points).mean(1), flat_RP)
    if points.inside is None:
        return backward(residuals(network, flat_RP, knots, points).square().mean((1, 2)), flat_RP)
    total = points.y[0].numel()
    parts = [
        backward(_residuals(network, flat_RP, knots, block).square().sum((1, 2)) / total, flat_RP)
        for block in _blocks(points, points.inside)
    ]
    losses, gradients = zip(*parts, strict=True)
    return sum(losses[1:], losses[0]), sum(gradients[1:], gradients[0])


@torch.no_grad()
def losses(network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
    """Squared residuals, [R, N * O], or cross-entropies, [R, N], whose mean is the loss."""
    if points.are_classes:
        return _cross_entropies(network, flat_RP, knots, points)
    return residuals(network, flat_RP, knots, points).square().flatten(1)


def in_metric(loss: Tensor, points: LanePoints) -> Tensor:
    """A mean of losses in the metric of the task: the RMSE, or the cross-entropy as it is.

    One that is too small to be told from 0 is the least number there is, for a law in log space.
    """
    return loss.clamp_min(torch.finfo(loss.dtype).tiny) if points.are_classes else loss.sqrt()


@torch.no_grad()
def accuracies(network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
    """Of points of classes, the share whose largest output is that of their class, [R]."""
    told_RN = families.forward(network, flat_RP, knots, points.x).argmax(2)
    return (told_RN == points.y[:, :, 0]).to(points.y).mean(1)


@torch.no_grad()
def squared_slope_errors(
    network: Network, flat_RP: Tensor, knots: Knots, x_RNI: Tensor, quadrature: Quadrature
) -> Tensor:
    """|grad y - grad u|^2 at the nodes of a quadrature, [R, N]; gradients of a network with one output."""
    wanted_NI = torch.from_numpy(quadrature.gradient).to(x_RNI)
    errors = [
        (forward_laplacian(network, flat_RP, knots, x)[1][:, :, 0] - wanted).square().sum(2)
        for x, wanted in zip(x_RNI.split(PDE_BLOCK, 1), wanted_NI.split(PDE_BLOCK), strict=True)
    ]
    return torch.cat(errors, 1)


def _cross_entropies(network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
    """-ln softmax at the class of each point, [R, N]: ln(1 + sum over the others of e^(other - own)).

    So written, a loss that is nearly 0 has all its digits.
    """
    logits_RNO, index_RN1 = families.forward(network, flat_RP, knots, points.x), points.y.long()
    own_RN = logits_RNO.gather(2, index_RN1)[:, :, 0]
    others_RN = logits_RNO.scatter(2, index_RN1, -torch.inf).logsumexp(2)
    return torch.logaddexp(others_RN - own_RN, torch.zeros_like(own_RN))


def backward(loss_R: Tensor, flat_RP: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of every lane, and its gradient."""
    (gradient_RP,) = torch.autograd.grad(loss_R.sum(), flat_RP)
    return loss_R.detach(), gradient_RP


def _residuals(network: Network, flat_RP: Tensor, knots: Knots, block: _Block) -> Tensor:
    if not block.is_inside:
        return block.weight * (families.forward(network, flat_RP, knots, block.x) - block.y)
    *_, laplacian_RNO = forward_laplacian(network, flat_RP, knots, block.x)
    return block.weight * (laplacian_RNO - block.y)


def _blocks(points: LanePoints, inside: Inside) -> Iterator[_Block]:
    total = points.x.shape[1]
    parts = (True, slice(None, inside.points), inside.weight), (False, slice(inside.points, None), 1.0)
    for is_inside, part, weight in parts:
        x_RNI, y_RNO = points.x[:, part], points.y[:, part]
        scale = sqrt(weight * total / x_RNI.shape[1])
        for x, y in zip(x_RNI.split(PDE_BLOCK, 1), y_RNO.split(PDE_BLOCK, 1), strict=True):
            yield _Block(x, y, is_inside, scale)
