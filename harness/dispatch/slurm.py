"""A submission through submitit: one array of jobs, each of which runs `harness.dispatch.worker`."""

import io
import logging
import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any

from harness.dispatch.cluster import outside_of_any_job, try_script
from harness.dispatch.profile import Profile
from harness.dispatch.submission import Submission, keep_number, read_number
from harness.errors import INCOMPLETE, HarnessError


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
    command = shlex.join(["-u", "-m", module, *arguments])
    return sender._submit_command(f"{sender.python} {command} ${{SLURM_ARRAY_TASK_ID:-0}}").job_id


def would_start(profile: Profile, name: str) -> str:
    """When and where SLURM would start such a job, in its words, without giving it one; a HarnessError if never."""
    with tempfile.TemporaryDirectory() as folder, executor(Path(folder), profile, name, ()) as sender:
        sender.parameters["map_count"] = 1  # an array, as submissions of several jobs are
        script = Path(folder) / "script.sh"
        script.write_text(sender._make_submission_file_text("true", name), encoding="utf-8")
        return try_script(script)


@contextmanager
def executor(logs: Path, profile: Profile, name: str, roots: Sequence[str]) -> Iterator[Any]:
    """submitit's executor for jobs as the profile asks; a HarnessError where SLURM refuses what the block submits."""
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    logging.getLogger("submitit").setLevel(logging.ERROR)
    with outside_of_any_job(), redirect_stderr(io.StringIO()):  # submitit prints what the error says too
        try:
            logs.mkdir(parents=True, exist_ok=True)
            sender = submitit.SlurmExecutor(folder=logs, python=profile.python)
            sender.update_parameters(**parameters(profile, name, roots))
            yield sender
        except (FailedJobError, FailedSubmissionError, RuntimeError, OSError) as error:
            text = f"sbatch refused the jobs: {_last_line(error)}; `harness doctor` says what of a profile does not fit"
            raise HarnessError(text, INCOMPLETE) from None


def logs_folder(folder: Path) -> Path:
    """Where jobs' output goes, and their scripts."""
    return folder / "logs"


def sent_log(folder: Path, submission: Submission, place: int) -> Path | None:
    """The output of a job, by the number that SLURM gave its submission; None if its answer was lost."""
    number = read_number(folder, submission.id)
    task = f"_{place}" if len(submission.jobs) > 1 else ""
    return log_path(folder, f"{number}{task}") if number else None


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
    asked = {
        "job_name": name,
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "exclude": profile.exclude,
        "nodes": 1,
        "cpus_per_task": profile.cpus,
        "gpus_per_node": profile.gpus or None,
        "mem": f"{round(profile.memory_gb * 1024)}MB",
        "time": profile.time_minutes,
        "signal_delay_s": profile.save_seconds,
        "array_parallelism": profile.jobs_at_once,
        "wckey": profile.wckey,
        "setup": setup,
        "srun_args": ["--cpu-bind=none", "--ntasks=1"],
        "stderr_to_stdout": True,
        "use_srun": True,
        "additional_parameters": {"requeue": True, **profile.sbatch},
    }
    return {option: value for option, value in asked.items() if value is not None}


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line.removeprefix("sbatch: error: ") for line in lines if line.startswith("sbatch: error:")]
    return told[-1] if told else (lines[-1] if lines else type(error).__name__)
