"""KANs and MLPs as estimators of scikit-learn: all of its checks, and the numbers of a run of an
experiment.
"""

import numpy as np
import pandas as pd
import pytest
from commands import refused
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import harness
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment
from harness.tasks import keep_data
from harness.train import train_pack

OF_NUMBERS = (harness.KANRegressor, harness.MLPRegressor)
OF_CLASSES = (harness.KANClassifier, harness.MLPClassifier)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@parametrize_with_checks([kind() for kind in (*OF_NUMBERS, *OF_CLASSES)])
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


FILE = """
question: Is a fit a run?
tasks: {target: {data: t.csv, output: y, split: part}}
arms: {one: {architecture: {family: FAMILY, hidden: [4]GRID}, recipe: short}}
recipes: {short: {optimizer: {name: lbfgs}, max_evaluations: 12}}
seeds: [3]
keep: networks
"""


@pytest.mark.parametrize(
    ("kind", "family", "grid"), [(OF_NUMBERS[0], "kan", ", grid: 3"), (OF_NUMBERS[1], "mlp", "")]
)
def test_a_fit_is_a_run(kind, family, grid, tmp_path):
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.uniform(0, 9, (120, 2)), columns=["a", "b"])
    rows["y"] = 50 + rows["a"] * rows["b"]
    rows["part"] = np.repeat(["train", "validation", "test"], 40)
    rows.to_csv(tmp_path / "t.csv", index=False)
    text = FILE.replace("FAMILY", family).replace("GRID", grid)
    (planned,) = make_plan(parse_experiment(text), "t", tmp_path).runs
    keep_data([planned.run.task], tmp_path / "data")
    (record,) = train_pack([planned.run], tmp_path / "runs", networks=tmp_path / "networks")

    trained = rows[rows["part"] == "train"]
    fitted = kind(hidden=(4,), max_evaluations=12, random_state=3).fit(
        trained[["a", "b"]], trained["y"]
    )
    expected = harness.load_network(record.run_id, tmp_path).predict(rows[["a", "b"]])
    inside = rows[["a", "b"]].clip(trained[["a", "b"]].min(), trained[["a", "b"]].max(), axis=1)
    assert fitted.predict(inside) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", OF_NUMBERS)
def test_a_function_is_learnt_and_settings_can_be_searched(kind):
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    y = 1000 * np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)
    searched = GridSearchCV(kind(max_evaluations=60), {"hidden": [(1,), (5,)]}, cv=2).fit(x, y)
    assert searched.score(x, y) > 0.9
    assert searched.best_params_ == {"hidden": (5,)}


@pytest.mark.parametrize("kind", OF_CLASSES)
def test_flowers_are_told_apart(kind):
    x, y = load_iris(return_X_y=True)
    assert (
        cross_val_score(kind(max_evaluations=30), x, np.array(["a", "b", "c"])[y], cv=3).mean()
        > 0.9
    )


def test_a_fit_that_diverges_is_told():
    huge = [1.7e308, -1.7e308, 1.7e308]
    with np.errstate(all="ignore"):
        assert "training diverged" in refused(
            harness.MLPRegressor().fit, [[0.0], [0.5], [1.0]], huge
        )


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="optimizer='sgd'; write one of lbfgs, adam"):
        harness.KANRegressor(optimizer="sgd").fit([[0.0], [1.0]], [0, 1])
    assert "kan: grid=0" in refused(harness.KANRegressor(grid=0).fit, [[0.0], [1.0]], [0, 1])


def test_a_setting_that_there_is_none_of_is_told_by_the_class_and_its_settings():
    with pytest.raises(
        TypeError, match=r"^KANRegressor\(grid_size=5\): no such setting; did you mean 'grid'\?"
    ) as caught:
        harness.KANRegressor(grid_size=5)
    assert "allowed: hidden, grid, order" in str(caught.value)
