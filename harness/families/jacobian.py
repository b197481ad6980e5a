"""The exact derivatives of every output at every sample by every parameter of its lane.

A parameter acts through one node of one layer only, which is a sum of parameters times functions of
the layer's inputs. So a derivative is that function times the output's sensitivity to the node, and
there are few nodes. Samples do not see each other: one backward pass an output gives its
sensitivities at all of them.

Shape suffixes: R lanes, N samples, I inputs and J nodes of a layer, C coefficients of a spline, O
outputs of the network, K = O * N, P trainable scalars. A 1 stands for an axis to be broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from harness.families.base import LayeredShape, samples_last
from harness.families.later import F, Knots, Tensor, spline, torch
from harness.families.layout import of_layer, parameter_count, unflatten
from harness.families.shape import ShapeBase

# Writes the columns of a layer's parameters: into which, the parameters, their inputs, and the
# nodes' sensitivities.
Fill = Callable[[Mapping[str, Tensor], Mapping[str, Tensor], Tensor, Tensor], None]


class Traced(NamedTuple):
    """Parameters of a layer, what they are multiplied with, and the nodes where they act, which
    autograd links.

    `bases_RICN` are the functions of the inputs that coefficients are multiplied with, `active`
    those of splines. What the names of parameters do not say here, a family's own `fill` does.
    """

    number: int
    weights: Mapping[str, Tensor]
    inputs_RIN: Tensor
    nodes_RJN: Tensor
    bases_RICN: Tensor | None = None
    active: spline.ActiveBases | None = None
    are_own: bool = False  # the splines of a node: they act on it alone
    fill: Fill | None = None


class Trace:
    """The layers of an evaluation; the first nodes are the only leaves: nothing is differentiated
    by parameters.

    Splines, slopes and LayerNorms that nodes have for themselves are layers of their own.
    """

    def __init__(self) -> None:
        self.layers: list[Traced] = []
        self.number = 0  # of the layer of weights that is evaluated

    def add(
        self, weights: Mapping[str, Tensor], h_RIN: Tensor, z_RJN: Tensor, **how: Any
    ) -> Tensor:
        """The nodes `z_RJN`, which parameters make of `h_RIN`, to go on with; `how` are the last
        fields of `Traced`.
        """
        if how.get("active") is not None:  # all bases of the splines, [R, I, C, N]
            how["bases_RICN"] = spline.all_bases(how["active"], weights["coef"].shape[2]).transpose(
                2, 3
            )
        nodes_RJN = z_RJN if self.layers else z_RJN.detach().requires_grad_()
        self.layers.append(Traced(self.number, weights, h_RIN, nodes_RJN, **how))
        return nodes_RJN


def residual_jacobian(
    network: ShapeBase, flat_RP: Tensor, knots: Knots, x_RNI: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs [R, N, O], and their derivatives [R, K, P], dense; row o * N + n is output o at
    sample n.

    In memory samples lie side by side: it is the transposed view that is contiguous.
    """
    assert isinstance(network, LayeredShape), "no plan has Levenberg-Marquardt train it"
    with torch.no_grad():
        samples, outputs = x_RNI.shape[1], network.outputs
        parameters, trace = unflatten(network, flat_RP.detach()), Trace()
        h_RIN = network.inputs_of_first(knots, samples_last(x_RNI.detach()))
        with torch.enable_grad():
            for layer in network.layers:
                trace.number = layer.number
                h_RIN = network.trace(
                    layer, of_layer(parameters, layer.number), knots, h_RIN, trace
                )
        jacobian_RPON = flat_RP.new_empty(len(flat_RP), parameter_count(network), outputs, samples)
        columns = unflatten(network, jacobian_RPON)
        for traced, delta_RJON in zip(trace.layers, _sensitivities(trace.layers), strict=True):
            of_number = of_layer(columns, traced.number)
            _fill(
                {name: of_number[name] for name in traced.weights},
                traced,
                delta_RJON[..., :samples],
            )
        y_RNO = trace.layers[-1].nodes_RJN.detach()[..., :samples].transpose(1, 2).contiguous()
        return y_RNO, jacobian_RPON.flatten(2).transpose(1, 2)


def _sensitivities(layers: list[Traced]) -> list[Tensor]:
    """The derivatives of all outputs by the nodes of every layer, [R, J, O, N]."""
    nodes, by_output = [layer.nodes_RJN for layer in layers], []
    for output in range(nodes[-1].shape[1]):
        probe_RON = torch.zeros_like(nodes[-1])
        probe_RON[:, output].fill_(1)
        by_output.append(torch.autograd.grad(nodes[-1], nodes, probe_RON, retain_graph=True))
    return [torch.stack(deltas, 2) for deltas in zip(*by_output, strict=True)]


def _fill(into: Mapping[str, Tensor], layer: Traced, delta_RJON: Tensor) -> None:
    """The columns of one layer, in place; those of a matrix are [R, I, J, O, N], of coefficients
    [R, I, C, J, O, N].
    """
    weights, samples, delta_R1JON = layer.weights, delta_RJON.shape[-1], delta_RJON[:, None]
    if layer.fill is not None:
        layer.fill(into, weights, layer.inputs_RIN[..., :samples], delta_RJON)
        return
    inputs_RI1N = layer.inputs_RIN[:, :, None, :samples]
    if "weight" in into:
        torch.mul(inputs_RI1N[:, :, None], delta_R1JON, out=into["weight"])
    if "base" in into:
        torch.mul(F.silu(inputs_RI1N)[:, :, None], delta_R1JON, out=into["base"])
    for name in into.keys() & {"bias", "norm_shift"}:
        into[name].copy_(delta_RJON)
    for name in into.keys() & {"slope", "norm_scale"}:
        torch.mul(
            inputs_RI1N.clamp_max(0) if name == "slope" else inputs_RI1N, delta_RJON, out=into[name]
        )
    if layer.bases_RICN is None:
        return
    bases_RIC1N = layer.bases_RICN[..., None, :samples].contiguous()
    if layer.are_own:
        delta_RIKON = delta_RJON.unflatten(1, (-1, bases_RIC1N.shape[1])).transpose(1, 2)
        coef = into["coef"] if weights["coef"].dim() == 4 else into["coef"][:, :, :, None]
        torch.mul(bases_RIC1N[:, :, :, None], delta_RIKON[:, :, None], out=coef)
        return
    delta_RIJON = (
        delta_R1JON * weights["scale"][..., None, None] if "scale" in weights else delta_R1JON
    )
    torch.mul(bases_RIC1N[:, :, :, None], delta_RIJON[:, :, None], out=into["coef"])
    if "scale" in into and layer.active is not None:
        splines_RIJN = spline.each_spline(weights["coef"], layer.active).transpose(1, 2)
        torch.mul(splines_RIJN[:, :, :, None, :samples], delta_R1JON, out=into["scale"])
