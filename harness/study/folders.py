"""An experiment file as a user names it, its results folder, the plan that is frozen there, and its records.

`study.plans` makes plans. This needs none of the numerical libraries, so that `harness status` answers at once.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import check_name
from harness.dispatch.snapshot import KEPT_RESULTS, RESULTS
from harness.record import Record, missing, read_planned, read_present
from harness.spec import Experiment, Manifest, RunSpec, manifest_path, read_experiment, read_manifest
from harness.spec.manifest import check_unchanged
from harness.spec.read import FULL
from harness.spec.setting import Narrow, Setting, narrow_words, settings_options, settings_words

# Folders beside those of the experiments: the records, and what the project keeps.
RESERVED = (*RESULTS, *KEPT_RESULTS)


@dataclass(frozen=True, eq=False)
class StudyFile:
    """An experiment file at one of its scales, narrowed or with fields set if asked for; and the folder of results."""

    file: Path
    results: Path = Path("results")
    scale: str = FULL
    settings: tuple[Setting, ...] = ()
    narrow: Narrow | None = None

    @property
    def folder(self) -> Path:
        """Its own results folder; a HarnessError if the name of the file cannot be that of one."""
        check_folder_name(self.file)
        at_scale = "" if self.scale == FULL else f"-{self.scale}"
        narrowed = narrow_words(self.narrow) if self.narrow else ""
        return self.results / f"{self.file.stem}{at_scale}{narrowed}{settings_words(self.settings)}"

    @property
    def words(self) -> str:
        """The file, its scale and what is set, as a command takes them."""
        return f"{self.file}{'' if self.scale == FULL else f' --scale {self.scale}'}{settings_options(self.settings)}"

    def said(self) -> Experiment:
        """What the file says now, not narrowed."""
        return read_experiment(self.file, self.scale, self.settings)

    def frozen(self) -> tuple[Manifest, Path]:
        """Its frozen plan, which must still say the same, and the folder; `file` may be the results folder itself."""
        if manifest_path(self.file).exists():
            return read_manifest(self.file), self.file
        experiment, folder = self.said(), self.folder
        manifest = read_manifest(folder)
        check_unchanged(manifest, experiment, self.file)
        return manifest, folder


def check_folder_name(file: Path) -> None:
    """A HarnessError if no results folder may be called as this file is."""
    check_name(file.stem, f"{file}")
    if file.stem in RESERVED:
        raise HarnessError(f"{file}: results/{file.stem} is kept for something else; give the file another name")


def frozen_plan(file: Path, results: Path) -> tuple[Manifest, Path]:
    """The frozen plan of an experiment file, which must still say the same, or of a results folder; and the folder."""
    return StudyFile(file, results).frozen()


def records_of(folder: Path) -> Path:
    """Where the records are that an experiment of this folder shares with all others."""
    return folder.parent / "runs"


def planned_runs(manifest: Manifest) -> dict[str, RunSpec]:
    """The planned runs by their ids."""
    return {planned.run_id: planned.run for planned in manifest.runs}


def planned_records(manifest: Manifest, folder: Path) -> dict[str, Record]:
    """The record of every run of a plan in this folder, read once for all that a command does with them.

    Of a plan with looks these are all that there are, once there are all that are wanted.
    """
    if not manifest.looks or not missing(manifest, records_of(folder)):
        return read_planned(manifest, records_of(folder))
    from harness.study.looks import wanted_now  # which reads verdicts, with the numerical libraries

    wanted = wanted_now(manifest, folder)
    if wanted.absent:
        raise HarnessError(
            f"{len(wanted.absent)} of the {len(wanted.run_ids)} runs of {manifest.name} that are wanted by now have no "
            f"record in {records_of(folder)} (first: {wanted.absent[0]}); `harness run FILE --until-decided` does the "
            "missing ones",
            INCOMPLETE,
        )
    return read_present(manifest, records_of(folder))
