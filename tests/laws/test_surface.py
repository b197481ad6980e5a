"""The two-variable law: its intervals against a profile made by scipy, its refusals, its curve."""

import numpy as np
import pytest
from commands import refused
from scipy import stats
from scipy.optimize import least_squares

from harness.laws import fit_surface

N, D = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e6, 1e9, 6), np.geomspace(1e8, 1e11, 6)))
TRUTH = 1 + (N / 1e7) ** -0.4 + (D / 1e9) ** -0.3


def noisy(seed, sd=0.02):
    return TRUTH * np.exp(sd * np.random.default_rng(seed).standard_normal(N.size))


def best_rss(y, hold):
    """The least sum of squares over what `hold` leaves free: it maps theta to ln a, ln alpha, ln b,
    ln beta, ln E.
    """

    def residuals(theta):
        log_a, log_alpha, log_b, log_beta, log_e = hold(theta)
        by_n = log_a - np.exp(log_alpha) * np.log(N / 1e7)
        by_d = log_b - np.exp(log_beta) * np.log(D / 1e9)
        return np.logaddexp(np.logaddexp(by_n, by_d), log_e) - np.log(y)

    start = (0.0, np.log(0.4), 0.0, np.log(0.3))
    return 2 * least_squares(residuals, start, xtol=1e-14, ftol=1e-14, gtol=1e-14).cost


def test_intervals_end_where_an_independent_profile_reaches_the_bound():
    """With alpha, beta, the floor or beta / alpha held at an end, the best law is at best (1 + F /
    dof).
    """
    y = noisy(1)
    fit = fit_surface(N, D, y, objective="least_squares")
    law = fit.floor.value + fit.a * N**-fit.alpha.value + fit.b * D**-fit.beta.value
    best = np.sum(np.log(law / y) ** 2)
    bound = best * (1 + stats.f.isf(0.05, 1, 31) / 31)
    assert fit.sigma == pytest.approx(np.sqrt(best / 31))
    for end in (fit.alpha.interval.low, fit.alpha.interval.high):
        held = best_rss(y, lambda p, end=end: (p[0], np.log(end), p[2], p[3], p[1] - np.log(0.4)))
        assert held == pytest.approx(bound, rel=1e-4)
    for end in (fit.beta.interval.low, fit.beta.interval.high):
        held = best_rss(y, lambda p, end=end: (p[0], p[1], p[2], np.log(end), p[3] - np.log(0.3)))
        assert held == pytest.approx(bound, rel=1e-4)
    for end in (fit.floor.interval.low, fit.floor.interval.high):
        assert best_rss(y, lambda p, end=end: (*p, np.log(end))) == pytest.approx(bound, rel=1e-4)
    for end in (fit.allocation.interval.low, fit.allocation.interval.high):
        ratio = np.log(end / (1 - end))
        held = best_rss(
            y, lambda p, ratio=ratio: (p[0], p[1], p[2], p[1] + ratio, p[3] - np.log(0.3))
        )
        assert held == pytest.approx(bound, rel=1e-4)


def test_runs_of_a_cell_are_one_unit():
    """An effect that all runs of a cell share: ten runs a cell give the interval of one, and 31
    degrees of freedom.
    """
    y = noisy(3)
    once = fit_surface(N, D, y, objective="least_squares")
    again = np.tile(y, 10) * np.exp(1e-6 * np.random.default_rng(4).standard_normal(10 * y.size))
    tenfold = fit_surface(np.tile(N, 10), np.tile(D, 10), again, objective="least_squares")
    assert tenfold.cells == once.cells == 36
    assert tenfold.alpha.interval.low == pytest.approx(once.alpha.interval.low, rel=1e-3)
    assert tenfold.alpha.interval.high == pytest.approx(once.alpha.interval.high, rel=1e-3)


def test_a_design_without_both_ranges_is_refused():
    few = fit_surface(N[D < 5e9], D[D < 5e9], TRUTH[D < 5e9])
    narrow = fit_surface(10 ** (6 + 0.05 * np.log10(N / 1e6)), D, TRUTH)
    assert [refusal.code for refusal in few.refusals] == ["TOO_FEW"]
    assert [refusal.code for refusal in narrow.refusals] == ["RANGE"]
    assert few.alpha is None
    assert "n has 36 rows, d has 36 and y has 35" in refused(fit_surface, N, D, TRUTH[:-1])
