"""SLURM's commands, asked and parsed: one question for all jobs, never one a job."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError

ASK_SECONDS = 15  # a controller under load takes long to answer
ORDER_SECONDS = 60  # for what must not be cut off half done
SILENT_SECONDS = 60.0  # for so long nothing more is asked of who did not answer
# Variables of the job that one submits from, which would pin the jobs that it submits; and the
# user's defaults for SLURM's commands, which would change what they answer.
LEAKED = re.compile(
    r"(SLURM|SLURMD|SRUN|SBATCH|SALLOC|PMI|PMIX|SQUEUE|SACCT|SCANCEL|SCONTROL|SINFO)_"
)
WHICH_CLUSTER = ("SLURM_CONF", "SLURM_CLUSTERS")


class Listed(NamedTuple):
    """A job as squeue or sacct has it: `number` is `4711_3` for task 3 of an array, `name` that of
    its array.
    """

    number: str
    name: str
    state: str
    reason: str = ""

    @property
    def words(self) -> str:
        """Its state, and why it is in it, if SLURM says so."""
        return self.state if self.reason in ("", "None") else f"{self.state} ({self.reason})"


class Queue(NamedTuple):
    """What squeue or sacct said: jobs by (array name, task), or why nothing; then no job may be
    taken for dead.

    A job that is no array has no task, and nor has what is left of an array that was cancelled
    before any task began.
    """

    jobs: Mapping[tuple[str, int | None], Listed]
    silent: str | None = None

    def of(self, name: str, place: int) -> Listed | None:
        """The job at this place of the submission with that name."""
        return self.jobs.get((name, place)) or self.jobs.get((name, None))


class SilentError(HarnessError):
    """One of SLURM's commands did not answer in time."""


class Limits(NamedTuple):
    """What the cluster takes: the largest array, how many more jobs of this user now, and how it is
    configured.
    """

    largest_array: int
    room: int
    has_accounting: bool = False
    configuration: Mapping[str, str] = MappingProxyType({})


DEFAULT_LIMITS = Limits(largest_array=1001, room=10_000)  # of a SLURM whose administrators set none
_silent_until: dict[
    tuple[str, bool], float
] = {}  # by cluster, and whether it is of accounts, which another daemon has


def ask(*command: str) -> str:
    """What one of SLURM's commands prints; a HarnessError if it fails.

    Whoever did not answer in time is not waited for again by this process for a minute.
    """
    asked = os.environ.get("SLURM_CONF", ""), command[0].startswith("sacct")
    if time.monotonic() < _silent_until.get(asked, 0.0):
        raise HarnessError(
            f"{command[0]}: not asked again, as SLURM did not answer within {ASK_SECONDS} s",
            INCOMPLETE,
        )
    try:
        return _run(command, ASK_SECONDS).stdout
    except SilentError:
        _silent_until[asked] = time.monotonic() + SILENT_SECONDS
        raise


def order(*command: str) -> None:
    """Have one of SLURM's commands do something, which takes its time; a HarnessError if it
    fails.
    """
    _run(command, ORDER_SECONDS)


def try_script(script: Path) -> str:
    """When and where a job script would start, in SLURM's words; a HarnessError if it would be
    refused.
    """
    return _run(
        ("sbatch", "--test-only", str(script)), ORDER_SECONDS
    ).stderr  # where sbatch says it


def _run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    environment = {
        **scrubbed(os.environ),
        "SLURM_BITSTR_LEN": "0",
    }  # lists of tasks are not cut short
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=environment
        )
    except FileNotFoundError:
        raise HarnessError(
            f"{command[0]}: there is no SLURM here; submit from a login node, or use --local"
        ) from None
    except subprocess.TimeoutExpired:
        raise SilentError(
            f"{command[0]} did not answer within {seconds} s; try again later", INCOMPLETE
        ) from None
    if "configuration source" in done.stderr:  # told in four lines, none of which helps
        move = "submit from a login node, or use --local"
        raise HarnessError(f"{command[0]} knows no cluster here (SLURM_CONF?); {move}")
    if done.returncode:
        raise HarnessError(
            f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}", INCOMPLETE
        )
    return done


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a job that one is in has put there."""
    return {
        name: value
        for name, value in environment.items()
        if name in WHICH_CLUSTER or not LEAKED.match(name)
    }


@contextmanager
def outside_of_any_job() -> Iterator[None]:
    """While this lasts, this process looks as if it were not in a job itself."""
    before = dict(os.environ)
    for name in set(before) - set(scrubbed(before)):
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


# --------------------------------------------------------------------------------------------------
# state
def squeue(names: Sequence[str]) -> Queue:
    """All jobs of arrays with these names that SLURM remembers, ended ones too, by one question."""
    if not names:
        return Queue({})
    if shutil.which("sbatch") is None:
        return Queue({}, "there is no SLURM here")
    return _jobs(names, "squeue", "--noheader", "--states=all", "--me", "--format=%i|%j|%T|%r")


def sacct(names: Sequence[str], since: str) -> Queue:
    """The same of ended jobs that squeue has forgotten, where there is accounting; `since` is when
    they were sent off.

    Only asked for by state, and until now, it lists those that were cancelled before they began.
    """
    local = (
        datetime.fromisoformat(since).astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    )  # all that it understands
    command = (
        "sacct",
        "--noheader",
        "--parsable2",
        "--allocations",
        "--format=JobID,JobName,State,Reason",
    )
    ended = ("--endtime=now", "--state=BF,CA,CD,DL,F,NF,OOM,PR,TO")
    return _jobs(names, *command, f"--name={','.join(names)}", f"--starttime={local}", *ended)


def _jobs(names: Sequence[str], *command: str) -> Queue:
    """Those of arrays with these names in what a command prints: number, name, state and reason, a
    job a line.
    """
    try:
        lines = ask(*command).splitlines()
    except HarnessError as error:
        return Queue({}, cause(error))
    jobs: dict[tuple[str, int | None], Listed] = {}
    for line in lines:
        fields = line.strip().split("|")
        if len(fields) == 4 and fields[1] in names:
            number, name, state, reason = fields
            state, _, by = state.partition(" ")  # sacct: CANCELLED by 1000
            array = number.partition("_")[0]
            for task in tasks_of(number):
                jobs[name, task] = Listed(
                    array if task is None else f"{array}_{task}", name, state, by or reason
                )
    return Queue(jobs)


def tasks_of(number: str) -> list[int | None]:
    """The tasks that SLURM's number of a job is of: `4711_3`, `4711_[0,5-7,10-90:2%2]`, or `4711`,
    which has none.

    squeue and sacct write them all out if asked, but then 24.11 leaves out the last one of steps,
    as of `10-90:2`.
    """
    _, is_array, tasks = number.partition("_")
    if not is_array:
        return [None]
    numbers: list[int | None] = []
    for part in tasks.strip("[]").partition("%")[0].split(","):
        ends, _, step = part.partition(":")
        first, _, last = ends.partition("-")
        numbers += range(int(first), int(last or first) + 1, int(step or 1))
    return numbers


def cause(error: HarnessError) -> str:
    """What one of SLURM's commands complained of in the end, without the options that it was given
    here.
    """
    command, _, complaint = str(error).partition(": ")
    name = command.split()[0]
    return (
        f"{name}: {complaint.splitlines()[-1].removeprefix(f'{name}: ')}"
        if complaint
        else str(error)
    )


# --------------------------------------------------------------------------------------------------
# limits
def cluster_name() -> str:
    """What the cluster at hand calls itself."""
    return _configuration().get("ClusterName", "")


def _configuration() -> dict[str, str]:
    lines = (line.partition("=") for line in ask("scontrol", "show", "config").splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def limits() -> Limits:
    """What the cluster takes, by `scontrol show config` and, with accounting, the user's
    association.
    """
    configuration = _configuration()
    has_accounting = configuration.get("AccountingStorageType", "").endswith("slurmdbd")
    most = [int(configuration["MaxJobCount"])]
    if has_accounting:
        whose = f"user={user()}", f"cluster={configuration.get('ClusterName', '')}"
        question = (
            "sacctmgr",
            "--noheader",
            "--parsable2",
            "show",
            "assoc",
            "format=MaxSubmitJobs",
            *whose,
        )
        with suppress(HarnessError):
            most += [int(line) for line in ask(*question).split() if line.isdecimal()]
    jobs_now = sum(
        len(tasks_of(number))
        for number in ask("squeue", "--noheader", "--me", "--format=%i").split()
    )
    largest_array = max(
        1, int(configuration.get("MaxArraySize", "1001"))
    )  # tasks count from 0; 0 means no arrays
    return Limits(largest_array, max(0, min(most) - jobs_now), has_accounting, configuration)


def user() -> str:
    """Who asks, as SLURM takes it: by the user's number, whatever the environment says."""
    import pwd  # which only systems have that SLURM runs on

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a number without a name, as in some containers
        return str(os.getuid())


# --------------------------------------------------------------------------------------------------
# orders
def scancel(numbers: Sequence[str]) -> None:
    """End jobs or take them out of the queue, a hundred at a time; a HarnessError if that failed
    for some.
    """
    failure = None
    for begin in range(0, len(numbers), 100):
        try:
            order("scancel", *numbers[begin : begin + 100])
        except HarnessError as error:
            failure = error
    if failure:
        raise HarnessError(cause(failure), INCOMPLETE)


def can_requeue() -> bool:
    """Whether a job can have itself started again; one in a container may lack the command."""
    return shutil.which("scontrol") is not None


def state_of(number: str) -> str:
    """What the controller says of one job, to a worker that was told to stop and asks why; empty if
    nothing.

    A job that is being ended is COMPLETING, and only JSON, which older SLURMs lack, has what it
    ends as too: CANCELLED, TIMEOUT, or PENDING for one that starts again.
    """
    with suppress(HarnessError, ValueError, LookupError):
        state = json.loads(ask("scontrol", "show", "job", "--json", number))["jobs"][0]["job_state"]
        return state if isinstance(state, str) else state[0]
    return ""
