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
