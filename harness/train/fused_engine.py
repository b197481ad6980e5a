"""The fused engine: every lane by itself in compiled code, on a CPU, in float64 (see
`harness.train.course`).

Lanes share nothing but the clock: runs of a pack are trained one after the other, and many of them
by many processes. What is done a few times a run only (initial values, moving and refining knots)
is that of `harness.families`, one lane at a time.

Legend: R lanes, N points, I inputs, O outputs, P parameters, B points of a batch, S steps, E
splines.
"""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import families
from harness.base.errors import HarnessError
from harness.families import MlpShape, Network, SplinedShape
from harness.families.base import samples_last
from harness.spec.recipe import Recipe, samples_per_evaluation, stages
from harness.spec.run import RunSpec
from harness.tasks import Samples, Splits, stream
from harness.tasks.loss import SQUARES as OF_SQUARES
from harness.tasks.loss import LanePoints, Loss, Seen, SplitName, chunks
from harness.tasks.samples import Batches
from harness.train.course import advance, begin, finish, fits, trained
from harness.train.fused import kernels
from harness.train.fused.compiled import is_kept
from harness.train.fused.optimisers import adam, lbfgs, levenberg
from harness.train.fused.optimisers.lane import Array, Loop, Problem
from harness.train.fused.sizes import CROSS_ENTROPY, SQUARES
from harness.train.lanes import EngineState, LaneOfRun, LoopStates, ended
from harness.train.pack import Move, Pack
from harness.train.points import PackPoints

__all__ = ["FusedPack", "advance", "begin", "ended", "finish", "fits", "prepare", "trained"]

# A network of every module of kernels.
TINY: dict[str, Network] = {
    "mlp": MlpShape(shape=(1, 1)),
    "kan": families.KanShape(shape=(1, 1), grid=3),
    "spline_mlp": families.SplineMlpShape(shape=(1, 1, 1), grid=3),
    "expansion": families.ChebyshevKanShape(shape=(1, 1), degree=1),
    "rational": families.RationalKanShape(shape=(1, 1)),
}
# The module of each optimiser that has a compiled loop.
LOOPS: dict[str, Loop] = {"adam": adam, "lbfgs": lbfgs, "levenberg_marquardt": levenberg}


def prepare(
    runs: Sequence[RunSpec], device: str = "cpu", samples: Sequence[Splits] | None = None
) -> "FusedPack":
    """The pack of `runs`, which must be of one `computation`; a HarnessError if there are no
    kernels for them.
    """
    first = runs[0]
    if first.dtype != "float64" or device != "cpu":
        raise HarnessError(
            f"engine 'fused' computes in float64 on CPUs; use engine 'torch' for {first.dtype} on "
            f"{device}"
        )
    kernels.describe(first.network)
    return FusedPack.of(PackPoints(tuple(runs), samples))


@dataclass(frozen=True)
class SplitPoints:
    """One split of a run, samples last: x_IN and y_ON, or of classes y_1N."""

    x: Array
    y: Array
    loss: Loss = OF_SQUARES

    @cached_property
    def by_point(self) -> tuple[Array, Array]:
        """x_NI and y_NO, which batches are taken from."""
        return np.ascontiguousarray(self.x.T), np.ascontiguousarray(self.y.T)

    def part(self, which: slice) -> "SplitPoints":
        """Some of the points."""
        return replace(
            self, x=np.ascontiguousarray(self.x[:, which]), y=np.ascontiguousarray(self.y[:, which])
        )


class LaneNetwork(NamedTuple):
    """The network of one lane: its parameters, and what it carries, [1, I, T] a layer."""

    network: Network
    position_P: Array
    knots: list[Tensor]

    @property
    def joined(self) -> Array:
        """What it carries of all layers, one behind the other, as kernels want it."""
        return (
            np.concatenate([layer.numpy().ravel() for layer in self.knots])
            if self.knots
            else np.empty(0)
        )

    def given(self, points: SplitPoints) -> SplitPoints:
        """What kernels see: the points, or Fourier features of their inputs, which are the same at
        every evaluation.

        Features are computed by torch, as the other engine does; the kernels never see the inputs
        then.
        """
        if not (isinstance(self.network, MlpShape) and self.network.features):
            return points
        x_RNI = torch.from_numpy(points.x.T[None].copy())
        h_RFN = self.network.inputs_of_first(self.knots, samples_last(x_RNI))
        return replace(points, x=np.ascontiguousarray(h_RFN[0, :, : points.x.shape[1]].numpy()))

    def outputs(self, points: SplitPoints) -> Array:
        """[O, N]."""
        (kind, sizes), work, outputs = (
            kernels.describe(self.network),
            kernels.workspace(self.network),
            [],
        )
        for part in chunks(points.x.shape[1]):
            x = self.given(points.part(part)).x
            out_ON = np.empty((self.network.outputs, x.shape[1]))
            kernels.predict(kind, sizes, self.position_P, self.joined, x, out_ON, work)
            outputs.append(out_ON)
        return np.concatenate(outputs, axis=1)

    def error(self, points: SplitPoints, outputs: Callable[[], Array] | None = None) -> float:
        """In the metric of the task, as the torch engine has it; NaN or infinite where the network
        is.
        """
        return ERRORS[points.loss.kernel](self, points, outputs or partial(self.outputs, points))


# --------------------------------------------------------------------------------------------------
# losses
def _rmse(lane: LaneNetwork, points: SplitPoints, outputs: Callable[[], Array]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(np.square(outputs() - points.y).ravel().mean())


def _cross_entropy(lane: LaneNetwork, points: SplitPoints, outputs: Callable[[], Array]) -> float:
    (kind, sizes), unused_P = kernels.describe(lane.network), np.empty_like(lane.position_P)
    x, work = lane.given(points).x, kernels.workspace(lane.network)
    problem = kind, sizes, lane.position_P, lane.joined, x, points.y, unused_P, work
    return max(kernels.loss_and_gradient(CROSS_ENTROPY, *problem), sys.float_info.min)


# By the kernels that losses of `harness.tasks.loss` name: what compiled code calls them, and errors
# in their metrics.
CODES = {"squares": SQUARES, "cross_entropy": CROSS_ENTROPY}
ERRORS = {"squares": _rmse, "cross_entropy": _cross_entropy}


@dataclass(frozen=True)
class SeenByKernels(Seen):
    """What kernels give at the points."""

    lane: LaneNetwork
    split: SplitPoints

    @cached_property
    def outputs_NO(self) -> Tensor:
        return torch.from_numpy(self.lane.outputs(self.split).T)

    @cached_property
    def losses_1K(self) -> Tensor:
        return self.points.loss.of_outputs(self.outputs_NO[None], self.points.y).flatten(1)

    def root(self, square: Tensor) -> float:
        return math.sqrt(square)

    @property
    def loss(self) -> float:
        return self.lane.error(self.split, lambda: self.outputs_NO.T.numpy())


@dataclass(frozen=True, eq=False)
class FusedPack(Pack):
    """An optimiser is a state of a compiled loop in every lane, points are those of each run or
    lane by itself.
    """

    train: list[SplitPoints]
    curve: list[SplitPoints]

    solver = "gelsd"

    @staticmethod
    def of_samples(
        run: RunSpec, samples: Sequence[Samples], device: torch.device | str
    ) -> list[SplitPoints]:
        return [
            SplitPoints(
                np.ascontiguousarray(split.x.T), np.ascontiguousarray(split.y.T), split.loss
            )
            for split in samples
        ]

    def of_lanes(self, points: list[SplitPoints], lanes: Sequence[LaneOfRun]) -> list[SplitPoints]:
        return [points[run] for run, _ in lanes]

    def start(self, lanes: Sequence[LaneOfRun], flat_RP: Tensor, total_steps: int) -> LoopStates:
        states = []
        for (run, _), flat_P in zip(lanes, flat_RP.numpy(), strict=True):
            settings = self.runs[run].recipe.optimizer
            states.append(LOOPS[settings.name].start(settings, flat_P, total_steps=total_steps))
        return LoopStates(tuple(states))

    def evaluated(self, state: EngineState, points: list[SplitPoints], until: int) -> LoopStates:
        settings, work = self.recipe.optimizer, kernels.workspace(state.network)
        loss, splines = CODES[points[0].loss.kernel], splines_of(state.network)
        states = []
        for lane, lane_network in enumerate(_networks(state)):
            optimiser = state.optimiser.by_lane[lane]
            if not (optimiser.finished or optimiser.diverged):
                batches = self._batches(state, lane, until)
                seen = lane_network.given(points[lane])
                x, y = (seen.x, seen.y) if batches is None else seen.by_point
                problem: Problem = (
                    loss,
                    *kernels.describe(state.network),
                    lane_network.joined,
                    x,
                    y,
                    work,
                )
                loop, evaluations = LOOPS[settings.name], until - state.done
                optimiser = loop.advance(
                    settings,
                    optimiser,
                    problem,
                    evaluations,
                    batches_SB=batches,
                    splines_E3=splines,
                )
            states.append(optimiser)
        return LoopStates(tuple(states))

    def _batches(self, state: EngineState, lane: int, until: int) -> NDArray[np.int64] | None:
        """The points of each step [S, B], None for all of them.

        Each lane puts its points in a new order every epoch; what does not fill a last batch is
        left out.
        """
        run, start = state.lanes[lane]
        total = self.train[run].x.shape[1]
        size = samples_per_evaluation(self.recipe, total)
        batches = self.batches.per_epoch(total, size)
        if batches is None:
            return None
        before = sum(stage.evaluations for stage in self.stages[: state.stage])
        first, last = before + state.done, before + until - 1
        rows = []
        for epoch in range(first // batches, 1 + last // batches):
            keys = self.runs[run].seed, self.runs[run].keys(start, epoch)
            order = _order(self.batches, *keys, total, size)
            rows.append(order[: batches * size].reshape(batches, size))
        skipped = first % batches
        return np.concatenate(rows)[skipped : skipped + until - state.done]

    def over_lanes(
        self, move: Move, moving_R: Tensor, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        moved = []
        for lane, is_moving in enumerate(moving_R.tolist()):
            flat_1P, *lane_knots = (tensor[lane : lane + 1].clone() for tensor in (flat_RP, *knots))
            moved.append(
                move(flat_1P, lane_knots, x_RNI[lane : lane + 1])
                if is_moving
                else (flat_1P, lane_knots)
            )
        positions, all_knots = zip(*moved, strict=True)
        return torch.cat(positions), [torch.cat(layer) for layer in zip(*all_knots, strict=True)]

    def moved(self, old: LoopStates, fresh: LoopStates, moving_R: Tensor) -> LoopStates:
        lanes = zip(old.by_lane, fresh.by_lane, moving_R.tolist(), strict=True)
        return LoopStates(
            tuple(state.moved(new) if is_moving else state for state, new, is_moving in lanes)
        )

    def ending(self, optimiser: LoopStates, total_steps: int) -> LoopStates:
        return LoopStates(tuple(state.ending(total_steps) for state in optimiser.by_lane))

    def selected(self, optimiser: LoopStates, index_K: Tensor) -> LoopStates:
        return LoopStates(tuple(optimiser.by_lane[lane] for lane in index_K.tolist()))

    def with_diverged(self, fresh: LoopStates, old: LoopStates) -> LoopStates:
        lanes = zip(fresh.by_lane, old.by_lane, strict=True)
        return LoopStates(tuple(replace(new, diverged=state.diverged) for new, state in lanes))

    def counters(self, optimiser: LoopStates) -> Tensor:
        counted = [
            (state.evaluations, state.iterations, state.refused_steps)
            for state in optimiser.by_lane
        ]
        return torch.tensor(counted).T

    def errors(self, state: EngineState, points: list[SplitPoints]) -> Tensor:
        errors = [
            network.error(lane_points)
            for network, lane_points in zip(_networks(state), points, strict=True)
        ]
        return torch.tensor(errors, dtype=torch.float64)

    def final_losses(self, state: EngineState, points: list[SplitPoints]) -> Tensor:
        return self.errors(state, points).nan_to_num(torch.inf, torch.inf)

    def seen(
        self,
        index: int,
        network: Network,
        position_1P: Tensor,
        knots: list[Tensor],
        split: SplitName,
    ) -> Seen:
        samples = self.points.split(index, split)
        points = LanePoints(
            torch.from_numpy(samples.x)[None], torch.from_numpy(samples.y)[None], samples.loss
        )
        as_kernels_want = _as_kernels_want(self, index, split)
        lane = LaneNetwork(network, position_1P[0].numpy(), knots)
        return SeenByKernels(network, position_1P, knots, points, lane, as_kernels_want)


@lru_cache(
    maxsize=3
)  # the splits of a run, which is read several times: of 100 variables a copy is 80 MB
def _as_kernels_want(pack: FusedPack, index: int, split: SplitName) -> SplitPoints:
    (points,) = pack.of_samples(pack.runs[index], [pack.points.split(index, split)], "cpu")
    return points


def _networks(state: EngineState) -> Iterable[LaneNetwork]:
    for lane, optimiser in enumerate(state.optimiser.by_lane):
        yield LaneNetwork(
            state.network, optimiser.position_P, [layer[lane : lane + 1] for layer in state.knots]
        )


@lru_cache(maxsize=1)
def _order(
    batches: Batches, seed: int, keys: tuple[int, ...], points: int, size: int
) -> NDArray[np.int64]:
    """The order of training points in an epoch, in which Python may have a look at a run many
    times.
    """
    (order,) = batches.epoch(stream(seed, "batches", *keys), points, size)
    return order


@lru_cache(maxsize=64)
def splines_of(network: Network) -> NDArray[np.int64]:
    """Where the coefficients of each spline lie, [E, 3]: the first one, how far apart they are, how
    many they are.
    """
    rows, first = [], 0
    if not isinstance(network, SplinedShape):
        return np.empty((0, 3), np.int64)
    for name, shape in network.parameter_shapes().items():
        if name.endswith(".coef"):
            inputs, coefficients, outputs = (*shape, 1)[:3]  # one spline a node, or one an edge
            for spline_input in range(inputs):
                corner = first + spline_input * coefficients * outputs
                rows += [(corner + output, outputs, coefficients) for output in range(outputs)]
        first += math.prod(shape)
    return np.array(rows, np.int64).reshape(-1, 3)


# --------------------------------------------------------------------------------------------------
# compilation
def is_cold(runs: Iterable[RunSpec]) -> bool:
    """Whether something that `runs` need has to be compiled, which takes a quarter of a minute or
    more.
    """
    functions = {(LOOPS[run.recipe.optimizer.name].__name__, "_train") for run in runs}
    functions |= {(run.network.kernels, "evaluate") for run in runs}
    return not all(is_kept(*function) for function in functions)


def compile_for(module: str, runs: Iterable[RunSpec]) -> None:
    """Have a module of kernels compiled and kept, and the loops of the optimisers of `runs`.

    A loop is compiled by one evaluation of a tiny network.
    """
    kernels.ready([module])
    few = [SplitPoints(np.zeros((1, 8)), np.zeros((1, 8)))]
    for run in runs:
        recipe = Recipe(optimizer=run.recipe.optimizer, max_evaluations=1)
        tiny = run.model_copy(update={"network": TINY[module], "recipe": recipe, "readings": ()})
        pack = FusedPack(
            PackPoints((tiny,)),
            stages(tiny.network, recipe),
            few,
            few,
            torch.zeros(1, 8, 1, dtype=torch.float64),
        )
        advance(pack, begin(pack), 1)
