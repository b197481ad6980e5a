"""The tables of an experiment's runs, and the door to them by axis."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.base.errors import HarnessError, did_you_mean
from harness.base.provenance import available_cores
from harness.judging.baselines import CONSTANT, with_baselines
from harness.judging.kept import keeping
from harness.judging.readings import readings_table, with_readings
from harness.judging.request import (
    Request,
    Source,
    check_request,
)
from harness.judging.scaling import (
    chosen_runs,
    headline_axes,
    sizes_of,
    won_on,
)
from harness.judging.winners import reported
from harness.measure.cost import with_seconds
from harness.record import elsewhere
from harness.record.schema import Record
from harness.record.table import runs_table
from harness.show.console import TERMINAL, Terminal
from harness.spec.manifest import Manifest
from harness.study.doors import Door
from harness.study.folders import planned_records, planned_runs
from harness.study.plans import calibrations_of

READINGS = "readings.csv.xz"  # in the folder of a plan with budgets


class Tables(NamedTuple):
    """The table that is judged of a plan's records, and what it was chosen from: all runs, with
    budgets their readings.

    `runs` has a row a run, and `readings` one a reading without what it shares with its run; empty
    without budgets.
    """

    judged: pd.DataFrame
    every: pd.DataFrame
    runs: pd.DataFrame
    readings: pd.DataFrame


def tables_of(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> Tables:
    """The tables of these records of a plan in its folder.

    They have the baselines of the plan in this folder, and seconds where they are measured.
    """
    table = with_baselines(runs_table(manifest, records), manifest, folder.parent)
    runs = with_seconds(table, planned_runs(manifest), calibrations_of(manifest, folder.parent))
    if not manifest.experiment.read_at:
        return Tables(reported(manifest, runs), runs, runs, pd.DataFrame())
    readings = readings_table(manifest, records)
    every = with_readings(runs, readings)
    readings = readings.assign(over_constant=every["test_loss"] / every[CONSTANT])
    return Tables(
        reported(manifest, every if manifest.experiment.search else runs), every, runs, readings
    )


def source_of(manifest: Manifest, every: pd.DataFrame) -> Source:
    """Of what the laws of an experiment are: how its runs ended, and where their seconds are of."""
    ended = {str(status): int(count) for status, count in every["status"].value_counts().items()}
    seconds_on = str(every["seconds_on"].iloc[0]) if "seconds_on" in every else None
    return Source(manifest.experiment_hash, ended, seconds_on)


@contextmanager
def open_experiment(
    manifest: Manifest, folder: Path, file: Path, asked: Mapping[str, Any]
) -> Iterator[Door]:
    """Open a complete plan in its folder, which keeps the laws of the block.

    `asked` are fields of the request.
    """
    most_axes = 1 if asked.get("form") else 2
    x = asked["x"] or tuple(headline_axes(manifest)[:most_axes])
    request = Request(file, **{**asked, "x": x})
    check_request(request)
    with keeping_fits(folder, TERMINAL):
        yield of_experiment(manifest, folder, request)


@contextmanager
def keeping_fits(folder: Path, terminal: Terminal) -> Iterator[None]:
    """Laws that are fitted in the block are kept in the folder of the plan."""
    with terminal.steps("analysis") as progress, keeping(folder, progress, available_cores()):
        yield


def of_experiment(manifest: Manifest, folder: Path, request: Request) -> Door:
    """The chosen runs of a complete plan in this folder.

    With a second column they are the runs of arms at all of their sizes, each once, and a training
    cost that sizes were crossed with is the budget that was asked for: budgets are the same only
    when equal to the last bit.
    """
    table, _, every, _ = tables_of(manifest, planned_records(manifest, folder), folder)
    for axis in (*request.x, *request.second):
        if axis not in table or not pd.api.types.is_numeric_dtype(table[axis]):
            numbers = [str(name) for name in table.select_dtypes("number")]
            raise HarnessError(
                f"{axis!r} is no size or count of these runs; {did_you_mean(axis, numbers)}"
            )
    table = elsewhere.select(table, request.where)
    if "train_points" in (
        *request.x,
        *request.second,
    ):  # tasks that differ in their amount of data alone are one
        table = table.assign(task=table["task"].str.replace(r" train_points=\d+", "", regex=True))
    crossed = table["cell"].isin(table.loc[table["of_budget"], "cell"])
    table = (
        table[~(crossed & ~table["of_budget"])].assign(series=table["arm"])
        if request.second
        else table[~table["of_budget"]]
    )
    matched = manifest.experiment.match.count_name if manifest.experiment.match else ""
    runs = {axis: elsewhere.with_sizes(chosen_runs(table, axis)) for axis in request.x}
    first = runs[request.x[0]]
    for axis in request.second:
        runs[axis] = first.assign(
            size=first["asked"]
            if axis == matched and crossed.any()
            else sizes_of(won_on(first, axis), axis)
        )
    replicated = table if manifest.experiment.search else None
    return Door(request, runs, {}, source_of(manifest, every), manifest, replicated)
