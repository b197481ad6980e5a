"""The seam of the compiled CPU kernels: a network of any family here, one lane, float64.

    kind, sizes = describe(network)
    work = workspace(network, samples)
    loss = loss_and_gradient(SQUARES, kind, sizes, flat, knots, x, y, gradient, work)

All four kernels can be called from Python and from functions compiled by `compiled`. Arrays are C-contiguous float64:
`flat` [P] in the layout of `harness.families.layout`, `knots` of all layers one behind the other (empty for an MLP), x
[I, N], y [O, N], or of CROSS_ENTROPY the numbers of classes, [1, N]. Nothing is checked. Results hang on these alone,
to the last bit: not on what `work` held before, nor on where arrays lie. What is not finite makes a loss that is not.

The kernels of a family are compiled as one C function, which is found by its name when it is linked. Otherwise numba
would put a copy into whatever calls it, and spend seconds on optimising each.

Letters of shapes: I inputs, O outputs, N samples, P parameters.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from functools import cache
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any

import llvmlite.binding  # type: ignore[import-untyped]
import numba
import numpy as np
from numba import types

from harness.base.errors import HarnessError
from harness.families import KanShape, MlpShape, Network, SplineMlpShape
from harness.train.fused import kan, mlp, spline_mlp
from harness.train.fused.compiled import OPTIONS, compiled, folder, keeping, key, part
from harness.train.fused.simd import JACOBIAN, NORMAL_EQUATIONS, PREDICT

# Kinds of networks, and the modules with their kernels.
MLP, KAN, SPLINE_MLP = range(3)
FAMILIES = (mlp, kan, spline_mlp)
FAMILY_NAMES = ("mlp", "kan", "spline_mlp")


# ------------------------------------------------------------------------------------------------------- from networks
@cache
def describe(network: Network) -> tuple[int, np.ndarray]:
    """Kind and sizes of a network, for the kernels, which are compiled if that has not been done: see `ready`.

    What is returned is shared: read it only.
    """
    kind = _kind(network)
    ready([_family_name(FAMILIES[kind])])
    return kind, FAMILIES[kind].describe(network)


def _kind(network: Network) -> int:
    match network:
        case MlpShape():
            return MLP
        case KanShape():
            return KAN
        case SplineMlpShape() if network.rank == 1:
            return SPLINE_MLP
    raise HarnessError(f"engine 'fused' has no kernels for {network!r}; use engine 'torch'")


def workspace(network: Network, samples: int) -> np.ndarray:
    """Room for one call at a time, whose content has no meaning; vectors like its alignment to 64 bytes.

    It does not depend on the number of samples so far.
    """
    kind, sizes = describe(network)
    length = sizes[0, FAMILIES[kind].ROOM]
    room = np.empty(length + 8)
    start = -room.ctypes.data // 8 % 8
    return room[start : start + length]


# --------------------------------------------------------------------------------------------------------- compilation
_ADDRESSES = 8
_SIGNATURE = types.float64(
    types.intp, types.intp, types.CPointer(types.int64), *[types.CPointer(types.float64)] * (_ADDRESSES - 1)
)
_FROM_NUMBA = types.float64(types.intp, types.intp, *[types.uintp] * _ADDRESSES)
_FROM_C = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_ssize_t] * (2 + _ADDRESSES))


def ready(names: Collection[str] = FAMILY_NAMES) -> float:
    """Compile the kernels of these families or load them from their folder, once a process; the seconds that it took.

    Those of all others are loaded too if they are kept, before anything is linked that calls them.
    """
    began = perf_counter()
    for family in FAMILIES:
        if _family_name(family) in names or _is_kept(family):
            _native(family)
    return perf_counter() - began


def is_cold(names: Collection[str] = FAMILY_NAMES) -> bool:
    """Whether `ready` will have to compile, which takes six to twelve seconds a family."""
    return not all(_is_kept(family) for family in FAMILIES if _family_name(family) in names)


def _is_kept(family: ModuleType) -> bool:
    place = folder(_name(family))
    return place is not None and any(place.rglob("*.nbc"))


def _family_name(family: ModuleType) -> str:
    return family.__name__.rpartition(".")[2]


@cache
def _native(family: ModuleType) -> Any:
    """The C function of a family; from now on it is found under its name."""
    with keeping(_sources(family)) as kept:
        function = numba.cfunc(_SIGNATURE, cache=kept, **OPTIONS)(family.evaluate)
    llvmlite.binding.add_symbol(_name(family), function.address)
    return function


@cache
def _name(family: ModuleType) -> str:
    return key(_sources(family))


def _sources(family: ModuleType) -> list[Path]:
    """What its kernels are made of."""
    names = ("compiled", "simd", "loss", *family.PARTS, _family_name(family))
    return [Path(__file__).with_name(f"{name}.py") for name in names]


def _declare(family: ModuleType) -> tuple[Any, Any]:
    """What compiled code calls. Until `ready` the name stands for a detour, without which the process would crash."""

    @_FROM_C
    def detour(*arguments: int) -> float:
        return _FROM_C(_native(family).address)(*arguments)

    llvmlite.binding.add_symbol(_name(family), ctypes.cast(detour, ctypes.c_void_p).value)
    return types.ExternalFunction(_name(family), _FROM_NUMBA), detour


(_mlp, _mlp_detour), (_kan, _kan_detour), (_spline_mlp, _spline_mlp_detour) = (_declare(family) for family in FAMILIES)


# ------------------------------------------------------------------------------------------------------------- kernels
@compiled
def loss_and_gradient(loss, kind, sizes, flat, knots, x, y, gradient, work):
    """The mean loss and its gradient [P]: of SQUARES over samples and outputs, of CROSS_ENTROPY (nats) over samples."""
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
    """The sum of squares r^T r; the lower triangle of J^T J [P, P], the upper is undefined; J^T r [P]."""
    return _run(NORMAL_EQUATIONS, kind, sizes, flat, knots, x, y, matrix, gradient, work)


@part
def _run(task, kind, sizes, flat, knots, x, y, first, second, work):
    """The sum of all squared residuals, or of all cross-entropies."""
    addresses = (
        sizes.ctypes.data,
        flat.ctypes.data,
        knots.ctypes.data,
        x.ctypes.data,
        y.ctypes.data,
        first.ctypes.data,
        second.ctypes.data,
        work.ctypes.data,
    )
    if kind == MLP:
        return _mlp(task, x.shape[1], *addresses)
    if kind == KAN:
        return _kan(task, x.shape[1], *addresses)
    return _spline_mlp(task, x.shape[1], *addresses)
