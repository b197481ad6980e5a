"""MLPs with learnable B-splines on their nodes: on what a linear map gives (`after`), or on what it takes (`before`).

KANbeFair (Yu et al. 2024) calls them BSpline_MLP and BSpline_First_MLP. Splines that come `after` stand on hidden nodes
only, those `before` on the inputs of the network too. Nothing is added to a spline: outside of its knots a neuron is 0,
with no gradient. KANbeFair leaves knots on [low, high]; `update_knots` takes them to where the activations are.

A layer's knots and its coefficients are those of its own splines, in both places.

Shape suffixes: R lanes, I inputs, J nodes with splines, K splines of a node (`rank`), O outputs, N samples, T knots,
C coefficients of a spline, P trainable scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor

from harness.nets import mlp
from harness.nets.layout import flatten, of_layer, unflatten
from harness.nets.spline import (
    ActiveBases,
    active_bases,
    design_matrix,
    each_spline,
    fit_coefficients,
    knots_from_samples,
    move_spline,
    refine_spline,
    uniform_knots,
)
from harness.spec.networks import SplineMlpShape


def draw(
    network: SplineMlpShape, layer: int, name: str, shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    """Initial values of one parameter at gain 1, as KANbeFair's: linear maps as in an MLP, and splines of noise.

    Each spline takes values from U(+-noise / 2G) at the G + 1 knots of its domain, with the least norm of coefficients.
    So the network starts nearly constant, the nearer the larger G is.
    """
    if name == "coef":
        nodes, coefs, *several = shape
        values = network.noise / network.grid * generator.uniform(-0.5, 0.5, (network.grid + 1, nodes * prod(several)))
        splines = _coefficients_through(network, values).reshape(nodes, *several, coefs)
        return np.moveaxis(splines, -1, 1)
    return mlp.draw_linear(network.rank * network.shape[layer], shape, generator)


def _coefficients_through(network: SplineMlpShape, values: np.ndarray) -> np.ndarray:
    """Least coefficients [J, C] of splines with these values [G + 1, J] at the knots of the domain."""
    knots_T = uniform_knots(network.low, network.high, network.grid, network.order, torch.float64, "cpu")
    design = design_matrix(knots_T[None, None], knots_T[None, None, network.order : -network.order], network.order)
    return fit_coefficients(design, torch.from_numpy(values)[None, None])[0, 0].T.numpy()


def initial_knots(network: SplineMlpShape, lanes: int, dtype: torch.dtype, device: torch.device | str) -> list[Tensor]:
    """Uniform knots on [low, high], extended; one [R, J, T] a layer with splines."""
    knots_T = uniform_knots(network.low, network.high, network.grid, network.order, dtype, device)
    nodes = network.shape[:-1] if network.place == "before" else network.shape[1:-1]
    return [knots_T.repeat(lanes, splines, 1) for splines in nodes]


def evaluate(
    network: SplineMlpShape, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], h_RIN: Tensor
) -> Tensor:
    """Outputs [R, O, N] of the network."""

    def through(layer: int, coef: Tensor, h_RJN: Tensor) -> Tensor:
        return activate(coef, active_bases(knots[layer], h_RJN, network.order))

    return _walk(network, parameters, through, h_RIN)


def activate(coef: Tensor, active: ActiveBases) -> Tensor:
    """Every node through its splines, [R, K J, N]: the first of all nodes, then the second of all, and so on."""
    return each_spline(of_splines(coef), active).flatten(1, 2)


def of_splines(coef: Tensor) -> Tensor:
    """Coefficients with their axis of splines a node, [R, J, C, K], which is left out where there is one."""
    return coef if coef.dim() == 4 else coef[..., None]


def parts(network: SplineMlpShape, own: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The parameters of a layer's linear map and those of its splines, if it has any, in the order of evaluation."""
    dense = {name: value for name, value in own.items() if name != "coef"}
    splines = [{"coef": own["coef"]}] if "coef" in own else []
    return [*splines, dense] if network.place == "before" else [dense, *splines]


@torch.no_grad()
def update_knots(
    network: SplineMlpShape,
    flat_RP: Tensor,
    knots: Sequence[Tensor],
    h_RIN: Tensor,
    samples: int,
    grid_eps: float,
    margin: float,
) -> tuple[Tensor, list[Tensor]]:
    """See `harness.nets.network.update_knots`; only the first `samples` of the last axis are data."""
    parameters, moved = unflatten(network, flat_RP), list(knots)

    def through(layer: int, coef: Tensor, h_RJN: Tensor) -> Tensor:
        x_RJN = h_RJN[..., :samples]
        moved[layer] = knots_from_samples(x_RJN, network.grid, network.order, grid_eps, margin)
        coef_RJCK = move_spline(of_splines(coef), knots[layer], moved[layer], x_RJN, network.order)
        parameters[f"layer{layer}.coef"] = coef_RJCK
        return activate(coef_RJCK, active_bases(moved[layer], h_RJN, network.order))

    _walk(network, dict(parameters), through, h_RIN)
    return flatten(network, parameters), moved


@torch.no_grad()
def extend_grid(
    network: SplineMlpShape, flat_RP: Tensor, knots: Sequence[Tensor], grid: int
) -> tuple[SplineMlpShape, Tensor, list[Tensor]]:
    """See `harness.nets.network.extend_grid`."""
    parameters, finer = unflatten(network, flat_RP), []
    for layer, old_RJT in enumerate(knots):
        name = f"layer{layer}.coef"
        parameters[name], new_RJT = refine_spline(of_splines(parameters[name]), old_RJT, network.order, grid)
        finer.append(new_RJT)
    refined = network.model_copy(update={"grid": grid})
    return refined, flatten(refined, parameters), finer


def _walk(
    network: SplineMlpShape,
    parameters: Mapping[str, Tensor],
    through: Callable[[int, Tensor, Tensor], Tensor],
    h_RIN: Tensor,
) -> Tensor:
    """Outputs [R, O, N]; `through` is given a layer, its coefficients and what goes through its splines."""
    for layer in range(len(network.shape) - 1):
        for part in parts(network, of_layer(parameters, layer)):
            h_RIN = through(layer, part["coef"], h_RIN) if "coef" in part else mlp.evaluate_layer(part, h_RIN)
    return h_RIN
