"""Points and what is wanted there, what each evaluation sees of them, and the random streams that
they come from.

Shape suffixes: R lanes, B points of an evaluation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.families.later import Tensor, torch
from harness.spec.task import RunTask
from harness.tasks.loss import SQUARES, LanePoints, Loss, Observation

Array = NDArray[np.float64]
Labels = NDArray[Any]  # what a table calls its classes: text, numbers, or true and false

# Independent random streams of one seed. Numbers, not names, reach the generator: never renumber.
STREAMS = {
    "train": 0,
    "validation": 1,
    "test": 2,
    "initial": 3,
    "batches": 4,
    "domain": 5,
    "split": 6,
    "features": 7,
    "noise": 8,
}


@dataclass(frozen=True)
class Samples:
    """Points x [n, inputs] and what `loss` wants there, y [n, 1]: values, numbers of classes,
    Laplacians.
    """

    x: Array
    y: Array
    loss: Loss = SQUARES


@dataclass(frozen=True)
class Batches(ABC):
    """What each evaluation sees, by its number: an epoch of them is drawn from a random stream of
    its own.

    Training can so go on anywhere. A lane is fed arrays, from whose parts what it sees is made.
    """

    @abstractmethod
    def per_epoch(self, points: int, size: int) -> int | None:
        """Evaluations of an epoch, of so many of the training points each; None if each sees all as
        they are.
        """

    @abstractmethod
    def epoch(
        self, generator: np.random.Generator, points: int, size: int
    ) -> tuple[NDArray[Any], ...]:
        """What the evaluations of an epoch are fed, one behind the other: arrays lead with `size`
        entries of each.
        """

    @abstractmethod
    def seen(self, train: LanePoints, feed: tuple[Tensor, ...]) -> LanePoints:
        """What an evaluation sees that is fed this, [R, B, ...]; tensors in, tensors out, as a GPU
        repeats it.
        """


@dataclass(frozen=True)
class Shuffled(Batches):
    """The training points in a new order every epoch; what does not fill a last batch is left out
    of it.
    """

    def per_epoch(self, points: int, size: int) -> int | None:
        return None if size == points else points // size

    def epoch(
        self, generator: np.random.Generator, points: int, size: int
    ) -> tuple[NDArray[Any], ...]:
        return (generator.permutation(points),)

    def seen(self, train: LanePoints, feed: tuple[Tensor, ...]) -> LanePoints:
        """Whole rows are copied, in a fraction of the time that `gather` takes for every number by
        itself.
        """
        (index_RB,), (lanes, total) = feed, train.x.shape[:2]
        first_R1 = total * torch.arange(lanes, device=index_RB.device)[:, None]
        rows = (first_R1 + index_RB).flatten()
        x, y = (
            array.flatten(0, 1).index_select(0, rows).unflatten(0, index_RB.shape)
            for array in (train.x, train.y)
        )
        return replace(train, x=x, y=y)


SHUFFLED = Shuffled()


class Scaling(NamedTuple):
    """How rows of data became samples: columns from [low, high] to [-1, 1], targets less `centre`,
    over `scale`.

    Of a data file of the user's own it has the names of the inputs, and of classes their labels, in
    the order of their numbers; where its columns are more than plain numbers, `encoding` says how
    they become inputs (`columns.to_text`), and `fill` [inputs] what stands in a gap.
    """

    low: Array
    high: Array
    centre: float
    scale: float
    columns: tuple[str, ...] = ()
    labels: Labels | None = None
    encoding: str = ""
    fill: Array | None = None


@dataclass(frozen=True)
class Splits:
    """Training, validation and test samples, each from a random stream of its own; `scaling` is of
    data.

    `batches` say what each evaluation sees, `observations` what is asked of networks beside those
    of the loss.
    """

    train: Samples
    validation: Samples
    test: Samples
    scaling: Scaling | None = None
    observations: tuple[Observation, ...] = ()
    batches: Batches = SHUFFLED


def stream(seed: int, name: str, *keys: int) -> np.random.Generator:
    """The generator of one purpose (a key of STREAMS) under `seed`; `keys` split it further
    (restart, epoch).
    """
    return np.random.default_rng([seed, STREAMS[name], *keys])


def uniform(task: RunTask, seed: int, name: str, count: int) -> Array:
    """`count` uniform points of the task's box from the stream of that name, [count, inputs]."""
    return stream(seed, name).uniform(task.low, task.high, size=(count, task.inputs))


def domain_points(task: RunTask, seed: int) -> Array:
    """As many fresh points of the task's box as there are training points, [n, inputs]."""
    return uniform(task, seed, "domain", task.train_points)


def scaled(task: RunTask, x: Array) -> Array:
    """Points [n, inputs] of the task's box, moved to [-1, 1]^inputs; exact for a box that is that
    already.
    """
    low, high = np.asarray(task.low), np.asarray(task.high)
    return (2 * x - (low + high)) / (high - low)


def phases_of(train: Samples, phases: int) -> list[Samples]:
    """Training samples in `phases` groups of equal size, in the order of their first variable."""
    groups = np.split(np.argsort(train.x[:, 0], kind="stable"), phases)
    return [replace(train, x=train.x[group], y=train.y[group]) for group in groups]
