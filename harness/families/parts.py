"""Networks that are made of several, each a part with a name: `encoder.layer0.weight` is a
parameter of one of them.

What a part begins with hangs on the run's seed and on its own name and sizes, not on the other
parts: two networks that share a part, at equal seed, have the same bits there.

Shape suffixes: R lanes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from harness.families.later import Device, Knots, Tensor, np, torch
from harness.families.layout import of_part
from harness.families.shape import ShapeBase


class PartOfLanes(NamedTuple):
    """A part, with its own parameters and knots of all lanes."""

    network: ShapeBase
    parameters: dict[str, Tensor]
    knots: list[Tensor]

    def __call__(self, x_RNI: Tensor) -> Tensor:
        """Its outputs [R, N, O]."""
        return self.network.forward(self.parameters, self.knots, x_RNI)


class PartedShape(ShapeBase):
    """A network of several parts. A family gives `parts`, `forward`, its words, inputs, outputs,
    and FLOPs.
    """

    @property
    @abstractmethod
    def parts(self) -> dict[str, ShapeBase]:
        """The parts by their names, in the order in which a lane's vector holds them."""

    def of_lanes(self, parameters: Mapping[str, Tensor], knots: Knots) -> dict[str, PartOfLanes]:
        """Each part with its own, to be called on what it is given."""
        knots_of = self._own_knots(knots)
        return {
            name: PartOfLanes(part, of_part(parameters, name), knots_of[name])
            for name, part in self.parts.items()
        }

    def _own_knots(self, knots: Sequence[Any]) -> dict[str, list[Any]]:
        remaining = iter(knots)
        return {name: list(islice(remaining, part.carried)) for name, part in self.parts.items()}

    # ----------------------------------------------------------------------------------------------
    # parameters
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for name, part in self.parts.items():
            shapes |= {
                f"{name}.{parameter}": shape for parameter, shape in part.parameter_shapes().items()
            }
        return shapes

    def draw_lane(self, generator: np.random.Generator, gain: float) -> np.ndarray:
        streams = self._streams(generator)
        return np.concatenate(
            [part.draw_lane(streams[name], gain) for name, part in self.parts.items()]
        )

    def draw_knots(
        self, generators: Sequence[np.random.Generator], dtype: torch.dtype, device: Device
    ) -> list[Tensor]:
        streams = [self._streams(generator) for generator in generators]
        drawn: list[Tensor] = []
        for name, part in self.parts.items():
            drawn += part.draw_knots([of_lane[name] for of_lane in streams], dtype, device)
        return drawn

    def _streams(self, generator: np.random.Generator) -> dict[str, np.random.Generator]:
        """A stream for each part, of the letters of its name."""
        seed = int(generator.integers(2**63))
        return {name: np.random.default_rng([seed, *name.encode()]) for name in self.parts}

    def knot_places(self, knots: Sequence[Any]) -> list[str]:
        knots_of, places = self._own_knots(knots), []
        for name, part in self.parts.items():
            places += [f"{name}.{place}" for place in part.knot_places(knots_of[name])]
        return places

    def moves(self, name: str) -> bool:
        part, _, parameter = name.partition(".")
        return self.parts[part].moves(parameter)

    @property
    def carried(self) -> int:
        return sum(part.carried for part in self.parts.values())

    # ----------------------------------------------------------------------------------------------
    # counts
    @property
    def trainable(self) -> int:
        return sum(part.trainable for part in self.parts.values())

    @property
    def active_parameters(self) -> int:
        return sum(part.active_parameters for part in self.parts.values())

    @property
    def frozen(self) -> int:
        return sum(part.frozen for part in self.parts.values())

    @property
    def carried_scalars(self) -> int:
        return sum(part.carried_scalars for part in self.parts.values())
