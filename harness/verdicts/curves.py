"""The runs of an arm as a curve of one value over sizes, read at the sizes of another, seed by seed.

Curves are straight lines in log-log space between neighbouring sizes, as in `harness.pairs`: a power law is read
without error, and nothing is extrapolated. Runs of one seed see the same data whatever the arm, so arms are compared
within seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution

from harness.compare.survivors import MOST_FAILED
from harness.errors import HarnessError
from harness.pairs import END_TOLERANCE
from harness.scaling import chosen_runs

LOSS, VALIDATION = "test_loss", "val_loss"  # in the metric of the task


def arm_runs(table: pd.DataFrame, task: str, names: Sequence[str], label: str) -> pd.DataFrame:
    """The chosen runs of the arms or series `names` on a task, as one series called `label`.

    Of several series the best at each budget stands for all: that with the least median validation loss over seeds.
    Where winners of a search are confirmed, it was chosen on the search's seeds, which are not among these.
    A HarnessError where they have no budgets in common, or there are none.
    """
    rows = table[(table["task"] == task) & ~table["of_budget"] & table["chosen"]]
    if "won_on" in table:  # the best was chosen on other seeds than these
        if label not in set(table["series"]):
            sides = ", ".join(dict.fromkeys(table["series"]))
            raise HarnessError(f"the search chose no winner for {label}; its sides are: {sides}")
        return rows[rows["series"] == label]
    rows = rows[rows["arm"].isin(names) | rows["series"].isin(names)]
    series = list(dict.fromkeys(rows["series"]))
    if not series:
        raise HarnessError(f"{label} has no runs on {task}")
    if len(series) > 1:
        if rows["asked"].isna().any():
            raise HarnessError(
                f"{label} has {len(series)} series on {task} ({', '.join(series)}), not matched at budgets, so that "
                "there is no best of them; name one"
            )
        medians = rows.assign(loss=rows[VALIDATION].fillna(math.inf)).groupby(["asked", "cell"])["loss"].median()
        best = medians.groupby("asked").idxmin().map(lambda key: key[1])
        rows = rows[rows["cell"].isin(best)]
    return rows.assign(series=label)


@dataclass(frozen=True)
class Curve:
    """ln of a value by size [n] and seed [n, s], nan where a run diverged; `lost` [n] is the share that did."""

    name: str
    axis: str
    sizes: np.ndarray
    logs: np.ndarray
    lost: np.ndarray
    seeds: tuple[int | str, ...]


def curve(runs: pd.DataFrame, axis: str, column: str = LOSS) -> Curve:
    """The curve of `column` over sizes on `axis`, from one series' runs; a HarnessError where there is none."""
    name = str(runs["series"].iloc[0])
    for needed in (axis, column):
        if needed not in runs:
            raise HarnessError(f"{needed} of {name} is not measured")
    sized = chosen_runs(runs, axis)
    sized = sized[sized["size"] > 0]
    if sized.empty:
        raise HarnessError(f"{axis} counts nothing of {name}")
    sized = sized.assign(value=sized[column].where(sized["status"] == "done"), lost=sized["status"] != "done")
    with np.errstate(divide="ignore"):
        sized = sized.assign(value=np.log(sized["value"]))
    lost = sized.groupby("size")["lost"].mean()
    logs = sized.pivot_table("value", "size", "seed", aggfunc="mean", dropna=False).reindex(lost.index)
    seeds = tuple(logs.columns.tolist())
    return Curve(name, axis, lost.index.to_numpy(float), logs.to_numpy(float), lost.to_numpy(float), seeds)


def size_of(runs: pd.DataFrame, axis: str, at: float, known: str) -> float:
    """The size on `axis` of the network of size `at` on the axis `known`, between neighbours where there is none."""
    if axis == known:
        return at
    return math.exp(mean(read(curve(runs, known, axis), at), axis, str(runs["series"].iloc[0])))


def mean(logs: np.ndarray, what: str, name: str) -> float:
    """The mean of ln values over the seeds that did not diverge; a HarnessError where it is not finite."""
    known = logs[~np.isnan(logs)]
    if not known.size or not np.isfinite(known).all():
        raise HarnessError(f"{what} counts nothing of {name}")
    return float(known.mean())


def read(one: Curve, at: float) -> np.ndarray:
    """ln of the value at size `at`, by seed [s]; a HarnessError outside of the sizes, and where many runs diverged."""
    sizes = one.sizes
    inside = min(max(at, sizes[0]), sizes[-1])
    if abs(at / inside - 1) > END_TOLERANCE:
        raise HarnessError(
            f"NO_OVERLAP: {one.name} has {one.axis} from {sizes[0]:.4g} to {sizes[-1]:.4g}, which leaves {at:.4g} out"
        )
    upper = int(np.searchsorted(sizes, inside))
    lower = upper if sizes[upper] == inside else upper - 1
    if max(one.lost[lower], one.lost[upper]) > MOST_FAILED:
        raise HarnessError(
            f"CENSORED: at {one.axis} {sizes[lower]:.4g} to {sizes[upper]:.4g}, "
            f"{max(one.lost[lower], one.lost[upper]):.0%} of the runs of {one.name} diverged; mend them first"
        )
    if lower == upper:
        return one.logs[lower]
    share = math.log(inside / sizes[lower]) / math.log(sizes[upper] / sizes[lower])
    return (1 - share) * one.logs[lower] + share * one.logs[upper]


def largest_common(first: Curve, second: Curve) -> float:
    """The largest size that both curves reach; a HarnessError where they share none."""
    low, high = common(first, second)
    if high < low * (1 - END_TOLERANCE):
        raise HarnessError(
            f"NO_OVERLAP: {first.name} has {first.axis} from {first.sizes[0]:.4g} to {first.sizes[-1]:.4g}, "
            f"{second.name} from {second.sizes[0]:.4g} to {second.sizes[-1]:.4g}"
        )
    return high


def common(first: Curve, second: Curve) -> tuple[float, float]:
    """The range of sizes that both curves have; empty where the low end is above the high one."""
    return max(first.sizes[0], second.sizes[0]), min(first.sizes[-1], second.sizes[-1])


@dataclass(frozen=True)
class Paired:
    """second / first, geometric mean over `seeds` seeds, with Student's interval of its ln."""

    estimate: float
    low: float
    high: float
    seeds: int


def paired(first: Curve, second: Curve, at: float, level: float) -> Paired:
    """The ratio second / first of the values at size `at`, from the seeds that both have.

    The interval is Student's t over the seeds' ln ratios: those that the arms share cancel what a draw of data does to
    both. A HarnessError with the reason where either is not read, or one seed is left.
    """
    by_seed = [dict(zip(one.seeds, read(one, at), strict=True)) for one in (first, second)]
    gaps = np.array([by_seed[1][seed] - by_seed[0][seed] for seed in by_seed[0] if seed in by_seed[1]])
    gaps = gaps[np.isfinite(gaps)]
    if gaps.size < 2:
        raise HarnessError(
            f"SEEDS: {gaps.size} {'seed' if gaps.size == 1 else 'seeds'} of both {first.name} and {second.name} at "
            f"{first.axis} {at:.4g}: no spread, so no interval; run more seeds"
        )
    half = t_distribution.isf((1 - level) / 2, gaps.size - 1) * gaps.std(ddof=1) / math.sqrt(gaps.size)
    with np.errstate(over="ignore"):
        estimate, low, high = (float(end) for end in np.exp(gaps.mean() + np.array([0.0, -half, half])))
    return Paired(estimate, low, high, gaps.size)
