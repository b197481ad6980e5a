"""The runs of one arm, and the runs of two arms in bins of size that both reach."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.base.errors import HarnessError
from harness.comparison.answer import shared_range
from harness.laws.points import runs


@dataclass(frozen=True)
class ArmRuns:
    """Finished runs of one arm: size and loss of each [r]."""

    x: np.ndarray
    y: np.ndarray


Placed = tuple[np.ndarray, np.ndarray, np.ndarray]  # ln size, ln loss and bin of every different run of an arm


@dataclass(frozen=True)
class SizePair:
    """What is compared at one size: the ln losses of the first arm [r] and of the second [s]."""

    first: np.ndarray
    second: np.ndarray


def to_runs(x: ArrayLike, y: ArrayLike) -> ArmRuns:
    """Runs from one size and one loss each; raises HarnessError on rows that are not finite and positive."""
    return ArmRuns(*runs(x, y))


def matched_edges(first_x: np.ndarray, second_x: np.ndarray, bins: int) -> np.ndarray:
    """The edges [bins + 1] of bins equal in ln x over the sizes that both arms reach."""
    if bins < 1:
        raise HarnessError(f"bins={bins} must be at least 1.")
    shared, refusals = shared_range("sizes", first_x, second_x)
    if shared is None:
        raise HarnessError(refusals[0].reason)
    edges = np.geomspace(*shared, bins + 1)
    edges[0], edges[-1] = shared  # rounding must not leave out the runs at the ends
    return edges


def bin_of(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The bin of every size, whose lower edge belongs to it (the last bin has its upper edge too); -1 outside."""
    index = np.searchsorted(edges, x, side="right") - 1
    index[x == edges[-1]] = len(edges) - 2
    return np.where((x >= edges[0]) & (x <= edges[-1]), index, -1)


def cells(first: ArmRuns, second: ArmRuns, edges: np.ndarray) -> list[SizePair]:
    """One cell for each bin, empty where an arm has no runs; every run stands at the bin's middle.

    Arms have other sizes within a bin, and losses fall with size: runs are moved to the middle along the slope of ln
    loss in ln x there, one for both arms, from the runs of the bin and its neighbours. Copies of a
    run count once.
    """
    middles = (np.log(edges[:-1]) + np.log(edges[1:])) / 2
    arms: list[Placed] = []
    for arm in (first, second):
        distinct = np.unique(np.column_stack([arm.x, arm.y]), axis=0)
        arms.append((*np.log(distinct.T), bin_of(distinct[:, 0], edges)))
    pairs = []
    for place, middle in enumerate(middles):
        slope = _slope(arms, place)
        pairs.append(SizePair(*(v[index == place] - slope * (u[index == place] - middle) for u, v, index in arms)))
    return pairs


def _slope(arms: list[Placed], place: int) -> float:
    """The slope of ln loss in ln x about a bin, within arms; 0 where each arm has one size there."""
    products = squares = 0.0
    for u, v, index in arms:
        near = (index >= 0) & (np.abs(index - place) <= 1)
        centred = u[near] - u[near].mean() if near.any() else np.zeros(0)
        products, squares = products + float(centred @ v[near]), squares + float(centred @ centred)
    return products / squares if squares > 0 else 0.0
