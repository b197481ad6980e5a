"""Every convention: a rule by which the parameters or the FLOPs of a network are counted, and what
is said of it.

To add one, add it to CONVENTIONS. Then it can be matched, fitted and judged by its name, it stands
in plans and records, and figures, tables and messages have its words. A count is named by its kind
and its convention: `params.paper`, and of FLOPs both `flops_forward.local_min`, a sample, and
`flops_train.local_min`, a run.

A family counts a layer, and its layers add up. One maps I inputs to O outputs over E = I O edges. A
multiply, an add, a compare and a divide are 1 each, a fused multiply-add 2; transcendental
functions cost what the weight table says. But for the MLP, every layer expands each input in n
bases (their cost is b) and maps all of them linearly:

    convention     forward FLOPs            meaning per_edge       E (b + 2 n) + ...        bases
    computed again on every edge: pykan 0.0.x, and what KANbeFair counts shared_dense   I b + 2 E n
    + ...        bases once an input, all n multiplied: good PyTorch code (the default) local_min
    I b' + 2 E (k + 1) + ... splines only: the k + 1 bases that are not zero, by the cheapest
    recursion matmul         the matrix products      what torch.utils.flop_counter sees of the
    evaluator that trains here

An MLP has one count. Splines count here as the local evaluator computes them, whose spline part has
no matrix product at all: `matmul` sees only the base branch of it. Wide layers of a KAN train as
one product, and count the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from harness.families import ModuleShape, Network
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS
from harness.spec.counts import Axis, CountKind


@dataclass(frozen=True)
class Flops:
    """The FLOPs of a network, a sample; a function gives None for a network that its convention
    does not define.

    `forward` is of a forward pass, by a table of weights, and `evaluation` of a forward and
    backward pass, by the default table.
    """

    forward: Callable[[Network, str], int | None]
    evaluation: Callable[[Network], int | None]


@dataclass(frozen=True, eq=False)  # there is one of each
class Convention:
    """A rule by which parameters, or FLOPs, are counted; `parameters` gives None for a network that
    it does not define.

    `words` stand on axes of figures, of FLOPs in brackets; `short` stands where there is little
    room. `rule`, `source` (whose count it is) and `misleads` are its row in docs/counting.md. One
    that `has_penalty` counts what a penalty on edges takes, and one that `skips_zeros` leaves out
    what an optimiser multiplies by zeros of a Jacobian. An answer compares sides under the kinds of
    count in `in_answers`.
    """

    name: str
    words: str
    short: str
    rule: str
    source: str
    misleads: str
    parameters: Callable[[Network], int | None] | None = None
    flops: Flops | None = None
    has_penalty: bool = False
    skips_zeros: bool = False
    in_answers: tuple[CountKind, ...] = ()


def by_families(name: str) -> Flops:
    """FLOPs as each family counts them under the convention of that name."""

    def is_unknown(network: Network) -> bool:
        return name == "kanbefair" and network.parameters_by(name) is None

    def forward(network: Network, weights: str) -> int | None:
        if is_unknown(network):
            return None
        before = network.flops_before(None if name == "matmul" else WEIGHTS[weights])
        return before + sum(network.flops(name, WEIGHTS[weights]))

    def evaluation(network: Network) -> int | None:
        return (
            None
            if is_unknown(network)
            else network.evaluation_flops(name, WEIGHTS[DEFAULT_WEIGHTS])
        )

    return Flops(forward, evaluation)


# The first of a kind is its default. Messages, tables and the JSON Schema list them in this order.
CONVENTIONS = [
    Convention(
        name="trainable",
        words="trainable parameters",
        short="trainable",
        rule="every scalar that the optimiser moves",
        source="this project, by default; equal to the size of the live parameter vector",
        misleads=(
            "the scales w_s count, though they add no function; knots do not, even where "
            "they follow the data"
        ),
        parameters=lambda network: network.trainable,
        in_answers=("params",),
    ),
    Convention(
        name="stored",
        words="numbers that a trained network keeps, frozen ones and knots too",
        short="stored",
        rule="those, and every number that is kept but not trained: frozen base weights, "
        "frequencies of Fourier "
        "features (F an input), knots (G + 2k + 1 a node with splines)",
        source="whoever writes a trained network to a file",
        misleads="knots that never move are uniform, for which two numbers would do; frequencies "
        "could be drawn again "
        "from the seed; not defined for a user's module",
        parameters=lambda network: None if isinstance(network, ModuleShape) else network.stored,
    ),
    Convention(
        name="paper",
        words="parameters as the KAN paper counts them (edges × G)",
        short="paper's",
        rule="KAN: G an edge. MLP: 1 an edge",
        source="the KAN paper's figures",
        misleads="leaves out k, base weights, scales, biases. What is left out weighs most on "
        "coarse grids, so "
        "exponents change too",
        parameters=lambda network: network.parameters_by("paper"),
    ),
    Convention(
        name="non_embedding",
        words="parameters without embeddings",
        short="non-embedding",
        rule="transformers: all but those of tokens, positions and logits",
        source="Kaplan et al. 2020 (arXiv 2001.08361), whose laws are in it",
        misleads=(
            "a small transformer has a tenth to a fifth of its parameters, and of its work, "
            "in what is left out"
        ),
        parameters=lambda network: network.parameters_by("non_embedding"),
    ),
    Convention(
        name="blocks",
        words="parameters of the feed-forward blocks",
        short="blocks'",
        rule="transformers: those of their feed-forward blocks",
        source="this project: the part in which arms of one backbone differ",
        misleads="says nothing of attention, which all arms share",
        parameters=lambda network: network.parameters_by("blocks"),
    ),
    Convention(
        name="shared_dense",
        words="shared-dense",
        short="dense",
        rule="bases once an input, all of them multiplied. The default",
        source=(
            "good PyTorch code without custom kernels: efficient-kan, pykan from 0.2 on, the "
            "dense evaluator here"
        ),
        misleads="multiplies G + k coefficients of which k + 1 count; for fine grids mostly zeros",
        flops=by_families("shared_dense"),
        has_penalty=True,
        in_answers=("flops_train",),
    ),
    Convention(
        name="local_min",
        words="local minimum",
        short="local",
        rule="bases once an input, only the k + 1 that are not zero, by the triangular recursion "
        "(The NURBS Book, "
        "A2.2)",
        source="local kernels; the evaluator that trains here comes near it",
        misleads="grids look free, for it does not depend on G; gathers are no FLOPs, but take "
        "time; no lower bound "
        "either: polynomials stored for every interval need less",
        flops=by_families("local_min"),
        has_penalty=True,
        skips_zeros=True,
        in_answers=("flops_train",),
    ),
    Convention(
        name="per_edge",
        words="per edge",
        short="per edge",
        rule="bases computed on each edge, all of them multiplied",
        source="pykan 0.0.x",
        misleads="an edge's bases are those of its input: O - 1 of O computations are repetition",
        flops=by_families("per_edge"),
        has_penalty=True,
    ),
    Convention(
        name="kanbefair",
        words="parameters as KANbeFair counts them",
        short="KANbeFair's",
        rule="KAN: G + k + 3 an edge (G + k + 2 without base) and a bias a node",
        source="KANbeFair's released results",
        misleads="1 an edge more than its own KANs have",
        parameters=lambda network: network.parameters_by("kanbefair"),
    ),
    Convention(
        name="kanbefair",
        words="KANbeFair's formula",
        short="KANbeFair's",
        rule="`per_edge` with 9 operations a term, and an MLP's activation on the output layer too",
        source="KANbeFair's released results ([2407.16674](https://arxiv.org/abs/2407.16674))",
        misleads="as `per_edge`, and 26 % more for [2,5,1] at G = 5",
        flops=by_families("kanbefair"),
    ),
    Convention(
        name="matmul",
        words="matrix products only",
        short="products",
        rule="matrix products only",
        source=(
            "what `torch.utils.flop_counter` sees of the local evaluator, though wide KAN "
            "layers train as products"
        ),
        misleads=(
            "misses nearly everything that a local KAN does, and reverses the order of evaluators"
        ),
        flops=by_families("matmul"),
    ),
    Convention(
        name="executed",
        words="executed by torch",
        short="executed",
        rule=(
            "every operation that the torch engine dispatches, compares included, whichever "
            "engine trains"
        ),
        source="the torch engine's evaluator",
        misleads="one program on one engine: speaks of this code, not of KANs; wide KAN layers "
        "count as the local "
        "evaluator",
        # A family says it of its layers, of a KAN for the local evaluator. It equals what
        # `harness.count.dispatched` counts of the torch engine (tests/measure), work that is done
        # once for all samples left out.
        flops=Flops(
            forward=lambda network, weights: network.executed_forward(WEIGHTS[weights]),
            evaluation=lambda network: network.executed_evaluation(WEIGHTS[DEFAULT_WEIGHTS]),
        ),
        has_penalty=True,
    ),
]
# Where `harness bench` has measured the machine, runs have seconds too, which no convention counts.
CLOCKS = (
    Axis(
        name="seconds",
        kind="seconds",
        words="seconds alone on the machine that was measured",
        short="seconds",
        head="per second",
        in_answers=True,
    ),
    Axis(
        name="seconds_per_evaluation",
        kind="seconds",
        words="seconds_per_evaluation",
        short="seconds_per_evaluation",
        head="per second of an evaluation",
        is_size=False,
    ),
)


def all_axes() -> dict[str, Axis]:
    """Every axis by its name: counts of parameters, of forward and of training FLOPs, then
    clocks.
    """
    return _all_axes(tuple(CONVENTIONS))


@cache  # plans of searches ask for all axes tens of thousands of times
def _all_axes(conventions: tuple[Convention, ...]) -> dict[str, Axis]:
    axes = [_axis("params", convention) for convention in conventions if convention.parameters]
    axes += [_axis("flops_forward", convention) for convention in conventions if convention.flops]
    axes += [_axis("flops_train", convention) for convention in conventions if convention.flops]
    return {axis.name: axis for axis in (*axes, *CLOCKS)}


def _axis(kind: CountKind, convention: Convention) -> Axis:
    match kind:
        case "params":
            words = convention.words
            short = "params" if convention is CONVENTIONS[0] else f"params ({convention.short})"
            head = (
                "per parameter"
                if convention is CONVENTIONS[0]
                else f"per parameter ({convention.name})"
            )
        case "flops_forward":
            words, head = (
                f"forward FLOPs per sample ({convention.words})",
                f"per forward FLOP ({convention.words})",
            )
            short = f"forward FLOPs ({convention.short})"
        case "flops_train":
            words, head = (
                f"training FLOPs ({convention.words})",
                f"per training FLOP ({convention.words})",
            )
            short = f"FLOPs ({convention.short})"
    return Axis(
        name=f"{kind}.{convention.name}",
        kind=kind,
        words=words,
        short=short,
        head=head,
        in_answers=kind in convention.in_answers,
    )
