"""The lower frontier: quantile regression against its definition, and its interval."""

from itertools import combinations

import numpy as np
import pytest
from made_runs import codes, runs

from harness.base.errors import HarnessError
from harness.laws.frontier import frontier

SIZES = np.geomspace(1e2, 1e5, 7)


def made(seed, sizes=SIZES, seeds=10, sd=0.3):
    return runs(np.random.default_rng(seed), sizes, 5 / sizes, seeds, sd)


def pinball(log_x, log_y, slope, level, quantile):
    """The mean pinball loss of a line."""
    residuals = log_y - slope * log_x - level
    return np.mean(np.maximum(quantile * residuals, (quantile - 1) * residuals))


def least_pinball(x, y, quantile):
    """The least pinball loss over all lines through two runs, among which Koenker and Bassett's
    optimum is.
    """
    log_x, log_y = np.log(x), np.log(y)
    losses = []
    for a, b in combinations(range(x.size), 2):
        if x[a] != x[b]:
            slope = (log_y[b] - log_y[a]) / (log_x[b] - log_x[a])
            losses.append(pinball(log_x, log_y, slope, log_y[a] - slope * log_x[a], quantile))
    return min(losses)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
@pytest.mark.parametrize(
    ("alpha", "amplitude"), [(0.05, 1e3), (1.0, 1e-12), (6.0, 1e-3), (-0.5, 1.0)]
)
def test_exact_data_have_one_law(alpha, amplitude, quantile):
    x = np.repeat(SIZES, 3)
    fit = frontier(x, amplitude * x**-alpha, quantile, replicates=100)
    assert fit.alpha == pytest.approx(alpha, rel=1e-8)
    assert fit.amplitude == pytest.approx(amplitude, rel=1e-8)
    assert (fit.on, fit.below) == (21, 0)
    assert ("EXPONENT_OPEN" in codes(fit.warnings)) == (alpha < 0)


@pytest.mark.parametrize("quantile", [0.1, 0.25, 0.5, 0.8])
def test_no_line_has_less_pinball_loss(quantile):
    """The linear programme equals a search of all lines through two runs."""
    x, y = made(3, seeds=5)
    fit = frontier(x, y, quantile, replicates=100)
    assert fit.pinball == pytest.approx(least_pinball(x, y, quantile), rel=1e-9)
    mine = pinball(np.log(x), np.log(y), -fit.alpha, fit.log_amplitude, quantile)
    assert mine == pytest.approx(fit.pinball, rel=1e-9)
    assert fit.on >= 2
    assert fit.below <= quantile * fit.runs <= fit.below + fit.on


def test_units_and_order_are_of_no_consequence():
    x, y = made(6)
    order = np.random.default_rng(0).permutation(x.size)
    fit, other = (
        frontier(*runs, 0.1, replicates=100) for runs in ((x, y), (1e6 * x[order], 1e-9 * y[order]))
    )
    assert other.alpha == pytest.approx(fit.alpha, rel=1e-8)
    assert other.alpha_interval.low == pytest.approx(fit.alpha_interval.low, rel=1e-8)
    assert other.log_amplitude == pytest.approx(
        fit.log_amplitude + np.log(1e-9) + fit.alpha * np.log(1e6), rel=1e-8
    )
    assert (other.on, other.below) == (fit.on, fit.below)


def test_copies_of_runs_do_not_narrow_the_interval():
    x, y = made(7)
    fit, copied = (
        frontier(*(np.repeat(column, copies) for column in (x, y)), 0.25, replicates=100)
        for copies in (1, 5)
    )
    assert copied.alpha_interval.low == pytest.approx(fit.alpha_interval.low, rel=1e-8)
    assert copied.alpha_interval.high == pytest.approx(fit.alpha_interval.high, rel=1e-8)


def test_the_seed_is_the_only_chance():
    x, y = made(8)
    fit, again, other = (frontier(x, y, 0.25, seed=seed, replicates=100) for seed in (1, 1, 2))
    assert again == fit
    assert other.alpha_interval != fit.alpha_interval
    assert other.alpha == fit.alpha


@pytest.mark.parametrize(
    ("sizes", "refusals", "warnings"),
    [
        (np.geomspace(1, 1000, 3), ["TOO_FEW"], []),
        (np.geomspace(1, 3, 6), ["RANGE"], []),
        ([7.0], ["TOO_FEW", "RANGE"], []),
        (np.geomspace(1, 9, 4), [], ["LOCAL_SLOPE"]),
        (np.geomspace(1, 10, 4), [], []),
    ],
)
def test_sizes_make_the_law(sizes, refusals, warnings):
    x = np.repeat(sizes, 20)
    fit = frontier(x, 1 / x, 0.1, replicates=100)
    assert codes(fit.refusals) == refusals
    assert codes(fit.warnings) == warnings
    numbers = ("alpha", "alpha_interval", "amplitude", "log_amplitude", "pinball", "on", "below")
    assert all((getattr(fit, name) is None) == bool(refusals) for name in numbers)


def test_a_quantile_of_few_runs_is_flagged():
    """A tenth of 49 runs is fewer than 5, of 50 it is not; either side counts."""
    x, y = made(10, seeds=7)
    assert "THIN_QUANTILE" in codes(frontier(x, y, 0.1, replicates=100).warnings)
    assert "THIN_QUANTILE" in codes(frontier(x, y, 0.9, replicates=100).warnings)
    assert (
        codes(frontier(np.append(x, x[0]), np.append(y, y[0]), 0.1, replicates=100).warnings) == []
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantile": 1.0}, "quantile=1.0"),
        ({"level": 95}, "level=95"),
        ({"y": [1.0, 2.0]}, "4 rows and y has 2"),
        ({"y": [1.0, 0.0, 1.0, 1.0]}, r"y\[1\] = 0.0"),
    ],
)
def test_arguments_that_make_no_sense_are_errors(arguments, message):
    with pytest.raises(HarnessError, match=message):
        frontier(
            **{"x": [1.0, 2.0, 3.0, 4.0], "y": [4.0, 3.0, 2.0, 1.0], "quantile": 0.1} | arguments
        )


def test_a_quantile_is_right_at_unequal_numbers_of_runs():
    rng = np.random.default_rng(12)
    x = np.repeat(SIZES, 20 * np.array([10, 8, 7, 6, 4, 2, 1]))
    quantile = frontier(x, np.exp(0.3 * rng.standard_normal(x.size)) / x, 0.1, replicates=100)
    assert quantile.alpha_interval.low <= 1 <= quantile.alpha_interval.high
    assert quantile.alpha == pytest.approx(1, abs=0.03)
