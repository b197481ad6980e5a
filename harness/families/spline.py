"""B-splines on any knots, evaluated through their active bases only.

A spline of order k (its polynomial degree) with G intervals on its domain has C = G+k coefficients
and T = G+2k+1 knots t_0 <= ... <= t_{G+2k}: the domain [t_k, t_{k+G}], extended by k knots on each
side. The convention is pykan's: basis B_i lives on its own support [t_i, t_{i+k+1}), intervals are
half-open, and everything is zero outside [t_0, t_{G+2k}). So all k+1 bases are active inside the
domain, where they sum to one, and fewer outside of it.

Shape suffixes: R lanes, I inputs, O outputs, N samples, T knots, C coefficients of a spline, G
intervals + 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harness.families.base import SAMPLE_BLOCK
from harness.families.product import product
from harness.families.wide import bytes_at_once, every_basis

Bases = tuple[Tensor, ...]
# How splines are moved to other knots: lane by lane with LAPACK's gelsd, or all together by a QR
# factorisation.
Solver = Literal["gelsd", "qr"]


class ActiveBases(NamedTuple):
    """The k+1 bases that can be non-zero at each sample.

    `values[r]` [R, I, N] belongs to coefficient `span_RIN + r - k`. Near the ends that index can
    lie outside of 0..C-1 by up to k: it then has no coefficient. Those who use it pad the
    coefficients by k zeros on each side.
    """

    span_RIN: Tensor
    values: tuple[Tensor, ...]


def extend_knots(inner_RIG: Tensor, order: int) -> Tensor:
    """All T knots from those of the domain: k more on each side, one mean interval apart, as pykan
    does.
    """
    first, last = inner_RIG[..., :1], inner_RIG[..., -1:]
    steps = torch.arange(1, order + 1, dtype=inner_RIG.dtype, device=inner_RIG.device)
    step = (last - first) / (inner_RIG.shape[-1] - 1)
    return torch.cat([first - step * steps.flip(0), inner_RIG, last + step * steps], dim=-1)


def uniform_knots(
    low: float, high: float, grid: int, order: int, dtype: torch.dtype, device: torch.device | str
) -> Tensor:
    """All T knots of `grid` equal intervals on [low, high]."""
    return extend_knots(torch.linspace(low, high, grid + 1, dtype=dtype, device=device), order)


def active_bases(knots_RIT: Tensor, x_RIN: Tensor, order: int) -> ActiveBases:
    """Where each sample lies between the knots, and the k+1 bases there; differentiable in x to any
    degree.

    Repeated knots are allowed: an empty interval holds no sample, and a basis of empty support is
    zero.
    """
    span_RIN, inside, near = _locate(knots_RIT, x_RIN, order)
    return ActiveBases(span_RIN, _Bases.apply(x_RIN, inside, *near))


@torch.no_grad()
def active_derivatives(
    knots_RIT: Tensor, x_RIN: Tensor, order: int, most: int
) -> tuple[Tensor, list[Bases]]:
    """The span of each sample, and the k+1 bases there with their derivatives, `most` of them, as
    `ActiveBases`.

    Like the bases, derivatives are right-continuous, and zero outside of the grid. They have no
    gradients themselves.
    """
    span_RIN, inside, near = _locate(knots_RIT, x_RIN, order)
    return span_RIN, [_derivatives(x_RIN, inside, near, times) for times in range(most + 1)]


def _derivatives(x: Tensor, inside: Tensor, near: Sequence[Tensor], times: int) -> Bases:
    """B'_r = k (share_{r-1} - share_r), with the shares of the bases of order k-1 (ibid., eq. 2.7),
    and so on.
    """
    order = len(near) // 2
    if times == 0:
        return _Bases.apply(x, inside, *near)
    if order == 0:
        return (torch.zeros_like(x),)
    share = _shares(_derivatives(x, inside, near[1:-1], times - 1), near)
    middle = [share[r - 1] - share[r] for r in range(1, order)]
    return tuple(order * share_difference for share_difference in (-share[0], *middle, share[-1]))


def _locate(knots_RIT: Tensor, x_RIN: Tensor, order: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The span of each sample, 1 where it is on the grid and 0 elsewhere, and the 2k knots around
    it.
    """
    x_data = x_RIN.detach().contiguous()
    unclamped_RIN = torch.searchsorted(knots_RIT, x_data, right=True) - 1
    span_RIN = unclamped_RIN.clamp(0, knots_RIT.shape[-1] - 2)
    inside = (unclamped_RIN == span_RIN).to(x_RIN.dtype)
    # Beyond the ends there are no knots; the values put there reach only bases that have no
    # coefficient.
    padded = F.pad(knots_RIT, (order, order), mode="replicate")
    return (
        span_RIN,
        inside,
        [padded.gather(-1, span_RIN + offset) for offset in range(1, 2 * order + 1)],
    )


class _Bases(torch.autograd.Function):
    """The triangular recursion (Piegl & Tiller, The NURBS Book, A2.2) on the 2k knots around each
    sample.

    `near[k-1] <= x < near[k]` are the ends of the span. `inside` is 1, or 0 to make all bases zero.
    The hand-written backward halves the time of a whole network; it is made of bases itself, so it
    can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, inside: Tensor, *near: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, inside, *near)
        order = len(near) // 2
        from_left = [x - near[order - 1 - step] for step in range(order)]
        to_right = [near[order + step] - x for step in range(order)]
        bases = [inside.clone()]
        for degree in range(1, order + 1):
            share = _shares(bases, near)
            rising = [from_left[degree - 1 - r] * share[r] for r in range(degree)]
            falling = [to_right[r] * share[r] for r in range(degree)]
            middle = [rising[r - 1] + falling[r] for r in range(1, degree)]
            bases = [falling[0], *middle, rising[-1]]
        return tuple(bases)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, inside, *near = ctx.saved_tensors
        order = len(near) // 2
        # B'_r = k (share_{r-1} - share_r), with the shares of the bases of order k-1 (ibid., eq.
        # 2.7).
        share = _shares(_Bases.apply(x, inside, *near[1:-1]), near) if order else []
        slopes = [(grads[r + 1] - grads[r]) * share[r] for r in range(order)]
        total = torch.zeros_like(x)
        for slope in slopes:
            total = total + slope
        return (order * total, None, *(None for _ in near))


def _shares(bases: list[Tensor] | tuple[Tensor, ...], near: Any) -> list[Tensor]:
    """Each basis divided by the width of its support; 0/0 := 0."""
    half, degree = len(near) // 2, len(bases)
    tiny = torch.finfo(bases[0].dtype).tiny
    widths = [(near[half + r] - near[half + r - degree]).clamp_min(tiny) for r in range(degree)]
    return [basis / width for basis, width in zip(bases, widths, strict=True)]


def spline_sum(coef_RICO: Tensor, active: ActiveBases) -> Tensor:
    """sum over inputs of the splines, [R, O, N]: one pass an active basis, independent of G.

    Samples are the last axis, so that gathering, weighting and scattering (the backward of
    `gather`) run along long contiguous rows.
    """
    terms = [term_ROIN.sum(2) for term_ROIN in _terms(coef_RICO, active)]
    return sum(terms[1:], terms[0])


def each_spline(coef_RICO: Tensor, active: ActiveBases) -> Tensor:
    """The splines that `spline_sum` adds up, [R, O, I, N]."""
    terms = list(_terms(coef_RICO, active))
    return sum(terms[1:], terms[0])


def _terms(coef_RICO: Tensor, active: ActiveBases) -> Iterator[Tensor]:
    """What each active basis contributes to every spline, [R, O, I, N]."""
    order = len(active.values) - 1
    for picked, basis_RIN in zip(
        chosen_coefficients(coef_RICO, active.span_RIN, order), active.values, strict=True
    ):
        yield picked * basis_RIN[:, None]


def chosen_coefficients(coef_RICO: Tensor, span_RIN: Tensor, order: int) -> Iterator[Tensor]:
    """The coefficients of the k+1 active bases at each sample, [R, O, I, N] a basis."""
    inputs = coef_RICO.shape[1]
    padded = F.pad(coef_RICO.permute(0, 3, 1, 2), (order, order)).flatten(2)
    for place in _places(coef_RICO, span_RIN, order):
        yield padded.gather(2, place).unflatten(2, (inputs, -1))


def scatter_coefficients(coef_RICO: Tensor, span_RIN: Tensor, active: Sequence[Tensor]) -> Tensor:
    """What `chosen_coefficients` took from where, brought back and added up: its transpose, as
    `coef_RICO`.
    """
    order, (lanes, inputs, coefs, outputs) = len(active) - 1, coef_RICO.shape
    padded = coef_RICO.new_zeros(lanes, outputs, inputs * (coefs + 2 * order))
    for place, each_ROIN in zip(_places(coef_RICO, span_RIN, order), active, strict=True):
        padded.scatter_add_(2, place, each_ROIN.flatten(2))
    return padded.unflatten(2, (inputs, -1))[..., order : order + coefs].permute(0, 2, 3, 1)


def _places(coef_RICO: Tensor, span_RIN: Tensor, order: int) -> Iterator[Tensor]:
    """Where in a row of all inputs' padded coefficients those of each active basis are, [R, O, I *
    N].
    """
    lanes, inputs, coefs, outputs = coef_RICO.shape
    row_I1 = (coefs + 2 * order) * torch.arange(inputs, device=coef_RICO.device)[:, None]
    first = (span_RIN + row_I1).view(lanes, 1, -1)
    for step in range(order + 1):
        yield (first + step).expand(-1, outputs, -1)


def design_matrix(knots_RIT: Tensor, x_RIN: Tensor, order: int) -> Tensor:
    """All bases at all samples, [R, I, N, C], dense: for least squares and for tests."""
    return all_bases(active_bases(knots_RIT, x_RIN, order), knots_RIT.shape[-1] - order - 1)


def all_bases(active: ActiveBases, coefs: int) -> Tensor:
    """The design matrix from the active bases: never for a loss, which needs no others."""
    order = len(active.values) - 1
    values = torch.stack(active.values, dim=-1)
    columns = active.span_RIN[..., None] + torch.arange(order + 1, device=values.device)
    padded = values.new_zeros(*active.span_RIN.shape, coefs + 2 * order).scatter(
        -1, columns, values
    )
    return padded[..., order : order + coefs]


def fit_coefficients(design_RINC: Tensor, values_RINO: Tensor) -> Tensor:
    """The coefficients [R, I, C, O] of least squares, of least norm where the samples do not
    determine them.

    A spline with values or knots that are not finite gets NaN and leaves the others alone (LAPACK
    would raise for all). The driver is named because the default one, gelsy, is silently wrong for
    rank-deficient matrices in torch up to 2.13 at least: it leaves its pivots uninitialised,
    https://github.com/pytorch/pytorch/issues/187411. pykan calls it.
    """
    finite = design_RINC.isfinite().flatten(2).all(2) & values_RINO.isfinite().flatten(2).all(2)
    finite = finite[..., None, None]
    # On the CPU wherever the data is: CUDA offers no driver for deficient rank.
    design = design_RINC.where(finite, 0.0).cpu()
    values = values_RINO.where(finite, 0.0).cpu()
    solution = torch.linalg.lstsq(design, values, driver="gelsd").solution
    return solution.to(values_RINO.device).where(finite, torch.nan)


def move_spline(
    coef_RICO: Tensor,
    old_RIT: Tensor,
    new_RIT: Tensor,
    x_RIN: Tensor,
    order: int,
    solver: Solver = "gelsd",
) -> Tensor:
    """Coefficients on the new knots that keep the old splines at x, in the sense of
    `fit_coefficients`.

    With `gelsd` one lane at a time: the dense matrices stay small, and no lane's numbers depend on
    the others.
    """
    if solver == "qr":
        bytes_of_an_input = (new_RIT.shape[-1] + coef_RICO.shape[3]) * x_RIN[:, 0].nbytes
        at_once = max(1, bytes_at_once(x_RIN.device) // bytes_of_an_input)
        moved = []
        for first in range(0, x_RIN.shape[1], at_once):
            part = slice(first, first + at_once)
            coef, old, new, x = (tensor[:, part] for tensor in (coef_RICO, old_RIT, new_RIT, x_RIN))
            moved.append(_moved_together(coef, old, new, x, order))
        return torch.cat(moved, 1)
    moved = []
    for lane in range(coef_RICO.shape[0]):
        coef, old, new, x = (
            tensor[lane : lane + 1] for tensor in (coef_RICO, old_RIT, new_RIT, x_RIN)
        )
        values = design_matrix(old, x, order) @ coef
        moved.append(fit_coefficients(design_matrix(new, x, order), values))
    return torch.cat(moved)


def _moved_together(
    coef_RICO: Tensor, old_RIT: Tensor, new_RIT: Tensor, x_RIN: Tensor, order: int
) -> Tensor:
    """Least squares from the triangle R of a QR factorisation of bases and values, and the singular
    values of R.

    They are those of the bases, so the rank is gelsd's, and so is the solution of least norm where
    it is deficient. It often is: images have pixels that are nearly constant. No branch depends on
    the data. Zeros fill samples up to whole blocks, and small matrices to whole vectors: the
    rounding of LAPACK depends on how a matrix lies in memory.
    """
    samples, coefs, outputs = x_RIN.shape[-1], new_RIT.shape[-1] - order - 1, coef_RICO.shape[3]
    x_RIN = F.pad(x_RIN, (0, -samples % SAMPLE_BLOCK))
    factors = coef_RICO.mT.flatten(0, 1), every_basis(old_RIT, x_RIN, order).flatten(0, 1)
    values_RION = product(*factors).unflatten(0, x_RIN.shape[:2])
    system_RIEN = torch.cat([every_basis(new_RIT, x_RIN, order), values_RION], 2)
    system_RIEN[..., samples:] = 0.0
    triangle_RIEE = torch.linalg.qr(system_RIEN.mT, mode="r").R
    broken_RI11 = ~triangle_RIEE.isfinite().flatten(2).all(2)[..., None, None]
    top_RIFE = triangle_RIEE[:, :, :coefs].masked_fill(broken_RI11, 0.0)
    whole = coefs + -coefs % 4
    rows_missing = whole - top_RIFE.shape[2]
    square_RICC = F.pad(top_RIFE[..., :coefs], (0, whole - coefs, 0, rows_missing))
    right_RICO = F.pad(top_RIFE[..., coefs:], (0, -outputs % 4, 0, rows_missing))
    left_RICC, singular_RIC, turned_RICC = torch.linalg.svd(square_RICC)
    least_RI1 = (
        torch.finfo(x_RIN.dtype).eps * max(samples, coefs) * singular_RIC[..., :1]
    )  # gelsd's and numpy's
    inverse_RIC = singular_RIC.reciprocal().masked_fill(singular_RIC <= least_RI1, 0.0)
    solution_RICO = turned_RICC.mT @ (inverse_RIC[..., None] * (left_RICC.mT @ right_RICO))
    return solution_RICO[:, :, :coefs, :outputs].masked_fill(broken_RI11, torch.nan)


def knots_from_samples(
    x_RIN: Tensor, grid: int, order: int, grid_eps: float, margin: float
) -> Tensor:
    """Knots where the samples are: `grid_eps` times uniform plus (1 - `grid_eps`) times percentile
    knots.

    pykan's rule (KANLayer.update_grid_from_samples), with the `margin` of its versions up to 0.2.1:
    the uniform part reaches that far, in units of x, beyond the samples on each side.
    """
    samples = x_RIN.shape[-1]
    # numpy's sort is 16 times as fast as torch's, on a CPU with AVX-512.
    on_cpu = x_RIN.device.type == "cpu"
    ordered = torch.from_numpy(np.sort(x_RIN.numpy())) if on_cpu else x_RIN.sort(dim=-1).values
    ranks = [int(samples / grid * interval) for interval in range(grid)] + [samples - 1]
    percentile = torch.stack(
        [ordered[..., rank] for rank in ranks], -1
    )  # a list as index would go to the device
    low, high = ordered[..., :1] - margin, ordered[..., -1:] + margin
    uniform = low + (high - low) / grid * torch.arange(
        grid + 1, dtype=x_RIN.dtype, device=x_RIN.device
    )
    return extend_knots(grid_eps * uniform + (1 - grid_eps) * percentile, order)


def refine_knots(knots_RIT: Tensor, order: int, grid: int) -> Tensor:
    """`grid` intervals on the same domain: its knots, read as a function of their number,
    interpolated linearly.

    Old knots are kept exactly where the new number is a multiple of the old one.
    """
    inner = knots_RIT[..., order:-order]
    old_grid = inner.shape[-1] - 1
    position = old_grid * torch.arange(grid + 1, device=knots_RIT.device)
    below = (position // grid).clamp_max(old_grid - 1)
    fraction = (position - below * grid).to(knots_RIT.dtype) / grid
    return extend_knots(torch.lerp(inner[..., below], inner[..., below + 1], fraction), order)


def greville_points(knots_RIT: Tensor, order: int) -> Tensor:
    """C points of the domain at which spline interpolation is well-posed and well-conditioned.

    The knot averages (de Boor, A Practical Guide to Splines, ch. XIII) of the domain's knots with
    the end ones repeated k times more; those of the extended knots would lie outside of the domain.
    """
    clamped = F.pad(knots_RIT[..., order:-order], (order, order), mode="replicate")
    return clamped[..., 1:-1].unfold(-1, order, 1).mean(-1)
