"""The record of a run: what was trained, what came out, and where. One run, one file, written
once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from harness.base.frozen import Frozen, left_out_at
from harness.families import KanShape
from harness.spec.run import RunSpec

# 1: first version. 2: evaluations and iterations by stage; counts under more conventions, with
# their weight table. Provenance has grown by fields with defaults, without which older records read
# as well: that made no new version.
RECORD_SCHEMA = 2

Status = Literal["done", "diverged"]
CURVE_POINTS = 201  # of a network of one variable after each phase
SPLITS = {
    "train": "train",
    "val": "validation",
    "test": "test",
}  # as tables of classifications name them


class Losses(NamedTuple):
    """A run's errors in the metric of its task (`RunTask.metric`)."""

    train: float
    validation: float
    test: float


class Measured(Frozen):
    """Errors of a run: by those in the metric of its task trials are chosen, and laws fitted.

    Fields are called by their split and the metric. `observed` are values that the task has of its
    own, by name.
    """

    suffix: ClassVar[str] = ""
    columns: ClassVar[
        Mapping[str, str]
    ] = {}  # of tables, beside the losses, and which field each of them has

    observed: dict[str, float] | None = left_out_at(None)

    @classmethod
    def of(cls, values: Mapping[str, float | None], **more: Any) -> Self:
        """From losses, named by their split, and what was observed; `more` are other fields."""
        named = {
            f"{name}{cls.suffix}" if name in Losses._fields else name: value
            for name, value in values.items()
        }
        observed = {
            name: value
            for name, value in named.items()
            if name not in cls.model_fields and value is not None
        }
        fields = {name: value for name, value in named.items() if name in cls.model_fields}
        return cls(**fields, observed=observed or None, **more)

    def values(self) -> dict[str, float]:
        """What it is made `of`."""
        fields = self.model_dump(exclude={"observed"})
        return {
            **{name.removesuffix(self.suffix): value for name, value in fields.items()},
            **(self.observed or {}),
        }

    @property
    def train_loss(self) -> Any:
        """In the metric of the task."""
        return getattr(self, f"train{self.suffix}")

    @property
    def validation_loss(self) -> Any:
        """In the metric of the task."""
        return getattr(self, f"validation{self.suffix}")

    @property
    def losses(self) -> Losses:
        """All three, which a point of a learning curve has not."""
        return Losses(self.train_loss, self.validation_loss, getattr(self, f"test{self.suffix}"))


class Metrics(Measured):
    """Errors at the end of a run, in units of the target. Validation chooses between trials; test
    is reported.

    `test_root_median_square` is the square root of the median squared error, which some published
    curves show instead. `test_largest_error` is the largest absolute error of the test points,
    which older records lack. `test_h1_error` is of PDEs: the root of the mean over the box of |u -
    y|^2 + |grad u - grad y|^2. The training and validation errors of those are roots of the loss.
    """

    suffix = "_rmse"

    train_rmse: float
    validation_rmse: float
    test_rmse: float
    test_root_median_square: float
    test_largest_error: float | None = left_out_at(None)
    test_h1_error: float | None = left_out_at(None)


class ClassMetrics(Measured):
    """Mean cross-entropies in nats at the end of a run that learns classes, and shares of points
    told right.
    """

    suffix = "_cross_entropy"
    columns: ClassVar = {
        f"{short}_accuracy": f"{split}_accuracy" for short, split in SPLITS.items()
    }

    train_cross_entropy: float
    validation_cross_entropy: float
    test_cross_entropy: float
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float


Metrics.columns = {name: name for name in Metrics.model_fields if name != "observed"}


class OwnMetrics(Measured):
    """Means at the end of a run whose task has a loss of its own, which is the metric of `run`."""

    train: float
    validation: float
    test: float


class CurvePoint(Measured):
    """Errors after `evaluations` forward+backward passes of the run, restarts included."""

    suffix = "_rmse"

    evaluations: int
    train_rmse: float | None
    validation_rmse: float | None


class ClassCurvePoint(Measured):
    """The same of a run that learns classes: mean cross-entropies in nats."""

    suffix = "_cross_entropy"

    evaluations: int
    train_cross_entropy: float | None
    validation_cross_entropy: float | None


class OwnCurvePoint(Measured):
    """The same of a run whose task has a loss of its own."""

    evaluations: int
    train: float | None
    validation: float | None


AnyMetrics = Metrics | ClassMetrics | OwnMetrics
AnyCurvePoint = CurvePoint | ClassCurvePoint | OwnCurvePoint
LearningCurve = tuple[Annotated[AnyCurvePoint, Field(union_mode="left_to_right")], ...]


def kinds_of(metric: str) -> tuple[type[AnyMetrics], type[AnyCurvePoint]]:
    """What has the errors of a run of a task with this metric: at its end, and at a moment of its
    learning curve.
    """
    kinds: dict[str, tuple[type[AnyMetrics], type[AnyCurvePoint]]]
    kinds = {"rmse": (Metrics, CurvePoint), "cross_entropy": (ClassMetrics, ClassCurvePoint)}
    return kinds.get(metric, (OwnMetrics, OwnCurvePoint))


class PhaseEnd(Frozen):
    """A network right after a phase: the training RMSE on the points of every phase, those to come
    too.

    `outputs` are its values at `CURVE_POINTS` points, evenly from the task's low to its high, to
    six digits behind the point; none where there is more than one variable.
    """

    rmse: tuple[float, ...]
    outputs: tuple[float, ...]


class Reading(NamedTuple):
    """What a run came to after `evaluations` and `iterations`, and so what one with this cap would
    have come to.

    Errors are in the metric of its task, None if it had diverged. `at_rest`: it had converged, and
    does no more.
    """

    evaluations: int
    iterations: int
    validation: float | None
    test: float | None
    at_rest: bool


class Provenance(Frozen):
    """Where and with what a run was trained; never part of its identity.

    `pack_seconds` is the wall clock of the whole pack of `pack_lanes` lanes that shared `threads`
    threads, and `pack_cpu_seconds` what its process computed in that time: provenance, not axes to
    compare arms on. They and `started_at` are of all attempts, `resumed` being how often training
    went on from a checkpoint; all else is of the last one, `attempt`. `snapshot` is the hash of the
    code if it ran from a snapshot, `source_hash` that of the source that decides a run's bits;
    older records lack it. `reading_cpu_seconds` has what training had computed at each reading, by
    the reading's own path, if its pack had one run.
    """

    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    host: str
    device: str
    instruction_set: str
    threads: int
    started_at: str
    pack_seconds: float
    pack_cpu_seconds: float
    pack_lanes: int
    snapshot: str | None = None
    attempt: str | None = None
    resumed: int = 0
    source_hash: str | None = left_out_at(None)
    reading_cpu_seconds: tuple[float, ...] = left_out_at(())


class Snapped(Frozen):
    """The formula that a KAN was read into, the least R² of its edges, and its own error, None
    where it has none.
    """

    text: str
    least_r2: float | None
    test_rmse: float | None


class Pruned(Frozen):
    """What pruning left of a KAN that was trained sparse (see `harness.spec.recipe.Sparsity`), and
    what it was before.

    `network` at the run's own grid, seeing those `inputs` of the task's. `scores` has the norm of
    every edge before, [layer][output][input], `active_edges` counts those above the threshold, and
    `test_rmse` is the error until then.
    """

    network: KanShape
    inputs: tuple[int, ...]
    scores: tuple[tuple[tuple[float, ...], ...], ...]
    active_edges: int
    test_rmse: float
    formula: Snapped | None = left_out_at(None)


class Record(Frozen):
    """The outcome of a run. A diverged run has a record too: status `diverged`, no metrics, and
    when it happened.

    `by_stage` has the evaluations and iterations of each stage, all starts together;
    `refused_steps` counts systems of Levenberg-Marquardt without a solution; `weights` names the
    table that says what transcendental functions cost in `counts`. Of a run in phases `train_rmse`
    is that on all training points in the end, while its curve shows the error on those of the
    phase. `readings` has one for each of the run's own `readings`, but for those among its
    restarts.
    """

    record_schema: int = RECORD_SCHEMA
    run_id: str
    run: RunSpec
    status: Status
    metrics: AnyMetrics | None = Field(union_mode="left_to_right")
    evaluations: int
    iterations: int
    by_stage: tuple[tuple[int, int], ...]
    diverged_at: int | None
    refused_steps: int = 0
    counts: dict[str, int]
    weights: str
    curve: LearningCurve
    phases: tuple[PhaseEnd, ...] | None = left_out_at(None)
    provenance: Provenance
    pruned: Pruned | None = left_out_at(None)
    readings: tuple[Reading, ...] = left_out_at(())

    @property
    def last_half(self) -> LearningCurve:
        """The points of its learning curve in the last half of what followed the restarts."""
        half = (self.run.recipe.restarts.spent + self.evaluations) / 2
        return tuple(point for point in self.curve if point.evaluations >= half)

    def brief(self) -> Record:
        """The record with the ends of the last half of its learning curve alone, from which all
        tables are made.
        """
        first, *rest = self.last_half or (None,)
        return self.model_copy(
            update={"curve": tuple(point for point in (first, *rest[-1:]) if point)}
        )

    @model_validator(mode="after")
    def _metrics_if_done(self) -> Record:
        if (self.status == "done") != (self.metrics is not None):
            raise ValueError(f"status {self.status} with metrics {self.metrics}")
        return self
