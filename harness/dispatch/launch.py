"""A submission's jobs started: an array of SLURM through submitit, or one worker process on this
machine.

Either way a job runs `harness.dispatch.worker` by the code of the snapshot.
"""

import io
import logging
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any

from harness.base.errors import INCOMPLETE, HarnessError
from harness.dispatch.cluster import outside_of_any_job, scrubbed
from harness.dispatch.events import Attempt, Event, read_attempts
from harness.dispatch.profile import Profile
from harness.dispatch.submission import (
    Submission,
    forget_submission,
    keep_number,
    local_log,
    logs_folder,
    read_number,
)

LOOK_SECONDS = 0.5  # between two looks at what a worker here has written down


# --------------------------------------------------------------------------------------------------
# an array of SLURM
def send(folder: Path, submission: Submission) -> None:
    """Have SLURM take the jobs of a submission whose files are written; a HarnessError if it
    refuses them.

    By then all that the jobs need is on disk, and all that is needed to find them again: their
    name.
    """
    assert submission.profile is not None
    with executor(
        logs_folder(folder), submission.profile, submission.name, submission.roots
    ) as sender:
        number = launch(
            sender, len(submission.jobs), "harness.dispatch.worker", str(folder), submission.id
        )
    with suppress(OSError):  # the jobs are on their way without it
        keep_number(folder, submission.id, number)


def launch(sender: Any, jobs: int, module: str, *arguments: str) -> str:
    """Have SLURM take jobs that run `python -m module arguments PLACE`; the number that it gives
    them.

    No function is handed to submitit: its pickle would get the name by which the job looks for it
    only once the job has a number, and never if this process is killed before.
    """
    if jobs > 1:
        sender.parameters["map_count"] = jobs
    return sender._submit_command(_command(sender, module, *arguments)).job_id


def script_text(
    profile: Profile, name: str, logs: Path, roots: Sequence[str], module: str, *arguments: str
) -> str:
    """What sbatch is given for an array of such jobs, which run `python -m module arguments
    PLACE`.
    """
    with executor(logs, profile, name, roots) as sender:
        sender.parameters["map_count"] = 1  # an array, as submissions of several jobs are
        return sender._make_submission_file_text(_command(sender, module, *arguments), name)


def _command(sender: Any, module: str, *arguments: str) -> str:
    return (
        f"{sender.python} {shlex.join(['-u', '-m', module, *arguments])} "
        f"${{SLURM_ARRAY_TASK_ID:-0}}"
    )


@contextmanager
def executor(logs: Path, profile: Profile, name: str, roots: Sequence[str]) -> Iterator[Any]:
    """submitit's executor for jobs as the profile asks; a HarnessError where SLURM refuses what the
    block submits.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    if re.search(r"[%\\]", str(logs)):
        raise HarnessError(
            f"{logs}: SLURM changes % and \\ in the path of a log; choose another results folder: "
            "--results"
        )
    logging.getLogger("submitit").setLevel(logging.ERROR)
    with (
        outside_of_any_job(),
        redirect_stderr(io.StringIO()),
    ):  # submitit prints what the error says too
        try:
            logs.mkdir(parents=True, exist_ok=True)
            sender = submitit.SlurmExecutor(folder=logs, python=profile.python)
            sender.update_parameters(**parameters(profile, name, roots))
            yield sender
        except (FailedJobError, FailedSubmissionError, RuntimeError, OSError) as error:
            why = why_refused(str(error))
            text = (
                f"sbatch refused the jobs: {why}; `harness doctor` says what of a profile "
                "does not fit"
            )
            raise HarnessError(text, INCOMPLETE) from None


def sent_log(folder: Path, submission: Submission, place: int) -> Path | None:
    """The output of a job, by the number that SLURM gave its submission; None if there is none, or
    none is known.
    """
    number = read_number(folder, submission.id)
    task = f"_{place}" if len(submission.jobs) > 1 else ""
    path = log_path(folder, f"{number}{task}")
    return path if number and path.exists() else None


def log_path(folder: Path, number: str) -> Path:
    """The output of the job that SLURM calls so; all of its attempts are in it."""
    return logs_folder(folder) / f"{number}_0_log.out"


def code_environment(roots: Sequence[str]) -> dict[str, str]:
    """The variables by which Python takes the code from a snapshot first, and nothing from the
    current folder.
    """
    path = [*roots, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


def parameters(profile: Profile, name: str, roots: Sequence[str]) -> dict[str, Any]:
    """What submitit is asked for.

    Jobs may be requeued; SIGUSR2 comes `save_seconds` before the limit, to the step and so to the
    worker. The code is that of the snapshot: nothing in the current folder comes before it. A
    set-up line that fails ends the job: without its module or its environment a worker would fail
    later and less clearly, or compute with another library.
    """
    ours = code_environment(roots) | {
        "SRUN_CPUS_PER_TASK": str(profile.cpus)
    }  # which srun doesn't take from sbatch
    say_so = "trap 'echo \"set-up line failed: $BASH_COMMAND\"' ERR"
    guarded = ["set -e", say_so, *profile.setup, "trap - ERR", "set +e"] if profile.setup else []
    setup = [*guarded, *(f"export {name}={shlex.quote(value)}" for name, value in ours.items())]
    gpus = f"gpu:{profile.gpus}" if profile.gpus_option == "gres" else str(profile.gpus)
    gpu_option: dict[str, str] = {profile.gpus_option: gpus} if profile.gpus else {}
    options = {
        **{
            option: getattr(profile, option)
            for option in ("partition", "account", "qos", "constraint", "exclude")
        },
        "job_name": name,
        "nodes": 1,
        "cpus_per_task": profile.cpus,
        "mem": _megabytes(profile.memory_gb),
        "mem_per_cpu": _megabytes(profile.memory_per_cpu_gb),
        "time": profile.time_minutes,
        "signal_delay_s": profile.save_seconds,
        "array_parallelism": profile.jobs_at_once,
        "wckey": profile.wckey,
        "setup": setup,
        "srun_args": ["--cpu-bind=none", "--ntasks=1", *profile.srun],
        "stderr_to_stdout": True,
        "use_srun": True,
        "additional_parameters": {"requeue": True, **gpu_option, **profile.sbatch},
    }
    return {option: value for option, value in options.items() if value is not None}


def _megabytes(gigabytes: float | None) -> str | None:
    return None if gigabytes is None else f"{round(gigabytes * 1024)}MB"


def why_refused(printed: str) -> str:
    """What sbatch says is wrong, in one line, among all that was printed; that its help exists is
    not said.
    """
    lines = [
        line.strip()
        for line in printed.splitlines()
        if line.strip() and "sbatch --help" not in line
    ]
    complaints = [
        re.sub(r"^sbatch: ((error|fatal): )?", "", line)
        for line in lines
        if line.startswith("sbatch: ")
    ]
    return "; ".join(complaints or lines[-1:]) or "it did not say why"


# --------------------------------------------------------------------------------------------------
# a process here
def run_locally(folder: Path, submission: Submission) -> Generator[Event]:
    """What the worker writes down, as it does; when this generator is closed, the worker saves its
    state and ends.

    So it does when this process is killed, as that closes the worker's standard input. A
    HarnessError if the worker could not begin, which is as if nothing had been sent off.
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
        why = last or f"it ended with {worker.returncode}"
        raise HarnessError(f"the worker could not begin: {why} ({log})", INCOMPLETE)


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
            env=scrubbed(os.environ)
            | code_environment(submission.roots),  # this may be a job itself
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
    attempts = [
        attempt
        for attempt in read_attempts(folder / "attempts")
        if attempt.begun["submission"] == submission
    ]
    return attempts[-1] if attempts else None
