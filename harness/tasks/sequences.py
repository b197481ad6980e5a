"""Sequences of tokens, of which the next one is learnt at every position: losses, fresh batches,
and what a task gives.

A point is a sequence of `context` tokens, written as numbers. What is wanted there are the tokens
that come next, or where they are known the probabilities of all tokens, one position behind the
other.

Shape suffixes: R lanes, N sequences, T positions, V tokens of the vocabulary, L = T + 1.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.families import Network
from harness.families.later import F, Knots, Tensor, torch
from harness.spec.task import RunTask, Task
from harness.tasks.loss import CHUNK, SPLITS, LanePoints, Loss
from harness.tasks.samples import Array, Batches, Samples, Splits, stream
from harness.tasks.target import Target, TargetError

Tokens = NDArray[np.int64]  # [n, length]

EPOCH = 50  # evaluations whose sequences are drawn at once
# Tokens of each split where the file says no number of sequences: so few that errors take little of
# the time. Training sees fresh sequences; those of its split are for the learning curve.
SPLIT_TOKENS = {"train_points": 10_000, "validation_points": 20_000, "test_points": 60_000}


# --------------------------------------------------------------------------------------------------
# losses
@dataclass(frozen=True)
class OfSequences(Loss):
    """A loss of the next token at every position."""

    subject: ClassVar[str] = "sequences are"
    words: ClassVar[str] = "a loss of sequences"
    needs: ClassVar[str] = "attention"

    def losses(self, network: Network, flat_RP: Tensor, knots: Knots, points: LanePoints) -> Tensor:
        """In parts, where no gradient is asked for: the positions of all sequences are many."""
        if flat_RP.requires_grad:
            return super().losses(network, flat_RP, knots, points)
        return torch.cat(
            [
                super(OfSequences, self).losses(network, flat_RP, knots, part)
                for part in self.parts(points)
            ],
            1,
        )

    def parts(self, points: LanePoints) -> Iterator[LanePoints]:
        size = max(1, CHUNK // points.x.shape[2])
        for x, y in zip(points.x.split(size, 1), points.y.split(size, 1), strict=True):
            yield replace(points, x=x, y=y)


@dataclass(frozen=True)
class NextToken(OfSequences):
    """-ln of the probability of the token that comes, in nats; y has its number, [R, N, T]."""

    metric = "nats_per_token"

    def of_outputs(self, outputs_RNO: Tensor, y_RNO: Tensor) -> Tensor:
        logits = outputs_RNO.unflatten(2, (y_RNO.shape[2], -1))
        return F.cross_entropy(
            logits.flatten(0, 2), y_RNO.long().flatten(), reduction="none"
        ).view_as(y_RNO)

    def numbers_wanted(self, network: Network) -> int:
        """A token at each position."""
        return network.inputs

    def constant_outputs(self, y_NO: Array, outputs: int) -> Array:
        """The logarithms of how often each token is seen; one that is not counts as seen once."""
        positions = y_NO.shape[1]
        counts = np.bincount(y_NO.astype(np.int64).ravel(), minlength=outputs // positions).clip(
            min=1
        )
        return np.tile(np.log(counts / counts.sum()), positions)


@dataclass(frozen=True)
class Excess(OfSequences):
    """What a network's cross-entropy has above the least possible one, in nats: sum over tokens of
    p ln(p / q).

    y has the probabilities p of all tokens at every position, [R, N, T V]. It is 0 for a network
    that knows them.
    """

    metric = "excess"

    vocabulary: int

    def of_outputs(self, outputs_RNO: Tensor, y_RNO: Tensor) -> Tensor:
        log_q, p = (flat.unflatten(2, (-1, self.vocabulary)) for flat in (outputs_RNO, y_RNO))
        return (torch.xlogy(p, p) - p * log_q.log_softmax(3)).sum(3)

    def constant_outputs(self, y_NO: Array, outputs: int) -> Array:
        """The logarithms of the mean probabilities."""
        mean = y_NO.reshape(-1, self.vocabulary).mean(0)
        return np.tile(np.log(mean), outputs // self.vocabulary)


NEXT_TOKEN = NextToken()


# --------------------------------------------------------------------------------------------------
# batches
@dataclass(frozen=True)
class Fresh(Batches):
    """Each evaluation sees sequences that are drawn for it, [N, T + 1]: all but the last token, and
    all but the first.

    `sample` draws so many from a generator.
    """

    sample: Callable[[np.random.Generator, int], Tokens]

    def per_epoch(self, points: int, size: int) -> int:
        return EPOCH

    def epoch(
        self, generator: np.random.Generator, points: int, size: int
    ) -> tuple[NDArray[Any], ...]:
        return (self.sample(generator, EPOCH * size),)

    def seen(self, train: LanePoints, feed: tuple[Tensor, ...]) -> LanePoints:
        (tokens_RNL,) = feed
        return LanePoints(
            tokens_RNL[:, :, :-1].to(train.x), tokens_RNL[:, :, 1:].to(train.x), NEXT_TOKEN
        )


# --------------------------------------------------------------------------------------------------
# tasks
class Sequences(Target):
    """A source of sequences; `vocabulary` are its tokens, `loss` is that of its samples."""

    has_own_points: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, int | float]] = {"context": 10}
    only_box = "tokens have no box"

    vocabulary: int
    loss: Loss

    @abstractmethod
    def sampler(self, split: str, context: int) -> Callable[[np.random.Generator, int], Tokens]:
        """Draws so many sequences of `context` + 1 tokens of a split."""

    @abstractmethod
    def wanted(self, tokens: Tokens) -> Array:
        """What `loss` wants at sequences [n, context + 1], without their last token."""

    def resolve(self, task: Task) -> RunTask:
        if task.inputs:
            raise TargetError(
                f"inputs={task.inputs}: {task.name} is of sequences; say `context`, their length"
            )
        context = task.context or int(self.settings["context"])
        points = {
            name: getattr(task, name) or -(-tokens // context)
            for name, tokens in SPLIT_TOKENS.items()
        }
        fields = {
            **task.model_dump(exclude={"context"}),
            **points,
            "target": task.name,
            "inputs": context,
        }
        return RunTask(
            fingerprint=self.version,
            vocabulary=self.vocabulary,
            own_loss=self.loss.metric,
            **fields,
        )

    def draw(self, task: RunTask, seed: int) -> Splits:
        """Each split from a stream of its own; training sees fresh sequences beside."""
        train, validation, test = (self._samples(task, seed, split) for split in SPLITS)
        batches = Fresh(self.sampler("train", task.inputs))
        return Splits(train, validation, test, observations=self.observations, batches=batches)

    def _samples(self, task: RunTask, seed: int, split: str) -> Samples:
        tokens = self.sampler(split, task.inputs)(
            stream(seed, split), getattr(task, f"{split}_points")
        )
        return Samples(tokens[:, :-1].astype(np.float64), self.wanted(tokens), self.loss)

    def target(self, name: str, inputs: int | None, instance: int) -> Sequences:
        return self
