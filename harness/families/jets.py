"""Outputs with their gradients and Laplacians by the network's inputs, carried forward through the
layers.

A node h of a layer has a *jet*: its value, its D derivatives by the inputs, and its Laplacian, Q =
D + 2 channels. A linear map acts on every channel alike (biases on the value only), and a function
phi of one variable takes a jet to

    phi(h),    phi'(h) grad h,    phi''(h) |grad h|^2 + phi'(h) lap h,

so that nothing is differentiated by inputs afterwards: one ordinary backward pass gives the
derivatives of all of them by the parameters. (The "forward Laplacian" of Li et al. 2024, Nature
Machine Intelligence 6, for KANs too.)

Splines have the derivatives of their active bases. Those are right-continuous where they jump: a
spline of order 2 has second derivatives that jump at knots, and one of order 1 has none between
them; what happens at its kinks, where the second derivative is no function, is left out.

Shape suffixes: R lanes, I inputs, O outputs, N samples, D variables, Q channels of a jet, P
trainable scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi, sqrt
from typing import Any

import torch
from torch import Tensor

from harness.families.base import LayeredShape, samples_last
from harness.families.layout import of_layer, unflatten
from harness.families.product import product
from harness.families.shape import ShapeBase
from harness.families.spline import active_derivatives, chosen_coefficients, scatter_coefficients

# Value and three derivatives of a function at x: the third for the backward pass.
Derivatives = Callable[[Tensor], tuple[Tensor, ...]]


def forward_laplacian(
    network: ShapeBase, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs [R, N, O], their gradients [R, N, O, D] and Laplacians [R, N, O], differentiable once
    in `flat_RP`.
    """
    assert isinstance(network, LayeredShape), "no plan has it learn a PDE"
    parameters = unflatten(network, flat_RP)
    # Every input's own derivative is 1, those by the others are 0, and so are all Laplacians.
    x_RIN = samples_last(x_RNI)
    lanes, inputs, samples = x_RIN.shape
    slopes_IQ = torch.eye(inputs, inputs + 1, dtype=x_RIN.dtype, device=x_RIN.device)
    jet_RIQN = torch.cat(
        [x_RIN[:, :, None], slopes_IQ[None, :, :, None].expand(lanes, -1, -1, samples)], 2
    )
    jet_RIQN = network.jets_of_first(knots, jet_RIQN)
    for layer in network.layers:
        jet_RIQN = network.jet_layer(layer, of_layer(parameters, layer.number), knots, jet_RIQN)
    jet_RNOQ = jet_RIQN[..., : x_RNI.shape[1]].permute(0, 3, 1, 2)
    return jet_RNOQ[..., 0], jet_RNOQ[..., 1:-1], jet_RNOQ[..., -1]


def mapped(weight_RIO: Tensor, jet_RIQN: Tensor) -> Tensor:
    """A linear map without bias, one product for all channels."""
    return product(weight_RIO.mT, jet_RIQN.flatten(2)).unflatten(2, jet_RIQN.shape[2:])


class _Shifted(torch.autograd.Function):
    """A bias added to the values, in place: as an ordinary sum it would be a pass over all
    channels.
    """

    @staticmethod
    def forward(ctx: Any, jet_ROQN: Tensor, bias_RO: Tensor) -> Tensor:
        ctx.mark_dirty(jet_ROQN)
        jet_ROQN[:, :, 0] += bias_RO[:, :, None]
        return jet_ROQN

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_ROQN: Tensor) -> tuple[Tensor, Tensor]:
        return grad_ROQN, grad_ROQN[:, :, 0].sum(-1)


shifted = _Shifted.apply


# --------------------------------------------------------------------------------------------------
# splines
class _Splines(torch.autograd.Function):
    """Jets through splines and summed over the inputs, see `spline_sum`; by hand, which is nearly
    twice as fast.

    What is added up has no axis for inputs, bases or outputs beside the other two, so that it stays
    in the cache.
    """

    @staticmethod
    def forward(
        ctx: Any, coef_RICO: Tensor, jet_RIQN: Tensor, knots_RIT: Tensor, order: int
    ) -> Tensor:
        is_hidden = ctx.needs_input_grad[1]
        span_RIN, derivatives = active_derivatives(
            knots_RIT, jet_RIQN[:, :, 0], order, 3 if is_hidden else 2
        )
        chained = [_chained(jet_RIQN, *bases) for bases in zip(*derivatives[:3], strict=True)]
        picked = list(chosen_coefficients(coef_RICO, span_RIN, order))
        y_ROQN = jet_RIQN.new_zeros(len(jet_RIQN), coef_RICO.shape[3], *jet_RIQN.shape[2:])
        for picked_ROIN, chained_RIQN in zip(picked, chained, strict=True):
            for node in range(jet_RIQN.shape[1]):
                y_ROQN.addcmul_(picked_ROIN[:, :, node, None], chained_RIQN[:, None, node])
        ctx.save_for_backward(coef_RICO, jet_RIQN, span_RIN, *chained)
        ctx.hidden = (picked, derivatives) if is_hidden else None
        return y_ROQN

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_ROQN: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        coef_RICO, jet_RIQN, span_RIN, *chained = ctx.saved_tensors
        by_coef = [grad_ROQN.new_zeros(*grad_ROQN.shape[:2], *span_RIN.shape[1:]) for _ in chained]
        for into_ROIN, chained_RIQN in zip(by_coef, chained, strict=True):
            for channel in range(jet_RIQN.shape[2]):
                into_ROIN.addcmul_(
                    grad_ROQN[:, :, channel, None], chained_RIQN[:, None, :, channel]
                )
        into_coef = scatter_coefficients(coef_RICO, span_RIN, by_coef)
        return (
            into_coef,
            _into_jet(jet_RIQN, grad_ROQN, *ctx.hidden) if ctx.hidden else None,
            None,
            None,
        )


through_splines = _Splines.apply


def _into_jet(
    jet_RIQN: Tensor,
    grad_ROQN: Tensor,
    picked: Sequence[Tensor],
    derivatives: Sequence[Sequence[Tensor]],
) -> Tensor:
    """The sensitivity to a layer's inputs, through each basis that is active there."""
    gradient, laplacian = jet_RIQN[:, :, 1:-1], jet_RIQN[:, :, -1]
    length, into_RIQN = _inner(gradient, gradient), torch.zeros_like(jet_RIQN)
    for picked_ROIN, _, slope, bend, twist in zip(picked, *derivatives, strict=True):
        by_basis = torch.zeros_like(jet_RIQN)
        for output in range(grad_ROQN.shape[1]):
            by_basis.addcmul_(picked_ROIN[:, output, :, None], grad_ROQN[:, output, None])
        by_gradient, by_laplacian = by_basis[:, :, 1:-1], by_basis[:, :, -1]
        into_RIQN.addcmul_(by_basis, slope[:, :, None])
        into_RIQN[:, :, 1:-1].addcmul_(gradient, (by_laplacian * bend)[:, :, None], value=2)
        turned = _inner(by_gradient, gradient).addcmul_(by_laplacian, laplacian)
        into_RIQN[:, :, 0].addcmul_(turned, bend).addcmul_(by_laplacian, twist * length)
    return into_RIQN


def _chained(jet_RIQN: Tensor, value: Tensor, slope: Tensor, bend: Tensor) -> Tensor:
    """The jet of phi(h), from phi, phi' and phi'' at h, [R, I, N] each."""
    gradient_RIDN, laplacian_RIN = jet_RIQN[:, :, 1:-1], jet_RIQN[:, :, -1]
    bent_RIN = bend * _inner(gradient_RIDN, gradient_RIDN) + slope * laplacian_RIN
    return torch.cat(
        [value[:, :, None], slope[:, :, None] * gradient_RIDN, bent_RIN[:, :, None]], 2
    )


# --------------------------------------------------------------------------------------------------
# activations
class _Through(torch.autograd.Function):
    """A jet through a function of one variable, which is given with three derivatives.

    By hand, its backward passes over memory a third as often as autograd's.
    """

    @staticmethod
    def forward(ctx: Any, jet_RIQN: Tensor, derivatives: Derivatives) -> Tensor:
        value, slope, bend, twist = derivatives(jet_RIQN[:, :, 0])
        gradient, laplacian = jet_RIQN[:, :, 1:-1], jet_RIQN[:, :, -1]
        out_RIQN, length = torch.empty_like(jet_RIQN), _inner(gradient, gradient)
        out_RIQN[:, :, 0] = value
        torch.mul(gradient, slope[:, :, None], out=out_RIQN[:, :, 1:-1])
        torch.mul(laplacian, slope, out=out_RIQN[:, :, -1]).addcmul_(bend, length)
        # What multiplies the Laplacian's sensitivity on its way to the value's.
        ctx.save_for_backward(gradient, slope, bend, twist.mul_(length).addcmul_(bend, laplacian))
        return out_RIQN

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_RIQN: Tensor) -> tuple[Tensor, None]:
        gradient, slope, bend, turned = ctx.saved_tensors
        into_RIQN = grad_RIQN * slope[:, :, None]
        by_gradient, by_laplacian = grad_RIQN[:, :, 1:-1], grad_RIQN[:, :, -1]
        into_RIQN[:, :, 1:-1].addcmul_(gradient, (by_laplacian * bend)[:, :, None], value=2)
        into_RIQN[:, :, 0].addcmul_(_inner(by_gradient, gradient), bend).addcmul_(
            turned, by_laplacian
        )
        return into_RIQN, None


through = _Through.apply


def _inner(a_RIDN: Tensor, b_RIDN: Tensor) -> Tensor:
    """Products of derivatives, summed over the variables, [R, I, N]."""
    (first, *rest) = zip(a_RIDN.unbind(2), b_RIDN.unbind(2), strict=True)
    total_RIN = torch.mul(*first)
    for pair in rest:
        total_RIN.addcmul_(*pair)
    return total_RIN


def silu(x: Tensor) -> tuple[Tensor, ...]:
    """x s, of the sigmoid s with s' = s - s^2, s'' = s' - 2 s s', s''' = s' - 6 s'^2; a pass a
    line.
    """
    s = torch.sigmoid(x)
    s1 = s.addcmul(s, s, value=-1)
    s2 = s1.addcmul(s, s1, value=-2)
    s3 = s1.addcmul(s1, s1, value=-6)
    return x * s, s.addcmul(x, s1), (2 * s1).addcmul_(x, s2), (3 * s2).addcmul_(x, s3)


def tanh(x: Tensor) -> tuple[Tensor, ...]:
    """t, with t' = 1 - t^2, t'' = -2 t t' and t''' = t' (4 - 6 t')."""
    t = torch.tanh(x)
    t1 = 1 - t.square()
    return t, t1, -2 * t * t1, t1 * (4 - 6 * t1)


def gelu(x: Tensor) -> tuple[Tensor, ...]:
    """x Phi, of the normal distribution and its density phi, whose derivative is -x phi."""
    normal, density = 0.5 * (1 + torch.erf(x / sqrt(2))), torch.exp(-x.square() / 2) / sqrt(2 * pi)
    return (
        x * normal,
        normal + x * density,
        (2 - x.square()) * density,
        x * (x.square() - 4) * density,
    )


def sine(x: Tensor, omega: float = 1.0) -> tuple[Tensor, ...]:
    """Of sin(omega x)."""
    sine, cosine = torch.sin(omega * x), torch.cos(omega * x)
    return sine, omega * cosine, -(omega**2) * sine, -(omega**3) * cosine


def cosine(x: Tensor) -> tuple[Tensor, ...]:
    """Of cos x."""
    sine, cosine = torch.sin(x), torch.cos(x)
    return cosine, -sine, -cosine, sine
