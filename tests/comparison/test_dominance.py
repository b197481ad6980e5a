"""Two arms without a law: the bins that each wins, the cost ratio as the data read it, and what
failed runs spoil.
"""

import numpy as np
import pytest

from harness.base.errors import HarnessError
from harness.comparison import (
    Failures,
    dominance,
    failure_cautions,
    matched_edges,
    to_runs,
    without_law,
)

SIZES = np.geomspace(1e3, 1e6, 16)


def arm(rng, means, seeds=5, sd=0.1):
    return to_runs(
        np.repeat(SIZES, seeds),
        np.repeat(means, seeds) * np.exp(sd * rng.standard_normal(16 * seeds)),
    )


def test_bins_are_equal_in_log_over_what_both_reach():
    edges = matched_edges(np.array([1.0, 100.0]), np.array([0.1, 1000.0]), 4)
    assert edges == pytest.approx(np.geomspace(1, 100, 5))
    assert (edges[0], edges[-1]) == (1, 100)


def test_curves_that_cross_in_the_middle_share_the_range():
    rng = np.random.default_rng(1)
    first, second = arm(rng, (SIZES / 10**4.5) ** -1.0), arm(rng, (SIZES / 10**4.5) ** -0.5)
    found = dominance(first, second, matched_edges(first.x, second.x, 8))
    assert found.share == 0.5
    assert 0.25 <= found.at_least <= 0.5 <= found.at_most <= 0.75
    assert np.all((found.low < found.ratio) & (found.ratio < found.high))


def test_a_single_run_decides_nothing():
    first, second = to_runs([1, 2, 4, 8], [1, 1, 1, 1]), to_runs([1, 2, 4, 8], [9, 9, 9, 9])
    found = dominance(first, second, matched_edges(first.x, second.x, 3))
    assert (found.share, found.at_least, found.at_most) == (1, pytest.approx(1 / 3), 1)


def test_arms_that_share_no_sizes_are_an_error():
    with pytest.raises(HarnessError, match=r"from 1 to 2, the second's from 3 to 4"):
        matched_edges(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 2)


def test_arms_of_one_law_are_level_whatever_their_sizes():
    """Two arms of one power law, one with sizes 1.9 times the other's: no bin is better for its
    other sizes.
    """
    rng = np.random.default_rng(3)
    x = np.repeat(np.geomspace(1e2, 1e5, 8), 4)
    first, second = (
        to_runs(size, (size / 1e4) ** -1.5 * np.exp(0.05 * rng.standard_normal(x.size)))
        for size in (x, 1.9 * x)
    )
    found = dominance(first, second, matched_edges(first.x, second.x, 7))

    assert np.all((found.low < 1) & (found.high > 1))
    assert np.exp(np.abs(np.log(found.ratio))) == pytest.approx(1, abs=0.15)


def test_without_a_law_bins_hold_several_units_of_both_arms():
    rng = np.random.default_rng(2)
    first, second = arm(rng, SIZES**-0.4), arm(rng, 0.5 * SIZES**-0.4)
    found = without_law(first, second)
    assert len(found.ratio) == 4
    assert np.all(found.high < 1)

    few = SIZES[::4]
    shifted = [
        to_runs(np.repeat(x, 3), np.repeat(x**-0.4, 3) * np.exp(0.1 * rng.standard_normal(12)))
        for x in (few, 2 * few)
    ]
    assert len(without_law(*shifted).ratio) < 3
    assert without_law(to_runs([1, 2], [1, 1]), to_runs([3, 4], [1, 1])) is None
    assert without_law(to_runs([1, 2], [1, 1]), to_runs([], [])) is None


FIFTEEN = np.geomspace(1e3, 1e6, 15)


def noisy(rng, means, seeds=5, sd=0.05):
    """x and y of `seeds` runs a size."""
    return np.repeat(FIFTEEN, seeds), np.repeat(means, seeds) * np.exp(
        sd * rng.standard_normal(len(means) * seeds)
    )


def started(failed, of=10):
    """Counts of an arm that started `of` runs at each size, of which `failed` failed."""
    return Failures(10.0 ** np.arange(len(failed)), np.full(len(failed), of), np.array(failed))


def test_more_than_a_fifth_failed_is_censored():
    assert failure_cautions(started([2, 0]), started([2, 0])) == ()
    (caution,) = failure_cautions(started([0, 0]), started([0, 3]))
    assert caution.code == "CENSORED"
    assert "3 of 10 runs of the second arm failed at size 10" in caution.reason


def test_an_arm_that_fails_more_often_is_judged_by_its_luck():
    """8 of 50 against 0 of 50 is no chance (Fisher: .6 %), 4 of 50 against 1 may be."""
    (caution,) = failure_cautions(started([2, 2, 2, 2, 0]), started([0] * 5))
    assert caution.code == "SURVIVOR_BIAS"
    assert "8 of 50 runs of the first arm failed and 0 of 50" in caution.reason
    assert failure_cautions(started([1, 1, 1, 1, 0]), started([1, 0, 0, 0, 0])) == ()
