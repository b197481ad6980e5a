"""The torch engine: a pack of runs trains as one batched ensemble, on any device (see
`harness.train.course`).

Lanes share the computation and nothing else: each keeps its data, its line search and its
divergence.

Legend: S runs, R lanes, N points, I inputs, O outputs, P parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.base.errors import HarnessError
from harness.families import Network
from harness.optimisers import LaneObjective, LaneState
from harness.optimisers.lanes import SMALLEST_ENSEMBLE
from harness.spec.recipe import samples_per_evaluation
from harness.spec.run import RunSpec
from harness.tasks import Samples, Splits, stream
from harness.tasks.loss import LanePoints, Seen, SplitName
from harness.tasks.samples import Batches
from harness.train.captured import Replay
from harness.train.course import advance, begin, finish, fits, trained
from harness.train.lanes import EngineState, LaneOfRun, ended
from harness.train.pack import Pack
from harness.train.points import PackPoints

__all__ = ["TorchPack", "advance", "begin", "ended", "finish", "fits", "prepare", "trained"]


def prepare(
    runs: Sequence[RunSpec], device: str = "cpu", samples: Sequence[Splits] | None = None
) -> "TorchPack":
    """The pack of `runs`, which must be of one `computation`; draws what `samples` has not."""
    runs[0].recipe.optimizer.check()
    if (
        runs[0].dtype == "bfloat16"
        and device == "cuda"
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        problem = f"dtype: bfloat16, but {torch.cuda.get_device_name()} does not multiply in it"
        raise HarnessError(f"{problem}; say dtype: float32, or run where there is another GPU")
    return TorchPack.of(PackPoints(tuple(runs), samples), device)


@dataclass(frozen=True, eq=False)
class TorchPack(Pack):
    """An optimiser is a `LaneState` of all lanes."""

    train: LanePoints
    curve: LanePoints

    smallest = SMALLEST_ENSEMBLE
    solver = "qr"

    @staticmethod
    def of_samples(
        run: RunSpec, samples: Sequence[Samples], device: torch.device | str
    ) -> LanePoints:
        x_SNI, y_SNO = (
            np.stack([split.x for split in samples]),
            np.stack([split.y for split in samples]),
        )
        dtype = getattr(torch, run.kept_in)
        x, y = (torch.from_numpy(array).to(device=device, dtype=dtype) for array in (x_SNI, y_SNO))
        return LanePoints(x, y, samples[0].loss)

    def of_lanes(self, points: LanePoints, lanes: Sequence[LaneOfRun]) -> LanePoints:
        """Those of the runs, where the lanes are these: large ones take as long to copy as several
        evaluations.
        """
        runs = [run for run, _ in lanes]
        if runs == list(range(len(points.x))):
            return points
        index_R = torch.tensor(runs, device=points.x.device)
        return replace(
            points, x=points.x.index_select(0, index_R), y=points.y.index_select(0, index_R)
        )

    def start(self, lanes: Sequence[LaneOfRun], flat_RP: Tensor, total_steps: int) -> LaneState:
        rates = [self.runs[run].recipe.optimizer.rate for run, _ in lanes]
        rates_R = None if None in rates else flat_RP.new_tensor(rates)
        return self.recipe.optimizer.start(flat_RP, rates_R, total_steps)

    def evaluated(self, state: EngineState, points: LanePoints, until: int) -> LaneState:
        feeds = (_feed(self, state, number) for number in range(state.done, until))
        optimiser: Any = state.optimiser
        if points.x.is_cuda:
            return _replay(self, state.network, state.lanes, state.knots)(optimiser, feeds)
        for feed in feeds:
            optimiser = _evaluate(self, state.network, state.knots, points, optimiser, feed)
        return optimiser

    def errors(self, state: EngineState, points: LanePoints) -> Tensor:
        return points.loss.in_metric(self._losses(state, points))

    def final_losses(self, state: EngineState, points: LanePoints) -> Tensor:
        return self._losses(state, points).nan_to_num(torch.inf)

    def _losses(self, state: EngineState, points: LanePoints) -> Tensor:
        with torch.no_grad():
            losses = points.loss.losses(
                state.network, state.optimiser.position_RP, state.knots, points
            )
        return points.loss.mean(losses.flatten(1))

    def seen(
        self,
        index: int,
        network: Network,
        position_1P: Tensor,
        knots: list[Tensor],
        split: SplitName,
    ) -> Seen:
        points = self.of_samples(
            self.runs[index], [self.points.split(index, split)], position_1P.device
        )
        return Seen(network, position_1P, knots, points)


# --------------------------------------------------------------------------------------------------
# evaluation
@lru_cache(maxsize=1)
def _replay(
    pack: TorchPack, network: Network, lanes: tuple[LaneOfRun, ...], knots: tuple[Tensor, ...]
) -> Replay:
    """Kept from one call of `advance` to the next, as capturing takes as long as many
    evaluations.
    """
    return Replay(partial(_evaluate, pack, network, knots, pack.of_lanes(pack.train, lanes)))


def _evaluate(
    pack: TorchPack,
    network: Network,
    knots: tuple[Tensor, ...],
    train: LanePoints,
    optimiser: LaneState,
    feed: tuple[Tensor, ...],
) -> LaneState:
    """The optimiser after one evaluation in every lane, of what it is fed, or of all points."""
    points = pack.batches.seen(train, feed) if feed else train
    points = replace(points, in_bfloat16=pack.runs[0].dtype == "bfloat16")

    def objective(position_RP: Tensor) -> tuple[Tensor, Tensor]:
        return points.loss.loss_and_gradient(network, position_RP, knots, points)

    return pack.recipe.optimizer.evaluate(
        optimiser, LaneObjective(objective, network, knots, points.x, points.y)
    )


def _feed(pack: TorchPack, state: EngineState, number: int) -> tuple[Tensor, ...]:
    """What an evaluation of the stage is fed in every lane, [R, B, ...]; nothing if it sees all
    points.
    """
    points = pack.train.x.shape[1]
    size = samples_per_evaluation(pack.recipe, points)
    per_epoch = pack.batches.per_epoch(points, size)
    if per_epoch is None:
        return ()
    before = sum(stage.evaluations for stage in pack.stages[: state.stage])
    epoch, batch = divmod(before + number, per_epoch)
    keys = tuple(
        (pack.runs[run].seed, *pack.runs[run].keys(start, epoch)) for run, start in state.lanes
    )
    of_epoch = _epoch(pack.batches, keys, points, size, pack.train.x.device)
    return tuple(tensor[:, batch * size : (batch + 1) * size] for tensor in of_epoch)


@lru_cache(maxsize=1)
def _epoch(
    batches: Batches,
    keys: tuple[tuple[int, ...], ...],
    points: int,
    size: int,
    device: torch.device,
) -> tuple[Tensor, ...]:
    """What the evaluations of an epoch are fed, kept on the device as long as it lasts.

    Of each lane the keys are its seed and those of its stream.
    """
    of_lanes = [
        batches.epoch(stream(seed, "batches", *of_lane), points, size) for seed, *of_lane in keys
    ]
    return tuple(
        torch.from_numpy(np.stack(arrays)).to(device) for arrays in zip(*of_lanes, strict=True)
    )
