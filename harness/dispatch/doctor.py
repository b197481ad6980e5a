"""What a profile's cluster can and cannot do: rows of what was looked at, whether it holds, and
what to do if not.

SLURM is asked, and the results folder is tried from here and from a node: a probe job, sent as
those of a sweep are, answers by files.
"""

import json
import math
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import write_whole
from harness.base.formats import duration
from harness.dispatch.cluster import Limits, Listed, ask, limits, scancel, squeue, try_script
from harness.dispatch.launch import executor, launch, script_text, why_refused
from harness.dispatch.node import Finding, must, read, should, try_files
from harness.dispatch.profile import Profile
from harness.dispatch.snapshot import Snapshot, take_snapshot
from harness.dispatch.state import ENDED, WAITING, stuck
from harness.dispatch.submission import logs_folder, new_id

Fields = Mapping[str, str]
OLDEST_SLURM = (20, 2)  # the first whose squeue knows --me
SHORTEST_MEMORY_SECONDS = 120.0  # without accounting, a job's end must be seen within this
PROBE_MINUTES = 5  # the time limit of the probe job, unless that of a sweep's jobs is shorter
PROBE_SAVE_SECONDS = 60
QUEUE_SECONDS = 5.0  # between two questions for the one probe job
LOOK_SECONDS = 0.2  # between two looks for a file of the job
RUN_SECONDS = (PROBE_MINUTES + 2) * 60.0  # from its start to the end of its time
LATE_SECONDS = 120.0  # after a job's end, until what it wrote must be seen
BY_ITSELF_SECONDS = 15.0  # for a job that has reported to end
END_SECONDS = 90.0  # until a job that was told to end has
GONE = "gone"  # what squeue does not list any more


def examine(
    profile: Profile, results: Path, wait_minutes: float | None, tell: Callable[[str], None]
) -> Iterator[Finding]:
    """Findings as they come; `wait_minutes` None sends no probe job.

    `tell` is given sentences on how the probe job does while it is waited for.
    """
    failed = False
    for group, findings in (("cluster", ask_cluster(profile)), ("results", try_results(results))):
        for finding in findings:
            failed |= finding.level == "FAILED"
            yield finding._replace(about=group)
    if wait_minutes is None:
        return
    not_sent = should(
        "probe job", False, "not sent, as something failed", "mend that and ask again"
    )
    for finding in (
        [not_sent] if failed else try_node(profile, results.resolve(), wait_minutes, tell)
    ):
        yield finding._replace(about="node")


# --------------------------------------------------------------------------------------------------
# cluster
def ask_cluster(profile: Profile) -> Iterator[Finding]:
    """What SLURM says of itself and of the profile."""
    if shutil.which("sbatch") is None:
        elsewhere = "run this on a login node (or `module load slurm`); --local needs none"
        yield must("SLURM", False, "there is none here: no sbatch on the PATH", elsewhere)
        return
    try:
        yield from cluster_rows(limits())
        partitions = parse_partitions(ask("scontrol", "show", "partition", "--oneliner"))
        for name in partition_names(profile, partitions):
            if name in partitions:
                yield from partition_rows(profile, partitions[name])
        yield _would_start(profile)  # what else does not fit there, sbatch says
    except HarnessError as error:
        finding = re.sub(
            r"[\s*]+", " ", str(error)
        )  # SLURM frames in stars that its controller is down
        later = "ask again later; if it stays so, ask the administrators"
        elsewhere = "run this on a login node of the cluster, or set SLURM_CONF to its slurm.conf"
        yield must(
            "controller", False, finding, later if error.exit_code == INCOMPLETE else elsewhere
        )


def _would_start(profile: Profile) -> Finding:
    """When and where SLURM would start such a job, without giving it one."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "script.sh"
            script.write_text(
                script_text(profile, "harness-doctor", Path(folder), (), "this"), encoding="utf-8"
            )
            answer = try_script(script)
    except HarnessError as error:
        finding = why_refused(re.sub(r"^.*--test-only \S+: ", "", str(error), flags=re.DOTALL))
        return must(
            "sbatch",
            False,
            finding,
            "change the profile: `scontrol show partition` says what is taken",
        )
    when = re.search(r"to start (at .*)", answer)
    start = f"; alone it would start {when.group(1)}" if when else ""
    return Finding("ok", "sbatch", f"takes such a job{start}")


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


# --------------------------------------------------------------------------------------------------
# rows
def cluster_rows(cluster_limits: Limits) -> list[Finding]:
    """What the version and the memory of a cluster mean for a sweep."""
    number = cluster_limits.configuration.get("SLURM_VERSION", "")
    is_new = tuple(int(part) for part in re.findall(r"\d+", number)[:2]) >= OLDEST_SLURM
    name = cluster_limits.configuration.get("ClusterName", "without a name")
    older = "20.02 or newer is needed (squeue --me): submit from another cluster"
    memory = time_seconds(cluster_limits.configuration.get("MinJobAge", "300"))
    remembers = cluster_limits.has_accounting or memory >= SHORTEST_MEMORY_SECONDS
    watch = (
        "`harness status --watch` sees why in that time; later, a killed one is lost 10 min "
        "after its last sign of life"
    )
    accounting = ", and sacct for longer" if cluster_limits.has_accounting else ""
    finding = f"squeue knows for {duration(memory)} how a job ended (MinJobAge){accounting}"
    slurm = must("SLURM", is_new, f"{number or 'of unknown version'}, cluster {name}", older)
    return [slurm, should("ended jobs", remembers, finding, watch)]


def partition_rows(profile: Profile, fields: Fields) -> list[Finding]:
    """Whether a partition is up and gives jobs so much time: SLURM may take others, and let them
    wait for ever.
    """
    state = fields.get("State", "UP")
    finding = f"{fields['PartitionName']}{'' if profile.partition else ', the default'}, {state}"
    up = must("partition", state == "UP", finding, "wait until `sinfo` says up, or choose another")
    most = time_seconds(fields.get("MaxTime", "UNLIMITED"))
    shorter = f"{most // 60:g} or less"
    jobs_too = f" and job_minutes: {shorter}" if profile.job_minutes * 60 > most else ""
    finding = f"{profile.time_minutes} min asked, the partition allows {duration(most)}"
    time = must(
        "time", profile.time_minutes * 60 <= most, finding, f"time_minutes: {shorter}{jobs_too}"
    )
    return [up, time]


class Talk(NamedTuple):
    """How it went with the probe job; `log` is None where there is no file."""

    listed: Listed | None
    report: Mapping[str, Any] | None = None
    log: str | None = None


# --------------------------------------------------------------------------------------------------
# files
def try_results(results: Path) -> list[Finding]:
    """What files in the results folder do on this machine."""
    try:
        with _own_folder(results) as folder:
            return try_files(folder)
    except OSError as error:
        finding, move = (
            f"{results}: {error.strerror}",
            "choose one that you may write to: --results",
        )
        return [must("folder", False, finding, move)]


@contextmanager
def _own_folder(results: Path) -> Iterator[Path]:
    """A hidden folder in `results`, which is removed at the end, `results` too if it was not
    there.
    """
    made = not results.exists()
    folder = results / f".doctor-{new_id()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if made and not any(results.iterdir()):
            results.rmdir()


# --------------------------------------------------------------------------------------------------
# job
def try_node(
    profile: Profile, results: Path, wait_minutes: float, tell: Callable[[str], None]
) -> list[Finding]:
    """What a job sees that is sent as those of a sweep are, with the code in a snapshot, and asks
    for the same.
    """
    with _own_folder(results) as folder:
        try:
            snapshot = take_snapshot(folder, [])
        except HarnessError as error:
            finding, _, next_move = str(error).rpartition("; ")
            return [must("snapshot", False, finding, next_move)]
        name, talk = f"harness-{folder.name.removeprefix('.')}", None
        roots = [str(root) for root in snapshot.roots]
        try:
            request = {"profile": profile.model_dump(mode="json"), "torch": version("torch")}
            write_whole(folder / "asked.json", json.dumps(request))
            minutes, seconds = (
                min(PROBE_MINUTES, profile.time_minutes),
                min(PROBE_SAVE_SECONDS, profile.save_seconds),
            )
            short = profile.model_copy(update={"time_minutes": minutes, "save_seconds": seconds})
            with executor(logs_folder(folder), short, name, roots) as sender:
                number = launch(sender, 1, "harness.dispatch.node", str(folder))
            tell(
                f"probe job {number}: waiting for it, at most {wait_minutes:g} min (--wait); "
                "Ctrl-C cancels it"
            )
            talk = _talk(folder, name, wait_minutes * 60, tell)
        except HarnessError as error:
            return [
                must(
                    "probe job",
                    False,
                    str(error),
                    "change the profile so that SLURM takes its jobs",
                )
            ]
        finally:
            _end(name, tell, by_itself=talk is not None and talk.report is not None)
        if talk.report is None:
            return [missing_row(talk, wait_minutes)]
        return reported_rows(talk.report, snapshot)


def _talk(folder: Path, name: str, wait_seconds: float, tell: Callable[[str], None]) -> Talk:
    """Wait until the job has reported, has ended without, or was waited for long enough."""
    listed: Listed | None = None
    asked_at, end, report = -math.inf, time.monotonic() + wait_seconds, folder / "report.json"
    while time.monotonic() < end and not report.exists():
        if time.monotonic() - asked_at > QUEUE_SECONDS:
            before, queue, asked_at = listed, squeue([name]), time.monotonic()
            listed = queue.of(name, 0) or listed  # what was known before where squeue says nothing
            if listed and not queue.of(name, 0) and not queue.silent:
                listed = listed._replace(state=GONE, reason="")
            if listed and listed != before:
                tell(f"SLURM: {listed.words}")
                end = max(end, time.monotonic() + RUN_SECONDS) if listed.state == "RUNNING" else end
                end = (
                    min(end, time.monotonic() + LATE_SECONDS)
                    if listed.state in (GONE, "COMPLETED")
                    else end
                )
            has_failed = listed and ENDED.get(listed.state) in (
                "crashed",
                "timed out",
                "out of memory",
                "cancelled",
            )
            if has_failed or (listed and (held_up := stuck(listed)) and held_up.for_ever):
                break
        time.sleep(LOOK_SECONDS)
    logs = [
        log.read_text(encoding="utf-8", errors="replace")
        for log in logs_folder(folder).glob("*_log.out")
    ]
    return Talk(
        listed,
        report=read(report) if report.exists() else None,
        log="".join(logs) if logs else None,
    )


def _end(name: str, tell: Callable[[str], None], by_itself: bool) -> None:
    """Wait until the job is over, cancelled if it does not end `by_itself`: it must write nothing
    any more.
    """
    begin, cancelled = time.monotonic(), False
    try:
        while time.monotonic() - begin < END_SECONDS:
            queue = squeue([name])
            listed = queue.of(name, 0)
            if not queue.silent and (listed is None or listed.state in ENDED):
                return
            if (
                listed
                and not cancelled
                and not (by_itself and time.monotonic() - begin < BY_ITSELF_SECONDS)
            ):
                scancel([listed.number])
                tell(f"probe job {listed.number}: cancelled")
                cancelled = True
            time.sleep(1)
    except HarnessError as error:
        tell(str(error))
    tell(f"the probe job may still be there; `scancel --name={name}` ends it")


# --------------------------------------------------------------------------------------------------
# rows
def missing_row(talk: Talk, wait_minutes: float) -> Finding:
    """Why the job has not reported."""
    state = talk.listed.words if talk.listed else "unknown to squeue"
    late = f"did not start within {wait_minutes:g} min"
    if talk.listed and (held_up := stuck(talk.listed)):
        check, when = (must, "would wait for ever") if held_up.for_ever else (should, late)
        return check("probe job", False, f"{when}: {state}, {held_up.why}", held_up.change)
    if talk.listed and talk.listed.state in WAITING:
        move = "nothing is wrong by that; ask again with a longer --wait"
        return should("probe job", False, f"{late}: {state}", move)
    if talk.log is None:
        finding = f"{state} without a log: its node cannot write into this results folder"
        return must(
            "probe job", False, finding, "choose a results folder that all nodes share: --results"
        )
    lines = (line.strip() for line in talk.log.splitlines())
    printed = [
        line for line in lines if line and not line.startswith("srun: ")
    ]  # which says how the others ended
    last = (
        f"it printed last: {printed[-1][:300]}"
        if printed
        else "it printed nothing, not even an error of Python"
    )
    next_move = (
        "try setup: and python: in a shell on a node: `srun --pty bash`; the harness "
        "must be "
        "installed there"
    )
    return must("probe job", False, f"{state} without a report; {last}", next_move)


def reported_rows(report: Mapping[str, Any], snapshot: Snapshot) -> list[Finding]:
    """Whether the job ran the code that was submitted, and what that says of its node."""
    is_ours = Path(report["code"]) in snapshot.roots
    changed = " and changes since" if snapshot.dirty else ""
    commit = f", commit {snapshot.commit[:12]}{changed}" if snapshot.commit else ""
    ours, theirs = (
        f"a snapshot of the code here{commit}",
        f"{report['code']}, not from the snapshot of the code here",
    )
    move = "leave PYTHONPATH alone in setup: and in the node's site settings"
    row = must("harness", is_ours, f"{report['harness']} from {ours if is_ours else theirs}", move)
    return [
        row,
        *(Finding(*fields) for fields in report.get("rows", ())),
    ]  # other code may report otherwise
