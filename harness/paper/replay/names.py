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
    """In figures, less what marks tell: `kan grid_eps=0.02 hidden=[2, 2]` as `KAN, knots at percentiles`."""
    arm, *settings = re.split(r" (?=\w+=)", series)
    told = [SETTING_WORDS.get(one, one) for one in settings if not one.startswith(TOLD_BY_MARKS)]
    return ", ".join([arms.get(arm, arm), *told])


def published_shape(shape: pd.Series) -> pd.Series:
    """Shapes as the paper has them: `2-5-1` as `[2,5,1]`."""
    return "[" + shape.str.replace("-", ",") + "]"


def network_words(shape: pd.Series, grid: pd.Series) -> pd.Series:
    """`[2,5,1], G = 20` of a KAN; an MLP, whose grid is 0, has its shape alone."""
    return shape + np.where(grid > 0, ", G = " + grid.astype(str), "")
