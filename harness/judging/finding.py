"""How the number of each quantity is found (`judging.quantities` has all): that of each replicate,
and their mean.

Where budgets enter, a side is read off its curve (`judging.sides`). Others are values of a network
that a file names, of several networks of the one that validation picks.
"""

import json
import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.reasons import NoNumber
from harness.comparison import replicates
from harness.comparison.effort import Value
from harness.comparison.replicates import Found, best_ratio, ratio_over
from harness.judging import sides
from harness.judging.baselines import overlap_of
from harness.judging.quantity import Case
from harness.judging.scaling import sizes_of
from harness.judging.winners import LOSS, VALIDATION
from harness.laws.replicates import lines_of
from harness.spec.counts import END_TOLERANCE
from harness.spec.decide import side_label


# --------------------------------------------------------------------------------------------------
# read off a curve
def test_loss(case: Case) -> Found:
    """The ratio in each replicate; refused where who leads does not beat a constant and, of data, a
    linear model.

    Where networks are not matched, none has just the size that a rule names, so that the best one
    up to it counts.
    """
    place = case.rule.place
    if case.runs.manifest.experiment.match is None and isinstance(place, float):
        return _loss_ratio_up_to(case, place)
    first, second = sides.curves_of(case)
    budget = sides.budget_of(case, [first, second])
    return sides.check_leader(first, second, budget, case.level)


def multiplier(case: Case) -> Found:
    """By log-log interpolation along the second side's falling curve, in each replicate."""
    first, second = sides.curves_of(case)
    budget = sides.budget_of(case, [first, second])
    sides.check_leader(first, second, budget, case.level)
    return sides.budget_ratio(first, second, budget, case.level)


def exponent(case: Case) -> Found:
    """The slope of each replicate's own curve."""
    curves = sides.curves_of(case)
    if len(curves) == 2:
        return replicates.exponent_gap(*sides.at_shared_budgets(*curves), case.level)
    slope = replicates.exponent(curves[0].over_budgets, case.level)
    return replicates.shifted(slope, -(case.rule.published or 0.0))


def count(case: Case) -> Found:
    """From the networks of each replicate."""
    first, *others = sides.curves_of(case)
    budget = sides.budget_of(case, [first, *others])
    below, above = case.rule.count[0], case.rule.count[-1]
    return sides.column_ratio(
        first.of_column(below), (others or [first])[0].of_column(above), budget, case.level
    )


def observed(case: Case) -> Found:
    """From the networks that validation picks in each replicate."""
    first, second = sides.curves_of(case)
    columns = [
        name
        for name in map(str, case.runs.table)
        if name.startswith(("observed.", "test_")) and name != LOSS
    ]
    names = {column.removeprefix("observed."): column for column in columns}
    if case.rule.observed not in names:
        raise HarnessError(
            f"no run observed {case.rule.observed}; they have: {', '.join(names) or 'nothing'}"
        )
    column = names[case.rule.observed]
    budget = sides.budget_of(case, [first, second])
    return sides.column_ratio(first.of_column(column), second.of_column(column), budget, case.level)


def exponent_kept(case: Case) -> Found:
    """The ratio of the exponents in each replicate."""
    (names,) = case.rule.arms_of_sides
    curves = (sides.curve_on(case, task, names) for task in (case.tasks[0], case.tasks[-1]))
    fewest, most = (replicates.exponent(curve.over_budgets, case.level) for curve in curves)
    return replicates.quotient(most, fewest, case.level)


def best_size(case: Case) -> Found:
    """The size of each replicate; runs that diverged are passed over."""
    (curve,) = sides.curves_of(case)
    best = curve.sizes[np.argmin(np.where(np.isnan(curve.logs), np.inf, curve.logs), axis=0)]
    best[np.isnan(curve.logs).all(axis=0)] = np.nan
    return ratio_over(
        np.log(best / (case.rule.published or 1.0)), case.level, overlap=curve.overlap
    )


def upturn(case: Case) -> Found:
    """The ratio in each replicate."""
    (curve,) = sides.curves_of(case)
    if len(curve.sizes) < 2:
        raise HarnessError(
            f"{curve.name} has one size, so that nothing can turn up; give it two or more"
        )
    *smaller, largest = curve.logs
    with np.errstate(invalid="ignore"):  # both losses are 0
        return ratio_over(
            largest - np.min(smaller, axis=0), case.level, curve.logs, overlap=curve.overlap
        )


# --------------------------------------------------------------------------------------------------
# of named networks
def network_exponent(case: Case) -> Found:
    """The least-squares slope of each seed's own curve, which may have other sizes than that of the
    other side.
    """
    sides_slopes = [_slopes_by_seed(case, names) for names in case.rule.arms_of_sides]
    both = pd.concat(sides_slopes, axis=1, join="inner").to_numpy(float)
    first, *second = both.T
    gaps = first - (second[0] if second else case.rule.published or 0.0)
    return replicates.difference_over(
        gaps, case.level, overlap=overlap_of(_rows_of(case, case.rule.arms_of_sides[0]))
    )


def network_loss(case: Case) -> Found:
    """From the runs of the side's network of the size of the rule, over `published` if that is
    given.
    """
    (names,), place = case.rule.arms_of_sides, case.rule.place
    assert isinstance(place, float)
    rows = _rows_of(case, names)
    sizes = sizes_of(rows, case.axis)
    of_size = rows[(sizes / place - 1).abs() <= END_TOLERANCE]
    if of_size.empty:
        ends = f"{sizes.min():,.6g} to {sizes.max():,.6g}"
        raise HarnessError(
            f"no network of {side_label(names)} has {place:,.6g} {case.axis} here; they have {ends}"
        )
    logs = _logs_by_seed(of_size, LOSS)
    return _value(case, logs, logs.to_numpy(float))


def edges_by_seed(case: Case) -> Found:
    """The standard deviation, and the interval that chi-squared gives it where the ln counts are
    normal.
    """
    (names,) = case.rule.arms_of_sides
    logs = _logs_by_seed(
        _rows_trained_with(case, names, "sparsity", "active_edges"), "active_edges"
    )
    return replicates.deviation_over(logs.to_numpy(float), case.level)


def _value_or_ratio(case: Case, column: str, trained_with: str) -> Found:
    """Of one side the value, over `published` if that is given; of two sides the ratio second /
    first, by seed.
    """
    rows = (
        _rows_trained_with(case, names, trained_with, column) for names in case.rule.arms_of_sides
    )
    first, *others = (_logs_by_seed(of_side, column) for of_side in rows)
    if not others:
        return _value(case, first)
    gaps = (others[0] - first).dropna().to_numpy(float)
    return ratio_over(
        gaps, case.level, overlap=overlap_of(_rows_of(case, case.rule.arms_of_sides[0]))
    )


edges = partial(_value_or_ratio, column="active_edges", trained_with="sparsity")
error_in_the_end = partial(_value_or_ratio, column="rmse_in_the_end", trained_with="phases")
forgetting = partial(_value_or_ratio, column="forgetting", trained_with="phases")


def _loss_ratio_up_to(case: Case, budget: float) -> Found:
    """second / first in test loss, each side by the network of at most so large a size that
    validation picks.
    """
    logs = []
    for names in case.rule.arms_of_sides:
        rows = _rows_of(case, names)
        sizes = sizes_of(rows, case.axis)
        allowed = rows[sizes <= budget * (1 + END_TOLERANCE)]
        if allowed.empty:
            least = f"the smallest has {sizes.min():,.6g}"
            raise HarnessError(
                f"{side_label(names)} has no network of {budget:,.6g} {case.axis} or less: {least}"
            )
        logs.append(_logs_by_seed(allowed, LOSS))
    both = pd.concat(logs, axis=1, join="inner").to_numpy(float)
    first, second = (Value(of_side, np.isnan(of_side).astype(float)) for of_side in both.T)
    return best_ratio(
        first, second, case.level, overlap_of(_rows_of(case, case.rule.arms_of_sides[0]))
    )


def _rows_of(case: Case, names: Sequence[str]) -> pd.DataFrame:
    """The chosen runs of the arms or series `names` on the task; a HarnessError where there is
    none.
    """
    table = case.runs.table
    if "won_on" in table:
        raise HarnessError(
            f"{case.rule.quantity} is not read where a search has chosen networks; use test_loss"
        )
    rows = sides.rows_named(table, names)
    rows = rows[(rows["task"] == case.task) & rows["chosen"] & ~rows["of_budget"]]
    if rows.empty:
        raise HarnessError(f"{side_label(names)} has no runs on {case.task}")
    return rows


def _rows_trained_with(case: Case, names: Sequence[str], field: str, column: str) -> pd.DataFrame:
    """Those of them whose recipe has this field; a HarnessError where there is none, or one is 0 in
    the column.
    """
    rows = _rows_of(case, names)
    rows = rows[[bool(json.loads(recipe).get(field)) for recipe in rows["recipe"]]]
    label = side_label(names)
    if rows.empty or column not in rows:
        raise HarnessError(f"{label} was not trained with {field}; give its recipe `{field}`")
    if (rows[column] == 0).any():
        raise HarnessError(f"a run of {label} ended with {column} 0, of which there is no ratio")
    return rows


def _logs_by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    """ln of a column by seed, of the network that validation picks for it; nan where that
    diverged.
    """
    best = sides.picked(rows, ["seed"]).set_index("seed")
    with np.errstate(divide="ignore"):
        return np.log(best[column].where(best["status"] == "done"))


def _slopes_by_seed(case: Case, names: Sequence[str]) -> pd.Series:
    """The exponent by seed, of the series whose best network validation picks; nan with fewer than
    LAW_NETWORKS sizes.

    A window `until: minimum` ends at the size of least validation loss in that seed, so that no
    test loss chooses.
    """
    rows = _rows_of(case, names)
    rows = rows.assign(size=sizes_of(rows, case.axis))
    rows = rows[(rows["status"] == "done") & rows["in_window"] & (rows["size"] > 0)]
    slopes = {}
    for seed, of_seed in rows.groupby("seed"):
        best = of_seed.iloc[int(of_seed[VALIDATION].to_numpy(float).argmin())]
        curve = of_seed[of_seed["series"] == best["series"]]
        if best["until_minimum"]:
            curve = curve[curve["size"] <= best["size"]]
        sizes, losses = curve["size"].to_numpy(float), curve[LOSS].to_numpy(float)
        if (losses == 0).any():
            raise NoNumber(
                "ZERO",
                f"a network of {side_label(names)} has a test loss of 0. Test on more points.",
            )
        has_law = np.unique(sizes).size >= replicates.LAW_NETWORKS
        slopes[seed] = float(lines_of(sizes, np.log(losses)[None])[0, 1]) if has_law else math.nan
    return pd.Series(slopes, dtype=float)


def _value(case: Case, logs: pd.Series, *ln_losses: np.ndarray) -> Found:
    overlap = overlap_of(_rows_of(case, case.rule.arms_of_sides[0]))
    gaps = logs.to_numpy(float) - math.log(case.rule.published or 1.0)
    return ratio_over(gaps, case.level, *ln_losses, overlap=overlap)
