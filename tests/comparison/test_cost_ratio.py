"""Sizes at equal loss and losses at equal size: exact where data are, Welch's of pure laws, open
where nothing says.
"""

import numpy as np
import pytest
from commands import refused
from scipy.optimize import brentq
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution
from two_arms import fit_of, fits, line_of, welch

from benchmarks.arms import Arm, curve, sizes_of
from harness.base.errors import HarnessError
from harness.comparison import cost_ratio, crossover, exponent_difference, loss_ratio
from harness.laws import deviance, fit_law, predict
from harness.laws.points import Known


def exact(arm, level=0.95):
    sizes = sizes_of(arm)
    return fit_law(sizes, curve(arm, sizes), "floor" if arm.floor else "pure", level)


def test_a_cost_multiplier_is_found_exactly():
    """Laws with one floor and exponent: ((L_second - E) / (L_first - E))^(1 / alpha) at equal size,
    at every loss.
    """
    first, second = Arm(floor=2, alpha=0.5, at=1e4), Arm(floor=2, alpha=0.5, at=3e4)
    multiplier = ((curve(second, 1e5) - 2) / (curve(first, 1e5) - 2)) ** (1 / 0.5)
    found = cost_ratio(exact(first), exact(second))
    assert multiplier == pytest.approx(3)
    assert found.estimate == pytest.approx(multiplier, rel=1e-6)
    assert np.all(
        (found.low <= found.estimate * (1 + 1e-9)) & (found.estimate <= found.high * (1 + 1e-9))
    )


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
    """At either end the least sum of both deviances over the first arm's size is the F quantile of
    Welch's dof.
    """
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


def test_of_known_errors_the_difference_has_the_normal_interval():
    """As that of either exponent; of one known arm Welch's, with the degrees of freedom of the
    other's share alone.
    """
    x, rng = np.geomspace(1e3, 1e6, 6), np.random.default_rng(8)
    losses = x**-0.5 * np.exp(0.05 * rng.standard_normal((2, 6)))
    known, other = (fit_law(x, y, "pure", known=Known(0.05 * y)) for y in losses)
    assert np.isinf([known.region.dof, other.region.dof]).all()
    squares = np.sum((np.log(x) - np.log(x).mean()) ** 2)
    variance, own = 0.05**2 / squares, line_of(fit_law(x, losses[1], "pure"))
    free = own.variance / squares
    for second, error, dof in (
        (other, np.sqrt(2 * variance), np.inf),
        (
            fit_law(x, losses[1], "pure"),
            np.sqrt(variance + free),
            4 * (variance + free) ** 2 / free**2,
        ),
    ):
        found = exponent_difference(known, second)
        half = t_distribution.isf(0.025, dof) * error
        ends = (found.interval.low, found.interval.high)
        assert ends == pytest.approx((found.estimate - half, found.estimate + half), rel=1e-3)
    ratio = loss_ratio(known, other, [1e5])
    error = np.sqrt(2 * 0.05**2 * (1 / 6 + (np.log(1e5) - np.log(x).mean()) ** 2 / squares))
    assert np.log(ratio.high / ratio.estimate) == pytest.approx([1.959964 * error], rel=5e-3)


LEVEL_ARMS = (
    Arm(floor=1, at=1e4),
    Arm(floor=1, at=2e4),
)  # of which the least losses have no size: an open end


@pytest.mark.parametrize(
    ("compare", "arms", "at"),
    [
        (cost_ratio, LEVEL_ARMS, [1.02, 1.2, 3.0]),
        (loss_ratio, (Arm(floor=1), Arm(at=5e5)), [1e3, 3e4, 1e6]),
    ],
)
def test_exchanging_the_arms_inverts_the_ratio(compare, arms, at):
    rng = np.random.default_rng(3)
    first, second = (fit_of(arm, rng) for arm in arms)
    there, back = (
        compare(*pair, at, extrapolate=True) for pair in ((first, second), (second, first))
    )
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
    rising = fit_law(
        x, 10 * x**0.01 * np.exp([0.02, -0.02, 0.02, -0.02, 0.02, -0.02, 0.02]), "pure"
    )
    found = cost_ratio(exact(Arm()), rising)
    assert rising.alpha < 0
    assert [refusal.code for refusal in found.refusals] == ["NOT_FALLING"]


def test_of_pure_laws_a_ratio_of_losses_has_welchs_interval():
    """Predictions of pure laws are linear, so the interval is known in closed form, also for
    unequal designs.
    """
    rng = np.random.default_rng(1)
    first, second = (
        fit_of(Arm(sizes=5, seeds=1, sd=0.2), rng),
        fit_of(Arm(alpha=0.7, sizes=9, seeds=1), rng),
    )
    found = loss_ratio(first, second)

    u = np.log(found.sizes)
    (own, variance), (other, other_variance) = line_of(first).at(u), line_of(second).at(u)
    half = t_distribution.isf(0.025, welch(variance, 3, other_variance, 7)) * np.sqrt(
        variance + other_variance
    )
    assert np.log(found.estimate) == pytest.approx(other - own, abs=1e-9)
    assert np.log(found.low) == pytest.approx(other - own - half, abs=1e-3 * half.min())
    assert np.log(found.high) == pytest.approx(other - own + half, abs=1e-3 * half.min())


def test_the_ends_of_a_ratio_of_losses_lie_where_the_joint_deviance_leaves():
    """Of floor laws: at either end the least sum of both deviances is the F quantile at its own
    Welch weights.
    """
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
    assert loss_ratio(first, second, [1e4, 2e6], extrapolate=True).extrapolated.tolist() == [
        False,
        True,
    ]
    assert "size -1.0" in refused(loss_ratio, first, second, -1)


def test_of_pure_laws_a_difference_of_exponents_has_welchs_interval():
    """A slope is linear, so the interval is known in closed form, also for unequal designs."""
    rng = np.random.default_rng(1)
    first, second = (
        fit_of(Arm(sizes=5, seeds=1, sd=0.2), rng),
        fit_of(Arm(alpha=0.7, sizes=9, seeds=1), rng),
    )
    found = exponent_difference(first, second)

    line, other = line_of(first), line_of(second)
    variance, other_variance = line.variance / line.squares, other.variance / other.squares
    half = t_distribution.isf(0.025, welch(variance, 3, other_variance, 7)) * np.sqrt(
        variance + other_variance
    )
    assert found.estimate == pytest.approx(other.slope - line.slope)
    assert found.interval.low == pytest.approx(found.estimate - half, abs=1e-3 * half)
    assert found.interval.high == pytest.approx(found.estimate + half, abs=1e-3 * half)


def test_against_an_exact_arm_it_is_the_other_arms_interval():
    fit = fit_of(Arm(floor=1), np.random.default_rng(2))
    x = np.geomspace(1e3, 1e6, 7)
    exact = fit_law(x, 1 + (x / 1e5) ** -0.5, "floor")
    found = exponent_difference(fit, exact)
    assert found.interval.low == pytest.approx(fit.alpha_interval.low - 0.5, abs=1e-3)
    assert found.interval.high == pytest.approx(fit.alpha_interval.high - 0.5, abs=1e-3)


def test_an_exponent_without_an_upper_end_leaves_the_difference_open():
    x = np.geomspace(1e3, 1e6, 6)
    noise = np.exp([0.0, 0.0, 0.04, -0.05, 0.05, -0.04])
    steep = fit_law(x, (1 + (x / 1e3) ** -3) * noise, "floor")
    found = exponent_difference(steep, fit_of(Arm(floor=1), np.random.default_rng(3)))

    assert steep.alpha_interval.high_open
    assert found.interval.high_open
    assert np.isfinite(found.interval.low)


def test_exponents_of_two_laws_are_not_compared():
    rng = np.random.default_rng(4)
    with pytest.raises(HarnessError, match=r"law='floor' .* law='pure'"):
        exponent_difference(fit_of(Arm(floor=1), rng), fit_of(Arm(), rng))


def test_unequal_exponents_are_told_apart():
    found = [
        exponent_difference(*pair) for pair in fits(Arm(alpha=1.0), Arm(alpha=0.8), 10, seed=7)
    ]
    assert np.mean([difference.interval.low > 0 for difference in found]) >= 0.9
