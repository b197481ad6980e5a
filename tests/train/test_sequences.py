"""Sequences: every evaluation sees fresh ones, the same for all arms of a seed; training goes on anywhere."""

import numpy as np
import torch
from packs import trained_runs

from harness.families import Transformer
from harness.spec import Adam, Recipe, RunSpec, Task
from harness.tasks import TASKS, draw, resolve
from harness.tasks.baselines import baselines
from harness.train import torch_engine
from harness.train.torch_engine import _feed

TASK = resolve(Task(target="mess3", context=5, train_points=64, validation_points=64, test_points=256))
BLOCKS = {"mlp": {"family": "mlp", "width": 16}, "kan": {"family": "kan", "grid": 3, "width": 4}}


def runs(block: str, evaluations: int = 60, seeds=(0, 1)) -> list[RunSpec]:
    said = {"family": "transformer", "layers": 1, "width": 8, "block": BLOCKS[block]}
    network = Transformer.model_validate(said).network_of(TASK.inputs, TASK.outputs, "arm", scales=False)
    recipe = Recipe(optimizer=Adam(name="adam", learning_rate=1e-2, batch_size=32), max_evaluations=evaluations)
    return [RunSpec(task=TASK, network=network, recipe=recipe, seed=seed, engine="torch") for seed in seeds]


def test_each_evaluation_sees_fresh_sequences_the_same_for_all_arms_of_a_seed():
    fed = {}
    for block in BLOCKS:
        pack = torch_engine.prepare(runs(block))
        state = torch_engine.begin(pack)
        fed[block] = [_feed(pack, state, number)[0] for number in (0, 1, 49, 50, 51)]
    assert all(map(torch.equal, fed["mlp"], fed["kan"]))
    first, second, *_ = fed["mlp"]
    assert first.shape == (2, 32, 6)
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert len({tuple(each.flatten().tolist()) for each in fed["mlp"]}) == 5


def test_it_learns_more_than_a_constant_knows_and_observes_beliefs():
    for block in BLOCKS:
        for run, outcome in zip(runs(block, 300), trained_runs(runs(block, 300)).outcomes, strict=True):
            constant = baselines(run.task, draw(run.task, run.seed)).constant
            assert outcome.status == "done"
            assert 0 < outcome.metrics.losses.test < constant / 5
            beliefs = TASKS["mess3"].beliefs(draw(run.task, run.seed).test.x.astype(np.int64))
            assert 0 < outcome.metrics.observed["belief_error"] < beliefs.reshape(-1, 3).var(0).mean() / 3
            assert outcome.metrics.observed["left_by_block"] > 0
            assert [point.evaluations for point in outcome.curve][-1] == 300


def test_training_in_pieces_is_training_at_once():
    for block in BLOCKS:
        whole, pieces = trained_runs(runs(block)), trained_runs(runs(block), chunk=7, stored=True)
        assert pieces.outcomes == whole.outcomes
        for one, other in zip(whole.ends, pieces.ends, strict=True):
            assert torch.equal(one.position_P, other.position_P)
