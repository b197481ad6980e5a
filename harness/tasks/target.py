"""A target function and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError


class TargetError(HarnessError):
    """A target that cannot be had or evaluated: runs that learn it cannot train, all others can."""


@dataclass(frozen=True)
class Target:
    """What is learnt: `function` maps points [n, inputs] to values [n] in float64.

    `version` stands for the function's definition in a run's identity: raise it when the definition changes. Where
    training points are not drawn, `train_points` gives so many of them, [n, inputs], the same under every seed.
    """

    function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    inputs: int
    formula: str
    source: str
    version: str
    train_points: Callable[[int], NDArray[np.float64]] | None = None
