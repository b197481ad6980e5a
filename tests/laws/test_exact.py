"""Without noise the law comes back as it was made, at every exponent and loss that the harness
meets.
"""

import itertools

import numpy as np
import pytest
from made_runs import curve

from harness.comparison import multiplier
from harness.laws import band, fit_law, fit_surface, predict

SIZES = np.geomspace(1e2, 1e5, 7)
ALPHAS = [0.05, 0.3, 1, 4, 6]
SCALES = [1e-12, 1e-6, 1.0, 1e3]
ENDS = [1e-12, 1e3]  # where a fit takes half a second


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_pure_law_is_recovered(alpha, scale):
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
    fit = fit_law(SIZES, curve(SIZES, alpha, scale, crossing), "floor")
    assert fit.alpha == pytest.approx(alpha, rel=1e-8)
    assert fit.floor == pytest.approx(scale, rel=1e-8)
    assert fit.amplitude == pytest.approx(scale * crossing**alpha, rel=1e-7)
    assert fit.floor_interval.low <= fit.floor <= fit.floor_interval.high


@pytest.mark.parametrize("scale", ENDS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_floor_law_finds_no_floor_where_there_is_none(alpha, scale):
    fit = fit_law(SIZES, scale * SIZES**-alpha, "floor")
    assert fit.floor == 0.0
    assert fit.alpha == pytest.approx(alpha, rel=1e-9)
    assert fit.floor_interval.low_open
    assert fit.floor_interval.high < 1e-6 * scale * SIZES[-1] ** -alpha
    assert "FLOOR_OPEN" in [caution.code for caution in fit.warnings]


@pytest.mark.parametrize("law", ["pure", "floor"])
def test_prediction_and_band_follow_the_curve(law):
    truth = (
        (lambda x: 2e-9 * (x / 1e4) ** -1.5) if law == "pure" else (lambda x: curve(x, 1.5, 2e-9))
    )
    x = np.geomspace(1e1, 1e6, 11)
    fit = fit_law(SIZES, truth(SIZES), law)
    low, high = band(fit, x)
    for y in (predict(fit, x), low, high):
        assert y == pytest.approx(truth(x), rel=1e-6)


def shifted(x, alpha, scale, shift):
    """scale * ((x + shift) / 1e3)^-alpha."""
    return scale * ((x + shift) / 1e3) ** -alpha


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("shift", [30.0, 1e3])
def test_shifted_law_is_recovered(alpha, scale, shift):
    fit = fit_law(SIZES, shifted(SIZES, alpha, scale, shift), "shifted")
    assert fit.refusals == ()
    assert fit.alpha == pytest.approx(alpha, rel=1e-6)
    assert fit.more["shift"].value == pytest.approx(shift, rel=1e-6)


def broken(x, alpha, before, scale, width=0.5, at=3e3):
    """scale * (1 + B x^-before (1 + (x / at)^(1/width))^-((alpha - before) width)), B such that B
    at^-before is 30.
    """
    bend = (1 + (x / at) ** (1 / width)) ** (-(alpha - before) * width)
    return scale * (1 + 30 * (x / at) ** -before * bend)


@pytest.mark.parametrize("scale", ENDS)
@pytest.mark.parametrize(("before", "alpha"), [(0.05, 0.3), (0.3, 1), (1, 0.3), (1, 4), (4, 6)])
def test_broken_law_is_recovered(alpha, before, scale):
    sizes = np.geomspace(1e2, 1e5, 16)
    fit = fit_law(sizes, broken(sizes, alpha, before, scale), "broken")
    assert fit.refusals == ()
    found = [
        fit.alpha,
        fit.more["first_alpha"].value,
        fit.more["break_at"].value,
        fit.more["width"].value,
    ]
    assert found == pytest.approx([alpha, before, 3e3, 0.5], rel=1e-6)
    assert fit.floor == pytest.approx(scale, rel=1e-6)


@pytest.mark.parametrize("scale", ENDS)
@pytest.mark.parametrize(("alpha", "beta"), [(0.05, 0.3), (0.3, 0.3), (1, 0.3), (4, 1), (6, 4)])
def test_surface_is_recovered(alpha, beta, scale):
    n, d = (
        axis.ravel() for axis in np.meshgrid(np.geomspace(1e6, 1e9, 6), np.geomspace(1e8, 1e11, 6))
    )
    y = scale * (1 + 2 * (n / 1e7) ** -alpha + 3 * (d / 1e9) ** -beta)
    fit = fit_surface(n, d, y)
    assert fit.refusals == ()
    assert [fit.alpha.value, fit.beta.value] == pytest.approx([alpha, beta], rel=1e-6)
    assert fit.floor.value == pytest.approx(scale, rel=1e-6)
    assert fit.a == pytest.approx(2 * scale * 1e7**alpha, rel=1e-5)
    assert fit.b == pytest.approx(3 * scale * 1e9**beta, rel=1e-5)
    assert fit.allocation.value == pytest.approx(beta / (alpha + beta), rel=1e-6)


@pytest.mark.parametrize("scale", ENDS)
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("asked", list(itertools.product(("free", "shared"), repeat=2)))
def test_laws_of_two_arms_are_recovered(alpha, scale, asked):
    """Two arms with one floor, one exponent, and 3 times the cost, to 1e-6, whatever is shared."""
    y = {"first": curve(SIZES, alpha, scale, 1e3), "second": curve(SIZES, alpha, scale, 3e3)}
    found = multiplier(dict.fromkeys(y, SIZES), y, floor=asked[0], alpha=asked[1])
    assert found.refusals == ()
    for place in found.sizes:
        assert place.multiplier.value == pytest.approx(3, rel=1e-5)
