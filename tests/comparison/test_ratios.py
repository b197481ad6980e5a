"""Ratios of losses at equal sizes, and runs that failed in one arm, against scipy."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from harness.comparison import ratios, survivor_cautions

SIZES = np.array([10.0, 30.0, 100.0])


def two_arms(runs=4, times=1.0, seed=0):
    """Runs of two arms, the second with three times the loss, at sizes that are `times` others."""
    rng = np.random.default_rng(seed)
    x = {"a": np.repeat(SIZES, runs), "b": np.repeat(times * SIZES, runs)}
    sd = {"a": 0.1, "b": 0.3}
    mean = {"a": 1.0, "b": 3.0}
    y = {arm: mean[arm] / x[arm] * np.exp(sd[arm] * rng.standard_normal(x[arm].size)) for arm in x}
    return x, y


def test_each_interval_is_welchs():
    x, y = two_arms()
    found = ratios(x, y, 0.9)
    assert [place.size for place in found] == SIZES.tolist()
    for place in found:
        first, second = (np.log(y[arm][x[arm] == place.size]) for arm in x)
        test = ttest_ind(second, first, equal_var=False)
        ends = np.exp(test.confidence_interval(0.9))
        assert place.runs == (4, 4)
        assert place.ratio.value == pytest.approx(np.exp(second.mean() - first.mean()))
        assert (place.ratio.interval.low, place.ratio.interval.high) == pytest.approx(tuple(ends))


def test_exchanged_arms_have_the_reciprocal():
    x, y = two_arms()
    exchanged = ratios(dict(reversed(x.items())), dict(reversed(y.items())))
    for there, back in zip(ratios(x, y), exchanged, strict=True):
        assert back.ratio.value == pytest.approx(1 / there.ratio.value)
        assert back.ratio.interval.low == pytest.approx(1 / there.ratio.interval.high)


@pytest.mark.parametrize(("times", "sizes"), [(1.04, 3), (1 / 1.04, 3), (1.06, 0), (3.0, 1)])
def test_sizes_are_equal_within_five_percent(times, sizes):
    assert len(ratios(*two_arms(times=times))) == sizes


def test_one_run_shows_no_noise_and_a_copy_is_no_second_run():
    x, y = two_arms(runs=1)
    doubled = {arm: np.tile(values, 2) for arm, values in x.items()}
    for place in ratios(doubled, {arm: np.tile(values, 2) for arm, values in y.items()}):
        assert place.runs == (1, 1)
        assert (place.ratio.interval.low, place.ratio.interval.high) == (0, np.inf)


def test_an_arm_that_fails_more_often_is_judged_by_its_luckier_runs():
    (caution,) = survivor_cautions({"kan": (8, 25), "mlp": (0, 25)})
    assert caution.code == "SURVIVOR_BIAS"
    assert "8 of 25 runs of kan and 0 of 25 runs of mlp failed" in caution.reason
    assert survivor_cautions({"kan": (4, 25), "mlp": (1, 25)}) == ()
