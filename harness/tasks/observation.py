"""What is observed of a network beside its losses: values with names, at declared moments, in chunks of points.

A loss has observations that belong to it (`Loss.observations`), and a task may have its own (`Splits.observations`).
An engine says what a network gives at points (`Seen`); what is made of it is the same for every engine.

Shape suffixes: N points, I inputs, O outputs, P parameters, K what a mean is taken of. A 1 is the one lane.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from harness import families
from harness.families.later import Knots, Tensor, torch
from harness.spec import Network

if TYPE_CHECKING:
    from harness.tasks.loss import LanePoints

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

CHUNK = 4096  # points that a network sees at once when it is observed, so that their work fits in caches


def chunks(points: int) -> Iterator[slice]:
    """All points in parts of at most CHUNK."""
    return (slice(first, first + CHUNK) for first in range(0, points, CHUNK))


@dataclass(frozen=True)
class Seen:
    """The network of one run, and the points of a split that it is observed at.

    What it gives there is computed when it is first asked for, a chunk after the other.
    """

    network: Network
    flat_1P: Tensor
    knots: Knots
    points: LanePoints

    @cached_property
    def outputs_NO(self) -> Tensor:
        """What the network gives at each point."""
        with torch.no_grad():
            parts = [
                families.forward(self.network, self.flat_1P, self.knots, self.points.x[:, part])[0]
                for part in chunks(self.points.x.shape[1])
            ]
            return torch.cat(parts)

    @cached_property
    def losses_1K(self) -> Tensor:
        """What each point adds to the loss."""
        loss = self.points.loss
        with torch.no_grad():
            parts = [
                loss.losses(self.network, self.flat_1P, self.knots, part)[:1].flatten(1)
                for part in loss.parts(self.points, CHUNK)
            ]
            return torch.cat(parts, 1)

    @property
    def loss(self) -> float:
        """In the metric of the task."""
        loss = self.points.loss
        return loss.in_metric(loss.mean(self.losses_1K)).item()


@dataclass(frozen=True)
class Observation(ABC):
    """A value with a name.

    It is of the network as it is `at` the end of training; or also at every moment of the learning curve, `curve`; or
    also after each so many evaluations of a stage, a number.
    """

    name: str
    split: SplitName = "test"
    at: Literal["end", "curve"] | int = "end"

    @abstractmethod
    def value(self, seen: Seen) -> float:
        """What the network of one run comes to, at the points of the split."""

    def is_due(self, evaluations: int, is_on_curve: bool) -> bool:
        """Whether it is made after so many evaluations of a stage, on the way."""
        return evaluations % self.at == 0 if isinstance(self.at, int) else self.at == "curve" and is_on_curve

    def moments(self, evaluations: int) -> range:
        """Its own moments in a stage of so many evaluations, beside those of the learning curve."""
        return range(self.at, evaluations + 1, self.at) if isinstance(self.at, int) else range(0)


# -------------------------------------------------------------------------------------------------------- of any losses
class RootMedianSquare(Observation):
    """The square root of the median square, the lower one of two."""

    def value(self, seen: Seen) -> float:
        return seen.losses_1K[0].median().sqrt().item()


class LargestError(Observation):
    """The largest distance from what is wanted."""

    def value(self, seen: Seen) -> float:
        return seen.losses_1K[0].max().sqrt().item()


class Accuracy(Observation):
    """The share of points of classes whose largest output is that of their class."""

    def value(self, seen: Seen) -> float:
        wanted_N = seen.points.y[0, :, 0]
        return (seen.outputs_NO.argmax(1) == wanted_N).to(wanted_N).mean().item()
