"""A data frame as a table."""

from collections.abc import Hashable
from typing import Any

import pandas as pd

from harness.base.formats import number
from harness.show.tables.table import Column, Table, table_of


def table_of_frame(title: str, frame: pd.DataFrame, digits: int | None = None) -> Table:
    """The columns of a data frame under their names; floats to so many digits, or as usual."""
    columns = [Column(str(name), pd.api.types.is_numeric_dtype(frame[name])) for name in frame]
    rows = []
    for values in _plain(frame).itertuples(index=False):
        rows.append([number(cell, digits) if digits and isinstance(cell, float) else cell for cell in values])
    return table_of(title, columns, rows)


def plain_rows(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The rows of a data frame as plain data for JSON."""
    return _plain(frame).to_dict("records")


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """What is missing is None."""
    return frame.astype(object).where(frame.notna(), None)
