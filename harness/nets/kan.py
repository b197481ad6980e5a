"""B-spline KANs: phi(x) = w_b silu(x) + w_s sum_i c_i B_i(x) on every edge (Liu et al. 2024, eq. 2.10).

As in pykan from 0.2 on, knots belong to an input node and are shared by its edges.

Shape suffixes: R lanes, I inputs, O outputs, N samples, T knots, P trainable scalars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.nets.layout import flatten, of_layer, unflatten
from harness.nets.spline import (
    ActiveBases,
    active_bases,
    each_spline,
    knots_from_samples,
    move_spline,
    refine_spline,
    spline_sum,
    uniform_knots,
)
from harness.spec.networks import KanShape


def draw(network: KanShape, name: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Initial values of one parameter at gain 1.

    The paper's section 2.2: c_i ~ N(0, noise^2), w_b Xavier uniform, U(+-sqrt(6 / (I + O))), and w_s = 1.
    """
    match name:
        case "coef":
            return network.noise * generator.standard_normal(shape)
        case "base":
            bound = sqrt(6 / sum(shape))
            return generator.uniform(-bound, bound, shape)
        case "scale":
            return np.ones(shape)
        case "bias":
            return np.zeros(shape)
    raise ValueError(f"a KAN has no parameter {name!r}")


def initial_knots(network: KanShape, lanes: int, dtype: torch.dtype, device: torch.device | str) -> list[Tensor]:
    """Uniform knots on [low, high], extended; one [R, I, T] a layer."""
    knots_T = uniform_knots(network.low, network.high, network.grid, network.order, dtype, device)
    return [knots_T.repeat(lanes, inputs, 1) for inputs in network.shape[:-1]]


def evaluate(network: KanShape, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of the network."""
    for layer, knots_RIT in enumerate(knots):
        active = active_bases(knots_RIT, h_RIN, network.order)
        h_RIN = evaluate_layer(of_layer(parameters, layer), active, h_RIN)
    return h_RIN


def evaluate_layer(parameters: Mapping[str, Tensor], active: ActiveBases, h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of one layer; `active` are the bases at its inputs."""
    coef_RICO = parameters["coef"]
    if "scale" in parameters:
        coef_RICO = coef_RICO * parameters["scale"][:, :, None, :]
    y_RON = spline_sum(coef_RICO, active)
    if "base" in parameters:
        y_RON = torch.baddbmm(y_RON, parameters["base"].transpose(1, 2), F.silu(h_RIN))
    if "bias" in parameters:
        y_RON = y_RON + parameters["bias"][:, :, None]
    return y_RON


def evaluate_edges(
    network: KanShape, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], h_RIN: Tensor
) -> tuple[list[Tensor], Tensor]:
    """What every edge gives, [R, O, I, N] a layer, and the outputs [R, O, N], which are sums of the last ones."""
    edges = []
    for layer, knots_RIT in enumerate(knots):
        of_this = of_layer(parameters, layer)
        edge_ROIN = each_spline(of_this["coef"], active_bases(knots_RIT, h_RIN, network.order))
        if "scale" in of_this:
            edge_ROIN = edge_ROIN * of_this["scale"].transpose(1, 2)[..., None]
        if "base" in of_this:
            edge_ROIN = edge_ROIN + of_this["base"].transpose(1, 2)[..., None] * F.silu(h_RIN)[:, None]
        h_RIN = edge_ROIN.sum(2)
        if "bias" in of_this:
            h_RIN = h_RIN + of_this["bias"][:, :, None]
        edges.append(edge_ROIN)
    return edges, h_RIN


def keep_nodes(
    network: KanShape, flat_RP: Tensor, knots: Sequence[Tensor], kept: Sequence[Sequence[int]]
) -> tuple[KanShape, Tensor, list[Tensor]]:
    """The network of these nodes of each layer, inputs first and outputs last, its parameters and its knots."""
    indices = [torch.tensor(nodes, device=flat_RP.device) for nodes in kept]
    parameters = unflatten(network, flat_RP)
    for name, value in parameters.items():
        layer = int(name.removeprefix("layer").split(".")[0])
        if not name.endswith(".bias"):
            value = value.index_select(1, indices[layer])
        parameters[name] = value.index_select(-1, indices[layer + 1])
    smaller = network.model_copy(update={"shape": tuple(map(len, kept))})
    of_kept = [layer_RIT.index_select(1, nodes) for layer_RIT, nodes in zip(knots, indices[:-1], strict=True)]
    return smaller, flatten(smaller, parameters), of_kept


@torch.no_grad()
def update_knots(
    network: KanShape,
    flat_RP: Tensor,
    knots: Sequence[Tensor],
    h_RIN: Tensor,
    samples: int,
    grid_eps: float,
    margin: float,
) -> tuple[Tensor, list[Tensor]]:
    """See `harness.nets.network.update_knots`; only the first `samples` of the last axis are data."""
    parameters = unflatten(network, flat_RP)
    moved = []
    for layer, old_RIT in enumerate(knots):
        x_RIN = h_RIN[..., :samples]
        new_RIT = knots_from_samples(x_RIN, network.grid, network.order, grid_eps, margin)
        name = f"layer{layer}.coef"
        parameters[name] = move_spline(parameters[name], old_RIT, new_RIT, x_RIN, network.order)
        active = active_bases(new_RIT, h_RIN, network.order)
        h_RIN = evaluate_layer(of_layer(parameters, layer), active, h_RIN)
        moved.append(new_RIT)
    return flatten(network, parameters), moved


@torch.no_grad()
def extend_grid(
    network: KanShape, flat_RP: Tensor, knots: Sequence[Tensor], grid: int
) -> tuple[KanShape, Tensor, list[Tensor]]:
    """See `harness.nets.network.extend_grid`."""
    parameters, finer = unflatten(network, flat_RP), []
    for layer, old_RIT in enumerate(knots):
        name = f"layer{layer}.coef"
        parameters[name], new_RIT = refine_spline(parameters[name], old_RIT, network.order, grid)
        finer.append(new_RIT)
    refined = network.model_copy(update={"grid": grid})
    return refined, flatten(refined, parameters), finer
