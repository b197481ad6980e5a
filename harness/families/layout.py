"""How the parameters of a network lie in one flat vector a lane.

Shape suffixes: R lanes (runs), P trainable scalars of a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from harness.families.later import Tensor, torch

if TYPE_CHECKING:
    from harness.families.shape import ShapeBase


def parameter_count(network: ShapeBase) -> int:
    """P, the scalars of one lane: all that an optimiser sees, frozen ones too."""
    return sum(prod(shape) for shape in network.parameter_shapes().values())


def unflatten(network: ShapeBase, flat_RP: Tensor) -> dict[str, Tensor]:
    """Views [R, *shape] into `flat_RP`, by the names of `parameter_shapes`.

    What is frozen is a constant: its gradient is exactly zero, by which neither Adam nor L-BFGS
    moves anything, as every vector that they keep is zero there.
    """
    shapes = network.parameter_shapes()
    parts = flat_RP.split([prod(shape) for shape in shapes.values()], dim=1)
    views = {
        name: part.unflatten(1, shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }
    return {name: view if network.moves(name) else view.detach() for name, view in views.items()}


def flatten(network: ShapeBase, parameters: Mapping[str, Tensor]) -> Tensor:
    """The inverse of `unflatten`, as a copy."""
    return torch.cat([parameters[name].flatten(1) for name in network.parameter_shapes()], dim=1)


def of_layer(parameters: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The parameters of one layer, by their names inside it."""
    return of_part(parameters, f"layer{layer}")


def of_part(parameters: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The parameters of a layer or part of that name, by their names inside it."""
    prefix = f"{part}."
    return {
        name.removeprefix(prefix): value
        for name, value in parameters.items()
        if name.startswith(prefix)
    }
