"""How large a user's own module is and what it computes, counted on the live module: there is no
closed form of it.

It is counted as it runs: all operations that torch dispatches, forward and backward, with those
that no table of `harness.count.dispatched` prices taken for one a number that they give.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from harness.base.errors import HarnessError
from harness.base.user_code import calling_user_code
from harness.count.dispatched import Counter, Executed, UnknownOperation
from harness.families import Module, ModuleCounts, ModuleShape
from harness.families import module as modules
from harness.spec.recipe import CapTooSmall

# Two batches, whose difference is what so many points more cost.
FEW, MANY = 64, 128


class _AnyOperation(Counter):
    """Counts operations that are in no table too: products by torch's formulas, else one a number
    that comes out.
    """

    def count(self, func: Any, args: Any, kwargs: Any, out: Any) -> Executed:
        """What one operation did, an unknown one too."""
        try:
            return super().count(func, args, kwargs, out)
        except UnknownOperation:
            if formula := flop_registry.get(func.overloadpacket):
                return Executed(formula(*args, **kwargs, out_val=out), 0, 0)
            values = out if isinstance(out, (tuple, list)) else (out,)
            return Executed(
                0, sum(value.numel() for value in values if isinstance(value, torch.Tensor)), 0
            )


def module_network(architecture: Module, inputs: int, outputs: int, value: int) -> ModuleShape:
    """The network of `architecture` at the size `value`, and what it counts.

    Raises CapTooSmall where the module cannot be made that large, and HarnessError where it cannot
    be made at size 1.
    """
    bare = ModuleShape(
        shape=(inputs, outputs),
        module=architecture.module,
        fingerprint=modules.fingerprint(architecture.module),
        size=architecture.size,
        value=value,
    )
    return bare.model_copy(update={"counts": _counts(bare)})


@cache  # each trial of a search asks for the same sizes
def _counts(bare: ModuleShape) -> ModuleCounts:
    try:
        with torch.device("meta"):  # no numbers, so that a size too large can be counted too
            module = modules.make(bare)
    except HarnessError as error:
        if bare.value > 1 and not isinstance(
            error.__cause__, TypeError
        ):  # it does not take the keyword, at any size
            raise CapTooSmall(str(error)) from None
        raise
    if not modules.trained_parameters(module):
        raise HarnessError(
            f"module {bare.module}: no parameter of it requires a gradient, so there is nothing "
            "to train"
        )
    if complex_ones := [
        name for name, value in modules.trained_parameters(module).items() if value.is_complex()
    ]:
        raise HarnessError(
            f"module {bare.module}: parameter {complex_ones[0]} is complex; keep two real ones in "
            "its place"
        )
    problem = (
        "its passes could not be counted (on points without data, torch's device meta, where code "
        "that asks for "
        "values, such as `if x.max() > 0`, has no fixed count)"
    )
    with calling_user_code(f"module {bare.module}: {problem}"):
        module = module.to("meta")  # also what it made of numpy's arrays
        forward, evaluation = (
            _per_point(module, bare.inputs, with_backward) for with_backward in (False, True)
        )
    return ModuleCounts(
        parameters=sum(
            parameter.numel() for parameter in modules.trained_parameters(module).values()
        ),
        forward=forward.flops,
        evaluation=evaluation.flops,
        forward_matmul=forward.matmul,
        evaluation_matmul=evaluation.matmul,
    )


def _per_point(module: torch.nn.Module, inputs: int, with_backward: bool) -> Executed:
    few, many = (_counted(module, points, inputs, with_backward) for points in (FEW, MANY))
    return Executed(
        *(round((after - before) / (MANY - FEW)) for before, after in zip(few, many, strict=True))
    )


def _counted(module: torch.nn.Module, points: int, inputs: int, with_backward: bool) -> Executed:
    """Of a forward pass, or of that, the mean squared error, and the backward pass."""
    x_NI = torch.empty(points, inputs, device="meta")
    parameters = list(modules.trained_parameters(module).values())
    with _AnyOperation() as counter:
        y_NO = module(x_NI)
        if with_backward:
            loss = (y_NO - torch.empty_like(y_NO)).square().mean()
            torch.autograd.grad(loss, parameters, allow_unused=True)
    return counter.executed
