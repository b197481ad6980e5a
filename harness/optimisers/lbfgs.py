"""L-BFGS with a strong-Wolfe line search: the path of torch.optim.LBFGS, lane by lane.

A line search is a state machine, so that no lane waits for another's: a lane is at its first evaluation, is
*bracketing* (lengthening its step until a minimum lies behind), or is *zooming* into the bracket. Masks say which.
The host never looks at them, and an evaluation is the same operations in every case, however long the history.

Legend: R lanes, P parameters, C = 2 parts of a place (position, gradient), whose differences are a pair (s, y), M
places for pairs in the history, L = 3 numbers of a point on the search line: (length, loss, slope), with length in
units of the direction and slope = gradient . direction, K points of a `Line`, B flags of `Marks`. A *probe* is one
evaluation inside a line search. A *step* is what one call of torch's `.step()` does, where `iterations_per_step`
nests iterations so: its opening evaluation repeats that of the accepted point, and all else goes on from step to
step.

Follows torch 2.13 `torch/optim/lbfgs.py` (`_strong_wolfe` with its default max_ls = 25): the same tests in the same
order, and the same numbers up to rounding. Three differences are meant.
(1) torch's tests of convergence end one call of `.step()`; here they finish the lane. (2) torch doesn't handle losses
that are not finite; here such a probe has no loss, which the same rules read as "too long a step", and the
interpolation halves the bracket, until the search ends. Finite searches are not affected. (3) Where few evaluations
are left of a step, torch 2.13 cuts the search short; pykan's copy of an earlier torch doesn't, nor is it done here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, FiniteFloat, PositiveInt

from harness.base.frozen import Positive
from harness.families.base import ShapeBase
from harness.families.later import Tensor, torch
from harness.optimisers.base import GradientOptimiser, LaneState, begun
from harness.optimisers.lanes import but_not, choose, dot, largest, learning_rates, or_not

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
    """`position_RP` is the accepted point, and the first part of `accepted_RCP`."""

    accepted_RCP: Tensor
    # The search line from there, the length of the next probe on it, and where that is.
    direction_RP: Tensor
    length_R: Tensor
    asked_RP: Tensor
    # The line search, see `Line`: numbers of its points, what else it knows, and where its low point is.
    probes_R: Tensor
    line_RKL: Tensor
    marks_RB: Tensor
    low_RCP: Tensor
    # The inverse Hessian, see `_direction`; `oldest_RM` is the place that the next pair takes.
    pairs_RCMP: Tensor
    inverse_RMM: Tensor
    scale_R: Tensor
    oldest_RM: Tensor
    learning_rate_R: Tensor
    # Nested steps: whether the next evaluation is the repeated one, and the counts before this step.
    repeating_R: Tensor
    iterations_before_R: Tensor
    evaluations_before_R: Tensor

    @property
    def loss_R(self) -> Tensor:
        """Of the accepted point; +inf before the first evaluation."""
        return self.line_RKL[:, 0, 1]

    @property
    def gradient_RP(self) -> Tensor:
        """At the accepted point."""
        return self.accepted_RCP[:, 1]

    @property
    def slope_R(self) -> Tensor:
        """Of the search line at the accepted point."""
        return self.line_RKL[:, 0, 2]


class Line(NamedTuple):
    """Points on a search line, [R, L] each.

    `left` and `right` are, while zooming, the ends of the bracket; while bracketing, the last two probes. `low` is the
    one of them that is accepted if the search ends now.
    """

    start: Tensor
    left: Tensor
    right: Tensor
    low: Tensor


class Marks(NamedTuple):
    """What else a line search knows, [R] each; nothing of it holds when it begins."""

    zooming: Tensor
    low_is_right: Tensor
    low_is_second: Tensor  # low is torch's bracket[1], which loses ties
    close: Tensor  # the last probe is close to an end (torch: insuf_progress)


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
    torch_version = 2  # since the inverse Hessian is in its compact form

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
        M, zero_R = self.history, position_RP.new_zeros(R)
        counter_R = zero_R.to(torch.int64)
        rate_R = learning_rates(self.learning_rate, position_RP, learning_rate_R)
        fields = begun(position_RP)
        accepted_RCP = torch.stack((fields["position_RP"], torch.zeros_like(position_RP)), 1)
        # The first evaluation ends a search of its own: one without direction, from a loss that any other is below.
        nothing_RL = torch.stack((zero_R, zero_R + math.inf, zero_R), -1)
        return LbfgsState(
            **fields,
            accepted_RCP=accepted_RCP,
            direction_RP=torch.zeros_like(position_RP),
            length_R=rate_R,
            asked_RP=fields["position_RP"],
            probes_R=counter_R,
            line_RKL=torch.stack([nothing_RL] * len(Line._fields), 1),
            marks_RB=torch.zeros(R, len(Marks._fields), dtype=torch.bool, device=position_RP.device),
            low_RCP=accepted_RCP,
            pairs_RCMP=position_RP.new_zeros(R, 2, M, P),
            inverse_RMM=torch.eye(M, dtype=position_RP.dtype, device=position_RP.device).repeat(R, 1, 1),
            scale_R=zero_R + 1,
            oldest_RM=torch.arange(M, device=position_RP.device).expand(R, M) == 0,
            learning_rate_R=rate_R,
            repeating_R=counter_R.bool(),
            iterations_before_R=counter_R,
            evaluations_before_R=counter_R,
        )

    def ask(self, state: LbfgsState) -> Tensor:
        return state.asked_RP

    def tell(self, state: LbfgsState, loss_R: Tensor, gradient_RP: Tensor) -> LbfgsState:
        """One evaluation in every lane, whatever each is at; finished and diverged lanes stay as they are, uncounted.

        A lane has diverged when its first loss or gradient is not finite, when the shortest step that its line search
        tried still isn't, or when its next search line has no finite slope.
        """
        running_R = _running(state)
        searching_R = running_R
        if self.iterations_per_step is not None:
            searching_R = but_not(running_R, state.repeating_R)
        first_R = state.evaluations_R == 0
        slope_R = dot(gradient_RP, state.direction_RP)
        known_R = 0 * loss_R * slope_R  # 0, or NaN if one of them, and so any element of the gradient, is not finite
        probe_RL = torch.stack((state.length_R, loss_R + known_R, slope_R), -1)
        place_RCP = torch.stack((state.asked_RP, gradient_RP), 1)
        state = replace(state, evaluations_R=state.evaluations_R + running_R)
        reach_R = largest(state.direction_RP)
        state, ended_R, rise_R = _narrow(state, searching_R, probe_RL, place_RCP, reach_R)
        state = _accept(self, state, first_R, searching_R, ended_R, rise_R, reach_R)
        running_R = _running(state)
        if self.iterations_per_step is not None:
            state = _nest(self.iterations_per_step, state, but_not(ended_R, first_R) & running_R)
        probe_RP = state.position_RP + state.length_R[:, None] * state.direction_RP
        return replace(state, asked_RP=choose(running_R, probe_RP, state.position_RP))


def _running(state: LbfgsState) -> Tensor:
    return ~(state.finished_R | state.diverged_R)


# ----------------------------------------------------------------------------------------------------- the line search
def _narrow(
    state: LbfgsState, searching_R: Tensor, probe_RL: Tensor, place_RCP: Tensor, reach_R: Tensor
) -> tuple[LbfgsState, Tensor, Tensor]:
    """The line searches with one more probe, the lanes whose search ended, and how much higher right is than left.

    The point to accept is then `low`. The loss of a probe that is not finite is NaN: it passes no test. Of lanes that
    do not search, `low_RCP` stays, and all else is for `_accept` to set.
    """
    line, marks = Line(*state.line_RKL.unbind(1)), Marks(*state.marks_RB.unbind(-1))
    zooming_R = marks.zooming
    length_R, loss_R, slope_R = probe_RL.unbind(-1)
    _, start_loss_R, start_slope_R = line.start.unbind(-1)
    spent_R = state.probes_R >= MAX_PROBES
    # Out of probes while bracketing, torch compares the last probe with the start and forgets those between.
    forgets_R = but_not(spent_R, zooming_R)
    low_RL = choose(forgets_R, line.start, line.low)
    low_RCP = choose(forgets_R, state.accepted_RCP, state.low_RCP)

    flattest_R = -CURVATURE * start_slope_R
    flat_R = slope_R.abs() <= flattest_R
    low_enough_R = loss_R <= start_loss_R + SUFFICIENT_DECREASE * length_R * start_slope_R
    lower_R = loss_R < low_RL[:, 1]
    goes_on_R = (lower_R | (state.probes_R <= 1)) & (slope_R <= flattest_R)
    # Good is a probe that no minimum is known to lie before; its loss may still be the higher one, and vice versa.
    good_R = torch.where(forgets_R, lower_R, low_enough_R & torch.where(zooming_R, lower_R, goes_on_R))
    lowest_R = but_not(torch.where(marks.low_is_second, loss_R <= low_RL[:, 1], lower_R), good_R)
    is_low_R = searching_R & (good_R | lowest_R)

    is_left_R = zooming_R & torch.where(good_R, slope_R < 0, marks.low_is_right)
    left_RL = choose(is_left_R, probe_RL, choose(zooming_R, line.left, line.right))
    right_RL = choose(is_left_R, line.right, probe_RL)
    low_RL = choose(is_low_R, probe_RL, low_RL)
    zooming_R = or_not(zooming_R, good_R)
    across_RL = right_RL - left_RL
    tight_R = zooming_R & (across_RL[:, 0] * reach_R < NARROWEST)
    ended_R = searching_R & ((good_R & flat_R) | spent_R | tight_R)
    next_R, close_R = _next_length(left_RL, right_RL, across_RL, zooming_R, marks.close)
    state = replace(
        state,
        length_R=next_R,
        probes_R=state.probes_R + 1,
        line_RKL=torch.stack((line.start, left_RL, right_RL, low_RL), 1),
        marks_RB=torch.stack((zooming_R, is_low_R ^ is_left_R, marks.low_is_second ^ lowest_R, close_R), -1),
        low_RCP=choose(is_low_R, place_RCP, low_RCP),
    )
    return state, ended_R, across_RL[:, 1]


def _next_length(
    left_RL: Tensor, right_RL: Tensor, across_RL: Tensor, zooming_R: Tensor, close_R: Tensor
) -> tuple[Tensor, Tensor]:
    """The length of the next probe, and whether it is close to an end of the bracket.

    It is where the cubic through both points is least, within bounds, or half-way between these where that has no
    minimum. Bracketing lanes go beyond the right point. In a bracket a tenth of its width at each end is avoided, from
    the second time on that the minimum is there, or at once where it is not inside.
    """
    right_R, width_R = right_RL[:, 0], across_RL[:, 0]
    # How far back from the right point, in widths: of bracketing lanes to 10 and to 1.01 times its length.
    least_R = (-9 * right_R / width_R).masked_fill(zooming_R, 0.1)
    most_R = torch.full_like(width_R, -0.01).masked_fill(zooming_R, 0.9)
    back_R = _cubic_minimum(left_RL, right_RL, across_RL)
    back_R = torch.where(back_R.isnan(), (least_R + most_R) / 2, back_R)
    bounded_R = back_R.clamp(least_R, most_R)
    is_bounded_R = or_not(close_R, zooming_R & (back_R > 0) & (back_R < 1))
    next_R = torch.where(is_bounded_R, bounded_R, back_R)
    return right_R - width_R * next_R, next_R != bounded_R


def _cubic_minimum(left_RL: Tensor, right_RL: Tensor, across_RL: Tensor) -> Tensor:
    """Where the cubic through two points with their slopes is least, as in `_next_length`; NaN where it isn't.

    Nocedal & Wright (2006), eq. 3.59.
    """
    left_slope_R, right_slope_R = left_RL[:, 2], right_RL[:, 2]
    width_R, rise_R, bend_R = across_RL.unbind(-1)
    d1_R = left_slope_R + right_slope_R - 3 * (rise_R / width_R)
    d2_R = (d1_R * d1_R - left_slope_R * right_slope_R).sqrt()
    return (right_slope_R + d2_R - d1_R) / (bend_R + 2 * d2_R)


# ------------------------------------------------------------------------------------------------------- the next line
def _accept(
    settings: Lbfgs,
    state: LbfgsState,
    first_R: Tensor,
    searching_R: Tensor,
    ended_R: Tensor,
    rise_R: Tensor,
    reach_R: Tensor,
) -> LbfgsState:
    """Lanes whose search ended stand at `low`, remember the step there, and aim anew unless they have converged.

    A search that found nothing lower has a step of 0; it has found nothing finite if the other end is not. Lanes that
    do not search get what they have again.
    """
    goes_on_R = but_not(searching_R, ended_R)
    pair_RCP = state.low_RCP - state.accepted_RCP
    low_length_R, low_loss_R, _ = state.line_RKL[:, 3].unbind(-1)
    gradient_RP = state.low_RCP[:, 1]
    is_small_R = low_length_R * reach_R <= settings.tolerance_change
    still_R = but_not(is_small_R | (state.loss_R - low_loss_R < settings.tolerance_change), first_R)
    settled_R = still_R | (largest(gradient_RP) <= settings.tolerance_gradient)
    broken_R = is_small_R & rise_R.isnan()

    state = _remember(settings, state, ended_R, pair_RCP)
    direction_RP = _direction(state, gradient_RP)
    slope_R = dot(gradient_RP, direction_RP)
    settled_R = settled_R | (slope_R > -settings.tolerance_change)
    sound_R = but_not(slope_R > -math.inf, broken_R)
    # torch's first step is no longer than 1 in the sum of absolute values.
    longest_R = (torch.linalg.vector_norm(gradient_RP, 1, -1) * first_R).clamp(min=1)
    zero_R = state.line_RKL[:, 0, 0]
    start_RL = torch.stack((zero_R, low_loss_R, slope_R), -1)
    accepted_RCP = choose(goes_on_R, state.accepted_RCP, state.low_RCP)
    return replace(
        state,
        position_RP=accepted_RCP[:, 0],
        iterations_R=state.iterations_R + but_not(ended_R, first_R),
        finished_R=state.finished_R | (ended_R & settled_R & sound_R),
        diverged_R=state.diverged_R | but_not(ended_R, sound_R),
        accepted_RCP=accepted_RCP,
        direction_RP=choose(goes_on_R, state.direction_RP, direction_RP),
        length_R=torch.where(goes_on_R, state.length_R, state.learning_rate_R / longest_R),
        probes_R=state.probes_R * goes_on_R,
        line_RKL=choose(goes_on_R, state.line_RKL, start_RL[:, None]),
        marks_RB=state.marks_RB & goes_on_R[:, None],
    )


def _remember(settings: Lbfgs, state: LbfgsState, ended_R: Tensor, pair_RCP: Tensor) -> LbfgsState:
    """The inverse Hessian with the step to `low` in place of the oldest, where its curvature is positive enough."""
    curvature_R, square_R = (pair_RCP * pair_RCP[:, 1:]).sum(-1).unbind(-1)
    remembered_R = ended_R & (curvature_R > settings.tolerance_curvature)
    written_RM = state.oldest_RM & remembered_R[:, None]
    pair_RCP = pair_RCP * curvature_R.rsqrt()[:, None, None]
    # A new last column of R is (v, 1) with v = S^T y; that of its inverse is (-R^-1 v, 1).
    cleared_RMM = state.inverse_RMM.masked_fill(written_RM[:, None] | written_RM[:, :, None], 0)
    products_RM = (state.pairs_RCMP[:, 0] * pair_RCP[:, 1:]).sum(-1)
    column_RM = written_RM + (cleared_RMM * -products_RM[:, None]).sum(-1)
    return replace(
        state,
        pairs_RCMP=torch.where(written_RM[:, None, :, None], pair_RCP[:, :, None], state.pairs_RCMP),
        inverse_RMM=torch.where(written_RM[:, None], column_RM[:, :, None], cleared_RMM),
        scale_R=torch.where(remembered_R, curvature_R / square_R, state.scale_R),
        oldest_RM=choose(remembered_R, state.oldest_RM.roll(1, -1), state.oldest_RM),
    )


def _direction(state: LbfgsState, gradient_RP: Tensor) -> Tensor:
    """Minus the inverse Hessian times the gradient, by its compact form (Byrd, Nocedal & Schnabel 1994, eq. 3.1).

    With pairs scaled so that s.y = 1, which changes nothing, and gamma the scale, that is

        H = gamma I + S R^-T (I + gamma Y^T Y) R^-1 S^T - gamma S R^-T Y^T - gamma Y R^-1 S^T

    where R_ij = s_i.y_j if i is not younger than j, else 0. A pair keeps its place, so that rows and columns of R are
    in the order of places, not of age. Dropping the oldest pair drops its row and column from R^-1 too. Of an empty
    place s = y = 0, and its row and column are those of the identity.
    """
    steps_RMP, changes_RMP = state.pairs_RCMP.unbind(1)
    products_RM = (steps_RMP * gradient_RP[:, None]).sum(-1)
    u_RM = (state.inverse_RMM * products_RM[:, None]).sum(-1)
    scaled_RP = state.scale_R[:, None] * ((changes_RMP * u_RM[:, :, None]).sum(1) - gradient_RP)
    t_RM = u_RM + (changes_RMP * scaled_RP[:, None]).sum(-1)
    v_RM = (state.inverse_RMM * t_RM[:, :, None]).sum(1)
    return scaled_RP - (steps_RMP * v_RM[:, :, None]).sum(1)


# -------------------------------------------------------------------------------------------------------- nested steps
def _nest(per_step: int, state: LbfgsState, ended_R: Tensor) -> LbfgsState:
    """Lanes whose step is over repeat an evaluation next; a lane that has just done so begins its search.

    The limit on evaluations is torch's `max_eval`. To repeat, the next probe has length 0, so that it is the accepted
    point.
    """
    over_R = ended_R & (
        (state.iterations_R - state.iterations_before_R >= per_step)
        | (state.evaluations_R - state.evaluations_before_R >= per_step * 5 // 4)
    )
    return replace(
        state,
        length_R=state.length_R.masked_fill(over_R, 0),
        repeating_R=over_R,
        iterations_before_R=torch.where(over_R, state.iterations_R, state.iterations_before_R),
        evaluations_before_R=torch.where(over_R, state.evaluations_R, state.evaluations_before_R),
    )
