"""Kept records: every bit comes back, the same ones make the same file. Merging: each is checked,
the first stays.
"""

import json
import lzma
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest
from commands import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import made_at, made_record, small_plan

from harness.base.errors import HarnessError
from harness.base.files import unfinished
from harness.record.kept import KEPT_RECORDS, keep, line_of, merge, read_lines, record_in_line
from harness.record.schema import CurvePoint, Metrics
from harness.record.store import duplicates, publish, read_record, read_records, record_path
from harness.record.table import runs_table
from harness.spec.run import sealed

PLAN = small_plan()
RUNS = PLAN.run_ids()
CODE = {"commit": "c0de", "dirty": False}
NUMBER = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


@pytest.fixture
def here(tmp_path) -> Path:
    for place, planned in enumerate(PLAN.runs):
        publish(made_record(planned, test=0.1 + place / 7), tmp_path / "runs")
    return tmp_path


def _kept(folder: Path, runs: list[str] = RUNS) -> Path:
    keep(runs, folder / "runs", folder / KEPT_RECORDS)
    return folder / KEPT_RECORDS


def _rewrite(path: Path, old: str, new: str) -> None:
    text = lzma.decompress(path.read_bytes()).decode()
    assert old in text
    path.write_bytes(lzma.compress(text.replace(old, new).encode()))


@given(NUMBER, NUMBER, NUMBER, NUMBER)
def test_a_line_has_every_bit_of_a_record(train, validation, test, median):
    losses = Metrics(
        train_rmse=train, validation_rmse=validation, test_rmse=test, test_root_median_square=median
    )
    record = made_record(PLAN.runs[0]).model_copy(update={"metrics": losses})
    data = sealed(record.model_dump(mode="json"))
    line = line_of(json.dumps(data, indent=1))
    assert "\n" not in line
    assert json.dumps(json.loads(line)) == json.dumps(data)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(RUNS), st.integers(0, len(RUNS)), st.integers(0, len(RUNS)))
def test_the_same_records_make_the_same_bytes(here, runs, first, second):
    expected = _kept(here).read_bytes()
    grown = here / "grown" / KEPT_RECORDS
    shutil.rmtree(grown.parent, ignore_errors=True)
    for part in (runs[:first], runs[second:], runs):
        keep(part, here / "runs", grown)
    assert grown.read_bytes() == expected


def test_what_is_kept_comes_back_as_it_was(here, tmp_path):
    path = _kept(here)
    part = merge(path, frozenset(RUNS[:3]), tmp_path / "there")
    whole = merge(path, None, tmp_path / "there")
    assert (part.new, set(part.others)) == (tuple(sorted(RUNS[:3])), set(RUNS[3:]))
    assert (set(whole.new), set(whole.same)) == (set(RUNS[3:]), set(RUNS[:3]))
    for run in RUNS:
        assert (
            record_path(tmp_path / "there", run).read_bytes()
            == record_path(here / "runs", run).read_bytes()
        )


def test_a_kept_file_only_grows(here):
    path = _kept(here, RUNS[:5])
    before, written = read_lines(path).by_run, path.stat().st_mtime_ns
    shutil.rmtree(here / "runs")
    assert not any(keep(RUNS, here / "runs", path))
    assert path.stat().st_mtime_ns == written
    publish(made_record(PLAN.runs[5]), here / "runs")
    assert keep(RUNS, here / "runs", path).new == (RUNS[5],)
    after = read_lines(path).by_run
    assert set(after) == set(RUNS[:6])
    assert all(after[run].text == line.text for run, line in before.items())


def test_of_two_records_of_a_run_the_kept_one_stays(here):
    path = _kept(here, RUNS[4:])
    same, near, far, defect = PLAN.runs[:4]

    def replace(record):
        record_path(here / "runs", record.run_id).unlink()
        publish(record, here / "runs")

    for planned in PLAN.runs[:4]:
        replace(made_at(made_record(planned), **CODE))
    before = _kept(here).read_bytes()
    replace(made_at(made_record(same), device="other"))
    replace(made_at(made_record(near, test=0.3), device="other"))
    replace(made_at(made_record(far, status="diverged"), device="other"))
    replace(made_at(made_record(defect, test=0.3), **CODE))

    merged = keep(RUNS, here / "runs", path)

    assert (merged.new, set(merged.same)) == ((), {same.run_id, *RUNS[4:]})
    assert merged[2:5] == ((near.run_id,), (far.run_id,), (defect.run_id,))
    assert path.read_bytes() == before


def test_a_damaged_line_is_named_and_all_others_are_read(here):
    whole = _kept(here).read_bytes()
    bad, after = sorted(RUNS)[2:4]
    line = read_lines(here / KEPT_RECORDS).by_run[bad].text
    cases = {
        "a digit": (
            line,
            line.replace('"evaluations":10', '"evaluations":11', 1),
            "does not match its checksum",
        ),
        "no JSON": (line, line[:-20], "line 3 is damaged"),
        "no run": (line, "{}", "it names no run"),
        "twice": (line, f"{line}\n{line}", "line 4 is damaged (line 3 has the same run)"),
    }
    for case, (old, new, said) in cases.items():
        path = here / KEPT_RECORDS
        path.write_bytes(whole)
        _rewrite(path, old, new)
        damaged = path.read_bytes()

        merged = merge(path, None, here / case)

        (problem,) = merged.damaged
        assert said in problem
        assert problem.startswith(f"{path}: line ")
        assert f"`git checkout -- {path}` brings back" in problem
        assert set(merged.new) == set(RUNS) - ({bad} if case != "twice" else set())
        assert after in merged.new
        assert path.read_bytes() == damaged


def test_a_kept_file_that_ends_early_is_read_to_there(here, tmp_path):
    for number in range(200):  # records of noise, so that the file has several blocks of input
        record = made_record(PLAN.runs[0], test=random.Random(number).random())
        data = sealed(
            record.model_copy(update={"run_id": f"{number:016x}"}).model_dump(mode="json")
        )
        record_path(here / "runs", f"{number:016x}").write_text(json.dumps(data))
    lines = [line_of(path.read_text()) for path in sorted((here / "runs").glob("*.json"))]
    path = tmp_path / KEPT_RECORDS
    whole = lzma.compress("".join(f"{line}\n" for line in lines).encode())

    path.write_bytes(whole[: len(whole) // 2])
    found, (said,) = read_lines(path)
    assert 0 < len(found) < len(lines)
    assert [line.text for line in found.values()] == lines[: len(found)]
    assert f"{path}: line {len(found) + 1} is damaged" in said
    assert "is damaged" in refused(keep, RUNS, here / "runs", path)
    assert path.read_bytes() == whole[: len(whole) // 2]

    path.write_bytes(b"<<<<<<< HEAD")
    found, (said,) = read_lines(path)
    assert (found, f"{path}: line 1 is damaged" in said) == ({}, True)


def test_a_file_of_another_kind_is_no_damaged_one(here, tmp_path):
    with pytest.raises(
        HarnessError, match=f"this is no file of kept records; give a {KEPT_RECORDS}"
    ):
        merge(record_path(here / "runs", RUNS[0]), None, tmp_path / "there")


def test_only_records_that_are_asked_for_are_checked(here):
    """A line of a run that nobody wants may be of an earlier schema; the record of another run is
    not taken for it.
    """
    path = _kept(here)
    first, second = sorted(RUNS)[:2]
    _rewrite(path, read_lines(path).by_run[first].text, f'{{"run_id":"{first}","record_schema":1}}')
    assert merge(path, frozenset({second}), here / "there").new == (second,)
    assert "does not match its config" in refused(
        record_in_line, read_lines(path).by_run[second], first, path
    )


def test_brief_records_have_all_but_the_course_of_training(here):
    rng = random.Random(3)
    shutil.rmtree(here / "runs")
    for planned in PLAN.runs:
        moments = sorted(rng.sample(range(1, 11), 9))
        points = [
            CurvePoint(evaluations=at, train_rmse=0.5, validation_rmse=rng.random())
            for at in moments
        ]
        publish(made_record(planned).model_copy(update={"curve": tuple(points)}), here / "runs")
    file = here / "brief" / KEPT_RECORDS

    first, again = (keep(RUNS, here / "runs", file, are_brief=True) for _ in range(2))
    merge(file, None, here / "there")

    assert (len(first.new), len(again.same)) == (len(RUNS), len(RUNS))
    whole, brief = (read_records(RUNS, here / name, here) for name in ("runs", "there"))
    assert (
        max(len(record.curve) for record in brief.values())
        == 2
        < max(len(one.curve) for one in whole.values())
    )
    pd.testing.assert_frame_equal(runs_table(PLAN, whole), runs_table(PLAN, brief))
    for source, target in ((file, "runs"), (here / "runs", "there")):
        assert set(merge(source, None, here / target).same) == set(RUNS)


def _bytes(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_every_record_is_accounted_for(tmp_path):
    there, here = tmp_path / "there/runs", tmp_path / "here/runs"
    new, same, near, far, defect, bad_there, bad_here, other = PLAN.runs[:8]
    for planned in (same, near, far, defect, bad_here):
        publish(made_at(made_record(planned), **CODE), here)
    for planned in (new, same, bad_there, bad_here, other):
        publish(made_record(planned), there)
    publish(made_at(made_record(near, test=0.3), device="other"), there)
    publish(made_at(made_record(far, status="diverged"), device="other"), there)
    publish(made_at(made_record(defect, test=0.3), **CODE), there)
    record_path(there, bad_there.run_id).write_text("{")
    record_path(here, bad_here.run_id).write_text("")
    unfinished(record_path(there, new.run_id)).write_text("{")
    before = _bytes(here), _bytes(there)

    merged = merge(tmp_path / "there", set(RUNS) - {other.run_id}, here)

    assert merged[:5] == tuple((planned.run_id,) for planned in (new, same, near, far, defect))
    assert merged.others == (other.run_id,)
    for bad in (record_path(there, bad_there.run_id), record_path(here, bad_here.run_id)):
        assert sum(str(bad) in said for said in merged.damaged) == 1
    assert len(merged.damaged) == 2
    assert _bytes(there) == before[1]
    assert before[0].items() <= _bytes(here).items()
    assert read_record(record_path(here, new.run_id)) == made_record(new)
    assert not record_path(here, other.run_id).exists()
    kept = {found.run_id: found.verdict for found in duplicates(here)}
    assert kept == {
        near.run_id: "within tolerance",
        far.run_id: "beyond tolerance",
        defect.run_id: "defect",
    }


def test_a_folder_without_records_is_a_mistake(tmp_path):
    publish(made_record(PLAN.runs[0]), tmp_path / "here/runs")
    (tmp_path / "toys").mkdir()
    shutil.copy(
        record_path(tmp_path / "here/runs", PLAN.runs[0].run_id), tmp_path / "toys/manifest.json"
    )
    for name, said in (
        ("none", "has no records"),
        ("toys", "has no records"),
        ("here", "the records to merge into"),
    ):
        with pytest.raises(HarnessError, match=said):
            merge(tmp_path / name, None, tmp_path / "here/runs")
