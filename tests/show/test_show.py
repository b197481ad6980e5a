"""Tables of the command line: both laws, with and without the window, and what was predicted of held-out sizes."""

from dataclasses import replace

import numpy as np
import pytest
from rich.table import Table

from harness.fit import Caution, fit_law
from harness.fit.held_out import extrapolate
from harness.judging.scaling import SeriesFit
from harness.show.plans import fits_table, held_out_table
from harness.show.words import exponent_words

SIZES = 10.0 ** np.arange(1, 7)
LOSSES = 2 / SIZES * np.exp([0.01, -0.02, 0.01, 0.01, -0.01, 0.0])
AHEAD = np.array([2e6, 1e7])
AXIS = "params.trainable"


def _fits() -> list[SeriesFit]:
    return [SeriesFit("xy", "kan", AXIS, fit_law(SIZES, LOSSES, law), 0, 0) for law in ("pure", "floor")]


def _rows(table: Table) -> list[tuple]:
    return list(zip(*(column.cells for column in table.columns), strict=True))


def test_the_law_without_the_window_has_a_row_of_its_own():
    """Below the laws of the window stand the same laws of all sizes, under the same headings."""
    wide = np.append(LOSSES, 1.0)
    fits = [
        one._replace(outside=3, without_window=fit_law(np.append(SIZES, 1e7), wide, one.fit.law)) for one in _fits()
    ]

    within, without = _rows(fits_table(fits, [AXIS]))

    assert within[3:6] == ("6", exponent_words(fits[0].fit), exponent_words(fits[1].fit))
    assert within[7].endswith("3 runs outside the window")
    assert without[2:6] == ("  without the window", "7", "NONMONOTONE", "NONMONOTONE")


def test_any_caution_is_in_the_notes():
    """A code that this version has never heard of is shown all the same."""
    pure, floor = _fits()
    warned = pure._replace(fit=replace(pure.fit, warnings=(Caution("BRAND_NEW", "a reason"),)))

    (row,) = _rows(fits_table([warned, floor], [AXIS]))

    assert "BRAND_NEW" in row[7]


def test_held_out_sizes_have_their_predictions_and_outcomes():
    """A size that follows the law is within, one ten times worse is missed; errors stand beside the last value's."""
    measured = 2 / AHEAD * [1, 10]
    fits = [one._replace(held_out=extrapolate(one.fit, AHEAD, measured)) for one in _fits()]

    good, bad, errors = _rows(held_out_table(fits, [AXIS]))

    assert good[3:5] == ("2e+06", "1e-06")
    assert float(good[5].split(" ")[0]) == pytest.approx(1e-6, rel=0.05)
    assert [cell.rsplit(" ")[-1] for cell in (*good[5:], *bad[5:])] == ["within", "within", "missed", "missed"]
    assert errors[4] == f"last value: RMSLE {fits[0].held_out.last_value_rmsle:.2g}"
    assert errors[5] == f"RMSLE {fits[0].held_out.prediction.rmsle:.2g}"


def test_a_law_that_predicts_nothing_says_why_in_a_word():
    """A refused law shows its code where a prediction would be, a local slope that there is none."""
    few, local = SIZES[:3], 10 ** np.linspace(3, 3.9, 6)
    for sizes, said in ((few, "TOO_FEW"), (local, "no prediction")):
        laws = [fit_law(sizes, 1 / sizes, law) for law in ("pure", "floor")]
        fits = [SeriesFit("xy", "kan", AXIS, law, 0, 0, None, extrapolate(law, AHEAD, 1 / AHEAD)) for law in laws]

        first, *_ = _rows(held_out_table(fits, [AXIS]))

        assert first[5] == said


def test_without_held_out_sizes_there_is_no_table_of_them():
    """An experiment that holds nothing out prints nothing about it."""
    assert held_out_table(_fits(), [AXIS]) is None
