"""What an engine says of a pack of runs that trains: `harness.train.course` says when it is asked.

Legend: S runs, R lanes, N points, I inputs, P parameters, K lanes that are kept.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from harness.families import Network
from harness.families.spline import Solver
from harness.optimisers.lanes import select
from harness.spec.recipe import Recipe, Stage, stages
from harness.spec.run import RunSpec
from harness.tasks import Samples
from harness.tasks.loss import Observation, Seen, SplitName
from harness.tasks.samples import SHUFFLED, Batches
from harness.train.lanes import EngineState, LaneOfRun
from harness.train.points import PackPoints

# What is done to parameters [R, P] and knots, by points whose activations say where knots go.
Move = Callable[[Tensor, list[Tensor], Tensor], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True, eq=False)
class Pack(ABC):
    """What does not change while a pack trains. An engine gives the abstract methods, and says what
    an optimiser is.

    `train` are the runs' points in the engine's own form, `curve` those of the learning curve's
    validation error. `curve_train` are those of its training error, where these are not all: a run
    that sees a batch at a time would spend most of its time on them. Activations at `ranges_SNI`
    say where knots go.
    """

    points: PackPoints
    stages: tuple[Stage, ...]
    train: Any
    curve: Any
    ranges_SNI: Tensor
    curve_train: Any = None
    watched: tuple[Observation, ...] = ()  # which are made on the way too
    batches: Batches = SHUFFLED

    smallest: ClassVar[int] = 1  # lanes of an ensemble
    solver: ClassVar[Solver]  # by which splines are moved to other knots

    @property
    def runs(self) -> tuple[RunSpec, ...]:
        """In the order of their outcomes."""
        return self.points.runs

    @property
    def recipe(self) -> Recipe:
        """Of all runs, but for learning rates."""
        return self.runs[0].recipe

    @classmethod
    def of(cls, points: PackPoints, device: torch.device | str = "cpu") -> Self:
        """The pack of these runs and points."""
        first = points.runs[0]
        train, curve, of_curve_train, ranges = [], [], [], []
        for run in range(len(points.runs)):  # which draws the data of each once
            train.append(points.split(run, "train"))
            curve.append(points.curve(run, "validation"))
            of_curve_train.append(points.curve(run, "train"))
            ranges.append(points.ranges(run))
        curve_train = (
            cls.of_samples(first, of_curve_train, device) if first.recipe.optimizer.batch else None
        )
        return cls(
            points=points,
            stages=stages(first.network, first.recipe),
            train=cls.of_samples(first, train, device),
            curve=cls.of_samples(first, curve, device),
            curve_train=curve_train,
            ranges_SNI=torch.from_numpy(np.stack(ranges)).to(
                device=device, dtype=getattr(torch, first.kept_in)
            ),
            batches=points.splits(0).batches,
            watched=tuple(
                observation for observation in points.observations(0) if observation.at != "end"
            ),
        )

    # ----------------------------------------------------------------------------------------------
    # what an engine does
    @staticmethod
    @abstractmethod
    def of_samples(run: RunSpec, samples: Sequence[Samples], device: torch.device | str) -> Any:
        """The points of runs that are alike but for them."""

    @abstractmethod
    def of_lanes(self, points: Any, lanes: Sequence[LaneOfRun]) -> Any:
        """The points of the lanes, of those of the runs."""

    @abstractmethod
    def start(self, lanes: Sequence[LaneOfRun], flat_RP: Tensor, total_steps: int) -> Any:
        """A fresh optimiser of every lane at `flat_RP`; a schedule ends with `total_steps`."""

    @abstractmethod
    def evaluated(self, state: EngineState, points: Any, until: int) -> Any:
        """The optimisers after the evaluations up to number `until` of the stage."""

    @abstractmethod
    def errors(self, state: EngineState, points: Any) -> Tensor:
        """In the metric of the task, at the points of each lane, [R]."""

    @abstractmethod
    def final_losses(self, state: EngineState, points: Any) -> Tensor:
        """By which the best start is chosen, [R]; not NaN."""

    @abstractmethod
    def seen(
        self,
        index: int,
        network: Network,
        position_1P: Tensor,
        knots: list[Tensor],
        split: SplitName,
    ) -> Seen:
        """The network of a run at the points of a split; one lane at a time, so that its company
        changes no bit.
        """

    # ------------------------------------------------------ what it may do otherwise, if an
    # optimiser is no `LaneState`
    def moved(self, old: Any, fresh: Any, moving_R: Tensor) -> Any:
        """The optimisers after knots were moved in the lanes of the mask, which stand where the
        fresh ones do.
        """
        return self.recipe.optimizer.moved(old, fresh, moving_R)

    def ending(self, optimiser: Any, total_steps: int) -> Any:
        """The optimisers with another end of their schedule."""
        return self.recipe.optimizer.ending(optimiser, total_steps)

    def selected(self, optimiser: Any, index_K: Tensor) -> Any:
        """The optimisers of the lanes that the index names."""
        return select(optimiser, index_K)

    def with_diverged(self, fresh: Any, old: Any) -> Any:
        """The fresh optimisers, of which those have diverged that had before."""
        return replace(fresh, diverged_R=old.diverged_R)

    def counters(self, optimiser: Any) -> Tensor:
        """Evaluations, iterations and refused steps that each has made, [3, R]."""
        return self.recipe.optimizer.counters(optimiser)

    def over_lanes(
        self, move: Move, moving_R: Tensor, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor
    ) -> Any:
        """What `move` makes of the lanes of the mask, at least."""
        return move(flat_RP, list(knots), x_RNI)
