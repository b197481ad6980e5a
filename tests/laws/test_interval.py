"""Intervals: profiles, resampling and the sandwich, against closed forms and against a profile made
another way.
"""

import numpy as np
import pytest
from made_runs import curve, runs
from scipy import stats
from scipy.optimize import least_squares

from harness.laws import (
    band,
    bootstrap,
    cross_check,
    fit_law,
    predict,
    prediction_interval,
    sandwich,
)
from harness.laws.bootstrap import refit

SIZES = np.geomspace(1e2, 1e5, 7)


@pytest.mark.parametrize("level", [0.68, 0.95, 0.999])
def test_pure_interval_is_the_t_interval_of_the_regression(level):
    """A line in log space has the exact t interval of its slope, and Student's band around it."""
    x, y = runs(np.random.default_rng(1), SIZES, SIZES**-0.7, seeds=2, sd=0.2)
    fit = fit_law(x, y, "pure", level)
    line = stats.linregress(np.log(fit.points.sizes), np.log(fit.points.means))
    half = stats.t.isf((1 - level) / 2, 5) * line.stderr
    assert np.all(fit.points.weights == 1)
    assert fit.alpha == pytest.approx(-line.slope, rel=1e-9)
    assert fit.alpha_interval.low == pytest.approx(-line.slope - half, rel=1e-6)
    assert fit.alpha_interval.high == pytest.approx(-line.slope + half, rel=1e-6)

    at = np.array([1e1, 1e3, 1e7])
    centre = np.log(SIZES).mean()
    half = half * np.sqrt(np.mean((np.log(SIZES) - centre) ** 2) + (np.log(at) - centre) ** 2)
    low, high = band(fit, at, far=True)
    assert np.log(low) == pytest.approx(line.intercept + line.slope * np.log(at) - half, abs=1e-5)
    assert np.log(high) == pytest.approx(line.intercept + line.slope * np.log(at) + half, abs=1e-5)


def best_rss(points, law_of, starts):
    """The least sum of squares of ln(means / law_of(theta)) over theta, from scipy."""
    return min(
        2
        * least_squares(
            lambda theta: np.sqrt(points.weights) * np.log(points.means / law_of(theta)),
            start,
            xtol=1e-14,
            ftol=1e-14,
        ).cost
        for start in starts
    )


@pytest.mark.parametrize(
    ("alpha", "crossing", "sd"), [(1.0, 1e4, 0.1), (0.3, 1e3, 0.02), (4.0, 5e3, 0.3)]
)
def test_floor_intervals_end_where_an_independent_profile_reaches_the_bound(alpha, crossing, sd):
    """With the exponent, the floor or a prediction held at its end, the best law is at best * (1 +
    F / dof).
    """
    x, y = runs(
        np.random.default_rng(2), SIZES, curve(SIZES, alpha, crossing=crossing), seeds=5, sd=sd
    )
    fit = fit_law(x, y, "floor")
    points = fit.points
    best = np.sum(points.weights * np.log(points.means / predict(fit, points.sizes)) ** 2)
    bound = best * (1 + stats.f.isf(0.05, 1, 4) / 4)
    log_a, log_e = fit.log_amplitude, np.log(fit.floor)

    for end in (fit.alpha_interval.low, fit.alpha_interval.high):
        starts = [(log_a + (end - fit.alpha) * np.log(pivot), log_e) for pivot in (1e3, 1e4)]
        held = best_rss(
            points, lambda p, end=end: np.exp(p[1]) + np.exp(p[0]) * points.sizes**-end, starts
        )
        assert held == pytest.approx(bound, rel=1e-4)

    for end in (fit.floor_interval.low, fit.floor_interval.high):
        starts = [(log_a + bend * np.log(1e3), fit.alpha + bend) for bend in (-0.1, 0, 0.1)]
        held = best_rss(
            points, lambda p, end=end: end + np.exp(p[0]) * points.sizes ** -p[1], starts
        )
        assert held == pytest.approx(bound, rel=1e-4)

    for at in (3e1, 2e3, 1e6):
        for end in np.concatenate(band(fit, [at])):
            share = fit.floor / predict(fit, [at])[0]

            def through(p, at=at, end=end):
                """The law through `end` at `at`: p is its exponent and the logit of the floor's
                share there.
                """
                return end * (
                    stats.logistic.cdf(p[1])
                    + stats.logistic.sf(p[1]) * (points.sizes / at) ** -p[0]
                )

            starts = [(fit.alpha * bend, np.log(share / (1 - share))) for bend in (0.95, 1, 1.05)]
            assert best_rss(points, through, starts) == pytest.approx(bound, rel=1e-4)


def test_floor_that_the_sizes_do_not_reach_is_open():
    x, y = runs(np.random.default_rng(4), SIZES, curve(SIZES, 1.0, crossing=1e7), seeds=3, sd=0.1)
    fit = fit_law(x, y, "floor")
    assert fit.floor_interval.low == 0.0
    assert fit.floor_interval.low_open
    assert not fit.floor_interval.high_open
    assert "FLOOR_OPEN" in [caution.code for caution in fit.warnings]


def test_exponent_seen_by_one_size_only_has_no_upper_end():
    """Only the smallest size is above the plateau: any steeper law fits as well, and so below it
    any higher loss.
    """
    means = np.array([3.0, 1.15, 0.95, 1.08, 0.97, 1.05])
    fit = fit_law(np.geomspace(1e2, 1e4, 6), means, "floor")
    assert fit.alpha_interval.high_open
    assert "EXPONENT_OPEN" in [caution.code for caution in fit.warnings]
    low, high = band(fit, [1e1, 1e3])
    assert np.isinf(high[0])
    assert np.all(np.isfinite([low[0], low[1], high[1]]))


def test_aicc_is_that_of_a_normal_sample():
    """Up to its constant it is -2 ln likelihood + 2k + 2k(k+1)/(n-k-1) with k = 3 for the pure
    law.
    """
    x, y = runs(np.random.default_rng(6), SIZES, SIZES**-1.0, seeds=1, sd=0.1)
    fit = fit_law(x, y, "pure")
    residuals = np.log(fit.points.means / predict(fit, SIZES))
    assert fit.sigma == pytest.approx(np.sqrt(np.sum(residuals**2) / 5))
    log_likelihood = stats.norm.logpdf(residuals, scale=np.sqrt(np.mean(residuals**2))).sum()
    constant = 7 * (np.log(2 * np.pi) + 1)
    assert fit.aicc == pytest.approx(-2 * log_likelihood - constant + 6 + 24 / 3)


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_of_a_line_a_new_size_has_students_prediction_interval(level):
    """A line's prediction at weight 1 is off by s sqrt(1 + 1/n + (u - mean)^2 / S); two seeds,
    equal weights.
    """
    x, y = runs(np.random.default_rng(7), SIZES, SIZES**-0.7, seeds=2, sd=0.2)
    fit = fit_law(x, y, "pure", level)
    at = np.array([3e1, 1e3, 1e6])
    u, new = np.log(SIZES), np.log(at)
    share = 1 + 1 / 7 + (new - u.mean()) ** 2 / np.sum((u - u.mean()) ** 2)
    half = stats.t.isf((1 - level) / 2, 5) * fit.sigma * np.sqrt(share)
    low, high = prediction_interval(fit, at)
    assert np.log(low) == pytest.approx(np.log(predict(fit, at)) - half, abs=1e-5)
    assert np.log(high) == pytest.approx(np.log(predict(fit, at)) + half, abs=1e-5)


def test_a_new_size_of_more_runs_is_predicted_more_closely():
    """With three seeds or more the noise is known by size: more new runs narrow the interval, to
    the band at last.
    """
    x, y = runs(np.random.default_rng(8), SIZES, SIZES**-0.7, seeds=5, sd=0.2)
    fit = fit_law(x, y, "pure")
    widths = [
        np.diff(np.log(prediction_interval(fit, [1e6], count)), axis=0)[0, 0]
        for count in (1, 5, 1e9)
    ]
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] == pytest.approx(np.diff(np.log(band(fit, [1e6])), axis=0)[0, 0], rel=1e-4)


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
    """Within sizes, slopes have the variance of the regression on means of resampled runs: sum of
    c^2 s^2 / n.
    """
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
