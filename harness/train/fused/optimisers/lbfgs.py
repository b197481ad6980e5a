"""L-BFGS with a strong-Wolfe line search in compiled code, one lane: the path of
`harness.optimisers.lbfgs`.

    state = start(settings, position_P) state = advance(settings, state, problem, evaluations) state
    = tell(settings, state, *loss_and_gradient(ask(state)))      # one evaluation of anything else

The same tests in the same order as there, so that a lane follows torch.optim.LBFGS up to rounding,
and can be stopped after any evaluation, also within a line search, and resumed to the same bits.
What is *bracketing*, *zooming*, a *probe* and a *step*, how losses that are not finite are met, and
where torch's path is left on purpose is said there.

Legend: P parameters, M history, L = 3 numbers of a point on the search line: (length, loss, slope).
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, fields
from math import inf, isnan, nan, sqrt
from typing import Any

import numpy as np

from harness.optimisers import Lbfgs
from harness.train.fused.compiled import compiled, part
from harness.train.fused.kernels import loss_and_gradient
from harness.train.fused.optimisers.lane import Array, LoopState, Problem, freeze, thaw
from harness.train.fused.optimisers.linear import assign, dot, is_finite, largest, size_of

SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9
MAX_PROBES = 25
NARROWEST = 1e-9
LENGTH, LOSS, SLOPE = range(3)


@dataclass(frozen=True, kw_only=True)
class LbfgsState(LoopState):
    """The position is the accepted point."""

    # There; the search line from there.
    gradient_P: Array
    direction_P: Array
    # The line search. While bracketing, low is the probe before the last; while zooming, the better
    # end.
    low_L: Array
    low_gradient_P: Array
    high_L: Array
    # The inverse Hessian: steps s, gradient changes y and 1 / y.s, in a ring whose newest place is
    # `newest`.
    steps_MP: Array
    changes_MP: Array
    rho_M: Array
    newest: int = 0
    remembered: int = 0
    scale: float = 1.0  # y.s / y.y of the newest
    slope: float = 0.0
    length: float = 0.0  # of the next probe
    probes: int = 0
    zooming: bool = False
    low_first: bool = True  # low is torch's bracket[0], which wins ties
    slow: bool = False  # the last probe was close to an end
    learning_rate: float
    # Nested steps: whether the next evaluation is the repeated one, and the counts before this
    # step.
    repeating: bool = False
    iterations_before: int = 0
    evaluations_before: int = 0


# The arrays of a state, in the same order, as compiled code sees them.
Arrays = namedtuple(  # type: ignore[misc]
    "Arrays", [field.name for field in fields(LbfgsState) if field.type == "Array"]
)


# --------------------------------------------------------------------------------------------------
# the seam
def start(settings: Lbfgs, position_P: Array, total_steps: int = 0) -> LbfgsState:
    """The state before any evaluation."""
    position_P = np.array(position_P, np.float64)
    memory = (settings.history, len(position_P))
    return LbfgsState(
        position_P=position_P,
        gradient_P=np.zeros_like(position_P),
        direction_P=np.zeros_like(position_P),
        low_L=np.zeros(3),
        low_gradient_P=np.zeros_like(position_P),
        high_L=np.zeros(3),
        steps_MP=np.zeros(memory),
        changes_MP=np.zeros(memory),
        rho_M=np.zeros(settings.history),
        learning_rate=settings.learning_rate,
    )


def advance(
    settings: Lbfgs, state: LbfgsState, problem: Problem, evaluations: int, **unused: Any
) -> LbfgsState:
    """At most `evaluations` more; less when the lane has finished or diverged."""
    arrays, record = thaw(state)
    _train(Arrays(*arrays), record, _rules(settings), problem, evaluations)
    return freeze(state, arrays, record)


def ask(state: LbfgsState) -> Array:
    """Where the next loss and gradient are wanted, [P]; a lane at rest asks for its accepted
    point.
    """
    arrays, record = thaw(state)
    probe_P = np.empty_like(arrays[0])
    _ask(Arrays(*arrays), record, probe_P)
    return probe_P


def tell(settings: Lbfgs, state: LbfgsState, loss: float, gradient_P: Array) -> LbfgsState:
    """One evaluation; a finished or diverged lane stays as it is, uncounted.

    A lane has diverged when its first loss or gradient is not finite, when the shortest step that
    its line search tried still isn't, or when its next search line has no finite slope.
    """
    arrays, record = thaw(state)
    _tell(Arrays(*arrays), record, _rules(settings), float(loss), np.array(gradient_P, np.float64))
    return freeze(state, arrays, record)


def _rules(settings: Lbfgs) -> tuple[tuple[float, float, float], int]:
    """Of the settings, what compiled code asks for; the iterations of a step are 0 where they are
    not nested.
    """
    tolerances = (
        settings.tolerance_gradient,
        settings.tolerance_change,
        settings.tolerance_curvature,
    )
    return tolerances, settings.iterations_per_step or 0


# --------------------------------------------------------------------------------------------------
# evaluation
@compiled
def _train(arrays, record, rules, problem, evaluations):
    objective, kind, sizes, knots, x_IN, y_ON, work = problem
    lane = record[0]
    probe_P, gradient_P = np.empty_like(arrays.position_P), np.empty_like(arrays.position_P)
    for _ in range(evaluations):
        if lane.finished or lane.diverged:
            break
        _ask(arrays, record, probe_P)
        loss = loss_and_gradient(
            objective, kind, sizes, probe_P, knots, x_IN, y_ON, gradient_P, work
        )
        _tell(arrays, record, rules, loss, gradient_P)


@compiled
def _ask(arrays, record, probe_P):
    lane = record[0]
    if lane.finished or lane.diverged:
        assign(probe_P, arrays.position_P)
        return
    for p in range(probe_P.shape[0]):
        probe_P[p] = arrays.position_P[p] + lane.length * arrays.direction_P[p]


@compiled
def _tell(arrays, record, rules, loss, gradient_P):
    lane = record[0]
    tolerances, per_step = rules
    if lane.finished or lane.diverged:
        return
    first = lane.evaluations == 0
    lane.evaluations += 1
    if lane.repeating:
        lane.repeating, lane.length = False, lane.learning_rate
        return
    slope = dot(gradient_P, arrays.direction_P)
    if not (abs(loss) < inf and abs(slope) < inf and is_finite(gradient_P)):
        loss, slope = inf, nan
    ended = stuck = False
    if first:
        _set(arrays.low_L, 0.0, loss, slope)
        assign(arrays.low_gradient_P, gradient_P)
    else:
        ended, stuck = _narrow(arrays, lane, loss, slope, gradient_P)
    lane.iterations += ended
    if (first and loss == inf) or (stuck and arrays.high_L[LOSS] == inf):
        lane.diverged = True
    elif stuck:
        lane.finished = True
    elif first or ended:
        _accept(arrays, lane, tolerances, first)
    if ended and per_step > 0 and not (lane.finished or lane.diverged):
        _nest(lane, per_step)


@part
def _nest(lane, per_step):
    """Where a step is over, by torch's `max_iter` or `max_eval`: the next probe has length 0, at
    the accepted point.
    """
    iterations, evaluations = (
        lane.iterations - lane.iterations_before,
        lane.evaluations - lane.evaluations_before,
    )
    if iterations >= per_step or evaluations >= per_step * 5 // 4:
        lane.repeating, lane.length = True, 0.0
        lane.iterations_before, lane.evaluations_before = lane.iterations, lane.evaluations


@part
def _set(point_L, length, loss, slope):
    point_L[LENGTH], point_L[LOSS], point_L[SLOPE] = length, loss, slope


# --------------------------------------------------------------------------------------------------
# line search
@part
def _narrow(arrays, lane, loss, slope, gradient_P):
    """The line search with one more probe: whether it has ended, and whether it ended without
    having moved.

    The point to accept is then `low`.
    """
    low_L, high_L = arrays.low_L, arrays.high_L
    bracketing, spent = not lane.zooming, lane.probes >= MAX_PROBES
    flat = abs(slope) <= -CURVATURE * lane.slope
    # Out of probes while bracketing, torch compares the last probe with the start and forgets those
    # between.
    worse = loss >= lane.loss if bracketing and spent else _is_worse(lane, low_L, loss, slope, flat)
    # `worse` only says that a minimum lies before the probe: its loss may still be the lower one.
    lowest = worse and (loss < low_L[LOSS] if lane.low_first else loss <= low_L[LOSS])
    turned = slope * (high_L[LENGTH] - low_L[LENGTH]) >= 0
    if lowest or (not worse and (bracketing or turned)):
        assign(high_L, low_L)
    if worse and not lowest:
        _set(high_L, lane.length, loss, slope)
    else:
        _set(low_L, lane.length, loss, slope)
        assign(arrays.low_gradient_P, gradient_P)
    lane.zooming = lane.zooming or worse
    lane.low_first = lane.low_first != lowest
    lane.probes += 1

    ended = (flat and not worse) or spent
    if lane.zooming and not ended:
        ended = abs(high_L[LENGTH] - low_L[LENGTH]) * largest(arrays.direction_P) < NARROWEST
    stuck = ended and (low_L[LENGTH] == 0 or (bracketing and spent and worse))
    _aim_between(lane, low_L, high_L)
    return ended, stuck


@part
def _is_worse(lane, low_L, loss, slope, flat):
    """Whether a minimum lies before the probe, so that the probe bounds it."""
    too_high = loss > lane.loss + SUFFICIENT_DECREASE * lane.length * lane.slope
    not_lower = loss >= low_L[LOSS] and (lane.zooming or lane.probes > 1)
    return too_high or not_lower or (not lane.zooming and not flat and slope >= 0)


@part
def _aim_between(lane, low_L, high_L):
    """The length of the next probe. While bracketing it is beyond the last two probes, which (low,
    high) then are.
    """
    left_L, right_L = (low_L, high_L) if low_L[LENGTH] <= high_L[LENGTH] else (high_L, low_L)
    left, right = left_L[LENGTH], right_L[LENGTH]
    width = right - left
    if not lane.zooming:
        lane.length, lane.slow = (
            _cubic_minimum(left_L, right_L, right + 0.01 * width, right * 10),
            False,
        )
        return
    length = _cubic_minimum(left_L, right_L, left, right)
    # Twice close to an end, or once at it: keep a tenth of the width away.
    margin = 0.1 * width
    near = min(right - length, length - left) < margin
    pushed = near and (lane.slow or length >= right or length <= left)
    if pushed:
        length = right - margin if abs(right - length) < abs(length - left) else left + margin
    lane.length, lane.slow = length, near and not pushed


@part
def _cubic_minimum(left_L, right_L, lower, upper):
    """The minimum of the cubic through two points with their slopes, clipped; the middle where
    there is none.

    Nocedal & Wright (2006), eq. 3.59, in torch's order of operations.
    """
    x1, f1, g1 = left_L[LENGTH], left_L[LOSS], left_L[SLOPE]
    x2, f2, g2 = right_L[LENGTH], right_L[LOSS], right_L[SLOPE]
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (lower + upper) / 2
    d2 = sqrt(square)
    minimum = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    if isnan(minimum):
        return (lower + upper) / 2
    return min(max(minimum, lower), upper)


# --------------------------------------------------------------------------------------------------
# the next line
@part
def _accept(arrays, lane, tolerances, first):
    """Stand at `low`, remember the step there, and aim anew unless the lane has converged."""
    tolerance_gradient, tolerance_change, tolerance_curvature = tolerances
    length, loss = arrays.low_L[LENGTH], arrays.low_L[LOSS]
    step_P, change_P = (
        arrays.direction_P,
        arrays.gradient_P,
    )  # in their places, which are written anew below
    for p in range(step_P.shape[0]):
        step_P[p] *= length
        change_P[p] = arrays.low_gradient_P[p] - change_P[p]
        arrays.position_P[p] += step_P[p]
    settled = largest(arrays.low_gradient_P) <= tolerance_gradient or (
        not first
        and (largest(step_P) <= tolerance_change or abs(loss - lane.loss) < tolerance_change)
    )
    _remember(arrays, lane, tolerance_curvature, step_P, change_P)
    lane.loss = loss
    assign(arrays.gradient_P, arrays.low_gradient_P)
    _point(arrays, lane)
    lane.slope = dot(arrays.gradient_P, arrays.direction_P)
    if settled or lane.slope > -tolerance_change:
        lane.finished = True
    elif not abs(lane.slope) < inf:
        lane.diverged = True
    cautious = min(1 / size_of(arrays.gradient_P), 1.0)
    lane.length = cautious * lane.learning_rate if first else lane.learning_rate
    lane.probes, lane.zooming, lane.low_first, lane.slow = 0, False, True, False
    _set(arrays.low_L, 0.0, lane.loss, lane.slope)


@part
def _remember(arrays, lane, tolerance_curvature, step_P, change_P):
    """The inverse Hessian with this step in place of the oldest, where its curvature is positive
    enough.
    """
    curvature = dot(change_P, step_P)
    if not curvature > tolerance_curvature:
        return
    history = arrays.rho_M.shape[0]
    lane.newest = (lane.newest + 1) % history
    lane.remembered = min(lane.remembered + 1, history)
    assign(arrays.steps_MP[lane.newest], step_P)
    assign(arrays.changes_MP[lane.newest], change_P)
    arrays.rho_M[lane.newest] = 1 / curvature
    lane.scale = curvature / dot(change_P, change_P)


@part
def _point(arrays, lane):
    """The direction: minus the inverse Hessian times the gradient (Nocedal & Wright 2006, algorithm
    7.4).
    """
    direction_P, history = arrays.direction_P, arrays.rho_M.shape[0]
    alpha_M = np.empty(history)
    for p in range(direction_P.shape[0]):
        direction_P[p] = -arrays.gradient_P[p]
    for age in range(lane.remembered):
        m = (lane.newest - age) % history
        alpha_M[m] = dot(arrays.steps_MP[m], direction_P) * arrays.rho_M[m]
        _add(direction_P, -alpha_M[m], arrays.changes_MP[m])
    for p in range(direction_P.shape[0]):
        direction_P[p] *= lane.scale
    for age in range(lane.remembered - 1, -1, -1):
        m = (lane.newest - age) % history
        beta = dot(arrays.changes_MP[m], direction_P) * arrays.rho_M[m]
        _add(direction_P, alpha_M[m] - beta, arrays.steps_MP[m])


@part
def _add(a, weight, b):
    for i in range(a.shape[0]):
        a[i] += weight * b[i]
