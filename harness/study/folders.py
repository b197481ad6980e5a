"""An experiment file as a user names it, its results folder, the plan that is frozen there, its
records, and those that the project keeps; and the files that come with the project.

`study.plans` makes plans. This needs none of the numerical libraries, so that `harness status`
answers at once.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, NamedTuple

import harness
from harness.base.errors import INCOMPLETE, HarnessError, did_you_mean
from harness.base.files import check_name
from harness.base.plain import INLINE
from harness.dispatch.reconcile import RUN_ID
from harness.dispatch.snapshot import KEPT_RESULTS, RESULTS
from harness.record.code import take_mixed, takes_mixed
from harness.record.kept import KEPT_RECORDS, Merged, keep, merge, read_lines
from harness.record.schema import Record
from harness.record.store import missing, read_planned
from harness.spec.document import FULL
from harness.spec.experiment import Experiment
from harness.spec.manifest import Manifest, check_unchanged, manifest_path, read_manifest
from harness.spec.read import read_experiment
from harness.spec.run import RunSpec
from harness.spec.setting import Narrow, Setting, narrow_words, settings_options, settings_words

# Folders beside those of the experiments: the records, and what the project keeps.
RESERVED = (*RESULTS, *KEPT_RESULTS)
KEPT = "verdicts"  # the folder in results/ whose content the project keeps
EXPERIMENTS = Path("experiments")  # of the folder in which a command is typed
PROFILES = Path("slurm")
DISTRIBUTION = "kan-mlp-harness"
CHECKOUT = Path(harness.__file__).parents[1]
SHIPPED_RESULTS = CHECKOUT / "results"


@dataclass(frozen=True, eq=False)
class StudyFile:
    """An experiment file at one of its scales, narrowed or with fields set if asked for; and the
    folder of results.

    With a `text` it is that, and `file` only what it is called.
    """

    file: Path
    results: Path = Path("results")
    scale: str = FULL
    settings: tuple[Setting, ...] = ()
    narrow: Narrow | None = None
    text: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether `file` is a results folder itself, which holds a plan."""
        return manifest_path(self.file).exists()

    @property
    def folder(self) -> Path:
        """Its own results folder; a HarnessError if the file cannot have one, or a folder is asked
        for at a scale.
        """
        if self.is_folder:
            if self.scale != FULL:
                whose = f"{self.file} is a results folder, which holds the plan of one scale"
                raise HarnessError(
                    f"`scale` {self.scale}: {whose}; leave it out, or name the experiment file"
                )
            has_name = self.file.name not in (
                "",
                "..",
            )  # by which its parent, where the records are, is found
            return self.file if has_name else self.file.resolve()
        check_folder_name(self.file)
        at_scale = "" if self.scale == FULL else f"-{self.scale}"
        narrowed = narrow_words(self.narrow) if self.narrow else ""
        return self.results / f"{self.file.stem}{at_scale}{narrowed}{settings_words(self.settings)}"

    @property
    def words(self) -> str:
        """The file, its scale and what is set, as a command takes them."""
        scale = "" if self.scale == FULL else f" --scale {self.scale}"
        return f"{self.file}{scale}{settings_options(self.settings)}"

    def read(self) -> Experiment:
        """What the file says now, not narrowed."""
        return read_experiment(self.file, self.scale, self.settings, self.text)

    def frozen(self) -> tuple[Manifest, Path]:
        """Its frozen plan, which must still say the same as the file, and the folder."""
        experiment = None if self.is_folder else self.read()
        manifest = read_manifest(self.folder)
        if experiment:
            check_unchanged(manifest, experiment, self.file)
        return manifest, self.folder


def shipped_or_own(file: Path) -> Path:
    """The file; or the experiment of this name that comes with the project, where there is no such
    file.
    """
    if file.suffix or len(file.parts) > 1 or file.exists():
        return file
    return shipped_files(EXPERIMENTS).get(file.name, file)


def check_folder_name(file: Path) -> None:
    """A HarnessError if no results folder may be called as this file is."""
    check_name(file.stem, f"{file}")
    if file.stem in RESERVED:
        raise HarnessError(
            f"{file}: results/{file.stem} is kept for something else; give the file another name"
        )


def records_of(folder: Path) -> Path:
    """Where the records are that an experiment of this folder shares with all others."""
    return folder.parent / "runs"


def planned_runs(manifest: Manifest) -> dict[str, RunSpec]:
    """The planned runs by their ids."""
    return {planned.run_id: planned.run for planned in manifest.runs}


def runs_of(manifest: Manifest, packs: Iterable[Sequence[str]]) -> list[list[RunSpec]]:
    """The planned runs of packs of ids."""
    specs, runs = planned_runs(manifest), []
    for pack in packs:
        runs.append([specs[run_id] for run_id in pack])
    return runs


def planned_records(manifest: Manifest, folder: Path) -> dict[str, Record]:
    """The record of every run of a plan in this folder, read once for all that a command does with
    them.
    """
    return read_planned(manifest, records_of(folder))


# --------------------------------------------------------------------------------------------------
# kept records
def kept_path(folder: Path) -> Path:
    """The file of kept records of the experiment of this results folder."""
    return folder.parent / KEPT / folder.name / KEPT_RECORDS


def kept_files(manifest: Manifest, folder: Path) -> list[Path]:
    """Files of kept records that can have runs of this plan: its own, and that of the figure whose
    experiment it is of.

    The latter may be the checkout's, wherever results are.
    """
    paths = [kept_path(folder)]
    if figure := manifest.experiment.figure:
        for results in (folder.parent, SHIPPED_RESULTS):
            paths.append(kept_path(results / figure))
    return [path for path in dict.fromkeys(paths) if path.exists()]


def take_kept(manifest: Manifest, folder: Path, say: Callable[[str], None]) -> None:
    """Publish the records of planned runs that lack one here and have one in a kept file, and say
    how many.

    A HarnessError if a file is damaged, after all whole records of it have been published.
    """
    for path in kept_files(manifest, folder):
        if not (absent := missing(manifest, records_of(folder))):
            return
        runs = () if takes_mixed(folder) else (frozenset(manifest.run_ids()),)
        merged = merge(path, frozenset(absent), records_of(folder), runs)
        if merged.new:
            say(f"{len(merged.new):,} records came from {path}")
        if merged.other_code:
            say(
                f"{len(merged.other_code):,} records of {path} are of other code; --mixed-code "
                "takes them"
            )
        if merged.damaged:
            raise HarnessError("\n".join(merged.damaged), INCOMPLETE)


def say_kept(manifest: Manifest, folder: Path, say: Callable[[str], None]) -> None:
    """Say how many planned runs would get their records from the kept file."""
    absent = missing(manifest, records_of(folder))
    for path in kept_files(manifest, folder) if absent else []:
        kept = read_lines(path).by_run
        if number := sum(run in kept for run in absent):
            say(
                f"{number:,} of the missing runs have records in {path}: they come from there, "
                "and are not trained"
            )


class KeptRecords(NamedTuple):
    """What became of an experiment's records when they were kept."""

    path: Annotated[Path, "the file of records"]
    merged: Annotated[Merged, INLINE]
    absent: Annotated[int, "planned runs that have no record"]


def merge_records(source: Path, results: Path, plan: StudyFile | None, is_mixed: bool) -> Merged:
    """Merge what was trained elsewhere into the records of these results, all of it or what a plan
    needs.

    Each plan gets the records of one code, unless `is_mixed`: then this plan takes all, from now
    on.
    """
    if plan:
        manifest, folder = plan.frozen()
        if is_mixed:
            take_mixed(folder)
        plans = [frozenset(manifest.run_ids())]
        return merge(source, plans[0], results / "runs", () if takes_mixed(folder) else plans)
    folders = [
        path.parent
        for path in results.glob(f"*/{manifest_path(Path()).name}")
        if not takes_mixed(path.parent)
    ]
    texts = (
        ()
        if is_mixed
        else [manifest_path(folder).read_text(encoding="utf-8") for folder in folders]
    )
    return merge(
        source, None, results / "runs", [frozenset(RUN_ID.findall(text)) for text in texts]
    )


def keep_records(folder: Path) -> KeptRecords:
    """Add what there is of records of an experiment to its kept file.

    `folder` is its results folder. A HarnessError if it has no plan, or no run has a record yet.
    """
    plan, path = read_manifest(folder), kept_path(folder)
    runs = plan.run_ids()
    merged = keep(runs, records_of(folder), path, bool(plan.experiment.search), takes_mixed(folder))
    kept = read_lines(path).by_run if path.exists() else {}
    if not kept and not merged.damaged:
        raise HarnessError(
            f"{folder}: none of its {len(runs):,} runs has a record yet; train some first",
            INCOMPLETE,
        )
    return KeptRecords(path, merged, sum(run not in kept for run in runs))


# --------------------------------------------------------------------------------------------------
# shipped
def full_name(name: str, names: Collection[str], refusal: str) -> str:
    """The one of these names that is meant: itself, as people write it (Fig. 3.1), or the only one
    that begins so.

    A HarnessError says `refusal`, as "{}: no such replay", and the nearest one.
    """
    as_file = re.sub(
        r"[\s.]+", "_", re.sub(r"^(fig|table|app)(ure|endix)?[\s._]*", r"\1", name.lower())
    )
    as_file = re.sub(r"^app_?", "app_", as_file)
    matching = (
        [name] if name in names else [longer for longer in names if longer.startswith(as_file)]
    )
    if len(matching) != 1:
        raise HarnessError(f"{refusal.format(name)}; {did_you_mean(name, names)}")
    return matching[0]


def shipped_files(folder: Path) -> dict[str, Path]:
    """The YAML files of the checkout that runs, or those that a wheel puts below the environment,
    by their names.

    A HarnessError if this installation has none.
    """
    paths = sorted((CHECKOUT / folder).glob("*.yaml"))
    if not paths:
        try:
            files = metadata.files(DISTRIBUTION) or []
        except metadata.PackageNotFoundError:
            files = []
        shipped = [file for file in files if file.match(f"share/{DISTRIBUTION}/{folder}/*.yaml")]
        paths = sorted(Path(str(file.locate())).resolve() for file in shipped)
    if not paths:
        raise HarnessError(
            f"no {folder}/ came with this installation; install the wheel of the project, or "
            "clone it"
        )
    return {path.stem: path for path in paths}
