"""What is known beforehand: standard errors of losses, and a floor."""

import numpy as np
import pytest
from commands import refused
from made_runs import codes, curve
from scipy.optimize import curve_fit
from scipy.stats import t

from harness.laws import band, diagnose, fit_law, predict, prediction_interval, select_law
from harness.laws.ahead import rolling_curve
from harness.laws.points import Known

SIZES = np.geomspace(1e2, 1e6, 9)
SD = np.geomspace(0.02, 0.002, 9)


def _runs(seed: int, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Losses, and the standard error of each in its unit."""
    losses = means * np.exp(SD * np.random.default_rng(seed).standard_normal(means.size))
    return losses, SD * losses


def test_known_errors_give_the_law_of_scipy_with_absolute_sigma():
    """The pure law is linear in logs, so its interval is that of the normal, to the digit."""
    losses, sd = _runs(1, 40 * SIZES**-0.5)
    law = fit_law(SIZES, losses, "pure", known=Known(sd))
    values, covariance = curve_fit(
        lambda u, a, alpha: a - alpha * u,
        np.log(SIZES),
        np.log(losses),
        sigma=sd / losses,
        absolute_sigma=True,
    )
    half = 1.959964 * np.sqrt(covariance[1, 1])
    assert law.alpha == pytest.approx(values[1], rel=1e-6)
    ends = (law.alpha_interval.low, law.alpha_interval.high)
    assert ends == pytest.approx((values[1] - half, values[1] + half), 1e-5)
    assert law.misfit.lack_of_fit_p > 0.05
    assert not {"SINGLE_SEED", "MISFIT"} & set(codes(law.warnings))


def test_errors_of_any_unit_and_of_repeated_sizes():
    """Two runs of a size count as one with the error of their weighted mean; the unit of y changes
    nothing.
    """
    losses, sd = _runs(2, curve(SIZES, 0.5))
    law = fit_law(SIZES, losses, "floor", known=Known(sd))
    twice = fit_law(
        np.repeat(SIZES, 2),
        np.repeat(losses, 2),
        "floor",
        known=Known(np.sqrt(2) * np.repeat(sd, 2)),
    )
    scaled = fit_law(SIZES, 1e6 * losses, "floor", known=Known(1e6 * sd))
    for other in (twice, scaled):
        assert other.alpha == pytest.approx(law.alpha, rel=1e-6)
        assert other.alpha_interval.high == pytest.approx(law.alpha_interval.high, rel=1e-5)


def test_errors_that_are_too_small_do_not_narrow_an_interval():
    """Sizes that scatter ten times as much as their errors say: intervals rest on the scatter, and
    MISFIT stands.
    """
    losses, sd = _runs(3, 40 * SIZES**-0.5)
    law, right = (
        fit_law(SIZES, losses, "pure", known=Known(sd / 10)),
        fit_law(SIZES, losses, "pure", known=Known(sd)),
    )
    assert "MISFIT" in codes(law.warnings)
    assert law.alpha == pytest.approx(right.alpha, rel=1e-9)
    width, honest = (fit.alpha_interval.high - fit.alpha_interval.low for fit in (law, right))
    assert width > 0.5 * honest


def test_known_errors_hold_the_truth():
    """Of 120 tables of a floor law in 90 to 99 %, and a new run a decade ahead in at least 90 %."""
    held, inside = [], []
    rng = np.random.default_rng(4)
    means = curve(SIZES, 0.5)
    for seed in range(120):
        losses, sd = _runs(100 + seed, means)
        law = fit_law(SIZES, losses, "floor", known=Known(sd))
        held.append(law.alpha_interval.low <= 0.5 <= law.alpha_interval.high)
        if seed < 40:
            low, high = prediction_interval(law, [1e7])
            new = curve(1e7, 0.5) * np.exp(np.median(SD) * rng.standard_normal())
            inside.append(bool(low[0] <= new <= high[0]))
    assert 0.9 <= np.mean(held) <= 0.99
    assert np.mean(inside) >= 0.9


def test_a_known_floor_is_one_parameter_less():
    """The law is that of scipy with the floor fixed, and its bands those of the pure law where the
    floor is nothing.
    """
    losses, _ = _runs(5, curve(SIZES, 0.5))
    law = fit_law(SIZES, losses, "floor", known=Known(floor=1.0))
    values, covariance = curve_fit(
        lambda u, a, alpha: np.log(1.0 + np.exp(a - alpha * u)),
        np.log(SIZES),
        np.log(losses),
        [5, 0.5],
    )
    half = t.isf(0.025, 7) * np.sqrt(covariance[1, 1])
    assert (law.dof, law.floor, law.floor_interval) == (7, 1.0, None)
    assert law.alpha == pytest.approx(values[1], rel=1e-5)
    assert law.alpha_interval.high == pytest.approx(values[1] + half, rel=0.02)
    pure, none = (
        fit_law(SIZES, losses, "pure"),
        fit_law(SIZES, losses, "floor", known=Known(floor=1e-9)),
    )
    for asked in (predict, *(lambda fit, x, end=end: band(fit, x)[end] for end in (0, 1))):
        assert asked(none, [30.0, 1e4, 1e7]) == pytest.approx(
            asked(pure, [30.0, 1e4, 1e7]), rel=1e-4
        )
    assert np.isfinite(diagnose(law).drop_one).all()
    assert diagnose(law).drop_one == pytest.approx(law.alpha, abs=0.03)
    assert abs(rolling_curve(SIZES, losses, "floor", known=Known(floor=1.0))[-1].error) < 0.05


def test_a_floor_above_the_losses_is_refused():
    losses, sd = _runs(6, curve(SIZES, 0.5))
    assert codes(fit_law(SIZES, losses, "floor", known=Known(floor=2.0)).refusals) == [
        "FLOOR_ABOVE"
    ]
    assert "pure law" in refused(fit_law, SIZES, losses, "pure", known=Known(floor=0.5))
    assert select_law(SIZES, losses, known=Known(sd)).chosen == "floor"
