"""Resampling and the sandwich, against what a line in log space is in closed form."""

import numpy as np
import pytest
from made_runs import curve, runs
from scipy import stats

from harness.laws import bootstrap, cross_check, fit_law, predict, sandwich
from harness.laws.bootstrap import refit

SIZES = np.geomspace(1e2, 1e5, 7)


def pure_runs(seed, seeds=5, sd=0.2):
    return runs(np.random.default_rng(seed), SIZES, SIZES**-0.7, seeds, sd)


def slopes(u, v, weights):
    """Minus the slopes of weighted regressions of v [B, n] on u [n], by numpy's lstsq."""
    found = []
    for data, weight in zip(v, weights, strict=True):
        root = np.sqrt(weight)
        design = np.column_stack([np.ones_like(u), u]) * root[:, None]
        found.append(-np.linalg.lstsq(design, data * root, rcond=None)[0][1])
    return np.array(found)


def test_resampled_sizes_are_weighted_regressions():
    x, y = pure_runs(1)
    fit = fit_law(x, y, "pure")
    found = bootstrap(x, y, fit, "pairs", replicates=200, seed=3)

    drawn = np.random.default_rng(3).multinomial(7, np.full(7, 1 / 7), size=200)
    kept = (drawn > 0).sum(axis=1) >= 2
    u, v = np.log(SIZES), np.broadcast_to(np.log(fit.points.means), (200, 7))
    expected = slopes(u, v[kept], (drawn * fit.points.weights)[kept])
    assert found.alphas == pytest.approx(expected, rel=1e-6)
    assert found.dropped == np.sum(~kept)
    assert found.alpha_interval.low == pytest.approx(np.quantile(expected, 0.025))
    assert found.alpha_interval.high == pytest.approx(np.quantile(expected, 0.975))


def test_resampled_runs_have_the_spread_of_their_sizes():
    """Within sizes, slopes have the variance of the regression on means of resampled runs: sum of c^2 s^2 / n."""
    x, y = pure_runs(2)
    fit = fit_law(x, y, "pure")
    found = bootstrap(x, y, fit, "stratified", replicates=4000, seed=4)

    groups = [np.log(y[x == size]) for size in fit.points.sizes]
    weights = fit.points.weights
    centred = np.log(SIZES) - np.average(np.log(SIZES), weights=weights)
    share = weights * centred / np.sum(weights * centred**2)
    variance = np.sum(share**2 * np.array([group.var() / group.size for group in groups]))
    assert found.alphas.mean() == pytest.approx(fit.alpha, abs=4 * np.sqrt(variance / 4000))
    assert found.alphas.std() == pytest.approx(np.sqrt(variance), rel=0.05)


def test_refits_reach_what_fits_of_their_own_reach():
    x, y = runs(np.random.default_rng(5), SIZES, curve(SIZES, 1.0), seeds=1, sd=0.05)
    known = fit_law(x, y, "floor").region
    rng = np.random.default_rng(6)
    v = known.problem.logs.v + 0.05 * rng.standard_normal((20, 7))
    p, _ = refit(known, v, np.ones((20, 7)))
    own = [fit_law(SIZES, np.exp(row), "floor") for row in v]
    for index, fit in enumerate(own):
        if not fit.refusals and fit.floor > 0:
            assert np.exp(p[index, 1]) == pytest.approx(fit.alpha, rel=1e-5)
            assert np.exp(p[index, 0] + p[index, 2]) == pytest.approx(fit.floor, rel=1e-5)


def test_sandwich_is_hc3_of_the_regression():
    """Of the pure law: (X'X)^-1 X' diag(r^2 / (1 - h)^2) X (X'X)^-1, with Student's t."""
    x, y = pure_runs(7, seeds=2)
    fit = fit_law(x, y, "pure")
    design = np.column_stack([np.ones(7), np.log(fit.points.sizes)])
    r = np.log(fit.points.means / predict(fit, fit.points.sizes))
    inverse = np.linalg.inv(design.T @ design)
    leverage = np.diag(design @ inverse @ design.T)
    covariance = inverse @ design.T @ np.diag((r / (1 - leverage)) ** 2) @ design @ inverse
    half = stats.t.isf(0.025, 5) * np.sqrt(covariance[1, 1])

    found = sandwich(fit)
    assert np.all(fit.points.weights == 1)
    assert [found.low, found.high] == pytest.approx([fit.alpha - half, fit.alpha + half], rel=1e-9)


def test_the_same_seed_draws_the_same():
    x, y = pure_runs(8)
    fit = fit_law(x, y, "pure")
    first, second, other = (bootstrap(x, y, fit, "pairs", 50, seed).alphas for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_cross_check_warns_where_one_size_carries_the_exponent():
    sizes = np.append(np.geomspace(1e2, 1.5e2, 8), 1e4)
    x, y = runs(np.random.default_rng(9), sizes, sizes**-0.7, seeds=3, sd=0.1)
    crowded, even = fit_law(x, y, "pure"), fit_law(*pure_runs(10), "pure")
    assert cross_check(x, y, crowded, 400).caution.code == "INTERVALS_DIFFER"
    assert cross_check(*pure_runs(10), even, 400).caution is None
    assert cross_check(*pure_runs(10), even, 400).sandwich is None
