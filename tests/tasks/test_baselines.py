"""What a network must beat: the errors of a constant and of a linear model, as theory and scikit-learn have them."""

import json

import numpy as np
import pytest
from scipy.integrate import quad

from harness.spec import Task
from harness.tasks import draw, resolve
from harness.tasks.baselines import baselines, kept_baselines


def _of(name, seed=0, **fields):
    task = resolve(Task(target=name, **fields))
    return baselines(task, draw(task, seed))


def test_the_constant_of_a_function_has_its_standard_deviation():
    errors = _of("xy", train_points=20_000, test_points=20_000)
    assert errors.constant == pytest.approx(1 / 3, rel=0.02)
    assert errors.linear is None


def test_the_constant_of_a_pde_is_that_of_its_solution():
    mean_square = quad(lambda y: np.sin(np.pi * y**2) ** 2, -1, 1)[0] / 2 / 2
    assert _of("poisson", train_points=100, test_points=2500).constant == pytest.approx(mean_square**0.5, rel=1e-6)


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
    """Of classes; a constant has the entropy of their shares, ln 10 where ten are equally frequent."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    task = resolve(Task(target="digits", train_points=300))
    splits = draw(task, 0)
    fitted = linear_model.LogisticRegression(tol=1e-8, max_iter=10_000).fit(splits.train.x, splits.train.y[:, 0])
    errors = baselines(task, splits)
    of_true_class = fitted.predict_proba(splits.test.x)[np.arange(len(splits.test.x)), splits.test.y[:, 0].astype(int)]
    assert errors.linear == pytest.approx(-np.log(of_true_class).mean(), rel=0.01)
    assert errors.constant == pytest.approx(np.log(10), rel=0.01)


def test_a_rare_class_that_training_has_not_costs_a_finite_loss():
    errors = _of("digits", train_points=5)
    assert np.isfinite([errors.constant, errors.linear]).all()


def test_they_are_kept_by_task_and_seed_and_made_again_where_damaged(tmp_path):
    task = resolve(Task(target="xy", train_points=50))
    errors = kept_baselines(task, 3, tmp_path, draw)
    (file,) = (tmp_path / "baselines").iterdir()
    assert kept_baselines(task, 3, tmp_path, lambda *_: pytest.fail("drawn again")) == errors
    file.write_text(json.dumps(json.loads(file.read_text()) | {"constant": 0.0}), encoding="utf-8")
    assert kept_baselines(task, 3, tmp_path, draw) == errors
    assert kept_baselines(task, 4, tmp_path, draw) != errors
