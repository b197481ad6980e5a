"""Wide layers of splines: all bases at once, in one product with all weights.

`spline_sum` gathers the k+1 coefficients that act at each sample, for every edge. That is k+1
passes over [R, O, I, N], which cost little where outputs are few. Here the k+1 active bases are
scattered among the C bases of each input, zeros elsewhere, and one matrix product multiplies them
by the coefficients. That is more arithmetic, at the speed of a matrix product. silu(x) is one row
more of each input, and the weights of the base are one row more of its coefficients.

The backward pass is by hand. It keeps what a product needs, the bases [R, I, C + 1, N], and for the
inputs k arrays [R, I, N] of the recursion.

Shape suffixes: R lanes, I inputs, O outputs, N samples, T knots, C coefficients of a spline, W = I
(C + 1) rows, P = C + 2k rows an input, M all numbers of a lane.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.families.product import product

# Knots that are compared with all samples one by one. A search in more of them is faster (CPU).
FEW_KNOTS = 64


def evaluate(
    x_RIN: Tensor, knots_RIT: Tensor, coef_RICO: Tensor, base_RIO: Tensor | None
) -> Tensor:
    """Splines of the inputs, and `base` times their silu, summed over the inputs: [R, O, N],
    differentiable once.
    """
    if base_RIO is None:  # the row of silu is zero then
        weights_RICO = F.pad(coef_RICO, (0, 0, 0, 1))
    else:
        weights_RICO = torch.cat([coef_RICO, base_RIO[:, :, None]], 2)
    order = knots_RIT.shape[-1] - coef_RICO.shape[2] - 1
    return _Product.apply(x_RIN, weights_RICO.flatten(1, 2), knots_RIT, order, base_RIO is not None)


@torch.no_grad()
def evaluate_in_parts(
    x_RIN: Tensor, knots_RIT: Tensor, coef_RICO: Tensor, base_RIO: Tensor | None
) -> Tensor:
    """The same for many samples, without gradients: some inputs at a time."""
    # A lane's sums must not depend on how many lanes there are.
    bytes_of_an_input = coef_RICO.shape[2] * x_RIN[0, 0].nbytes
    at_once = max(1, bytes_at_once(x_RIN.device) // bytes_of_an_input)
    y_RON = x_RIN.new_zeros(len(x_RIN), coef_RICO.shape[3], x_RIN.shape[2])
    for first in range(0, x_RIN.shape[1], at_once):
        part = slice(first, first + at_once)
        of_part = None if base_RIO is None else base_RIO[:, part]
        y_RON += evaluate(
            x_RIN[:, part].contiguous(), knots_RIT[:, part], coef_RICO[:, part], of_part
        )
    return y_RON


def bytes_at_once(device: torch.device) -> int:
    """Of bases at all samples of a run: on a CPU they are to stay in its cache."""
    return 2**22 if device.type == "cpu" else 2**28


def every_basis(knots_RIT: Tensor, x_RIN: Tensor, order: int) -> Tensor:
    """All bases at all samples, [R, I, C, N], without gradients: `design_matrix`, transposed and
    sooner.
    """
    span_RIN, bases, _ = _active(knots_RIT, x_RIN, order)
    return _scattered(span_RIN, bases, coefs=knots_RIT.shape[-1] - order - 1)


class _Product(torch.autograd.Function):
    """Temporaries are overwritten where they can be: new memory costs more than the arithmetic."""

    @staticmethod
    def forward(
        ctx: Any, x_RIN: Tensor, weights_RWO: Tensor, knots_RIT: Tensor, order: int, has_base: bool
    ) -> Tensor:
        coefs = knots_RIT.shape[-1] - order - 1
        span_RIN, bases, shares = _active(knots_RIT, x_RIN, order)
        last_RI1N = (F.silu(x_RIN) if has_base else torch.zeros_like(x_RIN))[:, :, None]
        rows_RICN = torch.cat([_scattered(span_RIN, bases, coefs), last_RI1N], 2)
        by_inputs, by_weights, *_ = ctx.needs_input_grad
        y_RON = product(weights_RWO.mT, rows_RICN.flatten(1, 2))
        weights_RWO, rows_RICN = (
            weights_RWO.to(y_RON.dtype),
            rows_RICN.to(y_RON.dtype),
        )  # bfloat16 in mixed precision
        of_inputs = (weights_RWO, x_RIN, span_RIN, *shares) if by_inputs else ()
        ctx.save_for_backward(rows_RICN if by_weights else None, *of_inputs)
        ctx.has_base = has_base
        return y_RON

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, grad_RON: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        rows_RICN, *of_inputs = ctx.saved_tensors
        grad_RON = (
            grad_RON.contiguous()
        )  # of a transposed one MKL's rounding depends on where lanes lie in memory
        into_weights = None if rows_RICN is None else product(rows_RICN.flatten(1, 2), grad_RON.mT)
        into_inputs = _into_inputs(grad_RON, ctx.has_base, *of_inputs) if of_inputs else None
        return into_inputs, into_weights, None, None, None


def _into_inputs(
    grad_RON: Tensor,
    has_base: bool,
    weights_RWO: Tensor,
    x_RIN: Tensor,
    span_RIN: Tensor,
    *shares: Tensor,
) -> Tensor:
    """B'_r = k (share_{r-1} - share_r), as in `spline`, of the bases that have coefficients."""
    order, (_, inputs, _) = len(shares), x_RIN.shape
    by_rows_RICN = product(weights_RWO, grad_RON).to(x_RIN.dtype).unflatten(1, (inputs, -1))
    last_RIN = by_rows_RICN[:, :, -1]
    into_RIN = (
        torch.ops.aten.silu_backward(last_RIN, x_RIN) if has_base else torch.zeros_like(x_RIN)
    )
    padded_RIPN = F.pad(by_rows_RICN[:, :, :-1], (0, 0, order, order))
    place_RM = _places(span_RIN, padded_RIPN.shape[2])
    by_basis = [
        rows_RM.gather(1, place_RM).view_as(x_RIN) for rows_RM in _from_each_row(padded_RIPN, order)
    ]
    for low, high, share in zip(by_basis[:-1], by_basis[1:], shares, strict=True):
        into_RIN.addcmul_(high - low, share, value=order)
    return into_RIN


def _spans(knots_RIT: Tensor, x_RIN: Tensor) -> tuple[Tensor, Tensor]:
    """The span of each sample, and 1 where it is on the grid and 0 elsewhere; see `spline`."""
    last = knots_RIT.shape[-1] - 2
    if last < FEW_KNOTS and x_RIN.device.type == "cpu":
        below_RIN = torch.zeros(x_RIN.shape, dtype=torch.uint8)
        for knot_RI1 in knots_RIT.split(1, -1):
            below_RIN += (x_RIN >= knot_RI1).view(torch.uint8)
        found_RIN = below_RIN.long().sub_(1)
    else:
        found_RIN = torch.searchsorted(knots_RIT.contiguous(), x_RIN.contiguous(), right=True).sub_(
            1
        )
    inside_RIN = ((found_RIN >= 0) & (found_RIN <= last)).to(x_RIN.dtype)
    return found_RIN.clamp_(0, last), inside_RIN


def _active(
    knots_RIT: Tensor, x_RIN: Tensor, order: int
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Spans and bases as `ActiveBases` has them, and the bases of order k-1 over the widths of
    their supports.
    """
    span_RIN, inside_RIN = _spans(knots_RIT, x_RIN)
    padded_RIT = F.pad(knots_RIT, (order - 1, order - 1), mode="replicate")
    near = [padded_RIT[..., offset:].gather(-1, span_RIN) for offset in range(2 * order)]
    from_left = [x_RIN - near[order - 1 - step] for step in range(order)]
    to_right = [near[order + step] - x_RIN for step in range(order)]
    tiny = torch.finfo(x_RIN.dtype).tiny
    bases: list[Tensor] = [inside_RIN]
    shares: list[Tensor] = []
    for degree in range(1, order + 1):
        shares = []
        for r, basis in enumerate(bases):
            width = (near[order + r] - near[order + r - degree]).clamp_min_(tiny)
            shares.append(torch.div(basis, width, out=width))
        bases = [torch.mul(to_right[0], shares[0], out=bases[0])]
        for r in range(1, degree):
            bases.append((from_left[degree - r] * shares[r - 1]).addcmul_(to_right[r], shares[r]))
        bases.append(from_left[0] * shares[-1])
    return span_RIN, bases, shares


def _scattered(span_RIN: Tensor, bases: list[Tensor], coefs: int) -> Tensor:
    """The active bases among zeros, [R, I, C, N].

    Beyond the ends of the domain some of them have no coefficient. They land in k rows more at each
    side.
    """
    order, (lanes, inputs, samples) = len(bases) - 1, span_RIN.shape
    padded_RIPN = bases[0].new_zeros(lanes, inputs, coefs + 2 * order, samples)
    place_RM = _places(span_RIN, coefs + 2 * order)
    for rows_RM, basis_RIN in zip(_from_each_row(padded_RIPN, order), bases, strict=True):
        rows_RM.scatter_(1, place_RM, basis_RIN.flatten(1))
    return padded_RIPN[:, :, order : order + coefs]


def _places(span_RIN: Tensor, rows: int) -> Tensor:
    """Where in a lane, [R, I N], the first active basis of each sample stands, if an input has so
    many rows.
    """
    _, inputs, samples = span_RIN.shape
    first_I1 = torch.arange(inputs, device=span_RIN.device)[:, None] * (rows * samples)
    first_IN = first_I1 + torch.arange(samples, device=span_RIN.device)
    return (span_RIN * samples).add_(first_IN).flatten(1)


def _from_each_row(padded_RIPN: Tensor, order: int) -> list[Tensor]:
    """All numbers of a lane, from row r of its first input on, for each of the k+1 active bases:
    views [R, .].
    """
    samples = padded_RIPN.shape[-1]
    return [padded_RIPN.flatten(1)[:, step * samples :] for step in range(order + 1)]
