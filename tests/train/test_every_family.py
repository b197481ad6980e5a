"""Networks of every family learn in the torch engine, and what double precision allows is
reached.
"""

import math
from statistics import median

import pytest
from packs import run_of, trained_runs

from harness.families import (
    ChebyshevKanShape,
    FourierKanShape,
    MlpShape,
    RationalKanShape,
    RbfKanShape,
    SplineMlpShape,
)
from harness.optimisers import Adam, LevenbergMarquardt
from harness.spec.task import Task
from harness.tasks import resolve
from harness.tasks.teachers import TASKS
from harness.train import train_pack

NETWORKS = {
    "prelu": MlpShape(shape=(2, 8, 1), activation="prelu"),
    "sine": MlpShape(shape=(2, 8, 1), activation="sine", omega_0=6),
    "features": MlpShape(shape=(2, 8, 1), features=6, features_sigma=0.5),
    "after": SplineMlpShape(shape=(2, 5, 1), grid=4, noise=4.0),
    "rank 2": SplineMlpShape(shape=(2, 5, 1), grid=4, place="before", rank=2, noise=4.0),
    "rbf": RbfKanShape(shape=(2, 5, 1), grid=5),
    "rbf without norm": RbfKanShape(shape=(2, 5, 1), grid=5, norm=False),
    "chebyshev": ChebyshevKanShape(shape=(2, 5, 1), degree=4),
    "fourier": FourierKanShape(shape=(2, 5, 1), harmonics=3),
    "rational": RationalKanShape(shape=(2, 5, 1)),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@every_network
@pytest.mark.parametrize(
    "optimizer", [Adam(name="adam", learning_rate=0.02), "lbfgs", "levenberg"], ids=str
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_family_learns(network, optimizer, dtype):
    run = run_of(network, optimizer, 60, engine="torch").model_copy(update={"dtype": dtype})
    (outcome,) = trained_runs([run]).outcomes

    first, *_, last = outcome.curve
    assert outcome.status == "done"
    assert last.train_rmse < (0.7 if isinstance(optimizer, str) else 0.95) * first.train_rmse
    assert math.isfinite(outcome.metrics.test_rmse)
    assert outcome.counts["flops_train.executed"] > 0


PUBLISHED = (
    4.1e-8  # test RMSE of one teacher by dense BFGS, 100,000 points (Michaud, Liu & Tegmark 2022)
)


@pytest.mark.nightly
def test_students_of_tanh_teachers_come_to_where_dense_bfgs_came(tmp_path):
    errors = []
    for name in TASKS:
        student = MlpShape(shape=(1, 20, 20, 1), activation="tanh")
        teacher = resolve(Task(target=name, train_points=2000))
        run = run_of(student, LevenbergMarquardt(name="levenberg_marquardt"), 500, of=teacher)
        (record,) = train_pack([run], tmp_path)
        errors.append(record.metrics.test_rmse)

    assert median(errors) < 10 * PUBLISHED, errors
