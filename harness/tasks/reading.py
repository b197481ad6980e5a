"""Tables of the user's own, read as an experiment says: their inputs, output and splits, or what is
wrong with them.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import did_you_mean
from harness.base.files import check_regular, os_words
from harness.spec.task import MOST_COORDINATES, DataFile, SplitAfter, SplitBy
from harness.tasks.columns import Column, column_numbers, column_of, encoded, read_numbers, to_text
from harness.tasks.data import HELD_BACK
from harness.tasks.data_file import BY_SEED, FileData, Rows
from harness.tasks.loss import SPLITS
from harness.tasks.samples import Array, Labels
from harness.tasks.table import (
    MOST_COLUMNS,
    Table,
    check_complete,
    is_number,
    read_table,
    some,
    texts,
)
from harness.tasks.target import TargetError

ENDINGS = (".csv", ".parquet", ".npz")
LEAST_ROWS = HELD_BACK  # of a table, and of each class
FEW_VALUES = 20  # different whole numbers, which may be meant as classes


def read_data_file(file: DataFile, folder: Path) -> FileData:
    """The data that an experiment in this folder names; a TargetError if they cannot be learnt."""
    paths = {"data": file.data, "validation": file.validation, "test": file.test}
    files = tuple(
        (key, *_stamped(f"target.{key}:", folder / path)) for key, path in paths.items() if path
    )
    return _read(file, files)


def _stamped(subject: str, path: Path, start: str = "the experiment file") -> tuple[Path, int, int]:
    """A path with when its file was changed, and its size; to errors about `subject` it is relative
    to `start`.
    """
    if path.suffix.lower() not in ENDINGS:
        raise TargetError(
            f"{subject} {path} ends in none of {', '.join(ENDINGS)}; save it as one of these"
        )
    try:
        check_regular(path)
        status = path.stat()
    except OSError as error:
        raise TargetError(f"{subject} {os_words(error)}; give a path relative to {start}") from None
    return path, status.st_mtime_ns, status.st_size


@cache
def _read(file: DataFile, files: tuple[tuple[str, Path, int, int], ...]) -> FileData:
    """The data of these files as they are now: one that has changed since is another."""
    tables = {
        key: read_table(f"target.{key}: {getattr(file, key)}", path) for key, path, *_ in files
    }
    inputs = _inputs(file, tables["data"].rows)
    _check_columns(file, inputs, tables)
    where = f"target {file.name}"
    if not inputs:
        raise TargetError(f"{where}: no column is left to learn {file.output} from; add some")
    if file.missing is None:
        for table in tables.values():
            next_move = (
                "say `missing: median` or `missing: drop`, fill them, or leave these columns out"
            )
            check_complete(table, [*inputs, file.output], next_move)
    columns = [column_of(list(tables.values()), name, file) for name in inputs]
    numbers_of_inputs = sum(len(column.inputs) for column in columns)
    rows = sum(len(table.rows) for table in tables.values())
    if rows * numbers_of_inputs > MOST_COORDINATES:
        raise TargetError(
            f"{where}: {rows:,} rows of {numbers_of_inputs} inputs; at most "
            f"{MOST_COORDINATES:,} numbers"
        )

    needed = [*inputs, file.output] if file.missing == "drop" else [file.output]
    is_whole = np.concatenate([table.rows[needed].notna().all(axis=1) for table in tables.values()])
    parts, together, split_words = _split(file, tables)
    parts, together = parts[is_whole], None if together is None else together[is_whole]
    varying = np.isin(parts, (BY_SEED, SPLITS.index("train")))
    if varying.sum() < LEAST_ROWS:
        raise TargetError(f"{where}: {varying.sum()} rows to train on; give {LEAST_ROWS} or more")
    next_move = "say how it is read (numbers:, encode:), or leave it out (leave_out:)"
    x = np.concatenate([encoded(table, columns, next_move) for table in tables.values()])[is_whole]
    y, labels = _output(file, list(tables.values()), is_whole)
    _check_varies(where, columns, file.output, np.column_stack([x, y])[varying])
    if labels is not None:
        _check_classes(where, labels, y[varying], has_seed=bool((parts == BY_SEED).any()))
    data = FileData(
        x,
        y,
        None if labels is None else len(labels),
        formula="",
        source=file.data,
        version="",
        columns=tuple(itertools.chain.from_iterable(column.inputs for column in columns)),
        labels=labels,
        encoding=to_text(columns),
        parts=parts,
        together=together,
        split_words=split_words,
    )
    return _described(data, file, columns, dropped=int((~is_whole).sum()))


def _check_columns(file: DataFile, inputs: Sequence[str], tables: Mapping[str, Table]) -> None:
    """A TargetError that names the field which names a column that is not there, or the file that
    lacks it.
    """
    split = [file.split_column] if file.split_column else []
    named = [
        ("output", file.output),
        *(("inputs", name) for name in inputs),
        *(("split", name) for name in split),
    ]
    named += [("leave_out", name) for name in file.leave_out or ()]
    named += [(f"numbers.{name}", name) for name in file.numbers] + [
        (f"encode.{name}", name) for name in file.encode
    ]
    for key, table in tables.items():
        for place, name in named:
            if name not in table.rows:
                subject = f"target.{place}: {file.data}" if key == "data" else table.subject
                raise TargetError(
                    f"{subject} has no column {name!r}; {did_you_mean(name, list(table.rows))}"
                )
    if split:
        next_move = (
            "fill them, or drop these rows: `missing:` does not fill the column "
            "that splits "
            "the rows"
        )
        check_complete(
            tables["data"]._replace(subject=f"target.split: {file.data}"), split, next_move
        )


def read_user_table(path: Path, output: str) -> Table:
    """The table of a file that has a column of this name; a TargetError says what is wrong with
    it.
    """
    _stamped("`data`", path, "this folder")
    table = read_table(f"`data` {path}", path)
    if output not in table.rows:
        raise TargetError(
            f"{table.subject} has no column {output!r}; {did_you_mean(output, list(table.rows))}"
        )
    return table


def _described(data: FileData, file: DataFile, columns: Sequence[Column], dropped: int) -> FileData:
    """The data with what is to be said of them; a TargetError if equal rows leave nothing to train
    on.
    """
    if data.points["train_points"] < 1:
        alike, next_move = "have the same inputs", "remove repeated rows"
        if data.together is not None:
            alike, next_move = f"have one value of {file.split_column}", "split by another column"
        raise TargetError(
            f"target {file.name}: {int(np.bincount(data.groups).max()):,} of {len(data.x):,} rows "
            f"{alike}, "
            f"and go into one split together, which leaves none to train on; {next_move}, or say "
            "which row is "
            "in which split (split: a column of train, validation and test)"
        )
    kind = f"one of {data.classes} classes" if data.classes else "standardised"
    of_columns = f"{len(columns)} columns" if len(columns) > 1 else f"the column {columns[0].name}"
    equal = f", {data.repeated:,} of them with equal inputs" if data.repeated else ""
    formula = f"{file.output}, {kind}, of {of_columns}; {len(data.x):,} rows{equal}"
    notes = tuple(_notes(file, columns, data, dropped))
    return replace(data, version=data.version_of_content, formula=formula, notes=notes)


def _notes(
    file: DataFile, columns: Sequence[Column], data: FileData, dropped: int
) -> Iterable[str]:
    """What to know of a table, a sentence each."""
    names = [] if data.labels is None else data.labels.astype(str).tolist()
    points = ", ".join(
        f"{rows:,} {name.removesuffix('_points')}" for name, rows in data.points.items()
    )
    readings = {**file.numbers, **file.encode}
    number = f"a number ({readings[file.output]})" if file.output in readings else "a number"
    kind = f"one of {len(names)} classes ({some(names)})" if names else number
    yield f"{file.name}: {file.output} is learnt as {kind}; {data.parts_words} ({points})"
    learnt_from = [column.name for column in columns]
    descriptions = [
        f"{name} ({readings[name]})" if name in readings else name for name in learnt_from
    ]
    yield f"{file.name}: {file.output} is learnt from {some(descriptions, MOST_COLUMNS)}"
    if dropped:
        gaps = "a gap" if file.missing == "drop" else f"no {file.output}"
        yield f"{file.name}: {dropped:,} rows have {gaps}, and are left out"
    filled = [column.name for column in columns if column.with_gaps]
    if filled:
        yield (
            f"{file.name}: gaps in {some(filled)} are filled with the median of the training "
            "rows; an input of its own "
            "says where"
        )
    if data.repeated and data.by_seed and data.together is None:
        yield (
            f"{file.name}: {data.repeated:,} of {len(data.x):,} rows have the inputs of an "
            "earlier row; rows of equal "
            "inputs go into one split together"
        )
    if left_out := len(data.x) - sum(data.points.values()):
        alike = "equal inputs" if data.together is None else f"one {file.split_column}"
        yield (
            f"{file.name}: each seed leaves out {left_out:,} of {len(data.x):,} rows, as rows of "
            f"{alike} stay together "
            "and every seed has as many rows in a split"
        )
    is_test = data.parts == SPLITS.index("test")
    shared = int(np.isin(data.groups[is_test], data.groups[~is_test]).sum())
    if shared:
        yield (
            f"{file.name}: {shared:,} of {is_test.sum():,} test rows have the inputs of a row "
            "that is not for testing, "
            "so the test error may be too low; take them out of one of the two"
        )
    values = np.unique(data.y)
    if (
        file.classes is None
        and not names
        and len(values) <= FEW_VALUES
        and (values == np.round(values)).all()
    ):
        yield (
            f"{file.name}: {file.output} has {len(values)} different whole numbers, and is learnt "
            "as a number; "
            "`classes: true` learns them as classes, `classes: false` says that this is meant"
        )


def _inputs(file: DataFile, table: Any) -> list[str]:
    """The columns that are learnt from: those named, or else all; never the output or what splits
    the rows.
    """
    inputs: list[str] = []
    not_inputs = {file.output, file.split_column, *(file.leave_out or ())}
    for name in file.inputs or table.columns:
        of_array = [
            column
            for column in table
            if column.startswith(name) and column.removeprefix(name).isdecimal()
        ]
        for column in (
            [name] if name in table else of_array or [name]
        ):  # an array's columns are x0, x1 and so on
            if column in inputs:
                raise TargetError(
                    f"target.inputs: {column} is given twice, once by {name}; keep one"
                )
            if column not in not_inputs:
                inputs.append(column)
    return inputs


def _split(file: DataFile, tables: dict[str, Table]) -> tuple[Rows, Rows | None, str]:
    """Who splits each row [n]; which rows [n] go into one split together, where a column says so;
    and how, in words.
    """
    table = tables["data"]
    match file.split:
        case SplitBy(by=column):
            groups = np.unique(texts(table, column), return_inverse=True)[1]
            return _parts_by_file(tables), groups, f"with all rows of one {column} in one split"
        case SplitAfter(after=day):
            days = read_numbers(table, str(file.split_column), "date")
            is_later = np.floor(days) > (day - date(1970, 1, 1)).days
            if is_later.all() or not is_later.any():
                which = "all" if is_later.any() else "no"
                raise TargetError(
                    f"{table.subject}: split: {which} rows are later than {day}; choose another day"
                )
            words = f"of which those with {file.split_column} after {day} are for testing"
            return np.where(is_later, SPLITS.index("test"), BY_SEED), None, words
        case str() as column:
            return _parts_by_column(column, table), None, f"split by the column {column}"
    return _parts_by_file(tables), None, "split by the files" if file.test else ""


def _parts_by_column(column: str, table: Table) -> Rows:
    words = texts(table, column)
    unknown = words[~words.isin(SPLITS)]
    if len(unknown):
        raise TargetError(
            f"{table.subject}: split: column {column!r} says {unknown.iloc[0]!r} "
            f"{table.place(unknown.index[0])}; "
            f"write {', '.join(SPLITS[:-1])} or {SPLITS[-1]} in every row, or say {{by: "
            f"{column}}} to keep the rows of "
            "each value together"
        )
    for name in ("train", "test"):
        if not (words == name).any():
            raise TargetError(
                f"{table.subject}: split: column {column!r} says {name} in no row; some must "
                "be for it"
            )
    parts = words.map({name: place for place, name in enumerate(SPLITS)}).to_numpy(np.int64)
    return _with_validation(parts)


def _parts_by_file(tables: dict[str, Table]) -> Rows:
    if len(tables) == 1:
        return np.full(len(tables["data"].rows), BY_SEED)
    split_of = {"data": "train", "validation": "validation", "test": "test"}
    parts = [np.full(len(table.rows), SPLITS.index(split_of[key])) for key, table in tables.items()]
    return _with_validation(np.concatenate(parts))


def _with_validation(parts: Rows) -> Rows:
    """Without rows for validation, the seed takes them from those for training."""
    has_validation = (parts == SPLITS.index("validation")).any()
    return parts if has_validation else np.where(parts == SPLITS.index("train"), BY_SEED, parts)


# --------------------------------------------------------------------------------------------------
# checks
def _output(
    file: DataFile, tables: Sequence[Table], is_whole: NDArray[np.bool_]
) -> tuple[Array, Labels | None]:
    """The values of whole rows; or of classes their numbers from 0, and what the table calls each
    of them.
    """
    import pandas as pd

    column = pd.concat([table.rows[file.output] for table in tables], ignore_index=True)[
        is_whole
    ].infer_objects()
    is_bool = pd.api.types.is_bool_dtype(column)
    has_numbers = is_number(column) and not is_bool
    reading = file.numbers.get(file.output)
    if file.classes is False or (file.classes is None and (has_numbers or reading)):
        next_move = (
            "name a column of numbers as output, say how it is read (numbers:), or say "
            "`classes: true`"
        )
        values = [column_numbers(table, file.output, reading, next_move) for table in tables]
        return np.concatenate(values)[is_whole], None
    if has_numbers:
        values_of_rows = column.to_numpy()
    else:
        values_of_rows = np.concatenate([texts(table, file.output) for table in tables])[is_whole]
    labels, numbers_from_0 = np.unique(values_of_rows, return_inverse=True)
    if not has_numbers:
        labels = labels == "True" if is_bool else labels.astype(str)
    return numbers_from_0.astype(np.float64), labels


def _check_varies(where: str, columns: Sequence[Column], output: str, values: Array) -> None:
    """A TargetError that names the columns of numbers that never vary in the rows [n, inputs and
    output] of training.

    A category or a gap may be lacking there: its input is then 0.
    """
    names = [*itertools.chain.from_iterable(column.inputs for column in columns), output]
    numeric = {column.name for column in columns if not column.categories} | {output}
    is_constant = [
        not np.ptp(column[~np.isnan(column)]) if (~np.isnan(column)).any() else True
        for column in values.T
    ]
    constant = [
        name for name, is_so in zip(names, is_constant, strict=True) if is_so and name in numeric
    ]
    if constant:
        raise TargetError(
            f"{where}: constant in all rows that can be trained on: {some(constant)}; leave out "
            "what never changes"
        )


def _check_classes(where: str, labels: Labels, y: Array, has_seed: bool) -> None:
    least = LEAST_ROWS if has_seed else 1
    counts = np.bincount(y.astype(np.int64), minlength=len(labels))
    rare = [
        f"{label} ({count})"
        for label, count in zip(labels, counts.tolist(), strict=True)
        if count < least
    ]
    if rare:
        has_numbers = labels.dtype.kind in "biuf"
        or_else = (
            "say `classes: false` if these are numbers"
            if has_numbers
            else "learn another column if it is free text"
        )
        raise TargetError(
            f"{where}: a class needs {least} rows or more to train on, and {len(rare)} of "
            f"{len(labels)} classes have "
            f"fewer: {some(rare)}; drop or merge them, or {or_else}"
        )
