"""A target function and where it comes from, and samples of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import HarnessError
from harness.base.user_code import calling_user_code

# A target is called a second time on so many points, but at most half, so that what hangs on all of them differs.
CALLED_AGAIN = 64
# The two calls may differ by so much, of a value and of the mean size of all. Not the same bits: a function rounds
# otherwise where the same point lies elsewhere in a vector register or a block of BLAS, about 1e-16 in float64 and
# 1e-7 in float32, and cancellation makes that larger. What depends on chance or on other points differs by far more.
SAME = 1e-5


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


def values(reference: str, target: Target, x: Array) -> Array:
    """The target's values [n] at points x [n, inputs], of which it gets a copy; a TargetError if they cannot be learnt.

    That is so if one is not finite, or if a second call on some of the points, in another order, gives other values: a
    run's identity fixes what it learns.
    """
    where = f"target {reference}"
    y = _called(where, target.function, x)
    if not np.isfinite(y).all():
        worst = int(np.flatnonzero(~np.isfinite(y))[0])
        raise TargetError(
            f"{where}: value {y[worst]} at x={x[worst].tolist()}; choose low and high so that it is finite on the "
            "whole box"
        )
    some = np.random.default_rng(0).permutation(min(CALLED_AGAIN, max(1, len(x) // 2)))
    again, scale = _called(where, target.function, x[some]), np.abs(y).mean()
    if not np.allclose(again, y[some], rtol=SAME, atol=SAME * scale):
        worst = int(np.abs(again - y[some]).argmax())
        raise TargetError(
            f"{where}: {y[some][worst]} and then {again[worst]} at the same x={x[some][worst].tolist()}, called "
            "with fewer points in another order; a value must depend on its own point alone, not on chance, earlier "
            "calls or other points"
        )
    return y


def _called(where: str, function: Function, x: Array) -> Array:
    """The function's values [n] as a new array of float64."""
    count = len(x)
    with calling_user_code(f"{where}, for x of shape {x.shape}", TargetError):
        given = function(x.copy())
        y = np.asarray(given)
        if isinstance(given, np.ma.MaskedArray):
            raise TargetError(f"{where}: a masked array returned; return plain numbers, and choose a box that has them")
        if y.dtype.kind not in "biuf":
            raise TargetError(f"{where}: values of dtype {y.dtype} returned; return bool, integer or float")
        if y.shape not in ((count,), (count, 1)):
            raise TargetError(
                f"{where}: shape {y.shape} returned for x of shape {x.shape}; return ({count},) or ({count}, 1)"
            )
        return y.reshape(count).astype(np.float64)
