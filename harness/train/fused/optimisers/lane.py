"""A frozen state, and the copy of it that compiled code may write to.

The fields of a state are arrays or plain numbers. Compiled code sees the numbers together as a
*record*, one structured scalar whose fields it reads and sets by name. There is nothing else in a
state, so it is a checkpoint as it is (see `harness.train.checkpoint`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Problem = tuple[int, int, NDArray[np.int64], Array, Array, Array, Array]


@dataclass(frozen=True, kw_only=True)
class LoopState:
    """What any state has; it is all that the next evaluation depends on."""

    position_P: Array  # where training would stop now
    loss: float = inf  # there, if not said otherwise
    iterations: int = 0
    evaluations: int = 0
    refused_steps: int = 0
    finished: bool = False
    diverged: bool = False

    def moved(self, fresh: Any) -> Any:
        """The state after knots moved, by which the lane stands where `fresh` does.

        It begins anew, as what an optimiser knows is of other coefficients.
        """
        return fresh

    def ending(self, total_steps: int) -> Any:
        """The state with another end of its schedule, if it has one."""
        return self


State = TypeVar("State", bound=LoopState)


class Loop(Protocol):
    """What the module of an optimiser gives; each takes of the last arguments what it needs."""

    __name__: str

    def start(self, settings: Any, position_P: Array, *, total_steps: int) -> Any:
        """The state before any evaluation."""

    def advance(
        self,
        settings: Any,
        state: Any,
        problem: Problem,
        evaluations: int,
        *,
        batches_SB: NDArray[np.int64] | None,
        splines_E3: NDArray[np.int64],
    ) -> Any:
        """At most so many evaluations more; less when the lane has come to rest."""


DTYPES = {"float": np.float64, "int": np.int64, "bool": np.bool_}


def thaw(state: Any) -> tuple[list[Array], NDArray[np.void]]:
    """Copies of the arrays of a state, in the order of its fields, and of its numbers as a record
    [1].
    """
    kinds = {field.name: DTYPES.get(str(field.type)) for field in fields(state)}
    record = np.zeros(1, [(name, kind) for name, kind in kinds.items() if kind])
    for name in record.dtype.names or ():
        record[name] = getattr(state, name)
    return [
        np.array(getattr(state, name), np.float64, order="C")
        for name, kind in kinds.items()
        if not kind
    ], record


def freeze(state: State, arrays: list[Array], record: NDArray[np.void]) -> State:
    """The inverse of `thaw`: a state of the same type with these values."""
    numbers = {name: record[name][0].item() for name in record.dtype.names or ()}
    names = [name for name in vars(state) if name not in numbers]
    of_arrays: dict[str, Any] = dict(zip(names, arrays, strict=True))
    return type(state)(**of_arrays, **numbers)
