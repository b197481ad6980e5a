"""What can be done with a network of any family here; the families differ behind a `match`.

`knots` are what a lane carries beside its parameters and no optimiser moves: the knots of splines, or of an MLP with
Fourier features, its only entry, what it multiplies its inputs with.

Inside, samples are the last axis, in whole blocks: the CPU kernels of silu, gelu and the like compute the elements left
over after whole SIMD vectors by other code, with other last bits. Without the padding a lane's numbers would depend on
how many lanes are beside it.

Shape suffixes: R lanes, N samples, I inputs, O outputs, P trainable scalars, T knots of a spline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.base.errors import HarnessError
from harness.nets import expansion, kan, mlp, module, rational_kan, spline_mlp
from harness.nets.layout import parameter_shapes, unflatten
from harness.spec.module import ModuleShape
from harness.spec.networks import (
    KanShape,
    LayeredShape,
    MlpShape,
    Network,
    RationalKanShape,
    SplinedShape,
    SplineMlpShape,
)

# Two AVX-512 vectors of float32: torch's kernels take two vectors at a time.
SAMPLE_BLOCK = 32
# What a recipe's `gain` multiplies. Of rational functions and of splines on nodes it would change the function's form.
SCALED = {
    "mlp": ("weight", "bias"),
    "kan": ("coef", "base"),
    "spline_mlp": ("weight", "bias"),
    "rbf_kan": ("coef", "base", "bias"),
    "chebyshev_kan": ("coef",),
    "fourier_kan": ("coef",),
    "rational_kan": ("weight",),
}


def initialise(
    network: Network,
    generators: Sequence[np.random.Generator],
    gain: float | Sequence[float],
    dtype: torch.dtype,
    device: torch.device | str,
) -> Tensor:
    """`flat_RP`, one lane a generator; a sequence of gains has one a lane.

    Drawn in float64 in the order of `parameter_shapes`, so a lane depends on its own generator and gain only. The gain
    multiplies what SCALED names: weights and biases, and of KANs coefficients and base weights; all of a user's module.
    """
    gains = [gain] * len(generators) if isinstance(gain, int | float) else list(gain)
    if len(gains) != len(generators):
        raise HarnessError(f"gain has {len(gains)} values for {len(generators)} generators; give one a lane")
    lanes = [_draw_lane(network, *lane) for lane in zip(generators, gains, strict=True)]
    return torch.from_numpy(np.stack(lanes)).to(device=device, dtype=dtype)


def _draw_lane(network: Network, generator: np.random.Generator, gain: float) -> np.ndarray:
    if isinstance(network, ModuleShape):
        return gain * module.draw(network, generator)
    parts = []
    for name, shape in parameter_shapes(network).items():
        layer, kind = name.removeprefix("layer").split(".")
        values = _draw(network, int(layer), kind, shape, generator)
        parts.append((gain * values if kind in SCALED[network.family] else values).ravel())
    return np.concatenate(parts)


def _draw(
    network: LayeredShape, layer: int, kind: str, shape: tuple[int, ...], generator: np.random.Generator
) -> np.ndarray:
    inputs = network.shape[layer]
    match network:
        case MlpShape():
            return mlp.draw(network, layer, kind, shape, generator)
        case KanShape():
            return kan.draw(network, kind, shape, generator)
        case SplineMlpShape():
            return spline_mlp.draw(network, layer, kind, shape, generator)
        case RationalKanShape():
            return rational_kan.draw(layer, inputs, kind, shape, generator)
        case _:
            return expansion.draw(network, inputs, kind, shape, generator)


def initial_carried(
    network: Network, generators: Sequence[np.random.Generator], dtype: torch.dtype, device: torch.device | str
) -> list[Tensor]:
    """The `knots` of lanes that begin, one a generator, of which only the frequencies of Fourier features are drawn."""
    if not (isinstance(network, MlpShape) and network.features):
        return initial_knots(network, len(generators), dtype, device)
    lanes_RIF = np.stack([mlp.draw_frequencies(network, generator) for generator in generators])
    return [torch.from_numpy(lanes_RIF).to(device=device, dtype=dtype)]


def initial_knots(network: Network, lanes: int, dtype: torch.dtype, device: torch.device | str) -> list[Tensor]:
    """One [R, I, T] a layer with splines, uniform on [low, high] and extended; nothing where there are none."""
    match network:
        case KanShape():
            return kan.initial_knots(network, lanes, dtype, device)
        case SplineMlpShape():
            return spline_mlp.initial_knots(network, lanes, dtype, device)
    return []


def forward(network: Network, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor) -> Tensor:
    """Outputs [R, N, O], differentiable in `flat_RP` and `x_RNI`."""
    parameters = unflatten(network, flat_RP)
    if isinstance(network, ModuleShape):
        return module.evaluate(network, parameters, x_RNI)
    h_RIN = samples_last(x_RNI)
    match network:
        case MlpShape():
            y_RON = mlp.evaluate(network, parameters, knots, h_RIN)
        case KanShape():
            y_RON = kan.evaluate(network, parameters, knots, h_RIN)
        case SplineMlpShape():
            y_RON = spline_mlp.evaluate(network, parameters, knots, h_RIN)
        case RationalKanShape():
            y_RON = rational_kan.evaluate(network, parameters, h_RIN)
        case _:
            y_RON = expansion.evaluate(network, parameters, h_RIN)
    return y_RON[..., : x_RNI.shape[1]].transpose(1, 2).contiguous()


def edges(network: KanShape, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor) -> tuple[list[Tensor], Tensor]:
    """What every edge of a KAN gives, [R, O, I, N] a layer, and outputs [R, N, O]; differentiable as `forward` is."""
    edge, y_RON = kan.evaluate_edges(network, unflatten(network, flat_RP), knots, samples_last(x_RNI))
    samples = x_RNI.shape[1]
    return [values_ROIN[..., :samples] for values_ROIN in edge], y_RON[..., :samples].transpose(1, 2)


def update_knots(
    network: Network,
    flat_RP: Tensor,
    knots: Sequence[Tensor],
    x_RNI: Tensor,
    grid_eps: float,
    margin: float,
) -> tuple[Tensor, list[Tensor]]:
    """Every layer's knots moved to its activations at x, and coefficients that keep its splines there.

    Layer by layer from the input, as pykan does: a layer sees the activations of the layers already moved, so its
    knots span what it will really be given. A network without knots is handed back.
    """
    h_RIN, samples = samples_last(x_RNI), x_RNI.shape[1]
    match network:
        case KanShape():
            return kan.update_knots(network, flat_RP, knots, h_RIN, samples, grid_eps, margin)
        case SplineMlpShape():
            return spline_mlp.update_knots(network, flat_RP, knots, h_RIN, samples, grid_eps, margin)
    return flat_RP, list(knots)


def extend_grid(
    network: SplinedShape, flat_RP: Tensor, knots: Sequence[Tensor], grid: int
) -> tuple[SplinedShape, Tensor, list[Tensor]]:
    """The same function with `grid` intervals a spline: the refined network, its parameters, its knots.

    The new knots interpolate the old ones, so that ranges and non-uniformity are kept, and each new spline
    interpolates the old one at the Greville points of its domain. The KAN paper (eq. 2.16) and pykan fit the samples
    instead, which leaves coefficients undetermined once a spline has more of them than samples near it. Interpolation
    needs no data, keeps the function where no sample lies, and is exact on the domain when the new knots contain the
    old ones. It says nothing about activations outside of the domain: `update_knots` before it if there may be any.
    """
    if grid < network.grid:
        raise HarnessError(f"extend_grid(grid={grid}) would coarsen splines with grid={network.grid}; give a larger")
    match network:
        case KanShape():
            return kan.extend_grid(network, flat_RP, knots, grid)
        case SplineMlpShape():
            return spline_mlp.extend_grid(network, flat_RP, knots, grid)


def samples_last(x_RNI: Tensor) -> Tensor:
    """[R, I, N] with N padded by zeros to whole blocks."""
    return F.pad(x_RNI.transpose(1, 2), (0, -x_RNI.shape[1] % SAMPLE_BLOCK)).contiguous()
