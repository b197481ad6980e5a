"""Replicates that are splits of the same rows: their interval is for new rows, and who leads beats
a constant.
"""

import numpy as np
import pytest
from judging.made_runs import made_plan, made_rule, made_runs, made_table, number_of, power
from scipy.stats import t as t_distribution

from harness.comparison.effort import Value
from harness.comparison.replicates import best_ratio, ratio_over
from harness.judging.headline import headline
from harness.judging.judge import judge
from harness.judging.power import seen
from harness.judging.runs import runs_of
from harness.judging.versus import Side, leader
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment

SIDES = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
EQUAL = {"kan": power(1, 0.5), "mlp": power(1, 0.5)}
BOTH = {"kan": power(1, 0.5), "mlp": power(1.3, 0.5)}
AXIS = "params.trainable"


def log_width(found):
    return np.log(found.high / found.low)


def test_the_interval_has_the_term_of_nadeau_and_bengio():
    gaps = np.random.default_rng(0).normal(0.2, 0.1, 8)
    found = ratio_over(gaps, overlap=1 / 3)
    half = t_distribution.isf(0.025, 7) * gaps.std(ddof=1) * np.sqrt(1 / 8 + 1 / 3)
    assert (found.low, found.high) == pytest.approx(
        (np.exp(gaps.mean() - half), np.exp(gaps.mean() + half))
    )
    none = np.zeros(8)
    assert best_ratio(Value(0 * gaps, none), Value(gaps, none), 0.95, 1 / 3).low == pytest.approx(
        found.low
    )


def test_answer_verdict_and_exponent_have_one_interval():
    alone, shared = made_runs(BOTH), made_runs(BOTH, overlap=1 / 3)
    factor = np.sqrt((1 / 5 + 1 / 3) / (1 / 5))
    of_answers = [headline(runs, SIDES, level=0.95) for runs in (alone, shared)]
    first, second = (answer.reading("xy", AXIS, "largest").ratio for answer in of_answers)
    assert log_width(second) == pytest.approx(factor * log_width(first))
    number = number_of(shared, quantity="test_loss", threshold=1)
    assert (number.found.low, number.found.high) == pytest.approx((second.low, second.high))
    slopes = [answer.exponents[0].exponent for answer in of_answers]
    assert slopes[1].high - slopes[1].low == pytest.approx(
        factor * (slopes[0].high - slopes[0].low)
    )
    assert any("for new rows of this population" in caution for caution in of_answers[1].cautions)
    assert not any("population" in caution for caution in of_answers[0].cautions)


def test_more_splits_of_the_same_rows_show_no_smaller_difference_than_the_overlap_lets_them():
    assert seen(0.1, 1000, 0.95, overlap=1 / 3) > 0.1 * np.sqrt(1 / 3) * 2
    open_rule = judge(
        made_rule(quantity="test_loss", threshold=1),
        made_runs(EQUAL, noise=0.5, overlap=0.3),
    )
    assert "more splits of the same rows will not show" in open_rule.power


def planned(text):
    arms = "arms: {mlp: {architecture: {family: mlp, depth: 2}, recipe: r, sizes: {width: [2]}}}"
    recipes = "recipes: {r: {optimizer: {name: adam}, max_evaluations: 10}}"
    return make_plan(
        parse_experiment(f"question: q\ntasks: [{text}]\n{arms}\n{recipes}\nseeds: [0, 1]\n"),
        "planned",
    )


def test_the_plan_knows_what_replicates_share():
    """442 rows: 88 for testing, 266 for training. Of functions every seed draws its own points."""
    assert planned("xy").overlap("xy") == 0
    plan = planned("diabetes")
    (task,) = plan.formulas
    assert plan.overlap(task) == pytest.approx(88 / 266)
    fewer = planned("{target: diabetes, train_points: 88}")
    assert fewer.overlap(next(iter(fewer.formulas))) == pytest.approx(88 / 266)


# --------------------------------------------------------------------------------------------------
# beside other models
@pytest.mark.parametrize(
    ("model", "code"),
    [("constant", "NO_BETTER_THAN_CONSTANT"), ("linear", "NO_BETTER_THAN_LINEAR")],
)
def test_nobody_leads_who_does_not_clearly_beat_the_model(model, code):
    """A KAN of .17 beside an MLP of 1.7, and a model that is as good in some replicates."""
    sides = {"kan": power(0.17, 0.0), "mlp": power(1.7, 0.0)}
    manifest = made_plan(5)
    for losses, is_refused in (([0.15, 0.16, 0.2, 0.21, 0.19], True), ([0.4] * 5, False)):
        table = made_table(manifest, sides, **{"baseline.constant": 3.0})
        table[f"baseline.{model}"] = table["seed"].map(dict(enumerate(losses)))
        runs = runs_of(manifest, table)
        answer = headline(runs, SIDES)
        ratios = [reading.ratio for reading in answer.readings]
        verdict = judge(made_rule(quantity="test_loss", threshold=1), runs)
        assert {ratio.is_refused_by(code) for ratio in ratios} == {is_refused}
        assert {leader(ratio, "kan", "mlp") for ratio in ratios} == {None if is_refused else "kan"}
        assert {lead.leader for lead in answer.leads} == (set() if is_refused else {"kan"})
        assert verdict.verdict == ("open" if is_refused else "supported")


def test_a_leader_beats_the_constant_of_its_own_replicate():
    """The constant moves with the rows of a replicate by more than the KAN is ahead of it."""
    manifest = made_plan(5)
    table = made_table(manifest, {"kan": power(1, 0.0), "mlp": power(3, 0.0)})
    rows = table["seed"].map(dict(enumerate([0.2, 1, 5, 0.5, 2])))
    with_rows = table.assign(
        test_loss=table["test_loss"] * rows, **{"baseline.constant": 1.2 * rows}
    )
    ratio = headline(runs_of(manifest, with_rows), SIDES).reading("xy", AXIS, "largest").ratio
    assert leader(ratio, "kan", "mlp") == "kan"


def test_the_linear_model_is_named_where_it_is_ahead():
    runs = made_runs(
        {"kan": power(0.16, 0.0), "mlp": power(0.15, 0.0)}, noise=0.001, **{"baseline.linear": 0.14}
    )
    cautions = headline(runs, SIDES).cautions
    assert "Use the linear model on xy: 0.14 against 0.15 for the best network." in cautions
