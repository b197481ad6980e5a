"""What a results folder holds beside plans, records and data that plans name: what needs it, and how it is removed.

Only files are found, and removed, that this package gave their names: an id of 16 hex digits, the output of a job, or
the name of what is not whole yet.
"""

import itertools
import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from harness.base.errors import HarnessError
from harness.base.files import STALE_SECONDS, UNFINISHED, os_words, unfinished
from harness.base.provenance import read_marker
from harness.dispatch.disk import (
    HOLDS,
    NAMED,
    NETWORKS,
    Progress,
    bytes_below,
    entries,
    files_below,
    files_by_id,
    silent,
)
from harness.dispatch.needed import Jobs, jobs_in, link_words, plan_folders, plans_in
from harness.dispatch.submission import local_log, logs_folder, read_number, read_submissions
from harness.record import DAMAGED, duplicates, read_record, record_path, recorded

Kind = Literal["checkpoints", "snapshots", "logs", "damaged", "data", "unplanned", "networks"]
KINDS: tuple[Kind, ...] = get_args(Kind)

CHECKPOINT = re.compile(rb"harness checkpoint \d+ [0-9a-f]{64}\n")  # of every version
NOTABLE_BYTES, NOTABLE_SHARE = 10 * 10**6, 0.1  # of what removing is worth a word


class OnDisk(NamedTuple):
    """A file or a snapshot's folder: its size in bytes, the runs that it is of, and in words what needs it, or may."""

    kind: Kind
    path: Path
    bytes: int
    runs: tuple[str, ...] = ()
    needed_by: str = ""


def on_disk(results: Path, progress: Progress = silent) -> Iterator[OnDisk]:
    """All that may be removed from a results folder, and what needs it; nothing that is a plan or that a plan names."""
    # Files before plans and jobs: whoever makes one names it first, so that what is new here is found there.
    files, present, linked = list(_files(results, progress)), with_record(results), link_words(results)
    plans = plans_in(plan_folders(results), progress, linked)
    jobs = jobs_in(results, present, progress, linked)
    awaited = plans.unfinished(results, present)
    stopped = runs_of(one for one in files if one.kind in ("checkpoints", "damaged"))
    whole = recorded(stopped & present, results / "runs").statuses
    for one in files:
        is_named = one.path.name[:16] in plans.naming
        match one.kind:
            case "snapshots":
                yield one._replace(needed_by=jobs.need(one.path.name))
            case "checkpoints" if not one.runs:
                yield one._replace(needed_by=jobs.need())
            case "checkpoints" | "damaged":
                yield one._replace(needed_by=plans.need([run for run in one.runs if run not in whole]))
            case "networks" if is_named:
                yield one._replace(needed_by=plans.unknown or awaited.get(one.runs[0], ""))
            case "data" if not is_named:
                yield one._replace(needed_by=plans.unknown)
            case "networks" | "unplanned" if not is_named:
                yield one._replace(kind="unplanned", needed_by=plans.unknown)
    yield from _logs(jobs, present)


def notable_bytes(results: Path, sizes: dict[str, int]) -> int:
    """About how much `harness clean` would free of these sizes in checkpoints and snapshots; 0 if that is little.

    Neither plans nor a cluster are asked: what is of a run that has no record counts as needed.
    """
    least = max(NOTABLE_BYTES, NOTABLE_SHARE * sum(sizes.values()))
    if sizes["checkpoints"] + sizes["snapshots"] < least:
        return 0
    present = with_record(results)
    try:
        sent = itertools.chain.from_iterable(read_submissions(path.parent) for path in results.glob("*/submissions"))
        needed = {one.snapshot for one in sent if not present.issuperset(one.runs)}
    except OSError:
        return 0
    over = [one for one in _checkpoints(results) if one.runs and present.issuperset(one.runs)]
    free = sum(one.bytes for one in [*over, *_snapshots(results)] if one.path.name not in needed)
    return free if free >= least else 0


def runs_of(those: Iterable[OnDisk]) -> Set[str]:
    """The runs that these are of, in their order."""
    return dict.fromkeys(itertools.chain.from_iterable(one.runs for one in those)).keys()


def of_experiments(rows: Iterable[OnDisk], folders: Sequence[Path]) -> list[OnDisk]:
    """Those that belong to the experiments of these folders; what no plan names belongs to none."""
    runs = plans_in(folders, silent).naming.keys()
    snapshots = {one.snapshot for folder in folders for one in read_submissions(folder)}
    return [
        one
        for one in rows
        if any(one.path.is_relative_to(folder) for folder in folders)
        or not runs.isdisjoint(one.runs)
        or (one.kind == "snapshots" and one.path.name in snapshots)
    ]


def removable(rows: Iterable[OnDisk]) -> dict[Kind, list[OnDisk]]:
    """Those that nothing needs, by kind; only kinds of which there are some."""
    free = [one for one in rows if not one.needed_by]
    return {kind: those for kind in KINDS if (those := [one for one in free if one.kind == kind])}


def is_only_copy(snapshot: Path) -> bool:
    """Whether no commit has the code of a snapshot, as far as it is known."""
    try:
        return any(source["dirty"] is not False for source in read_marker(snapshot)["sources"])
    except HarnessError:
        return True


def run_words(results: Path, runs: Iterable[str]) -> dict[str, str]:
    """What each of these runs is, by its record: task, network and seed; nothing of one whose record cannot be read."""
    found = {}
    for identity in runs:
        with suppress(HarnessError):
            run = read_record(record_path(results / "runs", identity)).run
            found[identity] = f"{run.task.target} {run.network.words} seed {run.seed}"
    return found


# ----------------------------------------------------------------------------------------------------------- the files
def with_record(results: Path) -> set[str]:
    """The runs of which there is a record."""
    return {entry.name.removesuffix(".json") for entry in entries(results / "runs") if NAMED.match(entry.name)}


def _files(results: Path, progress: Progress) -> Iterator[OnDisk]:
    """All of them but logs. Records come before networks, so that of half that is removed the other half is found."""
    yield from _checkpoints(results)
    yield from _snapshots(results)
    runs = results / "runs"
    yield from _by_id("data", results / "data", ".npz", progress)
    yield from _by_id("unplanned", runs, ".json", progress)
    yield from _by_id("networks", results / NETWORKS, ".npz", progress)
    bad = {second.path for second in duplicates(runs) if second.verdict == "damaged"}
    for second in _by_id("unplanned", runs / "duplicates", ".json", progress):
        yield second._replace(kind="damaged") if second.path in bad else second
    yield from _by_id("damaged", runs / DAMAGED, ".json", progress)
    for file in files_by_id(results / "checkpoints", f".{DAMAGED}"):
        yield OnDisk("damaged", *file)
    yield from _half_written(results)


def _by_id(kind: Kind, folder: Path, ending: str, progress: Progress) -> Iterator[OnDisk]:
    """The files of a folder that a run, or a hash of data, names."""
    for file in files_by_id(folder, ending, progress):
        yield OnDisk(kind, *file, () if kind == "data" else (file.path.name[:16],))


def _checkpoints(results: Path) -> Iterator[OnDisk]:
    """All of them, with the runs that they are of: none of one that cannot be read, and that nobody writes any more."""
    for file in files_by_id(results / "checkpoints", ".checkpoint"):
        runs = _runs_of_checkpoint(file.path)
        if runs or _is_stale(file.path):
            yield OnDisk("checkpoints", *file, runs)


def _runs_of_checkpoint(path: Path) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            if not CHECKPOINT.fullmatch(file.readline()):
                return ()
            return tuple(map(str, json.loads(file.readline())["runs"]))
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def _snapshots(results: Path) -> Iterator[OnDisk]:
    for entry in entries(results / "snapshots"):
        if entry.is_dir(follow_symlinks=False) and NAMED.fullmatch(entry.name):
            yield OnDisk("snapshots", Path(entry.path), bytes_below(entry.path))


def _logs(jobs: Jobs, present: set[str]) -> Iterator[OnDisk]:
    """The output of submissions that are over and whose runs all have records; SLURM's number begins its name."""
    for folder, submission, on_its_way in jobs.sent:
        if on_its_way is not None or not present.issuperset(submission.runs):
            continue
        number, local = read_number(folder, submission.id), local_log(folder, submission.id).name
        for file in files_below(logs_folder(folder)):
            if file.path.name == local or (number and file.path.name.startswith(f"{number}_")):
                yield OnDisk("logs", *file, tuple(submission.runs))


def _half_written(results: Path) -> Iterator[OnDisk]:
    """Files and folders that nobody writes any more and that never became whole."""
    for entry in itertools.chain.from_iterable(entries(results / name) for name in HOLDS):
        path = Path(entry.path)
        if UNFINISHED.fullmatch(entry.name) and _is_stale(path):
            with suppress(OSError):  # its writer removes it meanwhile
                yield OnDisk("damaged", path, bytes_below(path) if path.is_dir() else path.lstat().st_size)


def _is_stale(path: Path) -> bool:
    """Whether nobody can still be writing it."""
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > STALE_SECONDS
    return False


# ------------------------------------------------------------------------------------------------------------ removing
class Removed(NamedTuple):
    """What was removed of a kind."""

    number: Annotated[int, "of files, or folders of snapshots"]
    bytes: Annotated[int, "of them"]
    failures: Annotated[tuple[str, ...], "what could not be removed, and why"]


def remove(chosen: Sequence[OnDisk], progress: Progress = silent) -> Removed:
    """Remove these, one after the other: what is interrupted leaves each one whole, gone, or known as half-written."""
    removed, failures = [], []
    for place, one in enumerate(chosen, start=1):
        progress("removed", place, len(chosen))
        try:
            _remove(one.path)
            removed.append(one.bytes)
        except OSError as error:
            failures.append(os_words(error, one.path))
    return Removed(len(removed), sum(removed), tuple(failures))


def _remove(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    if not UNFINISHED.fullmatch(path.name):  # so that nobody finds half a snapshot under its name
        path = path.rename(unfinished(path))
    shutil.rmtree(path)
