"""What is known of an experiment, gathered from its files and from SLURM, and what that leaves to be sent off."""

import os
import socket
import statistics
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from harness.dispatch.cluster import Queue, sacct, squeue
from harness.dispatch.events import Attempt, read_attempts
from harness.dispatch.state import (
    FREE,
    LEASE_SECONDS,
    OVER,
    UNDERWAY,
    Evidence,
    RunState,
    seconds_of,
    states,
    unexplained,
)
from harness.dispatch.submission import Submission, read_orders, read_submissions, write_order
from harness.spec import Manifest


def gather(folder: Path, records: Mapping[str, Literal["done", "diverged"]]) -> Evidence:
    """Everything that is known of the runs of the experiment in `folder`; SLURM is asked twice at most."""
    submissions, attempts = read_submissions(folder), read_attempts(folder / "attempts")
    sent = [submission for submission in submissions if submission.profile]
    queue = squeue([submission.name for submission in sent])
    accounting = Queue({})
    if not queue.silent and (forgotten := unexplained(sent, attempts, queue)):
        accounting = sacct(forgotten, min(submission.at for submission in sent))
    return Evidence(
        records=records,
        submissions=submissions,
        attempts=attempts,
        orders=read_orders(folder),
        queue=queue,
        accounting=accounting,
        dead=_dead(submissions, attempts),
        now=time.time(),
    )


def reconcile(manifest: Manifest, folder: Path, evidence: Evidence) -> dict[str, RunState]:
    """The state of every planned run; what was cancelled by SLURM's own command is kept, as SLURM forgets it."""
    found = states(manifest.run_ids(), evidence)
    ordered = {run for order in evidence.orders for run in order.runs if order.kind == "cancel"}
    seen = [run for run, state in found.items() if state.state == "cancelled" and run not in ordered]
    if seen:
        with suppress(OSError):  # who may only look keeps nothing
            write_order(folder, "cancel", seen)
    return found


def to_send(
    manifest: Manifest, found: Mapping[str, RunState], only: Collection[str] | None = None
) -> list[tuple[str, ...]]:
    """The packs of the plan, reduced to the runs `only`, or else to those that are sent off without a word."""
    wanted = only if only is not None else {run for run, state in found.items() if state.state in FREE}
    packs = (tuple(run for run in pack if run in wanted) for pack in manifest.packs)
    return [pack for pack in packs if pack]


class Spending(NamedTuple):
    """Hours of devices: what attempts have taken so far, what was predicted for the runs that are over, and is for the
    others; seconds until those end at the rate of now, None if nothing runs; and seconds from the start of a job to
    the first step of its training.
    """

    device_unit: str
    spent_hours: float
    predicted_hours_over: float
    predicted_hours_left: float
    seconds_left: float | None
    overhead_seconds: float | None


def spending(found: Mapping[str, RunState], evidence: Evidence) -> Spending | None:
    """What the sweep has cost and will; None if nothing was ever sent off."""
    if not evidence.submissions:
        return None
    by_id = {submission.id: submission for submission in evidence.submissions}
    spent = sum(_seconds(attempt) * by_id[attempt.begun["submission"]].devices for attempt in evidence.attempts)
    share = {one.id: one.devices / one.slots for one in evidence.submissions}  # of a device, that a pack has
    of_run: dict[str, float] = {}
    for submission in evidence.submissions:
        for job in submission.jobs:
            for pack, seconds in zip(job.packs, job.pack_seconds, strict=True):
                of_run |= dict.fromkeys(pack, seconds * share[submission.id] / len(pack))
    over = sum(seconds for run, seconds in of_run.items() if found[run].state in OVER)
    left = sum(seconds for run, seconds in of_run.items() if found[run].state in UNDERWAY)
    running = sum(
        by_id[attempt.begun["submission"]].devices
        for attempt in evidence.attempts
        if not attempt.ended and evidence.now - attempt.beat_at < LEASE_SECONDS and attempt.id not in evidence.dead
    )
    trained = sum(
        event["seconds"] * share[one.begun["submission"]]
        for one in evidence.attempts
        for event in one.events
        if event["event"] == "pack_done"
    )
    pace = trained / over if over and trained else 1.0
    last = by_id[evidence.submissions[-1].id]
    return Spending(
        device_unit=last.profile.device_unit if last.profile else "core",
        spent_hours=spent / 3600,
        predicted_hours_over=over / 3600,
        predicted_hours_left=left / 3600,
        seconds_left=left * pace / running if running else None,
        overhead_seconds=_overhead(evidence.attempts),
    )


def jobs_without(
    evidence: Evidence, found: Mapping[str, RunState], unwanted: Collection[str]
) -> tuple[list[str], list[int]]:
    """Jobs that are on their way with no runs but unwanted ones: numbers at SLURM, and processes of this machine."""
    numbers, processes = [], []
    for submission in evidence.submissions:
        for place, job in enumerate(submission.jobs):
            left = [run for pack in job.packs for run in pack if found[run].state in UNDERWAY]
            if not left or not set(left) <= set(unwanted):
                continue
            if listed := evidence.queue.of(submission.name, place):
                numbers.append(listed.number)
            processes += [
                attempt.begun["pid"]
                for attempt in evidence.attempts
                if submission.profile is None
                and attempt.begun["submission"] == submission.id
                and attempt.begun["host"] == socket.gethostname()
                and not attempt.ended
                and attempt.id not in evidence.dead
            ]
    return numbers, processes


def _seconds(attempt: Attempt) -> float:
    """How long an attempt took, or has been heard of so far."""
    until = seconds_of(attempt.ended["at"]) if attempt.ended else attempt.beat_at
    return max(0.0, until - seconds_of(attempt.begun["at"]))


def _overhead(attempts: Iterable[Attempt]) -> float | None:
    """The median over attempts in SLURM: from the start of the job to the first step."""
    found = [
        seconds_of(event["at"]) - float(attempt.begun["slurm_started_at"])
        for attempt in attempts
        if attempt.begun["slurm_started_at"]
        for event in attempt.events
        if event["event"] == "first_step"
    ]
    return statistics.median(found) if found else None


def _dead(submissions: Iterable[Submission], attempts: Iterable[Attempt]) -> set[str]:
    """Attempts of local jobs whose process was on this machine and is gone."""
    local = {submission.id for submission in submissions if submission.profile is None}
    return {
        attempt.id
        for attempt in attempts
        if attempt.begun["submission"] in local
        and attempt.begun["host"] == socket.gethostname()
        and not _lives(attempt.begun["pid"])
    }


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
