"""Records that were made elsewhere, brought to the records here."""

from pathlib import Path
from typing import NamedTuple

from harness.base.errors import HarnessError
from harness.record import publish, read_record, record_path
from harness.spec import Manifest


class Merged(NamedTuple):
    """What became of the records of a folder: the ids of their runs, or what is wrong with a `damaged` file.

    `new` ones were published, `same` ones were here bit for bit, the next three are kept as duplicates, and those of
    runs that are not in the plan, `others`, were left alone.
    """

    new: tuple[str, ...]
    same: tuple[str, ...]
    within_tolerance: tuple[str, ...]
    beyond_tolerance: tuple[str, ...]
    defects: tuple[str, ...]
    damaged: tuple[str, ...]
    others: tuple[str, ...]


def merge(source: Path, manifest: Manifest | None, folder: Path) -> Merged:
    """Publish in `folder` the records of `source`, which is a folder of records or a results folder, each one checked.

    With a manifest only those of its runs. Nothing in `source` is changed, and what is in `folder` stays as it is. A
    HarnessError if there are no records, or nothing can be written.
    """
    records = source / "runs" if (source / "runs").is_dir() else source
    # What came second there may be first here, where the first is damaged.
    paths = [*sorted(records.glob("*.json")), *sorted((records / "duplicates").glob("*.json"))]
    if not paths or (records / "manifest.json").exists():
        raise HarnessError(f"{source}: {records} has no records; give a folder of records, or a results folder")
    if folder.exists() and records.samefile(folder):
        raise HarnessError(f"{source}: these are the records to merge into; give those of another results folder")
    wanted = None if manifest is None else set(manifest.run_ids())
    found: dict[str, list[str]] = {}
    for path in paths:
        outcome, named = _merged(path, wanted, folder)
        found.setdefault(outcome, []).append(named)
    outcomes = ("published", "same", "within tolerance", "beyond tolerance", "defect", "damaged", "other")
    return Merged(*(tuple(found.get(outcome, ())) for outcome in outcomes))


def _merged(path: Path, wanted: set[str] | None, folder: Path) -> tuple[str, str]:
    """What became of one record, and its run or what is wrong with it."""
    identity = path.name.partition(".")[0]
    if wanted is not None and identity not in wanted:
        return "other", identity
    try:
        record, here = read_record(path), record_path(folder, identity)
        if here.exists():
            read_record(here)  # a damaged one here is no reason to stop, other than a full disk
    except HarnessError as error:
        return "damaged", str(error)
    return publish(record, folder), identity
