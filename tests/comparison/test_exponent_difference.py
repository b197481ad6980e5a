"""Differences of exponents: Welch's interval for pure laws, a test of its size for floor laws."""

import numpy as np
import pytest
from scipy.stats import t as t_distribution
from two_arms import fit_of, fits, line_of, welch

from benchmarks.arms import Arm
from harness.base.errors import HarnessError
from harness.comparison import exponent_difference
from harness.laws import fit_law


def test_of_pure_laws_it_is_welchs_interval():
    """A slope is linear, so the interval is known in closed form, also for unequal designs."""
    rng = np.random.default_rng(1)
    first, second = fit_of(Arm(sizes=5, seeds=1, sd=0.2), rng), fit_of(Arm(alpha=0.7, sizes=9, seeds=1), rng)
    found = exponent_difference(first, second)

    line, other = line_of(first), line_of(second)
    variance, other_variance = line.variance / line.squares, other.variance / other.squares
    half = t_distribution.isf(0.025, welch(variance, 3, other_variance, 7)) * np.sqrt(variance + other_variance)
    assert found.estimate == pytest.approx(other.slope - line.slope)
    assert found.interval.low == pytest.approx(found.estimate - half, abs=1e-3 * half)
    assert found.interval.high == pytest.approx(found.estimate + half, abs=1e-3 * half)


def test_against_an_exact_arm_it_is_the_other_arms_interval():
    fit = fit_of(Arm(floor=1), np.random.default_rng(2))
    x = np.geomspace(1e3, 1e6, 7)
    exact = fit_law(x, 1 + (x / 1e5) ** -0.5, "floor")
    found = exponent_difference(fit, exact)
    assert found.interval.low == pytest.approx(fit.alpha_interval.low - 0.5, abs=1e-3)
    assert found.interval.high == pytest.approx(fit.alpha_interval.high - 0.5, abs=1e-3)


def test_an_exponent_without_an_upper_end_leaves_the_difference_open():
    x = np.geomspace(1e3, 1e6, 6)
    noise = np.exp([0.0, 0.0, 0.04, -0.05, 0.05, -0.04])
    steep = fit_law(x, (1 + (x / 1e3) ** -3) * noise, "floor")
    found = exponent_difference(steep, fit_of(Arm(floor=1), np.random.default_rng(3)))

    assert steep.alpha_interval.high_open
    assert found.interval.high_open
    assert np.isfinite(found.interval.low)


def test_exponents_of_two_laws_are_not_compared():
    rng = np.random.default_rng(4)
    with pytest.raises(HarnessError, match=r"law='floor' .* law='pure'"):
        exponent_difference(fit_of(Arm(floor=1), rng), fit_of(Arm(), rng))


def test_unequal_exponents_are_told_apart():
    found = [exponent_difference(*pair) for pair in fits(Arm(alpha=1.0), Arm(alpha=0.8), 10, seed=7)]
    assert np.mean([difference.interval.low > 0 for difference in found]) >= 0.9
