"""The seam of the compiled CPU kernels: a network of any family here, one lane, float64.

    kind, sizes = describe(network)
    work = workspace(network)
    loss = loss_and_gradient(SQUARES, kind, sizes, flat, knots, x, y, gradient, work)

All four kernels can be called from Python and from functions compiled by `compiled`. Arrays are
C-contiguous float64: `flat` [P] in the layout of `harness.families.layout`, `knots` of all layers
one behind the other (empty for an MLP), x [I, N], y [O, N], or of CROSS_ENTROPY the numbers of
classes, [1, N]. Nothing is checked. Results hang on these alone, to the last bit: not on what
`work` held before, nor on where arrays lie. What is not finite makes a loss that is not, unless a
function takes it to a finite number, as tanh does infinity.

The kernels of a module are compiled as one C function, and `kind` is its address in this process.
So it is called like any function of another library. Otherwise numba would put a copy into whatever
calls it, and spend seconds on optimising each.

Letters of shapes: I inputs, O outputs, N samples, P parameters.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from time import perf_counter
from types import ModuleType
from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from harness.base.errors import HarnessError
from harness.families import Network
from harness.train.fused import expansion, kan, mlp, rational, spline_mlp
from harness.train.fused.compiled import OPTIONS, compiled, keeping, part
from harness.train.fused.simd import intrinsic
from harness.train.fused.sizes import JACOBIAN, NORMAL_EQUATIONS, PREDICT

# The modules with kernels, by the name that networks have of theirs.
MODULES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (mlp, kan, spline_mlp, expansion, rational)
}


# --------------------------------------------------------------------------------------------------
# from networks
@cache
def describe(network: Network) -> tuple[int, np.ndarray]:
    """Kind and sizes of a network, for the kernels, which are compiled if that has not been done:
    see `ready`.

    The kind is good for this process only. What is returned is shared: read it only.
    """
    reason = network.without_kernels()
    if reason:
        raise HarnessError(
            f"engine 'fused' {reason}, and the network is {network!r}; use engine 'torch'"
        )
    sizes = MODULES[network.kernels].describe(network)
    return _native(network.kernels).address, sizes.view(np.ndarray).view(np.int64).reshape(
        len(sizes), -1
    )


def workspace(network: Network) -> np.ndarray:
    """Room for one call at a time, whose content has no meaning; vectors like its alignment to 64
    bytes.
    """
    _, sizes = describe(network)
    length = sizes.view(MODULES[network.kernels].SIZES)[0, 0]["room"]
    room = np.empty(length + 8)
    start = -room.ctypes.data // 8 % 8
    return room[start : start + length]


# --------------------------------------------------------------------------------------------------
# compilation
_ADDRESSES = 8
_SIGNATURE = types.float64(
    types.intp, types.intp, types.voidptr, *[types.CPointer(types.float64)] * (_ADDRESSES - 1)
)


def ready(modules: Collection[str] = tuple(MODULES)) -> float:
    """Compile these modules (six to twelve seconds each) or load them, once a process; the seconds
    that it took.
    """
    began = perf_counter()
    for module in modules:
        _native(module)
    return perf_counter() - began


@cache
def _native(module: str) -> Any:
    with keeping() as kept:
        return numba.cfunc(_SIGNATURE, cache=kept, **OPTIONS)(MODULES[module].evaluate)


@intrinsic
def _call(typing, kind, task, samples, sizes, flat, knots, x, y, first, second, work):
    """What the C function at the address `kind` returns."""

    def generate(context, builder, signature, args):
        function = ir.FunctionType(ir.DoubleType(), [value.type for value in args[1:]])
        return builder.call(builder.inttoptr(args[0], function.as_pointer()), args[1:])

    return types.float64(*[types.intp] * (3 + _ADDRESSES)), generate


# --------------------------------------------------------------------------------------------------
# kernels
@compiled
def loss_and_gradient(loss, kind, sizes, flat, knots, x, y, gradient, work):
    """The mean loss and its gradient [P]: of SQUARES over samples and outputs, of CROSS_ENTROPY
    (nats) over samples.
    """
    return _run(loss, kind, sizes, flat, knots, x, y, gradient, gradient, work) / y.size


@compiled
def predict(kind, sizes, flat, knots, x, out, work):
    """Fill `out` [O, N]."""
    _run(PREDICT, kind, sizes, flat, knots, x, out, out, out, work)


@compiled
def residuals_and_jacobian(kind, sizes, flat, knots, x, y, residual, jacobian, work):
    """Fill `residual` [O * N], prediction - target, and its dense derivatives [O * N, P]."""
    _run(JACOBIAN, kind, sizes, flat, knots, x, y, residual, jacobian, work)


@compiled
def normal_equations(kind, sizes, flat, knots, x, y, matrix, gradient, work):
    """The sum of squares r^T r; the lower triangle of J^T J [P, P], the upper is undefined; J^T r
    [P].
    """
    return _run(NORMAL_EQUATIONS, kind, sizes, flat, knots, x, y, matrix, gradient, work)


@part
def _run(task, kind, sizes, flat, knots, x, y, first, second, work):
    """The sum of all squared residuals, or of all cross-entropies."""
    return _call(
        kind,
        task,
        x.shape[1],
        sizes.ctypes.data,
        flat.ctypes.data,
        knots.ctypes.data,
        x.ctypes.data,
        y.ctypes.data,
        first.ctypes.data,
        second.ctypes.data,
        work.ctypes.data,
    )
