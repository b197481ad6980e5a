"""Merging: records of another machine, each one checked, the first of every run kept."""

import shutil

import pytest
from made_records import made_at, made_record, small_plan

from harness.base.errors import HarnessError
from harness.record import duplicates, publish, read_record, record_path
from harness.record.merge import merge

HERE = {"commit": "c0de", "dirty": False}


@pytest.fixture
def manifest():
    """The plan whose runs are merged."""
    return small_plan()


def _bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_record_is_accounted_for(manifest, tmp_path):
    there, here = tmp_path / "there/runs", tmp_path / "here/runs"
    new, same, near, far, defect, bad_there, bad_here, other = manifest.runs[:8]
    for planned in (same, near, far, defect, bad_here):
        publish(made_at(made_record(planned), **HERE), here)
    for planned in (new, same, bad_there, bad_here, other):
        publish(made_record(planned), there)
    publish(made_at(made_record(near, test=0.3), device="other"), there)
    publish(made_at(made_record(far, status="diverged"), device="other"), there)
    publish(made_at(made_record(defect, test=0.3), **HERE), there)
    record_path(there, bad_there.run_id).write_text("{")
    record_path(here, bad_here.run_id).write_text("")
    of_plan = manifest.model_copy(update={"runs": tuple(run for run in manifest.runs if run.run_id != other.run_id)})
    before = _bytes(here), _bytes(there)

    merged = merge(tmp_path / "there", set(of_plan.run_ids()), here)

    lists = (new, same, near, far, defect)
    assert merged[:5] == tuple((planned.run_id,) for planned in lists)
    assert merged.others == (other.run_id,)
    named = " ".join(merged.damaged)
    assert len(merged.damaged) == 2
    assert str(record_path(there, bad_there.run_id)) in named
    assert str(record_path(here, bad_here.run_id)) in named
    assert _bytes(there) == before[1]
    assert before[0].items() <= _bytes(here).items()
    assert read_record(record_path(here, new.run_id)) == made_record(new)
    assert not record_path(here, other.run_id).exists()
    kept = {found.run_id: found.verdict for found in duplicates(here)}
    assert kept == {near.run_id: "within tolerance", far.run_id: "beyond tolerance", defect.run_id: "defect"}


def test_a_folder_without_records_is_a_mistake(manifest, tmp_path):
    """Empty, absent, an experiment's folder with its plan alone, or the very records to merge into."""
    publish(made_record(manifest.runs[0]), tmp_path / "here/runs")
    (tmp_path / "toys").mkdir()
    shutil.copy(record_path(tmp_path / "here/runs", manifest.runs[0].run_id), tmp_path / "toys/manifest.json")
    for name, said in (("none", "has no records"), ("toys", "has no records"), ("here", "the records to merge into")):
        with pytest.raises(HarnessError, match=said):
            merge(tmp_path / name, None, tmp_path / "here/runs")
