"""How the parameters of a network lie in one flat vector a lane.

Shape suffixes: R lanes (runs), P trainable scalars of a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from harness.nets import module
from harness.spec.module import ModuleShape
from harness.spec.networks import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    LayeredShape,
    MlpShape,
    Network,
    RationalKanShape,
    RbfKanShape,
    SplineMlpShape,
)


def parameter_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Name -> shape without the run axis, in the order in which `flat_RP` holds them."""
    if isinstance(network, ModuleShape):
        return module.parameter_shapes(network)
    return {
        f"layer{layer}.{name}": shape
        for layer, (inputs, outputs) in enumerate(pairwise(network.nodes))
        for name, shape in _layer_shapes(network, layer, inputs, outputs).items()
    }


def _layer_shapes(network: LayeredShape, layer: int, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    is_last = layer == len(network.shape) - 2
    dense: dict[str, tuple[int, ...]] = {"weight": (inputs, outputs), "bias": (outputs,)}
    match network:
        case MlpShape():
            has_slopes = network.activation == "prelu" and not is_last
            return {**dense, "slope": (outputs,)} if has_slopes else dense
        case KanShape():
            wanted = {
                "coef": True,
                "base": network.base,
                "scale": network.scales,
                "bias": network.bias,
            }
            shapes = {
                "coef": (inputs, network.grid + network.order, outputs),
                "base": (inputs, outputs),
                "scale": (inputs, outputs),
                "bias": (outputs,),
            }
            return {name: shape for name, shape in shapes.items() if wanted[name]}
        case SplineMlpShape():
            coefs = network.grid + network.order
            if network.place == "after":
                return dense if is_last else {**dense, "coef": (outputs, coefs)}
            if network.rank == 1:
                return {**dense, "coef": (inputs, coefs)}
            return {
                "weight": (network.rank * inputs, outputs),
                "bias": (outputs,),
                "coef": (inputs, coefs, network.rank),
            }
        case RbfKanShape():
            norm = {"norm_scale": (inputs,), "norm_shift": (inputs,)} if network.has_norm(inputs) else {}
            return {
                **norm,
                "coef": (inputs, network.grid, outputs),
                "base": (inputs, outputs),
                "bias": (outputs,),
            }
        case ChebyshevKanShape():
            return {"coef": (inputs, network.degree + 1, outputs)}
        case FourierKanShape():
            return {"coef": (inputs, 2 * network.harmonics, outputs), "bias": (outputs,)}
        case RationalKanShape():
            rational = {"numerator": (network.numerator + 1,)}
            return {**rational, "denominator": (network.groups_of(inputs), network.denominator), **dense}


def parameter_count(network: Network) -> int:
    """P, the scalars of one lane: all that an optimiser sees, frozen ones too."""
    return sum(prod(shape) for shape in parameter_shapes(network).values())


def unflatten(network: Network, flat_RP: Tensor) -> dict[str, Tensor]:
    """Views [R, *shape] into `flat_RP`, by the names of `parameter_shapes`.

    A frozen base is a constant: its gradient is exactly zero, by which neither Adam nor L-BFGS moves anything, as every
    vector that they keep is zero there.
    """
    shapes = parameter_shapes(network)
    parts = flat_RP.split([prod(shape) for shape in shapes.values()], dim=1)
    views = {name: part.unflatten(1, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    if isinstance(network, KanShape) and network.base == "frozen":
        views |= {name: view.detach() for name, view in views.items() if name.endswith(".base")}
    return views


def flatten(network: Network, parameters: Mapping[str, Tensor]) -> Tensor:
    """The inverse of `unflatten`, as a copy."""
    return torch.cat([parameters[name].flatten(1) for name in parameter_shapes(network)], dim=1)


def of_layer(parameters: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The parameters of one layer, by their names inside it."""
    prefix = f"layer{layer}."
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}
