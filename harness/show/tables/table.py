"""A table as a value, and what it becomes on a terminal and in Markdown; table.html makes it part of a page.

A look at a sweep prints one, so that nothing heavy is imported here.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, Literal, NamedTuple

import rich.table
from rich.cells import cell_len
from rich.text import Text

from harness.base.formats import human, number

if TYPE_CHECKING:
    from harness.laws import Caution, Refusal

TextStyle = Literal["", "strong", "dim", "code", "link"]  # a link leads to the section of that name on the same page


class Styled(NamedTuple):
    """Text that looks different from what is beside it."""

    text: str
    look: TextStyle


Piece = str | float | None | Styled
TableCell = Piece | list[Piece]


class Note(NamedTuple):
    """What to know of a row: a code, what it is about, and a sentence. Of all this a terminal shows `brief` alone."""

    code: str
    about: str
    sentence: str
    brief: str


def notes_of(known: Iterable[Caution | Refusal]) -> tuple[Note, ...]:
    """Cautions and refusals as notes."""
    return tuple(Note(one.code, "", one.reason, one.code) for one in known)


class TableRow(NamedTuple):
    """The cells of a row. A row may go on with what the one before it is about, or begin a section of the table.

    `facts` are what a page's script may choose rows by, a name and a text each.
    """

    cells: tuple[TableCell, ...]
    notes: tuple[Note, ...] = ()
    look: TextStyle = ""
    goes_on: bool = False
    begins_section: bool = False
    facts: tuple[tuple[str, str], ...] = ()


class Column(NamedTuple):
    """A heading. Numbers are set to the right."""

    head: str
    is_number: bool


@dataclass(frozen=True)
class Table:
    """Rows under headings. The title stands above it, and the introduction, in sentences, between the two."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    introduction: str = ""

    def without(self, *heads: str) -> Table:
        """The table less some columns."""
        kept = [index for index, column in enumerate(self.columns) if column.head not in heads]
        rows = [row._replace(cells=tuple(row.cells[index] for index in kept)) for row in self.rows]
        return replace(self, columns=tuple(self.columns[index] for index in kept), rows=tuple(rows))

    def without_notes(self) -> Table:
        """The table less what to know of its rows."""
        return replace(self, rows=tuple(row._replace(notes=()) for row in self.rows))


def text_columns(*heads: str) -> tuple[Column, ...]:
    """Columns of text."""
    return tuple(Column(head, is_number=False) for head in heads)


def number_columns(*heads: str) -> tuple[Column, ...]:
    """Columns of numbers."""
    return tuple(Column(head, is_number=True) for head in heads)


def table_of(
    title: str, columns: Iterable[Column], rows: Iterable[Iterable[TableCell]], introduction: str = ""
) -> Table:
    """A table of nothing but cells."""
    return Table(title, tuple(columns), tuple(TableRow(tuple(cells)) for cells in rows), introduction)


def pieces(cell: TableCell, write: Callable[[float | None], str]) -> list[Styled]:
    """What a cell says, piece by piece; whole numbers are written in full, others as `write` does."""
    styled = []
    for piece in cell if isinstance(cell, list) else [cell]:
        match piece:
            case Styled():
                styled.append(piece)
            case str():
                styled.append(Styled(piece, ""))
            case Integral():
                styled.append(Styled(f"{piece:,}", ""))
            case _:
                styled.append(Styled(write(piece), ""))
    return styled


# ----------------------------------------------------------------------------------------------------------- terminals
def for_terminal(one: Table, width: int) -> rich.table.Table | str:
    """The table for a terminal of that many columns; no word is broken.

    Where even that does not fit, each row stands alone, a line a cell.
    """
    briefs = ["; ".join(dict.fromkeys(note.brief for note in row.notes if note.brief)) for row in one.rows]
    columns = one.columns
    rows = [[_rich_cell(cell) for cell in row.cells] for row in one.rows]
    if any(briefs):
        columns += text_columns("notes")
        rows = [[*cells, Text(brief)] for cells, brief in zip(rows, briefs, strict=True)]
    heads = [column.head for column in columns]
    widths = []
    for index, head in enumerate(heads):
        words = " ".join([head, *(cells[index].plain for cells in rows), "-"]).split()
        widths.append(max(map(cell_len, words)))
    if sum(widths) + 3 * len(widths) + 1 > width:
        return _row_by_row(one.title, heads, rows, width)
    drawn = rich.table.Table(title=one.title or None, title_justify="left")
    for column, width_of_column in zip(columns, widths, strict=True):
        drawn.add_column(column.head, justify="right" if column.is_number else "left", min_width=width_of_column)
    for row, cells in zip(one.rows, rows, strict=True):
        if row.begins_section:
            drawn.add_section()
        drawn.add_row(*cells, style=_RICH[row.look])
    return drawn


_RICH = {"": "", "strong": "bold", "dim": "dim", "code": "", "link": ""}


def _rich_cell(cell: TableCell) -> Text:
    return Text(" ").join(Text(text, _RICH[look]) for text, look in pieces(cell, number))


def _row_by_row(title: str, heads: list[str], rows: list[list[Text]], width: int) -> str:
    texts = [title]
    for cells in rows:
        texts += [f"{head}: {cell.plain}" for head, cell in zip(heads, cells, strict=True) if cell.plain]
        texts.append("")
    lines = [textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""] for text in texts]
    return "\n".join(itertools.chain.from_iterable(lines))


# ------------------------------------------------------------------------------------------------------------ Markdown
def to_markdown(one: Table) -> str:
    """The table as Markdown, without its title and introduction."""
    heads = [column.head for column in one.columns]
    lines = [heads, ["---"] * len(heads)]
    for row in one.rows:
        lines.append([" ".join(map(_markdown, pieces(cell, human))) for cell in row.cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _markdown(piece: Styled) -> str:
    mark = {"strong": "**", "code": "`"}.get(piece.look, "")
    return f"{mark}{piece.text.replace('|', '/')}{mark}"
