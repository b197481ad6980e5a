"""A table as a value, and what it becomes on a terminal and in Markdown; table.html makes it part
of a page.

A look at a sweep prints one, so that nothing heavy is imported here.
"""

import itertools
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Literal, NamedTuple

import rich.table
from rich.cells import cell_len
from rich.text import Text

from harness.base.formats import NONE, human, number
from harness.base.reasons import Caution, Refusal

TextStyle = Literal[
    "", "strong", "dim", "code", "link"
]  # a link leads to the section of that name on the same page


class Styled(NamedTuple):
    """Text that looks different from what is beside it."""

    text: str
    look: TextStyle


Piece = str | float | None | Styled
TableCell = Piece | list[Piece]


class Note(NamedTuple):
    """What to know of a row: a code, what it is about, and a sentence. Of all this a terminal shows
    `brief` alone.
    """

    code: str
    about: str
    sentence: str
    brief: str


def notes_of(reasons: Iterable[Caution | Refusal]) -> tuple[Note, ...]:
    """Cautions and refusals as notes."""
    return tuple(Note(reason.code, "", reason.reason, reason.code) for reason in reasons)


class TableRow(NamedTuple):
    """The cells of a row. A row may go on with what the one before it is about, or begin a section
    of the table.

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
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under headings. The title stands above it, and the introduction, in sentences, between
    the two.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    introduction: str = ""

    @property
    def heads(self) -> tuple[str, ...]:
        """The headings."""
        return tuple(column.head for column in self.columns)

    def without(self, *heads: str) -> "Table":
        """The table less some columns."""
        stays = [head not in heads for head in self.heads]
        rows = [
            row._replace(cells=tuple(itertools.compress(row.cells, stays))) for row in self.rows
        ]
        return replace(
            self, columns=tuple(itertools.compress(self.columns, stays)), rows=tuple(rows)
        )

    def without_notes(self) -> "Table":
        """The table less what to know of its rows."""
        return replace(self, rows=tuple(row._replace(notes=()) for row in self.rows))


def table_of(
    title: str,
    heads: Iterable[str],
    rows: Iterable[TableRow | Iterable[TableCell]],
    introduction: str = "",
) -> Table:
    """A table of these rows, or of rows of these cells. A column whose head begins with `#` is one
    of numbers.
    """
    columns = tuple(Column(head.removeprefix("#"), head.startswith("#")) for head in heads)
    whole_rows = (row if isinstance(row, TableRow) else TableRow(tuple(row)) for row in rows)
    return Table(title, columns, tuple(whole_rows), introduction)


def span_words(numbers: Collection[int]) -> str:
    """`12`, or `12 to 40`."""
    return (
        " to ".join(dict.fromkeys(f"{end:,}" for end in (min(numbers), max(numbers))))
        if numbers
        else NONE
    )


def pieces(cell: TableCell, write: Callable[[float | None], str]) -> list[Styled]:
    """What a cell says, piece by piece; whole numbers are written in full, others as `write`
    does.
    """
    return [_styled(piece, write) for piece in (cell if isinstance(cell, list) else [cell])]


def _styled(piece: Piece, write: Callable[[float | None], str]) -> Styled:
    match piece:
        case Styled():
            return piece
        case str():
            return Styled(piece, "")
        case Integral():
            return Styled(f"{piece:,}", "")
        case _:
            return Styled(write(piece), "")


def for_terminal(table: Table, width: int) -> rich.table.Table | str:
    """The table for a terminal of that many columns; no word is broken.

    Where even that does not fit, each row stands alone, a line a cell.
    """
    briefs = []
    for row in table.rows:
        briefs.append("; ".join(filter(None, dict.fromkeys(note.brief for note in row.notes))))
    if any(briefs):
        rows = [
            row._replace(cells=(*row.cells, brief))
            for row, brief in zip(table.rows, briefs, strict=True)
        ]
        table = replace(table, columns=(*table.columns, Column("notes")), rows=tuple(rows))
    styled = ([pieces(cell, number) for cell in row.cells] for row in table.rows)
    lines = [
        [Text(" ").join(Text(text, _RICH[look]) for text, look in cell) for cell in row]
        for row in styled
    ]
    widths = []
    for place, head in enumerate(table.heads):
        words = " ".join([head, "-", *(cells[place].plain for cells in lines)]).split()
        widths.append(max(map(cell_len, words)))
    if sum(widths) + 3 * len(widths) + 1 > width:
        return _row_by_row(table, lines, width)
    drawn = rich.table.Table(title=table.title or None, title_justify="left")
    for column, column_width in zip(table.columns, widths, strict=True):
        drawn.add_column(
            column.head, justify="right" if column.is_number else "left", min_width=column_width
        )
    for row, cells in zip(table.rows, lines, strict=True):
        if row.begins_section:
            drawn.add_section()
        drawn.add_row(*cells, style=_RICH[row.look])
    return drawn


_RICH = {"": "", "strong": "bold", "dim": "dim", "code": "", "link": ""}


def _row_by_row(table: Table, lines: Sequence[Sequence[Text]], width: int) -> str:
    texts = [table.title]
    for cells in lines:
        texts += [
            f"{head}: {cell.plain}" for head, cell in zip(table.heads, cells, strict=True) if cell
        ]
        texts.append("")
    wrapped = [
        textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
        for text in texts
    ]
    return "\n".join(itertools.chain.from_iterable(wrapped))


def to_markdown(table: Table) -> str:
    """The table as Markdown, without its title and introduction."""
    lines: list[Sequence[str]] = [table.heads, ["---"] * len(table.heads)]
    marks = {"strong": "**", "code": "`"}
    for row in table.rows:
        texts = []
        for cell in row.cells:
            marked = [
                f"{marks.get(look, '')}{text}{marks.get(look, '')}"
                for text, look in pieces(cell, human)
            ]
            texts.append(" ".join(marked).replace("|", "/"))
        lines.append(texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
