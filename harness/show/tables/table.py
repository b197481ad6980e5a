"""A table as a value, and what it becomes on a terminal, on a page and in Markdown.

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
from markupsafe import Markup
from rich.cells import cell_len
from rich.text import Text

from harness.base.formats import human, number
from harness.show.codes import linked

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


def _text(piece: Piece, write: Callable[[float | None], str]) -> str:
    """Whole numbers are written in full."""
    match piece:
        case Styled(text, _):
            return text
        case str():
            return piece
        case Integral():
            return f"{piece:,}"
    return write(piece)


def _pieces(cell: TableCell) -> list[Piece]:
    return cell if isinstance(cell, list) else [cell]


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
    widths = [_longest_word(head, [cells[index].plain for cells in rows]) for index, head in enumerate(heads)]
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
    styled = [(_text(piece, number), _RICH[piece.look if isinstance(piece, Styled) else ""]) for piece in _pieces(cell)]
    return Text(" ").join(Text(text, style) for text, style in styled)


def _longest_word(head: str, cells: list[str]) -> int:
    return max(cell_len(word) for word in " ".join([head, *cells, "-"]).split())


def _row_by_row(title: str, heads: list[str], rows: list[list[Text]], width: int) -> str:
    texts = [title]
    for cells in rows:
        texts += [f"{head}: {cell.plain}" for head, cell in zip(heads, cells, strict=True) if cell.plain]
        texts.append("")
    lines = [textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""] for text in texts]
    return "\n".join(itertools.chain.from_iterable(lines))


# --------------------------------------------------------------------------------------------------------------- pages
def to_html(one: Table) -> Markup:
    """The table as HTML, without its title and introduction; on narrow screens each row stands alone.

    A code leads to the section of its name.
    """
    heads = Markup("").join(Markup("<th{}>{}</th>").format(_class(column), column.head) for column in one.columns)
    lines = [Markup('<table class="cards">\n<thead><tr>{}</tr></thead>\n<tbody>').format(heads)]
    for row, after in itertools.zip_longest(one.rows, one.rows[1:]):
        leads = bool(row.notes) or (after is not None and after.goes_on)
        classes = [("told", leads), ("follows", row.goes_on), (row.look, row.look != "")]
        names = " ".join(name for name, holds in classes if holds)
        attributes = [*([("class", names)] if names else []), *((f"data-{name}", fact) for name, fact in row.facts)]
        told = Markup("").join(Markup(' {}="{}"').format(*attribute) for attribute in attributes)
        lines.append(Markup("<tr{}>").format(told))
        for column, cell in zip(one.columns, row.cells, strict=True):
            content = Markup(" ").join(_html(piece) for piece in _pieces(cell))
            lines.append(Markup('<td{} data-name="{}">{}</td>').format(_class(column), column.head, content))
        lines.append(Markup("</tr>"))
        if row.notes:
            lines.append(_notes_html(row.notes, len(one.columns)))
    return Markup("\n").join([*lines, Markup("</tbody>\n</table>")])


def _class(column: Column) -> Markup:
    return Markup(' class="n"') if column.is_number else Markup("")


def _html(piece: Piece) -> Markup:
    text = linked(_text(piece, human))
    match piece.look if isinstance(piece, Styled) else "":
        case "strong":
            return Markup("<strong>{}</strong>").format(text)
        case "dim":
            return Markup('<span class="dim">{}</span>').format(text)
        case "code":
            return Markup("<code>{}</code>").format(text)
        case "link":
            return Markup('<a href="#{}">{}</a>').format(text, text)
    return text


def _notes_html(notes: Iterable[Note], columns: int) -> Markup:
    lines = []
    for note in notes:
        place = ", ".join(filter(None, [note.code, note.about]))
        lines.append(Markup("<li>{}{}{}</li>").format(linked(place), ": " if place else "", linked(note.sentence)))
    cell = Markup('<td class="why" colspan="{}"><ul class="notes">\n{}\n</ul></td>')
    return Markup('<tr class="follows">{}</tr>').format(cell.format(columns, Markup("\n").join(lines)))


# ------------------------------------------------------------------------------------------------------------ Markdown
def to_markdown(one: Table) -> str:
    """The table as Markdown, without its title and introduction."""
    rows = [[_markdown(cell) for cell in row.cells] for row in one.rows]
    heads = [column.head for column in one.columns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *rows])


def _markdown(cell: TableCell) -> str:
    marks = {"": "", "strong": "**", "dim": "", "code": "`", "link": ""}
    parts = []
    for piece in _pieces(cell):
        mark = marks[piece.look if isinstance(piece, Styled) else ""]
        parts.append(f"{mark}{_text(piece, human).replace('|', '/')}{mark}")
    return " ".join(parts)
