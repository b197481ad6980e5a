"""A submission through submitit: one array of jobs, each of which runs `harness.dispatch.worker`."""

import io
import logging
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any

from harness.base.errors import INCOMPLETE, HarnessError
from harness.dispatch.cluster import outside_of_any_job
from harness.dispatch.profile import Profile
from harness.dispatch.submission import Submission, keep_number, logs_folder, read_number


def send(folder: Path, submission: Submission) -> None:
    """Have SLURM take the jobs of a submission whose files are written; a HarnessError if it refuses them.

    By then all that the jobs need is on disk, and all that is needed to find them again: their name.
    """
    assert submission.profile is not None
    with executor(logs_folder(folder), submission.profile, submission.name, submission.roots) as sender:
        number = launch(sender, len(submission.jobs), "harness.dispatch.worker", str(folder), submission.id)
    with suppress(OSError):  # the jobs are on their way without it
        keep_number(folder, submission.id, number)


def launch(sender: Any, jobs: int, module: str, *arguments: str) -> str:
    """Have SLURM take jobs that run `python -m module arguments PLACE`; the number that it gives them.

    No function is handed to submitit: its pickle would get the name by which the job looks for it only once the job has
    a number, and never if this process is killed before.
    """
    if jobs > 1:
        sender.parameters["map_count"] = jobs
    return sender._submit_command(_command(sender, module, *arguments)).job_id


def script_text(profile: Profile, name: str, logs: Path, roots: Sequence[str], module: str, *arguments: str) -> str:
    """What sbatch is given for an array of such jobs, which run `python -m module arguments PLACE`."""
    with executor(logs, profile, name, roots) as sender:
        sender.parameters["map_count"] = 1  # an array, as submissions of several jobs are
        return sender._make_submission_file_text(_command(sender, module, *arguments), name)


def _command(sender: Any, module: str, *arguments: str) -> str:
    return f"{sender.python} {shlex.join(['-u', '-m', module, *arguments])} ${{SLURM_ARRAY_TASK_ID:-0}}"


@contextmanager
def executor(logs: Path, profile: Profile, name: str, roots: Sequence[str]) -> Iterator[Any]:
    """submitit's executor for jobs as the profile asks; a HarnessError where SLURM refuses what the block submits."""
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    if re.search(r"[%\\]", str(logs)):
        raise HarnessError(
            f"{logs}: SLURM changes % and \\ in the path of a log; choose another results folder: --results"
        )
    logging.getLogger("submitit").setLevel(logging.ERROR)
    with outside_of_any_job(), redirect_stderr(io.StringIO()):  # submitit prints what the error says too
        try:
            logs.mkdir(parents=True, exist_ok=True)
            sender = submitit.SlurmExecutor(folder=logs, python=profile.python)
            sender.update_parameters(**parameters(profile, name, roots))
            yield sender
        except (FailedJobError, FailedSubmissionError, RuntimeError, OSError) as error:
            why = why_refused(str(error))
            text = f"sbatch refused the jobs: {why}; `harness doctor` says what of a profile does not fit"
            raise HarnessError(text, INCOMPLETE) from None


def sent_log(folder: Path, submission: Submission, place: int) -> Path | None:
    """The output of a job, by the number that SLURM gave its submission; None if there is none, or none is known."""
    number = read_number(folder, submission.id)
    task = f"_{place}" if len(submission.jobs) > 1 else ""
    path = log_path(folder, f"{number}{task}")
    return path if number and path.exists() else None


def log_path(folder: Path, number: str) -> Path:
    """The output of the job that SLURM calls so; all of its attempts are in it."""
    return logs_folder(folder) / f"{number}_0_log.out"


def code_environment(roots: Sequence[str]) -> dict[str, str]:
    """The variables by which Python takes the code from a snapshot first, and nothing from the current folder."""
    path = [*roots, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


def parameters(profile: Profile, name: str, roots: Sequence[str]) -> dict[str, Any]:
    """What submitit is asked for.

    Jobs may be requeued; SIGUSR2 comes `save_seconds` before the limit, to the step and so to the worker. The code is
    that of the snapshot: nothing in the current folder comes before it. A set-up line that fails ends the job: without
    its module or its environment a worker would fail later and less clearly, or compute with another library.
    """
    ours = code_environment(roots) | {"SRUN_CPUS_PER_TASK": str(profile.cpus)}  # which srun doesn't take from sbatch
    say_so = "trap 'echo \"set-up line failed: $BASH_COMMAND\"' ERR"
    guarded = ["set -e", say_so, *profile.setup, "trap - ERR", "set +e"] if profile.setup else []
    setup = [*guarded, *(f"export {name}={shlex.quote(value)}" for name, value in ours.items())]
    gpus = f"gpu:{profile.gpus}" if profile.gpus_option == "gres" else str(profile.gpus)
    gpu_option: dict[str, str] = {profile.gpus_option: gpus} if profile.gpus else {}
    options = {
        **{option: getattr(profile, option) for option in ("partition", "account", "qos", "constraint", "exclude")},
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
    """What sbatch says is wrong, in one line, among all that was printed; that its help exists is not said."""
    lines = [line.strip() for line in printed.splitlines() if line.strip() and "sbatch --help" not in line]
    complaints = [re.sub(r"^sbatch: ((error|fatal): )?", "", line) for line in lines if line.startswith("sbatch: ")]
    return "; ".join(complaints or lines[-1:]) or "it did not say why"
