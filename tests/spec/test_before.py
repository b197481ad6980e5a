"""What earlier versions wrote: a file is told what to write instead, and plans and kept records are still read.

pytest tests/spec/test_before.py
"""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.spec import read_manifest

BEFORE = Path(__file__).parent / "before"  # a search of trials and its winners, frozen and kept by the version before


def harness(*arguments: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with an old file, its two plans, and its kept records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("tiny", "tiny.search"):
        shutil.copytree(BEFORE / name, tmp_path / "results" / name)
    harness("merge", str(BEFORE / "records.jsonl.xz"))
    return tmp_path


def test_an_old_file_is_told_what_to_write_instead():
    """In one sentence, with its line."""
    told = harness("validate", str(BEFORE / "tiny.yaml"), exit_code=2)
    assert told.startswith(f"error: {BEFORE / 'tiny.yaml'}:11: search.trials: each seed is a whole search now: write ")
    assert told.count("\n") == 1


def test_old_plans_are_counted_and_kept(here):
    """All their runs are known by their ids, and have the records that were made then."""
    for name, runs in (("tiny", 12), ("tiny.search", 10)):
        plan = read_manifest(Path("results", name))
        assert plan.of_before
        assert len(plan.run_ids()) == runs
        assert f"{name}: {runs} planned, {runs} done, 0 diverged, 0 missing" in harness("status", f"results/{name}")
        assert f"records: {runs} new" in harness("keep", f"results/{name}")
    assert "no plan" not in harness("status")


def test_old_plans_have_a_report_of_their_runs_and_no_verdict(here):
    """Their rules are no more, which `verdicts` says."""
    assert harness("report", "results/tiny").splitlines()[-1] == "results/tiny/report.html"
    told = harness("verdicts", "results/tiny", exit_code=2)
    assert "results/tiny: its plan was frozen with rules 0.5, which are no more; write the rule anew" in told
