"""Held-out sizes: which they are, and what a law is said to have predicted of them."""

import numpy as np
import pytest
from made_runs import codes

from harness.laws import fit_law, prediction_interval
from harness.laws.fitting import warn_of_distance
from harness.laws.held_out import extrapolate, largest_sizes

SIZES = 10 ** np.linspace(3, 6, 7)
AHEAD = np.array([3e6, 1e7])


def test_the_largest_sizes_are_distinct_sizes():
    x = [30, 10, 20, 30, 20, 10]
    assert largest_sizes(x, 2).tolist() == [True, False, True, True, True, False]
    assert not largest_sizes(x, 0).any()
    assert largest_sizes(x, 9).all()
    assert largest_sizes([], 2).tolist() == []


def test_errors_are_those_of_the_closed_form():
    """A size twice as bad as the law says has RMSLE ln 2; the last value errs by alpha ln(x / largest fitted size)."""
    noise = np.exp([0.02, -0.02, 0.01, 0, -0.01, 0.02, -0.02])
    fit = fit_law(SIZES, SIZES**-0.5 * noise, "pure")
    ahead = np.repeat(AHEAD[:1], 2)
    curve_there = extrapolate(fit, ahead, [1, 1]).prediction.curve

    found = extrapolate(fit, ahead, [curve_there[0], 4 * curve_there[0]])

    assert found.measured.means == pytest.approx(2 * curve_there)
    assert found.prediction.rmsle == pytest.approx(np.log(2))
    assert found.prediction.within.tolist() == [False]
    assert found.last_value_rmsle == pytest.approx(abs(np.log(fit.points.means[-1] / found.measured.means[0])))


def test_a_mean_is_within_exactly_between_the_ends():
    fit = fit_law(SIZES, SIZES**-0.5 * np.exp(0.05 * np.cos(2 * np.arange(7))), "pure")
    (low,), (high,) = prediction_interval(fit, AHEAD[:1])
    for value, within in ((low * 0.999, False), (low * 1.001, True), (high * 0.999, True), (high * 1.001, False)):
        assert extrapolate(fit, AHEAD[:1], [value]).prediction.within.tolist() == [within]


@pytest.mark.parametrize(
    ("sizes", "said"), [(SIZES[:3], "TOO_FEW"), (10 ** np.linspace(3, 3.8, 7), "show only a local slope")]
)
def test_a_law_that_may_not_be_extrapolated_predicts_nothing(sizes, said):
    found = extrapolate(fit_law(sizes, sizes**-0.5, "pure"), AHEAD, AHEAD**-0.5)
    assert found.prediction is None
    assert said in found.reason
    assert found.last_value_rmsle == pytest.approx(np.sqrt(np.mean((0.5 * np.log(AHEAD / sizes[-1])) ** 2)))


def test_predictions_far_beyond_the_sizes_are_warned_of():
    fit = fit_law(SIZES, SIZES**-0.5 * np.exp(0.05 * np.cos(2 * np.arange(7))), "pure")
    assert codes(warn_of_distance(fit, SIZES[-1:] * 3).warnings) == ["SINGLE_SEED"]
    assert "EXTRAPOLATED" in codes(warn_of_distance(fit, SIZES[-1:] * 4).warnings)
