"""What a module of somebody else's training loop counts: a factory of torch modules, which are not
trained here.

`build(**sizes)` gives a module, and `build.example()` a batch for it. Operations are counted as
torch executes them, on tensors without numbers (torch's device meta), so that a size of billions
needs no memory. `build.loss(outputs)` begins the backward pass and is counted; without it the sum
of all outputs begins it, which is not counted.

Beside the operations of `harness.count.dispatched` it knows those that torch fuses, at the prices
below. Attention is its products, between all positions, and its softmax. `build.prices` has prices
of further operations.
"""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
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

# FLOPs an element of the output, or of the first input. Gathers, picks and random numbers are
# copies. Normalising is mean, variance, shift, scale and what is learned; backward, values
# normalised anew, two sums, three gradients.
FUSED = {
    (
        "output",
        0,
    ): "embedding nll_loss_backward nll_loss_forward normal rand rand_like randn randn_like "
    "tril triu"
    " uniform unsafe_split",
    (
        "output",
        1,
    ): "bernoulli cumsum erf exp2 expm1 isfinite isinf isnan log log1p log2 native_dropout"
    " native_dropout_backward remainder rsqrt sgn sign tan",
    ("output", 2): "hardtanh hardtanh_backward leaky_relu leaky_relu_backward",
    ("output", 3): "elu elu_backward pow softplus softplus_backward",
    (
        "input",
        1,
    ): "_adaptive_avg_pool2d _adaptive_avg_pool2d_backward amax amin argmax argmin avg_pool2d"
    " avg_pool2d_backward embedding_dense_backward max max_pool2d_with_indices "
    "max_pool2d_with_indices_backward min",
    ("input", 2): "linalg_vector_norm",
    ("input", 3): "mse_loss mse_loss_backward",
    (
        "input",
        4,
    ): (
        "_fused_rms_norm _log_softmax_backward_data logsumexp _softmax_backward_data std var "
        "var_mean"
    ),
    ("input", 5): "_log_softmax _safe_softmax _softmax",
    ("input", 8): "native_batch_norm native_group_norm native_layer_norm",
    ("input", 9): "_fused_rms_norm_backward",
    (
        "input",
        13,
    ): "native_batch_norm_backward native_group_norm_backward native_layer_norm_backward",
}
PRICES = {name: priced for priced, names in FUSED.items() for name in names.split()}
AXES = ("params", "flops_forward", "flops_train")
BY_VALUES = (
    "how many it picks depends on the values of a tensor, as of a mask of true and false, and "
    "while it is counted "
    "tensors have none; multiply by the mask, use torch.where, or pick equally many each "
    "time (topk)"
)


class Factory(NamedTuple):
    """Makes modules of the user's: the function or class at `reference`, `package.module:name`.

    `inputs` are its example without numbers. FLOPs are given by the `unit`, token or sample, of
    which it has `units`.
    """

    reference: str
    build: Callable[..., Any]
    inputs: Any
    unit: str
    units: int

    def parameters(self, sizes: Mapping[str, int]) -> int:
        """Scalars that require a gradient; those that several layers share count once."""
        return sum(value.numel() for value in self._made(sizes)[1])

    def counts(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Parameters, and FLOPs a unit; a HarnessError names operations that have no price."""
        (module, trained), counter = (
            self._made(sizes),
            _PricedCounter(getattr(self.build, "prices", {})),
        )
        arguments, named = ((), self.inputs) if isinstance(self.inputs, dict) else (self.inputs, {})
        tracing = calling_user_code(f"{self._called(sizes)} cannot be traced", seed=0)
        with tracing, torch.device("meta"), sdpa_kernel(SDPBackend.MATH), counter:
            outputs = module(*arguments, **named)
            forward = counter.executed.flops
            ends = (
                [self.build.loss(outputs)] if hasattr(self.build, "loss") else tree_leaves(outputs)
            )
            ends = [end for end in ends if isinstance(end, Tensor) and end.requires_grad]
            if not ends:
                what = "its loss has" if hasattr(self.build, "loss") else "its outputs have"
                raise HarnessError(
                    f"{self._called(sizes)}: {what} no gradient, so there is no backward pass to "
                    "count; return tensors "
                    "that depend on the parameters"
                )
            torch.autograd.grad(ends, trained, list(map(torch.ones_like, ends)), allow_unused=True)
        if counter.unknown:
            which, name = ", ".join(counter.unknown), next(iter(counter.unknown)).split(".")[1]
            raise HarnessError(
                f"{self._called(sizes)}: no cost is known of {which}; say how many FLOPs a number "
                "takes that it gives, "
                f"such as {self.reference.partition(':')[2]}.prices = {{{name!r}: 1}}"
            )
        per_unit = (round(each / self.units) for each in (forward, counter.executed.flops))
        return dict(zip(AXES, (sum(value.numel() for value in trained), *per_unit), strict=True))

    def _called(self, sizes: Mapping[str, int]) -> str:
        return f"{self.reference}({', '.join(f'{name}={value}' for name, value in sizes.items())})"

    def _made(self, sizes: Mapping[str, int]) -> tuple[nn.Module, list[Tensor]]:
        """The module, and what an optimiser moves in it; a HarnessError where the factory does not
        take these sizes.
        """
        with suppress(ValueError):  # not every callable has a signature
            signature = inspect.signature(self.build)
            try:
                signature.bind_partial(**sizes)  # which says first what is no argument
                signature.bind(**sizes)
            except TypeError as error:
                takes = f"it is {self.reference.partition(':')[2]}{signature}"
                where = (
                    "`solve` names the size that is solved for, `at` has the others, as "
                    "1e6,layers=2"
                )
                raise HarnessError(f"{self._called(sizes)}: {error}; {takes}; {where}") from None
        with calling_user_code(f"{self._called(sizes)} failed", seed=0), torch.device("meta"):
            module = self.build(**sizes)
        if not isinstance(module, nn.Module):
            raise HarnessError(
                f"{self._called(sizes)} gives {type(module).__name__}; return a torch.nn.Module"
            )
        module = module.to("meta")  # also what it made on another device
        trained: list[Tensor] = [value for value in module.parameters() if value.requires_grad]
        if not trained:
            raise HarnessError(
                f"{self._called(sizes)}: no parameter requires a gradient; there is nothing "
                "to train"
            )
        return module, trained


def factory_at(reference: str) -> Factory:
    """The factory at `package.module:name`, found from the current folder as well as the Python
    path.
    """
    module, name = user_module(reference, "factory"), reference.partition(":")[2]
    build = getattr(module, name, None)
    if not callable(build):
        own = [
            key
            for key, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
        ]
        raise HarnessError(
            f"factory {reference}: no function has the name {name!r}; {did_you_mean(name, own)}"
        )
    if not callable(getattr(build, "example", None)):
        needs = f"{name}.example = a function without arguments that returns a batch of inputs"
        raise HarnessError(f"factory {reference} has no example(); write {needs}")
    with calling_user_code(f"{reference}.example() failed", seed=0):
        inputs = build.example()
    inputs = inputs if isinstance(inputs, dict | tuple) else (inputs,)
    first = next((one for one in tree_leaves(inputs) if isinstance(one, Tensor)), None)
    if first is None or not first.numel() or not first.dim():
        raise HarnessError(
            f"{reference}.example() gives no batch: return a tensor, or a tuple or dictionary "
            "of them"
        )
    is_text = first.dim() == 2 and not first.is_floating_point()
    unit, units = ("token", first.numel()) if is_text else ("sample", len(first))
    return Factory(
        reference,
        build,
        tree_map_only(Tensor, partial(Tensor.to, device="meta"), inputs),
        unit,
        units,
    )


class _PricedCounter(Counter):
    """Knows fused operations, and the prices that a factory gives; notes what it does not know, and
    goes on.
    """

    def __init__(self, prices: Mapping[str, float]):
        super().__init__()
        self.prices = prices
        self.unknown: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """As of every Counter; an operation that fails is named."""
        try:
            return super().__torch_dispatch__(func, types, args, kwargs)
        except Exception as error:
            if (
                isinstance(error, NotImplementedError)
                and torch.Tag.dynamic_output_shape in func.tags
            ):
                raise RuntimeError(f"{func}: {BY_VALUES}") from error
            why = (
                "; while it is counted, tensors have no numbers that it could ask for"
                if "meta" in str(error)
                else ""
            )
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
            first, given = args[0], next(filter(torch.is_tensor, tree_leaves(out)))
        if name.endswith("index_put") or name == "_index_put_impl":  # it adds, or it copies
            return Executed(0, args[2].numel() if len(args) > 3 and args[3] else 0, 0)
        if name in ("convolution", "convolution_backward"):
            products = flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
            has_bias, biased = (
                (args[2] is not None, given) if name == "convolution" else (args[-1][2], first)
            )
            return Executed(products, biased.numel() if has_bias else 0, 0)
        if name not in PRICES or given.is_complex():
            self.unknown[str(func)] = None
            return Executed(0, 0, 0)
        of, price = PRICES[name]
        is_real = (
            not isinstance(first, Tensor) or first.is_floating_point()
        )  # else it is no floating point
        return Executed(
            0, price * (given if of == "output" else first).numel() if is_real else 0, 0
        )
