"""Products of the matrices of all lanes, whose bits in a lane do not hang on which lanes are beside it.

A product rounds by where its matrices begin in memory, what comes out included: MKL on AMD processors does. The
parameters of a lane, and what lanes make of them, begin anywhere. So each matrix here begins at a whole vector.

Shape suffixes: R lanes, I by J and J by K matrices.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

VECTOR_BYTES = 64  # of AVX-512, and of a line of a cache


def product(a_RIJ: Tensor, b_RJK: Tensor, added: Tensor | None = None) -> Tensor:
    """Products of the matrices of every lane, and `added`, [R, I, K]; differentiable to any degree."""
    device = a_RIJ.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        a_RIJ, b_RJK, added = a_RIJ.to(dtype), b_RJK.to(dtype), None if added is None else added.to(dtype)
    result: Tensor = _Product.apply(a_RIJ, b_RJK, added)
    return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a_RIJ: Tensor, b_RJK: Tensor, added: Tensor | None) -> Tensor:
        ctx.save_for_backward(a_RIJ, b_RJK)
        ctx.added = None if added is None else added.shape
        factors, out_RIK = (_whole(a_RIJ), _whole(b_RJK)), _room(a_RIJ, a_RIJ.shape[1], b_RJK.shape[2])
        if added is None:
            return torch.bmm(*factors, out=out_RIK)
        return torch.baddbmm(added, *factors, out=out_RIK)

    @staticmethod
    def backward(ctx: Any, grad_RIK: Tensor) -> tuple[Tensor | None, ...]:
        a_RIJ, b_RJK = ctx.saved_tensors
        by_a, by_b, by_added = ctx.needs_input_grad
        return (
            product(grad_RIK, b_RJK.mT) if by_a else None,
            product(a_RIJ.mT, grad_RIK) if by_b else None,
            grad_RIK.sum_to_size(ctx.added) if by_added else None,
        )


def _room(like: Tensor, rows: int, columns: int) -> Tensor:
    """Memory for a matrix of every lane."""
    vector = VECTOR_BYTES // like.itemsize
    return like.new_empty_strided((len(like), rows, columns), (-(-rows * columns // vector) * vector, columns, 1))


def _whole(x_RIJ: Tensor) -> Tensor:
    """The same where rows or columns are dense and every lane begins at a whole vector; else a copy, where they do."""
    (_, rows, columns), (by_lane, by_row, by_column) = x_RIJ.shape, x_RIJ.stride()
    is_dense = (by_column == 1 and by_row >= columns) or (by_row == 1 and by_column >= rows)
    if is_dense and (x_RIJ.data_ptr() % VECTOR_BYTES, by_lane * x_RIJ.itemsize % VECTOR_BYTES) == (0, 0):
        return x_RIJ
    room = _room(x_RIJ, columns, rows).mT if by_row < by_column else _room(x_RIJ, rows, columns)
    return room.copy_(x_RIJ)
