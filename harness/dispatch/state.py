"""The state of every planned run, from evidence: what is published, what workers wrote, what SLURM says, and time.

In this order, the first that decides: a published record; an order to cancel; the same crash twice; what the worker of
the run's last job wrote of it; one squeue for all jobs; sacct where there is accounting; and for a job of which nobody
knows, the time since it was last heard of. A job that SLURM lists in a state that is not known here is alive. So is one
of which nothing can be told from here, as squeue is silent, or another cluster or user has it.
"""

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, get_args

from harness.dispatch.cluster import Listed, Queue
from harness.dispatch.events import Attempt, Event
from harness.dispatch.submission import Instruction, Submission, cancelled
from harness.dispatch.waiting import WAITING, stuck

StateName = Literal[
    "planned",
    "queued",
    "running",
    "done",
    "diverged",
    "out of memory",
    "timed out",
    "preempted",
    "node failed",
    "lost",
    "crashed",
    "quarantined",
    "cancelled",
    "damaged",
]
STATES: tuple[StateName, ...] = get_args(StateName)
# Runs that a submission sends off; the others are over, on their way, or need a word of the user's.
FREE: tuple[StateName, ...] = ("planned", "timed out", "preempted", "node failed", "lost", "crashed")
UNDERWAY: tuple[StateName, ...] = ("queued", "running")
OVER: tuple[StateName, ...] = ("done", "diverged")
WENT_WRONG: tuple[StateName, ...] = tuple(state for state in STATES if state not in (*OVER, *UNDERWAY, "planned"))
# Without a sign of life for so long, a job that no queue lists is lost. Heartbeats come every 30 s; shared file systems
# show them to other machines a minute later, or two.
LEASE_SECONDS = 600.0

RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
ENDED: dict[str, StateName] = {
    "COMPLETED": "lost",  # by all it says it is well, and yet there is no record
    "FAILED": "crashed",
    "TIMEOUT": "timed out",
    "DEADLINE": "timed out",
    "OUT_OF_MEMORY": "out of memory",
    "NODE_FAIL": "node failed",
    "BOOT_FAIL": "node failed",
    "CANCELLED": "cancelled",
    "PREEMPTED": "preempted",
}
# A job that SLURM took is listed within seconds; one that it lists not and that never began was not taken, or ended.
UNSEEN_SECONDS = 120.0
# Of a job that ended by a set-up line, by the Python of its node, or for want of the code.
STILLBORN = "before its worker began"
PRINTED = "`harness logs FILE RUN` shows what it printed; "
MEND = "`harness doctor --profile` shows what the profile lacks; mended, `harness retry FILE --cause '{state}'`"
# What a worker wrote last of runs that it trains.
BEGUN = ("pack_begun", "resumed", "checkpoint")
# What a worker's last event says of the runs that it leaves.
STOPPED: dict[str, StateName] = {
    "timed out": "timed out",
    "preempted": "preempted",
    "cancelled": "cancelled",
    "stopped": "preempted",
    "crashed": "crashed",
}
FAILED: dict[str, StateName] = {"out_of_memory": "out of memory", "killed": "out of memory", "crashed": "crashed"}


class RunState(NamedTuple):
    """Where a run is, and who says so.

    `next_move` is what the user can do where that is another thing than for most runs in this state.
    """

    state: Annotated[StateName, str, "where it is ([cluster.md](cluster.md) has all states)"]
    why: Annotated[str, "why that is thought"] = ""
    attempt: Annotated[str | None, "the attempt that says so"] = None
    job: Annotated[str | None, "the job that says so, by its number at SLURM"] = None
    next_move: str | None = None


class JobKey(NamedTuple):
    """A job: its submission and its place in it."""

    submission: str
    place: int


class Evidence(NamedTuple):
    """All that is known of an experiment's runs.

    `records` has the status of those that are published, `dead` the attempts whose process was on this machine and is
    gone, `now` is in seconds since the epoch. `damaged` says what is wrong with records that are, and `elsewhere` by
    whom and where submissions were sent off that this user cannot ask for here. `moved` has by submission the results
    folder that its jobs write into, where that was renamed since, and `started` are the jobs that are over, that left
    an output and whose workers had not begun. `hidden` is the state of runs that look free, where they can be on their
    way and nothing says so.
    """

    records: Mapping[str, Literal["done", "diverged"]]
    submissions: Sequence[Submission]
    attempts: Sequence[Attempt]
    orders: Sequence[Instruction]
    queue: Queue
    accounting: Queue
    dead: Collection[str]
    now: float
    damaged: Mapping[str, str] = MappingProxyType({})
    elsewhere: Mapping[str, str] = MappingProxyType({})
    moved: Mapping[str, str] = MappingProxyType({})
    started: Collection[JobKey] = ()
    hidden: RunState | None = None

    @property
    def damage(self) -> list[str]:
        """What is wrong with files of submissions and orders, in sentences."""
        found = [one.damage for one in self.submissions] + [one.damage for one in self.orders]
        return list(filter(None, found))

    def silence(self, submission: Submission) -> str | None:
        """Why SLURM says nothing here of the jobs of a submission that it does not list, if so."""
        return self.elsewhere.get(submission.id) or (self.queue.silent if submission.profile else None)


class _Job(NamedTuple):
    """What is known of the last job that a run was in."""

    sent_at: float
    silence: str | None
    listed: Listed | None
    accounted: Listed | None
    last: Attempt | None
    told: Mapping[str, Event]  # by run, the last that this attempt wrote of it
    wrote_into: str | None  # the results folder, where that was renamed since
    started: bool  # as its output shows

    @property
    def number(self) -> str | None:
        told = self.listed or self.accounted
        return told.number if told else None

    @property
    def attempt(self) -> str | None:
        return self.last.id if self.last else None


def states(run_ids: Iterable[str], evidence: Evidence) -> dict[str, RunState]:
    """The state of each of these runs."""
    jobs = _last_jobs(evidence)
    unwanted, released = cancelled(evidence.orders), _released(evidence.orders)
    crashes = _crashes(evidence, released)
    found = {}
    for run in run_ids:
        if run in evidence.records:
            found[run] = RunState(evidence.records[run])
        elif run in evidence.damaged:
            found[run] = RunState("damaged", f"its record: {evidence.damaged[run]}")
        elif run in unwanted:
            found[run] = RunState("cancelled", unwanted[run].by_words)
        elif (again := _repeated(crashes.get(run, ()))) is not None:
            how = "the same traceback twice" if again["traceback_hash"] else "twice without a traceback"
            found[run] = RunState("quarantined", f"{how}: {again['error']}")
        elif run not in jobs or released.get(run, 0.0) > jobs[run].sent_at:
            found[run] = RunState("planned")
        else:
            found[run] = _with_old_folder(_in_job(run, jobs[run], evidence), jobs[run].wrote_into)
        if evidence.hidden and found[run].state in FREE:
            found[run] = evidence.hidden
    return found


def unexplained(submissions: Iterable[Submission], attempts: Sequence[Attempt], queue: Queue) -> list[str]:
    """Names of submissions with jobs that squeue has forgotten and of whose end no worker knows why: sacct may."""
    ended = {
        JobKey(attempt.begun["submission"], attempt.begun["place"])
        for attempt in attempts
        if attempt.ended and not attempt.ended.get("requeued") and _knows_why(attempt.ended)
    }
    return [
        submission.name
        for submission in submissions
        if submission.profile
        and any(
            queue.of(submission.name, place) is None and JobKey(submission.id, place) not in ended
            for place in range(len(submission.jobs))
        )
    ]


# --------------------------------------------------------------------------------------------------------------- jobs
def _last_jobs(evidence: Evidence) -> dict[str, _Job]:
    """By run, the job that it was last sent off in."""
    found: dict[str, _Job] = {}
    for _, runs, job in _jobs(evidence):
        found |= dict.fromkeys(runs, job)
    return found


def _jobs(evidence: Evidence) -> Iterator[tuple[JobKey, list[str], _Job]]:
    """Every job that was sent off, in that order, and the runs in it."""
    by_job: dict[JobKey, list[Attempt]] = defaultdict(list)
    for attempt in evidence.attempts:
        by_job[JobKey(attempt.begun["submission"], attempt.begun["place"])].append(attempt)
    for submission in evidence.submissions:
        for place, sent in enumerate(submission.jobs):
            key = JobKey(submission.id, place)
            attempts = by_job[key]
            attempts.sort(key=lambda attempt: attempt.begun.get("restarts", 0))  # nodes' clocks can differ
            job = _Job(
                sent_at=seconds_of(submission.at),
                silence=evidence.silence(submission),
                listed=evidence.queue.of(submission.name, place),
                accounted=evidence.accounting.of(submission.name, place),
                last=attempts[-1] if attempts else None,
                told=_last_words(attempts[-1]) if attempts else {},
                wrote_into=evidence.moved.get(submission.id),
                started=key in evidence.started,
            )
            yield key, sent.runs, job


def seconds_of(moment: str) -> float:
    """A moment of a file as seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


def _in_job(run: str, job: _Job, evidence: Evidence) -> RunState:
    """The state of a run without a record, by the last job that it was in: the first that decides, in this order."""
    told, told_by_slurm = job.told.get(run), job.listed or job.accounted
    if told and told["event"] == "pack_failed" and told["move"] == "give up":
        return RunState(FAILED[told["cause"]], told.get("error", ""), job.attempt, job.number)
    if job.listed and (alive := _alive(job.listed, told)):
        return _in_queue(job, job.listed, alive, begun=told is not None)
    if job.last and job.last.ended and _has_ended_for_good(job, job.last.ended):
        if told_by_slurm and _slurm_knows_better(told_by_slurm, job.last.ended):
            return _ended(told_by_slurm, job, begun=told is not None)
        return _left_by_worker(job, job.last.ended)
    if job.accounted and (alive := _alive(job.accounted, told)):
        return RunState(*alive, job.attempt, job.number)
    if told_by_slurm:
        return _ended(told_by_slurm, job, begun=told is not None)
    return _by_time(job, told, evidence)


def _in_queue(job: _Job, listed: Listed, alive: tuple[StateName, str], begun: bool) -> RunState:
    """The state of a run whose job squeue lists as alive: what holds the job up, and whether the run had begun."""
    state, why = alive
    held_up = stuck(listed)
    if held_up:
        why += f", {held_up.why}"
    if begun and state == "queued":
        why += "; it has begun before, and goes on from where it was saved"
    return RunState(state, why, job.attempt, job.number, held_up.next_move if held_up else None)


def _has_ended_for_good(job: _Job, ended: Event) -> bool:
    """Whether a worker's end is that of its job: it is not requeued, and SLURM cannot start it again unseen."""
    return not ended.get("requeued") and not (job.silence and _may_start_again(ended))


def _slurm_knows_better(told_by_slurm: Listed, ended: Event) -> bool:
    """Whether a worker that could not tell what it ended from was ended by what SLURM names."""
    return not _knows_why(ended) and told_by_slurm.state in ENDED.keys() - {"COMPLETED"}


def _left_by_worker(job: _Job, ended: Event) -> RunState:
    """The state of a run that its worker left behind."""
    why = ["its worker ended", ended["why"]]
    if ended.get("error"):
        why.append(ended["error"])
    return RunState(STOPPED.get(ended["why"], "lost"), ": ".join(why), job.attempt, job.number)


def _with_old_folder(one: RunState, wrote_into: str | None) -> RunState:
    """The state of a run without a record here, and where it may have one, if the results folder was renamed."""
    if wrote_into is not None and one.next_move and STILLBORN in one.why:
        return one._replace(why=f"{one.why}, for which {wrote_into} was not there", next_move=None)
    if wrote_into is None or one.state != "lost":
        return one
    move = f"`harness merge {shlex.quote(wrote_into)}` brings its record; if it has none, `harness submit`"
    return one._replace(why=f"{one.why}; it wrote into {wrote_into}", next_move=move)


def _knows_why(ended: Event) -> bool:
    """Whether a worker that ended so could tell what from."""
    return ended["why"] != "stopped"


def _may_start_again(ended: Event) -> bool:
    """Whether SLURM may have put a job back into the queue whose worker ended so, which only SLURM can tell."""
    return ended["why"] in ("stopped", "preempted")


def _ended(listed: Listed, job: _Job, begun: bool) -> RunState:
    """The state of a run in a job that SLURM says has ended, and of which no worker said so."""
    state, why = ENDED[listed.state], f"SLURM: {listed.words}"
    if state == "lost":
        why += ": it ended well, and its record is not here"
    if job.last and not begun and state in ("crashed", "out of memory"):
        return RunState("planned", f"its job ended before its turn came; {why}")
    if not job.last and state in ("crashed", "timed out"):
        move = f"{PRINTED if job.started else ''}{MEND.format(state=state)}"
        return RunState(state, f"{why}, {STILLBORN}", None, listed.number, move)
    return RunState(state, why, job.attempt, listed.number)


def _alive(listed: Listed, told: Event | None) -> tuple[StateName, str] | None:
    """The state of a run in a job that SLURM lists as waiting, running or something that is not known here."""
    if listed.state in ENDED:
        return None
    if listed.state in WAITING:
        return "queued", f"SLURM: {listed.words}"
    begun = told is not None and told["event"] in BEGUN
    why = "" if listed.state in RUNNING else f"SLURM says {listed.state}, which is taken for alive"
    return ("running", why) if begun else ("queued", why or "its job runs; others of it come first")


def _by_time(job: _Job, told: Event | None, evidence: Evidence) -> RunState:
    """Nobody knows of the job: it is alive until it has not been heard of for too long."""
    last = job.last
    heard_at = max([job.sent_at, *([last.beat_at] if last else [])])
    silence = evidence.now - heard_at
    begun = told is not None and told["event"] in BEGUN
    state: StateName = "running" if begun else "queued"
    if job.silence:
        return RunState(state, f"not verified ({job.silence})", job.attempt)
    if job.attempt in evidence.dead:
        return RunState("lost", "its worker died without a word", job.attempt)
    if silence < (LEASE_SECONDS if last else UNSEEN_SECONDS):
        return RunState(state, f"last heard of {silence:.0f} s ago", job.attempt)
    if job.started:
        return RunState("crashed", f"its job has ended, {STILLBORN}", next_move=PRINTED + MEND.format(state="crashed"))
    return RunState("lost", f"no queue lists it, and it was last heard of {silence / 60:.0f} min ago", job.attempt)


# --------------------------------------------------------------------------------------------------------- event logs
def _last_words(attempt: Attempt) -> dict[str, Event]:
    """The last that an attempt wrote of each run."""
    last: dict[str, Event] = {}
    for event in attempt.events:
        last |= dict.fromkeys(event.get("runs", ()), event)
    return last


def _released(orders: Iterable[Instruction]) -> dict[str, float]:
    """When the user last asked for a run to be tried again."""
    last: dict[str, float] = {}
    for order in orders:
        if order.kind == "retry":
            last |= dict.fromkeys(order.runs, seconds_of(order.at))
    return last


def _crashes(evidence: Evidence, released: Mapping[str, float]) -> dict[str, list[Event]]:
    """By run, its crashes since the user last asked for it to be tried again."""
    found: dict[str, list[Event]] = defaultdict(list)
    sent_at = {submission.id: seconds_of(submission.at) for submission in evidence.submissions}
    for attempt in evidence.attempts:
        for event in attempt.events:
            if event["event"] == "pack_failed" and event["cause"] == "crashed":
                for run in event["runs"]:
                    # A node's clock is not that of the order: what counts is when the job was sent off.
                    at = sent_at.get(attempt.begun["submission"]) or seconds_of(event["at"])
                    if at > released.get(run, 0.0):
                        found[run].append(event)
    return found


def _repeated(crashes: Collection[Event]) -> Event | None:
    """The crash that had been there before: of the same traceback, or of none."""
    seen = set()
    for crash in crashes:
        if crash["traceback_hash"] in seen:
            return crash
        seen.add(crash["traceback_hash"])
    return None
