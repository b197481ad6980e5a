"""Evaluations on a device repeat the same operations, and the host neither waits for one nor copies
to the device.

So a CUDA graph can replay them. Checked without a GPU: on tensors without data (torch's device
meta), and on a CPU.
"""

from dataclasses import replace
from functools import partial

import pytest
import torch
from networks import begun, networks
from packs import OPTIMIZERS, run_of
from two_kinds import same

from benchmarks.traced import operations
from harness import families
from harness.families import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    MlpShape,
    RationalKanShape,
    RbfKanShape,
    SplineMlpShape,
)
from harness.optimisers import Adam, LaneObjective, Lbfgs, LevenbergMarquardt, normal_equations
from harness.tasks.loss import SQUARES, LanePoints
from harness.train import torch_engine
from harness.train.captured import InPlace

LANES, SAMPLES, BATCH = 3, 64, 16
NARROW = ((2, 5, 1),)
NETWORKS = [
    *networks(
        MlpShape, RbfKanShape, ChebyshevKanShape, FourierKanShape, RationalKanShape, shapes=NARROW
    ),
    *(
        KanShape(shape=(2, 5, 1), grid=5, order=order, scales=order == 2, bias=order == 2)
        for order in (1, 2, 3)
    ),
    KanShape(shape=(40, 40, 40), grid=5),
    *(SplineMlpShape(shape=(2, 5, 1), grid=4, place=place) for place in ("after", "before")),
    SplineMlpShape(shape=(2, 5, 1), grid=4, place="before", rank=2),
]
BATCHES = Adam(name="adam", schedule="cosine", batch_size=BATCH, weight_decay=0.1)
# What these ask of a network, a loss and its gradient, is the same for all of them, so that one
# network is enough.
BY_GRADIENTS = [
    Adam(name="adam"),
    Lbfgs(name="lbfgs"),
    Lbfgs(name="lbfgs", history=30, iterations_per_step=20),
]
OF_EVERY_NETWORK = [
    BATCHES,
    LevenbergMarquardt(name="levenberg_marquardt"),
    LevenbergMarquardt(name="levenberg_marquardt", ridge=0.1),
]


def on_device(network, device):
    position_RP, carried = begun(network, LANES)
    options = {"dtype": torch.float64, "device": device}
    x_RNI = torch.rand(LANES, SAMPLES, network.shape[0], **options)
    on_it = position_RP.to(device), [one.to(device) for one in carried]
    return *on_it, LanePoints(x_RNI, torch.rand(LANES, SAMPLES, network.shape[-1], **options))


def evaluation(network, settings, device):
    """A state, and what evaluates all lanes once more; the index of a mini-batch is on the
    device.
    """
    position_RP, carried, points = on_device(network, device)
    index_RB1 = torch.zeros(LANES, BATCH, 1, dtype=torch.int64, device=device)

    def evaluated(state):
        of_batch = points
        if settings.batch:
            x, y = (
                part.gather(1, index_RB1.expand(-1, -1, part.shape[2]))
                for part in (points.x, points.y)
            )
            of_batch = replace(points, x=x, y=y)

        def objective(asked_RP):
            return SQUARES.loss_and_gradient(network, asked_RP, carried, of_batch)

        return settings.evaluate(
            state, LaneObjective(objective, network, carried, of_batch.x, of_batch.y)
        )

    return settings.start(position_RP, None, 100), evaluated


def assert_can_be_captured(state, evaluated):
    """After the first evaluation, any two are the same operations."""
    states, traces = [evaluated(state)], []
    for _ in range(2):
        traces.append(operations(lambda: states.append(evaluated(states[-1]))))
    assert traces[0] == traces[1]
    assert not [one.name for one in traces[0] if one.waits]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_evaluations_can_be_captured(network, monkeypatch):
    """Of every family, by gradients and by every system that can train it; of one by every
    optimiser.
    """
    monkeypatch.setattr(normal_equations, "is_on_host", lambda tensor: False)
    for settings in OF_EVERY_NETWORK + (BY_GRADIENTS if network is NETWORKS[0] else []):
        if not settings.needs_squares or (
            network.trainable < 1000 and not settings.why_infeasible(network, SAMPLES)
        ):
            for device in ("meta", "cpu"):
                assert_can_be_captured(*evaluation(network, settings, device))


def test_knots_move_without_a_word_of_the_host():
    for network in networks(KanShape, SplineMlpShape, shapes=NARROW):
        position_RP, knots, points = on_device(network, "meta")
        move = partial(
            families.update_knots, network, position_RP, knots, points.x, 0.5, 0.01, "qr"
        )
        assert not [one.name for one in operations(move) if one.waits], network


def test_an_evaluation_by_lbfgs_is_few_operations_however_long_its_history():
    counts = set()
    for history in (1, 10, 100):
        settings = Lbfgs(name="lbfgs", history=history)
        state = settings.start(torch.zeros(LANES, 30))
        told = torch.zeros(LANES), torch.zeros(LANES, 30)
        counts.add(
            len(
                operations(lambda own=settings, at=state, of=told: (own.ask(at), own.tell(at, *of)))
            )
        )
    assert len(counts) == 1
    assert counts.pop() <= 150


@pytest.mark.parametrize(
    "network", [MlpShape(shape=(2, 4, 1)), KanShape(shape=(2, 3, 1), grid=4)], ids=repr
)
def test_all_that_an_evaluation_changes_is_in_its_tensors(network):
    for optimiser in OPTIMIZERS:
        pack = torch_engine.prepare([run_of(network, optimiser, 40, seed) for seed in range(2)])
        begun = torch_engine.begin(pack)
        evaluate = partial(torch_engine._evaluate, pack, network, begun.knots, pack.train)
        indices = [torch_engine._feed(pack, begun, number) for number in range(13)]
        fresh = evaluate(
            begun.optimiser, indices[0]
        )  # the first one makes the state as large as it will be
        in_place = InPlace(evaluate, fresh, indices[0])
        for index in indices[1:]:
            fresh = evaluate(fresh, index)
            in_place.choose(index)
            in_place.run()
        assert same(in_place.taken(), fresh), optimiser
