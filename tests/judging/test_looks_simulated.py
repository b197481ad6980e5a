"""A rule that is looked at several times is wrong no more often than one that is looked at once.

results/benchmarks/looks.csv keeps 1,000 replicates of everything; `.ci/nightly` simulates a part of them again.

pytest tests/judging/test_looks_simulated.py
"""

import zlib

import numpy as np
import pandas as pd
import pytest

from benchmarks.fingerprint import ROOT
from benchmarks.looks import MOST_WRONG, NOISES, RULES, WAYS, _losses, judged, replicate

KEPT = pd.read_csv(ROOT / "results" / "benchmarks" / "looks.csv")
WRONG = ("supported", "refuted")


def test_what_is_kept_is_accepted():
    """Of 1,000 equal pairs at most 64 end decided, under every noise and for every rule; unadjusted looks do worse."""
    assert set(KEPT["noise"]) == set(NOISES)
    assert set(KEPT["rule"]) == set(RULES)
    assert (KEPT["replicates"] == 1000).all()
    assert (KEPT["wrong"] <= MOST_WRONG).all()
    assert (KEPT["wrong_unadjusted"] > KEPT["wrong"] / 1000).all()


@pytest.mark.parametrize("noise", NOISES)
def test_a_ratio_of_equal_arms_is_decided_at_any_look_in_64_of_1000_at_most(noise):
    """So it is by the looks that share the error; by those that do not, under normal noise, in more than twice."""
    ends = {way: [] for way in ("shared", "unadjusted")}
    for number in range(1000):
        for way, outcomes in ends.items():
            rng = np.random.default_rng([zlib.crc32(noise.encode()), number])
            logs = _losses(rng, NOISES[noise], None)
            outcomes.append(judged(logs, WAYS[way], ["test_loss"])["test_loss"].outcome)
    wrong = {way: sum(one in WRONG for one in outcomes) for way, outcomes in ends.items()}

    assert wrong["shared"] <= MOST_WRONG
    assert wrong["unadjusted"] > 2 * wrong["shared"]


@pytest.mark.nightly
@pytest.mark.parametrize("noise", NOISES)
def test_all_rules_are_seldom_wrong_of_equal_arms(noise):
    """250 replicates: what 64 of 1,000 allows, and two standard errors more."""
    ends = [replicate(noise, None, "shared", number) for number in range(250)]
    for name in RULES:
        assert sum(one[name].outcome in WRONG for one in ends) <= 24, name
