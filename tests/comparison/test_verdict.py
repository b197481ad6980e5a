"""What follows from intervals: per convention, and over all of them."""

from itertools import product

import pytest
from scipy.stats import binom

from harness.base.errors import HarnessError
from harness.comparison import ClaimNumber, judge, sentence, task_level
from harness.comparison.verdict import outcome
from harness.laws import Interval

INTERVALS = {"supported": (1.2, 2.0), "refuted": (0.2, 0.8), "open": (0.8, 1.5)}


def number(said, convention="params.trainable"):
    """A number whose interval says so of the threshold 1."""
    low, high = INTERVALS[said]
    return ClaimNumber(convention, (low + high) / 2, Interval(low, high, 0.95))


def refused(convention="params.trainable"):
    return ClaimNumber(convention, refused="TOO_FEW: 3 distinct sizes")


def judged(*said):
    """The verdict under as many conventions."""
    return judge(
        "KANs are cheaper",
        "cost",
        1,
        [number(word, f"c{index}") for index, word in enumerate(said)],
    )


def test_an_open_end_decides_on_the_other_one():
    assert outcome(ClaimNumber("c", 3, Interval(1.5, float("inf"), 0.95)), 1) == "supported"
    assert outcome(ClaimNumber("c", 3, Interval(0, float("inf"), 0.95)), 1) == "open"


def test_the_conclusion_over_conventions():
    for said in product(INTERVALS, repeat=3):
        if len(set(said)) == 1:
            expected = said[0]
        else:
            expected = "convention-dependent" if {"supported", "refuted"} <= set(said) else "open"
        assert judged(*said).conclusion == expected


def test_stable_is_about_signs():
    assert judged("supported", "open").stable
    assert not judged("supported", "refuted").stable
    assert not judge("c", "cost", 1, [number("supported", "a"), refused("b")]).stable


def test_a_refused_estimate_is_open_with_its_reason():
    verdict = judge("c", "cost", 1, [refused()])
    assert verdict.conclusion == "open"
    assert verdict.numbers[0].refused == "TOO_FEW: 3 distinct sizes"


@pytest.mark.parametrize(("tasks", "at_least"), [(1, 1), (10, 1), (10, 8)])
def test_many_tasks_do_not_make_a_claim_true(tasks, at_least):
    """One task too few holds: the chance that enough intervals support the claim stays below half
    of 5 %.
    """
    error = (1 - task_level(0.95, tasks, at_least)) / 2
    assert 1 - binom.cdf(0, tasks - at_least + 1, error) <= 0.025 + 1e-12


def test_a_claim_that_cannot_be_judged_is_an_error():
    with pytest.raises(HarnessError, match="has no numbers to be judged by"):
        judge("c", "cost", 1, [])
    with pytest.raises(HarnessError, match=r"params\.trainable: give an estimate"):
        ClaimNumber("params.trainable")


def test_the_sentence_names_every_way_to_count_if_there_are_several():
    assert sentence(judged("supported")) == "“KANs are cheaper” is supported, by c0."
    told = "“KANs are cheaper” is convention-dependent: supported by c0, refuted by c1."
    assert sentence(judged("supported", "refuted")) == told
