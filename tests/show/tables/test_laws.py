"""Tables of the command line: both laws, with and without the window, and what was predicted of held-out sizes."""

from dataclasses import replace

import numpy as np

from harness.judging.scaling import SeriesFit
from harness.laws import Caution, fit_law
from harness.laws.held_out import extrapolate
from harness.show.tables.laws import fits_table, held_out_table
from harness.show.tables.table import Note
from harness.show.words import exponent_words

SIZES = 10.0 ** np.arange(1, 7)
LOSSES = 2 / SIZES * np.exp([0.01, -0.02, 0.01, 0.01, -0.01, 0.0])
AHEAD = np.array([2e6, 1e7])
AXIS = "params.trainable"


def _fits() -> list[SeriesFit]:
    return [SeriesFit("xy", "kan", AXIS, fit_law(SIZES, LOSSES, law), 0, 0) for law in ("pure", "floor")]


def test_the_law_without_the_window_has_a_row_of_its_own():
    """Below the laws of the window stand the same laws of all sizes, under the same headings."""
    wide = np.append(LOSSES, 1.0)
    fits = [
        one._replace(runs_outside_window=3, without_window=fit_law(np.append(SIZES, 1e7), wide, one.fit.law))
        for one in _fits()
    ]

    within, without = fits_table(fits, [AXIS]).rows

    assert [cell.text for cell in within.cells[4:6]] == [exponent_words(one.fit) for one in fits]
    assert [cell.look for cell in within.cells[4:6]] == ["", "strong"]
    assert within.cells[7] == 6
    assert within.notes[-1].brief == "3 runs outside the window"
    assert without.cells[1].text == "without the window"
    assert [cell.text for cell in without.cells[4:6]] == ["NONMONOTONE", "NONMONOTONE"]
    assert without.cells[7] == 7
    assert without.goes_on


def test_any_caution_is_in_the_notes():
    """A code that this version has never heard of is shown all the same."""
    pure, floor = _fits()
    warned = pure._replace(fit=replace(pure.fit, warnings=(Caution("BRAND_NEW", "a reason"),)))

    (row,) = fits_table([warned, floor], [AXIS]).rows

    assert Note("BRAND_NEW", "E = 0", "a reason", "BRAND_NEW") in row.notes


def test_held_out_sizes_have_their_predictions_and_outcomes():
    """A size that follows the law is within, one ten times worse is missed; errors stand beside the last value's."""
    measured = 2 / AHEAD * [1, 10]
    fits = [one._replace(held_out=extrapolate(one.fit, AHEAD, measured)) for one in _fits()]

    good, bad, errors = (row.cells for row in held_out_table(fits, [AXIS]).rows)

    assert good[4:6] == ("2×10⁶", "10⁻⁶")
    assert [cell.rsplit(" ")[-1] for cell in (*good[6:], *bad[6:])] == ["within", "within", "missed", "missed"]
    assert errors[5] == f"last value: RMSLE {fits[0].held_out.last_value_rmsle:.2g}"
    assert errors[6] == f"RMSLE {fits[0].held_out.prediction.rmsle:.2g}"


def test_a_law_that_predicts_nothing_says_why_in_a_word():
    """A refused law shows its code where a prediction would be, a local slope that there is none."""
    few, local = SIZES[:3], 10 ** np.linspace(3, 3.9, 6)
    for sizes, said in ((few, "TOO_FEW"), (local, "no prediction")):
        laws = [fit_law(sizes, 1 / sizes, law) for law in ("pure", "floor")]
        fits = [SeriesFit("xy", "kan", AXIS, law, 0, 0, None, extrapolate(law, AHEAD, 1 / AHEAD)) for law in laws]

        first, *_ = held_out_table(fits, [AXIS]).rows

        assert first.cells[6] == said


def test_without_held_out_sizes_there_is_no_table_of_them():
    """An experiment that holds nothing out prints nothing about it."""
    assert held_out_table(_fits(), [AXIS]) is None
