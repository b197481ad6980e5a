"""Records: written once and whole, refused when damaged, and loaded only complete."""

import errno
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor

import made_searched
import numpy as np
import pytest
from commands import refused
from made_records import WHERE, made_at, made_record, recorded_table, small_plan

from harness.base.errors import HarnessError
from harness.base.files import unfinished
from harness.count import count
from harness.record import store
from harness.record.schema import CurvePoint
from harness.record.store import (
    duplicates,
    fingerprint,
    missing,
    publish,
    read_present,
    read_record,
    record_path,
    recorded,
    set_aside,
    verdict,
)
from harness.record.table import runs_table
from harness.spec.run import sealed


@pytest.fixture
def manifest():
    return small_plan()


def test_what_is_present_loads_as_the_same_rows(manifest, tmp_path):
    assert "none of the 12 runs of test has a record" in refused(read_present, manifest, tmp_path)
    for planned in manifest.runs[:-1]:
        publish(made_record(planned), tmp_path)
    assert missing(manifest, tmp_path) == [manifest.runs[-1].run_id]
    with pytest.raises(
        HarnessError, match=f"1 of 12 runs of test have no record .*{manifest.runs[-1].run_id}"
    ):
        recorded_table(manifest, tmp_path)
    part = runs_table(manifest, read_present(manifest, tmp_path))
    publish(made_record(manifest.runs[-1]), tmp_path)
    whole = recorded_table(manifest, tmp_path)
    assert len(whole) == 12
    assert whole.iloc[:-1].drop(columns="chosen").equals(part.drop(columns="chosen"))
    assert set(whole["metric"]) == {"rmse"}
    assert (whole["val_loss"] == whole["validation_rmse"]).all()
    assert (whole["test_loss"] == whole["test_rmse"]).all()
    assert (whole["in_window"] == (whole["arm"] == "mlp")).all()


def test_the_late_fall_is_that_of_the_curve_from_half_of_the_evaluations_on(manifest):
    """Without a second half, or where a shorter run is another one from its start, nothing is
    said.
    """
    planned = manifest.runs[0]
    record = made_record(planned)
    optimizer = planned.run.recipe.optimizer.model_copy(update={"schedule": "cosine"})
    recipe = planned.run.recipe.model_copy(update={"optimizer": optimizer})
    of_schedule = planned.model_copy(
        update={"run": planned.run.model_copy(update={"recipe": recipe})}
    )

    def late_fall(planned, *losses):
        points = enumerate(losses, start=1)
        curve = tuple(
            CurvePoint(evaluations=10 * at, train_rmse=1.0, validation_rmse=loss)
            for at, loss in points
        )
        outcome = record.model_copy(update={"curve": curve, "evaluations": 10 * len(losses)})
        return runs_table(
            manifest.model_copy(update={"runs": (planned,)}), {planned.run_id: outcome}
        )["late_fall"][0]

    assert late_fall(planned, 9.0, 6.0, 3.0, 2.0) == 3.0
    assert late_fall(planned, 9.0, 6.0, 3.0) == 2.0
    assert np.isnan(late_fall(planned))
    assert np.isnan(late_fall(of_schedule, 9.0, 6.0, 3.0, 2.0))


def test_the_first_publish_wins(manifest, tmp_path):
    """It reads back as it was written. A second one is kept, once, if more differs than where it
    was made.
    """
    first, second = (
        made_record(manifest.runs[0], validation=1e-9 / 3, test=test) for test in (0.2, 0.3)
    )
    assert publish(first, tmp_path) == "published"
    assert [path.name for path in tmp_path.iterdir()] == [f"{first.run_id}.json"]
    assert publish(made_at(first, host="other", pack_seconds=9.0), tmp_path) == "same"
    assert duplicates(tmp_path) == []
    for _ in range(2):
        assert publish(second, tmp_path) == "within tolerance"
    (kept,) = duplicates(tmp_path)
    assert (kept.run_id, kept.verdict) == (first.run_id, "within tolerance")
    assert (read_record(record_path(tmp_path, first.run_id)), read_record(kept.path)) == (
        first,
        second,
    )
    assert recorded(manifest.run_ids(), tmp_path).statuses == {first.run_id: "done"}


CLEAN = {"commit": "c0de", "dirty": False}


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (CLEAN, CLEAN, "defect"),
        ({"snapshot": "a"}, {"snapshot": "a"}, "defect"),
        (
            {"snapshot": "a", "dirty": True, "commit": "c"},
            {"snapshot": "a", "dirty": False, "commit": "d"},
            "defect",
        ),
        ({"snapshot": "a", **CLEAN}, CLEAN, "defect"),
        (CLEAN, {**CLEAN, "host": "other", "versions": {"harness": "2"}}, "defect"),
        ({"commit": "c0de", "dirty": True}, {"commit": "c0de", "dirty": True}, "within tolerance"),
        ({"snapshot": "a"}, {"snapshot": "b"}, "within tolerance"),
        ({}, {}, "within tolerance"),
        (CLEAN, {**CLEAN, "device": "other"}, "within tolerance"),
        (CLEAN, {**CLEAN, "instruction_set": "other"}, "within tolerance"),
        (CLEAN, {**CLEAN, "threads": 2}, "within tolerance"),
        (CLEAN, {**CLEAN, "versions": {"numpy": "3"}}, "within tolerance"),
    ],
)
def test_the_same_code_on_the_same_kind_of_machine_makes_the_same_bits(manifest, one, other, said):
    """If both are known to be the same a last bit is a defect; if not, the tolerance says. Order
    does not matter.
    """
    first = made_at(made_record(manifest.runs[0], test=0.2), **one)
    second = made_at(made_record(manifest.runs[0], test=np.nextafter(0.2, 1).item()), **other)
    assert verdict(first, second) == verdict(second, first) == said
    assert verdict(first, made_at(first, **other)) == "same"


def test_a_fingerprint_has_all_that_decides_bits_and_nothing_else(manifest):
    alike = WHERE.model_copy(
        update={"host": "x", "started_at": "u", "commit": "c", "versions": {"harness": "9"}}
    )
    assert fingerprint("fused", alike) == fingerprint("fused", WHERE)
    assert fingerprint("torch", WHERE) != fingerprint("fused", WHERE)


@pytest.mark.parametrize(
    ("early", "end", "status", "said"),
    [
        (1 + 9e-7, 9.9, "done", "within tolerance"),
        (1 + 9e-7, 1 / 9.9, "done", "within tolerance"),
        (1 + 2e-6, 1.0, "done", "beyond tolerance"),
        (1.0, 10.1, "done", "beyond tolerance"),
        (1.0, 1.0, "diverged", "beyond tolerance"),
    ],
)
def test_machines_agree_at_first_and_in_kind_at_the_end(manifest, early, end, status, said):
    """The first 8 evaluations to 1e-6, the end to a factor of ten, both diverge or none; what lies
    between is free.
    """

    def made(scale, end, status="done"):
        errors = ((1, 1.0), (8, scale / 2), (11, 0.1 * end))
        curve = tuple(
            CurvePoint(evaluations=at, train_rmse=error, validation_rmse=None)
            for at, error in errors
        )
        record = made_record(manifest.runs[0], status=status)
        metrics = record.metrics and record.metrics.model_copy(update={"train_rmse": end})
        return record.model_copy(update={"curve": curve, "metrics": metrics})

    assert verdict(made(1.0, 1.0), made_at(made(early, end, status), device="other")) == said


def _no_links(*_) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("links", [True, False])
def test_of_many_writers_at_once_one_wins(manifest, tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(store.os, "link", _no_links)
    many = [made_record(manifest.runs[0], test=0.2 + 0.01 * writer) for writer in range(8)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda record: publish(record, tmp_path), many))
    assert outcomes.count("published") == 1
    first = read_record(record_path(tmp_path, many[0].run_id))
    kept = [read_record(second.path) for second in duplicates(tmp_path)]
    assert first == many[outcomes.index("published")]
    assert sorted(record.metrics.test_rmse for record in (first, *kept)) == [
        0.2 + 0.01 * writer for writer in range(8)
    ]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".json"]


def test_a_lock_that_nobody_holds_is_named(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(store.os, "link", _no_links)
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.05)
    record = made_record(manifest.runs[0])
    (tmp_path / f".{record.run_id}.lock").mkdir()
    with pytest.raises(HarnessError, match=r"\.lock: another writer .* remove it if none is left"):
        publish(record, tmp_path)
    assert not record_path(tmp_path, record.run_id).exists()


def test_what_does_not_fit_on_the_disk_leaves_nothing(manifest, tmp_path):
    record = made_record(manifest.runs[0])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(
            HarnessError, match=f"{record.run_id}.json: File too large.* make room"
        ) as caught:
            publish(record, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


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
        (
            lambda path: _edit(path, lambda data: data["metrics"].update(test_rmse=1e-9)),
            "not match its checksum",
        ),
        (lambda path: _reseal(path, lambda data: data.pop("metrics")), "is damaged"),
        (
            lambda path: _reseal(path, lambda data: data.update(metrics=None)),
            "status done with metrics None",
        ),
        (
            lambda path: _reseal(path, lambda data: data.update(record_schema=1)),
            "schema 1, this version reads 2",
        ),
        (
            lambda path: _reseal(path, lambda data: data["run"].update(seed=7)),
            "does not match its config",
        ),
        (
            lambda path: _reseal(path, lambda data: data.update(run_id="0" * 16)),
            "does not match its config",
        ),
    ],
)
def test_a_damaged_record_is_named_and_left_alone(manifest, tmp_path, damage, said):
    record = made_record(manifest.runs[0])
    publish(record, tmp_path)
    path = record_path(tmp_path, record.run_id)
    damage(path)
    damaged = path.read_bytes() if path.is_file() else None

    with pytest.raises(HarnessError, match=said) as caught:
        read_record(path)

    assert caught.value.exit_code == 3
    assert "`harness retry FILE --cause damaged` moves it away" in str(caught.value)
    with pytest.raises(HarnessError, match=said):
        publish(record, tmp_path)
    assert damaged is None or path.read_bytes() == damaged


def test_a_record_of_before_snapshots_reads_as_well(manifest, tmp_path):
    publish(made_record(manifest.runs[0]), tmp_path)
    path = record_path(tmp_path, manifest.runs[0].run_id)
    _reseal(
        path,
        lambda data: [data["provenance"].pop(name) for name in ("snapshot", "attempt", "resumed")],
    )
    assert read_record(path).provenance == WHERE


def test_the_table_counts_what_records_of_before_did_not(manifest, tmp_path):
    kept = {"params.trainable": 30, "params.stored": 77}
    for index, planned in enumerate(manifest.runs):
        record = made_record(planned)
        publish(record.model_copy(update={"counts": kept}) if index == 0 else record, tmp_path)
    table = recorded_table(manifest, tmp_path).set_index("run_id")
    for index, planned in enumerate(manifest.runs):
        stored = table.loc[planned.run_id, "params.stored"]
        assert stored == (77 if index == 0 else count(planned.run.network)["params.stored"])


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"status": 1}', '{"status": "lost"}'])
def test_statuses_are_those_of_whole_records_of_the_plan(manifest, tmp_path, damage):
    bad, done, lost = (planned.run_id for planned in manifest.runs[:3])
    assert recorded(manifest.run_ids(), tmp_path / "runs") == ({}, {})
    for run in (bad, "0123456789abcdef"):
        record_path(tmp_path, run).write_text(damage)
    publish(made_record(manifest.runs[1]), tmp_path)
    publish(made_record(manifest.runs[2], status="diverged"), tmp_path)
    statuses, damaged = recorded(manifest.run_ids(), tmp_path)
    assert (statuses, list(damaged)) == ({done: "done", lost: "diverged"}, [bad])


def test_a_changed_digit_is_found_where_all_is_checked(manifest, tmp_path):
    """Seals are checked by whatever computes, and where they are asked for; all that are damaged
    are named at once.
    """
    for planned in manifest.runs:
        publish(made_record(planned), tmp_path)
    changed = [planned.run_id for planned in manifest.runs[:5]]
    for identity in changed:
        _edit(record_path(tmp_path, identity), lambda data: data["metrics"].update(test_rmse=1e-9))

    assert recorded(manifest.run_ids(), tmp_path).damaged == {}
    assert list(recorded(manifest.run_ids(), tmp_path, check_all=True).damaged) == changed
    with pytest.raises(
        HarnessError, match=f"5 of 12 records in {tmp_path} are damaged: {changed[0]}.json"
    ) as caught:
        recorded_table(manifest, tmp_path)
    assert sum(name in str(caught.value) for name in changed) == 3
    assert f"`harness retry {tmp_path.parent / 'test'} --cause damaged --local N`" in str(
        caught.value
    )


def test_damaged_records_are_moved_aside_and_nothing_else(manifest, tmp_path):
    bad, good = manifest.runs[:2]
    publish(made_record(good), tmp_path)
    for text in ("", "{", "{"):
        record_path(tmp_path, bad.run_id).write_text(text)
        assert set_aside([bad.run_id, good.run_id], tmp_path) == 1
    record_path(tmp_path, bad.run_id).mkdir()
    assert set_aside(manifest.run_ids(), tmp_path) == 1

    assert not record_path(tmp_path, bad.run_id).exists()
    assert record_path(tmp_path, good.run_id).exists()
    aside = list((tmp_path / "damaged").iterdir())
    assert sorted(path.read_text() for path in aside if path.is_file()) == ["", "{", "{"]
    assert {path.name.partition(".")[0] for path in aside} == {bad.run_id}
    assert len(aside) == 4


def test_a_damaged_duplicate_is_told_and_stops_nothing(manifest, tmp_path):
    one, two = manifest.runs[:2]
    for planned in (one, two):
        for test in (0.2, 0.3):
            publish(made_record(planned, test=test), tmp_path)
    (second,) = (tmp_path / "duplicates").glob(f"{one.run_id}.*")
    second.write_text("{")
    record_path(tmp_path, two.run_id).write_text("{")
    unfinished(second).write_text("{")
    assert [(second.run_id, second.verdict) for second in duplicates(tmp_path)] == [
        (one.run_id, "damaged")
    ]


def test_validation_chooses_the_run_and_test_does_not(tmp_path):
    plan = made_searched.planned()
    for run in plan.runs:
        score = 0.1 + run.trial
        publish(made_record(run, validation=score, test=1 / score), tmp_path)
    table = recorded_table(plan, tmp_path)
    best_of_each = table.groupby(["cell", "seed"])["val_loss"].min()
    chosen = table[table["chosen"]].set_index(["cell", "seed"])["val_loss"].sort_index()
    assert chosen.equals(best_of_each)


def test_a_diverged_run_stays_and_counts_as_infinitely_bad(tmp_path):
    plan = made_searched.planned()
    for run in plan.runs:
        status = "diverged" if run.trial == 0 else "done"
        publish(made_record(run, validation=0.1 + run.trial, status=status), tmp_path)
    table = recorded_table(plan, tmp_path)
    has_other = table.groupby(["cell", "seed"])["trial"].transform("nunique") > 1
    assert has_other.any()
    assert not table.loc[has_other & table["chosen"], "status"].eq("diverged").any()
    assert np.isnan(table.loc[table["status"] == "diverged", "test_rmse"]).all()
