"""Runs, and the times that nobody took of them."""

from harness.count import run_work
from harness.families import KanShape, MlpShape
from harness.measure.calibration import SoloRow, shape_of
from harness.measure.cost import flops_per_evaluation
from harness.optimisers import Adam, Lbfgs
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import resolve

KAN, MLP = KanShape(shape=(2, 5, 1), grid=20), MlpShape(shape=(2, 10, 10, 1))
LBFGS, ADAM = Lbfgs(name="lbfgs"), Adam(name="adam")


def a_run(
    network=KAN, optimizer=LBFGS, points=1000, evaluations=200, engine="torch", seed=0, **recipe
) -> RunSpec:
    return RunSpec(
        task=resolve(
            Task(target="exp2d", train_points=points, validation_points=1000, test_points=1000)
        ),
        network=network,
        recipe=Recipe(optimizer=optimizer, max_evaluations=evaluations, **recipe),
        seed=seed,
        engine=engine,
    )


def solo_rows(run: RunSpec, seconds: float) -> list[SoloRow]:
    """Every stage of the run takes so long an evaluation."""
    return [
        SoloRow(
            shape=shape_of(run, work.network),
            seconds_per_evaluation=seconds,
            flops_per_evaluation=flops_per_evaluation(run.recipe.optimizer, work),
        )
        for work in run_work(run.network, run.recipe, run.task)
    ]
