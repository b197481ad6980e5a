"""The table of runs on an axis of sizes, which laws, checks and figures read: a row a run that
stands for its size.

| column | of | |---|---| | `task`, `series` | the curve that it is a run of; a table of anybody's
has no tasks, and arms in place of series | | `size`, `test_loss` | what the laws relate | |
`status` | `done`, or how it failed | | `metric`, `dtype` | what the loss is; a table has its
column, and no dtype | | `in_window`, `until_minimum`, `hold_out` | what was declared of the sizes
that laws are fitted to | | `cell`, `run_id`; `row` | which run it is: of an experiment; of a table
| | `is_minimum` | there where a loss is the least of a budget, of many runs | | `group`, `sd`,
`schedule` | if asked for: what intervals are over, the error of a loss, the learning rate left |

`chosen_runs` makes it of the records of an experiment (`harness.record.table.runs_table`), and
`harness.record.elsewhere` of a file of anybody's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.reasons import NoNumber
from harness.comparison.effort import expected_best
from harness.laws.held_out import largest_sizes, until_minimum
from harness.spec.counts import all_axes, default_count

if TYPE_CHECKING:
    from harness.spec.manifest import Manifest

COLUMNS = (
    *(
        "task",
        "series",
        "size",
        "test_loss",
        "status",
        "metric",
        "dtype",
        "in_window",
        "until_minimum",
        "hold_out",
    ),
    *("cell", "run_id", "row", "is_minimum", "group", "sd", "schedule"),
)
# column: the budget at which a run stands for a side of several arms (`harness.judging.sides`)
BEST_AT = "best_at"
WORK = (
    "flops_train",
    "seconds",
)  # how the names of axes of training costs begin, on which a search has caps
HEADLINE_AXES = (default_count("params"), default_count("flops_train"))


def headline_axes(manifest: Manifest) -> tuple[str, ...]:
    """The axes that figures and first tables show: a size and a training cost, one of them the
    matched axis.

    Matched forward FLOPs stand in the place of parameters. A search has curves over the budgets of
    the matched axis alone.
    """
    size, cost = HEADLINE_AXES
    matched = manifest.experiment.match.count_name if manifest.experiment.match else size
    if manifest.experiment.search:
        return (matched,)
    return (size, matched) if matched.startswith("flops_train") else (matched, cost)


def sizes_of(table: pd.DataFrame, axis: str) -> pd.Series:
    """The size of every row on `axis`: the median over the runs of its cell that did not diverge.

    So seeds which spent a little more or less work are replicates of one size and not sizes of
    their own. Where a side has several arms, its seeds may read different networks at a budget: all
    get the geometric mean of their sizes, at which the mean of ln loss is that of a power law
    without error. The size of a winner is the budget that it won.
    """
    if "won_on" in table and (table["won_on"] == axis).all():
        return table["asked"]
    sizes = table[axis].where(table["status"] == "done").groupby(table["cell"]).transform("median")
    if sizes.isna().any():  # all runs of a cell diverged
        sizes = sizes.fillna(table.groupby("cell")[axis].transform("median"))
    if BEST_AT not in table:
        return sizes
    counted = sizes.where(sizes > 0)
    first = counted.groupby(table[BEST_AT]).transform("first")
    logs = pd.Series(np.log(counted / first), table.index)
    off = logs.groupby(table[BEST_AT]).transform("mean")  # exactly 0 where all read one network
    return (first * np.exp(off)).where(sizes > 0, sizes)


def is_answered(table: pd.DataFrame, axis: str) -> bool:
    """Whether the table can say who is ahead at equal sizes on an axis: a search by work only at
    its one cap.
    """
    return "won_on" not in table or not axis.startswith(WORK) or axis in set(table["won_on"])


def check_answered(table: pd.DataFrame, axis: str) -> None:
    """A HarnessError where a search has no budgets of this kind of work."""
    if not is_answered(table, axis):
        raise NoNumber(
            "OWN_CAPS",
            f"the runs of this search have no cap of {axis}: what a run spends follows from its "
            f"size, so equal {axis} would be equal sizes under another name",
        )


def won_on(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The rows of winners that a search chose for `axis`; all rows of other tables.

    An axis without budgets of its own is read off the winners of sizes; a HarnessError on one of
    work.
    """
    if "won_on" not in table:
        return table
    check_answered(table, axis)
    of_axis = table["won_on"] == axis
    return table[of_axis if of_axis.any() else ~table["won_on"].str.startswith(WORK)]


def chosen_runs(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The runs of the trials that validation picked, with their `size` on `axis`."""
    table = won_on(table, axis)
    return table.assign(size=sizes_of(table[table["chosen"]], axis))[table["chosen"]]


def windowed(
    runs: pd.DataFrame, low: float | None, high: float | None, until_minimum: bool, hold_out: int
) -> pd.DataFrame:
    """The runs with another window: from a lowest to a highest size, both included, up to the least
    mean if asked.
    """
    ends = (-math.inf if low is None else low), (math.inf if high is None else high)
    return runs.assign(
        in_window=runs["size"].between(*ends), until_minimum=until_minimum, hold_out=hold_out
    )


def with_parts(runs: pd.DataFrame) -> pd.DataFrame:
    """The table of runs with the `part` that each has in its series' law.

    failed; held_out: at the largest sizes within the window's declared ends, set aside before the
    data say anything; outside: of the declared ends, or, in a window until the minimum, beyond the
    least mean of what was not set aside; fitted: the rest.
    """
    part = pd.Series("outside", index=runs.index)
    part[runs["in_window"]] = "fitted"
    part[runs["status"] != "done"] = "failed"
    for _, inside in runs[part == "fitted"].groupby(["task", "series"], sort=False):
        held = largest_sizes(inside["size"], inside["hold_out"].iloc[0])
        part[inside.index[held]] = "held_out"
        if inside["until_minimum"].any():
            rest = inside[~held]
            part[rest.index[~until_minimum(rest["size"], rest["test_loss"])]] = "outside"
    return runs[[name for name in COLUMNS if name in runs]].assign(part=part)


def series_of(runs: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The task and name of each series, and its runs `with_parts`."""
    for (task, series), rows in with_parts(runs).groupby(["task", "series"], sort=False):
        yield str(task), str(series), rows


def series_name(task: str, series: str) -> str:
    """What a series is called: of an experiment with its task."""
    return f"{task}: {series}" if task else series


def best_of_tries(
    runs: Mapping[str, pd.DataFrame], axes: Sequence[str], k: int
) -> dict[str, pd.DataFrame]:
    """Tables by axis, row by row of the same runs, with a row for each series and size on all
    `axes`.

    Its loss is the expected best of k tries by the rule of effort curves, over all subsets; a
    failed run is a try.
    """
    first, losses = runs[axes[0]], {}
    places = [first["task"], first["series"], *(runs[axis]["size"] for axis in axes)]
    for (_, series, *sizes), rows in first.groupby(places, sort=False):
        if len(rows) < k:
            at = " and ".join(f"{axis}={size:.4g}" for axis, size in zip(axes, sizes, strict=True))
            raise HarnessError(
                f"`best_of` {k}: {series} has {len(rows)} runs at {at}; ask for at most so many"
            )
        done = rows["status"] == "done"
        logs = np.log(rows["test_loss"].where(done, np.inf).to_numpy(float))
        losses[done.idxmax()] = float(np.exp(expected_best(logs, k)))
    best, named = pd.Series(losses).dropna(), f"{first['metric'].iloc[0]}, best of {k}"
    return {
        axis: table.loc[best.index].assign(test_loss=best, metric=named)
        for axis, table in runs.items()
    }


def size_axes() -> list[str]:
    """Every axis on which laws are fitted; `seconds` where the machine was measured
    (`harness.measure.cost`).
    """
    return [axis.name for axis in all_axes().values() if axis.is_size]
