"""What the replicates of a search found: of each side, at each budget, the run that validation
picks in each replicate.

Budgets are "at most": at a budget of sizes the runs of all sizes up to it compete, at one of work
those that cost no more. So a larger budget never leaves a side with less to choose from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.spec.budgets import by_count
from harness.spec.counts import all_axes
from harness.spec.decide import side_label

if TYPE_CHECKING:
    from harness.spec.manifest import Manifest

VALIDATION = "val_loss"
LOSS = "test_loss"


def reported(manifest: Manifest, runs: pd.DataFrame) -> pd.DataFrame:
    """The table that is judged: of a search its winners, else the runs as they are.

    A winner is a row with the `series` of its side, `asked` as its budget, and `won_on` as the axis
    of that; its counts are its network's own. A side without a candidate in a replicate has a row
    that diverged. Seeds that lack a record are left out: what is best of a part of a search is no
    winner of it.
    """
    if runs.empty:
        return runs
    seeds = {planned.run_id: planned.run.seed for planned in manifest.runs}
    recorded = runs.groupby("seed")["run_id"].nunique()
    whole = [
        seed for seed, number in Counter(seeds.values()).items() if recorded.get(seed) == number
    ]
    runs = runs[runs["seed"].isin(whole)]
    if manifest.experiment.search is None or runs.empty:
        return runs
    rows, runs_of_side = [], cache(partial(of_side, manifest, runs))
    for number, (task, side, axis, budget) in enumerate(_budgets(manifest, runs)):
        side_runs = candidates(manifest, runs_of_side(task, side), axis, budget)
        allowed = side_runs[(side_runs["cost"] <= budget) & np.isfinite(side_runs[VALIDATION])]
        winners = allowed.loc[allowed.groupby("seed")[VALIDATION].idxmin()]
        without = side_runs[~side_runs["seed"].isin(winners["seed"])].drop_duplicates("seed")
        of_all = pd.concat([winners, without.assign(status="diverged", **{LOSS: np.nan})])
        where = {"series": side_label(side), "asked": budget, "won_on": axis, "cell": number}
        rows.append(of_all.assign(**where, chosen=True))
    return pd.concat(rows, ignore_index=True).sort_values(["cell", "seed"], ignore_index=True)


def of_side(manifest: Manifest, runs: pd.DataFrame, task: str, side: Sequence[str]) -> pd.DataFrame:
    """The runs of a side on a task, of which its arms have equal shares."""
    search = manifest.experiment.search
    assert search
    most = dict(zip(side, search.shares(len(side)), strict=True))
    of_task = runs[(runs["task"] == task) & runs["arm"].isin(side)]
    return of_task[of_task["trial"] < of_task["arm"].map(most)]


def candidates(manifest: Manifest, runs: pd.DataFrame, axis: str, budget: float) -> pd.DataFrame:
    """What competes at a budget on an axis, with its `cost`: the runs of a side, or with budgets
    its readings.

    The cost on the matched axis is the size that was asked, so that a small network of it is none
    of a smaller size. There readings compete that are at the last budget of the first count, and on
    an axis of budgets those at this one.
    """
    match, budgets = manifest.experiment.match, by_count(manifest.experiment.read_at)
    assert match
    if axis in budgets:
        at_budget = runs[(runs["axis"] == axis) & (runs["budget"] == budget)]
        return at_budget.assign(cost=budget)
    if budgets:
        count, of_count = next(iter(budgets.items()))
        runs = runs[(runs["axis"] == count) & (runs["budget"] == of_count[-1])]
    return runs.assign(cost=runs["asked"] if axis == match.count_name else runs[axis])


def _budgets(
    manifest: Manifest, runs: pd.DataFrame
) -> Iterator[tuple[str, tuple[str, ...], str, float]]:
    """Every task, side, axis and budget that is read: all sizes, and all budgets of work or the cap
    in its place.

    A cap in evaluations is no budget of work: equal work would be equal sizes under another name.
    """
    match, search = manifest.experiment.match, manifest.experiment.search
    assert match
    assert search
    works = by_count(search.budgets)
    if search.cap_name in all_axes() and search.cap_name in runs:
        works = {search.cap_name: tuple(search.most.values())}
    for task in dict.fromkeys(runs["task"]):
        of_task = {side: of_side(manifest, runs, task, side) for side in manifest.experiment.sides}
        for side, side_runs in of_task.items():
            sizes = sorted(side_runs["asked"].unique())
            for axis, budgets in ({match.count_name: sizes} | works).items():
                yield from ((task, side, axis, float(budget)) for budget in budgets if sizes)
