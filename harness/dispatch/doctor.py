"""What a profile's cluster can and cannot do: rows of what was looked at, whether it holds, and what to do if not."""

import math
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.formats import duration
from harness.dispatch.cluster import Limits, ask, limits, try_script
from harness.dispatch.node import Finding, fact, must, should
from harness.dispatch.probe import try_node, try_results
from harness.dispatch.profile import Profile
from harness.dispatch.slurm import script_text, why_refused

Fields = Mapping[str, str]
OLDEST_SLURM = (20, 2)  # the first whose squeue knows --me
SHORTEST_SAVE_SECONDS = 10.0  # to write a checkpoint to a slow file system
SHORTEST_MEMORY_SECONDS = 120.0  # without accounting, a job's end must be seen within this
# What happens to a job whose node others want, by SLURM's mode, and what to do about it.
PREEMPTION = {
    "OFF": ("jobs are left alone", ""),
    "REQUEUE": ("a job may have to go, and goes on from its checkpoint by itself", ""),
    "CANCEL": (
        "a job may have to go, and does not come back",
        "`harness submit` again: it goes on from its checkpoint",
    ),
    "": ("a job may be frozen, and give no sign of life", "choose a partition or qos that is not suspended; else wait"),
}


def examine(
    profile: Profile, results: Path, wait_minutes: float | None, tell: Callable[[str], None]
) -> Iterator[tuple[str, Finding]]:
    """Findings, and what each is about, as they come; `wait_minutes` None sends no probe job.

    `tell` is given sentences on how the probe job does while it is waited for.
    """
    failed = False
    for about, findings in (("cluster", ask_cluster(profile)), ("results", try_results(results))):
        for finding in findings:
            failed |= finding.level == "FAILED"
            yield about, finding
    if wait_minutes is None:
        return
    if failed:
        yield "node", should("probe job", False, "not sent, as something failed", "mend that and ask again")
        return
    for finding in try_node(profile, results.resolve(), wait_minutes, tell):
        yield "node", finding


# ------------------------------------------------------------------------------------------------------------ cluster
def ask_cluster(profile: Profile) -> Iterator[Finding]:
    """What SLURM says of itself and of the profile."""
    if shutil.which("sbatch") is None:
        elsewhere = "run this on a login node (or `module load slurm`); --local needs none"
        yield must("SLURM", False, "there is none here: no sbatch on the PATH", elsewhere)
        return
    try:
        taken = limits()
        yield from cluster_rows(taken)
        yield from _ask_partitions(profile, taken)
    except HarnessError as error:
        told = re.sub(r"[\s*]+", " ", str(error))  # SLURM frames in stars that its controller is down
        later = "ask again later; if it stays so, ask the administrators"
        elsewhere = "run this on a login node of the cluster, or set SLURM_CONF to its slurm.conf"
        yield must("controller", False, told, later if error.exit_code == INCOMPLETE else elsewhere)


def _ask_partitions(profile: Profile, taken: Limits) -> Iterator[Finding]:
    """What is known of the partitions of the profile; what else does not fit there, sbatch says."""
    partitions = parse_partitions(ask("scontrol", "show", "partition", "--oneliner"))
    for name in partition_names(profile, partitions):
        if name in partitions:
            yield from partition_rows(profile, partitions[name], taken.configuration)
    yield _would_start(profile)


def _would_start(profile: Profile) -> Finding:
    """When and where SLURM would start such a job, without giving it one."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "script.sh"
            script.write_text(script_text(profile, "harness-doctor", Path(folder), (), "this"), encoding="utf-8")
            answer = try_script(script)
    except HarnessError as error:
        told = why_refused(re.sub(r"^.*--test-only \S+: ", "", str(error), flags=re.DOTALL))
        return must("sbatch", False, told, "change the profile: `scontrol show partition` says what is taken")
    when = re.search(r"to start (at .*)", answer)
    return fact("sbatch", f"takes such a job; alone it would start {when.group(1)}" if when else "takes such a job")


def parse_partitions(lines: str) -> dict[str, Fields]:
    """What `scontrol show partition --oneliner` prints, by name."""
    partitions = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines.splitlines()]
    return {fields["PartitionName"]: fields for fields in partitions if "PartitionName" in fields}


def time_seconds(text: str) -> float:
    """A duration as SLURM prints it: `5 sec`, `30`, `01:30:00`, `2-00:00:00`, `UNLIMITED`."""
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return math.inf
    days, _, clock = text.rpartition("-")
    parts = [float(part) for part in clock.split()[0].split(":")]
    seconds = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    return float(days or 0) * 86400 + seconds


def partition_names(profile: Profile, partitions: Mapping[str, Fields]) -> list[str]:
    """The partitions that jobs may go to: those of the profile, else the default one."""
    if profile.partition:
        return [name.strip() for name in profile.partition.split(",")]
    return [name for name, fields in partitions.items() if fields.get("Default") == "YES"]


# --------------------------------------------------------------------------------------------------------------- rows
def cluster_rows(taken: Limits) -> list[Finding]:
    """What the version and the memory of a cluster mean for a sweep."""
    number = taken.configuration.get("SLURM_VERSION", "")
    is_new = tuple(int(part) for part in re.findall(r"\d+", number)[:2]) >= OLDEST_SLURM
    name = taken.configuration.get("ClusterName", "without a name")
    older = "20.02 or newer is needed (squeue --me): submit from another cluster"
    memory = time_seconds(taken.configuration.get("MinJobAge", "300"))
    remembers = taken.has_accounting or memory >= SHORTEST_MEMORY_SECONDS
    watch = (
        "`harness status --watch` sees why in that time; later, a killed one is lost 10 min after its last sign of life"
    )
    accounting = ", and sacct for longer" if taken.has_accounting else ""
    told = f"squeue knows for {duration(memory)} how a job ended (MinJobAge){accounting}"
    return [
        must("SLURM", is_new, f"{number or 'of unknown version'}, cluster {name}", older),
        should("ended jobs", remembers, told, watch),
    ]


def partition_rows(profile: Profile, fields: Fields, configuration: Fields) -> list[Finding]:
    """Whether a partition is up, gives jobs so much time, and leaves them alone.

    SLURM may take a job that fits none of this, and let it wait for ever.
    """
    state = fields.get("State", "UP")
    told = f"{fields['PartitionName']}{'' if profile.partition else ', the default'}, {state}"
    up = must("partition", state == "UP", told, "wait until `sinfo` says up, or choose another")
    most = time_seconds(fields.get("MaxTime", "UNLIMITED"))
    shorter = f"{most // 60:g} or less"
    jobs_too = f" and job_minutes: {shorter}" if profile.job_minutes * 60 > most else ""
    told = f"{profile.time_minutes} min asked, the partition allows {duration(most)}"
    time = must("time", profile.time_minutes * 60 <= most, told, f"time_minutes: {shorter}{jobs_too}")
    grace, kill = time_seconds(fields.get("GraceTime", "0")), time_seconds(configuration.get("KillWait", "30"))
    told = f"a job that is told to go has {duration(grace + kill)} (GraceTime {grace:g} s + KillWait {kill:g} s)"
    again = f"up to {profile.checkpoint_seconds:g} s are trained again if that is too short to save; no record is lost"
    saves = should("time to save", grace + kill >= SHORTEST_SAVE_SECONDS, told, f"lower checkpoint_seconds: {again}")
    return [up, time, preemption_row(configuration, fields), saves]


def preemption_row(configuration: Fields, partition: Fields) -> Finding:
    """What happens to a sweep's jobs when others want their nodes."""
    kind, mode = configuration.get("PreemptType", "preempt/none"), configuration.get("PreemptMode", "OFF").upper()
    if kind.endswith("partition_prio"):
        mode = partition.get("PreemptMode", mode).upper()
    if kind.endswith("none"):
        mode = "OFF"
    told, advice = next(row for word, row in PREEMPTION.items() if word in mode)
    exempt = time_seconds(configuration.get("PreemptExemptTime", "0").replace("-1", "0"))
    safe = f"; not in its first {duration(exempt)}" if exempt and mode != "OFF" else ""
    return should("preemption", not advice, f"{told} ({mode}){safe}", advice)
