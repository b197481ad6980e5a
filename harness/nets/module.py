"""A network of the user's own: an nn.Module class that is made as `Class(inputs, outputs, width=16)`.

It knows of no run axis: lanes are evaluated one after the other, each with its own parameters in the same module. What
is not trained (buffers, parameters that require no gradient) is made once, the same for every run. Its output for a
point must not depend on the other points, nor on chance: `check` refuses batch statistics and dropout.

Shape suffixes: R lanes, N samples, I inputs, O outputs, P trainable scalars.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from harness.errors import HarnessError, did_you_mean
from harness.spec.module import ModuleShape
from harness.user_code import user_module, version_of

# Points on which a module is tried out before anything trains.
TRIED_POINTS = 8


def module_class(reference: str) -> type[nn.Module]:
    """The class at `package.module:Class`, found from the current folder as well as the Python path."""
    class_name = reference.partition(":")[2]
    module = user_module(reference, "module")
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        types = {name: value for name, value in vars(module).items() if isinstance(value, type)}
        hint = did_you_mean(class_name, [name for name, value in types.items() if issubclass(value, nn.Module)])
        raise HarnessError(f"module {reference}: {module.__name__} has no nn.Module of the name {class_name!r}; {hint}")
    return found


def fingerprint(reference: str) -> str:
    """Of the code that defines the class: its `version`, or its file's content."""
    return version_of(module_class(reference), reference, "module")


def make(network: ModuleShape, seed: int = 0) -> nn.Module:
    """A module of the network's size, its parameters drawn from `seed`; torch's own random state is as before."""
    inputs, outputs = network.shape
    made = module_class(network.module)
    if fingerprint(network.module) != network.fingerprint:
        raise HarnessError(
            f"module {network.module}: its code changed since the plan was made; `harness plan FILE --replan` takes it "
            "as it is"
        )
    with torch.random.fork_rng(devices=[]):  # a module draws from torch's global generator
        torch.manual_seed(seed)
        try:
            return made(inputs, outputs, **{network.size: network.value})
        except Exception as error:  # the user's code
            call = f"{made.__name__}({inputs}, {outputs}, {network.size}={network.value})"
            raise HarnessError(f"module {network.module}: {call} failed: {type(error).__name__}: {error}") from error


def trained_parameters(module: nn.Module) -> dict[str, Tensor]:
    """By name, what an optimiser moves."""
    return {name: value for name, value in module.named_parameters() if value.requires_grad}


@cache
def _template(network: ModuleShape, dtype: torch.dtype, device: str) -> nn.Module:
    """The module in which every lane's parameters are evaluated."""
    return make(network).to(device=device, dtype=dtype)


@cache
def parameter_shapes(network: ModuleShape) -> dict[str, tuple[int, ...]]:
    """Name -> shape of what is trained, in the order in which `flat_RP` holds it."""
    return {name: tuple(value.shape) for name, value in trained_parameters(make(network)).items()}


def draw(network: ModuleShape, generator: np.random.Generator) -> np.ndarray:
    """Initial values of all trained scalars, as the module's own constructor draws them."""
    seed = int(generator.integers(2**63))
    values = trained_parameters(make(network, seed)).values()
    return np.concatenate([value.detach().double().numpy().ravel() for value in values])


def evaluate(network: ModuleShape, parameters: Mapping[str, Tensor], x_RNI: Tensor) -> Tensor:
    """Outputs [R, N, O]."""
    module = _template(network, x_RNI.dtype, str(x_RNI.device))
    lanes = [
        functional_call(module, {name: value[lane] for name, value in parameters.items()}, (x_NI,))
        for lane, x_NI in enumerate(x_RNI)
    ]
    return torch.stack(lanes)


def check(network: ModuleShape) -> None:
    """A HarnessError that says why the module cannot be trained here, if it cannot."""
    module, where = make(network).double(), f"module {network.module}"
    inputs, outputs = network.shape
    x_NI = torch.linspace(-1, 1, TRIED_POINTS * inputs, dtype=torch.float64).reshape(TRIED_POINTS, inputs)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():  # dropout draws from torch's global generator
            together, again, apart = module(x_NI), module(x_NI), torch.cat([module(x_NI[:3]), module(x_NI[3:])])
    except Exception as error:  # the user's code
        raise HarnessError(
            f"{where}: its forward pass of {TRIED_POINTS} points x {inputs} inputs in float64 failed: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(together, Tensor) or tuple(together.shape) != (TRIED_POINTS, outputs):
        got = list(together.shape) if isinstance(together, Tensor) else type(together).__name__
        raise HarnessError(f"{where}: {TRIED_POINTS} points give {got} in place of [{TRIED_POINTS}, {outputs}]")
    if not torch.allclose(together, again, rtol=1e-9, atol=1e-12, equal_nan=True):
        raise HarnessError(f"{where}: two passes of the same points differ (dropout?); it must not depend on chance")
    if not torch.allclose(together, apart, rtol=1e-9, atol=1e-12, equal_nan=True):
        raise HarnessError(
            f"{where}: a point's output depends on the other points (batch statistics?), so that it has no error of "
            "its own"
        )
