"""Runs whose recipe has sparsity: trained with a penalty, pruned, and what is left trained on
without it.

A trainer whose work is done by the engines. The penalised part is the torch engine's, all runs of a
pack at once: there are no kernels of the penalty. Then pruning leaves each run a network of its
own, which goes on alone, in the engine that the run names.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import torch

from harness import families
from harness.count import count, run_flops
from harness.families import KanShape
from harness.record.schema import Pruned, Snapped
from harness.spec.recipe import Stage, parts, stages
from harness.spec.run import RunSpec
from harness.tasks import draw, scaled
from harness.train import course, torch_engine
from harness.train.lanes import EngineState, LaneOfRun, Trained, ended
from harness.train.outcome import Outcome, later
from harness.train.pack import Pack
from harness.train.sparsity import Penalised, edge_scores, kept_nodes
from harness.train.symbolic import EdgeSamples, read_formula
from harness.train.torch_engine import TorchPack
from harness.train.trainer import ENGINES


@dataclass(frozen=True)
class PruningPack:
    """What does not change while a pack trains."""

    runs: tuple[RunSpec, ...]
    stages: tuple[Stage, ...]
    sparse: TorchPack
    device: str


@dataclass(frozen=True)
class PruningState:
    """Where in the stages the pack is, and the states of the engines.

    `pruned` is what pruning left of each run, and `rest` where that is in the run's engine: empty
    until then, None for a run that diverged before. `stage` and `done`, its evaluations in that
    stage, are of the run that is last.
    """

    stage: int
    done: int
    sparse: EngineState
    pruned: tuple[Pruned | None, ...] = ()
    rest: tuple[EngineState | None, ...] = ()
    main: ClassVar[None] = None

    @property
    def lanes(self) -> tuple[LaneOfRun, ...]:
        """Starts that train, or trained, with the penalty."""
        return self.sparse.lanes


# --------------------------------------------------------------------------------------------------
# the trainer
def prepare(runs: Sequence[RunSpec], device: str = "cpu") -> PruningPack:
    """The pack of `runs`, KANs of one `computation`; draws their samples."""
    first = runs[0]
    assert first.recipe.sparsity
    together = torch_engine.prepare([_part(run, 0) for run in runs], device)
    train = replace(together.train, loss=Penalised(first.recipe.sparsity))
    return PruningPack(
        runs=tuple(runs),
        stages=stages(first.network, first.recipe),
        sparse=replace(together, train=train),
        device=device,
    )


def begin(pack: PruningPack) -> PruningState:
    """The state before the first evaluation: networks initialised from each run's seed and
    start.
    """
    return PruningState(stage=0, done=0, sparse=course.begin(pack.sparse))


def fits(pack: PruningPack, state: Any) -> bool:
    """Whether a state that comes from a file can be one of this pack: pruning left nothing larger
    than there was.
    """
    if not (isinstance(state, PruningState) and course.fits(pack.sparse, state.sparse)):
        return False
    if len(state.pruned) != len(state.rest) or len(state.rest) not in (0, len(pack.runs)):
        return False
    return all(
        _rest_fits(run, pruned, engine_state, pack.device) if pruned else engine_state is None
        for run, pruned, engine_state in zip(
            pack.runs, state.pruned, state.rest, strict=False
        )  # none before pruning
    )


def advance(pack: PruningPack, state: PruningState, evaluations: int) -> PruningState:
    """At most `evaluations` more of every run."""
    if not state.pruned:
        sparse = course.advance(pack.sparse, state.sparse, evaluations)
        state = replace(state, stage=sparse.stage, done=sparse.done, sparse=sparse)
        return _prune(pack, state) if ended(pack.sparse, sparse) else state
    states = []
    for run, pruned, engine_state in zip(pack.runs, state.pruned, state.rest, strict=True):
        if pruned and engine_state:
            alone = _alone(run, pruned, pack.device)
            if not ended(alone, engine_state):
                engine_state = course.advance(alone, engine_state, evaluations)
        states.append(engine_state)
    return _at(pack, replace(state, rest=tuple(states)))


def finish(pack: PruningPack, state: PruningState) -> list[Outcome]:
    """The outcome of every run of a pack whose stages are behind, in the order of the pack."""
    outcomes = []
    sparse = course.finish(pack.sparse, state.sparse)
    for run, first, pruned, engine_state in zip(
        pack.runs, sparse, state.pruned, state.rest, strict=True
    ):
        if pruned and engine_state:
            alone = _alone(run, pruned, pack.device)
            if run.recipe.sparsity and run.recipe.sparsity.snap:
                formula = _formula(run, pruned.inputs, *course.trained(alone, engine_state))
                pruned = pruned.model_copy(update={"formula": formula})
            outcomes.append(_joined(run, first, pruned, *course.finish(alone, engine_state)))
        else:  # it diverged before: its other stages made no evaluations
            by_stage = (*first.by_stage, *[(0, 0)] * (len(pack.stages) - len(first.by_stage)))
            work = run_flops(run.network, run.recipe, run.task, by_stage)
            outcomes.append(
                replace(first, by_stage=by_stage, counts={**count(run.network), **work})
            )
    return outcomes


def trained(pack: PruningPack, state: PruningState) -> list[Trained | None]:
    """What is left of every run, in the end; None of one that diverged before it was pruned."""
    return [
        course.trained(_alone(run, pruned, pack.device), rest)[0] if pruned and rest else None
        for run, pruned, rest in zip(pack.runs, state.pruned, state.rest, strict=True)
    ]


# --------------------------------------------------------------------------------------------------
# pruning
def _prune(pack: PruningPack, state: PruningState) -> PruningState:
    """What pruning leaves of every run, at the start of its own training; runs that diverged have
    ended.
    """
    pruned: list[Pruned | None] = []
    states: list[Any] = []
    ends, outcomes = (
        course.trained(pack.sparse, state.sparse),
        course.finish(pack.sparse, state.sparse),
    )
    for index, (run, trained, first) in enumerate(zip(pack.runs, ends, outcomes, strict=True)):
        if first.metrics is None:
            pruned.append(None)
            states.append(None)
            continue
        smaller, start = _pruned(
            run, trained, pack.sparse.train.x[index : index + 1], first.metrics.losses.test
        )
        pruned.append(smaller)
        states.append(course.begin(_alone(run, smaller, pack.device), [start]))
    return _at(pack, replace(state, pruned=tuple(pruned), rest=tuple(states)))


def _rest_fits(run: RunSpec, pruned: Pruned, rest: Any, device: str) -> bool:
    whole, smaller = run.network, pruned.network
    assert isinstance(whole, KanShape)
    widths_fit = len(smaller.shape) == len(whole.shape) and all(
        map(operator.le, smaller.shape, whole.shape)
    )
    inputs_fit = len(pruned.inputs) == smaller.inputs and set(pruned.inputs) <= set(
        range(whole.inputs)
    )
    if not (
        widths_fit and inputs_fit and smaller == whole.model_copy(update={"shape": smaller.shape})
    ):
        return False
    return course.fits(_alone(run, pruned, device), rest)


def _pruned(run: RunSpec, trained: Trained, x_1NI: Any, test_rmse: float) -> tuple[Pruned, Trained]:
    """By the activations at the training points. Always one run at a time: no bit depends on the
    others.
    """
    sparsity, whole, network = run.recipe.sparsity, run.network, trained.network
    assert sparsity
    assert isinstance(whole, KanShape)
    assert isinstance(network, KanShape)
    full_1P, knots = trained.position_P[None], [layer_IT[None] for layer_IT in trained.knots]
    scores = edge_scores(sparsity, network, full_1P, knots, x_1NI)
    kept = kept_nodes(scores, sparsity.threshold)
    smaller, flat_1P, knots = families.keep_nodes(network, full_1P, knots, kept)
    pruned = Pruned(
        network=smaller.model_copy(update={"grid": whole.grid}),
        inputs=tuple(kept[0]),
        scores=tuple(tuple(map(tuple, layer.tolist())) for layer in scores),
        active_edges=sum(int((layer > sparsity.threshold).sum()) for layer in scores),
        test_rmse=test_rmse,
    )
    return pruned, Trained(smaller, flat_1P[0], tuple(layer[0] for layer in knots))


def _formula(run: RunSpec, inputs: Sequence[int], trained: Trained) -> Snapped:
    """What the pruned network is read into, in the task's own variables, counted from 1."""
    network, splits, columns = trained.network, draw(run.task, run.seed), list(inputs)
    assert isinstance(network, KanShape)
    flat_1P, knots = trained.position_P[None], [layer_IT[None] for layer_IT in trained.knots]
    x_1NI = torch.from_numpy(scaled(run.task, splits.train.x)[None][..., columns]).to(flat_1P)
    with torch.no_grad():
        edges, _ = families.edges(network, flat_1P, knots, x_1NI)
    parameters = families.unflatten(network, flat_1P)
    biases = [
        parameters.get(f"layer{layer}.bias", flat_1P.new_zeros(1, edge_ROIN.shape[1]))
        for layer, edge_ROIN in enumerate(edges)
    ]
    train, test = (
        EdgeSamples(part.x[:, columns].T, part.y[:, 0]) for part in (splits.train, splits.test)
    )
    fitted = read_formula(
        [edge_ROIN[0].double().cpu().numpy() for edge_ROIN in edges],
        [bias_1O[0].double().cpu().numpy() for bias_1O in biases],
        train,
        test,
        [f"x{column + 1}" for column in columns],
    )
    least, rmse = (
        value if math.isfinite(value) else None for value in (fitted.least_r2, fitted.rmse)
    )
    return Snapped(text=fitted.text, least_r2=least, test_rmse=rmse)


def _at(pack: PruningPack, state: PruningState) -> PruningState:
    """The state with the stage and evaluations of the run that is last."""
    before = len(pack.sparse.stages)
    places = [(before + alone.stage, alone.done) for alone in state.rest if alone is not None]
    stage, done = min(places, default=(len(pack.stages), 0))
    return replace(state, stage=stage, done=done)


# --------------------------------------------------------------------------------------------------
# parts
def _part(run: RunSpec, index: int, pruned: KanShape | None = None) -> RunSpec:
    """One of the trainings of a run, as a run of its own."""
    return run.model_copy(update=parts(run.network, run.recipe, pruned)[index]._asdict())


@lru_cache(maxsize=64)
def _alone(run: RunSpec, pruned: Pruned, device: str) -> Pack:
    """The pack of what pruning left of a run; drawing its samples again takes milliseconds."""
    pack = ENGINES[run.engine].prepare([_part(run, 1, pruned.network)], device)
    return type(pack).of(replace(pack.points, inputs=pruned.inputs), device)


def _joined(run: RunSpec, first: Outcome, pruned: Pruned, rest: Outcome) -> Outcome:
    """One outcome of both parts of a run: counts of size are the pruned network's, counts of work
    are of all.
    """
    by_stage, before = (*first.by_stage, *rest.by_stage), first.evaluations
    work = run_flops(run.network, run.recipe, run.task, by_stage, pruned.network)
    return replace(
        rest,
        evaluations=before + rest.evaluations,
        iterations=first.iterations + rest.iterations,
        by_stage=by_stage,
        diverged_at=None if rest.diverged_at is None else before + rest.diverged_at,
        refused_steps=first.refused_steps + rest.refused_steps,
        counts={**count(pruned.network), **work},
        curve=(*first.curve, *later(rest.curve, before)),
        pruned=pruned,
    )
