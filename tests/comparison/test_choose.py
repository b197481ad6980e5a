"""Choosing among trials, and that nothing of the choice is left in what is read on fresh seeds.

pytest tests/comparison/test_choose.py
"""

import numpy as np
import pytest
from made_search import drawn
from scipy.stats import qmc

from harness.base.errors import HarnessError
from harness.comparison.choose import choose, choose_on_others, scores, shares

REPETITIONS = 200
SEARCH_SEEDS, FRESH_SEEDS = 5, 8


def test_the_least_mean_wins_and_failed_runs_are_infinite():
    """A trial that fails on one seed of three loses, however good its median and its geometric mean; ties by number."""
    inf, nan = np.inf, np.nan
    for validation, winner in (
        ([[1, 2, 3], [0.1, 2.4, 2.4]], 1),
        ([[0.3, 0.3, 0.3], [1e-8, 1e-8, 1]], 0),
        ([[1, inf, nan], [2, 2, 2], [1, 1, inf]], 1),
        ([[nan, 1], [2, 2]], 1),
        ([[3, 3, 3], [2, 2, 2], [2, 2, 2]], 1),
        ([[5]], 0),
        ([[1, 1], [0, 0]], 1),  # a cross-entropy that was rounded to 0 is the best there is
    ):
        assert choose(validation) == winner
    assert scores([[1, 1, inf], [1, 1, 1], [1, 2, 3]]) == pytest.approx([inf, 0, np.log(2)])
    with pytest.raises(HarnessError, match="none of the 2 trials can win"):
        choose([[inf, 1], [nan, nan]])
    with pytest.raises(HarnessError, match="validation of trial 1 is -1 in column 0"):
        choose([[1], [-1]])


def test_for_each_seed_all_others_choose():
    """As `choose` does without that seed; of one candidate nothing is chosen, and where all fail it is the first."""
    losses = np.random.default_rng(1).lognormal(size=(6, 5))
    without = [choose(np.delete(losses, seed, axis=1)) for seed in range(5)]
    assert len(set(without)) > 1
    assert choose_on_others(losses).tolist() == without
    assert choose_on_others([[5.0, np.nan]]).tolist() == [0, 0]
    assert choose_on_others([[np.inf, 1], [2, np.nan], [2, 3]]).tolist() == [0, 1]
    assert choose_on_others([[np.inf, np.nan], [np.nan, np.inf]]).tolist() == [0, 0]


def test_sides_get_equally_many_trials_and_share_them_evenly():
    """All are handed out, no arm has two more than another, the first ones have the extra ones."""
    assert shares(64, 4) == (16, 16, 16, 16)
    assert shares(16, 3) == (6, 5, 5)
    for trials in range(1, 20):
        for arms in range(1, trials + 1):
            found = shares(trials, arms)
            assert sum(found) == trials
            assert len(found) == arms
            assert found == tuple(sorted(found, reverse=True))
            assert found[0] - found[-1] <= 1
    for arms in (0, 5):
        with pytest.raises(HarnessError, match=f"a side of {arms} arms has 4 trials in all"):
            shares(4, arms)


def qualities(rng, trials, null_axes=0):
    """ln loss of an arm at Sobol points of its space: a valley along the one axis that matters."""
    points = qmc.Sobol(1 + null_axes, rng=rng).random(trials)
    which = rng.integers(1 + null_axes)  # the axis that matters may stand anywhere among the others
    return 8 * (points[:, which] - 0.6) ** 2


def pooled(rng, trials, arms):
    """A side of several equal arms, each with its own sequence: prefixes of them, as many trials in all."""
    return np.concatenate([qualities(rng, trials)[:share] for share in shares(trials, arms)])


def ln_ratios(rng, make_first, make_second):
    """ln (second / first) over repetitions, by the winners' fresh seeds and by the seeds that they were chosen on."""
    found = []
    for _ in range(REPETITIONS):
        sides = []
        for quality in (make_first(rng), make_second(rng)):
            validation, test = drawn(rng, quality, SEARCH_SEEDS, noise=0.5)
            winner = choose(validation)
            _, fresh = drawn(rng, quality[[winner]], FRESH_SEEDS, noise=0.5)
            sides.append(np.log([np.exp(np.log(fresh).mean()), np.exp(np.log(test[winner]).mean())]))
        found.append(sides[1] - sides[0])
    return np.transpose(found)


def errors_from_zero(values):
    """The mean in its standard errors."""
    return values.mean() / (values.std(ddof=1) / np.sqrt(values.size))


def test_axes_that_change_nothing_do_not_move_the_confirmed_ratio():
    """Three of them beside the one that matters; and where no axis matters, 32 trials against the default alone.

    There the seeds that chose would show a winner: the best of 32 by luck.
    """
    rng = np.random.default_rng(0)
    confirmed, _ = ln_ratios(rng, lambda rng: qualities(rng, 32), lambda rng: qualities(rng, 32, null_axes=3))
    assert abs(errors_from_zero(confirmed)) < 2

    confirmed, chosen_on = ln_ratios(rng, lambda _: np.zeros(1), lambda _: np.zeros(32))
    assert abs(errors_from_zero(confirmed)) < 2
    assert errors_from_zero(chosen_on) < -2
    assert np.exp(chosen_on.mean()) < 0.8


def test_one_arm_against_four_equal_ones_is_a_ratio_of_one():
    """With equally many trials a side and fresh seeds.

    With as many trials an arm, read on the seeds that chose, it is not.
    """
    rng = np.random.default_rng(1)
    confirmed, _ = ln_ratios(rng, lambda rng: qualities(rng, 32), lambda rng: pooled(rng, 32, arms=4))
    assert abs(errors_from_zero(confirmed)) < 2

    of_each = lambda rng: np.concatenate([qualities(rng, 32) for _ in range(4)])  # noqa: E731
    _, chosen_on = ln_ratios(rng, lambda rng: qualities(rng, 32), of_each)
    assert errors_from_zero(chosen_on) < -2
