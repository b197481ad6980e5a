"""Floors at the rounding of the numbers are told from floors of the model."""

import numpy as np
import pytest
from made_runs import codes, curve, runs

from harness.laws import fit_law
from harness.laws.refusal import warn_of_precision

SIZES = np.geomspace(1e2, 1e5, 7)


@pytest.mark.parametrize(
    ("dtype", "floor", "warned"), [("float32", 3e-7, True), ("float64", 3e-7, False), ("float64", 1e-15, True)]
)
def test_a_floor_near_rounding_is_the_arithmetics(dtype, floor, warned):
    """3e-7 is rounding in float32 and a result in float64; 1e-15 is rounding in both."""
    x, y = runs(np.random.default_rng(0), SIZES, curve(SIZES, 2.0, floor), seeds=3, sd=0.05)
    fit = fit_law(x, y, "floor")
    assert ("NUMERICAL_FLOOR" in codes(warn_of_precision(fit, dtype).warnings)) == warned
    assert "NUMERICAL_FLOOR" not in codes(fit.warnings)


def test_a_refused_fit_comes_back_as_it_is():
    fit = fit_law([1.0, 2.0], [2.0, 1.0], "floor")
    assert warn_of_precision(fit, "float32") is fit
