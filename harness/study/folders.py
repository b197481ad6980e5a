"""The frozen plan of an experiment: in which folder it is, and its records.

`study.plans` makes plans. This needs none of the numerical libraries, so that `harness status` answers at once.
"""

from collections.abc import Sequence
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import check_name
from harness.dispatch.snapshot import KEPT_RESULTS, RESULTS
from harness.record import Record, missing, read_planned, read_present
from harness.spec import (
    Manifest,
    Narrow,
    RunSpec,
    Setting,
    check_unchanged,
    manifest_path,
    narrow_words,
    read_experiment,
    read_manifest,
    settings_words,
)
from harness.spec.read import FULL

# Folders beside those of the experiments: the records, and what the project keeps.
RESERVED = (*RESULTS, *KEPT_RESULTS)


def folder_of(
    file: Path, results: Path, scale: str = FULL, narrow: Narrow | None = None, settings: Sequence[Setting] = ()
) -> Path:
    """The results folder of an experiment file at one of its scales, narrowed or with fields set if asked for."""
    check_name(file.stem, f"{file}")
    if file.stem in RESERVED:
        raise HarnessError(f"{file}: results/{file.stem} is kept for something else; give the file another name")
    at_scale = "" if scale == FULL else f"-{scale}"
    words = f"{narrow_words(narrow) if narrow else ''}{settings_words(settings)}"
    return results / f"{file.stem}{at_scale}{words}"


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


def frozen_plan(
    file: Path, results: Path, scale: str = FULL, settings: Sequence[Setting] = ()
) -> tuple[Manifest, Path]:
    """The frozen plan of an experiment file, which must still say the same, or of a results folder; and the folder."""
    if manifest_path(file).exists():
        return read_manifest(file), file
    experiment = read_experiment(file, scale, settings)
    folder = folder_of(file, results, scale, settings=settings)
    manifest = read_manifest(folder)
    check_unchanged(manifest, experiment, file)
    return manifest, folder
