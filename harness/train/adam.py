"""Adam (Kingma & Ba 2015, algorithm 1, as torch.optim.Adam) over lanes, in ask/tell form.

    state = start(settings, position_RP)
    state = tell(settings, state, *loss_and_gradient(ask(state)))      # one evaluation, one step, in every lane

Legend: R lanes, P parameters. The state is a checkpoint as it is (see `harness.train.checkpoint`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.spec.recipe import Adam
from harness.train.lanes import all_finite, choose, learning_rates


@dataclass(frozen=True)
class AdamState:
    """All that the next step depends on; tensors lead with the lane, `steps` and `total_steps` are common to all."""

    position_RP: Tensor
    previous_RP: Tensor  # the last position whose loss and gradient were seen and finite
    loss_R: Tensor  # the loss there
    mean_RP: Tensor
    square_RP: Tensor
    learning_rate_R: Tensor
    iterations_R: Tensor
    evaluations_R: Tensor
    finished_R: Tensor  # never true: Adam has no test of convergence
    diverged_R: Tensor
    steps: int
    total_steps: int | None


def start(
    settings: Adam, position_RP: Tensor, learning_rate_R: Tensor | None = None, total_steps: int | None = None
) -> AdamState:
    """The state before any evaluation; `learning_rate_R` replaces the one rate of the settings.

    `total_steps` is where a cosine schedule reaches zero, and is required by it.
    """
    if settings.schedule == "cosine" and total_steps is None:
        raise ValueError('total_steps=None, but schedule="cosine" needs the number of steps over which it decays')
    position_RP = position_RP.detach().clone()
    counter_R = torch.zeros(len(position_RP), dtype=torch.int64, device=position_RP.device)
    return AdamState(
        position_RP=position_RP,
        previous_RP=position_RP,
        loss_R=position_RP.new_full((len(position_RP),), math.inf),
        mean_RP=torch.zeros_like(position_RP),
        square_RP=torch.zeros_like(position_RP),
        learning_rate_R=learning_rates(settings.learning_rate, position_RP, learning_rate_R),
        iterations_R=counter_R,
        evaluations_R=counter_R,
        finished_R=counter_R.bool(),
        diverged_R=counter_R.bool(),
        steps=0,
        total_steps=total_steps,
    )


def ask(state: AdamState) -> Tensor:
    """Where every lane wants its next loss and gradient, [R, P]."""
    return state.position_RP


def position(state: AdamState) -> Tensor:
    """Where training would stop now, [R, P]: after the last step, as in torch; for a diverged lane, before it left."""
    return state.position_RP


@torch.no_grad()
def tell(settings: Adam, state: AdamState, loss_R: Tensor, gradient_RP: Tensor) -> AdamState:
    """One step in every lane.

    A lane whose loss or gradient is not finite has diverged: it returns to its last position where both were, and
    stays there, no longer counted.
    """
    running_R = ~state.diverged_R
    finite_R = all_finite(loss_R, gradient_RP)
    moving_R = running_R & finite_R
    leaving_R = running_R & ~finite_R
    mean_RP = settings.beta1 * state.mean_RP + (1 - settings.beta1) * gradient_RP
    square_RP = settings.beta2 * state.square_RP + (1 - settings.beta2) * (gradient_RP * gradient_RP)
    steps = state.steps + 1
    rate_R = state.learning_rate_R * (_decay(settings, state) / (1 - settings.beta1**steps))
    scale_RP = square_RP.sqrt() / math.sqrt(1 - settings.beta2**steps) + settings.epsilon
    moved_RP = state.position_RP - rate_R[:, None] * (mean_RP / scale_RP)
    return AdamState(
        position_RP=choose(moving_R, moved_RP, choose(leaving_R, state.previous_RP, state.position_RP)),
        previous_RP=choose(moving_R, state.position_RP, state.previous_RP),
        loss_R=choose(moving_R, loss_R, state.loss_R),
        mean_RP=choose(moving_R, mean_RP, state.mean_RP),
        square_RP=choose(moving_R, square_RP, state.square_RP),
        learning_rate_R=state.learning_rate_R,
        iterations_R=state.iterations_R + moving_R,
        evaluations_R=state.evaluations_R + running_R,
        finished_R=state.finished_R,
        diverged_R=state.diverged_R | leaving_R,
        steps=steps,
        total_steps=state.total_steps,
    )


def _decay(settings: Adam, state: AdamState) -> float:
    """The share of the learning rate used by the next step: 1, or CosineAnnealingLR's closed form (0 after its end)."""
    if settings.schedule == "constant" or state.total_steps is None:
        return 1.0
    return (1 + math.cos(math.pi * min(state.steps / state.total_steps, 1.0))) / 2
