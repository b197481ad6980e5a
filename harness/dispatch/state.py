"""The state of every planned run, from evidence: what is published, what workers wrote, what SLURM
says, and time.

In this order, the first that decides: a published record; an order to cancel; the same crash twice;
what the worker of the run's last job wrote of it; one squeue for all jobs; sacct where there is
accounting; and for a job of which nobody knows, the time since it was last heard of. A job that
SLURM lists in a state that is not known here is alive. So is one of which nothing can be told from
here, as squeue is silent, or another cluster or user has it.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, get_args

from harness.dispatch.cluster import Listed, Queue
from harness.dispatch.events import Attempt, Event, seconds_of
from harness.dispatch.submission import Instruction, SentJob, Submission, cancelled, last_orders

Underway = Literal["queued", "running"]
Over = Literal["done", "diverged"]
Again = Literal["timed out", "preempted", "node failed", "lost", "crashed"]
StateName = Literal[
    "planned", Underway, Over, "out of memory", Again, "quarantined", "cancelled", "damaged"
]
STATES: tuple[StateName, ...] = get_args(StateName)
# Runs that a submission sends off; the others are over, on their way, or need a word of the user's.
FREE: tuple[StateName, ...] = ("planned", *get_args(Again))
UNDERWAY: tuple[StateName, ...] = get_args(Underway)
OVER: tuple[StateName, ...] = get_args(Over)
WENT_WRONG: tuple[StateName, ...] = tuple(
    state for state in STATES if state not in (*OVER, *UNDERWAY, "planned")
)
# Without a sign of life for so long, a job that no queue lists is lost. Heartbeats come every 30 s;
# shared file systems show them to other machines a minute later, or two.
LEASE_SECONDS = 600.0

HELD_STATES = ("REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", *HELD_STATES}
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
# A job that SLURM took is listed within seconds; one that it lists not and that never began was not
# taken, or ended.
UNSEEN_SECONDS = 120.0
# Of a job that ended by a set-up line, by the Python of its node, or for want of the code.
STILLBORN = "before its worker began"
PRINTED = "`harness logs FILE RUN` shows what it printed; "
MEND = (
    "`harness doctor --profile` shows what it lacks; once that is mended, `harness retry "
    "FILE --cause '{state}'`"
)
# What a worker wrote last of runs that it trains.
BEGUN = ("pack_begun", "resumed", "checkpoint")
UNTOLD = "stopped"  # why a worker ended that could not tell what from
# By the cause for which a pack was given up.
FAILED: dict[str, StateName] = {
    "out_of_memory": "out of memory",
    "killed": "out of memory",
    "crashed": "crashed",
}
JobKey = tuple[str, int]  # of a job: the id of its submission, and its place in it


class RunState(NamedTuple):
    """Where a run is, and who says so.

    `next_move` is what the user can do where that is another thing than for most runs in this
    state.
    """

    state: Annotated[StateName, str, "where it is ([cluster.md](cluster.md) has all states)"]
    why: Annotated[str, "why that is thought"] = ""
    attempt: Annotated[str | None, "the attempt that says so"] = None
    job: Annotated[str | None, "the job that says so, by its number at SLURM"] = None
    next_move: str | None = None


class JobSeen(NamedTuple):
    """A job that was sent off, and what is known of it."""

    submission: Submission
    place: int
    sent: SentJob
    attempts: Sequence[Attempt]  # as SLURM started them
    listed: Listed | None
    accounted: Listed | None
    silence: str | None  # why SLURM says nothing here of it if it does not list it, if so
    started: bool  # as its output shows

    @property
    def key(self) -> JobKey:
        """What tells it from others."""
        return self.submission.id, self.place

    @property
    def last(self) -> Attempt | None:
        """Its last attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def told_by_slurm(self) -> Listed | None:
        """What squeue or else sacct says of it."""
        return self.listed or self.accounted


class Evidence(NamedTuple):
    """All that is known of an experiment's runs.

    `records` has the status of those that are published, `dead` the attempts whose process was on
    this machine and is gone, `now` is in seconds since the epoch. `damaged` says what is wrong with
    records that are, and `elsewhere` by whom and where submissions were sent off that this user
    cannot ask for here. `started` are the jobs that are over, that left an output and whose workers
    had not begun. `left_behind` is the state of runs whose records are where the results were when
    they were sent off. `hidden` is the state of runs that look free, where they can be on their way
    and nothing says so.
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
    started: Collection[JobKey] = ()
    hidden: RunState | None = None
    left_behind: Mapping[str, RunState] = MappingProxyType({})

    @property
    def damage(self) -> list[str]:
        """What is wrong with files of submissions and orders, in sentences."""
        of_submissions = [submission.damage for submission in self.submissions if submission.damage]
        return of_submissions + [order.damage for order in self.orders if order.damage]

    def lives_on(self, attempt: Attempt) -> bool:
        """Whether an attempt goes on, as far as it has been heard of."""
        silence = self.now - attempt.beat_at
        return not attempt.ended and silence < LEASE_SECONDS and attempt.id not in self.dead

    def jobs(self) -> list[JobSeen]:
        """Every job that was sent off, in that order."""
        attempts: dict[JobKey, list[Attempt]] = defaultdict(list)
        for attempt in sorted(
            self.attempts, key=lambda attempt: attempt.begun.get("restarts", 0)
        ):  # clocks can differ
            attempts[attempt.begun["submission"], attempt.begun["place"]].append(attempt)
        jobs = []
        for submission in self.submissions:
            for place, sent in enumerate(submission.jobs):
                key = submission.id, place
                job = JobSeen(
                    submission=submission,
                    place=place,
                    sent=sent,
                    attempts=attempts[key],
                    listed=self.queue.of(submission.name, place),
                    accounted=self.accounting.of(submission.name, place),
                    silence=self.elsewhere.get(submission.id)
                    or (self.queue.silent if submission.profile else None),
                    started=key in self.started,
                )
                jobs.append(job)
        return jobs


def states(run_ids: Iterable[str], evidence: Evidence) -> dict[str, RunState]:
    """The state of each of these runs."""
    jobs: dict[str, JobSeen] = {}  # the last that a run was sent off in
    last_words: dict[str, Event | None] = {}  # of the last attempt at that job
    for job in evidence.jobs():
        event_of_run: dict[str, Event] = {}
        for event in job.last.events if job.last else ():
            event_of_run |= dict.fromkeys(event.get("runs", ()), event)
        jobs |= dict.fromkeys(job.sent.runs, job)
        last_words |= {run: event_of_run.get(run) for run in job.sent.runs}
    unwanted, orders = cancelled(evidence.orders), last_orders(evidence.orders)
    released = {run: seconds_of(order.at) for run, order in orders.items() if order.kind == "retry"}
    crashes = _repeated_crashes(evidence, released)
    state_of_run = {}
    for run in run_ids:
        if run in evidence.records:
            state = RunState(evidence.records[run])
        elif run in evidence.damaged:
            state = RunState("damaged", f"its record: {evidence.damaged[run]}")
        elif run in evidence.left_behind:
            state = evidence.left_behind[run]
        elif run in unwanted:
            state = RunState("cancelled", unwanted[run].by_words)
        elif run in crashes:
            crash_words = (
                "the same traceback twice"
                if crashes[run]["traceback_hash"]
                else "twice without a traceback"
            )
            state = RunState("quarantined", f"{crash_words}: {crashes[run]['error']}")
        elif run not in jobs or released.get(run, 0.0) > seconds_of(jobs[run].submission.at):
            state = RunState("planned")
        else:
            job, state = jobs[run], _by_evidence(jobs[run], last_words[run], evidence)
            if state.state != "planned":
                number = job.told_by_slurm.number if job.told_by_slurm else None
                state = state._replace(attempt=job.last.id if job.last else None, job=number)
        state_of_run[run] = evidence.hidden if evidence.hidden and state.state in FREE else state
    return state_of_run


def unexplained(evidence: Evidence) -> list[str]:
    """Names of submissions with jobs that squeue has forgotten and of whose end no worker knows
    why: sacct may.
    """
    names: dict[str, None] = {}
    for job in evidence.jobs():
        ended = [
            attempt.ended
            for attempt in job.attempts
            if attempt.ended and not attempt.ended.get("requeued")
        ]
        if (
            job.submission.profile
            and job.listed is None
            and all(event["why"] == UNTOLD for event in ended)
        ):
            names[job.submission.name] = None
    return list(names)


# --------------------------------------------------------------------------------------------------
# jobs
def _by_evidence(job: JobSeen, last_word: Event | None, evidence: Evidence) -> RunState:
    """The state of a run without a record, by the last job that it was in and that job's
    `last_word` of it.

    The first that decides, in this order.
    """
    if last_word and last_word["event"] == "pack_failed" and last_word["move"] == "give up":
        return RunState(FAILED[last_word["cause"]], last_word.get("error", ""))
    if job.listed and (alive := _alive(job.listed, last_word)):
        why = alive.why
        if held_up := stuck(job.listed):
            why += f", {held_up.why}"
        if last_word and alive.state == "queued":
            why += "; it has begun before, and goes on from where it was saved"
        array = job.listed.number.partition("_")[
            0
        ]  # to release it releases those of its tasks that are held
        return RunState(alive.state, why, next_move=held_up.next_move(array) if held_up else None)
    ended = job.last.ended if job.last else None
    # A worker's end is that of its job if that is not requeued, and SLURM cannot start it again
    # unseen.
    if (
        ended
        and not ended.get("requeued")
        and not (job.silence and ended["why"] in (UNTOLD, "preempted"))
    ):
        if (
            ended["why"] == UNTOLD
            and job.told_by_slurm
            and job.told_by_slurm.state in ENDED.keys() - {"COMPLETED"}
        ):
            return _ended(job.told_by_slurm, job, last_word)
        why = ": ".join(filter(None, ["its worker ended", ended["why"], ended.get("error")]))
        state = "preempted" if ended["why"] == UNTOLD else ended["why"]
        return RunState(state if state in STATES else "lost", why)
    if job.accounted and (alive := _alive(job.accounted, last_word)):
        return alive
    return (
        _ended(job.told_by_slurm, job, last_word)
        if job.told_by_slurm
        else _by_time(job, last_word, evidence)
    )


def _ended(listed: Listed, job: JobSeen, last_word: Event | None) -> RunState:
    """The state of a run in a job that SLURM says has ended, and of which no worker said so."""
    state, why = ENDED[listed.state], f"SLURM: {listed.words}"
    if state == "lost":
        why += ": it ended well, and its record is not here"
    if job.last and not last_word and state in ("crashed", "out of memory"):
        return RunState("planned", f"its job ended before its turn came; {why}")
    if not job.last and state in ("crashed", "timed out"):
        move = f"{PRINTED if job.started else ''}{MEND.format(state=state)}"
        return RunState(state, f"{why}, {STILLBORN}", next_move=move)
    return RunState(state, why)


def _alive(listed: Listed, last_word: Event | None) -> RunState | None:
    """The state of a run in a job that SLURM lists as waiting, running or something that is not
    known here.
    """
    if listed.state in ENDED:
        return None
    if listed.state in WAITING:
        return RunState("queued", f"SLURM: {listed.words}")
    why = "" if listed.state in RUNNING else f"SLURM says {listed.state}, which is taken for alive"
    if last_word and last_word["event"] in BEGUN:
        return RunState("running", why)
    return RunState("queued", why or "its job runs; others of it come first")


def _by_time(job: JobSeen, last_word: Event | None, evidence: Evidence) -> RunState:
    """Nobody knows of the job: it is alive until it has not been heard of for too long."""
    silence = evidence.now - max(
        seconds_of(job.submission.at), job.last.beat_at if job.last else 0.0
    )
    state: StateName = "running" if last_word and last_word["event"] in BEGUN else "queued"
    if job.silence:
        return RunState(state, f"not verified ({job.silence})")
    if job.last and job.last.id in evidence.dead:
        return RunState("lost", "its worker died without a word")
    if silence < (LEASE_SECONDS if job.last else UNSEEN_SECONDS):
        return RunState(state, f"last heard of {silence:.0f} s ago")
    if job.started:
        return RunState(
            "crashed",
            f"its job has ended, {STILLBORN}",
            next_move=PRINTED + MEND.format(state="crashed"),
        )
    return RunState(
        "lost", f"no queue lists it, and it was last heard of {silence / 60:.0f} min ago"
    )


# --------------------------------------------------------------------------------------------------
# crashes
def _repeated_crashes(evidence: Evidence, released: Mapping[str, float]) -> dict[str, Event]:
    """By run, a crash that had been there before, of the same traceback or of none.

    Only those count that came since the user last asked for the run to be tried again.
    """
    repeated: dict[str, Event] = {}
    earlier: set[tuple[str, str | None]] = set()
    sent_at = {submission.id: seconds_of(submission.at) for submission in evidence.submissions}
    for attempt in evidence.attempts:
        for event in attempt.events:
            if event["event"] == "pack_failed" and event["cause"] == "crashed":
                # A node's clock is not that of the order: what counts is when the job was sent off.
                crashed_at = sent_at.get(attempt.begun["submission"]) or seconds_of(event["at"])
                for run in [run for run in event["runs"] if crashed_at > released.get(run, 0.0)]:
                    if (run, event["traceback_hash"]) in earlier:
                        repeated.setdefault(run, event)
                    earlier.add((run, event["traceback_hash"]))
    return repeated


# --------------------------------------------------------------------------------------------------
# jobs that wait
class Stuck(NamedTuple):
    """Why a job does not start by itself: a row of reasons.csv.

    `why` says what holds it up, and `change` what to change so that jobs that are sent off anew
    start. `move` tells the user what to do now; in it {again} stands for cancelling the job, that
    change, and a retry, and {job} for its number. A job that waits `for_ever` starts only if
    somebody does something.
    """

    why: str
    change: str
    move: str
    for_ever: bool

    def next_move(self, job: str) -> str:
        """What to do about the job that SLURM calls so."""
        again = f"`harness cancel FILE`, {self.change}, then `harness retry FILE --cause cancelled`"
        return self.move.format(again=again, job=job)


# By what SLURM's reason looks like; the first that fits. Reasons with blanks are those that SLURM
# writes for people.
with files(__package__).joinpath("reasons.csv").open(encoding="utf-8") as file:
    _heads, *rows = csv.reader(file)
REASONS = {
    pattern: Stuck(why, change, move, bool(for_ever))
    for pattern, why, change, move, for_ever in rows
}


def stuck(listed: Listed) -> Stuck | None:
    """What keeps a waiting job from starting by itself; None if it only waits for its turn, or
    waits no more.
    """
    if listed.state not in WAITING:
        return None
    slurm_reason = "held" if listed.state in HELD_STATES else listed.reason
    return next(
        (reason for pattern, reason in REASONS.items() if re.search(pattern, slurm_reason)), None
    )
