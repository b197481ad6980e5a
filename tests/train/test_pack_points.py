"""A run's errors are of all its points, its curve reads the first of them; early stopping takes the
curve's least.
"""

import numpy as np
import pytest
import torch
from packs import outcomes_of_any_company, trained_runs

from harness import families
from harness.families import KanShape, MlpShape
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.record.schema import Metrics
from harness.spec.recipe import GridExtension, Recipe, Restarts
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import curve_points, draw, loss, resolve
from harness.train import points

NETWORKS = [MlpShape(shape=(2, 5, 1)), KanShape(shape=(2, 2, 1), grid=4)]


def a_run(network, engine, seed=3, **task):
    recipe = Recipe(optimizer=LevenbergMarquardt(name="levenberg_marquardt"), max_evaluations=6)
    return RunSpec(
        task=resolve(Task(target="exp2d", **task)),
        network=network,
        recipe=recipe,
        seed=seed,
        engine=engine,
    )


def errors_at(trained, samples):
    knots = [layer[None] for layer in trained.knots]
    with torch.no_grad():
        y = families.forward(
            trained.network, trained.position_P[None], knots, torch.from_numpy(samples.x[None])
        )
    return np.abs(y[0].numpy() - samples.y)


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "kan"])
def test_a_function_is_tested_on_50_000_points_and_the_curve_reads_1_000(network, engine):
    run = a_run(network, engine)
    assert (run.task.validation_points, run.task.test_points, curve_points(run.task, 10_000)) == (
        10_000,
        50_000,
        1000,
    )

    *_, (outcome,), (trained,) = trained_runs([run])
    splits = draw(run.task, run.seed)
    validation, test = (errors_at(trained, samples) for samples in (splits.validation, splits.test))

    assert isinstance(outcome.metrics, Metrics)
    assert outcome.metrics.validation_rmse == pytest.approx(
        np.sqrt((validation**2).mean()), rel=1e-12
    )
    assert outcome.metrics.test_rmse == pytest.approx(np.sqrt((test**2).mean()), rel=1e-12)
    lower_median = np.sort(test[:, 0] ** 2)[(len(test) - 1) // 2]
    assert outcome.metrics.test_root_median_square == pytest.approx(
        np.sqrt(lower_median), rel=1e-12
    )
    assert outcome.metrics.test_largest_error == pytest.approx(test.max(), rel=1e-12)
    assert outcome.curve[-1].validation_rmse == pytest.approx(
        np.sqrt((validation[:1000] ** 2).mean()), rel=1e-12
    )


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("network", NETWORKS, ids=["mlp", "kan"])
def test_chunks_and_company_change_no_bit(network, engine, monkeypatch):
    few = {"validation_points": 500, "test_points": 2003}
    runs = [a_run(network, engine, seed, **few) for seed in (1, 2, 3)]
    together = outcomes_of_any_company(runs)
    monkeypatch.setattr(loss, "CHUNK", 100)
    for whole, parts in zip(together, trained_runs(runs).outcomes, strict=True):
        assert parts.metrics.model_dump() == pytest.approx(whole.metrics.model_dump(), rel=1e-13)


def test_data_and_equations_show_their_curve_on_all_validation_points():
    """Rows are few, and a PDE's points inside and on the boundary belong together."""
    assert curve_points(resolve(Task(target="wine")), 3000) == 3000
    assert curve_points(resolve(Task(target="poisson")), 2000) == 2000


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize(("batch", "seen"), [(16, 1000), (None, 1500)])
def test_a_run_of_batches_shows_its_training_error_on_1_000_points(engine, batch, seen):
    """All of them at each of 60 moments would take longer than batches do."""
    recipe = Recipe(optimizer=Adam(name="adam", batch_size=batch), max_evaluations=20)
    run = a_run(NETWORKS[0], engine, train_points=1500).model_copy(update={"recipe": recipe})
    *_, (outcome,), (trained,) = trained_runs([run])
    errors = errors_at(trained, draw(run.task, run.seed).train)
    assert outcome.curve[-1].train_rmse == pytest.approx(
        np.sqrt((errors[:seen] ** 2).mean()), rel=1e-12
    )
    assert outcome.metrics.train_rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-12)


# Twelve points, which both networks learn by heart.
TWELVE = resolve(Task(target="exp2d", train_points=12, validation_points=1000, test_points=2000))
BY_HEART = {"mlp": MlpShape(shape=(2, 12, 1)), "kan": KanShape(shape=(2, 3, 1), grid=6)}
RECIPE = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=300)


def finished(engine, network, recipe):
    run = RunSpec(task=TWELVE, network=network, recipe=recipe, seed=0, engine=engine)
    return trained_runs([run], chunk=37, stored=True).outcomes


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("name", BY_HEART)
def test_the_network_is_that_of_the_least_validation_error(engine, name):
    whole = finished(engine, BY_HEART[name], RECIPE)
    stopped = finished(engine, BY_HEART[name], RECIPE.model_copy(update={"early_stopping": True}))
    for one, other in zip(whole, stopped, strict=True):
        least = min(one.curve, key=lambda point: point.validation_rmse)
        assert other.metrics.validation_rmse == pytest.approx(least.validation_rmse, rel=1e-12)
        assert other.metrics.train_rmse == pytest.approx(least.train_rmse, rel=1e-12)
        assert other.metrics.validation_rmse < one.metrics.validation_rmse
        assert (other.curve, other.evaluations, other.counts) == (
            one.curve,
            one.evaluations,
            one.counts,
        )


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_only_the_runs_own_size_counts(engine):
    refined = RECIPE.model_copy(
        update={
            "early_stopping": True,
            "grid_extension": GridExtension(grids=(3,), evaluations=100),
            "restarts": Restarts(count=2, evaluations=20),
        }
    )
    for one in finished(engine, BY_HEART["kan"], refined):
        before = sum(made for made, _ in one.by_stage[:-1])
        last = [point.validation_rmse for point in one.curve if point.evaluations > before]
        assert one.metrics.validation_rmse == pytest.approx(min(last), rel=1e-12)
    coarse_only = refined.model_copy(update={"grid_extension": None})
    for one in finished(engine, BY_HEART["kan"], coarse_only):
        assert one.metrics.validation_rmse == pytest.approx(
            min(point.validation_rmse for point in one.curve), rel=1e-12
        )


def test_data_that_take_long_to_draw_are_drawn_once(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        points, "draw", lambda task, seed: (drawn.append(seed), draw(task, seed))[1]
    )
    monkeypatch.setattr(points, "SLOW_SECONDS", 0)
    runs = [a_run(NETWORKS[0], "fused", seed, test_points=2000) for seed in (41, 42, 41)]
    alone = [trained_runs([run]).outcomes for run in runs]
    assert drawn == [41, 42]
    assert alone[0] == alone[2] != alone[1]
