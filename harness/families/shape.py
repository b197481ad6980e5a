"""What a network of any family gives to those who train, count and describe it.

Shape suffixes: R lanes, I inputs, O outputs, N samples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from harness.base.frozen import Frozen
from harness.families.later import Device, Knots, Tensor, np, torch

Prices = Mapping[str, int]  # of transcendental functions, in FLOPs; see `prices.py`


class ShapeBase(Frozen):
    """What a network of any family gives to those who train, count and describe it. Layers are
    `LayeredShape`'s.

    `knots` are what a lane carries beside its parameters and no optimiser moves: the knots of
    splines, or of an MLP with Fourier features, its only entry, what it multiplies its inputs with.
    """

    has_second_derivatives: ClassVar[bool] = False  # without them it cannot learn a PDE
    # Fields with a default that decide the values with which lanes begin and nothing else, so that
    # runs which differ in them alone train together and take as long.
    begins_by: ClassVar[tuple[str, ...]] = ()
    kernels: ClassVar[str] = ""  # the module of `harness.train.fused` that has them, if any does

    if (
        TYPE_CHECKING
    ):  # fields, which stand in files in the order of each family; nodes from input to output
        family: str
        shape: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """Numbers that it is given of a point."""
        return self.shape[0]

    @property
    def outputs(self) -> int:
        """Numbers that it gives of a point."""
        return self.shape[-1]

    # ----------------------------------------------------------------------------------------------
    # words
    @property
    @abstractmethod
    def words(self) -> str:
        """Its nodes, and what its basis has beside the defaults: `[2,5,1] G=3 k=3`."""

    @property
    @abstractmethod
    def long_words(self) -> str:
        """The same in a report, with its title: `KAN`, its nodes, `G = 3, k = 3`."""

    @property
    def dashed(self) -> str:
        """Its nodes in tables, `2-5-1`; those of a network without layers are its inputs and
        outputs.
        """
        return f"{self.inputs}-{self.outputs}"

    # ----------------------------------------------------------------------------------------------
    # parameters
    @abstractmethod
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of one lane's parameters, in the order in which its vector holds them,
        frozen ones too.
        """

    @abstractmethod
    def draw_lane(self, generator: np.random.Generator, gain: float) -> np.ndarray:
        """The vector of one lane that begins."""

    def begun_as(self, other: ShapeBase | None = None) -> Self:
        """This network beginning as another one of its family does, of any size; else by the
        defaults.
        """
        fields = type(self).model_fields
        values = {
            name: getattr(other, name) if other else fields[name].default for name in self.begins_by
        }
        return self.model_copy(update=values)

    def initial_knots(self, lanes: int, dtype: torch.dtype, device: Device) -> list[Tensor]:
        """What lanes that begin carry, where it is not drawn."""
        return []

    def draw_knots(
        self, generators: Sequence[np.random.Generator], dtype: torch.dtype, device: Device
    ) -> list[Tensor]:
        """What lanes that begin carry, one a generator."""
        return self.initial_knots(len(generators), dtype, device)

    def knot_places(self, knots: Sequence[Any]) -> list[str]:
        """The layers that carry these, in their order, as the names of parameters begin."""
        return [f"layer{number}" for number in range(len(knots))]

    @property
    def frozen_names(self) -> frozenset[str]:
        """The last part of the names of parameters that no optimiser moves."""
        return frozenset()

    def moves(self, name: str) -> bool:
        """Whether an optimiser moves the parameter of that name."""
        return name.rpartition(".")[2] not in self.frozen_names

    @property
    def carried(self) -> int:
        """How many tensors its `knots` are."""
        return 0

    @property
    def carried_scalars(self) -> int:
        """How many numbers a lane carries beside its parameters."""
        return 0

    # ----------------------------------------------------------------------------------------------
    # evaluation
    @abstractmethod
    def forward(self, parameters: Mapping[str, Tensor], knots: Knots, x_RNI: Tensor) -> Tensor:
        """Outputs [R, N, O] of all lanes, by which a point's output knows nothing of the other
        points.
        """

    def check(self, dtype: str) -> None:
        """A HarnessError if it cannot be trained in `dtype` at all."""

    def without_levenberg(self) -> str | None:
        """Why Levenberg-Marquardt cannot train it, or None."""
        return None

    def without_kernels(self) -> str | None:
        """Why the fused engine cannot train it, or None if `harness.train.fused` has kernels of it.

        A family of the user's own that is derived from one of ours may compute something else.
        """
        is_own = ":" in self.family
        return None if self.kernels and not is_own else f"has no kernels of family: {self.family}"

    def torch_version(self, knots_move: bool) -> int:
        """The version of what the torch engine computes for it, which rises where a change gives
        other numbers.
        """
        return 1

    # ----------------------------------------------------------------------------------------------
    # counts
    @property
    @abstractmethod
    def trainable(self) -> int:
        """Scalars that an optimiser moves."""

    @property
    def active_parameters(self) -> int:
        """Those of them that an output of one sample depends on."""
        return self.trainable

    @property
    def frozen(self) -> int:
        """Scalars that a lane carries among its parameters and no optimiser moves."""
        if not self.frozen_names:
            return 0
        return sum(map(prod, self.parameter_shapes().values())) - self.trainable

    @property
    def stored(self) -> int:
        """Every number that a trained network keeps: the trainable ones, and those that no
        optimiser moves.

        These are base weights of a KAN whose base is frozen, frequencies of Fourier features (F an
        input), and knots (G + 2k + 1 a node with splines).
        """
        return self.trainable + self.frozen + self.carried_scalars

    def parameters_by(self, convention: str) -> int | None:
        """Of `kanbefair`, `paper`, `non_embedding` or `blocks` (`harness.count`); None if it has no
        such networks.
        """
        return None

    @abstractmethod
    def flops(self, convention: str, prices: Prices) -> list[int]:
        """FLOPs per sample of a forward pass, layer by layer, under one of the conventions of
        `harness.count`.
        """

    def flops_before(self, prices: Prices | None) -> int:
        """FLOPs per sample before the first layer, which has no backward pass; without `prices` the
        products alone.
        """
        return 0

    def evaluation_flops(self, convention: str, prices: Prices) -> int:
        """FLOPs per sample of a forward and backward pass: 2 times the first layer's, 3 times the
        others'.
        """
        first, *others = self.flops(convention, prices)
        return (
            self.flops_before(None if convention == "matmul" else prices)
            + 2 * first
            + 3 * sum(others)
        )

    @abstractmethod
    def executed_forward(self, prices: Prices) -> int:
        """Operations per sample that torch executes in a forward pass, comparisons included."""

    @abstractmethod
    def executed_evaluation(self, prices: Prices) -> int:
        """The same of a forward and backward pass, with the squared error and its mean."""

    def numbers_left(self, prices: Prices) -> int:
        """Numbers per sample that a forward pass leaves for its backward pass, roughly and rather
        too many.

        Taken to be one for each operation that is no part of a matrix product.
        """
        return self.executed_evaluation(prices) - self.evaluation_flops("matmul", prices)
