"""What a profile's cluster can and cannot do: findings from what SLURM says, then those of the probe."""

import grp
import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError, did_you_mean
from harness.base.formats import duration
from harness.dispatch.cluster import Limits, ask, has_slurm, limits, user
from harness.dispatch.node import Finding, Level
from harness.dispatch.probe import try_node, try_results
from harness.dispatch.profile import Profile
from harness.dispatch.slurm import why_refused, would_start

Fields = Mapping[str, str]
OLDEST_SLURM = (20, 2)  # the first whose squeue knows --me
SHORTEST_SAVE_SECONDS = 10.0  # to write a checkpoint to a slow file system
SHORTEST_MEMORY_SECONDS = 120.0  # without accounting, a job's end must be seen within this
UNUSABLE = ("down", "drain", "fail", "unknown", "error", "maint", "reboot", "power")


class Node(NamedTuple):
    """A node as sinfo has it."""

    name: str
    cpus: int
    memory_mb: int
    gpus: int
    state: str
    gpu_types: Mapping[str, int] = {}

    @property
    def is_usable(self) -> bool:
        """Whether it takes jobs, now or when it is free again."""
        return not self.state.endswith("*") and not self.state.startswith(UNUSABLE)


class Association(NamedTuple):
    """What accounting lets this user use together; an empty partition is any."""

    account: str
    partition: str
    qos: tuple[str, ...]


def examine(
    profile: Profile, results: Path, wait_minutes: float | None, tell: Callable[[str], None], measure: bool = False
) -> Iterator[tuple[str, Finding]]:
    """Findings, and what each is about, as they come; `wait_minutes` None sends no probe job.

    With `measure` that job compares one pack a GPU with `packs_per_gpu`.
    `tell` is given sentences on how the probe job does while it is waited for.
    """
    failed = False
    rooms: dict[str, Callable[[], Iterable[Finding]]] = {
        "cluster": lambda: ask_cluster(profile),
        "results": lambda: try_results(results),
    }
    if wait_minutes is not None:
        rooms["node"] = lambda: (
            [Finding("warning", "probe job", "not sent, as something failed", "mend that and ask again")]
            if failed
            else try_node(profile, results.resolve(), wait_minutes, tell, measure)
        )
    for room, findings in rooms.items():
        for finding in findings():
            failed = failed or finding.level == "FAILED"
            yield room, finding


# ------------------------------------------------------------------------------------------------------------ cluster
def ask_cluster(profile: Profile) -> Iterator[Finding]:
    """What SLURM says of itself and of the profile."""
    if not has_slurm():
        told = "there is none here: no sbatch on the PATH"
        yield Finding("FAILED", "SLURM", told, "run this on a login node (or `module load slurm`); --local needs none")
        return
    try:
        yield controller_finding(ask("scontrol", "ping"))
        known = limits()
        yield device_finding(profile)
        yield from cluster_findings(known, profile)
        yield accounting_finding(known, _silence("sacct", "--noheader", "--allocations"))
        yield from _ask_partitions(profile, known)
    except HarnessError as error:
        told = re.sub(r"[\s*]+", " ", str(error))  # SLURM frames in stars that its controller is down
        later = "ask again later; if it stays so, ask the administrators"
        elsewhere = "run this on a login node of the cluster, or set SLURM_CONF to its slurm.conf"
        yield Finding("FAILED", "controller", told, later if error.exit_code == INCOMPLETE else elsewhere)


def _ask_partitions(profile: Profile, known: Limits) -> Iterator[Finding]:
    partitions = parse_partitions(ask("scontrol", "show", "partition", "--oneliner"))
    names = partition_names(profile, partitions)
    failed = False
    for name in names:
        nodes = parse_nodes(ask("sinfo", "--noheader", "--Node", f"--partition={name}", "--format=%N|%c|%m|%G|%T"))
        for finding in partition_findings(name, profile, partitions, nodes, _groups()):
            failed = failed or finding.level == "FAILED"
            yield finding
        if name in partitions:
            yield preemption_finding(known.configuration, partitions[name])
            yield save_finding(profile, known.configuration, partitions[name])
    if not names:
        listed = f"give one: {', '.join(partitions)}" if partitions else "ask the administrators"
        yield Finding("FAILED", "partition", "none is given, and SLURM has no default", f"partition: {listed}")
    if known.has_accounting and (profile.account or profile.qos):
        enforced = known.configuration.get("AccountingStorageEnforce", "none")
        yield from association_findings(profile, parse_associations(_ask_associations()), enforced)
    if names and not failed:
        yield _would_start(profile)


def _would_start(profile: Profile) -> Finding:
    try:
        return start_finding(would_start(profile, "harness-doctor"))
    except HarnessError as error:
        told = why_refused(re.sub(r"^.*--test-only \S+: ", "", str(error), flags=re.DOTALL))
        return Finding("FAILED", "sbatch", told, "change the profile: `scontrol show partition` says what is taken")


def _ask_associations() -> str:
    return ask(
        *("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user()}", "format=Account,Partition,QOS")
    )


def _silence(*command: str) -> str | None:
    """Why a command says nothing, if it does."""
    try:
        ask(*command)
    except HarnessError as error:
        return str(error)
    return None


def _groups() -> set[str]:
    found = set()
    for group in os.getgroups():
        try:
            found.add(grp.getgrgid(group).gr_name)
        except KeyError:  # a group that has no name here
            continue
    return found


def parse_partitions(lines: str) -> dict[str, Fields]:
    """What `scontrol show partition --oneliner` prints, by name."""
    found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines.splitlines()]
    return {fields["PartitionName"]: fields for fields in found if "PartitionName" in fields}


def parse_nodes(lines: str) -> list[Node]:
    """What `sinfo --format=%N|%c|%m|%G|%T` prints."""
    fields = [line.strip().split("|") for line in lines.splitlines() if line.count("|") == 4]
    return [
        Node(name, _count(cpus), _count(memory), gpus_of(gres), state, gpu_types_of(gres))
        for name, cpus, memory, gres, state in fields
    ]


def parse_associations(lines: str) -> list[Association]:
    """What sacctmgr prints of Account, Partition and QOS."""
    fields = [line.strip().split("|") for line in lines.splitlines() if line.count("|") == 2]
    return [Association(account, partition, tuple(filter(None, qos.split(",")))) for account, partition, qos in fields]


def gpus_of(gres: str) -> int:
    """GPUs in what SLURM calls generic resources: `gpu:a100:4(S:0-1),shard:8` has 4."""
    return sum(gpu_types_of(gres).values())


def gpu_types_of(gres: str) -> dict[str, int]:
    """The same by type; those that have none are of the type ""."""
    counts = re.findall(r"(?:^|,)gpu(?::([^:,()]+))?:(\d+)", re.sub(r"\([^)]*\)", "", gres))
    return {kind: sum(int(count) for other, count in counts if other == kind) for kind, _ in counts}


def time_seconds(text: str) -> float:
    """A duration as SLURM prints it: `5 sec`, `30`, `01:30:00`, `2-00:00:00`, `UNLIMITED`."""
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return math.inf
    days, _, clock = text.rpartition("-")
    parts = [float(part) for part in clock.split()[0].split(":")]
    seconds = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    return float(days or 0) * 86400 + seconds


def _count(text: str) -> int:
    return int(re.sub(r"\D", "", text) or 0)  # `64000+` where a line is of several nodes


# ---------------------------------------------------------------------------------------------------- what SLURM says
def controller_finding(ping: str) -> Finding:
    """Whether a controller answers, by `scontrol ping`."""
    lines = [line.strip() for line in ping.splitlines() if line.strip()]
    if any(line.endswith("UP") for line in lines):
        return Finding("ok", "controller", "; ".join(lines))
    return Finding("FAILED", "controller", "; ".join(lines) or "says nothing", "wait until it is up: `scontrol ping`")


def device_finding(profile: Profile) -> Finding:
    """Which experiment files the profile is for."""
    if profile.gpus:
        told = "jobs book GPUs: only for experiment files that say device: cuda; `harness submit` refuses others"
        return Finding("ok", "device", told)
    return Finding("ok", "device", "jobs book no GPU: only for experiment files that do not say device: cuda")


def cluster_findings(known: Limits, profile: Profile) -> list[Finding]:
    """What the configuration means for a sweep."""
    configuration = known.configuration
    return [
        version_finding(configuration),
        arrays_finding(known),
        room_finding(known),
        wckey_finding(configuration, profile),
        requeue_finding(configuration),
        forgetting_finding(configuration, known.has_accounting),
    ]


def version_finding(configuration: Fields) -> Finding:
    """Whether this SLURM has the commands that are used."""
    number = configuration.get("SLURM_VERSION", "")
    told = f"{number or 'of unknown version'}, cluster {configuration.get('ClusterName', 'without a name')}"
    parts = tuple(int(part) for part in re.findall(r"\d+", number)[:2])
    if parts < OLDEST_SLURM:
        return Finding("FAILED", "SLURM", told, "20.02 or newer is needed (squeue --me): submit from another cluster")
    return Finding("ok", "SLURM", told)


def accounting_finding(known: Limits, silent: str | None) -> Finding:
    """Where the states of jobs come from."""
    if not known.has_accounting:
        return Finding("ok", "accounting", "none: states come from workers and squeue alone, which is enough")
    if silent is None:
        return Finding("ok", "accounting", "sacct answers: it knows how jobs ended that squeue has forgotten")
    told = f"sacct does not answer ({silent}); states come from workers and squeue alone"
    return Finding("warning", "accounting", told, "nothing that a sweep needs; tell the administrators")


def arrays_finding(known: Limits) -> Finding:
    """How large an array may be."""
    told = f"of up to {known.largest_array:,} jobs each (MaxArraySize); a larger sweep is several arrays"
    if known.largest_array == 1:
        return Finding(
            "warning",
            "arrays",
            "switched off (MaxArraySize): each job is submitted by itself",
            "raise job_minutes, so that there are few",
        )
    return Finding("ok", "arrays", told)


def room_finding(known: Limits) -> Finding:
    """How many jobs may be submitted now."""
    most = f"MaxJobCount{', MaxSubmitJobs' if known.has_accounting else ''}"
    if known.room < 1:
        told = f"for no more job of yours now ({most})"
        return Finding("warning", "room", told, "submit again as jobs end: `harness submit` sends what is missing")
    return Finding("ok", "room", f"for {known.room:,} more jobs of yours now ({most})")


def wckey_finding(configuration: Fields, profile: Profile) -> Finding:
    """Whether jobs need a workload key, and have one."""
    tracked = configuration.get("TrackWCKey", "no").lower() in ("yes", "1")
    if tracked and not profile.wckey:
        told = "the cluster books jobs by key (TrackWCKey), and the profile gives none"
        return Finding("warning", "wckey", told, f"wckey: one of `sacctmgr show wckey user={user()}`, or leave it so")
    if profile.wckey:
        booked = "" if tracked else ", which this cluster does not look at"
        return Finding("ok", "wckey", f"{profile.wckey}{booked}")
    return Finding("ok", "wckey", "none is needed")


def requeue_finding(configuration: Fields) -> Finding:
    """Whether jobs that were ended go back to the queue."""
    asked = "" if configuration.get("JobRequeue", "1") == "1" else ", as they ask for it (JobRequeue is off)"
    most = configuration.get("MaxBatchRequeue", "5")
    told = f"a job that loses its node goes back to the queue{asked}; SLURM may hold it after {most} times"
    return Finding("ok", "requeue", f"{told} (MaxBatchRequeue)")


def forgetting_finding(configuration: Fields, has_accounting: bool) -> Finding:
    """How long squeue knows how a job ended."""
    seconds = time_seconds(configuration.get("MinJobAge", "300"))
    told = f"squeue knows for {duration(seconds)} how a job ended (MinJobAge)"
    if has_accounting or seconds >= SHORTEST_MEMORY_SECONDS:
        return Finding("ok", "ended jobs", told)
    told += "; later, one that was killed counts as lost 10 min after its last sign of life"
    return Finding("warning", "ended jobs", told, "`harness status --watch` sees why a job ended while it is known")


def preemption_finding(configuration: Fields, partition: Fields) -> Finding:
    """What happens to a sweep's jobs when others want their nodes."""
    kind, mode = configuration.get("PreemptType", "preempt/none"), configuration.get("PreemptMode", "OFF")
    if kind.endswith("partition_prio"):
        mode = partition.get("PreemptMode", mode)
    exempt = time_seconds(configuration.get("PreemptExemptTime", "0").replace("-1", "0"))
    safe = f"; not in its first {duration(exempt)}" if exempt else ""
    if kind.endswith("none") or mode.upper() == "OFF":
        return Finding("ok", "preemption", "jobs are left alone")
    if "REQUEUE" in mode.upper():
        told = f"a job may have to go, and goes on from its checkpoint by itself (REQUEUE){safe}"
        return Finding("ok", "preemption", told)
    if "CANCEL" in mode.upper():
        told = f"a job may have to go, and does not come back (CANCEL){safe}"
        return Finding("warning", "preemption", told, "`harness submit` again: it goes on from its checkpoint")
    told = f"a job may be frozen, and give no sign of life ({mode}){safe}"
    return Finding("warning", "preemption", told, "choose a partition or qos that is not suspended; else wait")


def save_finding(profile: Profile, configuration: Fields, partition: Fields) -> Finding:
    """How long a job that has to go may write its checkpoint."""
    grace, kill = (
        time_seconds(text) for text in (partition.get("GraceTime", "0"), configuration.get("KillWait", "30"))
    )
    told = f"a job that is told to go has {duration(grace + kill)} (GraceTime {grace:g} s + KillWait {kill:g} s)"
    if grace + kill >= SHORTEST_SAVE_SECONDS:
        return Finding("ok", "time to save", told)
    told += f"; if that is too short to save, up to {profile.checkpoint_seconds:g} s are trained again"
    return Finding("warning", "time to save", told, "lower checkpoint_seconds: if that is too much; no record is lost")


def partition_names(profile: Profile, partitions: Mapping[str, Fields]) -> list[str]:
    """The partitions that jobs may go to: those of the profile, else the default one."""
    if profile.partition:
        return [name.strip() for name in profile.partition.split(",")]
    return [name for name, fields in partitions.items() if fields.get("Default") == "YES"]


def partition_findings(
    name: str, profile: Profile, partitions: Mapping[str, Fields], nodes: Sequence[Node], groups: set[str]
) -> list[Finding]:
    """Whether a partition is there, takes jobs of this user for so long, and has nodes that fit."""
    if name not in partitions:
        told = f"{name}: SLURM has none of that name"
        return [Finding("FAILED", "partition", told, f"partition: {did_you_mean(name, partitions)}")]
    fields = partitions[name]
    if fields.get("State", "UP") != "UP":
        told = f"{name} is {fields['State']}"
        return [Finding("FAILED", "partition", told, "wait until `sinfo` says up, or choose another")]
    return [
        Finding("ok", "partition", f"{name}{'' if profile.partition else ', the default'}, {len(nodes)} nodes"),
        *_refusals(profile, fields, groups),
        limit_finding(profile, fields),
        fit_finding(profile, nodes),
    ]


def _refusals(profile: Profile, fields: Fields, groups: set[str]) -> Iterator[Finding]:
    """What the partition's lists refuse: account, qos, groups."""
    for what, asked, key in (("account", profile.account, "Accounts"), ("qos", profile.qos, "Qos")):
        allowed, denied = (fields.get(f"{verb}{key}", "ALL" if verb == "Allow" else "") for verb in ("Allow", "Deny"))
        if asked and allowed != "ALL" and asked not in allowed.split(","):
            told = f"{asked}: the partition does not take it"
            yield Finding("FAILED", what, told, f"{what}: {did_you_mean(asked, allowed.split(','))}")
        elif asked and asked in denied.split(","):
            yield Finding(
                "FAILED", what, f"{asked}: the partition refuses it", f"{what}: another, or another partition"
            )
    allowed_groups = fields.get("AllowGroups", "ALL")
    if allowed_groups != "ALL" and not groups.intersection(allowed_groups.split(",")):
        told = f"only for {allowed_groups}, and you are in none of them"
        yield Finding("FAILED", "groups", told, "choose another partition, or ask to be let in")


def limit_finding(profile: Profile, fields: Fields) -> Finding:
    """Whether the partition lets jobs run for as long as they ask."""
    most, asked = time_seconds(fields.get("MaxTime", "UNLIMITED")), profile.time_minutes * 60
    told = f"{profile.time_minutes} min asked, the partition allows {duration(most)}"
    if asked > most:
        allowed = int(most // 60)
        shorter = f" and job_minutes: {allowed} or less" if profile.job_minutes > allowed else ""
        return Finding("FAILED", "time", told, f"time_minutes: {allowed} or less{shorter}")
    return Finding("ok", "time", told)


def fit_finding(profile: Profile, nodes: Sequence[Node]) -> Finding:
    """Whether a job fits a node, and how many nodes it fits."""
    memory_field, memory_gb, cpus = (
        ("memory_per_cpu_gb", profile.memory_per_cpu_gb, profile.cpus)
        if profile.memory_per_cpu_gb
        else ("memory_gb", profile.memory_gb or 0.0, 1)
    )
    memory = f", {memory_field} {memory_gb:g}" if memory_gb else ""
    asked = f"gpus {profile.gpus}, cpus {profile.cpus}{memory}"
    types = sorted(set(itertools.chain.from_iterable(node.gpu_types for node in nodes)) - {"", None})
    if profile.gpu_type and profile.gpu_type not in types:
        known = did_you_mean(profile.gpu_type, types) if types else f"{profile.gpu_count}, as its GPUs have no type"
        return Finding("FAILED", "fit", f"{asked}: no node has a GPU of that type", f"gpus: {known}")
    megabytes = memory_gb * cpus * 1024
    excess = [
        f"{field}: {most:g} or less"
        for field, wanted, most in (
            ("gpus", profile.gpu_count, max((_gpus_on(node, profile) for node in nodes), default=0)),
            ("cpus", profile.cpus, max((node.cpus for node in nodes), default=0)),
            (memory_field, memory_gb, max((node.memory_mb for node in nodes), default=0) // 1024 // cpus),
        )
        if wanted > most
    ]
    if excess:
        return Finding("FAILED", "fit", f"{asked}: no node has so much", "; ".join(excess))
    fitting = [
        node
        for node in nodes
        if _gpus_on(node, profile) >= profile.gpu_count and node.cpus >= profile.cpus and node.memory_mb >= megabytes
    ]
    if not fitting:
        return Finding(
            "FAILED", "fit", f"{asked}: no node has all of it", "ask for less of one: `sinfo -N -o '%N %c %m %G'`"
        )
    usable = [node for node in fitting if node.is_usable]
    told = f"{asked}: {len(usable)} of {len(nodes)} nodes fit"
    if not usable:
        return Finding("warning", "fit", f"{told} now", f"{len(fitting)} more would, but are down: see `sinfo -R`")
    return Finding("ok", "fit", told)


def _gpus_on(node: Node, profile: Profile) -> int:
    """GPUs of a node that the profile could get."""
    return node.gpu_types.get(profile.gpu_type, 0) if profile.gpu_type else node.gpus


def association_findings(profile: Profile, associations: Sequence[Association], enforced: str) -> Iterator[Finding]:
    """Whether accounting knows this user with the account and qos of the profile."""
    level: Level = "FAILED" if re.search(r"associations|limits|qos|safe", enforced) else "warning"
    accounts = [one.account for one in associations]
    if profile.account and profile.account not in accounts:
        told = f"{profile.account}: accounting does not know you there"
        yield Finding(level, "account", told, f"account: {did_you_mean(profile.account, accounts)}")
        return
    if profile.account:
        yield Finding("ok", "account", profile.account)
    usable = [one.qos for one in associations if profile.account in (None, one.account)]
    kinds = list(itertools.chain.from_iterable(usable))
    if profile.qos and profile.qos not in kinds:
        told = f"{profile.qos}: accounting does not let you use it"
        yield Finding(level, "qos", told, f"qos: {did_you_mean(profile.qos, kinds)}")
    elif profile.qos:
        yield Finding("ok", "qos", profile.qos)


def start_finding(answer: str) -> Finding:
    """What `sbatch --test-only` said."""
    found = re.search(r"to start (at .*)", answer)
    told = f"takes such a job; alone it would start {found.group(1)}" if found else answer.strip() or "takes such a job"
    return Finding("ok", "sbatch", told)
