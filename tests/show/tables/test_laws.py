"""Tables of laws, and a table as a value: what it becomes."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from rich.console import Console

from harness.judging.laws import SeriesLaws, check, fit_runs
from harness.judging.scaling import windowed
from harness.laws import Caution
from harness.show.pages.page import to_html
from harness.show.tables import table as tables
from harness.show.tables.frames import table_of_frame
from harness.show.tables.laws import checks_table, held_out_table, laws_table, note_sentences
from harness.show.words import exponent_words

SIZES = 10.0 ** np.arange(1, 7)
LOSSES = 2 / SIZES * np.exp([0.01, -0.02, 0.01, 0.01, -0.01, 0.0])
AHEAD = np.array([2e6, 1e7])
AXIS = "params.trainable"


def _laws(
    sizes=SIZES, losses=LOSSES, most: float | None = None, hold_out: int = 0
) -> list[SeriesLaws]:
    """One series under both laws, fitted up to a size, or with its largest sizes held out."""
    runs = pd.DataFrame({"task": "xy", "series": "kan", "size": sizes, "test_loss": losses})
    runs = runs.assign(status="done", metric="rmse", dtype="float64")
    return fit_runs({AXIS: windowed(runs, None, most, False, hold_out)})


def test_the_law_without_the_window_has_a_row_of_its_own():
    laws = _laws(np.append(SIZES, 1e7), np.append(LOSSES, 1.0), most=1e6)
    within, without = laws_table(laws).rows
    assert [cell.text for cell in within.cells[4:6]] == [
        exponent_words(fit) for fit in laws[0].fits.values()
    ]
    assert [cell.look for cell in within.cells[4:6]] == ["strong", ""]
    assert within.cells[7:9] == (6, 6)
    assert within.notes[-1].brief == "1 runs outside the window"
    assert without.cells[1].text == "without the window"
    assert [cell.text for cell in without.cells[4:6]] == ["NONMONOTONE", "NONMONOTONE"]
    assert without.cells[7] == 7
    assert without.goes_on


def test_any_caution_is_in_the_notes_and_in_a_sentence():
    """A code that this version has never heard of is shown all the same."""
    (one,) = _laws()
    pure = replace(one.fits["pure"], warnings=(Caution("BRAND_NEW", "a reason"),))
    table = laws_table([replace(one, fits=one.fits | {"pure": pure})])
    assert tables.Note("BRAND_NEW", "E = 0", "a reason", "BRAND_NEW") in table.rows[0].notes
    assert "BRAND_NEW, xy kan, E = 0: a reason" in list(note_sentences([table]))


def test_held_out_sizes_have_their_predictions_and_outcomes():
    laws = _laws(np.append(SIZES, AHEAD), np.append(LOSSES, 2 / AHEAD * [1, 10]), hold_out=2)
    good, bad, errors = (row.cells for row in held_out_table(laws).rows)
    held_out = laws[0].held_out["pure"]
    assert good[4:6] == ("2×10⁶", "10⁻⁶")
    assert [cell.rsplit(" ")[-1] for cell in (*good[6:], *bad[6:])] == [
        "within",
        "within",
        "missed",
        "missed",
    ]
    assert errors[5] == f"last value: RMSLE {held_out.last_value_rmsle:.2g}"
    assert errors[6] == f"RMSLE {held_out.prediction.rmsle:.2g}"


def test_a_law_that_predicts_nothing_says_why_in_a_word():
    few, local = SIZES[:3], 10 ** np.linspace(3, 3.9, 6)
    for sizes, said in ((few, "TOO_FEW"), (local, "no prediction")):
        every = np.append(sizes, AHEAD)
        first, *_ = held_out_table(_laws(every, 1 / every, hold_out=2)).rows
        assert first.cells[6] == said


def test_a_series_that_every_law_refuses_has_no_number_in_its_checks():
    (one,) = check(_laws(SIZES[:2], LOSSES[:2]))
    other = check(_laws())
    assert checks_table([one, *other]).rows[0].cells[4:] == (
        "none",
        "–",
        "too few sizes",
        *["–"] * 7,
    )


HEADS = ("arm", "axis", "#runs", "#loss")
NOTE = tables.Note("MISFIT", "E = 0", "the law <misses> sizes.", "MISFIT")
TABLE = tables.table_of(
    "what came out",
    HEADS,
    (
        tables.TableRow(
            (
                "kan & friends",
                tables.Styled("flops_train.shared_dense", "code"),
                12345,
                0.000123456,
            ),
            (NOTE,),
        ),
        tables.TableRow(("", tables.Styled("as before", "dim"), 3, None), goes_on=True),
        tables.TableRow(
            (["mlp", tables.Styled("best", "strong")], "a|b", 7, 0.5), begins_section=True
        ),
    ),
)


def printed(table: tables.Table, width: int) -> list[str]:
    console = Console(width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(tables.for_terminal(table, width), soft_wrap=True)
    return captured.get().splitlines()


def test_a_terminal_never_breaks_a_word():
    texts = (
        "what came out arm axis runs loss kan friends flops_train.shared_dense 12,345 "
        "0.000123 mlp best MISFIT"
    )
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
    assert "<th>arm</th>" in to_html(tables.table_of("", HEADS, ()))  # without rows


def test_markdown_is_a_table_of_as_many_cells():
    heads, rule, *rows = tables.to_markdown(TABLE).splitlines()
    assert heads == "| arm | axis | runs | loss |"
    assert rule == "| --- | --- | --- | --- |"
    assert rows[0] == "| kan & friends | `flops_train.shared_dense` | 12,345 | 1.23×10⁻⁴ |"
    assert rows[2] == "| mlp **best** | a/b | 7 | 0.5 |"


def test_a_data_frame_is_a_table():
    frame = pd.DataFrame({"name": ["a", None], "size": [3, 4], "loss": [0.123456, float("nan")]})
    made = table_of_frame("", frame, digits=4)
    assert [column.is_number for column in made.columns] == [False, True, True]
    assert made == tables.table_of(
        "", ("name", "#size", "#loss"), [("a", 3, "0.1235"), (None, 4, None)]
    )
