"""From the table of runs to laws: every series of every task, on every axis, under both laws."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd

from harness.base.plain import INLINE
from harness.laws import Fit
from harness.laws.held_out import Extrapolation, largest_sizes
from harness.laws.window import until_minimum
from harness.spec import Manifest, all_axes, default_count

SeriesLaw = Literal["pure", "floor"]
LAWS: tuple[SeriesLaw, ...] = ("pure", "floor")
BEST_AT = "best_at"  # column: the budget at which a run stands for a side of several arms (`harness.judging.sides`)
HEADLINE_AXES = (default_count("params"), default_count("flops_train"))


def headline_axes(manifest: Manifest) -> tuple[str, str]:
    """The two axes that figures and first tables show: a size and a training cost, one of them the matched axis.

    Matched forward FLOPs stand in the place of parameters.
    """
    size, cost = HEADLINE_AXES
    matched = manifest.experiment.match.count_name if manifest.experiment.match else size
    return (size, matched) if matched.startswith("flops_train") else (matched, cost)


class SeriesFit(NamedTuple):
    """A law of one series: its curve on an axis, in one form."""

    task: Annotated[str, "the task"]
    series: Annotated[str, "the curve"]
    axis: Annotated[str, "of its sizes"]
    fit: Annotated[Fit, INLINE]
    runs_diverged: Annotated[int, "chosen runs that are not in it as they diverged"]
    runs_outside_window: Annotated[int, "chosen runs that are not in it as the window leaves them out"]
    without_window: Annotated[Fit | None, "the law of all sizes, if the window left some out"] = None
    held_out: Annotated[Extrapolation | None, "what the law predicted at the sizes set aside"] = None
    loss: str = "rmse"

    @property
    def metric(self) -> Annotated[str, "the loss, such as `test_rmse`"]:
        """As columns of tables are called."""
        return f"test_{self.loss}"


def laws_of(fits: Iterable[SeriesFit]) -> dict[tuple[str, str, str], dict[str, SeriesFit]]:
    """(task, series, axis) -> law -> its fit."""
    found: dict[tuple[str, str, str], dict[str, SeriesFit]] = {}
    for one in fits:
        found.setdefault((one.task, one.series, one.axis), {})[one.fit.law] = one
    return found


def sizes_of(table: pd.DataFrame, axis: str) -> pd.Series:
    """The size of every row on `axis`: the median over the runs of its cell that did not diverge.

    So seeds which spent a little more or less work are replicates of one size and not sizes of their own. Where a side
    has several arms, its seeds may read different networks at a budget: all get the geometric mean of their sizes, at
    which the mean of ln loss is that of a power law without error.
    """
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


def won_on(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The rows of winners that a search chose for `axis`; all rows of other tables.

    On a training cost for which winners were chosen, the size of a run is the budget that it won. Any other axis is
    read off the winners of sizes.
    """
    if "won_on" not in table:
        return table
    of_costs = table["won_on"].str.startswith(("flops_train", "seconds"))
    own = table["won_on"] == axis
    if (own & of_costs).any():
        return table[own].assign(**{axis: table.loc[own, "asked"]})
    return table[~of_costs]


def chosen_runs(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The runs of the trials that validation picked, with their `size` on `axis`."""
    table = won_on(table, axis)
    return table.assign(size=sizes_of(table[table["chosen"]], axis))[table["chosen"]]


def with_parts(runs: pd.DataFrame) -> pd.DataFrame:
    """Chosen runs (`chosen_runs`) with the `part` that each has in its series' law on that axis.

    diverged; held_out: at the largest sizes within the window's declared ends, set aside before the data say anything;
    outside: of the declared ends, or, in a window until the minimum, beyond the least mean of what was not set aside;
    fitted: the rest.
    """
    part = pd.Series("outside", index=runs.index)
    part[runs["in_window"]] = "fitted"
    part[runs["status"] != "done"] = "diverged"
    for _, inside in runs[part == "fitted"].groupby(["task", "series"], sort=False):
        held = largest_sizes(inside["size"], inside["hold_out"].iloc[0])
        part[inside.index[held]] = "held_out"
        if inside["until_minimum"].any():
            rest = inside[~held]
            part[rest.index[~until_minimum(rest["size"], rest["test_loss"])]] = "outside"
    return runs.assign(part=part)


def size_axes() -> list[str]:
    """Every axis on which laws are fitted; `seconds` where the machine was measured (`harness.measure.cost`)."""
    return [axis.name for axis in all_axes().values() if axis.is_size]


def common_law(fits: Sequence[SeriesFit], task: str, axis: str) -> SeriesLaw:
    """The one law to show for all series of a task on an axis, so that their exponents are the same quantity.

    The law that is refused for fewer series; of two that stand alike, the one with a floor, which contains the other.
    A criterion such as AICc is not asked: at six or seven sizes it takes the floor from an arm that visibly lies on it.
    Of a search there is the law without a floor alone.
    """
    if not any(one.fit.law == "floor" for one in fits):
        return "pure"
    refused = [one.fit.law for one in fits if (one.task, one.axis) == (task, axis) and one.fit.refusals]
    return "pure" if refused.count("pure") < refused.count("floor") else "floor"
