"""The torch engine: a pack of runs trains as one batched ensemble, on any device.

    pack = prepare(runs, device)
    state = begin(pack)
    while not ended(pack, state):
        state = advance(pack, state, evaluations=100)     # frozen in, frozen out: a state can be stored and resumed
    outcomes = finish(pack, state)

A *lane* is one start of one run. Lanes share the computation and nothing else: each keeps its data, its line search and
its divergence.

Legend: S runs, R lanes, N points, I inputs, O outputs, P parameters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import families
from harness.count import frozen, trainable
from harness.record import LearningCurve
from harness.spec import (
    KanShape,
    Network,
    Recipe,
    RunSpec,
    SplinedShape,
    Stage,
    knot_update_points,
    samples_per_evaluation,
    schedule_evaluations,
    stages,
)
from harness.spec.recipe import Adam, Lbfgs, LevenbergMarquardt, Sparsity
from harness.tasks import Quadrature, Splits, domain_points, draw, scaled, stream
from harness.train import adam, lbfgs, levenberg, sparsity
from harness.train.lanes import Trained, alike, choose, select
from harness.train.objective import Points, accuracies, in_metric, loss_and_gradient, losses, squared_slope_errors
from harness.train.outcome import LOG_SPACED, Outcome, learning_curve, outcome

# With one lane, torch's batched products take another path and round differently: a lone run gets an idle companion.
SMALLEST_ENSEMBLE = 2

OptimiserState = adam.AdamState | lbfgs.LbfgsState | levenberg.LevenbergState
Lane = tuple[int, int]  # index of the run in the pack, number of the start


@dataclass(frozen=True)
class Pack:
    """What does not change while a pack trains."""

    runs: tuple[RunSpec, ...]
    recipe: Recipe
    stages: tuple[Stage, ...]
    train: Points
    validation: Points
    test: Points
    ranges_SNI: Tensor  # points whose activations say where knots go
    sparsity: Sparsity | None = None  # whose penalty all stages have
    quadrature: Quadrature | None = None  # of the test points of a PDE

    @property
    def samples(self) -> int:
        """Points in one evaluation."""
        return samples_per_evaluation(self.recipe, self.train.x.shape[1])


@dataclass(frozen=True)
class PackState:
    """What does: where in the stages the pack is, its lanes, knots, optimiser, and the work behind it.

    `done` counts evaluations of this stage. Counters are evaluations, iterations and refused steps: `behind` of each
    lane [3, R], to be added to its optimiser's to give those of this stage; `spent` of each run [3, S], one for every
    stage behind.
    The learning curve has, at K moments, the evaluations of a lane's run until then, `curve_at` [R, K], and its
    training and validation error in the metric of the task, `curve_errors` [R, K, 2].
    """

    stage: int
    done: int
    lanes: tuple[Lane, ...]
    network: Network
    knots: tuple[Tensor, ...]
    optimiser: OptimiserState
    behind: Tensor
    spent: tuple[Tensor, ...]
    curve_at: Tensor
    curve_errors: Tensor


# ----------------------------------------------------------------------------------------------------------- the seam
def prepare(runs: Sequence[RunSpec], device: str = "cpu", samples: Sequence[Splits] | None = None) -> Pack:
    """The pack of `runs`, which must share everything but seed, gain and learning rate; draws what `samples` has not.

    Networks of every family see the task's box scaled to [-1, 1]^d, where knots begin.
    """
    first = runs[0]
    dtype = getattr(torch, first.dtype)
    splits = samples or [draw(run.task, run.seed) for run in runs]

    def points(name: str) -> Points:
        drawn = [getattr(split, name) for split in splits]
        x_SNI = np.stack([scaled(first.task, one.x) for one in drawn])
        y_SNO = np.stack([one.y for one in drawn])
        x, y = (torch.from_numpy(array).to(device=device, dtype=dtype) for array in (x_SNI, y_SNO))
        return Points(x, y, drawn[0].inside, are_classes=first.task.classes is not None)

    train, updates = points("train"), first.recipe.grid_updates
    ranges_SNI = train.x
    if updates and updates.points == "domain":
        fresh = [scaled(run.task, domain_points(run.task, run.seed)) for run in runs]
        ranges_SNI = torch.from_numpy(np.stack(fresh)).to(device=device, dtype=dtype)
    return Pack(
        runs=tuple(runs),
        recipe=first.recipe,
        stages=stages(first.network, first.recipe),
        train=train,
        validation=points("validation"),
        test=points("test"),
        ranges_SNI=ranges_SNI,
        quadrature=splits[0].test.quadrature,
    )


def narrowed(pack: Pack, inputs: Sequence[int]) -> Pack:
    """The pack whose networks see only these of the task's variables."""
    train, validation, test = (
        replace(points, x=points.x[..., list(inputs)]) for points in (pack.train, pack.validation, pack.test)
    )
    return replace(pack, train=train, validation=validation, test=test, ranges_SNI=pack.ranges_SNI[..., list(inputs)])


def begin(pack: Pack, trained: Sequence[Trained] | None = None) -> PackState:
    """The state before the first evaluation: networks initialised from each run's seed and start.

    Or where another training left each run, whose network must be that of the first stage, with one start.
    """
    network, starts, _ = pack.stages[0]
    lanes = [(run, start) for run in range(len(pack.runs)) for start in range(starts)]
    lanes += lanes[:1] * (SMALLEST_ENSEMBLE - len(lanes))
    dtype, device = pack.train.x.dtype, pack.train.x.device
    if trained:
        assert starts == 1
        assert all(one.network == network for one in trained)
        flat_RP = torch.stack([trained[run].position_P for run, _ in lanes]).to(device=device, dtype=dtype)
        layers = zip(*(trained[run].knots for run, _ in lanes), strict=True)
        knots = [torch.stack(layer).to(device=device, dtype=dtype) for layer in layers]
    else:
        generators = [stream(pack.runs[run].seed, "initial", start) for run, start in lanes]
        gains = [pack.runs[run].recipe.gain for run, _ in lanes]
        flat_RP = families.initialise(network, generators, gains, dtype, device)
        of_features = [stream(pack.runs[run].seed, "features", start) for run, start in lanes]
        knots = families.initial_carried(network, of_features, dtype, device)
    counted = trainable(network) + frozen(network)
    assert flat_RP.shape[1] == counted, "parameter count mismatch between closed form and network"
    return PackState(
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


def ended(pack: Pack, state: PackState) -> bool:
    """Whether all stages are behind."""
    return state.stage == len(pack.stages)


def fits(pack: Pack, state: Any) -> bool:
    """Whether a state that comes from a file can be one of this pack: its place, lanes, and all shapes and dtypes."""
    if not (isinstance(state, PackState) and 0 <= state.stage <= len(pack.stages)):
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
    )


def advance(pack: Pack, state: PackState, evaluations: int) -> PackState:
    """At most `evaluations` more in every lane; less at the end of a stage or when no lane moves any more."""
    stage = pack.stages[state.stage]
    train = _of_lanes(pack.train, state.lanes)
    goal = min(state.done + evaluations, stage.evaluations)
    updates = knot_update_points(pack.recipe, state.stage, stage.evaluations)
    while state.done < goal:
        if isinstance(stage.network, SplinedShape) and state.done in updates:
            state = _update_knots(pack, state)
        batch = _batch(pack, state, train)
        state = replace(state, optimiser=_evaluate(pack, state, batch), done=state.done + 1)
        if state.done in LOG_SPACED or state.done == stage.evaluations:
            state = _seen(pack, state, train)
    if state.done == stage.evaluations:
        return _next_stage(pack, state)
    if bool(_resting(state.optimiser).all()):
        return _next_stage(pack, _seen(pack, state, train))
    return state


def trained(pack: Pack, state: PackState) -> list[Trained]:
    """Where training left every run of a pack whose stages are behind, in the order of the pack."""
    position_RP = _position(state.optimiser)
    return [
        Trained(state.network, position_RP[lane], tuple(knots[lane] for knots in state.knots))
        for lane in range(len(pack.runs))
    ]


def finish(pack: Pack, state: PackState) -> list[Outcome]:
    """The outcome of every run of a pack whose stages are behind, in the order of the pack."""
    position_RP = _position(state.optimiser)
    diverged_R = state.optimiser.diverged_R.tolist()
    splits = [_of_lanes(points, state.lanes) for points in (pack.train, pack.validation, pack.test)]
    losses_RN = [losses(state.network, position_RP, state.knots, points) for points in splits]
    if pack.test.are_classes:
        told_R = [accuracies(state.network, position_RP, state.knots, points) for points in splits]
    if pack.quadrature:
        slopes_RN = squared_slope_errors(state.network, position_RP, state.knots, splits[2].x, pack.quadrature)
    spent = torch.stack(state.spent).tolist()  # [stages, 3, S]
    outcomes = []
    for index, run in enumerate(pack.runs):
        errors = [in_metric(of_split[index].mean(), pack.test).item() for of_split in losses_RN]
        of_test_N = losses_RN[2][index]
        if pack.test.are_classes:
            errors += [of_split[index].item() for of_split in told_R]
        elif pack.quadrature:
            errors[2:] = _by_quadrature(pack.quadrature, of_test_N, slopes_RN[index])
        else:
            errors.append(of_test_N.median().sqrt().item())
        by_stage = tuple((counters[0][index], counters[1][index]) for counters in spent)
        refused = sum(counters[2][index] for counters in spent)
        curve = _curve(run, state, index)
        outcomes.append(outcome(run, errors, by_stage, diverged_R[index], refused, curve))
    return outcomes


def _by_quadrature(quadrature: Quadrature, squares_N: Tensor, slopes_N: Tensor) -> list[float]:
    """The root mean square over the box, that of the median node, and the H1 error: with the gradient's squares."""
    shares_N = torch.from_numpy(quadrature.shares).to(squares_N)
    mean, of_slopes = ((shares_N * each_N).sum() for each_N in (squares_N, slopes_N))
    return [each.sqrt().item() for each in (mean, squares_N.median(), mean + of_slopes)]


# --------------------------------------------------------------------------------------------------------- evaluation
def _evaluate(pack: Pack, state: PackState, points: Points) -> OptimiserState:
    """The optimiser after one evaluation in every lane: a loss and its gradient, or a linear system."""
    settings, optimiser, asked_RP = pack.recipe.optimizer, state.optimiser, _ask(state.optimiser)
    if isinstance(optimiser, levenberg.LevenbergState):
        assert isinstance(settings, LevenbergMarquardt)
        system = levenberg.linearise(settings, state.network, asked_RP, state.knots, points.x, points.y)
        return levenberg.tell(settings, optimiser, system)
    if pack.sparsity and isinstance(state.network, KanShape):
        penalised = sparsity.loss_and_gradient(pack.sparsity, state.network, asked_RP, state.knots, points)
        return _tell(pack, optimiser, *penalised)
    return _tell(pack, optimiser, *loss_and_gradient(state.network, asked_RP, state.knots, points))


def _of_lanes(points: Points, lanes: Iterable[Lane]) -> Points:
    index_R = _runs_of(lanes, points.x.device)
    return replace(points, x=points.x.index_select(0, index_R), y=points.y.index_select(0, index_R))


def _runs_of(lanes: Iterable[Lane], device: torch.device) -> Tensor:
    return torch.tensor([run for run, _ in lanes], device=device)


def _batch(pack: Pack, state: PackState, train: Points) -> Points:
    """The points of the next evaluation: all, or the next batch of this epoch's order, which each lane draws anew.

    What does not fill a last batch is left out of its epoch.
    """
    total = train.x.shape[1]
    if pack.samples == total:
        return train
    batches = total // pack.samples
    before = sum(stage.evaluations for stage in pack.stages[: state.stage])
    epoch, batch = divmod(before + state.done, batches)
    orders = [stream(pack.runs[run].seed, "batches", start, epoch).permutation(total) for run, start in state.lanes]
    chosen = [torch.from_numpy(order[batch * pack.samples : (batch + 1) * pack.samples].copy()) for order in orders]
    index_RB1 = torch.stack(chosen).to(train.x.device)[:, :, None]
    return replace(
        train,
        x=train.x.gather(1, index_RB1.expand(-1, -1, train.x.shape[2])),
        y=train.y.gather(1, index_RB1.expand(-1, -1, train.y.shape[2])),
    )


# ------------------------------------------------------------------------------------------------------------- stages
def _next_stage(pack: Pack, state: PackState) -> PackState:
    """Close the stage: count its work, keep the best start of each run, refine the grid if the next stage does."""
    starts = pack.stages[state.stage].starts
    counters = (state.behind + _counters(state.optimiser))[:, : len(pack.runs) * starts]
    spent = counters.reshape(-1, len(pack.runs), starts).sum(2)
    state = replace(state, stage=state.stage + 1, done=0, spent=(*state.spent, spent))
    if starts > 1:
        state = _keep_best_starts(state, _of_lanes(pack.train, state.lanes), len(pack.runs), starts)
    if ended(pack, state):
        return state
    network = pack.stages[state.stage].network
    if network == state.network:  # the optimiser goes on; its counters so far belong to the stages behind
        return replace(state, behind=-_counters(state.optimiser))
    assert isinstance(network, SplinedShape)
    if pack.recipe.grid_updates:  # refinement keeps a spline on its domain only: first bring that to the data
        state = _update_knots(pack, state)
    assert isinstance(state.network, SplinedShape)
    _, flat_RP, knots = families.extend_grid(state.network, _position(state.optimiser), list(state.knots), network.grid)
    return replace(
        state,
        network=network,
        knots=tuple(knots),
        # Lanes that had converged train on in the larger space; lanes that have diverged stay so.
        optimiser=replace(_start(pack, state.stage, state.lanes, flat_RP), diverged_R=state.optimiser.diverged_R),
        behind=torch.zeros_like(state.behind),
    )


def _keep_best_starts(state: PackState, train: Points, runs: int, starts: int) -> PackState:
    """Of each run's starts, the one with the lowest loss on all training points; a diverged one counts as infinite.

    Those forward passes, one a start, are not counted as evaluations.
    """
    losses_RN = losses(state.network, _position(state.optimiser), state.knots, train)
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
    )


def _update_knots(pack: Pack, state: PackState) -> PackState:
    """Move the knots of lanes that train to their activations; lanes at rest stay as they are, bit for bit.

    L-BFGS and Levenberg-Marquardt begin anew, because what they know is of other coefficients; Adam's moments stay.
    """
    updates = pack.recipe.grid_updates
    assert updates is not None
    flat_RP, knots = families.update_knots(
        state.network,
        _position(state.optimiser),
        list(state.knots),
        pack.ranges_SNI.index_select(0, _runs_of(state.lanes, pack.ranges_SNI.device)),
        updates.grid_eps,
        updates.margin,
    )
    old, moving_R = state.optimiser, ~_resting(state.optimiser)
    state = replace(state, knots=tuple(choose(moving_R, *pair) for pair in zip(knots, state.knots, strict=True)))
    if isinstance(old, adam.AdamState):
        flat_RP = choose(moving_R, flat_RP, old.position_RP)
        return replace(state, optimiser=replace(old, position_RP=flat_RP, previous_RP=flat_RP))
    behind = torch.where(moving_R, state.behind + _counters(old), state.behind)
    if isinstance(old, levenberg.LevenbergState):
        assert isinstance(pack.recipe.optimizer, LevenbergMarquardt)
        return replace(state, optimiser=levenberg.restart(pack.recipe.optimizer, old, flat_RP, moving_R), behind=behind)
    fresh = vars(_start(pack, state.stage, state.lanes, flat_RP))
    merged = {name: choose(moving_R, fresh[name], kept) for name, kept in vars(old).items()}
    return replace(state, optimiser=lbfgs.LbfgsState(**merged), behind=behind)


# ----------------------------------------------------------------------------------------------------- learning curve
def _seen(pack: Pack, state: PackState, train: Points) -> PackState:
    """The state with one more point on every lane's learning curve."""
    position_RP = _position(state.optimiser)
    validation = _of_lanes(pack.validation, state.lanes)
    errors = [
        in_metric(losses(state.network, position_RP, state.knots, points).mean(1), points)
        for points in (train, validation)
    ]
    runs_R = _runs_of(state.lanes, position_RP.device)
    before_S = sum((spent[0] for spent in state.spent), torch.zeros_like(runs_R[:1]).expand(len(pack.runs)))
    in_stage_R = (state.behind + _counters(state.optimiser))[0]
    at_R = before_S[runs_R] + pack.stages[state.stage].starts * in_stage_R
    return replace(
        state,
        curve_at=torch.cat([state.curve_at, at_R[:, None]], 1),
        curve_errors=torch.cat([state.curve_errors, torch.stack(errors, 1)[:, None]], 1),
    )


def _curve(run: RunSpec, state: PackState, lane: int) -> LearningCurve:
    moments = zip(state.curve_at[lane].tolist(), state.curve_errors[lane].tolist(), strict=True)
    return learning_curve(run.task.metric, ((at, *errors) for at, errors in moments))


# ---------------------------------------------------------------------------------------------------------- optimiser
def _start(pack: Pack, stage: int, lanes: Sequence[Lane], flat_RP: Tensor) -> OptimiserState:
    """A fresh optimiser at `flat_RP`; a cosine schedule ends with the last stage of the same network."""
    settings = pack.recipe.optimizer
    if isinstance(settings, LevenbergMarquardt):
        return levenberg.start(settings, flat_RP)
    optimizers = [pack.runs[run].recipe.optimizer for run, _ in lanes]
    rates_R = flat_RP.new_tensor([one.learning_rate for one in optimizers if isinstance(one, Adam | Lbfgs)])
    if isinstance(settings, Lbfgs):
        return lbfgs.start(settings, flat_RP, rates_R)
    steps = schedule_evaluations(pack.stages, stage, pack.recipe)
    return adam.start(settings, flat_RP, rates_R, total_steps=steps)


def _ask(state: OptimiserState) -> Tensor:
    match state:
        case adam.AdamState():
            return adam.ask(state)
        case lbfgs.LbfgsState():
            return lbfgs.ask(state)
        case levenberg.LevenbergState():
            return levenberg.ask(state)


def _tell(pack: Pack, state: adam.AdamState | lbfgs.LbfgsState, loss_R: Tensor, gradient_RP: Tensor) -> OptimiserState:
    if isinstance(state, adam.AdamState):
        assert isinstance(pack.recipe.optimizer, Adam)
        return adam.tell(pack.recipe.optimizer, state, loss_R, gradient_RP)
    assert isinstance(pack.recipe.optimizer, Lbfgs)
    return lbfgs.tell(pack.recipe.optimizer, state, loss_R, gradient_RP)


def _position(state: OptimiserState) -> Tensor:
    match state:
        case adam.AdamState():
            return adam.position(state)
        case lbfgs.LbfgsState():
            return lbfgs.position(state)
        case levenberg.LevenbergState():
            return levenberg.position(state)


def _resting(state: OptimiserState) -> Tensor:
    return state.finished_R | state.diverged_R


def _counters(state: OptimiserState) -> Tensor:
    none_R = torch.zeros_like(state.iterations_R)
    refused_R = state.refused_steps_R if isinstance(state, levenberg.LevenbergState) else none_R
    return torch.stack([state.evaluations_R, state.iterations_R, refused_R])
