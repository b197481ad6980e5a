"""The regime of low losses: what double precision allows is reached."""

from statistics import median

import pytest

from harness.spec import LevenbergMarquardt, MlpShape, Recipe, RunSpec, Task
from harness.tasks import resolve
from harness.tasks.teachers import TASKS
from harness.train import train_pack

PUBLISHED = 4.1e-8  # test RMSE of one teacher by dense BFGS, 100,000 points (Michaud, Liu & Tegmark 2022)


@pytest.mark.nightly
def test_students_of_tanh_teachers_come_to_where_dense_bfgs_came(tmp_path):
    """The median of five teachers is within ten times of what was published."""
    errors = []
    for name in TASKS:
        run = RunSpec(
            task=resolve(Task(target=name, train_points=2000)),
            network=MlpShape(shape=(1, 20, 20, 1), activation="tanh"),
            recipe=Recipe(optimizer=LevenbergMarquardt(name="levenberg_marquardt"), max_evaluations=500),
            seed=0,
            engine="fused",
        )
        (record,) = train_pack([run], tmp_path)
        errors.append(record.metrics.test_rmse)

    assert median(errors) < 10 * PUBLISHED, errors
