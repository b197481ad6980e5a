"""Helpers on tensors whose leading axis is the lane.

Legend: R lanes, P parameters, K lanes kept. Every helper is lane-local: what a lane gets doesn't depend, in any bit, on
its neighbours or on how many there are. Hence no matmul and no fused multiply-add (`add(alpha=)`, `addcmul`, `lerp`):
their rounding depends on where in memory an element lies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from harness.spec import Network

State = TypeVar("State")


@dataclass(frozen=True)
class Trained:
    """Where a training left one run, for another to go on from: parameters [P], and knots [I, T] a layer."""

    network: Network
    position_P: Tensor
    knots: tuple[Tensor, ...]


def dot(a_RP: Tensor, b_RP: Tensor) -> Tensor:
    """Inner product of every lane, [R]."""
    return (a_RP * b_RP).sum(-1)


def largest(a_RP: Tensor) -> Tensor:
    """Largest absolute value of every lane, [R]; NaN where a lane has one."""
    return a_RP.abs().amax(-1)


def choose(mask_R: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` in the lanes of the mask, bit for bit `old` in the others; any axes may follow R."""
    return torch.where(mask_R.view(-1, *[1] * (old.dim() - 1)), new, old)


def all_finite(loss_R: Tensor, gradient_RP: Tensor) -> Tensor:
    """Lanes whose loss and whole gradient are finite."""
    return (loss_R.abs() < math.inf) & (largest(gradient_RP) < math.inf)


def learning_rates(default: float, position_RP: Tensor, learning_rate_R: Tensor | None) -> Tensor:
    """One learning rate a lane, [R], in the dtype and on the device of the positions."""
    rate = default if learning_rate_R is None else learning_rate_R
    rate = torch.as_tensor(rate, dtype=position_RP.dtype, device=position_RP.device)
    return rate.expand(len(position_RP)).clone()


def select(state: State, index_K: Tensor) -> State:
    """The state of the lanes that `index_K` names, in that order; a lane named twice is copied."""
    kept = {name: x.index_select(0, index_K) if isinstance(x, Tensor) else x for name, x in vars(state).items()}
    return type(state)(**kept)


def alike(template: Any, state: Any) -> bool:
    """Whether all arrays of a state have dtype and shape of the template's; what is empty there can have any length."""
    if isinstance(template, tuple):
        return not template or (len(template) == len(state) and all(map(alike, template, state)))
    if isinstance(template, Tensor | np.ndarray):
        same_rank = len(template.shape) == len(state.shape)
        return same_rank and template.dtype == state.dtype and all(map(_fits, template.shape, state.shape))
    if is_dataclass(template):
        same_type = type(template) is type(state)
        return same_type and all(alike(value, getattr(state, name)) for name, value in vars(template).items())
    return True


def _fits(template: int, length: int) -> bool:
    return template in (0, length)
