"""Adam over lanes: the path of torch.optim.Adam or AdamW in each, and no lane aware of another."""

import io
import math

import pytest
import torch

from harness.optimisers import Adam
from harness.optimisers.adam import AdamState
from harness.optimisers.lanes import select

STEPS = 20


def bowl(position_RP):
    """A quartic bowl, in correctly rounded operations only, and its gradient."""
    x = position_RP - torch.arange(position_RP.shape[1], dtype=position_RP.dtype) / 3
    return (x * x + x * x * x * x).sum(-1), 2 * x + 4 * x * x * x


def starts(lanes, params=5, seed=0):
    return torch.randn(lanes, params, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def trained(settings, state, evaluations, objective=bowl):
    for _ in range(evaluations):
        state = settings.tell(state, *objective(settings.ask(state)))
    return state


def same(one, other):
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in _pairs(one, other))


def _pairs(one, other):
    return [(value, vars(other)[name]) for name, value in vars(one).items()]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_every_lane_takes_the_steps_of_torch_adam(schedule, weight_decay):
    """After each step, each lane, with its own learning rate, is where torch.optim.AdamW is on that lane alone.

    Without weight decay that is torch.optim.Adam.
    """
    settings = Adam(name="adam", schedule=schedule, beta1=0.8, beta2=0.99, epsilon=1e-6, weight_decay=weight_decay)
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
        losses = bowl(settings.ask(state))[0]
        state = trained(settings, state, 1)
        for x, optimizer, scheduler in zip(peers, optimizers, schedulers, strict=True):
            x.grad = bowl(x.detach()[None])[1][0]
            optimizer.step()
            if schedule == "cosine":
                scheduler.step()
        torch.testing.assert_close(state.position_RP, torch.stack(list(peers)).detach(), rtol=0, atol=1e-10)
        assert torch.equal(state.loss_R, losses)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_weight_decay_on_parabolas_has_a_closed_form(schedule):
    """With epsilon far above all gradients a step is -rate * (gradient / epsilon + decay * x)."""
    curvature_P = torch.tensor([0.0, 0.5, 1.0, 2.0], dtype=torch.float64)
    rates_R = torch.tensor([1e11, 2e11], dtype=torch.float64)
    settings = Adam(name="adam", schedule=schedule, beta1=0, beta2=0, epsilon=1e12, weight_decay=1e-12)
    begin_RP = starts(2, len(curvature_P))
    state = settings.start(begin_RP, learning_rate_R=rates_R, total_steps=STEPS)
    state = trained(settings, state, STEPS, lambda x_RP: ((curvature_P * x_RP**2).sum(-1) / 2, curvature_P * x_RP))
    expected_RP = begin_RP
    for step in range(STEPS):
        share = 1 if schedule == "constant" else (1 + math.cos(math.pi * step / STEPS)) / 2
        expected_RP = expected_RP * (1 - share * rates_R[:, None] * (1e-12 + curvature_P / 1e12))
    torch.testing.assert_close(state.position_RP, expected_RP, rtol=1e-10, atol=0)


def test_a_cosine_ends_at_zero():
    """Steps beyond the end of a cosine schedule move nothing, and no weight decays."""
    settings = Adam(name="adam", schedule="cosine", learning_rate=0.1, weight_decay=0.5)
    state = trained(settings, settings.start(starts(2), total_steps=STEPS), STEPS)
    assert torch.equal(trained(settings, state, 3).position_RP, state.position_RP)


def test_a_cosine_without_its_length_is_refused():
    """The error names the argument and says why it is needed."""
    with pytest.raises(ValueError, match="total_steps=None"):
        Adam(name="adam", schedule="cosine").start(starts(2))


def test_lanes_are_the_same_bits_in_any_pack():
    """A lane's path doesn't depend on how many lanes train beside it."""
    settings = Adam(name="adam", learning_rate=0.05, weight_decay=0.5)
    packs = [trained(settings, settings.start(starts(32, 7)[:lanes]), 50) for lanes in (2, 8, 32)]
    for pack in packs[1:]:
        assert same(packs[0], select(pack, torch.arange(2)))


@pytest.mark.parametrize("spoilt", ["loss", "gradient"])
def test_a_diverged_lane_rests_at_its_last_finite_position(spoilt):
    """A loss or gradient that isn't finite sends its lane, and no other, back to where both were finite, for good."""
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
    assert torch.equal(bowl(state.position_RP)[0][1], state.loss_R[1])
    later = trained(settings, state, 5)
    at_rest = AdamState(**vars(state) | {"steps_R": later.steps_R})
    assert same(select(later, torch.tensor([1])), select(at_rest, torch.tensor([1])))
    assert later.evaluations_R.tolist() == [10, 5, 10]
    assert later.iterations_R.tolist() == [10, 4, 10]
    untouched = trained(settings, before, 6)
    others = torch.tensor([0, 2])
    assert same(select(later, others), select(untouched, others))


def test_a_saved_state_goes_on_as_if_never_interrupted():
    """torch.save and torch.load of the fields between two steps change no bit of what follows."""
    settings = Adam(name="adam", schedule="cosine", learning_rate=0.05)
    state = trained(settings, settings.start(starts(3), total_steps=40), 13)
    file = io.BytesIO()
    torch.save(vars(state), file)
    file.seek(0)
    assert same(trained(settings, AdamState(**torch.load(file)), 13), trained(settings, state, 13))


def test_select_keeps_the_named_lanes():
    """The lanes that are kept train on as they would have done among the others, in the order asked for."""
    settings = Adam(name="adam", learning_rate=0.05)
    kept = torch.tensor([3, 0, 3])
    state = trained(settings, settings.start(starts(5)), 6)
    assert same(trained(settings, select(state, kept), 6), select(trained(settings, state, 6), kept))
