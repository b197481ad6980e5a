"""Evaluations as replays of one CUDA graph: the device repeats what it was once told, and Python
says only when.

A graph reads and writes the same memory at every replay. So all that an evaluation changes must be
in tensors: the optimiser's state, which `InPlace` keeps in tensors of its own, and what it is fed
(`Batches`). A CPU can run the same and check it (tests/train/test_capture.py). Nothing here has
been run on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from harness.optimisers import LaneState

# The optimiser after one evaluation in every lane, of what it is fed.
Feed = tuple[Tensor, ...]
Evaluate = Callable[[Any, Feed], Any]


class InPlace:
    """An evaluation whose state, and what it is fed, stay where they are in memory."""

    def __init__(self, evaluate: Evaluate, state: LaneState, feed: Feed) -> None:
        self.evaluate = evaluate
        self.state = replace(
            state, **{name: value.clone() for name, value in _tensors(state).items()}
        )
        self.feed = tuple(tensor.clone() for tensor in feed)

    def place(self, state: LaneState) -> None:
        """Go on from this state."""
        for name, kept in _tensors(self.state).items():
            kept.copy_(getattr(state, name))

    def choose(self, feed: Feed) -> None:
        """The next evaluation is fed this."""
        for kept, new in zip(self.feed, feed, strict=True):
            kept.copy_(new)

    def run(self) -> None:
        """One evaluation: what a graph consists of."""
        tensors = _tensors(self.state)
        # What the evaluation hands on unchanged may be the memory of another field, which is about
        # to be overwritten.
        after = {
            name: value.clone()
            for name, value in _tensors(self.evaluate(self.state, self.feed)).items()
        }
        for name, value in after.items():
            tensors[name].copy_(value)

    def taken(self) -> LaneState:
        """A copy of the state."""
        return replace(
            self.state, **{name: value.clone() for name, value in _tensors(self.state).items()}
        )


class Replay:
    """Evaluations of a network whose knots and points stay as they are, on a GPU; the first one
    captures the graph.
    """

    def __init__(self, evaluate: Evaluate) -> None:
        self.evaluate = evaluate
        self.in_place: InPlace | None = None
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, state: LaneState, feeds: Iterable[Feed]) -> LaneState:
        """The state after an evaluation of each feed."""
        remaining = iter(feeds)
        if self.in_place is None:
            feed = next(remaining, None)
            if feed is None:
                return state
            # As it is: it warms up, and a state may grow at its first evaluation.
            state = self.evaluate(state, feed)
            self.in_place = InPlace(self.evaluate, state, feed)
            self.graph = _captured(self.in_place)
        self.in_place.place(state)
        for feed in remaining:
            self.in_place.choose(feed)
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
