"""The set of sizes where two curves may be equal: Fieller's for pure laws, and unbounded where the data are weak."""

import numpy as np
import pytest
from scipy.stats import t as t_distribution
from two_arms import fit_of, line_of

from benchmarks.arms import Arm, curve, sizes_of
from harness.base.errors import HarnessError
from harness.comparison import crossover
from harness.laws import fit_law

STEEP = Arm(alpha=1.0, at=10**4.5)
SHALLOW = Arm(alpha=0.8, at=10**4.5)  # both are 1 in the middle of their sizes
WEAK = Arm(alpha=0.95, at=10**3.5, sizes=5, decades=1, seeds=3)


def with_errors(arm, errors):
    sizes = sizes_of(arm)
    return fit_law(sizes, curve(arm, sizes) * np.exp(errors), "pure")


@pytest.mark.parametrize("sd", [0.02, 0.1])
def test_of_pure_laws_it_is_fiellers_set(sd):
    """Arms of equal errors have equal variances everywhere, hence twice the dof, and Fieller's quadratic holds."""
    errors = sd * np.random.default_rng(1).standard_normal(7)
    first, second = with_errors(STEEP, errors), with_errors(SHALLOW, errors)
    found = crossover(first, second)

    line, other = line_of(first), line_of(second)
    t2 = t_distribution.isf(0.025, 2 * first.dof) ** 2
    slope, gap, variance = other.slope - line.slope, other.mean_v - line.mean_v, 2 * line.variance
    # (gap + slope w)^2 = t^2 variance (1/n + w^2 / squares), with w = ln x less its mean.
    quadratic = [slope**2 - t2 * variance / line.squares, 2 * slope * gap, gap**2 - t2 * variance / line.n]
    roots = np.sort(np.exp(np.roots(quadratic) + line.mean_u))

    assert found.kind == "bounded"
    assert found.equal[0] == pytest.approx(tuple(roots), rel=1e-4)
    assert found.estimate == pytest.approx(np.exp(line.mean_u - gap / slope), rel=1e-6)


def test_who_is_ahead_is_said_on_either_side():
    rng = np.random.default_rng(2)
    steep, shallow = fit_of(STEEP, rng), fit_of(SHALLOW, rng)
    there, back = crossover(steep, shallow), crossover(shallow, steep)

    assert [stretch.arm for stretch in there.ahead] == ["second", "first"]
    assert [stretch.arm for stretch in back.ahead] == ["first", "second"]
    assert there.ahead[0].high == there.equal[0][0]
    assert there.equal[0][1] == there.ahead[1].low
    assert back.equal[0] == pytest.approx(there.equal[0], rel=1e-6)


def test_parallel_curves_that_are_apart_do_not_cross():
    rng = np.random.default_rng(3)
    found = crossover(fit_of(Arm(at=1e6), rng), fit_of(Arm(at=3e6), rng))
    assert (found.kind, found.equal, found.estimate) == ("none", (), None)
    assert [(stretch.low, stretch.high, stretch.arm) for stretch in found.ahead] == [(*found.searched, "first")]
    assert found.searched == pytest.approx((1e3, 1e6), rel=1e-12)


def test_a_crossing_near_the_end_is_half_open_and_a_declared_extrapolation_can_close_it():
    """Where the set reaches the largest shared size the data do not say that the curves cross: no point estimate."""
    rng = np.random.default_rng(4)
    fits = fit_of(Arm(alpha=1.0, at=1e6), rng), fit_of(Arm(alpha=0.8, at=1e6), rng)
    found, beyond = crossover(*fits), crossover(*fits, extrapolate_decades=1)

    assert found.kind == "half-open"
    assert found.equal[-1][1] == found.searched[1]
    assert [stretch.arm for stretch in found.ahead] == ["second"]
    assert found.estimate is None
    assert beyond.kind == "bounded"
    assert beyond.searched == pytest.approx((1e2, 1e7))
    assert beyond.equal[0][0] < 1e6 < beyond.equal[0][1]


def test_the_same_runs_are_equal_everywhere():
    fit = fit_of(STEEP, np.random.default_rng(5))
    found = crossover(fit, fit)
    assert (found.kind, found.ahead, found.estimate) == ("everything", (), None)
    assert found.equal == (found.searched,)


def test_a_set_narrower_than_the_search_is_not_overlooked():
    sizes = sizes_of(STEEP)
    first, second = (fit_law(sizes, (sizes / 7654.0) ** -alpha, "pure") for alpha in (1.0, 0.8))
    found = crossover(first, second)
    assert found.kind == "bounded"
    assert found.estimate == pytest.approx(7654)
    assert found.equal[0] == pytest.approx((7654, 7654))


def test_a_negative_extrapolation_is_an_error():
    fit = fit_of(STEEP, np.random.default_rng(6))
    with pytest.raises(HarnessError, match="extrapolate_decades=-1"):
        crossover(fit, fit, extrapolate_decades=-1)
