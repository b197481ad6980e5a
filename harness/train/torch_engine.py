"""The torch engine: a pack of runs trains as one batched ensemble, on any device (see `harness.train.course`).

Lanes share the computation and nothing else: each keeps its data, its line search and its divergence.

Legend: S runs, R lanes, N points, I inputs, O outputs, P parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import spec
from harness.optimisers import LaneObjective, LaneState
from harness.spec import Network, RunSpec
from harness.tasks import Samples, Splits, stream
from harness.tasks.loss import LanePoints, Seen, SplitName
from harness.train.captured import Replay
from harness.train.course import Pack, advance, begin, finish, fits, trained
from harness.train.lanes import EngineState, LaneOfRun, ended
from harness.train.points import PackPoints

__all__ = ["TorchPack", "advance", "begin", "ended", "finish", "fits", "prepare", "trained"]

# With one lane, torch's batched products take another path and round differently: a lone run gets an idle companion.
SMALLEST_ENSEMBLE = 2


def prepare(runs: Sequence[RunSpec], device: str = "cpu", samples: Sequence[Splits] | None = None) -> "TorchPack":
    """The pack of `runs`, which must be of one `computation`; draws what `samples` has not."""
    runs[0].recipe.optimizer.check()
    return TorchPack.of(PackPoints(tuple(runs), samples), device)


@dataclass(frozen=True, eq=False)
class TorchPack(Pack):
    """An optimiser is a `LaneState` of all lanes."""

    train: LanePoints
    curve: LanePoints

    smallest = SMALLEST_ENSEMBLE
    solver = "qr"

    @property
    def samples(self) -> int:
        """Points in one evaluation."""
        return spec.samples_per_evaluation(self.recipe, self.train.x.shape[1])

    @staticmethod
    def of_samples(run: RunSpec, samples: Sequence[Samples], device: torch.device | str) -> LanePoints:
        x_SNI, y_SNO = np.stack([one.x for one in samples]), np.stack([one.y for one in samples])
        dtype = getattr(torch, run.dtype)
        x, y = (torch.from_numpy(array).to(device=device, dtype=dtype) for array in (x_SNI, y_SNO))
        return LanePoints(x, y, samples[0].loss)

    def of_lanes(self, points: LanePoints, lanes: Sequence[LaneOfRun]) -> LanePoints:
        """Those of the runs, where the lanes are these: large ones take as long to copy as several evaluations."""
        runs = [run for run, _ in lanes]
        if runs == list(range(len(points.x))):
            return points
        index_R = torch.tensor(runs, device=points.x.device)
        return replace(points, x=points.x.index_select(0, index_R), y=points.y.index_select(0, index_R))

    def start(self, stage: int, lanes: Sequence[LaneOfRun], flat_RP: Tensor, total_steps: int) -> LaneState:
        rates = [self.runs[run].recipe.optimizer.rate for run, _ in lanes]
        rates_R = None if None in rates else flat_RP.new_tensor(rates)
        return self.recipe.optimizer.start(flat_RP, rates_R, total_steps)

    def evaluated(self, state: EngineState, points: LanePoints, until: int) -> LaneState:
        indices_RB = (_batch(self, state, number) for number in range(state.done, until))
        optimiser: Any = state.optimiser
        if points.x.is_cuda:
            return _replay(self, state.network, state.lanes, state.knots)(optimiser, indices_RB)
        for index_RB in indices_RB:
            optimiser = _evaluate(self, state.network, state.knots, points, optimiser, index_RB)
        return optimiser

    def errors(self, state: EngineState, points: LanePoints) -> Tensor:
        return points.loss.in_metric(self._losses(state, points))

    def final_losses(self, state: EngineState, points: LanePoints) -> Tensor:
        return self._losses(state, points).nan_to_num(torch.inf)

    def _losses(self, state: EngineState, points: LanePoints) -> Tensor:
        with torch.no_grad():
            losses = points.loss.losses(state.network, state.optimiser.position_RP, state.knots, points)
        return points.loss.mean(losses.flatten(1))

    def seen(self, index: int, network: Network, position_1P: Tensor, knots: list[Tensor], split: SplitName) -> Seen:
        points = self.of_samples(self.runs[index], [self.points.split(index, split)], position_1P.device)
        return Seen(network, position_1P, knots, points)


# --------------------------------------------------------------------------------------------------------- evaluation
@lru_cache(maxsize=1)
def _replay(pack: TorchPack, network: Network, lanes: tuple[LaneOfRun, ...], knots: tuple[Tensor, ...]) -> Replay:
    """Kept from one call of `advance` to the next, as capturing takes as long as many evaluations."""
    return Replay(partial(_evaluate, pack, network, knots, pack.of_lanes(pack.train, lanes)))


def _evaluate(
    pack: TorchPack,
    network: Network,
    knots: tuple[Tensor, ...],
    train: LanePoints,
    optimiser: LaneState,
    index_RB: Tensor | None,
) -> LaneState:
    """The optimiser after one evaluation in every lane, of the points that the index names, or of all."""
    points = train if index_RB is None else _chosen(train, index_RB)

    def objective(position_RP: Tensor) -> tuple[Tensor, Tensor]:
        return points.loss.loss_and_gradient(network, position_RP, knots, points)

    return pack.recipe.optimizer.evaluate(optimiser, LaneObjective(objective, network, knots, points.x, points.y))


def _chosen(points: LanePoints, index_RB: Tensor) -> LanePoints:
    """Whole rows are copied, in a fraction of the time that `gather` takes for every number by itself."""
    lanes, total = points.x.shape[:2]
    first_R1 = total * torch.arange(lanes, device=index_RB.device)[:, None]
    rows = (first_R1 + index_RB).flatten()
    x, y = (each.flatten(0, 1).index_select(0, rows).unflatten(0, index_RB.shape) for each in (points.x, points.y))
    return replace(points, x=x, y=y)


def _batch(pack: TorchPack, state: EngineState, number: int) -> Tensor | None:
    """The points of an evaluation of the stage: None for all, or the next batch of this epoch's order, [R, B].

    What does not fill a last batch is left out of its epoch.
    """
    points = pack.train.x.shape[1]
    if pack.samples == points:
        return None
    before = sum(stage.evaluations for stage in pack.stages[: state.stage])
    epoch, batch = divmod(before + number, points // pack.samples)
    keys = tuple((pack.runs[run].seed, *pack.runs[run].keys(start, epoch)) for run, start in state.lanes)
    order_RN = _order_of_epoch(keys, points, pack.train.x.device)
    return order_RN[:, batch * pack.samples : (batch + 1) * pack.samples]


@lru_cache(maxsize=1)
def _order_of_epoch(keys: tuple[tuple[int, ...], ...], points: int, device: torch.device) -> Tensor:
    """The order [R, N] that every lane draws for itself, kept on the device as long as the epoch lasts.

    Of each lane the keys are its seed and those of its stream.
    """
    orders = [stream(seed, "batches", *of_lane).permutation(points) for seed, *of_lane in keys]
    return torch.from_numpy(np.stack(orders)).to(device)
