"""Products of the matrices of all lanes, whose bits in a lane do not hang on which lanes are beside
it.

A product rounds by where its matrices begin in memory, what comes out included: MKL on AMD
processors does. The parameters of a lane, and what lanes make of them, begin anywhere. So each
matrix here begins at a whole vector.

Shape suffixes: R lanes, I by J and J by K matrices.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

VECTOR_BYTES = 64  # of AVX-512, and of a line of a cache


def product(a_RIJ: Tensor, b_RJK: Tensor, added: Tensor | None = None) -> Tensor:
    """Products of the matrices of every lane, and `added`, [R, I, K]; differentiable to any
    degree.
    """
    if a_RIJ.device.type != "cpu":  # no bits are promised there
        return _multiplied(a_RIJ, b_RJK, added)
    if torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
        a_RIJ, b_RJK, added = (
            a_RIJ.to(dtype),
            b_RJK.to(dtype),
            None if added is None else added.to(dtype),
        )
    pairs = (a_RIJ.shape[1:], b_RJK.shape[1:], (a_RIJ.shape[1], b_RJK.shape[2]))
    if not torch.is_grad_enabled() or all(
        rows * columns % _vector(a_RIJ) == 0 for rows, columns in pairs
    ):
        return _multiplied(
            _whole(a_RIJ), _whole(b_RJK), added
        )  # torch's own gradients are whole too
    result: Tensor = _Product.apply(a_RIJ, b_RJK, added)
    return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a_RIJ: Tensor, b_RJK: Tensor, added: Tensor | None) -> Tensor:
        ctx.save_for_backward(a_RIJ, b_RJK)
        ctx.added = None if added is None else added.shape
        ctx.whole = whole = _whole(a_RIJ), _whole(b_RJK)
        return _multiplied(*whole, added)

    @staticmethod
    def backward(ctx: Any, grad_RIK: Tensor) -> tuple[Tensor | None, ...]:
        again = torch.is_grad_enabled()  # whether the gradient is to be differentiated itself
        (a_RIJ, b_RJK), multiplied = (
            (ctx.saved_tensors, product) if again else (ctx.whole, _multiplied)
        )
        by_a, by_b, by_added = ctx.needs_input_grad
        grad_RIK = grad_RIK if again else _whole(grad_RIK)
        return (
            multiplied(grad_RIK, b_RJK.mT) if by_a else None,
            multiplied(a_RIJ.mT, grad_RIK) if by_b else None,
            grad_RIK.sum_to_size(ctx.added) if by_added else None,
        )


def _multiplied(a_RIJ: Tensor, b_RJK: Tensor, added: Tensor | None = None) -> Tensor:
    rows, columns = a_RIJ.shape[1], b_RJK.shape[2]
    is_whole = a_RIJ.device.type != "cpu" or rows * columns % _vector(a_RIJ) == 0
    out = None if is_whole else _room(a_RIJ, rows, columns)
    return (
        torch.bmm(a_RIJ, b_RJK, out=out)
        if added is None
        else torch.baddbmm(added, a_RIJ, b_RJK, out=out)
    )


def _vector(like: Tensor) -> int:
    """Numbers of a vector."""
    return VECTOR_BYTES // like.itemsize


def _room(like: Tensor, rows: int, columns: int) -> Tensor:
    """Memory for a matrix of every lane, of whole vectors."""
    of_lane = -(-rows * columns // _vector(like)) * _vector(like)
    return like.new_empty_strided((len(like), rows, columns), (of_lane, columns, 1))


def _whole(x_RIJ: Tensor) -> Tensor:
    """The same where rows or columns are dense and every lane begins at a whole vector; else a
    copy, where they do.
    """
    (_, rows, columns), (by_lane, by_row, by_column) = x_RIJ.shape, x_RIJ.stride()
    is_dense = (by_column == 1 and by_row >= columns) or (by_row == 1 and by_column >= rows)
    if is_dense and by_lane % _vector(x_RIJ) == 0 == x_RIJ.data_ptr() % VECTOR_BYTES:
        return x_RIJ
    if by_row < by_column:
        return _copied(x_RIJ.mT).mT
    return _copied(x_RIJ)


def _copied(x_RIJ: Tensor) -> Tensor:
    _, rows, columns = x_RIJ.shape
    if rows * columns % _vector(x_RIJ):
        return _room(x_RIJ, rows, columns).copy_(x_RIJ)
    return x_RIJ.clone(memory_format=torch.contiguous_format)
