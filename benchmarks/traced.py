"""What torch has a device do, operation by operation: what a GPU is asked to launch, and where the
host waits for it.

    done = operations(lambda: settings.tell(state, loss_R, gradient_RP))
    len(done), sum(one.bytes for one in done), [one.name for one in done if one.waits]

Two calls with equal lists can be captured as one graph of a GPU if nothing in them waits. Of
tensors on the device `meta`, which have no data, copies from the host are found too.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.count.dispatched import VIEWS

ALLOCATIONS = frozenset(("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"))
# The host needs a number, or the length of what comes out, before it can go on.
ASKING = frozenset(
    ("_local_scalar_dense", "_unique2", "equal", "masked_select", "nonzero", "unique_dim")
)
# A tensor is made of Python's numbers, which a device must have copied.
FROM_PYTHON = frozenset(("lift_fresh", "lift_fresh_copy"))
WAITING = ASKING | FROM_PYTHON


class Operation(NamedTuple):
    """One that torch dispatched and that is no view."""

    name: str  # in aten, without its overload
    bytes: int  # read and written, by this operation alone
    launches: bool  # False for memory that is allocated only
    waits: bool  # on a device the host would wait for it, or copy to it


def operations(function: Callable[[], Any]) -> list[Operation]:
    """What a call dispatches, in order, backward passes included."""
    with _Trace() as trace:
        function()
    return trace.operations


class _Trace(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name in FROM_PYTHON or name.removesuffix("_") not in VIEWS:
            tensors = [
                leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)
            ]
            moved = sum(map(stored_bytes, tensors))
            devices = {tensor.device.type for tensor in tensors}
            waits = name in WAITING or len(devices) > 1 or _is_masked(name, args)
            self.operations.append(Operation(name, moved, name not in ALLOCATIONS, waits))
        return out


def stored_bytes(tensor: Tensor) -> int:
    """Of the elements that are stored: one along an expanded axis, whose stride is 0."""
    stored = prod(
        size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride
    )
    return stored * tensor.element_size()


def _is_masked(name: str, args: Any) -> bool:
    """Whether it indexes by a mask, for which the host must learn how many elements that names."""
    indices = args[1] if name in ("index", "index_put", "index_put_") else ()
    return any(isinstance(index, Tensor) and index.dtype is torch.bool for index in indices)
