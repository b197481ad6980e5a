"""What a family of networks gives; `fourier_kan.py` is the shortest one to read beside this page.

A family is one file with two classes, both frozen data:

    FourierKan(Layered)              what an arm of an experiment file says: its fields, the
    standard space of a search FourierKanShape(ExpansionShape)  a network with all its sizes: what
    it computes, what it counts, its name in words

`ShapeBase` (`shape.py`) is what the rest of the project asks of any network. `LayeredShape` answers
it for a network of layers, from the methods that a family gives of one layer: its own first section
lists these. Where layers expand each input in functions and map these linearly,
`harness.families.expansion.ExpansionShape` answers most of them.

The fields of a shape decide the ids of its runs: make a field that comes later `left_out_at` its
default. Nothing here may import torch: take it from `harness.families.later`.

Shape suffixes: R lanes, I inputs, O outputs, N samples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cache, lru_cache
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import Field, PositiveInt

from harness.base.errors import HarnessError
from harness.base.frozen import Frozen
from harness.base.user_code import version_of
from harness.families.later import Knots, Tensor, np, torch
from harness.families.layout import of_layer
from harness.families.shape import Prices, ShapeBase
from harness.families.space import Space

if TYPE_CHECKING:
    from harness.families.jacobian import Trace

# The deepest network there can be, which is also the deepest that a solver tries
# (`harness.planning.solve`).
LARGEST_DEPTH = 2**10

Depth = Annotated[int, Field(ge=1, le=LARGEST_DEPTH)]
Hidden = Annotated[tuple[PositiveInt, ...], Field(max_length=LARGEST_DEPTH - 1)]


# ------------------------------------------------------------------------------------------- what
# an arm of a file says
class ArchitectureBase(Frozen):
    """A family as a user writes it; the sizes that are left out are solved for, or varied."""

    network: ClassVar[type[ShapeBase]]  # what it becomes with all its sizes
    # Of all its arms in every figure, and of no other family: of those of Okabe and Ito (2008),
    # which the colour-blind tell apart, less their yellow, which does not print. A family of a
    # user's own needs none.
    colour: ClassVar[str]
    standard_space: ClassVar[Space] = {}  # what a search may vary where an arm does not say
    sizes: ClassVar[
        tuple[str, ...]
    ] = ()  # which of its fields are sizes that can be left open, beside width and depth
    reads_tokens: ClassVar[bool] = False  # it learns sequences, and nothing else

    if TYPE_CHECKING:
        family: str

    @property
    def source(self) -> str | None:
        """Of a family of the user's own the version of its code; edited code is another network."""
        return code_version(type(self), self.family, "family") if ":" in self.family else None

    @property
    def drawn_as(self) -> str:
        """The family whose colour its arms have."""
        return self.family

    @abstractmethod
    def open_sizes(self) -> list[str]:
        """The sizes that it leaves open."""

    def has_size(self, name: str) -> bool:
        """Whether a size of that name can be solved for, or varied."""
        return name in type(self).model_fields

    def with_size(self, name: str, value: Any, where: str) -> Self:
        """The same with a value for an open size; a HarnessError if it has one already, `where` the
        file says so.
        """
        if (fixed := getattr(self, name, None)) is not None:
            raise HarnessError(
                f"{where}.{name}={fixed}: this size is varied by the plan; leave it out"
            )
        return self.model_copy(update={name: value})

    def why_no_pde(self) -> str | None:
        """Why it cannot learn a PDE, from the field that says so, or None: a PDE is learnt by
        second derivatives.
        """
        if self.network.has_second_derivatives:
            return None
        from harness.families import FAMILIES

        able = [
            name
            for name, architecture in FAMILIES.items()
            if architecture.network.has_second_derivatives
        ]
        return (
            f"family={self.family}: no second derivatives, by which a PDE is learnt; use "
            f"family {' or '.join(able)}"
        )


class ClosedForm(ArchitectureBase):
    """A family whose networks follow from its fields and sizes; a user's module has to be made and
    counted.
    """

    @abstractmethod
    def network_of(self, inputs: int, outputs: int, where: str, scales: bool) -> ShapeBase:
        """Its network on so many inputs; a HarnessError names `where` a size is missing.

        `scales` holds where a KAN does not say.
        """


class Layered(ClosedForm):
    """The sizes that every family has: give `hidden`, or `depth` and `width`, and leave out what is
    solved for.
    """

    network: ClassVar[type[LayeredShape]]

    hidden: Hidden | None = None
    depth: Depth | None = Field(None, description="layers of weights, output layer included")
    width: PositiveInt | None = Field(None, description="hidden nodes per layer")

    def open_sizes(self) -> list[str]:
        """The sizes that it leaves open; without hidden layers there is no width."""
        open_sizes = [name for name in self.sizes if getattr(self, name) is None]
        if self.hidden is not None or self.depth == 1:
            return open_sizes
        width = ["width"] if self.width is None else []
        return [*width, *open_sizes, *(["depth"] if self.depth is None else [])]

    def network_of(self, inputs: int, outputs: int, where: str, scales: bool) -> LayeredShape:
        of_network, given = (
            self.network.model_fields,
            type(self).model_fields.keys() - {"family", "source"},
        )
        fields = {name: getattr(self, name) for name in of_network if name in given}
        if fields.get("scales", False) is None:
            fields["scales"] = scales
        for name, value in list(fields.items()):
            if value is None and of_network[name].is_required():
                raise HarnessError(
                    f"{where}.{name} is missing: give it, or let match.solve find it"
                )
            if value is None:
                del fields[name]
        if self.source is not None:
            fields["source"] = self.source
        return self.network(shape=(inputs, *self._hidden_nodes(where), outputs), **fields)

    def _hidden_nodes(self, where: str) -> tuple[int, ...]:
        hidden, depth, width = self.hidden, self.depth, self.width
        if hidden is not None and (depth or width):
            raise HarnessError(
                f"{where}: hidden={list(hidden)} fixes depth and width; give either it or those two"
            )
        if hidden is None and depth == 1 and width is not None:
            raise HarnessError(
                f"{where}: depth=1 has no hidden layer, so width={width} says nothing; leave it out"
            )
        if hidden is not None or depth == 1:
            return hidden or ()
        if not (depth and width):
            missing = "depth" if not depth else "width"
            advice = "give hidden, or depth and width, or let match.solve find it"
            raise HarnessError(f"{where}.{missing} is missing: {advice}")
        return (width,) * (depth - 1)


# -------------------------------------------------------------------------------------------- a
# network of layers
class Layer(NamedTuple):
    """The nodes of a layer of weights, and where it stands.

    The first layer of a network is initialised as such, `starts_as_first`, and nobody asks for the
    gradient by what it is given: it `needs_input_gradient` where other parts of the network stand
    before it.
    """

    number: int
    inputs: int
    outputs: int
    is_last: bool
    starts_as_first: bool
    needs_input_gradient: bool

    @property
    def edges(self) -> int:
        """Inputs times outputs."""
        return self.inputs * self.outputs

    def sites(self, convention: str) -> int:
        """Where functions of inputs are computed: once an input, or again on every edge."""
        return self.edges if convention == "per_edge" else self.inputs


class LayeredShape(ShapeBase):
    """A network of layers that are known here; `shape` lists nodes from input to output.

    A family gives its fields, `family`, and all abstract methods. What follows the first dashed
    line it may give.
    """

    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=2)]
    source: str | None = Field(
        None, exclude_if=lambda value: value is None, repr=False
    )  # as in `ArchitectureBase`

    title: ClassVar[str]  # in a report
    letters: ClassVar[dict[str, str]] = {}  # fields that its name tells in words, and their letters
    scaled: ClassVar[tuple[str, ...]]  # the parameters that a recipe's `gain` multiplies

    @abstractmethod
    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        """Name -> shape of the parameters of a layer, in their order."""

    @abstractmethod
    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """Initial values of one parameter at gain 1."""

    @abstractmethod
    def evaluate_layer(
        self, layer: Layer, weights: Mapping[str, Tensor], knots: Knots, h_RIN: Tensor
    ) -> Tensor:
        """Outputs [R, O, N] of a layer."""

    @abstractmethod
    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """FLOPs per sample of a layer's forward pass, under per_edge, shared_dense or local_min."""

    def products(self, layer: Layer) -> int:
        """FLOPs per sample of a layer's matrix products."""
        return 2 * layer.edges

    @abstractmethod
    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        """Operations per sample that torch executes in the forward pass of a layer."""

    @abstractmethod
    def layer_backward(self, layer: Layer) -> int:
        """Operations per sample that torch executes in the backward pass of a layer, by the default
        prices.
        """

    @property
    def numbers_of_input(self) -> int:
        """Numbers that a forward pass leaves of an input of a layer for its backward pass,
        roughly.
        """
        return 4

    def numbers_of_layer(self, layer: Layer) -> int:
        """The same of a whole layer."""
        return layer.inputs * self.numbers_of_input + layer.outputs

    # --------------------------------------------------------------------------------- what it may
    # give: more trainings
    def trace(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, h_RIN: Tensor, trace: Trace
    ) -> Tensor:
        """For the Jacobian: a layer's outputs, after `trace.add` was told of all parameters in
        it.
        """
        raise NotImplementedError

    def without_levenberg(self) -> str | None:
        if type(self).trace is LayeredShape.trace:
            return (
                f"levenberg_marquardt has no Jacobian of family: {self.family}; use lbfgs or adam"
            )
        return None

    def inputs_of_first(self, knots: Knots, x_RIN: Tensor) -> Tensor:
        """What the first layer is given."""
        return x_RIN

    def jets_of_first(self, knots: Knots, jet_RIQN: Tensor) -> Tensor:
        """The same with derivatives by the inputs; see `harness.families.jets`."""
        return jet_RIQN

    def jet_layer(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, jet_RIQN: Tensor
    ) -> Tensor:
        """A layer's outputs with derivatives by the network's inputs."""
        raise NotImplementedError

    def kanbefair_flops(self, layer: Layer) -> int:
        """What KANbeFair's code counts for the forward pass of a layer, if it has networks like
        it.
        """
        raise NotImplementedError

    # ---------------------------------------------------------------------------------------------
    # what follows from it
    @property
    def dashed(self) -> str:
        return "-".join(map(str, self.shape))

    @property
    def nodes(self) -> tuple[int, ...]:
        """What the layers of weights map, from the first one's inputs to the outputs."""
        return self.shape

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of weights, in their order."""
        return _layers(self.nodes)

    def check_source(self) -> None:
        """A HarnessError if it is of the user's own code, and that has changed since the plan was
        made.
        """
        if self.source is not None and self.source != code_version(
            type(self), self.family, "family"
        ):
            raise code_changed(f"family {self.family}")

    @property
    def words(self) -> str:
        size_of_letter = {letter: getattr(self, name) for name, letter in self.letters.items()}
        basis = "".join(
            f" {letter}={size}" for letter, size in size_of_letter.items() if size is not None
        )
        return f"[{self.dashed.replace('-', ',')}]{basis}"

    @property
    def long_words(self) -> str:
        sizes = [f"{letter} = {getattr(self, name)}" for name, letter in self.letters.items()]
        return ", ".join([self.titled, *sizes])

    @property
    def titled(self) -> str:
        """Its title and its nodes, in a report."""
        return f"{self.title} {self.dashed.replace('-', '–')}"

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            shapes |= {
                f"layer{layer.number}.{name}": shape
                for name, shape in self.layer_shapes(layer).items()
            }
        return shapes

    def draw_lane(self, generator: np.random.Generator, gain: float) -> np.ndarray:
        """The gain multiplies what `scaled` names."""
        self.check_source()
        parts = []
        for layer in self.layers:
            for name, shape in self.layer_shapes(layer).items():
                values = self.draw(layer, name, shape, generator)
                parts.append((gain * values if name in self.scaled else values).ravel())
        return np.concatenate(parts)

    def evaluate(self, parameters: Mapping[str, Tensor], knots: Knots, x_RIN: Tensor) -> Tensor:
        """Outputs [R, O, N]."""
        h_RIN = self.inputs_of_first(knots, x_RIN)
        for layer in self.layers:
            h_RIN = self.evaluate_layer(layer, of_layer(parameters, layer.number), knots, h_RIN)
        return h_RIN

    def forward(self, parameters: Mapping[str, Tensor], knots: Knots, x_RNI: Tensor) -> Tensor:
        self.check_source()
        y_RON = self.evaluate(parameters, knots, samples_last(x_RNI))
        return y_RON[..., : x_RNI.shape[1]].transpose(1, 2).contiguous()

    @property
    def trainable(self) -> int:
        return _trainable(self)

    def layer_parameters(self, layer: Layer) -> int:
        """Trainable scalars of a layer: all that an optimiser moves, and nothing else (knots and
        masks are not).
        """
        shapes = self.layer_shapes(layer)
        return sum(prod(shape) for name, shape in shapes.items() if name not in self.frozen_names)

    def flops(self, convention: str, prices: Prices) -> list[int]:
        if convention == "matmul":
            return [self.products(layer) for layer in self.layers]
        if convention == "kanbefair":
            return [self.kanbefair_flops(layer) for layer in self.layers]
        return [self.layer_flops(layer, convention, prices) for layer in self.layers]

    def executed_forward(self, prices: Prices) -> int:
        return self.flops_before(prices) + sum(
            self.layer_executed(layer, prices) for layer in self.layers
        )

    def executed_evaluation(self, prices: Prices) -> int:
        loss = 6 * self.outputs
        return self.executed_forward(prices) + loss + sum(map(self.layer_backward, self.layers))


# Every count of a network asks for these, and plans of searches count it once for each number of
# evaluations they try.
@lru_cache(maxsize=2**12)
def _layers(nodes: tuple[int, ...]) -> tuple[Layer, ...]:
    last = len(nodes) - 2
    return tuple(
        Layer(
            number,
            *of_layer,
            number == last,
            starts_as_first=number == 0,
            needs_input_gradient=number > 0,
        )
        for number, of_layer in enumerate(pairwise(nodes))
    )


@lru_cache(maxsize=2**12)
def _trainable(network: LayeredShape) -> int:
    return sum(map(network.layer_parameters, network.layers))


@cache
def code_version(kind: type[Frozen], name: str, noun: str) -> str:
    """Of the user's code that was imported, whatever its file says later."""
    return version_of(kind, name, noun)


def code_changed(where: str) -> HarnessError:
    """What is said where a plan was made of other code of the user's."""
    move = "`harness plan FILE --replan` takes it as it is"
    return HarnessError(f"{where}: its code changed since the plan was made; {move}")


# Two AVX-512 vectors of float32: torch's kernels take two vectors at a time.
SAMPLE_BLOCK = 32


def samples_last(x_RNI: Tensor) -> Tensor:
    """[R, I, N] with N padded by zeros to whole blocks."""
    x_RIN, missing = x_RNI.transpose(1, 2), -x_RNI.shape[1] % SAMPLE_BLOCK
    return (torch.nn.functional.pad(x_RIN, (0, missing)) if missing else x_RIN).contiguous()
