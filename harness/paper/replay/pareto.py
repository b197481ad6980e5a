"""Pareto frontiers: the networks than which no smaller one has a lower error."""

from itertools import pairwise

import pandas as pd


def frontier(points: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """The rows than which no other is at most as large in both columns, by `x`: each has less `y` than all before it.

    Of rows that are equal in both the first stays; nan in either column is no point.
    """
    sorted_points = points.dropna(subset=[x, y]).sort_values([x, y], kind="stable")
    before = sorted_points[y].cummin().shift()
    return sorted_points[(sorted_points[y] < before) | before.isna()]


def frontiers(points: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """The frontier of each task and family (columns of the points), one after the other."""
    return pd.concat(frontier(part, x, y) for _, part in points.groupby(["task", "family"], sort=False))


def drawn_count(shape: str, grid: int, inputs: int | None = None) -> int:
    """What the paper's axes have for a network `2-5-1`: edges times G for a KAN, weights for an MLP (grid 0).

    Fig. D.1 counts as if every formula had two inputs (erratum E6d); `inputs` is that number, of which a network that
    pruning left with fewer keeps its own.
    """
    first, *rest = (int(nodes) for nodes in shape.split("-"))
    nodes = [first if inputs is None else min(first, inputs), *rest]
    return sum(a * b for a, b in pairwise(nodes)) * (grid or 1)
