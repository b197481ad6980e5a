"""What plans and jobs still need of a results folder: the runs and data that plans name, the snapshots of jobs.

Where a plan or a job cannot be asked, that is said, so that nothing is removed that it may need.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import os_words
from harness.dispatch.cluster import user
from harness.dispatch.disk import HOLDS, NAMED, Progress, entries
from harness.dispatch.reconcile import gather
from harness.dispatch.snapshot import KEPT_RESULTS
from harness.dispatch.state import Evidence, may_run
from harness.dispatch.submission import Submission
from harness.spec import manifest_path, unsealed
from harness.spec.manifest import MANIFEST_SCHEMA
from harness.spec.task import DATA_FILE

MANIFEST = re.compile(r"manifest(\.\d+)?\.json")


# --------------------------------------------------------------------------------------------------------------- plans
class Plans(NamedTuple):
    """What plans name, the earlier ones that --replan keeps too: runs, and files of `data/`.

    `standing` has by folder the runs of its plan that was not replaced. `unreadable` says which plans cannot be read,
    and why: what they name is not known.
    """

    runs: frozenset[str]
    data: frozenset[str]
    standing: dict[Path, frozenset[str]]
    unreadable: tuple[str, ...]


def plan_folders(results: Path) -> list[Path]:
    """Where there can be plans: the folders of experiments, and of what the project keeps of them."""
    tops = [path for path in results.iterdir() if path.name not in HOLDS]
    for kept in KEPT_RESULTS:
        tops += (results / kept).iterdir() if (results / kept).is_dir() else []
    return [path for path in tops if not path.is_file()]  # a link to a disk that is not there is no file


def plans_in(folders: Sequence[Path], progress: Progress) -> Plans:
    """The plans of these folders, each of an experiment."""
    runs: set[str] = set()
    data: set[str] = set()
    standing: dict[Path, frozenset[str]] = {}
    unreadable: list[str] = []
    for number, folder in enumerate(folders, start=1):
        progress("plans", number, len(folders))
        try:
            paths = [folder / name for name in os.listdir(folder) if MANIFEST.fullmatch(name)]
        except OSError as error:
            unreadable.append(os_words(error, folder))
            continue
        for path in paths:
            try:
                planned = plain_plan(path)["runs"]
            except HarnessError as error:
                unreadable.append(str(error))
                continue
            named = frozenset(each["run_id"] for each in planned)
            if path == manifest_path(folder):
                standing[folder] = named
            runs |= named
            data |= _data_of(planned)
    return Plans(frozenset(runs), frozenset(data), standing, tuple(unreadable))


def plain_plan(path: Path) -> dict[str, Any]:
    """A plan as plain data, which takes a tenth of the time of a Manifest; a HarnessError if it cannot be read."""
    try:
        plan = unsealed(path.read_text(encoding="utf-8"))
        if plan.get("manifest_schema") != MANIFEST_SCHEMA:
            raise ValueError(f"schema {plan.get('manifest_schema')}, this version reads {MANIFEST_SCHEMA}")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise HarnessError(f"{path} cannot be read ({why})", INCOMPLETE) from None
    return plan


def unfinished_experiments(plans: Plans, results: Path, present: set[str]) -> dict[str, set[str]]:
    """The runs of each experiment that has planned runs without a record.

    All seeds of a plan with looks are planned runs. `present` are the runs with a record.
    """
    runs: dict[str, set[str]] = defaultdict(set)
    for folder, planned in plans.standing.items():
        if folder.parent == results:  # plans that the project keeps elsewhere are not trained there
            runs[folder.name] |= planned
    return {name: of_it for name, of_it in runs.items() if results / name not in plans.standing or not of_it <= present}


def _data_of(planned: Sequence[dict[str, Any]]) -> set[str]:
    """The names of the files of `data/` that these runs learn, without their ending."""
    prints = {each["run"]["task"]["fingerprint"] for each in planned}
    return {each.removeprefix(DATA_FILE)[:16] for each in prints if each.startswith(DATA_FILE)}


# ---------------------------------------------------------------------------------------------------------------- jobs
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


def jobs_in(results: Path, present: set[str], progress: Progress) -> Jobs:
    """Of all experiments; SLURM is asked for each one that sent something off. `present` are the runs with a record."""
    there = {path.name for path in snapshot_folders(results)}
    needed: set[str] = set()
    over: list[tuple[Path, Submission]] = []
    not_known: list[str] = []
    folders = sorted(path.parent for path in results.glob("*/submissions"))
    for number, folder in enumerate(folders, start=1):
        progress("jobs", number, len(folders))
        try:
            evidence = gather(folder, (), records=None)
        except OSError as error:
            needed |= there
            not_known.append(f"all snapshots stay: {os_words(error, folder)}")
            continue
        if unknown := [*evidence.damage, *([evidence.hidden.why] if evidence.hidden else [])]:
            needed |= there
            not_known += [f"all snapshots stay: {why}" for why in unknown]
        for submission, why in _whether_over(evidence, present):
            if why is None:
                over.append((folder, submission))
                continue
            needed.add(submission.snapshot)
            if "not verified" in why and submission.snapshot in there:
                not_known.append(f"snapshot {submission.snapshot} stays: a job of {folder} may need it, {why}")
    return Jobs(frozenset(needed), tuple(over), tuple(dict.fromkeys(not_known)))


def snapshot_folders(results: Path) -> list[Path]:
    """The folders of all snapshots."""
    folders = [entry for entry in entries(results / "snapshots") if entry.is_dir(follow_symlinks=False)]
    return [Path(folder.path) for folder in folders if NAMED.fullmatch(folder.name)]


def _whether_over(evidence: Evidence, present: set[str]) -> Iterator[tuple[Submission, str | None]]:
    """Each submission, and None if it is over, or else why a job of it is on its way, or may be."""
    on_their_way = may_run(evidence)
    for submission in evidence.submissions:
        why = on_their_way.get(submission.id)
        is_others = submission.profile and submission.user not in (None, user())
        if why is None and is_others and not present.issuperset(submission.runs):
            why = f"not verified (sent off by {submission.user}, whose jobs SLURM does not list here)"
        yield submission, why
