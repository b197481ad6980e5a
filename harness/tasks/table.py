"""Tables of the user's own, read from a file or given as a DataFrame, and their columns as
numbers.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.tasks.samples import Array
from harness.tasks.target import TargetError

MOST_NAMED = 5  # columns in a sentence
LONGEST_EXAMPLE = 40  # characters of a value in a sentence
MOST_COLUMNS = 20  # in a sentence that says all that are needed


class Table(NamedTuple):
    """A pandas table, what errors call it, and the file that it was read from."""

    subject: str
    rows: Any
    path: Path | None = None

    def place(self, row: int) -> str:
        """Where a row is, counted from 0: on which line of its file, as an editor counts them."""
        if self.path is None:
            return f"at index {self.rows.index[row]}"
        if self.path.suffix.lower() == ".csv":
            return f"in line {_line(self.path, self.rows.index[row]):,}"
        return f"in row {self.rows.index[row] + 1:,} (the first is 1)"


def read_table(subject: str, path: Path) -> Table:
    """The table of a file, with rows from 0; columns of a two-dimensional array `x` are called x0,
    x1 and so on.

    The names of its columns are text. A TargetError about `subject` if it cannot be read, or has no
    rows.
    """
    rows = _loaded(subject, path)
    rows.columns = rows.columns.map(str)
    if not len(rows):
        raise TargetError(f"{subject} has no rows; add some")
    return Table(subject, rows.reset_index(drop=True), path)


def _loaded(subject: str, path: Path) -> Any:
    import pandas as pd

    try:
        match path.suffix.lower():
            case ".csv":
                return pd.read_csv(path, sep=_separator(path))
            case ".parquet":
                return pd.read_parquet(path)
        with np.load(path, allow_pickle=False) as arrays:
            return pd.DataFrame(_columns_of_arrays({name: arrays[name] for name in arrays.files}))
    except Exception as error:  # of parsers that meet any file
        why = " ".join(str(error).split()) or type(error).__name__
        kind = path.suffix.lower().removeprefix(".")
        raise TargetError(
            f"{subject} cannot be read as {kind}: {why}; mend it, or save it again"
        ) from None


def _columns_of_arrays(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.ndim not in (1, 2):
            raise TargetError(
                f"array {name!r} has shape {array.shape}; give [rows] or [rows, columns]"
            )
        new = (
            {name: array}
            if array.ndim == 1
            else {f"{name}{place}": column for place, column in enumerate(array.T)}
        )
        if twice := new.keys() & columns.keys():
            raise TargetError(f"two arrays have a column {min(twice)!r}")
        columns |= new
    return columns


def _separator(path: Path) -> str:
    """What separates the columns of a CSV file: whichever of comma, semicolon and tab its first
    line has most of.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        return max(",;\t", key=file.readline().count)


def _line(path: Path, row: int) -> int:
    """The line of a CSV file on which a row begins; pandas passes over blank lines."""
    longest_cell = csv.field_size_limit(path.stat().st_size)  # pandas reads cells of any length
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines, header_and_rows, begins = csv.reader(file, delimiter=_separator(path)), 0, 1
            for cells in lines:
                is_blank = not cells or (len(cells) == 1 and not cells[0].strip())
                if not is_blank and header_and_rows == row + 1:
                    break
                header_and_rows += not is_blank
                begins = lines.line_num + 1
    finally:
        csv.field_size_limit(longest_cell)
    return begins


def named_columns(subject: str, rows: Any, columns: Sequence[str]) -> Table:
    """These columns of a DataFrame; a TargetError about `subject` names those that are not there,
    or there twice.
    """
    rows = rows.rename(columns=str)
    if missing := [name for name in columns if name not in rows]:
        raise TargetError(
            f"{subject}: the table has no column {some(missing)}; it needs "
            f"{some(columns, MOST_COLUMNS)}, in any order"
        )
    if twice := [name for name in rows.columns[rows.columns.duplicated()] if name in columns]:
        raise TargetError(f"{subject}: the table has two columns {twice[0]!r}; keep one")
    return Table(
        subject, rows[list(columns)].infer_objects()
    )  # a row alone has numbers and truth values as objects


def check_complete(table: Table, columns: Sequence[str], next_move: str) -> None:
    """A TargetError that names all of these columns with missing values."""
    missing = table.rows[list(columns)].isna()
    counts = missing.sum()
    gaps = [
        f"{name} ({count:,}, first {table.place(int(missing[name].argmax()))})"
        for name, count in counts[counts > 0].items()
    ]
    if gaps:
        raise TargetError(f"{table.subject}: missing values in {some(gaps)}; {next_move}")


def numbers(table: Table, name: str, next_move: str) -> Array:
    """A column without gaps as float64 [n], true as 1; a TargetError if it is not numbers."""
    import pandas as pd

    column, where = table.rows[name], f"{table.subject}: column {name!r}"
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        raise TargetError(f"{where} holds dates; {next_move}")
    is_text = not is_number(column)
    values = (pd.to_numeric(texts(table, name), errors="coerce") if is_text else column).to_numpy(
        np.float64
    )
    wrong = np.flatnonzero(~np.isfinite(values))
    if not len(wrong):
        return values
    first = repr(column.iloc[wrong[0]])
    if not is_text:
        raise TargetError(f"{where} is {values[wrong[0]]} {table.place(wrong[0])}; mend it")
    if len(wrong) >= len(column) / 2:
        raise TargetError(f"{where} holds text, such as {first}; {next_move}")
    raise TargetError(
        f"{where} holds text in some rows ({len(wrong):,}, first {first} "
        f"{table.place(wrong[0])}); mend these rows or "
        "drop them"
    )


def texts(table: Table, name: str) -> Any:
    """A column as text; a TargetError if it holds bytes that are none."""
    try:
        return table.rows[name].astype(str)
    except UnicodeDecodeError as error:
        example = error.object[:LONGEST_EXAMPLE]
        raise TargetError(
            f"{table.subject}: column {name!r} holds bytes that are no text, such as {example!r}; "
            "save it as numbers "
            "or as text"
        ) from None


def why_no_numbers(table: Table, name: str) -> str:
    """Which cells of a column are no numbers, in words that follow its name; empty if all are
    numbers.
    """
    import pandas as pd

    column = table.rows[name]
    if is_number(column):
        return ""
    try:
        wrong = np.flatnonzero(pd.to_numeric(texts(table, name), errors="coerce").isna().to_numpy())
    except TargetError:
        wrong = np.arange(len(column))
    if not len(wrong):
        return ""
    example = " ".join(repr(column.iloc[wrong[0]]).split())[:LONGEST_EXAMPLE]
    if len(wrong) == len(column):
        return f"which holds {column.dtype} such as {example}"
    verb = "is no number:" if len(wrong) == 1 else "are no numbers, such as"
    return (
        f"in which {len(wrong):,} of {len(column):,} cells {verb} {example} {table.place(wrong[0])}"
    )


def is_number(column: Any) -> bool:
    """Whether all values are numbers, or true and false."""
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column)


def some(words: Sequence[str], most: int = MOST_NAMED) -> str:
    """The first few of them, and how many more there are."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
