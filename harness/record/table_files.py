"""Tables of runs in files: CSV, TSV and Parquet of anybody's, read as they stand, every row known
by its line; and those that we write.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.base.errors import HarnessError
from harness.base.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = (",", "\t", ";", "|")
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how they begin
MAX_ROWS_NAMED = 5  # in one error or caution; it counts the others


def is_table(path: Path) -> bool:
    """Whether the name is that of a table of runs and not of an experiment."""
    return path.name.lower().endswith(TABLES)


def read_table(path: Path) -> pd.DataFrame:
    """The file's cells, as text (Parquet: as stored); the index says where a row stands, `line 7`
    or `row 7`.

    The delimiter is that of the header: comma, tab, semicolon or bar. Rows without any cell are
    skipped.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "is not there"
        raise HarnessError(
            f"{path} {problem}; give a table of runs, one row a run ({', '.join(TABLES)})"
        )
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
    if table.empty:
        raise HarnessError(f"{path} has no rows below its header; give one row a run")
    return table


def table_of_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A DataFrame as `read_table` would read it."""
    if frame.empty:
        raise HarnessError("the table has no rows; give one row a run")
    return _with_named_rows("the table", frame)


def _with_named_rows(subject: Path | str, frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    _check_names(subject, list(map(str, frame.columns)))
    return frame.rename(columns=str).set_axis(
        pd.RangeIndex(1, len(frame) + 1).map("row {}".format), axis=0
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except (
        Exception
    ) as error:  # damaged bytes make pyarrow and pandas raise whatever they happen to meet
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise HarnessError(f"{path} cannot be read as Parquet ({why}); write it anew") from None
    return _with_named_rows(path, table)


def _read_text(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        raw = (
            gzip.decompress(path.read_bytes())
            if path.suffix.lower() == ".gz"
            else path.read_bytes()
        )
        text = raw.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HarnessError(
            f"{path} cannot be unpacked ({error}); pack it anew, or give the plain file"
        ) from None
    except UnicodeDecodeError as error:
        raise HarnessError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    if not text.strip():
        raise HarnessError(f"{path} is empty; give a header and one row a run")
    rows: dict[str, list[str]] = {}  # by the line on which each begins
    reader = _cells(text, ",")
    try:
        delimiter = max(DELIMITERS, key=lambda sign: len(_header(_cells(text, sign))))
        reader = _cells(text, delimiter)
        # A column without a name, as an index that pandas wrote, is called by its place.
        names = [cell.strip() or f"column {i}" for i, cell in enumerate(_header(reader), start=1)]
        _check_names(path, names)
        before = (
            reader.line_num
        )  # a quoted cell may hold line breaks: a row is named by its first line
        for cells in reader:
            if any(map(str.strip, cells)):
                rows[f"line {before + 1}"] = list(map(str.strip, cells))
            before = reader.line_num
    except csv.Error as error:
        raise HarnessError(
            f"{path}, line {reader.line_num}: {error}; is it a table of text?"
        ) from None
    if ragged := {
        line: f"{len(cells)} cells" for line, cells in rows.items() if len(cells) != len(names)
    }:
        named, next_move = (
            name_rows(ragged, ragged.values()),
            f"Quote cells that hold a {delimiter!r}.",
        )
        raise HarnessError(f"{path}: the header has {len(names)} cells, but {named}. {next_move}")
    return pd.DataFrame(rows.values(), index=list(rows), columns=names, dtype=object)


def _cells(text: str, delimiter: str) -> Any:
    """A reader of the text's rows; a line ends by \\n, \\r\\n, or \\r alone."""
    return csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)


def _header(reader: Any) -> list[str]:
    """The cells of the first line that is not empty; there is one."""
    return next(filter(None, reader))


def _check_names(subject: Path | str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise HarnessError(
            f"{subject}: the column {twice[0]!r} is there twice; give every column a name of "
            "its own"
        )


def name_rows(rows: Iterable[str], says: Iterable[str]) -> str:
    """`line 7: rmse = 0, line 9: rmse = nan and 3 more rows`: the first five, and how many more."""
    pairs = [f"{row}: {text}" for row, text in zip(rows, says, strict=True)]
    more = len(pairs) - MAX_ROWS_NAMED
    return ", ".join(pairs[:MAX_ROWS_NAMED]) + (
        f" and {more} more row{'s' if more > 1 else ''}" if more > 0 else ""
    )


def write_table(table: pd.DataFrame, folder: Path) -> None:
    """The table as `runs.csv` and `runs.parquet` in `folder`."""
    with whole_file(folder / "runs.csv") as path:
        for_spreadsheets(table).to_csv(path, index=False)
    with whole_file(folder / "runs.parquet") as path:
        table.to_parquet(path, index=False)


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that a spreadsheet would take for a formula,
    such as `=1+1`.
    """
    texts = {str(name): column for name, column in table.items() if column.dtype.kind == "O"}
    return table.assign(**{name: column.map(_no_formula) for name, column in texts.items()})


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULAS) else cell
