"""Adam (Kingma & Ba 2015, algorithm 1, as torch.optim.Adam), with weight decay as torch.optim.AdamW
has it.

Legend: R lanes, P parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.base.frozen import Positive, left_out_at
from harness.families.later import Tensor, torch
from harness.families.shape import ShapeBase
from harness.optimisers.base import GradientOptimiser, LaneObjective, LaneState, begun
from harness.optimisers.lanes import all_finite, but_not, choose, dot, learning_rates, or_not

# A scalar and step: 3 for each of the first moment, 4 for the second, 3 for the denominator, 3 for
# the step.
OPERATIONS = 13
WEIGHT_DECAY_OPERATIONS = (
    2  # a product and a difference, a scalar and step, where there is weight decay
)
WSD_CONSTANT = (
    5,
    6,
)  # the share of a run at the whole rate: the decay of a budget begins at budget / 1.2
CLIP_EPSILON = 1e-6  # as torch.nn.utils.clip_grad_norm_
CLIP_OPERATIONS = (
    3  # a square, its sum and a product, a scalar and step, where gradients are clipped
)


@dataclass(frozen=True)
class AdamState(LaneState):
    """No lane is ever finished: Adam has no test of convergence."""

    # the last position whose loss and gradient were seen and finite: where a diverged lane is
    previous_RP: Tensor
    mean_RP: Tensor
    square_RP: Tensor
    learning_rate_R: Tensor
    steps_R: Tensor  # in float64, and the same in all lanes: those that have diverged count on
    total_steps_R: Tensor  # with which a schedule ends, in float64 and the same in all lanes


class Adam(GradientOptimiser):
    """Adam (Kingma & Ba 2015) with torch's defaults; `batch_size: null` is full batch.

    `schedule: wsd` (warm-up, stable, decay; Hägele et al. 2024, arXiv 2405.18392) keeps the rate
    for five sixths of a run, and then lowers it as 1 minus the root of the share of the rest that
    is behind.

    With `decays_over` a run is the beginning of one of so many evaluations: a cosine schedule then
    ends with that one.

    `weight_decay` is decoupled (Loshchilov & Hutter 2019, AdamW): before each step every trainable
    parameter loses `weight_decay` times the scheduled learning rate of itself. Biases, coefficients
    of splines and scales decay too, unless `decays: matrices` says that what has one axis (biases,
    scales and shifts of norms) stays.

    Over the first `warm_up` evaluations the rate rises evenly to its value. With `clip` a gradient
    that is longer, of all parameters of a run together, is shortened to that length.
    """

    title = "Adam"
    state = AdamState
    timing = ()
    has_loop = True

    name: Literal["adam"]
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "cosine", "wsd"] = "constant"
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    epsilon: Positive = 1e-8
    batch_size: PositiveInt | None = None
    decays_over: PositiveInt | None = left_out_at(None)
    weight_decay: Annotated[FiniteFloat, Field(ge=0)] = left_out_at(0.0)
    decays: Literal["all", "matrices"] = left_out_at("all")
    warm_up: PositiveInt | None = left_out_at(None)
    clip: Positive | None = left_out_at(None)

    @model_validator(mode="after")
    def _something_decays(self) -> Adam:
        if self.decays_over and self.schedule != "cosine":
            raise ValueError(
                f"decays_over={self.decays_over}: it is the end of schedule: cosine; leave it out"
            )
        if self.decays != "all" and self.weight_decay == 0:
            raise ValueError(
                f"decays={self.decays}: without weight_decay nothing decays; leave it out, or "
                "give that"
            )
        return self

    def flops(
        self, network: ShapeBase, samples: int, evaluations: int, iterations: int, starts: int
    ) -> int:
        operations = OPERATIONS + (WEIGHT_DECAY_OPERATIONS if self.weight_decay > 0 else 0)
        operations += CLIP_OPERATIONS if self.clip else 0
        return operations * network.trainable * evaluations

    # ----------------------------------------------------------------------------------------------
    # torch lanes
    def start(
        self,
        position_RP: Tensor,
        learning_rate_R: Tensor | None = None,
        total_steps: int | None = None,
    ) -> AdamState:
        fields = begun(position_RP)
        return AdamState(
            **fields,
            previous_RP=fields["position_RP"],
            mean_RP=torch.zeros_like(position_RP),
            square_RP=torch.zeros_like(position_RP),
            learning_rate_R=learning_rates(self.learning_rate, position_RP, learning_rate_R),
            steps_R=position_RP.new_zeros(len(position_RP), dtype=torch.float64),
            total_steps_R=position_RP.new_full(
                (len(position_RP),), float(total_steps or 0), dtype=torch.float64
            ),
        )

    def evaluate(self, state: AdamState, objective: LaneObjective) -> AdamState:
        loss_R, gradient_RP = objective.loss_and_gradient(self.ask(state))
        decaying_P = None if self.decays == "all" else _matrices(objective.network, gradient_RP)
        with torch.no_grad():
            return self.tell(state, loss_R, gradient_RP, decaying_P)

    def tell(
        self,
        state: AdamState,
        loss_R: Tensor,
        gradient_RP: Tensor,
        decaying_P: Tensor | None = None,
    ) -> AdamState:
        """One step in every lane; of several parameters those decay that are 1 in `decaying_P`.

        A lane whose loss or gradient is not finite has diverged: it returns to its last position
        where both were, and stays there, no longer counted.
        """
        finite_R = all_finite(loss_R, gradient_RP)
        moving_R = but_not(finite_R, state.diverged_R)
        if self.clip:
            length_R = dot(gradient_RP, gradient_RP).sqrt()
            gradient_RP = (
                gradient_RP * (self.clip / (length_R + CLIP_EPSILON)).clamp(max=1)[:, None]
            )
        mean_RP = self.beta1 * state.mean_RP + (1 - self.beta1) * gradient_RP
        square_RP = self.beta2 * state.square_RP + (1 - self.beta2) * (gradient_RP * gradient_RP)
        steps_R = state.steps_R + 1
        steps = steps_R[0]  # a power of one number does not depend on its place among others
        rate_share: Tensor | float = 1.0
        before, total_steps = state.steps_R[0], state.total_steps_R[0]
        if self.schedule == "cosine":  # CosineAnnealingLR's closed form, 0 at its end
            turned = math.pi * (before / total_steps).clamp(max=1)
            rate_share = (1 + _as_math(torch.cos, turned)) / 2
        elif self.schedule == "wsd":
            begin = torch.floor(total_steps * WSD_CONSTANT[0] / WSD_CONSTANT[1])
            rate_share = 1 - _as_math(
                torch.sqrt, ((before - begin) / (total_steps - begin)).clamp(0, 1)
            )
        if self.warm_up:
            rate_share = rate_share * (steps / self.warm_up).clamp(max=1)
        rate_R = state.learning_rate_R * (rate_share / (1 - self.beta1**steps))
        scale_RP = square_RP.sqrt() / _as_math(torch.sqrt, 1 - self.beta2**steps) + self.epsilon
        decayed_RP = state.position_RP
        if self.weight_decay > 0:
            lost_share_R = state.learning_rate_R * (rate_share * self.weight_decay)
            lost_RP = lost_share_R[:, None] * decayed_RP
            decayed_RP = decayed_RP - (lost_RP if decaying_P is None else decaying_P * lost_RP)
        moved_RP = decayed_RP - rate_R[:, None] * (mean_RP / scale_RP)
        return AdamState(
            position_RP=choose(moving_R, moved_RP, state.previous_RP),
            previous_RP=choose(moving_R, state.position_RP, state.previous_RP),
            mean_RP=choose(moving_R, mean_RP, state.mean_RP),
            square_RP=choose(moving_R, square_RP, state.square_RP),
            learning_rate_R=state.learning_rate_R,
            iterations_R=state.iterations_R + moving_R,
            evaluations_R=state.evaluations_R + ~state.diverged_R,
            finished_R=state.finished_R,
            diverged_R=or_not(state.diverged_R, finite_R),
            steps_R=steps_R,
            total_steps_R=state.total_steps_R,
        )

    def moved(self, state: AdamState, fresh: AdamState, moving_R: Tensor) -> AdamState:
        """The moments stay as they are."""
        position_RP = choose(moving_R, fresh.position_RP, state.position_RP)
        return replace(state, position_RP=position_RP, previous_RP=position_RP)

    def why_no_pde(self) -> str | None:
        if self.batch_size is None:
            return None
        return f"batch_size={self.batch_size}: a PDE is learnt from all its points; leave it out"

    # ----------------------------------------------------------------------------------- learning
    # rate, batch, schedule
    @property
    def rate(self) -> float:
        return self.learning_rate

    @property
    def batch(self) -> int | None:
        return self.batch_size

    def without_loop(self) -> str | None:
        settings = [name for name in ("warm_up", "clip") if getattr(self, name) is not None]
        settings += ["decays"] if self.decays != "all" else []
        return (
            f"has no compiled loop of adam with {settings[0]}"
            if settings
            else super().without_loop()
        )

    def constant_until(self, total_steps: int) -> int:
        if self.schedule == "wsd":
            return total_steps * WSD_CONSTANT[0] // WSD_CONSTANT[1]
        return 0 if self.schedule == "cosine" else total_steps

    def ending(self, state: AdamState, total_steps: int) -> AdamState:
        return replace(state, total_steps_R=torch.full_like(state.total_steps_R, total_steps))

    @property
    def spans(self) -> int | None:
        return self.decays_over

    def that_matters(self, network: ShapeBase, points: int) -> Adam:
        """A batch of all points is none."""
        return (
            self.model_copy(update={"batch_size": None})
            if (self.batch_size or 0) >= points
            else self
        )


def _matrices(network: ShapeBase, like_RP: Tensor) -> Tensor:
    """1 at each parameter [P] that has two axes or more, and 0 at the others."""
    of_parameters = [
        like_RP.new_full((prod(shape),), float(len(shape) > 1))
        for shape in network.parameter_shapes().values()
    ]
    return torch.cat(of_parameters)


def _as_math(function: Callable[[Tensor], Tensor], number: Tensor) -> Tensor:
    """A function of one number, rounded as Python's: on a CPU torch's of real numbers is now and
    then off by a bit.
    """
    return function(number.to(torch.complex128)).real
