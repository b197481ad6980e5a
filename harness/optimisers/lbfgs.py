"""L-BFGS with a strong-Wolfe line search: the path of torch.optim.LBFGS, lane by lane.

A line search is a state machine, so that no lane waits for another's: a lane is at its first
evaluation, is *bracketing* (lengthening its step until a minimum lies behind), or is *zooming* into
the bracket. Masks say which. The host never looks at them, and an evaluation is the same operations
in every case, however long the history.

Legend: R lanes, P parameters, L = 3 numbers of a point on the search line: (length, loss, slope),
with length in units of the direction and slope = gradient . direction, C = 2 parts of a place
(position, gradient), whose differences are a pair (s, y), Z = L + C P numbers of a point and its
place, one after the other, M places for pairs in the history, S numbers of a `Search`, B flags of
`Marks`. A *probe* is one evaluation inside a line search. A *step* is what one call of torch's
`.step()` does, where `iterations_per_step` nests iterations so: its opening evaluation repeats that
of the accepted point, and all else goes on from step to step.

Follows torch 2.13 `torch/optim/lbfgs.py` (`_strong_wolfe` with its default max_ls = 25): the same
tests in the same order, and the same numbers up to rounding. Three differences are meant. (1)
torch's tests of convergence end one call of `.step()`; here they finish the lane. (2) torch doesn't
handle losses that are not finite; here such a probe has no loss, which the same rules read as "too
long a step", and the interpolation halves the bracket, until the search ends. Finite searches are
not affected. (3) Where few evaluations are left of a step, torch 2.13 cuts the search short;
pykan's copy of an earlier torch doesn't, nor is it done here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, PositiveInt

from harness.base.frozen import Positive, left_out_at
from harness.families.later import Tensor, torch
from harness.families.shape import ShapeBase
from harness.optimisers.base import GradientOptimiser, LaneState, begun
from harness.optimisers.lanes import but_not, choose, dot, largest, learning_rates, or_not
from harness.optimisers.line_search import L, Marks, Search, narrow

# A scalar: an iteration takes differences of position and gradient, three inner products, two
# scalings and its stopping checks; an evaluation of the line search a step and a slope.
ITERATION_OPERATIONS = 15
EVALUATION_OPERATIONS = 4


@dataclass(frozen=True)
class LbfgsState(LaneState):
    """`position_RP` is the accepted point."""

    asked_RP: Tensor
    # The line search, see `Search`, and what else it knows.
    search_RS: Tensor
    marks_RB: Tensor
    # The inverse Hessian, see `_direction`; `oldest_RM` is the place that the next pair takes.
    pairs_RCMP: Tensor
    inverse_RMM: Tensor
    scale_R: Tensor
    oldest_RM: Tensor
    learning_rate_R: Tensor
    # Nested steps: whether the next evaluation is the repeated one, and the counts before this
    # step.
    repeating_R: Tensor
    iterations_before_R: Tensor
    evaluations_before_R: Tensor

    @property
    def search(self) -> Search:
        """The line search, part by part."""
        P = self.position_RP.shape[-1]
        return Search(*self.search_RS.split((L + 2 * P, L + 2 * P, L, L, P, 1, 1), -1))


class Lbfgs(GradientOptimiser):
    """L-BFGS with a strong-Wolfe line search (c1 = 1e-4, c2 = 0.9), full batch, as
    torch.optim.LBFGS.

    The tolerances default to the KAN paper's 1e-32, that is, to running until the cap.
    `tolerance_curvature` is the y.s at or below which a step is not remembered: torch's fixed 1e-10
    stops the memory, and with it the progress, once the loss is near 1e-8.

    `iterations_per_step` nests iterations in steps as torch's `max_iter` does, 20 in the KAN paper:
    after so many, or after 5/4 as many evaluations, the accepted point is evaluated once more,
    which is counted and changes nothing else.
    """

    title = "L-BFGS"
    state = LbfgsState
    timing = ("history",)
    has_loop = True
    takes_batches = False
    torch_version = 2  # since the inverse Hessian is in its compact form

    name: Literal["lbfgs"]
    learning_rate: Positive = 1.0
    history: PositiveInt = 10
    tolerance_gradient: Annotated[FiniteFloat, Field(ge=0)] = 1e-32
    tolerance_change: Annotated[FiniteFloat, Field(ge=0)] = 1e-32
    tolerance_curvature: Annotated[FiniteFloat, Field(ge=0)] = 1e-32
    iterations_per_step: PositiveInt | None = left_out_at(None)

    def flops(
        self, network: ShapeBase, samples: int, evaluations: int, iterations: int, starts: int
    ) -> int:
        """Its memory begins empty in each of `starts`, which share the iterations evenly, and in
        each stage.

        It also does where knots move; that is not counted, an overstatement.
        """
        share = iterations // starts
        remembered = starts * (
            sum(range(min(share, self.history))) + max(share - self.history, 0) * self.history
        )
        return network.trainable * (
            # The two-loop recursion: an inner product and an update in each loop for each pair that
            # is remembered. (Where a fused multiply-add counts as 1, this is the 4 m P of the
            # literature.)
            8 * remembered + ITERATION_OPERATIONS * iterations + EVALUATION_OPERATIONS * evaluations
        )

    def kept_numbers(self, network: ShapeBase, residuals: int) -> int:
        """Steps and changes that are remembered, and what a line search needs."""
        return (2 * self.history + 8) * network.trainable

    @property
    def rate(self) -> float:
        return self.learning_rate

    # ----------------------------------------------------------------------------------------------
    # torch lanes
    def start(
        self,
        position_RP: Tensor,
        learning_rate_R: Tensor | None = None,
        total_steps: int | None = None,
    ) -> LbfgsState:
        (R, P), M = position_RP.shape, self.history
        rate_R = learning_rates(self.learning_rate, position_RP, learning_rate_R)
        fields = begun(position_RP)
        counter_R = fields["evaluations_R"]
        # The first evaluation ends a search of its own: one without direction, from a loss that any
        # other is below.
        zero_R1 = position_RP.new_zeros(R, 1)
        none_RL = torch.cat((zero_R1, zero_R1 + math.inf, zero_R1), 1)
        zero_RP = torch.zeros_like(position_RP)
        start_RZ = torch.cat((none_RL, fields["position_RP"], zero_RP), 1)
        search = Search(start_RZ, start_RZ, none_RL, none_RL, zero_RP, rate_R[:, None], zero_R1)
        no_R = fields["finished_R"]
        marks = Marks(~no_R, no_R, no_R, no_R, no_R)
        return LbfgsState(
            **fields,
            asked_RP=fields["position_RP"],
            search_RS=torch.cat(search, 1),
            marks_RB=torch.stack(marks, -1),
            pairs_RCMP=position_RP.new_zeros(R, 2, M, P),
            inverse_RMM=torch.eye(M, dtype=position_RP.dtype, device=position_RP.device).repeat(
                R, 1, 1
            ),
            scale_R=torch.ones_like(rate_R),
            oldest_RM=torch.arange(M, device=position_RP.device).expand(R, M) == 0,
            learning_rate_R=rate_R,
            repeating_R=no_R,
            iterations_before_R=counter_R,
            evaluations_before_R=counter_R,
        )

    def ask(self, state: LbfgsState) -> Tensor:
        return state.asked_RP

    def tell(self, state: LbfgsState, loss_R: Tensor, gradient_RP: Tensor) -> LbfgsState:
        """One evaluation in every lane, whatever each is at; finished and diverged lanes stay as
        they are, uncounted.

        A lane has diverged when its first loss or gradient is not finite, when the shortest step
        that its line search tried still isn't, or when its next search line has no finite slope.
        """
        running_R = _running(state)
        searching_R = running_R
        if self.iterations_per_step is not None:
            searching_R = but_not(running_R, state.repeating_R)
        search = state.search
        slope_R = dot(gradient_RP, search.direction_RP)
        # The loss plus 0, or NaN if it or the slope, and so any element of the gradient, is not
        # finite.
        loss_R = torch.addcmul(loss_R, 0 * loss_R, slope_R)
        probe_RZ = torch.cat(
            (search.length_R1, loss_R[:, None], slope_R[:, None], state.asked_RP, gradient_RP), 1
        )
        reach_R = largest(search.direction_RP)
        state = replace(state, evaluations_R=state.evaluations_R + running_R)
        marks = Marks(*state.marks_RB.unbind(-1))
        search, marks, ended_R, rise_R = narrow(search, marks, searching_R, probe_RZ, reach_R)
        state = _accept(self, state, search, marks, searching_R, ended_R, rise_R, reach_R)
        probing_R = _running(state)
        if self.iterations_per_step is not None:
            state = _nest(
                self.iterations_per_step, state, but_not(ended_R, marks.first) & probing_R
            )
            probing_R = but_not(probing_R, state.repeating_R)
        search = state.search
        position_RP = _place(search.start_RZ)[:, 0]
        probe_RP = position_RP + search.length_R1 * search.direction_RP
        return replace(
            state, position_RP=position_RP, asked_RP=choose(probing_R, probe_RP, position_RP)
        )


def _running(state: LbfgsState) -> Tensor:
    return state.finished_R == state.diverged_R  # no lane is both


def _place(point_RZ: Tensor) -> Tensor:
    """Position and gradient of a point, [R, C, P]."""
    return point_RZ[:, L:].unflatten(-1, (2, -1))


# --------------------------------------------------------------------------------------------------
# the next line
def _accept(
    settings: Lbfgs,
    state: LbfgsState,
    search: Search,
    marks: Marks,
    searching_R: Tensor,
    ended_R: Tensor,
    rise_R: Tensor,
    reach_R: Tensor,
) -> LbfgsState:
    """Lanes whose search ended stand at `low`, remember the step there, and aim anew unless they
    have converged.

    A search that found nothing lower has a step of 0; it has found nothing finite if the other end
    is not. Lanes that do not search get what they have again.
    """
    goes_on_R = but_not(searching_R, ended_R)
    low_RZ = search.low_RZ
    gradient_RP = _place(low_RZ)[:, 1]
    change_RZ = low_RZ - search.start_RZ
    is_small_R = low_RZ[:, 0] * reach_R <= settings.tolerance_change
    broken_R = is_small_R & rise_R.isnan()

    state = _remember(settings, state, ended_R, _place(change_RZ))
    direction_RP = _direction(state, gradient_RP)
    slope_R = dot(gradient_RP, direction_RP)
    # The loss fell by less than the tolerance, or the slope is flatter than that. `fmax` leaves out
    # what is NaN.
    is_level_R = torch.fmax(change_RZ[:, 1], slope_R) > -settings.tolerance_change
    still_R = but_not(is_small_R, marks.first) | is_level_R
    settled_R = still_R | (largest(gradient_RP) <= settings.tolerance_gradient)
    unsound_R = or_not(broken_R, slope_R > -math.inf)
    # torch's first step is no longer than 1 in the sum of absolute values.
    longest_R = (torch.linalg.vector_norm(gradient_RP, 1, -1) * marks.first).clamp(min=1)
    length_R = state.learning_rate_R / longest_R
    zero_R1 = search.start_RZ[:, :1]
    numbers = (zero_R1, low_RZ[:, 1:2], slope_R[:, None])
    start = (*numbers, low_RZ[:, L:])
    # A `Search` whose points are all the accepted one.
    anew_RS = torch.cat(
        (*start, *start, *numbers, *numbers, direction_RP, length_R[:, None], zero_R1), 1
    )
    return replace(
        state,
        iterations_R=state.iterations_R + but_not(ended_R, marks.first),
        finished_R=torch.where(ended_R, but_not(settled_R, unsound_R), state.finished_R),
        diverged_R=torch.where(ended_R, unsound_R, state.diverged_R),
        search_RS=choose(goes_on_R, torch.cat(search, 1), anew_RS),
        marks_RB=torch.stack(marks, -1) & goes_on_R[:, None],
    )


def _remember(settings: Lbfgs, state: LbfgsState, ended_R: Tensor, pair_RCP: Tensor) -> LbfgsState:
    """The inverse Hessian with the step to `low` in place of the oldest, where its curvature is
    positive enough.
    """
    curvature_R, square_R = (pair_RCP * pair_RCP[:, 1:]).sum(-1).unbind(-1)
    # Below this (1e-19 in float32) the square of a change may be 0, by which the scale would be
    # divided.
    least = max(settings.tolerance_curvature, torch.finfo(curvature_R.dtype).tiny ** 0.5)
    remembered_R = ended_R & (curvature_R > least)
    written_RM = state.oldest_RM & remembered_R[:, None]
    pair_RCP = pair_RCP * curvature_R.rsqrt()[:, None, None]
    # A new last column of R is (v, 1) with v = S^T y; that of its inverse is (-R^-1 v, 1).
    cleared_RMM = state.inverse_RMM.masked_fill(written_RM[:, None] | written_RM[:, :, None], 0)
    products_RM = (state.pairs_RCMP[:, 0] * pair_RCP[:, 1:]).sum(-1)
    column_RM = torch.add(
        written_RM, (cleared_RMM * products_RM[:, None]).sum(-1), alpha=-1
    )  # a mask minus a sum
    return replace(
        state,
        pairs_RCMP=torch.where(
            written_RM[:, None, :, None], pair_RCP[:, :, None], state.pairs_RCMP
        ),
        inverse_RMM=torch.where(written_RM[:, None], column_RM[:, :, None], cleared_RMM),
        scale_R=torch.where(remembered_R, curvature_R / square_R, state.scale_R),
        oldest_RM=choose(remembered_R, state.oldest_RM.roll(1, -1), state.oldest_RM),
    )


def _direction(state: LbfgsState, gradient_RP: Tensor) -> Tensor:
    """Minus the inverse Hessian times the gradient, by its compact form (Byrd, Nocedal & Schnabel
    1994, eq. 3.1).

    With pairs scaled so that s.y = 1, which changes nothing, and gamma the scale, that is

        H = gamma I + S R^-T (I + gamma Y^T Y) R^-1 S^T - gamma S R^-T Y^T - gamma Y R^-1 S^T

    where R_ij = s_i.y_j if i is not younger than j, else 0. A pair keeps its place, so that rows
    and columns of R are in the order of places, not of age. Dropping the oldest pair drops its row
    and column from R^-1 too. Of an empty place s = y = 0, and its row and column are those of the
    identity.
    """
    steps_RMP, changes_RMP = state.pairs_RCMP.unbind(1)
    products_RM = (steps_RMP * gradient_RP[:, None]).sum(-1)
    u_RM = (state.inverse_RMM * products_RM[:, None]).sum(-1)
    scaled_RP = state.scale_R[:, None] * ((changes_RMP * u_RM[:, :, None]).sum(1) - gradient_RP)
    t_RM = u_RM + (changes_RMP * scaled_RP[:, None]).sum(-1)
    v_RM = (state.inverse_RMM * t_RM[:, :, None]).sum(1)
    return scaled_RP - (steps_RMP * v_RM[:, :, None]).sum(1)


# --------------------------------------------------------------------------------------------------
# nested steps
def _nest(per_step: int, state: LbfgsState, ended_R: Tensor) -> LbfgsState:
    """Lanes whose step is over repeat an evaluation next; a lane that has just done so begins its
    search.

    The limit on evaluations is torch's `max_eval`.
    """
    over_R = ended_R & (
        (state.iterations_R - state.iterations_before_R >= per_step)
        | (state.evaluations_R - state.evaluations_before_R >= per_step * 5 // 4)
    )
    return replace(
        state,
        repeating_R=over_R,
        iterations_before_R=torch.where(over_R, state.iterations_R, state.iterations_before_R),
        evaluations_before_R=torch.where(over_R, state.evaluations_R, state.evaluations_before_R),
    )
