"""How a column of a user's table becomes inputs of a network: read as numbers, gaps marked, one
input a category.

Nothing here is learnt from values. Medians are those of training rows (`FileData.draw`). A category
that training rows lack is 0 in all of its inputs, as any input is that is constant in training.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from harness.spec.task import MOST_CATEGORIES, DataFile, Reading
from harness.tasks.samples import Array
from harness.tasks.table import (
    Table,
    check_complete,
    is_number,
    named_columns,
    numbers,
    some,
    texts,
    why_no_numbers,
)
from harness.tasks.target import TargetError

GAP = "(missing)"  # the category of a gap, and the input that says that there is one
LEAST_NAMED_ROWS = 20  # from which on a column with another value in every row names its rows


class Column(NamedTuple):
    """A column of a table and how it becomes inputs.

    One of text has `categories`, each of which is an input. One of numbers `with_gaps` has a second
    input, which is 1 where its value is missing.
    """

    name: str
    reading: Reading | None = None
    categories: tuple[str, ...] = ()
    with_gaps: bool = False

    @property
    def inputs(self) -> list[str]:
        """What its inputs are called."""
        if self.categories:
            return [f"{self.name}={category}" for category in self.categories]
        return [self.name, f"{self.name}={GAP}"] if self.with_gaps else [self.name]


# --------------------------------------------------------------------------------------------------
# readings
class Writing(NamedTuple):
    """How the cells of a reading are written, in an example and as a pattern, and the numbers [n]
    of such text [n].
    """

    example: str
    pattern: re.Pattern[str]
    numbers: Callable[[Any], Any]


# Of money: letters alone are no unit, as `S41` is the code of a seller.
_UNIT = r"(?:US\$|[$€£¥₹₽₩₺₫฿₴₦₪]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|BRL|kr|zł)"


def _with_unit(group: str, point: str) -> re.Pattern[str]:
    """A number, its digits in groups of three or not, with a unit before it, after it or none."""
    digits = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)(?:{point}\d+)?"
    two_signs = r".*[-+].*[-+]"
    return re.compile(rf"(?!{two_signs})[-+]?(?:{_UNIT})?\s?[-+]?{digits}\s?(?:{_UNIT})?")


def _numbers_without(unwanted: str, text: Any) -> Any:
    return text.str.replace(unwanted, "", regex=True).str.replace(",", ".").astype(float)


def _days(text: Any) -> Any:
    """Days since the first of January 1970, with what is left of a day."""
    import pandas as pd

    moments = pd.to_datetime(
        text, format="ISO8601", utc=True, errors="coerce"
    )  # NaN where no calendar has it
    return (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


WRITINGS: dict[Reading, Writing] = {
    "percent": Writing(
        "37%", re.compile(r"[-+]?\d+(?:\.\d+)?\s?%"), partial(_numbers_without, r"[\s%]")
    ),
    "currency": Writing(
        "$25,966", _with_unit(",", r"\."), partial(_numbers_without, rf"{_UNIT}|[\s,]")
    ),
    "decimal_comma": Writing(
        "1.234,5", _with_unit(r"\.", ","), partial(_numbers_without, rf"{_UNIT}|[\s.]")
    ),
    "date": Writing("2024-01-31", re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].+)?"), _days),
}


def read_numbers(table: Table, name: str, reading: Reading) -> Array:
    """A column as float64 [n], NaN where it has a gap; a TargetError names the first cell that is
    written otherwise.
    """
    import pandas as pd

    column, writing = table.rows[name], WRITINGS[reading]
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype(str).where(column.notna())
    values = np.full(len(column), np.nan)
    is_there = column.notna().to_numpy()
    text = column[is_there].astype(str).str.strip()
    is_wrong = ~text.str.fullmatch(writing.pattern).to_numpy(bool)
    if not is_wrong.any():
        values[is_there] = writing.numbers(text)
        is_wrong = np.isnan(values[is_there])
    if is_wrong.any():
        row = int(np.flatnonzero(is_there)[is_wrong.argmax()])
        raise TargetError(
            f"{table.subject}: column {name!r} is {column.iloc[row]!r} {table.place(row)}, which "
            "is not written as "
            f"{reading} ({writing.example}); mend it, or leave the column out"
        )
    return values


# --------------------------------------------------------------------------------------------------
# encoding
def column_of(tables: Sequence[Table], name: str, file: DataFile) -> Column:
    """A column of the tables of a file with how it says that it is read."""
    import pandas as pd

    has_gaps = any(table.rows[name].isna().any() for table in tables)
    if name not in file.encode:
        return Column(name, file.numbers.get(name), with_gaps=has_gaps and file.missing == "median")
    of_all_tables = pd.concat(
        [table.rows[[name]] for table in tables], ignore_index=True
    )  # as cells of one type
    values = set(_categories(tables[0]._replace(rows=of_all_tables), name))
    categories = sorted(values - {GAP}) + ([GAP] if has_gaps and file.missing == "median" else [])
    if len(categories) > MOST_CATEGORIES:
        raise TargetError(
            f"target.encode.{name}: {file.data}: it has {len(categories):,} categories "
            f"({some(categories)}); "
            f"at most {MOST_CATEGORIES} become inputs, so merge some, or leave the column out"
        )
    return Column(name, categories=tuple(categories))


def _categories(table: Table, name: str) -> Any:
    return texts(table, name).str.strip().where(table.rows[name].notna(), GAP)


def encoded(table: Table, columns: Sequence[Column], next_move: str) -> Array:
    """The inputs of these columns, float64 [n, inputs]; NaN where a number is missing.

    A category that a column does not name is 0 in all of its inputs.
    """
    return np.column_stack([_inputs_of(table, column, next_move) for column in columns])


def _inputs_of(table: Table, column: Column, next_move: str) -> Array:
    import pandas as pd

    if column.categories:
        of_rows, categories = _categories(table, column.name), pd.Series(column.categories)
        if is_number(table.rows[column.name]):  # a table with gaps has 1.0 where another one has 1
            of_rows, categories = of_rows.str.removesuffix(".0"), categories.str.removesuffix(".0")
        return (of_rows.to_numpy()[:, None] == categories.to_numpy()).astype(np.float64)
    values = column_numbers(table, column.name, column.reading, next_move)
    return np.column_stack([values, np.isnan(values)]) if column.with_gaps else values[:, None]


def column_numbers(table: Table, name: str, reading: Reading | None, next_move: str) -> Array:
    """A column as float64 [n], read as the file says; NaN where it has a gap."""
    if reading:
        return read_numbers(table, name, reading)
    is_there = table.rows[name].notna().to_numpy()
    values = np.full(len(is_there), np.nan)
    if is_there.any():
        without_gaps = table.rows[
            is_there
        ].infer_objects()  # true and false beside gaps are objects
        values[is_there] = numbers(table._replace(rows=without_gaps), name, next_move)
    return values


def encoded_by_name(
    subject: str, rows: Any, columns: Sequence[Column], fill: Array | None = None
) -> Array:
    """The inputs of new rows of a DataFrame, float64 [n, inputs], as training had them; `fill`
    stands in gaps.

    A TargetError about `subject` names columns that are not there, there twice, or written
    otherwise.
    """
    table = named_columns(subject, rows, [column.name for column in columns])
    may_have_gaps = any(column.with_gaps for column in columns)  # then a median was learnt for all
    check_complete(
        table, [] if may_have_gaps else list(table.rows), "fill them, or drop these rows"
    )
    x = encoded(table, columns, "write it as it was in the table that the network was trained on")
    return np.where(np.isnan(x), np.nan if fill is None else fill, x)


def to_text(columns: Sequence[Column]) -> str:
    """What data and kept networks know of columns that are more than plain numbers; empty if none
    is.
    """
    is_plain = all(column == Column(column.name) for column in columns)
    return "" if is_plain else json.dumps(columns)


def from_text(text: str) -> list[Column]:
    """The columns of `to_text`."""
    return [
        Column(name, reading, tuple(categories), gaps)
        for name, reading, categories, gaps in json.loads(text)
    ]


# --------------------------------------------------------------------------------------------------
# suggestions
class Suggestion(NamedTuple):
    """What a first file can say of a column: how it is read or encoded, or why it is left out."""

    reading: Reading | None = None
    one_hot: bool = False
    left_out: str = ""
    is_name: bool = False  # or the only input, as the number of a step can be


def suggest(table: Table, name: str) -> Suggestion:
    """How a column can be an input, by its values alone; or why it should not be one, in words that
    follow its name.
    """
    import pandas as pd

    column = table.rows[name]
    cells = column.dropna()
    if name.startswith("Unnamed: "):  # what pandas calls a column without a name
        return Suggestion(left_out="which has no name")
    try:
        number_of_values = cells.nunique()
    except TypeError:  # of a list, which no column of numbers has
        return Suggestion(left_out=why_no_numbers(table, name))
    if number_of_values < 2:
        return Suggestion(left_out="which is constant" if len(cells) else "which is empty")
    if (
        len(column) >= LEAST_NAMED_ROWS
        and pd.api.types.is_integer_dtype(column)
        and column.is_unique
    ):
        return Suggestion(
            left_out="which has another value in every row, as a name has", is_name=True
        )
    if is_number(column):
        return Suggestion()
    if pd.api.types.is_datetime64_any_dtype(column):
        return Suggestion(reading="date")
    text = texts(Table(table.subject, table.rows.loc[cells.index, [name]], None), name).str.strip()
    shares = {
        reading: text.str.fullmatch(writing.pattern).mean() for reading, writing in WRITINGS.items()
    }
    reading = max(WRITINGS, key=lambda reading: shares[reading])
    if shares[reading] == 1:
        return Suggestion(reading=reading)
    categories = text.nunique() + int(len(cells) < len(column))
    if categories <= MOST_CATEGORIES:
        return Suggestion(one_hot=True)
    if (
        pd.to_numeric(text, errors="coerce").notna().mean() > 1 / 2
    ):  # a few cells are written otherwise
        return Suggestion(
            left_out=why_no_numbers(
                Table(table.subject, table.rows.loc[cells.index], table.path), name
            )
        )
    if shares[reading] > 1 / 2:
        odd_cell = text[~text.str.fullmatch(WRITINGS[reading].pattern)].iloc[0]
        return Suggestion(
            left_out=f"which is {reading}, but for cells such as {odd_cell!r}: empty these cells"
        )
    return Suggestion(
        left_out=(
            f"which has {categories:,} different texts, and at most {MOST_CATEGORIES} become inputs"
        )
    )
