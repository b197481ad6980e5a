"""Levenberg-Marquardt in compiled code, one lane: least squares by exact normal equations, damped
until a step helps.

    state = start(settings, position_P)
    state = advance(settings, state, problem, evaluations)

At the position, with residuals r and their Jacobian J, a step solves (J^T J + damping I) step =
-J^T r by Cholesky factorisation, and is taken if the objective falls. With more parameters than
residuals, the same step is -J^T (J J^T + damping I)^-1 r, a system of the residuals' size. The
damping follows Nielsen (1999, IMM-REP-1999-05, eq. 2.5): after a step it shrinks the more the
better the objective fell as predicted; after one that is not taken it grows, faster each time. It
is added to all parameters alike (Levenberg's identity, not Marquardt's diagonal), which did better
on KANs and much better on MLPs. The condition number of the normal equations is that of J squared:
errors of splines of exp(sin(pi x) + y^2) still fall as G^-4 at G = 200 and 2e-9.

An *evaluation* is the residuals, J and with them the normal equations at one position, of a step
that is taken or not. So is the first one. What a resumed lane computes again at its position is not
counted, nor is a system without a solution: its step is refused, and the damping grows.

Legend: P parameters, I inputs, O outputs, N points, R = O N residuals, E splines with 3 numbers
each: of the first coefficient in the position, how far apart coefficients are, and how many they
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.optimisers import LevenbergMarquardt
from harness.train.fused.compiled import compiled, part
from harness.train.fused.kernels import normal_equations, residuals_and_jacobian
from harness.train.fused.optimisers import linear
from harness.train.fused.optimisers.lane import Array, LoopState, Problem, freeze, thaw

NO_SPLINES = np.empty((0, 3), np.int64)
LEAST_DAMPING = np.finfo(
    np.float64
).eps  # of the largest diagonal element; less is lost in rounding, and 0 cannot grow


@dataclass(frozen=True, kw_only=True)
class LevenbergState(LoopState):
    """The loss is the mean squared error, and the ridge over as many residuals; iterations are
    steps taken.
    """

    damping: float = 0.0
    growth: float  # of the damping, should the next step be refused or not be taken


class System(NamedTuple):
    """What is known at one position, for the normal equations in the parameters or in the
    residuals.

    The matrix is J^T J or J J^T, lower triangle; the latter also needs r and J^T, its rows filled
    up to a multiple of `linear.RANK`. What is not needed is empty.
    """

    matrix: Array
    gradient_P: Array  # J^T r
    residual_R: Array
    transposed_PR: Array


# --------------------------------------------------------------------------------------------------
# the seam
def start(settings: LevenbergMarquardt, position_P: Array, total_steps: int = 0) -> LevenbergState:
    """The state before any evaluation."""
    return LevenbergState(position_P=np.array(position_P, np.float64), growth=settings.growth)


def advance(
    settings: LevenbergMarquardt,
    state: LevenbergState,
    problem: Problem,
    evaluations: int,
    splines_E3: NDArray[np.int64] = NO_SPLINES,
    batches_SB: NDArray[np.int64] | None = None,
) -> LevenbergState:
    """At most `evaluations` more; less when the lane has finished or diverged. `splines_E3` is what
    the ridge acts on.

    A lane has diverged when its first objective or gradient is not finite; later such a step is not
    taken.
    """
    arrays, record = thaw(state)
    if evaluations > 0 and not (state.finished or state.diverged):
        ridge = settings.ridge if len(splines_E3) else 0.0
        tolerances = (settings.tolerance_gradient, settings.tolerance_change)
        damping = (settings.damping, settings.shrink, settings.growth)
        _train(
            *arrays,
            record,
            damping,
            tolerances,
            ridge,
            np.array(splines_E3, np.int64),
            problem,
            evaluations,
        )
    return freeze(state, arrays, record)


# --------------------------------------------------------------------------------------------------
# the loop
@compiled
def _train(position_P, record, dampings, tolerances, ridge, splines_E3, problem, evaluations):
    first_damping, shrink, growth = dampings
    lane, residuals = record[0], problem[5].size
    here = _room(position_P.size, residuals, ridge)
    there = _room(position_P.size, residuals, ridge)
    step_P, trial_P = np.empty_like(position_P), np.empty_like(position_P)
    goal = lane.evaluations + evaluations
    loss, peak = _linearise(position_P, here, ridge, splines_E3, problem)
    if lane.evaluations == 0:
        lane.evaluations, lane.loss, lane.diverged = 1, loss, loss == inf
        if not lane.diverged:
            lane.damping = first_damping * peak
            lane.finished = _slope(here, residuals) <= tolerances[0]
    while lane.evaluations < goal and not (lane.finished or lane.diverged):
        if not _solve(here, lane.damping, there.matrix, step_P):
            lane.refused_steps += 1
            _grow(lane, growth)
            continue
        if not _add(position_P, step_P, trial_P):
            lane.finished = True
            break
        loss, trial_peak = _linearise(trial_P, there, ridge, splines_E3, problem)
        lane.evaluations += 1
        fall = lane.loss - loss
        lane.finished = linear.largest(step_P) <= tolerances[1]
        if fall > 0:
            gain = fall * residuals / _promised_fall(step_P, here.gradient_P, lane.damping)
            here, there, peak = there, here, trial_peak
            linear.assign(position_P, trial_P)
            lane.loss, lane.iterations, lane.growth = loss, lane.iterations + 1, growth
            lane.damping = max(
                lane.damping * max(1 / shrink, 1 - (2 * gain - 1) ** 3), LEAST_DAMPING * peak
            )
            lane.finished = (
                lane.finished or fall < tolerances[1] or _slope(here, residuals) <= tolerances[0]
            )
        else:
            _grow(lane, growth)


@part
def _grow(lane, growth):
    """More damping after a step that was refused or not taken; a lane that needs more than there is
    has finished.
    """
    if lane.damping * lane.growth < inf:
        lane.damping *= lane.growth
        lane.growth *= growth
    else:
        lane.finished = True


@part
def _add(position_P, step_P, trial_P):
    """Where the step leads; False if that is where it began, to the last bit."""
    moved = 0
    for p in range(position_P.shape[0]):
        trial_P[p] = position_P[p] + step_P[p]
        moved += trial_P[p] != position_P[p]
    return moved > 0


@part
def _promised_fall(step_P, gradient_P, damping):
    """By how much the linear model says that the sum of squares falls."""
    return damping * linear.dot(step_P, step_P) - linear.dot(step_P, gradient_P)


@part
def _slope(system, residuals):
    """The largest element of the loss's gradient."""
    return linear.largest(system.gradient_P) * 2 / residuals


# --------------------------------------------------------------------------------------------------
# one system
@part
def _is_dual(parameters, residuals, ridge):
    """Whether the system has the size of the residuals; a ridge adds nearly as many of them as
    there are parameters.
    """
    return parameters > residuals and ridge == 0


@part
def _room(parameters, residuals, ridge):
    if _is_dual(parameters, residuals, ridge):
        size, rows, columns = residuals, parameters + -parameters % linear.RANK, residuals
    else:
        size, rows, columns = parameters, 0, 0
    return System(
        np.empty((size, size)), np.empty(parameters), np.empty(columns), np.zeros((rows, columns))
    )


@part
def _linearise(position_P, system, ridge, splines_E3, problem):
    """Fill the system at a position: the loss, +inf if it or its gradient isn't finite; J^T J's
    largest diagonal.
    """
    _, kind, sizes, knots, x_IN, y_ON, work = problem
    if _is_dual(position_P.size, y_ON.size, ridge):
        jacobian_RP = np.empty((y_ON.size, position_P.size))
        residuals_and_jacobian(
            kind, sizes, position_P, knots, x_IN, y_ON, system.residual_R, jacobian_RP, work
        )
        objective = linear.dot(system.residual_R, system.residual_R)
        peak = _multiply(jacobian_RP, system)
    else:
        objective = normal_equations(
            kind, sizes, position_P, knots, x_IN, y_ON, system.matrix, system.gradient_P, work
        )
        if ridge > 0:
            objective += _add_ridge(position_P, system, ridge, splines_E3)
        peak = 0.0
        for p in range(position_P.shape[0]):
            peak = max(peak, system.matrix[p, p])
    is_usable = abs(objective) < inf and peak < inf and linear.is_finite(system.gradient_P)
    return (objective / y_ON.size if is_usable else inf), peak


@part
def _multiply(jacobian_RP, system):
    """J^T, J J^T and J^T r, and the largest squared norm of J's columns."""
    parameters, peak = jacobian_RP.shape[1], 0.0
    for r in range(jacobian_RP.shape[0]):
        for p in range(parameters):
            system.transposed_PR[p, r] = jacobian_RP[r, p]
    for p in range(parameters):
        column = system.transposed_PR[p]
        system.gradient_P[p] = linear.dot(column, system.residual_R)
        peak = max(peak, linear.dot(column, column))
    for r in range(system.matrix.shape[0]):
        for q in range(r + 1):
            system.matrix[r, q] = 0.0
    for first in range(0, system.transposed_PR.shape[0], linear.PANEL):
        linear.add_products(
            system.matrix, system.transposed_PR[first : first + linear.PANEL], 0, 1.0
        )
    return peak


@part
def _add_ridge(position_P, system, ridge, splines_E3):
    """Rows sqrt(ridge) * (c_i - 2 c_i+1 + c_i+2) below the residuals; the sum of their squares."""
    total, matrix, gradient_P = 0.0, system.matrix, system.gradient_P
    for e in range(splines_E3.shape[0]):
        first, distance, coefficients = splines_E3[e]
        for i in range(coefficients - 2):
            a = first + i * distance
            b, c = a + distance, a + 2 * distance
            difference = position_P[a] - 2 * position_P[b] + position_P[c]
            total += ridge * difference * difference
            gradient_P[a] += ridge * difference
            gradient_P[b] -= 2 * ridge * difference
            gradient_P[c] += ridge * difference
            matrix[a, a] += ridge
            matrix[b, a] -= 2 * ridge
            matrix[b, b] += 4 * ridge
            matrix[c, a] += ridge
            matrix[c, b] -= 2 * ridge
            matrix[c, c] += ridge
    return total


@part
def _solve(system, damping, factor, step_P):
    """The damped step, whose system is factorised in `factor`; False if that is not positive
    definite in rounding.
    """
    for i in range(factor.shape[0]):
        linear.assign(factor[i, : i + 1], system.matrix[i])
        factor[i, i] += damping
    if not linear.factorise(factor):
        return False
    if system.residual_R.size == 0:
        for p in range(step_P.shape[0]):
            step_P[p] = -system.gradient_P[p]
        linear.solve(factor, step_P)
    else:
        weight_R = system.residual_R.copy()
        linear.solve(factor, weight_R)
        for p in range(step_P.shape[0]):
            step_P[p] = -linear.dot(system.transposed_PR[p], weight_R)
    return True
