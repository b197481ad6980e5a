"""The one job of a local submission, run by the same code as on a cluster: a worker process from the snapshot."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harness.dispatch.events import Attempt, Event, read_attempts
from harness.dispatch.slurm import code_environment, logs_folder
from harness.dispatch.submission import Submission

LOOK_SECONDS = 0.5


def run_locally(folder: Path, submission: Submission) -> Iterator[Event]:
    """What the worker writes down, as it does; when this generator is closed, the worker saves its state and ends."""
    command = [sys.executable, "-m", "harness.dispatch.worker", str(folder), submission.id, "0"]
    environment = {**os.environ, **code_environment(submission.roots)}
    logs_folder(folder).mkdir(parents=True, exist_ok=True)
    with (
        open(local_log(folder, submission.id), "w", encoding="utf-8") as output,
        # In a session of its own: Ctrl-C reaches this process only, which then tells the worker to save its state.
        subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        ) as worker,
    ):
        told = 0
        try:
            while True:
                ended = worker.poll() is not None
                events = attempt.events if (attempt := _attempt(folder, submission.id)) else ()
                yield from events[told:]
                told = len(events)
                if ended:
                    return
                time.sleep(LOOK_SECONDS)
        finally:
            worker.terminate()
            worker.wait()


def local_log(folder: Path, submission: str) -> Path:
    """The output of the worker of a local submission."""
    return logs_folder(folder) / f"local-{submission}.out"


def _attempt(folder: Path, submission: str) -> Attempt | None:
    found = [one for one in read_attempts(folder / "attempts") if one.begun["submission"] == submission]
    return found[-1] if found else None
