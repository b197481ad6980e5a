"""What a job runs: `python -m harness.dispatch.worker FOLDER SUBMISSION PLACE`, or `run_job` inside of SLURM.

Its event log, in the order of things (see `events`):

    begun       submission, place, host, pid, slurm_number, slurm_started_at, restarts, snapshot, commit, dirty
    first_step  the first evaluation of the attempt: what came before is overhead of the scheduler and of starting
    pack_begun  runs, evaluations behind it where it goes on from a checkpoint
    checkpoint  runs, evaluations
    pack_done   runs, statuses, seconds
    duplicate   run, verdict: somebody had published it before, and not the same
    pack_failed runs, cause, error, traceback, traceback_hash, final: whether this worker has given it up
    told        signal, slurm_state: the worker was told to stop, and what SLURM said of the job then
    ended       why, requeued
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import provenance
from harness.dispatch import cluster
from harness.dispatch.events import EventLog
from harness.dispatch.submission import JobFile, cancelled, new_id, read_job, read_orders
from harness.errors import HarnessError
from harness.snapshot import check_snapshot

HEARTBEAT_SECONDS = 30.0
ORDER_SECONDS = 10.0  # how old what is known of the user's orders may be


class Told:
    """Which signal told this worker to stop, if any."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    def hear(self, number: int, _frame: object) -> None:
        """The handler of a signal; the first one counts."""
        self.signal = self.signal or signal.Signals(number)


def run_job(folder: str, submission: str, place: int) -> None:
    """Train the packs of a job, and write down how that goes.

    Stopped by SIGUSR2 before its time limit, it has SLURM start it again, if it came any further.
    """
    job = read_job(Path(folder), submission, place)
    log = EventLog(Path(folder) / "attempts", new_id())
    log.write("begun", **_self_description(job))
    with _listening() as told, _beating(log):
        try:
            check_snapshot(Path(provenance.__file__).parents[1])
            evaluations = _train(Path(folder), job, log, told)
        except HarnessError as error:
            log.write("ended", why="crashed", requeued=False, error=str(error))
            raise
        if told.signal is None:
            log.write("ended", why="finished", requeued=False)
        else:
            _end_early(log, told.signal, came_further=evaluations > 0)


def slurm_number() -> str | None:
    """What SLURM calls the job that this process is in."""
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def _self_description(job: JobFile) -> dict[str, object]:
    code = provenance.code()
    return {
        "submission": job.submission,
        "place": job.place,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "slurm_number": slurm_number(),
        "slurm_started_at": os.environ.get("SLURM_JOB_START_TIME"),
        "restarts": int(os.environ.get("SLURM_RESTART_COUNT", "0")),
        "snapshot": code.snapshot,
        "commit": code.commit,
        "dirty": code.dirty,
    }


def _end_early(log: EventLog, heard: signal.Signals, came_further: bool) -> None:
    number = slurm_number()
    state = cluster.state_of(number) if number else ""
    log.write("told", signal=heard.name, slurm_state=state)
    if heard == signal.SIGUSR2:
        log.write("ended", why="timed out", requeued=bool(number) and came_further)
        if number and came_further:
            cluster.requeue(number)
        return
    why = {"CANCELLED": "cancelled", "PREEMPTED": "preempted", "TIMEOUT": "timed out"}.get(state, "stopped")
    log.write("ended", why=why, requeued=False)


@contextmanager
def _listening() -> Iterator[Told]:
    """Signals that ask for an end are heard, and do no more."""
    told = Told()
    before = {number: signal.signal(number, told.hear) for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _beating(log: EventLog) -> Iterator[None]:
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            log.beat()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _Orders:
    """The runs that the user has taken back, looked up when a pack is about to begin, and not too often."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._read_at, self._cancelled = folder, -ORDER_SECONDS, set[str]()

    def unwanted(self) -> set[str]:
        if time.monotonic() - self._read_at > ORDER_SECONDS:
            self._cancelled, self._read_at = cancelled(read_orders(self._folder)), time.monotonic()
        return self._cancelled
