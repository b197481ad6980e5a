"""What a run minimises, and what is observed of it: read this first to add a loss or an
observation.

A loss says what each point adds; the mean over the points is minimised. Samples say which loss is
theirs, and training asks it for all that depends on it. An observation is a value with a name. A
loss has some that every run makes, a task may have its own (`Splits.observations`). An engine says
what a network gives at points, `Seen`, and no more.

Nothing here may import torch: take it from `harness.families.later`.

Shape suffixes: R lanes, N points, I inputs, O outputs, P parameters, K what a mean is taken of: N,
or N * O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness import families
from harness.base.errors import HarnessError
from harness.base.user_code import calling_user_code
from harness.families import Network
from harness.families.base import SAMPLE_BLOCK
from harness.families.later import Knots, Tensor, jets, torch
from harness.spec.recipe import PDE_BLOCK

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

# points that a network sees at once when it is observed, so that their work fits in caches
CHUNK = 4096


# --------------------------------------------------------------------------------------------------
# of any kind
@dataclass(frozen=True)
class Loss(ABC):
    """What points add to the loss of a run, and the metric in which its mean is reported."""

    metric: ClassVar[str]  # what tables and records call the mean, see `in_metric`
    observations: ClassVar[
        tuple[Observation, ...]
    ] = ()  # that every run has whose test samples have this loss
    kernel: ClassVar[str] = (
        ""  # its name among the losses that `harness.train.fused_engine` has, if it is one
    )
    # What sentences say: what is learnt without sparsity or phases, where it is no sum of squares;
    # what it is; and what an engine without kernels lacks.
    subject: ClassVar[str] = "a loss of a task's own is"
    words: ClassVar[str] = "a loss of a task's own"
    needs: ClassVar[str] = "kernels of its loss"
    is_polynomial: ClassVar[bool] = (
        False  # of sums and products, which round alike wherever a point stands
    )
    is_equation: ClassVar[bool] = False  # of second derivatives of a network, at all points at once

    @abstractmethod
    def of_outputs(self, outputs_RNO: Tensor, y_RNO: Tensor) -> Tensor:
        """What each point adds, [R, N] or [R, N, O], differentiable in the outputs."""

    def losses(self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
        """What each point adds to the loss of a network with these parameters, differentiable in
        `flat_RP`.
        """
        with points.precision():
            outputs_RNO = families.forward(network, flat_RP, knots, points.x)
        outputs_RNO, y_RNO = outputs_RNO.to(points.y.dtype), points.y
        if not self.is_polynomial:
            outputs_RNO, y_RNO = in_whole_blocks(outputs_RNO), in_whole_blocks(y_RNO)
        return self.of_outputs(outputs_RNO, y_RNO)[:, : points.x.shape[1]]

    def loss_and_gradient(
        self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints
    ) -> tuple[Tensor, Tensor]:
        """The loss of every lane, [R], and its gradient, [R, P]."""
        flat_RP = flat_RP.detach().requires_grad_()
        losses = self.losses(network, flat_RP, knots, points)
        return backward(losses.mean(tuple(range(1, losses.dim()))), flat_RP)

    def numbers_wanted(self, network: Network) -> int:
        """How many numbers it wants of each point."""
        return network.outputs

    def mean(self, losses_RK: Tensor) -> Tensor:
        """Of what the points of a split add, [R]."""
        return losses_RK.mean(1)

    def in_metric(self, mean: Tensor) -> Tensor:
        """A mean of losses as it is reported."""
        return mean

    def constant_outputs(self, y_NO: NDArray[np.float64], outputs: int) -> NDArray[np.float64]:
        """What a network would give that knows what is wanted at the training points, but nothing
        of a point.
        """
        return np.full(outputs, y_NO.mean())

    def parts(self, points: LanePoints) -> Iterator[LanePoints]:
        """The points in chunks, of which `losses` are taken one after the other."""
        for part in chunks(points.x.shape[1]):
            yield replace(points, x=points.x[:, part], y=points.y[:, part])


def in_whole_blocks(values_RNO: Tensor) -> Tensor:
    """Values of the first point again, until points fill whole blocks, as torch takes what is left
    by other code.
    """
    missing = -values_RNO.shape[1] % SAMPLE_BLOCK
    return (
        torch.cat([values_RNO, values_RNO[:, :1].expand(-1, missing, -1)], 1)
        if missing
        else values_RNO
    )


def chunks(points: int) -> Iterator[slice]:
    """All points in parts of at most CHUNK."""
    return (slice(first, first + CHUNK) for first in range(0, points, CHUNK))


@dataclass(frozen=True)
class Seen:
    """The network of one run at the points of a split; what it gives there is computed once, in
    chunks.
    """

    network: Network
    flat_1P: Tensor
    knots: Knots
    points: LanePoints

    @cached_property
    def outputs_NO(self) -> Tensor:
        """What the network gives at each point."""
        lane = self.network, self.flat_1P, self.knots
        with torch.no_grad():
            return torch.cat(
                [families.forward(*lane, part.x)[0] for part in self.points.loss.parts(self.points)]
            )

    @cached_property
    def losses_1K(self) -> Tensor:
        """What each point adds to the loss."""
        loss, lane = self.points.loss, (self.network, self.flat_1P, self.knots)
        with torch.no_grad():
            return torch.cat(
                [loss.losses(*lane, part).flatten(1) for part in loss.parts(self.points)], 1
            )

    def root(self, square: Tensor) -> float:
        """The square root of a number, rounded as this engine rounds it."""
        return square.sqrt().item()

    @property
    def loss(self) -> float:
        """In the metric of the task."""
        loss = self.points.loss
        return loss.in_metric(loss.mean(self.losses_1K)).item()


@dataclass(frozen=True)
class Observation(ABC):
    """A value with a name.

    It is of the network as it is `at` the end of training; or also at every moment of the learning
    curve, `curve`; or also after each so many evaluations of a stage, a number.
    """

    name: str
    split: SplitName = "test"
    at: Literal["end", "curve"] | int = "end"

    @abstractmethod
    def value(self, seen: Seen) -> float:
        """What the network of one run comes to, at the points of the split."""

    def moments(self, evaluations: int, on_curve: Collection[int]) -> Collection[int]:
        """When it is made in a stage of so many evaluations, before its end."""
        if isinstance(self.at, int):
            return range(self.at, evaluations, self.at)
        return on_curve if self.at == "curve" else ()


# ----------------------------------------------------------------------------------------------- of
# numbers and classes
class RootMedianSquare(Observation):
    """The square root of the median square, the lower one of two."""

    def value(self, seen: Seen) -> float:
        return seen.root(seen.losses_1K[0].median())


class LargestError(Observation):
    """The largest distance from what is wanted."""

    def value(self, seen: Seen) -> float:
        return seen.root(seen.losses_1K[0].max())


class Accuracy(Observation):
    """The share of points of classes whose largest output is that of their class."""

    def value(self, seen: Seen) -> float:
        wanted_N = seen.points.y[0, :, 0]
        return (seen.outputs_NO.argmax(1) == wanted_N).to(wanted_N).mean().item()


@dataclass(frozen=True)
class Squares(Loss):
    """Squared residuals; the root of their mean is the RMSE."""

    metric = "rmse"
    observations: ClassVar[tuple[Observation, ...]] = (
        RootMedianSquare("test_root_median_square"),
        LargestError("test_largest_error"),
    )
    kernel = "squares"
    is_polynomial = True
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
        """As ln(1 + sum over the others of e^(other - own)): so written, a loss that is nearly 0
        has all its digits.
        """
        index_RN1 = y_RNO.long()
        own_RN = outputs_RNO.gather(2, index_RN1)[:, :, 0]
        others_RN = outputs_RNO.scatter(2, index_RN1, -torch.inf).logsumexp(2)
        return torch.logaddexp(others_RN - own_RN, torch.zeros_like(own_RN))

    def in_metric(self, mean: Tensor) -> Tensor:
        """One that is too small to be told from 0 is the least number there is, for a law in log
        space.
        """
        return mean.clamp_min(torch.finfo(mean.dtype).tiny)


SQUARES, CROSS_ENTROPY = Squares(), CrossEntropy()


@dataclass(frozen=True)
class LanePoints:
    """One split of every lane: x_RNI, and what its loss wants there, y_RNO.

    `in_bfloat16` are the products of a network there, and their gradients, if it is trained in
    mixed precision.
    """

    x: Tensor
    y: Tensor
    loss: Loss = SQUARES
    in_bfloat16: bool = False

    def precision(self) -> AbstractContextManager:
        """What a forward pass is taken in; the backward pass has its precision."""
        return (
            torch.autocast(self.x.device.type, torch.bfloat16)
            if self.in_bfloat16
            else nullcontext()
        )


# --------------------------------------------------------------------------------------------------
# of one's own
@dataclass(frozen=True)
class OwnLoss(Loss):
    """What a loss of one's own derives from: it gives `metric`, `of_outputs`, and a field for each
    of its numbers.
    """

    def check(self) -> None:
        """A HarnessError if it does not give a finite number a point, or if a point's hangs on the
        others.
        """
        y_RNO = torch.linspace(0, 1, 15, dtype=torch.float64).reshape(3, 5, 1)
        outputs_RNO = (9 * y_RNO).sin()
        with calling_user_code(f"loss {self.metric}"):
            together, apart = (
                self.of_outputs(outputs_RNO, y_RNO),
                self.of_outputs(outputs_RNO[1:, 2:], y_RNO[1:, 2:]),
            )
            if together.shape[:2] != (3, 5) or not torch.allclose(apart, together[1:, 2:]):
                raise HarnessError(
                    f"loss {self.metric}: a point must add one finite number, by itself; the mean "
                    "over points is taken "
                    "later"
                )


# --------------------------------------------------------------------------------------------------
# of PDEs
@dataclass(frozen=True)
class Equation(Squares):
    """Residuals of a PDE: the first `inside` points want the Laplacian y, the others, on the
    boundary, the values y.

    They are scaled so that their mean square is `weight` times the mean square inside, plus that on
    the boundary.
    """

    inside: int
    weight: float
    kernel = ""
    subject = "a PDE is"
    needs = "second derivatives"
    is_equation = True

    def losses(self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
        return torch.cat(list(self._residuals(network, flat_RP, knots, points)), 1).square()

    def loss_and_gradient(
        self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints
    ) -> tuple[Tensor, Tensor]:
        """Block by block, as derivatives of a network take much memory."""
        flat_RP, total = flat_RP.detach().requires_grad_(), points.y[0].numel()
        parts = [
            backward(residuals_RNO.square().sum((1, 2)) / total, flat_RP)
            for residuals_RNO in self._residuals(network, flat_RP, knots, points)
        ]
        losses, gradients = zip(*parts, strict=True)
        return sum(losses[1:], losses[0]), sum(gradients[1:], gradients[0])

    def parts(self, points: LanePoints) -> Iterator[LanePoints]:
        """As they are: they are cut into blocks later."""
        yield points

    def _residuals(
        self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints
    ) -> Iterator[Tensor]:
        """Of one block of points after the other."""
        total = points.x.shape[1]
        parts = (
            (True, slice(None, self.inside), self.weight),
            (False, slice(self.inside, None), 1.0),
        )
        for is_inside, part, weight in parts:
            x_RNI, y_RNO = points.x[:, part], points.y[:, part]
            scale = sqrt(weight * total / x_RNI.shape[1])
            for x, y in zip(x_RNI.split(PDE_BLOCK, 1), y_RNO.split(PDE_BLOCK, 1), strict=True):
                args = network, flat_RP, knots, x
                values = jets.forward_laplacian(*args)[-1] if is_inside else families.forward(*args)
                yield scale * (values - y)


class SlopeError(Observation):
    """The H1 error: the root of the mean over the box of |u - y|^2 + |grad u - grad y|^2."""

    def value(self, seen: Seen) -> float:
        loss, x_1NI = seen.points.loss, seen.points.x
        assert isinstance(loss, Quadrature)
        wanted_NI = torch.from_numpy(loss.gradient).to(x_1NI)
        with torch.no_grad():
            errors = [
                (
                    jets.forward_laplacian(seen.network, seen.flat_1P, seen.knots, x)[1][:, :, 0]
                    - slope
                )
                .square()
                .sum(2)
                for x, slope in zip(
                    x_1NI.split(PDE_BLOCK, 1), wanted_NI.split(PDE_BLOCK), strict=True
                )
            ]
        return (loss.mean(seen.losses_1K) + loss.mean(torch.cat(errors, 1))).sqrt().item()


@dataclass(frozen=True, eq=False)
class Quadrature(Squares):
    """Squares at nodes of a box, whose mean takes `shares` [n] of each; `gradient` [n, inputs] is
    of the target.
    """

    observations = (*Squares.observations, SlopeError("test_h1_error"))

    shares: NDArray[np.float64]
    gradient: NDArray[np.float64]

    def mean(self, losses_RK: Tensor) -> Tensor:
        return (torch.from_numpy(self.shares).to(losses_RK) * losses_RK).sum(1)


def backward(loss_R: Tensor, flat_RP: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of every lane, and its gradient."""
    (gradient_RP,) = torch.autograd.grad(loss_R.sum(), flat_RP)
    return loss_R.detach(), gradient_RP
