"""Training in phases: a trainer made of one pack of an engine's for each phase.

A phase is an ordinary pack on the points of that phase, which begins where the last one ended, with
a fresh optimiser. What its network knows then, of its own phase and of the others, is kept for the
record.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from harness import families
from harness.record.schema import CURVE_POINTS, AnyCurvePoint, PhaseEnd
from harness.spec.recipe import Stage, at_a_time, parts, stages
from harness.spec.run import RunSpec
from harness.tasks import Samples, draw, phases_of, scaled
from harness.train import course
from harness.train.lanes import EngineState, Trained, ended
from harness.train.outcome import Outcome, later, outcome
from harness.train.trainer import ENGINES

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PhasesPack:
    """What does not change while a pack trains: the engine's pack of each phase, and its points, of
    every run.
    """

    runs: tuple[RunSpec, ...]
    stages: tuple[Stage, ...]
    packs: tuple[Any, ...]
    points: tuple[tuple[Samples, ...], ...]


@dataclass(frozen=True)
class Behind:
    """What a phase left: of every run its outcome as a training of its own, and its errors on all
    phases.
    """

    outcomes: tuple[Outcome, ...]
    ends: tuple[PhaseEnd, ...]


@dataclass(frozen=True)
class PhasesState:
    """The engine's state of the phase that trains (of the last one, when all have ended), and what
    is behind it.
    """

    now: EngineState
    behind: tuple[Behind, ...] = ()
    main: ClassVar[None] = None

    @property
    def stage(self) -> int:
        """Phases behind."""
        return len(self.behind)

    @property
    def done(self) -> int:
        """Evaluations of this phase."""
        return self.now.done

    @property
    def lanes(self) -> tuple[Any, ...]:
        """Those that train now."""
        return self.now.lanes


# --------------------------------------------------------------------------------------------------
# the trainer
def prepare(runs: Sequence[RunSpec], device: str = "cpu") -> PhasesPack:
    """The pack of `runs`, which must be of one `computation`; draws their samples."""
    first = runs[0]
    assert first.recipe.phases
    engine = ENGINES[first.engine]
    drawn = [draw(run.task, run.seed) for run in runs]
    points = tuple(tuple(phases_of(splits.train, first.recipe.phases)) for splits in drawn)
    packs = []
    for phase in range(first.recipe.phases):
        of_phase, samples = [], []
        for run, of_run, splits in zip(runs, points, drawn, strict=True):
            task = at_a_time(run.recipe, run.task)
            part = parts(run.network, run.recipe)[phase]._asdict()
            of_phase.append(run.model_copy(update={"task": task, **part}))
            samples.append(replace(splits, train=of_run[phase]))
        packs.append(engine.prepare(of_phase, device, samples))
    return PhasesPack(tuple(runs), stages(first.network, first.recipe), tuple(packs), points)


def begin(pack: PhasesPack) -> PhasesState:
    """The state before the first evaluation."""
    return PhasesState(course.begin(pack.packs[0]))


def fits(pack: PhasesPack, state: Any) -> bool:
    """Whether a state that comes from a file can be one of this pack."""
    return (
        isinstance(state, PhasesState)
        and state.stage < len(pack.stages)
        and all(len(phase.outcomes) == len(phase.ends) == len(pack.runs) for phase in state.behind)
        and course.fits(pack.packs[state.stage], state.now)
    )


def advance(pack: PhasesPack, state: PhasesState, evaluations: int) -> PhasesState:
    """At most `evaluations` more in every lane; less at the end of a phase or when no lane moves
    any more.
    """
    phase = pack.packs[state.stage]
    now = course.advance(phase, state.now, evaluations)
    if not ended(phase, now):
        return replace(state, now=now)
    trained = course.trained(phase, now)
    behind = (*state.behind, Behind(tuple(course.finish(phase, now)), _ends(pack, trained)))
    if len(behind) < len(pack.stages):
        now = course.begin(pack.packs[len(behind)], trained)
    return PhasesState(now, behind)


def finish(pack: PhasesPack, state: PhasesState) -> list[Outcome]:
    """The outcome of every run of a pack whose phases are behind, in the order of the pack."""
    return [_outcome(run, state.behind, index) for index, run in enumerate(pack.runs)]


def trained(pack: PhasesPack, state: PhasesState) -> list[Trained]:
    """Where the last phase left every run."""
    return course.trained(pack.packs[-1], state.now)


# --------------------------------------------------------------------------------------------------
# phases
def _ends(pack: PhasesPack, trained: Sequence[Trained]) -> tuple[PhaseEnd, ...]:
    """What the network of each run knows: one after the other, so that company changes no bit of
    it.
    """
    even = np.linspace(-1.0, 1.0, CURVE_POINTS)[:, None]
    ends = []
    for run, points, network in zip(pack.runs, pack.points, trained, strict=True):
        errors = [_values(network, scaled(run.task, samples.x)) - samples.y for samples in points]
        rmse = tuple(float(np.sqrt(np.square(error).mean())) for error in errors)
        outputs = _values(network, even)[:, 0] if run.task.inputs == 1 else ()
        ends.append(PhaseEnd(rmse=rmse, outputs=tuple(round(float(value), 6) for value in outputs)))
    return tuple(ends)


@torch.no_grad()
def _values(trained: Trained, x_NI: Array) -> Array:
    """What a network makes of points of [-1, 1]^inputs, [N, 1]."""
    position_P = trained.position_P
    x_RNI = torch.from_numpy(x_NI[None]).to(position_P)
    y_RNO = families.forward(
        trained.network, position_P[None], [knots[None] for knots in trained.knots], x_RNI
    )
    return y_RNO[0].double().cpu().numpy()


def _outcome(run: RunSpec, behind: Sequence[Behind], index: int) -> Outcome:
    """One run's outcome, of those of its phases.

    A run that diverges in a phase has diverged, whatever it does in the phases that come.
    """
    outcomes, ends = (
        [phase.outcomes[index] for phase in behind],
        tuple(phase.ends[index] for phase in behind),
    )
    before = [0, *accumulate(of_phase.evaluations for of_phase in outcomes)]
    last, train_rmse = outcomes[-1].metrics, float(np.sqrt(np.square(ends[-1].rmse).mean()))
    by_stage: list[tuple[int, int]] = []
    curve: list[AnyCurvePoint] = []
    for spent, of_phase in zip(before, outcomes, strict=False):
        by_stage += of_phase.by_stage
        curve += later(of_phase.curve, spent)
    whole = outcome(
        run,
        {**last.values(), "train": train_rmse} if last else {"train": math.nan},
        tuple(by_stage),
        any(of_phase.status == "diverged" for of_phase in outcomes),
        sum(of_phase.refused_steps for of_phase in outcomes),
        tuple(curve),
    )
    if whole.status == "done":
        return replace(whole, phases=ends)
    first = next(phase for phase, of_phase in enumerate(outcomes) if of_phase.status == "diverged")
    return replace(whole, diverged_at=before[first + 1])
