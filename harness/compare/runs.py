"""The runs of one arm, and the runs of two arms in bins of size that both reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.compare.answer import Refusal, shared_range
from harness.errors import HarnessError
from harness.fit import size_means


@dataclass(frozen=True)
class Runs:
    """Finished runs of one arm: size and loss of each [r]."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Cell:
    """What is compared at one size: the ln losses of the first arm [r] and of the second [s]."""

    first: np.ndarray
    second: np.ndarray


def to_runs(x: ArrayLike, y: ArrayLike) -> Runs:
    """Runs from one size and one loss each; raises HarnessError on rows that are not finite and positive."""
    size_means(x, y)
    return Runs(np.asarray(x, float), np.asarray(y, float))


def matched_edges(first_x: np.ndarray, second_x: np.ndarray, bins: int) -> np.ndarray:
    """The edges [bins + 1] of bins equal in ln x over the sizes that both arms reach."""
    if bins < 1:
        raise HarnessError(f"bins={bins} must be at least 1.")
    shared = shared_range("sizes", first_x, second_x)
    if isinstance(shared, Refusal):
        raise HarnessError(shared.reason)
    edges = np.geomspace(*shared, bins + 1)
    edges[0], edges[-1] = shared  # rounding must not leave out the runs at the ends
    return edges


def bin_of(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of every size, whose lower edge belongs to it (the last bin has its upper edge too); -1 outside."""
    index = np.searchsorted(edges, x, side="right") - 1
    index[x == edges[-1]] = len(edges) - 2
    return np.where((x >= edges[0]) & (x <= edges[-1]), index, -1)


def cells(first: Runs, second: Runs, edges: np.ndarray) -> list[Cell]:
    """One cell for each bin, empty where an arm has no runs; every run stands at the bin's middle.

    Arms have other sizes within a bin, and losses fall with size: each run is moved to the middle along the slope of
    its arm there, the line of ln loss in ln x through the runs of the bin and its neighbours. Rows that repeat a run
    exactly count once.
    """
    moved = [_at_middles(runs, edges) for runs in (first, second)]
    return [Cell(own, other) for own, other in zip(*moved, strict=True)]


def _at_middles(runs: Runs, edges: np.ndarray) -> list[np.ndarray]:
    """ln losses of the runs of each bin, as they would be at its middle."""
    distinct = np.unique(np.column_stack([runs.x, runs.y]), axis=0)
    index = bin_of(distinct[:, 0], edges)
    u, v = np.log(distinct.T)
    middles = (np.log(edges[:-1]) + np.log(edges[1:])) / 2
    return [
        v[index == one] - _slope(u, v, (index >= 0) & (np.abs(index - one) <= 1)) * (u[index == one] - middle)
        for one, middle in enumerate(middles)
    ]


def _slope(u: np.ndarray, v: np.ndarray, near: np.ndarray) -> float:
    """The slope of v in u through the runs that are near; 0 where they are all of one size."""
    centred = u[near] - u[near].mean() if near.any() else np.zeros(0)
    squares = float(centred @ centred)
    return float(centred @ v[near]) / squares if squares > 0 else 0.0
