"""Numbers over replicates: Student's interval, who wins, multipliers and exponents of known
laws.
"""

import math

import numpy as np
import pytest

from harness.base.errors import HarnessError
from harness.comparison.effort import Value
from harness.comparison.replicates import Curve, best_ratio, exponent, exponent_gap, multiplier

BUDGETS = np.array([30.0, 60.0, 120.0, 240.0, 480.0])
NAN = math.nan


def values(*ln_losses):
    """Values of a side at one budget: where a replicate has none, the chance of none is 1."""
    found = np.array(ln_losses)
    return Value(found, np.isnan(found).astype(float))


def law(prefactors, alpha, budgets=BUDGETS):
    """A replicate a prefactor, each on its power law."""
    ln_losses = np.log(prefactors)[:, None] - alpha * np.log(budgets)
    return Curve(np.asarray(budgets), ln_losses, ln_losses)


def of_losses(losses, budgets=BUDGETS):
    ln_losses = np.log(losses)
    return Curve(budgets, ln_losses, ln_losses)


def codes(said):
    return [one.code for one in said]


def near(found, truth):
    """Whether an estimate and both ends of its interval are the truth, to rounding."""
    return (found.estimate, found.low, found.high) == pytest.approx((truth,) * 3, rel=1e-9)


def test_a_side_without_a_network_loses_the_replicate_and_is_left_out_of_the_mean():
    found = best_ratio(values(0, 1, 2, 3, NAN), values(2, 2, 2, 2, 2))
    assert (found.won, found.lost) == (2, 2)
    assert found.estimate == pytest.approx(math.exp(np.mean([2, 1, 0, -1])))
    assert (codes(found.cautions), found.refusals) == (["LOST_REPLICATES", "FEW_REPLICATES"], ())


def test_too_many_failures_refuse_the_number_and_leave_who_won():
    both = best_ratio(values(NAN, NAN, 1, 1), values(NAN, 1, NAN, 2))
    assert (both.won, both.lost) == (2, 1)
    found = best_ratio(values(0, 0, 0, NAN, 0), values(1, 2, 3, 4, NAN))
    assert (found.estimate, codes(found.refusals)) == (None, ["FAILED_REPLICATES"])
    assert "in 40% of 5 replicates" in found.refusals[0].reason
    assert (found.won, found.lost) == (4, 1)


def test_at_a_lower_effort_failures_count_by_their_chance():
    """All replicates have a value, but a search of this effort finds nothing in .15 of the cases,
    or in .3.
    """

    def failing(chance):
        return best_ratio(Value(np.arange(5.0), np.full(5, chance)), values(1, 2, 3, 4, 6))

    assert (codes(failing(0.15).refusals), codes(failing(0.15).cautions)) == (
        [],
        ["LOST_REPLICATES", "FEW_REPLICATES"],
    )
    assert codes(failing(0.3).refusals) == ["FAILED_REPLICATES"]


def test_few_replicates_are_a_caution_and_one_is_none():
    assert codes(best_ratio(values(*[0] * 7), values(*range(1, 8))).cautions) == ["FEW_REPLICATES"]
    assert codes(best_ratio(values(*[0] * 8), values(*range(1, 9))).cautions) == []
    assert codes(best_ratio(values(0), values(1)).refusals) == ["ONE_REPLICATE"]


@pytest.mark.parametrize("first", [(-math.inf, 0, 0, 0), (-math.inf, -math.inf, 0, 0)])
def test_a_loss_of_zero_is_refused(first):
    found = best_ratio(values(*first), values(-math.inf, 0, 0, 1))
    assert (found.estimate, codes(found.refusals)) == (None, ["ZERO"])


@pytest.mark.parametrize("at", [60, 100])
def test_the_multiplier_of_two_power_laws_is_the_closed_form(at):
    """a x^-p = b y^-q gives y = (b / a x^p)^(1 / q), in each replicate and between budgets too."""
    first, second = law([1.0, 2.0, 3.0, 4.0], 1.0), law([3.0, 6.0, 9.0, 12.0], 1.25)
    truth = (3 * at) ** (1 / 1.25) / at
    assert near(multiplier(first, second, at), truth)


def test_a_rise_counts_as_flat():
    clean, mistaken = of_losses([[8, 4, 4, 2, 1.0]] * 2), of_losses([[8, 4, 5, 2, 1.0]] * 2)
    assert near(multiplier(clean, mistaken, 120), 0.5)
    assert near(multiplier(mistaken, clean, 120), 0.5)


def test_bounds_make_the_answer_a_bound_by_the_median():
    first = law([1.0] * 4, 1.0)
    second = law([2.0, 3.0, 100.0, 200.0], 1.0)
    found = multiplier(first, second, 120)

    assert found.estimate is None
    assert np.exp(found.by_replicate) == pytest.approx([2, 3, 4, 4])
    assert found.bound == ("at least", pytest.approx(math.sqrt(3 * 4)))
    assert found.refusals == ()


def test_other_bounds():
    """Better from its smallest budget is one from above; a fifth of bounds are numbers, on both
    sides say nothing.
    """
    above = multiplier(law([100.0] * 4, 1.0), law([1.0] * 4, 1.0), 120)
    few = multiplier(law([1.0] * 5, 1.0), law([2.0, 2.0, 2.0, 2.0, 100.0], 1.0), 120)
    nothing = multiplier(law([1.0] * 4, 1.0), law([100.0, 100.0, 0.001, 0.001], 1.0), 120)
    assert above.bound == ("at most", pytest.approx(30 / 120))
    assert (few.bound, few.estimate) == (None, pytest.approx((2**4 * 4) ** (1 / 5)))
    assert (nothing.estimate, nothing.bound, codes(nothing.refusals)) == (
        None,
        None,
        ["NO_OVERLAP"],
    )


def test_a_side_that_never_finishes_never_comes_to_a_loss_and_has_none():
    first = law([1.0] * 4, 1.0)
    nothing = of_losses(np.full((4, 5), NAN))
    assert multiplier(first, nothing, 120).bound == ("at least", pytest.approx(4))
    assert codes(multiplier(nothing, first, 120).refusals) == ["FAILED_REPLICATES", "ONE_REPLICATE"]


def test_before_its_first_value_a_side_has_no_loss():
    late = of_losses([[NAN, 4, 3, 2, 1.0]] * 4)
    assert codes(multiplier(late, law([1.0] * 4, 1.0), 40).refusals) == [
        "FAILED_REPLICATES",
        "ONE_REPLICATE",
    ]
    assert near(multiplier(late, late, 60), 1)
    assert multiplier(of_losses([[9, 8, 7, 6, 5.0]] * 4), late, 120).bound == (
        "at most",
        pytest.approx(0.5),
    )


def test_a_multiplier_is_asked_within_the_budgets():
    with pytest.raises(
        HarnessError, match=r"at=500 is outside of the first side's budgets, 30 to 480"
    ):
        multiplier(law([1.0], 1.0), law([1.0], 1.0), 500)


def test_copies_of_one_network_carry_no_law():
    copies = [[8, 4, 4, 4, 4.0]]
    fall = (100 / BUDGETS)[None, :].tolist()
    refused, kept = (
        exponent(of_losses(copies * 2 + fall * 2)),
        exponent(of_losses(copies + fall * 4)),
    )

    assert (codes(refused.refusals), refused.estimate) == (["ONE_NETWORK"], None)
    assert kept.refusals == ()
    assert kept.estimate < 1
    # Told apart at full effort: means over subsets differ from budget to budget, even if one
    # network wins at all.
    at_full_effort = Curve(BUDGETS, law([1.0] * 4, 1.0).ln_losses, np.zeros((4, 5)))
    assert codes(exponent(at_full_effort).refusals) == ["ONE_NETWORK"]


def test_no_rising_law_is_drawn_and_weak_ones_have_cautions():
    found = exponent(of_losses(BUDGETS ** -np.array([[-1.0], [-0.5], [0.2]])))
    assert (codes(found.refusals), found.estimate) == (["NOT_FALLING"], None)
    short = [30.0, 60.0, 120.0]
    found = exponent(law([1.0] * 4, 1.0, short))
    open_one = exponent(of_losses(BUDGETS ** -np.array([[-1.0], [2.0], [0.2], [1.0]])))

    assert codes(found.cautions) == ["FEW_REPLICATES", "LOCAL_SLOPE"]
    assert codes(open_one.cautions) == ["FEW_REPLICATES", "EXPONENT_OPEN"]
    assert codes(exponent(law([1.0] * 4, 1.0, [30.0, 40.0, 50.0])).refusals) == ["RANGE"]


def test_a_difference_of_exponents_is_taken_in_each_replicate():
    """Luck that both sides share cancels, budgets that one lacks are left out; it is refused with
    either exponent.
    """
    alphas = np.array([[1.0], [2.0], [3.0], [4.0]])
    first, second = BUDGETS ** -(alphas + 0.5), BUDGETS**-alphas
    first[:, 0], second[0, 0] = 1.0, NAN
    gap = exponent_gap(of_losses(BUDGETS ** -(alphas + 0.5)), of_losses(second))
    found = exponent_gap(law([1.0] * 4, 1.0), of_losses([[4, 4, 4, 4, 4.0]] * 4))

    assert near(gap, 0.5)
    assert exponent_gap(of_losses(first), of_losses(second)).by_replicate[0] == pytest.approx(0.5)

    assert (codes(found.refusals), found.estimate) == (["ONE_NETWORK"], None)
    assert found.refusals[0].reason.startswith("of the second side, in 4 of 4 replicates")


def test_a_bend_that_replicates_share_is_a_misfit_and_a_power_law_has_none():
    """False alarms in at most 2 % of 500 power laws; found in 80 % where ends lie twice the noise
    higher.
    """
    generator = np.random.default_rng(5)
    steps = np.log(BUDGETS) - np.log(BUDGETS).mean()

    def share_of_misfits(bend):
        alarms = 0
        for _ in range(500):
            noise = 0.3 * generator.standard_t(
                3, size=(8, BUDGETS.size)
            ) + generator.standard_normal((8, 1))
            curve = of_losses(np.exp(bend * steps**2 - 2 * steps + noise))
            alarms += "MISFIT" in codes(exponent(curve).cautions)
        return alarms / 500

    assert share_of_misfits(0) <= 0.02
    assert share_of_misfits(0.5) >= 0.8
    assert codes(exponent(law(np.ones(8), 2)).cautions) == []  # all that is left is rounding
