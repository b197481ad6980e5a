"""A target function and where it comes from, and samples of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError


class TargetError(HarnessError):
    """A target that cannot be had or evaluated: runs that learn it cannot train, all others can."""


Array = NDArray[np.float64]
Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Target:
    """What is learnt: `function` maps points [n, inputs] to values [n] in float64.

    `version` stands for the function's definition in a run's identity: raise it when the definition changes. Where
    training points are not drawn, `train_points` gives so many of them, [n, inputs], the same under every seed. A
    target that knows no other box than [-1, 1]^inputs says in `only_box` why.
    """

    function: Function
    inputs: int
    formula: str
    source: str
    version: str
    train_points: Callable[[int], Array] | None = None
    only_box: str = ""
    # Of the solution of a PDE: its gradient [n, inputs] and its Laplacian [n], the right-hand side that is learnt from.
    gradient: Function | None = None
    laplacian: Function | None = None


@dataclass(frozen=True)
class Inside:
    """Of the points that a PDE is learnt from the first so many, and the weight of their mean square in the loss."""

    points: int
    weight: float


@dataclass(frozen=True)
class Quadrature:
    """What a mean over the box takes: the share of each point [n], and the target's gradient there [n, inputs]."""

    shares: Array
    gradient: Array


@dataclass(frozen=True)
class Samples:
    """Points x [n, inputs] and what is wanted there, y [n, 1]: the target's values, or `inside` its Laplacian's."""

    x: Array
    y: Array
    inside: Inside | None = None
    quadrature: Quadrature | None = None
