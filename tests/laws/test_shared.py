"""Laws of several arms that share parameters, against scipy and against the arms' own fits."""

import numpy as np
import pytest
from commands import refused
from made_runs import curve, runs
from scipy import stats
from scipy.optimize import least_squares

from harness.laws import fit_law, fit_shared

SIZES = np.geomspace(1e2, 1e5, 7)


def two_arms(seed, sd=0.05, cost=3.0):
    """Runs of two arms with one floor and one exponent, the second of `cost` times the first's
    cost.
    """
    rng = np.random.default_rng(seed)
    made = {
        arm: runs(rng, SIZES, curve(SIZES, 1.0, crossing=at), 2, sd)
        for arm, at in (("a", 1e3), ("b", cost * 1e3))
    }
    return {arm: x for arm, (x, _) in made.items()}, {arm: y for arm, (_, y) in made.items()}


def means_of(x, y):
    return np.array([np.log(y[x == size]).mean() for size in SIZES])


def least_cost(v, multiplier=None):
    """The least sum of squares of laws that share floor and exponent, with the multiplier held or
    free, from scipy.
    """

    def residuals(p):
        costs = (p[2], p[2] + (np.log(multiplier) if multiplier else p[3]))
        log_x = np.log(SIZES)
        laws = [np.logaddexp(p[0], -np.exp(p[1]) * (log_x - cost)) for cost in costs]
        return np.concatenate([laws[0] - v["a"], laws[1] - v["b"]])

    start = (0.0, 0.0, np.log(1e3), np.log(3.0))[: 3 if multiplier else 4]
    return 2 * least_squares(residuals, start, xtol=1e-14, ftol=1e-14, gtol=1e-14).cost


def test_the_multiplier_is_profiled_over_everything_else():
    """At the ends of its interval the best law of both arms is at best (1 + F / dof), by scipy."""
    x, y = two_arms(1)
    found = fit_shared(x, y, "both")
    v = {arm: means_of(x[arm], y[arm]) for arm in x}
    best = least_cost(v)
    bound = best * (1 + stats.f.isf(0.05, 1, 10) / 10)
    assert (found.parameters, found.dof) == (4, 10)
    assert found.sigma == pytest.approx(np.sqrt(best / 10), rel=1e-6)
    for end in (found.multipliers["b"].interval.low, found.multipliers["b"].interval.high):
        assert least_cost(v, end) == pytest.approx(bound, rel=1e-4)


def test_sharing_nothing_is_a_fit_of_each():
    x, y = two_arms(2)
    found = fit_shared(x, y, "nothing")
    for arm in x:
        own = fit_law(x[arm], y[arm], "floor")
        assert found.alphas[arm].value == pytest.approx(own.alpha, rel=1e-6)
        assert found.floors[arm].value == pytest.approx(own.floor, rel=1e-6)
    assert found.p is None


@pytest.mark.parametrize(("share", "spared"), [("floor", 1), ("alpha", 1), ("both", 2)])
def test_sharing_is_tested_by_f(share, spared):
    """`p` is that of the F test between the two sums of squares, which sigma and dof give back."""
    x, y = two_arms(3)
    free, held = fit_shared(x, y, "nothing"), fit_shared(x, y, share)
    squares, least = held.sigma**2 * held.dof, free.sigma**2 * free.dof
    assert held.dof == free.dof + spared
    ratio = (squares - least) / spared / (least / free.dof)
    assert held.p == pytest.approx(stats.f.sf(ratio, spared, free.dof), rel=1e-5)


def test_arms_of_different_floors_refuse_to_share_one():
    x, y = two_arms(4)
    y["b"] = 10 * y["b"]
    assert fit_shared(x, y, "floor").p < 1e-3
    assert fit_shared(x, y, "nothing").aicc < fit_shared(x, y, "floor").aicc


def test_one_refused_arm_refuses_all():
    x, y = two_arms(5)
    x["b"], y["b"] = x["b"][:6], y["b"][:6]
    found = fit_shared(x, y, "both")
    assert found.alphas is None
    assert [refusal.code for refusal in found.refusals] == ["TOO_FEW"]
    assert found.refusals[0].reason.startswith("b: ")


def test_wrong_arguments():
    x, y = two_arms(6)
    assert "two arms or more" in refused(fit_shared, {"a": x["a"]}, {"a": y["a"]}, "both")
    assert "share='all' is not known" in refused(fit_shared, x, y, "all")
