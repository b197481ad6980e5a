"""Data files of the user's own: a table whose columns an experiment names.

The seed splits the rows as it does those of other data (`data.py`). Rows of equal inputs go into one split together, so
that no network is tested on what it was trained on. Or the user splits the rows, by a column or by files.

A table is read when an experiment is planned, and what is learnt of it is kept in the results folder by its content
(`results/data/`). Processes that train read it there, on a cluster too.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import did_you_mean
from harness.base.files import os_words, whole_file
from harness.spec import DataFile, RunTask
from harness.spec.task import DATA_FILE, MOST_COORDINATES, SplitAfter, SplitBy
from harness.tasks.columns import Column, column_numbers, columns_of, encoded, read_numbers, to_text
from harness.tasks.data import HELD_BACK, Data, in_proportion
from harness.tasks.samples import Array, Labels, stream
from harness.tasks.table import MOST_COLUMNS, Table, check_complete, is_number, read_table, some, texts
from harness.tasks.target import TargetError

ENDINGS = (".csv", ".parquet", ".npz")
SPLITS = ("train", "validation", "test")
BY_SEED = -1  # the part of rows that the seed shares out; else the place in SPLITS
LEAST_ROWS = HELD_BACK  # of a table, and of each class
FEW_VALUES = 20  # different whole numbers, which may be meant as classes

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class FileData(Data):
    """Data of a file. `parts` [n] says who splits each row, and `split_words` how, if it is not the seed alone.

    Rows of one number in `together` [n] go into one split; without it, rows of equal inputs do. `notes` are what the
    user should know of the table.
    """

    parts: Rows = field(kw_only=True)
    together: Rows | None = None
    split_words: str = ""
    notes: tuple[str, ...] = ()

    @property
    def by_seed(self) -> list[str]:
        """The splits that have no rows of their own; they take theirs from the rows that the seed shares out."""
        return [name for place, name in enumerate(SPLITS) if not (self.parts == place).any()]

    @cached_property
    def groups(self) -> Rows:
        """The number of each row's group [n], which goes into one split."""
        return self._of_equal_inputs if self.together is None else self.together

    @cached_property
    def _of_equal_inputs(self) -> Rows:
        rows = np.ascontiguousarray(self.x + 0.0)  # -0.0 equals 0.0, but has other bytes
        whole_rows = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        return np.unique(whole_rows, return_inverse=True)[1]

    @property
    def repeated(self) -> int:
        """How many rows have the inputs of an earlier row."""
        return len(self.x) - len(np.unique(self._of_equal_inputs))

    @cached_property
    def points(self) -> dict[str, int]:
        """How many points each split has under every seed, by the field of a task that says how many it takes.

        Rows of equal inputs are not parted, so that up to a group of them can be left out where a split ends.
        """
        given = {name: int((self.parts == place).sum()) for place, name in enumerate(SPLITS)}
        free = np.flatnonzero(self.parts == BY_SEED)
        held, left = len(free) // HELD_BACK, len(free)
        largest = int(np.bincount(self.groups[free]).max()) if len(free) else 0
        for name in ("test", "validation"):
            if name in self.by_seed:
                given[name] = held
                left -= held + largest - 1
        if "train" in self.by_seed:
            given["train"] = left
        return {f"{name}_points": given[name] for name in SPLITS}

    @property
    def parts_words(self) -> str:
        """Who splits the rows."""
        split = f", {self.split_words}" if self.split_words else ""
        if "test" in self.by_seed:
            return f"{super().parts_words}{split}"
        takes = "; of those not for testing, the seed takes a fifth for validation"
        return f"{len(self.x):,} rows{split}{takes if 'validation' in self.by_seed else ''}"

    def rows(self, seed: int) -> dict[str, Rows]:
        """The rows of each split under a seed, in the order in which they are taken."""
        generator = stream(seed, "split")
        found = {
            name: self._in_order(np.flatnonzero(self.parts == place), generator)[0]
            for place, name in enumerate(SPLITS)
            if name not in self.by_seed
        }
        free, ends = self._in_order(np.flatnonzero(self.parts == BY_SEED), generator)
        held, begin = len(free) // HELD_BACK, 0
        for name in ("test", "validation"):
            if name in self.by_seed:
                found[name] = free[begin : begin + held]
                begin = int(ends[np.searchsorted(ends, begin + held)])  # the rest of the last group is left out
        return {"train": free[begin:], **found}

    def _in_order(self, rows: Rows, generator: np.random.Generator) -> tuple[Rows, Rows]:
        """The rows in an order by chance, equal ones side by side and classes in proportion; where each group ends."""
        _, first, group, sizes = np.unique(
            self.groups[rows], return_index=True, return_inverse=True, return_counts=True
        )
        classes = self.y[rows[first]] if self.classes else np.zeros(len(first))
        order = in_proportion(classes, generator)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return rows[np.argsort(place[group], kind="stable")], np.cumsum(sizes[order])


# ------------------------------------------------------------------------------------------------------------- reading
class Place(NamedTuple):
    """A file as it is now: one that has changed since is another."""

    path: Path
    changed_at: int
    size: int


def read_data_file(said: DataFile, folder: Path) -> FileData:
    """The data that an experiment in this folder names; a TargetError if they cannot be learnt.

    They can then be had by their version from `known_data`.
    """
    named = {"data": said.data, "validation": said.validation, "test": said.test}
    places = tuple((key, _place(f"target.{key}:", folder / path)) for key, path in named.items() if path)
    found = _read(said.model_dump_json(), places)
    _KNOWN[found.version] = found
    return found


def _place(subject: str, path: Path, start: str = "the experiment file") -> Place:
    """The file at a path, which errors about `subject` say is relative to `start`."""
    if path.suffix.lower() not in ENDINGS:
        raise TargetError(f"{subject} {path} ends in none of {', '.join(ENDINGS)}; save it as one of these")
    try:
        about = path.stat()
    except OSError as error:
        raise TargetError(f"{subject} {os_words(error)}; give a path relative to {start}") from None
    return Place(path, about.st_mtime_ns, about.st_size)


@cache
def _read(said_json: str, places: tuple[tuple[str, Place], ...]) -> FileData:
    said = DataFile.model_validate_json(said_json)
    tables = {key: read_table(f"target.{key}: {getattr(said, key)}", place.path) for key, place in places}
    inputs = _inputs(said, tables["data"].rows)
    _check_columns(said, inputs, tables)
    where = f"target {said.name}"
    if not inputs:
        raise TargetError(f"{where}: no column is left to learn {said.output} from; add some")
    if said.missing is None:
        for table in tables.values():
            next_move = "say `missing: median` or `missing: drop`, fill them, or leave these columns out"
            check_complete(table, [*inputs, said.output], next_move)
    columns = columns_of(list(tables.values()), inputs, said)
    numbers_of_inputs = sum(len(column.inputs) for column in columns)
    rows = sum(len(table.rows) for table in tables.values())
    if rows * numbers_of_inputs > MOST_COORDINATES:
        raise TargetError(f"{where}: {rows:,} rows of {numbers_of_inputs} inputs; at most {MOST_COORDINATES:,} numbers")

    is_whole = np.concatenate([_is_whole(said, inputs, table) for table in tables.values()])
    parts, together = (_of_rows(found, is_whole) for found in _split(said, tables))
    varying = np.isin(parts, (BY_SEED, SPLITS.index("train")))
    if varying.sum() < LEAST_ROWS:
        raise TargetError(f"{where}: {varying.sum()} rows to train on; give {LEAST_ROWS} or more")
    next_move = "say how it is read (numbers:, encode:), or leave it out (leave_out:)"
    x = np.concatenate([encoded(table, columns, next_move) for table in tables.values()])[is_whole]
    y, labels = _output(said, list(tables.values()), is_whole)
    _check_varies(where, columns, said.output, np.column_stack([x, y])[varying])
    if labels is not None:
        _check_classes(where, labels, y[varying], has_seed=bool((parts == BY_SEED).any()))
    return _data(said, columns, x, y, labels, parts, together, dropped=int((~is_whole).sum()))


def _check_columns(said: DataFile, inputs: Sequence[str], tables: Mapping[str, Table]) -> None:
    """A TargetError that names the field which names a column that is not there, or the file that lacks it."""
    split = [said.split_column] if said.split_column else []
    named = [("output", said.output), *(("inputs", name) for name in inputs), *(("split", name) for name in split)]
    named += [("leave_out", name) for name in said.leave_out or ()]
    named += [(f"numbers.{name}", name) for name in said.numbers] + [(f"encode.{name}", name) for name in said.encode]
    for key, table in tables.items():
        for place, name in named:
            if name not in table.rows:
                subject = f"target.{place}: {said.data}" if key == "data" else table.subject
                raise TargetError(f"{subject} has no column {name!r}; {did_you_mean(name, list(table.rows))}")
    if split:
        next_move = "fill them, or drop these rows: `missing:` does not fill the column that splits the rows"
        check_complete(tables["data"]._replace(subject=f"target.split: {said.data}"), split, next_move)


def _is_whole(said: DataFile, inputs: Sequence[str], table: Table) -> NDArray[np.bool_]:
    """Which rows [n] are learnt from: those with an output, and without gaps where such rows are dropped."""
    needed = [*inputs, said.output] if said.missing == "drop" else [said.output]
    return table.rows[needed].notna().all(axis=1).to_numpy()


def _of_rows(numbers: Rows | None, is_whole: NDArray[np.bool_]) -> Any:
    return None if numbers is None else numbers[is_whole]


def read_user_table(path: Path, output: str) -> Table:
    """The table of a file that has a column of this name; a TargetError says what is wrong with it."""
    table = read_table(f"`data` {path}", _place("`data`", path, "this folder").path)
    if output not in table.rows:
        raise TargetError(f"{table.subject} has no column {output!r}; {did_you_mean(output, list(table.rows))}")
    return table


def _data(
    said: DataFile,
    columns: Sequence[Column],
    x: Array,
    y: Array,
    labels: Labels | None,
    parts: Rows,
    together: Rows | None,
    dropped: int,
) -> FileData:
    """The data with what is to be said of them; a TargetError if equal rows leave nothing to train on."""
    inputs = [name for column in columns for name in column.inputs]
    classes = None if labels is None else len(labels)
    data = FileData(
        x,
        y,
        classes,
        "",
        said.data,
        _version(x, y, parts, classes, together),
        columns=tuple(inputs),
        labels=labels,
        encoding=to_text(columns),
        parts=parts,
        together=together,
        split_words=_split_words(said),
    )
    if data.points["train_points"] < 1:
        alike = f"have one value of {said.split_column}" if together is not None else "have the same inputs"
        next_move = "split by another column" if together is not None else "remove repeated rows"
        raise TargetError(
            f"target {said.name}: {int(np.bincount(data.groups).max()):,} of {len(x):,} rows {alike}, "
            f"and go into one split together, which leaves none to train on; {next_move}, or say which row is "
            "in which split (split: a column of train, validation and test)"
        )
    kind = f"one of {classes} classes" if classes else "standardised"
    of_columns = f"{len(columns)} columns" if len(columns) > 1 else f"the column {columns[0].name}"
    equal = f", {data.repeated:,} of them with equal inputs" if data.repeated else ""
    formula = f"{said.output}, {kind}, of {of_columns}; {len(x):,} rows{equal}"
    return replace(data, formula=formula, notes=tuple(_notes(said, columns, data, dropped)))


def _version(x: Array, y: Array, parts: Rows, classes: int | None, together: Rows | None) -> str:
    """What stands for the content in a run's identity."""
    content = hashlib.sha256(repr((x.shape, classes)).encode())
    for array in (x, y, parts, *(() if together is None else (together,))):
        content.update(np.ascontiguousarray(array).tobytes())
    return f"{DATA_FILE}{content.hexdigest()}"


def _notes(said: DataFile, columns: Sequence[Column], data: FileData, dropped: int) -> Iterable[str]:
    """What to know of a table, a sentence each."""
    names = [] if data.labels is None else data.labels.astype(str).tolist()
    points = ", ".join(f"{rows:,} {name.removesuffix('_points')}" for name, rows in data.points.items())
    how = {**said.numbers, **said.encode}
    number = f"a number ({how[said.output]})" if said.output in how else "a number"
    kind = f"one of {len(names)} classes ({some(names)})" if names else number
    yield f"{said.name}: {said.output} is learnt as {kind}; {data.parts_words} ({points})"
    told = [f"{column.name} ({how[column.name]})" if column.name in how else column.name for column in columns]
    yield f"{said.name}: {said.output} is learnt from {some(told, MOST_COLUMNS)}"
    if dropped:
        gaps = "a gap" if said.missing == "drop" else f"no {said.output}"
        yield f"{said.name}: {dropped:,} rows have {gaps}, and are left out"
    filled = [column.name for column in columns if column.with_gaps]
    if filled:
        yield (
            f"{said.name}: gaps in {some(filled)} are filled with the median of the training rows; an input of its own "
            "says where"
        )
    if data.repeated and data.by_seed and data.together is None:
        yield (
            f"{said.name}: {data.repeated:,} of {len(data.x):,} rows have the inputs of an earlier row; rows of equal "
            "inputs go into one split together"
        )
    if left_out := len(data.x) - sum(data.points.values()):
        alike = "equal inputs" if data.together is None else f"one {said.split_column}"
        yield (
            f"{said.name}: each seed leaves out {left_out:,} of {len(data.x):,} rows, as rows of {alike} stay together "
            "and every seed has as many rows in a split"
        )
    is_test = data.parts == SPLITS.index("test")
    seen = int(np.isin(data.groups[is_test], data.groups[~is_test]).sum())
    if seen:
        yield (
            f"{said.name}: {seen:,} of {is_test.sum():,} test rows have the inputs of a row that is not for testing, "
            "so the test error may be too low; take them out of one of the two"
        )
    values = np.unique(data.y)
    if said.classes is None and not names and len(values) <= FEW_VALUES and (values == np.round(values)).all():
        yield (
            f"{said.name}: {said.output} has {len(values)} different whole numbers, and is learnt as a number; "
            "`classes: true` learns them as classes, `classes: false` says that this is meant"
        )


def _split_words(said: DataFile) -> str:
    """How the file splits the rows, after their number; empty if it leaves that to the seed."""
    match said.split:
        case SplitBy(by=column):
            return f"with all rows of one {column} in one split"
        case SplitAfter(after=day):
            return f"of which those with {said.split_column} after {day} are for testing"
        case str() as column:
            return f"split by the column {column}"
    return "split by the files" if said.test else ""


def _inputs(said: DataFile, table: Any) -> list[str]:
    """The columns that are learnt from: those named, or else all; never the output or what splits the rows."""
    inputs: list[str] = []
    not_inputs = {said.output, said.split_column, *(said.leave_out or ())}
    for name in said.inputs or table.columns:
        of_array = [column for column in table if column.startswith(name) and column.removeprefix(name).isdecimal()]
        for column in [name] if name in table else of_array or [name]:  # an array's columns are x0, x1 and so on
            if column in inputs:
                raise TargetError(f"target.inputs: {column} is given twice, once by {name}; keep one")
            if column not in not_inputs:
                inputs.append(column)
    return inputs


def _split(said: DataFile, tables: dict[str, Table]) -> tuple[Rows, Rows | None]:
    """Who splits each row [n], and which rows [n] go into one split together, where a column says so."""
    table = tables["data"]
    match said.split:
        case SplitBy(by=column):
            return _parts_by_file(tables), np.unique(texts(table, column), return_inverse=True)[1]
        case SplitAfter(after=day):
            days = read_numbers(table, str(said.split_column), "date")
            is_later = days > (day - date(1970, 1, 1)).days
            if is_later.all() or not is_later.any():
                which = "all" if is_later.any() else "no"
                raise TargetError(f"{table.subject}: split: {which} rows are later than {day}; choose another day")
            return np.where(is_later, SPLITS.index("test"), BY_SEED), None
        case str() as column:
            return _parts_by_column(column, table), None
    return _parts_by_file(tables), None


def _parts_by_column(column: str, table: Table) -> Rows:
    words = texts(table, column)
    unknown = words[~words.isin(SPLITS)]
    if len(unknown):
        raise TargetError(
            f"{table.subject}: split: column {column!r} says {unknown.iloc[0]!r} {table.place(unknown.index[0])}; "
            f"write {', '.join(SPLITS[:-1])} or {SPLITS[-1]} in every row, or say {{by: {column}}} to keep the rows of "
            "each value together"
        )
    for name in ("train", "test"):
        if not (words == name).any():
            raise TargetError(f"{table.subject}: split: column {column!r} says {name} in no row; some must be for it")
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


# -------------------------------------------------------------------------------------------------------------- checks
def _output(said: DataFile, tables: Sequence[Table], is_whole: NDArray[np.bool_]) -> tuple[Array, Labels | None]:
    """The values of whole rows; or of classes their numbers from 0, and what the table calls each of them."""
    import pandas as pd

    column = pd.concat([table.rows[said.output] for table in tables], ignore_index=True)[is_whole].infer_objects()
    is_bool = pd.api.types.is_bool_dtype(column)
    has_numbers = is_number(column) and not is_bool
    reading = said.numbers.get(said.output)
    if said.classes is False or (said.classes is None and (has_numbers or reading)):
        next_move = "name a column of numbers as output, say how it is read (numbers:), or say `classes: true`"
        values = [column_numbers(table, said.output, reading, next_move) for table in tables]
        return np.concatenate(values)[is_whole], None
    if has_numbers:
        values_of_rows = column.to_numpy()
    else:
        values_of_rows = np.concatenate([texts(table, said.output) for table in tables])[is_whole]
    labels, numbers_from_0 = np.unique(values_of_rows, return_inverse=True)
    if not has_numbers:
        labels = labels == "True" if is_bool else labels.astype(str)
    return numbers_from_0.astype(np.float64), labels


def _check_varies(where: str, columns: Sequence[Column], output: str, values: Array) -> None:
    """A TargetError that names the columns of numbers that never vary in the rows [n, inputs and output] of training.

    A category or a gap may be lacking there: its input is then 0.
    """
    names = [name for column in columns for name in column.inputs] + [output]
    numeric = {column.name for column in columns if not column.categories} | {output}
    is_constant = [not np.ptp(column[~np.isnan(column)]) if (~np.isnan(column)).any() else True for column in values.T]
    constant = [name for name, is_so in zip(names, is_constant, strict=True) if is_so and name in numeric]
    if constant:
        raise TargetError(
            f"{where}: constant in all rows that can be trained on: {some(constant)}; leave out what never changes"
        )


def _check_classes(where: str, labels: Labels, y: Array, has_seed: bool) -> None:
    least = LEAST_ROWS if has_seed else 1
    counts = np.bincount(y.astype(np.int64), minlength=len(labels))
    rare = [f"{label} ({count})" for label, count in zip(labels, counts.tolist(), strict=True) if count < least]
    if rare:
        raise TargetError(
            f"{where}: a class needs {least} rows or more to train on, and {len(rare)} of {len(labels)} classes have "
            f"fewer: {some(rare)}; drop or merge them, or say `classes: false` if these are numbers"
        )


# ------------------------------------------------------------------------------------------------------------- keeping
# By version, what this process has read: content is its own name, so that none of it is ever out of date.
_KNOWN: dict[str, FileData] = {}


def known_data(task: RunTask) -> FileData:
    """The data of a task that this process has read; a TargetError if it has not."""
    if task.fingerprint not in _KNOWN:
        raise TargetError(f"target {task.target}: its data are not read yet; call `fetch_data` before")
    return _KNOWN[task.fingerprint]


def keep_data(tasks: Iterable[RunTask], folder: Path) -> None:
    """Keep the rows of every data file in `folder` (`results/data`), by their content; those that are there stay.

    They are written anew where columns or classes have other names now.
    """
    for task in {task.fingerprint: task for task in tasks if task.is_data_file}.values():
        path, data = _kept(task, folder), known_data(task)
        if not _is_kept(path, data):
            folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as new:
                new.write_bytes(_packed(data))


def fetch_data(tasks: Iterable[RunTask], folder: Path) -> None:
    """Read what `keep_data` has kept in `folder` and this process does not know yet; a TargetError if it is damaged."""
    for task in {task.fingerprint: task for task in tasks if task.is_data_file}.values():
        if task.fingerprint not in _KNOWN:
            _KNOWN[task.fingerprint] = _unpacked(task, _kept(task, folder))


def _kept(task: RunTask, folder: Path) -> Path:
    return folder / f"{task.fingerprint.removeprefix(DATA_FILE)[:16]}.npz"


def _is_kept(path: Path, data: FileData) -> bool:
    """Whether a kept file is there, whole, and says of columns and classes what the data do now."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            both: Any = (kept.get("labels"), data.labels)  # None where there are no classes
            is_encoded_alike = json.loads(str(kept["words"])).get("encoding", "") == data.encoding
            return is_encoded_alike and _columns(kept) == data.columns and bool(np.array_equal(*both))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False


def _columns(kept: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    """The names of the columns; none in a file from before they were kept."""
    return tuple(kept["columns"].tolist()) if "columns" in kept else ()


def _packed(data: FileData) -> bytes:
    named = ("formula", "source", "classes", "notes", "encoding", "split_words")
    words = {name: getattr(data, name) for name in named}
    arrays: dict[str, Any] = {"x": data.x, "y": data.y, "parts": data.parts, "words": np.array(json.dumps(words))}
    arrays |= {name: array for name in ("labels", "together") if (array := getattr(data, name)) is not None}
    file = io.BytesIO()
    np.savez(file, columns=np.array(data.columns), **arrays)
    return file.getvalue()


def _unpacked(task: RunTask, path: Path) -> FileData:
    try:
        with np.load(path, allow_pickle=False) as kept:
            words = json.loads(str(kept["words"]))
            x, y, parts = kept["x"], kept["y"], kept["parts"]
            names = {"columns": _columns(kept), "labels": kept.get("labels"), "together": kept.get("together")}
    except FileNotFoundError:
        raise TargetError(
            f"target {task.target}: its rows are not in {path}; `harness plan FILE` puts them there, as does `harness "
            "run FILE`"
        ) from None
    except Exception as error:  # of a file that anything may have happened to
        raise TargetError(f"target {task.target}: {path} is damaged ({error}); remove it, and plan again") from None
    if _version(x, y, parts, words["classes"], names["together"]) != task.fingerprint:
        raise TargetError(f"target {task.target}: {path} was changed since; remove it, and plan again")
    known = {**words, **names, "notes": tuple(words["notes"])}
    return FileData(x=x, y=y, parts=parts, version=task.fingerprint, **known)
