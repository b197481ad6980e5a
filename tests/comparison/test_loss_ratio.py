"""Losses at equal size: Welch's t interval for pure laws, the joint deviance itself for others."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution
from two_arms import fit_of, line_of, welch

from benchmarks.arms import Arm
from harness.base.errors import HarnessError
from harness.comparison import loss_ratio
from harness.laws import deviance, predict


def test_of_pure_laws_it_is_welchs_interval():
    """Predictions of pure laws are linear, so the interval is known in closed form, also for unequal designs."""
    rng = np.random.default_rng(1)
    first, second = fit_of(Arm(sizes=5, seeds=1, sd=0.2), rng), fit_of(Arm(alpha=0.7, sizes=9, seeds=1), rng)
    found = loss_ratio(first, second)

    u = np.log(found.sizes)
    (own, variance), (other, other_variance) = line_of(first).at(u), line_of(second).at(u)
    half = t_distribution.isf(0.025, welch(variance, 3, other_variance, 7)) * np.sqrt(variance + other_variance)
    assert np.log(found.estimate) == pytest.approx(other - own, abs=1e-9)
    assert np.log(found.low) == pytest.approx(other - own - half, abs=1e-3 * half.min())
    assert np.log(found.high) == pytest.approx(other - own + half, abs=1e-3 * half.min())


def test_the_ends_lie_where_the_joint_deviance_leaves():
    """Of floor laws: at either end the least sum of both deviances is the F quantile at its own Welch weights."""
    rng = np.random.default_rng(2)
    first, second = fit_of(Arm(floor=1), rng), fit_of(Arm(floor=1, at=5e5), rng)
    size = 1e5
    found = loss_ratio(first, second, size)
    loss = predict(first, [size]) * np.exp(np.linspace(-0.5, 0.5, 201))
    for end in (found.low[0], found.high[0]):
        own, other = deviance(first, size, loss), deviance(second, size, end * loss)
        best = np.argmin(own + other)
        share = own[best] / (own + other)[best]
        dof = 1 / (share**2 / first.dof + (1 - share) ** 2 / second.dof)
        assert (own + other)[best] == pytest.approx(f_distribution.isf(0.05, 1, dof), rel=0.05)


def test_sizes_that_only_one_arm_has_must_be_asked_for_as_extrapolated():
    rng = np.random.default_rng(4)
    first, second = fit_of(Arm(), rng), fit_of(Arm(), rng)

    with pytest.raises(HarnessError, match=r"size 2e\+06 .*1000 to 1e\+06"):
        loss_ratio(first, second, [1e4, 2e6])
    assert loss_ratio(first, second, [1e4, 2e6], extrapolate=True).extrapolated.tolist() == [False, True]
    with pytest.raises(HarnessError, match=r"size -1\.0"):
        loss_ratio(first, second, -1)
