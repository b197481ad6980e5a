"""The exact derivatives of every output at every sample by every parameter of its lane.

A parameter acts through one node of one layer only, which is a sum of parameters times functions of the layer's inputs.
So a derivative is that function times the output's sensitivity to the node, and there are few nodes. Samples do not see
each other: one backward pass an output gives its sensitivities at all of them.

Shape suffixes: R lanes, N samples, I inputs and J nodes of a layer, C coefficients of a spline, O outputs of the
network, K = O * N, P trainable scalars. A 1 stands for an axis to be broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.base.errors import HarnessError
from harness.nets import expansion, kan, mlp, rational_kan, spline_mlp
from harness.nets.layout import of_layer, parameter_count, unflatten
from harness.nets.network import samples_last
from harness.nets.spline import ActiveBases, active_bases, all_bases, each_spline
from harness.spec.module import ModuleShape
from harness.spec.networks import KanShape, MlpShape, Network, RationalKanShape, SplineMlpShape


class Layer(NamedTuple):
    """Parameters of a layer, what they are multiplied with, and the nodes where they act, which autograd links.

    `bases_RICN` are the functions of the inputs that coefficients are multiplied with, `active` those of splines.
    """

    number: int
    own: Mapping[str, Tensor]
    inputs_RIN: Tensor
    nodes_RJN: Tensor
    bases_RICN: Tensor | None = None
    active: ActiveBases | None = None
    are_own: bool = False  # the splines of a node: they act on it alone


@torch.no_grad()
def residual_jacobian(
    network: Network, flat_RP: Tensor, knots: Sequence[Tensor], x_RNI: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs [R, N, O], and their derivatives [R, K, P], dense; row o * N + n is output o at sample n.

    In memory samples lie side by side: it is the transposed view that is contiguous. A HarnessError for modules.
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


def _trace(network: Network, parameters: Mapping[str, Tensor], knots: Sequence[Tensor], h_RIN: Tensor) -> list[Layer]:
    """All layers; the first nodes are the only leaves, so that nothing is differentiated by parameters.

    Splines, slopes and LayerNorms that nodes have for themselves are layers of their own.
    """
    layers: list[Layer] = []

    def add(number: int, own: Mapping[str, Tensor], h_RIN: Tensor, z_RJN: Tensor, *more: Any) -> Tensor:
        layers.append(Layer(number, own, h_RIN, z_RJN if layers else z_RJN.detach().requires_grad_(), *more))
        return layers[-1].nodes_RJN

    if isinstance(network, MlpShape):
        h_RIN = mlp.layer_inputs(network, knots, h_RIN)
    with torch.enable_grad():
        for number in range(len(network.shape) - 1):
            own = of_layer(parameters, number)
            match network:
                case MlpShape():
                    dense = {name: own[name] for name in ("weight", "bias")}
                    h_RIN = add(number, dense, h_RIN, mlp.evaluate_layer(dense, h_RIN))
                    if number < len(network.shape) - 2:
                        z_RJN = mlp.activate(network, own, h_RIN)
                        h_RIN = add(number, {"slope": own["slope"]}, h_RIN, z_RJN) if "slope" in own else z_RJN
                case KanShape():
                    active = active_bases(knots[number], h_RIN, network.order)
                    h_RIN = add(number, own, h_RIN, kan.evaluate_layer(own, active, h_RIN), *_every(own, active))
                case SplineMlpShape():
                    for part in spline_mlp.parts(network, own):
                        if "coef" in part:
                            active = active_bases(knots[number], h_RIN, network.order)
                            z_RJN = spline_mlp.activate(part["coef"], active)
                            h_RIN = add(number, part, h_RIN, z_RJN, *_every(part, active), True)
                        else:
                            h_RIN = add(number, part, h_RIN, mlp.evaluate_layer(part, h_RIN))
                case RationalKanShape():
                    both = {name: own.pop(name) for name in ("numerator", "denominator")}
                    z_RJN = rational_kan.rational(both["numerator"], both["denominator"], h_RIN)
                    h_RIN = add(number, both, h_RIN, z_RJN)
                    h_RIN = add(number, own, h_RIN, mlp.evaluate_layer(own, h_RIN))
                case ModuleShape():
                    raise HarnessError(f"a {network.family} has no Jacobian here; use lbfgs or adam")
                case _:
                    x_RIN, norm = h_RIN, {name: own.pop(name) for name in [*own] if name.startswith("norm")}
                    if norm:
                        standard_RIN = expansion.standardised(h_RIN)
                        x_RIN = add(number, norm, standard_RIN, expansion.normalised(norm, standard_RIN))
                    bases_RICN = expansion.expand(network, own, x_RIN)
                    h_RIN = add(number, own, h_RIN, expansion.evaluate_layer(own, bases_RICN, h_RIN), bases_RICN)
    return layers


def _every(own: Mapping[str, Tensor], active: ActiveBases) -> tuple[Tensor, ActiveBases]:
    """All bases of the splines, [R, I, C, N], and the active ones."""
    return all_bases(active, own["coef"].shape[2]).transpose(2, 3), active


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
    inputs_RI1N = layer.inputs_RIN[:, :, None, :samples]
    if "weight" in into:
        torch.mul(inputs_RI1N[:, :, None], delta_R1JON, out=into["weight"])
    if "base" in into:
        torch.mul(F.silu(inputs_RI1N)[:, :, None], delta_R1JON, out=into["base"])
    for name in into.keys() & {"bias", "norm_shift"}:
        into[name].copy_(delta_RJON)
    for name in into.keys() & {"slope", "norm_scale"}:
        torch.mul(inputs_RI1N.clamp_max(0) if name == "slope" else inputs_RI1N, delta_RJON, out=into[name])
    if "numerator" in into:
        _fill_rational(into, layer, delta_RJON)
    if layer.bases_RICN is None:
        return
    bases_RIC1N = layer.bases_RICN[..., None, :samples].contiguous()
    if layer.are_own:
        delta_RIKON = delta_RJON.unflatten(1, (-1, bases_RIC1N.shape[1])).transpose(1, 2)
        coef = into["coef"] if own["coef"].dim() == 4 else into["coef"][:, :, :, None]
        torch.mul(bases_RIC1N[:, :, :, None], delta_RIKON[:, :, None], out=coef)
        return
    delta_RIJON = delta_R1JON * own["scale"][..., None, None] if "scale" in own else delta_R1JON
    torch.mul(bases_RIC1N[:, :, :, None], delta_RIJON[:, :, None], out=into["coef"])
    if "scale" in into and layer.active is not None:
        splines_RIJN = each_spline(own["coef"], layer.active).transpose(1, 2)
        torch.mul(splines_RIJN[:, :, :, None, :samples], delta_R1JON, out=into["scale"])


def _fill_rational(into: Mapping[str, Tensor], layer: Layer, delta_RJON: Tensor) -> None:
    """Coefficients of a layer act on all of its nodes, those of a group on its own: node by node, in their order."""
    x_RIN, groups = layer.inputs_RIN[..., : delta_RJON.shape[-1]], into["denominator"].shape[1]
    by_p, by_q = rational_kan.derivatives(layer.own["numerator"], layer.own["denominator"], x_RIN)
    for columns in into.values():
        columns.zero_()
    for node, group in enumerate(rational_kan.groups_of_nodes(x_RIN.shape[1], groups)):
        delta_R1ON = delta_RJON[:, node, None]
        into["numerator"] += by_p[:, node, :, None] * delta_R1ON
        into["denominator"][:, group] += by_q[:, node, :, None] * delta_R1ON
