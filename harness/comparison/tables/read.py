"""Tables of runs from elsewhere (CSV, TSV, Parquet): read as they stand, every row known by its line in the file."""

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError, did_you_mean
from harness.laws.runs import Runs, make_runs, name_rows

DELIMITERS = (",", "\t", ";", "|")
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
# A run is ok if its status is one of these, in any case; whatever else it says, it failed.
OK_STATUSES = ("ok", "done", "true", "1", "yes", "success", "succeeded", "complete", "completed", "finished")
MISSING = ("", "na", "n/a", "nan", "null", "none")
# Columns that, where a table has them and nothing else is asked of them, must hold one value within a fit.
CONVENTION_COLUMNS = ("metric", "convention", "hardware", "dtype")


@dataclass(frozen=True)
class Columns:
    """Which columns say what of a run; all but `y` may be left out."""

    y: Annotated[str, "`--y`"]
    by: Annotated[tuple[str, ...], "`--by`"] = ()
    config: Annotated[tuple[str, ...], "`--config`"] = ()
    seed: Annotated[str | None, "`--seed`"] = None
    status: Annotated[str | None, "`--status`"] = None
    same: Annotated[tuple[str, ...], "`--same`"] = ()


def is_table(path: Path) -> bool:
    """Whether the name is that of a table of runs and not of an experiment."""
    return path.name.lower().endswith(TABLES)


def read_table(path: Path) -> pd.DataFrame:
    """The file's cells, as text (Parquet: as stored); the index says where a row stands, `line 7` or `row 7`.

    The delimiter is that of the header: comma, tab, semicolon or bar. Rows without any cell are skipped.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise HarnessError(f"{path} {what}; give a table of runs, one row a run ({', '.join(TABLES)})")
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
    if table.empty:
        raise HarnessError(f"{path} has no rows below its header; give one row a run")
    return table


def select(table: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """The rows that meet every `COLUMN=VALUE`; 5 and 5.0 are the same value."""
    for condition in conditions:
        name, equals, wanted = condition.partition("=")
        if not equals:
            raise HarnessError(f"--where {condition!r} is not COLUMN=VALUE; for example --where 'task=j0'")
        cells = _texts(table, name, "--where")
        kept = table[[cell == wanted or _is_same_number(cell, wanted) for cell in cells]]
        if kept.empty:
            found = [value for value, _ in Counter(cells).most_common(12)]
            raise HarnessError(f"--where {condition!r} leaves no row; {did_you_mean(wanted, found)}")
        table = kept
    return table


def by_arm(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The rows sorted by arm: numbers in their order, words in that of their first appearance; ties stay."""
    keys = []
    for name in columns.by:
        cells = _texts(table, name, "--by")
        numbers = [_number(cell) for cell in cells]
        keys.append(pd.factorize(np.array(cells, object))[0] if None in numbers else np.array(numbers))
    return table.iloc[np.lexsort(keys[::-1])] if keys else table


def statuses(table: pd.DataFrame, columns: Columns) -> dict[str, int]:
    """How many rows have each status, the commonest first; empty where no column says."""
    return dict(Counter(_texts(table, columns.status, "--status")).most_common()) if columns.status else {}


def is_ok(status: str) -> bool:
    """Whether a run with this status ended well."""
    return status.strip().lower() in OK_STATUSES


def runs_of(table: pd.DataFrame, columns: Columns, x: str, *sizes: str) -> Runs:
    """The table's runs with `x` as their size; cells that are no numbers are an error that names them.

    `sizes` are all columns of sizes that are asked for: none of them is taken for a convention. In a run that failed,
    whatever stands for the size or the loss is not read as one.
    """
    failed = _failed(table, columns)
    same = {name: _texts(table, name, "--same") for name in _same(table, columns, {x, *sizes})}
    return make_runs(
        _numbers(table, x, "--x", failed),
        _numbers(table, columns.y, "--y", failed),
        _arms(table, columns.by),
        row=table.index.to_numpy(str),
        failed=failed,
        config=_joined(table, columns.config, "--config") if columns.config else None,
        seed=_texts(table, columns.seed, "--seed") if columns.seed else None,
        same=same,
        x_name=x,
        y_name=columns.y,
    )


# ------------------------------------------------------------------------------------------------------------ reading
def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # damaged bytes make pyarrow and pandas raise whatever they happen to meet
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise HarnessError(f"{path} cannot be read as Parquet ({why}); write it anew") from None
    _check_names(path, [str(name) for name in table.columns])
    return table.set_axis([f"row {row}" for row in range(1, len(table) + 1)], axis=0)


def _read_text(path: Path) -> pd.DataFrame:
    text = _decoded(path)
    if not text.strip():
        raise HarnessError(f"{path} is empty; give a header and one row a run")
    lines: list[str] = []
    rows: list[list[str]] = []
    reader = _cells(text, ",")
    try:
        delimiter = max(DELIMITERS, key=lambda one: len(next(_cells(text, one))))
        reader = _cells(text, delimiter)
        names = _header(path, next(reader))
        before = reader.line_num  # a quoted cell may hold line breaks: a row is named by its first line
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(f"line {before + 1}")
                rows.append([cell.strip() for cell in cells])
            before = reader.line_num
    except csv.Error as error:
        raise HarnessError(f"{path}, line {reader.line_num}: {error}; is it a table of text?") from None
    ragged = [i for i, row in enumerate(rows) if len(row) != len(names)]
    if ragged:
        named = name_rows([lines[i] for i in ragged], [f"{len(rows[i])} cells" for i in ragged])
        next_move = f"Quote cells that hold a {delimiter!r}."
        raise HarnessError(f"{path}: the header has {len(names)} cells, but {named}. {next_move}")
    return pd.DataFrame(rows, index=lines, columns=names, dtype=object)


def _cells(text: str, delimiter: str) -> Any:
    """A reader of the text's rows; a line ends by \\n, \\r\\n, or \\r alone."""
    return csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)


def _decoded(path: Path) -> str:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
        return raw.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HarnessError(f"{path} cannot be unpacked ({error}); pack it anew, or give the plain file") from None
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _header(path: Path, cells: list[str]) -> list[str]:
    """The columns' names; one without a name, as an index that pandas wrote, is called by its place."""
    names = [cell.strip() or f"column {i}" for i, cell in enumerate(cells, start=1)]
    _check_names(path, names)
    return names


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise HarnessError(f"{path}: the column {twice[0]!r} is there twice; give every column a name of its own")


# ------------------------------------------------------------------------------------------------------------ columns
def _column(table: pd.DataFrame, name: str, option: str) -> pd.Series:
    if name not in table.columns:
        raise HarnessError(f"{option} {name!r} is no column of the file; {did_you_mean(name, map(str, table.columns))}")
    return table[name]


def _texts(table: pd.DataFrame, name: str, option: str) -> list[str]:
    return ["" if cell is None else str(cell) for cell in _column(table, name, option).tolist()]


def _joined(table: pd.DataFrame, names: Sequence[str], option: str) -> list[str]:
    columns = [_texts(table, name, option) for name in names]
    return [" / ".join(cell or "(empty)" for cell in row) for row in zip(*columns, strict=True)]


def _arms(table: pd.DataFrame, names: Sequence[str]) -> list[str] | None:
    """The name of every row's arm; a number alone says nothing, so its column stands before it."""
    if not names:
        return None
    columns = [_texts(table, name, "--by") for name in names]
    told = [
        [cell if _number(cell) is None else f"{name}={cell or '(empty)'}" for cell in column]
        for name, column in zip(names, columns, strict=True)
    ]
    return [" / ".join(row) for row in zip(*told, strict=True)]


def _failed(table: pd.DataFrame, columns: Columns) -> np.ndarray:
    if not columns.status:
        return np.zeros(len(table), bool)
    found = _texts(table, columns.status, "--status")
    failed = np.array([not is_ok(status) for status in found])
    if failed.all():
        values = ", ".join(repr(value) for value, _ in Counter(found).most_common(6))
        raise HarnessError(
            f"--status {columns.status!r} says {values}, so no run is ok; ok is one of {', '.join(OK_STATUSES)}"
        )
    return failed


def _same(table: pd.DataFrame, columns: Columns, sizes: Collection[str]) -> list[str]:
    """The columns that must hold one value: conventions that the user has given no other meaning, and `--same`."""
    taken = {columns.y, columns.seed, columns.status, *columns.config, *sizes}
    conventions = [name for name in CONVENTION_COLUMNS if name in table.columns and name not in taken]
    return [name for name in dict.fromkeys((*conventions, *columns.same)) if name not in columns.by]


def _numbers(table: pd.DataFrame, name: str, option: str, failed: np.ndarray) -> np.ndarray:
    cells = _texts(table, name, option)
    numbers = [_number(cell) for cell in cells]
    bad = [i for i, number in enumerate(numbers) if number is None and not failed[i]]
    if bad:
        named = name_rows(table.index[bad], [f"{name} = {cells[i]!r}" for i in bad])
        next_move = "Write numbers as 1234.5 or 1.2345e3, or choose rows with --where."
        raise HarnessError(f"{named}: not a number. {next_move}")
    return np.array([math.nan if number is None else number for number in numbers])


def _number(cell: str) -> float | None:
    """The cell as a number, nan where it is missing; None if it is something else."""
    if cell.strip().lower() in MISSING:
        return math.nan
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_000, other programs do not write it
    except ValueError:
        return None


def _is_same_number(cell: str, wanted: str) -> bool:
    return _number(cell) is not None and _number(cell) == _number(wanted)
