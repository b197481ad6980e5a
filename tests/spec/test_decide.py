"""Decision rules as data: old ones keep their identity, and a mistake is one sentence with the next move."""

import subprocess
import sys

import pytest

from harness.base.errors import HarnessError
from harness.judging.quantities import QUANTITIES
from harness.planning.plan import make_plan
from harness.spec import content_hash, experiment_schema, parse_experiment, stable_axes, units

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
RULE = "arms: [kan, mlp], at_least: 1"


def _experiment(rule: str):
    return parse_experiment(f"{TEXT}decide: [{{claim: c, {rule}}}]\n", "file.yaml")


def test_a_rule_of_the_first_version_is_the_same_experiment():
    """The hash is that of the version before rules were evaluated, and so is what is written of it."""
    experiment = _experiment(f"quantity: exponent, {RULE}, axis: params.trainable, threshold: 0")

    assert content_hash(experiment) == "a62559beb9b37aab65b47e4574783da25acbc8809d57e2a645a3dc5b4ef92419"
    assert set(experiment.decide[0].model_dump()) == {
        *("claim", "quantity", "arms", "axis", "threshold", "at_least", "level")
    }


def test_without_axes_the_four_conventions_of_a_stable_verdict_are_asked():
    """`axis` is one, `axes` are several, and none is all four."""
    rules = [
        _experiment(f"quantity: exponent, {RULE}, threshold: 0{axes}").decide[0]
        for axes in ("", ", axis: seconds", ", axes: [params.paper, seconds]")
    ]

    assert [rule.conventions for rule in rules] == [stable_axes(), ("seconds",), ("params.paper", "seconds")]


def test_of_a_list_of_arms_the_best_stands_for_all():
    """A name is a choice of one."""
    rule = _experiment("quantity: cost, arms: [kan, [mlp, deep]], threshold: 1, least: 3, at_least: 1").decide[0]

    assert (rule.sides[0], rule.sides[1], rule.place) == (("kan",), ("mlp", "deep"), "middle")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (f"quantity: expnent, {RULE}, threshold: 0", "did you mean 'exponent'?"),
        ("quantity: exponent, arms: [kan, [mlp, mpl]], threshold: 0, at_least: 1", "did you mean 'mlp'?"),
        ("quantity: exponent, arms: [kan], threshold: 0, at_least: 1", "exponent is of 2 arms"),
        ("quantity: cost, arms: [mlp, [mlp, deep]], threshold: 1, at_least: 1", "cannot be compared with itself"),
        ("quantity: exponent, arms: [kan, 3], threshold: 0, at_least: 1", "decide.0.arms.1: give the name of an arm"),
        (f"quantity: exponent, {RULE}", "give exactly one of threshold, most"),
        (f"quantity: exponent, {RULE}, margin: 0.1", "exponent has no margin; use threshold or most"),
        (f"quantity: test_loss, {RULE}, threshold: -3", "threshold=-3: test_loss is a ratio, always above 0"),
        (f"quantity: cost, {RULE}, most: 0", "most=0: cost is a ratio, always above 0"),
        (f"quantity: cost, {RULE}, threshold: 3, least: 1", "goes with a threshold that it is not below"),
        (f"quantity: cost, {RULE}, threshold: 1, at: lowst", "did you mean 'lowest'?"),
        (f"quantity: cost, {RULE}, threshold: 1, at: largest", "cost is read at middle or lowest or a number"),
        (f"quantity: cost, {RULE}, threshold: 1, at: -2", "-2 must be above 0"),
        (f"quantity: count, {RULE}, threshold: 1", "say in `axes` which counts are compared"),
        (f"quantity: test_loss, {RULE}, threshold: 1, equal: params.paper", "`equal` goes with count"),
        (f"quantity: test_loss, {RULE}, threshold: 1, axes: [seconds_per_evaluation]", "goes with quantity: count"),
        (f"quantity: held_out, {RULE}", "decide.0.quantity=held_out: hold_out is 0"),
        (f"quantity: test_loss, {RULE}, threshold: 1, invariant: true, axis: seconds", "give at least two axes"),
        (f"quantity: test_loss, {RULE}, threshold: 1, axes: [seconds, seconds]", "given more than once"),
        ("quantity: growth, arms: [kan], most: 3, at_least: 1", "growth is read at a test loss; say which"),
        ("quantity: network_loss, arms: [kan], most: 3, at_least: 1", "network_loss is read at a size of the arm"),
        (f"quantity: edges, {RULE}, threshold: 1, published: 3", "published=3: it goes with one arm of edges or"),
        (f"quantity: edges, {RULE}, threshold: 1, axis: seconds", "edges is of networks of any size; leave axis"),
        (
            f"quantity: edges, {RULE}, threshold: 1, also: [{{quantity: test_loss, arms: [kan, mlp], threshold: 1}}]",
            "its conditions are of networks of any size and of equal sizes",
        ),
    ],
)
def test_a_mistake_is_a_sentence(rule, said):
    """Each names the value and what is allowed."""
    with pytest.raises(HarnessError, match=r"file\.yaml") as caught:
        _experiment(rule)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (f"quantity: exponent, {RULE}, threshold: 0, tasks: exp2b", "'exp2b' is no task of this experiment; did you"),
        (f"quantity: exponent, {RULE}, threshold: 0, tasks: exp2d".replace(": 1", ": 2"), "there are 1 tasks"),
        ("quantity: exponent_kept, arms: [kan], threshold: 0.5, at_least: 1", "tasks of one target with different"),
    ],
)
def test_a_plan_knows_the_tasks_of_its_rules(rule, said):
    """What a rule asks of tasks that are not there is told before anything is trained."""
    with pytest.raises(HarnessError) as caught:
        make_plan(_experiment(rule), "test")

    assert said in str(caught.value)
    assert str(caught.value).startswith("decide.0.")


def test_a_family_is_the_tasks_of_a_target_by_their_inputs():
    """Families are counted where the quantity is of one; a target with one number of inputs is none."""
    tasks = {"a inputs=16": ("a", 16), "a inputs=2": ("a", 2), "b": ("b", 2), "c inputs=4": ("c", 4), "c x": ("c", 8)}
    single, family = (
        _experiment(f"{quantity}, at_least: 1").decide[0]
        for quantity in (
            "quantity: exponent, arms: [kan, mlp], threshold: 0",
            "quantity: exponent_kept, arms: [kan], threshold: 0.5",
        )
    )

    assert units(family, tasks) == {"a": ("a inputs=2", "a inputs=16"), "c": ("c inputs=4", "c x")}
    assert list(units(single, tasks)) == list(tasks)
    assert list(units(single.model_copy(update={"tasks": ("a", "b")}), tasks)) == ["a inputs=16", "a inputs=2", "b"]


def test_reading_a_rule_loads_nothing_slow():
    """`harness status` reads plans again and again: quantities import what is slow to import where they are found."""
    text = f"{TEXT}hold_out: 1\ndecide: [{{claim: c, quantity: held_out, {RULE}}}]\n"
    code = f"import sys; from harness.spec import parse_experiment; parse_experiment({text!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert {"scipy.stats", "scipy.optimize", "pandas", "torch"}.isdisjoint(done.stdout.split())


def test_the_schema_says_what_each_quantity_is():
    """Its summary stands with the condition, and where it is read with `at`, as long as it has a choice."""
    condition = experiment_schema()["$defs"]["Condition"]
    said = " ".join(condition["description"].split())

    for quantity in QUANTITIES.values():
        assert f"{quantity.name}: {quantity.summary}." in said
        if quantity.takes.numbers:
            assert quantity.read_at in condition["properties"]["at"]["description"]
