"""What networks and series of a replay are called."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

TOLD_BY_MARKS = ("hidden=", "depth=")
SETTING_WORDS = {
    "grid_eps=1.0": "uniform knots",
    "grid_eps=0.02": "knots at percentiles",
    "activation=silu": "SiLU",
    "activation=tanh": "tanh",
}


def plain_name(series: str, arms: Mapping[str, str]) -> str:
    """In figures, less what marks tell: `kan grid_eps=0.02 hidden=[2, 2]` as `KAN, knots at percentiles`.

    The label is all that kept runs have of a series (`harness.paper.replay.index.RUN_COLUMNS`).
    """
    arm, *settings = re.split(r" (?=\w+=)", series)
    shown = [SETTING_WORDS.get(setting, setting) for setting in settings if not setting.startswith(TOLD_BY_MARKS)]
    return ", ".join([arms.get(arm, arm), *shown])


def chosen_runs(table: pd.DataFrame) -> pd.DataFrame:
    """The runs that validation chose, once each, with 0 for no grid."""
    chosen = table.assign(grid=whole_grids(table["grid"]))[table["chosen"]]
    return chosen.drop_duplicates(["task", "series", "run_id"])


def whole_grids(grid: pd.Series) -> pd.Series:
    """Grids as whole numbers, 0 where there is none."""
    return grid.astype("Float64").fillna(0).astype(int)


def published_shape(shape: pd.Series) -> pd.Series:
    """Shapes as the paper has them: `2-5-1` as `[2,5,1]`."""
    return "[" + shape.str.replace("-", ",") + "]"


def network_words(shape: pd.Series, grid: pd.Series) -> pd.Series:
    """`[2,5,1], G = 20` of a KAN; an MLP, whose grid is 0, has its shape alone."""
    return shape + np.where(grid > 0, ", G = " + grid.astype(str), "")
