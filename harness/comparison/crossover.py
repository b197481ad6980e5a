"""Where one arm's curve crosses the other's: the set of sizes at which they may be equal, never a
bare point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from scipy.optimize import elementwise

from harness.base.plain import OrNull
from harness.base.reasons import Refusal
from harness.comparison.ratios import common_level, log_loss_ratio, shared_sizes
from harness.laws import Fit, predict

CrossoverKind = Literal["none", "bounded", "half-open", "everything"]
ArmName = Literal["first", "second"]
# of the range in ln x; where the fitted curves cross is searched besides, so that no set is
# overlooked
STEPS = 32


@dataclass(frozen=True)
class Ahead:
    """A stretch of sizes on which one arm's loss is lower beyond doubt."""

    low: Annotated[OrNull, "where it begins"]
    high: Annotated[OrNull, "where it ends"]
    arm: Annotated[ArmName, "whose loss is lower"]


@dataclass(frozen=True)
class Crossover:
    """The sizes at which the curves of two arms may be equal, and who is ahead on the others.

    none: nowhere, one arm is ahead all along. bounded: every interval ends within the range.
    half-open: one reaches its smallest or its largest size, so that the data do not say where it
    ends, or whether the curves cross at all. everything: nowhere is one arm ahead beyond doubt.
    """

    level: Annotated[float, "of the set"]
    searched: Annotated[tuple[float, float] | None, "the range of sizes"] = None
    refusals: Annotated[tuple[Refusal, ...], "why there is no answer"] = ()
    kind: Annotated[CrossoverKind | None, "of the set; null if refused"] = None
    equal: Annotated[
        tuple[tuple[OrNull, OrNull], ...], "stretches of sizes at which they may be equal"
    ] = ()
    ahead: Annotated[tuple[Ahead, ...], "who is ahead on the others"] = ()
    estimate: Annotated[
        float | None, "the size where the curves cross, if the set is bounded and they cross once"
    ] = None


def crossover(first: Fit, second: Fit) -> Crossover:
    """The set of sizes where equal losses are not rejected at the fits' level: for pure laws it is
    Fieller's, by Welch.

    It is searched over the sizes that both arms share. The set holds a true crossing in the range
    at the level, pointwise. Fits at different levels raise HarnessError.
    """
    level = common_level(first, second)
    shared, refusals = shared_sizes(first, second)
    if shared is None:
        return Crossover(level, refusals=refusals)

    def gap(log_size: np.ndarray) -> np.ndarray:
        size = np.exp(log_size)
        return np.log(predict(second, size, far=True)) - np.log(predict(first, size, far=True))

    def doubt(log_size: np.ndarray) -> np.ndarray:  # above 0 where one arm is ahead beyond doubt
        _, low, high = log_loss_ratio(first, second, log_size)
        return np.maximum(low, -high)

    first_log, last_log = np.log(shared)
    crossings = _roots(gap, np.linspace(first_log, last_log, 8 * STEPS + 1))
    nodes = np.unique(np.concatenate([np.linspace(first_log, last_log, STEPS + 1), crossings]))
    cuts = np.concatenate([shared[:1], np.exp(_roots(doubt, nodes)), shared[1:]])
    _, low, high = log_loss_ratio(first, second, np.log(cuts[:-1] * cuts[1:]) / 2)
    state = np.where(low > 0, 1, np.where(high < 0, -1, 0))
    return _described(level, cuts, state, np.exp(crossings))


def _described(
    level: float, cuts: np.ndarray, state: np.ndarray, crossings: np.ndarray
) -> Crossover:
    """The stretches between `cuts` [s + 1] in words; `state` [s] is 0 where equal, else the sign of
    ln second/first.
    """
    equal: list[tuple[float, float]] = []
    ahead: list[Ahead] = []
    for (low, high), sign in zip(pairwise(cuts.tolist()), state, strict=True):
        if sign == 0:
            equal.append((low, high))
        else:
            ahead.append(Ahead(low, high, "first" if sign > 0 else "second"))
    kind: CrossoverKind
    if not equal:
        kind = "none"
    elif not ahead:
        kind = "everything"
    else:
        kind = "half-open" if state[0] == 0 or state[-1] == 0 else "bounded"
    estimate = float(crossings[0]) if kind == "bounded" and len(crossings) == 1 else None
    return Crossover(
        level, (float(cuts[0]), float(cuts[-1])), (), kind, tuple(equal), tuple(ahead), estimate
    )


def _roots(function: Callable[[np.ndarray], np.ndarray], nodes: np.ndarray) -> np.ndarray:
    """Where a function changes sign between its `nodes`, in order."""
    signs = np.sign(function(nodes))
    change = np.flatnonzero((signs[:-1] > 0) != (signs[1:] > 0))
    if not change.size:
        return np.array([])
    return elementwise.find_root(
        function, (nodes[change], nodes[change + 1]), tolerances={"xatol": 1e-9}
    ).x
