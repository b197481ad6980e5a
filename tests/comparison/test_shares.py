"""Sides of several arms share their runs.

pytest tests/comparison/test_shares.py
"""

import pytest

from harness.base.errors import HarnessError
from harness.comparison.shares import shares


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
