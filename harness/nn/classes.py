"""A class for each family, with its settings as arguments; `harness.families` says what each of
them computes.

Arguments that all of them have:

- `shape`: nodes from inputs to outputs, `[2, 5, 1]`
- `gain` (1.0): multiplies initial values, as a recipe's `gain` does
- `generator`: a seed, or a generator of numpy or torch, that initial values are drawn from; left
  out, they differ from call to call. Global seeds have no effect
- `dtype`, `device`: as in torch
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from matplotlib.figure import Figure
from pydantic import ValidationError
from torch import Tensor

from harness import families
from harness.base.errors import HarnessError
from harness.families import FAMILIES, Activation, KanShape, Layered, ShapeBase
from harness.families.gated_mlp import Gate
from harness.families.kan import Base
from harness.families.mlp import OMEGA_0
from harness.families.spline_mlp import SplinePlace
from harness.nn.network import Drawing, NetworkModule, SplinedModule, drawn

CURVE_POINTS = 201  # of the functions on edges


class KAN(SplinedModule):
    """A Kolmogorov-Arnold network: on every edge w silu(x) + a spline of `order` on `grid`
    intervals of [low, high].

    Outside of its interval a spline is 0. `base=False` leaves w silu(x) out, and `base="frozen"`
    keeps w as drawn. `scales` gives every spline a factor, `bias` every output node a shift.
    `noise` is the standard deviation of the initial coefficients.
    """

    if TYPE_CHECKING:
        network: KanShape

    def __init__(
        self,
        shape: Sequence[int],
        grid: int = 5,
        order: int = 3,
        *,
        base: Base = True,
        scales: bool = False,
        bias: bool = False,
        noise: float = 0.1,
        low: float = -1.0,
        high: float = 1.0,
        **drawing: Unpack[Drawing],
    ):
        settings = {
            "grid": grid,
            "order": order,
            "base": base,
            "scales": scales,
            "bias": bias,
            "noise": noise,
        }
        super().__init__(*_lane("kan", shape, {**settings, "low": low, "high": high}, drawing))

    def edges(self, x: Tensor) -> list[Tensor]:
        """What every edge gives at points x [N, inputs]: [N, outputs, inputs] for each layer."""
        self.check_points(x)
        edge_values, _ = families.edges(
            self.network, self.flat_lane(), self.knots_of_lane(), x[None]
        )
        return [edge_ROIN[0].permute(2, 0, 1) for edge_ROIN in edge_values]

    @torch.no_grad()
    def plot_edges(self) -> Figure:
        """A new figure of the functions on all edges, over the interval of their knots: a panel for
        each input node.
        """
        from harness.show.figures.edges import EdgeCurves, edges_figure

        network, curves = self.network, []
        parameters = families.unflatten(network, self.flat_lane())
        for layer, knots_1IT in zip(network.layers, self.knots_of_lane(), strict=True):
            alone = network.model_copy(update={"shape": (layer.inputs, layer.outputs)})
            renamed = {
                f"layer0.{name}": value
                for name, value in families.of_layer(parameters, layer.number).items()
            }
            low_I, high_I = knots_1IT[0, :, network.order], knots_1IT[0, :, -network.order - 1]
            x_NI = low_I + torch.linspace(0, 1, CURVE_POINTS).to(knots_1IT)[:, None] * (
                high_I - low_I
            )
            (edge_1OIN,), _ = families.edges(
                alone, families.flatten(alone, renamed), [knots_1IT], x_NI[None]
            )
            for node in range(layer.inputs):
                x, y = x_NI[:, node].numpy(force=True), edge_1OIN[0, :, node].numpy(force=True)
                curves.append(EdgeCurves(f"layer {layer.number + 1}, input {node + 1}", x, y))
        return edges_figure(curves, f"KAN {network.words}")


class SplineMLP(SplinedModule):
    """An MLP with a learnable spline on each node: `after` the linear map, on hidden nodes, or
    `before` it, on inputs.

    With `place="before"` a node may have several splines, `rank` of them. `noise` over `grid` is
    the range of their initial values at the knots.
    """

    def __init__(
        self,
        shape: Sequence[int],
        grid: int = 5,
        order: int = 3,
        *,
        place: SplinePlace = "after",
        rank: int = 1,
        noise: float = 0.1,
        low: float = -1.0,
        high: float = 1.0,
        **drawing: Unpack[Drawing],
    ):
        settings = {"grid": grid, "order": order, "place": place, "rank": rank, "noise": noise}
        super().__init__(
            *_lane("spline_mlp", shape, {**settings, "low": low, "high": high}, drawing)
        )


class GatedMLP(NetworkModule):
    """An MLP whose hidden nodes are an activation of one linear map times another: `silu` is
    SwiGLU, `gelu` GEGLU.
    """

    def __init__(
        self, shape: Sequence[int], *, activation: Gate = "silu", **drawing: Unpack[Drawing]
    ):
        super().__init__(*_lane("gated_mlp", shape, {"activation": activation}, drawing))


class MLP(NetworkModule):
    """A multilayer perceptron. `activation` is silu, relu, tanh, gelu, prelu, or sine, sin(omega_0
    z) as in SIREN.

    With `features` it sees a sine and a cosine of that many random projections of its inputs, whose
    frequencies have the standard deviation `features_sigma`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        activation: Activation = "silu",
        omega_0: float = OMEGA_0,
        features: int | None = None,
        features_sigma: float = 1.0,
        **drawing: Unpack[Drawing],
    ):
        settings: dict[str, Any] = {"activation": activation}
        if omega_0 != OMEGA_0:
            settings["omega_0"] = omega_0
        if features is not None:
            settings |= {"features": features, "features_sigma": features_sigma}
        super().__init__(*_lane("mlp", shape, settings, drawing))


class RBFKAN(NetworkModule):
    """FastKAN: `grid` Gaussians of each input, then a linear map; beside it silu(x). `norm` adds
    LayerNorm before.
    """

    def __init__(
        self, shape: Sequence[int], grid: int = 8, *, norm: bool = True, **drawing: Unpack[Drawing]
    ):
        super().__init__(*_lane("rbf_kan", shape, {"grid": grid, "norm": norm}, drawing))


class ChebyshevKAN(NetworkModule):
    """ChebyKAN: Chebyshev polynomials up to `degree` of tanh(x), then a linear map."""

    def __init__(self, shape: Sequence[int], degree: int = 4, **drawing: Unpack[Drawing]):
        super().__init__(*_lane("chebyshev_kan", shape, {"degree": degree}, drawing))


class FourierKAN(NetworkModule):
    """FourierKAN: cosines and sines of 1 to `harmonics` times each input, then a linear map with a
    bias.
    """

    def __init__(self, shape: Sequence[int], harmonics: int = 4, **drawing: Unpack[Drawing]):
        super().__init__(*_lane("fourier_kan", shape, {"harmonics": harmonics}, drawing))


class RationalKAN(NetworkModule):
    """GR-KAN: a rational function P / (1 + |Q|) of each input, then a linear map.

    `numerator` and `denominator` are the degrees of P and Q; `groups` of neighbouring inputs share
    a Q.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        numerator: int = 5,
        denominator: int = 4,
        groups: int = 8,
        **drawing: Unpack[Drawing],
    ):
        settings = {"numerator": numerator, "denominator": denominator, "groups": groups}
        super().__init__(*_lane("rational_kan", shape, settings, drawing))


class GroupedChebyshevKAN(NetworkModule):
    """A Chebyshev series up to `degree` of tanh(x) for each of `groups` of neighbouring inputs,
    then a linear map.
    """

    def __init__(
        self, shape: Sequence[int], *, degree: int = 5, groups: int = 8, **drawing: Unpack[Drawing]
    ):
        super().__init__(
            *_lane("grouped_chebyshev", shape, {"degree": degree, "groups": groups}, drawing)
        )


CLASSES: dict[str, type[NetworkModule]] = {
    "kan": KAN,
    "spline_mlp": SplineMLP,
    "mlp": MLP,
    "gated_mlp": GatedMLP,
    "rbf_kan": RBFKAN,
    "chebyshev_kan": ChebyshevKAN,
    "fourier_kan": FourierKAN,
    "rational_kan": RationalKAN,
    "grouped_chebyshev": GroupedChebyshevKAN,
}


def module_of(network: ShapeBase, flat_1P: Tensor, knots: Sequence[Tensor]) -> NetworkModule:
    """A module with these parameters [1, P] and knots, of the class of its family."""
    kind = CLASSES.get(network.family, NetworkModule)
    made = kind.__new__(kind)
    NetworkModule.__init__(made, network, flat_1P, knots)
    return made


def _lane(
    family: str, shape: Sequence[int], settings: dict[str, Any], drawing: Drawing
) -> tuple[ShapeBase, Tensor, list[Tensor]]:
    """A network with drawn values; a HarnessError names the argument that is wrong, and what is
    allowed.
    """
    architecture = FAMILIES[family]
    assert issubclass(architecture, Layered)
    of_file = {name: value for name, value in settings.items() if name in architecture.model_fields}
    try:
        network = architecture.network(shape=tuple(shape), **settings)
        architecture.model_validate({"family": family, "hidden": tuple(shape[1:-1]), **of_file})
    except ValidationError as error:
        detail = error.errors()[0]
        place = ".".join(map(str, detail["loc"]))
        where = f"{place}={detail['input']!r}: " if place else ""
        raise HarnessError(
            f"{family}: {where}{detail['msg'].removeprefix('Value error, ')}"
        ) from None
    return drawn(network, **drawing)
