"""What runs had come to at each budget on their way: one table of readings beside that of runs.

A reading is the end of a run with this budget (`harness.train.readings`), and what it cost is
counted as that run's is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.count import count, run_flops
from harness.record.schema import ClassMetrics, Metrics, Reading, Record
from harness.spec.budgets import by_count
from harness.spec.manifest import Manifest
from harness.spec.recipe import ending_at, stages
from harness.spec.run import RunSpec

OF_THE_END = {*Metrics.columns, *ClassMetrics.columns, "pack_seconds", "evaluations_by_stage"}
NOT_READ = "not read"  # the status of a run at a budget that it is not read at


def readings_table(manifest: Manifest, records: Mapping[str, Record]) -> pd.DataFrame:
    """A row for each recorded run, count and budget: evaluations, losses, and all counts of what
    the run then was.

    `status` is `done`, `diverged`, or `not read` where the budget allows the run no evaluation, or
    lies outside of the samples a parameter that the file names.
    """
    budgets = by_count(manifest.experiment.read_at)
    rows: list[dict[str, Any]] = []
    for planned in manifest.runs:
        if planned.run_id not in records:
            continue
        cell, record = manifest.cells[planned.cell], records[planned.run_id]
        of_moment = {
            moment: _row(record, moment, reading) | {"cpu_seconds": seconds}
            for moment, reading, seconds in zip(
                planned.run.readings, record.readings, _seconds(record), strict=True
            )
        }
        found_by = {
            "run_id": planned.run_id,
            "task": cell.task,
            "series": cell.series,
            "cell": cell.index,
        }
        for axis, moments in planned.moments.items():
            for budget, moment in zip(budgets[axis], moments, strict=True):
                what = {"status": NOT_READ} if moment is None else of_moment[moment]
                rows.append({**found_by, "axis": axis, "budget": budget, **what})
    return pd.DataFrame(rows)


def _seconds(record: Record) -> tuple[float, ...]:
    """The CPU seconds of training until each reading, NaN where its record does not know them."""
    return record.provenance.reading_cpu_seconds or (np.nan,) * len(record.readings)


def _row(record: Record, moment: int, reading: Reading) -> dict[str, Any]:
    run = record.run
    return {
        "status": "diverged" if reading.test is None else "done",
        "val_loss": np.nan if reading.validation is None else reading.validation,
        "test_loss": np.nan if reading.test is None else reading.test,
        "evaluations": reading.evaluations,
        "iterations": reading.iterations,
        "at_rest": reading.at_rest,
        **counts_at(run, record.by_stage, moment, reading),
    }


def counts_at(
    run: RunSpec, by_stage: tuple[tuple[int, int], ...], moment: int, reading: Reading
) -> dict[str, int]:
    """All counts of what a run was after `moment` evaluations by its plan, and of the work that it
    had really done.

    `by_stage` has the evaluations and iterations of the whole run: a stage that is behind has made
    all of its own.
    """
    planned = stages(run.network, run.recipe)
    behind = np.cumsum([stage.starts * stage.evaluations for stage in planned])
    index = int(np.searchsorted(behind, moment))
    network = planned[index].network
    evaluations = reading.evaluations - sum(made for made, _ in by_stage[:index])
    iterations = reading.iterations - sum(made for _, made in by_stage[:index])
    ending = ending_at(run.recipe, network).model_copy(update={"max_evaluations": moment})
    return {
        **count(network),
        **run_flops(network, ending, run.task, (*by_stage[:index], (evaluations, iterations))),
    }


def with_readings(runs: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """A row for each reading of these runs, with the columns of its run that are true of it then
    too.

    Other errors than its losses are known of the run's end alone: they are NaN. Seconds, which are
    its evaluations times those of one, are of the evaluations until then.
    """
    if "seconds" in runs:
        runs = runs.assign(seconds=runs["seconds"] / runs["evaluations"])
    own = readings.drop(columns=["task", "series"])
    of_run = [
        name for name in runs.columns if name not in own.columns or name in ("run_id", "cell")
    ]
    rows = own.merge(runs[of_run], on=["run_id", "cell"], how="inner", validate="many_to_one")
    ends = [name for name in of_run if name in OF_THE_END or name.startswith("observed.")]
    if "seconds" in rows:
        rows = rows.assign(seconds=rows["seconds"] * rows["evaluations"])
    return rows.assign(**dict.fromkeys(ends, np.nan))
