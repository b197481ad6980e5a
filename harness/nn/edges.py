"""The functions on the edges of a KAN, as curves."""

from typing import TYPE_CHECKING

import torch

from harness import families
from harness.show.figures.edges import EdgeCurves

if TYPE_CHECKING:
    from harness.nn.classes import KAN

POINTS = 201


@torch.no_grad()
def edge_curves(module: "KAN") -> list[EdgeCurves]:
    """For each input node of each layer, the values of its edges over the interval of its knots."""
    network, order = module.network, module.network.order
    parameters = families.unflatten(network, module.flat_lane())
    found = []
    for layer, knots_1IT in zip(network.layers, module.knots_of_lane(), strict=True):
        alone = network.model_copy(update={"shape": (layer.inputs, layer.outputs)})
        own = {f"layer0.{name}": value for name, value in families.of_layer(parameters, layer.number).items()}
        low_I, high_I = knots_1IT[0, :, order], knots_1IT[0, :, -order - 1]
        share_N1 = torch.linspace(0, 1, POINTS).to(knots_1IT)[:, None]
        x_NI = low_I + share_N1 * (high_I - low_I)
        (edge_1OIN,), _ = families.edges(alone, families.flatten(alone, own), [knots_1IT], x_NI[None])
        for node in range(layer.inputs):
            x, y = x_NI[:, node].numpy(force=True), edge_1OIN[0, :, node].numpy(force=True)
            found.append(EdgeCurves(f"layer {layer.number + 1}, input {node + 1}", x, y))
    return found
