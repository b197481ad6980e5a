"""What all networks have in common: parameters and knots of one lane as a module, evaluated by
their family.

Shape suffixes: 1 the only lane, P parameters of the network, N points, I inputs, O outputs.
"""

import inspect
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Self, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from harness import families
from harness.base.errors import HarnessError, did_you_mean
from harness.count import count
from harness.families import ShapeBase, SplinedShape

Generator = np.random.Generator | torch.Generator | int

# What pykan (width, k, ...), efficient-kan (layers_hidden, grid_size, ...) and FastKAN (num_grids)
# call our arguments.
OTHER_WORDS = {
    "width": "shape",
    "layers_hidden": "shape",
    "seed": "generator",
    "grid_size": "grid",
    "num_grids": "grid",
}
OTHER_WORDS |= {
    "spline_order": "order",
    "k": "order",
    "noise_scale": "noise",
    "scale_noise": "noise",
}


class NetworkModule(nn.Module):
    """A network as a module: points [..., inputs] in, outputs [..., outputs] out.

    `network` is its frozen description. Parameters have the names of the family, such as
    `layer0.coef`, after that of their part if the network has several; what no optimiser moves
    (knots, or frequencies of Fourier features) are buffers.
    """

    def __new__(cls, *_arguments: Any, **named: Any) -> Self:
        """A HarnessError says what to write for an argument that other packages call otherwise."""
        _check_arguments(cls, named)
        return super().__new__(cls)

    def __init__(self, network: ShapeBase, flat_1P: Tensor, knots: Sequence[Tensor] = ()):
        super().__init__()
        self.network = network
        for name, value in families.unflatten(network, flat_1P.detach()).items():
            self._register(name, value[0], network.moves(name))
        self._keep_knots(knots)

    def _register(self, name: str, value: Tensor, requires_grad: bool) -> None:
        layer, _, parameter = name.rpartition(".")
        self._place(layer).register_parameter(parameter, nn.Parameter(value.clone(), requires_grad))

    def _keep_knots(self, knots: Sequence[Tensor]) -> None:
        for place, of_layer in zip(self.network.knot_places(knots), knots, strict=True):
            self._place(place).register_buffer("knots", of_layer[0].detach().clone())

    def _place(self, layer: str) -> nn.Module:
        """The module of a layer, in that of its part: both are made where they are missing."""
        place: nn.Module = self
        for name in layer.split("."):
            if name not in place._modules:
                place.add_module(name, nn.Module())
            place = place.get_submodule(name)
        return place

    def forward(self, x: Tensor) -> Tensor:
        """Outputs [..., outputs] at points [..., inputs], of the parameters' dtype and device,
        under autocast too.
        """
        self.check_points(x)
        if torch.is_autocast_enabled(
            x.device.type
        ):  # three digits of bfloat16 are too few for splines
            with torch.autocast(x.device.type, enabled=False):
                return self(x.to(next(self.parameters()).dtype))
        parameters = {name: value[None] for name, value in self.named_parameters()}
        y_1NO = self.network.forward(
            parameters, self.knots_of_lane(), x.reshape(1, -1, x.shape[-1])
        )
        return y_1NO[0].reshape(*x.shape[:-1], self.network.outputs)

    def check_points(self, x: Tensor) -> None:
        """A HarnessError says what to do if x is no tensor [..., inputs] of the parameters'
        dtype.
        """
        inputs, dtype = self.network.inputs, next(self.parameters()).dtype
        if not isinstance(x, Tensor):
            move = f"give torch.tensor(np.asarray(x), dtype={dtype})"
            raise HarnessError(
                f"{self!r} takes a tensor, and this is of type {type(x).__name__}: {move}"
            )
        if not x.ndim or x.shape[-1] != inputs:
            raise HarnessError(f"{self!r} takes points [..., {inputs}]; these are {list(x.shape)}")
        if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
            move = f"give it x{_conversion(dtype)}"
            if x.is_floating_point():
                move += f", or convert the network by {_conversion(x.dtype)}"
            raise HarnessError(f"{self!r} is of {dtype}, and these points are of {x.dtype}: {move}")

    @property
    def counts(self) -> dict[str, int]:
        """Parameters, and FLOPs of a forward pass of one point, under every convention
        (docs/counting.md).
        """
        return count(self.network)

    def flat_lane(self) -> Tensor:
        """All parameters as the vector [1, P] that an experiment trains, differentiable in them."""
        return families.flatten(
            self.network, {name: value[None] for name, value in self.named_parameters()}
        )

    def knots_of_lane(self) -> list[Tensor]:
        """The knots of each layer that has some, [1, I, T]."""
        return [knots[None] for name, knots in self.named_buffers() if name.endswith(".knots")]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.network.words})"


class SplinedModule(NetworkModule):
    """A network with splines, whose knots can follow the data and whose grid can be refined."""

    network: SplinedShape

    def update_grid(self, x: Tensor, grid_eps: float = 1.0, margin: float = 0.01) -> None:
        """Move the knots of every layer to its activations at x [N, inputs].

        Call it a few times in the first half of training, on all training inputs (docs/python.md
        shows a loop). The splines are fitted again there by least squares, so the function changes
        a little. `grid_eps` mixes uniform (1) and percentile (0) knots; `margin` widens the uniform
        part on each side. The coefficients change in place, so make a new optimiser: the state that
        the old one keeps is no longer theirs.
        """
        self.check_points(x)
        flat_1P, knots = self.flat_lane().detach(), self.knots_of_lane()
        points = x.detach().to(flat_1P.dtype).reshape(1, -1, x.shape[-1])
        with torch.autocast(x.device.type, enabled=False):  # see `forward`
            moved = families.update_knots(
                self.network, flat_1P, knots, points, grid_eps, margin, solver="qr"
            )
        self._become(self.network, *moved)

    def extend_grid(self, grid: int, x: Tensor | None = None) -> None:
        """Refine every spline to `grid` intervals, and keep the function; make a new optimiser
        afterwards.

        It is the same function on the interval of the knots if `grid` is a multiple of what it was,
        and else close to it. With points x [N, inputs] the knots are first moved to their
        activations. A HarnessError if `grid` is smaller than it was.
        """
        if x is not None:
            self.update_grid(x)
        flat_1P, knots = self.flat_lane().detach(), self.knots_of_lane()
        with torch.autocast(flat_1P.device.type, enabled=False):  # see `forward`
            refined = families.extend_grid(self.network, flat_1P, knots, grid, solver="qr")
        self._become(*refined)

    def _become(self, network: SplinedShape, flat_1P: Tensor, knots: Sequence[Tensor]) -> None:
        self.network = network
        for name, value in families.unflatten(network, flat_1P).items():
            old = self.get_parameter(name)
            if old.shape == value[0].shape:
                old.data.copy_(value[0])
            # a new one, as torch remembers the shape of the old one in graphs that are still there
            else:
                self._register(name, value[0], old.requires_grad)
        self._keep_knots(knots)


def _check_arguments(kind: type, named: Mapping[str, Any]) -> None:
    """A HarnessError about the first argument that this class does not have, and how it is written
    here.
    """
    _self, *arguments = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]
    if any(
        argument.kind is argument.VAR_KEYWORD and argument.name != "drawing"
        for argument in arguments
    ):
        return  # a class of the user's, which hands on what it does not name
    allowed = [
        *(argument.name for argument in arguments if argument.name != "drawing"),
        *Drawing.__annotations__,
    ]
    for name, value in named.items():
        if name in allowed:
            continue
        ours = OTHER_WORDS.get(name)
        move = f"write {ours}={value!r}" if ours in allowed else did_you_mean(name, allowed)
        raise HarnessError(f"{kind.__name__}: {name}: no such argument; {move}")


def _conversion(dtype: torch.dtype) -> str:
    """What is written after a tensor or a network to convert it."""
    return {torch.float32: ".float()", torch.float64: ".double()"}.get(dtype, f".to({dtype})")


class Drawing(TypedDict, total=False):
    """How initial values are drawn; `harness.nn.classes` says what each of them is."""

    gain: float
    generator: Generator | None
    dtype: torch.dtype | None
    device: torch.device | str | None


def drawn(
    network: ShapeBase,
    gain: float = 1.0,
    generator: Any = None,
    dtype: Any = None,
    device: Any = None,
) -> tuple[ShapeBase, Tensor, list[Tensor]]:
    """A network, initial parameters [1, P] and knots, as an experiment draws them, from a generator
    or a seed.
    """
    dtype, device = dtype or torch.get_default_dtype(), device or torch.get_default_device()
    if isinstance(generator, torch.Generator):
        generator = int(
            torch.randint(2**63 - 1, (1,), generator=generator, device=generator.device)
        )
    rng = np.random.default_rng(generator)
    flat_1P = families.initialise(network, [rng], gain, dtype, device)
    assert flat_1P.numel() == sum(map(prod, network.parameter_shapes().values()))
    return network, flat_1P, network.draw_knots([rng], dtype, device)
