"""What a job runs: `python -m harness.dispatch.worker FOLDER SUBMISSION PLACE`.

Its event log, in the order of things (see `events`):

    begun       submission, place, host, pid, slurm_number, slurm_started_at, restarts, snapshot,
    commit, dirty first_step  the first evaluation of the attempt: what came before is overhead of
    the scheduler and of starting pack_begun  runs resumed     runs, evaluations: they go on from a
    checkpoint checkpoint  runs, evaluations pack_done   runs, statuses, seconds pack_failed runs,
    cause, error, traceback, traceback_hash, quarantined, and the move: again, split, give up told
    signal, slurm_state: the worker was told to stop, and what SLURM said of the job then ended
    why, requeued; error where it crashed
"""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.base import provenance
from harness.base.errors import HarnessError
from harness.base.user_code import handling
from harness.dispatch import cluster
from harness.dispatch.events import EventLog
from harness.dispatch.here import Begun, Failed, train_here
from harness.dispatch.mirror import Export
from harness.dispatch.slots import Done, Evaluated, Saved, TrainingOrder, in_words
from harness.dispatch.snapshot import check_code, check_snapshot
from harness.dispatch.submission import (
    JobFile,
    cancelled,
    named_code,
    new_id,
    read_job,
    read_orders,
)
from harness.record.networks import FOLDER as NETWORKS
from harness.spec.manifest import read_manifest
from harness.spec.run import RunSpec, run_id

HEARTBEAT_SECONDS = (
    30.0  # twenty in the time after which silence means death (`state.LEASE_SECONDS`)
)
# Why a worker is told to stop, by what SLURM says of its job then.
WHY = {
    "CANCELLED": "cancelled",
    "PREEMPTED": "preempted",
    "TIMEOUT": "timed out",
    "PENDING": "requeued",
}


def run_job(folder: str, submission: str, place: int, submitter: int | None = None) -> None:
    """Train the packs of a job, and write down how that goes.

    Told by SIGUSR2 that its time limit is near, it has SLURM start it again, if it came any
    further. Where somebody waits for the job, `submitter` is a pipe of which they hold the other
    end: without them it ends, as at SIGTERM.
    """
    home = Path(folder)
    job, attempt = read_job(home, submission, place), new_id()
    log = EventLog(home / "attempts", attempt)
    log.write(
        "begun",
        submission=job.submission,
        place=job.place,
        host=provenance.host(),
        pid=os.getpid(),
        slurm_number=slurm_number(),
        slurm_started_at=os.environ.get("SLURM_JOB_START_TIME"),
        restarts=int(os.environ.get("SLURM_RESTART_COUNT", "0")),
        **provenance.code()._asdict(),
    )
    with _listening(submitter) as signals, _beating(log):
        try:
            if job.snapshot:
                named = named_code(itertools.chain.from_iterable(job.packs))
                check_code(home.parent / "snapshots" / job.snapshot, named)
            check_snapshot(
                Path(provenance.__file__)
            )  # the code that runs is that which was submitted
            came_further = _train(home, job, attempt, log, signals)
        except Exception as error:
            log.write("ended", why="crashed", requeued=False, error=in_words(error))
            raise
        if signals:
            _end_early(log, signals[0], came_further)
        else:
            log.write("ended", why="finished", requeued=False)
    if job.mirror and not signals:
        plan, own_runs = read_manifest(home), {*itertools.chain.from_iterable(job.ids)}
        of_job = plan.model_copy(
            update={"runs": tuple(run for run in plan.runs if run.run_id in own_runs)}
        )
        Export(job.mirror, of_job, home.parent / "runs", home / "wandb").go_on(print)


def slurm_number() -> str | None:
    """What SLURM calls the job that this process is in."""
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")


def _train(
    home: Path, job: JobFile, attempt: str, log: EventLog, signals: list[signal.Signals]
) -> bool:
    """Train the packs of a job, and write down what happens; whether any training was done."""
    came_further = False
    first: dict[tuple[RunSpec, ...], int] = {}
    results = home.parent
    order = TrainingOrder(
        records=results / "runs",
        checkpoints=results / "checkpoints",
        device=job.device,
        attempt=attempt,
        checkpoint_seconds=job.checkpoint_seconds,
        networks=results / NETWORKS if job.keeps_networks else None,
        snapshots=job.snapshots,
        code=results / "snapshots" / job.snapshot if job.snapshot else None,
    )
    happenings = train_here(
        job.packs,
        order,
        job.slots,
        announce=lambda text: print(text, flush=True),
        stop=lambda: bool(signals),
        unwanted=lambda: cancelled(read_orders(home)),
    )
    with closing(happenings):
        for pack, event in happenings:
            ids = [run_id(run) for run in pack] if not isinstance(event, Evaluated) else []
            match event:
                case Begun():
                    log.write("pack_begun", runs=ids)
                    first.pop(pack, None)
                case Evaluated(evaluations):
                    if evaluations and pack not in first:
                        log.write(
                            "resumed", runs=[run_id(run) for run in pack], evaluations=evaluations
                        )
                    if evaluations > first.setdefault(pack, evaluations) and not came_further:
                        log.write("first_step")
                        came_further = True
                case Saved(evaluations):
                    log.write("checkpoint", runs=ids, evaluations=evaluations)
                case Done(statuses, seconds):
                    log.write("pack_done", runs=ids, statuses=statuses, seconds=round(seconds, 3))
                    came_further = True
                case Failed(failure, move, quarantined):
                    log.write(
                        "pack_failed",
                        runs=ids,
                        **failure._asdict(),
                        move=move,
                        quarantined=quarantined,
                    )
    return came_further


def _end_early(log: EventLog, heard: signal.Signals, came_further: bool) -> None:
    number = slurm_number()
    state = cluster.state_of(number) if number else ""
    log.write("told", signal=heard.name, slurm_state=state)
    if heard == signal.SIGUSR2:
        starts_again = number if came_further and cluster.can_requeue() else None
        log.write("ended", why="timed out", requeued=bool(starts_again))
        if starts_again:
            cluster.order("scontrol", "requeue", starts_again)  # from inside of the job too
        return
    log.write("ended", why=WHY.get(state, "stopped"), requeued=state == "PENDING")


@contextmanager
def _listening(submitter: int | None) -> Iterator[list[signal.Signals]]:
    """The signals that told this worker to stop while the block lasts: they are heard, and do no
    more.
    """
    signals: list[signal.Signals] = []

    def hear(number: int, _frame: object) -> None:
        signals.append(signal.Signals(number))

    def end_with(submitter: int) -> None:
        os.read(
            submitter, 1
        )  # nothing is ever written: it returns once the other end is closed, by a death too
        os.kill(os.getpid(), signal.SIGTERM)

    with handling((signal.SIGTERM, signal.SIGUSR2, signal.SIGINT), hear):
        if submitter is not None:
            threading.Thread(target=end_with, args=(submitter,), daemon=True).start()
        yield signals


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


if __name__ == "__main__":
    try:
        run_job(
            sys.argv[1],
            sys.argv[2],
            int(sys.argv[3]),
            None if slurm_number() else sys.stdin.fileno(),
        )
    except HarnessError as error:  # a sentence for whoever reads the job's output
        sys.exit(f"error: {error}")
