"""What can be done with a network of either family; the families differ behind a `match`.

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

from harness.errors import HarnessError
from harness.nets import kan, mlp
from harness.nets.layout import parameter_shapes, unflatten
from harness.spec.networks import KanShape, MlpShape

# Two AVX-512 vectors of float32: torch's kernels take two vectors at a time.
SAMPLE_BLOCK = 32


def initialise(
    network: MlpShape | KanShape,
    generators: Sequence[np.random.Generator],
    gain: float | Sequence[float],
    dtype: torch.dtype,
    device: torch.device | str,
) -> Tensor:
    """`flat_RP`, one lane a generator; a sequence of gains has one a lane.

    Drawn in float64 in the order of `parameter_shapes`, so a lane depends on its own generator and gain only. The gain
    multiplies weights and biases of an MLP, coefficients and base weights of a KAN.
    """
    gains = [gain] * len(generators) if isinstance(gain, int | float) else list(gain)
    if len(gains) != len(generators):
        raise HarnessError(f"gain has {len(gains)} values for {len(generators)} generators; give one a lane")
    lanes = [_draw_lane(network, *lane) for lane in zip(generators, gains, strict=True)]
    return torch.from_numpy(np.stack(lanes)).to(device=device, dtype=dtype)


def _draw_lane(network: MlpShape | KanShape, generator: np.random.Generator, gain: float) -> np.ndarray:
    parts = []
    for name, shape in parameter_shapes(network).items():
        layer, kind = name.removeprefix("layer").split(".")
        match network:
            case MlpShape():
                values = gain * mlp.draw(network.shape[int(layer)], shape, generator)
            case KanShape():
                values = kan.draw(network, kind, shape, generator) * (gain if kind in ("coef", "base") else 1.0)
        parts.append(values.ravel())
    return np.concatenate(parts)


def initial_knots(
    network: MlpShape | KanShape, lanes: int, dtype: torch.dtype, device: torch.device | str
) -> list[Tensor]:
    """One [R, I, T] a layer for a KAN, uniform on [low, high] and extended; nothing for an MLP."""
    match network:
        case MlpShape():
            return []
        case KanShape():
            return kan.initial_knots(network, lanes, dtype, device)


def forward(network: MlpShape | KanShape, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor) -> Tensor:
    """Outputs [R, N, O], differentiable in `flat_RP` and `x_RNI`."""
    parameters = unflatten(network, flat_RP)
    h_RIN = _samples_last(x_RNI)
    match network:
        case MlpShape():
            y_RON = mlp.evaluate(network, parameters, h_RIN)
        case KanShape():
            y_RON = kan.evaluate(network, parameters, knots, h_RIN)
    return y_RON[..., : x_RNI.shape[1]].transpose(1, 2).contiguous()


def update_knots(
    network: MlpShape | KanShape,
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
    match network:
        case MlpShape():
            return flat_RP, list(knots)
        case KanShape():
            h_RIN = _samples_last(x_RNI)
            return kan.update_knots(network, flat_RP, knots, h_RIN, x_RNI.shape[1], grid_eps, margin)


extend_grid = kan.extend_grid


def _samples_last(x_RNI: Tensor) -> Tensor:
    """[R, I, N] with N padded by zeros to whole blocks."""
    return F.pad(x_RNI.transpose(1, 2), (0, -x_RNI.shape[1] % SAMPLE_BLOCK)).contiguous()
