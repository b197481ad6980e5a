"""The cost ratio read without a law, and where it contradicts the laws."""

from dataclasses import replace

import numpy as np
import pytest

from harness.base.errors import HarnessError
from harness.comparison import cost_ratio, to_runs, twin_cautions, twin_ratio
from harness.laws import fit_law

SIZES = np.geomspace(1e3, 1e6, 15)


def noisy(rng, means, seeds=5, sd=0.05):
    """x and y of `seeds` runs a size."""
    return np.repeat(SIZES, seeds), np.repeat(means, seeds) * np.exp(sd * rng.standard_normal(len(means) * seeds))


def test_power_laws_are_read_without_error():
    """On the line between two sizes in log-log space a power law is itself: 3 times the size at every loss."""
    first, second = to_runs(SIZES, 1e6 / SIZES), to_runs(SIZES, 3e6 / SIZES)
    found = twin_ratio(first, second, [4, 10, 200], np.random.default_rng(1), draws=50)
    assert found.estimate == pytest.approx(3)


def test_a_loss_that_rises_is_pooled_with_its_neighbour():
    """Size means 100, 10, 40, 1: the two in the middle become their geometric mean, 20, before the curve is read."""
    x = np.array([1.0, 10.0, 100.0, 1000.0])
    first, second = to_runs(x, [100, 10, 40, 1]), to_runs(x, 1e4 / x)
    found = twin_ratio(first, second, np.sqrt(100 * 20), np.random.default_rng(2), draws=20)
    own, other = 10**0.5, 1e4 / np.sqrt(100 * 20)
    assert found.estimate[0] == pytest.approx(other / own)


def test_a_loss_beyond_an_arm_is_open():
    first, second = to_runs(SIZES, 1e6 / SIZES), to_runs(SIZES, 9e6 / SIZES)
    found = twin_ratio(first, second, [2.0], np.random.default_rng(3), draws=100)
    assert np.isinf(found.estimate[0])
    assert np.isinf(found.high[0])


def test_the_draws_come_from_the_generator_that_is_given():
    rng = np.random.default_rng(4)
    first, second = to_runs(*noisy(rng, 1e6 / SIZES)), to_runs(*noisy(rng, 2e6 / SIZES))
    found = [twin_ratio(first, second, 30.0, np.random.default_rng(seed), draws=100) for seed in (0, 0, 1)]
    assert found[0].low[0] == found[1].low[0]
    assert found[0].low[0] != found[2].low[0]


def ratios(rng, second_means, at):
    """The fitted ratio, by pure laws, and its twin."""
    runs = [noisy(rng, 1e6 / SIZES), noisy(rng, second_means)]
    fitted = cost_ratio(*(fit_law(*run, "pure") for run in runs), at)
    return fitted, twin_ratio(*(to_runs(*run) for run in runs), fitted.losses, rng, draws=300)


def test_a_law_that_bends_away_from_the_data_is_flagged():
    """Pure laws through a curve that breaks: 1.96 times by law, 1.21 as the data read, and it is said."""
    broken = 1e6 / SIZES * (1 + (SIZES / 3e4) ** 2) ** 0.3
    fitted, twin = ratios(np.random.default_rng(5), broken, 50.0)
    (caution,) = twin_cautions(fitted, twin)

    assert caution.code == "TWIN_DISAGREES"
    assert f"{fitted.estimate[0]:.3g}" in caution.reason
    assert f"{twin.estimate[0]:.3g}" in caution.reason
    with pytest.raises(HarnessError, match="different losses"):
        twin_cautions(fitted, replace(twin, losses=np.array([40.0])))
