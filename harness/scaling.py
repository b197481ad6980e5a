"""From the table of runs to laws: every series of every task, on every axis, under both laws."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import pandas as pd

from harness import fit
from harness.spec import CountName, Manifest

LAWS: tuple[Literal["pure", "floor"], ...] = ("pure", "floor")
# `seconds` is there when the machine was measured: see harness.cost.
AXES: tuple[str, ...] = (*get_args(CountName), "seconds")
HEADLINE_AXES = ("params.trainable", "flops_train.shared_dense")


def headline_axes(manifest: Manifest) -> tuple[str, str]:
    """The two axes that figures and first tables show: a size and a training cost, one of them the matched axis.

    Matched forward FLOPs stand in the place of parameters.
    """
    size, cost = HEADLINE_AXES
    matched = manifest.experiment.match.count_name if manifest.experiment.match else size
    return (size, matched) if matched.startswith("flops_train") else (matched, cost)


class SeriesFit(NamedTuple):
    """A law fitted to one series; `diverged` and `outside` count chosen runs that are not in it."""

    task: str
    series: str
    axis: str
    fit: fit.Fit
    diverged: int
    outside: int


def sizes_of(table: pd.DataFrame, axis: str) -> pd.Series:
    """The size of every row on `axis`: the median over the runs of its cell that did not diverge.

    So seeds which spent a little more or less work are replicates of one size and not sizes of their own.
    """
    done = table[axis].where(table["status"] == "done").groupby(table["cell"]).transform("median")
    return done.fillna(table.groupby("cell")[axis].transform("median"))


def chosen_runs(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The runs of the trials that validation picked, with their `size` on `axis`."""
    return table.assign(size=sizes_of(table[table["chosen"]], axis))[table["chosen"]]


def fit_table(table: pd.DataFrame, axes: Sequence[str] = AXES, level: float = 0.95) -> list[SeriesFit]:
    """Both laws for every task, series and axis of a table of runs (`record.load`), from runs in the fit window.

    Fits use achieved sizes and counted work. Diverged runs cannot enter a law of their error; they are counted.
    """
    found = []
    for axis in axes:
        if axis not in table:
            continue
        rows = chosen_runs(table, axis)
        for (task, series), group in rows.groupby(["task", "series"], sort=False):
            done = group["status"] == "done"
            inside = group[done & group["in_window"]]
            for law in LAWS:
                result = fit.fit_law(inside["size"].to_numpy(), inside["test_rmse"].to_numpy(), law, level)
                outside = int((done & ~group["in_window"]).sum())
                found.append(SeriesFit(str(task), str(series), axis, result, int((~done).sum()), outside))
    return found


def common_law(fits: Sequence[SeriesFit], task: str, axis: str) -> Literal["pure", "floor"]:
    """The one law to show for all series of a task on an axis, so that their exponents are the same quantity.

    The law that is refused for fewer series; of two that stand alike, the one with a floor, which contains the other.
    A criterion such as AICc is not asked: at six or seven sizes it takes the floor from an arm that visibly lies on it.
    """
    refused = [one.fit.law for one in fits if (one.task, one.axis) == (task, axis) and one.fit.refusals]
    return "pure" if refused.count("pure") < refused.count("floor") else "floor"


def to_json(fits: Sequence[SeriesFit]) -> list[dict[str, Any]]:
    """The fits as plain data, one object a series, axis and law."""
    return [
        {
            "task": one.task,
            "series": one.series,
            "axis": one.axis,
            "metric": "test_rmse",
            "runs_diverged": one.diverged,
            "runs_outside_window": one.outside,
            **fit.to_json(one.fit),
        }
        for one in fits
    ]
