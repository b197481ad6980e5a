"""What torch executes: every operation it dispatches, counted by what it does.

    with Counter() as counter:
        loss.backward()                              # any torch code
    counter.executed                                 # Executed(matmul, elementwise, compares)

    operations                           count matrix products                      the formulas of
    torch.utils.flop_counter: 2 m n k, the bias of addmm included arithmetic, activations
    what the tables below say, an element of the output sum, mean                            1 an
    element of the input; of n terms that is one add too many for a sum, as
                                         2 m n k has it too
    scatter_add (backward of gather)     1 an element added compares, selections                 1
    an element of the output; clamp 1 a bound; a search in T knots ceil(log2 T) copies, gathers,
    concatenations      no FLOPs views                                nothing at all

Arithmetic on integers is not floating point: the sums that make gather's indices are the addresses
that they are.

An operation that is in no table is an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from harness import families
from harness.count import DEFAULT_WEIGHTS, WEIGHTS
from harness.families import Network
from harness.families.base import SAMPLE_BLOCK


def _names(text: str) -> frozenset[str]:
    """Of operations of aten; the in-place variant of one, with its underscore, counts the same."""
    return frozenset(text.split())


VIEWS = _names(
    "alias as_strided detach diagonal expand lift_fresh permute select slice split "
    "split_with_sizes squeeze t transpose"
    " unbind unfold unsqueeze view _reshape_alias _unsafe_view"
)
MOVES = _names(
    "arange cat clone constant_pad_nd copy empty empty_like eye fill flip full full_like gather "
    "index index_select"
    " linspace new_empty new_empty_strided new_full new_ones new_zeros ones ones_like repeat "
    "replication_pad1d roll"
    " scalar_tensor scatter select_backward slice_backward stack zero zeros zeros_like _to_copy"
)
PRODUCTS = _names("addmm baddbmm bmm mm")
COMPARES = _names(
    "bitwise_and bitwise_not bitwise_or eq ge gt le logical_and logical_not logical_or lt "
    "masked_fill maximum minimum"
    " nan_to_num ne where"
)
BOUNDS = _names("clamp clamp_max clamp_min")
REDUCTIONS = _names("mean sum")
ADDED_INTO = _names("index_add scatter_add")
# FLOPs an element of the output.
ARITHMETIC = {
    **dict.fromkeys(
        _names("abs add ceil div floor mul neg reciprocal round rsub sqrt sub trunc"), 1
    ),
    "addcdiv": 2,
    "addcmul": 2,
    "lerp": 3,  # a + w (b - a)
}
# FLOPs of x^n: multiplications. Other exponents are in no weight table.
POWERS = {0: 0, 1: 0, 2: 1, 3: 2}

_FORWARD = WEIGHTS[DEFAULT_WEIGHTS]
# The weight table prices forward functions. Its own prices (multiply, add, divide and exp 1 each)
# give what torch's backward kernels execute, s being the sigmoid and Phi the normal distribution
# function:
FUNCTIONS = {
    **_FORWARD,
    "threshold_backward": _FORWARD["relu"],  # relu's: g where x > 0
    "sigmoid_backward": 3,  # g y (1 - y), from the output y
    "tanh_backward": 3,  # g (1 - y y), from the output y
    "silu_backward": _FORWARD["sigmoid"] + 5,  # g s (1 + x (1 - s)), s anew
    # g (Phi + x phi): Phi is gelu less its multiplication by x, phi = c exp(-x x / 2) is 4, the
    # rest 3.
    "gelu_backward": _FORWARD["gelu"] - 1 + 4 + 3,
}

# The engine never runs fewer; one lane would take other kernels.
LANES = 2


class Executed(NamedTuple):
    """Operations. `matmul` is what torch's FlopCounterMode sees."""

    matmul: int
    elementwise: int
    compares: int

    @property
    def flops(self) -> int:
        """All operations, where a compare is one as well."""
        return self.matmul + self.elementwise + self.compares


class UnknownOperation(Exception):
    """The counter has met an operation, or a use of one, that none of its tables holds."""


class Counter(TorchDispatchMode):
    """Sums the operations dispatched while it is active, those of backward passes included."""

    def __init__(self) -> None:
        super().__init__()
        self.executed = Executed(0, 0, 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and add what it did."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        executed = self.count(func, args, kwargs, out)
        self.executed = Executed(
            *(before + more for before, more in zip(self.executed, executed, strict=True))
        )
        return out

    def count(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any
    ) -> Executed:
        """What one operation did; an UnknownOperation if no table has it."""
        name = func.overloadpacket.__name__.removesuffix("_")
        if func.namespace != "aten":
            raise UnknownOperation(
                f"{func} is not an operation of aten; the counter has no table for it"
            )
        if name in VIEWS | MOVES:
            return Executed(0, 0, 0)
        if name in PRODUCTS:
            matmul = flop_registry[getattr(torch.ops.aten, name)](*args, **kwargs, out_val=out)
            return Executed(matmul, _scalar_factors(kwargs) * out.numel(), 0)
        compares = _compares(name, args, kwargs)
        if compares is not None:
            return Executed(0, 0, compares * out.numel())
        elementwise = _elementwise(func, name, args, kwargs, out)
        if out.is_complex():
            raise UnknownOperation(f"{func} has complex numbers; the counter knows real ones only")
        return Executed(0, elementwise if out.is_floating_point() else 0, 0)


@cache
def executed_forward(network: Network) -> Executed:
    """A forward pass, per sample and lane.

    Per sample means what one sample more costs: what an evaluation does once for all its samples
    (weights padded, read and scaled, knot differences) has no share in it. Counts are affine in
    samples, so the division leaves no rest.
    """
    return _per_sample(lambda samples: _count(network, samples, with_backward=False))


@cache
def executed_evaluation(network: Network) -> Executed:
    """A forward and a backward pass of the mean squared error, per sample and lane as in
    `executed_forward`.
    """
    return _per_sample(lambda samples: _count(network, samples, with_backward=True))


# --------------------------------------------------------------------------------------------------
# one evaluation
def _per_sample(count: Callable[[int], Executed]) -> Executed:
    """From whole blocks of samples, which need no padding."""
    few, many = count(SAMPLE_BLOCK), count(2 * SAMPLE_BLOCK)
    shares = [
        divmod(after - before, LANES * SAMPLE_BLOCK)
        for before, after in zip(few, many, strict=True)
    ]
    assert not any(remainder for _, remainder in shares), "counts are not affine in samples"
    return Executed(*(share for share, _ in shares))


def _count(network: Network, samples: int, with_backward: bool) -> Executed:
    """In float64, on tensors without data: what is executed depends on shapes only."""
    options: dict[str, Any] = {"dtype": torch.float64, "device": "meta"}
    flat_RP = torch.empty(
        LANES, families.parameter_count(network), requires_grad=with_backward, **options
    )
    knots = network.draw_knots([np.random.default_rng(0)] * LANES, **options)
    x_RNI = torch.empty(LANES, samples, network.inputs, **options)
    y_RNO = torch.empty(LANES, samples, network.outputs, **options)
    with Counter() as counter:
        out_RNO = families.forward(network, flat_RP, knots, x_RNI)
        if with_backward:  # as harness.train.torch_engine has it
            loss_R = (out_RNO - y_RNO).square().mean((1, 2))
            torch.autograd.grad(loss_R.sum(), flat_RP)
    return counter.executed


# --------------------------------------------------------------------------------------------------
# one operation
def _compares(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
    """Compares an element of the output, None for what is no comparison."""
    if name in COMPARES:
        return 1
    if name in BOUNDS:
        return sum(bound is not None for bound in [*args[1:], *kwargs.values()])
    if name == "searchsorted":
        return (args[0].shape[-1] - 1).bit_length()
    return None


def _elementwise(
    func: Any, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor
) -> int:
    if name in ARITHMETIC:
        return (ARITHMETIC[name] + _scalar_factors(kwargs)) * out.numel()
    if name in FUNCTIONS:
        return FUNCTIONS[name] * out.numel()
    if name in REDUCTIONS:
        return args[0].numel()
    if name in ADDED_INTO:
        return args[3].numel()
    if name == "pow" and not isinstance(args[1], Tensor) and args[1] in POWERS:
        return POWERS[args[1]] * out.numel()
    exponent = f" with exponent {args[1]}" if name == "pow" else ""
    raise UnknownOperation(
        f"the counter does not know {func}{exponent}; add it to a table of {__name__}"
    )


def _scalar_factors(kwargs: Mapping[str, Any]) -> int:
    """Multiplications an element by the scalars that fused operations may be given."""
    return sum(kwargs.get(name, 1) != 1 for name in ("alpha", "beta", "value"))
