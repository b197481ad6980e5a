"""One training run, resolved, and the words for what trains it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt

from harness.base.frozen import Frozen, is_empty
from harness.families import Network
from harness.spec.recipe import Recipe
from harness.spec.task import RunTask

# Raise DATA_VERSION when the same task spec and seed would give other samples, and NUMERICS_VERSION when all runs would
# train to other numbers. Both are part of a run's identity, so old records are then never taken for new ones. Where the
# torch engine's numbers change for some networks or optimisers only, raise `torch_version` of these instead.
DATA_VERSION = 1

NUMERICS_VERSION = 1

Dtype = Literal["float64", "float32"]

Engine = Literal["fused", "torch"]

Device = Literal["cpu", "cuda"]


class RunSpec(Frozen):
    """One training run, resolved: all that decides its numbers and nothing else, so that its hash is its identity.

    Runs of one seed learn from the same data; `initialisation` tells apart those that begin from other weights and see
    batches in another order.
    """

    task: RunTask
    network: Network
    recipe: Recipe
    seed: int
    initialisation: NonNegativeInt = Field(0, exclude_if=is_empty)
    dtype: Dtype = "float64"
    engine: Engine = "torch"
    engine_version: int = Field(1, exclude_if=lambda value: value == 1)
    data_version: int = DATA_VERSION
    numerics_version: int = NUMERICS_VERSION

    def keys(self, *keys: int) -> tuple[int, ...]:
        """The keys of a random stream of this run, beside its seed."""
        return (*keys, self.initialisation) if self.initialisation else keys
