"""What is known of an experiment, gathered from its files and from SLURM, and what that leaves to be sent off."""

import os
import socket
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from harness.dispatch.cluster import Queue, cause, cluster_name, sacct, squeue, user
from harness.dispatch.events import Attempt, read_attempts
from harness.dispatch.state import (
    ENDED,
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
from harness.dispatch.submission import Submission, cancelled, read_orders, read_submissions, write_order
from harness.errors import HarnessError
from harness.record import recorded
from harness.spec import Manifest

CLOCK_SECONDS = 5.0  # by which clocks differ before it is said: files are dated by the second or so, and late


def gather(manifest: Manifest, folder: Path, records: Path, check_all: bool = False) -> Evidence:
    """Everything that is known of the runs of the experiment in `folder`; SLURM is asked three times at most.

    `check_all` looks for damage in all of every record (see `recorded`).
    """
    submissions, attempts = read_submissions(folder), read_attempts(folder / "attempts")
    sent = [submission for submission in submissions if submission.profile]
    queue, elsewhere, accounting = squeue([submission.name for submission in sent]), {}, Queue({})
    if not queue.silent and (forgotten := unexplained(sent, attempts, queue)):
        try:
            elsewhere = _elsewhere(sent)
        except HarnessError as error:  # it did answer squeue
            queue = queue._replace(silent=cause(error))
        here = [one for one in sent if one.name in forgotten and one.id not in elsewhere]
        if here and not queue.silent:
            accounting = sacct([one.name for one in here], min(one.at for one in here))
    known = recorded(_known_runs(manifest, submissions), records, check_all)
    return Evidence(
        records=known.statuses,
        damaged=known.damaged,
        submissions=submissions,
        attempts=attempts,
        orders=read_orders(folder),
        queue=queue,
        elsewhere=elsewhere,
        accounting=accounting,
        dead=_dead(submissions, attempts),
        now=time.time(),
    )


def reconcile(manifest: Manifest, folder: Path, evidence: Evidence) -> dict[str, RunState]:
    """The state of every planned run, and after them of those of earlier plans that were ever sent off.

    What was cancelled by SLURM's own command is kept, as SLURM forgets it.
    """
    found = states(_known_runs(manifest, evidence.submissions), evidence)
    ordered = cancelled(evidence.orders)
    seen: dict[str, list[str]] = defaultdict(list)
    for run, state in found.items():
        if state.state == "cancelled" and run not in ordered:
            seen[state.why].append(run)
    for why, runs in seen.items():
        with suppress(OSError):  # who may only look keeps nothing
            write_order(folder, "cancel", runs, f"scancel ({why})")
    return found


def _known_runs(manifest: Manifest, submissions: Sequence[Submission]) -> list[str]:
    sent = (run for submission in submissions for job in submission.jobs for pack in job.packs for run in pack)
    return list(dict.fromkeys([*manifest.run_ids(), *sent]))


def _elsewhere(submissions: Iterable[Submission]) -> dict[str, str]:
    """By whom and where those submissions were sent off of which this user hears nothing from the cluster at hand."""
    here = (cluster_name(), user())
    return {
        submission.id: f"sent off by {submission.user} on cluster {submission.cluster}"
        for submission in submissions
        if submission.cluster and (submission.cluster, submission.user) != here
    }


def to_send(
    manifest: Manifest, found: Mapping[str, RunState], only: Collection[str] | None = None
) -> list[tuple[str, ...]]:
    """The packs of the plan, reduced to the runs `only`, or else to those that are sent off without a word."""
    wanted = only if only is not None else {run for run, state in found.items() if state.state in FREE}
    packs = (tuple(run for run in pack if run in wanted) for pack in manifest.packs)
    return [pack for pack in packs if pack]


class Spending(NamedTuple):
    """Hours of devices: what attempts have taken so far, what was predicted for the runs that are over, and is for the
    others; seconds until those end at the rate of now, None if nothing runs; seconds from the start of a job to the
    first step of its training; and by how many seconds the clocks of hosts are ahead of others, where that is seen.
    """

    device_unit: str
    spent_hours: float
    predicted_hours_over: float
    predicted_hours_left: float
    seconds_left: float | None
    overhead_seconds: float | None
    clocks_ahead_seconds: dict[str, float]


def spending(found: Mapping[str, RunState], evidence: Evidence) -> Spending | None:
    """What the sweep has cost and will; None if nothing was ever sent off."""
    if not evidence.submissions:
        return None
    by_id = {submission.id: submission for submission in evidence.submissions}
    attempts = [attempt for attempt in evidence.attempts if attempt.begun["submission"] in by_id]
    spent = sum(_seconds(attempt) * by_id[attempt.begun["submission"]].slots for attempt in attempts)
    of_run: dict[str, float] = {}
    for submission in evidence.submissions:
        for job in submission.jobs:
            for pack, seconds in zip(job.packs, job.pack_seconds, strict=True):
                of_run |= dict.fromkeys(pack, seconds / len(pack))
    over = sum(seconds for run, seconds in of_run.items() if found[run].state in OVER)
    left = sum(seconds for run, seconds in of_run.items() if found[run].state in UNDERWAY)
    running = sum(by_id[attempt.begun["submission"]].slots for attempt in attempts if _lives_on(attempt, evidence))
    trained = sum(event["seconds"] for one in attempts for event in one.events if event["event"] == "pack_done")
    pace = trained / over if over and trained else 1.0
    last = by_id[evidence.submissions[-1].id]
    return Spending(
        device_unit=last.profile.device_unit if last.profile else "core",
        spent_hours=spent / 3600,
        predicted_hours_over=over / 3600,
        predicted_hours_left=left / 3600,
        seconds_left=left * pace / running if running else None,
        overhead_seconds=_overhead(attempts),
        clocks_ahead_seconds=_clocks_ahead(attempts),
    )


class Unneeded(NamedTuple):
    """Jobs that are on their way though every run of theirs is cancelled or over.

    `numbers` are those at SLURM, `processes` those of this machine. `not_verified` counts those that can be on their
    way, but not be ended from here, by why.
    """

    numbers: tuple[str, ...] = ()
    processes: tuple[int, ...] = ()
    not_verified: Mapping[str, int] = MappingProxyType({})


def unneeded(evidence: Evidence, found: Mapping[str, RunState]) -> Unneeded:
    """The jobs of cancelled runs that nobody else waits for."""
    numbers: list[str] = []
    processes: list[int] = []
    not_verified: Counter[str] = Counter()
    for submission in evidence.submissions:
        for place, job in enumerate(submission.jobs):
            there = {found[run].state for pack in job.packs for run in pack}
            if "cancelled" not in there or there & set(UNDERWAY):
                continue
            attempts = [one for one in evidence.attempts if _is_of(one, submission, place)]
            alive = [one for one in attempts if _lives_on(one, evidence)]
            listed, silence = evidence.queue.of(submission.name, place), evidence.silence(submission)
            if listed:
                numbers += [listed.number] if listed.state not in (*ENDED, "COMPLETING") else []
            elif silence:
                not_verified[silence] += not any(one.ended and not one.ended.get("requeued") for one in attempts)
            elif submission.profile is None:
                here = [one.begun["pid"] for one in alive if one.begun["host"] == socket.gethostname()]
                processes += here
                not_verified[f"sent off on {submission.host}"] += len(alive) - len(here)
    return Unneeded(tuple(dict.fromkeys(numbers)), tuple(processes), dict(+not_verified))


def _is_of(attempt: Attempt, submission: Submission, place: int) -> bool:
    return (attempt.begun["submission"], attempt.begun["place"]) == (submission.id, place)


def _lives_on(attempt: Attempt, evidence: Evidence) -> bool:
    """Whether an attempt goes on, as far as it has been heard of."""
    silence = evidence.now - attempt.beat_at
    return not attempt.ended and silence < LEASE_SECONDS and attempt.id not in evidence.dead


def _seconds(attempt: Attempt) -> float:
    """How long an attempt has taken until its last event, all by the clock of its host."""
    return max(0.0, seconds_of(attempt.events[-1]["at"]) - seconds_of(attempt.begun["at"]))


def _overhead(attempts: Iterable[Attempt]) -> float | None:
    """The median over attempts in SLURM: from the start of the job to the first step, where their clocks agree."""
    found = [
        max(0.0, seconds_of(event["at"]) - float(attempt.begun["slurm_started_at"]))
        for attempt in attempts
        if attempt.begun["slurm_started_at"] and not _ahead_seconds(attempt)
        for event in attempt.events
        if event["event"] == "first_step"
    ]
    return statistics.median(found) if found else None


def _clocks_ahead(attempts: Iterable[Attempt]) -> dict[str, float]:
    """Of hosts whose clock differs, by how many seconds it is ahead; by what their last attempt shows."""
    found = {attempt.begun["host"]: _ahead_seconds(attempt) for attempt in attempts}
    return {host: seconds for host, seconds in found.items() if seconds}


def _ahead_seconds(attempt: Attempt) -> float:
    """By how much the clock of an attempt's host is seen to be ahead; 0 where it is not.

    It is behind if a worker began before SLURM started its job, and ahead if it wrote an event after the file server
    dated its log for the last time. (A log that was copied is dated later, and shows nothing.)
    """
    begun = seconds_of(attempt.begun["at"])
    behind = min(0.0, begun - float(attempt.begun["slurm_started_at"] or begun))
    ahead = max(0.0, seconds_of(attempt.events[-1]["at"]) - attempt.beat_at)
    return next((seconds for seconds in (behind, ahead) if abs(seconds) > CLOCK_SECONDS), 0.0)


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
