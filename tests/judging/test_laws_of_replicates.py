"""The laws of a search: each replicate has an exponent of its own, and the interval is over
these.
"""

from pathlib import Path

import numpy as np
import pytest
from judging.made_runs import SIZES, made_plan, made_table, power
from scipy.stats import linregress, ttest_1samp

from harness.judging.laws import fit_table
from harness.judging.request import Request, SizeRange, Source
from harness.judging.scaling import chosen_runs
from harness.laws import band, predict
from harness.study.doors import Door, fits_answer

PARAMS = "params.trainable"


def winners(law, noise=0.2, replicates=8, **columns):
    """A table as of a search: the KAN's runs are what won at each size of each replicate."""
    manifest = made_plan(replicates)
    table = made_table(manifest, {"kan": law}, noise=noise, rng=3)
    return table.assign(won_on=PARAMS, **columns)


def asked_of(table, **asked):
    """What is fitted of these winners, as of a search."""
    request = Request(Path("made"), (PARAMS,), **asked)
    runs = {PARAMS: chosen_runs(table, PARAMS)}
    return fits_answer(Door(request, runs, {}, Source("plan", {}), replicated=table))


def test_the_exponent_is_the_mean_of_the_replicates_own_slopes_with_students_interval():
    table = winners(power(3, 1.2))
    (law,) = fit_table(table, [PARAMS])
    slopes = [
        -linregress(np.log(own["asked"]), np.log(own["test_loss"])).slope
        for _, own in table.groupby("seed")
    ]
    interval = ttest_1samp(slopes, 0).confidence_interval(0.95)

    fit = law.fits["pure"]
    assert fit.alpha == pytest.approx(np.mean(slopes))
    assert (fit.alpha_interval.low, fit.alpha_interval.high) == pytest.approx(
        (interval.low, interval.high)
    )


def test_the_curve_is_the_mean_of_the_replicates_lines_and_lies_in_its_band():
    (law,) = fit_table(winners(power(3, 1.2)), [PARAMS])
    low, high = band(law.fits["pure"], SIZES)
    middle = predict(law.fits["pure"], SIZES)
    (exact,) = fit_table(winners(power(3, 1.2), noise=0), [PARAMS])
    assert np.sqrt(low * high) == pytest.approx(middle)
    assert np.all(low < middle)
    fit = exact.fits["pure"]
    assert np.array([*band(fit, SIZES), predict(fit, SIZES)]) == pytest.approx(
        np.tile(3 * SIZES**-1.2, (3, 1))
    )


def test_a_search_that_finds_a_loss_of_0_has_no_law():
    table = winners(power(3, 1.2))
    (found,) = fit_table(
        table.assign(test_loss=table["test_loss"].where(table["asked"] < SIZES[-1], 0.0)), [PARAMS]
    )
    assert [refusal.code for refusal in found.fits["pure"].refusals] == ["ZERO"]


@pytest.mark.parametrize(
    ("law", "code"), [(power(1, -0.3), "NOT_FALLING"), (lambda n: 1.0 + 0 * n, "ONE_NETWORK")]
)
def test_no_rising_law_is_drawn_and_copies_of_one_network_carry_none(law, code):
    (found,) = fit_table(winners(law, noise=0), [PARAMS])
    assert code in [refusal.code for refusal in found.fits["pure"].refusals]
    assert found.fits["pure"].alpha is None


def test_what_is_asked_of_a_search_is_over_its_replicates_unless_a_window_is_asked_for():
    """Both doors have one seam: likelihood where nothing says what a replicate is, or what the
    sizes are.
    """
    table = winners(power(3, 1.2))
    (known,) = fit_table(table, [PARAMS])

    (own,) = asked_of(table).laws
    (windowed,) = asked_of(table, laws=("pure",), window=SizeRange(low=60)).laws

    assert own.fits["pure"].alpha_interval == known.fits["pure"].alpha_interval
    assert (windowed.fits["pure"].lines, windowed.runs_outside_window) == (None, 8)


def test_a_new_run_of_a_search_is_foreseen_over_its_replicates():
    table = winners(power(3, 1.2))
    place = 3 * float(SIZES[-1])

    answer = asked_of(table, predict=(f"{place}",))

    ((new,), origins) = answer.ahead[0].predictions, answer.ahead[0].origins
    truth = 3 * place**-1.2
    assert new.run_low < new.low < truth < new.high < new.run_high
    assert [origin.runs for origin in origins] == [8] * 3
