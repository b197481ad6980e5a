"""Real data: read from packages without a network, split by the seed, and scaled by what is trained
on.
"""

import json
import socket
import sys

import numpy as np
import pytest
from commands import refused
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from harness.base.errors import HarnessError
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment
from harness.spec.task import Task
from harness.tasks import draw, load_target, resolve
from harness.tasks.baselines import Baselines, baselines, kept_baselines
from harness.tasks.data import in_proportion, load_data

# Rows, inputs and classes.
KNOWN = {
    "digits": (1797, 64, 10),
    "breast_cancer": (569, 30, 2),
    "wine": (178, 13, 3),
    "diabetes": (442, 10, None),
    "mnist_5000": (5000, 784, 10),
    "randhie": (20190, 9, None),
    "camera": (512 * 512, 2, None),
}


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_loaded():
    """Each data set is read where the network is cut off, and then kept."""
    load_data.cache_clear()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly) if name == "mnist_5000" else name
        for name in KNOWN
    ],
)
def test_data_are_read_without_a_network(name, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    data = load_data(name)
    assert (*data.x.shape, data.classes) == KNOWN[name]
    assert np.isfinite(data.x).all()
    assert np.isfinite(data.y).all()
    if data.classes:
        assert set(data.y) == set(range(data.classes))
    assert sum(data.points.values()) == len(data.x)


def test_randhie_is_the_logarithm_of_visits_of_all_rows():
    assert np.expm1(load_data("randhie").y).mean() == pytest.approx(2.8604, abs=1e-4)


def test_camera_is_the_photograph_at_its_pixels():
    """x to the right and y upwards in [-1, 1], grey values from 0 to 1: the sky in the upper left
    is light.
    """
    data = load_data("camera")
    assert np.abs(data.x).max() == 1 - 1 / 512
    assert data.x[0].tolist() == [-1 + 1 / 512, 1 - 1 / 512]
    upper_left = (data.x[:, 0] < -0.8) & (data.x[:, 1] > 0.8)
    assert data.y[upper_left].mean() > 0.7 > data.y.mean()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 9))
def test_any_first_rows_have_the_classes_in_proportion(classes, seed):
    classes = np.array(classes, float)
    order = in_proportion(classes, np.random.default_rng(seed))
    assert sorted(order) == list(range(len(classes)))
    kinds = np.unique(classes)
    for kind in kinds:
        share = (classes == kind).mean()
        off = np.abs(np.cumsum(classes[order] == kind) - share * np.arange(1, len(classes) + 1))
        assert off.max() <= 0.5 + 0.5 * len(kinds) * share + 1e-9


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_splits_share_no_row_and_a_seed_makes_them(name):
    task, count = resolve(Task(target=name)), len(load_data(name).x)
    first, again, other = draw(task, 0), draw(task, 0), draw(task, 1)
    assert task.train_points + task.validation_points + task.test_points == count
    assert task.validation_points == task.test_points == count // 5
    rows = [set(map(tuple, split.x)) for split in (first.train, first.validation, first.test)]
    assert len(set.union(*rows)) == count
    assert np.array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)


def test_fewer_points_are_the_first_ones_and_move_no_other_row():
    few = draw(resolve(Task(target="digits", train_points=100)), 3)
    many = draw(resolve(Task(target="digits", test_points=50)), 3)
    assert np.array_equal(few.train.y, many.train.y[:100])
    assert np.array_equal(few.test.y[:50], many.test.y)
    assert len(few.train.x) == 100


def test_other_data_are_another_run(monkeypatch):
    before = resolve(Task(target="wine"))
    from sklearn import datasets

    changed = datasets.load_wine()
    changed.data[0, 0] += 1e-9
    monkeypatch.setattr(datasets, "load_wine", lambda: changed)
    load_data.cache_clear()
    try:
        assert resolve(Task(target="wine")).fingerprint != before.fingerprint
        assert "wine: its data changed since the plan was made" in refused(draw, before, 0)
    finally:
        load_data.cache_clear()


def test_without_its_package_a_task_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    load_data.cache_clear()
    with pytest.raises(
        HarnessError, match=r"wine: it comes with scikit-learn.* pip install -e '\.\[data\]'"
    ):
        load_target("wine")


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"target": "wine", "train_points": 1000}, "train_points=1,000, but there are 108 "),
        (
            {"target": "wine", "test_points": 36},
            r"test_points=36, but there are 35 \(178 rows.*ask for fewer",
        ),
        ({"target": "wine", "inputs": 4}, "inputs=4: target wine has 13; leave `inputs` out"),
        ({"target": "wine", "low": 0.0}, "it is data, .*; leave low and high out"),
        ({"target": "wine", "boundary_points": 4}, "boundary_points: it is of PDEs"),
        ({"target": "digit"}, "did you mean 'digits'"),
        ({"target": "mnist_500"}, "did you mean 'mnist_5000'"),
    ],
)
def test_what_data_do_not_have_is_refused(task, said):
    with pytest.raises(HarnessError, match=said):
        resolve(Task(**task))


def test_one_training_target_cannot_be_standardised():
    with pytest.raises(
        HarnessError, match="its 1 training targets are all equal under seed 0; ask for more"
    ):
        draw(resolve(Task(target="diabetes", train_points=1)), 0)


TEXT = """
question: which?
tasks: [wine, {target: digits, train_points: 100}]
arms: {mlp: {architecture: {family: mlp, hidden: [4]}, recipe: fast}}
recipes: {fast: {optimizer: {name: adam}, max_evaluations: 10}}
seeds: [0]
grid: {recipes.fast.gain: [1, 2]}
"""


def test_a_file_that_is_silent_takes_all_that_there_is():
    tasks = [planned.run.task for planned in make_plan(parse_experiment(TEXT), "plan").runs]
    found = [(task.target, task.train_points, task.test_points) for task in tasks]
    assert found == 2 * [("wine", 108, 35), ("digits", 100, 359)]
    assert resolve(Task(target="camera")).train_points == 20_000
    assert Task.model_validate(Task(target="wine").model_dump()) == Task(target="wine")
    assert Task(target="xy", train_points=None) == Task(target="xy", train_points=1000)


def test_the_knots_of_data_are_moved_by_training_points_only():
    text = TEXT.replace(
        "max_evaluations: 10", "max_evaluations: 10, grid_updates: {points: domain}"
    )
    with pytest.raises(
        HarnessError, match=r"recipes.fast.grid_updates.points=domain: wine is data.* points: train"
    ):
        make_plan(parse_experiment(text), "plan")


def _of(name, seed=0, **fields):
    task = resolve(Task(target=name, **fields))
    return baselines(task, draw(task, seed))


def test_the_constant_of_a_function_has_its_standard_deviation():
    errors = _of("xy", train_points=20_000, test_points=20_000)
    assert errors.constant == pytest.approx(1 / 3, rel=0.02)
    assert errors.linear is None


def test_the_constant_of_a_pde_is_that_of_its_solution():
    mean_square = quad(lambda y: np.sin(np.pi * y**2) ** 2, -1, 1)[0] / 2 / 2
    assert _of("poisson", train_points=100, test_points=2500).constant == pytest.approx(
        mean_square**0.5, rel=1e-6
    )


def test_least_squares_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    task = resolve(Task(target="diabetes"))
    splits = draw(task, 0)
    fitted = linear_model.LinearRegression().fit(splits.train.x, splits.train.y[:, 0])
    errors = baselines(task, splits)
    missed = splits.test.y[:, 0] - fitted.predict(splits.test.x)
    assert errors.linear == pytest.approx(np.sqrt(np.mean(missed**2)), rel=1e-9)
    assert errors.linear < 0.8 < errors.constant < 1.2


def test_logistic_regression_is_that_of_scikit_learn():
    """Of classes; a constant has the entropy of their shares, ln 10 where ten are equally
    frequent.
    """
    linear_model = pytest.importorskip("sklearn.linear_model")
    task = resolve(Task(target="digits", train_points=300))
    splits = draw(task, 0)
    fitted = linear_model.LogisticRegression(tol=1e-8, max_iter=10_000).fit(
        splits.train.x, splits.train.y[:, 0]
    )
    errors = baselines(task, splits)
    of_true_class = fitted.predict_proba(splits.test.x)[
        np.arange(len(splits.test.x)), splits.test.y[:, 0].astype(int)
    ]
    assert errors.linear == pytest.approx(-np.log(of_true_class).mean(), rel=0.01)
    assert errors.constant == pytest.approx(np.log(10), rel=0.01)


def test_a_rare_class_that_training_has_not_costs_a_finite_loss():
    errors = _of("digits", train_points=5)
    assert np.isfinite([errors.constant, errors.linear]).all()


def test_they_are_kept_by_task_and_seed_and_made_again_where_damaged(tmp_path, monkeypatch):
    task = resolve(Task(target="xy", train_points=50))
    errors = kept_baselines(task, 3, tmp_path)
    (file,) = (tmp_path / "baselines").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("harness.tasks.draw", lambda *_: pytest.fail("drawn again"))
        assert kept_baselines(task, 3, tmp_path) == errors
    file.write_text(json.dumps(json.loads(file.read_text()) | {"constant": 0.0}), encoding="utf-8")
    assert kept_baselines(task, 3, tmp_path) == errors
    assert kept_baselines(task, 4, tmp_path) != errors


def test_a_baseline_that_is_not_finite_is_none():
    assert Baselines(constant=float("inf")).constant is None
