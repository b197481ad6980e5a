"""The results folder tried from here and from a node: a probe job, sent as those of a sweep are, answers by files."""

import math
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from harness.base.errors import HarnessError
from harness.dispatch.cluster import Listed, scancel, squeue
from harness.dispatch.node import Finding, NodeReport, read_report, try_files, unwritable, write
from harness.dispatch.profile import Profile
from harness.dispatch.slurm import executor, launch
from harness.dispatch.snapshot import Snapshot, take_snapshot
from harness.dispatch.state import ENDED
from harness.dispatch.submission import logs_folder, new_id
from harness.dispatch.waiting import WAITING, stuck

PROBE_MINUTES = 5
PROBE_SAVE_SECONDS = 60
QUEUE_SECONDS = 5.0  # between two questions for the one probe job
LOOK_SECONDS = 0.2  # between two looks for a file of the job
RUN_SECONDS = (PROBE_MINUTES + 2) * 60.0  # from its start to the end of its time
LATE_SECONDS = 120.0  # after a job's end, until what it wrote must be seen
BY_ITSELF_SECONDS = 15.0  # for a job that has reported to end
END_SECONDS = 90.0  # until a job that was told to end has
MOST_CLOCK_SECONDS = 30.0
MOST_SEEN_SECONDS = 60.0
LEAST_GAIN = 1.1  # for packs that share a GPU to be worth it
REQUEUED_BY_HAND = Finding(
    "warning",
    "requeue",
    "the job has no scontrol, as in a container: at its time limit it does not start again by itself",
    "`harness submit` again then: it goes on from its checkpoint",
)
GONE = "gone"  # what squeue does not list any more


class Talk(NamedTuple):
    """How it went with the probe job.

    `answered_at` is by the clock of this machine, in seconds since the epoch; `log` is None where there is no file.
    """

    listed: Listed | None
    answered_at: float = math.nan
    report: NodeReport | None = None
    failed_setup: tuple[str, ...] = ()
    log: str | None = None


# -------------------------------------------------------------------------------------------------------------- files
def try_results(results: Path) -> list[Finding]:
    """What files in the results folder do on this machine."""
    try:
        with _own_folder(results) as folder:
            return try_files(folder)
    except OSError as error:
        return [unwritable(results, error)]


@contextmanager
def _own_folder(results: Path) -> Iterator[Path]:
    """A hidden folder in `results`, which is removed at the end, `results` too if it was not there."""
    made = not results.exists()
    folder = results / f".doctor-{new_id()}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if made and not any(results.iterdir()):
            results.rmdir()


# ---------------------------------------------------------------------------------------------------------------- job
def try_node(
    profile: Profile, results: Path, wait_minutes: float, tell: Callable[[str], None], measure: bool = False
) -> list[Finding]:
    """What a job sees that is sent as those of a sweep are, with the code in a snapshot, and asks for the same.

    With `measure` it also compares what its GPUs train with one pack each at a time and with those of the profile.
    """
    with _own_folder(results) as folder:
        try:
            snapshot = take_snapshot(folder, [])
        except HarnessError as error:
            told, _, next_move = str(error).rpartition("; ")
            return [Finding("FAILED", "snapshot", told, next_move)]
        name, talk = f"harness-{folder.name.removeprefix('.')}", None
        roots = [str(root) for root in snapshot.roots]
        try:
            with executor(logs_folder(folder), probing(profile, folder), name, roots) as sender:
                packs = profile.packs_per_gpu if measure and profile.packs_per_gpu > 1 else 0
                number = launch(sender, 1, "harness.dispatch.node", str(folder), str(packs))
            tell(f"probe job {number}: waiting for it, at most {wait_minutes:g} min (--wait); Ctrl-C cancels it")
            talk = _talk(folder, name, wait_minutes * 60, tell)
        except HarnessError as error:
            return [Finding("FAILED", "probe job", str(error), "change the profile so that SLURM takes its jobs")]
        finally:
            _end(name, tell, by_itself=talk is not None and talk.report is not None)
        if talk.report is None:
            return [*setup_findings(talk), missing_finding(talk, wait_minutes)]
        sharing = [sharing_finding(profile, talk.report)] if measure else []
        return [*setup_findings(talk), *node_findings(profile, talk, talk.report, snapshot), *sharing]


def probing(profile: Profile, folder: Path) -> Profile:
    """The profile of the probe job: short, and every set-up line that fails is noted in `folder`.

    A job of a sweep ends at the first of them; this one goes on, to find the others and whatever else is wrong.
    """
    note = 'printf "%s\\n" "$BASH_COMMAND" >> "$harness_setup_failed"'
    traps = (f"harness_setup_failed={shlex.quote(str(folder / 'setup-failed'))}", f"trap '{note}' ERR", "set +e")
    return profile.model_copy(
        update={
            "setup": (*traps, *profile.setup, "trap - ERR"),
            "time_minutes": min(PROBE_MINUTES, profile.time_minutes),
            "save_seconds": min(PROBE_SAVE_SECONDS, profile.save_seconds),
        }
    )


def _talk(folder: Path, name: str, wait_seconds: float, tell: Callable[[str], None]) -> Talk:
    """Answer the job when it says hello, until it has reported, has ended without, or was waited for long enough."""
    listed: Listed | None = None
    answered_at, asked_at, end = math.nan, -math.inf, time.monotonic() + wait_seconds
    while time.monotonic() < end:
        if math.isnan(answered_at) and (folder / "hello.json").exists():
            answered_at = time.time()
            write(folder / "answer.json", {})
            tell("the job runs, and was heard")
            end = time.monotonic() + RUN_SECONDS
        if (folder / "report.json").exists():
            return Talk(listed, answered_at, read_report(folder / "report.json"), *_left_behind(folder))
        if time.monotonic() - asked_at > QUEUE_SECONDS:
            before, listed, asked_at = listed, _listed(name, listed), time.monotonic()
            if listed and listed != before:
                tell(f"SLURM: {listed.state}{'' if listed.reason in ('', 'None') else f' ({listed.reason})'}")
                end = max(end, time.monotonic() + RUN_SECONDS) if listed.state == "RUNNING" else end
                end = min(end, time.monotonic() + LATE_SECONDS) if listed.state in (GONE, "COMPLETED") else end
            if listed and (_has_failed(listed) or ((held_up := stuck(listed)) and held_up.for_ever)):
                break
        time.sleep(LOOK_SECONDS)
    return Talk(listed, answered_at, None, *_left_behind(folder))


def _listed(name: str, before: Listed | None) -> Listed | None:
    """What squeue says of the job; what was known before where squeue says nothing."""
    queue = squeue([name])
    if queue.of(name, 0) or queue.silent or before is None:
        return queue.of(name, 0) or before
    return before._replace(state=GONE, reason="")


def _has_failed(listed: Listed) -> bool:
    """Whether it has ended, and will neither start again nor have reported."""
    return ENDED.get(listed.state) in ("crashed", "timed out", "out of memory", "cancelled")


def _left_behind(folder: Path) -> tuple[tuple[str, ...], str | None]:
    """The set-up lines that failed, and what the job printed, if it could open its log."""
    failed = folder / "setup-failed"
    lines = failed.read_text(encoding="utf-8", errors="replace").splitlines() if failed.exists() else []
    logs = [log.read_text(encoding="utf-8", errors="replace") for log in logs_folder(folder).glob("*_log.out")]
    return tuple(dict.fromkeys(lines)), "".join(logs) if logs else None


def _end(name: str, tell: Callable[[str], None], by_itself: bool) -> None:
    """Wait until the job is over, cancelled if it does not end `by_itself`: it must write nothing any more."""
    begin, cancelled = time.monotonic(), False
    try:
        while time.monotonic() - begin < END_SECONDS:
            queue = squeue([name])
            listed = queue.of(name, 0)
            if not queue.silent and (listed is None or listed.state in ENDED):
                return
            if listed and not cancelled and not (by_itself and time.monotonic() - begin < BY_ITSELF_SECONDS):
                scancel([listed.number])
                tell(f"probe job {listed.number}: cancelled")
                cancelled = True
            time.sleep(1)
    except HarnessError as error:
        tell(str(error))
    tell(f"the probe job may still be there; `scancel --name={name}` ends it")


# ----------------------------------------------------------------------------------------------------------- findings
def setup_findings(talk: Talk) -> list[Finding]:
    """The set-up lines that failed: at the first of them a job of a sweep ends."""
    printed = _printed(talk)
    told = f" ({re.sub(r'^.*slurm_script: line [0-9]+: ', '', printed[0])[:200]})" if printed else ""
    next_move = "try it in a shell on a node: `srun --pty bash`; where failing is meant, end it with `|| true`"
    return [Finding("FAILED", "set-up line", f"{line}: failed{told}", next_move) for line in talk.failed_setup]


def _printed(talk: Talk) -> list[str]:
    return [line.strip() for line in (talk.log or "").splitlines() if line.strip()]


def missing_finding(talk: Talk, wait_minutes: float) -> Finding:
    """Why the job has not reported."""
    state, reason = (talk.listed.state, talk.listed.reason) if talk.listed else ("unknown to squeue", "")
    because = f" ({reason})" if reason not in ("", "None") else ""
    if talk.listed and (held_up := stuck(talk.listed)):
        told = f"{state}{because}, {held_up.why}"
        if held_up.for_ever:
            return Finding("FAILED", "probe job", f"would wait for ever: {told}", held_up.change)
        return Finding("warning", "probe job", f"did not start within {wait_minutes:g} min: {told}", held_up.change)
    if state in WAITING:
        told = f"did not start within {wait_minutes:g} min: {state}{because}"
        return Finding("warning", "probe job", told, "nothing is wrong by that; ask again with a longer --wait")
    if talk.log is None:
        told = f"{state}{because} without a log: its node cannot write into this results folder"
        return Finding("FAILED", "probe job", told, "choose a results folder that all nodes share: --results")
    if module := re.search(r"No module named '?([\w.]+)", talk.log):
        told = f"{module.group(1)} is not installed in the Python of the node"
        return Finding("FAILED", "Python", told, "install the harness there, or say where it is: setup:, python:")
    if python := re.search(r"execve\(\): (.+?): (.+)", talk.log):
        told = f"{python.group(1)}: {python.group(2)} on the node"
        return Finding("FAILED", "Python", told, "python: a path that the nodes have, or `python3` after setup: lines")
    printed = _printed(talk)
    last = f"it printed last: {printed[-1][:300]}" if printed else "it printed nothing, not even an error of Python"
    next_move = "try setup: and python: in a shell on a node: `srun --pty bash`"
    return Finding("FAILED", "probe job", f"{state}{because} without a report; {last}", next_move)


def node_findings(profile: Profile, talk: Talk, report: NodeReport, snapshot: Snapshot) -> list[Finding]:
    """What the job's report means for a sweep."""
    return [
        Finding("ok", "node", f"{report.host}: Python {report.python}, {report.executable}"),
        code_finding(report, snapshot),
        torch_finding(report, version("torch")),
        *([gpu_finding(profile, report)] if profile.gpus else []),
        cores_finding(profile, report),
        seen_finding(report),
        *([] if report.answer_seen_at is None else [clock_finding(talk.answered_at, report)]),
        *([] if report.can_requeue else [REQUEUED_BY_HAND]),
        *files_there(report),
    ]


def code_finding(report: NodeReport, snapshot: Snapshot) -> Finding:
    """Whether the job ran the code that was submitted."""
    if Path(report.code) not in snapshot.roots:
        told = f"{report.harness} from {report.code}, not from the snapshot of the code here"
        return Finding("FAILED", "harness", told, "leave PYTHONPATH alone in setup: and in the node's site settings")
    changed = " and changes since" if snapshot.dirty else ""
    commit = f", commit {snapshot.commit[:12]}{changed}" if snapshot.commit else ""
    return Finding("ok", "harness", f"{report.harness} from a snapshot of the code here{commit}")


def torch_finding(report: NodeReport, torch_here: str) -> Finding:
    """Whether torch is there, and the same as here."""
    if report.torch is None:
        move = "install it in the node's environment, or load that in setup:"
        return Finding("FAILED", "torch", f"cannot be imported on {report.host}: {report.torch_error[:300]}", move)
    told = f"{report.torch}, imported in {report.torch_seconds:.1f} s"
    if report.torch != torch_here:
        move = "train only there, or use one environment: records of two are equal to a tolerance, not to the bit"
        return Finding("warning", "torch", f"{told}; here it is {torch_here}", move)
    return Finding("ok", "torch", told)


def gpu_finding(profile: Profile, report: NodeReport) -> Finding:
    """Whether torch sees the GPUs that were asked for."""
    visible = report.cuda_visible_devices
    given = f"CUDA_VISIBLE_DEVICES is {visible if visible else 'not set'}"
    if len(report.gpus) >= profile.gpu_count:
        return Finding("ok", "GPU", f"{', '.join(report.gpus)}; {given}")
    told = f"torch sees {len(report.gpus)} of {profile.gpu_count}; {given}"
    if visible and not report.gpu_driver:
        move = "`device: cpu` in experiments (the testbed's GPUs are not real), or a node with a driver"
        return Finding("warning", "GPU", f"{told}, and the node has no driver of one", move)
    return Finding("FAILED", "GPU", told, "a torch built for the node's GPUs, or another `gpus:` or `constraint:`")


def sharing_finding(profile: Profile, report: NodeReport) -> Finding:
    """Whether packs that share a GPU train more in a second than one that has it alone."""
    if not report.gpus:
        move = "ask for a node with a GPU (gpus:, partition:), or leave out --measure"
        return Finding("warning", "sharing", "no GPU here: not measured", move)
    if profile.packs_per_gpu == 1:
        move = "packs_per_gpu: 4, for one, and as many cpus: a GPU, to compare with 1"
        return Finding("warning", "sharing", "packs_per_gpu: 1 leaves nothing to compare: not measured", move)
    if report.throughput_error:
        return Finding("FAILED", "sharing", report.throughput_error[:300], "fewer packs_per_gpu, or mend what it says")
    alone, shared = (each.evaluations_per_second for each in report.throughputs)
    gain, packs = (shared / alone if alone else math.inf), profile.packs_per_gpu
    told = (
        f"{report.gpus[0]}: {alone:,.0f} evaluations/s with 1 pack a GPU, {shared:,.0f} with {packs} ({gain:.2f} times)"
    )
    if gain < LEAST_GAIN:
        return Finding("warning", "sharing", told, "packs_per_gpu: 1, or start MPS in setup: (docs/cluster.md)")
    return Finding("ok", "sharing", told)


def cores_finding(profile: Profile, report: NodeReport) -> Finding:
    """Whether the job may use the CPUs that it asked for."""
    told = f"{report.cores} may be used, {profile.cpus} asked"
    if report.cores < profile.cpus:
        return Finding("warning", "CPUs", told, f"cpus: {report.cores}, as jobs train no faster with more")
    return Finding("ok", "CPUs", told)


def seen_finding(report: NodeReport) -> Finding:
    """How soon one machine sees the files of the other."""
    if report.answer_seen_at is None:
        told = f"{report.host} did not see a file that was written here while it looked for it"
        return Finding("FAILED", "visibility", told, "choose a results folder that all nodes share: --results")
    seconds = report.answer_seen_at - report.hello_at
    told = f"a file from {report.host} and the answer to it were both seen within {seconds:.1f} s"
    if seconds > MOST_SEEN_SECONDS:
        move = "be patient with status and cancel, or choose another file system: --results"
        return Finding("warning", "visibility", told, move)
    return Finding("ok", "visibility", told)


def clock_finding(answered_at: float, report: NodeReport) -> Finding:
    """What the clocks differ by: the answer was written between the two moments at which the job looked at its own."""
    assert report.answer_seen_at is not None
    ahead = (report.hello_at + report.answer_seen_at) / 2 - answered_at
    known_to = (report.answer_seen_at - report.hello_at) / 2
    told = f"the clock of {report.host} is {abs(ahead):.1f} s {'ahead' if ahead > 0 else 'behind'} (±{known_to:.1f} s)"
    if abs(ahead) - known_to > MOST_CLOCK_SECONDS:
        move = "tell the administrators (NTP); signs of life of jobs look that much newer or older than they are"
        return Finding("warning", "clock", told, move)
    return Finding("ok", "clock", told)


def files_there(report: NodeReport) -> list[Finding]:
    """What files do as the node sees them: one line where all is well."""
    wrong = [finding for finding in report.files if finding.level != "ok"]
    if wrong:
        return [finding._replace(told=f"on {report.host}: {finding.told}") for finding in wrong]
    return [Finding("ok", "files", f"the same on {report.host}: {', '.join(one.what for one in report.files)}")]
