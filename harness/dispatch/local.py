"""The one job of a local submission, run by the same code as on a cluster: a worker process from the snapshot."""

import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError
from harness.dispatch.cluster import scrubbed
from harness.dispatch.events import Attempt, Event, read_attempts
from harness.dispatch.slurm import code_environment
from harness.dispatch.submission import Submission, forget_submission, local_log, logs_folder

LOOK_SECONDS = 0.5  # between two looks at what the worker has written down


def run_locally(folder: Path, submission: Submission) -> Generator[Event]:
    """What the worker writes down, as it does; when this generator is closed, the worker saves its state and ends.

    So it does when this process is killed, as that closes the worker's standard input. A HarnessError if the worker
    could not begin, which is as if nothing had been sent off.
    """
    number_told, ended = 0, False
    try:
        with _worker(folder, submission) as worker:
            while not ended:
                ended = worker.poll() is not None
                events = attempt.events if (attempt := _attempt(folder, submission.id)) else ()
                yield from events[number_told:]
                number_told = len(events)
                if not ended:
                    time.sleep(LOOK_SECONDS)
    finally:
        if _attempt(folder, submission.id) is None:
            forget_submission(folder, submission.id)
    if not number_told:
        log = local_log(folder, submission.id)
        last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise HarnessError(
            f"the worker could not begin: {last or f'it ended with {worker.returncode}'} ({log})", INCOMPLETE
        )


@contextmanager
def _worker(folder: Path, submission: Submission) -> Iterator[subprocess.Popen]:
    """The worker's process, which is waited for: while the block lasts, it trains."""
    command = [sys.executable, "-m", "harness.dispatch.worker", str(folder), submission.id, "0"]
    logs_folder(folder).mkdir(parents=True, exist_ok=True)
    with (
        open(local_log(folder, submission.id), "w", encoding="utf-8") as output,
        # In a session of its own, so that Ctrl-C reaches this process only.
        subprocess.Popen(
            command,
            env=scrubbed(os.environ) | code_environment(submission.roots),  # this may be a job itself
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as worker,
    ):
        assert worker.stdin
        try:
            yield worker
        finally:
            worker.stdin.close()
            worker.wait()


def _attempt(folder: Path, submission: str) -> Attempt | None:
    attempts = [attempt for attempt in read_attempts(folder / "attempts") if attempt.begun["submission"] == submission]
    return attempts[-1] if attempts else None
