"""What the torch engine executes, per sample: every operation, comparisons included.

Derived by counting each operation of the evaluators as it is dispatched (`harness.count.dispatched`), and equal to that
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

from harness.count.families import features_flops, live, spline_nodes
from harness.count.weights import DEFAULT_WEIGHTS, WEIGHTS, activation_price
from harness.spec import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    LayeredShape,
    MlpShape,
    ModuleShape,
    Network,
    RationalKanShape,
    RbfKanShape,
    SplinedShape,
    SplineMlpShape,
)

# Backward of an activation, by the same prices: g y' from what the forward pass kept.
BACKWARD = {"relu": 1, "tanh": 3, "silu": 9, "gelu": 20, "prelu": 6, "sine": 3}
# Of prelu a compare, a product and a selection.
PRELU_OPERATIONS = 3


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
    if isinstance(network, ModuleShape):
        return live(network).forward
    layers = sum(_forward(network, layer, WEIGHTS[weights]) for layer in _layers(network))
    return features_flops(network, WEIGHTS[weights]) + layers


def evaluation(network: Network) -> int:
    """FLOPs of a forward and backward pass of a sample, with the squared error and its mean, by the default weights."""
    if isinstance(network, ModuleShape):
        return live(network).evaluation
    loss = 6 * network.shape[-1]
    return forward(network, DEFAULT_WEIGHTS) + loss + sum(_backward(network, layer) for layer in _layers(network))


def _layers(network: LayeredShape) -> list[Layer]:
    last = len(network.shape) - 2
    return [Layer(*nodes, at == 0, at == last) for at, nodes in enumerate(pairwise(network.nodes))]


def _forward(network: LayeredShape, layer: Layer, prices: Mapping[str, int]) -> int:
    inputs, outputs, edges = layer.inputs, layer.outputs, layer.edges
    match network:
        case MlpShape():
            is_prelu = network.activation == "prelu"
            price = PRELU_OPERATIONS if is_prelu else activation_price(network.activation, prices)
            return 2 * edges + (0 if layer.is_last else price * outputs)
        case KanShape():
            sums = 2 * edges * (network.order + 1) + network.order * outputs
            base = 2 * edges + prices["silu"] * inputs if network.base else 0
            return inputs * _bases(network) + sums + base + (outputs if network.bias else 0)
        case SplineMlpShape():
            splines = spline_nodes(network, inputs, outputs, layer.is_last)
            sums = network.rank * (2 * network.order + 1)
            return 2 * network.rank * edges + splines * (_bases(network) + sums)
        case RbfKanShape():
            gaussians = (4 + prices["exp"]) * network.grid * inputs
            norm = 7 * inputs + 2 if network.has_norm(inputs) else 0
            return 2 * edges * (network.grid + 1) + gaussians + norm + prices["silu"] * inputs
        case ChebyshevKanShape():
            recurrence = 2 * network.degree - 1 if network.degree > 1 else 0  # 2 t, and a product and a sum a term
            return 2 * edges * (network.degree + 1) + (prices["tanh"] + recurrence) * inputs
        case FourierKanShape():
            return 4 * edges * network.harmonics + (1 + prices["cos"] + prices["sin"]) * network.harmonics * inputs
        case RationalKanShape():  # |Q| by a compare, a change of sign and a selection
            return 2 * edges + (2 * network.numerator + 2 * network.denominator + 4) * inputs
    raise AssertionError(network.family)


def _backward(network: LayeredShape, layer: Layer) -> int:
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
            nodes, is_before = spline_nodes(network, inputs, outputs, layer.is_last), network.place == "before"
            products = 2 * network.rank * (network.order + 1)
            by_basis = products if network.rank > 1 else products // 2
            by_node = 0 if is_before and layer.is_first else by_basis + _slopes(network)
            by_input = 1 if is_before or not layer.is_first else 0
            return 2 * network.rank * edges * (1 + by_input) + outputs + nodes * (products + by_node)
        case RbfKanShape():
            has_norm, grid, work = network.has_norm(inputs), network.grid, 2 * edges * (network.grid + 1) + outputs
            if has_norm or not layer.is_first:  # LayerNorm, or the layer before, asks for gradients by its outputs
                work += 2 * edges * grid + inputs * (6 * grid if grid > 1 else 5)
            if not layer.is_first:
                work += 2 * edges + (BACKWARD["silu"] + 1) * inputs
            if has_norm:
                work += 3 * inputs if layer.is_first else 18 * inputs + 2
            return work
        case ChebyshevKanShape():
            products, degree = 2 * edges * (network.degree + 1), network.degree
            slopes = inputs * (6 * degree - 4 if degree > 1 else BACKWARD["tanh"])
            return products if layer.is_first else 2 * products + slopes
        case FourierKanShape():
            products, waves = 4 * edges * network.harmonics, network.harmonics
            slopes = inputs * (8 * waves if waves > 1 else 7)
            return outputs + (products if layer.is_first else 2 * products + slopes)
        case RationalKanShape():
            degrees = network.numerator + network.denominator
            return 4 * edges + outputs + inputs * (2 * degrees + 10 if layer.is_first else 4 * degrees + 9)
    raise AssertionError(network.family)


def _bases(network: SplinedShape) -> int:
    """The active bases at a node: a search in the knots, two bounds, inside or not; floors; the recursion."""
    return _slopes(network) + (network.grid + 2 * network.order).bit_length() + 3


def _slopes(network: SplinedShape) -> int:
    """Their derivatives take what their recursion did, and its floors under widths of supports."""
    order = network.order
    return order * (5 * order + 7) // 2 + order * (order + 1) // 2
