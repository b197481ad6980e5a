"""The file of kept records, `records.jsonl.xz`: a sealed record a line, compressed. Git keeps it.

Lines are in the order of run ids, so that the same records make the same bytes. An order by what a run is saves 3 %.
"""

import json
import lzma
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file
from harness.base.frozen import problem_of
from harness.record.schema import Record
from harness.record.store import record_of

KEPT_RECORDS = "records.jsonl.xz"
RUN_ID = re.compile(r'"run_id": ?"([0-9a-f]{16})"')


class KeptLine(NamedTuple):
    """A line of a file of kept records: the text, whose seal nobody has checked yet, and its number, from 1."""

    text: str
    number: int


class KeptLines(NamedTuple):
    """The lines of a file by the run whose record each holds, and sentences on what of the file cannot be read."""

    by_run: dict[str, KeptLine]
    damaged: tuple[str, ...]


def read_lines(path: Path) -> KeptLines:
    """The lines of a file of kept records. Their content is not checked: `record_in_line` does that for one.

    A HarnessError if the file is named like another kind.
    """
    if path.suffix != ".xz":
        raise HarnessError(f"{path}: this is no file of kept records; give a {KEPT_RECORDS}, or a folder of records")
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
    """The record of a run in its line of the file at `path`; a HarnessError if the line is damaged."""
    try:
        return record_of(line.text, identity)
    except ValueError as error:
        raise HarnessError(_damage(path, line.number, problem_of(error)), INCOMPLETE) from None


def line_of(record_text: str) -> str:
    """The line that holds the record of a sealed JSON text. Floats keep all their bits, so the seal stays valid."""
    return json.dumps(json.loads(record_text), separators=(",", ":"))


def write_lines(lines: Mapping[str, str], path: Path) -> None:
    """Write the lines, by run id, as the file at `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{lines[identity]}\n" for identity in sorted(lines))
    with whole_file(path) as temporary:
        temporary.write_bytes(lzma.compress(text.encode()))


def _damage(path: Path, number: int, problem: str) -> str:
    return (
        f"{path}: line {number} is damaged ({problem}); `git checkout -- {path}` brings back the file that was "
        "committed. If there is none, move this one away, and the runs that it lacks are trained again"
    )
