"""B-spline KANs: phi(x) = w_b silu(x) + w_s sum_i c_i B_i(x) on every edge (Liu et al. 2024, eq.
2.10).

As in pykan from 0.2 on, knots belong to an input node and are shared by its edges.

Shape suffixes: R lanes, I inputs, O outputs, N samples, T knots, C coefficients of a spline, P
trainable scalars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveInt

from harness.base.frozen import Positive
from harness.families import kanbefair
from harness.families.base import Layer, samples_last
from harness.families.later import F, Knots, Tensor, jets, np, product, spline, torch, wide
from harness.families.layout import flatten, of_layer, unflatten
from harness.families.linear import whole
from harness.families.prices import BACKWARD
from harness.families.shape import Prices
from harness.families.space import Range
from harness.families.splined import KnotMove, Splined, SplinedShape, SplineOrder

if TYPE_CHECKING:
    from harness.families.jacobian import Trace

Base = bool | Literal["frozen"]

# A layer is wide if k+1 passes over its edges hold this many times as many numbers as the bases of
# its inputs. Fitted once, over 504 pairs of outputs (1 to 64) and intervals (3 to 200) with orders
# 1, 3 and 5, in float64 and float32, on one core of an AMD EPYC (AVX-512): all 144 layers that were
# wide by it were evaluated 1.3 to 37 times faster (median 2.7) as one product, forward and
# backward; of the others the median was slower so. Layers of fewer edges would gain little, and
# kept runs of toy networks would train to other last bits.
WIDE, FEW_EDGES = 3, 32


class KanShape(SplinedShape):
    """A resolved KAN; knots start uniform on [low, high] in every layer."""

    family: Literal["kan"] = "kan"
    grid: PositiveInt
    order: SplineOrder = 3
    base: Base = True
    scales: bool = False
    bias: bool = False
    noise: float = 0.1
    low: float = -1.0
    high: float = 1.0

    title = "KAN"
    letters = {"grid": "G", "order": "k"}
    scaled = ("coef", "base")
    begins_by = ("noise",)
    has_second_derivatives = True
    kernels = "kan"

    def without_levenberg(self) -> str | None:
        if self.base != "frozen":
            return None
        return (
            "levenberg_marquardt moves all that a network has, so no base: frozen; use "
            "lbfgs or adam"
        )

    def torch_version(self, knots_move: bool) -> int:
        """2 since wide layers are one product, too."""
        return 2 if any(map(self.is_wide, self.layers)) else super().torch_version(knots_move)

    # ----------------------------------------------------------------------------------------------
    # parameters
    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        edges = (layer.inputs, layer.outputs)
        shapes: dict[str, tuple[int, ...]] = {
            "coef": (layer.inputs, self.grid + self.order, layer.outputs)
        }
        if self.base:
            shapes["base"] = edges
        if self.scales:
            shapes["scale"] = edges
        if self.bias:
            shapes["bias"] = (layer.outputs,)
        return shapes

    @property
    def frozen_names(self) -> frozenset[str]:
        return frozenset({"base"}) if self.base == "frozen" else frozenset()

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """The paper's section 2.2: c_i ~ N(0, noise^2), w_b Xavier uniform, U(+-sqrt(6 / (I + O))),
        and w_s = 1.
        """
        match name:
            case "coef":
                return self.noise * generator.standard_normal(shape)
            case "base":
                bound = sqrt(6 / sum(shape))
                return generator.uniform(-bound, bound, shape)
            case "scale":
                return np.ones(shape)
        return np.zeros(shape)

    @property
    def spline_systems(self) -> list[tuple[int, int]]:
        return [(layer.inputs, layer.outputs) for layer in self.layers]

    # ----------------------------------------------------------------------------------------------
    # evaluation
    def evaluate_layer(
        self,
        layer: Layer,
        weights: Mapping[str, Tensor],
        knots: Knots,
        h_RIN: Tensor,
        active: spline.ActiveBases | None = None,
    ) -> Tensor:
        """By the way that is faster for a layer's shape; `active` if they are known."""
        h_RIN, knots_RIT = whole(h_RIN), knots[layer.number]
        if not self.is_wide(layer):
            return evaluate_locally(
                weights, active or spline.active_bases(knots_RIT, h_RIN, self.order), h_RIN
            )
        return with_bias(
            weights,
            wide.evaluate(h_RIN, knots_RIT, scaled_coefficients(weights), weights.get("base")),
        )

    def is_wide(self, layer: Layer) -> bool:
        """Whether a layer is evaluated as one product (`harness.families.wide`): by shape alone,
        for equal bits.
        """
        return (
            layer.edges >= FEW_EDGES
            and WIDE * (self.grid + self.order) <= (self.order + 1) * layer.outputs
        )

    def numbers_of_layer(self, layer: Layer) -> int:
        """Where it is not wide, coefficients and places of the k+1 active bases of every edge."""
        if self.is_wide(layer):
            return super().numbers_of_layer(layer)
        return layer.inputs * (self.order + 1) * (layer.outputs + 5) + layer.outputs

    def trace(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, h_RIN: Tensor, trace: Trace
    ) -> Tensor:
        active = spline.active_bases(knots[layer.number], h_RIN, self.order)
        z_RON = self.evaluate_layer(layer, weights, knots, h_RIN, active)
        return trace.add(weights, h_RIN, z_RON, active=active)

    def jet_layer(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, jet_RIQN: Tensor
    ) -> Tensor:
        y_ROQN = jets.through_splines(
            scaled_coefficients(weights), jet_RIQN, knots[layer.number], self.order
        )
        if "base" in weights:
            y_ROQN = y_ROQN + jets.mapped(weights["base"], jets.through(jet_RIQN, jets.silu))
        return jets.shifted(y_ROQN, weights["bias"]) if "bias" in weights else y_ROQN

    def update_knots(
        self, parameters: dict[str, Tensor], knots: Knots, h_RIN: Tensor, how: KnotMove
    ) -> tuple[Mapping[str, Tensor], list[Tensor]]:
        moved = []
        for layer, old_RIT in zip(self.layers, knots, strict=True):
            x_RIN = h_RIN[..., : how.samples]
            new_RIT = spline.knots_from_samples(
                x_RIN, self.grid, self.order, how.grid_eps, how.margin
            )
            name = f"layer{layer.number}.coef"
            parameters[name] = spline.move_spline(
                parameters[name], old_RIT, new_RIT, x_RIN, self.order, how.solver
            )
            weights = of_layer(parameters, layer.number)
            if (
                how.solver == "gelsd"
            ):  # the compiled engine's, whose runs keep the bits that they have
                h_RIN = evaluate_locally(
                    weights, spline.active_bases(new_RIT, h_RIN, self.order), h_RIN
                )
            else:
                y_RON = wide.evaluate_in_parts(
                    h_RIN, new_RIT, scaled_coefficients(weights), weights.get("base")
                )
                h_RIN = with_bias(weights, y_RON)
            moved.append(new_RIT)
        return parameters, moved

    # ----------------------------------------------------------------------------------------------
    # counts
    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """Scales are folded into the coefficients, once for all samples."""
        basis, terms = self.spline_basis(convention)
        base = 2 * layer.edges + prices["silu"] * layer.inputs if self.base else 0
        bias = layer.outputs if self.bias else 0
        return layer.sites(convention) * basis + 2 * layer.edges * terms + base + bias

    def products(self, layer: Layer) -> int:
        """Of the local evaluator, whose spline part has no matrix product at all."""
        return 2 * layer.edges if self.base else 0

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        sums = 2 * layer.edges * (self.order + 1) + self.order * layer.outputs
        base = 2 * layer.edges + prices["silu"] * layer.inputs if self.base else 0
        return (
            layer.inputs * self.executed_bases + sums + base + (layer.outputs if self.bias else 0)
        )

    def layer_backward(self, layer: Layer) -> int:
        products = 2 * layer.edges * (self.order + 1)
        work = (
            products
            + (2 * layer.edges if self.base is True else 0)
            + (layer.outputs if self.bias else 0)
        )
        if not layer.needs_input_gradient:
            return work
        by_basis = (
            products if layer.outputs > 1 else products // 2
        )  # of one output there is nothing to sum over
        base = 2 * layer.edges + (BACKWARD["silu"] + 1) * layer.inputs if self.base else 0
        return work + by_basis + layer.inputs * self.executed_slopes + base

    @property
    def _shortcut(self) -> str:
        return "silu" if self.base else "zero"

    def parameters_by(self, convention: str) -> int | None:
        """`paper`: edges times G, which leaves out k, the base weights, the scales and the biases.

        At G = 3, k = 3 that is 5 of 8 scalars an edge. The author agreed that G should be G + k
        (pykan issue 408).
        """
        if convention == "paper":
            return sum(layer.edges for layer in self.layers) * self.grid
        is_theirs = convention == "kanbefair"
        return (
            kanbefair.kan_parameters(self.shape, self.grid, self.order, self._shortcut)
            if is_theirs
            else None
        )

    def kanbefair_flops(self, layer: Layer) -> int:
        return kanbefair.kan_layer_flops(
            layer.inputs, layer.outputs, self.grid, self.order, self._shortcut
        )


class Kan(Splined):
    """A B-spline KAN (Liu et al. 2024, eq. 2.10): phi(x) = w_b silu(x) + w_s sum_i c_i B_i(x) on
    every edge.

    A `base` that is `frozen` keeps the w_b that it was drawn with: they are computed, but are no
    parameters. `scales` (w_s) is redundant with the coefficients: off unless asked for, on when the
    arm's recipe is `paper`. `noise` is the standard deviation of the initial c_i.
    """

    network = KanShape
    colour = "#0072B2"  # blue
    sizes = ("grid",)
    # Grids 3 to 20 and cubic splines are the KAN paper's, noise of 0.1 to 0.5 pykan's; order 5 led
    # on exp2d in the pilot (results/LOG.md).
    standard_space = {
        "architecture.order": (2, 3, 4, 5),
        "architecture.grid": Range(low=3, high=20, log=True),
        "architecture.width": Range(low=1, high=10, log=True),
        "architecture.depth": Range(low=2, high=3),
        "architecture.noise": Range(low=0.03, high=3.0, log=True),
        "recipe.grid_updates": (None, {"every": 20, "until": 100}),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["kan"]
    grid: PositiveInt | None = Field(None, description="intervals per spline, G")
    order: SplineOrder = 3
    base: Base = True
    scales: bool | None = None
    bias: bool = False
    noise: Positive = 0.1

    def why_no_pde(self) -> str | None:
        if self.order == 1:
            return (
                "order=1: splines of straight lines have no second derivative, by which a PDE is "
                "learnt; use order 3 "
                "or more"
            )
        return None


# --------------------------------------------------------------------------------------------------
# layers and edges
def evaluate_locally(
    weights: Mapping[str, Tensor], active: spline.ActiveBases, h_RIN: Tensor
) -> Tensor:
    """Outputs [R, O, N] of one layer, by gathering coefficients; `active` are the bases at its
    inputs.
    """
    y_RON = spline.spline_sum(scaled_coefficients(weights), active)
    if "base" in weights:
        y_RON = product.product(weights["base"].mT, F.silu(h_RIN), y_RON)
    return with_bias(weights, y_RON)


def with_bias(weights: Mapping[str, Tensor], y_RON: Tensor) -> Tensor:
    """The bias added, if the layer has one."""
    return y_RON + weights["bias"][:, :, None] if "bias" in weights else y_RON


def scaled_coefficients(weights: Mapping[str, Tensor]) -> Tensor:
    """The coefficients of a layer, [R, I, C, O], with its scales folded in."""
    return (
        weights["coef"] * weights["scale"][:, :, None, :] if "scale" in weights else weights["coef"]
    )


def edges(
    network: KanShape, flat_RP: Tensor, knots: Knots, x_RNI: Tensor
) -> tuple[list[Tensor], Tensor]:
    """What every edge gives, [R, O, I, N] a layer, and outputs [R, N, O]; differentiable as
    `forward` is.
    """
    parameters, h_RIN, samples = unflatten(network, flat_RP), samples_last(x_RNI), x_RNI.shape[1]
    of_layers = []
    for layer, knots_RIT in enumerate(knots):
        of_this = of_layer(parameters, layer)
        edge_ROIN = spline.each_spline(
            of_this["coef"], spline.active_bases(knots_RIT, h_RIN, network.order)
        )
        if "scale" in of_this:
            edge_ROIN = edge_ROIN * of_this["scale"].transpose(1, 2)[..., None]
        if "base" in of_this:
            edge_ROIN = (
                edge_ROIN + of_this["base"].transpose(1, 2)[..., None] * F.silu(h_RIN)[:, None]
            )
        h_RIN = with_bias(of_this, edge_ROIN.sum(2))
        of_layers.append(edge_ROIN[..., :samples])
    return of_layers, h_RIN[..., :samples].transpose(1, 2)


def keep_nodes(
    network: KanShape, flat_RP: Tensor, knots: Knots, kept: Sequence[Sequence[int]]
) -> tuple[KanShape, Tensor, list[Tensor]]:
    """The network of these nodes of each layer, inputs first and outputs last, its parameters and
    its knots.
    """
    indices = [torch.tensor(nodes, device=flat_RP.device) for nodes in kept]
    parameters = unflatten(network, flat_RP)
    for name, value in parameters.items():
        layer = int(name.removeprefix("layer").split(".")[0])
        if not name.endswith(".bias"):
            value = value.index_select(1, indices[layer])
        parameters[name] = value.index_select(-1, indices[layer + 1])
    smaller = network.model_copy(update={"shape": tuple(map(len, kept))})
    of_kept = [
        layer_RIT.index_select(1, nodes)
        for layer_RIT, nodes in zip(knots, indices[:-1], strict=True)
    ]
    return smaller, flatten(smaller, parameters), of_kept
