"""Decision rules as data: what they say, and a mistake is one sentence with the next move."""

import pytest
from commands import refused

from harness.judging.quantities import QUANTITIES
from harness.planning.plan import make_plan
from harness.spec.decide import units
from harness.spec.read import experiment_schema, parse_experiment

TEXT = """
question: which?
tasks:
  - {target: exp2d, validation_points: 1000, test_points: 1000}
  - {target: j0, validation_points: 1000, test_points: 1000}
arms:
  kan: {architecture: {family: kan, hidden: [5]}, recipe: adam}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: adam}
  deep: {architecture: {family: mlp, depth: 4}, recipe: adam}
match: {axis: params, at: [100, 1000], tol: 0.2, solve: {kan: grid, mlp: width, deep: width}}
recipes:
  adam: {optimizer: {name: adam, learning_rate: 1e-3}, max_evaluations: 10}
seeds: [0]
"""
RULE = "sides: [kan, mlp], at_least: 1"


def _experiment(rule: str):
    return parse_experiment(f"{TEXT}decide: [{{claim: c, {rule}}}]\n", "file.yaml")


def test_a_rule_is_read_as_it_says():
    rule = _experiment(
        "quantity: test_loss, sides: [kan, [mlp, deep]], threshold: 1, at_least: 1"
    ).decide[0]
    assert (rule.arms_of_sides, rule.names) == ((("kan",), ("mlp", "deep")), ("kan", "mlp", "deep"))
    assert (rule.axis, rule.place, rule.limit, rule.smallest) == (None, "largest", 1, 1.1)
    assert set(rule.model_dump()) == {
        "claim",
        "quantity",
        "sides",
        "threshold",
        "at_least",
        "level",
    }

    at = [
        _experiment(f"quantity: test_loss, {RULE}, within: 2, at: {at}").decide[0]
        for at in ("seconds", "{seconds: largest}", "{params.paper: 66}")
    ]
    assert [(one.axis, one.place) for one in at] == [
        *[("seconds", "largest")] * 2,
        ("params.paper", 66),
    ]
    assert {(one.limit, one.smallest) for one in at} == {(1.0, 2.0)}
    exponents = _experiment(f"quantity: exponent, {RULE}, within: 0.3, at: seconds").decide[0]
    assert (exponents.limit, exponents.smallest) == (0.0, 0.3)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (f"quantity: expnent, {RULE}, threshold: 0", "did you mean 'exponent'?"),
        (
            "quantity: exponent, sides: [kan, [mlp, mpl]], threshold: 0, at_least: 1",
            "did you mean 'mlp'?",
        ),
        (
            "quantity: test_loss, sides: [kan], threshold: 1, at_least: 1",
            "sides=[kan]: test_loss is of 2 sides",
        ),
        (
            "quantity: best_size, sides: [kan, mlp], at: seconds, most: 1, at_least: 1",
            "best_size is of 1 side",
        ),
        (
            "quantity: test_loss, sides: [mlp, [mlp, deep]], threshold: 1, at_least: 1",
            "cannot be compared with itself",
        ),
        (
            "quantity: exponent, sides: [kan, 3], threshold: 0, at_least: 1",
            "decide.0.sides.1: give the name of an arm",
        ),
        (f"quantity: exponent, {RULE}", "give exactly one of threshold, most, within"),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, most: 2",
            "give exactly one of threshold, most, within",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: -3",
            "threshold=-3: test_loss is a ratio, always above 0",
        ),
        (f"quantity: multiplier, {RULE}, most: 0", "most=0: multiplier is a ratio, always above 0"),
        (
            f"quantity: test_loss, {RULE}, within: 0.5",
            "within=0.5: of test_loss it is a factor above 1, such as 1.1",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, matters: 0.1",
            "matters=0.1: of test_loss it is a factor above",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, at: params.trainble",
            "did you mean 'params.trainable'?",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, at: largest",
            "decide.0.at: 'largest' is no axis; allowed: ",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, at: {{seconds: -2}}",
            "at.seconds: -2 must be a number above 0",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, at: {{seconds: 1, params.paper: 2}}",
            "at: give one axis, alone",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, at: 66",
            "decide.0.at: give one axis, alone or with a budget",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, at: seconds_per_evaluation",
            "goes with quantity: count",
        ),
        (
            f"quantity: exponent, {RULE}, threshold: 0, at: {{seconds: 3}}",
            "exponent is of all budgets; give the axis",
        ),
        (
            "quantity: network_loss, sides: [kan], most: 3, at_least: 1",
            "at: network_loss is read at a size; give one",
        ),
        (
            f"quantity: edges, {RULE}, threshold: 1, at: seconds",
            "edges is read at no budget; leave it out",
        ),
        (
            f"quantity: count, {RULE}, threshold: 1",
            "count: say what is counted, such as flops_forward.shared_dense",
        ),
        (
            f"quantity: test_loss, {RULE}, threshold: 1, count: params.paper",
            "it goes with quantity: count; leave it",
        ),
        (
            f"quantity: count, {RULE}, threshold: 1, count: [params.paper, seconds]",
            "give one count of two sides, or",
        ),
        (
            "quantity: count, sides: [kan], threshold: 1, count: seconds, at_least: 1",
            "give one count of two sides, or",
        ),
        (
            f"quantity: edges, {RULE}, threshold: 1, published: 3",
            "published=3: it goes with one side of exponent,",
        ),
        (
            f"quantity: count, {RULE}, threshold: 1, count: seconds, effort: 3",
            "effort=3: count is not read at fewer",
        ),
        (f"quantity: test_loss, {RULE}, threshold: 1, axis: seconds", "decide.0.axis"),
    ],
)
def test_a_mistake_is_a_sentence(rule, said):
    told = refused(_experiment, rule)
    assert "file.yaml" in told
    assert said in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            f"quantity: exponent, {RULE}, threshold: 0, tasks: exp2b",
            "'exp2b' is no task of this experiment; did you",
        ),
        (
            f"quantity: exponent, {RULE}, threshold: 0, tasks: exp2d".replace(": 1", ": 2"),
            "there are 1 tasks",
        ),
        (
            "quantity: exponent_kept, sides: [kan], threshold: 0.5, at_least: 1",
            "tasks of one target with different",
        ),
    ],
)
def test_a_plan_knows_the_tasks_of_its_rules(rule, said):
    told = refused(make_plan, _experiment(rule), "test")
    assert said in told
    assert told.startswith("decide.0.")


def test_a_family_is_the_tasks_of_a_target_by_their_inputs():
    """Families are counted where the quantity is of one; a target with one number of inputs is
    none.
    """
    tasks = {
        "a inputs=16": ("a", 16),
        "a inputs=2": ("a", 2),
        "b": ("b", 2),
        "c inputs=4": ("c", 4),
        "c x": ("c", 8),
    }
    (single,) = _experiment(f"quantity: exponent, {RULE}, threshold: 0").decide
    (family,) = _experiment(
        "quantity: exponent_kept, sides: [kan], threshold: 0.5, at_least: 1"
    ).decide
    assert units(family, tasks) == {"a": ("a inputs=2", "a inputs=16"), "c": ("c inputs=4", "c x")}
    assert list(units(single, tasks)) == list(tasks)
    assert list(units(single.model_copy(update={"tasks": ("a", "b")}), tasks)) == [
        "a inputs=16",
        "a inputs=2",
        "b",
    ]


def test_the_schema_says_what_each_quantity_is():
    said = " ".join(experiment_schema()["$defs"]["Decide"]["description"].split())
    for quantity in QUANTITIES.values():
        assert f"{quantity.name}: {quantity.summary}." in said
