"""Without noise the law comes back as it was made, at every exponent and loss that the harness meets."""

import numpy as np
import pytest
from made_runs import curve

from harness.fit import band, fit_law, predict

SIZES = np.geomspace(1e2, 1e5, 7)
ALPHAS = [0.05, 0.3, 1, 4, 6]
SCALES = [1e-12, 1e-6, 1.0, 1e3]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_pure_law_is_recovered(alpha, scale):
    """A x^-alpha gives alpha and A to 1e-9, with an interval that is narrow but holds the truth."""
    fit = fit_law(SIZES, scale * SIZES**-alpha, "pure")
    assert fit.alpha == pytest.approx(alpha, rel=1e-9)
    assert fit.amplitude == pytest.approx(scale, rel=1e-9)
    assert fit.alpha_interval.low <= alpha * (1 + 1e-15)
    assert fit.alpha_interval.high >= alpha * (1 - 1e-15)
    assert fit.alpha_interval.high - fit.alpha_interval.low < 1e-9
    assert fit.sigma < 1e-12


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("crossing", [1e3, 3e4])
def test_floor_law_is_recovered(alpha, scale, crossing):
    """E + A x^-alpha gives all three to 1e-8, whether most sizes are above the crossing or below it."""
    fit = fit_law(SIZES, curve(SIZES, alpha, scale, crossing), "floor")
    assert fit.alpha == pytest.approx(alpha, rel=1e-8)
    assert fit.floor == pytest.approx(scale, rel=1e-8)
    assert fit.amplitude == pytest.approx(scale * crossing**alpha, rel=1e-7)
    assert fit.floor_interval.low <= fit.floor <= fit.floor_interval.high


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_floor_law_finds_no_floor_where_there_is_none(alpha, scale):
    """On a pure power law the floor is 0.0, open downward, and the exponent is the pure one."""
    fit = fit_law(SIZES, scale * SIZES**-alpha, "floor")
    assert fit.floor == 0.0
    assert fit.alpha == pytest.approx(alpha, rel=1e-9)
    assert fit.floor_interval.low_open
    assert fit.floor_interval.high < 1e-6 * scale * SIZES[-1] ** -alpha
    assert "FLOOR_OPEN" in [caution.code for caution in fit.warnings]


@pytest.mark.parametrize("law", ["pure", "floor"])
def test_prediction_and_band_follow_the_curve(law):
    """Without noise, predict and both edges of the band are the curve, a decade beyond the sizes too."""
    truth = (lambda x: 2e-9 * (x / 1e4) ** -1.5) if law == "pure" else (lambda x: curve(x, 1.5, 2e-9))
    x = np.geomspace(1e1, 1e6, 11)
    fit = fit_law(SIZES, truth(SIZES), law)
    low, high = band(fit, x)
    for y in (predict(fit, x), low, high):
        assert y == pytest.approx(truth(x), rel=1e-6)
