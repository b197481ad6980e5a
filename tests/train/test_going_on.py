"""A training can begin where another one ended, in either engine."""

import numpy as np
import pytest
import torch
from packs import trained_runs

from harness.spec import Adam, KanShape, MlpShape, Recipe, RunSpec, Task
from harness.tasks import resolve
from harness.train import ENGINES

NETWORKS = [KanShape(shape=(2, 3, 1), grid=4, scales=True), MlpShape(shape=(2, 5, 1))]


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.family)
def test_a_pack_begins_where_another_one_ended(engine, network):
    """Positions and knots that an engine hands over come back unchanged, and its first loss is the last one."""
    run = RunSpec(
        task=resolve(Task(target="exp2d", train_points=64)),
        network=network,
        recipe=Recipe(optimizer=Adam(name="adam"), max_evaluations=5, restarts={"count": 1}),
        seed=3,
        engine=engine,
    )
    module = ENGINES[engine]
    pack, _, _, ends = trained_runs([run, run.model_copy(update={"seed": 4})])

    again = module.begin(pack, ends)

    assert again.done == again.stage == 0
    for before, after in zip(ends, module.trained(pack, again), strict=True):
        assert torch.equal(before.position_P, after.position_P)
        assert all(map(torch.equal, before.knots, after.knots))
    once_more = module.advance(pack, again, 1)
    assert not np.array_equal(module.trained(pack, once_more)[0].position_P, ends[0].position_P)
