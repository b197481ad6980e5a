"""Adam (Kingma & Ba 2015, algorithm 1, as torch.optim.Adam and AdamW) in compiled code, one lane.

    state = start(settings, position_P)
    state = advance(settings, state, problem, evaluations)             # one evaluation, one step

Legend: P parameters, N points, B of them in a batch, S steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, inf, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.optimisers import Adam
from harness.optimisers.adam import WSD_CONSTANT
from harness.train.fused.compiled import compiled, inlined, part
from harness.train.fused.kernels import loss_and_gradient
from harness.train.fused.optimisers.lane import Array, LoopState, Problem, freeze, thaw
from harness.train.fused.optimisers.linear import assign, is_finite

ALL_POINTS = np.empty((0, 0), np.int64)  # in place of batches
AT_ONCE = 8  # numbers of a cache line
SCHEDULES = {"constant": 0, "cosine": 1, "wsd": 2}
COSINE, WSD = SCHEDULES["cosine"], SCHEDULES["wsd"]
OF_WSD, PARTS_OF_WSD = WSD_CONSTANT


@dataclass(frozen=True, kw_only=True)
class AdamState(LoopState):
    """The position is that after the last step, as in torch, the loss that at the previous one. It
    never finishes.
    """

    previous_P: Array  # the last position whose loss and gradient were seen and finite
    mean_P: Array
    square_P: Array
    learning_rate: float
    total_steps: int  # with which a schedule ends

    def ending(self, total_steps: int) -> AdamState:
        """With another end of its schedule."""
        return replace(self, total_steps=total_steps)

    def moved(self, fresh: Any) -> AdamState:
        """The moments stay."""
        return replace(self, position_P=fresh.position_P, previous_P=fresh.previous_P)


def start(settings: Adam, position_P: Array, total_steps: int = 0) -> AdamState:
    """The state before any evaluation; `total_steps` is required by a schedule, and else of no
    meaning.
    """
    position_P = np.array(position_P, np.float64)
    return AdamState(
        position_P=position_P,
        previous_P=position_P,
        mean_P=np.zeros_like(position_P),
        square_P=np.zeros_like(position_P),
        learning_rate=settings.learning_rate,
        total_steps=total_steps,
    )


def advance(
    settings: Adam,
    state: AdamState,
    problem: Problem,
    evaluations: int,
    batches_SB: NDArray[np.int64] | None = None,
    splines_E3: NDArray[np.int64] | None = None,
) -> AdamState:
    """At most `evaluations` more; less when the lane has diverged.

    `batches_SB` names the points of each step of this call, of which there must be as many as
    evaluations; without it every step sees all points. With batches the problem's arrays are x_NI
    and y_NO, where the numbers of a point lie together: of many inputs, those of a batch then come
    from few places in memory. A lane whose loss or gradient is not finite has diverged: it returns
    to its last position where both were, and stays there, no longer counted.
    """
    arrays, record = thaw(state)
    schedule = SCHEDULES[settings.schedule]
    constants = (settings.beta1, settings.beta2, settings.epsilon, schedule, settings.weight_decay)
    batches_SB = ALL_POINTS if batches_SB is None else np.array(batches_SB, np.int64)
    _train(*arrays, record, constants, batches_SB, problem, evaluations)
    return freeze(state, arrays, record)


@compiled
def _train(
    position_P, previous_P, mean_P, square_P, record, constants, batches_SB, problem, evaluations
):
    objective, kind, sizes, knots, x_IN, y_ON, work = problem
    lane, batch = record[0], batches_SB.shape[1]
    gradient_P = np.empty_like(position_P)
    if batch > 0:
        x_IN, y_ON = np.empty((x_IN.shape[1], batch)), np.empty((y_ON.shape[1], batch))
    for step in range(evaluations):
        if lane.diverged:
            break
        if batch > 0:
            _gather(problem[4], batches_SB[step], x_IN)
            _gather(problem[5], batches_SB[step], y_ON)
        loss = loss_and_gradient(
            objective, kind, sizes, position_P, knots, x_IN, y_ON, gradient_P, work
        )
        lane.evaluations += 1
        if abs(loss) < inf and is_finite(gradient_P):
            lane.loss = loss
            lane.iterations += 1
            assign(previous_P, position_P)
            _step(position_P, mean_P, square_P, gradient_P, constants, lane)
        else:
            lane.diverged = True
            assign(position_P, previous_P)


@part
def _gather(source, index_B, batch):
    """Rows of `source` as columns of the batch, a few at a time, so that each cache line is written
    at once.
    """
    for first in range(0, index_B.shape[0], AT_ONCE):
        last = min(first + AT_ONCE, index_B.shape[0])
        for column in range(source.shape[1]):
            for b in range(first, last):
                batch[column, b] = source[index_B[b], column]


# as a part it rounded otherwise in the process that compiled it than in those that load it
@inlined
def _step(position_P, mean_P, square_P, gradient_P, constants, lane):
    """The step number `lane.iterations`, counted from 1."""
    beta1, beta2, epsilon, schedule, weight_decay = constants
    step = lane.iterations
    rate_share = 1.0
    if schedule == COSINE:  # CosineAnnealingLR's closed form, which stays at 0 after its end
        rate_share = (1 + cos(pi * min((step - 1) / lane.total_steps, 1.0))) / 2
    elif schedule == WSD:
        begin = lane.total_steps * OF_WSD // PARTS_OF_WSD
        if step - 1 > begin:
            rate_share = 1 - sqrt(min((step - 1 - begin) / (lane.total_steps - begin), 1.0))
    rate = lane.learning_rate * (rate_share / (1 - beta1**step))
    correction = sqrt(1 - beta2**step)
    if weight_decay > 0:  # in a loop of its own, so that the other one rounds as it does without
        lost_share = lane.learning_rate * rate_share * weight_decay
        for p in range(position_P.shape[0]):
            position_P[p] -= lost_share * position_P[p]
    for p in range(position_P.shape[0]):
        mean_P[p] = beta1 * mean_P[p] + (1 - beta1) * gradient_P[p]
        square_P[p] = beta2 * square_P[p] + (1 - beta2) * (gradient_P[p] * gradient_P[p])
        position_P[p] -= rate * (mean_P[p] / (sqrt(square_P[p]) / correction + epsilon))
