"""What is known of an experiment, gathered from its files and from SLURM, and what that leaves to
be sent off.

And how far every experiment of a results folder is, with the disk that it takes: counted, without
reading a record.
"""

import itertools
import re
import socket
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

from harness.base.errors import HarnessError
from harness.base.files import lives, os_words
from harness.dispatch.cluster import Queue, cause, cluster_name, sacct, squeue, user
from harness.dispatch.events import Attempt, read_attempts, seconds_of
from harness.dispatch.launch import sent_log
from harness.dispatch.leftovers import NETWORKS, bytes_below, file_bytes
from harness.dispatch.state import (
    ENDED,
    FREE,
    OVER,
    UNDERWAY,
    WENT_WRONG,
    Evidence,
    RunState,
    states,
    unexplained,
)
from harness.dispatch.submission import (
    Submission,
    cancelled,
    read_orders,
    read_submissions,
    write_order,
)
from harness.record.store import Recorded, record_path, recorded
from harness.spec.manifest import Manifest, manifest_path, plain_plan

CLOCK_SECONDS = (
    5.0  # by which clocks differ before it is said: files are dated by the second or so, and late
)
RUN_ID = re.compile(r'"([0-9a-f]{16})"')  # in JSON


def gather(
    folder: Path, runs: Iterable[str], records: Path | None, check_all: bool = False
) -> Evidence:
    """Everything that is known of these runs of the experiment in `folder`, and of those that it
    ever sent off.

    SLURM is asked three times at most. `records` are looked at if they are given; `check_all` looks
    for damage in all of every record (see `recorded`).
    """
    hidden, submissions, attempts, orders, queue = None, [], [], [], Queue({})
    try:
        sent_off = read_submissions(folder)
        # SLURM is asked before the rest is read: what has ended by its answer has left its record
        # and events by then.
        queue = squeue([submission.name for submission in sent_off if submission.profile])
        submissions, attempts = sent_off, read_attempts(folder / "attempts")
        orders = read_orders(folder)
    except PermissionError as error:
        unread = Path(error.filename).relative_to(folder.parent)
        hidden = RunState(
            "queued", f"not verified ({unread} may not be read)", next_move="ask its owner"
        )
    for damage in (submission.damage for submission in submissions if submission.damage):
        hidden = RunState("queued", "not verified (a submission cannot be read)", next_move=damage)
    sent = [submission for submission in submissions if submission.profile]
    dead = _dead(submissions, attempts)  # before records are read, as above
    kept = (
        recorded(_with_sent(runs, submissions), records, check_all) if records else Recorded({}, {})
    )
    evidence = Evidence(
        records=kept.statuses,
        damaged=kept.damaged,
        submissions=submissions,
        attempts=attempts,
        orders=orders,
        queue=queue,
        accounting=Queue({}),
        dead=dead,
        now=time.time(),
        left_behind=_left_behind(folder, submissions, records) if records else {},
    )
    if not evidence.queue.silent and (forgotten := unexplained(evidence)):
        evidence = _with_accounting(evidence, forgotten, sent)
    jobs = [job for job in evidence.jobs() if job.submission.profile]
    over = [
        job
        for job in jobs
        if not job.attempts and not (job.listed and job.listed.state not in ENDED)
    ]
    started = {job.key for job in over if sent_log(folder, job.submission, job.place)}
    return evidence._replace(started=started, hidden=hidden)


def _left_behind(
    folder: Path, submissions: Iterable[Submission], records: Path
) -> dict[str, RunState]:
    """Runs whose jobs wrote their records where the results were then, from where they were moved
    or copied.
    """
    states_of_runs: dict[str, RunState] = {}
    for submission in submissions:
        then = submission.results_then
        if then and (then / "runs").is_dir() and (then / "runs").resolve() != records.resolve():
            why = f"its record is in {then}, where the results were when it was sent off"
            move = f"`harness merge {then} --plan {folder} --results {folder.parent}` brings it"
            left = [run for run in submission.runs if record_path(then / "runs", run).exists()]
            states_of_runs |= dict.fromkeys(left, RunState("lost", why, next_move=move))
    return states_of_runs


def _with_accounting(
    evidence: Evidence, forgotten: Collection[str], sent: Sequence[Submission]
) -> Evidence:
    """The evidence, and what sacct says of the submissions that squeue has forgotten and that this
    user can ask for.
    """
    try:
        own_account = (cluster_name(), user())
    except HarnessError as error:  # it did answer squeue
        return evidence._replace(queue=evidence.queue._replace(silent=cause(error)))
    elsewhere = {
        submission.id: f"sent off by {submission.user} on cluster {submission.cluster or 'unknown'}"
        for submission in sent
        if submission.user
        and (submission.cluster or own_account[0], submission.user) != own_account
    }
    to_ask = [
        submission
        for submission in sent
        if submission.name in forgotten and submission.id not in elsewhere
    ]
    names, moments = (
        [submission.name for submission in to_ask],
        [submission.at for submission in to_ask],
    )
    accounting = sacct(names, min(moments)) if to_ask else Queue({})
    return evidence._replace(elsewhere=elsewhere, accounting=accounting)


def reconcile(manifest: Manifest, folder: Path, evidence: Evidence) -> dict[str, RunState]:
    """The state of every planned run, and after them of those of earlier plans that were ever sent
    off.

    What was cancelled by SLURM's own command is kept, as SLURM forgets it.
    """
    run_states = states(_with_sent(manifest.run_ids(), evidence.submissions), evidence)
    ordered = cancelled(evidence.orders)
    by_scancel: dict[str, list[str]] = defaultdict(list)
    for run, state in run_states.items():
        if state.state == "cancelled" and run not in ordered:
            by_scancel[state.why].append(run)
    for why, runs in by_scancel.items():
        with suppress(OSError):  # who may only look keeps nothing
            write_order(folder, "cancel", runs, f"scancel ({why})")
    return run_states


def _with_sent(runs: Iterable[str], submissions: Iterable[Submission]) -> list[str]:
    """These runs, and after them the others that were ever sent off."""
    sent = itertools.chain.from_iterable(submission.runs for submission in submissions)
    return list(dict.fromkeys(itertools.chain(runs, sent)))


def underway_beside(folder: Path, runs: Collection[str]) -> dict[Path, dict[str, RunState]]:
    """Which of these runs without records other experiments have on their way, by the folders of
    those.

    Experiments in one results folder share runs. Only experiments that sent off any of these are
    looked into.
    """
    beside: dict[Path, dict[str, RunState]] = {}
    for other_folder in sorted(path.parent for path in folder.parent.glob("*/submissions")):
        if other_folder.name == folder.name or not (
            shared := set(runs) & _may_have_sent(other_folder)
        ):
            continue
        for run, state in states(shared, gather(other_folder, (), records=None)).items():
            if state.state in UNDERWAY:
                why = (
                    f"sent off by {other_folder}: {state.why}"
                    if state.why
                    else f"sent off by {other_folder}"
                )
                beside.setdefault(other_folder, {})[run] = state._replace(why=why)
    return beside


def _may_have_sent(folder: Path) -> set[str]:
    """The runs that an experiment has sent off; all that it plans, where that is not known."""
    with suppress(PermissionError):
        submissions = read_submissions(folder)
        if not any(submission.damage for submission in submissions):
            return set(itertools.chain.from_iterable(submission.runs for submission in submissions))
    return set(RUN_ID.findall(manifest_path(folder).read_text(encoding="utf-8")))


def stillborn(run_states: Mapping[str, RunState], evidence: Evidence) -> dict[str, RunState]:
    """Runs of the last submission whose jobs ended before their worker began, if no other worker of
    it began either.

    What ended them, a set-up line or the Python of the nodes, would end the same jobs again.
    """
    if not evidence.submissions:
        return {}
    last = evidence.submissions[-1]
    if last.profile is None or any(
        attempt.begun["submission"] == last.id for attempt in evidence.attempts
    ):
        return {}
    last_states = {run: run_states[run] for run in last.runs if run in run_states}
    return {
        run: state for run, state in last_states.items() if state.state in ("crashed", "timed out")
    }


class Spending(NamedTuple):
    """What a sweep has cost and will, in hours of devices, each with the start of its jobs."""

    device_unit: Annotated[str, "`core` or `GPU`: hours are of these"]
    spent_hours: Annotated[float, "what attempts have taken so far"]
    predicted_hours_over: Annotated[float, "predicted for the runs that are over"]
    predicted_hours_left: Annotated[float, "predicted for those on their way"]
    seconds_left: Annotated[
        float | None, "until the last run ends, at the rate of now; null if nothing runs"
    ]
    overhead_seconds: Annotated[float | None, "from the start of a job to its first training"]
    clocks_ahead_seconds: Annotated[
        dict[str, float], "by host, where its clock is seen to be ahead of others"
    ]


def spending(run_states: Mapping[str, RunState], evidence: Evidence) -> Spending | None:
    """What the sweep has cost and will; None if nothing was ever sent off."""
    if not evidence.submissions:
        return None
    start = start_seconds(evidence) or 0.0
    spent = trained = running = started = starting = 0.0  # device seconds, and devices
    of_run: dict[str, float] = {}
    for job in evidence.jobs():
        devices = job.submission.devices
        share = devices / job.submission.slots  # of a device, that a pack has
        for pack, seconds in zip(job.sent.packs, job.sent.pack_seconds, strict=True):
            of_run |= dict.fromkeys(pack, seconds * share / len(pack))
        for attempt in job.attempts:  # until its last event, all by the clock of its host
            spent += (
                max(0.0, seconds_of(attempt.events[-1]["at"]) - seconds_of(attempt.begun["at"]))
                * devices
            )
            trained += share * sum(
                event["seconds"] for event in attempt.events if event["event"] == "pack_done"
            )
            running += devices if evidence.lives_on(attempt) else 0
        to_start = start * devices if job.submission.profile else 0.0
        if any(map(_first_steps, job.attempts)):
            started += to_start
        elif any(run in run_states and run_states[run].state in UNDERWAY for run in job.sent.runs):
            starting += to_start
    over = sum(seconds for run, seconds in of_run.items() if run_states[run].state in OVER)
    underway = sum(seconds for run, seconds in of_run.items() if run_states[run].state in UNDERWAY)
    pace = trained / over if over and trained else 1.0
    last = evidence.submissions[-1]
    clocks = {
        attempt.begun["host"]: _ahead_seconds(attempt) for attempt in evidence.attempts
    }  # as the last one shows
    return Spending(
        device_unit=last.profile.device_unit if last.profile else "core",
        spent_hours=spent / 3600,
        predicted_hours_over=(over + started) / 3600,
        predicted_hours_left=(underway + starting) / 3600,
        seconds_left=(underway * pace + starting) / running if running else None,
        overhead_seconds=start_seconds(evidence),
        clocks_ahead_seconds={host: seconds for host, seconds in clocks.items() if seconds},
    )


def start_seconds(evidence: Evidence) -> float | None:
    """From the start of a job in SLURM to the first step of its training, where their clocks agree.

    It is the median over attempts so far, None before the first.
    """
    seconds = []
    for attempt in evidence.attempts:
        started_at = attempt.begun["slurm_started_at"]
        if started_at and not _ahead_seconds(attempt):
            seconds += [
                max(0.0, first_step - float(started_at)) for first_step in _first_steps(attempt)
            ]
    return statistics.median(seconds) if seconds else None


def _first_steps(attempt: Attempt) -> list[float]:
    return [seconds_of(event["at"]) for event in attempt.events if event["event"] == "first_step"]


class Unneeded(NamedTuple):
    """Jobs that are on their way though every run of theirs is cancelled or over."""

    numbers: Annotated[tuple[str, ...], "those at SLURM"] = ()
    processes: Annotated[tuple[int, ...], "those of this machine"] = ()
    not_verified: Annotated[Mapping[str, int], "by why: how many may be there still"] = (
        MappingProxyType({})
    )


def unneeded(evidence: Evidence, run_states: Mapping[str, RunState]) -> Unneeded:
    """The jobs of cancelled runs that nobody else waits for."""
    numbers: list[str] = []
    processes: list[int] = []
    not_verified: Counter[str] = Counter()
    for job in evidence.jobs():
        job_states = {run_states[run].state for run in job.sent.runs}
        if "cancelled" not in job_states or job_states & set(UNDERWAY):
            continue
        if job.listed:
            numbers += [job.listed.number] if job.listed.state not in (*ENDED, "COMPLETING") else []
        elif job.silence:
            ends = [
                attempt.ended for attempt in job.attempts
            ]  # after one that is requeued SLURM starts the job again
            not_verified[job.silence] += all(end is None or end.get("requeued") for end in ends)
        elif job.submission.profile is None:
            alive = [attempt.begun for attempt in job.attempts if evidence.lives_on(attempt)]
            pids_here = [begun["pid"] for begun in alive if begun["host"] == socket.gethostname()]
            processes += pids_here
            not_verified[f"sent off on {job.submission.host}"] += len(alive) - len(pids_here)
    return Unneeded(tuple(dict.fromkeys(numbers)), tuple(processes), dict(+not_verified))


def _ahead_seconds(attempt: Attempt) -> float:
    """By how much the clock of an attempt's host is seen to be ahead; 0 where it is not.

    It is behind if a worker began before SLURM started its job, and ahead if it wrote an event
    after the file server dated its log for the last time. (A log that was copied is dated later,
    and shows nothing.)
    """
    begun = seconds_of(attempt.begun["at"])
    behind = min(0.0, begun - float(attempt.begun["slurm_started_at"] or begun))
    ahead = max(0.0, seconds_of(attempt.events[-1]["at"]) - attempt.beat_at)
    return next((seconds for seconds in (behind, ahead) if abs(seconds) > CLOCK_SECONDS), 0.0)


def _dead(submissions: Iterable[Submission], attempts: Iterable[Attempt]) -> set[str]:
    """Attempts of local jobs whose process was on this machine and is gone."""
    local = {submission.id for submission in submissions if submission.profile is None}
    host = socket.gethostname()
    dead = set()
    for attempt in attempts:
        is_ours = attempt.begun["submission"] in local and attempt.begun["host"] == host
        if is_ours and not lives(attempt.begun["pid"]):
            dead.add(attempt.id)
    return dead


# ------------------------------------------------------------------------------------------ all
# experiments of a folder
class ExperimentCounts(NamedTuple):
    """How many runs of a plan there are, and how far they are."""

    name: Annotated[str, "its folder"]
    planned: Annotated[int, "runs"]
    recorded: Annotated[int, "runs that have a record, done or diverged, which is not read"]
    missing: Annotated[int, "runs that have no record, be they on their way or not"]
    running: Annotated[int, "of those without a record"]
    queued: Annotated[int, "of those without a record"]
    failed: Annotated[int, "of those without a record: all that went wrong"]
    not_verified: Annotated[int, "runs on their way of which SLURM cannot be asked now"]
    disk_bytes: Annotated[int, "of its folder, records and networks; shared ones count for each"]


class Overview(NamedTuple):
    """All plans of a results folder, by name, and what cannot be read of them, in sentences."""

    experiments: tuple[ExperimentCounts, ...]
    unreadable: tuple[str, ...]


def overview(results: Path) -> Overview:
    """Every experiment of a results folder that has a plan. SLURM is asked for those that sent off
    what is missing.
    """
    record_bytes = {path.stem: size for path, size in file_bytes(results / "runs", ".json").items()}
    network_bytes = {
        path.stem: size for path, size in file_bytes(results / NETWORKS, ".npz").items()
    }
    folders = sorted(folder for folder in results.iterdir() if manifest_path(folder).exists())
    plans: dict[Path, list[str]] = {}  # ids of runs
    sent: dict[Path, dict[str, RunState]] = {}
    problems: list[str] = []
    for folder in folders:
        try:
            plans[folder] = _planned(folder)
            absent_runs = set(plans[folder]) - record_bytes.keys()
            if absent_runs and any((folder / name).is_dir() for name in ("submissions", "orders")):
                evidence = gather(folder, (), records=None)
                sent[folder] = states(absent_runs, evidence)
                problems += evidence.damage
        except OSError as error:
            problems.append(os_words(error, folder))
        except ValueError as error:
            problems.append(f"{manifest_path(folder)} cannot be read ({error})")
    underway: dict[str, RunState] = {}
    for states_of_runs in sent.values():
        underway |= {run: state for run, state in states_of_runs.items() if state.state in UNDERWAY}
    counts = []
    for folder, plan in plans.items():
        shared_bytes = sum(record_bytes.get(run, 0) + network_bytes.get(run, 0) for run in plan)
        absent = {run: RunState("planned") for run in plan if run not in record_bytes}
        absent |= sent.get(folder, {})
        absent |= {
            run: underway[run]
            for run, state in absent.items()
            if state.state in FREE and run in underway
        }
        counts.append(_counted(folder.name, plan, absent, bytes_below(folder) + shared_bytes))
    return Overview(tuple(counts), tuple(problems))


def _planned(folder: Path) -> list[str]:
    """The ids of the runs of a plan."""
    return list(dict.fromkeys(run["run_id"] for run in plain_plan(manifest_path(folder))["runs"]))


def _counted(
    name: str, plan: Sequence[str], absent: Mapping[str, RunState], disk_bytes: int
) -> ExperimentCounts:
    counts = Counter(state.state for state in absent.values())
    return ExperimentCounts(
        name=name,
        planned=len(plan),
        recorded=len(plan) - len(absent),
        missing=len(absent),
        running=counts["running"],
        queued=counts["queued"],
        failed=sum(counts[state] for state in WENT_WRONG),
        not_verified=sum(
            state.state in UNDERWAY and "not verified" in state.why for state in absent.values()
        ),
        disk_bytes=disk_bytes,
    )
