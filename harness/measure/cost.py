"""What a sweep will cost on this machine, and the seconds that runs count for.

Each run's seconds are those of its own engine and dtype: `calibrations` holds what is calibrated of
them.

A pack takes the evaluations of its stages at the solo time of their shape. Its further lanes cost
in the fused engine, which trains one after the other, as much again; in the torch engine, whose
operations take all lanes at once, their FLOPs at the engine's rate, if that is less. Torch packs
that leave the processor's caches take longer than that. Without a solo time the rate stands for it,
which is coarse. results/LOG.md has how far off all this is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.count import Work, count, run_work, training_flops
from harness.measure.calibration import (
    Calibration,
    Calibrations,
    kind_of,
    knot_moves,
    missing,
    move_flops,
    shape_of,
)
from harness.optimisers import Optimiser
from harness.optimisers.lanes import SMALLEST_ENSEMBLE
from harness.planning.plan import computation, planned_flops
from harness.spec.recipe import at_a_time, parts, stages
from harness.spec.run import Device, RunSpec
from harness.tasks import curve_points

if TYPE_CHECKING:
    import pandas as pd

# Where nothing was measured: FLOPs a second (local_min) of a core and of a GPU, the seconds that an
# evaluation of a pack takes however small its networks are, and a pack's seconds for samples and
# records. Assumptions, to plan with: on a core of 2023 the fused engine makes 5e9 to 5e10; torch
# makes 1e10 to 2e10 once networks are large, and takes 1 ms for an evaluation of small ones, 5 ms
# where the loss has second derivatives. No GPU was measured: it has a core's.
ASSUMED_FLOPS_PER_SECOND = {("fused", "cpu"): 5e9, ("torch", "cpu"): 1e10, ("torch", "cuda"): 1e10}
ASSUMED_SECONDS_PER_EVALUATION = {"fused": 0.0, "torch": 3e-3}
ASSUMED_SECONDS_PER_PACK = 0.05


# --------------------------------------------------------------------------------------------------
# what packs take
def likely_seconds(
    packs: Sequence[Sequence[RunSpec]], calibrations: Calibrations, device: Device
) -> list[float]:
    """CPU seconds of each pack, whose runs share one `computation`; by an assumed rate where
    nothing was measured.

    Assumes that every lane spends its whole cap: one that converges or diverges early makes a pack
    cheaper, in the torch engine only once all of its lanes have. Packs of the same computation and
    size are worked out once.
    """
    by_computation: dict[tuple[str, int], float] = {}
    seconds = []
    for runs in packs:
        key, machine = (computation(runs[0]), len(runs)), calibrations.get(kind_of(runs[0]))
        if key not in by_computation:
            by_computation[key] = (
                _pack_seconds(machine, runs) if machine else _assumed_seconds(runs, device)
            )
        seconds.append(by_computation[key])
    return seconds


def _assumed_seconds(runs: Sequence[RunSpec], device: Device) -> float:
    run = runs[0]
    flops = len(runs) * planned_flops(run)["flops_train.local_min"]
    evaluations = sum(stage.evaluations for stage in stages(run.network, run.recipe))
    arithmetic = flops / ASSUMED_FLOPS_PER_SECOND[run.engine, device]
    return (
        arithmetic
        + evaluations * ASSUMED_SECONDS_PER_EVALUATION[run.engine]
        + ASSUMED_SECONDS_PER_PACK
    )


def _pack_seconds(machine: Calibration, runs: Sequence[RunSpec]) -> float:
    run, task = runs[0], runs[0].task
    trainings = len(parts(run.network, run.recipe))  # of which each begins and ends as a run does
    seconds = trainings * len(runs) * machine.seconds_per_run
    train = at_a_time(run.recipe, task).train_points
    curve_train = curve_points(task, train) if run.recipe.optimizer.batch else train
    on_curve = curve_train, curve_points(task, task.validation_points)  # by the learning curve
    measured = task.train_points, task.validation_points, task.test_points  # at a run's end
    works = run_work(run.network, run.recipe, task)
    for stage, work in zip(stages(run.network, run.recipe), works, strict=True):
        lanes = len(runs) * stage.starts
        beside = run.evaluations_beside if work is works[-1] else 0
        seconds += (stage.evaluations + beside) * _evaluation_seconds(machine, run, work, lanes)
        passes = sum(_forward_seconds(machine, run, work, lanes * points) for points in on_curve)
        seconds += moments(stage.evaluations) * passes
        seconds += len(runs) * _knot_seconds(machine, work)
    of_splits = [
        _forward_seconds(machine, run, works[-1], len(runs) * points) for points in measured
    ]
    of_reading = sum(of_splits[1:])  # validation and test
    return seconds + trainings * sum(of_splits) + len(run.readings) * of_reading


def planned_seconds(machine: Calibration, run: RunSpec) -> float:
    """CPU seconds of a run that spends its whole cap alone, by the rate where a shape was not
    timed.
    """
    seconds = 0.0
    for work in run_work(run.network, run.recipe, run.task):
        seconds += work.evaluations * _evaluation_seconds(machine, run, work, 1) + _knot_seconds(
            machine, work
        )
    return seconds


def moments(evaluations: int) -> float:
    """Of the learning curve in a stage: two to the octave and its end."""
    return 2 * math.log2(evaluations) + 1


def _evaluation_seconds(machine: Calibration, run: RunSpec, work: Work, lanes: float) -> float:
    """Of an evaluation in so many lanes; one of twice the points is taken for two lanes."""
    rate, alone = machine.evaluation_rate, machine.solo_seconds.get(shape_of(run, work.network))
    arithmetic = flops_per_evaluation(run.recipe.optimizer, work) / rate.flops_per_second
    alone = rate.seconds + arithmetic if alone is None else alone
    if run.engine == "fused":
        return lanes * alone
    return alone + (max(lanes, SMALLEST_ENSEMBLE) - 1) * min(arithmetic, alone)


def _forward_seconds(machine: Calibration, run: RunSpec, work: Work, points: float) -> float:
    """Of forward passes of so many points, by their share of an evaluation's FLOPs."""
    forward = count(work.network)["flops_forward.local_min"] * work.samples
    share = forward / flops_per_evaluation(run.recipe.optimizer, work)
    return share * _evaluation_seconds(machine, run, work, points / work.samples)


def flops_per_evaluation(optimizer: Optimiser, work: Work) -> float:
    """Of one lane (`local_min`), the optimiser's arithmetic included, and that of knots not."""
    flops = training_flops([work], optimizer)
    return (flops["flops_train.local_min"] - flops["flops_train.part_knots"]) / work.evaluations


def _knot_seconds(machine: Calibration, work: Work) -> float:
    """The least squares of a stage, those that were not timed by the rate of those that were."""
    seconds, rate = 0.0, machine.knot_rate
    for move, times in knot_moves(work).items():
        by_rate = rate.seconds + move_flops(move) / rate.flops_per_second
        seconds += times * machine.knot_seconds.get(move, by_rate)
    return seconds


def never_timed(runs: Iterable[RunSpec], calibrations: Calibrations) -> tuple[int, int]:
    """How many of the shapes of `runs` were never timed alone, and how many there are."""
    shapes = set()
    for run in runs:
        shapes |= {
            (kind_of(run), shape_of(run, stage.network))
            for stage in stages(run.network, run.recipe)
        }
    timed = {kind: machine.solo_seconds for kind, machine in calibrations.items()}
    untimed = [shape for kind, shape in shapes if shape not in timed.get(kind, ())]
    return len(untimed), len(shapes)


# --------------------------------------------------------------------------------------------------
# the axis seconds
def with_seconds(
    table: pd.DataFrame, specs: Mapping[str, RunSpec], calibrations: Calibrations
) -> pd.DataFrame:
    """The table with the axis `seconds`, if all that its runs do was timed alone on the calibrated
    machine.

    Evaluations of each stage times the median solo seconds of one, and the least squares of knots:
    never the wall clock of a pack, which depends on what else was in it. `seconds_on` names the
    machine.
    """
    runs = [specs[identity] for identity in table["run_id"]]
    if missing(calibrations, runs):
        return table
    seconds = []
    for run, made in zip(runs, map(json.loads, table["evaluations_by_stage"]), strict=True):
        seconds.append(run_seconds(calibrations[kind_of(run)], run, made))
    if None in seconds:
        return table
    kinds = {kind_of(run) for run in runs}
    names = dict.fromkeys(calibrations[kind].machine_words for kind in sorted(kinds))
    return table.assign(seconds=np.array(seconds, float), seconds_on="; ".join(names))


def run_seconds(
    machine: Calibration, run: RunSpec, stage_evaluations: Sequence[int]
) -> float | None:
    """CPU seconds of a run alone on the calibrated machine, None if one of its stages or moves was
    not timed alone.

    `stage_evaluations` are those that each stage really made, all starts together, the optimiser
    included. The learning curve and drawing samples are not training, and are left out.
    """
    if (
        run.recipe.sparsity
    ):  # evaluations with the penalty are never timed, nor is the network that pruning leaves
        return None
    seconds = 0.0
    for work in run_work(
        run.network, run.recipe, run.task, [(made, 0) for made in stage_evaluations]
    ):
        shape, moves = shape_of(run, work.network), knot_moves(work)
        if shape not in machine.solo_seconds or not moves.keys() <= machine.knot_seconds.keys():
            return None
        seconds += work.evaluations * machine.solo_seconds[shape]
        seconds += sum(times * machine.knot_seconds[move] for move, times in moves.items())
    return seconds
