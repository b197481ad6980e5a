"""What a plan will take, and what its runs took, from what `harness bench` measured.

    predict(calibration, runs)                                                   # seconds and memory of a pack
    run_seconds(calibration, run, [evaluations for evaluations, _ in record.by_stage])      # what one run costs alone

The calibration is of the engine and dtype of these runs: `calibrations[kind_of(run)]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.count import run_work
from harness.measure.calibration import Calibration, SoloRow, cost
from harness.measure.features import (
    Features,
    curve_memory,
    evaluation_features,
    evaluation_memory,
    forward_features,
    knot_features,
    knot_memory,
    lanes_of,
    moments,
    pack_features,
    shape_of,
)
from harness.spec import LevenbergMarquardt, RunSpec, SplinedShape, Stage, points_at_a_time, stages

# What `harness.train` advances a pack by.
CHUNK_SECONDS = 0.2


class Predicted(NamedTuple):
    """CPU seconds of a pack, and the most memory that its worker process will hold, libraries included."""

    seconds: float
    peak_bytes: int | None


def predict(calibration: Calibration, runs: Sequence[RunSpec]) -> Predicted:
    """Of a pack: `runs` that share all but seed, gain and learning rate (see `harness.planning.plan`).

    Assumes that every lane spends its whole cap: one that converges or diverges early makes a pack cheaper, in the
    torch engine only once all of its lanes have.
    """
    engine, run = calibration.engine, runs[0]
    planned = stages(run.network, run.recipe)
    seen = sum(len(runs) * stage.starts * moments(stage.evaluations) for stage in planned)
    seconds = cost(calibration.pack_seconds, pack_features(engine, len(runs), seen))
    seconds += lanes_of(engine, len(runs)) * _knot_seconds(calibration, run)
    peaks = []
    for stage in planned:
        lanes = lanes_of(engine, len(runs) * stage.starts)
        seconds += _stage_seconds(calibration, run, stage, lanes)
        peaks += [_bytes(calibration.evaluation_bytes, held) for held in _stage_memory(calibration, run, stage, lanes)]
    if isinstance(run.network, SplinedShape) and run.recipe.grid_updates:
        peaks.append(_bytes(calibration.knot_bytes, knot_memory(run.network, run.task.train_points)))
    known = [peak for peak in peaks if peak is not None]
    return Predicted(seconds, max(known) if len(known) == len(peaks) else None)


def _stage_seconds(calibration: Calibration, run: RunSpec, stage: Stage, lanes: int) -> float:
    """Of evaluations and of the learning curve: forward passes over training and validation points."""
    engine, shape = calibration.engine, shape_of(run, stage.network)
    evaluation = cost(calibration.evaluation_seconds, evaluation_features(engine, shape, lanes))
    evaluations: float = stage.evaluations
    if engine == "fused" and isinstance(run.recipe.optimizer, LevenbergMarquardt):
        # Wherever training pauses, the system at hand is made once more.
        pauses = moments(stage.evaluations) + stage.evaluations * evaluation / CHUNK_SECONDS
        evaluations += min(stage.evaluations, pauses)
    passes = sum(
        cost(calibration.evaluation_seconds, forward_features(engine, shape, points, lanes))
        for points in (points_at_a_time(run.recipe, run.task.train_points), run.task.validation_points)
    )
    return evaluations * evaluation + moments(stage.evaluations) * passes


def _stage_memory(calibration: Calibration, run: RunSpec, stage: Stage, lanes: int) -> list[Features]:
    """Of an evaluation, and of the learning curve on the largest of a run's samples."""
    shape, task = shape_of(run, stage.network), run.task
    points = max(task.train_points, task.validation_points, task.test_points)
    engine = calibration.engine
    return [evaluation_memory(engine, shape, lanes), curve_memory(engine, shape, points, lanes)]


def run_seconds(calibration: Calibration, run: RunSpec, stage_evaluations: Sequence[int]) -> float | None:
    """CPU seconds of a run alone on the calibrated machine, None if one of its stages was not measured solo.

    `stage_evaluations` are those that each stage really made, all starts together. To evaluations at their solo time,
    optimiser included, comes the least squares of its knots as the calibration predicts it; the learning curve and
    drawing samples are not training, and are left out.
    """
    rows = _solo_rows(calibration, run)
    if rows is None:
        return None
    evaluations = sum(made * row.seconds_per_evaluation for made, row in zip(stage_evaluations, rows, strict=True))
    return evaluations + _knot_seconds(calibration, run, stage_evaluations)


def run_bytes(calibration: Calibration, run: RunSpec, stage_evaluations: Sequence[int]) -> int | None:
    """Bytes that the evaluations of a run move, None if those of one of its stages are not known."""
    rows = _solo_rows(calibration, run) or []
    known = [row.bytes_per_evaluation for row in rows if row.bytes_per_evaluation is not None]
    if len(known) < len(stage_evaluations):
        return None
    return sum(made * each for made, each in zip(stage_evaluations, known, strict=True))


def _solo_rows(calibration: Calibration, run: RunSpec) -> list[SoloRow] | None:
    """The solo rows of a run's stages, or None if one is missing."""
    solo = {row.shape: row for row in calibration.solo}
    rows = [solo.get(shape_of(run, stage.network)) for stage in stages(run.network, run.recipe)]
    known = [row for row in rows if row is not None]
    return known if len(known) == len(rows) else None


def _knot_seconds(calibration: Calibration, run: RunSpec, stage_evaluations: Sequence[int] | None = None) -> float:
    """One lane's updates of knots and refinements, as many as `stage_evaluations` or else the whole cap bring."""
    spent = None if stage_evaluations is None else [(made, 0) for made in stage_evaluations]
    seconds = 0.0
    for work in run_work(run.network, run.recipe, run.task, spent):
        if isinstance(work.network, SplinedShape):
            moved = knot_features(work.network, 1, work.fit_samples)
            refined = knot_features(work.network, 1, work.network.grid + work.network.order)
            seconds += work.knot_updates * cost(calibration.knot_seconds, moved)
            seconds += work.refined * cost(calibration.knot_seconds, refined)
    return seconds


def _bytes(factors: dict[str, float] | None, features: Features) -> int | None:
    return None if factors is None else round(cost(factors, features))
