"""Levenberg-Marquardt: the algorithm of the compiled one, lane by lane.

An evaluation is told as a linear system, which `linearise` makes of the network and its points.

`harness.train.fused.optimisers.levenberg` says what a step, its damping and an evaluation are. Here a lane solves for
its next step as soon as it is told the last one's outcome, so that it comes to rest, or counts a system that was
refused, no later than at the evaluation before. Lanes that are refused grow their damping and solve again, while the
others wait; that ends, because the damping grows faster each time. On a device that the host would have to wait for,
every lane solves TRIES times, in place of as often as one needs it. A lane that still has no step then is *aiming*: it
goes on at the next evaluation, which tells it nothing and is not counted.

Legend: R lanes, P parameters, N points, I inputs, O outputs, K = O * N residuals, S the size of a system: P, or K for
the dual one. What the primal system does not need has K = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, FiniteFloat

from harness.base.frozen import Positive
from harness.families import flatten, residual_jacobian, unflatten
from harness.families.base import ShapeBase
from harness.families.later import F, Tensor, torch
from harness.families.splined import SplinedShape
from harness.optimisers.base import LaneObjective, LaneState, Optimiser, begun
from harness.optimisers.lanes import all_finite, but_not, choose, dot, largest, shaped_like

JACOBIAN_BYTES = 2**28  # of lanes that are linearised at once
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


class System(NamedTuple):
    """What is known at one position of every lane, for the normal equations in the parameters or in the residuals.

    The matrix is J^T J or J J^T; the latter also needs r and J^T.
    """

    loss_R: Tensor  # +inf if it or the gradient is not finite
    peak_R: Tensor  # the largest diagonal element of J^T J
    residuals_R: Tensor  # how many there are
    gradient_RP: Tensor  # J^T r
    matrix_RSS: Tensor
    residual_RK: Tensor
    transposed_RPK: Tensor


class LevenbergMarquardt(Optimiser):
    """Levenberg-Marquardt with Nielsen's damping, full batch; for networks of up to a few thousand parameters.

    `damping` is the first one, as a share of the largest diagonal element of J^T J. It shrinks by at most `shrink`
    after a step, and grows by `growth`, then its square, cube and so on, until there is one. `ridge` times the sum of
    squared second differences of every spline's coefficients is added to the sum of squared residuals. The lane has
    finished when no element of the loss's gradient exceeds `tolerance_gradient`, or when a step moves no parameter by
    more than `tolerance_change`, or the loss by less; the defaults run until the cap, or until steps are lost in
    rounding. An evaluation is the residuals, their Jacobian and the normal equations at one position.
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

    def flops(self, network: ShapeBase, samples: int, evaluations: int, iterations: int, starts: int) -> int:
        """A row of the Jacobian is part of an evaluation's passes through the network, and not in it."""
        return evaluations * self._system_flops(network, samples, network.trainable)

    def flops_on_zeros(self, network: ShapeBase, samples: int, evaluations: int) -> int:
        """A residual depends on some coefficients of each spline only; the rest of its row of the Jacobian is 0."""
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
        """Whether the system that is solved has the size of the residuals in place of that of the parameters.

        A ridge adds nearly as many residuals as there are parameters, so that a dual system would be no smaller.
        """
        return network.trainable > residuals and not self.has_ridge(network)

    def has_ridge(self, network: ShapeBase) -> bool:
        """A ridge acts on splines only."""
        return self.ridge > 0 and isinstance(network, SplinedShape)

    # ------------------------------------------------------------------------------------------------------ torch lanes
    def start(
        self, position_RP: Tensor, learning_rate_R: Tensor | None = None, total_steps: int | None = None
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
        """The step of every lane is taken if the loss falls; lanes at rest stay as they are, uncounted.

        A lane has diverged when its first loss or gradient is not finite; later such a step is not taken.
        """
        judged_R = _judged(state)
        first_R = judged_R & (state.evaluations_R == 0)
        later_R = but_not(judged_R, first_R)
        fall_R = state.loss_R - system.loss_R  # from +inf to +inf it is NaN, which is no fall
        taken_R = judged_R & (fall_R > 0)
        settled_R = (
            (later_R & (largest(state.step_RP) <= self.tolerance_change))
            | (later_R & taken_R & (fall_R < self.tolerance_change))
            | (taken_R & (largest(system.gradient_RP) * 2 / system.residuals_R <= self.tolerance_gradient))
        )
        damping_R = torch.where(first_R, self.damping * system.peak_R, _eased(self, state, system, fall_R))
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

    # --------------------------------------------------------------------------------------------- what it cannot learn
    def why_no_pde(self) -> str | None:
        return (
            f"name={self.name}: it has no Jacobian of second derivatives, by which a PDE is learnt; use lbfgs or adam"
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
            f"{self.name} would solve for {size:,} unknowns, at most {LARGEST_SYSTEM:,} are allowed; "
            "ask for smaller networks, or use lbfgs"
        )

    def that_matters(self, network: ShapeBase, points: int) -> LevenbergMarquardt:
        """Without splines a ridge has nothing to act on."""
        return self if isinstance(network, SplinedShape) else self.model_copy(update={"ridge": 0.0})


def system_flops(parameters: int, residuals: int, row: int | None = None, dual: bool | None = None) -> int:
    """An evaluation's normal matrix, right-hand side, factorisation and solve.

    A factorisation that fails is one more, which is not counted; records say how many there were (`refused_steps`).

    `row` is how many numbers of each row of the Jacobian are multiplied: one a parameter, or those that are not zero.
    With more parameters than residuals the dual system is solved, unless `dual` says otherwise: J J^T, of the
    residuals' size. The matrix is symmetric, so half of it is computed; Cholesky takes n^3/3.
    """
    dual = parameters > residuals if dual is None else dual
    row = parameters if row is None else row
    size, products = parameters, residuals * row * (row + 1)
    if dual:
        size, products = residuals, residuals * (residuals + 1) * row
    gradient = 2 * residuals * row * (2 if dual else 1)
    return products + gradient + size**3 // 3 + 2 * size**2


# ----------------------------------------------------------------------------------------------------------- judging
def _running(state: LevenbergState) -> Tensor:
    return ~(state.finished_R | state.diverged_R)


def _judged(state: LevenbergState) -> Tensor:
    """Lanes that the next evaluation tells something."""
    return but_not(_running(state), state.aiming_R)


def _eased(settings: LevenbergMarquardt, state: LevenbergState, system: System, fall_R: Tensor) -> Tensor:
    """The damping after a step that is taken: less, the better the loss fell as the linear model had promised.

    Never less than what is lost in rounding, and never 0, which could not grow.
    """
    promised_R = state.damping_R * dot(state.step_RP, state.step_RP) - dot(state.step_RP, state.gradient_RP)
    surplus_R = 2 * (fall_R * system.residuals_R / promised_R) - 1
    eased_R = state.damping_R * (1 - surplus_R * surplus_R * surplus_R).clamp_min(1 / settings.shrink)
    return torch.maximum(eased_R, torch.finfo(eased_R.dtype).eps * system.peak_R)


def _accept(settings: LevenbergMarquardt, state: LevenbergState, system: System, taken_R: Tensor) -> LevenbergState:
    """Lanes of the mask stand where they asked, with the system there."""
    pairs = {name: (getattr(system, name), getattr(state, name)) for name in SYSTEM_AT_THE_POSITION}
    system_tensors = {name: choose(taken_R, new, shaped_like(new, old)) for name, (new, old) in pairs.items()}
    return replace(state, position_RP=choose(taken_R, settings.ask(state), state.position_RP), **system_tensors)


def _grow(settings: LevenbergMarquardt, state: LevenbergState, mask_R: Tensor) -> LevenbergState:
    """More damping after a step that was refused or not taken; a lane that needs more than there is has finished."""
    grown_R = state.damping_R * state.growth_R
    growing_R = mask_R & (grown_R < math.inf)
    return replace(
        state,
        damping_R=torch.where(growing_R, grown_R, state.damping_R),
        growth_R=torch.where(growing_R, state.growth_R * settings.growth, state.growth_R),
        finished_R=state.finished_R | but_not(mask_R, growing_R),
    )


# ----------------------------------------------------------------------------------------------------------- the step
def _aim(settings: LevenbergMarquardt, state: LevenbergState) -> LevenbergState:
    """The next step of every lane that runs; one that leads nowhere, to the last bit, finishes the lane."""
    open_R = _running(state)
    on_host, tries = _is_on_host(open_R), 0
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
    system = (state.matrix_RSS, state.damping_R, state.gradient_RP, state.residual_RK, state.transposed_RPK)
    if not _is_on_host(open_R):
        return _damped_step(*system)
    (index_L,) = open_R.nonzero(as_tuple=True)
    steps_LP, found_L = _lane_by_lane(_damped_step, index_L.tolist(), *system)
    return state.step_RP.index_copy(0, index_L, steps_LP), torch.zeros_like(open_R).index_copy(0, index_L, found_L)


def _damped_step(
    matrix: Tensor, damping: Tensor, gradient: Tensor, residual: Tensor, transposed: Tensor
) -> tuple[Tensor, Tensor]:
    """-(J^T J + damping I)^-1 J^T r, or the same by J J^T; and whether the system is positive definite in rounding."""
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    factor, info = torch.linalg.cholesky_ex(matrix + damping[..., None, None] * identity)
    if residual.shape[-1]:
        step = transposed @ torch.cholesky_solve(residual[..., None], factor)
    else:
        step = torch.cholesky_solve(gradient[..., None], factor)
    finite = factor.diagonal(dim1=-2, dim2=-1).amax(-1) < math.inf
    return -step[..., 0], (info == 0) & finite


def _is_on_host(tensor: Tensor) -> bool:
    """Whether the host sees its numbers without waiting for a device."""
    return tensor.device.type == "cpu"


def _lane_by_lane(
    function: Callable[..., tuple[Tensor, ...]], lanes: Iterable[int], *tensors: Tensor
) -> tuple[Tensor, ...]:
    """What a function of matrices gives for these lanes of the host, one after the other.

    Each lane is copied first: BLAS and LAPACK round by where in a cache line a matrix begins.
    """
    results = []
    for lane in lanes:
        of_lane = (tensor[lane].clone() for tensor in tensors)
        results.append(function(*of_lane))
    return tuple(torch.stack(parts) for parts in zip(*results, strict=True))


# --------------------------------------------------------------------------------------------------------- the system
def linearise(settings: LevenbergMarquardt, asked_RP: Tensor, objective: LaneObjective) -> System:
    """The normal equations of every lane at the positions asked for; as many lanes at once as memory is meant for."""
    _, network, knots, x_RNI, y_RNO = objective
    lanes, parameters = asked_RP.shape
    at_once = max(2, JACOBIAN_BYTES // (y_RNO[0].numel() * parameters * asked_RP.element_size()))
    groups = max(1, lanes // at_once)  # none of which is a lone lane, which would round otherwise
    of_groups = zip(*(tensor.tensor_split(groups) for tensor in (asked_RP, x_RNI, y_RNO, *knots)), strict=True)
    systems = [_linearise(settings, network, *group) for group in of_groups]
    return System(*(torch.cat(parts) for parts in zip(*systems, strict=True)))


def _linearise(
    settings: LevenbergMarquardt, network: ShapeBase, flat_RP: Tensor, x_RNI: Tensor, y_RNO: Tensor, *knots: Tensor
) -> System:
    outputs_RNO, jacobian_RKP = residual_jacobian(network, flat_RP, knots, x_RNI)
    residual_RK = (outputs_RNO - y_RNO).transpose(1, 2).flatten(1)
    transposed_RPK = jacobian_RKP.mT
    is_dual = settings.is_dual(network, residual_RK.shape[1])
    products = partial(_products, is_dual)
    if _is_on_host(flat_RP):
        matrix_RSS, gradient_RP = _lane_by_lane(products, range(len(flat_RP)), transposed_RPK, residual_RK)
    else:
        matrix_RSS, gradient_RP = products(transposed_RPK, residual_RK)
    squares_R = dot(residual_RK, residual_RK)
    if settings.has_ridge(network):
        squares_R = squares_R + settings.ridge * _bend(network, flat_RP)
        gradient_RP = gradient_RP + settings.ridge * _bend_gradient(network, flat_RP)
        unit_PP = torch.eye(flat_RP.shape[1], dtype=flat_RP.dtype, device=flat_RP.device)
        matrix_RSS = matrix_RSS + settings.ridge * _bend_gradient(network, unit_PP)
    of_columns_RP = dot(transposed_RPK, transposed_RPK) if is_dual else matrix_RSS.diagonal(dim1=1, dim2=2)
    peak_R = of_columns_RP.amax(-1)
    usable_R = all_finite(squares_R, gradient_RP) & (peak_R < math.inf)
    return System(
        loss_R=torch.where(usable_R, squares_R / residual_RK.shape[1], math.inf),
        peak_R=peak_R,
        residuals_R=torch.full_like(squares_R, residual_RK.shape[1]),
        gradient_RP=gradient_RP,
        matrix_RSS=matrix_RSS,
        residual_RK=residual_RK if is_dual else residual_RK[:, :0],
        transposed_RPK=transposed_RPK if is_dual else transposed_RPK[..., :0],
    )


def _products(is_dual: bool, transposed: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """J^T J, or J J^T of the dual system, and J^T r."""
    matrix = transposed.mT @ transposed if is_dual else transposed @ transposed.mT
    return matrix, (transposed @ residual[..., None])[..., 0]


def _bend(network: ShapeBase, flat_RP: Tensor) -> Tensor:
    """The sum of squared second differences of every spline's coefficients, [R]."""
    parts = unflatten(network, flat_RP)
    bends = [_second_differences(part, 0) for name, part in parts.items() if name.endswith("coef")]
    return torch.cat([(bend * bend).flatten(1) for bend in bends], 1).sum(1)


def _bend_gradient(network: ShapeBase, flat_RP: Tensor) -> Tensor:
    """Half the gradient of `_bend`, [R, P], which is linear: that of unit vectors is half the Hessian."""
    parts = unflatten(network, flat_RP)
    bent = {
        name: _second_differences(_second_differences(part, 0), 2) if name.endswith("coef") else torch.zeros_like(part)
        for name, part in parts.items()
    }
    return flatten(network, bent)


def _second_differences(coef: Tensor, padding: int) -> Tensor:
    """Along the coefficients of a spline: [R, I, C, O], or [R, J, C] of one a node; `padding` zeros at each end."""
    coef_last = coef.movedim(2, -1)
    padded = F.pad(coef_last, (padding, padding))
    return (padded[..., :-2] - 2 * padded[..., 1:-1] + padded[..., 2:]).movedim(-1, 2)
