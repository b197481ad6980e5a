"""How large a layer of each family is: closed forms of its parameters and of its forward FLOPs per sample.

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

from collections.abc import Mapping
from itertools import pairwise

from harness.count.weights import activation_price
from harness.spec import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    LayeredShape,
    MlpShape,
    ModuleCounts,
    ModuleShape,
    Network,
    RationalKanShape,
    RbfKanShape,
    SplinedShape,
    SplineMlpShape,
)

Weights = Mapping[str, int]

# Operations of one Cox-de Boor term: 2 subtractions, 2 divisions, 2 multiplications, 1 addition. Hand derivations, and
# with them KANbeFair, count 2 more for the differences of knots; those do not depend on the sample, and pykan,
# efficient-kan and the dense evaluator here (counted as it runs) compute them once for all.
RECURSION_OPERATIONS = 7
# Operations to find a point's interval on a uniform grid: subtract, divide, round down, clamp.
SPAN_OPERATIONS = 4
# LayerNorm, an input: two sums, a difference, a square, a scaling by the deviation, two for the affine map, and a share
# of what is done once a sample.
LAYER_NORM_OPERATIONS = 8


# --------------------------------------------------------------------------------------------------------- parameters
def layer_parameters(network: LayeredShape, inputs: int, outputs: int, is_last: bool) -> int:
    """Trainable scalars of a layer: all that an optimiser moves, and nothing else (knots and masks are not).

    mlp            E + O [+ O slopes of prelu, of hidden layers]; of F Fourier features, I = 2 F in the first layer
    kan            E (G + k [+ 1 base] [+ 1 scale]) [+ O bias]; pykan's w_s is the scale, efficient-kan has no bias; a
                   frozen base is none
    spline_mlp     r E + O + (G + k) a spline: one a hidden node (`after`, r = 1), or r an input (`before`, of rank r)
    rbf_kan        E G + E + O [+ 2 I]: Gaussians' weights, base map with bias, LayerNorm where I > 1
    chebyshev_kan  E (D + 1)
    fourier_kan    2 E H + O: cosines and sines, bias
    rational_kan   E + O + (m + 1) + min(g, I) n: one numerator a layer, one denominator a group

    KANbeFair prints one more an edge for its KANs than they have, and puts a spline on the outputs of its spline MLP.
    """
    edges = inputs * outputs
    match network:
        case MlpShape():
            return edges + outputs + (outputs if network.activation == "prelu" and not is_last else 0)
        case KanShape():
            an_edge = network.grid + network.order + (network.base is True) + network.scales
            return edges * an_edge + (outputs if network.bias else 0)
        case SplineMlpShape():
            splines = network.rank * spline_nodes(network, inputs, outputs, is_last)
            return network.rank * edges + outputs + splines * (network.grid + network.order)
        case RbfKanShape():
            norm = 2 * inputs if network.has_norm(inputs) else 0
            return edges * network.grid + edges + outputs + norm
        case ChebyshevKanShape():
            return edges * (network.degree + 1)
        case FourierKanShape():
            return 2 * edges * network.harmonics + outputs
        case RationalKanShape():
            denominators = network.groups_of(inputs) * network.denominator
            return edges + outputs + network.numerator + 1 + denominators


def trainable(network: Network) -> int:
    """Every trainable scalar of the network."""
    if isinstance(network, ModuleShape):
        return live(network).parameters
    return sum(layer_parameters(network, *layer) for layer in layers(network))


def live(network: ModuleShape) -> ModuleCounts:
    """What was counted on a user's module when it was planned."""
    assert network.counts is not None, "a module without counts is one that is being counted"
    return network.counts


def frozen(network: Network) -> int:
    """Scalars that a lane carries and no optimiser moves: the base weights of a KAN whose base is frozen."""
    if not (isinstance(network, KanShape) and network.base == "frozen"):
        return 0
    return sum(inputs * outputs for inputs, outputs in pairwise(network.shape))


def stored(network: LayeredShape) -> int:
    """Every number that a trained network keeps: the trainable ones, and those that no optimiser moves.

    These are base weights of a KAN whose base is frozen, frequencies of Fourier features (F an input), and knots
    (G + 2k + 1 a node with splines). Knots are kept one by one, as they may follow the data; where they stay uniform,
    two numbers would do.
    """
    knots = 0
    if isinstance(network, SplinedShape):
        knots = (network.grid + 2 * network.order + 1) * sum(nodes for nodes, _ in spline_systems(network))
    return trainable(network) + frozen(network) + knots + frequencies(network)


def frequencies(network: Network) -> int:
    """The frozen numbers of Fourier features: an input is multiplied with F of them."""
    return network.shape[0] * (network.features or 0) if isinstance(network, MlpShape) else 0


def layers(network: LayeredShape) -> list[tuple[int, int, bool]]:
    """(inputs, outputs, is the last) of each layer."""
    last = len(network.shape) - 2
    return [(*nodes, index == last) for index, nodes in enumerate(pairwise(network.nodes))]


def paper_parameters(network: MlpShape | KanShape, inputs: int, outputs: int) -> int:
    """The x-axis of the KAN paper's figures: edges times G, or weights without biases.

    It leaves out k, the base weights, the scales and the biases: at G = 3, k = 3 that is 5 of 8 scalars an edge. The
    author agreed that G should be G + k (pykan issue 408).
    """
    return inputs * outputs * (network.grid if isinstance(network, KanShape) else 1)


# -------------------------------------------------------------------------------------------------------------- FLOPs
def layer_flops(
    network: LayeredShape, convention: str, inputs: int, outputs: int, is_last: bool, weights: Weights
) -> int:
    """Forward FLOPs per sample of a layer under per_edge, shared_dense, local_min or matmul."""
    edges = inputs * outputs
    if convention == "matmul":
        return _matrix_products(network, edges)
    match network:
        case MlpShape():  # E multiplies, E - O adds and O bias adds; activations on hidden layers only
            return 2 * edges + (0 if is_last else activation_price(network.activation, weights) * outputs)
        case KanShape():
            basis, terms = _spline_basis(network, convention)
            base = 2 * edges + weights["silu"] * inputs if network.base else 0
            bias = outputs if network.bias else 0  # scales are folded into the coefficients, once for all samples
            return _sites(convention, inputs, edges) * basis + 2 * edges * terms + base + bias
        case SplineMlpShape():  # a spline's sum has one add less than it has terms
            (basis, terms), rank = _spline_basis(network, convention), network.rank
            nodes = spline_nodes(network, inputs, outputs, is_last)
            return 2 * rank * edges + nodes * (basis + rank * (2 * terms - 1))
        case RbfKanShape():  # a Gaussian: subtract, divide, square, negate, exp
            gaussians = (4 + weights["exp"]) * network.grid
            base = 2 * edges + weights["silu"] * inputs
            norm = LAYER_NORM_OPERATIONS * inputs if network.has_norm(inputs) else 0
            return _sites(convention, inputs, edges) * gaussians + 2 * edges * network.grid + norm + base
        case ChebyshevKanShape():  # T_n = (2x) T_{n-1} - T_{n-2}, 2x not counted; others call acos and cos instead
            polynomials = weights["tanh"] + 2 * max(network.degree - 1, 0)
            return _sites(convention, inputs, edges) * polynomials + 2 * edges * (network.degree + 1)
        case FourierKanShape():  # n x, its cosine and its sine; with the bias a sum has as many adds as terms
            waves = (1 + weights["cos"] + weights["sin"]) * network.harmonics
            return _sites(convention, inputs, edges) * waves + 4 * edges * network.harmonics
        case RationalKanShape():  # the KAT paper's own count; Horner without a constant in Q executes one less
            rational = 2 * network.numerator + 2 * network.denominator + 3
            return _sites(convention, inputs, edges) * rational + 2 * edges


def features_flops(network: Network, weights: Weights | None) -> int:
    """Forward FLOPs per sample of Fourier features, before the first layer: products with F frequencies, their waves.

    They have no backward pass, as they are not trained. Without `weights` the products alone.
    """
    features = (network.features or 0) if isinstance(network, MlpShape) else 0
    waves = weights["sin"] + weights["cos"] if weights else 0
    return 2 * frequencies(network) + waves * features


def recursion_terms(grid: int, order: int) -> int:
    """Basis functions evaluated by Cox-de Boor on the extended grid: sum over p = 1..k of G + 2k - p."""
    return order * grid + 2 * order**2 - order * (order + 1) // 2


def _spline_basis(network: KanShape | SplineMlpShape, convention: str) -> tuple[int, int]:
    """FLOPs of the bases of one spline, and how many of them are multiplied."""
    grid, order = network.grid, network.order
    if convention == "local_min":  # the triangular recursion A2.2 of Piegl & Tiller, The NURBS Book
        return SPAN_OPERATIONS + 2 * order + 5 * order * (order + 1) // 2, order + 1
    return RECURSION_OPERATIONS * recursion_terms(grid, order), grid + order


def _sites(convention: str, inputs: int, edges: int) -> int:
    """Where bases are computed: on every edge, or once an input."""
    return edges if convention == "per_edge" else inputs


def spline_nodes(network: SplineMlpShape, inputs: int, outputs: int, is_last: bool) -> int:
    """Nodes with splines, of a layer of a spline MLP; there are `rank` on each."""
    if network.place == "before":
        return inputs
    return 0 if is_last else outputs


def spline_systems(network: SplinedShape) -> list[tuple[int, int]]:
    """(nodes with knots of their own, splines on each) of every layer that has splines."""
    match network:
        case KanShape():
            return list(pairwise(network.shape))
        case SplineMlpShape():
            nodes = [spline_nodes(network, *layer) for layer in layers(network)]
            return [(each, network.rank) for each in nodes if each]


def _matrix_products(network: LayeredShape, edges: int) -> int:
    match network:
        case KanShape():
            return 2 * edges if network.base else 0
        case RbfKanShape():
            return 2 * edges * (network.grid + 1)
        case ChebyshevKanShape():
            return 2 * edges * (network.degree + 1)
        case FourierKanShape():
            return 4 * edges * network.harmonics
        case SplineMlpShape():
            return 2 * edges * network.rank
        case _:
            return 2 * edges
