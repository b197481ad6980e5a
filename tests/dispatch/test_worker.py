"""Jobs that never train: a worker without its code, and none that began; what that makes of their runs."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from made_submission import job, submission, write

from harness.base.errors import HarnessError
from harness.dispatch.events import EventLog
from harness.dispatch.profile import Profile
from harness.dispatch.reconcile import gather, reconcile, spending, start_seconds, stillborn
from harness.dispatch.slurm import log_path, sent_log
from harness.dispatch.state import RunState
from harness.dispatch.submission import keep_number, write_order
from harness.dispatch.worker import run_job
from harness.planning.plan import make_plan
from harness.spec import parse_experiment

EXPERIMENT = """
question: Which code?
tasks: [xy]
arms: {mlp: {architecture: {family: mlp, hidden: [3]}, recipe: quick}}
recipes: {quick: {optimizer: {name: adam}, max_evaluations: 3}}
seeds: [0, 1]
engine: fused
"""


@pytest.fixture
def plan():
    return make_plan(parse_experiment(EXPERIMENT), "example")


def _known(folder):
    return gather(folder, (), records=None)


def _sent(plan, folder, **fields):
    """A submission of the plan's runs in one job, as it lies in the folder of the experiment."""
    where = {"host": "here", "roots": (str(folder.parent / "snapshots" / "c0de" / "0"),), "results": str(folder.parent)}
    jobs = fields.pop("jobs", (job(*plan.packs),))
    return write(folder, submission("example", jobs, **where | fields), plan)


def test_a_worker_without_its_snapshot_trains_nothing(plan, tmp_path):
    """Other code, which Python would take instead, must not run: the runs crash, say why, and are sent off again."""
    folder = tmp_path / "example"
    _sent(plan, folder)
    with pytest.raises(HarnessError, match=r"snapshots/c0de is not there; submit again"):
        run_job(str(folder), "5ub", 0)
    assert not (tmp_path / "runs").exists()
    for found in reconcile(plan, folder, _known(folder)).values():
        assert found.state == "crashed"
        assert "snapshots/c0de is not there; submit again" in found.why


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


def test_what_jobs_printed_outlives_what_slurm_remembers(plan, sent, tmp_path):
    """Without accounting SLURM forgets in minutes that jobs ended before their worker began; their output says so."""
    folder = tmp_path / "example"
    assert sent_log(folder, sent, 0) is None  # sbatch's answer was lost
    keep_number(folder, sent.id, "4711")
    log = sent_log(folder, sent, 0)
    assert log == log_path(folder, "4711_0")
    assert {one.state for one in reconcile(plan, folder, _known(folder)).values()} == {"lost"}

    log.parent.mkdir()
    log.write_text("set-up line failed: false\n")
    evidence = _known(folder)
    found = reconcile(plan, folder, evidence)
    assert sorted(one.state for one in found.values()) == ["crashed", "lost"]
    assert set(stillborn(found, evidence)) == set(sent.jobs[0].packs[0])


def test_one_worker_that_began_is_enough_to_submit_again(plan, sent, tmp_path):
    """Then a node was broken, or a folder was renamed, and not the profile; a retry says that it was mended."""
    folder = tmp_path / "example"
    keep_number(folder, sent.id, "4711")
    (folder / "logs").mkdir()
    (folder / "logs" / "4711_0_0_log.out").write_text("set-up line failed: false\n")
    assert stillborn(reconcile(plan, folder, _known(folder)), _known(folder))

    renamed = _known(folder)._replace(moved={sent.id: "/old"})
    assert not stillborn(reconcile(plan, folder, renamed), renamed)
    order = write_order(folder, "retry", plan.run_ids(), "`harness retry`")
    assert not stillborn(reconcile(plan, folder, _known(folder)), _known(folder))
    order.unlink()
    EventLog(folder / "attempts", "a").write("begun", submission=sent.id, place=1, host="n1", pid=1)
    assert not stillborn(reconcile(plan, folder, _known(folder)), _known(folder))


def test_starting_counts_for_every_job(plan, sent, tmp_path):
    """One of two jobs trains, a minute after its start: so will the other, of which nothing is known yet."""
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


def test_a_renamed_results_folder_is_noticed(plan, tmp_path):
    folder = tmp_path / "old" / "example"
    _sent(plan, folder)
    (tmp_path / "link").symlink_to("old")
    assert _known(folder).moved == _known(tmp_path / "link" / "example").moved == {}
    (tmp_path / "link").unlink()
    (tmp_path / "old").rename(tmp_path / "new")
    assert _known(tmp_path / "new" / "example").moved == {"5ub": str(tmp_path / "old")}
