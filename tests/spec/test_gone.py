"""Fields of files of before: a file that says one is told what to write instead, and a plan that holds one is read."""

import json
import shutil
from pathlib import Path

import pytest
from commands import said

from harness.base.errors import USAGE
from harness.spec import read_manifest

# A search of trials and its winners, frozen and kept by the version before.
SEARCHED = Path(__file__).parent / "searched"
TUNED = Path(__file__).parent / "tuned"  # the plan and the records of FILE, made by version 0.1.0
FILE = """\
question: Which is better?
tasks: [{target: xy, train_points: 50, validation_points: 50, test_points: 50}]
arms:
  kan: {architecture: {family: kan, hidden: [2], grid: 3}, recipe: fast}
  mlp: {architecture: {family: mlp, hidden: [4]}, recipe: fast, tune: {gain: [1]}}
recipes:
  fast: {optimizer: {name: lbfgs}, max_evaluations: 10}
seeds: [0, 1]
tune: {gain: [1, 2]}
allow_unequal_tuning: true
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the file, its plan, and the records as `harness keep` wrote them; commands run in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tuned.yaml").write_text(FILE, encoding="utf-8")
    (tmp_path / "results" / "tuned").mkdir(parents=True)
    shutil.copy(TUNED / "manifest.json", tmp_path / "results" / "tuned")
    return tmp_path


def test_a_file_of_before_is_told_what_to_write(folder):
    instead = "is gone; write search: with runs and replicates, and say what varies in each arm's space:"
    assert said("validate", "tuned.yaml", exit_code=USAGE).splitlines() == [
        f"error: tuned.yaml:5: arms.mlp.tune: {instead}",
        f"error: tuned.yaml:9: tune: {instead}",
        "error: tuned.yaml:10: allow_unequal_tuning: is gone; leave it out, as with search: every side has equally "
        "many runs",
    ]
    assert "tun" not in said("schema")


def test_a_plan_of_before_is_read(folder):
    assert "6 new" in said("merge", TUNED / "records.jsonl.xz", "--plan", "results/tuned")
    told = json.loads(said("status", "results/tuned", "--json"))
    assert (told["planned"], told["done"]) == (6, 6)
    said("report", "results/tuned")
    page = (folder / "results" / "tuned" / "report.html").read_text(encoding="utf-8")
    assert "is chosen, of up to 2, and" in " ".join(page.split())
    said("keep", "results/tuned")
    kept = folder / "results" / "verdicts" / "tuned" / "records.jsonl.xz"
    assert kept.read_bytes() == (TUNED / "records.jsonl.xz").read_bytes()


@pytest.fixture
def searched(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("tiny", "tiny.search"):
        shutil.copytree(SEARCHED / name, tmp_path / "results" / name)
    said("merge", SEARCHED / "records.jsonl.xz")
    return tmp_path


def test_a_file_with_a_search_of_trials_is_told_what_to_write():
    told = said("validate", SEARCHED / "tiny.yaml", exit_code=USAGE)
    assert told.startswith(f"error: {SEARCHED / 'tiny.yaml'}:11: search.trials: each seed is a whole search now: ")
    assert [line.split(": ")[2] for line in told.splitlines()] == ["search.trials", "robust_to", "decide.0.arms"]


def test_plans_of_a_search_of_trials_are_counted_and_kept(searched):
    for name, runs in (("tiny", 12), ("tiny.search", 10)):
        plan = read_manifest(Path("results", name))
        assert plan.of_before
        assert len(plan.run_ids()) == runs
        assert f"{name}: {runs} planned, {runs} done, 0 diverged, 0 missing" in said("status", f"results/{name}")
        assert f"records: {runs} new" in said("keep", f"results/{name}")
    assert "no plan" not in said("status")


def test_plans_of_a_search_of_trials_have_a_report_of_their_runs_and_no_verdict(searched):
    assert said("report", "results/tiny").splitlines()[-1] == "results/tiny/report.html"
    told = said("verdicts", "results/tiny", exit_code=USAGE)
    assert "results/tiny: its plan was frozen with rules 0.5, which are gone; write them anew" in told
