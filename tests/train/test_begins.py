"""Runs that differ only in seed, learning rate and how lanes begin train together, to the bits that they have alone."""

import pytest
from packs import trained_runs

from harness.planning.plan import computation
from harness.spec import (
    Adam,
    GridExtension,
    GridUpdates,
    KanShape,
    Lbfgs,
    MlpShape,
    Recipe,
    Restarts,
    RunSpec,
    SplinedShape,
    SplineMlpShape,
    Task,
)
from harness.tasks import resolve

TASK = resolve(Task(target="exp2d", train_points=60, validation_points=20, test_points=20))
BEGINNINGS = {
    "kan": [KanShape(shape=(2, 3, 1), grid=4, noise=noise) for noise in (0.03, 0.1, 3.0)],
    "spline_mlp": [SplineMlpShape(shape=(2, 4, 1), grid=4, noise=noise) for noise in (0.1, 5.0, 2.0)],
    "features": [MlpShape(shape=(2, 5, 1), features=4, features_sigma=sigma) for sigma in (0.5, 2.0, 1.0)],
}
OPTIMIZERS = {"lbfgs": Lbfgs(name="lbfgs"), "adam": Adam(name="adam", learning_rate=0.02)}


@pytest.mark.parametrize("engine", ["torch", "fused"])
@pytest.mark.parametrize("networks", BEGINNINGS.values(), ids=BEGINNINGS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_lanes_that_begin_otherwise_keep_their_bits(engine, networks, optimizer):
    """Alone = in a pack of other beginnings, first or last in it = stored on the way; each keeps its own network."""
    course = {"restarts": Restarts(count=2, evaluations=4)}
    if isinstance(networks[0], SplinedShape):
        course["grid_extension"] = GridExtension(grids=(2,), evaluations=8)
        course["grid_updates"] = GridUpdates(every=6, until=12)
    runs = []
    for network in networks:
        for seed, gain, rate in ((0, 1.0, 1.0), (1, 3.0, 0.5)):
            settings = optimizer.model_copy(update={"learning_rate": rate * optimizer.learning_rate})
            recipe = Recipe(optimizer=settings, max_evaluations=24, gain=gain, **course)
            runs.append(RunSpec(task=TASK, network=network, recipe=recipe, seed=seed, engine=engine))

    assert len({computation(run) for run in runs}) == 1
    packed, alone = trained_runs(runs), [trained_runs([run]) for run in runs]
    turned = trained_runs(runs[::-1], chunk=5, stored=True)

    assert turned.outcomes[::-1] == packed.outcomes == [one.outcomes[0] for one in alone]
    assert len({outcome.metrics.train_rmse for outcome in packed.outcomes}) == len(runs)
    assert [end.network for end in packed.ends] == [run.network for run in runs]
    for end, one in zip(packed.ends, alone, strict=True):
        assert (end.position_P == one.ends[0].position_P).all()


def test_what_decides_the_computation_is_not_shared():
    """Another grid, order, range or activation is another computation; another beginning is not."""
    kan, mlp = BEGINNINGS["kan"][0], BEGINNINGS["features"][0]
    others = [
        *(kan.model_copy(update=change) for change in ({"grid": 5}, {"order": 2}, {"low": -2.0}, {"scales": True})),
        *(mlp.model_copy(update=change) for change in ({"features": 5}, {"activation": "sine", "omega_0": 6.0})),
    ]
    recipe = Recipe(optimizer=OPTIMIZERS["lbfgs"], max_evaluations=9)
    runs = [RunSpec(task=TASK, network=one, recipe=recipe, seed=0, engine="torch") for one in (kan, mlp, *others)]

    assert len({computation(run) for run in runs}) == len(runs)
