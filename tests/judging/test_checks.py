"""The checks of an experiment: made from the runs that laws are fitted to, told in words that agree with numbers."""

import json

import numpy as np
import pandas as pd
import pytest

from harness import laws
from harness.base.plain import plain
from harness.judging.checks import check_table
from harness.judging.laws import fit_table
from harness.judging.scaling import size_axes
from harness.show.tables.checks import checks_table

SIZES = np.array([30, 60, 120, 250, 500, 1000, 2000])


def _table(errors) -> pd.DataFrame:
    """Seven sizes, three seeds each, one trial; `errors` are the mean test RMSE."""
    rng = np.random.default_rng(1)
    cell, seed = (axis.ravel() for axis in np.meshgrid(range(7), range(3), indexing="ij"))
    table = pd.DataFrame({"cell": cell, "seed": seed, "task": "xy", "series": "kan", "status": "done", "chosen": True})
    table = table.assign(
        in_window=True, until_minimum=False, hold_out=0, dtype="float64", **dict.fromkeys(size_axes(), SIZES[cell])
    )
    table["metric"] = "rmse"
    table["test_loss"] = np.asarray(errors)[cell] * np.exp(rng.normal(0, 0.02, len(table)))
    return table


@pytest.mark.parametrize(("errors", "law"), [(2 / SIZES, "pure"), (0.05 + 20 / SIZES, "floor")])
def test_the_law_that_made_the_data_is_the_one_to_quote(errors, law):
    """A power law is quoted without a floor, a law with a clear floor with it, and it beats the last value."""
    (check,) = check_table(_table(errors), ["params.trainable"])

    assert check.selection.chosen == law
    assert check.selection.extrapolation[law].rmsle < check.selection.last_value.rmsle
    assert checks_table([check]).rows[0].cells[4] == law


def test_checks_are_of_the_runs_that_were_fitted():
    """Held-out sizes and those outside the window are in no check: points and hash are those of the fit."""
    table = _table(2 / SIZES).assign(hold_out=1)
    table["in_window"] = table["cell"] > 0
    (check,) = check_table(table, ["params.trainable"])
    pure = fit_table(table, ["params.trainable"])[0]

    assert np.array_equal(check.selection.fits["pure"].points.sizes, pure.fit.points.sizes)
    inside = table[table["cell"].between(1, 5)]
    assert check.data_hash == laws.data_hash(inside["params.trainable"], inside["test_loss"])


def test_a_series_that_every_law_refuses_says_so():
    """Nothing is diagnosed where there is no law, and no number stands in its place."""
    (check,) = check_table(_table(2 / SIZES).query("cell < 2"), ["params.trainable"])

    assert (check.selection.chosen, check.diagnostics, check.cross_check) == (None, None, None)
    assert checks_table([check]).rows[0].cells[4:] == ("all refused", "too few sizes", *["–"] * 7)


def test_json_is_strict():
    """Numbers that are not finite become null, and the fits are not repeated."""
    (found,) = json.loads(json.dumps(plain(check_table(_table(2 / SIZES), ["params.trainable"])), allow_nan=False))

    assert found["selection"]["chosen"] == "pure"
    assert "fits" not in found["selection"]
    assert len(found["diagnostics"]["leverage"]) == 7
