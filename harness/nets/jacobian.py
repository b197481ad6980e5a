"""The exact derivatives of every output at every sample by every parameter of its lane.

A parameter acts through one node of one layer only, which is a sum of parameters times functions of the layer's inputs.
So a derivative is that function times the output's sensitivity to the node, and there are few nodes. Samples do not see
each other: one backward pass an output gives its sensitivities at all of them.

Shape suffixes: R lanes, N samples, I inputs and J nodes of a layer, C coefficients of a spline, O outputs of the
network, K = O * N, P trainable scalars. A 1 stands for an axis to be broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.nets import kan, mlp, spline_mlp
from harness.nets.layout import of_layer, parameter_count, unflatten
from harness.nets.network import samples_last
from harness.nets.spline import ActiveBases, active_bases, all_bases, each_spline
from harness.spec.networks import KanShape, MlpShape, SplineMlpShape


class Layer(NamedTuple):
    """Parameters of a layer, what they are multiplied with, and the nodes where they act, which autograd links."""

    number: int
    own: Mapping[str, Tensor]
    inputs_RIN: Tensor
    active: ActiveBases | None
    nodes_RJN: Tensor


@torch.no_grad()
def residual_jacobian(
    network: MlpShape | KanShape | SplineMlpShape, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs [R, N, O], and their derivatives [R, K, P], dense; row o * N + n is output o at sample n.

    In memory samples lie side by side: it is the transposed view that is contiguous.
    """
    samples, outputs = x_RNI.shape[1], network.shape[-1]
    parameters = unflatten(network, flat_RP.detach())
    layers = _trace(network, parameters, knots, samples_last(x_RNI.detach()))
    jacobian_RPON = flat_RP.new_empty(len(flat_RP), parameter_count(network), outputs, samples)
    columns = unflatten(network, jacobian_RPON)
    for layer, delta_RJON in zip(layers, _sensitivities(layers), strict=True):
        of_number = of_layer(columns, layer.number)
        _fill({name: of_number[name] for name in layer.own}, layer, delta_RJON[..., :samples])
    y_RNO = layers[-1].nodes_RJN.detach()[..., :samples].transpose(1, 2).contiguous()
    return y_RNO, jacobian_RPON.flatten(2).transpose(1, 2)


def _trace(
    network: MlpShape | KanShape | SplineMlpShape,
    parameters: Mapping[str, Tensor],
    knots: Sequence[Tensor],
    h_RIN: Tensor,
) -> list[Layer]:
    """All layers; the first nodes are the only leaves, so that nothing is differentiated by parameters.

    Where nodes have splines of their own, these are a layer for themselves.
    """
    layers: list[Layer] = []

    def add(number: int, own: Mapping[str, Tensor], h_RIN: Tensor, active: ActiveBases | None, z_RJN: Tensor) -> Tensor:
        layers.append(Layer(number, own, h_RIN, active, z_RJN if layers else z_RJN.detach().requires_grad_()))
        return layers[-1].nodes_RJN

    with torch.enable_grad():
        for number in range(len(network.shape) - 1):
            own = of_layer(parameters, number)
            match network:
                case MlpShape():
                    h_RIN = mlp.ACTIVATIONS[network.activation](h_RIN) if number else h_RIN
                    h_RIN = add(number, own, h_RIN, None, mlp.evaluate_layer(own, h_RIN))
                case KanShape():
                    active = active_bases(knots[number], h_RIN, network.order)
                    h_RIN = add(number, own, h_RIN, active, kan.evaluate_layer(own, active, h_RIN))
                case SplineMlpShape():
                    for part in spline_mlp.parts(network, own):
                        if "coef" in part:
                            active = active_bases(knots[number], h_RIN, network.order)
                            h_RIN = add(number, part, h_RIN, active, spline_mlp.activate(part["coef"], active))
                        else:
                            h_RIN = add(number, part, h_RIN, None, mlp.evaluate_layer(part, h_RIN))
    return layers


def _sensitivities(layers: list[Layer]) -> list[Tensor]:
    """The derivatives of all outputs by the nodes of every layer, [R, J, O, N]."""
    nodes, by_output = [layer.nodes_RJN for layer in layers], []
    for output in range(nodes[-1].shape[1]):
        probe_RON = torch.zeros_like(nodes[-1])
        probe_RON[:, output] = 1
        by_output.append(torch.autograd.grad(nodes[-1], nodes, probe_RON, retain_graph=True))
    return [torch.stack(deltas, 2) for deltas in zip(*by_output, strict=True)]


def _fill(into: Mapping[str, Tensor], layer: Layer, delta_RJON: Tensor) -> None:
    """The columns of one layer, in place; those of a matrix are [R, I, J, O, N], of coefficients [R, I, C, J, O, N]."""
    own, samples, delta_R1JON = layer.own, delta_RJON.shape[-1], delta_RJON[:, None]
    if "weight" in into:
        torch.mul(layer.inputs_RIN[:, :, None, None, :samples], delta_R1JON, out=into["weight"])
    if "base" in into:
        torch.mul(F.silu(layer.inputs_RIN)[:, :, None, None, :samples], delta_R1JON, out=into["base"])
    if "bias" in into:
        into["bias"].copy_(delta_RJON)
    if layer.active is None:
        return
    bases_RICN = all_bases(layer.active, own["coef"].shape[2])[:, :, :samples].transpose(2, 3).contiguous()
    if own["coef"].dim() == 3:  # one spline a node
        torch.mul(bases_RICN[:, :, :, None], delta_RJON[:, :, None], out=into["coef"])
        return
    delta_RIJON = delta_R1JON * own["scale"][..., None, None] if "scale" in own else delta_R1JON
    torch.mul(bases_RICN[:, :, :, None, None], delta_RIJON[:, :, None], out=into["coef"])
    if "scale" in into:
        splines_RIJN = each_spline(own["coef"], layer.active).transpose(1, 2)
        torch.mul(splines_RIJN[:, :, :, None, :samples], delta_R1JON, out=into["scale"])
