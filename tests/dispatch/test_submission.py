"""Submissions as files: packs in jobs, orders of which the last counts, torn logs, and jobs none of
which began.
"""

import json
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import refused
from hypothesis import given
from hypothesis import strategies as st
from made_submission import job, small, submission, write

from harness.base.errors import HarnessError
from harness.dispatch import submission as sending
from harness.dispatch.cluster import Listed, Queue, scrubbed, tasks_of
from harness.dispatch.events import EventLog, read_attempts
from harness.dispatch.profile import Profile
from harness.dispatch.reconcile import gather, reconcile, spending, start_seconds, stillborn
from harness.dispatch.state import RunState
from harness.dispatch.submission import arrays, bin_packs, makespan
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment


@pytest.fixture
def plan():
    return make_plan(parse_experiment(small(sizes=(20, 40, 80))), "example")


def _submission(plan):
    return submission(
        "example", tuple(map(job, plan.packs)), host="here", roots=("/code",), slots=2
    )


def test_a_submission_is_read_as_it_was_written(plan, tmp_path):
    specs = {planned.run_id: planned.run for planned in plan.runs}
    written = write(tmp_path, _submission(plan), plan)
    assert sending.read_submissions(tmp_path) == [written]
    for place, sent in enumerate(written.jobs):
        read = sending.read_job(tmp_path, "5ub", place)
        assert read.ids == sent.packs
        assert read.packs == tuple(tuple(specs[run] for run in pack) for pack in sent.packs)
    assert "job-9.json is not there; `harness submit` sends" in refused(
        sending.read_job, tmp_path, "5ub", 9
    )


def test_a_submission_that_was_changed_by_hand_is_named(plan, tmp_path):
    write(tmp_path / "example", _submission(plan), plan)
    path = tmp_path / "example" / "submissions" / "5ub" / "submission.json"
    path.write_text(path.read_text().replace("c0de", "c0d0"))
    (found,) = sending.read_submissions(tmp_path / "example")
    assert f"{path} is damaged (" in found.damage
    assert f"`scancel --name={_submission(plan).name}` ends its jobs" in found.damage
    assert found.jobs == ()


def test_the_last_order_counts(tmp_path):
    sending.write_order(tmp_path, "cancel", ["a", "b"], "her")
    sending.write_order(tmp_path, "retry", ["a"], "him")
    assert sending.cancelled(sending.read_orders(tmp_path)).keys() == {"b"}
    sending.write_order(tmp_path, "cancel", ["a"], "him")
    found = sending.cancelled(sending.read_orders(tmp_path))
    assert {run: order.by for run, order in found.items()} == {"a": "him", "b": "her"}


def test_a_second_submitter_is_told_so(tmp_path):
    told = (
        f"submit.lock: process {os.getpid()} on {socket.gethostname()}, since .*, is "
        "submitting runs"
    )
    with (
        sending.one_submitter(tmp_path),
        pytest.raises(HarnessError, match=told),
        sending.one_submitter(tmp_path),
    ):
        pytest.fail("both submit")
    with sending.one_submitter(tmp_path):
        pass


def test_a_retry_counts_for_what_is_sent_after_it(plan, tmp_path):
    with sending.retrying(tmp_path, plan.run_ids()):
        write(tmp_path, _submission(plan), plan)
    (order,), (sent,) = sending.read_orders(tmp_path), sending.read_submissions(tmp_path)
    assert order.at < sent.at
    with pytest.raises(HarnessError), sending.retrying(tmp_path, plan.run_ids()):
        raise HarnessError("sbatch refused the jobs")
    assert sending.read_orders(tmp_path) == [order]


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path, "a1")
    log.write("begun", submission="s", place=0)
    log.write("pack_done", runs=["r1"], statuses=["done"], seconds=1.0)
    return log


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_left_out(log, tmp_path, cut):
    log.write("ended", why="finished", requeued=False, at_last="x" * 20)
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    (attempt,) = read_attempts(tmp_path)
    assert (attempt.id, attempt.begun["submission"]) == ("a1", "s")
    assert [event["event"] for event in attempt.events][:2] == ["begun", "pack_done"]
    assert (attempt.ended is not None) == (cut == 1)  # only the line's end was missing


def test_a_log_without_a_beginning_is_no_attempt(tmp_path):
    (tmp_path / "a2.jsonl").write_text(json.dumps({"event": "ended", "at": "x"}) + "\n")
    (tmp_path / "a3.jsonl").write_text("")
    assert read_attempts(tmp_path) == []


def test_a_full_disk_tears_one_line_and_not_the_next(tmp_path, capsys):
    if not (full := Path("/dev/full")).exists():
        pytest.skip("no /dev/full on this system")
    log = EventLog(tmp_path, "a1")
    log.write("begun", submission="s", place=0)
    kept, log.path = log.path, full
    log.write("pack_done", runs=["r1"])
    log.path = kept
    with kept.open("a") as file:
        file.write('{"event": "pack_done", "ru')  # what a disk takes before it is full
    log.write("ended", why="finished", requeued=False)

    (attempt,) = read_attempts(tmp_path)

    assert [event["event"] for event in attempt.events] == ["begun", "ended"]
    assert "No space left" in capsys.readouterr().out


SECONDS = st.lists(st.floats(0.01, 5000), min_size=1, max_size=60)
SLOTS = st.integers(1, 8)


def _packs(seconds):
    return {(f"run {index}",): each for index, each in enumerate(seconds)}


@given(SECONDS, st.floats(10, 4000), SLOTS)
def test_every_pack_is_in_one_job(seconds, job_seconds, slots):
    packs = _packs(seconds)
    jobs = bin_packs(packs, job_seconds, slots)
    binned = [pack for job in jobs for pack in zip(job.packs, job.pack_seconds, strict=True)]
    assert sorted(binned) == sorted(packs.items())
    assert all(job.packs for job in jobs)


@given(SECONDS, st.floats(10, 4000), SLOTS)
def test_jobs_are_about_as_long_as_asked(seconds, job_seconds, slots):
    """The work of a job is at most what was asked for and one pack more (Graham's bound); the
    longest job is first.
    """
    jobs = bin_packs(_packs(seconds), job_seconds, slots)
    for one in jobs:
        assert sum(one.pack_seconds) <= job_seconds * slots + max(seconds) + 1e-6
    assert [one.seconds for one in jobs] == sorted((one.seconds for one in jobs), reverse=True)


@given(SECONDS, SLOTS)
def test_a_job_is_as_long_as_its_slots_take(seconds, slots):
    """Packs on slots take at least the mean and the longest, and at most the mean and the longest
    together.
    """
    least = max(sum(seconds) / slots, max(seconds))
    assert least <= makespan(seconds, slots) * (1 + 1e-9)
    assert makespan(seconds, slots) <= (sum(seconds) / slots + max(seconds)) * (1 + 1e-9)


@given(st.integers(1, 5000), st.integers(1, 1001))
def test_arrays_hold_every_job_once_and_no_more_than_allowed(jobs, largest):
    chunks = list(arrays(jobs, largest))
    assert [job for chunk in chunks for job in chunk] == list(range(jobs))
    assert max(len(chunk) for chunk in chunks) <= largest
    assert len(chunks) == -(-jobs // largest)


def test_no_packs_make_no_jobs():
    assert bin_packs({}, 2400, 4) == []


@pytest.mark.parametrize(
    ("number", "tasks"),
    [
        ("7", [None]),
        ("7_3", [3]),
        ("7_[3-5]", [3, 4, 5]),
        ("7_[0,2-3,9%4]", [0, 2, 3, 9]),
        ("7_[4%1]", [4]),
        ("7_[1-7:3,9]", [1, 4, 7, 9]),
    ],
)
def test_tasks_are_read_off_a_number(number, tasks):
    assert tasks_of(number) == tasks


def test_what_is_left_of_an_array_stands_for_the_tasks_without_a_line_of_their_own():
    rest, own = Listed("7", "name", "CANCELLED"), Listed("7_2", "name", "RUNNING")
    queue = Queue({("name", None): rest, ("name", 2): own})
    assert queue.of("name", 2) == own
    assert queue.of("name", 3) == rest
    assert queue.of("other", 3) is None


def test_variables_of_a_job_are_left_out_and_those_of_the_cluster_kept():
    environment = {
        "SLURM_JOB_ID": "7",
        "SLURM_CPUS_PER_TASK": "1",
        "SBATCH_MEM_PER_CPU": "1",
        "SLURM_MEM_PER_NODE": "9",
        "SQUEUE_PARTITION": "another",
    }
    kept = {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin", "SLURMY": "no"}
    assert scrubbed(environment | kept) == kept


@pytest.fixture
def one_seed():
    return make_plan(parse_experiment(small(seeds=[0], sizes=(20, 80))), "example")


def _known(folder):
    return gather(folder, (), records=None)


def _sent(one_seed, folder, **fields):
    where = {
        "host": "here",
        "roots": (str(folder.parent / "snapshots" / "c0de" / "0"),),
        "results": str(folder.parent),
    }
    jobs = fields.pop("jobs", (job(*one_seed.packs),))
    return write(folder, submission("example", jobs, **where | fields), one_seed)


@pytest.fixture
def sent(one_seed, tmp_path, monkeypatch):
    """Two jobs of a submission to a cluster whose SLURM answers and knows nothing of them any
    more.
    """
    (tmp_path / "bin").mkdir()
    for command in ("sbatch", "squeue", "sacct", "scontrol"):
        (tmp_path / "bin" / command).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    jobs = tuple(map(job, one_seed.packs))
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="microseconds")
    return _sent(
        one_seed, tmp_path / "example", profile=Profile(setup=("false",)), jobs=jobs, at=at
    )


def test_one_worker_that_began_is_enough_to_submit_again(one_seed, sent, tmp_path):
    """Then a node was broken, and not the profile; a retry says that it was mended."""
    folder = tmp_path / "example"
    sending.keep_number(folder, sent.id, "4711")
    (folder / "logs").mkdir()
    (folder / "logs" / "4711_0_0_log.out").write_text("set-up line failed: false\n")
    assert stillborn(reconcile(one_seed, folder, _known(folder)), _known(folder))

    order = sending.write_order(folder, "retry", one_seed.run_ids(), "`harness retry`")
    assert not stillborn(reconcile(one_seed, folder, _known(folder)), _known(folder))
    order.unlink()
    EventLog(folder / "attempts", "a").write("begun", submission=sent.id, place=1, host="n1", pid=1)
    assert not stillborn(reconcile(one_seed, folder, _known(folder)), _known(folder))


def test_starting_counts_for_every_job(one_seed, sent, tmp_path):
    folder = tmp_path / "example"
    assert start_seconds(_known(folder)) is None
    began = datetime.now(UTC) - timedelta(seconds=60)
    log = EventLog(folder / "attempts", "a")
    log.write(
        "begun",
        submission=sent.id,
        place=0,
        host="n1",
        pid=1,
        slurm_started_at=str(began.timestamp()),
    )
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
