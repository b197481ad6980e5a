"""Failed runs are counted and said, and so are unequal searches."""

import numpy as np

from harness.comparison import failure_cautions, failures


def started(failed, of=10):
    """Counts of an arm that started `of` runs at each size, of which `failed` failed."""
    x = np.repeat(10.0 ** np.arange(len(failed)), of)
    return failures(x, np.concatenate([np.arange(of) < lost for lost in failed]))


def test_runs_are_counted_by_size():
    found = failures([100, 10, 100, 100], [True, False, False, True])
    assert found.sizes.tolist() == [10, 100]
    assert found.runs.tolist() == [1, 3]
    assert found.failed.tolist() == [0, 2]


def test_more_than_a_fifth_failed_is_censored():
    assert failure_cautions(started([2, 0]), started([2, 0])) == ()
    (caution,) = failure_cautions(started([0, 0]), started([0, 3]))
    assert caution.code == "CENSORED"
    assert "3 of 10 runs of the second arm failed at size 10" in caution.reason


def test_an_arm_that_fails_more_often_is_judged_by_its_luck():
    """8 of 50 against 0 of 50 is no chance (Fisher: .6 %), 4 of 50 against 1 may be."""
    (caution,) = failure_cautions(started([2, 2, 2, 2, 0]), started([0] * 5))
    assert caution.code == "SURVIVOR_BIAS"
    assert "8 of 50 runs of the first arm failed and 0 of 50" in caution.reason
    assert failure_cautions(started([1, 1, 1, 1, 0]), started([1, 0, 0, 0, 0])) == ()
