"""Adam of both engines: the path of torch.optim.Adam or AdamW in each lane, and no lane aware of
another.
"""

import numpy as np
import pytest
import torch
from test_levenberg import KAN, MLP, Case
from two_kinds import COMPILED, same, slow

from harness import families
from harness.families import MlpShape
from harness.optimisers import Adam, LaneObjective, Lbfgs, LevenbergMarquardt
from harness.optimisers.adam import AdamState
from harness.tasks.loss import SQUARES, LanePoints
from harness.train.fused.optimisers import adam as compiled
from harness.train.fused_engine import LOOPS

STEPS = 20


def bowl(position_RP):
    """A quartic bowl, in correctly rounded operations only, and its gradient."""
    x = position_RP - torch.arange(position_RP.shape[1], dtype=position_RP.dtype) / 3
    return (x * x + x * x * x * x).sum(-1), 2 * x + 4 * x * x * x


def starts(lanes, params=5, seed=0):
    return torch.randn(
        lanes, params, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def trained(settings, state, evaluations, objective=bowl):
    for _ in range(evaluations):
        state = settings.tell(state, *objective(settings.ask(state)))
    return state


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_every_lane_takes_the_steps_of_torch_adam(schedule, weight_decay):
    """After each step, each lane, with its own learning rate, is where torch.optim.AdamW is on that
    lane alone.
    """
    settings = Adam(
        name="adam",
        schedule=schedule,
        beta1=0.8,
        beta2=0.99,
        epsilon=1e-6,
        weight_decay=weight_decay,
    )
    kind = torch.optim.AdamW if weight_decay else torch.optim.Adam
    rates = torch.tensor([0.1, 0.01, 0.3], dtype=torch.float64)
    state = settings.start(starts(3), learning_rate_R=rates, total_steps=STEPS)
    peers = [torch.nn.Parameter(x.clone()) for x in starts(3)]
    optimizers = [
        kind([x], lr=rate, betas=(0.8, 0.99), eps=1e-6, weight_decay=weight_decay)
        for x, rate in zip(peers, rates.tolist(), strict=True)
    ]
    schedulers = [torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=STEPS) for o in optimizers]
    for _ in range(STEPS):
        state = trained(settings, state, 1)
        for x, optimizer, scheduler in zip(peers, optimizers, schedulers, strict=True):
            x.grad = bowl(x.detach()[None])[1][0]
            optimizer.step()
            if schedule == "cosine":
                scheduler.step()
        torch.testing.assert_close(
            state.position_RP, torch.stack(list(peers)).detach(), rtol=0, atol=1e-10
        )


def test_warm_up_and_clipping_are_torchs():
    settings = Adam(name="adam", schedule="cosine", weight_decay=0.5, warm_up=6, clip=0.7)
    rates = torch.tensor([0.1, 0.3], dtype=torch.float64)
    state = settings.start(starts(2), learning_rate_R=rates, total_steps=STEPS)
    peers = [torch.nn.Parameter(x.clone()) for x in starts(2)]
    optimizers = [
        torch.optim.AdamW([x], lr=rate, weight_decay=0.5)
        for x, rate in zip(peers, [0.1, 0.3], strict=True)
    ]
    for step in range(STEPS):
        state = trained(settings, state, 1)
        share = min(1, (step + 1) / 6) * (1 + np.cos(np.pi * step / STEPS)) / 2
        for x, optimizer, rate in zip(peers, optimizers, [0.1, 0.3], strict=True):
            x.grad = bowl(x.detach()[None])[1][0]
            torch.nn.utils.clip_grad_norm_([x], 0.7)
            optimizer.param_groups[0]["lr"] = rate * share
            optimizer.step()
        torch.testing.assert_close(
            state.position_RP, torch.stack(list(peers)).detach(), rtol=0, atol=1e-10
        )


def test_only_matrices_decay_if_it_says_so():
    network = MlpShape(shape=(2, 3, 1))
    settings = Adam(name="adam", learning_rate=0.1, weight_decay=0.5, decays="matrices")
    flat_RP = starts(2, network.trainable)
    nothing = LaneObjective(
        lambda at: (torch.zeros(2), torch.zeros_like(at)), network, [], flat_RP, flat_RP
    )
    after = settings.evaluate(settings.start(flat_RP), nothing).position_RP
    before, moved = (families.unflatten(network, each) for each in (flat_RP, after))
    for name, values in before.items():
        torch.testing.assert_close(
            moved[name], values * (1 - 0.1 * 0.5) if name.endswith("weight") else values
        )
    assert settings.without_loop() == "has no compiled loop of adam with decays"
    with pytest.raises(ValueError, match="decays=matrices: without weight_decay nothing decays"):
        Adam(name="adam", decays="matrices")


@pytest.mark.parametrize("spoilt", ["loss", "gradient"])
def test_a_diverged_lane_rests_at_its_last_finite_position(spoilt):
    settings = Adam(name="adam", learning_rate=0.05)
    before = trained(settings, settings.start(starts(3)), 4)
    loss, gradient = bowl(settings.ask(before))
    if spoilt == "loss":
        loss[1] = torch.inf
    else:
        gradient[1, 2] = torch.nan
    state = settings.tell(before, loss, gradient)
    assert state.diverged_R.tolist() == [False, True, False]
    assert torch.equal(state.position_RP[1], before.previous_RP[1])
    later = trained(settings, state, 5)
    at_rest = AdamState(**vars(state) | {"steps_R": later.steps_R})
    assert same(later, at_rest, [1])
    assert later.evaluations_R.tolist() == [10, 5, 10]
    assert later.iterations_R.tolist() == [10, 4, 10]
    assert same(later, trained(settings, before, 6), [0, 2])


@slow
def test_a_diverged_lane_of_a_compiled_loop_rests_where_that_of_torch_does():
    case, settings = Case(MLP), Adam(name="adam", learning_rate=0.05)
    case.y[0, 7] = torch.nan
    healthy = np.delete(np.arange(60), 7)
    state = compiled.start(settings, case.flat[0].numpy())
    state = compiled.advance(
        settings, state, case.problem(0, by_point=True), 4, healthy[None].repeat(4, 0)
    )
    gone = compiled.advance(settings, state, case.problem(0), 5)
    peer = settings.start(case.flat[:1])
    for points in [healthy] * 4 + [slice(None)] * 5:
        seen = LanePoints(case.x[:1, points], case.y[:1, points])
        peer = settings.tell(peer, *SQUARES.loss_and_gradient(MLP, settings.ask(peer), [], seen))
    assert gone.diverged
    assert (
        (gone.evaluations, gone.iterations)
        == (peer.evaluations_R.item(), peer.iterations_R.item())
        == (5, 4)
    )
    assert np.array_equal(gone.position_P, state.previous_P)
    np.testing.assert_allclose(gone.position_P, peer.position_RP[0], rtol=0, atol=1e-12)


BATCHES = Adam(name="adam", learning_rate=0.05, weight_decay=0.5)
NESTED = Lbfgs(name="lbfgs", iterations_per_step=3)
MARQUARDT = LevenbergMarquardt(name="levenberg_marquardt")


@slow
@pytest.mark.parametrize(
    "settings", [NESTED, BATCHES, MARQUARDT], ids=lambda settings: settings.name
)
def test_a_state_is_not_changed_by_what_comes_after_it(settings):
    case, loop, has_batches = Case(KAN), LOOPS[settings.name], settings is BATCHES
    state = loop.start(settings, case.flat[0].numpy(), total_steps=9)
    given = {"batches_SB": np.random.default_rng(0).integers(0, 60, (9, 16))} if has_batches else {}
    ends = [
        loop.advance(settings, state, case.problem(0, has_batches), 9, **given) for _ in range(2)
    ]
    assert same(*(COMPILED.seen([end]) for end in ends))
    assert np.array_equal(state.position_P, case.flat[0])
