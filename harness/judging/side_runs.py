"""The runs that stand for a side of a rule: those of its arm, or of the best of several, which other seeds choose.

Whoever chooses an arm by the seeds that he then reads flatters the side that has more arms: four equal arms come out at
0.82 of the loss of one in `tests/judging/test_side_runs.py`. So the choice is cross-fitted: the seed that is read has
no say in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison.choose import choose_on_others
from harness.judging.scaling import BEST_AT

VALIDATION = "val_loss"  # in the metric of the task
SEEDS_TO_LEAVE_ONE_OUT = 3  # one is left out, one is read, and one chooses


@dataclass(frozen=True)
class SideRuns:
    """The runs that stand for a side on a task, as one series.

    Of several series `without` has for each seed the runs that would stand for the side if that seed had not been run:
    intervals are to hold what the choice hangs on. It is empty of one series, and where there are only two seeds.
    `curves` remembers what `curves.side_curve` made of them.
    """

    runs: pd.DataFrame
    without: Mapping[int | str, pd.DataFrame] = field(default_factory=dict)
    curves: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False)


class Budget(NamedTuple):
    """The runs at a budget, [cells, seeds]: validation losses, inf where a run diverged, and the runs' positions in the
    table, -1 where there is no run.
    """

    validation: np.ndarray
    rows: np.ndarray


def side_runs(table: pd.DataFrame, task: str, names: Sequence[str], label: str) -> SideRuns:
    """The chosen runs of the arms or series `names` on a task, as one series called `label`.

    Of several series each seed reads, at each budget, the one with the least mean validation loss over all other
    seeds. Where winners of a search are confirmed, other seeds have chosen already, and nothing is chosen here.
    A HarnessError where there are no runs, series have no budgets in common, or there is one seed and so no other.
    """
    rows = table[(table["task"] == task) & ~table["of_budget"] & table["chosen"]]
    if "won_on" in table:
        if label not in set(table["series"]):
            sides = ", ".join(dict.fromkeys(table["series"]))
            raise HarnessError(f"the search chose no winner for {label}; its sides are: {sides}")
        return SideRuns(rows[rows["series"] == label])
    rows = rows[rows["arm"].isin(names) | rows["series"].isin(names)]
    series = list(dict.fromkeys(rows["series"]))
    if not series:
        raise HarnessError(f"{label} has no runs on {task}")
    if len(series) == 1:
        return SideRuns(rows.assign(series=label))
    listed = f"{label} has {len(series)} series on {task} ({', '.join(series)})"
    if rows["asked"].isna().any():
        raise HarnessError(f"{listed}, not matched at budgets, so that there is no best of them; name one")
    seeds = sorted(rows["seed"].unique())
    if len(seeds) == 1 and rows["asked"].duplicated().any():
        raise HarnessError(
            f"SEEDS: {listed}, and the best of them is chosen for each seed on all other seeds, of which there are "
            "none; run more seeds, or name one of the series"
        )
    rows, budgets = rows.assign(series=label, **{BEST_AT: rows["asked"]}), _budgets(rows, seeds)
    runs = _read(rows, budgets)
    if len(seeds) < SEEDS_TO_LEAVE_ONE_OUT:
        return SideRuns(runs)
    return SideRuns(runs, {seed: _read(rows, _leave_out(budgets, column)) for column, seed in enumerate(seeds)})


def _budgets(rows: pd.DataFrame, seeds: Sequence[int | str]) -> list[Budget]:
    """One for each budget; cells are in the order of the table, and every one has a column for each seed."""
    losses = rows[VALIDATION].where(rows["status"] == "done", math.inf).to_numpy(float)
    columns = pd.Index(seeds).get_indexer(pd.Index(rows["seed"]))
    found = []
    for positions in rows.groupby("asked", sort=False).indices.values():
        cells, names = pd.factorize(rows["cell"].iloc[positions])
        budget = Budget(np.full((len(names), len(seeds)), math.inf), np.full((len(names), len(seeds)), -1))
        budget.validation[cells, columns[positions]] = losses[positions]
        budget.rows[cells, columns[positions]] = positions
        found.append(budget)
    return found


def _leave_out(budgets: Sequence[Budget], column: int) -> list[Budget]:
    return [Budget(*(np.delete(values, column, axis=1) for values in budget)) for budget in budgets]


def _read(rows: pd.DataFrame, budgets: Sequence[Budget]) -> pd.DataFrame:
    """Of each budget and seed the run of the cell that the other seeds choose."""
    chosen = []
    for budget in budgets:
        has_run = (budget.rows >= 0).any(axis=0)  # looks add seeds to some sizes only
        positions = budget.rows[:, has_run]
        positions = positions[choose_on_others(budget.validation[:, has_run]), np.arange(positions.shape[1])]
        chosen.append(positions[positions >= 0])
    return rows.iloc[np.concatenate(chosen)]
