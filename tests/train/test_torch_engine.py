"""The torch engine: the same as looping torch.optim over single networks, and lanes that know
nothing of each other.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch
from packs import trained_runs

from harness.count import run_flops
from harness.families import KanShape, MlpShape, initialise, unflatten
from harness.optimisers import Adam, Lbfgs
from harness.record.store import read_record, record_path
from harness.spec.recipe import GridExtension, GridUpdates, Recipe, Restarts, stages
from harness.spec.run import RunSpec, run_id
from harness.spec.task import Task
from harness.tasks import draw, resolve, stream
from harness.train import Supervisor, train_pack
from harness.train import torch_engine as engine

TASK = resolve(Task(target="exp2d", train_points=200, validation_points=50, test_points=70))
MLP = MlpShape(shape=(2, 5, 4, 1), activation="tanh")
KAN = KanShape(shape=(2, 3, 1), grid=4)
ADAM = Recipe(optimizer=Adam(name="adam", learning_rate=0.01), max_evaluations=20)
LBFGS = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=40)


def _run(network=KAN, recipe=LBFGS, seed=0, **changes) -> RunSpec:
    return RunSpec(task=TASK, network=network, recipe=recipe, seed=seed, **changes)


def _trained(runs, chunk=1000):
    return trained_runs(runs, chunk, engine="torch").outcomes


def _as_torch_module(network: MlpShape, seed: int, gain: float = 1.0) -> torch.nn.Sequential:
    """The network of one run as torch.nn layers with the same initial weights."""
    flat = initialise(network, [stream(seed, "initial", 0)], gain, torch.float64, "cpu")
    values = unflatten(network, flat)
    layers: list[torch.nn.Module] = []
    for index, (a, b) in enumerate(zip(network.shape[:-1], network.shape[1:], strict=True)):
        linear = torch.nn.Linear(a, b, dtype=torch.float64)
        linear.weight = torch.nn.Parameter(values[f"layer{index}.weight"][0].T.contiguous())
        linear.bias = torch.nn.Parameter(values[f"layer{index}.bias"][0].clone())
        layers += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def _rmse(module, samples) -> float:
    x, y = torch.from_numpy(samples.x), torch.from_numpy(samples.y)
    return math.sqrt((module(x) - y).square().mean().item())


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_adam_equals_a_loop_of_torch_optim(schedule):
    settings = Adam(name="adam", learning_rate=0.01, schedule=schedule, weight_decay=1.0)
    runs = [_run(MLP, Recipe(optimizer=settings, max_evaluations=20), seed) for seed in range(3)]
    outcomes = _trained(runs)

    for run, outcome in zip(runs, outcomes, strict=True):
        module = _as_torch_module(MLP, run.seed)
        splits = draw(TASK, run.seed)
        optimiser = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=1.0)
        anneal = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20)
        for _ in range(20):
            optimiser.zero_grad()
            (
                module(torch.from_numpy(splits.train.x)) - torch.from_numpy(splits.train.y)
            ).square().mean().backward()
            optimiser.step()
            if schedule == "cosine":
                anneal.step()

        assert outcome.metrics.test_rmse == pytest.approx(_rmse(module, splits.test), rel=1e-10)
        assert outcome.evaluations == outcome.iterations == 20


def test_stages_spend_the_cap_and_are_counted():
    recipe = Recipe(
        optimizer=Adam(name="adam"),
        max_evaluations=100,
        restarts=Restarts(count=3, evaluations=10),
        grid_extension=GridExtension(grids=(2, 3, 10), evaluations=20),
    )
    _, state, (outcome,), _ = trained_runs([_run(KAN, recipe)], engine="torch")

    assert [(stage.network.grid, stage.starts, stage.evaluations) for stage in stages(KAN, recipe)] == [
        (2, 3, 10), (2, 1, 20), (3, 1, 20), (4, 1, 30),
    ]  # fmt: skip
    assert outcome.evaluations == 100
    assert [point.evaluations for point in outcome.curve][-1] == 100
    assert state.network == KAN
    assert (
        outcome.counts["flops_train.shared_dense"]
        < run_flops(KAN, Recipe(optimizer=Adam(name="adam"), max_evaluations=100), TASK)[
            "flops_train.shared_dense"
        ]
    )


@pytest.mark.parametrize(
    "optimizer", [Lbfgs(name="lbfgs"), Adam(name="adam", batch_size=20)], ids=lambda o: o.name
)
def test_the_start_that_is_best_on_all_training_points_goes_on(optimizer):
    recipe = Recipe(
        optimizer=optimizer, max_evaluations=130, restarts=Restarts(count=3, evaluations=40)
    )
    pack = engine.prepare([_run(KAN, recipe, seed) for seed in range(6)])
    longer = dataclasses.replace(
        pack, stages=(pack.stages[0]._replace(evaluations=41), pack.stages[1])
    )
    rivals = engine.advance(longer, engine.begin(longer), 40)
    losses = pack.final_losses(rivals, pack.of_lanes(pack.train, rivals.lanes)).reshape(6, 3)
    best = losses.argmin(1).tolist()
    assert best != [0] * 6
    kept = engine.advance(pack, engine.begin(pack), 40)
    assert kept.lanes == tuple(enumerate(best))
    index = torch.tensor([3 * run + start for run, start in enumerate(best)])
    assert torch.equal(kept.optimiser.position_RP, rivals.optimiser.position_RP[index])
    assert torch.equal(kept.curve_errors[:, :6], rivals.curve_errors[index][:, :6])


def test_batches_cover_the_data_and_differ_between_seeds():
    recipe = Recipe(optimizer=Adam(name="adam", batch_size=50), max_evaluations=8)
    pack = engine.prepare([_run(MLP, recipe, seed) for seed in (0, 1)])
    state = engine.begin(pack)
    train = pack.of_lanes(pack.train, state.lanes)
    seen = []
    for number in range(8):
        batch = pack.batches.seen(train, engine._feed(pack, state, number))
        assert batch.x.shape == (2, 50, 2)
        seen.append(batch.x)

    for lane in range(2):
        epochs = torch.cat(seen, 1)[lane].split(200)
        assert not torch.equal(epochs[0], epochs[1])
        for epoch in epochs:
            assert {tuple(point) for point in epoch.tolist()} == {
                tuple(p) for p in pack.train.x[lane].tolist()
            }


def test_a_full_batch_is_a_batch_of_everything():
    recipe = Recipe(
        optimizer=Adam(name="adam", learning_rate=0.01, batch_size=500), max_evaluations=20
    )

    assert _trained([_run(MLP, recipe)]) == _trained([_run(MLP, ADAM)])


def test_grid_extension_starts_from_the_coarse_solution():
    """Refining the grid loses nothing: the first error after it is the last before, where knots
    nest (2 -> 4).
    """
    extension = GridExtension(grids=(2,), evaluations=30)
    recipe = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=31, grid_extension=extension)
    wide = KAN.model_copy(update={"low": -20.0, "high": 20.0})  # no activation leaves the domain
    (outcome,) = _trained([_run(wide, recipe)])
    curve = {point.evaluations: point.train_rmse for point in outcome.curve}

    assert curve[31] == pytest.approx(curve[30], rel=1e-9)


def test_training_leaves_global_random_state_alone():
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002

    _trained([_run(KAN, LBFGS)])

    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


def test_a_pack_publishes_a_record_a_run(tmp_path):
    runs = [_run(KAN, LBFGS, seed) for seed in (0, 1)]
    heard = []
    records = train_pack(runs, tmp_path, supervisor=Supervisor(progress=heard.append))

    assert heard == sorted(heard)
    assert (heard[0], heard[-1]) == (0, 40)
    assert [record.run_id for record in records] == [run_id(run) for run in runs]
    for record in records:
        assert read_record(record_path(tmp_path, record.run_id)) == record
        assert record.provenance.versions["torch"]
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    assert train_pack(runs, tmp_path) == []
    again = train_pack(runs, tmp_path / "anew")
    assert [(r.metrics, r.curve) for r in again] == [(r.metrics, r.curve) for r in records]
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == before


def test_a_shifted_and_stretched_box_is_the_same_task(here):
    """Networks see the box scaled to [-1, 1]: f on [-1, 1] and f((x - 3) / 2) on [1, 5] train to
    the same errors.
    """
    (here / "boxes.py").write_text(
        "import numpy as np\n"
        "def near(x):\n    return np.sin(5 * x[:, 0])\n"
        "def far(x):\n    return np.sin(5 * (x[:, 0] - 3) / 2)\n"
    )
    near, far = (
        resolve(Task(target=f"boxes:{name}", inputs=1, low=low, high=high))
        for name, low, high in (("near", -1, 1), ("far", 1, 5))
    )
    for network in (MlpShape(shape=(1, 6, 1)), KanShape(shape=(1, 1), grid=10)):
        errors = [
            _trained([RunSpec(task=task, network=network, recipe=LBFGS, seed=0)])[
                0
            ].metrics.test_rmse
            for task in (near, far)
        ]

        assert errors[1] == pytest.approx(errors[0], rel=1e-6)


EARLY = Recipe(
    optimizer=Lbfgs(name="lbfgs", tolerance_change=1e-4),
    max_evaluations=200,
    restarts=Restarts(count=2, evaluations=30),
    grid_updates=GridUpdates(every=10, until=100),
    grid_extension=GridExtension(grids=(2,), evaluations=60),
)


def test_a_curve_ends_with_the_work_that_was_done():
    for outcome in _trained([_run(KAN, EARLY, seed) for seed in range(4)]):
        at = [point.evaluations for point in outcome.curve]

        assert at == sorted(set(at))
        assert at[-1] <= outcome.evaluations <= 200


def test_cosine_runs_over_restarts_and_last_stage_and_anew_on_a_finer_grid():
    """One schedule a network: a start and what goes on from it share one, a refined grid has its
    own.
    """
    recipe = Recipe(
        optimizer=Adam(name="adam", schedule="cosine"),
        max_evaluations=100,
        restarts=Restarts(count=2, evaluations=10),
        grid_extension=GridExtension(grids=(2,), evaluations=30),
    )
    pack = engine.prepare([_run(KAN, recipe)])
    state = engine.begin(pack)
    seen = set()
    while not engine.ended(pack, state):
        seen.add((state.network.grid, int(state.optimiser.total_steps_R[0])))
        state = engine.advance(pack, state, 10)

    assert seen == {(2, 10 + 30), (4, 100 - 20 - 30)}
