"""MLPs with learnable B-splines on their nodes: on what a linear map gives (`after`), or on what it
takes (`before`).

KANbeFair (Yu et al. 2024) calls them BSpline_MLP and BSpline_First_MLP. Splines that come `after`
stand on hidden nodes only, those `before` on the inputs of the network too. Nothing is added to a
spline: outside of its knots a neuron is 0, with no gradient. KANbeFair leaves knots on [low, high];
`update_knots` takes them to where the activations are.

A layer's knots and its coefficients are those of its own splines, in both places.

Shape suffixes: R lanes, I inputs, J nodes with splines, K splines of a node (`rank`), O outputs, N
samples, T knots, C coefficients of a spline, P trainable scalars.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt, model_validator

from harness.base.frozen import Positive, left_out_at
from harness.families import kanbefair
from harness.families.base import Layer
from harness.families.later import Knots, Tensor, np, spline, torch
from harness.families.layout import of_layer
from harness.families.linear import draw_linear, evaluate_dense, whole
from harness.families.shape import Prices
from harness.families.space import Range
from harness.families.splined import KnotMove, Splined, SplinedShape, SplineOrder, of_splines

if TYPE_CHECKING:
    from harness.families.jacobian import Trace

SplinePlace = Literal["after", "before"]


class SplineMlpShape(SplinedShape):
    """A resolved MLP with learnable spline activations; knots start uniform on [low, high] in every
    layer.
    """

    family: Literal["spline_mlp"] = "spline_mlp"
    grid: PositiveInt
    order: SplineOrder = 3
    place: SplinePlace = "after"
    rank: PositiveInt = left_out_at(1)
    noise: float = left_out_at(0.1)
    low: float = left_out_at(-1.0)
    high: float = left_out_at(1.0)

    title = "MLP"
    letters = {"grid": "G", "order": "k"}
    scaled = ("weight", "bias")  # of splines on nodes a gain would change the form
    begins_by = ("noise",)
    kernels = "spline_mlp"

    @property
    def words(self) -> str:
        return super().words + (f" rank={self.rank}" if self.rank > 1 else "")

    @property
    def long_words(self) -> str:
        rank = f", rank {self.rank}" if self.rank > 1 else ""
        return (
            f"{self.titled}, splines {self.place} its maps, G = {self.grid}, k = {self.order}{rank}"
        )

    def splines_of(self, layer: Layer) -> int:
        """Nodes with splines, of a layer; there are `rank` on each."""
        if self.place == "before":
            return layer.inputs
        return 0 if layer.is_last else layer.outputs

    @property
    def spline_systems(self) -> list[tuple[int, int]]:
        nodes = [self.splines_of(layer) for layer in self.layers]
        return [(splines, self.rank) for splines in nodes if splines]

    def numbers_of_layer(self, layer: Layer) -> int:
        of_splines = (self.order + 1) * (self.rank + 5)
        return self.rank * layer.inputs + layer.outputs + self.splines_of(layer) * of_splines

    # ----------------------------------------------------------------------------------------------
    # parameters
    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        dense = {"weight": (self.rank * layer.inputs, layer.outputs), "bias": (layer.outputs,)}
        nodes, coefs = self.splines_of(layer), self.grid + self.order
        if not nodes:
            return dense
        return {**dense, "coef": (nodes, coefs, self.rank) if self.rank > 1 else (nodes, coefs)}

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """As KANbeFair's: linear maps as in an MLP, and splines of noise.

        Each spline takes values from U(+-noise / 2G) at the G + 1 knots of its domain, with the
        least norm of coefficients. So the network starts nearly constant, the nearer the larger G
        is.
        """
        if name == "coef":
            (nodes, coefs, *several), order = shape, self.order
            size = (self.grid + 1, nodes * prod(several))
            values = torch.from_numpy(self.noise / self.grid * generator.uniform(-0.5, 0.5, size))
            knots_T = spline.uniform_knots(
                self.low, self.high, self.grid, order, torch.float64, "cpu"
            )
            design = spline.design_matrix(
                knots_T[None, None], knots_T[None, None, order:-order], order
            )
            splines_JC = spline.fit_coefficients(design, values[None, None])[0, 0].T.numpy()
            return np.moveaxis(splines_JC.reshape(nodes, *several, coefs), -1, 1)
        return draw_linear(self.rank * layer.inputs, shape, generator)

    # ----------------------------------------------------------------------------------------------
    # evaluation
    def parts(self, weights: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """The parameters of a layer's linear map, and of its splines if it has any, in the order of
        evaluation.
        """
        dense = {name: value for name, value in weights.items() if name != "coef"}
        splines = [{"coef": weights["coef"]}] if "coef" in weights else []
        return [*splines, dense] if self.place == "before" else [dense, *splines]

    def evaluate_layer(
        self, layer: Layer, weights: Mapping[str, Tensor], knots: Knots, h_RIN: Tensor
    ) -> Tensor:
        for part in self.parts(weights):
            if "coef" in part:
                h_RIN = activate(
                    part["coef"], spline.active_bases(knots[layer.number], whole(h_RIN), self.order)
                )
            else:
                h_RIN = evaluate_dense(part, h_RIN)
        return h_RIN

    def trace(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, h_RIN: Tensor, trace: Trace
    ) -> Tensor:
        """The splines of a layer are a layer of their own, and act on one node each."""
        for part in self.parts(weights):
            if "coef" in part:
                active = spline.active_bases(knots[layer.number], h_RIN, self.order)
                h_RIN = trace.add(
                    part, h_RIN, activate(part["coef"], active), active=active, are_own=True
                )
            else:
                h_RIN = trace.add(part, h_RIN, evaluate_dense(part, h_RIN))
        return h_RIN

    def update_knots(
        self, parameters: dict[str, Tensor], knots: Knots, h_RIN: Tensor, how: KnotMove
    ) -> tuple[Mapping[str, Tensor], list[Tensor]]:
        moved, order = [], self.order
        for layer in self.layers:
            for part in self.parts(of_layer(parameters, layer.number)):
                if "coef" not in part:
                    h_RIN = evaluate_dense(part, h_RIN)
                    continue
                x_RJN, old_RJT = h_RIN[..., : how.samples], knots[layer.number]
                new_RJT = spline.knots_from_samples(
                    x_RJN, self.grid, order, how.grid_eps, how.margin
                )
                coef_RJCK = spline.move_spline(
                    of_splines(part["coef"]), old_RJT, new_RJT, x_RJN, order, how.solver
                )
                parameters[f"layer{layer.number}.coef"] = coef_RJCK
                h_RIN = activate(coef_RJCK, spline.active_bases(new_RJT, h_RIN, order))
                moved.append(new_RJT)
        return parameters, moved

    # ----------------------------------------------------------------------------------------------
    # counts
    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """A spline's sum has one add less than it has terms."""
        basis, terms = self.spline_basis(convention)
        splines = self.splines_of(layer) * (basis + self.rank * (2 * terms - 1))
        return 2 * self.rank * layer.edges + splines

    def products(self, layer: Layer) -> int:
        return 2 * layer.edges * self.rank

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        sums = self.rank * (2 * self.order + 1)
        return 2 * self.rank * layer.edges + self.splines_of(layer) * (self.executed_bases + sums)

    def layer_backward(self, layer: Layer) -> int:
        is_before = self.place == "before"
        products = 2 * self.rank * (self.order + 1)
        by_basis = products if self.rank > 1 else products // 2
        by_node = (
            by_basis + self.executed_slopes if layer.needs_input_gradient or not is_before else 0
        )
        by_input = 1 if is_before or layer.needs_input_gradient else 0
        maps = 2 * self.rank * layer.edges * (1 + by_input)
        return maps + layer.outputs + self.splines_of(layer) * (products + by_node)

    def parameters_by(self, convention: str) -> int | None:
        if convention != "kanbefair" or self.rank > 1:
            return None
        return kanbefair.spline_mlp_parameters(
            self.shape, self.grid, self.order, self.place == "before"
        )

    def kanbefair_flops(self, layer: Layer) -> int:
        sizes = (layer.inputs, layer.outputs, self.grid, self.order)
        return kanbefair.spline_mlp_layer_flops(*sizes, self.place == "before")


class SplineMlp(Splined):
    """An MLP with learnable B-splines on its nodes: `after` the linear map, on hidden nodes, or
    `before` it, on inputs.

    KANbeFair (Yu et al. 2024) calls them BSpline_MLP and BSpline_First_MLP. `noise` over G is the
    range of the values of the initial splines at their knots: theirs is small, made for Adam. (On
    exp2d at G = 5, L-BFGS and Levenberg- Marquardt ended 2 to 300 times lower with 5.)

    Where splines stand before the map a node may have several, `rank` of them, all of which the map
    takes: the coefficients of an input's edges are then a matrix of that rank, outputs by bases:
    from an MLP with splines, at rank 1, to a KAN without base, at full rank.
    """

    network = SplineMlpShape
    colour = "#CC79A7"  # reddish purple
    sizes = ("grid",)
    # KANbeFair's noise is 0.1; 5 ended 2 to 300 times lower on exp2d. Orders and grids as a KAN's.
    standard_space = {
        "architecture.place": ("after", "before"),
        "architecture.order": (2, 3, 4, 5),
        "architecture.grid": Range(low=3, high=20, log=True),
        "architecture.width": Range(low=1, high=10, log=True),
        "architecture.depth": Range(low=2, high=4),
        "architecture.noise": Range(low=0.1, high=10.0, log=True),
        "recipe.grid_updates": (None, {"every": 20, "until": 100}),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["spline_mlp"]
    grid: PositiveInt | None = Field(None, description="intervals per spline, G")
    order: SplineOrder = 3
    place: SplinePlace = "after"
    rank: PositiveInt = left_out_at(1, "splines per input; more than one only before the map")
    noise: Positive = 0.1

    @model_validator(mode="after")
    def _rank_is_of_inputs(self) -> SplineMlp:
        if self.rank > 1 and self.place != "before":
            raise ValueError(
                f"rank={self.rank}: a node has several splines only before the map; say "
                "place: before"
            )
        return self


# --------------------------------------------------------------------------------------------------
# splines of nodes
def activate(coef: Tensor, active: spline.ActiveBases) -> Tensor:
    """Every node through its splines, [R, K J, N]: the first of all nodes, then the second of all,
    and so on.
    """
    return spline.each_spline(of_splines(coef), active).flatten(1, 2)
