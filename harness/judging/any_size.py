"""A value of a side's runs where no size enters: of one network, or of the best, which other seeds choose."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.judging.curves import SideCurve, check_any_learnt, of_paired, paired, read, side_curve
from harness.judging.found import Found
from harness.judging.quantity import Case
from harness.judging.side_runs import SideRuns, side_runs
from harness.spec import ANY_SIZE, side_label

ONE_SIZE = 1.0  # that all networks of a side are given, so that they are compared as if they had one


def rows_of(case: Case, names: Sequence[str]) -> pd.DataFrame:
    """The chosen runs of the arms or series `names` on the task; a HarnessError where there is none."""
    table = case.runs.table
    if "won_on" in table:
        raise HarnessError(f"{case.condition.quantity} is not read where a search has chosen networks; use test_loss")
    is_named = table["arm"].isin(names) | table["series"].isin(names)
    rows = table[is_named & (table["task"] == case.task) & table["chosen"] & ~table["of_budget"]]
    if rows.empty:
        raise HarnessError(f"{side_label(names)} has no runs on {case.task}")
    return rows


def rows_trained_with(case: Case, names: Sequence[str], field: str, column: str) -> pd.DataFrame:
    """Those of them whose recipe has this field; a HarnessError where there is none, or one is 0 in the column."""
    rows = rows_of(case, names)
    rows = rows[[bool(json.loads(recipe).get(field)) for recipe in rows["recipe"]]]
    label = side_label(names)
    if rows.empty or column not in rows:
        raise HarnessError(f"{label} was not trained with {field}; give its recipe `{field}`")
    if (rows[column] == 0).any():
        raise HarnessError(f"a run of {label} ended with {column} 0, of which there is no ratio")
    return rows


def best_of(rows: pd.DataFrame, names: Sequence[str]) -> SideRuns:
    """The network that stands for a side: of several, for each seed, the one that the other seeds' validation chooses.

    Its runs are given one size. A HarnessError where there are several networks and one seed, which cannot choose.
    """
    label = side_label(names)
    networks, seeds = rows["cell"].nunique(), rows["seed"].nunique()
    if seeds == 1 < networks:
        raise HarnessError(
            f"SEEDS: {label} has {networks} networks, the best of which is chosen for each seed on all "
            "other seeds, of which there are none; run more seeds"
        )
    names_of_networks = [f"{series}, cell {cell}" for series, cell in zip(rows["series"], rows["cell"], strict=True)]
    as_one_size = rows.assign(arm=label, series=names_of_networks, asked=ONE_SIZE, **{ANY_SIZE: ONE_SIZE})
    return side_runs(as_one_size, str(rows["task"].iloc[0]), [label], label)


def logs_of(rows: pd.DataFrame, names: Sequence[str], column: str) -> np.ndarray:
    """ln of a column of a side's network by seed [s], without those that diverged."""
    logs = read(side_curve(best_of(rows, names), ANY_SIZE, column), ONE_SIZE)
    return logs[np.isfinite(logs)]


def value_of(side: SideRuns, column: str, over: float, level: float) -> Found:
    """The geometric mean of a column over seeds, divided by `over`, with Student's interval of its ln."""
    values = side_curve(side, ANY_SIZE, column)
    return _ratio(replace(values, logs=np.full_like(values.logs, math.log(over)), without={}), values, level)


def ratio_of(first: SideRuns, second: SideRuns, column: str, level: float) -> Found:
    """The ratio of a column second / first, seed by seed, with Student's interval of its ln."""
    curves = side_curve(first, ANY_SIZE, column), side_curve(second, ANY_SIZE, column)
    check_any_learnt(*curves, ONE_SIZE)
    return _ratio(*curves, level)


def value_or_ratio(case: Case, column: str, trained_with: str) -> Found:
    """Of one arm the value, over `published` if that is given; of two the ratio second / first.

    Of the runs whose recipe has the field `trained_with`.
    """
    condition = case.condition
    rows = [rows_trained_with(case, names, trained_with, column) for names in condition.sides]
    sides = [best_of(own, names) for own, names in zip(rows, condition.sides, strict=True)]
    if len(sides) == 1:
        return value_of(sides[0], column, condition.published or 1.0, case.level)
    return ratio_of(sides[0], sides[1], column, case.level)


def _ratio(first: SideCurve, second: SideCurve, level: float) -> Found:
    return replace(of_paired(paired(first, second, ONE_SIZE, level), ONE_SIZE), at=None)
