"""Architectures as a user writes them: a family, what is its own, and sizes, of which one may be left open."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.spec.counts import Positive
from harness.spec.frozen import Frozen
from harness.spec.module import Module
from harness.spec.networks import OMEGA_0, Activation, Base, Order, Place
from harness.spec.search import Range, Space

# The deepest network there can be, which is also the deepest that a solver tries (`harness.planning.solve`).
LARGEST_DEPTH = 2**10

Depth = Annotated[int, Field(ge=1, le=LARGEST_DEPTH)]
Hidden = Annotated[tuple[PositiveInt, ...], Field(max_length=LARGEST_DEPTH - 1)]


class Layered(Frozen):
    """The sizes that every family has: give `hidden`, or `depth` and `width`, and leave out what is solved for."""

    hidden: Hidden | None = None
    depth: Depth | None = Field(None, description="layers of weights, output layer included")
    width: PositiveInt | None = Field(None, description="hidden nodes per layer")


class Mlp(Layered):
    """A multilayer perceptron; give `hidden`, or `depth` and `width`, and leave out the one that is solved for.

    With `prelu` every hidden node has a slope of its own below 0, which is trained and starts at 0.25 (He et al. 2015).
    `sine` is sin(omega_0 z) of what a linear map gives, and starts as SIREN does (Sitzmann et al. 2020; the `gain` of a
    recipe multiplies that start too).

    With `features` the network does not see its inputs x, but that many random Fourier features of them, each a sine
    and a cosine: sin(2 pi B x) and cos(2 pi B x) (Tancik et al. 2020). B is drawn from the run's seed, N(0,
    `features_sigma`^2), and is not trained. Networks see the task's box as [-1, 1]^d, so sigma
    is in cycles per half a side of it. The same waves in their units, of inputs in [0, 1], have twice that sigma.
    """

    # Activations of the KAN paper, KANbeFair (Yu et al. 2024), PINNs and SIREN, whose omega_0 is 30. The sigmas
    # of Tancik et al. are 1 to 100 on the unit box. Gains of 6 and 10 led on J0 in the pilot (results/LOG.md).
    standard_space: ClassVar[Space] = {
        "architecture.activation": ("silu", "tanh", "gelu", "relu", "sine"),
        "architecture.omega_0": Range(low=3.0, high=60.0, log=True, when={"architecture.activation": "sine"}),
        "architecture.features": (None, 8),
        "architecture.features_sigma": Range(low=0.3, high=10.0, log=True, when={"architecture.features": 8}),
        "architecture.depth": Range(low=2, high=5),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["mlp"]
    activation: Activation = "silu"
    omega_0: Positive = Field(
        OMEGA_0, description="frequency of activation: sine", exclude_if=lambda value: value == OMEGA_0
    )
    features: PositiveInt | None = Field(
        None, description="random Fourier features, a sine and a cosine each", exclude_if=lambda value: value is None
    )
    features_sigma: Positive = Field(
        1.0, description="standard deviation of their frequencies", exclude_if=lambda value: value == 1.0
    )

    @model_validator(mode="after")
    def _settings_have_a_use(self) -> Mlp:
        if "omega_0" in self.model_fields_set and self.activation != "sine":
            raise ValueError(
                f"omega_0={self.omega_0:g}: it is the frequency of activation: sine, and this is {self.activation}; "
                "leave omega_0 out, or say activation: sine"
            )
        if "features_sigma" in self.model_fields_set and self.features is None:
            raise ValueError(
                f"features_sigma={self.features_sigma:g}: it is of Fourier features, and there are none; leave it out, "
                "or give their number, such as features: 32"
            )
        return self


class Kan(Layered):
    """A B-spline KAN (Liu et al. 2024, eq. 2.10): phi(x) = w_b silu(x) + w_s sum_i c_i B_i(x) on every edge.

    A `base` that is `frozen` keeps the w_b that it was drawn with: they are computed, but are no parameters.
    `scales` (w_s) is redundant with the coefficients: off unless asked for, on when the arm's recipe is `paper`.
    `noise` is the standard deviation of the initial c_i.
    """

    # Grids 3 to 20 and cubic splines are the KAN paper's, noise of 0.1 to 0.5 pykan's; order 5 led on exp2d in the
    # pilot (results/LOG.md).
    standard_space: ClassVar[Space] = {
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
    order: Order = 3
    base: Base = True
    scales: bool | None = None
    bias: bool = False
    noise: Annotated[FiniteFloat, Field(gt=0)] = 0.1


class SplineMlp(Layered):
    """An MLP with learnable B-splines on its nodes: `after` the linear map, on hidden nodes, or `before` it, on inputs.

    KANbeFair (Yu et al. 2024) calls them BSpline_MLP and BSpline_First_MLP. `noise` over G is the range of the values
    of the initial splines at their knots: theirs is small, made for Adam. (On exp2d at G = 5, L-BFGS and Levenberg-
    Marquardt ended 2 to 300 times lower with 5.)

    Where splines stand before the map a node may have several, `rank` of them, all of which the map takes: the
    coefficients of an input's edges are then a matrix of that rank, outputs by bases: from an MLP with splines, at rank
    1, to a KAN without base, at full rank.
    """

    # KANbeFair's noise is 0.1; 5 ended 2 to 300 times lower on exp2d. Orders and grids as a KAN's.
    standard_space: ClassVar[Space] = {
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
    order: Order = 3
    place: Place = "after"
    rank: PositiveInt = Field(
        1, description="splines per input; more than one only before the map", exclude_if=lambda value: value == 1
    )
    noise: Annotated[FiniteFloat, Field(gt=0)] = 0.1

    @model_validator(mode="after")
    def _rank_is_of_inputs(self) -> SplineMlp:
        if self.rank > 1 and self.place != "before":
            raise ValueError(f"rank={self.rank}: a node has several splines only before the map; say place: before")
        return self


class RbfKan(Layered):
    """FastKAN (Li 2024): LayerNorm, `grid` Gaussians an input, a linear map; beside it one of silu(x), with bias.

    Without `norm` the Gaussians, on [-2, 2], see inputs as they are. Of few inputs LayerNorm keeps little, of two the
    sign of their difference; layers of one input have none.
    """

    # FastKAN's own grid is 8, with LayerNorm.
    standard_space: ClassVar[Space] = {
        "architecture.grid": Range(low=4, high=16, log=True),
        "architecture.norm": (True, False),
        "architecture.depth": Range(low=2, high=3),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["rbf_kan"]
    grid: PositiveInt | None = Field(None, description="Gaussians per input")
    norm: bool = True


class ChebyshevKan(Layered):
    """ChebyKAN (Synodic 2024): sum_n c_n T_n(tanh x) on every edge, n = 0..degree."""

    # ChebyKAN's examples have degrees 4 and 8.
    standard_space: ClassVar[Space] = {
        "architecture.degree": Range(low=3, high=10),
        "architecture.depth": Range(low=2, high=3),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["chebyshev_kan"]
    degree: PositiveInt | None = None


class FourierKan(Layered):
    """FourierKAN (GistNoesis 2024): sum_n a_n cos(n x) + b_n sin(n x) on every edge, n = 1..harmonics, and a bias."""

    standard_space: ClassVar[Space] = {
        "architecture.harmonics": Range(low=2, high=16, log=True),
        "architecture.depth": Range(low=2, high=3),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["fourier_kan"]
    harmonics: PositiveInt | None = None


class RationalKan(Layered):
    """GR-KAN, the layer of KAT (Yang & Wang 2024): a rational function P/(1 + |Q|) an input, then a linear map.

    One numerator (degree m, m + 1 coefficients) a layer, one denominator (degree n, no constant) a group of inputs;
    layers of fewer inputs than `groups` have one an input.
    """

    # KAT's own orders are 5 and 4, with 8 groups.
    standard_space: ClassVar[Space] = {
        "architecture.numerator": Range(low=3, high=7),
        "architecture.denominator": Range(low=2, high=6),
        "architecture.groups": (1, 8),
        "architecture.depth": Range(low=2, high=5),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["rational_kan"]
    numerator: PositiveInt = 5
    denominator: PositiveInt = 4
    groups: PositiveInt = 8


Architecture = Annotated[
    Mlp | Kan | SplineMlp | RbfKan | ChebyshevKan | FourierKan | RationalKan | Module, Field(discriminator="family")
]
