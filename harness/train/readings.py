"""Readings: a run that trains to its largest budget says on its way what it would have been with each smaller one.

A reading is of the network that a run with this cap would have ended with, bit for bit. It changes nothing of the run.

Legend: S runs, R lanes, M readings.
"""

import math
from dataclasses import replace

import torch

from harness.record.schema import Reading
from harness.train.lanes import EngineState, kept_after
from harness.train.pack import Pack

NUMBERS = len(Reading._fields)


def moments(pack: Pack, stage: int) -> list[int]:
    """After how many evaluations of a stage its runs are read.

    Never while a run has several starts: one of them goes on, and a smaller cap would end before that is chosen.
    """
    if pack.stages[stage].starts > 1:
        return []
    before = sum(earlier.starts * earlier.evaluations for earlier in pack.stages[:stage])
    in_stage = (moment - before for moment in pack.runs[0].readings)
    return [moment for moment in in_stage if 0 < moment <= pack.stages[stage].evaluations]


def due(pack: Pack, state: EngineState) -> int:
    """How many readings a state has that is sound."""
    behind = sum(len(moments(pack, stage)) for stage in range(state.stage))
    in_stage = moments(pack, state.stage) if state.stage < len(pack.stages) else []
    return behind + sum(moment <= state.done for moment in in_stage)


def read(pack: Pack, state: EngineState, until: int) -> EngineState:
    """The state with every reading of its stage that is due after so many evaluations and was not made before."""
    first = sum(len(moments(pack, stage)) for stage in range(state.stage))
    last = first + sum(moment <= until for moment in moments(pack, state.stage))
    for reading in range(state.readings.shape[1], last):
        state = _read_once(pack, state, is_first=reading == first)
    return state


def of_run(state: EngineState, index: int) -> tuple[Reading, ...]:
    """The readings of the run at `index`, as its record has them."""
    readings = []
    for evaluations, iterations, *errors, at_rest in state.readings[index].tolist():
        validation, test = (error if math.isfinite(error) else None for error in errors)
        if validation is None or test is None:
            validation = test = None
        readings.append(Reading(int(evaluations), int(iterations), validation, test, bool(at_rest)))
    return tuple(readings)


def _read_once(pack: Pack, state: EngineState, is_first: bool) -> EngineState:
    """One reading more of every run.

    With early stopping it looks once more at the learning curve's points, as a run does at its end; the state keeps
    nothing of that. A run that has diverged has no errors, and one at rest those of the reading before in its stage.
    """
    optimiser, kept = state.optimiser, state.kept
    if pack.recipe.early_stopping:
        kept = kept_after(state, pack.errors(state, pack.of_lanes(pack.curve, state.lanes)))
    position_RP, all_knots = (kept.position_RP, kept.knots) if kept else (optimiser.position_RP, state.knots)
    made = (state.behind + pack.counters(optimiser))[:2, : len(pack.runs)]
    evaluations, iterations = (made + sum(spent[:2] for spent in state.spent)).tolist()
    finished, diverged = optimiser.finished_R.tolist(), optimiser.diverged_R.tolist()
    rows = []
    for run in range(len(pack.runs)):
        errors = [math.nan, math.nan]
        if not is_first and state.readings[run, -1, -1]:
            errors = state.readings[run, -1, 2:4].tolist()
        elif not diverged[run]:
            knots = [of_layer[run : run + 1] for of_layer in all_knots]
            position_1P = position_RP[run : run + 1]
            errors = [
                pack.seen(run, state.network, position_1P, knots, "validation").loss,
                pack.seen(run, state.network, position_1P, knots, "test").loss,
            ]
        rows.append([evaluations[run], iterations[run], *errors, finished[run]])
    return replace(state, readings=torch.cat([state.readings, state.readings.new_tensor(rows)[:, None]], 1))
