"""What a module of somebody else's training loop counts: a factory of torch modules, which are not trained here.

`build(**sizes)` gives a module, and `build.example()` a batch for it. Operations are counted as torch executes them, on
tensors without numbers (torch's device meta), so that a size of billions needs no memory. `build.loss(outputs)` begins
the backward pass and is counted; without it the sum of all outputs begins it, which is not counted.

Beside the operations of `harness.count.dispatched` it knows those that torch fuses, at the prices below. Attention is
its products, between all positions, and its softmax. `build.prices` has prices of further operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import flop_registry

from harness.base.errors import HarnessError, did_you_mean
from harness.base.user_code import calling_user_code, user_module
from harness.count.dispatched import Counter, Executed, UnknownOperation


def _priced(names_at: Mapping[int, str]) -> dict[str, int]:
    return {name: price for price, names in names_at.items() for name in names.split()}


FREE = frozenset(
    "_conj embedding nll_loss_backward nll_loss_forward normal rand rand_like randn randn_like tril triu uniform"
    " unsafe_split view_as_complex view_as_real".split()
)
COMPLEX = {"add": 2, "mul": 6, "sub": 2}  # FLOPs a complex number that comes out
# FLOPs an element of the output.
OF_OUTPUT = _priced(
    {
        1: "bernoulli cumsum erf exp2 expm1 isfinite isinf isnan log log1p log2 native_dropout native_dropout_backward"
        " remainder rsqrt sgn sign tan",
        2: "hardtanh hardtanh_backward leaky_relu leaky_relu_backward",
        3: "elu elu_backward pow softplus softplus_backward",
    }
)
# FLOPs an element of the first input. A normalisation is its mean, variance, shift and scale, and the learned ones;
# backward the normalised values anew, two sums over them, and three gradients.
OF_INPUT = _priced(
    {
        1: "_adaptive_avg_pool2d _adaptive_avg_pool2d_backward amax amin argmax argmin avg_pool2d avg_pool2d_backward"
        " embedding_dense_backward max max_pool2d_with_indices max_pool2d_with_indices_backward min",
        2: "linalg_vector_norm",
        3: "mse_loss mse_loss_backward",
        4: "_fused_rms_norm _log_softmax_backward_data logsumexp _softmax_backward_data std var var_mean",
        5: "_log_softmax _safe_softmax _softmax",
        8: "native_batch_norm native_group_norm native_layer_norm",
        9: "_fused_rms_norm_backward",
        13: "native_batch_norm_backward native_group_norm_backward native_layer_norm_backward",
    }
)


class ForeignCounts(NamedTuple):
    """Of a module: its trained scalars, and FLOPs a token or sample, forward, and forward and backward."""

    params: int
    flops_forward: int
    flops_train: int


class Factory(NamedTuple):
    """Makes modules of the user's: the function or class at `reference`, `package.module:name`.

    `inputs` is its example without numbers; FLOPs are divided by its `units`, of which each is a `unit`.
    """

    reference: str
    build: Callable[..., Any]
    inputs: Any
    unit: str
    units: int

    @property
    def name(self) -> str:
        """The last word of its place."""
        return self.reference.partition(":")[2]

    def called(self, sizes: Mapping[str, int]) -> str:
        """`my_model:build(width=64)`."""
        return f"{self.reference}({', '.join(f'{name}={value}' for name, value in sizes.items())})"

    def parameters(self, sizes: Mapping[str, int]) -> int:
        """Scalars that require a gradient; those that several layers share count once."""
        return sum(value.numel() for value in _trained(self._module(sizes)))

    def counts(self, sizes: Mapping[str, int]) -> ForeignCounts:
        """All counts at these sizes; a HarnessError names operations that have no price."""
        module = self._module(sizes)
        arguments, named = ((), self.inputs) if isinstance(self.inputs, dict) else (self.inputs, {})
        with _tracing(f"{self.called(sizes)} cannot be traced", getattr(self.build, "prices", {})) as counter:
            outputs = module(*arguments, **named)
            forward = counter.executed.flops
            ends = [self.build.loss(outputs)] if hasattr(self.build, "loss") else tree_leaves(outputs)
            ends = [end for end in ends if isinstance(end, Tensor) and end.requires_grad]
            if not ends:
                raise HarnessError(f"{self.called(sizes)}: nothing that it gives depends on its parameters")
            torch.autograd.grad(ends, _trained(module), list(map(torch.ones_like, ends)), allow_unused=True)
        if counter.unknown:
            example = next(iter(counter.unknown)).split(".")[1]
            raise HarnessError(
                f"{self.called(sizes)}: no cost is known of {', '.join(counter.unknown)}; say the FLOPs of a number that "
                f"it gives, such as {self.name}.prices = {{{example!r}: 1}}"
            )
        each = (round(total / self.units) for total in (forward, counter.executed.flops))
        return ForeignCounts(sum(value.numel() for value in _trained(module)), *each)

    def _module(self, sizes: Mapping[str, int]) -> nn.Module:
        with calling_user_code(f"{self.called(sizes)} failed", seed=0), torch.device("meta"):
            module = self.build(**sizes)
        if not isinstance(module, nn.Module):
            raise HarnessError(f"{self.called(sizes)} gives {type(module).__name__}; return a torch.nn.Module")
        if not _trained(module):
            raise HarnessError(f"{self.called(sizes)}: no parameter requires a gradient, so there is nothing to train")
        return module.to("meta")  # also what it made on another device


def factory_at(reference: str) -> Factory:
    """The factory at `package.module:name`, found from the current folder as well as the Python path."""
    module, name = user_module(reference, "factory"), reference.partition(":")[2]
    build = getattr(module, name, None)
    if not callable(build):
        known = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise HarnessError(f"factory {reference}: no function has the name {name!r}; {did_you_mean(name, known)}")
    if not callable(getattr(build, "example", None)):
        raise HarnessError(
            f"factory {reference} has no example(); write {name}.example = a function without arguments that returns a "
            "batch of inputs"
        )
    with calling_user_code(f"{reference}.example() failed", seed=0):
        inputs = build.example()
    inputs = inputs if isinstance(inputs, dict | tuple) else (inputs,)
    tensors = [one for one in tree_leaves(inputs) if isinstance(one, Tensor)]
    if not tensors or not all(one.dim() and one.numel() for one in tensors):
        raise HarnessError(f"{reference}.example() gives no batch of inputs: return a tensor, or a tuple or dict of them")
    is_text = tensors[0].dim() == 2 and not tensors[0].is_floating_point()
    without_numbers = tree_map_only(Tensor, partial(Tensor.to, device="meta"), inputs)
    unit, units = ("token", tensors[0].numel()) if is_text else ("sample", len(tensors[0]))
    return Factory(reference, build, without_numbers, unit, units)


# ------------------------------------------------------------------------------------------------------------ counting
class _PricedCounter(Counter):
    """Knows fused operations, and the prices that a factory gives; notes what it does not know, and goes on."""

    def __init__(self, prices: Mapping[str, float]):
        super().__init__()
        self.prices = prices
        self.unknown: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """As of every Counter; an operation that fails is named."""
        try:
            return super().__torch_dispatch__(func, types, args, kwargs)
        except Exception as error:
            why = "; while it is counted, tensors have no numbers that it could ask for" if "meta" in str(error) else ""
            raise RuntimeError(f"{func}: {error}{why}") from error

    def count(self, func: Any, args: Any, kwargs: Any, out: Any) -> Executed:
        """What one operation did, a fused one too."""
        name = func.overloadpacket.__name__.removesuffix("_")
        if name in self.prices:
            given = sum(one.numel() for one in tree_leaves(out) if isinstance(one, Tensor))
            return Executed(0, round(self.prices[name] * given), 0)
        try:
            return super().count(func, args, kwargs, out)
        except UnknownOperation:
            known = _fused(func, name, args, kwargs, out)
            if known is None:
                self.unknown[str(func)] = None
            return known or Executed(0, 0, 0)


def _fused(func: Any, name: str, args: Any, kwargs: Any, out: Any) -> Executed | None:
    """None for what no table has."""
    if name in FREE:
        return Executed(0, 0, 0)
    first, given = args[0], out[0] if isinstance(out, tuple) else out
    if name in COMPLEX and given.is_complex():
        return Executed(0, COMPLEX[name] * given.numel(), 0)
    if name.endswith("index_put") or name == "_index_put_impl":
        is_added = len(args) > 3 and args[3]
        return Executed(0, args[2].numel() if is_added else 0, 0)
    if name in OF_OUTPUT or name in OF_INPUT:
        elements = OF_OUTPUT[name] * given.numel() if name in OF_OUTPUT else OF_INPUT[name] * first.numel()
        is_integer = isinstance(first, Tensor) and not first.is_floating_point()
        return Executed(0, 0 if is_integer else elements, 0)
    if name in ("convolution", "convolution_backward"):
        products = flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        has_bias, biased = (args[2] is not None, given) if name == "convolution" else (args[-1][2], first)
        return Executed(products, biased.numel() if has_bias else 0, 0)
    return None


@contextmanager
def _tracing(what: str, prices: Mapping[str, float]) -> Iterator[_PricedCounter]:
    """On tensors without numbers, where attention is executed operation by operation."""
    with ExitStack() as stack:
        stack.enter_context(calling_user_code(what, seed=0))
        stack.enter_context(torch.device("meta"))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield stack.enter_context(_PricedCounter(prices))


def _trained(module: nn.Module) -> list[Tensor]:
    return [value for value in module.parameters() if value.requires_grad]
