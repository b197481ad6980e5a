"""What a cluster does to a sweep, on a real SLURM: nothing is lost, little is done twice, and
`status` tells the truth.

Each test ends with the records that an undisturbed training leaves, bit for bit, wall-clock fields
aside.
"""

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from real_slurm import Bed, parent_of, processes, wait_until
from sweeps import Sweep, assert_completes, only_job, sweep

from harness.dispatch.cluster import sacct, squeue, tasks_of
from harness.dispatch.events import Attempt

pytestmark = pytest.mark.slurm

LONG = 8_000  # evaluations: four seconds and more


def resumed(swept: Sweep) -> set[int]:
    """How often the trainings of the records went on from a checkpoint."""
    return {provenance.resumed for provenance in swept.provenances()}


def saved(attempt: Attempt) -> list[int]:
    """How far the pack was at each of its checkpoints."""
    return [event["evaluations"] for event in attempt.events if event["event"] == "checkpoint"]


def kill_worker(swept: Sweep) -> None:
    """Kill -9 the worker of the last attempt and what it started."""
    worker = swept.attempts()[-1].begun["pid"]
    for process in [worker, *children(worker)]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def freeze(swept: Sweep) -> None:
    """Stop the process that trains the pack of the last attempt."""
    for process in children(swept.attempts()[-1].begun["pid"]):
        os.kill(process, signal.SIGSTOP)


def thaw(swept: Sweep) -> None:
    """Let it go on. A process that the one before has just told to end may be gone."""
    for process in children(swept.attempts()[-1].begun["pid"]):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def children(process: int) -> list[int]:
    return [one for one in processes() if parent_of(one) == process]


def wait_for_warning(bed: Bed, warned: Path) -> None:
    """Give all jobs one minute, and wait until SLURM, which looks twice a minute, has told them
    that it ends.
    """
    script = f"trap 'touch {warned}; exit' USR2; touch {warned}.begun; while sleep 0.1; do :; done"
    bed.slurm(
        "sbatch",
        "--mem=100M",
        "--time=2",
        "--signal=B:USR2@60",
        "--output=/dev/null",
        "--wrap",
        script,
    )
    wait_until(
        warned.with_name(f"{warned.name}.begun").exists, 20, "the job that listens has begun"
    )
    for job in bed.slurm("squeue", "-h", "--array", "-o", "%i").split():
        bed.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=1")
    wait_until(warned.exists, 40, "SLURM has told all jobs")


def wait_until_forgotten(bed: Bed) -> None:
    wait_until(
        lambda: not bed.slurm("squeue", "-h", "--states=all"), 40, "squeue has forgotten all jobs"
    )


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def assert_went_on(swept: Sweep) -> None:
    """Each attempt went on where the one before it had saved: what it saved came after."""
    assert_completes(swept)
    assert 0 not in resumed(swept)
    for before, after in pairwise(swept.attempts()):
        assert min(saved(after), default=LONG) > max(saved(before), default=0)


def test_more_jobs_than_an_array_may_have(narrow_testbed, tmp_path):
    swept = sweep(tmp_path, sizes=(20, 40, 80, 160), seeds=(0,))
    said = swept.submit()
    assert "4 runs in 4 packs in 4 jobs of" in said
    assert "in 2 arrays" in said
    assert [len(submission.jobs) for submission in swept.submissions()] == [2, 2]
    assert_completes(swept)


def requeue(bed: Bed) -> None:
    """As an administrator does it."""
    bed.slurm("scontrol", "requeue", only_job(bed))


def preempt(bed: Bed) -> None:
    """Have a job of the partition urgent take both nodes for a while."""
    bed.slurm(
        "sbatch",
        "--partition=urgent",
        "--nodes=2",
        "--exclusive",
        "--output=/dev/null",
        "--wrap",
        "sleep 3",
    )


def take_node_down(bed: Bed) -> None:
    """Set the node of the job down; its job starts again on the other one."""
    bed.node_down(bed.job(only_job(bed))["NodeList"])


@pytest.mark.parametrize(
    "fault", [pytest.param(requeue, marks=pytest.mark.nightly), preempt, take_node_down]
)
def test_a_job_that_slurm_starts_again_goes_on(testbed, tmp_path, fault: Callable[[Bed], None]):
    swept = sweep(tmp_path, evaluations=LONG, checkpoint_seconds=0.3)
    swept.submit()
    swept.wait_for_event("checkpoint")
    fault(testbed)
    swept.wait_for_states({"queued": 2})
    assert swept.whys() == {
        "SLURM: PENDING; it has begun before, and goes on from where it was saved"
    }
    assert "submitted" not in swept.submit()
    assert_went_on(swept)
    assert next((event["why"], event["requeued"]) for event in swept.events("ended")) == (
        "requeued",
        True,
    )


def test_the_time_limit(testbed, tmp_path):
    """A job at its limit starts again by itself if it came any further, and else waits for the
    user.
    """
    limits = {"evaluations": LONG, "checkpoint_seconds": 0.3, "time_minutes": 2, "save_seconds": 60}
    swept, stuck = (
        sweep(new(tmp_path / "swept"), **limits),
        sweep(new(tmp_path / "stuck"), **limits),
    )
    stuck.submit()
    stuck.wait_for_event("pack_begun")
    freeze(stuck)
    swept.submit()
    swept.wait_for_event("checkpoint")
    freeze(swept)
    wait_for_warning(testbed, tmp_path / "warned")
    thaw(swept)
    thaw(stuck)

    stuck.wait_for_event("ended")
    stuck.wait_for_states({"timed out": 2})
    assert stuck.whys() == {"its worker ended: timed out"}
    assert stuck.next_moves() == {"`harness submit` sends it off"}
    swept.wait_for_event("ended")  # from there it may begin again at any moment
    assert next(event["requeued"] for event in swept.events("ended"))
    for job in testbed.slurm("squeue", "-h", "--array", "-o", "%i").split():
        testbed.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=2")
    stuck.submit()
    assert_went_on(swept)
    assert_completes(stuck)


def test_a_killed_worker(testbed, tmp_path):
    swept = sweep(tmp_path, evaluations=LONG, checkpoint_seconds=0.3)
    swept.submit()
    swept.wait_for_event("checkpoint")
    kill_worker(swept)
    swept.wait_for_states({"crashed": 2})
    assert swept.whys() == {"SLURM: FAILED"}
    assert all("`harness submit` tries once more" in move for move in swept.next_moves())
    swept.submit()
    assert_went_on(swept)


@pytest.mark.nightly
def test_what_only_sacct_knows(accounting_testbed, tmp_path):
    """Of a killed job and one that scancel took from the queue, both forgotten by squeue, sacct
    tells which is it.
    """
    swept = sweep(
        tmp_path, sizes=(20, 80), evaluations=LONG, checkpoint_seconds=0.3, jobs_at_once=1
    )
    swept.submit()
    swept.wait_for_event("checkpoint")
    array = only_job(accounting_testbed).partition("_")[0]
    accounting_testbed.slurm("scancel", "--state=pending", array)
    kill_worker(swept)
    wait_until_forgotten(accounting_testbed)
    assert swept.states() == {"crashed": 2, "cancelled": 2}
    assert swept.whys() == {"SLURM: FAILED", "SLURM: CANCELLED"}
    assert "2 runs in 1 pack in 1 job" in swept.submit()
    swept.wait_for_states({"done": 2, "cancelled": 2})
    swept.retry("cancelled")
    assert_completes(swept)
    assert max(resumed(swept)) > 0


def test_what_scancel_ends_stays_cancelled(testbed, tmp_path):
    swept = sweep(
        tmp_path, sizes=(20, 80), evaluations=LONG, checkpoint_seconds=0.3, jobs_at_once=1
    )
    swept.submit()
    swept.wait_for_event("checkpoint")
    testbed.slurm("scancel", only_job(testbed).partition("_")[0])
    swept.wait_for_states({"cancelled": 4})
    assert [event["why"] for event in swept.events("ended")] == [
        "cancelled"
    ]  # which its worker remembers
    assert swept.next_moves() == {"`harness retry FILE --cause cancelled` takes it back"}
    assert "nothing to submit\ncancelled: `harness retry" in swept.submit()
    swept.retry("cancelled")
    assert not {"planned", "cancelled"} & swept.states().keys()
    assert_completes(swept)
    assert max(resumed(swept)) > 0
    told = swept.harness("logs", swept.events("resumed")[0]["runs"][0]).output
    moments = re.findall(r"^20\S+(?=  )", told, flags=re.MULTILINE)
    assert moments == sorted(moments)
    for words in (
        "submitted as",
        "cancelled, by",
        "to be tried again",
        "resumed: evaluations",
        "pack done",
    ):
        assert words in told


def test_workers_pass_over_cancelled_runs(testbed, tmp_path):
    swept = sweep(tmp_path, sizes=(20, 40, 80), evaluations=1000, job_minutes=2)
    swept.submit()
    swept.wait_for_event("pack_begun")
    freeze(swept)
    assert "cancelled: 3 runs\n" in swept.harness("cancel", "--where", "seed=1", "--yes").output
    thaw(swept)
    swept.wait_for_states({"done": 4, "cancelled": 2})
    assert [len(event["runs"]) for event in swept.events("pack_done")] == [2, 1, 1]
    assert "by `harness cancel`" in swept.whys()
    swept.retry("cancelled")
    assert_completes(swept)


CRASHES = """
import os

def target(x):
    if "SLURM_JOB_ID" in os.environ and "MENDED" not in os.environ:
        raise ValueError("not on a node")
    return x[:, 0] * x[:, 1]
"""
NEEDS_MEMORY = """
import os, resource

def target(x):
    return x[:, 0] * x[:, 1]

if room := os.environ.get("ROOM_MB"):  # for what comes now: torch has been imported
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(room) * 2**20, resource.RLIM_INFINITY))
"""


def test_a_run_that_crashes_on_nodes_only(testbed, here):
    (here / "crashes.py").write_text(CRASHES, encoding="utf-8")
    swept = sweep(here, target="crashes:target")
    swept.submit()
    swept.wait_for_states({"quarantined": 2})
    assert [event["move"] for event in swept.events("pack_failed")] == ["again", "give up"]
    assert all("harness retry FILE --cause quarantined" in move for move in swept.next_moves())
    (run, *_) = swept.status()["runs"]
    assert "ValueError: not on a node" in swept.harness("logs", run).output
    assert "submitted" not in swept.submit()

    mended = sweep(here, target="crashes:target", setup=["export MENDED=1"])
    mended.retry("quarantined")
    assert_completes(mended)


def test_memory_that_does_not_suffice(testbed, here):
    """Of a pack that does not fit the halves are trained; a run that does not fit alone waits for
    more memory.
    """
    (here / "needs_memory.py").write_text(NEEDS_MEMORY, encoding="utf-8")
    # which takes 240 MB alone, 220 as two and 400 as four, and 540 alone
    of_all = {"target": "needs_memory:target", "evaluations": 2}
    packed = sweep(
        new(here / "packed"),
        sizes=(200_000,),
        seeds=range(4),
        setup=["export ROOM_MB=350"],
        **of_all,
    )
    alone = sweep(
        new(here / "alone"), sizes=(500_000,), seeds=(0,), setup=["export ROOM_MB=350"], **of_all
    )
    packed.submit()
    alone.submit()

    assert_completes(packed)
    failures = packed.events("pack_failed")
    assert len(failures) == 1, failures
    (failed,) = failures
    assert (failed["cause"], failed["move"], len(failed["runs"])) == ("out_of_memory", "split", 4)
    assert [len(event["runs"]) for event in packed.events("pack_done")] == [2, 2]

    alone.wait_for_states({"out of memory": 1})
    assert all("raise memory_gb in the profile" in move for move in alone.next_moves())
    assert "submitted" not in alone.submit()
    enough = sweep(here / "alone", sizes=(500_000,), seeds=(0,), **of_all)
    enough.retry("out of memory")
    assert_completes(enough)


@pytest.mark.parametrize("tasks", ["1-99:2", "0-7,9,20-300:7", "0-1,3"])
def test_every_task_of_an_array_is_seen_while_it_waits_and_when_it_was_cancelled(
    accounting_testbed, tasks
):
    """With --array squeue and sacct leave out the last of steps."""
    submit = (
        "sbatch",
        "--parsable",
        "--hold",
        f"--array={tasks}",
        "--output=/dev/null",
        "--account=testbed",
    )
    since = datetime.now(UTC).isoformat()
    name = f"strided_{len(tasks)}"
    array = accounting_testbed.slurm(*submit, f"--job-name={name}", "--wrap=true")
    wanted = {(name, task) for task in tasks_of(f"{array}_[{tasks}]")}
    assert squeue([name]).jobs.keys() == wanted
    accounting_testbed.slurm("scancel", array)
    wait_until(lambda: sacct([name], since).jobs.keys() >= wanted, 30, "sacct has all tasks")
