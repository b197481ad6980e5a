"""The frozen plan of an experiment: in which folder it is, how far its search is, and its records.

`harness.cli.stages` makes plans. This needs none of the numerical libraries, so that `harness status` answers at once.
"""

from collections.abc import Sequence
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import check_name
from harness.cli.options import FULL
from harness.dispatch.snapshot import KEPT_RESULTS, RESULTS
from harness.record import Record, missing, read_planned, read_present
from harness.show.sweeps import rung_words
from harness.spec import (
    Manifest,
    Narrow,
    RunSpec,
    Setting,
    check_unchanged,
    content_hash,
    manifest_path,
    narrow_words,
    read_experiment,
    read_manifest,
    search_name,
    searched_name,
    settings_words,
)

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
    from harness.cli.looks import wanted_now  # which reads verdicts, with the numerical libraries

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
    """The frozen plan of an experiment file, which must still say the same, or of a results folder; and the folder.

    Of an experiment with a search it is the plan whose runs come next: the search's, until its winners have one.
    """
    if manifest_path(file).exists() and file.name != searched_name(file.name):
        return read_manifest(file), file
    if manifest_path(file).exists() or manifest_path(search_folder(file)).exists():
        return stage_in(file)
    experiment = read_experiment(file, scale, settings)
    manifest, folder = stage_in(folder_of(file, results, scale, settings=settings))
    check_unchanged(manifest, experiment, file)
    return manifest, folder


def confirmed_plan(
    file: Path, results: Path, scale: str = FULL, settings: Sequence[Setting] = ()
) -> tuple[Manifest, Path]:
    """The frozen plan whose runs are reported (`frozen_plan`); a HarnessError while a search is before it."""
    manifest, folder = frozen_plan(file, results, scale, settings)
    confirmed = folder.with_name(searched_name(manifest.name))
    if manifest.is_search and manifest_path(confirmed).exists():
        raise HarnessError(f"{file}: this is a search, whose winners are reported; give {confirmed}")
    if manifest.is_search:
        again = "FILE" if file.is_dir() else file
        raise HarnessError(f"{file}: {search_words(manifest, folder)}; `harness run {again}` goes on", INCOMPLETE)
    return manifest, folder


def search_folder(folder: Path, rung: int = 0) -> Path:
    """Where the search of an experiment of this results folder lives, or with halving one of its rungs."""
    return folder.with_name(search_name(folder.name, rung))


def rungs_in(folder: Path) -> list[Manifest]:
    """The plans of the search of an experiment of this results folder: one, or with halving one a rung begun."""
    rungs = [read_manifest(search_folder(folder))]
    while manifest_path(place := search_folder(folder, len(rungs))).exists():
        rung = read_manifest(place)
        if rung.follows is None or rung.follows.plan != content_hash(rungs[-1]):
            break  # it followed a search that has been replaced
        rungs.append(rung)
    return rungs


def stage_in(folder: Path) -> tuple[Manifest, Path]:
    """The plan of a results folder whose runs come next, and its folder: a search, until its winners have a plan."""
    if not manifest_path(search_folder(folder)).exists():
        return read_manifest(folder), folder
    frozen = read_manifest(folder) if manifest_path(folder).exists() else None
    if frozen and frozen.experiment.trial_search is None:  # the file has been rid of its search since
        return frozen, folder
    search = rungs_in(folder)[-1]
    if frozen and frozen.confirms and frozen.confirms.plan == content_hash(search):
        return frozen, folder
    return search, search_folder(folder, search.rung)


def search_words(search: Manifest, folder: Path) -> str:
    """How far a search is, and what it is followed by."""
    absent, runs = len(missing(search, records_of(folder))), len(search.run_ids())
    seeds = ", ".join(map(str, search.experiment.seeds))
    what = f"{rung_words(search)} of its search" if rung_words(search) else "its search"
    if not search.is_last_rung:
        following = "the best trials go on to the next rung"
        return f"{absent:,} of {runs:,} runs of {what} have no record; once it is complete, {following}"
    if not absent:
        return f"{what} is complete; winners are chosen next, and trained on seeds {seeds}"
    state = f"{absent:,} of {runs:,} runs of {what} have no record"
    return f"{state}; once it is complete, winners are chosen and trained on seeds {seeds}"
