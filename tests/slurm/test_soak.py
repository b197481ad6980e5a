"""Two thousand runs while all goes wrong that can, by an explicit seed."""

import os
import signal
import time
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from real_slurm import Bed, command_of, parent_of, processes, wait_until
from sweeps import Sweep, assert_nothing_trained_twice, assert_records, records, sweep

from harness.dispatch.events import Attempt, Event
from harness.dispatch.state import FREE, seconds_of
from harness.record.store import read_record

pytestmark = [pytest.mark.slurm, pytest.mark.nightly]

SEED = 0
WIDTHS, SEEDS, EVALUATIONS = range(8, 40), range(64), 1000  # 64 packs of 32 runs, of a second each
JOB_MINUTES = 0.1  # about 20 jobs
CHECKPOINT_SECONDS = 1.0
SLACK_SECONDS = (
    4.0  # until a checkpoint is written and a worker has ended, where four jobs share two cores
)


class Strike(NamedTuple):
    """A fault that hit the training of these runs, and the seconds of it that no checkpoint
    holds.
    """

    fault: str
    runs: tuple[str, ...]
    lost_seconds: float


def test_two_thousand_runs_survive(testbed, tmp_path):
    calm, swept = two_thousand(tmp_path / "calm"), two_thousand(tmp_path / "soaked")
    calm.harness("submit", "--local", "2", "--yes")
    rng = Random(SEED)
    swept.submit()
    strikes = []
    for fault in rng.sample(list(FAULTS), counts=FAULT_COUNTS, k=sum(FAULT_COUNTS)):
        strikes.append(strike(fault, testbed, swept, rng))
        submit_again(swept)
    deadline = time.monotonic() + 600
    while submit_again(swept)["missing"]:
        assert time.monotonic() < deadline, "not all runs are over"
        time.sleep(2)  # a look takes a core a good part of a second

    assert [Counter(each.fault for each in strikes)[fault] for fault in FAULTS] == FAULT_COUNTS
    assert_records(swept, records(calm))
    assert swept.status()["planned"] >= 2000
    assert_nothing_trained_twice(swept)
    assert_nothing_saved_was_lost(swept)
    lost, needed = (
        [each.lost_seconds for each in strikes],
        sum(one["seconds"] for one in swept.events("pack_done")),
    )
    told = (
        f"{sum(lost):.1f} s of {needed:.0f} trained twice, {max(lost):.1f} at most by one of "
        f"{len(lost)} strikes"
    )
    print(told)
    assert max(lost) < CHECKPOINT_SECONDS + SLACK_SECONDS, told
    assert sum(lost) < 0.1 * needed, told


def two_thousand(folder: Path) -> Sweep:
    folder.mkdir()
    return sweep(
        folder,
        sizes=[4 * width + 1 for width in WIDTHS],
        seeds=SEEDS,
        evaluations=EVALUATIONS,
        job_minutes=JOB_MINUTES,
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )


def submit_again(swept: Sweep) -> dict[str, Any]:
    """As a user does who sees runs that nothing brings back by itself; the status that was seen."""
    status = swept.status()
    if any(status["states"].get(state) for state in FREE):
        swept.submit()
    return status


def strike(fault: str, bed: Bed, swept: Sweep, rng: Random) -> Strike:
    """Inflict a fault until it has hit training: it can come just as a pack ends."""
    while True:
        wait_until(lambda: bool(in_midst(swept)), 90, f"a job trains that can be hit: {fault}")
        time.sleep(rng.uniform(0, 1))
        if victims := in_midst(swept):
            victim, begun = rng.choice(victims), time.time()
            FAULTS[fault](bed, swept, victim)
            if struck := what_was_hit(fault, attempt_of(swept, victim.id), begun):
                return struck


def requeue(bed: Bed, swept: Sweep, victim: Attempt) -> None:
    bed.slurm("scontrol", "requeue", victim.begun["slurm_number"])
    wait_for_restart(bed, victim)


def preempt(bed: Bed, swept: Sweep, victim: Attempt) -> None:
    options = [
        "--partition=urgent",
        "--exclusive",
        f"--nodelist={node_of(bed, victim)}",
        "--output=/dev/null",
    ]
    urgent = bed.slurm("sbatch", "--parsable", *options, "--wrap", "sleep 1")
    wait_for_restart(bed, victim)
    wait_until(lambda: bed.job(urgent)["JobState"] == "COMPLETED", 30, "the urgent job has ended")


def set_node_down_and_up(bed: Bed, swept: Sweep, victim: Attempt) -> None:
    node = node_of(bed, victim)
    bed.node_down(
        node
    )  # the bed's nodes come up again by themselves when they next register, within seconds
    wait_for_restart(bed, victim)
    wait_until(lambda: bed.node_is_up(node), 30, f"{node} is up")


def kill_worker(bed: Bed, swept: Sweep, victim: Attempt) -> None:
    os.kill(victim.begun["pid"], signal.SIGKILL)
    wait_until(lambda: not lives(victim), 30, "the worker has ended")
    assert not attempt_of(swept, victim.id).ended


def kill_trainer(bed: Bed, swept: Sweep, victim: Attempt) -> None:
    """The process that trains: its worker lives on, and tries again."""
    worker = victim.begun["pid"]
    (trainer,) = [
        one for one in processes() if parent_of(one) == worker and b"spawn_main" in command_of(one)
    ]
    os.kill(trainer, signal.SIGKILL)
    wait_until(lambda: bool(kills(attempt_of(swept, victim.id))), 30, "the worker has seen it")


FAULTS = {
    "scontrol requeue": requeue,
    "preempted": preempt,
    "node down and up": set_node_down_and_up,
    "worker killed with -9": kill_worker,
    "trainer killed with -9": kill_trainer,
}
FAULT_COUNTS = [4, 3, 2, 3, 3]


def wait_for_restart(bed: Bed, victim: Attempt) -> None:
    """The attempt is over, and SLURM has put its job back into the queue."""
    wait_until(lambda: not lives(victim), 30, "the worker has ended")
    number, before = victim.begun["slurm_number"], victim.begun["restarts"]
    wait_until(lambda: int(bed.job(number)["Restarts"]) > before, 30, f"job {number} is requeued")


def in_midst(swept: Sweep) -> list[Attempt]:
    return [
        attempt
        for attempt in swept.attempts()
        if lives(attempt)
        and open_pack(attempt)
        and any(event["event"] == "first_step" for event in attempt.events)
        and not kills(attempt)  # after a second one the pack is halved, and its halves begin anew
    ]


def lives(attempt: Attempt) -> bool:
    return Path(f"/proc/{attempt.begun['pid']}").exists()


def node_of(bed: Bed, attempt: Attempt) -> str:
    return bed.job(attempt.begun["slurm_number"])["NodeList"]


def attempt_of(swept: Sweep, identity: str) -> Attempt:
    return next(attempt for attempt in swept.attempts() if attempt.id == identity)


def open_pack(attempt: Attempt) -> tuple[str, ...]:
    """The runs that the attempt has begun and not ended, one pack at a time; none if it trains
    nothing.
    """
    last = next((event for event in reversed(attempt.events) if "runs" in event), None)
    return (
        tuple(last["runs"])
        if last and last["event"] in ("pack_begun", "resumed", "checkpoint")
        else ()
    )


def kills(attempt: Attempt) -> list[Event]:
    return [
        event
        for event in attempt.events
        if event["event"] == "pack_failed" and event["cause"] == "killed"
    ]


def what_was_hit(fault: str, victim: Attempt, at: float) -> Strike | None:
    """The strike that a fault at this moment was; None if the attempt trained nothing just then."""
    killed = kills(victim)
    runs = tuple(killed[0]["runs"]) if killed else open_pack(victim)
    told = [seconds_of(event["at"]) for event in victim.events if event["event"] == "told"]
    end = told[0] if told else at  # it trains on until it is told to stop, and saves its state then
    safe = [
        seconds_of(event["at"])
        for event in victim.events
        if event["event"] == "first_step" or tuple(event.get("runs", ())) == runs
    ]
    return (
        Strike(fault, runs, end - max(moment for moment in safe if moment <= end)) if runs else None
    )


def assert_nothing_saved_was_lost(swept: Sweep) -> None:
    """No pack has begun anew, or from an older state than its last checkpoint."""
    saved: dict[tuple[str, ...], list[tuple[str, int, str]]] = defaultdict(list)
    for attempt in swept.attempts():
        for event in attempt.events:
            if event["event"] == "checkpoint":
                saved[tuple(event["runs"])].append((event["at"], event["evaluations"], attempt.id))
    for runs, found in saved.items():
        evaluations = [number for _, number, _ in sorted(found)]
        assert evaluations == sorted(evaluations)
        where = read_record(swept.results / "runs" / f"{runs[0]}.json").provenance
        assert where.resumed >= len({attempt for _, _, attempt in found} - {where.attempt})
