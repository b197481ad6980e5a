"""Nothing that a record names changes while code is moved: run ids, counts, manifests,
fingerprints.
"""

import pytest

from tests.guard import contents
from tests.guard.golden import fixed


def test_plans_are_as_ever():
    """Every experiment at every scale, but for the large ones, has the run ids, counts and manifest
    that it had.
    """
    known = fixed("plans")

    assert {one.name for one in contents.experiments()} == known.keys(), (
        "`python -m tests.guard.write` adds new ones"
    )
    assert contents.plans(contents.small()) == {name: known[name] for name in contents.small()}


@pytest.mark.nightly
def test_large_plans_are_as_ever():
    assert contents.plans(contents.LARGE) == {name: fixed("plans")[name] for name in contents.LARGE}


def test_targets_are_as_ever():
    assert contents.targets() == fixed("targets")
