"""What tests of the published tables share."""

import json

import pandas as pd

from harness.count import count
from harness.spec import KanShape, MlpShape


def corrected(table: pd.DataFrame, column: str) -> pd.Series:
    """The column, with the values that errata give in place of the published ones."""
    name = f"{column}_corrected"
    return table[name].fillna(table[column]) if name in table else table[column]


def ids(table: pd.DataFrame) -> set[str]:
    """The errata that concern any of the rows."""
    return {erratum for one in table["errata"] for erratum in one.split()}


def counts_of(family: str, shape: str, grid: int) -> dict[str, int]:
    """The project's own counts of a network."""
    nodes = tuple(json.loads(shape))
    return count(KanShape(shape=nodes, grid=grid, scales=True) if family == "kan" else MlpShape(shape=nodes))


def edges(shape: str) -> int:
    """How many pairs of nodes the network joins."""
    return counts_of("mlp", shape, 1)["params.paper"]
