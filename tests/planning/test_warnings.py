"""What a plan cannot answer is said before anything trains, or refused where nothing could come of
it.
"""

import json

import pytest
from commands import invoke, refused, said

from harness.base.errors import USAGE, HarnessError
from harness.laws import refusal
from harness.laws.law import FLOOR, PURE
from harness.planning import warnings
from harness.planning.plan import make_plan
from harness.planning.warnings import check_rules_can_be_judged, warnings_of
from harness.spec.read import parse_experiment

GOOD = """\
question: which?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: adam}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: adam}
match: {axis: params, at: [60, 100, 150, 200, 400], tol: 0.3, solve: {kan: grid, "*": width}}
recipes:
  adam: {optimizer: {name: adam, learning_rate: 1e-3}, max_evaluations: 10}
seeds: [0, 1]
"""
FEW = GOOD.replace("150, 200, 400", "200")
EXPONENT = (
    "decide: [{sides: [kan, mlp], quantity: exponent, threshold: 0, at_least: 1, claim: it "
    "scales}]\n"
)
THIRD = "  third: {architecture: {family: mlp, depth: 2}, recipe: adam}\nmatch"


def _said(text: str) -> list[str]:
    return [warning.sentence for warning in warnings_of(make_plan(parse_experiment(text), "test"))]


def test_a_plan_that_answers_has_no_warning():
    assert _said(GOOD) == []


def test_laws_take_what_plans_warn_of():
    spare, decades = refusal.SPARE_SIZES, refusal.MIN_DECADES
    laws = (PURE.parameters + spare, FLOOR.parameters + spare, decades)
    assert laws == (warnings.LEAST_SIZES, warnings.ENOUGH_SIZES, warnings.MIN_DECADES)


def test_each_thing_that_a_plan_cannot_answer_is_a_sentence():
    same = "  again: {architecture: {family: mlp, depth: 3}, recipe: adam}\nmatch"
    for text, begins in (
        (
            FEW,
            (
                "3 sizes: no exponent will be fitted, the comparison at equal size will (kan on "
                "exp2d, mlp on exp2d)"
            ),
        ),
        (
            GOOD.replace(", 400]", "]"),
            "4 sizes: only a law without a floor can be fitted (kan on exp2d",
        ),
        (GOOD + "hold_out: 1\n", "4 sizes: only a law without a floor can be fitted (kan on exp2d"),
        (
            GOOD + "window: {kan: {max: 220}}\n",
            "4 sizes: only a law without a floor can be fitted (kan on exp2d)",
        ),
        (
            GOOD.replace("60, 100, 150, 200, 400", "60, 70, 80, 100, 120"),
            "sizes within a factor of 3.2, too little",
        ),
        (
            FEW + EXPONENT,
            (
                "decide.0.quantity=exponent: it is read off a curve, which takes 4 sizes or more, "
                "and kan"
            ),
        ),
        (GOOD.replace("[0, 1]", "[7]"), "one seed: no interval will tell a difference from chance"),
        (
            GOOD.replace("match", THIRD, 1),
            "3 arms and no rule (decide:), so nothing will be concluded",
        ),
        (GOOD.replace("match", same, 1), "mlp, again are the same arm"),
        (
            GOOD.replace("60,", "1, 2, 3, 4, 5, 60,"),
            "10 of 20 cells are infeasible, such as kan on exp2d: params",
        ),
        (
            GOOD.replace("[exp2d]", "[exp2d, exp100d]"),
            "kan has no feasible cell on exp100d, so nothing is compared",
        ),
    ):
        assert any(each.startswith(begins) for each in _said(text)), (begins, _said(text))


def test_a_rule_about_series_counts_their_sizes():
    rule = EXPONENT.replace("[kan, mlp]", "[kan order=3, kan order=2]")
    varied = GOOD + "grid: {arms.kan.architecture.order: [2, 3]}\n" + rule
    assert _said(varied) == []
    few = (
        "decide.0.quantity=exponent: it is read off a curve, which takes 4 sizes or more, "
        "and kan order=3 has 3"
    )
    assert any(told.startswith(few) for told in _said(varied.replace("150, 200, 400", "200")))


def test_a_rule_read_at_a_size_that_its_first_arm_has_not_is_named():
    sizes = "kan has no network of size {} in params.trainable, so {}"
    nothing = "the rule cannot be judged; its sizes are 60 to 402 (exp2d)"
    of_curves, of_one = (
        "sides: [kan, mlp], quantity: test_loss",
        "sides: [kan], quantity: network_loss",
    )
    for rule, at, told in (
        (of_curves, 1000, [sizes.format("1,000", nothing)]),
        (of_curves, 300, [sizes.format(300, "it is read between 198 and 402 (exp2d)")]),
        (of_curves, 400, []),
        (of_curves, "largest", []),
        (
            of_one,
            300,
            [sizes.format(300, "the rule cannot be judged; the nearest are 198 and 402 (exp2d)")],
        ),
        (of_one, 402, []),
    ):
        decide = (
            f"decide: [{{{rule}, at: {{params.trainable: {at}}}, threshold: 1, at_least: 1, "
            f"claim: a}}]\n"
        )
        assert _said(GOOD + decide) == [f"decide.0.at: {each}" for each in told], (rule, at)


def test_what_no_run_records_cannot_be_judged():
    rule = (
        "decide: [{sides: [kan, mlp], quantity: observed, observed: %s, threshold: 1, "
        "at_least: 1, claim: a}]\n"
    )
    make_plan(parse_experiment(GOOD + rule % "test_largest_error"), "test")
    told = refused(make_plan, parse_experiment(GOOD + rule % "test_larges_error"), "test")
    assert told.startswith(
        "decide.0.observed: no run records 'test_larges_error'; did you mean 'test_largest_error'?"
    )


def test_an_arm_without_a_cell_is_refused_with_the_nearest_sizes():
    far = GOOD.replace("hidden: [2]", "hidden: [9, 9]")
    told = refused(make_plan, parse_experiment(far), "test")
    assert told.startswith(
        "match.at: arm 'kan' has no feasible cell on any task, so nothing can be said of it; on ex"
    )
    assert "nearest: grid=1 gives" in told
    assert told.endswith("choose budgets near these, raise match.tol, or leave the arm out")


def test_a_rule_that_no_task_can_answer_is_refused_but_at_a_scale(here):
    with pytest.raises(
        HarnessError, match=r"^decide\.0\.quantity=exponent: it is read off a curve"
    ):
        check_rules_can_be_judged(make_plan(parse_experiment(FEW + EXPONENT), "test"))
    (here / "a.yaml").write_text(GOOD + EXPONENT + "scales: {short: {match.at: [60, 100]}}\n")
    told = said("validate", "a.yaml", "--scale", "short")
    assert "warning: decide.0.quantity=exponent: it is read off a curve" in told


def test_every_command_says_it(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    (here / "few.yaml").write_text(FEW)
    assert f"warning: {_said(FEW)[0]}" in said("validate", "few.yaml")
    assert json.loads(said("validate", "few.yaml", "--json"))["warnings"] == _said(FEW)
    monkeypatch.setattr(
        "harness.dispatch.here.train_here", lambda *packs, **named: (pack for pack in ())
    )
    for command in ("plan", "run"):
        told = invoke(command, "few.yaml").output
        assert "warning: 3 sizes, no exponent (`harness validate FILE` says more)" in told, command

    (here / "far.yaml").write_text(FEW.replace("hidden: [2]", "hidden: [9, 9]"))
    for command in ("validate", "plan", "run"):
        told = said(command, "far.yaml", exit_code=USAGE)
        assert told.startswith("error: far.yaml:6: match.at: arm 'kan' has no feasible cell"), (
            command
        )
