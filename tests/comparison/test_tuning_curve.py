"""Tuning curves: what enumeration says, without optimism, and with bands that cover.

pytest tests/search
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_search import drawn, enumerated
from scipy.stats import Normal, order_statistic
from scipy.stats import t as student

from harness.base.errors import HarnessError
from harness.comparison import expected_best
from harness.comparison.choose import log_losses, scores
from harness.comparison.tuning_curve import effort_ratio, tuning_curve
from harness.judging.tuning import curves_table, ratios, ratios_table, tuning_curves

LOSSES = st.sampled_from([1e-4, 1e-3, 0.02, 0.5, 3.0, np.inf, np.nan])  # few, so that trials tie and fail


@st.composite
def searches(draw):
    """Losses of validation and test of few trials."""
    shape = draw(st.integers(2, 7)), draw(st.integers(2, 5))
    return tuple(
        np.array(draw(st.lists(LOSSES, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))).reshape(shape)
        for _ in range(2)
    )


@settings(max_examples=100)
@given(searches())
def test_the_curve_is_what_all_choices_of_k_trials_give(search):
    """Ties, failed runs and failed trials included; above a fifth of failed picks there is no estimate."""
    validation, test = search
    curve = tuning_curve(validation, test)

    for k, estimate, failed in zip(curve.k, curve.estimate, curve.failed, strict=True):
        mean, chance = enumerated(validation, test, int(k))
        assert failed == pytest.approx(chance, abs=1e-12)
        assert np.log(estimate) == pytest.approx(mean if round(chance, 9) <= 0.2 else np.nan, nan_ok=True)


@settings(max_examples=40)
@given(searches(), st.randoms(use_true_random=False))
def test_the_order_of_trials_and_seeds_does_not_matter(search, random):
    """A permutation of both changes no number, and permutes what each seed contributes."""
    validation, test = search
    rows, columns = list(range(test.shape[0])), list(range(test.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    one, other = tuning_curve(validation, test), tuning_curve(*(loss[rows][:, columns] for loss in search))

    for name in ("estimate", "low", "high", "failed"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.by_seed[:, columns], other.by_seed, rtol=1e-9, atol=1e-9)


def test_where_validation_is_test_the_curve_is_the_expected_best():
    """Seeds that agree leave nothing to overfit: the curve is the closed form of the least of k, and has no width."""
    losses = np.random.default_rng(0).lognormal(size=64)
    same = np.repeat(losses[:, None], 3, axis=1)
    curve = tuning_curve(same, same)

    expected = [expected_best(np.log(losses), k) for k in range(1, 33)]
    np.testing.assert_allclose(np.log(curve.estimate), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(curve.low, curve.high)


def test_the_estimate_is_unbiased_and_with_replacement_it_is_not():
    """Over 500 searches of 16 normal trials: the mean least of 8 is scipy's order statistic; Dodge's is too high."""
    trials, k = 16, 8
    truth = order_statistic(Normal(), r=1, n=k).mean()
    rng = np.random.default_rng(1)
    found, replaced = [], []
    above = np.arange(trials, -1, -1) / trials
    for _ in range(500):
        logs = rng.normal(size=trials)
        same = np.exp(np.repeat(logs[:, None], 2, axis=1))
        found.append(np.log(tuning_curve(same, same).estimate[k - 1]))
        replaced.append(np.sort(logs) @ (above[:-1] ** k - above[1:] ** k))

    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth) < 3 * error
    assert np.mean(replaced) - truth > 4 * error


def test_equal_trials_give_a_flat_curve_and_only_the_naive_one_falls():
    """Trials of one quality, noise alone: read on the seeds that picked, 64 of them seem to gain."""
    rng = np.random.default_rng(2)
    gains, naive = [], []
    for _ in range(80):
        validation, test = drawn(rng, np.zeros(64), seeds=3, noise=0.3, alike=0.9)
        curve = np.log(tuning_curve(validation, test).estimate)
        gains.append(curve[-1] - curve[0])
        order = np.argsort(scores(validation))
        best_first = np.log(test[order]).mean(axis=1)
        naive.append(best_first[0] - best_first.mean())

    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(len(gains))
    assert np.mean(naive) < -0.2


def test_failed_trials_are_spent_and_start_the_curve_later():
    """Half of 32 trials failed: one draw fails in 16 of 32, two in 16*15/(32*31), three in 16*15*14/(32*31*30)."""
    validation, test = drawn(np.random.default_rng(4), np.zeros(32), seeds=3)
    validation[::2], test[::2] = np.nan, np.inf
    curve = tuning_curve(validation, test)

    np.testing.assert_allclose(curve.failed[:3], [0.5, 16 * 15 / (32 * 31), 16 * 15 * 14 / (32 * 31 * 30)])
    assert np.isnan(curve.estimate).tolist() == [True, True] + [False] * 14
    assert np.isnan(curve.low).tolist() == np.isnan(curve.high).tolist() == np.isnan(curve.estimate).tolist()


def test_exactly_a_fifth_of_failed_picks_is_no_reason_to_leave_out():
    """One of 5 trials, 2 of 10, 3 of 15 and so on, whatever the rounding of their shares."""
    for fifth in range(1, 40):
        losses = np.ones((5 * fifth, 2))
        losses[:fifth] = np.nan
        assert tuning_curve(losses, losses).estimate[0] == pytest.approx(1)


def test_two_seeds_have_a_band_of_their_two_readings():
    """With two seeds nothing can be left out of the curve once more; t of one degree of freedom takes 12.7 errors."""
    validation, test = drawn(np.random.default_rng(5), np.zeros(8), seeds=2)
    curve = tuning_curve(validation, test)
    first, second = np.log(test).mean(axis=0)

    assert np.log(curve.estimate[0]) == pytest.approx((first + second) / 2)
    assert np.log(curve.high / curve.estimate)[0] == pytest.approx(12.706 * abs(first - second) / 2, rel=1e-4)


def test_more_seeds_have_the_jackknife_s_band():
    """Its error is that of the curves without each seed; of one trial it is that of the seeds' means."""
    search = drawn(np.random.default_rng(5), np.linspace(0, 2, 16), seeds=5, noise=1.0)
    curve = tuning_curve(*search)
    without = [np.log(tuning_curve(*(np.delete(loss, seed, axis=1) for loss in search)).estimate) for seed in range(5)]
    error = np.sqrt(4 / 5 * np.square(without - np.mean(without, axis=0)).sum(axis=0))
    half = student.isf(0.025, 4) * error

    np.testing.assert_allclose(np.log(curve.high / curve.estimate), half)
    np.testing.assert_allclose(np.log(curve.estimate / curve.low), half)
    np.testing.assert_allclose(curve.by_seed[0], np.log(search[1]).mean(axis=0))


def test_a_ratio_is_paired_by_seed():
    """What a draw of data does to both sides cancels: twice the losses are a ratio of exactly 2 at every k."""
    validation, test = drawn(np.random.default_rng(6), np.linspace(0, 2, 16), seeds=4, common=2.0)
    found = effort_ratio(tuning_curve(validation, test), tuning_curve(2 * validation, 2 * test))

    for end in (found.estimate, found.low, found.high):
        np.testing.assert_allclose(end, 2, rtol=1e-9)
    longer = tuning_curve(np.vstack([validation, validation]), np.vstack([test, test]))
    assert effort_ratio(tuning_curve(validation, test), longer).k.tolist() == list(range(1, 9))


def of_all_draws(sides, k):
    """ln losses of both picks of every pair of draws of k trials, inf where one failed, and the weight of the pair."""
    picks = []
    for validation, test in sides:
        score, loss = scores(validation), log_losses(test, "test").mean(axis=1)
        own = []
        for drawn_trials in itertools.combinations(range(len(test)), k):
            least = min(score[trial] for trial in drawn_trials)
            tied = [trial for trial in drawn_trials if score[trial] == least]
            own += [(loss[trial], 1 / len(tied)) for trial in tied]
        picks.append(own)
    return np.array([(a, b, w * v) for (a, w), (b, v) in itertools.product(*picks)]).T


@settings(max_examples=60)
@given(searches(), st.randoms(use_true_random=False))
def test_the_spread_over_draws_is_that_of_all_pairs_of_choices(search, random):
    """By enumeration: four of five draws lie between its ends, and the share of draws in which the first side leads."""
    order = list(range(len(search[0])))
    random.shuffle(order)
    other = (search[0][order], 2 * search[1])
    one, two = tuning_curve(*search), tuning_curve(*other)
    found, swapped = effort_ratio(one, two), effort_ratio(two, one)

    for place, k in enumerate(found.k):
        if np.isnan(found.first_ahead[place]):
            assert np.isnan(found.estimate[place])
            continue
        mine, theirs, weights = of_all_draws([search, other], int(k))
        ahead = weights[mine < theirs].sum() + weights[mine == theirs].sum() / 2
        assert found.first_ahead[place] == pytest.approx(ahead / weights.sum())
        assert swapped.first_ahead[place] == pytest.approx(1 - found.first_ahead[place])
        trained = np.isfinite(mine) & np.isfinite(theirs)
        gaps, weights = theirs[trained] - mine[trained], weights[trained]
        with np.errstate(divide="ignore", over="ignore"):
            low, high = np.log(found.draws_low[place]), np.log(found.draws_high[place])
            assert low == pytest.approx(-np.log(swapped.draws_high[place]), abs=1e-9)
        assert weights[gaps < low - 1e-9].sum() <= 0.1 * weights.sum() + 1e-9
        assert weights[gaps <= low + 1e-9].sum() >= 0.1 * weights.sum() - 1e-9
        assert weights[gaps > high + 1e-9].sum() <= 0.1 * weights.sum() + 1e-9
        assert weights[gaps >= high - 1e-9].sum() >= 0.1 * weights.sum() - 1e-9


def test_a_side_is_ahead_of_itself_in_half_of_the_draws():
    """And its spread over draws is as far on one side of 1 as on the other, where chances add up to a tenth exactly."""
    for trials in (10, 16, 20):
        curve = tuning_curve(*drawn(np.random.default_rng(7), np.linspace(0, 2, trials), seeds=4, common=1.0))
        itself = effort_ratio(curve, curve)

        np.testing.assert_allclose(itself.first_ahead, 0.5)
        np.testing.assert_allclose(itself.draws_low * itself.draws_high, 1)


def test_a_loss_of_zero_and_picks_that_failed_are_no_crash():
    """A ratio beyond all floats is infinite; without a pair that trained there are no ends."""
    zeros, fives = (
        tuning_curve(np.zeros((4, 4)), np.zeros((4, 4))),
        tuning_curve(np.full((4, 4), 5), np.full((4, 4), 5)),
    )
    validation = np.random.default_rng(3).uniform(1, 2, (4, 5))
    failing = validation.copy()
    np.fill_diagonal(failing, np.inf)
    found = effort_ratio(tuning_curve(validation, failing), tuning_curve(validation, validation))

    assert np.isposinf(effort_ratio(zeros, fives).draws_low).all()
    assert effort_ratio(zeros, fives).first_ahead.tolist() == [1, 1]
    assert np.isnan(found.draws_low).all()
    assert not (found.first_ahead > 0).any()


def test_halves_of_one_search_say_little_of_sides_that_are_equal():
    """What docs/search.md warns of: drawn from one population, one side leads in 90 % of the halves one time in six."""
    rng = np.random.default_rng(11)
    shares = []
    for _ in range(120):
        sides = []
        for _ in range(2):
            settings_of = rng.normal(0, 1, 64)[:, None]
            validation, test = (np.exp(settings_of + rng.normal(0, 0.2, (64, 4))) for _ in range(2))
            sides.append(tuning_curve(validation, test))
        shares.append(effort_ratio(*sides).first_ahead[-1])
    shares = np.array(shares)

    assert 0.1 < (abs(shares - 0.5) > 0.4).mean() < 0.3
    assert shares.mean() == pytest.approx(0.5, abs=0.1)


def runs_table(sides, asked=60.0):
    """A search's table: `sides` maps a side to its losses of validation and test."""
    return pd.DataFrame(
        [
            ("j0", arm, asked, trial, 10 + seed, validation[trial, seed], test[trial, seed], "done")
            for arm, (validation, test) in sides.items()
            for trial, seed in np.ndindex(*test.shape)
        ],
        columns=["task", "arm", "asked", "trial", "seed", "val_loss", "test_loss", "status"],
    )


def test_a_table_gives_the_curves_of_its_arrays():
    """In any order of rows, with failed runs by their status whatever their losses, and sizes that nothing matched."""
    rng = np.random.default_rng(7)
    sides = {"kan": drawn(rng, np.linspace(0, 2, 16), 3), "mlp": drawn(rng, np.linspace(1, 2, 16), 3)}
    for asked in (60.0, np.nan):
        table = runs_table(sides, asked)
        table.loc[(table["arm"] == "mlp") & (table["trial"] == 4), "status"] = "diverged"
        curves = tuning_curves(table.sample(frac=1, random_state=0))
        sides["mlp"][0][4] = sides["mlp"][1][4] = np.nan
        found = curves_table(curves).set_index(["arm", "k"])

        for arm, losses in sides.items():
            np.testing.assert_allclose(found.loc[arm, "test_loss"].sort_index(), tuning_curve(*losses).estimate)
        assert found["asked"].isna().all() if np.isnan(asked) else (found["asked"] == asked).all()
        assert {curve.seeds for curve in curves.values()} == {(10, 11, 12)}
        ratio = ratios_table(ratios(curves, "kan", "mlp"))
        expected = found.loc["mlp", "test_loss"].sort_index() / found.loc["kan", "test_loss"].sort_index()
        np.testing.assert_allclose(ratio["ratio"], expected)
        assert ratios_table(ratios(curves, "kan", "nobody")).empty


def test_what_makes_no_curve_is_said_with_the_next_move():
    """One seed, one trial, losses that are not positive, shapes that differ, an unfinished search, other seeds."""
    good = np.ones((4, 3))
    for validation, test, words in (
        (good[:, :1], good[:, :1], "needs 2 seeds a trial at least.* this search has 1. Give the search more seeds"),
        (good[:1], good[:1], "needs 2 trials at least; this search has 1"),
        (good, np.where(np.eye(4, 3), -1.0, good), "test of trial 0 is -1 in column 0"),
        (good, good[:2], r"validation has shape \(4, 3\) and test \(2, 3\)"),
        (good[0], good[0], r"validation has shape \(3,\)"),
    ):
        with pytest.raises(HarnessError, match=words):
            tuning_curve(validation, test)
    with pytest.raises(HarnessError, match="seeds names 2 seeds, and the losses are of 3"):
        tuning_curve(good, good, seeds=(1, 2))
    with pytest.raises(HarnessError, match="seeds 0, 1, 2 at 95% and the second of 5, 6, 7 at 95%"):
        effort_ratio(tuning_curve(good, good), tuning_curve(good, good, seeds=(5, 6, 7)))
    table = runs_table({"kan": (good, good)})
    for rows in (table.drop(index=4), pd.concat([table, table.loc[[4]]])):
        with pytest.raises(HarnessError, match=r"kan on j0 at 60: trial 1 has [02] runs of seed 11") as caught:
            tuning_curves(rows)
        assert caught.value.exit_code == 3
    with pytest.raises(HarnessError, match="kan on j0 at 60: a tuning curve needs 2 seeds"):
        tuning_curves(table[table["seed"] == 10])


@pytest.mark.parametrize(
    "draws", [pytest.param(200, marks=pytest.mark.slow), pytest.param(1500, marks=pytest.mark.nightly)]
)
@pytest.mark.parametrize("noise", [0.3, 1.5])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_bands_cover(seeds, noise, draws):
    """Of 32 given trials, over many draws of the seeds: bands of 95 % of curve and ratio hold the truth at every k.

    The truth is the mean over the draws: what a pick on all seeds but one is expected to give. Two seeds with much
    noise cover least, 91 % at the worst k of 1500 draws; fewer draws may miss that by three standard errors. A
    percentile bootstrap over seeds would cover 56 to 81 % with three.
    """
    rng = np.random.default_rng(8)
    qualities = np.sort(rng.normal(size=(2, 32)), axis=1)

    def curves():
        of_seed = np.exp(0.3 * rng.normal(size=seeds))
        return [
            tuning_curve(*(of_seed * loss for loss in drawn(rng, quality, seeds, noise, common=0)))
            for quality in qualities
        ]

    def ln(curve):
        return np.log([curve.estimate, curve.low, curve.high])

    found = []
    for _ in range(draws):
        first, second = curves()
        found.append([ln(first), ln(effort_ratio(first, second))])
    estimate, low, high = np.moveaxis(np.array(found), 2, 0)
    truth = estimate.mean(axis=0)
    slack = 0 if draws == 1500 else 3 * np.sqrt(0.91 * 0.09 / draws)
    assert ((low <= truth) & (truth <= high)).mean(axis=0).min() >= 0.91 - slack
