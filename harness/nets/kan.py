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

from harness.errors import HarnessError
from harness.nets.layout import flatten, of_layer, unflatten
from harness.nets.spline import (
    active_bases,
    extend_knots,
    greville_points,
    knots_from_samples,
    move_spline,
    refine_knots,
    spline_sum,
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
    inner = torch.linspace(network.low, network.high, network.grid + 1, dtype=dtype, device=device)
    knots_T = extend_knots(inner, network.order)
    return [knots_T.repeat(lanes, inputs, 1) for inputs in network.shape[:-1]]


def evaluate(network: KanShape, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], h_RIN: Tensor) -> Tensor:
    """Outputs [R, O, N] of the network."""
    for layer, knots_RIT in enumerate(knots):
        h_RIN = _evaluate_layer(of_layer(parameters, layer), knots_RIT, h_RIN, network.order)
    return h_RIN


def _evaluate_layer(parameters: Mapping[str, Tensor], knots_RIT: Tensor, h_RIN: Tensor, order: int) -> Tensor:
    coef_RICO = parameters["coef"]
    if "scale" in parameters:
        coef_RICO = coef_RICO * parameters["scale"][:, :, None, :]
    y_RON = spline_sum(coef_RICO, active_bases(knots_RIT, h_RIN, order))
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
        h_RIN = _evaluate_layer(of_layer(parameters, layer), new_RIT, h_RIN, network.order)
        moved.append(new_RIT)
    return flatten(network, parameters), moved


@torch.no_grad()
def extend_grid(
    network: KanShape, flat_RP: Tensor, knots: Sequence[Tensor], grid: int
) -> tuple[KanShape, Tensor, list[Tensor]]:
    """The same function with `grid` intervals a spline: the refined network, its parameters, its knots.

    The new knots interpolate the old ones, so that ranges and non-uniformity are kept, and each new spline
    interpolates the old one at the Greville points of its domain. The paper (eq. 2.16) and pykan fit the samples
    instead, which leaves coefficients undetermined once a spline has more of them than samples near it. Interpolation
    needs no data, keeps the function where no sample lies, and is exact on the domain when the new knots contain the
    old ones. It says nothing about activations outside of the domain: `update_knots` before it if there may be any.
    """
    if grid < network.grid:
        raise HarnessError(f"extend_grid(grid={grid}) would coarsen a KAN with grid={network.grid}; give a larger grid")
    parameters = unflatten(network, flat_RP)
    refined = network.model_copy(update={"grid": grid})
    new_knots = [refine_knots(old_RIT, network.order, grid) for old_RIT in knots]
    for layer, (old_RIT, new_RIT) in enumerate(zip(knots, new_knots, strict=True)):
        points_RIN = greville_points(new_RIT, network.order)
        name = f"layer{layer}.coef"
        parameters[name] = move_spline(parameters[name], old_RIT, new_RIT, points_RIN, network.order)
    return refined, flatten(refined, parameters), new_knots
