"""A network of the user's own: an nn.Module class that is made as `Class(inputs, outputs,
width=16)`.

In an arm it is `module: package.module:Class` with `size: width`. It knows of no run axis: lanes
are evaluated one after the other, each with its own parameters in the same module. On a GPU they
are evaluated all at once where torch can do that. What is not trained (buffers, parameters that
require no gradient) is made once, the same for every run. Its output for a point must not depend on
the other points, nor on chance: `check` refuses batch statistics and dropout. There is no closed
form of its counts: they are counted on the live module (`harness.count.module`).

Shape suffixes: R lanes, N samples, I inputs, O outputs, P trainable scalars.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import Frozen
from harness.base.user_code import calling_user_code, user_module, version_of
from harness.families.base import ArchitectureBase, code_changed
from harness.families.later import Tensor, np, torch
from harness.families.shape import Prices, ShapeBase

if TYPE_CHECKING:
    from torch import nn

SizeName = Literal["width", "grid", "depth"]


class ModuleCounts(Frozen):
    """What a module counts, a sample where it is of work: trained scalars, and operations as torch
    executes them.
    """

    parameters: NonNegativeInt
    forward: NonNegativeInt
    evaluation: NonNegativeInt
    forward_matmul: NonNegativeInt
    evaluation_matmul: NonNegativeInt


class ModuleShape(ShapeBase):
    """A resolved module: `shape` has its inputs and outputs; `counts` is None while it is being
    counted.
    """

    family: Literal["module"] = "module"
    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=2)]
    module: str
    fingerprint: str
    size: SizeName
    value: PositiveInt
    counts: ModuleCounts | None = None

    @property
    def live(self) -> ModuleCounts:
        """What was counted on the module when it was planned."""
        assert self.counts is not None, "a module without counts is one that is being counted"
        return self.counts

    @property
    def words(self) -> str:
        return f"{self.module.partition(':')[2]} {self.size}={self.value}"

    @property
    def long_words(self) -> str:
        return f"{self.module} {self.inputs}–{self.outputs}, {self.size} = {self.value}"

    def check(self, dtype: str) -> None:
        _check(self, dtype)

    def without_levenberg(self) -> str | None:
        return "levenberg_marquardt has no Jacobian of a module of yours; use lbfgs or adam"

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return _parameter_shapes(self)

    def draw_lane(self, generator: np.random.Generator, gain: float) -> np.ndarray:
        """As the module's own constructor draws it, all of it times the gain."""
        seed = int(generator.integers(2**63))
        values = trained_parameters(make(self, seed)).values()
        return gain * np.concatenate([value.detach().double().numpy().ravel() for value in values])

    def forward(
        self, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], x_RNI: Tensor
    ) -> Tensor:
        module = _template(self, x_RNI.dtype, str(x_RNI.device))
        # On a CPU a lane's bits would depend on its place among the others, and from 1000 points on
        # a loop is faster.
        if x_RNI.device.type != "cpu" and allows_vmap(self, x_RNI.dtype, str(x_RNI.device)):
            return all_at_once(module, parameters, x_RNI)
        return one_by_one(module, parameters, x_RNI)

    @property
    def trainable(self) -> int:
        return self.live.parameters

    def flops(self, convention: str, prices: Prices) -> list[int]:
        return [self.live.forward_matmul if convention == "matmul" else self.live.forward]

    def evaluation_flops(self, convention: str, prices: Prices) -> int:
        return self.live.evaluation_matmul if convention == "matmul" else self.live.evaluation

    def executed_forward(self, prices: Prices) -> int:
        return self.live.forward

    def executed_evaluation(self, prices: Prices) -> int:
        return self.live.evaluation


def _known_size(size: object) -> object:
    if isinstance(size, str) and size not in get_args(SizeName):
        raise ValueError(
            f"{size!r} is none of {', '.join(get_args(SizeName))}; rename the constructor's "
            "keyword to one of them"
        )
    return size


class Module(ArchitectureBase):
    """An nn.Module class, `package.module:Class`, made as `Class(inputs, outputs, width=16)` where
    `size` is width.

    Leave out the value of that size to have it solved for, or varied; it is counted on the live
    module.
    """

    network = ModuleShape  # with no standard space: what may vary, only its author knows
    colour = "#666666"  # grey

    family: Literal["module"]
    module: str
    size: Annotated[SizeName, BeforeValidator(_known_size)] = Field(
        description="the constructor's keyword for the one integer that makes it larger"
    )
    width: PositiveInt | None = None
    grid: PositiveInt | None = None
    depth: PositiveInt | None = None

    def open_sizes(self) -> list[str]:
        return [] if getattr(self, self.size) else [self.size]


# Points on which a module is tried out before anything trains.
TRIED_POINTS = 8


def module_class(reference: str) -> type[nn.Module]:
    """The class at `package.module:Class`, found from the current folder as well as the Python
    path.
    """
    class_name = reference.partition(":")[2]
    module = user_module(reference, "module")
    with calling_user_code(f"module {reference}"):
        module_type = getattr(module, class_name, None)
        if isinstance(module_type, type) and issubclass(module_type, torch.nn.Module):
            return module_type
        types = {name: value for name, value in vars(module).items() if isinstance(value, type)}
        hint = did_you_mean(
            class_name,
            [name for name, value in types.items() if issubclass(value, torch.nn.Module)],
        )
    raise HarnessError(
        f"module {reference}: {module.__name__} has no nn.Module of the name {class_name!r}; {hint}"
    )


def fingerprint(reference: str) -> str:
    """Of the code that defines the class: its `version`, or its file's content."""
    return version_of(module_class(reference), reference, "module")


def make(network: ModuleShape, seed: int = 0) -> nn.Module:
    """A module of the network's size, its parameters drawn from `seed`.

    That is what the global generators of torch, numpy and Python start from meanwhile; they are as
    before afterwards.
    """
    inputs, outputs = network.shape
    module_type = module_class(network.module)
    if fingerprint(network.module) != network.fingerprint:
        raise code_changed(f"module {network.module}")
    call = (
        f"module {network.module}: {module_type.__name__}({inputs}, {outputs}, "
        f"{network.size}={network.value})"
    )
    with calling_user_code(f"{call} failed", seed=seed):
        torch.manual_seed(seed)
        module = module_type(inputs, outputs, **{network.size: network.value})
    if not isinstance(module, torch.nn.Module):
        raise HarnessError(f"{call} gives {type(module).__name__}, no nn.Module")
    return module


def trained_parameters(module: nn.Module) -> dict[str, Tensor]:
    """By name, what an optimiser moves."""
    with calling_user_code(f"module {type(module).__name__}: its parameters cannot be listed"):
        return {name: value for name, value in module.named_parameters() if value.requires_grad}


def one_by_one(module: nn.Module, parameters: Mapping[str, Tensor], x_RNI: Tensor) -> Tensor:
    """The module's outputs with the parameters of every lane, [R, N, O].

    What it is given, and by the product with 1 its gradient too, is a copy: a part of a tensor of
    all lanes begins in memory where its place among them says, by which products round.
    """
    lanes = []
    for lane, x_NI in enumerate(x_RNI):
        of_lane = {name: value[lane].clone() for name, value in parameters.items()}
        lanes.append(1.0 * torch.func.functional_call(module, of_lane, (x_NI.clone(),)))
    return torch.stack(lanes)


def all_at_once(module: nn.Module, parameters: Mapping[str, Tensor], x_RNI: Tensor) -> Tensor:
    """The same by torch.func.vmap, in as many operations as one lane takes."""

    def of_lane(parameters_of_lane: dict[str, Tensor], x_NI: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(module, parameters_of_lane, (x_NI,))
        return output

    outputs_RNO: Tensor = torch.func.vmap(of_lane)(dict(parameters), x_RNI)
    return outputs_RNO


@cache
def allows_vmap(network: ModuleShape, dtype: torch.dtype, device: str) -> bool:
    """Whether torch evaluates all lanes at once, silently, with the values and gradients of a loop
    up to rounding.
    """
    modules = [make(network, seed).to(device=device, dtype=dtype) for seed in range(3)]
    names, lanes = (
        list(trained_parameters(modules[0])),
        [trained_parameters(module).values() for module in modules],
    )
    stacked = (
        torch.stack(of_name).detach().requires_grad_() for of_name in zip(*lanes, strict=True)
    )
    parameters = dict(zip(names, stacked, strict=True))
    x_RNI = _tried_points(network, dtype).to(device).expand(len(modules), -1, -1)
    both_ways = []
    try:
        with calling_user_code(f"module {network.module}: torch.func.vmap over runs failed"):
            warnings.simplefilter("error")  # such as of operations that vmap evaluates lane by lane
            for evaluate in (all_at_once, one_by_one):
                y_RNO = evaluate(modules[0], parameters, x_RNI)
                gradients = torch.autograd.grad(
                    y_RNO.square().sum(), list(parameters.values()), allow_unused=True
                )
                both_ways.append(
                    [y_RNO, *(gradient for gradient in gradients if gradient is not None)]
                )
    except HarnessError:
        return False
    return all(_same(first, second) for first, second in zip(*both_ways, strict=True))


@cache
def _template(network: ModuleShape, dtype: torch.dtype, device: str) -> nn.Module:
    """The module in which every lane's parameters are evaluated."""
    return make(network).to(device=device, dtype=dtype)


@cache
def _parameter_shapes(network: ModuleShape) -> dict[str, tuple[int, ...]]:
    """Name -> shape of what is trained, in the order in which `flat_RP` holds it."""
    return {name: tuple(value.shape) for name, value in trained_parameters(make(network)).items()}


def _check(network: ModuleShape, dtype: str) -> None:
    where, number = f"module {network.module}", getattr(torch, dtype)
    inputs, outputs = network.shape
    x_NI = _tried_points(network, number)
    attempt = (
        f"{where}: its forward pass of {TRIED_POINTS} points x {inputs} inputs in {dtype} failed"
    )
    with calling_user_code(attempt):
        module, twin = (make(network).to(number) for _ in range(2))
        if lazy := [
            name for name, value in module.named_parameters() if torch.nn.parameter.is_lazy(value)
        ]:
            raise HarnessError(
                f"{where}: {lazy[0]} has no shape before a first pass (a lazy module); give "
                "its sizes"
            )
        differing, passed = _differing(module, twin), x_NI.clone()
        with torch.no_grad():
            together, of_twin = module(passed), twin(x_NI.clone())
            apart = [module(x_NI[:3].clone()), module(x_NI[3:].clone())]
        again = module(x_NI.clone())  # with gradients, as it trains
        if not isinstance(together, torch.Tensor) or tuple(together.shape) != (
            TRIED_POINTS,
            outputs,
        ):
            got = (
                list(together.shape)
                if isinstance(together, torch.Tensor)
                else type(together).__name__
            )
            raise HarnessError(
                f"{where}: {TRIED_POINTS} points give {got} in place of [{TRIED_POINTS}, {outputs}]"
            )
        if together.dtype != number:
            got = str(together.dtype).removeprefix("torch.")
            raise HarnessError(
                f"{where}: points in {dtype} give values in {got}; compute in the dtype of "
                "the points"
            )
        if not torch.isfinite(together).all():
            worst = together[~torch.isfinite(together)][0].item()
            raise HarnessError(
                f"{where}: its initial values give {worst} for a point of [-1, 1]^{inputs}"
            )
        if not torch.equal(passed, x_NI):
            raise HarnessError(
                f"{where}: its forward pass changes the points that it is given; let it copy "
                "them first"
            )
        if not _same(together, again):
            raise HarnessError(
                f"{where}: two passes of the same points differ (dropout?); it must not depend "
                "on chance"
            )
        if not _same(together, torch.cat(apart)):
            raise HarnessError(
                f"{where}: a point's output depends on the other points (batch statistics?), so "
                "that it has no error "
                "of its own"
            )
        if differing or not _same(together, of_twin):
            raise HarnessError(
                f"{where}: made twice from one seed, it "
                f"differs{' in ' + differing[0] if differing else ''}; draw "
                "initial values from the global generators of torch, numpy or Python, which start "
                "from the run's seed"
            )


def _tried_points(network: ModuleShape, dtype: torch.dtype) -> Tensor:
    """Points of [-1, 1]^inputs, in no order, which a module could sort them into."""
    inputs = network.inputs
    x_NI = torch.linspace(-1, 1, TRIED_POINTS * inputs, dtype=dtype).reshape(TRIED_POINTS, inputs)
    return x_NI[torch.arange(TRIED_POINTS) * 3 % TRIED_POINTS]


def _same(first: Tensor, second: Tensor) -> bool:
    """Up to rounding, which the number of points changes."""
    rtol, atol = (1e-9, 1e-12) if first.dtype == torch.float64 else (1e-4, 1e-5)
    return first.shape == second.shape and torch.allclose(first, second, rtol=rtol, atol=atol)


def _differing(module: nn.Module, twin: nn.Module) -> list[str]:
    """Names of parameters and buffers that do not have the same values in both."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    of_twin = {**dict(twin.named_parameters()), **dict(twin.named_buffers())}
    same = {
        name
        for name in tensors.keys() & of_twin.keys()
        if torch.equal(tensors[name], of_twin[name])
    }
    return sorted((tensors.keys() | of_twin.keys()) - same)
