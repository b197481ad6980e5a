"""From numbers to verdicts: the logic of rules, of conventions and of many tasks, and how often a verdict is false."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging.made_runs import made_rule, made_runs, made_table, power

from harness.comparison import count_outcomes, task_level
from harness.judging.answer import number_lines, verdict_words
from harness.judging.judge import interval_level, judge, sentence, task_outcome, to_json
from harness.show.tables.verdicts import summary_table

DECIDED = ("supported", "refuted", "equal")
OUTCOMES = (*DECIDED, "inconclusive")
LOSS = {"quantity": "test_loss", "threshold": 1}


def test_conditions_and_antecedents_are_a_three_valued_logic():
    """Whatever the undecided ones turn out to be, a decided task stays as it is; an undecided one may become either.

    That all conditions hold by what matters is denied by one that is refuted, or equal: both say that there is no lead.
    """

    def settled(outcomes):
        return itertools.product(*[[one] if one != "inconclusive" else DECIDED for one in outcomes])

    for conditions in itertools.product(OUTCOMES, repeat=2):
        for antecedent in [None, *itertools.product(OUTCOMES, repeat=2)]:
            found = task_outcome(conditions, antecedent)
            every = {
                task_outcome(one, other)
                for one in settled(conditions)
                for other in (settled(antecedent) if antecedent else [None])
            }
            assert found in every or found == "inconclusive"
            assert (found != "inconclusive") == (len({one == "supported" for one in every}) == 1)


def test_a_verdict_that_hangs_on_the_convention_says_so():
    """Four times better at equal parameters, two and a half times worse at equal FLOPs, ten times as many a weight."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    verdict = judge(made_rule(**LOSS), made_runs(table))

    assert verdict.conclusion == "convention-dependent"
    assert verdict.holds_under == ("params.trainable", "flops_train.local_min")
    assert {n.convention: n.found.estimate for n in verdict.numbers} == pytest.approx(
        {"params.trainable": 4, "flops_train.shared_dense": 0.4, "flops_train.local_min": 4, "seconds": 0.4}, rel=0.1
    )
    assert not verdict.stable
    assert verdict_words(to_json(verdict)) == (
        "convention-dependent (supported at equal trainable parameters and training FLOPs (local minimum), refuted at "
        "equal training FLOPs (shared-dense) and seconds alone on the machine that was measured)"
    )


def test_a_claim_that_one_convention_refutes_is_not_told_as_merely_open():
    """Ten times worse at equal parameters, and equal within the noise at equal FLOPs by the dense count: both are said.

    The table in short has it too, beside the claim.
    """
    table = made_table({"kan": power(1, 1.0), "mlp": power(10, 1.0)}, noise=0.2).drop(columns="seconds")
    verdict = to_json(judge(made_rule(**LOSS, arms=("mlp", "kan")), made_runs(table)))

    assert verdict["verdict"] == "inconclusive"
    assert verdict_words(verdict) == (
        "inconclusive (refuted at equal trainable parameters and training FLOPs (local minimum), undecided at equal "
        "training FLOPs (shared-dense); seconds not measured)"
    )
    (row,) = summary_table([{"name": "n", "commits": [], "verdicts": [verdict]}]).rows
    assert row.cells[1].text == "inconclusive, refuted per parameter and per training FLOP (local minimum)"


def test_a_verdict_is_stable_where_the_four_conventions_agree():
    """A hundred times better is better by every count; one convention alone is never called stable."""
    runs = made_runs(made_table({"kan": power(1, 1.0), "mlp": power(100, 1.0)}))
    verdict, alone = judge(made_rule(**LOSS), runs), judge(made_rule(**LOSS, axis="params.trainable"), runs)

    assert (verdict.conclusion, verdict.stable) == ("supported", True)
    assert (alone.conclusion, alone.stable) == ("supported", False)
    assert "is supported, stable over counts: supported under params.trainable (1 of 1 for it" in sentence(verdict)


def test_a_lead_that_turns_with_the_count_is_not_stable():
    """The laws do not cross below the largest size, whatever is counted, but who is ahead there depends on it."""
    runs = made_runs(made_table({"kan": power(1.5, 0.8), "mlp": power(3, 0.8)}))
    verdict = judge(made_rule(quantity="crossover", arms=("kan", "mlp")), runs)

    assert {one.found.estimate > 1 for one in verdict.numbers} == {True, False}
    assert (verdict.conclusion, verdict.stable) == ("supported", False)


def test_seconds_that_nobody_measured_are_no_convention():
    """The others are judged, none of it is stable, and the verdict says what is not measured."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(100, 1.0)}).drop(
        columns=["seconds", "seconds_per_evaluation"]
    )
    verdict = judge(made_rule(**LOSS), made_runs(table))
    same = judge(made_rule(**LOSS, invariant=True), made_runs(table))
    alone = judge(made_rule(**LOSS, axis="seconds"), made_runs(table))

    assert (verdict.conclusion, verdict.stable, verdict.unmeasured) == ("supported", False, ("seconds",))
    assert verdict_words(to_json(verdict)) == (
        "supported (under all 3 conventions that were measured; seconds not measured)"
    )
    assert verdict_words(to_json(alone)) == "inconclusive (seconds not measured)"
    assert "seconds: not measured" in number_lines(to_json(verdict))
    assert same.conclusion == "inconclusive"
    assert (alone.conclusion, alone.counts) == ("inconclusive", ())


@pytest.mark.parametrize(("ratio", "said"), [(100, "supported"), (4, "refuted"), (10, "inconclusive")])
def test_the_same_sign_under_all_conventions(ratio, said):
    """An invariant is refuted by opposite signs, supported by equal ones, and open where a ratio may be 1."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(ratio, 1.0)})
    verdict = judge(made_rule(**LOSS, invariant=True), made_runs(table))

    assert verdict.conclusion == said
    worse = judge(made_rule(**LOSS, arms=("mlp", "kan"), invariant=True), made_runs(table))
    assert worse.conclusion == said  # worse by all conventions is one sign, too


def test_a_difference_that_does_not_matter_is_an_outcome():
    """Of equal arms an interval within 10 % of 1 is equal, a wider one says nothing, and a small lead stays a lead."""
    sharp = {"kan": power(1, 1.0), "mlp": power(1, 1.0)}
    equal = judge(made_rule(**LOSS, axis="params.trainable"), made_runs(made_table(sharp)))
    finer = judge(made_rule(**LOSS, axis="params.trainable", matters=1.001), made_runs(made_table(sharp)))
    noisy = judge(made_rule(**LOSS, axis="params.trainable"), made_runs(made_table(sharp, noise=0.5)))
    little = {"kan": power(1, 1.0), "mlp": power(1.05, 1.0)}
    ahead = judge(made_rule(**LOSS, axis="params.trainable"), made_runs(made_table(little, noise=0.001)))
    exponent = {"quantity": "exponent", "threshold": 0, "axis": "params.trainable"}
    alike = judge(made_rule(**exponent), made_runs(made_table(sharp)))

    assert [one.conclusion for one in (equal, finer, noisy, ahead, alike)] == [
        *("equal", "inconclusive", "inconclusive", "supported", "equal")
    ]
    assert verdict_words(to_json(equal)) == "equal within 10 %"
    assert verdict_words(to_json(alike)) == "equal within 0.2"


@given(st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=7), st.data())
def test_a_convention_is_decided_once_the_open_tasks_cannot_change_it(outcomes, data):
    """It is supported by enough tasks; and not by what matters, if too few are left that may yet support it."""
    at_least = data.draw(st.integers(1, len(outcomes)))
    count = count_outcomes("axis", outcomes, at_least)
    can_support = sum(one in ("supported", "inconclusive") for one in outcomes) >= at_least

    assert (count.outcome == "supported") == (outcomes.count("supported") >= at_least)
    assert (count.outcome in ("refuted", "equal")) == (not can_support)
    refuted, equal = outcomes.count("refuted"), outcomes.count("equal")
    by_refuted_alone = len(outcomes) - refuted < at_least
    assert (count.outcome == "refuted") == (not can_support and (by_refuted_alone or refuted > equal))
    assert count.supported + count.refuted + count.equal + outcomes.count("inconclusive") == count.tasks


def test_further_conditions_and_the_antecedent_are_of_the_same_task():
    """Equivalent arms of which one is better than a third; and where nothing is given there is nothing to show."""
    table = made_table({"kan": power(1, 1.0), "spline": power(1.01, 1.0), "mlp": power(3, 1.0)}, noise=0.01)
    equal = {"quantity": "test_loss", "arms": ("kan", "spline"), "margin": 0.05, "axis": "params.trainable"}
    better, worse = (
        {"quantity": "test_loss", "arms": arms, "threshold": 1} for arms in (("spline", "mlp"), ("mlp", "spline"))
    )

    found = [
        judge(made_rule(**fields), made_runs(table)).conclusion
        for fields in (
            {**equal, "also": (better,)},
            {**equal, "also": (worse,)},
            {**equal, **worse, "margin": None, "given": (better,)},
            {**equal, **worse, "margin": None, "given": (worse,)},
        )
    ]

    assert found == ["supported", "refuted", "refuted", "supported"]


def test_tasks_are_counted_and_others_left_out():
    """Better on three tasks of four; a rule may be about some of them."""
    better = made_table({"kan": power(1, 1.0), "mlp": power(5, 1.0)}, ("a", "b", "c"))
    worse = made_table({"kan": power(5, 1.0), "mlp": power(1, 1.0)}, ("d",))
    runs = made_runs(pd.concat([better, worse], ignore_index=True))

    found = [
        judge(made_rule(**LOSS, axis="params.trainable", at_least=at_least, tasks=tasks), runs)
        for at_least, tasks in ((3, ()), (4, ()), (1, ("d",)), (2, ("a", "d")))
    ]

    assert [one.conclusion for one in found] == ["supported", "refuted", "refuted", "refuted"]
    assert (found[0].counts[0].supported, found[0].counts[0].refuted) == (3, 1)
    assert found[0].level == task_level(0.95, 4, 3)


def test_more_than_two_conditions_ask_for_wider_intervals():
    """Two are paid for by the two sides of an interval."""
    more = {"quantity": "test_loss", "arms": ("kan", "mlp"), "threshold": 1}
    levels = [interval_level(made_rule(**LOSS, also=(more,) * count), 1) for count in range(4)]

    assert levels == pytest.approx([0.95, 0.95, 1 - 0.05 * 2 / 3, 0.975])


def test_a_verdict_as_data_is_strict_json_with_the_reason_of_every_refusal():
    """Infinite ends are null, and a script finds the rule as it was frozen."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(5, 1.0)}, seeds=1)
    for quantity in ("floor", "test_loss", "cost"):
        data = to_json(judge(made_rule(quantity=quantity, threshold=1), made_runs(table)))

        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert data["decide"]["quantity"] == quantity
        for number in data["numbers"]:
            assert (number["found"]["refused"] is None) == (not number["words"].startswith("refused"))


many_draws = pytest.mark.parametrize(
    "draws", [pytest.param(30, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.nightly)]
)


@many_draws
@pytest.mark.parametrize(
    ("fields", "kan", "mlp"),
    [
        ({"quantity": "test_loss", "threshold": 1}, power(1, 1.0), power(1, 1.0)),
        ({"quantity": "exponent", "threshold": 0}, power(1, 1.0, 1e-5), power(1, 1.0, 1e-5)),
        ({"quantity": "test_loss", "margin": 0.1}, power(1, 1.0), power(1.1, 1.0)),
    ],
)
def test_a_true_null_is_seldom_decided(fields, kan, mlp, draws):
    """Arms that lie right on the limit are told apart by the noise of their seeds at most as often as the level allows.

    The bound is 5 % plus three standard errors of the simulation.
    """
    rng, false = np.random.default_rng(7), 0
    rule = made_rule(**fields, axis="params.trainable")
    for _ in range(draws):
        table = made_table({"kan": kan, "mlp": mlp}, noise=0.2, seeds=3, rng=rng)
        false += judge(rule, made_runs(table)).conclusion in ("supported", "refuted")  # equal they are

    assert false / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)


@many_draws
def test_many_tasks_of_a_true_null_are_seldom_decided(draws):
    """Of five equal tasks one is extreme by chance: "on at least one" is claimed as seldom as the level allows."""
    rng, false = np.random.default_rng(8), 0
    tasks = tuple("abcde")
    rules = [made_rule(**LOSS, axis="params.trainable", at_least=at_least) for at_least in (1, 5)]
    for _ in range(draws):
        runs = made_runs(made_table({"kan": power(1, 1.0), "mlp": power(1, 1.0)}, tasks, 0.2, 3, rng=rng))
        false += any(judge(rule, runs).conclusion in ("supported", "refuted") for rule in rules)

    assert false / draws <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / draws)
