"""The file of kept records, `records.jsonl.xz`: a sealed record a line, compressed. Git keeps it.

Lines are in the order of run ids, so that the same records make the same bytes. An order by what a
run is saves 3 %. Records that were made elsewhere are brought to the records here, from such a file
or from a folder.
"""

import itertools
import json
import lzma
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file
from harness.base.frozen import problem_of
from harness.record.code import first_code, texts
from harness.record.schema import Record
from harness.record.store import RECORDS, publish, read_record, record_of, record_path, verdict
from harness.spec.run import sealed

KEPT_RECORDS = "records.jsonl.xz"
RUN_ID = re.compile(r'"run_id": ?"([0-9a-f]{16})"')


class KeptLine(NamedTuple):
    """A line of a file of kept records: the text, whose seal nobody has checked yet, and its
    number, from 1.
    """

    text: str
    number: int


class KeptLines(NamedTuple):
    """The lines of a file by the run whose record each holds, and sentences on what of the file
    cannot be read.
    """

    by_run: dict[str, KeptLine]
    damaged: tuple[str, ...]


def read_lines(path: Path) -> KeptLines:
    """The lines of a file of kept records. Their content is not checked: `record_in_line` does that
    for one.

    A HarnessError if the file is named like another kind.
    """
    if path.suffix != ".xz":
        raise HarnessError(
            f"{path}: this is no file of kept records; give a {KEPT_RECORDS}, or a folder "
            "of records"
        )
    by_run: dict[str, KeptLine] = {}
    damaged = []
    number = 0
    try:
        with lzma.open(path) as file:
            for number, line in enumerate(file, 1):
                text = line.decode("utf-8", errors="replace").rstrip("\n")
                identity = RUN_ID.search(text)
                if identity is None:
                    damaged.append(_damage(path, number, "it names no run"))
                elif first := by_run.get(identity[1]):
                    damaged.append(_damage(path, number, f"line {first.number} has the same run"))
                else:
                    by_run[identity[1]] = KeptLine(text, number)
    except (lzma.LZMAError, EOFError) as error:
        damaged.append(_damage(path, number + 1, str(error)))
    return KeptLines(by_run, tuple(damaged))


def record_in_line(line: KeptLine, identity: str, path: Path) -> Record:
    """The record of a run in its line of the file at `path`; a HarnessError if the line is
    damaged.
    """
    try:
        return record_of(line.text, identity)
    except ValueError as error:
        raise HarnessError(_damage(path, line.number, problem_of(error)), INCOMPLETE) from None


def line_of(record_text: str) -> str:
    """The line that holds the record of a sealed JSON text. Floats keep all their bits, so the seal
    stays valid.
    """
    return json.dumps(json.loads(record_text), separators=(",", ":"))


def _damage(path: Path, number: int, problem: str) -> str:
    restored = f"`git checkout -- {path}` brings back the file that was committed"
    lost = "If there is none, move this one away, and the runs that it lacks are trained again"
    return f"{path}: line {number} is damaged ({problem}); {restored}. {lost}"


# --------------------------------------------------------------------------------------------------
# merged and kept
class Merged(NamedTuple):
    """What became of records, by the ids of their runs."""

    new: Annotated[tuple[str, ...], "whose records were taken"]
    same: Annotated[tuple[str, ...], "whose records were there already, bit for bit"]
    within_tolerance: Annotated[tuple[str, ...], "whose records differ by rounding, as machines do"]
    beyond_tolerance: Annotated[
        tuple[str, ...], "whose records differ by more, as machines or code do"
    ]
    defects: Annotated[
        tuple[str, ...],
        "whose records differ although the same code on the same kind of machine made them",
    ]
    damaged: Annotated[tuple[str, ...], "what is wrong with a file or line, in sentences"]
    others: Annotated[tuple[str, ...], "that nobody asked for, and were left alone"]
    other_code: Annotated[
        tuple[str, ...], "that other code trained than the plan's first, and were left alone"
    ]


def merge(
    source: Path,
    wanted: Collection[str] | None,
    folder: Path,
    plans: Sequence[Collection[str]] = (),
) -> Merged:
    """Publish in `folder` the records of `source`, each one checked: a folder of records, of
    results, or a kept file.

    Of the runs `wanted` only, unless that is None; and in each of the `plans`, which are ids of
    runs, only those of the code that trained the plan's first record. Nothing in `source` is
    changed, and what is in `folder` stays as it is; of two records that differ the second is kept
    as a duplicate. A HarnessError if there are no records, or nothing can be written.
    """
    outcomes: dict[str, list[str]] = defaultdict(list)
    readers: list[tuple[str, Callable[[], Record]]]
    if source.is_file():
        lines, damaged = read_lines(source)
        outcomes["damaged"] += damaged
        readers = [
            (identity, partial(record_in_line, line, identity, source))
            for identity, line in lines.items()
        ]
    else:
        paths = _record_paths(source, folder)
        readers = [(path.name.partition(".")[0], partial(read_record, path)) for path in paths]
    codes = [first_code(texts(plan, folder)) for plan in plans]
    for identity, read in readers:
        target = record_path(folder, identity)
        if wanted is not None and identity not in wanted:
            outcomes["other"].append(identity)
            continue
        try:
            record = read()
            if target.exists():
                read_record(
                    target
                )  # a damaged one here is no reason to stop, other than a full disk
        except HarnessError as error:
            outcomes["damaged"].append(str(error))
        else:
            code = record.provenance.source_hash
            own = [place for place, plan in enumerate(plans) if code and identity in plan]
            if any(codes[place] not in (None, code) for place in own):
                outcomes["other code"].append(identity)
                continue
            for place in own:
                codes[place] = code
            outcomes[publish(record, folder)].append(identity)
    return _merged(outcomes)


def keep(
    identities: Sequence[str],
    folder: Path,
    path: Path,
    are_brief: bool = False,
    is_mixed: bool = False,
) -> Merged:
    """Add the records that these runs have in `folder` to the kept file at `path`, each one
    checked.

    Those that `are_brief` are kept without most of their learning curves (`Record.brief`), in a
    third of the bytes. A record that the file has stays, and so does one that differs from it in
    `folder`. What other code trained than the first of all is left out, unless the file `is_mixed`.
    A HarnessError if the file is damaged: it is not written then.
    """
    kept, damaged = read_lines(path) if path.exists() else ({}, ())
    if damaged:
        raise HarnessError("\n".join(damaged), INCOMPLETE)
    lines = {identity: line.text for identity, line in kept.items()}
    outcomes: dict[str, list[str]] = defaultdict(list)
    first = first_code(itertools.chain(lines.values(), texts(identities, folder)))
    for identity in identities:
        target = record_path(folder, identity)
        if not target.exists():
            continue
        try:
            record, text = read_record(target), target.read_text(encoding="utf-8")
            if are_brief:
                record = record.brief()
                text = json.dumps(sealed(record.model_dump(mode="json")))
            line, outcome = line_of(text), "same"
            if not is_mixed and record.provenance.source_hash not in (None, first):
                outcome = "other code"
            elif identity not in kept:
                lines[identity], outcome = line, "published"
            elif line != kept[identity].text:
                outcome = verdict(record_in_line(kept[identity], identity, path), record)
            outcomes[outcome].append(identity)
        except HarnessError as error:
            outcomes["damaged"].append(str(error))
    if len(lines) > len(kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{lines[identity]}\n" for identity in sorted(lines))
        with whole_file(path) as temporary:
            temporary.write_bytes(lzma.compress(text.encode()))
    return _merged(outcomes)


def _record_paths(source: Path, folder: Path) -> list[Path]:
    """Where the records of a folder are; a HarnessError if there are none, or they are those of
    `folder`.
    """
    records = source / "runs" if (source / "runs").is_dir() else source
    # What came second there may be first here, where the first is damaged.
    paths = [*sorted(records.glob(RECORDS)), *sorted((records / "duplicates").glob(RECORDS))]
    if not paths or (records / "manifest.json").exists():
        raise HarnessError(
            f"{source}: {records} has no records; give a folder of records, or a results folder"
        )
    if folder.exists() and records.samefile(folder):
        raise HarnessError(
            f"{source}: these are the records to merge into; give those of another results folder"
        )
    return paths


def _merged(outcomes: Mapping[str, Sequence[str]]) -> Merged:
    in_order = (
        "published",
        "same",
        "within tolerance",
        "beyond tolerance",
        "defect",
        "damaged",
        "other",
        "other code",
    )
    return Merged(*(tuple(outcomes.get(outcome, ())) for outcome in in_order))
