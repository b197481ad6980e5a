"""L-BFGS with a strong-Wolfe line search: the path of torch.optim.LBFGS, lane by lane.

A line search is a state machine, so that no lane waits for another's: a lane is at its first evaluation, is
*bracketing* (lengthening its step until a minimum lies behind), or is *zooming* into the bracket. Masks say which.

Legend: R lanes, P parameters, M history (oldest first; empty places are zero), L = 3 numbers of a point on the search
line: (length, loss, slope), with length in units of the direction and slope = gradient . direction. A *probe* is one
evaluation inside a line search. A *step* is what one call of torch's `.step()` does, where `iterations_per_step` nests
iterations so: its opening evaluation repeats that of the accepted point, and all else goes on from step to step.

Follows torch 2.13 `torch/optim/lbfgs.py` (`_strong_wolfe` with its default max_ls = 25): the same tests in the same
order, and the same bits but for the rounding of dot products and of fused multiply-adds. Three differences are meant.
(1) torch's tests of convergence end one call of `.step()`; here they finish the lane. (2) torch doesn't handle losses
that are not finite; here such a probe has loss +inf and no slope, which the same rules read as "too long a step", and
the interpolation halves the bracket, until the search ends. Finite searches are not affected. (3) Where few evaluations
are left of a step, torch 2.13 cuts the search short; pykan's copy of an earlier torch doesn't, nor is it done here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, PositiveInt

from harness.base.frozen import Positive
from harness.families.base import ShapeBase
from harness.families.later import Tensor, torch
from harness.optimisers.base import GradientOptimiser, LaneState, begun
from harness.optimisers.lanes import all_finite, choose, dot, largest, learning_rates

SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9
MAX_PROBES = 25  # torch's max_ls: probes after the first one of a search
NARROWEST = 1e-9  # bracket width at which a search ends; torch doesn't pass its tolerance_change on to the search
# A scalar: an iteration takes differences of position and gradient, three inner products, two scalings and its stopping
# checks; an evaluation of the line search a step and a slope.
ITERATION_OPERATIONS = 15
EVALUATION_OPERATIONS = 4


@dataclass(frozen=True)
class LbfgsState(LaneState):
    """`position_RP` is the accepted point."""

    loss_R: Tensor
    gradient_RP: Tensor
    # The search line from there, and the length of the next probe on it.
    direction_RP: Tensor
    slope_R: Tensor
    length_R: Tensor
    # The line search. While bracketing, low is the probe before the last; while zooming, the better end.
    probes_R: Tensor
    zooming_R: Tensor
    low_RL: Tensor
    low_gradient_RP: Tensor
    high_RL: Tensor
    low_first_R: Tensor  # low is torch's bracket[0], which wins ties
    slow_R: Tensor  # the last probe was close to an end (torch: insuf_progress)
    # The inverse Hessian: steps s, gradient changes y, 1 / y.s, and the initial scale y.s / y.y.
    steps_RMP: Tensor
    changes_RMP: Tensor
    rho_RM: Tensor
    scale_R: Tensor
    learning_rate_R: Tensor
    # Nested steps: whether the next evaluation is the repeated one, and the counts before this step.
    repeating_R: Tensor
    iterations_before_R: Tensor
    evaluations_before_R: Tensor


class Lbfgs(GradientOptimiser):
    """L-BFGS with a strong-Wolfe line search (c1 = 1e-4, c2 = 0.9), full batch, as torch.optim.LBFGS.

    The tolerances default to the KAN paper's 1e-32, that is, to running until the cap. `tolerance_curvature` is the
    y.s at or below which a step is not remembered: torch's fixed 1e-10 stops the memory, and with it the progress,
    once the loss is near 1e-8.

    `iterations_per_step` nests iterations in steps as torch's `max_iter` does, 20 in the KAN paper: after so many, or
    after 5/4 as many evaluations, the accepted point is evaluated once more, which is counted and changes nothing else.
    """

    title = "L-BFGS"
    state = LbfgsState
    tunable = ("learning_rate", "history")
    has_loop = True

    name: Literal["lbfgs"]
    learning_rate: Positive = 1.0
    history: PositiveInt = 10
    tolerance_gradient: Annotated[FiniteFloat, Field(ge=0)] = 1e-32
    tolerance_change: Annotated[FiniteFloat, Field(ge=0)] = 1e-32
    tolerance_curvature: Annotated[FiniteFloat, Field(ge=0)] = 1e-32
    iterations_per_step: PositiveInt | None = Field(None, exclude_if=lambda value: value is None)

    def flops(self, network: ShapeBase, samples: int, evaluations: int, iterations: int, starts: int) -> int:
        """Its memory begins empty in each of `starts`, which share the iterations evenly, and in each stage.

        It also does where knots move; that is not counted, an overstatement.
        """
        each = iterations // starts
        remembered = starts * (sum(range(min(each, self.history))) + max(each - self.history, 0) * self.history)
        return network.trainable * (
            # The two-loop recursion: an inner product and an update in each loop for each pair that is remembered.
            # (Where a fused multiply-add counts as 1, this is the 4 m P of the literature.)
            8 * remembered + ITERATION_OPERATIONS * iterations + EVALUATION_OPERATIONS * evaluations
        )

    def kept_numbers(self, network: ShapeBase, residuals: int) -> int:
        """Steps and changes that are remembered, and what a line search needs."""
        return (2 * self.history + 8) * network.trainable

    @property
    def rate(self) -> float:
        return self.learning_rate

    # ------------------------------------------------------------------------------------------------------ torch lanes
    def start(
        self, position_RP: Tensor, learning_rate_R: Tensor | None = None, total_steps: int | None = None
    ) -> LbfgsState:
        R, P = position_RP.shape
        zero_R, zero_RP, zero_RL = (position_RP.new_zeros(R, *axes) for axes in ((), (P,), (3,)))
        counter_R = zero_R.to(torch.int64)
        return LbfgsState(
            **begun(position_RP),
            loss_R=zero_R + math.inf,
            gradient_RP=zero_RP,
            direction_RP=zero_RP,
            slope_R=zero_R,
            length_R=zero_R,
            probes_R=counter_R,
            zooming_R=counter_R.bool(),
            low_RL=zero_RL,
            low_gradient_RP=zero_RP,
            high_RL=zero_RL,
            low_first_R=~counter_R.bool(),
            slow_R=counter_R.bool(),
            steps_RMP=position_RP.new_zeros(R, self.history, P),
            changes_RMP=position_RP.new_zeros(R, self.history, P),
            rho_RM=position_RP.new_zeros(R, self.history),
            scale_R=zero_R + 1,
            learning_rate_R=learning_rates(self.learning_rate, position_RP, learning_rate_R),
            repeating_R=counter_R.bool(),
            iterations_before_R=counter_R,
            evaluations_before_R=counter_R,
        )

    def ask(self, state: LbfgsState) -> Tensor:
        probe_RP = state.position_RP + state.length_R[:, None] * state.direction_RP
        return choose(_running(state), probe_RP, state.position_RP)

    def tell(self, state: LbfgsState, loss_R: Tensor, gradient_RP: Tensor) -> LbfgsState:
        """One evaluation in every lane, whatever each is at; finished and diverged lanes stay as they are, uncounted.

        A lane has diverged when its first loss or gradient is not finite, when the shortest step that its line search
        tried still isn't, or when its next search line has no finite slope.
        """
        running_R = _running(state)
        first_R = running_R & (state.evaluations_R == 0)
        searching_R = running_R & ~first_R
        if self.iterations_per_step is not None:
            searching_R = searching_R & ~state.repeating_R
        state = replace(state, evaluations_R=state.evaluations_R + running_R)
        probe_RL = _probe(state, loss_R, gradient_RP)
        state, ended_R, stuck_R = _narrow(state, first_R, searching_R, probe_RL, gradient_RP)
        broken_R = (first_R & probe_RL[:, 1].isinf()) | (stuck_R & state.high_RL[:, 1].isinf())
        state = replace(
            state,
            iterations_R=state.iterations_R + ended_R,
            finished_R=state.finished_R | (stuck_R & ~broken_R),
            diverged_R=state.diverged_R | broken_R,
        )
        state = _accept(self, state, first_R, (first_R | (ended_R & ~stuck_R)) & ~broken_R)
        if self.iterations_per_step is None:
            return state
        return _nest(self.iterations_per_step, state, running_R & state.repeating_R, ended_R & _running(state))


def _running(state: LbfgsState) -> Tensor:
    return ~(state.finished_R | state.diverged_R)


def _probe(state: LbfgsState, loss_R: Tensor, gradient_RP: Tensor) -> Tensor:
    """The evaluated point on the search line, [R, L]; one that isn't finite has loss +inf and slope NaN."""
    slope_R = dot(gradient_RP, state.direction_RP)
    finite_R = all_finite(loss_R, gradient_RP) & slope_R.isfinite()
    return torch.stack(
        (state.length_R, torch.where(finite_R, loss_R, math.inf), torch.where(finite_R, slope_R, math.nan)), -1
    )


def _narrow(
    state: LbfgsState, first_R: Tensor, searching_R: Tensor, probe_RL: Tensor, gradient_RP: Tensor
) -> tuple[LbfgsState, Tensor, Tensor]:
    """The line searches with one more probe; the lanes whose search ended, and those of them that have not moved.

    The point to accept is then `low`. A first evaluation becomes `low` at once.
    """
    _, loss_R, slope_R = probe_RL.unbind(-1)
    low_length_R, low_loss_R, _ = state.low_RL.unbind(-1)
    bracketing_R = ~state.zooming_R
    spent_R = state.probes_R >= MAX_PROBES

    flat_R = slope_R.abs() <= -CURVATURE * state.slope_R
    worse_R = _is_worse(state, probe_RL, flat_R)
    # Out of probes while bracketing, torch compares the last probe with the start and forgets those between.
    worse_R = torch.where(bracketing_R & spent_R, loss_R >= state.loss_R, worse_R)
    # `worse` only says that a minimum lies before the probe: its loss may still be the lower one.
    lowest_R = worse_R & torch.where(state.low_first_R, loss_R < low_loss_R, loss_R <= low_loss_R)
    turned_R = slope_R * (state.high_RL[:, 0] - low_length_R) >= 0
    ousted_R = lowest_R | (~worse_R & (bracketing_R | turned_R))

    high_RL = choose(searching_R & ousted_R, state.low_RL, state.high_RL)
    high_RL = choose(searching_R & worse_R & ~lowest_R, probe_RL, high_RL)
    to_low_R = first_R | (searching_R & (~worse_R | lowest_R))
    low_RL = choose(to_low_R, probe_RL, state.low_RL)
    zooming_R = state.zooming_R | (searching_R & worse_R)

    width_R = (high_RL[:, 0] - low_RL[:, 0]).abs() * largest(state.direction_RP)
    tight_R = zooming_R & (width_R < NARROWEST)
    ended_R = searching_R & ((~worse_R & flat_R) | spent_R | tight_R)
    stuck_R = ended_R & ((low_RL[:, 0] == 0) | (bracketing_R & spent_R & worse_R))
    next_R, near_R = _next_length(low_RL, high_RL, zooming_R, state.slow_R)
    state = replace(
        state,
        length_R=torch.where(searching_R, next_R, state.length_R),
        probes_R=state.probes_R + searching_R,
        zooming_R=zooming_R,
        low_RL=low_RL,
        low_gradient_RP=choose(to_low_R, gradient_RP, state.low_gradient_RP),
        high_RL=high_RL,
        low_first_R=state.low_first_R ^ (searching_R & lowest_R),
        slow_R=torch.where(searching_R, near_R, state.slow_R),
    )
    return state, ended_R, stuck_R


def _is_worse(state: LbfgsState, probe_RL: Tensor, flat_R: Tensor) -> Tensor:
    """Lanes in which a minimum lies before the probe, so that the probe bounds it."""
    length_R, loss_R, slope_R = probe_RL.unbind(-1)
    too_high_R = loss_R > state.loss_R + SUFFICIENT_DECREASE * length_R * state.slope_R
    not_lower_R = (loss_R >= state.low_RL[:, 1]) & (state.zooming_R | (state.probes_R > 1))
    return too_high_R | not_lower_R | (~state.zooming_R & ~flat_R & (slope_R >= 0))


def _next_length(low_RL: Tensor, high_RL: Tensor, zooming_R: Tensor, slow_R: Tensor) -> tuple[Tensor, Tensor]:
    """The length of the next probe, and whether it is close to an end of the bracket.

    Bracketing lanes go beyond the right end; there, (low, high) are the last two probes.
    """
    low_is_left_R = low_RL[:, 0] <= high_RL[:, 0]
    left_RL = choose(low_is_left_R, low_RL, high_RL)
    right_RL = choose(low_is_left_R, high_RL, low_RL)
    left_R, right_R = left_RL[:, 0], right_RL[:, 0]
    width_R = right_R - left_R
    lower_R = torch.where(zooming_R, left_R, right_R + 0.01 * width_R)
    upper_R = torch.where(zooming_R, right_R, right_R * 10)
    length_R = _cubic_minimum(left_RL, right_RL, lower_R, upper_R)

    # Twice close to an end, or once at it: keep a tenth of the width away (only inside a bracket).
    margin_R = 0.1 * width_R
    to_right_R, to_left_R = right_R - length_R, length_R - left_R
    near_R = zooming_R & (torch.minimum(to_right_R, to_left_R) < margin_R)
    pushed_R = near_R & (slow_R | (length_R >= right_R) | (length_R <= left_R))
    inside_R = torch.where(to_right_R.abs() < to_left_R.abs(), right_R - margin_R, left_R + margin_R)
    return torch.where(pushed_R, inside_R, length_R), near_R & ~pushed_R


def _cubic_minimum(left_RL: Tensor, right_RL: Tensor, lower_R: Tensor, upper_R: Tensor) -> Tensor:
    """The minimum of the cubic through two points with their slopes, clipped; the middle where there is none.

    Nocedal & Wright (2006), eq. 3.59, in torch's order of operations, which divides by a product with a reciprocal.
    """
    x1_R, f1_R, g1_R = left_RL.unbind(-1)
    x2_R, f2_R, g2_R = right_RL.unbind(-1)
    d1_R = g1_R + g2_R - 3 * (f1_R - f2_R) * (x1_R - x2_R).reciprocal()
    d2_R = (d1_R * d1_R - g1_R * g2_R).sqrt()
    minimum_R = x2_R - (x2_R - x1_R) * ((g2_R + d2_R - d1_R) / (g2_R - g1_R + 2 * d2_R))
    clipped_R = torch.minimum(torch.maximum(minimum_R, lower_R), upper_R)
    return torch.where(clipped_R.isnan(), (lower_R + upper_R) / 2, clipped_R)


def _accept(settings: Lbfgs, state: LbfgsState, first_R: Tensor, arrived_R: Tensor) -> LbfgsState:
    """Lanes that arrived stand at `low`, remember the step there, and aim anew unless they have converged."""
    low_length_R, low_loss_R, _ = state.low_RL.unbind(-1)
    step_RP = low_length_R[:, None] * state.direction_RP
    settled_R = (largest(state.low_gradient_RP) <= settings.tolerance_gradient) | (
        ~first_R
        & (
            (largest(step_RP) <= settings.tolerance_change)
            | ((low_loss_R - state.loss_R).abs() < settings.tolerance_change)
        )
    )
    state = _remember(settings, state, arrived_R, step_RP)
    state = replace(
        state,
        position_RP=choose(arrived_R, state.position_RP + step_RP, state.position_RP),
        loss_R=choose(arrived_R, low_loss_R, state.loss_R),
        gradient_RP=choose(arrived_R, state.low_gradient_RP, state.gradient_RP),
    )
    return _aim(settings, state, first_R, arrived_R, settled_R)


def _remember(settings: Lbfgs, state: LbfgsState, arrived_R: Tensor, step_RP: Tensor) -> LbfgsState:
    """The inverse Hessian with the step to `low` in place of the oldest, where its curvature is positive enough."""
    change_RP = state.low_gradient_RP - state.gradient_RP
    curvature_R = dot(change_RP, step_RP)
    remembered_R = arrived_R & (curvature_R > settings.tolerance_curvature)

    def push(history: Tensor, newest: Tensor) -> Tensor:
        return choose(remembered_R, torch.cat((history[:, 1:], newest[:, None]), 1), history)

    return replace(
        state,
        steps_RMP=push(state.steps_RMP, step_RP),
        changes_RMP=push(state.changes_RMP, change_RP),
        rho_RM=push(state.rho_RM, 1 / curvature_R),
        scale_R=choose(remembered_R, curvature_R / dot(change_RP, change_RP), state.scale_R),
    )


def _aim(settings: Lbfgs, state: LbfgsState, first_R: Tensor, arrived_R: Tensor, settled_R: Tensor) -> LbfgsState:
    """Lanes that arrived start the next line search, unless settled, or the line is no descent."""
    direction_RP = _direction(state)
    slope_R = dot(state.gradient_RP, direction_RP)
    done_R = settled_R | (slope_R > -settings.tolerance_change)
    lost_R = ~done_R & ~slope_R.isfinite()
    cautious_R = (1 / state.gradient_RP.abs().sum(-1)).clamp(max=1) * state.learning_rate_R
    length_R = torch.where(first_R, cautious_R, state.learning_rate_R)
    origin_RL = torch.stack((torch.zeros_like(slope_R), state.loss_R, slope_R), -1)
    return replace(
        state,
        direction_RP=choose(arrived_R, direction_RP, state.direction_RP),
        slope_R=choose(arrived_R, slope_R, state.slope_R),
        length_R=choose(arrived_R, length_R, state.length_R),
        probes_R=state.probes_R * ~arrived_R,
        zooming_R=state.zooming_R & ~arrived_R,
        low_RL=choose(arrived_R, origin_RL, state.low_RL),
        low_first_R=state.low_first_R | arrived_R,
        slow_R=state.slow_R & ~arrived_R,
        finished_R=state.finished_R | (arrived_R & done_R),
        diverged_R=state.diverged_R | (arrived_R & lost_R),
    )


def _direction(state: LbfgsState) -> Tensor:
    """Minus the inverse Hessian times the gradient (Nocedal & Wright 2006, algorithm 7.4).

    Empty places of the history have s = y = rho = 0 and change nothing; with all empty it is minus the gradient.
    """
    steps, changes, rhos = state.steps_RMP.unbind(1), state.changes_RMP.unbind(1), state.rho_RM[:, :, None].unbind(1)
    d_RP = -state.gradient_RP
    alphas = []
    for s_RP, y_RP, rho_R1 in zip(reversed(steps), reversed(changes), reversed(rhos), strict=True):
        alphas.append((s_RP * d_RP).sum(-1, keepdim=True) * rho_R1)
        d_RP = d_RP - alphas[-1] * y_RP
    d_RP = d_RP * state.scale_R[:, None]
    for s_RP, y_RP, rho_R1, alpha_R1 in zip(steps, changes, rhos, reversed(alphas), strict=True):
        beta_R1 = (y_RP * d_RP).sum(-1, keepdim=True) * rho_R1
        d_RP = d_RP + (alpha_R1 - beta_R1) * s_RP
    return d_RP


def _nest(per_step: int, state: LbfgsState, repeated_R: Tensor, ended_R: Tensor) -> LbfgsState:
    """Lanes that have just repeated an evaluation begin their search; those whose step is over will repeat one.

    The limit on evaluations is torch's `max_eval`. To repeat, the next probe has length 0, so that it is the accepted
    point.
    """
    over_R = ended_R & (
        (state.iterations_R - state.iterations_before_R >= per_step)
        | (state.evaluations_R - state.evaluations_before_R >= per_step * 5 // 4)
    )
    length_R = torch.where(repeated_R, state.learning_rate_R, state.length_R)
    return replace(
        state,
        length_R=torch.where(over_R, 0.0, length_R),
        repeating_R=over_R | (state.repeating_R & ~repeated_R),
        iterations_before_R=torch.where(over_R, state.iterations_R, state.iterations_before_R),
        evaluations_before_R=torch.where(over_R, state.evaluations_R, state.evaluations_before_R),
    )
