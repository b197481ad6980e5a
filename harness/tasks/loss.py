"""What a run minimises. Read this first to add a loss; the samples of a task say which one is theirs (`Samples.loss`).

A loss is one frozen class. `of_outputs` says what each point adds, and the mean over all points is minimised. Training
asks a loss for everything that depends on it: no engine knows which ones there are.

Nothing here may import torch: take it from `harness.families.later`.

Shape suffixes: R lanes, N points, I inputs, O outputs, P parameters, K what a mean is taken of: N, or N * O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import families
from harness.base.errors import HarnessError
from harness.base.user_code import calling_user_code
from harness.families.later import Knots, Tensor, jets, torch
from harness.optimisers import Optimiser
from harness.spec import PDE_BLOCK, Network
from harness.tasks.observation import SPLITS, Accuracy, LargestError, Observation, RootMedianSquare, Seen

if TYPE_CHECKING:
    from harness.families import ArchitectureBase


@dataclass(frozen=True)
class Loss(ABC):
    """What points add to the loss of a run, and the metric in which its mean is reported."""

    metric: ClassVar[str]  # what tables and records call the mean, see `in_metric`
    observations: ClassVar[tuple[Observation, ...]] = ()  # that every run has whose test samples have this loss
    kernel: ClassVar[str] = ""  # its name among the losses that `harness.train.fused_engine` has, if it is one
    # What sentences say: what is learnt without sparsity or phases, where it is no sum of squares; what it is; and
    # what an engine without kernels lacks.
    subject: ClassVar[str] = "a loss of a task's own is"
    words: ClassVar[str] = "a loss of a task's own"
    needs: ClassVar[str] = "kernels of its loss"

    @abstractmethod
    def of_outputs(self, outputs_RNO: Tensor, y_RNO: Tensor) -> Tensor:
        """What each point adds, [R, N] or [R, N, O], differentiable in the outputs."""

    def losses(self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
        """What each point adds to the loss of a network with these parameters, differentiable in `flat_RP`."""
        return self.of_outputs(families.forward(network, flat_RP, knots, points.x), points.y)

    def loss_and_gradient(
        self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints
    ) -> tuple[Tensor, Tensor]:
        """The loss of every lane, [R], and its gradient, [R, P]."""
        flat_RP = flat_RP.detach().requires_grad_()
        losses = self.losses(network, flat_RP, knots, points)
        return backward(losses.mean(tuple(range(1, losses.dim()))), flat_RP)

    def why_not_of(self, architecture: ArchitectureBase) -> str | None:
        """Why networks of this architecture cannot learn by it, from the field that says so, or None."""
        return None

    def why_not_by(self, optimiser: Optimiser) -> str | None:
        """Why this optimiser cannot learn by it, from the field that says so, or None."""
        return optimiser.why_no_loss(self.words) if self.subject else None

    def mean(self, losses_RK: Tensor) -> Tensor:
        """Of what the points of a split add, [R]."""
        return losses_RK.mean(1)

    def in_metric(self, mean: Tensor) -> Tensor:
        """A mean of losses as it is reported."""
        return mean

    def parts(self, points: LanePoints, most: int) -> Iterator[LanePoints]:
        """The points in parts of at most so many, of which `losses` are taken one after the other."""
        for first in range(0, points.x.shape[1], most):
            part = slice(first, first + most)
            yield replace(points, x=points.x[:, part], y=points.y[:, part])


@dataclass(frozen=True)
class Squares(Loss):
    """Squared residuals; the root of their mean is the RMSE."""

    metric = "rmse"
    observations = (RootMedianSquare("test_root_median_square"), LargestError("test_largest_error"))
    kernel = "squares"
    subject = ""

    def of_outputs(self, outputs_RNO: Tensor, y_RNO: Tensor) -> Tensor:
        return (outputs_RNO - y_RNO).square()

    def in_metric(self, mean: Tensor) -> Tensor:
        return mean.sqrt()


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """-ln softmax at the class of each point, in nats; y has the number of the class, [R, N, 1]."""

    metric = "cross_entropy"
    observations = tuple(Accuracy(f"{split}_accuracy", split) for split in SPLITS)
    kernel = "cross_entropy"
    subject = "classes are"
    words = "a cross-entropy, by which classes are learnt,"

    def of_outputs(self, outputs_RNO: Tensor, y_RNO: Tensor) -> Tensor:
        """As ln(1 + sum over the others of e^(other - own)): so written, a loss that is nearly 0 has all its digits."""
        index_RN1 = y_RNO.long()
        own_RN = outputs_RNO.gather(2, index_RN1)[:, :, 0]
        others_RN = outputs_RNO.scatter(2, index_RN1, -torch.inf).logsumexp(2)
        return torch.logaddexp(others_RN - own_RN, torch.zeros_like(own_RN))

    def in_metric(self, mean: Tensor) -> Tensor:
        """One that is too small to be told from 0 is the least number there is, for a law in log space."""
        return mean.clamp_min(torch.finfo(mean.dtype).tiny)


SQUARES, CROSS_ENTROPY = Squares(), CrossEntropy()


@dataclass(frozen=True)
class LanePoints:
    """One split of every lane: x_RNI, and what its loss wants there, y_RNO."""

    x: Tensor
    y: Tensor
    loss: Loss = SQUARES


# ------------------------------------------------------------------------------------------------------ of one's own
@dataclass(frozen=True)
class OwnLoss(Loss):
    """What a loss of one's own derives from: it gives `metric`, `of_outputs`, and a field for each of its numbers."""

    def check(self) -> None:
        """A HarnessError if it does not give a finite number a point, or if a point's hangs on the others."""
        outputs_RNO = torch.linspace(-2, 2, 15, dtype=torch.float64).reshape(3, 5, 1).sin()
        y_RNO = torch.linspace(0, 1, 15, dtype=torch.float64).reshape(3, 5, 1)
        with calling_user_code(f"loss {self.metric}"):
            together, apart = self.of_outputs(outputs_RNO, y_RNO), self.of_outputs(outputs_RNO[1:, 2:], y_RNO[1:, 2:])
            if together.shape not in ((3, 5), (3, 5, 1)) or not torch.isfinite(together).all():
                raise HarnessError(f"give a finite number for each of 3 x 5 points, not {list(together.shape)}")
            if not torch.allclose(apart, together[1:, 2:]):
                raise HarnessError("what a point adds must not depend on other points; the mean is taken later")


# ------------------------------------------------------------------------------------------------------------- of PDEs
class _Block(NamedTuple):
    """Points that are alike; their residuals are scaled by `weight`."""

    x: Tensor
    y: Tensor
    is_inside: bool
    weight: float


@dataclass(frozen=True)
class Equation(Loss):
    """Residuals of a PDE: the first `inside` points want the Laplacian y, the others, on the boundary, the values y.

    They are scaled so that their mean square is `weight` times the mean square inside, plus that on the boundary.
    """

    inside: int
    weight: float
    metric = "rmse"
    subject = "a PDE is"
    needs = "second derivatives"

    def why_not_of(self, architecture: ArchitectureBase) -> str | None:
        return architecture.why_no_pde()

    def why_not_by(self, optimiser: Optimiser) -> str | None:
        return optimiser.why_no_pde()

    def of_outputs(self, outputs_RNO: Tensor, y_RNO: Tensor) -> Tensor:
        raise NotImplementedError("an equation is of derivatives too, which outputs do not tell")

    def losses(self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
        residuals = [_residuals(network, flat_RP, knots, block) for block in self._blocks(points)]
        return torch.cat(residuals, 1).square()

    def loss_and_gradient(
        self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints
    ) -> tuple[Tensor, Tensor]:
        """Block by block, as derivatives of a network take much memory."""
        flat_RP, total = flat_RP.detach().requires_grad_(), points.y[0].numel()
        parts = []
        for block in self._blocks(points):
            residuals = _residuals(network, flat_RP, knots, block)
            parts.append(backward(residuals.square().sum((1, 2)) / total, flat_RP))
        losses, gradients = zip(*parts, strict=True)
        return sum(losses[1:], losses[0]), sum(gradients[1:], gradients[0])

    def in_metric(self, mean: Tensor) -> Tensor:
        return mean.sqrt()

    def parts(self, points: LanePoints, most: int) -> Iterator[LanePoints]:
        """As they are: they are cut into blocks later."""
        yield points

    def _blocks(self, points: LanePoints) -> Iterator[_Block]:
        total = points.x.shape[1]
        parts = (True, slice(None, self.inside), self.weight), (False, slice(self.inside, None), 1.0)
        for is_inside, part, weight in parts:
            x_RNI, y_RNO = points.x[:, part], points.y[:, part]
            scale = sqrt(weight * total / x_RNI.shape[1])
            for x, y in zip(x_RNI.split(PDE_BLOCK, 1), y_RNO.split(PDE_BLOCK, 1), strict=True):
                yield _Block(x, y, is_inside, scale)


def _residuals(network: Network, flat_RP: Tensor, knots: Knots, block: _Block) -> Tensor:
    if not block.is_inside:
        return block.weight * (families.forward(network, flat_RP, knots, block.x) - block.y)
    *_, laplacian_RNO = jets.forward_laplacian(network, flat_RP, knots, block.x)
    return block.weight * (laplacian_RNO - block.y)


class SlopeError(Observation):
    """The H1 error: the root of the mean over the box of |u - y|^2 + |grad u - grad y|^2."""

    def value(self, seen: Seen) -> float:
        loss = seen.points.loss
        assert isinstance(loss, Quadrature)
        slopes_1N = loss.slope_errors(seen.network, seen.flat_1P, seen.knots, seen.points.x)
        return (loss.mean(seen.losses_1K) + loss.mean(slopes_1N)).sqrt().item()


@dataclass(frozen=True, eq=False)
class Quadrature(Squares):
    """Squares at nodes of a box, whose mean takes `shares` [n] of each; `gradient` [n, inputs] is of the target."""

    observations = (*Squares.observations, SlopeError("test_h1_error"))

    shares: NDArray[np.float64]
    gradient: NDArray[np.float64]

    def mean(self, losses_RK: Tensor) -> Tensor:
        return (torch.from_numpy(self.shares).to(losses_RK) * losses_RK).sum(1)

    def slope_errors(self, network: Network, flat_RP: Tensor, knots: Knots, x_RNI: Tensor) -> Tensor:
        """|grad y - grad u|^2 at the nodes, [R, N]; gradients of a network with one output."""
        wanted_NI = torch.from_numpy(self.gradient).to(x_RNI)
        with torch.no_grad():
            errors = [
                (jets.forward_laplacian(network, flat_RP, knots, x)[1][:, :, 0] - wanted).square().sum(2)
                for x, wanted in zip(x_RNI.split(PDE_BLOCK, 1), wanted_NI.split(PDE_BLOCK), strict=True)
            ]
            return torch.cat(errors, 1)


def backward(loss_R: Tensor, flat_RP: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of every lane, and its gradient."""
    (gradient_RP,) = torch.autograd.grad(loss_R.sum(), flat_RP)
    return loss_R.detach(), gradient_RP
