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


@pytest.fixture
def plan():
    return make_plan(parse_experiment(EXPERIMENT), "example")


def _sent(plan, folder, **fields):
    """A submission of the plan's runs in one job, as it lies in the folder of the experiment."""
    submission = Submission(
        id="5ub",
        experiment="example",
        at=now(),
        host="here",
        slots=1,
        checkpoint_seconds=60.0,
        device="cpu",
        snapshot="c0de",
        roots=(str(folder.parent / "snapshots" / "c0de" / "0"),),
        results=str(folder.parent),
        jobs=(SentJob(packs=plan.packs, pack_seconds=(1.0,), seconds=1.0),),
        **{"profile": None} | fields,
    )
    write_submission(folder, submission, {planned.run_id: planned.run for planned in plan.runs})
    return submission


def test_a_worker_without_its_snapshot_trains_nothing(plan, tmp_path):
    """Other code, which Python would take instead, must not run: the runs crash, say why, and are sent off again."""
    folder = tmp_path / "example"
    _sent(plan, folder)

    with pytest.raises(HarnessError, match=r"snapshots/c0de is not there; submit again"):
        run_job(str(folder), "5ub", 0)

    assert not (tmp_path / "runs").exists()
    (found,) = reconcile(plan, folder, gather(folder, {})).values()
    assert found.state == "crashed"
    assert "snapshots/c0de is not there; submit again" in found.why


def test_a_renamed_results_folder_is_noticed(plan, tmp_path):
    """Jobs of a submission write into the folder that it was sent off from; a link to that is no other folder."""
    folder = tmp_path / "old" / "example"
    _sent(plan, folder)
    (tmp_path / "link").symlink_to("old")
    assert gather(folder, {}).moved == gather(tmp_path / "link" / "example", {}).moved == {}

    (tmp_path / "link").unlink()
    (tmp_path / "old").rename(tmp_path / "new")
    assert gather(tmp_path / "new" / "example", {}).moved == {"5ub": str(tmp_path / "old")}
