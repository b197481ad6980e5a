"""Records of a plan are of one code, known by the hash of the source that computes; others are
refused or named.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner
from made_records import made_at, made_record, small_plan

from harness.base.errors import HarnessError
from harness.base.provenance import source_hash
from harness.cli import main
from harness.record.code import check_goes_on, code_notes, first_code, take_mixed, texts
from harness.record.kept import KEPT_RECORDS, keep, merge, read_lines
from harness.record.store import publish, read_present, read_records
from harness.spec.manifest import freeze

PLAN = small_plan()
RUNS = PLAN.run_ids()
FIRST, SECOND = (
    {"source_hash": "a" * 12, "started_at": "2026-01-01"},
    {"source_hash": "b" * 12, "started_at": "2026-02"},
)


def made(folder: Path, *codes: dict) -> Path:
    """Records of the first runs of the plan by these codes, in a results folder."""
    for planned, code in zip(PLAN.runs, codes, strict=False):
        publish(made_at(made_record(planned), **code), folder / "runs")
    return folder


def test_the_first_code_is_that_of_the_record_that_began_first(tmp_path):
    folder = made(tmp_path, {}, SECOND, FIRST) / "runs"
    assert first_code(texts(RUNS, folder)) == "a" * 12
    assert first_code(texts(RUNS[:1], folder)) is None


def test_answers_take_the_records_of_one_code_alone(tmp_path):
    folder = made(tmp_path, FIRST, FIRST, SECOND, {}) / "runs"
    plan = tmp_path / PLAN.name
    with pytest.raises(HarnessError) as refused:
        read_present(PLAN, folder)
    assert f"2 records of {plan} were trained by the code {'a' * 12}, 1 by {'b' * 12}" in str(
        refused.value
    )
    assert "`--mixed-code`" in str(refused.value)
    assert (
        len(read_records([*RUNS[:2], RUNS[3]], folder, plan)) == 3
    )  # one of before codes were said

    take_mixed(plan)
    assert len(read_present(PLAN, folder)) == 4


def test_commits_of_one_source_are_one_code(tmp_path):
    folder = (
        made(tmp_path, FIRST | {"commit": "c0de"}, FIRST | {"commit": "f00d", "dirty": True})
        / "runs"
    )
    assert len(read_present(PLAN, folder)) == 2


def test_other_code_does_not_go_on_with_a_plan(tmp_path):
    folder, plan = made(tmp_path, FIRST) / "runs", tmp_path / PLAN.name
    with pytest.raises(
        HarnessError,
        match=rf"by the code a{{12}}, and the code here is {source_hash()}; train all by",
    ):
        check_goes_on(RUNS, folder, plan)
    check_goes_on(RUNS[1:], folder, plan)
    take_mixed(plan)
    check_goes_on(RUNS, folder, plan)


def test_merging_leaves_other_code_where_it_is(tmp_path):
    there = made(tmp_path / "there", FIRST, SECOND, {}, FIRST)
    here = made(tmp_path / "here", FIRST)
    merged = merge(there, None, here / "runs", [frozenset(RUNS)])
    assert (merged.other_code, set(merged.new), merged.same) == (
        (RUNS[1],),
        {RUNS[2], RUNS[3]},
        (RUNS[0],),
    )
    assert not (here / "runs" / f"{RUNS[1]}.json").exists()
    assert merge(there, None, here / "runs").new == (RUNS[1],)  # of no plan


def test_where_a_plan_has_no_record_the_first_that_is_merged_says_its_code(tmp_path):
    there = made(tmp_path / "there", FIRST, SECOND)
    merged = merge(there, None, tmp_path / "here", [frozenset(RUNS)])
    assert (len(merged.new), len(merged.other_code)) == (1, 1)


def test_a_kept_file_has_one_code_unless_it_is_mixed(tmp_path):
    folder, path = made(tmp_path, FIRST, SECOND, {}) / "runs", tmp_path / KEPT_RECORDS
    kept = keep(RUNS, folder, path)
    assert (set(kept.new), kept.other_code) == ({RUNS[0], RUNS[2]}, (RUNS[1],))
    assert keep(RUNS, folder, path, is_mixed=True).new == (RUNS[1],)
    assert set(read_lines(path).by_run) == set(RUNS[:3])


def test_merge_and_keep_say_so_and_take_all_when_told_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "there", FIRST, SECOND)
    made(tmp_path / "results", FIRST)
    folder = tmp_path / "results" / PLAN.name
    freeze(PLAN, folder, replan=False)

    def told(*command: str, exit_code: int = 0) -> str:
        said = CliRunner().invoke(main, command)
        assert said.exit_code == exit_code, said.output
        return " ".join(said.output.split())

    left = "1 of other code than the plan's first, left alone (--mixed-code takes them)"
    assert left in told("merge", "there", exit_code=3)
    assert left in told("merge", "there", "--plan", str(folder), exit_code=3)
    assert "1 new" in told("merge", "there", "--plan", str(folder), "--mixed-code")
    assert "left alone" not in told("keep", str(folder))  # it takes them from now on
    (folder / "mixed-code").unlink()
    (tmp_path / "results" / "verdicts" / PLAN.name / KEPT_RECORDS).unlink()
    assert left in told("keep", str(folder), exit_code=3)
    assert "1 new" in told("keep", str(folder), "--mixed-code")


def test_what_is_to_be_known_of_the_code_of_records_is_said():
    records = [
        made_at(made_record(planned), **code)
        for planned, code in zip(PLAN.runs, (FIRST, SECOND, {}), strict=False)
    ]
    assert code_notes(record.provenance for record in records[:1]) == []
    dirty = made_at(records[0], dirty=True)
    several, unknown, changed = code_notes(record.provenance for record in [*records, dirty])
    assert (
        several
        == f"several codes trained these runs: 2 by {'a' * 12}, 1 by {'b' * 12} (`--mixed-code`)"
    )
    assert unknown == "1 of 4 records do not say which code computed them: they are older"
    assert changed == "1 of 4 records come from a checkout with changes that were not committed"
