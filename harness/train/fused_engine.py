"""The fused engine: every lane by itself in compiled code, on a CPU, in float64.

A run takes the same course as in `harness.train.torch_engine` (see `harness.train.trainer`).

Lanes share nothing but the clock: runs of a pack are trained one after the other, and many of them by many processes.
What is done a few times a run only (initial values, moving and refining knots) is that of `harness.families`, one lane
at a time.

Legend: N points, I inputs, O outputs, P parameters, B points of a batch, S steps, E splines.
"""

import itertools
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness import families, spec
from harness.base.errors import HarnessError
from harness.families.base import samples_last
from harness.families.layout import parameter_shapes
from harness.spec import MlpShape, Network, Recipe, RunSpec, SplinedShape, Stage
from harness.tasks import Samples, Splits, stream
from harness.train.fused import kernels
from harness.train.fused.compiled import is_kept
from harness.train.fused.optimisers import adam, lbfgs, levenberg
from harness.train.fused.optimisers.lane import Array, Loop, Problem
from harness.train.fused.sizes import CROSS_ENTROPY, SQUARES
from harness.train.lanes import Trained, alike, begun_lane, ended
from harness.train.outcome import LOG_SPACED, Outcome, learning_curve, outcome
from harness.train.points import SPLITS, PackPoints, chunks

OptimiserState = adam.AdamState | lbfgs.LbfgsState | levenberg.LevenbergState
Counters = tuple[int, int, int]  # evaluations, iterations, refused steps
NONE: Counters = (0, 0, 0)
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


@dataclass(frozen=True)
class SplitPoints:
    """One split of a run, samples last: x_IN and y_ON, or of classes y_1N."""

    x: Array
    y: Array

    @cached_property
    def by_point(self) -> tuple[Array, Array]:
        """x_NI and y_NO, which batches are taken from."""
        return np.ascontiguousarray(self.x.T), np.ascontiguousarray(self.y.T)

    def part(self, which: slice) -> "SplitPoints":
        """Some of the points."""
        return SplitPoints(np.ascontiguousarray(self.x[:, which]), np.ascontiguousarray(self.y[:, which]))


@dataclass(frozen=True)
class RunPoints:
    """The points of a run while it trains.

    The error at `curve` is the learning curve's validation error; activations at `ranges_NI` say where knots go.
    """

    train: SplitPoints
    curve: SplitPoints
    ranges_NI: Array


@dataclass(frozen=True)
class FusedPack:
    """What does not change while a pack trains."""

    runs: tuple[RunSpec, ...]
    recipe: Recipe
    stages: tuple[Stage, ...]
    all_points: PackPoints
    points: tuple[RunPoints, ...]

    @property
    def are_classes(self) -> bool:
        """Whether targets are the numbers of classes, y_1N, and the loss is their cross-entropy."""
        return self.runs[0].task.classes is not None


@dataclass(frozen=True)
class Kept:
    """Where a lane was when the validation error of its learning curve was least."""

    validation: float
    position_P: Array
    knots: Array


@dataclass(frozen=True)
class Lane:
    """One start of the run at index `run` of its pack.

    `knots` are those of all layers, one behind the other, or the frequencies of Fourier features. `behind`, added to
    the optimiser's own counters, makes those of this stage. `moments` of the learning curve: evaluations of the run
    until then, training and validation error in the metric of the task. With early stopping its network is what is
    `kept` in the end.
    """

    run: int
    start: int
    knots: Array
    optimiser: OptimiserState
    behind: Counters = NONE
    moments: tuple[tuple[int, float, float], ...] = ()
    kept: Kept | None = None


@dataclass(frozen=True)
class FusedState:
    """Where in the stages the pack is, its lanes, and what each run spent in the stages behind, all starts together.

    `done` counts evaluations of this stage.
    """

    stage: int
    done: int
    network: Network
    lanes: tuple[Lane, ...]
    spent: tuple[tuple[Counters, ...], ...]


# -------------------------------------------------------------------------------------------------------- the trainer
def prepare(runs: Sequence[RunSpec], device: str = "cpu", samples: Sequence[Splits] | None = None) -> FusedPack:
    """The pack of `runs`, which must be of one `computation`; a HarnessError if there are no kernels for them."""
    first = runs[0]
    if first.dtype != "float64" or device != "cpu":
        raise HarnessError(
            f"engine 'fused' computes in float64 on CPUs; use engine 'torch' for {first.dtype} on {device}"
        )
    kernels.describe(first.network)
    return _pack(PackPoints(tuple(runs), samples))


def narrowed(pack: FusedPack, inputs: Sequence[int]) -> FusedPack:
    """The pack whose networks see only these of the task's variables."""
    return _pack(replace(pack.all_points, inputs=tuple(inputs)))


def _pack(points: PackPoints) -> FusedPack:
    first = points.runs[0]
    of_runs = [
        RunPoints(_split_points(points.split(run, "train")), _split_points(points.curve(run)), points.ranges(run))
        for run in range(len(points.runs))
    ]
    return FusedPack(
        runs=points.runs,
        recipe=first.recipe,
        stages=spec.stages(first.network, first.recipe),
        all_points=points,
        points=tuple(of_runs),
    )


def _split_points(samples: Samples) -> SplitPoints:
    return SplitPoints(np.ascontiguousarray(samples.x.T), np.ascontiguousarray(samples.y.T))


def begin(pack: FusedPack, trained: Sequence[Trained] | None = None) -> FusedState:
    """The state before the first evaluation; see `TrainingEngine`."""
    network, starts, _ = pack.stages[0]
    if trained:
        assert starts == 1
        assert all(one.network.begun_as(network) == network for one in trained)
        lanes = [
            Lane(run=run, start=0, knots=_joined(one.knots), optimiser=_start(pack, 0, run, one.position_P.numpy()))
            for run, one in enumerate(trained)
        ]
    else:
        lanes = []
        for run, start in itertools.product(range(len(pack.runs)), range(starts)):
            flat_RP, knots = begun_lane(pack.runs[run], network, start, torch.float64, "cpu")
            optimiser = _start(pack, 0, run, flat_RP[0].numpy())
            lanes.append(Lane(run=run, start=start, knots=_joined(knots), optimiser=optimiser))
    return FusedState(stage=0, done=0, network=network, lanes=tuple(lanes), spent=())


def fits(pack: FusedPack, state: Any) -> bool:
    """Whether a state that comes from a file can be one of this pack: compiled code trusts its shapes and dtypes."""
    if not (isinstance(state, FusedState) and 0 <= state.stage <= len(pack.stages)):
        return False
    left = pack.stages[state.stage :] or (pack.stages[-1]._replace(starts=1),)
    fresh = begin(replace(pack, stages=left))
    return (
        state.network == fresh.network
        and 0 <= state.done <= left[0].evaluations
        and [lane.run for lane in state.lanes] == [lane.run for lane in fresh.lanes]
        and [len(of_runs) for of_runs in state.spent] == [len(pack.runs)] * state.stage
        and alike(fresh, state)
        and all(
            lane.kept is None or alike(_keeping(new, math.inf).kept, lane.kept)
            for new, lane in zip(fresh.lanes, state.lanes, strict=True)
        )
    )


def advance(pack: FusedPack, state: FusedState, evaluations: int) -> FusedState:
    """At most `evaluations` more in every lane; less at the end of a stage or when no lane moves any more."""
    stage = pack.stages[state.stage]
    goal = min(state.done + evaluations, stage.evaluations)
    work = kernels.workspace(state.network, pack.points[0].train.x.shape[1])
    lanes = [_advance_lane(pack, state, lane, goal, work) for lane in state.lanes]
    if goal < stage.evaluations and all(_rests(lane) for lane in lanes):
        lanes, goal = [_seen(pack, state, lane) for lane in lanes], stage.evaluations
    state = replace(state, lanes=tuple(lanes), done=goal)
    return _next_stage(pack, state) if goal == stage.evaluations else state


def trained(pack: FusedPack, state: FusedState) -> list[Trained]:
    """Where training left every run of a pack whose stages are behind, in the order of the pack."""
    found = []
    for run, lane in zip(pack.runs, map(_in_the_end, state.lanes), strict=True):
        flat_RP, knots = _as_tensors(state.network, lane)
        network = state.network.begun_as(run.network)
        found.append(Trained(network, flat_RP[0], tuple(layer[0] for layer in knots)))
    return found


def finish(pack: FusedPack, state: FusedState) -> list[Outcome]:
    """The outcome of every run of a pack whose stages are behind, in the order of the pack."""
    outcomes = []
    for index, (run, lane) in enumerate(zip(pack.runs, map(_in_the_end, state.lanes), strict=True)):
        spent = [of_runs[index] for of_runs in state.spent]
        splits = [_split_points(pack.all_points.split(index, name)) for name in SPLITS]
        errors = [_error(pack, state.network, lane, split) for split in splits]
        if pack.are_classes:
            chosen = [_outputs(state.network, lane, split).argmax(0) for split in splits]
            errors += [float((own == split.y[0]).mean()) for own, split in zip(chosen, splits, strict=True)]
        else:
            of_test = np.sort(_squared_errors(state.network, lane, splits[2]))
            median = of_test[(of_test.size - 1) // 2]  # the lower one, as torch has it
            errors += [math.sqrt(median), math.sqrt(of_test[-1])]
        by_stage = tuple((evaluations, iterations) for evaluations, iterations, _ in spent)
        refused = sum(steps for _, _, steps in spent)
        curve = learning_curve(run.task.metric, lane.moments)
        outcomes.append(outcome(run, errors, by_stage, lane.optimiser.diverged, refused, curve))
    return outcomes


# --------------------------------------------------------------------------------------------------------- compilation
def is_cold(runs: Iterable[RunSpec]) -> bool:
    """Whether something that `runs` need has to be compiled, which takes a quarter of a minute or more."""
    loops = [LOOPS[run.recipe.optimizer.name] for run in runs]
    is_any_absent = not all(is_kept(loop.__name__, "_train") for loop in loops)
    return is_any_absent or kernels.is_cold({run.network.kernels for run in runs})


def compile_for(module: str, runs: Iterable[RunSpec]) -> None:
    """Have a module of kernels compiled and kept, and the loops of the optimisers of `runs`.

    A loop is compiled by one evaluation of a tiny network.
    """
    kernels.ready([module])
    few = SplitPoints(np.zeros((1, 8)), np.zeros((1, 8)))
    points = RunPoints(train=few, curve=few, ranges_NI=few.x.T)
    for run in runs:
        recipe = Recipe(optimizer=run.recipe.optimizer, max_evaluations=1)
        tiny = run.model_copy(update={"network": TINY[module], "recipe": recipe})
        pack = FusedPack((tiny,), recipe, spec.stages(tiny.network, recipe), PackPoints((tiny,)), (points,))
        advance(pack, begin(pack), 1)


# -------------------------------------------------------------------------------------------------------------- lanes
def _advance_lane(pack: FusedPack, state: FusedState, lane: Lane, goal: int, work: Array) -> Lane:
    """The lane at evaluation `goal` of its stage, by way of the moments when knots move or its curve is sampled."""
    end = pack.stages[state.stage].evaluations
    updates = (
        spec.knot_update_points(pack.recipe, state.stage, end) if isinstance(state.network, SplinedShape) else range(0)
    )
    seen = [moment for moment in sorted({*LOG_SPACED, end}) if state.done < moment <= goal]
    at = state.done
    for stop in sorted({*seen, *(moment for moment in updates if at < moment < goal), goal}):
        if at in updates:
            lane = _update_knots(pack, state.stage, state.network, lane)
        if not _rests(lane):
            lane = _train(pack, state, lane, at, stop, work)
        at = stop
        if at in seen:
            lane = _seen(pack, state, lane)
    return lane


def _train(pack: FusedPack, state: FusedState, lane: Lane, at: int, stop: int, work: Array) -> Lane:
    """Evaluations number `at` to `stop` of the stage."""
    train, settings, optimiser, more = pack.points[lane.run].train, pack.recipe.optimizer, lane.optimiser, stop - at
    batches, splines = _batches(pack, state, lane, at, stop), splines_of(state.network)
    given = _given(state.network, lane, train)
    x, y = (given.x, given.y) if batches is None else given.by_point
    loss = CROSS_ENTROPY if pack.are_classes else SQUARES
    problem: Problem = (loss, *kernels.describe(state.network), lane.knots, x, y, work)
    optimiser = LOOPS[settings.name].advance(settings, optimiser, problem, more, batches_SB=batches, splines_E3=splines)
    return replace(lane, optimiser=optimiser)


def _batches(pack: FusedPack, state: FusedState, lane: Lane, at: int, stop: int) -> NDArray[np.int64] | None:
    """The points of each of these steps [S, B], None for all of them.

    Each lane puts its points in a new order every epoch; what does not fill a last batch is left out.
    """
    total = pack.points[lane.run].train.x.shape[1]
    size = spec.samples_per_evaluation(pack.recipe, total)
    if size == total:
        return None
    before, batches = sum(stage.evaluations for stage in pack.stages[: state.stage]), total // size
    first, last = before + at, before + stop - 1
    rows = []
    for epoch in range(first // batches, 1 + last // batches):
        run = pack.runs[lane.run]
        order = _order(run.seed, run.keys(lane.start, epoch), total)
        rows.append(order[: batches * size].reshape(batches, size))
    skipped = first - first // batches * batches
    return np.concatenate(rows)[skipped : skipped + stop - at]


@lru_cache(maxsize=1)
def _order(seed: int, keys: tuple[int, ...], points: int) -> NDArray[np.int64]:
    """The order of training points in an epoch, in which Python may have a look at a run many times."""
    return stream(seed, "batches", *keys).permutation(points)


def _seen(pack: FusedPack, state: FusedState, lane: Lane) -> Lane:
    """The lane with one more point on its learning curve."""
    points = pack.points[lane.run]
    before = sum(of_runs[lane.run][0] for of_runs in state.spent)
    at = before + pack.stages[state.stage].starts * _counters(lane)[0]
    train, validation = (_error(pack, state.network, lane, split) for split in (points.train, points.curve))
    lane = replace(lane, moments=(*lane.moments, (at, train, validation)))
    is_least = lane.kept is None or not validation >= lane.kept.validation
    return _keeping(lane, validation) if pack.recipe.early_stopping and is_least and math.isfinite(validation) else lane


def _keeping(lane: Lane, validation: float) -> Lane:
    return replace(lane, kept=Kept(validation, lane.optimiser.position_P.copy(), lane.knots))


def _in_the_end(lane: Lane) -> Lane:
    """The lane where its network is that of the run."""
    if lane.kept is None:
        return lane
    return replace(lane, optimiser=replace(lane.optimiser, position_P=lane.kept.position_P), knots=lane.kept.knots)


def _error(pack: FusedPack, network: Network, lane: Lane, points: SplitPoints) -> float:
    """In the metric of the task, as the torch engine has it; NaN or infinite where the network is."""
    if pack.are_classes:
        position_P, (kind, sizes) = lane.optimiser.position_P, kernels.describe(network)
        x, work = _given(network, lane, points).x, kernels.workspace(network, points.x.shape[1])
        unused_P = np.empty_like(position_P)
        loss = kernels.loss_and_gradient(
            CROSS_ENTROPY, kind, sizes, position_P, lane.knots, x, points.y, unused_P, work
        )
        return max(loss, sys.float_info.min)
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(_squared_errors(network, lane, points).mean())


def _squared_errors(network: Network, lane: Lane, points: SplitPoints) -> Array:
    """[O * N]; NaN or infinite where the network is."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.square(_outputs(network, lane, points) - points.y).ravel()


def _outputs(network: Network, lane: Lane, points: SplitPoints) -> Array:
    """[O, N]."""
    position_P, (kind, sizes), outputs = lane.optimiser.position_P, kernels.describe(network), []
    for part in chunks(points.x.shape[1]):
        x = _given(network, lane, points.part(part)).x
        out_ON, work = np.empty((network.outputs, x.shape[1])), kernels.workspace(network, x.shape[1])
        kernels.predict(kind, sizes, position_P, lane.knots, x, out_ON, work)
        outputs.append(out_ON)
    return np.concatenate(outputs, axis=1)


def _rests(lane: Lane) -> bool:
    return lane.optimiser.finished or lane.optimiser.diverged


def _counters(lane: Lane) -> Counters:
    """Of this stage so far."""
    return _sum([lane.behind, _own(lane.optimiser)])


def _own(optimiser: OptimiserState, sign: int = 1) -> Counters:
    return sign * optimiser.evaluations, sign * optimiser.iterations, sign * optimiser.refused_steps


def _sum(counters: Sequence[Counters]) -> Counters:
    evaluations, iterations, refused = (sum(each) for each in zip(*counters, strict=True))
    return evaluations, iterations, refused


# ------------------------------------------------------------------------------------------------------------- stages
def _next_stage(pack: FusedPack, state: FusedState) -> FusedState:
    """Close the stage: count its work, keep the best start of each run, refine the grid if the next stage does."""
    final_loss = partial(_final_loss, pack, state.network)
    spent, best = [], []
    for run in range(len(pack.runs)):
        lanes = [lane for lane in state.lanes if lane.run == run]
        spent.append(_sum([_counters(lane) for lane in lanes]))
        best.append(min(lanes, key=final_loss))
    state = replace(state, stage=state.stage + 1, done=0, lanes=tuple(best), spent=(*state.spent, tuple(spent)))
    if ended(pack, state):
        return state
    network = pack.stages[state.stage].network
    if network == state.network:  # the optimiser goes on; its counters so far belong to the stages behind
        lanes = [replace(lane, behind=_own(lane.optimiser, -1)) for lane in state.lanes]
    else:
        lanes = [_refined(pack, state, lane) for lane in state.lanes]
    return replace(state, network=network, lanes=tuple(lanes))


def _final_loss(pack: FusedPack, network: Network, lane: Lane) -> float:
    """On all training points, which is not counted as an evaluation; infinite if it diverged."""
    loss = _error(pack, network, lane, pack.points[lane.run].train)
    return math.inf if lane.optimiser.diverged or math.isnan(loss) else loss


def _refined(pack: FusedPack, state: FusedState, lane: Lane) -> Lane:
    """The lane on the finer grid of the stage that begins, with a fresh optimiser; one that has diverged stays so."""
    assert isinstance(state.network, SplinedShape)
    if pack.recipe.grid_updates:  # refinement keeps a spline on its domain only: first bring that to the data
        lane = _update_knots(pack, state.stage, state.network, lane)
    network = pack.stages[state.stage].network
    assert isinstance(network, SplinedShape)
    _, flat_RP, knots = families.extend_grid(state.network, *_as_tensors(state.network, lane), network.grid)
    optimiser = replace(_start(pack, state.stage, lane.run, flat_RP[0].numpy()), diverged=lane.optimiser.diverged)
    return replace(lane, knots=_joined(knots), optimiser=optimiser, behind=NONE, kept=None)


def _update_knots(pack: FusedPack, stage: int, network: Network, lane: Lane) -> Lane:
    """Move the knots of a lane that trains to its activations."""
    if _rests(lane):
        return lane
    updates = pack.recipe.grid_updates
    assert updates is not None
    x_RNI = torch.from_numpy(pack.points[lane.run].ranges_NI[None])
    moved_RP, knots = families.update_knots(
        network, *_as_tensors(network, lane), x_RNI, updates.grid_eps, updates.margin
    )
    optimiser = lane.optimiser.moved(_start(pack, stage, lane.run, moved_RP[0].numpy()))
    behind = _sum([_counters(lane), _own(optimiser, -1)])  # of one that begins anew, all that it has made
    return replace(lane, knots=_joined(knots), optimiser=optimiser, behind=behind)


def _given(network: Network, lane: Lane, points: SplitPoints) -> SplitPoints:
    """What kernels see: the points, or Fourier features of their inputs, which are the same at every evaluation.

    Features are computed by torch, as the other engine does; the kernels never see the inputs then.
    """
    if not (isinstance(network, MlpShape) and network.features):
        return points
    x_RNI = torch.from_numpy(points.x.T[None].copy())
    h_RFN = network.inputs_of_first(_as_tensors(network, lane)[1], samples_last(x_RNI))
    return replace(points, x=np.ascontiguousarray(h_RFN[0, :, : points.x.shape[1]].numpy()))


def _as_tensors(network: Network, lane: Lane) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Parameters [1, P] and knots, one [1, I, T] a layer, as `harness.families` has them."""
    flat_RP = torch.from_numpy(lane.optimiser.position_P[None].copy())
    if isinstance(network, MlpShape) and network.features:
        return flat_RP, [torch.from_numpy(lane.knots.reshape(1, -1, network.features).copy())]
    if not isinstance(network, SplinedShape):
        return flat_RP, []
    count, nodes = network.grid + 2 * network.order + 1, [nodes for nodes, _ in network.spline_systems]
    parts = np.split(lane.knots, np.cumsum([each * count for each in nodes])[:-1]) if nodes else []
    return flat_RP, [torch.from_numpy(part.reshape(1, -1, count).copy()) for part in parts]


def _joined(knots: Sequence[torch.Tensor]) -> Array:
    return np.concatenate([layer.numpy().ravel() for layer in knots]) if knots else np.empty(0)


# ---------------------------------------------------------------------------------------------------------- optimiser
def _start(pack: FusedPack, stage: int, run: int, flat_P: Array) -> OptimiserState:
    """A fresh optimiser at `flat_P`; a cosine schedule ends with the last stage of the same network."""
    total_steps = spec.schedule_evaluations(pack.stages, stage, pack.recipe)
    settings = pack.runs[run].recipe.optimizer
    return LOOPS[settings.name].start(settings, flat_P, total_steps=total_steps)


@lru_cache(maxsize=64)
def splines_of(network: Network) -> NDArray[np.int64]:
    """Where the coefficients of each spline lie, [E, 3]: the first one, how far apart they are, how many they are."""
    rows, first = [], 0
    if not isinstance(network, SplinedShape):
        return np.empty((0, 3), np.int64)
    for name, shape in parameter_shapes(network).items():
        if name.endswith(".coef"):
            inputs, coefficients, outputs = (*shape, 1)[:3]  # one spline a node, or one an edge
            for spline_input in range(inputs):
                corner = first + spline_input * coefficients * outputs
                rows += [(corner + output, outputs, coefficients) for output in range(outputs)]
        first += math.prod(shape)
    return np.array(rows, np.int64).reshape(-1, 3)
