"""Sizes at equal loss: exact where the data are, open where they say nothing, refused where no loss is shared."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import f as f_distribution
from two_arms import fit_of

from benchmarks.arms import Arm, curve, sizes_of
from harness.base.errors import HarnessError
from harness.comparison import cost_ratio, crossover, exponent_difference, loss_ratio
from harness.laws import deviance, fit_law


def exact(arm, level=0.95):
    sizes = sizes_of(arm)
    return fit_law(sizes, curve(arm, sizes), "floor" if arm.floor else "pure", level)


def test_a_cost_multiplier_is_found_exactly():
    """Laws that share floor and exponent: ((L_second - E) / (L_first - E))^(1 / alpha) at equal size is the ratio of
    sizes at every equal loss."""
    first, second = Arm(floor=2, alpha=0.5, at=1e4), Arm(floor=2, alpha=0.5, at=3e4)
    multiplier = ((curve(second, 1e5) - 2) / (curve(first, 1e5) - 2)) ** (1 / 0.5)
    found = cost_ratio(exact(first), exact(second))
    assert multiplier == pytest.approx(3)
    assert found.estimate == pytest.approx(multiplier, rel=1e-6)
    assert np.all((found.low <= found.estimate * (1 + 1e-9)) & (found.estimate <= found.high * (1 + 1e-9)))


def test_units_of_size_and_loss_do_not_matter():
    x = np.repeat(np.geomspace(1e3, 1e6, 7), 3)
    noise = np.random.default_rng(1).standard_normal((2, x.size))
    losses = (1 + (x / 1e5) ** -1) * np.exp(0.1 * noise)
    at = np.array([2.0, 10.0, 50.0])
    plain = cost_ratio(*(fit_law(x, y, "floor") for y in losses), at)
    scaled = cost_ratio(*(fit_law(1e6 * x, 1e-9 * y, "floor") for y in losses), 1e-9 * at)

    assert scaled.low == pytest.approx(plain.low, rel=1e-4)
    assert scaled.high == pytest.approx(plain.high, rel=1e-4)


def test_the_ends_lie_where_the_joint_deviance_leaves():
    """At either end the least sum of both deviances over the first arm's size is the F quantile of Welch's dof."""
    rng = np.random.default_rng(2)
    first, second = fit_of(Arm(), rng), fit_of(Arm(at=2e6), rng)
    loss = 30.0
    found = cost_ratio(first, second, loss)
    sizes = 1e6 / loss * np.exp(np.linspace(-0.5, 0.5, 4001))
    for end in (found.low[0], found.high[0]):
        own, other = deviance(first, sizes, loss), deviance(second, end * sizes, loss)
        best = np.argmin(own + other)
        share = own[best] / (own + other)[best]
        dof = 1 / (share**2 / first.dof + (1 - share) ** 2 / second.dof)
        assert (own + other)[best] == pytest.approx(f_distribution.isf(0.05, 1, dof), rel=0.02)


LEVEL_ARMS = Arm(floor=1, at=1e4), Arm(floor=1, at=2e4)  # of which the least losses have no size: an open end


@pytest.mark.parametrize(
    ("compare", "arms", "at"),
    [(cost_ratio, LEVEL_ARMS, [1.02, 1.2, 3.0]), (loss_ratio, (Arm(floor=1), Arm(at=5e5)), [1e3, 3e4, 1e6])],
)
def test_exchanging_the_arms_inverts_the_ratio(compare, arms, at):
    rng = np.random.default_rng(3)
    first, second = (fit_of(arm, rng) for arm in arms)
    there, back = (compare(*pair, at, extrapolate=True) for pair in ((first, second), (second, first)))
    assert (np.isinf(there.high).any() or (there.low == 0).any()) == (compare is cost_ratio)
    with np.errstate(divide="ignore"):
        assert back.estimate == pytest.approx(1 / there.estimate)
        assert back.low == pytest.approx(1 / there.high, rel=1e-6)
        assert back.high == pytest.approx(1 / there.low, rel=1e-6)


def test_a_local_slope_says_nothing_beyond_its_sizes():
    rng = np.random.default_rng(4)
    arm = Arm(sizes=6, decades=0.8)
    first, second = fit_of(arm, rng), fit_of(arm, rng)
    found = cost_ratio(first, second)

    assert found.low[-1] == 0 or np.isinf(found.high[-1])
    assert np.isfinite(found.high[16])
    assert found.low[16] > 0


def test_the_end_of_a_single_uncertain_arm_is_its_own_profile():
    first, second = exact(Arm()), fit_of(Arm(), np.random.default_rng(5))
    loss, size = 30.0, 1e6 / 30
    found = cost_ratio(first, second, loss)
    allowed = f_distribution.isf(0.05, 1, second.dof)
    best = found.estimate[0] * size
    low, high = (
        np.exp(brentq(lambda u: deviance(second, [np.exp(u)], [loss])[0] - allowed, *ends))
        for ends in (np.log([best / 3, best]), np.log([best, 3 * best]))
    )

    assert found.low[0] == pytest.approx(low / size, rel=1e-3)
    assert found.high[0] == pytest.approx(high / size, rel=1e-3)


def test_arms_without_a_loss_in_common_are_refused():
    found = cost_ratio(exact(Arm(at=1e6)), exact(Arm(at=1e12)))
    assert [refusal.code for refusal in found.refusals] == ["NO_OVERLAP"]
    assert found.estimate is None


@pytest.mark.parametrize("compare", [cost_ratio, loss_ratio, crossover, exponent_difference])
def test_a_refused_fit_refuses_every_comparison_and_two_levels_are_an_error(compare):
    few = fit_law([1e3, 1e4, 1e5], [1e3, 1e2, 1e1], "pure")
    found = compare(exact(Arm()), few)

    (refusal,) = found.refusals
    assert refusal.code == "REFUSED_FIT"
    assert "second arm" in refusal.reason
    assert "TOO_FEW" in refusal.reason
    assert found == type(found)(0.95, refusals=found.refusals)
    with pytest.raises(HarnessError, match=r"level=0\.95 .* level=0\.9;"):
        compare(exact(Arm()), exact(Arm(), level=0.9))


def test_a_law_that_does_not_fall_has_no_size_for_a_loss():
    x = np.geomspace(1e3, 1e6, 7)
    rising = fit_law(x, 10 * x**0.01 * np.exp([0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.02]), "pure")
    found = cost_ratio(exact(Arm()), rising)
    assert rising.alpha < 0
    assert [refusal.code for refusal in found.refusals] == ["NOT_FALLING"]
