"""A run's bits are its own: alone, in a pack with runs that begin otherwise, in any chunks, stored
and resumed.
"""

from itertools import product

import pytest
import torch
from packs import OPTIMIZERS, run_of, task, trained_runs

from harness.families import KanShape, MlpShape, SplineMlpShape
from harness.planning.plan import computation
from harness.spec.recipe import GridExtension, GridUpdates, Restarts
from harness.train import ENGINES

# Networks that differ in how their lanes begin.
BEGINNINGS = {
    "kan": [KanShape(shape=(2, 3, 1), grid=4, noise=noise) for noise in (0.03, 3.0)],
    "spline_mlp": [
        SplineMlpShape(shape=(2, 4, 1), grid=4, place="before", rank=2, noise=noise)
        for noise in (5.0, 2.0)
    ],
    "features": [
        MlpShape(shape=(2, 5, 1), features=4, features_sigma=sigma) for sigma in (0.5, 2.0)
    ],
}
OF_CLASSES = {
    "mlp of classes": [MlpShape(shape=(13, 6, 3), activation="tanh")],
    "kan of classes": [KanShape(shape=(13, 2, 3), grid=3, noise=noise) for noise in (0.1, 0.3)],
}
CHANGES = {
    "levenberg": {"tolerance_change": 1e-4},
    "adam": {"learning_rate": 0.02},
    "batches": {"learning_rate": 0.02},
}
CASES = [
    *product(("torch", "fused"), BEGINNINGS, OPTIMIZERS),
    *product(("torch", "fused"), OF_CLASSES, [name for name in OPTIMIZERS if name != "levenberg"]),
]


@pytest.mark.parametrize(("engine", "name", "optimizer"), CASES, ids=map("-".join, CASES))
def test_a_run_has_the_same_bits_in_any_company_and_at_any_interruption(engine, name, optimizer):
    """Alone = in a pack of other seeds, gains, rates and beginnings, first or last in it = stored
    on the way.
    """
    course = {"restarts": Restarts(count=2, evaluations=4), "early_stopping": optimizer == "lbfgs"}
    networks = (BEGINNINGS | OF_CLASSES)[name]
    settings = OPTIMIZERS[optimizer].model_copy(update=CHANGES.get(optimizer, {}))
    if name in ("kan", "spline_mlp"):
        course["grid_extension"] = GridExtension(grids=(2,), evaluations=8)
        course["grid_updates"] = GridUpdates(every=6, until=12)
    runs = []
    for network, (seed, gain, rate) in product(networks, ((0, 1.0, 1.0), (1, 3.0, 0.5))):
        own = (
            settings.model_copy(update={"learning_rate": rate * settings.rate})
            if settings.rate
            else settings
        )
        learnt = task("wine" if name in OF_CLASSES else "exp2d")
        runs.append(run_of(network, own, 24, seed, engine, learnt, gain=gain, **course))

    assert len({computation(run) for run in runs}) == 1
    packed, alone = trained_runs(runs), [trained_runs([run]) for run in runs]
    turned = trained_runs(runs[::-1], chunk=5, stored=True)

    by_company = [turned.outcomes[::-1], packed.outcomes, [one.outcomes[0] for one in alone]]
    assert by_company[0] == by_company[1] == by_company[2]
    assert len({outcome.metrics.train_loss for outcome in packed.outcomes}) == len(runs)
    assert [end.network for end in packed.ends] == [run.network for run in runs]
    for end, one in zip(packed.ends, alone, strict=True):
        assert (end.position_P == one.ends[0].position_P).all()


def test_what_decides_the_computation_is_not_shared():
    kan, mlp = BEGINNINGS["kan"][0], BEGINNINGS["features"][0]
    others = [
        *(
            kan.model_copy(update=change)
            for change in ({"grid": 5}, {"order": 2}, {"low": -2.0}, {"scales": True})
        ),
        *(
            mlp.model_copy(update=change)
            for change in ({"features": 5}, {"activation": "sine", "omega_0": 6.0})
        ),
    ]
    runs = [run_of(one) for one in (kan, mlp, *others)]

    assert len({computation(run) for run in runs}) == len(runs)


NETWORKS = [KanShape(shape=(2, 3, 1), grid=4, scales=True), MlpShape(shape=(2, 5, 1))]


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.family)
def test_a_pack_begins_where_another_one_ended(engine, network):
    module = ENGINES[engine]
    pack, _, _, ends = trained_runs([run_of(network, "adam", 5, seed, engine) for seed in (3, 4)])

    again = module.begin(pack, ends)

    assert again.done == again.stage == 0
    for before, after in zip(ends, module.trained(pack, again), strict=True):
        assert torch.equal(before.position_P, after.position_P)
        assert all(map(torch.equal, before.knots, after.knots))
    once_more = module.trained(pack, module.advance(pack, again, 1))
    assert not torch.equal(once_more[0].position_P, ends[0].position_P)
