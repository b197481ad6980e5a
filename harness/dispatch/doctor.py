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
SHORTEST_MEMORY_SECONDS = 120.0  # without accounting, a job's end must be seen within this


def examine(
    profile: Profile, results: Path, wait_minutes: float | None, tell: Callable[[str], None]
) -> Iterator[tuple[str, Finding]]:
    """Findings, and what each is about, as they come; `wait_minutes` None sends no probe job.

    `tell` is given sentences on how the probe job does while it is waited for.
    """
    failed = False
    for subject, findings in (("cluster", ask_cluster(profile)), ("results", try_results(results))):
        for finding in findings:
            failed |= finding.level == "FAILED"
            yield subject, finding
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
        yield from cluster_rows(limits())
        yield from _ask_partitions(profile)
    except HarnessError as error:
        finding = re.sub(r"[\s*]+", " ", str(error))  # SLURM frames in stars that its controller is down
        later = "ask again later; if it stays so, ask the administrators"
        elsewhere = "run this on a login node of the cluster, or set SLURM_CONF to its slurm.conf"
        yield must("controller", False, finding, later if error.exit_code == INCOMPLETE else elsewhere)


def _ask_partitions(profile: Profile) -> Iterator[Finding]:
    """What is known of the partitions of the profile; what else does not fit there, sbatch says."""
    partitions = parse_partitions(ask("scontrol", "show", "partition", "--oneliner"))
    for name in partition_names(profile, partitions):
        if name in partitions:
            yield from partition_rows(profile, partitions[name])
    yield _would_start(profile)


def _would_start(profile: Profile) -> Finding:
    """When and where SLURM would start such a job, without giving it one."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "script.sh"
            script.write_text(script_text(profile, "harness-doctor", Path(folder), (), "this"), encoding="utf-8")
            answer = try_script(script)
    except HarnessError as error:
        finding = why_refused(re.sub(r"^.*--test-only \S+: ", "", str(error), flags=re.DOTALL))
        return must("sbatch", False, finding, "change the profile: `scontrol show partition` says what is taken")
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
def cluster_rows(cluster_limits: Limits) -> list[Finding]:
    """What the version and the memory of a cluster mean for a sweep."""
    number = cluster_limits.configuration.get("SLURM_VERSION", "")
    is_new = tuple(int(part) for part in re.findall(r"\d+", number)[:2]) >= OLDEST_SLURM
    name = cluster_limits.configuration.get("ClusterName", "without a name")
    older = "20.02 or newer is needed (squeue --me): submit from another cluster"
    memory = time_seconds(cluster_limits.configuration.get("MinJobAge", "300"))
    remembers = cluster_limits.has_accounting or memory >= SHORTEST_MEMORY_SECONDS
    watch = (
        "`harness status --watch` sees why in that time; later, a killed one is lost 10 min after its last sign of life"
    )
    accounting = ", and sacct for longer" if cluster_limits.has_accounting else ""
    finding = f"squeue knows for {duration(memory)} how a job ended (MinJobAge){accounting}"
    return [
        must("SLURM", is_new, f"{number or 'of unknown version'}, cluster {name}", older),
        should("ended jobs", remembers, finding, watch),
    ]


def partition_rows(profile: Profile, fields: Fields) -> list[Finding]:
    """Whether a partition is up and gives jobs so much time: SLURM may take others, and let them wait for ever."""
    state = fields.get("State", "UP")
    finding = f"{fields['PartitionName']}{'' if profile.partition else ', the default'}, {state}"
    up = must("partition", state == "UP", finding, "wait until `sinfo` says up, or choose another")
    most = time_seconds(fields.get("MaxTime", "UNLIMITED"))
    shorter = f"{most // 60:g} or less"
    jobs_too = f" and job_minutes: {shorter}" if profile.job_minutes * 60 > most else ""
    finding = f"{profile.time_minutes} min asked, the partition allows {duration(most)}"
    time = must("time", profile.time_minutes * 60 <= most, finding, f"time_minutes: {shorter}{jobs_too}")
    return [up, time]
