"""What families with B-splines share: knots, which may move, and a grid, which may be refined.

Shape suffixes: R lanes, I nodes with splines, N samples, T knots, C coefficients of a spline.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import Field, FiniteFloat, model_validator

from harness.base.frozen import left_out_at
from harness.families.base import Layered, LayeredShape
from harness.families.later import Device, Knots, Tensor, spline, torch

SplineOrder = Annotated[int, Field(ge=1, le=5, description="polynomial degree k, 3 = cubic")]

# Operations of one Cox-de Boor term: 2 subtractions, 2 divisions, 2 multiplications, 1 addition.
# Hand derivations, and with them KANbeFair, count 2 more for the differences of knots; those do not
# depend on the sample, and pykan, efficient-kan and the dense evaluator here (counted as it runs)
# compute them once for all.
RECURSION_OPERATIONS = 7
# Operations to find a point's interval on a uniform grid: subtract, divide, round down, clamp.
SPAN_OPERATIONS = 4


class KnotMove(NamedTuple):
    """How knots follow activations, of which the first `samples` are data; see
    `harness.families.update_knots`.
    """

    samples: int
    grid_eps: float
    margin: float
    solver: spline.Solver


class Splined(Layered):
    """What an arm with splines says of their domain, [-1, 1] if it says nothing."""

    low: FiniteFloat | None = left_out_at(None, "where knots of splines begin")
    high: FiniteFloat | None = left_out_at(None, "where they end")

    @model_validator(mode="after")
    def _domain_is_not_empty(self) -> Self:
        low, high = (
            (-1.0 if self.low is None else self.low),
            (1.0 if self.high is None else self.high),
        )
        if not low < high:
            raise ValueError(f"low={low:g} must be below high={high:g}")
        return self


class SplinedShape(LayeredShape):
    """A network with splines of `order` on `grid` intervals, whose knots start uniform on [low,
    high] in every layer.

    A family's own class says where its splines are, and moves and refines them.
    """

    if TYPE_CHECKING:  # fields, which stand in files in the order of each family
        grid: int
        order: int
        low: float
        high: float

    @property
    @abstractmethod
    def spline_systems(self) -> list[tuple[int, int]]:
        """(nodes with knots of their own, splines on each) of every layer that has splines."""

    @abstractmethod
    def update_knots(
        self, parameters: dict[str, Tensor], knots: Knots, h_RIN: Tensor, how: KnotMove
    ) -> tuple[Mapping[str, Tensor], list[Tensor]]:
        """See `harness.families.update_knots`."""

    # ---------------------------------------------------------------------------------------------
    # what follows from it
    def torch_version(self, knots_move: bool) -> int:
        """2 since splines are moved to other knots by another factorisation."""
        return 2 if knots_move else 1

    def initial_knots(self, lanes: int, dtype: torch.dtype, device: Device) -> list[Tensor]:
        """One [R, I, T] a layer with splines."""
        knots_T = spline.uniform_knots(self.low, self.high, self.grid, self.order, dtype, device)
        return [knots_T.repeat(lanes, nodes, 1) for nodes, _ in self.spline_systems]

    @property
    def numbers_of_input(self) -> int:
        return self.grid + 2 * self.order + 4

    @property
    def carried(self) -> int:
        return len(self.spline_systems)

    @property
    def carried_scalars(self) -> int:
        """Knots are kept one by one, as they may follow the data; where they stay uniform, two
        numbers would do.
        """
        return (self.grid + 2 * self.order + 1) * sum(nodes for nodes, _ in self.spline_systems)

    @property
    def active_parameters(self) -> int:
        """Of G+k coefficients of a spline, its k+1 active ones."""
        total_splines = sum(nodes * functions for nodes, functions in self.spline_systems)
        return self.trainable - total_splines * (self.grid - 1)

    def spline_basis(self, convention: str) -> tuple[int, int]:
        """FLOPs of the bases of one spline, and how many of them are multiplied."""
        if (
            convention == "local_min"
        ):  # the triangular recursion A2.2 of Piegl & Tiller, The NURBS Book
            return SPAN_OPERATIONS + 2 * self.order + 5 * self.order * (
                self.order + 1
            ) // 2, self.order + 1
        return RECURSION_OPERATIONS * recursion_terms(self.grid, self.order), self.grid + self.order

    @property
    def executed_bases(self) -> int:
        """The active bases at a node: a search in the knots, two bounds, inside or not; floors; the
        recursion.
        """
        return self.executed_slopes + (self.grid + 2 * self.order).bit_length() + 3

    @property
    def executed_slopes(self) -> int:
        """Their derivatives take what their recursion did, and its floors under widths of
        supports.
        """
        order = self.order
        return order * (5 * order + 7) // 2 + order * (order + 1) // 2


def of_splines(coef: Tensor) -> Tensor:
    """Coefficients with their axis of splines a node, [R, J, C, K], which is left out where there
    is one.
    """
    return coef if coef.dim() == 4 else coef[..., None]


def recursion_terms(grid: int, order: int) -> int:
    """Basis functions evaluated by Cox-de Boor on the extended grid: sum over p = 1..k of G + 2k -
    p.
    """
    return order * grid + 2 * order**2 - order * (order + 1) // 2
