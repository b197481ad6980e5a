"""What a run came to, and at which moments its learning curve is sampled: the same for every
engine.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.count import count, run_flops
from harness.record import schema
from harness.spec.run import RunSpec

# Evaluations of a run's stage at which its learning curve is sampled: two to the octave.
LOG_SPACED = frozenset(round(2 ** (half_octave / 2)) for half_octave in range(60))


@dataclass(frozen=True)
class Outcome:
    """What a run came to; all counts are of the work really done. `by_stage`: evaluations and
    iterations of each.

    `refused_steps` are systems of Levenberg-Marquardt that had no solution, `pruned` is what a
    sparse run has left.
    """

    status: str
    metrics: schema.AnyMetrics | None
    evaluations: int
    iterations: int
    by_stage: tuple[tuple[int, int], ...]
    diverged_at: int | None
    refused_steps: int
    counts: dict[str, int]
    curve: schema.LearningCurve
    pruned: schema.Pruned | None = None
    phases: tuple[schema.PhaseEnd, ...] | None = None
    readings: tuple[schema.Reading, ...] = ()


def outcome(
    run: RunSpec,
    values: Mapping[str, float],
    by_stage: tuple[tuple[int, int], ...],
    diverged: bool,
    refused_steps: int,
    curve: schema.LearningCurve,
    readings: tuple[schema.Reading, ...] = (),
) -> Outcome:
    """`values` are its losses, named by their split, and what was observed.

    A lane can end on a point that no evaluation saw (Adam's last step): it has diverged if a loss
    is not finite.
    """
    metrics, _ = schema.kinds_of(run.task.metric)
    finite = {name: value for name, value in values.items() if math.isfinite(value)}
    diverged = diverged or not finite.keys() >= set(schema.Losses._fields)
    evaluations = sum(made for made, _ in by_stage)
    return Outcome(
        status="diverged" if diverged else "done",
        metrics=None if diverged else metrics.of(finite),
        evaluations=evaluations,
        iterations=sum(made for _, made in by_stage),
        by_stage=by_stage,
        diverged_at=evaluations if diverged else None,
        refused_steps=refused_steps,
        counts={**count(run.network), **run_flops(run.network, run.recipe, run.task, by_stage)},
        curve=curve,
        readings=readings,
    )


def later(curve: Iterable[Any], evaluations: int) -> Iterator[Any]:
    """The points of a learning curve that begins after so many evaluations."""
    return (
        point.model_copy(update={"evaluations": evaluations + point.evaluations}) for point in curve
    )


def learning_curve(
    metric: str, moments: Iterable[tuple[int, Mapping[str, float]]]
) -> schema.LearningCurve:
    """Points from evaluations and values of each moment: the losses of training and validation, and
    what was observed.

    Only those at which the lane had moved since the one before: a lane at rest has nothing new to
    show.
    """
    _, point = schema.kinds_of(metric)
    points: list[schema.AnyCurvePoint] = []
    for evaluations, values in moments:
        if not points or evaluations > points[-1].evaluations:
            finite = {
                name: value if math.isfinite(value) else None for name, value in values.items()
            }
            points.append(point.of(finite, evaluations=evaluations))
    return tuple(points)
