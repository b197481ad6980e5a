"""From numbers to verdicts: what an interval says of a limit, what many tasks say together, how
often that is false.
"""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging.made_runs import made_plan, made_rule, made_runs, made_table, power, verdict_on

from harness.base.plain import plain
from harness.comparison import task_level
from harness.comparison.replicates import Found, ratio_over
from harness.comparison.verdict import count_outcomes
from harness.judging.judge import interval_level, judge, outcome, sentence
from harness.judging.runs import runs_of
from harness.judging.verdict import number_lines, verdict_words

OUTCOMES = ("supported", "refuted", "equal", "open")
LOSS, EXPONENT = {"quantity": "test_loss"}, {"quantity": "exponent"}


@pytest.mark.parametrize(
    ("fields", "low", "high", "said"),
    [
        ({"threshold": 1}, 1.01, 9, "supported"),
        ({"threshold": 1}, 0.2, 0.99, "refuted"),
        ({"threshold": 1}, 0.95, 1.05, "equal"),
        ({"threshold": 1}, 0.95, 1.2, "open"),
        ({"threshold": 1, "matters": 1.3}, 0.95, 1.2, "equal"),
        ({"most": 2}, 1.1, 1.9, "supported"),
        ({"most": 2}, 2.1, 3, "refuted"),
        ({"most": 2}, 1.9, 2.1, "equal"),
        ({"most": 2}, 1.5, 2.1, "open"),
        ({"within": 1.5}, 0.7, 1.4, "supported"),
        ({"within": 1.5}, 1.6, 3, "refuted"),
        ({"within": 1.5}, 0.1, 0.6, "refuted"),
        ({"within": 1.5}, 0.7, 1.6, "open"),
        ({"within": 1.5}, 0.5, 1.6, "open"),
        (EXPONENT | {"threshold": 0}, 0.1, 2, "supported"),
        (EXPONENT | {"threshold": 0}, -0.1, 0.19, "equal"),
        (EXPONENT | {"within": 0.3}, -0.1, 0.29, "supported"),
        (EXPONENT | {"within": 0.3}, -0.9, -0.4, "refuted"),
        (EXPONENT | {"most": 0.5}, 0.6, 0.65, "refuted"),
        ({"threshold": 1}, None, None, "open"),
    ],
)
def test_an_interval_lies_on_one_side_or_near_to_the_limit_or_says_nothing(fields, low, high, said):
    """Ratios are apart by factors, exponents by differences; a lead that does not matter is a
    lead.
    """
    assert outcome(made_rule(**LOSS | fields), Found(low and 1.0, low, high)) == said


@given(st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=7), st.data())
def test_a_rule_is_decided_once_its_open_tasks_cannot_change_it(outcomes, data):
    """It is supported by enough tasks; and not by what matters, if too few are left that may yet
    support it.
    """
    at_least = data.draw(st.integers(1, len(outcomes)))
    count = count_outcomes("axis", outcomes, at_least)
    can_support = sum(one in ("supported", "open") for one in outcomes) >= at_least
    refuted, equal = outcomes.count("refuted"), outcomes.count("equal")
    assert (count.outcome == "supported") == (outcomes.count("supported") >= at_least)
    by_refuted_alone = len(outcomes) - refuted < at_least
    is_tie = refuted == equal and not by_refuted_alone
    assert (count.outcome in ("refuted", "equal")) == (not can_support and not is_tie)
    assert (count.outcome == "refuted") == (
        not can_support and (by_refuted_alone or refuted > equal)
    )
    assert count.supported + count.refuted + count.equal + outcomes.count("open") == count.tasks


def test_tasks_are_counted_and_others_left_out():
    manifest = made_plan(5, "[xy, exp2d, j0, exp4d]")
    tables = [
        made_table(manifest, {"kan": power(kan, 1.0), "mlp": power(1, 1.0)}, task=task)
        for task, kan in (("xy", 0.2), ("exp2d", 0.2), ("j0", 0.2), ("exp4d", 5))
    ]
    runs = runs_of(manifest, pd.concat(tables, ignore_index=True))

    def said(at_least, tasks=()):
        return judge(made_rule(**LOSS, threshold=1, at_least=at_least, tasks=tasks), runs)

    found = [said(3), said(4), said(1, ("exp4d",)), said(2, ("xy", "exp4d"))]
    assert [one.verdict for one in found] == ["supported", "refuted", "refuted", "refuted"]
    assert (found[0].count.supported, found[0].count.refuted, found[0].count.tasks) == (3, 1, 4)
    assert found[0].interval_level == task_level(0.95, 4, 3)
    assert sentence(found[0]) == "verdict: “c” is supported (3 of 4 for it, 1 against)"
    assert found[0].rule == (
        "the test loss of mlp / kan at the largest size is above 1, on at least 3 of 4 tasks, by "
        "params.trainable; "
        "intervals at 95 %"
    )
    as_data = plain(found[0])
    assert verdict_words(as_data) == "supported (3 for, 1 against)"
    assert number_lines(as_data)[3].startswith("exp4d: 0.202 [0.18")
    assert verdict_words(plain(said(1, ("exp4d",)))) == "refuted"


def test_sides_that_are_equal_by_what_matters_are_told_so():
    alike = {"kan": power(1, 1.0), "mlp": power(1, 1.0)}
    equal, noisy = (
        verdict_on(made_runs(alike, noise=noise), **LOSS, threshold=1) for noise in (0.03, 0.5)
    )
    assert (equal.verdict, noisy.verdict) == ("equal", "open")
    assert verdict_words(plain(equal)) == "equal within 10 %"
    assert equal.power is None
    assert noisy.power.startswith("a difference of 10 % would need")


def test_the_axis_of_a_rule_decides_who_is_ahead():
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    outcomes = {
        "params.trainable": "supported",
        "flops_train.shared_dense": "refuted",
        "seconds": "refuted",
    }
    for axis, expected in outcomes.items():
        found = verdict_on(runs, **LOSS, threshold=1, at=axis)
        assert (found.axis, found.verdict) == (axis, expected)


def test_a_verdict_as_data_is_strict_json_with_the_reason_of_every_refusal():
    for seeds in (1, 5):
        runs = made_runs({"kan": power(1, 1.0), "mlp": power(5, 1.0)}, seeds=seeds)
        for quantity in ("test_loss", "exponent", "multiplier"):
            data = plain(verdict_on(runs, quantity=quantity, threshold=1))
            assert json.loads(json.dumps(data, allow_nan=False)) == data
            assert data["decide"]["quantity"] == quantity
            for number in data["numbers"]:
                assert (not number["found"]["refusals"]) == (
                    not number["words"].startswith("refused")
                )


@pytest.mark.nightly
@pytest.mark.parametrize(("limit", "truth"), [({"threshold": 1}, 1.0), ({"within": 1.1}, 1.1)])
@pytest.mark.parametrize("at_least", [1, 5])
def test_a_true_null_is_seldom_decided(limit, truth, at_least):
    """Five tasks that lie right on the limit: one is extreme by chance, which the level of
    intervals pays for.
    """
    rng, draws, false = np.random.default_rng(8), 1000, 0
    rule = made_rule(**LOSS, **limit, at_least=at_least)
    for gaps in rng.normal(np.log(truth), 0.3, (draws, 5, 3)):
        found = [ratio_over(task, interval_level(rule, 5)) for task in gaps]
        count = count_outcomes("axis", [outcome(rule, one) for one in found], at_least)
        false += count.outcome in ("supported", "refuted")
    assert false / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)


def test_a_tie_of_refuted_and_equal_tasks_is_open():
    """As many tasks speak against the claim as say that nothing matters, so that neither is the
    answer.
    """
    tied = count_outcomes("params", ["refuted", "refuted", "equal", "equal", "open", "open"], 4)
    assert tied.outcome == "open"
    assert (
        count_outcomes("params", ["refuted", "equal", "equal", "equal", "open", "open"], 4).outcome
        == "equal"
    )
    assert (
        count_outcomes("params", ["refuted", "refuted", "refuted", "equal"], 2).outcome == "refuted"
    )
