"""The course of a pack that trains, the same in both engines (see `harness.train.trainer`).

A *lane* is one start of one run. An engine gives a `Pack`, which says what its lanes do; here is
when: the stages, the moments when knots move or learning curves are sampled, the best start, what
is kept in the end, and the outcomes. `harness.train.readings` has what is read at budgets on the
way.

Legend: S runs, R lanes, N points, I inputs, P parameters, K moments.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from harness import families
from harness.families import Network, SplinedShape
from harness.optimisers.lanes import choose
from harness.spec.recipe import knot_update_points, schedule_evaluations
from harness.tasks import stream
from harness.tasks.loss import SPLITS
from harness.train import readings
from harness.train.lanes import EngineState, LaneOfRun, Trained, alike, ended, kept_after
from harness.train.outcome import LOG_SPACED, Outcome, learning_curve, outcome
from harness.train.pack import Pack


# --------------------------------------------------------------------------------------------------
# the trainer
def begin(pack: Pack, trained: Sequence[Trained] | None = None) -> EngineState:
    """The state before the first evaluation: networks initialised from each run's seed and start.

    Or they begin where another training left each run, whose network must be that of the first
    stage, with one start.
    """
    network, starts, _ = pack.stages[0]
    lanes = list(itertools.product(range(len(pack.runs)), range(starts)))
    lanes += lanes[:1] * (pack.smallest - len(lanes))
    dtype, device = pack.ranges_SNI.dtype, pack.ranges_SNI.device
    positions, all_knots = [], []
    if trained:
        assert starts == 1
        assert all(run_end.network.begun_as(network) == network for run_end in trained)
        for index, _ in lanes:
            positions.append(trained[index].position_P[None].to(device=device, dtype=dtype))
            all_knots.append(
                [layer[None].to(device=device, dtype=dtype) for layer in trained[index].knots]
            )
    else:
        for index, start in lanes:
            run, keys = pack.runs[index], pack.runs[index].keys(start)
            network_of_run = network.begun_as(run.network)
            generators = [stream(run.seed, "initial", *keys)], [stream(run.seed, "features", *keys)]
            positions.append(
                families.initialise(network_of_run, generators[0], run.recipe.gain, dtype, device)
            )
            all_knots.append(network_of_run.draw_knots(generators[1], dtype, device))
    flat_RP, knots = (
        torch.cat(positions),
        [torch.cat(layer) for layer in zip(*all_knots, strict=True)],
    )
    assert flat_RP.shape[1] == network.trainable + network.frozen, (
        "parameter count mismatch between closed form and network"
    )
    return EngineState(
        stage=0,
        done=0,
        lanes=tuple(lanes),
        network=network,
        knots=tuple(knots),
        optimiser=_start(pack, 0, lanes, flat_RP),
        behind=torch.zeros(3, len(lanes), dtype=torch.int64, device=device),
        spent=(),
        curve_at=torch.zeros(len(lanes), 0, dtype=torch.int64, device=device),
        curve_errors=flat_RP.new_zeros(len(lanes), 0, 2 + len(pack.watched)),
        readings=flat_RP.new_zeros(len(pack.runs), 0, readings.NUMBERS, dtype=torch.float64),
    )


def fits(pack: Pack, state: Any) -> bool:
    """Whether a state that comes from a file can be one of this pack: its place, lanes, and all
    shapes and dtypes.

    Compiled code trusts these.
    """
    if not (isinstance(state, EngineState) and 0 <= state.stage <= len(pack.stages)):
        return False
    remaining = pack.stages[state.stage :] or (pack.stages[-1]._replace(starts=1),)
    fresh = begin(replace(pack, stages=remaining))
    spent = torch.zeros(3, len(pack.runs), dtype=torch.int64)
    return (
        state.network == fresh.network
        and 0 <= state.done <= remaining[0].evaluations
        and [run for run, _ in state.lanes] == [run for run, _ in fresh.lanes]
        and len(state.spent) == state.stage
        and all(alike(spent, counters) for counters in state.spent)
        and alike(fresh, state)
        and readings.fit(pack, state.main or state)
        and (state.main is None or fits(pack, state.main))
        and (
            state.kept is None
            or alike(kept_after(fresh, fresh.optimiser.position_RP[:, 0]), state.kept)
        )
    )


def advance(pack: Pack, state: EngineState, evaluations: int) -> EngineState:
    """At most `evaluations` more in every lane; less at the end of a stage or when no lane moves
    any more.
    """
    stage, end = pack.stages[state.stage], readings.end(pack, state)
    train = pack.of_lanes(pack.train, state.lanes)
    goal = min(state.done + evaluations, end)
    updates = knot_update_points(pack.recipe, state.stage, end)
    observed = itertools.chain.from_iterable(
        observation.moments(end, ()) for observation in pack.watched
    )
    looks = {*LOG_SPACED, end, *observed}
    moments = sorted({*looks, *updates, *readings.stops(pack, state), goal})
    while state.done < goal:
        if beside := readings.parted(pack, state):
            return beside
        if isinstance(stage.network, SplinedShape) and state.done in updates:
            state = _update_knots(pack, state)
        until = next(moment for moment in moments if moment > state.done)
        state = replace(state, optimiser=pack.evaluated(state, train, until), done=until)
        if state.done in looks:
            state = _seen(pack, state, train)
        state = readings.read(pack, state, until)
    rests = bool(_resting(state).all())
    if state.done < end and rests:
        state = readings.read(pack, _seen(pack, state, train), end)
    if state.done < end and not rests:
        return state
    return readings.joined(pack, state) if state.main else _next_stage(pack, state, train)


def trained(pack: Pack, state: EngineState) -> list[Trained]:
    """Where training left every run of a pack whose stages are behind, in the order of the pack."""
    position_RP, all_knots = _in_the_end(state)
    ends = []
    for lane, run in enumerate(pack.runs):
        knots = tuple(of_layer[lane] for of_layer in all_knots)
        ends.append(Trained(state.network.begun_as(run.network), position_RP[lane], knots))
    return ends


def finish(pack: Pack, state: EngineState) -> list[Outcome]:
    """The outcome of every run of a pack whose stages are behind, in the order of the pack."""
    position_RP, all_knots = _in_the_end(state)
    diverged_R = state.optimiser.diverged_R.tolist()
    spent = torch.stack(state.spent).tolist()  # [stages, 3, S]
    outcomes = []
    for index, run in enumerate(pack.runs):
        lane_slice = slice(index, index + 1)
        knots = [of_layer[lane_slice] for of_layer in all_knots]
        seen = cache(partial(pack.seen, index, state.network, position_RP[lane_slice], knots))
        losses = {split: seen(split).loss for split in SPLITS}
        observed = {one.name: one.value(seen(one.split)) for one in pack.points.observations(index)}
        by_stage = tuple((counters[0][index], counters[1][index]) for counters in spent)
        refused = sum(counters[2][index] for counters in spent)
        names = ["train", "validation", *(observation.name for observation in pack.watched)]
        values = [
            dict(zip(names, at_moment, strict=True))
            for at_moment in state.curve_errors[index].tolist()
        ]
        curve = learning_curve(
            run.task.metric, zip(state.curve_at[index].tolist(), values, strict=True)
        )
        of_run = readings.of_run(state, index)
        outcomes.append(
            outcome(run, losses | observed, by_stage, diverged_R[index], refused, curve, of_run)
        )
    return outcomes


# --------------------------------------------------------------------------------------------------
# stages
def _start(pack: Pack, stage: int, lanes: Sequence[LaneOfRun], flat_RP: Tensor) -> Any:
    """A fresh optimiser at `flat_RP`; a cosine schedule ends with the last stage of the same
    network.
    """
    return pack.start(lanes, flat_RP, schedule_evaluations(pack.stages, stage, pack.recipe))


def _next_stage(pack: Pack, state: EngineState, train: Any) -> EngineState:
    """Close the stage: count its work, keep the best start of each run, refine the grid if the next
    stage does.
    """
    starts = pack.stages[state.stage].starts
    counters = (state.behind + pack.counters(state.optimiser))[:, : len(pack.runs) * starts]
    spent = counters.reshape(-1, len(pack.runs), starts).sum(2)
    if starts > 1:
        state = _keep_best_starts(pack, state, train, starts)
    state = replace(state, stage=state.stage + 1, done=0, spent=(*state.spent, spent))
    if ended(pack, state):
        return state
    network = pack.stages[state.stage].network
    if (
        network == state.network
    ):  # the optimiser goes on; its counters so far belong to the stages behind
        return replace(state, behind=-pack.counters(state.optimiser))
    return _refined(pack, state, network)


def _keep_best_starts(pack: Pack, state: EngineState, train: Any, starts: int) -> EngineState:
    """Of each run's starts, the one with the lowest loss on all training points; a diverged one
    counts as infinite.

    Those forward passes, one a start, are not counted as evaluations.
    """
    runs = len(pack.runs)
    loss_R = torch.where(state.optimiser.diverged_R, torch.inf, pack.final_losses(state, train))[
        : runs * starts
    ]
    best_S = loss_R.reshape(runs, starts).argmin(1)
    index_K = best_S + starts * torch.arange(runs, device=best_S.device)
    return of_lanes(
        pack, state, torch.cat([index_K, index_K[:1].expand(max(0, pack.smallest - runs))])
    )


def of_lanes(pack: Pack, state: EngineState, index_K: Tensor) -> EngineState:
    """The state of the lanes that the index names."""
    return replace(
        state,
        lanes=tuple(state.lanes[lane] for lane in index_K.tolist()),
        knots=tuple(knots.index_select(0, index_K) for knots in state.knots),
        optimiser=pack.selected(state.optimiser, index_K),
        behind=state.behind.index_select(1, index_K),
        curve_at=state.curve_at.index_select(0, index_K),
        curve_errors=state.curve_errors.index_select(0, index_K),
        kept=state.kept and state.kept.of_lanes(index_K),
    )


def _refined(pack: Pack, state: EngineState, network: Network) -> EngineState:
    """Every lane on the finer grid of `network`; one that had converged trains on, one that has
    diverged stays so.
    """
    if (
        pack.recipe.grid_updates
    ):  # refinement keeps a spline on its domain only: first bring that to the data
        state = _update_knots(pack, state)
    coarse = state.network
    assert isinstance(network, SplinedShape)
    assert isinstance(coarse, SplinedShape)

    def refine(flat_RP: Tensor, knots: list[Tensor], _: Tensor) -> tuple[Tensor, list[Tensor]]:
        return families.extend_grid(coarse, flat_RP, knots, network.grid, pack.solver)[1:]

    old = state.optimiser
    all_lanes_R = torch.ones_like(old.diverged_R)
    flat_RP, knots = pack.over_lanes(
        refine, all_lanes_R, old.position_RP, state.knots, pack.ranges_SNI
    )
    return replace(
        state,
        network=network,
        knots=tuple(knots),
        optimiser=pack.with_diverged(_start(pack, state.stage, state.lanes, flat_RP), old),
        behind=torch.zeros_like(state.behind),
        kept=None,
    )


def _update_knots(pack: Pack, state: EngineState) -> EngineState:
    """Move the knots of lanes that train to their activations; lanes at rest stay as they are, bit
    for bit.
    """
    updates, old, moving_R = pack.recipe.grid_updates, state.optimiser, ~_resting(state)
    assert updates is not None

    def move(flat_RP: Tensor, knots: list[Tensor], x_RNI: Tensor) -> tuple[Tensor, list[Tensor]]:
        return families.update_knots(
            state.network, flat_RP, knots, x_RNI, updates.grid_eps, updates.margin, pack.solver
        )

    x_RNI = pack.ranges_SNI.index_select(0, _runs_of(state.lanes, pack.ranges_SNI.device))
    flat_RP, knots = pack.over_lanes(move, moving_R, old.position_RP, state.knots, x_RNI)
    moved = pack.moved(old, _start(pack, state.stage, state.lanes, flat_RP), moving_R)
    return replace(
        state,
        knots=tuple(choose(moving_R, *pair) for pair in zip(knots, state.knots, strict=True)),
        optimiser=moved,
        # Of one that begins anew, all that it has made.
        behind=state.behind + pack.counters(old) - pack.counters(moved),
    )


def _runs_of(lanes: Iterable[LaneOfRun], device: torch.device) -> Tensor:
    return torch.tensor([run for run, _ in lanes], device=device)


def _resting(state: EngineState) -> Tensor:
    return state.optimiser.finished_R | state.optimiser.diverged_R


# --------------------------------------------------------------------------------------------------
# learning curve
def _seen(pack: Pack, state: EngineState, train: Any) -> EngineState:
    """The state with one more point on every lane's learning curve, with what is observed then."""
    if pack.curve_train is not None:
        train = pack.of_lanes(pack.curve_train, state.lanes)
    errors = [
        pack.errors(state, points) for points in (train, pack.of_lanes(pack.curve, state.lanes))
    ]
    runs_R = _runs_of(state.lanes, state.curve_at.device)
    before_S = sum((spent[0] for spent in state.spent), runs_R.new_zeros(len(pack.runs)))
    in_stage_R = (state.behind + pack.counters(state.optimiser))[0]
    at_R = before_S[runs_R] + pack.stages[state.stage].starts * in_stage_R
    point = torch.cat([torch.stack(errors, 1), _observed(pack, state)], 1)
    state = replace(
        state,
        curve_at=torch.cat([state.curve_at, at_R[:, None]], 1),
        curve_errors=torch.cat([state.curve_errors, point[:, None]], 1),
    )
    return (
        replace(state, kept=kept_after(state, errors[1])) if pack.recipe.early_stopping else state
    )


def _observed(pack: Pack, state: EngineState) -> Tensor:
    """What is observed of every lane on the way [R, observations]; NaN if it is not due, as all is
    at a stage's end.
    """
    evaluations, position_RP, values = (
        pack.stages[state.stage].evaluations,
        state.optimiser.position_RP,
        [],
    )
    ends = state.done == evaluations or bool(_resting(state).all())
    due = [
        ends or state.done in observation.moments(evaluations, LOG_SPACED)
        for observation in pack.watched
    ]
    for lane, (run, _) in enumerate(state.lanes):
        lane_slice = slice(lane, lane + 1)
        knots = [of_layer[lane_slice] for of_layer in state.knots]
        seen = cache(partial(pack.seen, run, state.network, position_RP[lane_slice], knots))
        watched = zip(pack.watched, due, strict=True)
        values.append(
            [one.value(seen(one.split)) if is_due else math.nan for one, is_due in watched]
        )
    return state.curve_errors.new_tensor(values)


def _in_the_end(state: EngineState) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Parameters and knots of the networks that are the runs'."""
    return (
        (state.kept.position_RP, state.kept.knots)
        if state.kept
        else (state.optimiser.position_RP, state.knots)
    )
