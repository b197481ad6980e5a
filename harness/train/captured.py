"""Evaluations as replays of one CUDA graph: the device repeats what it was once told, and Python says only when.

A graph reads and writes the same memory at every replay. So all that an evaluation changes must be in tensors: the
optimiser's state, which `InPlace` keeps in tensors of its own, and the index of a mini-batch. A CPU can run the same
and check it (tests/train/test_capture.py). Nothing here has been run on a GPU yet.

Shape suffixes: R lanes, B points of a mini-batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from harness.optimisers import LaneState

# The optimiser after one evaluation in every lane, of the points that an index [R, B] names or, where it is None, all.
Evaluate = Callable[[Any, Tensor | None], Any]


class InPlace:
    """An evaluation whose state, and whose index of a mini-batch, stay where they are in memory."""

    def __init__(self, evaluate: Evaluate, state: LaneState, index_RB: Tensor | None) -> None:
        self.evaluate = evaluate
        self.state = replace(state, **{name: value.clone() for name, value in _tensors(state).items()})
        self.index_RB = None if index_RB is None else index_RB.clone()

    def place(self, state: LaneState) -> None:
        """Go on from this state."""
        for name, own in _tensors(self.state).items():
            own.copy_(getattr(state, name))

    def choose(self, index_RB: Tensor | None) -> None:
        """The next evaluation is of these points."""
        if self.index_RB is not None and index_RB is not None:
            self.index_RB.copy_(index_RB)

    def run(self) -> None:
        """One evaluation: what a graph consists of."""
        own = _tensors(self.state)
        # What the evaluation hands on unchanged may be the memory of another field, which is about to be overwritten.
        after = {name: value.clone() for name, value in _tensors(self.evaluate(self.state, self.index_RB)).items()}
        for name, value in after.items():
            own[name].copy_(value)

    def taken(self) -> LaneState:
        """A copy of the state."""
        return replace(self.state, **{name: value.clone() for name, value in _tensors(self.state).items()})


class Replay:
    """Evaluations of a network whose knots and points stay as they are, on a GPU; the first one captures the graph."""

    def __init__(self, evaluate: Evaluate) -> None:
        self.evaluate = evaluate
        self.in_place: InPlace | None = None
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, state: LaneState, indices_RB: Iterable[Tensor | None]) -> LaneState:
        """The state after an evaluation of each index."""
        indices = iter(indices_RB)
        if self.in_place is None:
            index_RB = next(indices, None)
            # As it is: it warms up, and a state may grow at its first evaluation.
            state = self.evaluate(state, index_RB)
            self.in_place = InPlace(self.evaluate, state, index_RB)
            self.graph = _captured(self.in_place)
        self.in_place.place(state)
        for index_RB in indices:
            self.in_place.choose(index_RB)
            self.graph.replay() if self.graph else self.in_place.run()
        return self.in_place.taken()


def _captured(in_place: InPlace) -> torch.cuda.CUDAGraph | None:
    """The graph of its evaluation, or None where something in it cannot be captured."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # libraries take their memory before the capture
        in_place.run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            in_place.run()
    except RuntimeError:
        torch.cuda.synchronize()
        return None
    return graph


def _tensors(state: LaneState) -> dict[str, Tensor]:
    return {name: value for name, value in vars(state).items() if isinstance(value, Tensor)}
