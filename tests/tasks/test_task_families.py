"""Families of growing dimension: each is what it is said to be, standardised, and the same on every
machine.
"""

import itertools
from functools import cache
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from scipy.special import gamma, kv

from harness.base.errors import HarnessError
from harness.families import KanShape, forward
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment
from harness.spec.task import Task
from harness.tasks import Function, check_drawn, load_target, resolve
from harness.tasks.families import TASKS, field_features, kan_coefficients, rotation

ADDITIVE = ("additive", "additive_irrelevant")


@cache
def _target(name, inputs, instance):
    return load_target(name, inputs, instance)


def _values(name, x, instance=0):
    return _target(name, x.shape[1], instance).function(x)


def _raw(name, x, instance=0):
    """Before it is standardised."""
    return TASKS[name].member(x.shape[1], instance)(x)


def _points(count, inputs, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, inputs))


def _gradients(function, x, step=1e-5):
    """Central differences, [n, inputs]."""
    shifts = step * np.eye(x.shape[1])
    return np.stack(
        [(function(x + shift) - function(x - shift)) / (2 * step) for shift in shifts], 1
    )


@pytest.mark.parametrize("name", TASKS)
def test_a_sum_of_one_variable_each_has_no_mixed_differences(name):
    x, steps = _points(50, 4), 0.3 * np.eye(4)
    mixed = []
    for first, second in itertools.combinations(steps, 2):
        both, alone = (
            _values(name, x + first + second),
            _values(name, x + first) + _values(name, x + second),
        )
        mixed.append(np.abs(both - alone + _values(name, x)).max())
    assert max(mixed) < 1e-12 if name in ADDITIVE else max(mixed) > 0.01


@pytest.mark.parametrize("inputs", [2, 7, 16])
def test_the_rotated_one_is_the_additive_one_of_rotated_points(inputs):
    """The same g_i at Q x, before both are standardised; Q keeps lengths, and is no permutation."""
    x, turn = _points(40, inputs), rotation(inputs, 1)
    np.testing.assert_allclose(turn @ turn.T, np.eye(inputs), atol=1e-13)
    assert np.abs(turn).max() < 0.999
    np.testing.assert_allclose(
        _raw("rotated_additive", x, 1), _raw("additive", x @ turn.T, 1), atol=1e-12
    )


@pytest.mark.parametrize("inputs", [3, 16])
def test_irrelevant_variables_do_not_matter(inputs):
    x = _points(40, inputs)
    others = np.concatenate([x[:, :2], _points(40, inputs - 2, seed=1)], 1)
    assert np.array_equal(_values("additive_irrelevant", x), _values("additive_irrelevant", others))
    np.testing.assert_allclose(
        _raw("additive_irrelevant", x), _raw("additive", x[:, :2]), atol=1e-12
    )


def test_a_single_index_changes_along_one_direction():
    slopes = _gradients(lambda x: _values("single_index", x), _points(30, 8))
    _, spread, directions = np.linalg.svd(slopes)
    assert spread[1] < 1e-7 * spread[0]
    assert np.abs(directions[0]).max() < 0.9


@pytest.mark.parametrize("instance", range(3))
def test_a_tree_knows_of_a_pair_of_leaves_one_number(instance):
    """How f changes with x_1 against x_2 does not hang on the others, nor so for the first four of
    eight variables.
    """
    x = _points(1, 8, seed=instance).repeat(20, 0)
    x[:, 4:] = _points(20, 4, seed=9)
    of_four = _gradients(lambda points: _values("tree", points, instance), x)[:, :4]
    _, spread, _ = np.linalg.svd(of_four)
    assert spread[1] < 1e-6 * spread[0]


def test_the_kan_that_teaches_is_a_live_kan():
    network = KanShape(shape=(6, 6, 1), grid=8, base=False)
    first, second = kan_coefficients(6, 2)
    flat_RP = torch.from_numpy(np.concatenate([first.ravel(), second.ravel()]))[None]
    x = 1.2 * _points(200, 6)
    values = forward(
        network, flat_RP, network.initial_knots(1, torch.float64, "cpu"), torch.from_numpy(x)[None]
    )
    np.testing.assert_allclose(values[0, :, 0].numpy(), _raw("kan_teacher", x, 2), atol=1e-12)


@pytest.mark.parametrize("smoothness", [1.5, 3.5])
@pytest.mark.parametrize("inputs", [2, 8])
def test_a_fields_covariance_is_materns(smoothness, inputs):
    frequencies, phases = field_features(smoothness, inputs, 0)
    direction = np.ones(inputs) / np.sqrt(inputs)
    for distance in (0.1, 0.5, 1.0, 2.0):
        z = np.sqrt(2 * smoothness) * distance
        matern = 2 ** (1 - smoothness) / gamma(smoothness) * z**smoothness * kv(smoothness, z)
        found = np.cos(frequencies.T @ direction * distance).mean()
        assert found == pytest.approx(matern, abs=4 / np.sqrt(2 * 4096))
    assert np.abs(np.exp(1j * phases).mean()) < 4 / np.sqrt(4096)


@pytest.mark.parametrize("name", TASKS)
def test_targets_have_mean_0_and_variance_1(name):
    values = _values(name, _points(4096, 16, seed=2))
    assert values.mean() == pytest.approx(0, abs=4 / 64)
    assert values.std() == pytest.approx(1, abs=0.06)
    assert values.dtype == np.float64


# At (0.3, -0.7, 0.1, 0.9), of instances 0 and 3: a change of them is another definition, which
# needs another version.
KEPT = {
    "additive": (-1.625569529189, -0.389129673132),
    "additive_irrelevant": (-1.484193878638, 0.999151943994),
    "rotated_additive": (-0.572708498262, -1.321382964242),
    "single_index": (-0.856619967636, 0.784470584878),
    "tree": (-0.895397015258, -0.699701923551),
    "kan_teacher": (1.599616356425, 0.180120113776),
    "mlp_teacher": (0.580294208186, -0.398381530365),
    "gaussian_field": (-0.922168224350, -0.516747893317),
    "gaussian_field_rough": (-0.853734161005, 0.523752733202),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_member_is_the_same_function_always(name):
    x = np.array([[0.3, -0.7, 0.1, 0.9]])
    again = _values(name, np.concatenate([x, _points(1100, 4)]))[0]
    assert (_values(name, x)[0], _values(name, x, 3)[0]) == pytest.approx(KEPT[name], abs=1e-9)
    assert again == pytest.approx(KEPT[name][0], abs=1e-9)
    assert {load_target(name, 4, instance).version for instance in (0, 3)} == {"1"}


TEXT = """
question: which?
tasks:
  - {target: additive, inputs: 2}
  - {target: additive, inputs: 4}
  - {target: additive, inputs: 4, instance: 1}
arms: {mlp: {architecture: {family: mlp, hidden: [4]}, recipe: fast}}
recipes: {fast: {optimizer: {name: adam}, max_evaluations: 10}}
seeds: [0]
"""


def test_members_are_told_apart_by_dimension_and_instance():
    plan = make_plan(parse_experiment(TEXT), "plan")
    names = [
        f"additive inputs={member}" for member in ("2 instance=0", "4 instance=0", "4 instance=1")
    ]
    assert [cell.task for cell in plan.cells] == names
    assert [planned.run.network.shape[0] for planned in plan.runs] == [2, 4, 4]
    assert len(set(plan.run_ids())) == 3
    assert plan.formulas["additive inputs=4 instance=1"].formula.endswith("d = 4, instance 1")
    assert resolve(Task(target="additive", inputs=4)) == resolve(
        Task(target="additive", inputs=4, instance=0)
    )


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"target": "additive"}, "say how many variables it has, `inputs: <n>`, 2 to 64"),
        ({"target": "additive", "inputs": 1}, "inputs=1, but it has 2 to 64; choose one of these"),
        ({"target": "tree", "inputs": 6}, "inputs=6, but it has 2, 4, 8, 16, 32, 64; choose one"),
        ({"target": "additve", "inputs": 4}, "did you mean 'additive'"),
        (
            {"target": "tree", "inputs": 4, "low": 0.0},
            "it is standardised on .*; leave low and high out",
        ),
        ({"target": "xy", "instance": 1}, "instance=1 is of families .*additive.*; leave it out"),
        ({"target": "wine", "instance": 1}, "instance=1 is of families .*; leave it out"),
    ],
)
def test_what_a_family_does_not_have_is_refused(task, said):
    with pytest.raises(HarnessError, match=said):
        resolve(Task(**task))


def test_a_plan_draws_no_member_of_a_family(monkeypatch):
    """A member is finite and varies as it is standardised, and drawing a random field takes
    seconds.
    """
    task = resolve(Task(target="gaussian_field", inputs=16))
    monkeypatch.setattr(Function, "draw", Mock(side_effect=AssertionError))
    check_drawn(task, 0)
    with pytest.raises(AssertionError):
        check_drawn(resolve(Task(target="xy")), 0)
