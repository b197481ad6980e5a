"""What the torch engine executes, per sample: every operation, comparisons included.

Derived by counting each operation of the evaluators as it is dispatched (`harness.measure.executed`), and equal to that
count, not near it, over the cross product of shapes, grids and orders (tests/measure). Work done once an evaluation for
all samples (knot differences, scales folded into coefficients) is not in it. Other engines are counted by the closed
forms of `harness.count.families`.

It departs from `local_min` in three ways: an interval is found by a search in all knots, which may lie anywhere, in
place of four operations on a uniform grid; widths of supports are floored, for knots may repeat; and of the backward
pass, whose ratio to the forward pass need not be 2, every operation is counted.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from harness.count.families import spline_nodes
from harness.count.weights import DEFAULT_WEIGHTS, WEIGHTS
from harness.spec import KanShape, MlpShape, Network, SplinedShape, SplineMlpShape

# Backward of an activation, by the same prices: g y' from what the forward pass kept.
BACKWARD = {"relu": 1, "tanh": 3, "silu": 9, "gelu": 20}


class Layer(NamedTuple):
    """The nodes of a layer and where it stands; nobody asks for the gradient by what the first one is given."""

    inputs: int
    outputs: int
    is_first: bool
    is_last: bool

    @property
    def edges(self) -> int:
        """Inputs times outputs."""
        return self.inputs * self.outputs


def forward(network: Network, weights: str) -> int:
    """FLOPs of a forward pass of a sample."""
    return sum(_forward(network, layer, WEIGHTS[weights]) for layer in _layers(network))


def evaluation(network: Network) -> int:
    """FLOPs of a forward and backward pass of a sample, with the squared error and its mean, by the default weights."""
    loss = 6 * network.shape[-1]
    return forward(network, DEFAULT_WEIGHTS) + loss + sum(_backward(network, layer) for layer in _layers(network))


def _layers(network: Network) -> list[Layer]:
    last = len(network.shape) - 2
    return [Layer(*nodes, at == 0, at == last) for at, nodes in enumerate(pairwise(network.shape))]


def _forward(network: Network, layer: Layer, prices: Mapping[str, int]) -> int:
    inputs, outputs, edges = layer.inputs, layer.outputs, layer.edges
    match network:
        case MlpShape():
            return 2 * edges + (0 if layer.is_last else prices[network.activation] * outputs)
        case KanShape():
            sums = 2 * edges * (network.order + 1) + network.order * outputs
            base = 2 * edges + prices["silu"] * inputs if network.base else 0
            return inputs * _bases(network) + sums + base + (outputs if network.bias else 0)
        case SplineMlpShape():
            splines = spline_nodes(network, inputs, outputs, layer.is_last)
            return 2 * edges + splines * (_bases(network) + 2 * network.order + 1)


def _backward(network: Network, layer: Layer) -> int:
    inputs, outputs, edges = layer.inputs, layer.outputs, layer.edges
    match network:
        case MlpShape():
            activation = 0 if layer.is_last else BACKWARD[network.activation] * outputs
            return 2 * edges + (0 if layer.is_first else 2 * edges) + outputs + activation
        case KanShape():
            products = 2 * edges * (network.order + 1)
            work = products + (2 * edges if network.base is True else 0) + (outputs if network.bias else 0)
            if layer.is_first:
                return work
            by_basis = products if outputs > 1 else products // 2  # of one output there is nothing to sum over
            base = 2 * edges + (BACKWARD["silu"] + 1) * inputs if network.base else 0
            return work + by_basis + inputs * _slopes(network) + base
        case SplineMlpShape():
            splines, is_before = spline_nodes(network, inputs, outputs, layer.is_last), network.place == "before"
            by_input = 2 * edges if is_before or not layer.is_first else 0
            by_coef = 2 * splines * (network.order + 1)
            by_node = 0 if is_before and layer.is_first else splines * (network.order + 1 + _slopes(network))
            return 2 * edges + by_input + outputs + by_coef + by_node


def _bases(network: SplinedShape) -> int:
    """The active bases at a node: a search in the knots, two bounds, inside or not; floors; the recursion."""
    return _slopes(network) + (network.grid + 2 * network.order).bit_length() + 3


def _slopes(network: SplinedShape) -> int:
    """Their derivatives take what their recursion did, and its floors under widths of supports."""
    order = network.order
    return order * (5 * order + 7) // 2 + order * (order + 1) // 2
