"""What results take on disk, and what of that no plan, no run and no job needs any more.

Only files are found, and removed, that this package gave their names: an id of 16 hex digits, the output of a job, or
the name of what is not whole yet. Plans, records of planned runs, kept results and all else that lies there stay.
"""

import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from harness.base.errors import HarnessError
from harness.base.files import STALE_SECONDS, UNFINISHED, os_words, unfinished
from harness.base.provenance import read_marker
from harness.dispatch.cluster import user
from harness.dispatch.local import local_log
from harness.dispatch.reconcile import gather
from harness.dispatch.slurm import logs_folder
from harness.dispatch.snapshot import KEPT
from harness.dispatch.state import may_run
from harness.dispatch.submission import Submission, read_number, read_submissions
from harness.record import DAMAGED, duplicates, read_record, record_path, recorded
from harness.record.networks import FOLDER as NETWORKS
from harness.spec import unsealed
from harness.spec.manifest import MANIFEST_SCHEMA
from harness.spec.task import DATA_FILE

Kind = Literal["checkpoints", "snapshots", "logs", "damaged", "data", "unplanned"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Progress = Callable[[str, int, int], None]  # what is looked at or removed, how many of them so far, and of how many

# What a folder of the results holds; all others are "other".
HOLDS = {"runs": "records", **{name: name for name in ("checkpoints", NETWORKS, "snapshots", "data")}}
NAMED = re.compile(r"[0-9a-f]{16}\b")  # by an id or a hash
MANIFEST = re.compile(r"manifest(\.\d+)?\.json")
CHECKPOINT = re.compile(rb"harness checkpoint \d+ [0-9a-f]{64}\n")  # of every version
NOTABLE_BYTES, NOTABLE_SHARE = 10 * 10**6, 0.1  # of what removing is worth a word


class FileOnDisk(NamedTuple):
    """A file and its size in bytes."""

    path: Path
    bytes: int


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


# --------------------------------------------------------------------------------------------------------------- sizes
def disk_bytes(results: Path) -> dict[str, int]:
    """Bytes of all files in a results folder, by what they are: records, checkpoints and so on, and "other"."""
    found = dict.fromkeys([*HOLDS.values(), "other"], 0)
    for top in _entries(results):
        with suppress(OSError):
            files = _files(top.path) if top.is_dir() else [_on_disk(top)]
            found[HOLDS.get(top.name, "other")] += sum(file.bytes for file in files)
    return found


def notable_bytes(results: Path, sizes: dict[str, int]) -> int:
    """About how much `harness clean` would free of these sizes in checkpoints and snapshots; 0 if that is little.

    No cluster is asked: a snapshot counts if all runs that were sent off with it have records.
    """
    least = max(NOTABLE_BYTES, NOTABLE_SHARE * sum(sizes.values()))
    if sizes["checkpoints"] + sizes["snapshots"] < least:
        return 0
    present = _with_record(results)
    over = [one for one in _checkpoints(results) if one.runs and present.issuperset(one.runs)]
    needed: set[str] = set()
    for path in results.glob("*/submissions/*/submission.json"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            sent = json.loads(path.read_text(encoding="utf-8"))
            packs = itertools.chain.from_iterable(job["packs"] for job in sent["jobs"])
            if not present.issuperset(itertools.chain.from_iterable(packs)):
                needed.add(sent["snapshot"])
    idle = [one for one in _snapshots(results) if one.path.name not in needed]
    free = sum(one.bytes for one in [*over, *idle])
    return free if free >= least else 0


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if it cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _files(folder: Path | str) -> Iterator[FileOnDisk]:
    """All files below a folder; what vanishes meanwhile, or cannot be read, is left out."""
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
            continue
        with suppress(OSError):
            yield _on_disk(entry)


def _on_disk(entry: os.DirEntry[str]) -> FileOnDisk:
    return FileOnDisk(Path(entry.path), entry.stat(follow_symlinks=False).st_size)


# ---------------------------------------------------------------------------------------------------- what plans name
class Plans(NamedTuple):
    """What plans name, the earlier ones that --replan keeps too: runs, and files of `data/`.

    `unreadable` says which plans cannot be read, and why: what they name is not known.
    """

    runs: frozenset[str]
    data: frozenset[str]
    unreadable: tuple[str, ...]


def plans_in(folders: Sequence[Path], progress: Progress) -> Plans:
    """The plans of these folders, each of an experiment."""
    runs: set[str] = set()
    data: set[str] = set()
    unreadable: list[str] = []
    for number, folder in enumerate(folders, start=1):
        progress("plans", number, len(folders))
        try:
            names = [name for name in os.listdir(folder) if MANIFEST.fullmatch(name)]
        except OSError as error:
            unreadable.append(os_words(error, folder))
            continue
        for name in names:
            try:
                planned = _planned(folder / name)
            except (OSError, ValueError, LookupError, TypeError) as error:
                why = error.strerror if isinstance(error, OSError) else error
                unreadable.append(f"{folder / name} cannot be read ({why})")
                continue
            runs |= {each["run_id"] for each in planned}
            prints = {each["run"]["task"]["fingerprint"] for each in planned}
            data |= {each.removeprefix(DATA_FILE)[:16] for each in prints if each.startswith(DATA_FILE)}
    return Plans(frozenset(runs), frozenset(data), tuple(unreadable))


def _planned(path: Path) -> list[dict[str, Any]]:
    """The runs of a plan as plain data, which takes a tenth of the time of a Manifest."""
    plan = unsealed(path.read_text(encoding="utf-8"))
    if plan["manifest_schema"] != MANIFEST_SCHEMA:
        raise ValueError(f"schema {plan['manifest_schema']}, this version reads {MANIFEST_SCHEMA}")
    return plan["runs"]


def _plan_folders(results: Path) -> list[Path]:
    """Where there can be plans: the folders of experiments, and of what the project keeps of them."""
    tops = [path for path in results.iterdir() if path.name not in HOLDS]
    for kept in KEPT:
        tops += (results / kept).iterdir() if (results / kept).is_dir() else []
    return [path for path in tops if not path.is_file()]  # a link to a disk that is not there is no file


# ------------------------------------------------------------------------------------------------- what jobs may need
class Jobs(NamedTuple):
    """What was sent off: snapshots that a job needs or may need; submissions that are over, with their experiment's
    folder; and in sentences why it is not known of some whether they are.
    """

    snapshots: frozenset[str]
    over: tuple[tuple[Path, Submission], ...]
    not_known: tuple[str, ...]

    @property
    def are_over(self) -> bool:
        """Whether no job is on its way, or may be."""
        return not self.snapshots and not self.not_known


def _jobs(results: Path, present: set[str], progress: Progress) -> Jobs:
    """Of all experiments; SLURM is asked for each one that sent something off. `present` are the runs with a record."""
    there = {path.name for path in _snapshot_folders(results)}
    needed: set[str] = set()
    over: list[tuple[Path, Submission]] = []
    not_known: list[str] = []
    folders = sorted(path.parent for path in results.glob("*/submissions"))
    for number, folder in enumerate(folders, start=1):
        progress("jobs", number, len(folders))
        try:
            for private in ("submissions", "attempts"):  # which another user can have kept to themselves
                if (folder / private).exists():
                    os.listdir(folder / private)
            evidence = gather(folder, (), records=None)
        except (HarnessError, OSError) as error:
            needed |= there
            told = os_words(error, folder) if isinstance(error, OSError) else error
            not_known.append(f"all snapshots stay: {told}")
            continue
        on_their_way = may_run(evidence)
        for submission in evidence.submissions:
            why = on_their_way.get(submission.id)
            is_others = submission.profile and submission.user not in (None, user())
            if why is None and is_others and not present.issuperset(submission.runs):
                why = f"not verified (sent off by {submission.user}, whose jobs SLURM does not list here)"
            if why is None:
                over.append((folder, submission))
                continue
            needed.add(submission.snapshot)
            if "not verified" in why and submission.snapshot in there:
                not_known.append(f"snapshot {submission.snapshot} stays: a job of {folder} may need it, {why}")
    return Jobs(frozenset(needed), tuple(over), tuple(dict.fromkeys(not_known)))


# ------------------------------------------------------------------------------------------------------------ the kinds
def leftovers(results: Path, progress: Progress = lambda what, done, of: None) -> Leftovers:
    """All that can be removed from a results folder. Where something is not known, what it decides on stays."""
    # Files before plans and jobs: whoever makes one names it first, so that what is new here is found there.
    present, checkpoints, snapshots = _with_record(results), _checkpoints(results), _snapshots(results)
    data, of_runs, aside = _data(results), _of_runs(results, progress), _set_aside(results)
    plans, jobs = plans_in(_plan_folders(results), progress), _jobs(results, present, progress)
    links = [f"{results / name} is a link" for name in HOLDS if (results / name).is_symlink()]
    not_known = [*plans.unreadable, *links]  # if so, plans that are not seen here may name runs

    whole = recorded(runs_of([*checkpoints, *aside]) & present, results / "runs").statuses.keys()

    def is_wanted(run: str) -> bool:
        return run not in whole and (run in plans.runs or bool(not_known))

    found = [one for one in checkpoints if one.runs and not any(map(is_wanted, one.runs))]
    found += [one for one in snapshots if one.path.name not in jobs.snapshots and not links]
    found += _logs(jobs, present)
    found += [one for one in aside if not any(map(is_wanted, one.runs))]
    if jobs.are_over:
        found += [one._replace(kind="damaged") for one in checkpoints if not one.runs and _is_stale(one.path)]
    found += _half_written(results, progress)
    if not not_known:
        found += [one for one in data if one.path.stem not in plans.data]
        found += [one for one in of_runs if plans.runs.isdisjoint(one.runs)]
    stays = [f"{why}, so plans that are not seen here may name any run: all runs and data stay" for why in not_known]
    if links and snapshots:
        stays.append("all snapshots stay: jobs of another results folder may need them")
    return Leftovers(tuple(found), (*stays, *jobs.not_known))


def runs_of(those: Iterable[Leftover]) -> Set[str]:
    """The runs that these are of, in their order."""
    return dict.fromkeys(itertools.chain.from_iterable(one.runs for one in those)).keys()


def of_experiments(found: Leftovers, folders: Sequence[Path]) -> Leftovers:
    """Those that belong to the experiments of these folders; what no plan names belongs to none."""
    runs = plans_in(folders, lambda what, done, of: None).runs
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


def _named(folder: Path, ending: str, progress: Progress = lambda what, done, of: None) -> Iterator[FileOnDisk]:
    """The files of a folder whose names begin with an id and have this ending."""
    entries = [entry for entry in _entries(folder) if NAMED.match(entry.name) and entry.name.endswith(ending)]
    for number, entry in enumerate(entries, start=1):
        if number % 1000 == 0:
            progress(folder.name, number, len(entries))
        with suppress(OSError):
            yield _on_disk(entry)


def _with_record(results: Path) -> set[str]:
    """The runs of which there is a record."""
    return {entry.name.removesuffix(".json") for entry in _entries(results / "runs") if NAMED.match(entry.name)}


def _checkpoints(results: Path) -> list[Leftover]:
    """All of them, with the runs that they are of: none of one that cannot be read."""
    files = _named(results / "checkpoints", ".checkpoint")
    return [Leftover("checkpoints", file.path, file.bytes, _runs_of_checkpoint(file.path)) for file in files]


def _runs_of_checkpoint(path: Path) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            if not CHECKPOINT.fullmatch(file.readline()):
                return ()
            return tuple(map(str, json.loads(file.readline())["runs"]))
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def _snapshot_folders(results: Path) -> list[Path]:
    folders = [entry for entry in _entries(results / "snapshots") if entry.is_dir(follow_symlinks=False)]
    return [Path(folder.path) for folder in folders if NAMED.fullmatch(folder.name)]


def _snapshots(results: Path) -> list[Leftover]:
    """All of them."""
    found = []
    for folder in _snapshot_folders(results):
        try:
            is_only_copy = any(source["dirty"] is not False for source in read_marker(folder)["sources"])
        except HarnessError:
            is_only_copy = True
        size = sum(file.bytes for file in _files(folder))
        found.append(Leftover("snapshots", folder, size, is_only_copy=is_only_copy))
    return found


def _data(results: Path) -> list[Leftover]:
    """Rows of data files."""
    return [Leftover("data", file.path, file.bytes) for file in _named(results / "data", ".npz")]


def _of_runs(results: Path, progress: Progress) -> list[Leftover]:
    """Records, then networks, then records that came second."""
    runs = results / "runs"
    found = []
    for folder, ending in ((runs, ".json"), (results / NETWORKS, ".npz"), (runs / "duplicates", ".json")):
        files = _named(folder, ending, progress)
        found += [Leftover("unplanned", file.path, file.bytes, (file.path.name[:16],)) for file in files]
    return found


def _set_aside(results: Path) -> list[Leftover]:
    """What was moved aside as damaged, and second records that are damaged, with their runs if they are known."""
    runs = results / "runs"
    bad = {second.path.name for second in duplicates(runs) if second.verdict == "damaged"}
    second = [file for file in _named(runs / "duplicates", ".json") if file.path.name in bad]
    records = [*_named(runs / DAMAGED, ".json"), *second]
    found = [Leftover("damaged", file.path, file.bytes, (file.path.name[:16],)) for file in records]
    checkpoints = _named(results / "checkpoints", f".{DAMAGED}")
    return found + [Leftover("damaged", file.path, file.bytes) for file in checkpoints]


def _logs(jobs: Jobs, present: set[str]) -> Iterator[Leftover]:
    """The output of submissions that are over and whose runs all have records; SLURM's number begins its name."""
    for folder, submission in jobs.over:
        if not present.issuperset(submission.runs):
            continue
        number = read_number(folder, submission.id)
        local = local_log(folder, submission.id).name
        for file in _files(logs_folder(folder)):
            if file.path.name == local or (number and file.path.name.startswith(f"{number}_")):
                yield Leftover("logs", file.path, file.bytes, tuple(submission.runs))


def _half_written(results: Path, progress: Progress) -> Iterator[Leftover]:
    """Files and folders that nobody writes any more and that never became whole."""
    tops = [top for top in _entries(results) if top.is_dir() and top.name not in KEPT]
    for number, top in enumerate(tops, start=1):
        progress("folders", number, len(tops))
        for path in _unfinished_below(top.path):
            size = sum(file.bytes for file in _files(path)) if path.is_dir() else path.lstat().st_size
            yield Leftover("damaged", path, size)


def _unfinished_below(folder: str) -> Iterator[Path]:
    """Those below a folder; what is in a snapshot is not looked at."""
    for entry in _entries(folder):
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
    """How many were removed, their bytes, and why others were not."""

    number: int
    bytes: int
    failures: tuple[str, ...]


def remove(chosen: Sequence[Leftover], progress: Progress = lambda what, done, of: None) -> Removed:
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
