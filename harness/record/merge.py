"""Records that were made elsewhere, brought to the records here; and those here, added to a file that git keeps."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.record import publish, read_record, record_path, verdict
from harness.record.kept import KeptLine, line_of, read_lines, record_in_line, write_lines
from harness.record.schema import Record
from harness.spec import sealed


class Merged(NamedTuple):
    """What became of records, by the ids of their runs."""

    new: Annotated[tuple[str, ...], "whose records were taken"]
    same: Annotated[tuple[str, ...], "whose records were there already, bit for bit"]
    within_tolerance: Annotated[tuple[str, ...], "whose records differ by rounding, as machines do"]
    beyond_tolerance: Annotated[tuple[str, ...], "whose records differ by more, as machines or code do"]
    defects: Annotated[
        tuple[str, ...], "whose records differ although the same code on the same kind of machine made them"
    ]
    damaged: Annotated[tuple[str, ...], "what is wrong with a file or line, in sentences"]
    others: Annotated[tuple[str, ...], "that nobody asked for, and were left alone"]


def merge(source: Path, wanted: Collection[str] | None, folder: Path) -> Merged:
    """Publish in `folder` the records of `source`, each one checked: a folder of records, of results, or a kept file.

    Of the runs `wanted` only, unless that is None. Nothing in `source` is changed, and what is in `folder` stays as it
    is; of two records that differ the second is kept as a duplicate. A HarnessError if there are no records, or nothing
    can be written.
    """
    damaged: Sequence[str] = ()
    there: list[tuple[str, Callable[[], Record]]]
    if source.is_file():
        lines, damaged = read_lines(source)
        there = [(identity, partial(record_in_line, line, identity, source)) for identity, line in lines.items()]
    else:
        paths = _record_paths(source, folder)
        there = [(path.name.partition(".")[0], partial(read_record, path)) for path in paths]
    found: dict[str, list[str]] = defaultdict(list, damaged=list(damaged))
    for identity, read in there:
        is_wanted = wanted is None or identity in wanted
        outcome, named = _merged(identity, read, folder) if is_wanted else ("other", identity)
        found[outcome].append(named)
    return _counted(found)


def keep(identities: Iterable[str], folder: Path, path: Path, are_brief: bool = False) -> Merged:
    """Add the records that these runs have in `folder` to the kept file at `path`, each one checked.

    Those that `are_brief` are kept without most of their learning curves (`Record.brief`), in a third of the bytes. A
    record that the file has stays, and so does one that differs from it in `folder`. A HarnessError if the file is
    damaged: it is not written then.
    """
    kept, damaged = read_lines(path) if path.exists() else ({}, ())
    if damaged:
        raise HarnessError("\n".join(damaged), INCOMPLETE)
    lines = {identity: line.text for identity, line in kept.items()}
    found: dict[str, list[str]] = defaultdict(list)
    for identity in identities:
        here = record_path(folder, identity)
        if not here.exists():
            continue
        try:
            outcome = _added(identity, here, kept.get(identity), path, lines, are_brief)
            found[outcome].append(identity)
        except HarnessError as error:
            found["damaged"].append(str(error))
    if len(lines) > len(kept):
        write_lines(lines, path)
    return _counted(found)


def _record_paths(source: Path, folder: Path) -> list[Path]:
    """Where the records of a folder are; a HarnessError if there are none, or they are those of `folder`."""
    records = source / "runs" if (source / "runs").is_dir() else source
    # What came second there may be first here, where the first is damaged.
    paths = [*sorted(records.glob("*.json")), *sorted((records / "duplicates").glob("*.json"))]
    if not paths or (records / "manifest.json").exists():
        raise HarnessError(f"{source}: {records} has no records; give a folder of records, or a results folder")
    if folder.exists() and records.samefile(folder):
        raise HarnessError(f"{source}: these are the records to merge into; give those of another results folder")
    return paths


def _merged(identity: str, read: Callable[[], Record], folder: Path) -> tuple[str, str]:
    """What became of one record, and its run or what is wrong with it."""
    try:
        record, here = read(), record_path(folder, identity)
        if here.exists():
            read_record(here)  # a damaged one here is no reason to stop, other than a full disk
    except HarnessError as error:
        return "damaged", str(error)
    return publish(record, folder), identity


def _added(identity: str, here: Path, kept: KeptLine | None, path: Path, lines: dict[str, str], is_brief: bool) -> str:
    """What became of the record at `here`, which is added to the `lines` of the file if that has none of its run."""
    record = read_record(here).brief() if is_brief else read_record(here)
    text = json.dumps(sealed(record.model_dump(mode="json"))) if is_brief else here.read_text(encoding="utf-8")
    line = line_of(text)
    if kept is None:
        lines[identity] = line
        return "published"
    if line == kept.text:
        return "same"
    return verdict(record_in_line(kept, identity, path), record)


def _counted(found: Mapping[str, Sequence[str]]) -> Merged:
    outcomes = ("published", "same", "within tolerance", "beyond tolerance", "defect", "damaged", "other")
    return Merged(*(tuple(found.get(outcome, ())) for outcome in outcomes))
