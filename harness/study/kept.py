"""The kept records of an experiment: where they are, what is taken from them, and what is added to them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.plain import INLINE
from harness.record import missing
from harness.record.kept import KEPT_RECORDS, read_lines
from harness.record.merge import Merged, keep, merge
from harness.spec import Manifest, read_manifest
from harness.study.folders import records_of

KEPT = "verdicts"  # the folder in results/ whose content the project keeps


def kept_path(folder: Path) -> Path:
    """The file of kept records of the experiment of this results folder."""
    return folder.parent / KEPT / folder.name / KEPT_RECORDS


def take_kept(manifest: Manifest, folder: Path, say: Callable[[str], None]) -> None:
    """Publish the records of planned runs that lack one here and have one in the kept file, and say how many.

    A HarnessError if the file is damaged, after all whole records of it have been published.
    """
    path = kept_path(folder)
    if not path.exists() or not (absent := missing(manifest, records_of(folder))):
        return
    merged = merge(path, frozenset(absent), records_of(folder))
    if merged.new:
        say(f"{len(merged.new):,} records came from {path}")
    if merged.damaged:
        raise HarnessError("\n".join(merged.damaged), INCOMPLETE)


def say_kept(manifest: Manifest, folder: Path, say: Callable[[str], None]) -> None:
    """Say how many planned runs would get their records from the kept file."""
    path = kept_path(folder)
    if not path.exists():
        return
    kept = read_lines(path).by_run
    if number := sum(run in kept for run in missing(manifest, records_of(folder))):
        say(f"{number:,} of the missing runs have records in {path}, and will not be sent")


class KeptRecords(NamedTuple):
    """What became of an experiment's records when they were kept."""

    path: Annotated[Path, "the file of records"]
    merged: Annotated[Merged, INLINE]
    absent: Annotated[int, "planned runs that have no record"]


def keep_records(folder: Path) -> KeptRecords:
    """Add what there is of records of an experiment to its kept file.

    `folder` is its results folder. A HarnessError if it has no plan, or no run has a record yet.
    """
    plan, path = read_manifest(folder), kept_path(folder)
    runs = plan.run_ids()
    merged = keep(runs, records_of(folder), path, are_brief=bool(plan.experiment.search))
    kept = read_lines(path).by_run if path.exists() else {}
    if not kept and not merged.damaged:
        raise HarnessError(f"{folder}: none of its {len(runs):,} runs has a record yet; train some first", INCOMPLETE)
    return KeptRecords(path, merged, sum(run not in kept for run in runs))
