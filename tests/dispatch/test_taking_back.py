"""What is on its way and should not be: runs of earlier plans, jobs of cancelled runs, jobs of
another cluster.
"""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import said
from made_submission import SweepFile, send_off, small

from harness.base.errors import HarnessError
from harness.dispatch import cluster
from harness.dispatch.cluster import user
from harness.dispatch.events import EventLog
from harness.dispatch.profile import Profile
from harness.dispatch.submission import Instruction, now, read_orders, write_order
from harness.spec.manifest import read_manifest

LONG_AGO = "2026-01-01T00:00:00.000000+00:00"
SILENT = "squeue: slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
# SLURM's commands, of a cluster whose state is files.
COMMANDS = {
    "sbatch": "exit 1",
    "sacct": "exit 1",
    "squeue": (
        f"[ ! -e silent ] || {{ echo '{SILENT.removeprefix('squeue: ')}' >&2; exit 1; }}; cat queue"
    ),
    "scontrol": 'echo "ClusterName             = $(cat name)"',
    "scancel": (
        "[ ! -e silent ] && [ ! -e stuck ] || { echo 'scancel: error: stuck' >&2; exit 1; "
        "}; echo $* >> ended"
    ),
}


@dataclass(frozen=True)
class Sweep(SweepFile):
    """An experiment whose jobs this test says that SLURM has."""

    cluster: Path

    def plan(self, sizes=(20, 80), seeds=(0, 1)) -> None:
        self.file.write_text(small(seeds, sizes))
        assert self.harness("plan", "--replan").exit_code == 0

    def send(self, identity="5ub", at=LONG_AGO, listed="PENDING", **more: Any) -> None:
        """A submission of one job a pack of the plan as it stands, which squeue lists in this
        state.
        """
        sent = send_off(self.folder, id=identity, at=at, **{"profile": Profile()} | more)
        lines = [f"7_{place}|{sent.name}|{listed}|Priority\n" for place in range(len(sent.jobs))]
        (self.cluster / "queue").write_text("".join(lines))

    def ended(self) -> list[str]:
        path = self.cluster / "ended"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def sweep(tmp_path, monkeypatch) -> Sweep:
    """Planned, with nothing sent off, on a cluster that has no jobs."""
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    for name, lines in COMMANDS.items():
        (cluster / name).write_text(f"#!/bin/sh\ncd {cluster}\n{lines}\n")
        (cluster / name).chmod(0o755)
    (cluster / "queue").touch()
    (cluster / "name").write_text("near")
    monkeypatch.setenv("PATH", f"{cluster}:{os.environ['PATH']}")
    made = Sweep(tmp_path / "sweep.yaml", tmp_path / "results", cluster)
    made.plan()
    return made


def test_runs_that_a_new_plan_drops_are_counted_and_taken_back(sweep):
    sweep.send()
    packs = read_manifest(sweep.folder).packs
    sweep.plan(sizes=[20], seeds=[0, 1, 2])

    told = sweep.status()
    assert told["states"] == {"planned": 1, "queued": 2}
    assert len(told["earlier_underway_ids"]) == 2
    assert "2 runs of an earlier plan are still on their way" in sweep.harness("status").output
    assert (
        "2 runs of an earlier plan" in sweep.harness("submit", "--local", "1", "--dry-run").output
    )
    for run in (*told["runs"], *told["earlier_underway_ids"]):
        assert sweep.harness("logs", run).exit_code == 0

    assert sweep.harness("cancel", "--where", "seed=0", "--yes").output == "cancelled: 1 run\n"
    assert (
        "1 jobs with no other runs were ended"
        in sweep.harness("cancel", "--earlier", "--yes").output
    )
    (dropped,) = [
        place for place, pack in enumerate(packs) if set(pack) == set(told["earlier_underway_ids"])
    ]
    assert sweep.ended() == [f"7_{dropped}"]
    assert sweep.states() == {"planned": 1, "queued": 1, "cancelled": 1}
    assert sweep.status()["earlier_underway_ids"] == []
    assert sweep.harness("cancel", "--earlier", "--where", "seed=0").exit_code == 2


def test_a_job_that_ends_while_squeue_is_asked_is_not_lost(sweep):
    trained = sweep.results.with_name("trained")
    assert said("run", sweep.file, "--results", trained)
    sweep.send(listed="COMPLETED")
    (sweep.results / "runs").mkdir(exist_ok=True)
    squeue = sweep.cluster / "squeue"
    squeue.write_text(f"{squeue.read_text()}cp {trained}/runs/*.json {sweep.results}/runs\n")
    assert sweep.states() == {"done": 4}


def test_what_cancel_could_not_end_is_said_and_ended_when_it_is_repeated(sweep):
    sweep.send()
    (sweep.cluster / "silent").touch()
    assert f"not verified ({SILENT})" in " ".join(
        sweep.harness("status", "--why", "queued").output.split()
    )
    for _ in range(2):
        assert f"2 jobs ({SILENT}) could not be ended: repeat the command" in sweep.said(
            "cancel", "--yes", exit_code=3
        )
    assert (
        f"2 jobs of cancelled runs may still be there: not verified ({SILENT})"
        in sweep.harness("status").output
    )

    (sweep.cluster / "silent").unlink()
    (sweep.cluster / "stuck").touch()
    assert sweep.states() == {"cancelled": 4}
    assert (
        "2 jobs of cancelled runs are still in SLURM; `harness cancel FILE`"
        in sweep.harness("status").output
    )
    assert "2 jobs (scancel: error: stuck) could not be ended" in sweep.said(
        "cancel", "--yes", exit_code=3
    )
    assert len(read_orders(sweep.folder)) == 1

    (sweep.cluster / "stuck").unlink()
    repeated = sweep.harness("cancel", "--yes")
    assert (repeated.exit_code, sweep.ended()) == (0, ["7_0", "7_1"])
    assert repeated.output == "cancelled: 0 runs; 2 jobs with no other runs were ended\n"
    (sweep.cluster / "queue").write_text("")
    assert (
        sweep.harness("cancel", "--yes").output
        == "cancelled already, and no job of theirs is left\n"
    )


@pytest.mark.parametrize(
    "elsewhere", [{"cluster": "far", "user": user()}, {"cluster": "near", "user": "alice"}]
)
def test_jobs_of_another_cluster_or_user_are_never_lost_nor_sent_off_again(sweep, elsewhere):
    sweep.send(**elsewhere)
    there = f"sent off by {elsewhere['user']} on cluster {elsewhere['cluster']}"
    assert {one["why"] for one in sweep.status()["runs"].values()} == {
        "SLURM: PENDING (Priority)"
    }  # it is listed
    (sweep.cluster / "queue").write_text("")
    told = sweep.status()["runs"].values()
    assert {(one["state"], one["why"]) for one in told} == {("queued", f"not verified ({there})")}
    assert "nothing to submit" in sweep.harness("submit", "--local", "1", "--dry-run").output
    cancelled = sweep.said("cancel", "--yes", exit_code=3)
    assert f"2 jobs ({there}) could not be ended" in cancelled
    assert "on the cluster and as the user that sent them off" in cancelled


def test_jobs_of_here_and_of_submissions_that_say_no_cluster_can_be_lost(sweep):
    for identity, where in (("5ub", {"cluster": "near", "user": user()}), ("01d", {})):
        sweep.send(identity, **where)
        (sweep.cluster / "queue").write_text("")
        assert sweep.states() == {"lost": 4}


def test_a_worker_that_was_stopped_elsewhere_may_have_been_put_back(sweep):
    """Only SLURM knows whether it starts again such a job, so from here it is on its way; one that
    crashed is not.
    """
    sweep.send(cluster="far", user="alice")
    (sweep.cluster / "queue").write_text("")
    first, second = read_manifest(sweep.folder).packs
    for place, (pack, why) in enumerate(((first, "stopped"), (second, "crashed"))):
        log = EventLog(sweep.folder / "attempts", why)
        begun = {
            "host": "n1",
            "pid": 1,
            "slurm_number": f"7_{place}",
            "slurm_started_at": None,
            "restarts": 0,
        }
        log.write("begun", submission="5ub", place=place, **begun)
        log.write("pack_begun", runs=list(pack))
        log.write("ended", why=why, requeued=False)
    assert sweep.states() == {"running": 2, "crashed": 2}


def test_a_local_job_is_ended_on_its_own_machine_only(sweep):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as lives:
        for identity, host in (("far", "elsewhere"), ("near", socket.gethostname())):
            sweep.send(identity, at=now(), profile=None, host=host)
            log = EventLog(sweep.folder / "attempts", identity)
            begun = {"pid": lives.pid, "slurm_number": None, "slurm_started_at": None}
            log.write("begun", submission=identity, place=0, host=host, **begun)
        cancelled = sweep.harness("cancel", "--yes")
        lives.wait()
    assert cancelled.exit_code == 3
    assert "1 jobs (sent off on elsewhere) could not be ended" in cancelled.output


def test_who_cancelled_is_kept(sweep):
    sweep.send(listed="CANCELLED")
    for _ in range(2):  # what SLURM says, and what is kept of it
        sweep.status()
        (sweep.cluster / "queue").write_text("")
    run, *_ = sweep.status()["runs"]
    assert {one["why"] for one in sweep.status()["runs"].values()} == {
        "by scancel (SLURM: CANCELLED (Priority))"
    }
    assert "cancelled, by scancel (SLURM: CANCELLED" in sweep.harness("logs", run).output

    write_order(sweep.folder, "retry", list(sweep.status()["runs"]), "`harness retry`")
    sweep.send("a9a1", at=now(), listed="CANCELLED")
    for _ in range(2):
        assert sweep.states() == {"cancelled": 4}
        (sweep.cluster / "queue").write_text("")
    assert len(read_orders(sweep.folder)) == 3

    assert (
        Instruction(kind="cancel", at=now(), runs=(run,)).by_words
        == "by `harness cancel` or scancel"
    )


def test_a_controller_that_hangs_is_waited_for_once(sweep, monkeypatch):
    """Each of its commands would wait as long; it is asked again after a minute."""
    monkeypatch.setattr(cluster, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(cluster, "_silent_until", {})
    (sweep.cluster / "squeue").write_text("#!/bin/sh\necho asked >> asked\nexec sleep 30\n")
    monkeypatch.chdir(sweep.cluster)

    assert cluster.squeue(["a"]).silent == "squeue did not answer within 0.2 s; try again later"
    assert (
        cluster.squeue(["b"]).silent
        == "squeue: not asked again, as SLURM did not answer within 0.2 s"
    )
    with pytest.raises(HarnessError, match="not asked again"):
        cluster.cluster_name()
    assert Path("asked").read_text() == "asked\n"

    monkeypatch.setattr(
        cluster, "_silent_until", dict.fromkeys(cluster._silent_until, time.monotonic())
    )
    assert "did not answer" in cluster.squeue(["c"]).silent
    assert Path("asked").read_text() == "asked\nasked\n"
