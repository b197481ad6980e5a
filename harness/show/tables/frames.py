"""A data frame as a table."""

import pandas as pd

from harness.base.formats import number
from harness.show.tables.table import Column, Table, TableRow


def table_of_frame(title: str, frame: pd.DataFrame, digits: int | None = None) -> Table:
    """The columns of a data frame under their names; floats to so many digits, or as usual."""
    columns = tuple(Column(str(name), pd.api.types.is_numeric_dtype(frame[name])) for name in frame)
    rows = []
    for values in plain(frame).itertuples(index=False):
        cells = (
            number(cell, digits) if digits and isinstance(cell, float) else cell for cell in values
        )
        rows.append(TableRow(tuple(cells)))
    return Table(title, columns, tuple(rows))


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as JSON and cells have it: what is missing is None."""
    return frame.astype(object).where(frame.notna(), None)
