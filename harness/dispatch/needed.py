"""What plans and jobs need of a results folder, in words; of one that cannot be asked, all that it may need."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import os_words
from harness.dispatch.cluster import user
from harness.dispatch.disk import HOLDS, Progress
from harness.dispatch.reconcile import gather
from harness.dispatch.snapshot import KEPT_RESULTS
from harness.dispatch.state import may_run
from harness.dispatch.submission import Submission
from harness.spec import manifest_path, unsealed
from harness.spec.manifest import MANIFEST_SCHEMA
from harness.spec.task import DATA_FILE

MANIFEST = re.compile(r"manifest(\.\d+)?\.json")


def link_words(results: Path) -> str:
    """Why plans and jobs of another results folder may need what is in this one, if so."""
    linked = [str(results / name) for name in HOLDS if (results / name).is_symlink()]
    return f"{linked[0]} is a link, so another results folder may need them" if linked else ""


# --------------------------------------------------------------------------------------------------------------- plans
class Plans(NamedTuple):
    """The plans of some folders, the earlier ones that --replan keeps too.

    `naming` has the folder whose plan names a run, or a file of `data/` without its ending. `standing` has by folder
    the runs of its plan that was not replaced. `unknown` says why plans that are not seen may name any run, if so.
    """

    naming: Mapping[str, Path]
    standing: Mapping[Path, frozenset[str]]
    unknown: str

    def need(self, runs: Sequence[str]) -> str:
        """Which plan awaits one of these runs, none of which has a record, or why one may."""
        for run in runs:
            if run in self.naming:
                return f"{self.naming[run]} names runs of theirs that have no record"
        return self.unknown if runs else ""

    def unfinished(self, results: Path, present: set[str]) -> dict[str, str]:
        """The runs of experiments of which a planned run has no record, and what says so of each.

        All seeds of a plan with looks are planned runs. Plans that the project keeps elsewhere are not trained there.
        """
        found: dict[str, str] = {}
        for folder, runs in self.standing.items():
            if folder.parent == results and not runs <= present:
                found |= dict.fromkeys(runs, f"{folder} is not finished, as `harness status {folder}` says")
        return found


def plans_in(folders: Sequence[Path], progress: Progress, unknown: str = "") -> Plans:
    """The plans of these folders, each of an experiment."""
    naming: dict[str, Path] = {}
    standing: dict[Path, frozenset[str]] = {}
    for number, folder in enumerate(folders, start=1):
        progress("plans", number, len(folders))
        try:
            paths = [folder / name for name in os.listdir(folder) if MANIFEST.fullmatch(name)]
        except OSError as error:
            unknown = f"{os_words(error, folder)}, so a plan that is not seen may name them"
            continue
        for path in paths:
            try:
                planned = plain_plan(path)["runs"]
            except HarnessError as error:
                unknown = f"{error}, so a plan that is not seen may name them"
                continue
            runs = frozenset(each["run_id"] for each in planned)
            naming |= dict.fromkeys([*runs, *_data_of(planned)], folder)
            if path == manifest_path(folder):
                standing[folder] = runs
    return Plans(naming, standing, unknown)


def plan_folders(results: Path) -> list[Path]:
    """Where there can be plans: the folders of experiments, and of what the project keeps of them."""
    tops = [path for path in results.iterdir() if path.name not in HOLDS]
    for kept in KEPT_RESULTS:
        tops += (results / kept).iterdir() if (results / kept).is_dir() else []
    return [path for path in tops if not path.is_file()]  # a link to a disk that is not there is no file


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


def _data_of(planned: Sequence[dict[str, Any]]) -> set[str]:
    """The names of the files of `data/` that these runs learn, without their ending."""
    prints = {each["run"]["task"]["fingerprint"] for each in planned}
    return {each.removeprefix(DATA_FILE)[:16] for each in prints if each.startswith(DATA_FILE)}


# ---------------------------------------------------------------------------------------------------------------- jobs
class Sent(NamedTuple):
    """A submission of the experiment in `folder`, and what is known of a job of it that is on its way, or may be.

    None if it is over; what is known of a job that runs as it should is "".
    """

    folder: Path
    submission: Submission
    on_its_way: str | None


class Jobs(NamedTuple):
    """All that was sent off, and why there may be jobs that are not seen, if so."""

    sent: tuple[Sent, ...]
    unknown: str

    def need(self, snapshot: str | None = None) -> str:
        """Which job needs this snapshot, or is on its way with any, or why one may be."""
        for one in self.sent:
            if one.on_its_way is not None and snapshot in (None, one.submission.snapshot):
                return ", ".join(filter(None, [f"a job of {one.folder} may need them", one.on_its_way]))
        return self.unknown


def jobs_in(results: Path, present: set[str], progress: Progress, unknown: str = "") -> Jobs:
    """Of all experiments; SLURM is asked for each one that sent something off. `present` are the runs with a record."""
    sent: list[Sent] = []
    folders = sorted(path.parent for path in results.glob("*/submissions"))
    for number, folder in enumerate(folders, start=1):
        progress("jobs", number, len(folders))
        try:
            evidence = gather(folder, (), records=None)
        except OSError as error:
            unknown = os_words(error, folder)
            continue
        unknown = next(iter(evidence.damage), evidence.hidden.why if evidence.hidden else unknown)
        on_its_way = may_run(evidence)
        for submission in evidence.submissions:
            is_others = submission.profile and submission.user not in (None, user())
            if is_others and not present.issuperset(submission.runs):
                unlisted = f"not verified (sent off by {submission.user}, whose jobs SLURM does not list here)"
                on_its_way.setdefault(submission.id, unlisted)
            sent.append(Sent(folder, submission, on_its_way.get(submission.id)))
    return Jobs(tuple(sent), unknown)
