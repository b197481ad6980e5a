"""Levenberg-Marquardt: the algorithm of the compiled one, lane by lane.

An evaluation is told as a linear system, which `linearise` makes of the network and its points.

`harness.train.fused.optimisers.levenberg` says what a step, its damping and an evaluation are. Here
a lane solves for its next step as soon as it is told the last one's outcome, so that it comes to
rest, or counts a system that was refused, no later than at the evaluation before. Lanes that are
refused grow their damping and solve again, while the others wait; that ends, because the damping
grows faster each time. On a device that the host would have to wait for, every lane solves TRIES
times, in place of as often as one needs it. A lane that still has no step then is *aiming*: it goes
on at the next evaluation, which tells it nothing and is not counted.

Legend: R lanes, P parameters, N points, I inputs, O outputs, K = O * N residuals, S the size of a
system: P, or K for the dual one. What the primal system does not need has K = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat

from harness.base.frozen import Positive
from harness.families.later import Tensor, torch
from harness.families.shape import ShapeBase
from harness.families.splined import SplinedShape
from harness.optimisers import normal_equations
from harness.optimisers.base import LaneObjective, LaneState, Optimiser, begun
from harness.optimisers.lanes import but_not, choose, dot, largest, shaped_like
from harness.optimisers.normal_equations import System, lane_by_lane, linearise, system_flops

TRIES = 3  # each takes the time of a factorisation in all lanes, needed or not
# Unknowns of a system: its matrix twice takes a gigabyte, its factorisation ten seconds.
LARGEST_SYSTEM = 8192
SYSTEM_AT_THE_POSITION = ("loss_R", "gradient_RP", "matrix_RSS", "residual_RK", "transposed_RPK")


@dataclass(frozen=True)
class LevenbergState(LaneState):
    """`position_RP` is the accepted point, and `iterations_R` are steps taken."""

    loss_R: Tensor  # mean squared error, and the ridge over as many residuals
    # The step from there that the next evaluation is to judge.
    step_RP: Tensor
    aiming_R: Tensor  # it has no step yet
    damping_R: Tensor
    growth_R: Tensor  # of the damping, should the next step be refused or not be taken
    # The system at the accepted point, see `System`; empty until one has been told.
    gradient_RP: Tensor
    matrix_RSS: Tensor
    residual_RK: Tensor
    transposed_RPK: Tensor
    refused_steps_R: Tensor  # systems without a solution


class LevenbergMarquardt(Optimiser):
    """Levenberg-Marquardt with Nielsen's damping, full batch; for networks of up to a few thousand
    parameters.

    `damping` is the first one, as a share of the largest diagonal element of J^T J. It shrinks by
    at most `shrink` after a step, and grows by `growth`, then its square, cube and so on, until
    there is one. `ridge` times the sum of squared second differences of every spline's coefficients
    is added to the sum of squared residuals. The lane has finished when no element of the loss's
    gradient exceeds `tolerance_gradient`, or when a step moves no parameter by more than
    `tolerance_change`, or the loss by less; the defaults run until the cap, or until steps are lost
    in rounding. An evaluation is the residuals, their Jacobian and the normal equations at one
    position.
    """

    title = "Levenberg-Marquardt"
    state = LevenbergState
    needs_squares = True
    has_loop = True
    takes_batches = False

    name: Literal["levenberg_marquardt"]
    damping: Positive = 1e-2
    shrink: float = Field(3.0, gt=1)
    growth: float = Field(2.0, gt=1)
    ridge: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    tolerance_gradient: Annotated[FiniteFloat, Field(ge=0)] = 1e-32
    tolerance_change: Annotated[FiniteFloat, Field(ge=0)] = 1e-32

    def flops(
        self, network: ShapeBase, samples: int, evaluations: int, iterations: int, starts: int
    ) -> int:
        """A row of the Jacobian is part of an evaluation's passes through the network, and not in
        it.
        """
        return evaluations * self._system_flops(network, samples, network.trainable)

    def flops_on_zeros(self, network: ShapeBase, samples: int, evaluations: int) -> int:
        """A residual depends on some coefficients of each spline only; the rest of its row of the
        Jacobian is 0.
        """
        rows = network.trainable, network.active_parameters
        all_rows, active_rows = (self._system_flops(network, samples, row) for row in rows)
        return evaluations * (all_rows - active_rows)

    def _system_flops(self, network: ShapeBase, samples: int, row: int) -> int:
        residuals = samples * network.outputs
        return system_flops(network.trainable, residuals, row, self.is_dual(network, residuals))

    def kept_numbers(self, network: ShapeBase, residuals: int) -> int:
        """The Jacobian, and two matrices of the system."""
        size = residuals if self.is_dual(network, residuals) else network.trainable
        return residuals * network.trainable + 2 * size**2

    def timed_by(self, network: ShapeBase) -> dict[str, Any]:
        """Whether there is a ridge, however strong."""
        return {"has_ridge": True} if self.has_ridge(network) else {}

    def is_dual(self, network: ShapeBase, residuals: int) -> bool:
        """Whether the system that is solved has the size of the residuals in place of that of the
        parameters.

        A ridge adds nearly as many residuals as there are parameters, so that a dual system would
        be no smaller.
        """
        return network.trainable > residuals and not self.has_ridge(network)

    def has_ridge(self, network: ShapeBase) -> bool:
        """A ridge acts on splines only."""
        return self.ridge > 0 and isinstance(network, SplinedShape)

    # ----------------------------------------------------------------------------------------------
    # torch lanes
    def start(
        self,
        position_RP: Tensor,
        learning_rate_R: Tensor | None = None,
        total_steps: int | None = None,
    ) -> LevenbergState:
        R, P = position_RP.shape
        zero_R, zero_RP = position_RP.new_zeros(R), position_RP.new_zeros(R, P)
        return LevenbergState(
            **begun(position_RP),
            loss_R=zero_R + math.inf,
            step_RP=zero_RP,
            aiming_R=zero_R.bool(),
            damping_R=zero_R,
            growth_R=zero_R + self.growth,
            gradient_RP=zero_RP,
            matrix_RSS=position_RP.new_zeros(R, 0, 0),
            residual_RK=position_RP.new_zeros(R, 0),
            transposed_RPK=position_RP.new_zeros(R, P, 0),
            refused_steps_R=zero_R.to(torch.int64),
        )

    def ask(self, state: LevenbergState) -> Tensor:
        return choose(_judged(state), state.position_RP + state.step_RP, state.position_RP)

    def evaluate(self, state: LevenbergState, objective: LaneObjective) -> LevenbergState:
        with torch.no_grad():
            return self.tell(state, linearise(self, self.ask(state), objective))

    def tell(self, state: LevenbergState, system: System) -> LevenbergState:
        """The step of every lane is taken if the loss falls; lanes at rest stay as they are,
        uncounted.

        A lane has diverged when its first loss or gradient is not finite; later such a step is not
        taken.
        """
        judged_R = _judged(state)
        first_R = judged_R & (state.evaluations_R == 0)
        later_R = but_not(judged_R, first_R)
        fall_R = state.loss_R - system.loss_R  # from +inf to +inf it is NaN, which is no fall
        taken_R = judged_R & (fall_R > 0)
        settled_R = (
            (later_R & (largest(state.step_RP) <= self.tolerance_change))
            | (later_R & taken_R & (fall_R < self.tolerance_change))
            | (
                taken_R
                & (largest(system.gradient_RP) * 2 / system.residuals_R <= self.tolerance_gradient)
            )
        )
        damping_R = torch.where(
            first_R, self.damping * system.peak_R, _eased(self, state, system, fall_R)
        )
        state = replace(
            _accept(self, state, system, taken_R),
            damping_R=torch.where(taken_R, damping_R, state.damping_R),
            growth_R=torch.where(taken_R, self.growth, state.growth_R),
            iterations_R=state.iterations_R + (later_R & taken_R),
            evaluations_R=state.evaluations_R + judged_R,
            finished_R=state.finished_R | settled_R,
            diverged_R=state.diverged_R | but_not(first_R, taken_R),
        )
        return _aim(self, _grow(self, state, but_not(later_R, taken_R)))

    def counters(self, state: LevenbergState) -> Tensor:
        return torch.stack([state.evaluations_R, state.iterations_R, state.refused_steps_R])

    # ---------------------------------------------------------------------------------------------
    # what it cannot learn
    def why_no_pde(self) -> str | None:
        return (
            f"name={self.name}: it has no Jacobian of second derivatives, by which a PDE is "
            "learnt; use lbfgs or adam"
        )

    def why_infeasible(self, network: ShapeBase, points: int) -> str | None:
        """It factorises a dense matrix."""
        if why := network.without_levenberg():
            return why
        residuals = points * network.outputs
        size = residuals if self.is_dual(network, residuals) else network.trainable
        if size <= LARGEST_SYSTEM:
            return None
        return (
            f"{self.name} would solve for {size:,} unknowns, at most {LARGEST_SYSTEM:,} are "
            "allowed; "
            "ask for smaller networks, or use lbfgs"
        )

    def that_matters(self, network: ShapeBase, points: int) -> LevenbergMarquardt:
        """Without splines a ridge has nothing to act on."""
        return self if isinstance(network, SplinedShape) else self.model_copy(update={"ridge": 0.0})


# --------------------------------------------------------------------------------------------------
# judging
def _running(state: LevenbergState) -> Tensor:
    return ~(state.finished_R | state.diverged_R)


def _judged(state: LevenbergState) -> Tensor:
    """Lanes that the next evaluation tells something."""
    return but_not(_running(state), state.aiming_R)


def _eased(
    settings: LevenbergMarquardt, state: LevenbergState, system: System, fall_R: Tensor
) -> Tensor:
    """The damping after a step that is taken: less, the better the loss fell as the linear model
    had promised.

    Never less than what is lost in rounding, and never 0, which could not grow.
    """
    promised_R = state.damping_R * dot(state.step_RP, state.step_RP) - dot(
        state.step_RP, state.gradient_RP
    )
    surplus_R = 2 * (fall_R * system.residuals_R / promised_R) - 1
    eased_R = state.damping_R * (1 - surplus_R * surplus_R * surplus_R).clamp_min(
        1 / settings.shrink
    )
    return torch.maximum(eased_R, torch.finfo(eased_R.dtype).eps * system.peak_R)


def _accept(
    settings: LevenbergMarquardt, state: LevenbergState, system: System, taken_R: Tensor
) -> LevenbergState:
    """Lanes of the mask stand where they asked, with the system there."""
    pairs = {name: (getattr(system, name), getattr(state, name)) for name in SYSTEM_AT_THE_POSITION}
    system_tensors = {
        name: choose(taken_R, new, shaped_like(new, old)) for name, (new, old) in pairs.items()
    }
    return replace(
        state, position_RP=choose(taken_R, settings.ask(state), state.position_RP), **system_tensors
    )


def _grow(settings: LevenbergMarquardt, state: LevenbergState, mask_R: Tensor) -> LevenbergState:
    """More damping after a step that was refused or not taken; a lane that needs more than there is
    has finished.
    """
    grown_R = state.damping_R * state.growth_R
    growing_R = mask_R & (grown_R < math.inf)
    return replace(
        state,
        damping_R=torch.where(growing_R, grown_R, state.damping_R),
        growth_R=torch.where(growing_R, state.growth_R * settings.growth, state.growth_R),
        finished_R=state.finished_R | but_not(mask_R, growing_R),
    )


# --------------------------------------------------------------------------------------------------
# the step
def _aim(settings: LevenbergMarquardt, state: LevenbergState) -> LevenbergState:
    """The next step of every lane that runs; one that leads nowhere, to the last bit, finishes the
    lane.
    """
    open_R = _running(state)
    on_host, tries = normal_equations.is_on_host(open_R), 0
    while bool(open_R.any()) if on_host else tries < TRIES:
        step_RP, found_R = _solve(state, open_R)
        refused_R = but_not(open_R, found_R)
        state = replace(
            state,
            step_RP=choose(open_R & found_R, step_RP, state.step_RP),
            refused_steps_R=state.refused_steps_R + refused_R,
        )
        state = _grow(settings, state, refused_R)
        open_R, tries = but_not(refused_R, state.finished_R), tries + 1
    stays_R = (state.position_RP + state.step_RP == state.position_RP).all(-1)
    state = replace(state, aiming_R=open_R)
    return replace(state, finished_R=state.finished_R | (_judged(state) & stays_R))


def _solve(state: LevenbergState, open_R: Tensor) -> tuple[Tensor, Tensor]:
    """The damped steps of at least the lanes of the mask, and which of these have one."""
    system = (
        state.matrix_RSS,
        state.damping_R,
        state.gradient_RP,
        state.residual_RK,
        state.transposed_RPK,
    )
    if not normal_equations.is_on_host(open_R):
        return _damped_step(*system)
    (index_L,) = open_R.nonzero(as_tuple=True)
    steps_LP, found_L = lane_by_lane(_damped_step, index_L.tolist(), *system)
    return state.step_RP.index_copy(0, index_L, steps_LP), torch.zeros_like(open_R).index_copy(
        0, index_L, found_L
    )


def _damped_step(
    matrix: Tensor, damping: Tensor, gradient: Tensor, residual: Tensor, transposed: Tensor
) -> tuple[Tensor, Tensor]:
    """-(J^T J + damping I)^-1 J^T r, or the same by J J^T; and whether the system is positive
    definite in rounding.
    """
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    factor, info = torch.linalg.cholesky_ex(matrix + damping[..., None, None] * identity)
    if residual.shape[-1]:
        step = transposed @ torch.cholesky_solve(residual[..., None], factor)
    else:
        step = torch.cholesky_solve(gradient[..., None], factor)
    finite = factor.diagonal(dim1=-2, dim2=-1).amax(-1) < math.inf
    return -step[..., 0], (info == 0) & finite
