"""With early stopping a run's network is the one of least validation error on its learning curve."""

import pytest
from packs import trained_runs

from harness.spec import GridExtension, KanShape, Lbfgs, MlpShape, Recipe, Restarts, RunSpec, Task
from harness.tasks import resolve

# Twelve points, which both networks learn by heart.
TASK = resolve(Task(target="exp2d", train_points=12, validation_points=1000, test_points=2000))
NETWORKS = {"mlp": MlpShape(shape=(2, 12, 1)), "kan": KanShape(shape=(2, 3, 1), grid=6)}
RECIPE = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=300)


def finished(engine, network, recipe):
    run = RunSpec(task=TASK, network=network, recipe=recipe, seed=0, engine=engine)
    return trained_runs([run], chunk=37, stored=True).outcomes


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_is_that_of_the_least_validation_error(engine, name):
    whole = finished(engine, NETWORKS[name], RECIPE)
    stopped = finished(engine, NETWORKS[name], RECIPE.model_copy(update={"early_stopping": True}))
    for one, other in zip(whole, stopped, strict=True):
        least = min(one.curve, key=lambda point: point.validation_rmse)
        assert other.metrics.validation_rmse == pytest.approx(least.validation_rmse, rel=1e-12)
        assert other.metrics.train_rmse == pytest.approx(least.train_rmse, rel=1e-12)
        assert other.metrics.validation_rmse < one.metrics.validation_rmse
        assert (other.curve, other.evaluations, other.counts) == (one.curve, one.evaluations, one.counts)


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_only_the_runs_own_size_counts(engine):
    refined = RECIPE.model_copy(
        update={
            "early_stopping": True,
            "grid_extension": GridExtension(grids=(3,), evaluations=100),
            "restarts": Restarts(count=2, evaluations=20),
        }
    )
    for one in finished(engine, NETWORKS["kan"], refined):
        before = sum(made for made, _ in one.by_stage[:-1])
        last = [point.validation_rmse for point in one.curve if point.evaluations > before]
        assert one.metrics.validation_rmse == pytest.approx(min(last), rel=1e-12)
    coarse_only = refined.model_copy(update={"grid_extension": None})
    for one in finished(engine, NETWORKS["kan"], coarse_only):
        assert one.metrics.validation_rmse == pytest.approx(
            min(point.validation_rmse for point in one.curve), rel=1e-12
        )
