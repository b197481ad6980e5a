"""A value of the networks that a file names, where no budget enters: of one network, or of the best by validation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison.effort import Value
from harness.comparison.replicates import Found, best_ratio, ratio_over
from harness.judging.quantity import Case
from harness.judging.scaling import sizes_of
from harness.judging.sides import picked
from harness.judging.winners import LOSS
from harness.spec import END_TOLERANCE, side_label


def rows_of(case: Case, names: Sequence[str]) -> pd.DataFrame:
    """The chosen runs of the arms or series `names` on the task; a HarnessError where there is none."""
    table = case.runs.table
    if "won_on" in table:
        raise HarnessError(f"{case.rule.quantity} is not read where a search has chosen networks; use test_loss")
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


def logs_by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    """ln of a column by seed, of the network that validation picks for it; nan where that diverged."""
    best = picked(rows, ["seed"]).set_index("seed")
    return np.log(best[column].where(best["status"] == "done"))


def logs_of(rows: pd.DataFrame, column: str) -> np.ndarray:
    """As `logs_by_seed`, without seeds [R]."""
    return logs_by_seed(rows, column).to_numpy(float)


def value_or_ratio(case: Case, column: str, trained_with: str) -> Found:
    """Of one side the value, over `published` if that is given; of two sides the ratio second / first, by seed."""
    logs = [
        logs_by_seed(rows_trained_with(case, names, trained_with, column), column) for names in case.rule.arms_of_sides
    ]
    if len(logs) == 1:
        return ratio_over(logs[0].to_numpy(float) - math.log(case.rule.published or 1.0), case.level)
    first, second = logs
    return ratio_over((second - first).dropna().to_numpy(float), case.level)


def loss_ratio_up_to(case: Case, budget: float) -> Found:
    """second / first in test loss, each side by the network of at most so large a size that validation picks."""
    logs = []
    for names in case.rule.arms_of_sides:
        rows = rows_of(case, names)
        sizes = sizes_of(rows, case.axis)
        allowed = rows[sizes <= budget * (1 + END_TOLERANCE)]
        if allowed.empty:
            least = f"the smallest has {sizes.min():,.6g}"
            raise HarnessError(f"{side_label(names)} has no network of {budget:,.6g} {case.axis} or less: {least}")
        logs.append(logs_by_seed(allowed, LOSS))
    both = pd.concat(logs, axis=1, join="inner").to_numpy(float)
    first, second = (Value(of_side, np.isnan(of_side).astype(float)) for of_side in both.T)
    return best_ratio(first, second, case.level)


def loss_of_size(case: Case) -> Found:
    """The test loss of a side's network of the size of the rule, over `published` if that is given."""
    (names,), place = case.rule.arms_of_sides, case.rule.place
    assert isinstance(place, float)
    rows = rows_of(case, names)
    sizes = sizes_of(rows, case.axis)
    of_size = rows[(sizes / place - 1).abs() <= END_TOLERANCE]
    if of_size.empty:
        ends = f"{sizes.min():,.6g} to {sizes.max():,.6g}"
        raise HarnessError(f"no network of {side_label(names)} has {place:,.6g} {case.axis} here; they have {ends}")
    return ratio_over(logs_of(of_size, LOSS) - math.log(case.rule.published or 1.0), case.level)
