"""What the replicates of a search found: of each side, at each budget, the run that validation picks in each replicate.

Budgets are "at most": at a budget of sizes the runs of all sizes up to it compete, at one of work those that cost no
more. So a larger budget never leaves a side with less to choose from.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, partial

import numpy as np
import pandas as pd

from harness.spec import Manifest, all_axes, default_count, side_label
from harness.spec.arm import Search

VALIDATION = "val_loss"
LOSS = "test_loss"
ALWAYS_COSTED = default_count("flops_train")
DIGITS = 3  # of such budgets
UNSPENT = 0.5  # the share of a budget of work that may be left by the dearest run of a side that it allows


def reported(manifest: Manifest, runs: pd.DataFrame) -> pd.DataFrame:
    """The table that is judged: of a search its winners, else the runs as they are.

    A winner is a row with the `series` of its side, `asked` as its budget, and `won_on` as the axis of that, on which
    its size is the budget. A side without a candidate in a replicate has a row that diverged. Seeds that lack a record
    are left out: what is best of a part of a search is no winner of it.
    """
    if runs.empty:
        return runs
    seeds = {planned.run_id: planned.run.seed for planned in manifest.runs}
    recorded = runs.groupby("seed")["run_id"].nunique()
    whole = [seed for seed, number in Counter(seeds.values()).items() if recorded.get(seed) == number]
    runs = runs[runs["seed"].isin(whole)]
    if manifest.experiment.search is None or runs.empty:
        return runs
    rows, runs_of_side = [], cache(partial(of_side, manifest, runs))
    for number, (task, side, axis, budget) in enumerate(_budgets(manifest, runs)):
        side_runs = runs_of_side(task, side)
        cost = cost_on(manifest, side_runs, axis)
        allowed = side_runs[(cost <= budget) & np.isfinite(side_runs[VALIDATION])]
        winners = allowed.loc[allowed.groupby("seed")[VALIDATION].idxmin()]
        without = side_runs[~side_runs["seed"].isin(winners["seed"])].drop_duplicates("seed")
        of_all = pd.concat([winners, without.assign(status="diverged", **{LOSS: np.nan})])
        where = {"series": side_label(side), "asked": budget, "won_on": axis, axis: budget, "cell": number}
        rows.append(of_all.assign(**where, chosen=True, trials=runs["trials"].max()))
    return pd.concat(rows, ignore_index=True).sort_values(["cell", "seed"], ignore_index=True)


def of_side(manifest: Manifest, runs: pd.DataFrame, task: str, side: Sequence[str]) -> pd.DataFrame:
    """The runs of a side on a task, of which its arms have equal shares."""
    search = manifest.experiment.search
    assert search
    most = dict(zip(side, search.shares(len(side)), strict=True))
    of_task = runs[(runs["task"] == task) & runs["arm"].isin(side)]
    return of_task[of_task["trial"] < of_task["arm"].map(most)]


def cost_on(manifest: Manifest, runs: pd.DataFrame, axis: str) -> pd.Series:
    """What a run costs on an axis: on the matched one the size that was asked, so that a small network of it is none of
    a smaller size.
    """
    match = manifest.experiment.match
    assert match
    return runs["asked"] if axis == match.count_name else runs[axis]


def _budgets(manifest: Manifest, runs: pd.DataFrame) -> Iterator[tuple[str, tuple[str, ...], str, float]]:
    """Every task, side, axis and budget that is read: axes of work are those of rules and of every answer."""
    match, search = manifest.experiment.match, manifest.experiment.search
    assert match
    assert search
    asked = [rule.axis for rule in manifest.experiment.decide if rule.axis]
    works = dict.fromkeys([ALWAYS_COSTED, *asked, *(name for name, axis in all_axes().items() if axis.in_answers)])
    is_read = [name.startswith("flops_train") or name == "seconds" for name in works]
    axes = [name for name in itertools.compress(works, is_read) if name in runs and name != match.count_name]
    for task in dict.fromkeys(runs["task"]):
        sides = {}
        for side in manifest.experiment.sides:
            side_runs = of_side(manifest, runs, task, side)
            if not side_runs.empty:
                sides[side] = side_runs
                for budget in sorted(side_runs["asked"].unique()):
                    yield task, side, match.count_name, float(budget)
        for axis in axes:
            budgets = _of_work(search, axis, list(sides.values()))
            yield from ((task, side, axis, budget) for side, budget in itertools.product(sides, budgets))


def _of_work(search: Search, axis: str, sides: Sequence[pd.DataFrame]) -> list[float]:
    """The budgets of work on an axis: the caps, where it is theirs; else as many, evenly in the logarithm.

    At the largest every side has a run that leaves at most UNSPENT of it, so that none is judged by runs that cost far
    less than another's. At the smallest every replicate of a side has a run.
    """
    if axis == search.cap_name:
        return sorted(set(search.caps))
    done = [side.loc[side["status"] == "done", axis] for side in sides]
    if any(costs.empty for costs in done):
        return []
    low = max(side[side["status"] == "done"].groupby("seed")[axis].min().max() for side in sides)
    most = min(costs.max() for costs in done)
    can_be_spent = (
        cost
        for cost in np.unique(np.concatenate(done))[::-1]
        if low <= cost <= most and all(costs.between((1 - UNSPENT) * cost, cost).any() for costs in done)
    )
    if not (high := next(can_be_spent, 0.0)):
        return []
    number = len(set(np.concatenate([side["asked"] for side in sides])))
    budgets = []
    for budget in np.geomspace(high, low, number)[::-1]:
        unit = 10.0 ** (math.floor(math.log10(budget)) - DIGITS + 1)
        budgets.append(math.ceil(budget / unit * (1 - 1e-12)) * unit)  # never below what a run costs that just fits
    return list(dict.fromkeys(budgets))
