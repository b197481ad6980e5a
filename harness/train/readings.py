"""Readings: a run that trains to its largest budget says on its way what it would have been with
each smaller one.

A reading is of the network that a run with this cap would have ended with, bit for bit. It changes
nothing of the run. Where a schedule ends with the cap, that run is trained to its end beside the
main one, from where they part: with `wsd` at five sixths of it, with `cosine` at its beginning.

Legend: S runs, R lanes, M readings.
"""

import math
from dataclasses import replace
from typing import Any

import torch

from harness.record.schema import Reading
from harness.spec.recipe import parts_at
from harness.train.lanes import EngineState, kept_after
from harness.train.pack import Pack

NUMBERS = len(Reading._fields)


def moments(pack: Pack, stage: int) -> list[int]:
    """After how many evaluations of a stage its runs are read.

    Never while a run has several starts: one of them goes on, and a smaller cap would end before
    that is chosen.
    """
    if pack.stages[stage].starts > 1:
        return []
    before = sum(earlier.starts * earlier.evaluations for earlier in pack.stages[:stage])
    in_stage = (moment - before for moment in pack.runs[0].readings)
    return [moment for moment in in_stage if 0 < moment <= pack.stages[stage].evaluations]


def stops(pack: Pack, state: EngineState) -> list[int]:
    """Where in the stage that trains something is read, or begins to be trained beside it."""
    in_stage = moments(pack, state.stage)
    return in_stage if state.main else [_parts_at(pack, state.stage, moment) for moment in in_stage]


def end(pack: Pack, state: EngineState) -> int:
    """The evaluations of the stage that trains, or of the run beside the main one."""
    return pack.stages[state.stage].evaluations if state.main is None else _next(pack, state)


def parted(pack: Pack, state: EngineState) -> EngineState | None:
    """The run that ends at the next moment, where it parts from this one; None elsewhere."""
    if state.main or (moment := _next(pack, state)) is None:
        return None
    parts = _parts_at(pack, state.stage, moment)
    if parts == moment or parts != state.done:
        return None
    return replace(state, optimiser=pack.ending(state.optimiser, moment), main=state)


def joined(pack: Pack, state: EngineState) -> EngineState:
    """The main run, with the reading of the one beside it, which has come to its end."""
    assert state.main
    return replace(state.main, readings=_read_once(pack, state, _is_first(pack, state)).readings)


def fit(pack: Pack, state: EngineState) -> bool:
    """Whether a state has as many readings as it should have by now."""
    made = state.readings.shape[1] - _behind(pack, state)
    in_stage = moments(pack, state.stage) if state.stage < len(pack.stages) else []
    passed = [_parts_at(pack, state.stage, moment) for moment in in_stage]
    here = sum(parts == state.done < moment for parts, moment in zip(passed, in_stage, strict=True))
    most = sum(parts <= state.done for parts in passed)
    return most - here <= made <= most


def read(pack: Pack, state: EngineState, until: int) -> EngineState:
    """The state with every reading of its stage that is due after so many evaluations and was not
    made before.

    Those for which another run is trained are due where all lanes rest: there it would rest too.
    """
    if state.main:
        return state
    rests = until > state.done
    while (moment := _next(pack, state)) is not None and moment <= until:
        if not rests and _parts_at(pack, state.stage, moment) < moment:
            break
        state = _read_once(pack, state, _is_first(pack, state))
    return state


def _parts_at(pack: Pack, stage: int, moment: int) -> int:
    return parts_at(pack.recipe, pack.stages[stage], moment)


def _behind(pack: Pack, state: EngineState) -> int:
    """The readings of the stages that are behind."""
    return sum(len(moments(pack, stage)) for stage in range(state.stage))


def _next(pack: Pack, state: EngineState) -> Any:
    """The next moment of the stage at which a state is read, None if there is none."""
    in_stage = moments(pack, state.stage)
    index = state.readings.shape[1] - _behind(pack, state)
    return in_stage[index] if index < len(in_stage) else None


def _is_first(pack: Pack, state: EngineState) -> bool:
    return state.readings.shape[1] == _behind(pack, state)


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

    With early stopping it looks once more at the learning curve's points, as a run does at its end;
    the state keeps nothing of that. A run that has diverged has no errors, and one at rest those of
    the reading before in its stage.
    """
    optimiser, kept = state.optimiser, state.kept
    if pack.recipe.early_stopping:
        kept = kept_after(state, pack.errors(state, pack.of_lanes(pack.curve, state.lanes)))
    position_RP, all_knots = (
        (kept.position_RP, kept.knots) if kept else (optimiser.position_RP, state.knots)
    )
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
    return replace(
        state, readings=torch.cat([state.readings, state.readings.new_tensor(rows)[:, None]], 1)
    )
