"""Two arms at the same size: one arm's curve read at the sizes of the other.

Tiny networks cannot be matched: the nearest width can be 43 % off. So no two sizes are compared as if they were equal:
the second arm's curve is interpolated, between its two nearest sizes, at each size of the first.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from harness.judging.scaling import chosen_runs
from harness.spec import END_TOLERANCE, Manifest


def interpolate(sizes: ArrayLike, values: ArrayLike, at: ArrayLike) -> np.ndarray:
    """The values at sizes `at`, on straight lines in log-log space between neighbours; NaN outside of `sizes`.

    A power law is straight there, so it is read without error between any two of its sizes.
    """
    order = np.argsort(np.asarray(sizes))
    known, wanted = np.log(np.asarray(sizes, float)[order]), np.log(np.asarray(at, float))
    with np.errstate(divide="ignore"):
        heights = np.log(np.asarray(values, float)[order])
    found = np.interp(wanted, known, heights, left=np.nan, right=np.nan)
    exact = np.searchsorted(known, wanted).clip(0, len(known) - 1)  # a size itself needs no neighbour, which may be NaN
    return np.exp(np.where(known[exact] == wanted, heights[exact], found))


def pairs_axis(manifest: Manifest) -> str:
    """The axis on which an experiment's arms are compared at equal size: the one they were matched on."""
    match = manifest.experiment.match
    return match.count_name if match else "params.trainable"


def pairs(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    """A row for each size on `axis` of the first series of a task and each other series there.

    `loss_ratio` is the second's test loss in the task's `metric`, interpolated at that size, over the first's
    (geometric means over seeds of the chosen trials), and `rmse_ratio` the same where that is the RMSE;
    `ratio.<count>` is that of every count, so that 1 stands at `axis` and nowhere else.
    `nearest_off` is how far the second's nearest size lies from it. Sizes that the second does not reach have NaN, and
    so have sizes where most runs diverged, up to the next size. Of sizes crossed with training budgets, the best sizes
    are compared.
    """
    axes = ("params", "flops_forward", "flops_train", "seconds")
    counts = [name for name in table.columns if name.split(".")[0] in axes]
    curves = _curves(table[~table["of_budget"]], axis, counts)
    rows = []
    for task, of_task in curves.groupby("task", sort=False):
        first, *others = list(dict.fromkeys(of_task["series"]))
        reference = of_task[of_task["series"] == first]
        for second in others:
            rows += _pair_rows(str(task), reference, of_task[of_task["series"] == second], axis, counts)
    return pd.DataFrame(rows)


def _curves(table: pd.DataFrame, axis: str, counts: Sequence[str]) -> pd.DataFrame:
    """One row a cell: its size, its counts (medians over its chosen runs), its error, and how many runs diverged."""
    runs = chosen_runs(table, axis)
    runs = runs.assign(log_loss=np.log(runs["test_loss"]), diverged=runs["status"] != "done")
    groups = runs.groupby(["task", "series", "cell"], sort=False)
    curves = groups.agg({"metric": "first", "size": "first", "log_loss": "mean", **dict.fromkeys(counts, "median")})
    loss = np.exp(curves["log_loss"]).where(groups["diverged"].mean() <= 0.5)
    return curves.assign(loss=loss, diverged=groups["diverged"].sum()).reset_index()


def _to_the_end(at: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """A size beyond the ends by no more than the rounding of a match is taken for the end."""
    ends = np.clip(at, sizes.min(), sizes.max())
    return np.where(np.abs(at / ends - 1) <= END_TOLERANCE, ends, at)


def _pair_rows(
    task: str, first: pd.DataFrame, second: pd.DataFrame, axis: str, counts: Sequence[str]
) -> list[dict[str, object]]:
    sizes = second["size"].to_numpy()
    at = _to_the_end(first["size"].to_numpy(), sizes)
    loss = interpolate(sizes, second["loss"].to_numpy(), at)
    read = {name: interpolate(sizes, second[name].to_numpy(), at) for name in counts}
    rows = []
    for index, (_, own) in enumerate(first.iterrows()):
        losses = {"first": own["loss"], "second": loss[index]}
        ratio = losses["second"] / losses["first"]
        rmse = {f"{which}_rmse": value for which, value in losses.items()} | {"rmse_ratio": ratio}
        nearest = sizes[np.argmin(np.abs(sizes / own["size"] - 1))]
        rows.append(
            {
                "task": task,
                "first": own["series"],
                "second": second["series"].iloc[0],
                "axis": axis,
                "size": own["size"],
                **(rmse if own["metric"] == "rmse" else {}),
                "metric": own["metric"],
                **{f"{which}_loss": value for which, value in losses.items()},
                "loss_ratio": ratio,
                "nearest_off": nearest / own["size"] - 1,
                "first_diverged": own["diverged"],
                "second_diverged": int(second["diverged"].sum()),
                **{f"ratio.{name}": read[name][index] / own[name] if own[name] else np.nan for name in counts},
            }
        )
    return rows
