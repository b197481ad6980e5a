"""The torch engine: a pack of runs trains as one batched ensemble, on any device (see `harness.train.trainer`).

A *lane* is one start of one run. Lanes share the computation and nothing else: each keeps its data, its line search and
its divergence.

Legend: S runs, R lanes, N points, I inputs, O outputs, P parameters.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import families, spec
from harness.optimisers import LaneObjective, LaneState
from harness.optimisers.lanes import choose, select
from harness.spec import KanShape, Network, Recipe, RunSpec, Sparsity, SplinedShape, Stage
from harness.tasks import Quadrature, Samples, Splits, stream
from harness.train import sparsity
from harness.train.captured import Replay
from harness.train.lanes import OptimiserState, Trained, alike, begun_lane, ended
from harness.train.objective import LanePoints, accuracies, in_metric, loss_and_gradient, losses, squared_slope_errors
from harness.train.outcome import LOG_SPACED, Outcome, learning_curve, outcome
from harness.train.points import SPLITS, PackPoints, chunks

# With one lane, torch's batched products take another path and round differently: a lone run gets an idle companion.
SMALLEST_ENSEMBLE = 2

LaneOfRun = tuple[int, int]  # index of the run in the pack, number of the start


@dataclass(frozen=True, eq=False)
class TorchPack:
    """What does not change while a pack trains."""

    runs: tuple[RunSpec, ...]
    recipe: Recipe
    stages: tuple[Stage, ...]
    points: PackPoints
    train: LanePoints
    curve: LanePoints  # points whose error is the learning curve's validation error
    ranges_SNI: Tensor  # points whose activations say where knots go
    sparsity: Sparsity | None = None  # whose penalty all stages have

    @property
    def samples(self) -> int:
        """Points in one evaluation."""
        return spec.samples_per_evaluation(self.recipe, self.train.x.shape[1])


@dataclass(frozen=True)
class Kept:
    """Where every lane was when the validation error of its learning curve was least."""

    validation_R: Tensor
    position_RP: Tensor
    knots: tuple[Tensor, ...]

    def of_lanes(self, index_K: Tensor) -> "Kept":
        """Of the lanes that the index names."""
        knots = tuple(knots.index_select(0, index_K) for knots in self.knots)
        return Kept(self.validation_R[index_K], self.position_RP[index_K], knots)


@dataclass(frozen=True)
class TorchState:
    """What does: where in the stages the pack is, its lanes, knots, optimiser, and the work behind it.

    `done` counts evaluations of this stage. Counters are evaluations, iterations and refused steps: `behind` of each
    lane [3, R], to be added to its optimiser's to give those of this stage; `spent` of each run [3, S], one for every
    stage behind.
    The learning curve has, at K moments, the evaluations of a lane's run until then, `curve_at` [R, K], and its
    training and validation error in the metric of the task, `curve_errors` [R, K, 2]. With early stopping the networks
    of the runs are those that are `kept` in the end.
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
    kept: Kept | None = None


# -------------------------------------------------------------------------------------------------------- the trainer
def prepare(runs: Sequence[RunSpec], device: str = "cpu", samples: Sequence[Splits] | None = None) -> TorchPack:
    """The pack of `runs`, which must be of one `computation`; draws what `samples` has not."""
    first = runs[0]
    first.recipe.optimizer.check()
    return _pack(PackPoints(tuple(runs), samples), device)


def narrowed(pack: TorchPack, inputs: Sequence[int]) -> TorchPack:
    """The pack whose networks see only these of the task's variables."""
    return _pack(replace(pack.points, inputs=tuple(inputs)), str(pack.train.x.device))


def _pack(points: PackPoints, device: str) -> TorchPack:
    runs, first = points.runs, points.runs[0]
    of_runs = [(points.split(run, "train"), points.curve(run), points.ranges(run)) for run in range(len(runs))]
    train, curve, ranges = zip(*of_runs, strict=True)
    return TorchPack(
        runs=runs,
        recipe=first.recipe,
        stages=spec.stages(first.network, first.recipe),
        points=points,
        train=_lane_points(first, train, device),
        curve=_lane_points(first, curve, device),
        ranges_SNI=torch.from_numpy(np.stack(ranges)).to(device=device, dtype=getattr(torch, first.dtype)),
    )


def _lane_points(run: RunSpec, samples: Sequence[Samples], device: torch.device | str) -> LanePoints:
    """The samples of runs that are alike but for them, as tensors."""
    x_SNI, y_SNO = np.stack([one.x for one in samples]), np.stack([one.y for one in samples])
    dtype = getattr(torch, run.dtype)
    x, y = (torch.from_numpy(array).to(device=device, dtype=dtype) for array in (x_SNI, y_SNO))
    return LanePoints(x, y, samples[0].inside, are_classes=run.task.classes is not None)


def begin(pack: TorchPack, trained: Sequence[Trained] | None = None) -> TorchState:
    """The state before the first evaluation; see `TrainingEngine`."""
    network, starts, _ = pack.stages[0]
    lanes = list(itertools.product(range(len(pack.runs)), range(starts)))
    lanes += lanes[:1] * (SMALLEST_ENSEMBLE - len(lanes))
    dtype, device = pack.train.x.dtype, pack.train.x.device
    if trained:
        assert starts == 1
        assert all(one.network.begun_as(network) == network for one in trained)
        flat_RP = torch.stack([trained[run].position_P for run, _ in lanes]).to(device=device, dtype=dtype)
        layers = zip(*(trained[run].knots for run, _ in lanes), strict=True)
        knots = [torch.stack(layer).to(device=device, dtype=dtype) for layer in layers]
    else:
        begun = [begun_lane(pack.runs[run], network, start, dtype, device) for run, start in lanes]
        flat_RP = torch.cat([flat_1P for flat_1P, _ in begun])
        knots = [torch.cat(layer) for layer in zip(*(own for _, own in begun), strict=True)]
    assert flat_RP.shape[1] == network.trainable + network.frozen, (
        "parameter count mismatch between closed form and network"
    )
    return TorchState(
        stage=0,
        done=0,
        lanes=tuple(lanes),
        network=network,
        knots=tuple(knots),
        optimiser=_start(pack, 0, tuple(lanes), flat_RP),
        behind=torch.zeros(3, len(lanes), dtype=torch.int64, device=device),
        spent=(),
        curve_at=torch.zeros(len(lanes), 0, dtype=torch.int64, device=device),
        curve_errors=flat_RP.new_zeros(len(lanes), 0, 2),
    )


def fits(pack: TorchPack, state: Any) -> bool:
    """Whether a state that comes from a file can be one of this pack: its place, lanes, and all shapes and dtypes."""
    if not (isinstance(state, TorchState) and 0 <= state.stage <= len(pack.stages)):
        return False
    left = pack.stages[state.stage :] or (pack.stages[-1]._replace(starts=1),)
    fresh = begin(replace(pack, stages=left))
    spent = torch.zeros(3, len(pack.runs), dtype=torch.int64)
    return (
        state.network == fresh.network
        and 0 <= state.done <= left[0].evaluations
        and [run for run, _ in state.lanes] == [run for run, _ in fresh.lanes]
        and len(state.spent) == state.stage
        and all(alike(spent, each) for each in state.spent)
        and alike(fresh, state)
        and (state.kept is None or alike(_kept(fresh, fresh.optimiser.position_RP[:, 0]), state.kept))
    )


def advance(pack: TorchPack, state: TorchState, evaluations: int) -> TorchState:
    """At most `evaluations` more in every lane; less at the end of a stage or when no lane moves any more."""
    stage = pack.stages[state.stage]
    train = _of_lanes(pack.train, state.lanes)
    goal = min(state.done + evaluations, stage.evaluations)
    updates = spec.knot_update_points(pack.recipe, state.stage, stage.evaluations)
    moments = sorted({*LOG_SPACED, stage.evaluations, *updates, goal})
    while state.done < goal:
        if isinstance(stage.network, SplinedShape) and state.done in updates:
            state = _update_knots(pack, state)
        state = _evaluated(pack, state, train, next(moment for moment in moments if moment > state.done))
        if state.done in LOG_SPACED or state.done == stage.evaluations:
            state = _seen(pack, state, train)
    if state.done == stage.evaluations:
        return _next_stage(pack, state)
    if bool(_resting(state.optimiser).all()):
        return _next_stage(pack, _seen(pack, state, train))
    return state


def trained(pack: TorchPack, state: TorchState) -> list[Trained]:
    """Where training left every run of a pack whose stages are behind, in the order of the pack."""
    position_RP, all_knots = _in_the_end(state)
    found = []
    for lane in range(len(pack.runs)):
        knots = tuple(of_layer[lane] for of_layer in all_knots)
        network = state.network.begun_as(pack.runs[lane].network)
        found.append(Trained(network, position_RP[lane], knots))
    return found


def finish(pack: TorchPack, state: TorchState) -> list[Outcome]:
    """The outcome of every run of a pack whose stages are behind, in the order of the pack."""
    diverged_R = state.optimiser.diverged_R.tolist()
    spent = torch.stack(state.spent).tolist()  # [stages, 3, S]
    outcomes = []
    for index, run in enumerate(pack.runs):
        by_stage = tuple((counters[0][index], counters[1][index]) for counters in spent)
        refused = sum(counters[2][index] for counters in spent)
        moments = zip(state.curve_at[index].tolist(), state.curve_errors[index].tolist(), strict=True)
        curve = learning_curve(run.task.metric, ((at, *errors) for at, errors in moments))
        outcomes.append(outcome(run, _errors(pack, state, index), by_stage, diverged_R[index], refused, curve))
    return outcomes


def _errors(pack: TorchPack, state: TorchState, index: int) -> list[float]:
    """The metrics of a run's task in their order; one lane at a time, so that its company changes no bit."""
    run, network = pack.runs[index], state.network
    position_RP, all_knots = _in_the_end(state)
    position_1P, knots = position_RP[index : index + 1], [of_layer[index : index + 1] for of_layer in all_knots]
    samples = [pack.points.split(index, name) for name in SPLITS]
    splits = [_lane_points(run, [one], position_1P.device) for one in samples]
    losses_N = [torch.cat([losses(network, position_1P, knots, part)[0] for part in _parts(each)]) for each in splits]
    errors = [in_metric(of_split.mean(), splits[0]).item() for of_split in losses_N]
    if run.task.classes:
        return errors + [accuracies(network, position_1P, knots, points).item() for points in splits]
    squares_N = losses_N[2]
    largest = squares_N.max().sqrt().item()
    if quadrature := samples[2].quadrature:
        slopes_1N = squared_slope_errors(network, position_1P, knots, splits[2].x, quadrature)
        test, median, h1 = _by_quadrature(quadrature, squares_N, slopes_1N[0])
        return [*errors[:2], test, median, largest, h1]
    return [*errors, squares_N.median().sqrt().item(), largest]


def _parts(points: LanePoints) -> Iterator[LanePoints]:
    """The points in parts that are evaluated one after the other; those of a PDE are cut into blocks later."""
    if points.inside:
        yield points
        return
    for part in chunks(points.x.shape[1]):
        yield replace(points, x=points.x[:, part], y=points.y[:, part])


def _by_quadrature(quadrature: Quadrature, squares_N: Tensor, slopes_N: Tensor) -> list[float]:
    """The root mean square over the box, that of the median node, and the H1 error: with the gradient's squares."""
    shares_N = torch.from_numpy(quadrature.shares).to(squares_N)
    mean, of_slopes = ((shares_N * each_N).sum() for each_N in (squares_N, slopes_N))
    return [each.sqrt().item() for each in (mean, squares_N.median(), mean + of_slopes)]


# --------------------------------------------------------------------------------------------------------- evaluation
def _evaluated(pack: TorchPack, state: TorchState, train: LanePoints, until: int) -> TorchState:
    """The state after the evaluations up to number `until` of the stage."""
    indices_RB = (_batch(pack, state, number) for number in range(state.done, until))
    if train.x.is_cuda:
        optimiser = _replay(pack, state.network, state.lanes, state.knots)(state.optimiser, indices_RB)
    else:
        optimiser = state.optimiser
        for index_RB in indices_RB:
            optimiser = _evaluate(pack, state.network, state.knots, train, optimiser, index_RB)
    return replace(state, optimiser=optimiser, done=until)


@lru_cache(maxsize=1)
def _replay(pack: TorchPack, network: Network, lanes: tuple[LaneOfRun, ...], knots: tuple[Tensor, ...]) -> Replay:
    """Kept from one call of `advance` to the next, as capturing takes as long as many evaluations."""
    return Replay(partial(_evaluate, pack, network, knots, _of_lanes(pack.train, lanes)))


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
        if pack.sparsity and isinstance(network, KanShape):
            return sparsity.loss_and_gradient(pack.sparsity, network, position_RP, knots, points)
        return loss_and_gradient(network, position_RP, knots, points)

    return pack.recipe.optimizer.evaluate(optimiser, LaneObjective(objective, network, knots, points.x, points.y))


def _chosen(points: LanePoints, index_RB: Tensor) -> LanePoints:
    """Whole rows are copied, in a fraction of the time that `gather` takes for every number by itself."""
    lanes, total = points.x.shape[:2]
    first_R1 = total * torch.arange(lanes, device=index_RB.device)[:, None]
    rows = (first_R1 + index_RB).flatten()
    x, y = (each.flatten(0, 1).index_select(0, rows).unflatten(0, index_RB.shape) for each in (points.x, points.y))
    return replace(points, x=x, y=y)


def _of_lanes(points: LanePoints, lanes: Iterable[LaneOfRun]) -> LanePoints:
    runs = [run for run, _ in lanes]
    if runs == list(range(len(points.x))):
        return points  # large ones take as long to copy as several evaluations
    index_R = torch.tensor(runs, device=points.x.device)
    return replace(points, x=points.x.index_select(0, index_R), y=points.y.index_select(0, index_R))


def _runs_of(lanes: Iterable[LaneOfRun], device: torch.device) -> Tensor:
    return torch.tensor([run for run, _ in lanes], device=device)


def _batch(pack: TorchPack, state: TorchState, number: int) -> Tensor | None:
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


# ------------------------------------------------------------------------------------------------------------- stages
def _next_stage(pack: TorchPack, state: TorchState) -> TorchState:
    """Close the stage: count its work, keep the best start of each run, refine the grid if the next stage does."""
    starts = pack.stages[state.stage].starts
    counters = (state.behind + pack.recipe.optimizer.counters(state.optimiser))[:, : len(pack.runs) * starts]
    spent = counters.reshape(-1, len(pack.runs), starts).sum(2)
    state = replace(state, stage=state.stage + 1, done=0, spent=(*state.spent, spent))
    if starts > 1:
        state = _keep_best_starts(state, _of_lanes(pack.train, state.lanes), len(pack.runs), starts)
    if ended(pack, state):
        return state
    network = pack.stages[state.stage].network
    if network == state.network:  # the optimiser goes on; its counters so far belong to the stages behind
        return replace(state, behind=-pack.recipe.optimizer.counters(state.optimiser))
    assert isinstance(network, SplinedShape)
    if pack.recipe.grid_updates:  # refinement keeps a spline on its domain only: first bring that to the data
        state = _update_knots(pack, state)
    assert isinstance(state.network, SplinedShape)
    position_RP = state.optimiser.position_RP
    _, flat_RP, knots = families.extend_grid(state.network, position_RP, list(state.knots), network.grid, solver="qr")
    return replace(
        state,
        network=network,
        knots=tuple(knots),
        # Lanes that had converged train on in the larger space; lanes that have diverged stay so.
        optimiser=replace(_start(pack, state.stage, state.lanes, flat_RP), diverged_R=state.optimiser.diverged_R),
        behind=torch.zeros_like(state.behind),
        kept=None,
    )


def _keep_best_starts(state: TorchState, train: LanePoints, runs: int, starts: int) -> TorchState:
    """Of each run's starts, the one with the lowest loss on all training points; a diverged one counts as infinite.

    Those forward passes, one a start, are not counted as evaluations.
    """
    losses_RN = losses(state.network, state.optimiser.position_RP, state.knots, train)
    loss_R = losses_RN.mean(1).nan_to_num(torch.inf)
    loss_R = torch.where(state.optimiser.diverged_R, torch.inf, loss_R)[: runs * starts]
    best_S = loss_R.reshape(runs, starts).argmin(1)
    index_K = best_S + starts * torch.arange(runs, device=best_S.device)
    index_K = torch.cat([index_K, index_K[:1].expand(max(0, SMALLEST_ENSEMBLE - runs))])
    return replace(
        state,
        lanes=tuple(state.lanes[lane] for lane in index_K.tolist()),
        knots=tuple(knots.index_select(0, index_K) for knots in state.knots),
        optimiser=select(state.optimiser, index_K),
        behind=state.behind.index_select(1, index_K),
        curve_at=state.curve_at.index_select(0, index_K),
        curve_errors=state.curve_errors.index_select(0, index_K),
        kept=state.kept and state.kept.of_lanes(index_K),
    )


def _update_knots(pack: TorchPack, state: TorchState) -> TorchState:
    """Move the knots of lanes that train to their activations; lanes at rest stay as they are, bit for bit."""
    updates = pack.recipe.grid_updates
    assert updates is not None
    flat_RP, knots = families.update_knots(
        state.network,
        state.optimiser.position_RP,
        list(state.knots),
        pack.ranges_SNI.index_select(0, _runs_of(state.lanes, pack.ranges_SNI.device)),
        updates.grid_eps,
        updates.margin,
        solver="qr",
    )
    settings, old, moving_R = pack.recipe.optimizer, state.optimiser, ~_resting(state.optimiser)
    moved = settings.moved(old, _start(pack, state.stage, state.lanes, flat_RP), moving_R)
    return replace(
        state,
        knots=tuple(choose(moving_R, *pair) for pair in zip(knots, state.knots, strict=True)),
        optimiser=moved,
        # Of one that begins anew, all that it has made.
        behind=state.behind + settings.counters(old) - settings.counters(moved),
    )


# ----------------------------------------------------------------------------------------------------- learning curve
def _seen(pack: TorchPack, state: TorchState, train: LanePoints) -> TorchState:
    """The state with one more point on every lane's learning curve."""
    position_RP = state.optimiser.position_RP
    curve = _of_lanes(pack.curve, state.lanes)
    errors = [
        in_metric(losses(state.network, position_RP, state.knots, points).mean(1), points) for points in (train, curve)
    ]
    runs_R = _runs_of(state.lanes, position_RP.device)
    before_S = sum((spent[0] for spent in state.spent), torch.zeros_like(runs_R[:1]).expand(len(pack.runs)))
    in_stage_R = (state.behind + pack.recipe.optimizer.counters(state.optimiser))[0]
    at_R = before_S[runs_R] + pack.stages[state.stage].starts * in_stage_R
    state = replace(
        state,
        curve_at=torch.cat([state.curve_at, at_R[:, None]], 1),
        curve_errors=torch.cat([state.curve_errors, torch.stack(errors, 1)[:, None]], 1),
    )
    return replace(state, kept=_kept(state, errors[1])) if pack.recipe.early_stopping else state


def _kept(state: TorchState, validation_R: Tensor) -> Kept:
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


def _in_the_end(state: TorchState) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Parameters and knots of the networks that are the runs'."""
    return (state.kept.position_RP, state.kept.knots) if state.kept else (state.optimiser.position_RP, state.knots)


# ---------------------------------------------------------------------------------------------------------- optimiser
def _start(pack: TorchPack, stage: int, lanes: Sequence[LaneOfRun], flat_RP: Tensor) -> LaneState:
    """A fresh optimiser at `flat_RP`; a cosine schedule ends with the last stage of the same network."""
    total_steps = spec.schedule_evaluations(pack.stages, stage, pack.recipe)
    rates = [pack.runs[run].recipe.optimizer.rate for run, _ in lanes]
    rates_R = None if None in rates else flat_RP.new_tensor(rates)
    return pack.recipe.optimizer.start(flat_RP, rates_R, total_steps)


def _resting(state: LaneState) -> Tensor:
    return state.finished_R | state.diverged_R
