"""What the torch engine executes, per sample: every operation, comparisons included.

A family says it of its layers. It was derived by counting each operation of the evaluators as it is dispatched
(`harness.count.dispatched`), and is equal to that count, not near it, over the cross product of shapes, grids and
orders (tests/measure). Work done once an evaluation for all samples (knot differences, scales folded into coefficients)
is not in it. Other engines are counted by the closed forms of `harness.count.layer_flops`.

Of a KAN it is the local evaluator, which gathers coefficients, for wide layers too (see `harness.families.wide`).

It departs from `local_min` in three ways: an interval is found by a search in all knots, which may lie anywhere, in
place of four operations on a uniform grid; widths of supports are floored, for knots may repeat; and of the backward
pass, whose ratio to the forward pass need not be 2, every operation is counted.
"""

from harness.families import Network
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS


def forward(network: Network, weights: str) -> int:
    """FLOPs of a forward pass of a sample."""
    return network.executed_forward(WEIGHTS[weights])


def evaluation(network: Network) -> int:
    """FLOPs of a forward and backward pass of a sample, with the squared error and its mean, by the default weights."""
    return network.executed_evaluation(WEIGHTS[DEFAULT_WEIGHTS])
