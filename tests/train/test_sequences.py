"""Sequences: every evaluation sees fresh ones, the same for all arms of a seed; training goes on
anywhere.
"""

import numpy as np
import pytest
import torch
from packs import outcomes_of_any_company, trained_runs

from harness.base.errors import HarnessError
from harness.families import Transformer, unflatten
from harness.optimisers import Adam
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import TASKS, draw, resolve
from harness.tasks.baselines import baselines
from harness.train import torch_engine
from harness.train.torch_engine import _feed
from tests.families.test_transformer import Plain

TASK = resolve(
    Task(target="mess3", context=5, train_points=64, validation_points=64, test_points=256)
)
BLOCKS = {"mlp": {"family": "mlp", "width": 16}, "kan": {"family": "kan", "grid": 3, "width": 4}}


def runs(block: str, evaluations: int = 60, seeds=(0, 1)) -> list[RunSpec]:
    said = {"family": "transformer", "layers": 1, "width": 8, "block": BLOCKS[block]}
    network = Transformer.model_validate(said).network_of(
        TASK.inputs, TASK.outputs, "arm", scales=False
    )
    recipe = Recipe(
        optimizer=Adam(name="adam", learning_rate=1e-2, batch_size=32), max_evaluations=evaluations
    )
    return [
        RunSpec(task=TASK, network=network, recipe=recipe, seed=seed, engine="torch")
        for seed in seeds
    ]


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
        for run, outcome in zip(
            runs(block, 300), trained_runs(runs(block, 300)).outcomes, strict=True
        ):
            constant = baselines(run.task, draw(run.task, run.seed)).constant
            assert outcome.status == "done"
            assert 0 < outcome.metrics.losses.test < constant / 5
            beliefs = TASKS["mess3"].beliefs(draw(run.task, run.seed).test.x.astype(np.int64))
            assert (
                0
                < outcome.metrics.observed["belief_error"]
                < beliefs.reshape(-1, 3).var(0).mean() / 3
            )
            assert outcome.metrics.observed["left_by_block"] > 0
            assert [point.evaluations for point in outcome.curve][-1] == 300


@pytest.mark.parametrize("block", BLOCKS)
def test_a_run_is_the_same_in_any_company_and_in_pieces(block):
    outcomes_of_any_company(runs(block))


def test_mixed_precision_learns_as_float32_does_with_the_same_bits_again_and_in_pieces():
    for block in BLOCKS:
        in_dtype = {}
        for dtype in ("float32", "bfloat16"):
            in_dtype[dtype] = [run.model_copy(update={"dtype": dtype}) for run in runs(block, 50)]
        single, mixed = (trained_runs(in_dtype[dtype]) for dtype in in_dtype)
        pieces = trained_runs(in_dtype["bfloat16"], chunk=7, stored=True)
        assert pieces.outcomes == mixed.outcomes
        assert mixed.outcomes != single.outcomes
        state = mixed.state.optimiser
        assert {state.position_RP.dtype, state.mean_RP.dtype, state.square_RP.dtype} == {
            torch.float32
        }
        for one, other in zip(mixed.outcomes, single.outcomes, strict=True):
            assert one.metrics.losses.test == pytest.approx(other.metrics.losses.test, rel=0.05)


def test_a_gpu_that_cannot_multiply_in_bfloat16_is_named(monkeypatch):
    """No GPU is needed: what it says of itself is replaced."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla V100")
    with pytest.raises(
        HarnessError,
        match="dtype: bfloat16, but Tesla V100 does not multiply in it; say dtype: float",
    ):
        torch_engine.prepare(
            [run.model_copy(update={"dtype": "bfloat16"}) for run in runs("mlp")], "cuda"
        )


SHAI = {
    "layers": 4,
    "width": 64,
    "head_width": 8,
    "block": {"family": "mlp", "activation": "relu", "width": 256},
}
SMALL = {"layers": 2, "width": 8, "block": {"family": "mlp", "activation": "relu", "width": 16}}


def mess3_run(said: dict, steps: int, dtype: str = "float64", **settings) -> RunSpec:
    task = resolve(
        Task(target="mess3", context=10, train_points=64, validation_points=64, test_points=2000)
    )
    network = Transformer.model_validate({"family": "transformer", **said}).network_of(
        10, 30, "arm", scales=False
    )
    recipe = Recipe(
        optimizer=Adam(name="adam", learning_rate=1e-3, **settings), max_evaluations=steps
    )
    return RunSpec(task=task, network=network, recipe=recipe, seed=0, dtype=dtype, engine="torch")


@pytest.mark.parametrize(
    ("said", "steps"),
    [(SMALL, 30), pytest.param(SHAI, 300, marks=pytest.mark.nightly)],
    ids=["small", "143,075"],
)
def test_training_is_that_of_a_plain_loop_on_the_same_tokens(said, steps):
    """The network of Shai et al. among them: its excess after a loop of torch's own parts,
    optimiser included.
    """
    run = mess3_run(said, steps, batch_size=64)
    pack = torch_engine.prepare([run])
    begun = torch_engine.begin(pack)
    flat_P = begun.optimiser.position_RP[0].clone()
    parameters = {
        name: value[0].clone().requires_grad_()
        for name, value in unflatten(run.network, flat_P[None]).items()
    }
    plain = Plain(run.network, parameters)
    optimiser = torch.optim.Adam(parameters.values(), lr=1e-3)
    for step in range(steps):
        tokens = _feed(pack, begun, step)[0][0]
        logits = plain(tokens[:, :-1]).unflatten(1, (-1, 3))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimiser.step()
    test = draw(run.task, run.seed).test
    p = torch.from_numpy(test.y).unflatten(1, (-1, 3))
    with torch.no_grad():
        log_q = plain(torch.from_numpy(test.x).long()).unflatten(1, (-1, 3)).log_softmax(2)
    excess = (torch.xlogy(p, p) - p * log_q).sum(2).mean().item()
    assert trained_runs([run]).outcomes[0].metrics.losses.test == pytest.approx(excess, rel=1e-6)


@pytest.mark.nightly
def test_the_published_network_comes_near_the_optimum():
    outcome = trained_runs(
        [mess3_run(SHAI, 10_000, "float32", batch_size=64, schedule="cosine")]
    ).outcomes[0]
    assert outcome.metrics.losses.test < 5e-4
