"""Records: written once and whole, refused when damaged, and loaded only complete."""

import json

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.plan import make_plan
from harness.record import CurvePoint, Metrics, Provenance, Record, load, missing, publish, read_record, record_path
from harness.spec import parse_experiment, sealed

TEXT = """
question: which?
tasks: [xy]
arms:
  kan: {architecture: {family: kan, hidden: [2], grid: 3}, recipe: fast}
  mlp: {architecture: {family: mlp, hidden: [4]}, recipe: fast}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 10}
seeds: [0, 1, 2]
tune: {gain: [1, 2]}
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


def _record(planned, validation=0.1, test=0.2, status="done") -> Record:
    metrics = Metrics(train_rmse=0.1, validation_rmse=validation, test_rmse=test, test_root_median_square=0.1)
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


@pytest.fixture
def manifest():
    """Two arms, one size, three seeds, two trials."""
    return make_plan(parse_experiment(TEXT), "test")


def test_a_record_reads_back_as_it_was_written(manifest, tmp_path):
    """Publishing and reading is the identity, and leaves no temporary file."""
    record = _record(manifest.runs[0], validation=1e-9 / 3)

    assert publish(record, tmp_path)
    assert read_record(record_path(tmp_path, record.run_id)) == record
    assert [path.name for path in tmp_path.iterdir()] == [f"{record.run_id}.json"]


def test_the_first_publish_wins(manifest, tmp_path):
    """A second writer changes nothing and is told so."""
    first, second = (_record(manifest.runs[0], test=test) for test in (0.2, 0.3))
    publish(first, tmp_path)

    assert not publish(second, tmp_path)
    assert read_record(record_path(tmp_path, first.run_id)).metrics.test_rmse == 0.2


def _edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _reseal(path, change):
    _edit(path, change)
    data = json.loads(path.read_text())
    data.pop("checksum")
    path.write_text(json.dumps(sealed(data)))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_text(path.read_text()[:100]), "is damaged"),
        (lambda path: path.write_text(""), "is damaged"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is damaged"),
        (lambda path: path.write_text("[]"), "it has no checksum"),
        (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
        (lambda path: _edit(path, lambda data: data["metrics"].update(test_rmse=1e-9)), "not match its checksum"),
        (lambda path: _reseal(path, lambda data: data.pop("metrics")), "is damaged"),
        (lambda path: _reseal(path, lambda data: data.update(metrics=None)), "status done with metrics None"),
        (lambda path: _reseal(path, lambda data: data.update(record_schema=1)), "schema 1, this version reads 2"),
        (lambda path: _reseal(path, lambda data: data["run"].update(seed=7)), "does not match its config"),
        (lambda path: _reseal(path, lambda data: data.update(run_id="0" * 16)), "does not match its config"),
    ],
)
def test_a_damaged_record_is_named_and_left_alone(manifest, tmp_path, damage, said):
    """Cut short, emptied, of another schema, or with an edited config: exit code 3, and nothing is overwritten."""
    record = _record(manifest.runs[0])
    publish(record, tmp_path)
    path = record_path(tmp_path, record.run_id)
    damage(path)
    damaged = path.read_bytes() if path.is_file() else None

    with pytest.raises(HarnessError, match=said) as caught:
        read_record(path)

    assert caught.value.exit_code == 3
    assert "move it away and run again" in str(caught.value)
    assert not publish(record, tmp_path)
    assert damaged is None or path.read_bytes() == damaged


def test_a_table_with_missing_runs_is_refused(manifest, tmp_path):
    """The plan is the denominator: the missing runs are counted and named."""
    for planned in manifest.runs[1:]:
        publish(_record(planned), tmp_path)

    assert missing(manifest, tmp_path) == [manifest.runs[0].run_id]
    with pytest.raises(HarnessError, match=f"1 of 12 runs of test have no record .*{manifest.runs[0].run_id}"):
        load(manifest, tmp_path)


def test_validation_chooses_the_trial_and_test_does_not(manifest, tmp_path):
    """The trial with the lower median validation error wins for all seeds, whatever its test error."""
    for planned in manifest.runs:
        publish(_record(planned, validation=0.1 + planned.trial, test=0.9 - 0.5 * planned.trial), tmp_path)

    table = load(manifest, tmp_path)

    assert set(table.loc[table["chosen"], "trial"]) == {0}
    assert table["chosen"].sum() == 6


def test_a_diverged_run_stays_and_counts_as_infinitely_bad(manifest, tmp_path):
    """Two of three seeds diverged: their trial loses although the third seed is the best of all."""
    for planned in manifest.runs:
        lost = planned.trial == 0 and planned.run.seed > 0
        publish(_record(planned, validation=0.1 + planned.trial, status="diverged" if lost else "done"), tmp_path)

    table = load(manifest, tmp_path)

    assert set(table.loc[table["chosen"], "trial"]) == {1}
    assert (table["status"] == "diverged").sum() == 4
    assert np.isnan(table.loc[table["status"] == "diverged", "test_rmse"]).all()


def test_the_window_marks_rows_of_its_arm_only(manifest, tmp_path):
    """Points outside of an arm's window are kept and marked; other arms are not touched."""
    for planned in manifest.runs:
        publish(_record(planned), tmp_path)

    table = load(manifest, tmp_path)

    assert not table.loc[table["arm"] == "kan", "in_window"].any()
    assert table.loc[table["arm"] == "mlp", "in_window"].all()
