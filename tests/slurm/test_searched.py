"""A searched experiment on a cluster: the first submission trains trials, the next one their winners."""

import pytest
from sweeps import Sweep, numbers, records, sweep, undisturbed

from harness.dispatch.events import read_attempts
from harness.spec import Manifest, read_manifest
from harness.train import train_pack

pytestmark = pytest.mark.slurm

SEARCHED = """
question: Who is ahead when both are searched?
tasks: [{target: xy, train_points: 50, validation_points: 20, test_points: 20}]
arms:
  kan: {architecture: {family: kan, depth: 2, width: 2}, recipe: lbfgs, space: {architecture.order: [2, 3]}}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: lbfgs, space: {architecture.activation: [silu, tanh]}}
match: {axis: params, at: [40], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {lbfgs: {optimizer: {name: lbfgs}, max_evaluations: 9}}
search: {trials: 2, seeds: [0, 1], effort: {axis: evaluations, at: 40}}
seeds: [10, 11]
engine: torch
"""


def ended(swept: Sweep) -> list[str]:
    """All runs that any attempt of either stage trained to their end."""
    attempts = [one for name in ("sweep.search", "sweep") for one in read_attempts(swept.results / name / "attempts")]
    return [run for one in attempts for event in one.events if event["event"] == "pack_done" for run in event["runs"]]


def undisturbed_winners(plan: Manifest, folder) -> dict:
    """The numbers of the runs of a confirmation, trained here without a break."""
    specs = {planned.run_id: planned.run for planned in plan.runs}
    for pack in plan.packs:
        train_pack([specs[run] for run in pack], folder)
    return {path.name: numbers(path) for path in folder.glob("*.json")}


def test_winners_are_submitted_once_the_search_is_complete(testbed, tmp_path):
    """Submissions while the search trains add nothing; status tells the stage; no run is trained twice."""
    swept = sweep(tmp_path)
    swept.file.write_text(SEARCHED, encoding="utf-8")
    swept.submit()
    assert swept.status()["stage"] == "search"
    assert "nothing to submit" in swept.submit()
    swept.wait_until_over()
    assert "chooses the winners and trains them on fresh seeds" in swept.harness("status").output
    assert records(swept) == undisturbed(SEARCHED)

    assert "to submit: " in swept.submit()
    assert swept.status()["stage"] == "confirmation"
    swept.wait_until_over()
    plan = read_manifest(swept.folder)
    assert {planned.run.seed for planned in plan.runs} == {10, 11}
    assert records(swept) == {**undisturbed(SEARCHED), **undisturbed_winners(plan, tmp_path / "here")}
    assert "nothing to submit" in swept.submit()
    assert len(ended(swept)) == len(set(ended(swept)))
    assert read_manifest(swept.folder) == plan
    done = swept.harness("report")
    assert done.exit_code == 0, done.output


REPLICATES = """
question: Who is ahead when every seed is a search?
tasks: [{target: xy, train_points: 50, validation_points: 20, test_points: 20}]
arms:
  kan: {architecture: {family: kan, depth: 2, width: 2}, recipe: lbfgs}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: lbfgs}
match: {axis: params, at: [40], tol: 0.4, solve: {kan: grid, mlp: width}}
recipes: {lbfgs: {optimizer: {name: lbfgs}, max_evaluations: 9}}
search: {runs: 4, replicates: 3, cap: {evaluations: 40}}
engine: torch
"""


def test_replicates_are_one_submission(testbed, tmp_path):
    """One plan, one stage: the jobs train what a machine without a break does, and the report needs nothing else."""
    swept = sweep(tmp_path)
    swept.file.write_text(REPLICATES, encoding="utf-8")
    assert "to submit: " in swept.submit()
    swept.wait_until_over()

    assert records(swept) == undisturbed(REPLICATES)
    assert "nothing to submit" in swept.submit()
    plan = read_manifest(swept.folder)
    assert len(plan.run_ids()) == 2 * 4 * 3
    attempts = read_attempts(swept.folder / "attempts")
    trained = [
        run for one in attempts for event in one.events if event["event"] == "pack_done" for run in event["runs"]
    ]
    assert sorted(trained) == sorted(plan.run_ids())
    done = swept.harness("report")
    assert done.exit_code == 0, done.output
