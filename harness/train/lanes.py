"""The state of lanes that train, what one training leaves for another, and whether a state from a
file is sound.

A *lane* is one start of one run.

Legend: S runs, R lanes, K moments, M readings, P parameters, I inputs, T knots.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from pydantic import ConfigDict, PlainValidator, TypeAdapter, ValidationInfo
from torch import Tensor

from harness.families import Network
from harness.optimisers import LaneState
from harness.optimisers.lanes import choose
from harness.record.networks import KeptNetwork
from harness.tasks import Scaling
from harness.train.fused.optimisers import adam, lbfgs, levenberg

LaneOfRun = tuple[int, int]  # index of the run in the pack, number of the start


def _state_from_fields(fields: Any, info: ValidationInfo) -> LaneState:
    """Of the types in the context, the only ones that a file can make, the first that has these
    fields.
    """
    for kind in info.context or ():
        with suppress(ValueError):
            return _adapter(kind).validate_python((fields,))[0]
    raise ValueError("it is no state of an optimiser of its runs")


@cache
def _adapter(kind: type[LaneState]) -> TypeAdapter[Any]:
    return TypeAdapter(tuple[kind], config=ConfigDict(extra="forbid"))  # type: ignore[valid-type]


@dataclass(frozen=True)
class LoopStates:
    """Optimisers in compiled loops, a state a lane; what is asked of all lanes together is named as
    in `LaneState`.
    """

    by_lane: tuple[adam.AdamState | lbfgs.LbfgsState | levenberg.LevenbergState, ...]

    @property
    def position_RP(self) -> Tensor:
        """Where training would stop now."""
        return torch.from_numpy(np.stack([state.position_P for state in self.by_lane]))

    @property
    def finished_R(self) -> Tensor:
        """Which have converged."""
        return torch.tensor([state.finished for state in self.by_lane])

    @property
    def diverged_R(self) -> Tensor:
        """Which have diverged."""
        return torch.tensor([state.diverged for state in self.by_lane])


if TYPE_CHECKING:
    OptimiserState = Any
else:  # in a checkpoint, whose reader says by which optimisers its pack trains
    OptimiserState = Annotated[LaneState, PlainValidator(_state_from_fields)] | LoopStates


@dataclass(frozen=True)
class Kept:
    """Where every lane was when the validation error of its learning curve was least."""

    validation_R: Tensor
    position_RP: Tensor
    knots: tuple[Tensor, ...]

    def of_lanes(self, index_K: Tensor) -> Kept:
        """Of the lanes that the index names."""
        knots = tuple(knots.index_select(0, index_K) for knots in self.knots)
        return Kept(self.validation_R[index_K], self.position_RP[index_K], knots)


@dataclass(frozen=True)
class EngineState:
    """What changes: where in the stages the pack is, its lanes, knots, optimiser, and the work
    behind it.

    `done` counts evaluations of this stage. Counters are evaluations, iterations and refused steps:
    `behind` of each lane [3, R], to be added to its optimiser's to give those of this stage;
    `spent` of each run [3, S], one for every stage behind. The learning curve has, at K moments,
    the evaluations of a lane's run until then, `curve_at` [R, K], and in `curve_errors` [R, K, 2 or
    more] its training and validation error in the metric of the task, and what is observed on the
    way. With early stopping the networks of the runs are those that are `kept` in the end.
    `readings` [S, M, 5] has the numbers of `harness.record.schema.Reading`, of each run. While the
    schedule of a smaller budget is trained to its end, `main` is the state from which the run goes
    on after that.
    """

    stage: int
    done: int
    lanes: tuple[LaneOfRun, ...]
    network: Network
    knots: tuple[Tensor, ...]
    optimiser: OptimiserState
    behind: Tensor
    spent: tuple[Tensor, ...]
    curve_at: Tensor
    curve_errors: Tensor
    readings: Tensor
    kept: Kept | None = None
    main: EngineState | None = None


def kept_after(state: EngineState, validation_R: Tensor) -> Kept:
    """What is kept of every lane, after one more point of its learning curve."""
    position_RP, before = state.optimiser.position_RP, state.kept
    if before is None:
        return Kept(validation_R.nan_to_num(torch.inf), position_RP, state.knots)
    is_less_R = validation_R < before.validation_R
    return Kept(
        torch.where(is_less_R, validation_R, before.validation_R),
        choose(is_less_R, position_RP, before.position_RP),
        tuple(choose(is_less_R, *pair) for pair in zip(state.knots, before.knots, strict=True)),
    )


@dataclass(frozen=True)
class Trained:
    """Where a training left one run, for another to go on from: parameters [P], and knots [I, T] a
    layer.
    """

    network: Network
    position_P: Tensor
    knots: tuple[Tensor, ...]

    def to_keep(self, scaling: Scaling | None) -> KeptNetwork:
        """What is kept of it; `scaling` is of its run's data."""
        knots = tuple(of_layer.numpy(force=True) for of_layer in self.knots)
        kept = KeptNetwork(self.position_P.numpy(force=True), knots)
        if scaling is None:
            return kept
        return kept._replace(
            ends=np.stack([scaling.low, scaling.high]),
            output=np.array([scaling.scale, scaling.centre]),
            columns=scaling.columns,
            labels=scaling.labels,
            encoding=scaling.encoding,
            fill=scaling.fill,
        )


def ended(pack: Any, state: Any) -> bool:
    """Whether all stages of a pack are behind."""
    return state.stage == len(pack.stages)


def alike(template: Any, state: Any) -> bool:
    """Whether all arrays of a state have dtype and shape of the template's; what is empty there can
    have any length.
    """
    if isinstance(template, tuple):
        return not template or (len(template) == len(state) and all(map(alike, template, state)))
    if isinstance(template, Tensor | np.ndarray):
        same_rank = len(template.shape) == len(state.shape)
        lengths_fit = all(
            size in (0, length) for size, length in zip(template.shape, state.shape, strict=False)
        )
        return same_rank and template.dtype == state.dtype and lengths_fit
    if is_dataclass(template):
        same_type = type(template) is type(state)
        return same_type and all(
            alike(value, getattr(state, name)) for name, value in vars(template).items()
        )
    return True
