"""What a profile's cluster can and cannot do: rows of what was looked at, whether it holds, and what to do if not."""

import grp
import itertools
import math
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError, did_you_mean
from harness.base.formats import duration
from harness.dispatch.cluster import Limits, ask, limits, try_script, user
from harness.dispatch.node import Finding, fact, must, should
from harness.dispatch.probe import try_node, try_results
from harness.dispatch.profile import Profile
from harness.dispatch.slurm import script_text, why_refused

Fields = Mapping[str, str]
OLDEST_SLURM = (20, 2)  # the first whose squeue knows --me
SHORTEST_SAVE_SECONDS = 10.0  # to write a checkpoint to a slow file system
SHORTEST_MEMORY_SECONDS = 120.0  # without accounting, a job's end must be seen within this
UNUSABLE = ("down", "drain", "fail", "unknown", "error", "maint", "reboot", "power")
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


class Node(NamedTuple):
    """A node as sinfo has it."""

    name: str
    cpus: int
    memory_mb: int
    state: str
    gpu_types: Mapping[str, int] = {}

    @property
    def is_usable(self) -> bool:
        """Whether it takes jobs, now or when it is free again."""
        return not self.state.endswith("*") and not self.state.startswith(UNUSABLE)


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
        yield controller_row(ask("scontrol", "ping"))
        taken, silence = limits(), None
        try:
            ask("sacct", "--noheader", "--allocations")
        except HarnessError as error:
            silence = str(error)
        yield from cluster_rows(profile, taken, silence)
        yield from _ask_partitions(profile, taken)
    except HarnessError as error:
        told = re.sub(r"[\s*]+", " ", str(error))  # SLURM frames in stars that its controller is down
        later = "ask again later; if it stays so, ask the administrators"
        elsewhere = "run this on a login node of the cluster, or set SLURM_CONF to its slurm.conf"
        yield must("controller", False, told, later if error.exit_code == INCOMPLETE else elsewhere)


def _ask_partitions(profile: Profile, taken: Limits) -> Iterator[Finding]:
    partitions = parse_partitions(ask("scontrol", "show", "partition", "--oneliner"))
    names = partition_names(profile, partitions)
    if not names:
        listed = f"give one: {', '.join(partitions)}" if partitions else "ask the administrators"
        yield must("partition", False, "none is given, and SLURM has no default", f"partition: {listed}")
        return
    rows: list[Finding] = []
    for name in names:
        nodes = parse_nodes(ask("sinfo", "--noheader", "--Node", f"--partition={name}", "--format=%N|%c|%m|%G|%T"))
        rows += partition_rows(name, profile, partitions, nodes, _groups(), taken.configuration)
    yield from rows
    if taken.has_accounting and (profile.account or profile.qos):
        own = ask("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user()}", "format=Account,QOS")
        yield from association_rows(profile, own, taken.configuration.get("AccountingStorageEnforce", "none"))
    if all(finding.level != "FAILED" for finding in rows):
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


def _groups() -> set[str]:
    names = set()
    for group in os.getgroups():
        with suppress(KeyError):  # a group that has no name here
            names.add(grp.getgrgid(group).gr_name)
    return names


def parse_partitions(lines: str) -> dict[str, Fields]:
    """What `scontrol show partition --oneliner` prints, by name."""
    partitions = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines.splitlines()]
    return {fields["PartitionName"]: fields for fields in partitions if "PartitionName" in fields}


def parse_nodes(lines: str) -> list[Node]:
    """What `sinfo --format=%N|%c|%m|%G|%T` prints."""
    nodes = []
    for line in lines.splitlines():
        if line.count("|") == 4:
            name, cpus, memory, gres, state = line.strip().split("|")
            nodes.append(Node(name, _count(cpus), _count(memory), state, gpu_types_of(gres)))
    return nodes


def gpu_types_of(gres: str) -> dict[str, int]:
    """GPUs by type in what SLURM calls generic resources, such as `gpu:a100:4(S:0-1),shard:8`; "" is no type."""
    counts: Counter[str] = Counter()
    for kind, count in re.findall(r"(?:^|,)gpu(?::([^:,()]+))?:(\d+)", re.sub(r"\([^)]*\)", "", gres)):
        counts[kind] += int(count)
    return dict(counts)


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


def partition_names(profile: Profile, partitions: Mapping[str, Fields]) -> list[str]:
    """The partitions that jobs may go to: those of the profile, else the default one."""
    if profile.partition:
        return [name.strip() for name in profile.partition.split(",")]
    return [name for name, fields in partitions.items() if fields.get("Default") == "YES"]


# --------------------------------------------------------------------------------------------------------------- rows
def controller_row(ping: str) -> Finding:
    """Whether a controller answers, by `scontrol ping`."""
    lines = [line.strip() for line in ping.splitlines() if line.strip()]
    is_up = any(line.endswith("UP") for line in lines)
    return must("controller", is_up, "; ".join(lines) or "says nothing", "wait until it is up: `scontrol ping`")


def cluster_rows(profile: Profile, taken: Limits, sacct_silence: str | None) -> list[Finding]:
    """What the configuration of a cluster means for a sweep; `sacct_silence` is why sacct says nothing, if so."""
    configuration = taken.configuration
    number, name = configuration.get("SLURM_VERSION", ""), configuration.get("ClusterName", "without a name")
    is_new = tuple(int(part) for part in re.findall(r"\d+", number)[:2]) >= OLDEST_SLURM
    booked = "no GPU: only for experiment files that do not say device: cuda"
    if profile.gpus:
        booked = "GPUs: only for experiment files that say device: cuda; `harness submit` refuses others"
    older = "20.02 or newer is needed (squeue --me): submit from another cluster"
    arrays = f"of up to {taken.largest_array:,} jobs each (MaxArraySize); a larger sweep is several arrays"
    no_arrays = "switched off, so each job is submitted by itself: raise job_minutes, so that there are few"
    room = f"for {taken.room:,} more jobs of yours now (MaxJobCount{', MaxSubmitJobs' * taken.has_accounting})"
    no_room = "submit again as jobs end: `harness submit` sends what is missing"
    is_keyed = configuration.get("TrackWCKey", "no").lower() in ("yes", "1")
    key = f"{profile.wckey or 'none'}; this cluster {'books jobs by key' if is_keyed else 'needs none'} (TrackWCKey)"
    no_key = f"wckey: one of `sacctmgr show wckey user={user()}`, or leave it so"
    requeued = "" if configuration.get("JobRequeue", "1") == "1" else ", as they ask for it (JobRequeue is off)"
    held = f"SLURM may hold it after {configuration.get('MaxBatchRequeue', '5')} times (MaxBatchRequeue)"
    memory = time_seconds(configuration.get("MinJobAge", "300"))
    remembers = taken.has_accounting or memory >= SHORTEST_MEMORY_SECONDS
    watch = (
        "`harness status --watch` sees why in that time; later, a killed one is lost 10 min after its last sign of life"
    )
    enough = "states come from workers and squeue alone, which is enough"
    answers = f"sacct does not answer ({sacct_silence})" if sacct_silence else "sacct knows how earlier jobs ended"
    accounting = answers if taken.has_accounting else f"none: {enough}"
    is_silent = taken.has_accounting and sacct_silence
    return [
        fact("device", f"jobs book {booked}"),
        must("SLURM", is_new, f"{number or 'of unknown version'}, cluster {name}", older),
        should("arrays", taken.largest_array > 1, arrays, no_arrays),
        should("room", taken.room > 0, room, no_room),
        should("wckey", bool(profile.wckey) or not is_keyed, key, no_key),
        fact("requeue", f"a job that loses its node goes back to the queue{requeued}; {held}"),
        should("ended jobs", remembers, f"squeue knows for {duration(memory)} how a job ended (MinJobAge)", watch),
        should("accounting", not is_silent, accounting, f"{enough}; tell the administrators"),
    ]


def partition_rows(
    name: str,
    profile: Profile,
    partitions: Mapping[str, Fields],
    nodes: Sequence[Node],
    groups: set[str],
    configuration: Fields,
) -> list[Finding]:
    """Whether a partition is there, takes jobs of this user for so long, has nodes that fit, and leaves jobs alone."""
    if name not in partitions:
        move = f"partition: {did_you_mean(name, partitions)}"
        return [must("partition", False, f"{name}: SLURM has none of that name", move)]
    fields = partitions[name]
    state = fields.get("State", "UP")
    told = f"{name}{'' if profile.partition else ', the default'}, {len(nodes)} nodes, {state}"
    rows = [must("partition", state == "UP", told, "wait until `sinfo` says up, or choose another")]
    for what, asked, lists in (("account", profile.account, "Accounts"), ("qos", profile.qos, "Qos")):
        allowed, denied = fields.get(f"Allow{lists}", "ALL").split(","), fields.get(f"Deny{lists}", "").split(",")
        if asked and (asked in denied or not {asked, "ALL"} & set(allowed)):
            others = "another, or another partition" if asked in denied else did_you_mean(asked, allowed)
            rows.append(must(what, False, f"{asked}: the partition does not take it", f"{what}: {others}"))
    allowed = fields.get("AllowGroups", "ALL").split(",")
    if not groups.union(["ALL"]) & set(allowed):
        told = f"only for {', '.join(allowed)}, and you are in none of them"
        rows.append(must("groups", False, told, "choose another partition, or ask to be let in"))
    most = time_seconds(fields.get("MaxTime", "UNLIMITED"))
    shorter = f"{most // 60:g} or less"
    jobs_too = f" and job_minutes: {shorter}" if profile.job_minutes * 60 > most else ""
    told = f"{profile.time_minutes} min asked, the partition allows {duration(most)}"
    rows.append(must("time", profile.time_minutes * 60 <= most, told, f"time_minutes: {shorter}{jobs_too}"))
    rows += [fit_row(profile, nodes), preemption_row(configuration, fields)]
    grace, kill = time_seconds(fields.get("GraceTime", "0")), time_seconds(configuration.get("KillWait", "30"))
    told = f"a job that is told to go has {duration(grace + kill)} (GraceTime {grace:g} s + KillWait {kill:g} s)"
    again = f"up to {profile.checkpoint_seconds:g} s are trained again if that is too short to save; no record is lost"
    saves = grace + kill >= SHORTEST_SAVE_SECONDS
    return [*rows, should("time to save", saves, told, f"lower checkpoint_seconds: {again}")]


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


def fit_row(profile: Profile, nodes: Sequence[Node]) -> Finding:
    """Whether a job fits a node, and how many nodes it fits."""
    memory, per_cpu = ("memory_per_cpu_gb", profile.cpus) if profile.memory_per_cpu_gb else ("memory_gb", 1)
    gigabytes = profile.memory_per_cpu_gb or profile.memory_gb or 0
    wanted = {"gpus": profile.gpu_count, "cpus": profile.cpus, memory: gigabytes}
    asked = f"gpus {profile.gpus}, cpus {profile.cpus}" + (f", {memory} {gigabytes:g}" if gigabytes else "")
    types = set(itertools.chain.from_iterable(node.gpu_types for node in nodes)) - {""}
    fitting, most = [], dict.fromkeys(wanted, 0.0)
    for node in nodes:
        gpus = node.gpu_types.get(profile.gpu_type, 0) if profile.gpu_type else sum(node.gpu_types.values())
        has = {"gpus": gpus, "cpus": node.cpus, memory: node.memory_mb / 1024 / per_cpu}
        most = {field: max(number, has[field]) for field, number in most.items()}
        if all(has[field] >= number for field, number in wanted.items()):
            fitting.append(node)
    excess = [f"{field}: {math.floor(most[field])} or less" for field in wanted if wanted[field] > most[field]]
    if profile.gpu_type and profile.gpu_type not in types:
        untyped = f"{profile.gpu_count}, as its GPUs have no type"
        others = did_you_mean(profile.gpu_type, sorted(types)) if types else untyped
        return must("fit", False, f"{asked}: no node has a GPU of that type", f"gpus: {others}")
    if not fitting:
        less = "; ".join(excess) or "ask for less of one: `sinfo -N -o '%N %c %m %G'`"
        return must("fit", False, f"{asked}: no node has {'so much' if excess else 'all of it'}", less)
    usable = sum(node.is_usable for node in fitting)
    told = f"{asked}: {usable} of {len(nodes)} nodes fit"
    return should("fit", usable > 0, told, f"{len(fitting)} more would, but are down: see `sinfo -R`")


def association_rows(profile: Profile, lines: str, enforced: str) -> list[Finding]:
    """Whether accounting knows this user with the account and qos of the profile, by what sacctmgr prints of both."""
    check = must if re.search(r"associations|limits|qos|safe", enforced) else should
    pairs = [line.strip().split("|") for line in lines.splitlines() if line.count("|") == 1]
    lists = [qos.split(",") for account, qos in pairs if profile.account in (None, account)]
    mine = {
        "account": list(dict.fromkeys(account for account, _ in pairs)),
        "qos": list(dict.fromkeys(filter(None, itertools.chain.from_iterable(lists)))),
    }
    rows = []
    for what, asked, so in (("account", profile.account, "knows you in"), ("qos", profile.qos, "lets you use")):
        if asked and (what == "account" or profile.account in (None, *mine["account"])):
            told = f"{asked}; accounting {so} {', '.join(mine[what]) or 'none'}"
            rows.append(check(what, asked in mine[what], told, f"{what}: {did_you_mean(asked, mine[what])}"))
    return rows
