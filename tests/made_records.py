"""Records that nobody trained, of a small plan; and the table of a plan's records."""

from harness.planning.plan import make_plan
from harness.record.schema import CurvePoint, Metrics, Provenance, Record
from harness.record.store import read_planned
from harness.record.table import runs_table
from harness.spec.manifest import Manifest
from harness.spec.read import parse_experiment

TEXT = """
question: which?
tasks: [xy]
arms:
  kan: {architecture: {family: kan, hidden: [2], grid: 3}, recipe: fast}
  mlp: {architecture: {family: mlp, hidden: [4]}, recipe: fast}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 10}
seeds: [0, 1, 2, 3, 4, 5]
window: {kan: {axis: params.trainable, max: 10}}
"""
WHERE = Provenance(
    commit=None,
    dirty=None,
    versions={},
    host="h",
    device="d",
    instruction_set="i",
    threads=1,
    started_at="t",
    pack_seconds=1,
    pack_cpu_seconds=1,
    pack_lanes=2,
)


def small_plan() -> Manifest:
    return make_plan(parse_experiment(TEXT), "test")


def made_record(planned, validation=0.1, test=0.2, status="done") -> Record:
    metrics = Metrics(
        train_rmse=0.1, validation_rmse=validation, test_rmse=test, test_root_median_square=0.1
    )
    return Record(
        run_id=planned.run_id,
        run=planned.run,
        status=status,
        metrics=metrics if status == "done" else None,
        evaluations=10,
        iterations=10,
        by_stage=((10, 10),),
        diverged_at=None if status == "done" else 4,
        counts={"params.trainable": 30},
        weights="kanbefair",
        curve=(CurvePoint(evaluations=1, train_rmse=1.0, validation_rmse=None),),
        provenance=WHERE,
    )


def made_of_plan(plan: Manifest) -> list[Record]:
    return [
        made_record(run).model_copy(update={"counts": plan.cells[run.cell].counts})
        for run in plan.runs
    ]


def made_at(record: Record, **where) -> Record:
    return record.model_copy(update={"provenance": record.provenance.model_copy(update=where)})


def recorded_table(plan: Manifest, folder):
    return runs_table(plan, read_planned(plan, folder))
