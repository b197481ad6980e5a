"""Adam over lanes: the path of torch.optim.Adam or AdamW in each, and no lane aware of another."""

from functools import partial

import pytest
import torch
from two_kinds import same

from harness.optimisers import Adam
from harness.optimisers.adam import AdamState
from harness.train.fused.optimisers import adam as compiled

STEPS = 20
COSINE = Adam(name="adam", schedule="cosine", learning_rate=0.1, weight_decay=0.5)


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


def test_a_cosine_ends_at_zero():
    """Steps beyond the end of a cosine schedule move nothing, and no weight decays."""
    state = trained(COSINE, COSINE.start(starts(2), total_steps=STEPS), STEPS)
    assert torch.equal(trained(COSINE, state, 3).position_RP, state.position_RP)


@pytest.mark.parametrize("start", [COSINE.start, partial(compiled.start, COSINE)], ids=["torch", "compiled"])
def test_a_cosine_without_its_length_is_refused(start):
    """The error names the argument and says why it is needed."""
    with pytest.raises(ValueError, match="total_steps=None"):
        start(starts(2))


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
    assert same(later, at_rest, [1])
    assert later.evaluations_R.tolist() == [10, 5, 10]
    assert later.iterations_R.tolist() == [10, 4, 10]
    assert same(later, trained(settings, before, 6), [0, 2])
