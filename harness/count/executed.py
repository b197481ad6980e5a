"""What the torch engine executes, per sample: every operation, comparisons included.

Derived by counting each operation of the evaluators as it is dispatched (`harness.measure.executed`), and equal to that
count, not near it, over the cross product of shapes, grids and orders (tests/measure). Work done once an evaluation for
all samples (knot differences, scales folded into coefficients) is not in it. Other engines are counted by the closed
forms of `harness.count.families`.

It departs from `local_min` in three ways: an interval is found by a search in all knots, which may lie anywhere, in
place of four operations on a uniform grid; widths of supports are floored, for knots may repeat; and of the backward
pass, whose ratio to the forward pass need not be 2, every operation is counted.
"""

from itertools import pairwise

from harness.count.weights import DEFAULT_WEIGHTS, WEIGHTS
from harness.spec import KanShape, MlpShape

# Backward of an activation, by the same prices: g y' from what the forward pass kept.
BACKWARD = {"relu": 1, "tanh": 3, "silu": 9, "gelu": 20}


def forward(network: MlpShape | KanShape, weights: str) -> int:
    """FLOPs of a forward pass of a sample."""
    return sum(
        _matrix(network, edges) + _elementwise(network, inputs, outputs, edges, is_last, WEIGHTS[weights])
        for inputs, outputs, edges, _, is_last in _layers(network)
    )


def evaluation(network: MlpShape | KanShape) -> int:
    """FLOPs of a forward and backward pass of a sample, with the squared error and its mean, by the default weights."""
    loss = 6 * network.shape[-1]
    return forward(network, DEFAULT_WEIGHTS) + loss + sum(_backward(network, *layer) for layer in _layers(network))


def _layers(network: MlpShape | KanShape) -> list[tuple[int, int, int, bool, bool]]:
    """(inputs, outputs, edges, is the first, is the last) of each layer."""
    last = len(network.shape) - 2
    return [(*nodes, nodes[0] * nodes[1], at == 0, at == last) for at, nodes in enumerate(pairwise(network.shape))]


def _matrix(network: MlpShape | KanShape, edges: int) -> int:
    return 2 * edges if isinstance(network, MlpShape) or network.base else 0


def _elementwise(
    network: MlpShape | KanShape, inputs: int, outputs: int, edges: int, is_last: bool, prices: dict[str, int]
) -> int:
    if isinstance(network, MlpShape):
        return 0 if is_last else prices[network.activation] * outputs
    order = network.order
    search = (network.grid + 2 * order).bit_length() + 3  # ceil(log2) of the knots, two bounds, inside or not
    floors = order * (order + 1) // 2
    sums = 2 * edges * (order + 1) + order * outputs
    base = prices["silu"] * inputs if network.base else 0
    return inputs * (_recursion(order) + search + floors) + sums + base + (outputs if network.bias else 0)


def _backward(
    network: MlpShape | KanShape, inputs: int, outputs: int, edges: int, is_first: bool, is_last: bool
) -> int:
    if isinstance(network, MlpShape):
        activation = 0 if is_last else BACKWARD[network.activation] * outputs
        return 2 * edges + (0 if is_first else 2 * edges) + outputs + activation
    order, products = network.order, 2 * edges * (network.order + 1)
    work = products + (2 * edges if network.base is True else 0) + (outputs if network.bias else 0)
    if is_first:  # nobody asks for the gradient by the data
        return work
    by_basis = products if outputs > 1 else products // 2  # of one output there is nothing to sum over
    slopes = inputs * (_recursion(order) + order * (order + 1) // 2)
    base = 2 * edges + (BACKWARD["silu"] + 1) * inputs if network.base else 0
    return work + by_basis + slopes + base


def _recursion(order: int) -> int:
    return order * (5 * order + 7) // 2
