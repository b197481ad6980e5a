"""What of a results folder no plan, no run and no job needs any more, by kind; and how it is removed.

Only files are found, and removed, that this package gave their names: an id of 16 hex digits, the output of a job, or
the name of what is not whole yet. Plans, records of planned runs, kept results and all else that lies there stay.
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
from harness.dispatch.needed import (
    Jobs,
    Plans,
    jobs_in,
    plan_folders,
    plans_in,
    snapshot_folders,
    unfinished_experiments,
)
from harness.dispatch.snapshot import KEPT_RESULTS
from harness.dispatch.submission import local_log, logs_folder, read_number, read_submissions
from harness.record import DAMAGED, duplicates, read_record, record_path, recorded

Kind = Literal["checkpoints", "snapshots", "logs", "damaged", "data", "unplanned", "networks"]
LEFTOVER_KINDS: tuple[Kind, ...] = get_args(Kind)
ONLY_IF_NAMED: Kind = "networks"  # which finished experiments do not need, but their user may

CHECKPOINT = re.compile(rb"harness checkpoint \d+ [0-9a-f]{64}\n")  # of every version
NOTABLE_BYTES, NOTABLE_SHARE = 10 * 10**6, 0.1  # of what removing is worth a word


class Leftover(NamedTuple):
    """A file or a snapshot's folder that can be removed, its size in bytes, and the runs that it is of, if known.

    `is_only_copy` is a snapshot of code that no commit has.
    """

    kind: Kind
    path: Path
    bytes: int
    runs: tuple[str, ...] = ()
    is_only_copy: bool = False


class Leftovers(NamedTuple):
    """What can be removed, and in sentences why some of the rest stays that perhaps nobody needs either."""

    found: tuple[Leftover, ...]
    stays: tuple[str, ...]

    def of(self, kind: Kind) -> list[Leftover]:
        """Those of one kind."""
        return [one for one in self.found if one.kind == kind]


def leftovers(results: Path, progress: Progress = silent) -> Leftovers:
    """All that can be removed from a results folder. Where something is not known, what it decides on stays."""
    # Files before plans and jobs: whoever makes one names it first, so that what is new here is found there.
    present, checkpoints, snapshots = with_record(results), _checkpoints(results), _snapshots(results)
    data, of_runs, aside = _data(results), _of_runs(results, progress), _set_aside(results)
    plans, jobs = plans_in(plan_folders(results), progress), jobs_in(results, present, progress)
    links = [f"{results / name} is a link" for name in HOLDS if (results / name).is_symlink()]
    not_known = [*plans.unreadable, *links]  # if so, plans that are not seen here may name runs

    trained = runs_of([*checkpoints, *aside])
    whole = recorded(trained & present, results / "runs").statuses.keys()
    wanted = {run for run in trained - whole if not_known or run in plans.runs}

    found = [one for one in checkpoints if one.runs and wanted.isdisjoint(one.runs)]
    found += [one for one in snapshots if one.path.name not in jobs.snapshots and not links]
    found += _logs(jobs, present)
    found += [one for one in aside if wanted.isdisjoint(one.runs)]
    if jobs.are_over:
        found += [one._replace(kind="damaged") for one in checkpoints if not one.runs and _is_stale(one.path)]
    found += _half_written(results, progress)
    stays = [f"{why}, so plans that are not seen here may name any run: all runs and data stay" for why in not_known]
    if not not_known:
        found += [one for one in data if one.path.stem not in plans.data]
        found += [one for one in of_runs if plans.runs.isdisjoint(one.runs)]
        networks = _planned_networks(results, of_runs, plans, present)
        found, stays = [*found, *networks.found], [*stays, *networks.stays]
    if links and snapshots:
        stays.append("all snapshots stay: jobs of another results folder may need them")
    return Leftovers(tuple(found), (*stays, *jobs.not_known))


def notable_bytes(results: Path, sizes: dict[str, int]) -> int:
    """About how much `harness clean` would free of these sizes in checkpoints and snapshots; 0 if that is little.

    No cluster is asked: a snapshot counts if all runs that were sent off with it have records.
    """
    least = max(NOTABLE_BYTES, NOTABLE_SHARE * sum(sizes.values()))
    if sizes["checkpoints"] + sizes["snapshots"] < least:
        return 0
    present = with_record(results)
    over = [one for one in _checkpoints(results) if one.runs and present.issuperset(one.runs)]
    needed = _snapshots_of_missing_runs(results, present)
    idle = [one for one in _snapshots(results) if one.path.name not in needed]
    free = sum(one.bytes for one in [*over, *idle])
    return free if free >= least else 0


def _snapshots_of_missing_runs(results: Path, present: set[str]) -> set[str]:
    """The snapshots with which runs were sent off that have no record."""
    needed: set[str] = set()
    for path in results.glob("*/submissions/*/submission.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            sent = json.loads(path.read_text(encoding="utf-8"))
            packs = itertools.chain.from_iterable(job["packs"] for job in sent["jobs"])
            if not present.issuperset(itertools.chain.from_iterable(packs)):
                needed.add(sent["snapshot"])
    return needed


def runs_of(those: Iterable[Leftover]) -> Set[str]:
    """The runs that these are of, in their order."""
    return dict.fromkeys(itertools.chain.from_iterable(one.runs for one in those)).keys()


def of_experiments(found: Leftovers, folders: Sequence[Path]) -> Leftovers:
    """Those that belong to the experiments of these folders; what no plan names belongs to none."""
    runs = plans_in(folders, silent).runs
    snapshots: set[str] = set()
    for folder in folders:
        snapshots |= {submission.snapshot for submission in read_submissions(folder)}

    def belongs(one: Leftover) -> bool:
        is_below = any(one.path.is_relative_to(folder) for folder in folders)
        return is_below or not runs.isdisjoint(one.runs) or (one.kind == "snapshots" and one.path.name in snapshots)

    return found._replace(found=tuple(one for one in found.found if belongs(one)))


def run_words(results: Path, runs: Sequence[str]) -> dict[str, str]:
    """What each of these runs is, by its record: task, network and seed; nothing of one whose record cannot be read."""
    found = {}
    for identity in runs:
        with suppress(HarnessError):
            run = read_record(record_path(results / "runs", identity)).run
            found[identity] = f"{run.task.target} {run.network.words} seed {run.seed}"
    return found


# ----------------------------------------------------------------------------------------------------------- the kinds
def with_record(results: Path) -> set[str]:
    """The runs of which there is a record."""
    return {entry.name.removesuffix(".json") for entry in entries(results / "runs") if NAMED.match(entry.name)}


def _checkpoints(results: Path) -> list[Leftover]:
    """All of them, with the runs that they are of: none of one that cannot be read."""
    files = files_by_id(results / "checkpoints", ".checkpoint")
    return [Leftover("checkpoints", file.path, file.bytes, _runs_of_checkpoint(file.path)) for file in files]


def _runs_of_checkpoint(path: Path) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            if not CHECKPOINT.fullmatch(file.readline()):
                return ()
            return tuple(map(str, json.loads(file.readline())["runs"]))
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def _snapshots(results: Path) -> list[Leftover]:
    """All of them."""
    found = []
    for folder in snapshot_folders(results):
        try:
            is_only_copy = any(source["dirty"] is not False for source in read_marker(folder)["sources"])
        except HarnessError:
            is_only_copy = True
        found.append(Leftover("snapshots", folder, bytes_below(folder), is_only_copy=is_only_copy))
    return found


def _data(results: Path) -> list[Leftover]:
    """Rows of data files."""
    return [Leftover("data", file.path, file.bytes) for file in files_by_id(results / "data", ".npz")]


def _of_runs(results: Path, progress: Progress) -> list[Leftover]:
    """Records, then networks, then records that came second."""
    runs = results / "runs"
    found = []
    for folder, ending in ((runs, ".json"), (results / NETWORKS, ".npz"), (runs / "duplicates", ".json")):
        files = files_by_id(folder, ending, progress)
        found += [Leftover("unplanned", file.path, file.bytes, (file.path.name[:16],)) for file in files]
    return found


def _planned_networks(results: Path, of_runs: Sequence[Leftover], plans: Plans, present: set[str]) -> Leftovers:
    """Trained networks of runs that plans name; those of experiments that are not finished stay."""
    kept = [one._replace(kind="networks") for one in of_runs if one.path.parent == results / NETWORKS]
    kept = [one for one in kept if not plans.runs.isdisjoint(one.runs)]
    awaited: set[str] = set()
    stays = []
    for name, runs in unfinished_experiments(plans, results, present).items():
        awaited |= runs
        if number := sum(not runs.isdisjoint(one.runs) for one in kept):
            why = f"it is not finished, as `harness status {results / name}` says"
            stays.append(f"{number:,} networks of {name} stay: {why}")
    return Leftovers(tuple(one for one in kept if awaited.isdisjoint(one.runs)), tuple(stays))


def _set_aside(results: Path) -> list[Leftover]:
    """What was moved aside as damaged, and second records that are damaged, with their runs if they are known."""
    runs = results / "runs"
    bad = {second.path.name for second in duplicates(runs) if second.verdict == "damaged"}
    second = [file for file in files_by_id(runs / "duplicates", ".json") if file.path.name in bad]
    records = [*files_by_id(runs / DAMAGED, ".json"), *second]
    found = [Leftover("damaged", file.path, file.bytes, (file.path.name[:16],)) for file in records]
    checkpoints = files_by_id(results / "checkpoints", f".{DAMAGED}")
    return found + [Leftover("damaged", file.path, file.bytes) for file in checkpoints]


def _logs(jobs: Jobs, present: set[str]) -> Iterator[Leftover]:
    """The output of submissions that are over and whose runs all have records; SLURM's number begins its name."""
    for folder, submission in jobs.over:
        if not present.issuperset(submission.runs):
            continue
        number = read_number(folder, submission.id)
        local = local_log(folder, submission.id).name
        for file in files_below(logs_folder(folder)):
            if file.path.name == local or (number and file.path.name.startswith(f"{number}_")):
                yield Leftover("logs", file.path, file.bytes, tuple(submission.runs))


def _half_written(results: Path, progress: Progress) -> Iterator[Leftover]:
    """Files and folders that nobody writes any more and that never became whole."""
    tops = [top for top in entries(results) if top.is_dir() and top.name not in KEPT_RESULTS]
    for number, top in enumerate(tops, start=1):
        progress("folders", number, len(tops))
        for path in _unfinished_below(top.path):
            with suppress(OSError):  # its writer removes it meanwhile
                size = bytes_below(path) if path.is_dir() else path.lstat().st_size
                yield Leftover("damaged", path, size)


def _unfinished_below(folder: str) -> Iterator[Path]:
    """Those below a folder; what is in a snapshot is not looked at."""
    for entry in entries(folder):
        if UNFINISHED.fullmatch(entry.name):
            if _is_stale(Path(entry.path)):
                yield Path(entry.path)
        elif entry.is_dir(follow_symlinks=False) and Path(folder).name != "snapshots":
            yield from _unfinished_below(entry.path)


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


def remove(chosen: Sequence[Leftover], progress: Progress = silent) -> Removed:
    """Remove these, one after the other: what is interrupted leaves each one whole, gone, or known as half-written."""
    number, size, failures = 0, 0, []
    for place, one in enumerate(chosen, start=1):
        progress("removed", place, len(chosen))
        try:
            _remove(one.path)
        except OSError as error:
            failures.append(os_words(error, one.path))
            continue
        number, size = number + 1, size + one.bytes
    return Removed(number, size, tuple(failures))


def _remove(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    if not UNFINISHED.fullmatch(path.name):  # so that nobody finds half a snapshot under its name
        path = path.rename(unfinished(path))
    shutil.rmtree(path)
