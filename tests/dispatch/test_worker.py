"""A worker that must not train: what it writes down, and what that makes of its runs."""

import pytest

from harness.dispatch.reconcile import gather, reconcile
from harness.dispatch.submission import SentJob, Submission, now, write_submission
from harness.dispatch.worker import run_job
from harness.errors import HarnessError
from harness.plan import make_plan
from harness.spec import parse_experiment

EXPERIMENT = """
question: Which code?
tasks: [xy]
arms: {mlp: {architecture: {family: mlp, hidden: [3]}, recipe: quick}}
recipes: {quick: {optimizer: {name: adam}, max_evaluations: 3}}
seeds: [0]
"""


def test_a_worker_without_its_snapshot_trains_nothing(tmp_path):
    """Other code, which Python would take instead, must not run: the runs crash, say why, and are sent off again."""
    plan, folder = make_plan(parse_experiment(EXPERIMENT), "example"), tmp_path / "example"
    submission = Submission(
        id="5ub",
        experiment="example",
        at=now(),
        host="here",
        profile=None,
        slots=1,
        checkpoint_seconds=60.0,
        device="cpu",
        snapshot="c0de",
        roots=(str(tmp_path / "snapshots" / "c0de" / "0"),),
        jobs=(SentJob(packs=plan.packs, pack_seconds=(1.0,), seconds=1.0),),
    )
    write_submission(folder, submission, {planned.run_id: planned.run for planned in plan.runs})

    with pytest.raises(HarnessError, match=r"snapshots/c0de is not there; submit again"):
        run_job(str(folder), "5ub", 0)

    assert not (tmp_path / "runs").exists()
    (found,) = reconcile(plan, folder, gather(folder, {})).values()
    assert found.state == "crashed"
    assert "snapshots/c0de is not there; submit again" in found.why
