"""Runs become one point a size, or an error that names the rows."""

import numpy as np
import pytest

from harness.base.errors import HarnessError
from harness.laws import fit_law, size_means


def test_means_are_geometric_and_sizes_ascend():
    points = size_means([20, 10, 20, 10, 10], [1.0, 8.0, 100.0, 8.0, 1.0])
    assert points.sizes.tolist() == [10, 20]
    assert points.means == pytest.approx([4.0, 10.0])
    assert points.counts.tolist() == [3, 2]


def test_spread_ignores_copies_of_a_run():
    once = size_means([1, 1, 2], [1.0, np.e, 5.0])
    thrice = size_means([1, 1, 2] * 3, [1.0, np.e, 5.0] * 3)
    assert once.spreads[0] == pytest.approx(np.sqrt(0.5))
    assert thrice.spreads[0] == pytest.approx(once.spreads[0])
    assert thrice.distinct.tolist() == [2, 1]
    assert np.isnan(thrice.spreads[1])


def test_outliers_of_clean_runs_stay_rare_however_many_there_are():
    """Of tables of normal runs few have one, of 25 runs or of 250,000; a run at 8 standard deviations is one in both.

    At 5 standard deviations, whatever the number of runs, 4 of these 10 large tables had outliers.
    """
    for tables, seeds_a_size in ((range(100), 5), (range(54, 64), 50_000)):
        said = 0
        for seed in tables:
            x = np.repeat(np.geomspace(10, 1e5, 5), seeds_a_size)
            y = x**-0.5 * np.exp(np.random.default_rng(seed).normal(0, 0.2, x.size))
            said += size_means(x, y).outliers.size > 0
        assert said <= len(tables) / 20
        y[7] = x[7] ** -0.5 * np.exp(8 * 0.2)
        assert 7 in size_means(x, y).outliers


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0, -1.0])
@pytest.mark.parametrize("column", ["x", "y"])
def test_bad_rows_are_named_with_their_values(column, bad):
    data = {"x": [1.0, 2.0, 3.0, 4.0], "y": [4.0, 3.0, 2.0, 1.0]}
    data[column][2] = bad
    with pytest.raises(HarnessError, match=rf"{column}\[2\] = {bad}"):
        size_means(**data)


@pytest.mark.parametrize("law", ["pure", "floor"])
@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows_are_too_few_sizes(law, rows):
    fit = fit_law([10.0] * rows, [0.1] * rows, law)
    assert fit.refusals[0].code == "TOO_FEW"
    assert fit.alpha is None


@pytest.mark.parametrize(
    ("y", "law", "level", "said"),
    [
        ([1, 2], "pure", 0.95, "x has 3 rows and y has 2"),
        ([1, 2, 3], "powr", 0.95, "'powr' is not known; allowed: pure, floor, shifted, broken"),
        ([1, 2, 3], "pure", 95, "level=95"),
    ],
)
def test_arguments_that_make_no_sense_are_answered_with_what_is_allowed(y, law, level, said):
    with pytest.raises(HarnessError, match=said):
        fit_law([1, 2, 3], y, law, level=level)
