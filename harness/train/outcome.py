"""What a run came to, and at which moments its learning curve is sampled: the same for every engine."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.count import count, run_flops
from harness.record import schema
from harness.spec import RunSpec
from harness.spec.task import Metric

# Evaluations of a run's stage at which its learning curve is sampled: two to the octave.
LOG_SPACED = frozenset(round(2 ** (half_octave / 2)) for half_octave in range(60))


@dataclass(frozen=True)
class Outcome:
    """What a run came to; all counts are of the work really done. `by_stage`: evaluations and iterations of each.

    `refused_steps` are systems of Levenberg-Marquardt that had no solution, `pruned` is what a sparse run has left.
    """

    status: str
    metrics: schema.Metrics | schema.ClassMetrics | None
    evaluations: int
    iterations: int
    by_stage: tuple[tuple[int, int], ...]
    diverged_at: int | None
    refused_steps: int
    counts: dict[str, int]
    curve: schema.LearningCurve
    pruned: schema.Pruned | None = None
    phases: tuple[schema.PhaseEnd, ...] | None = None


def outcome(
    run: RunSpec,
    errors: Sequence[float],
    by_stage: tuple[tuple[int, int], ...],
    diverged: bool,
    refused_steps: int,
    curve: schema.LearningCurve,
) -> Outcome:
    """`errors` are the fields of the metrics of its task in their order; the last of `Metrics` is of PDEs only.

    A lane can end on a point that no evaluation saw (Adam's last step): it has diverged if they are not finite.
    """
    metrics = schema.METRICS[run.task.metric]
    diverged = diverged or not all(math.isfinite(error) for error in errors)
    evaluations = sum(made for made, _ in by_stage)
    return Outcome(
        status="diverged" if diverged else "done",
        metrics=None if diverged else metrics(**dict(zip(metrics.model_fields, errors, strict=False))),
        evaluations=evaluations,
        iterations=sum(made for _, made in by_stage),
        by_stage=by_stage,
        diverged_at=evaluations if diverged else None,
        refused_steps=refused_steps,
        counts={**count(run.network), **run_flops(run.network, run.recipe, run.task, by_stage)},
        curve=curve,
    )


def later(curve: Iterable[Any], evaluations: int) -> Iterator[Any]:
    """The points of a learning curve that begins after so many evaluations."""
    return (point.model_copy(update={"evaluations": evaluations + point.evaluations}) for point in curve)


def learning_curve(metric: Metric, moments: Iterable[tuple[int, float, float]]) -> schema.LearningCurve:
    """Points from (evaluations, training error, validation error) of each moment, in the metric of the task.

    Only those at which the lane had moved since the one before: a lane at rest has nothing new to show.
    """
    points: list[schema.CurvePoint | schema.ClassCurvePoint] = []
    point = schema.CURVE_POINT[metric]
    for at, *errors in moments:
        train, validation = (error if math.isfinite(error) else None for error in errors)
        if not points or at > points[-1].evaluations:
            points.append(point(**dict(zip(point.model_fields, (at, train, validation), strict=True))))
    return tuple(points)
