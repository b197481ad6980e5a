"""The test losses of a constant and of a linear model, beside those of the runs
(`harness.tasks.baselines`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from harness.base.errors import HarnessError
from harness.judging.versus import Baseline

if TYPE_CHECKING:
    from harness.spec.manifest import Manifest

PREFIX = "baseline."  # of the columns
CONSTANT = f"{PREFIX}constant"
DEVIATION = f"{PREFIX}deviation"
NAMES = ("constant", "linear")  # the models
OVERLAP = "overlap"  # of the rows of replicates (`Manifest.overlap`); a column where it is not 0


def with_baselines(table: pd.DataFrame, manifest: Manifest, results: Path) -> pd.DataFrame:
    """The table of runs with a column for each baseline of a run's task and seed.

    It is NaN where there is none, and where the samples cannot be drawn here: the package or the
    file is not there.
    """
    # a law of a table asks for none, and need not wait for tasks
    from harness.tasks.baselines import Baselines, kept_baselines

    names = tuple(Baselines.model_fields)
    runs = {planned.run_id: planned.run for planned in manifest.runs}
    drawn = table.drop_duplicates(["task", "seed"])[["task", "seed", "run_id"]]
    rows = []
    for task, seed, run_id in drawn.itertuples(index=False):
        values = dict.fromkeys(names)
        with suppress(HarnessError):
            values |= kept_baselines(runs[run_id].task, runs[run_id].seed, results).model_dump()
        rows.append(
            {
                "task": task,
                "seed": seed,
                **{f"{PREFIX}{name}": loss for name, loss in values.items()},
            }
        )
    columns = pd.DataFrame(rows).astype({f"{PREFIX}{name}": float for name in names})
    if columns[DEVIATION].isna().all():
        columns = columns.drop(columns=DEVIATION)
    overlaps = {task: manifest.overlap(task) for task in table["task"].unique()}
    if any(overlaps.values()):
        table = table.assign(**{OVERLAP: table["task"].map(overlaps)})
    return table.merge(columns, on=["task", "seed"], how="left")


def overlap_of(runs: pd.DataFrame) -> float:
    """How much the replicates of these runs share; 0 where each draws points of its own."""
    return float(runs[OVERLAP].max()) if OVERLAP in runs and len(runs) else 0.0


def baselines_of(table: pd.DataFrame, task: str) -> Iterator[Baseline]:
    """The median over seeds of each baseline of a task that is known."""
    columns = [name for name in NAMES if f"{PREFIX}{name}" in table]
    for name in columns:
        loss = float(table.loc[table["task"] == task, f"{PREFIX}{name}"].median())
        if math.isfinite(loss):
            yield Baseline(task, name, loss)


def deviations_of(table: pd.DataFrame, tasks: Sequence[str]) -> dict[str, float]:
    """What an RMSE of 1 is in the unit of each task that has one, the median over seeds."""
    if DEVIATION not in table:
        return {}
    medians = table.groupby("task")[DEVIATION].median().dropna()
    return {task: float(medians[task]) for task in tasks if task in medians}
