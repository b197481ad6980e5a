"""How large a network of any family is: sums of what its family says of a layer (`harness.families`).

A layer maps I inputs to O outputs over E = I O edges. A multiply, an add, a compare and a divide are 1 each, a fused
multiply-add 2; transcendental functions cost what the weight table says. But for the MLP, every layer expands each
input in n bases (their cost is b) and maps all of them linearly:

    convention     forward FLOPs            meaning
    per_edge       E (b + 2 n) + ...        bases computed again on every edge: pykan 0.0.x, and what KANbeFair counts
    shared_dense   I b + 2 E n + ...        bases once an input, all n multiplied: good PyTorch code (the default)
    local_min      I b' + 2 E (k + 1) + ... splines only: the k + 1 bases that are not zero, by the cheapest recursion
    matmul         the matrix products      what torch.utils.flop_counter sees of the evaluator that trains here

The conventions differ for splines and for bases computed on every edge; an MLP has one count. Splines train here with
the local evaluator, whose spline part has no matrix product at all: `matmul` sees only the base branch of it.
"""

from harness.families import Network


def trainable(network: Network) -> int:
    """Every trainable scalar of the network."""
    return network.trainable
