"""What is read for a seed is chosen on the others, and sides of several arms share their runs.

pytest tests/comparison/test_choose.py
"""

import numpy as np
import pytest

from harness.base.errors import HarnessError
from harness.comparison.choose import choose_on_others, scores, shares


def test_a_candidate_is_scored_by_its_mean_and_failed_runs_are_infinite():
    """One that fails on one seed of three loses, however good its median and its geometric mean."""
    inf, nan = np.inf, np.nan
    assert scores([[1, 1, inf], [1, 1, 1], [1, 2, 3]]) == pytest.approx([inf, 0, np.log(2)])
    assert np.argmin(scores([[1, 2, 3], [0.1, 2.4, 2.4]])) == 1
    assert np.argmin(scores([[0.3, 0.3, 0.3], [1e-8, 1e-8, 1]])) == 0
    assert np.argmin(scores([[nan, 1], [2, 2]])) == 1
    assert np.argmin(scores([[1, 1], [0, 0]])) == 1  # a cross-entropy that was rounded to 0 is the best there is
    with pytest.raises(HarnessError, match="validation of candidate 1 is -1 in column 0"):
        scores([[1], [-1]])


def test_for_each_seed_all_others_choose():
    """By their scores without that seed; of one candidate nothing is chosen, and where all fail it is the first."""
    losses = np.random.default_rng(1).lognormal(size=(6, 5))
    without = [int(np.argmin(scores(np.delete(losses, seed, axis=1)))) for seed in range(5)]
    assert len(set(without)) > 1
    assert choose_on_others(losses).tolist() == without
    assert choose_on_others([[5.0, np.nan]]).tolist() == [0, 0]
    assert choose_on_others([[np.inf, 1], [2, np.nan], [2, 3]]).tolist() == [0, 1]
    assert choose_on_others([[np.inf, np.nan], [np.nan, np.inf]]).tolist() == [0, 0]


def test_sides_get_equally_many_runs_and_share_them_evenly():
    """All are handed out, no arm has two more than another, the first ones have the extra ones."""
    assert shares(64, 4) == (16, 16, 16, 16)
    assert shares(16, 3) == (6, 5, 5)
    for runs in range(1, 20):
        for arms in range(1, runs + 1):
            found = shares(runs, arms)
            assert sum(found) == runs
            assert len(found) == arms
            assert found == tuple(sorted(found, reverse=True))
            assert found[0] - found[-1] <= 1
    for arms in (0, 5):
        with pytest.raises(HarnessError, match=f"a side of {arms} arms has 4 runs in all"):
            shares(4, arms)
