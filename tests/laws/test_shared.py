"""The laws of both arms that a multiplier rests on, against scipy."""

import numpy as np
import pytest
from made_runs import curve, runs
from scipy import stats
from scipy.optimize import least_squares

from harness.comparison.multiplier import multiplier

SIZES = np.geomspace(1e2, 1e5, 7)


def two_arms(seed, cost=3.0):
    """Runs of two arms with one floor and one exponent, the second of `cost` times the first's
    cost.
    """
    rng = np.random.default_rng(seed)
    made = {
        arm: runs(rng, SIZES, curve(SIZES, 1.0, crossing=at), 2, 0.05)
        for arm, at in (("a", 1e3), ("b", cost * 1e3))
    }
    return {arm: x for arm, (x, _) in made.items()}, {arm: y for arm, (_, y) in made.items()}


def means_of(x, y):
    return np.array([np.log(y[x == size]).mean() for size in SIZES])


def least_cost(v, places, held=None):
    """The least sum of squares of both laws, from scipy.

    `places` says which of the parameters p are the floor, the exponent and the scale of each arm;
    `held` is a known multiplier, so that the second arm's scale is the first's times it.
    """
    log_x = np.log(SIZES)

    def residuals(p):
        found = []
        for arm, (floor, exponent, scale) in places.items():
            cost = p[2] + np.log(held) if held and arm == "b" else p[scale]
            law = np.logaddexp(p[floor], -np.exp(p[exponent]) * (log_x - cost))
            found.append(law - v[arm])
        return np.concatenate(found)

    number = 1 + max(index for place in places.values() for index in place)
    start = np.array([0.0, 0.0, np.log(1e3), np.log(3e3), 0.0, 0.0])[:number]
    return 2 * least_squares(residuals, start, xtol=1e-14, ftol=1e-14, gtol=1e-14).cost


ALL_SHARED = {"a": (0, 1, 2), "b": (0, 1, 3)}
ALPHA_FREE = {"a": (0, 1, 2), "b": (0, 4, 3)}
NONE_SHARED = {"a": (0, 1, 2), "b": (5, 4, 3)}


def test_its_interval_is_profiled_over_everything_else():
    """At its ends the best laws of both arms are at best (1 + F / dof), by scipy."""
    x, y = two_arms(1)
    found = multiplier(x, y, floor="shared", alpha="shared")
    v = {arm: means_of(x[arm], y[arm]) for arm in x}
    bound = least_cost(v, ALL_SHARED) * (1 + stats.f.isf(0.05, 1, 10) / 10)
    assert (found.parameters, found.dof) == (4, 10)
    interval = found.sizes[0].multiplier.interval
    for end in (interval.low, interval.high):
        one_less = {"a": (0, 1, 2), "b": (0, 1, 2)}
        assert least_cost(v, one_less, held=end) == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize(("alpha", "places"), [("free", ALPHA_FREE), ("shared", ALL_SHARED)])
def test_sharing_is_tested_by_f(alpha, places):
    x, y = two_arms(3)
    v = {arm: means_of(x[arm], y[arm]) for arm in x}
    least, squares = least_cost(v, NONE_SHARED), least_cost(v, places)
    found = multiplier(x, y, floor="shared", alpha=alpha)
    spared = 6 - found.parameters
    ratio = (squares - least) / spared / (least / 8)
    assert found.p == pytest.approx(stats.f.sf(ratio, spared, 8), rel=1e-4)
