"""Multilayer perceptrons, with Fourier features of their inputs where they ask for them.

Shape suffixes: R lanes, I inputs, O outputs, N samples, F frequencies of Fourier features, D
variables, Q = D + 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import pi, sqrt
from typing import TYPE_CHECKING, Literal

from pydantic import PositiveInt, model_validator

from harness.base.frozen import Positive, left_out_at
from harness.families import kanbefair
from harness.families.base import Layer, Layered, LayeredShape
from harness.families.later import Device, F, Knots, Tensor, jets, np, torch
from harness.families.linear import draw_linear, evaluate_dense, linear
from harness.families.prices import BACKWARD, activation_price
from harness.families.shape import Prices
from harness.families.space import Range

if TYPE_CHECKING:
    from harness.families.jacobian import Trace

Activation = Literal["silu", "relu", "tanh", "gelu", "prelu", "sine"]

OMEGA_0 = 30.0  # Sitzmann et al. 2020, section 3.2: it worked well for all of their applications
PRELU_SLOPE = 0.25  # to start with, as torch.nn.PReLU
PRELU_OPERATIONS = 3  # as torch executes it: a compare, a product and a selection


class MlpShape(LayeredShape):
    """A resolved MLP."""

    family: Literal["mlp"] = "mlp"
    activation: Activation = "silu"
    omega_0: Positive = left_out_at(OMEGA_0)
    features: PositiveInt | None = left_out_at(None)
    features_sigma: Positive = left_out_at(1.0)

    title = "MLP"
    letters = {"features": "F"}
    scaled = ("weight", "bias")
    begins_by = ("features_sigma",)
    has_second_derivatives = True
    kernels = "mlp"

    @property
    def nodes(self) -> tuple[int, ...]:
        """As of others; with Fourier features the first layer takes a sine and a cosine of each,
        not the inputs.
        """
        return self.shape if self.features is None else (2 * self.features, *self.shape[1:])

    @property
    def words(self) -> str:
        return super().words + (f" {self.activation}" if self.activation != "silu" else "")

    @property
    def long_words(self) -> str:
        activation = f"sin({self.omega_0:g} z)" if self.activation == "sine" else self.activation
        features = (
            f" of {self.features} Fourier features, sigma {self.features_sigma:g}"
            if self.features
            else ""
        )
        return f"{self.titled}{features}, {activation}"

    @property
    def numbers_of_input(self) -> int:
        return 1

    # ----------------------------------------------------------------------------------------------
    # parameters
    def layer_shapes(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        dense: dict[str, tuple[int, ...]] = {
            "weight": (layer.inputs, layer.outputs),
            "bias": (layer.outputs,),
        }
        has_slopes = self.activation == "prelu" and not layer.is_last
        return {**dense, "slope": (layer.outputs,)} if has_slopes else dense

    def draw(
        self, layer: Layer, name: str, shape: tuple[int, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """Linear maps as torch.nn.Linear, but for the weights of a sine network.

        These are SIREN's (Sitzmann et al. 2020, section 3.2 and github.com/vsitzmann/siren):
        U(+-1/I) in the first layer, U(+-sqrt(6/I)/omega_0) in all others, the last one included, by
        which omega_0 W h has a variance of about 1 in each of them. Biases keep torch's default, as
        in their code: a phase of up to omega_0/sqrt(I).
        """
        if name == "slope":
            return np.full(shape, PRELU_SLOPE)
        if name == "weight" and self.activation == "sine":
            bound = (
                1 / layer.inputs if layer.starts_as_first else sqrt(6 / layer.inputs) / self.omega_0
            )
            return generator.uniform(-bound, bound, shape)
        return draw_linear(layer.inputs, shape, generator)

    def draw_knots(
        self, generators: Sequence[np.random.Generator], dtype: torch.dtype, device: Device
    ) -> list[Tensor]:
        """What the inputs are multiplied with, [R, I, F]: 2 pi B, and B N(0, sigma^2)."""
        if self.features is None:
            return []
        size = (self.inputs, self.features)
        lanes_RIF = np.stack(
            [2 * pi * self.features_sigma * rng.standard_normal(size) for rng in generators]
        )
        return [torch.from_numpy(lanes_RIF).to(device=device, dtype=dtype)]

    @property
    def carried(self) -> int:
        return 1 if self.features else 0

    @property
    def carried_scalars(self) -> int:
        """The frozen numbers of Fourier features: an input is multiplied with F of them."""
        return self.inputs * (self.features or 0)

    # ----------------------------------------------------------------------------------------------
    # evaluation
    def inputs_of_first(self, knots: Knots, x_RIN: Tensor) -> Tensor:
        """The inputs, or sines and then cosines of their products with the frequencies."""
        if self.features is None:
            return x_RIN
        phase_RFN = linear(knots[0], x_RIN, None)
        return torch.cat([torch.sin(phase_RFN), torch.cos(phase_RFN)], 1)

    def evaluate_layer(
        self, layer: Layer, weights: Mapping[str, Tensor], knots: Knots, h_RIN: Tensor
    ) -> Tensor:
        z_RON = evaluate_dense(weights, h_RIN)
        return z_RON if layer.is_last else self.activate(weights, z_RON)

    def activate(self, weights: Mapping[str, Tensor], z_RON: Tensor) -> Tensor:
        """What the activation makes of the outputs of a hidden layer; gelu is the exact one, x
        Phi(x).
        """
        match self.activation:
            case "prelu":
                return torch.where(z_RON > 0, z_RON, weights["slope"][:, :, None] * z_RON)
            case "sine":
                return torch.sin(self.omega_0 * z_RON)
            case "tanh":
                return torch.tanh(z_RON)
        return getattr(F, self.activation)(z_RON)

    def trace(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, h_RIN: Tensor, trace: Trace
    ) -> Tensor:
        """Slopes of prelu are a layer of their own."""
        dense = {name: weights[name] for name in ("weight", "bias")}
        z_RON = trace.add(dense, h_RIN, evaluate_dense(dense, h_RIN))
        if layer.is_last:
            return z_RON
        h_RON = self.activate(weights, z_RON)
        return trace.add({"slope": weights["slope"]}, z_RON, h_RON) if "slope" in weights else h_RON

    def jets_of_first(self, knots: Knots, jet_RIQN: Tensor) -> Tensor:
        if not self.features:
            return jet_RIQN
        phase_RFQN = jets.mapped(knots[0], jet_RIQN)
        return torch.cat([jets.through(phase_RFQN, wave) for wave in (jets.sine, jets.cosine)], 1)

    def jet_layer(
        self, layer: Layer, weights: dict[str, Tensor], knots: Knots, jet_RIQN: Tensor
    ) -> Tensor:
        z_ROQN = jets.shifted(jets.mapped(weights["weight"], jet_RIQN), weights["bias"])
        if layer.is_last:
            return z_ROQN
        sine = partial(jets.sine, omega=self.omega_0)
        return jets.through(
            z_ROQN, sine if self.activation == "sine" else getattr(jets, self.activation)
        )

    # ----------------------------------------------------------------------------------------------
    # counts
    def layer_flops(self, layer: Layer, convention: str, prices: Prices) -> int:
        """E multiplies, E - O adds and O bias adds; activations on hidden layers only."""
        activation = (
            0 if layer.is_last else activation_price(self.activation, prices) * layer.outputs
        )
        return 2 * layer.edges + activation

    def flops_before(self, prices: Prices | None) -> int:
        """Of Fourier features: products with F frequencies, and their waves."""
        waves = prices["sin"] + prices["cos"] if prices else 0
        return 2 * self.carried_scalars + waves * (self.features or 0)

    def layer_executed(self, layer: Layer, prices: Prices) -> int:
        price = (
            PRELU_OPERATIONS
            if self.activation == "prelu"
            else activation_price(self.activation, prices)
        )
        return 2 * layer.edges + (0 if layer.is_last else price * layer.outputs)

    def layer_backward(self, layer: Layer) -> int:
        activation = 0 if layer.is_last else BACKWARD[self.activation] * layer.outputs
        return (
            2 * layer.edges
            + (2 * layer.edges if layer.needs_input_gradient else 0)
            + layer.outputs
            + activation
        )

    def parameters_by(self, convention: str) -> int | None:
        """`paper`: weights without biases."""
        if convention == "paper":
            return sum(layer.edges for layer in self.layers)
        is_theirs = (
            convention == "kanbefair"
            and self.activation not in ("prelu", "sine")
            and self.features is None
        )
        return kanbefair.mlp_parameters(self.shape) if is_theirs else None

    def kanbefair_flops(self, layer: Layer) -> int:
        return kanbefair.mlp_layer_flops(layer.inputs, layer.outputs, self.activation)


class Mlp(Layered):
    """A multilayer perceptron; give `hidden`, or `depth` and `width`, and leave out the one that is
    solved for.

    With `prelu` every hidden node has a slope of its own below 0, which is trained and starts at
    0.25 (He et al. 2015). `sine` is sin(omega_0 z) of what a linear map gives, and starts as SIREN
    does (Sitzmann et al. 2020; the `gain` of a recipe multiplies that start too).

    With `features` the network does not see its inputs x, but that many random Fourier features of
    them, each a sine and a cosine: sin(2 pi B x) and cos(2 pi B x) (Tancik et al. 2020). B is drawn
    from the run's seed, N(0, `features_sigma`^2), and is not trained. Networks see the task's box
    as [-1, 1]^d, so sigma is in cycles per half a side of it. The same waves in their units, of
    inputs in [0, 1], have twice that sigma.
    """

    network = MlpShape
    colour = "#E69F00"  # orange
    # Activations of the KAN paper, KANbeFair (Yu et al. 2024), PINNs and SIREN, whose omega_0 is
    # 30. The sigmas of Tancik et al. are 1 to 100 on the unit box. Gains of 6 and 10 led on J0 in
    # the pilot (results/LOG.md).
    standard_space = {
        "architecture.activation": ("silu", "tanh", "gelu", "relu", "sine"),
        "architecture.omega_0": Range(
            low=3.0, high=60.0, log=True, when={"architecture.activation": "sine"}
        ),
        "architecture.features": (None, 8),
        "architecture.features_sigma": Range(
            low=0.3, high=10.0, log=True, when={"architecture.features": 8}
        ),
        "architecture.depth": Range(low=2, high=5),
        "recipe.gain": Range(low=0.5, high=10.0, log=True),
    }

    family: Literal["mlp"]
    activation: Activation = "silu"
    omega_0: Positive = left_out_at(OMEGA_0, "frequency of activation: sine")
    features: PositiveInt | None = left_out_at(
        None, "random Fourier features, a sine and a cosine each"
    )
    features_sigma: Positive = left_out_at(1.0, "standard deviation of their frequencies")

    @model_validator(mode="after")
    def _settings_have_a_use(self) -> Mlp:
        if "omega_0" in self.model_fields_set and self.activation != "sine":
            raise ValueError(
                f"omega_0={self.omega_0:g}: it is the frequency of activation: sine, and this is "
                f"{self.activation}; "
                "leave omega_0 out, or say activation: sine"
            )
        if "features_sigma" in self.model_fields_set and self.features is None:
            raise ValueError(
                f"features_sigma={self.features_sigma:g}: it is of Fourier features, and there "
                "are none; leave it out, "
                "or give their number, such as features: 32"
            )
        return self

    def why_no_pde(self) -> str | None:
        if self.activation in ("relu", "prelu"):
            return (
                f"activation={self.activation}: its second derivative is 0, so that no PDE of "
                "second order can be "
                "learnt; use silu, tanh, gelu or sine"
            )
        return None
