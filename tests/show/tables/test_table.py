"""A table as a value, and what it becomes."""

from xml.etree import ElementTree

import pandas as pd
from rich.console import Console

from harness.show.pages.page import to_html
from harness.show.tables.frames import table_of_frame
from harness.show.tables.table import (
    Note,
    Styled,
    Table,
    TableRow,
    for_terminal,
    number_columns,
    table_of,
    text_columns,
    to_markdown,
)

COLUMNS = (*text_columns("arm", "axis"), *number_columns("runs", "loss"))
NOTE = Note("MISFIT", "E = 0", "the law <misses> sizes.", "MISFIT")
TABLE = Table(
    "what came out",
    COLUMNS,
    (
        TableRow(("kan & friends", Styled("flops_train.shared_dense", "code"), 12345, 0.000123456), (NOTE,)),
        TableRow(("", Styled("as before", "dim"), 3, None), goes_on=True),
        TableRow((["mlp", Styled("best", "strong")], "a|b", 7, 0.5), begins_section=True),
    ),
)


def printed(table: Table, width: int) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(for_terminal(table, width), soft_wrap=True)
    return captured.get().splitlines()


def test_a_terminal_never_breaks_a_word():
    texts = "what came out arm axis runs loss kan friends flops_train.shared_dense 12,345 0.000123 mlp best MISFIT"
    for width in (20, 50, 80, 160):
        lines = printed(TABLE, width)
        assert [word for word in texts.split() if not any(word in line for line in lines)] == []


def test_where_columns_do_not_fit_each_row_stands_alone():
    lines = printed(TABLE, 60)
    assert "axis: flops_train.shared_dense" in lines
    assert "notes: MISFIT" in lines
    assert not any("│" in line for line in lines)
    assert any("│" in line for line in printed(TABLE, 80))
    assert max(map(len, printed(TABLE, 80))) <= 80


def test_a_page_has_numbers_typeset_and_names_escaped():
    lines = list(ElementTree.fromstring(to_html(TABLE)).iter("tr"))
    rows = [["".join(cell.itertext()).strip() for cell in line] for line in lines]
    assert rows[0] == ["arm", "axis", "runs", "loss"]
    assert rows[1] == ["kan & friends", "flops_train.shared_dense", "12,345", "1.23×10⁻⁴"]
    assert rows[2][0] == "MISFIT, E = 0: the law <misses> sizes."
    assert rows[3:] == [["", "as before", "3", "–"], ["mlp best", "a|b", "7", "0.5"]]
    assert [line.get("class", "") for line in lines] == ["", "told", "follows", "follows", ""]
    assert "<th>arm</th>" in to_html(Table("", COLUMNS, ()))  # without rows


def test_markdown_is_a_table_of_as_many_cells():
    heads, rule, *rows = to_markdown(TABLE).splitlines()
    assert heads == "| arm | axis | runs | loss |"
    assert rule == "| --- | --- | --- | --- |"
    assert rows[0] == "| kan & friends | `flops_train.shared_dense` | 12,345 | 1.23×10⁻⁴ |"
    assert rows[2] == "| mlp **best** | a/b | 7 | 0.5 |"


def test_a_data_frame_is_a_table():
    frame = pd.DataFrame({"name": ["a", None], "size": [3, 4], "loss": [0.123456, float("nan")]})
    made = table_of_frame("", frame, digits=4)
    assert [column.is_number for column in made.columns] == [False, True, True]
    assert made == table_of("", made.columns, [("a", 3, "0.1235"), (None, 4, None)])
