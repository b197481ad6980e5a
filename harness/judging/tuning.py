"""Tuning curves from the table of a search's runs, and as tables that a script reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError
from harness.comparison.tuning_curve import EffortRatio, TuningCurve, effort_ratio, tuning_curve


class SearchedSize(NamedTuple):
    """One side of a rule at one size on one task; `asked` is None where nothing was matched."""

    task: str
    arm: str
    asked: float | None


def tuning_curves(table: pd.DataFrame, level: float = 0.95) -> dict[SearchedSize, TuningCurve]:
    """The tuning curve of every side at every size, from a row a task, arm, size, trial and seed.

    `table` has the columns task, arm (the side's label), asked (the size), trial, seed, val_loss, test_loss and status.
    Runs whose status is not "done" count as failed. A trial number stands for one trial of the side, so a side of
    several arms numbers the trials of its pool. A HarnessError where a trial lacks a seed or has one twice.
    """
    curves = {}
    for _, rows in table.groupby(list(SearchedSize._fields), sort=False, dropna=False):
        task, arm, size = rows[list(SearchedSize._fields)].iloc[0]
        asked = None if pd.isna(size) else float(size)
        name = f"{arm} on {task}" + ("" if asked is None else f" at {asked:.6g}")
        curves[SearchedSize(task, arm, asked)] = _curve(rows, name, level)
    return curves


def ratios(
    curves: Mapping[SearchedSize, TuningCurve], first: str, second: str
) -> dict[tuple[str, float | None], EffortRatio]:
    """The ratio second / first by task and size, wherever both sides were searched."""
    return {
        (one.task, one.asked): effort_ratio(curve, curves[one._replace(arm=second)])
        for one, curve in curves.items()
        if one.arm == first and one._replace(arm=second) in curves
    }


def curves_table(curves: Mapping[SearchedSize, TuningCurve]) -> pd.DataFrame:
    """A row a task, arm, size and k: expected test loss with its band, and the chance that the pick failed."""
    rows: list[tuple[object, ...]] = []
    for one, curve in curves.items():
        by_k = zip(curve.k, curve.estimate, curve.low, curve.high, curve.failed, strict=True)
        rows += [(*one, curve.trials, len(curve.seeds), *of_k) for of_k in by_k]
    columns = [*SearchedSize._fields, "trials", "seeds", "k", "test_loss", "low", "high", "failed"]
    return pd.DataFrame(rows, columns=columns).astype({"asked": float})


def ratios_table(found: Mapping[tuple[str, float | None], EffortRatio]) -> pd.DataFrame:
    """A row a task, size and k: the ratio second / first with its band, and its spread over draws of k trials."""
    rows: list[tuple[object, ...]] = []
    for where, one in found.items():
        by_k = zip(one.k, one.estimate, one.low, one.high, one.draws_low, one.draws_high, one.first_ahead, strict=True)
        rows += [(*where, *of_k) for of_k in by_k]
    columns = ["task", "asked", "k", "ratio", "low", "high", "draws_low", "draws_high", "first_ahead"]
    return pd.DataFrame(rows, columns=columns).astype({"asked": float})


def _curve(rows: pd.DataFrame, name: str, level: float) -> TuningCurve:
    counts = pd.crosstab(rows["trial"], rows["seed"])
    trials, seeds = counts.index.tolist(), counts.columns.tolist()
    odd = np.argwhere(counts.to_numpy() != 1)
    if odd.size:
        row, column = odd[0]
        raise HarnessError(
            f"{name}: trial {trials[row]} has {counts.to_numpy()[row, column]} runs of seed {seeds[column]}, and a "
            "tuning curve needs one run a trial and seed; run the search to its end first.",
            INCOMPLETE,
        )
    ordered = rows.sort_values(["trial", "seed"])
    is_done = (ordered["status"] == "done").to_numpy().reshape(counts.shape)
    validation, test = (
        np.where(is_done, ordered[loss].to_numpy(float).reshape(counts.shape), np.nan)
        for loss in ("val_loss", "test_loss")
    )
    try:
        return tuning_curve(validation, test, seeds, level)
    except HarnessError as error:
        raise HarnessError(f"{name}: {error}", error.exit_code) from None
