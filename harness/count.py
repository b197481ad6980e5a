"""How large a network is, under every named convention: closed forms, no torch.

FLOPs are per sample; multiply, add, compare and divide are 1 each, a fused multiply-add 2. Transcendental functions
cost what the weight table KANBEFAIR_WEIGHTS says (that of Yu et al. 2024, arXiv 2407.16674, which the literature
compares against). A layer maps I inputs to O outputs over E = I O edges; G intervals of order k have G + k bases.

    convention     parameters                     FLOPs
    paper          KAN: E G; MLP: E (no biases)   -
    trainable      every trainable scalar         -
    per_edge       -                              Cox-de Boor recursion on every edge (pykan 0.0.x)
    shared_dense   -                              recursion once an input, all G + k coefficients multiplied (default)
    local_min      -                              only the k + 1 bases that are not zero, each once an input

An MLP has one forward count: the three FLOP conventions differ for splines only.
"""

from collections.abc import Iterable
from typing import NamedTuple

from harness.spec import KanShape, MlpShape

KANBEFAIR_WEIGHTS = {"relu": 1, "silu": 5, "tanh": 6, "gelu": 14}
FLOPS_CONVENTIONS = ("shared_dense", "local_min", "per_edge")

# Operations of one Cox-de Boor term: 4 subtractions, 2 divisions, 2 multiplications, 1 addition. Programs that keep the
# knot differences execute 7.
RECURSION_OPERATIONS = 9
# Operations to find a point's interval on a uniform grid: subtract, divide, round down, clamp.
SPAN_OPERATIONS = 4


class Work(NamedTuple):
    """`evaluations` forward+backward passes of `network` over `samples` points each."""

    network: MlpShape | KanShape
    evaluations: int
    samples: int


def count(network: MlpShape | KanShape) -> dict[str, int]:
    """Parameters and forward FLOPs per sample under every convention, keyed `axis.convention`."""
    forward = {f"flops_forward.{convention}": sum(layer_flops(network, convention)) for convention in FLOPS_CONVENTIONS}
    return {"params.trainable": trainable(network), "params.paper": paper_params(network), **forward}


def training_flops(work: Iterable[Work]) -> dict[str, int]:
    """FLOPs of training, keyed `flops_train.<convention>`: forward and backward of every sample of every evaluation.

    A layer's backward pass costs twice its forward (gradients by its weights and by its input), the first layer's once
    (nobody asks for the gradient by the data): 3 and 2 times forward in all. That ratio is exact for the matrix
    products and an assumption for bases and activations. The optimiser's own arithmetic and the least squares of grid
    updates are not in it.
    """
    totals = {f"flops_train.{convention}": 0 for convention in FLOPS_CONVENTIONS}
    for network, evaluations, samples in work:
        for convention in FLOPS_CONVENTIONS:
            first, *rest = layer_flops(network, convention)
            totals[f"flops_train.{convention}"] += (2 * first + 3 * sum(rest)) * evaluations * samples
    return totals


def trainable(network: MlpShape | KanShape) -> int:
    """Every trainable scalar. MLP: E + O a layer; KAN: E (G + k [+ base] [+ scale]) [+ O]."""
    return sum(_layer_parameters(network, inputs, outputs) for inputs, outputs in _layers(network))


def paper_params(network: MlpShape | KanShape) -> int:
    """The x-axis of the KAN paper's figures: edges times G, or weights without biases.

    It leaves out k, the base weights, the scales and the biases: at G = 3, k = 3 that is 3 of 8 scalars an edge. The
    author agreed that G should be G + k (pykan issue 408).
    """
    edges = sum(inputs * outputs for inputs, outputs in _layers(network))
    return edges * network.grid if isinstance(network, KanShape) else edges


def layer_flops(network: MlpShape | KanShape, convention: str) -> list[int]:
    """Forward FLOPs per sample of each layer."""
    layers = _layers(network)
    if isinstance(network, KanShape):
        return [_kan_layer_flops(network, inputs, outputs, convention) for inputs, outputs in layers]
    activation = KANBEFAIR_WEIGHTS[network.activation]
    last = len(layers) - 1
    # E multiplies, E - O adds and O bias adds; activations on hidden layers only.
    return [
        2 * inputs * outputs + (activation * outputs if index < last else 0)
        for index, (inputs, outputs) in enumerate(layers)
    ]


def recursion_terms(grid: int, order: int) -> int:
    """Basis functions evaluated by Cox-de Boor on the extended grid: sum over p = 1..k of G + 2k - p."""
    return order * grid + 2 * order**2 - order * (order + 1) // 2


def _kan_layer_flops(network: KanShape, inputs: int, outputs: int, convention: str) -> int:
    edges, grid, order = inputs * outputs, network.grid, network.order
    basis = RECURSION_OPERATIONS * recursion_terms(grid, order)
    match convention:
        case "per_edge":
            splines = edges * (basis + 2 * (grid + order))
        case "shared_dense":
            splines = inputs * basis + 2 * edges * (grid + order)
        case "local_min":  # the triangular recursion A2.2 of Piegl & Tiller, The NURBS Book
            splines = inputs * (SPAN_OPERATIONS + 2 * order + 5 * order * (order + 1) // 2) + 2 * edges * (order + 1)
        case _:
            raise ValueError(f"convention {convention!r} counts no FLOPs; one of {FLOPS_CONVENTIONS}")
    base = 2 * edges + KANBEFAIR_WEIGHTS["silu"] * inputs if network.base else 0
    return splines + base + (edges if network.scales else 0) + (outputs if network.bias else 0)


def _layer_parameters(network: MlpShape | KanShape, inputs: int, outputs: int) -> int:
    if isinstance(network, MlpShape):
        return inputs * outputs + outputs
    per_edge = network.grid + network.order + network.base + network.scales
    return inputs * outputs * per_edge + (outputs if network.bias else 0)


def _layers(network: MlpShape | KanShape) -> list[tuple[int, int]]:
    return list(zip(network.shape[:-1], network.shape[1:], strict=True))
