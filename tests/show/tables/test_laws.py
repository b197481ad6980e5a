"""Tables of laws: all forms, with and without the window, what was predicted of held-out sizes, and what to know."""

from dataclasses import replace

import numpy as np
import pandas as pd

from harness.judging.laws import SeriesLaws, check, fit_runs
from harness.judging.scaling import windowed
from harness.laws import Caution
from harness.show.tables.laws import checks_table, held_out_table, laws_table, note_sentences
from harness.show.tables.table import Note
from harness.show.words import exponent_words

SIZES = 10.0 ** np.arange(1, 7)
LOSSES = 2 / SIZES * np.exp([0.01, -0.02, 0.01, 0.01, -0.01, 0.0])
AHEAD = np.array([2e6, 1e7])
AXIS = "params.trainable"


def _laws(sizes=SIZES, losses=LOSSES, most: float | None = None, hold_out: int = 0) -> list[SeriesLaws]:
    """One series under both laws, fitted up to a size, or with its largest sizes held out."""
    runs = pd.DataFrame({"task": "xy", "series": "kan", "size": sizes, "test_loss": losses})
    runs = runs.assign(status="done", metric="rmse", dtype="float64")
    return fit_runs({AXIS: windowed(runs, None, most, False, hold_out)})


def test_the_law_without_the_window_has_a_row_of_its_own():
    laws = _laws(np.append(SIZES, 1e7), np.append(LOSSES, 1.0), most=1e6)
    within, without = laws_table(laws).rows
    assert [cell.text for cell in within.cells[4:6]] == [exponent_words(fit) for fit in laws[0].fits.values()]
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
    assert Note("BRAND_NEW", "E = 0", "a reason", "BRAND_NEW") in table.rows[0].notes
    assert "BRAND_NEW, xy kan, E = 0: a reason" in list(note_sentences([table]))


def test_held_out_sizes_have_their_predictions_and_outcomes():
    laws = _laws(np.append(SIZES, AHEAD), np.append(LOSSES, 2 / AHEAD * [1, 10]), hold_out=2)
    good, bad, errors = (row.cells for row in held_out_table(laws).rows)
    held_out = laws[0].held_out["pure"]
    assert good[4:6] == ("2×10⁶", "10⁻⁶")
    assert [cell.rsplit(" ")[-1] for cell in (*good[6:], *bad[6:])] == ["within", "within", "missed", "missed"]
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
    assert checks_table([one, *other]).rows[0].cells[4:] == ("none", "–", "too few sizes", *["–"] * 7)
