"""Runs of two sizes as compute-optimal curves: at each budget of compute the least loss over sizes, by a parabola."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.reasons import Caution
from harness.judging.ahead import CrossedRuns, is_cost
from harness.judging.forms import crossed_runs, product_cautions
from harness.judging.request import Request
from harness.judging.scaling import with_parts
from harness.laws.ahead import budgets_of
from harness.laws.isoflop import Valley, isoflop

MIN_BUDGETS = 3
COMPUTE = "compute"  # what 6 N D is called
Optimal = tuple[Request, dict[str, pd.DataFrame], dict[tuple[str, str], tuple[Caution, ...]]]


def over_compute(request: Request) -> tuple[str, ...]:
    """Which of the axes of a comparison are costs: `compute` of two sizes, a column of seconds, columns called so."""
    if request.form == "and":
        return (compute_name(request), *filter(None, [request.seconds]))
    return tuple(axis for axis in request.x if is_cost(axis) or axis == request.seconds)


def compute_name(request: Request) -> str:
    """The column of compute; D where that is a cost of training."""
    if request.compute or is_cost(str(request.value)):
        return str(request.compute or request.value)
    return COMPUTE


def optimal_runs(request: Request, runs: Mapping[str, pd.DataFrame]) -> Optimal:
    """A row a budget and series, at its compute, with the least loss; and at the seconds of that run if asked.

    The request is that of these axes, and cautions are by axis and series. A HarnessError where a series has a best
    size at fewer than three budgets.
    """
    compute = compute_name(request)
    axes = (compute, *filter(None, [request.seconds]))
    optimal: dict[str, list[pd.DataFrame]] = {axis: [] for axis in axes}
    arms: dict[str, CrossedRuns] = {}
    for (_, series), own in with_parts(runs[request.x[0]]).groupby(["task", "series"], sort=False):
        crossed = arms[str(series)] = crossed_runs(request, own, runs)
        budgets = budgets_of(crossed.compute)
        valleys = isoflop(budgets, crossed.n, crossed.y).used
        if len(valleys) < MIN_BUDGETS:
            found = f"{len(valleys)} of {np.unique(budgets).size} budgets of {compute}"
            raise HarnessError(
                f"{series}: {found} have a best {request.x[0]} within those tried, and {MIN_BUDGETS} are needed; add "
                f"sizes at them, or compare over {compute} alone (`x`)"
            )
        rows = own[own["status"] == "done"].iloc[: len(valleys)].assign(is_minimum=True)
        losses = np.array([valley.y_best for valley in valleys], float)
        optimal[compute].append(rows.assign(size=[valley.budget for valley in valleys], test_loss=losses))
        if request.seconds:
            done = own[own["status"] == "done"]
            seconds = runs[request.seconds]["size"][done.index].to_numpy(float)
            spent = list(_seconds(valleys, budgets, crossed.n, seconds))
            optimal[request.seconds].append(rows.assign(size=spent, test_loss=losses))
    tables = {axis: pd.concat(parts).reset_index(drop=True) for axis, parts in optimal.items()}
    told = product_cautions(list(arms.values()))
    return replace(request, x=axes), tables, {(compute, series): told for series in arms}


def _seconds(valleys: tuple[Valley, ...], budgets: np.ndarray, n: np.ndarray, seconds: np.ndarray) -> Iterator[float]:
    """What the run of the best size takes at each budget, on a line of ln seconds in ln size through its runs."""
    for valley in valleys:
        there = budgets == valley.budget
        slope, level = np.polyfit(np.log(n[there]), np.log(seconds[there]), 1)
        yield float(np.exp(level + slope * np.log(float(valley.x_best or 1))))
