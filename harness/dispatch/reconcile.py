"""What is known of an experiment, gathered from its files and from SLURM, and what that leaves to be sent off."""

import os
import re
import socket
import statistics
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from harness.dispatch.cluster import Queue, sacct, squeue
from harness.dispatch.events import Attempt, read_attempts
from harness.dispatch.slurm import sent_log
from harness.dispatch.state import (
    FREE,
    LEASE_SECONDS,
    OVER,
    UNDERWAY,
    Evidence,
    JobKey,
    RunState,
    seconds_of,
    states,
    unexplained,
)
from harness.dispatch.submission import Submission, read_orders, read_submissions, write_order
from harness.spec import Manifest

RUN_ID = re.compile(r'"([0-9a-f]{16})"')  # in JSON


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
        moved=_moved(submissions, folder.resolve().parent),
        started=_started(folder, sent, attempts, queue),
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


def underway_beside(folder: Path, runs: Collection[str]) -> dict[Path, dict[str, RunState]]:
    """Which of these runs without records other experiments have on their way, by the folders of those.

    Experiments in one results folder share runs. Only submissions that name any of these are looked into.
    """
    found: dict[Path, dict[str, RunState]] = {}
    for other in sorted(path.parent for path in folder.parent.glob("*/submissions")):
        if other.name == folder.name or not (shared := set(runs) & _named_by(other)):
            continue
        theirs = states(shared, gather(other, {}))
        if underway := {run: one for run, one in theirs.items() if one.state in UNDERWAY}:
            found[other] = {
                run: one._replace(why=": ".join(filter(None, [f"sent off by {other}", one.why])))
                for run, one in underway.items()
            }
    return found


def _named_by(folder: Path) -> set[str]:
    """The runs that an experiment's submissions name: found as text, as most of them are of no interest."""
    named: set[str] = set()
    for path in folder.glob("submissions/*/submission.json"):
        with suppress(FileNotFoundError):  # SLURM has refused it, and it was taken back
            named |= set(RUN_ID.findall(path.read_text(encoding="utf-8")))
    return named


def to_send(
    manifest: Manifest, found: Mapping[str, RunState], only: Collection[str] | None = None
) -> list[tuple[str, ...]]:
    """The packs of the plan, reduced to the runs `only`, or else to those that are sent off without a word."""
    wanted = only if only is not None else {run for run, state in found.items() if state.state in FREE}
    packs = (tuple(run for run in pack if run in wanted) for pack in manifest.packs)
    return [pack for pack in packs if pack]


def stillborn(found: Mapping[str, RunState], evidence: Evidence) -> dict[str, RunState]:
    """Runs of the last submission whose jobs ended before their worker began, if no other worker of it began either.

    What ended them, a set-up line or the Python of the nodes, would end the same jobs again.
    """
    if not evidence.submissions or (last := evidence.submissions[-1]).id in evidence.moved:
        return {}
    if last.profile is None or any(attempt.begun["submission"] == last.id for attempt in evidence.attempts):
        return {}
    runs = [run for job in last.jobs for pack in job.packs for run in pack if run in found]
    return {run: found[run] for run in runs if found[run].state in ("crashed", "timed out")}


class Spending(NamedTuple):
    """Hours of devices: what attempts have taken so far, what was predicted for the runs that are over, and is for the
    others, each with the start of their jobs; seconds until those end at the rate of now, None if nothing runs; and
    seconds from the start of a job to the first step of its training.
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
    spent = sum(_seconds(attempt) * by_id[attempt.begun["submission"]].slots for attempt in evidence.attempts)
    of_run: dict[str, float] = {}
    for submission in evidence.submissions:
        for job in submission.jobs:
            for pack, seconds in zip(job.packs, job.pack_seconds, strict=True):
                of_run |= dict.fromkeys(pack, seconds / len(pack))
    over = sum(seconds for run, seconds in of_run.items() if found[run].state in OVER)
    left = sum(seconds for run, seconds in of_run.items() if found[run].state in UNDERWAY)
    running = sum(
        by_id[attempt.begun["submission"]].slots
        for attempt in evidence.attempts
        if not attempt.ended and evidence.now - attempt.beat_at < LEASE_SECONDS and attempt.id not in evidence.dead
    )
    trained = sum(
        event["seconds"] for one in evidence.attempts for event in one.events if event["event"] == "pack_done"
    )
    pace = trained / over if over and trained else 1.0
    started, starting = _starts(found, evidence)
    last = by_id[evidence.submissions[-1].id]
    return Spending(
        device_unit=last.profile.device_unit if last.profile else "core",
        spent_hours=spent / 3600,
        predicted_hours_over=(over + started) / 3600,
        predicted_hours_left=(left + starting) / 3600,
        seconds_left=(left * pace + starting) / running if running else None,
        overhead_seconds=_overhead(evidence.attempts),
    )


def start_seconds(evidence: Evidence) -> float | None:
    """From the start of a job in SLURM to the first step of its training: the median so far, None before the first."""
    return _overhead(evidence.attempts)


def _starts(found: Mapping[str, RunState], evidence: Evidence) -> tuple[float, float]:
    """Device seconds that it takes jobs to start, as the median does: of those that train or did, and of the others."""
    each = start_seconds(evidence) or 0.0
    trained = {
        JobKey(attempt.begun["submission"], attempt.begun["place"])
        for attempt in evidence.attempts
        if any(event["event"] == "first_step" for event in attempt.events)
    }
    started = starting = 0.0
    for submission in evidence.submissions:
        for place, job in enumerate(submission.jobs):
            seconds = each * submission.slots if submission.profile else 0.0
            if JobKey(submission.id, place) in trained:
                started += seconds
            elif any(run in found and found[run].state in UNDERWAY for pack in job.packs for run in pack):
                starting += seconds
    return started, starting


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


def _started(folder: Path, sent: Iterable[Submission], attempts: Iterable[Attempt], queue: Queue) -> set[JobKey]:
    """Jobs that squeue has forgotten and that have left an output, though no worker of theirs ever began."""
    begun = {JobKey(attempt.begun["submission"], attempt.begun["place"]) for attempt in attempts}
    return {
        JobKey(submission.id, place)
        for submission in sent
        for place in range(len(submission.jobs))
        if JobKey(submission.id, place) not in begun
        and queue.of(submission.name, place) is None
        and (log := sent_log(folder, submission, place))
        and log.exists()
    }


def _moved(submissions: Iterable[Submission], results: Path) -> dict[str, str]:
    """By submission, the folder that its jobs write into, where that is not this results folder any more."""
    wrote_into = {one.id: Path(one.results) for one in submissions if one.results}
    return {
        identity: str(path)
        for identity, path in wrote_into.items()
        if path != results and not (path.exists() and path.samefile(results))
    }


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
