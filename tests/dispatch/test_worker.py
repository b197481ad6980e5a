"""Jobs none of which began: what that makes of their runs, and of what comes next."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from made_submission import job, small, submission, write

from harness.dispatch.events import EventLog
from harness.dispatch.profile import Profile
from harness.dispatch.reconcile import gather, reconcile, spending, start_seconds, stillborn
from harness.dispatch.state import RunState
from harness.dispatch.submission import keep_number, write_order
from harness.planning.plan import make_plan
from harness.spec import parse_experiment


@pytest.fixture
def plan():
    return make_plan(parse_experiment(small(seeds=[0], sizes=(20, 80))), "example")


def _known(folder):
    return gather(folder, (), records=None)


def _sent(plan, folder, **fields):
    where = {"host": "here", "roots": (str(folder.parent / "snapshots" / "c0de" / "0"),), "results": str(folder.parent)}
    jobs = fields.pop("jobs", (job(*plan.packs),))
    return write(folder, submission("example", jobs, **where | fields), plan)


@pytest.fixture
def sent(plan, tmp_path, monkeypatch):
    """Two jobs of a submission to a cluster whose SLURM answers and knows nothing of them any more."""
    (tmp_path / "bin").mkdir()
    for command in ("sbatch", "squeue", "sacct", "scontrol"):
        (tmp_path / "bin" / command).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    jobs = tuple(map(job, plan.packs))
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="microseconds")
    return _sent(plan, tmp_path / "example", profile=Profile(setup=("false",)), jobs=jobs, at=at)


def test_one_worker_that_began_is_enough_to_submit_again(plan, sent, tmp_path):
    """Then a node was broken, and not the profile; a retry says that it was mended."""
    folder = tmp_path / "example"
    keep_number(folder, sent.id, "4711")
    (folder / "logs").mkdir()
    (folder / "logs" / "4711_0_0_log.out").write_text("set-up line failed: false\n")
    assert stillborn(reconcile(plan, folder, _known(folder)), _known(folder))

    order = write_order(folder, "retry", plan.run_ids(), "`harness retry`")
    assert not stillborn(reconcile(plan, folder, _known(folder)), _known(folder))
    order.unlink()
    EventLog(folder / "attempts", "a").write("begun", submission=sent.id, place=1, host="n1", pid=1)
    assert not stillborn(reconcile(plan, folder, _known(folder)), _known(folder))


def test_starting_counts_for_every_job(plan, sent, tmp_path):
    folder = tmp_path / "example"
    assert start_seconds(_known(folder)) is None
    began = datetime.now(UTC) - timedelta(seconds=60)
    log = EventLog(folder / "attempts", "a")
    log.write("begun", submission=sent.id, place=0, host="n1", pid=1, slurm_started_at=str(began.timestamp()))
    log.write("first_step")
    evidence = _known(folder)
    assert start_seconds(evidence) == pytest.approx(60, abs=5)

    first, second = (job.packs[0][0] for job in sent.jobs)
    found = {first: RunState("running"), second: RunState("queued")}
    spent = spending(found, evidence)
    minute = start_seconds(evidence)
    assert spent.predicted_hours_left * 3600 == pytest.approx(1.0 + 1.0 + 1 * minute)
    assert spent.predicted_hours_over * 3600 == pytest.approx(1 * minute)
    assert spent.seconds_left == pytest.approx(2.0 + minute)
