"""What a results folder takes on disk, and what of it nothing needs: how that is found, and how it
is removed.

A checkpoint is needed while a plan names a run of it that has no record. A snapshot is needed while
a run that was sent off with it has no record, and its experiment gave a sign of life in the last
OLD_DAYS. Only files are found, and removed, that this package gave their names: an id of 16 hex
digits, or the output of a job.
"""

import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from harness.base.errors import HarnessError
from harness.base.files import STALE_SECONDS, os_words, unfinished
from harness.base.frozen import problem_of
from harness.base.provenance import read_marker
from harness.dispatch.snapshot import KEPT_RESULTS
from harness.dispatch.submission import (
    Submission,
    local_log,
    logs_folder,
    read_number,
    read_submissions,
)
from harness.record.networks import FOLDER as NETWORKS
from harness.record.store import recorded
from harness.spec.manifest import manifest_path, plain_plan

# What a folder of the results holds; all others are "other".
HOLDS = {
    "runs": "records",
    **{name: name for name in ("checkpoints", NETWORKS, "snapshots", "data")},
}
NAMED = re.compile(r"[0-9a-f]{16}\b")  # by an id or a hash

Kind = Literal["checkpoints", "snapshots", "logs", "networks"]
KINDS: tuple[Kind, ...] = get_args(Kind)

CHECKPOINT = re.compile(rb"harness checkpoint \d+ [0-9a-f]{64}\n")  # of every version
MANIFEST = re.compile(r"manifest(\.\d+)?\.json")
OLD_DAYS = 30  # a job waits and trains for less, or gives a sign of life
NOTABLE_BYTES, NOTABLE_SHARE = (
    10 * 10**6,
    0.1,
)  # from which on `harness status` says what `harness clean` frees


class OnDisk(NamedTuple):
    """A file or a snapshot's folder: its size in bytes, the runs that it is of, and in words what
    needs it, or may.
    """

    kind: Kind
    path: Path
    bytes: int
    runs: tuple[str, ...] = ()
    needed_by: str = ""


def on_disk(results: Path) -> Iterator[OnDisk]:
    """All that may be removed from a results folder, and what needs it."""
    # Files before plans and submissions: whoever makes one names it first, so that what is new here
    # is found there.
    snapshots, checkpoints = list(_snapshots(results)), list(_checkpoints(results))
    networks = _named_files(results / NETWORKS, ".npz")
    present = {
        entry.name.removesuffix(".json")
        for entry in entries(results / "runs")
        if NAMED.match(entry.name)
    }
    linked = [str(results / name) for name in HOLDS if (results / name).is_symlink()]
    unknown = f"{linked[0]} is a link, so another results folder may need them" if linked else ""
    plans = plans_in(plan_folders(results), present, unknown)
    sent, unknown_sent = _sent(results, unknown)
    needed = _needed_snapshots(sent, present)
    for snapshot in snapshots:
        yield snapshot._replace(needed_by=needed.get(snapshot.path.name, unknown_sent))
    whole = recorded(runs_of(checkpoints) & present, results / "runs").statuses
    for checkpoint in checkpoints:
        yield checkpoint._replace(
            needed_by=plans.need([run for run in checkpoint.runs if run not in whole])
        )
    for path, size in networks.items():
        run = path.name[:16]
        if run in plans.naming:
            yield OnDisk(
                "networks", path, size, (run,), plans.unknown or plans.awaited.get(run, "")
            )
    yield from _logs(sent, present)


def notable_bytes(results: Path, sizes: dict[str, int]) -> int:
    """How much `harness clean` would free of these sizes in checkpoints and snapshots; 0 if that is
    little.
    """
    least = max(NOTABLE_BYTES, NOTABLE_SHARE * sum(sizes.values()))
    if sizes["checkpoints"] + sizes["snapshots"] < least:
        return 0
    free = removable(on_disk(results))
    freed = sum(row.bytes for row in (*free.get("checkpoints", ()), *free.get("snapshots", ())))
    return freed if freed >= least else 0


def runs_of(rows: Iterable[OnDisk]) -> Set[str]:
    """The runs that these are of, in their order."""
    return dict.fromkeys(itertools.chain.from_iterable(row.runs for row in rows)).keys()


def of_experiments(rows: Iterable[OnDisk], folders: Sequence[Path]) -> list[OnDisk]:
    """Those that belong to the experiments of these folders; what no plan names belongs to none."""
    runs = plans_in(folders).naming.keys()
    snapshots = {
        submission.snapshot
        for submission in itertools.chain.from_iterable(map(read_submissions, folders))
    }

    def belongs(row: OnDisk) -> bool:
        is_inside = any(row.path.is_relative_to(folder) for folder in folders)
        is_their_code = row.kind == "snapshots" and row.path.name in snapshots
        return is_inside or is_their_code or not runs.isdisjoint(row.runs)

    return list(filter(belongs, rows))


def removable(rows: Iterable[OnDisk]) -> dict[Kind, list[OnDisk]]:
    """Those that nothing needs, by kind; only kinds of which there are some."""
    free: dict[Kind, list[OnDisk]] = {kind: [] for kind in KINDS}
    for row in rows:
        if not row.needed_by:
            free[row.kind].append(row)
    return {kind: of_kind for kind, of_kind in free.items() if of_kind}


def is_only_copy(snapshot: Path) -> bool:
    """Whether no commit has the code of a snapshot, as far as it is known."""
    try:
        return any(source["dirty"] is not False for source in read_marker(snapshot)["sources"])
    except HarnessError:
        return True


# --------------------------------------------------------------------------------------------------
# plans
class Plans(NamedTuple):
    """The plans of some folders, the earlier ones that --replan keeps too.

    `naming` has the folder whose plan names a run. `awaited` has the runs of experiments that are
    not finished, and what says so of each. `unknown` says why plans that are not seen may name any
    run, if so.
    """

    naming: Mapping[str, Path]
    awaited: Mapping[str, str]
    unknown: str

    def need(self, runs: Sequence[str]) -> str:
        """Which plan awaits one of these runs, none of which has a record, or why one may."""
        for run in runs:
            if run in self.naming:
                return f"{self.naming[run]} names runs of theirs that have no record"
        return self.unknown if runs else ""


def plans_in(folders: Sequence[Path], present: Set[str] = frozenset(), unknown: str = "") -> Plans:
    """The plans of these folders, each of an experiment; `present` are the runs that have
    records.
    """
    naming: dict[str, Path] = {}
    awaited: dict[str, str] = {}
    for folder in folders:
        try:
            paths = [folder / name for name in os.listdir(folder) if MANIFEST.fullmatch(name)]
        except OSError as error:
            unknown = f"{os_words(error, folder)}, so a plan that is not seen may name them"
            continue
        for path in paths:
            try:
                planned = plain_plan(path)["runs"]
            except (OSError, ValueError) as error:
                unknown = (
                    f"{path} cannot be read ({problem_of(error)}), so a plan that is not "
                    "seen may name them"
                )
                continue
            runs = {run["run_id"] for run in planned}
            naming |= dict.fromkeys(runs, folder)
            is_trained_here = (
                path == manifest_path(folder) and folder.parent.name not in KEPT_RESULTS
            )
            if is_trained_here and not runs <= present:
                awaited |= dict.fromkeys(
                    runs, f"{folder} is not finished, as `harness status {folder}` says"
                )
    return Plans(naming, awaited, unknown)


def plan_folders(results: Path) -> list[Path]:
    """Where there can be plans: the folders of experiments, and of what the project keeps of
    them.
    """
    tops = [path for path in results.iterdir() if path.name not in HOLDS]
    for kept in KEPT_RESULTS:
        tops += (results / kept).iterdir() if (results / kept).is_dir() else []
    return [
        path for path in tops if not path.is_file()
    ]  # a link to a disk that is not there is no file


# --------------------------------------------------------------------------------------------------
# submissions
def _sent(results: Path, unknown: str) -> tuple[list[tuple[Path, Submission]], str]:
    """All submissions and the folders of their experiments, and why there may be others, if so."""
    sent: list[tuple[Path, Submission]] = []
    for folder in sorted(path.parent for path in results.glob("*/submissions")):
        try:
            sent += [(folder, submission) for submission in read_submissions(folder)]
        except OSError as error:
            unknown = os_words(error, folder)
    return sent, next((submission.damage for _, submission in sent if submission.damage), unknown)


def _needed_snapshots(sent: Iterable[tuple[Path, Submission]], present: set[str]) -> dict[str, str]:
    """The snapshots of jobs that may still start or train, and which experiment's."""
    needed = {}
    for folder, submission in sent:
        signs_of_life = [folder / "submissions" / submission.id, *(folder / "attempts").glob("*")]
        is_old = all(_is_older(path, OLD_DAYS * 86400) for path in signs_of_life)
        if not is_old and not present.issuperset(submission.runs):
            needed[submission.snapshot] = f"a job of {folder} may need them"
    return needed


def _logs(sent: Iterable[tuple[Path, Submission]], present: set[str]) -> Iterator[OnDisk]:
    """The output of submissions whose runs all have records; SLURM's number begins its name."""
    for folder, submission in sent:
        if submission.damage or not present.issuperset(submission.runs):
            continue
        number, local = read_number(folder, submission.id), local_log(folder, submission.id)
        for path, size in file_bytes(logs_folder(folder)).items():
            if path == local or (number and path.name.startswith(f"{number}_")):
                yield OnDisk("logs", path, size, tuple(submission.runs))


# --------------------------------------------------------------------------------------------------
# files on disk
def disk_bytes(results: Path) -> dict[str, int]:
    """Bytes of all files in a results folder, by what they are: records, checkpoints and so on, and
    "other".
    """
    sizes = dict.fromkeys([*HOLDS.values(), "other"], 0)
    for top in entries(results):
        sizes[HOLDS.get(top.name, "other")] += (
            bytes_below(top.path) if top.is_dir() else _bytes(top)
        )
    return sizes


def entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if it cannot be read."""
    with suppress(OSError), os.scandir(folder) as scan:
        return list(scan)
    return []


def bytes_below(folder: Path | str) -> int:
    """Bytes of all files below a folder; what vanishes meanwhile, or cannot be read, is left
    out.
    """
    return sum(
        bytes_below(entry.path) if entry.is_dir(follow_symlinks=False) else _bytes(entry)
        for entry in entries(folder)
    )


def file_bytes(folder: Path, ending: str = "") -> dict[Path, int]:
    """Bytes of the files of a folder that have this ending."""
    files = [entry for entry in entries(folder) if entry.name.endswith(ending)]
    return {
        Path(entry.path): _bytes(entry)
        for entry in files
        if not entry.is_dir(follow_symlinks=False)
    }


def _bytes(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_size
    return 0


def _named_files(folder: Path, ending: str = "") -> dict[Path, int]:
    """The same of those that are named by an id or a hash."""
    return {
        path: size for path, size in file_bytes(folder, ending).items() if NAMED.match(path.name)
    }


def _snapshots(results: Path) -> Iterator[OnDisk]:
    for entry in entries(results / "snapshots"):
        if entry.is_dir(follow_symlinks=False) and NAMED.fullmatch(entry.name):
            yield OnDisk("snapshots", Path(entry.path), bytes_below(entry.path))


def _checkpoints(results: Path) -> Iterator[OnDisk]:
    """Those too that were set aside as damaged."""
    for path, size in _named_files(results / "checkpoints").items():
        runs = _runs_of_checkpoint(path)
        if runs or _is_older(path, STALE_SECONDS):  # else it may be being written
            yield OnDisk("checkpoints", path, size, runs)


def _runs_of_checkpoint(path: Path) -> tuple[str, ...]:
    """None of one that cannot be read."""
    try:
        with open(path, "rb") as file:
            if not CHECKPOINT.fullmatch(file.readline()):
                return ()
            return tuple(map(str, json.loads(file.readline())["runs"]))
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def _is_older(path: Path, seconds: float) -> bool:
    """Whether nobody has written it for so long."""
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > seconds
    return False


# --------------------------------------------------------------------------------------------------
# removing
class Removed(NamedTuple):
    """What was removed of a kind."""

    number: Annotated[int, "of files, or folders of snapshots"]
    bytes: Annotated[int, "of them"]
    failures: Annotated[tuple[str, ...], "what could not be removed, and why"]


def remove(chosen: Iterable[OnDisk]) -> Removed:
    """Remove these, one after the other: what is interrupted leaves each one whole, gone, or known
    as half-written.
    """
    removed, failures = [], []
    for row in chosen:
        try:
            if row.kind == "snapshots":
                shutil.rmtree(
                    row.path.rename(unfinished(row.path))
                )  # nobody finds half a snapshot under its name
            else:
                row.path.unlink(missing_ok=True)
            removed.append(row.bytes)
        except OSError as error:
            failures.append(os_words(error, row.path))
    return Removed(len(removed), sum(removed), tuple(failures))
