"""The linear system that Levenberg-Marquardt solves for a step, lane by lane: its numbers, and what
it costs.

`harness.optimisers.levenberg` has the legend of shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from harness.families import flatten, residual_jacobian, unflatten
from harness.families.later import F, Tensor, torch
from harness.families.shape import ShapeBase
from harness.optimisers.base import LaneObjective
from harness.optimisers.lanes import all_finite, dot

if TYPE_CHECKING:
    from harness.optimisers.levenberg import LevenbergMarquardt

JACOBIAN_BYTES = 2**28  # of lanes that are linearised at once


class System(NamedTuple):
    """What is known at one position of every lane, for the normal equations in the parameters or in
    the residuals.

    The matrix is J^T J or J J^T; the latter also needs r and J^T.
    """

    loss_R: Tensor  # +inf if it or the gradient is not finite
    peak_R: Tensor  # the largest diagonal element of J^T J
    residuals_R: Tensor  # how many there are
    gradient_RP: Tensor  # J^T r
    matrix_RSS: Tensor
    residual_RK: Tensor
    transposed_RPK: Tensor


def system_flops(
    parameters: int, residuals: int, row: int | None = None, dual: bool | None = None
) -> int:
    """An evaluation's normal matrix, right-hand side, factorisation and solve.

    A factorisation that fails is one more, which is not counted; records say how many there were
    (`refused_steps`).

    `row` is how many numbers of each row of the Jacobian are multiplied: one a parameter, or those
    that are not zero. With more parameters than residuals the dual system is solved, unless `dual`
    says otherwise: J J^T, of the residuals' size. The matrix is symmetric, so half of it is
    computed; Cholesky takes n^3/3.
    """
    dual = parameters > residuals if dual is None else dual
    row = parameters if row is None else row
    size, products = parameters, residuals * row * (row + 1)
    if dual:
        size, products = residuals, residuals * (residuals + 1) * row
    gradient = 2 * residuals * row * (2 if dual else 1)
    return products + gradient + size**3 // 3 + 2 * size**2


def linearise(settings: LevenbergMarquardt, asked_RP: Tensor, objective: LaneObjective) -> System:
    """The normal equations of every lane at the positions asked for; as many lanes at once as
    memory is meant for.
    """
    _, network, knots, x_RNI, y_RNO = objective
    lanes, parameters = asked_RP.shape
    at_once = max(2, JACOBIAN_BYTES // (y_RNO[0].numel() * parameters * asked_RP.element_size()))
    groups = max(1, lanes // at_once)  # none of which is a lone lane, which would round otherwise
    of_groups = zip(
        *(tensor.tensor_split(groups) for tensor in (asked_RP, x_RNI, y_RNO, *knots)), strict=True
    )
    systems = [_linearise(settings, network, *group) for group in of_groups]
    return System(*(torch.cat(parts) for parts in zip(*systems, strict=True)))


def _linearise(
    settings: LevenbergMarquardt,
    network: ShapeBase,
    flat_RP: Tensor,
    x_RNI: Tensor,
    y_RNO: Tensor,
    *knots: Tensor,
) -> System:
    outputs_RNO, jacobian_RKP = residual_jacobian(network, flat_RP, knots, x_RNI)
    residual_RK = (outputs_RNO - y_RNO).transpose(1, 2).flatten(1)
    transposed_RPK = jacobian_RKP.mT
    is_dual = settings.is_dual(network, residual_RK.shape[1])
    products = partial(_products, is_dual)
    if is_on_host(flat_RP):
        matrix_RSS, gradient_RP = lane_by_lane(
            products, range(len(flat_RP)), transposed_RPK, residual_RK
        )
    else:
        matrix_RSS, gradient_RP = products(transposed_RPK, residual_RK)
    squares_R = dot(residual_RK, residual_RK)
    if settings.has_ridge(network):
        squares_R = squares_R + settings.ridge * _bend(network, flat_RP)
        gradient_RP = gradient_RP + settings.ridge * _bend_gradient(network, flat_RP)
        unit_PP = torch.eye(flat_RP.shape[1], dtype=flat_RP.dtype, device=flat_RP.device)
        matrix_RSS = matrix_RSS + settings.ridge * _bend_gradient(network, unit_PP)
    of_columns_RP = (
        dot(transposed_RPK, transposed_RPK) if is_dual else matrix_RSS.diagonal(dim1=1, dim2=2)
    )
    peak_R = of_columns_RP.amax(-1)
    usable_R = all_finite(squares_R, gradient_RP) & (peak_R < math.inf)
    return System(
        loss_R=torch.where(usable_R, squares_R / residual_RK.shape[1], math.inf),
        peak_R=peak_R,
        residuals_R=torch.full_like(squares_R, residual_RK.shape[1]),
        gradient_RP=gradient_RP,
        matrix_RSS=matrix_RSS,
        residual_RK=residual_RK if is_dual else residual_RK[:, :0],
        transposed_RPK=transposed_RPK if is_dual else transposed_RPK[..., :0],
    )


def _products(is_dual: bool, transposed: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """J^T J, or J J^T of the dual system, and J^T r."""
    matrix = transposed.mT @ transposed if is_dual else transposed @ transposed.mT
    return matrix, (transposed @ residual[..., None])[..., 0]


def _bend(network: ShapeBase, flat_RP: Tensor) -> Tensor:
    """The sum of squared second differences of every spline's coefficients, [R]."""
    parts = unflatten(network, flat_RP)
    bends = [_second_differences(part, 0) for name, part in parts.items() if name.endswith("coef")]
    return torch.cat([(bend * bend).flatten(1) for bend in bends], 1).sum(1)


def _bend_gradient(network: ShapeBase, flat_RP: Tensor) -> Tensor:
    """Half the gradient of `_bend`, [R, P], which is linear: that of unit vectors is half the
    Hessian.
    """
    parts = unflatten(network, flat_RP)
    bent = {
        name: _second_differences(_second_differences(part, 0), 2)
        if name.endswith("coef")
        else torch.zeros_like(part)
        for name, part in parts.items()
    }
    return flatten(network, bent)


def _second_differences(coef: Tensor, padding: int) -> Tensor:
    """Along the coefficients of a spline: [R, I, C, O], or [R, J, C] of one a node; `padding` zeros
    at each end.
    """
    coef_last = coef.movedim(2, -1)
    padded = F.pad(coef_last, (padding, padding))
    return (padded[..., :-2] - 2 * padded[..., 1:-1] + padded[..., 2:]).movedim(-1, 2)


# --------------------------------------------------------------------------------------------------
# lanes of the host
def is_on_host(tensor: Tensor) -> bool:
    """Whether the host sees its numbers without waiting for a device."""
    return tensor.device.type == "cpu"


def lane_by_lane(
    function: Callable[..., tuple[Tensor, ...]], lanes: Iterable[int], *tensors: Tensor
) -> tuple[Tensor, ...]:
    """What a function of matrices gives for these lanes of the host, one after the other.

    Each lane is copied first: BLAS and LAPACK round by where in a cache line a matrix begins.
    """
    results = []
    for lane in lanes:
        of_lane = (tensor[lane].clone() for tensor in tensors)
        results.append(function(*of_lane))
    return tuple(torch.stack(parts) for parts in zip(*results, strict=True))
