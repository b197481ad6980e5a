"""Helpers on tensors whose leading axis is the lane.

Legend: R lanes, P parameters, K lanes kept. Every helper is lane-local: what a lane gets doesn't
depend, in any bit, on its neighbours or on how many there are. Hence no matmul and no fused
multiply-add (`add(alpha=)`, `addcmul`, `lerp`), unless its product is exact: their rounding depends
on where in memory an element lies.
"""

from __future__ import annotations

import math
from typing import TypeVar

from harness.families.later import Tensor, torch

Kept = TypeVar("Kept")

# With one lane, torch's batched products take another path and round differently: a lone run gets
# an idle companion.
SMALLEST_ENSEMBLE = 2


def dot(a_RP: Tensor, b_RP: Tensor) -> Tensor:
    """Inner product of every lane, [R]."""
    return (a_RP * b_RP).sum(-1)


def largest(a_RP: Tensor) -> Tensor:
    """Largest absolute value of every lane, [R]; NaN where a lane has one."""
    return torch.linalg.vector_norm(a_RP, math.inf, -1)


def choose(mask_R: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """`new` in the lanes of the mask, bit for bit `old` in the others; any axes may follow R."""
    return torch.where(mask_R.view(-1, *[1] * (old.dim() - 1)), new, old)


def but_not(mask: Tensor, excluded: Tensor) -> Tensor:
    """`mask & ~excluded`, in one operation."""
    return mask > excluded


def or_not(mask: Tensor, condition: Tensor) -> Tensor:
    """`mask | ~condition`, in one operation."""
    return mask >= condition


def all_finite(loss_R: Tensor, gradient_RP: Tensor) -> Tensor:
    """Lanes whose loss and whole gradient are finite."""
    return largest(gradient_RP) + 0 * loss_R < math.inf  # 0 times what is not finite is NaN


def learning_rates(default: float, position_RP: Tensor, learning_rate_R: Tensor | None) -> Tensor:
    """One learning rate a lane, [R], in the dtype and on the device of the positions."""
    rate = default if learning_rate_R is None else learning_rate_R
    rate = torch.as_tensor(rate, dtype=position_RP.dtype, device=position_RP.device)
    return rate.expand(len(position_RP)).clone()


def shaped_like(template: Tensor, value: Tensor) -> Tensor:
    """`value`, or zeros where it is the empty place of what has not been told yet."""
    return value if value.shape == template.shape else torch.zeros_like(template)


def select(state: Kept, index_K: Tensor) -> Kept:
    """The state of the lanes that `index_K` names, in that order; a lane named twice is copied."""
    kept = {
        name: x.index_select(0, index_K) if isinstance(x, torch.Tensor) else x
        for name, x in vars(state).items()
    }
    return type(state)(**kept)
