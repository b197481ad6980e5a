"""`harness.load_network`: what an experiment with `keep: networks` has trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.errors import HarnessError
from harness.record import read_record, record_path
from harness.record.networks import FOLDER, read_network

if TYPE_CHECKING:
    from harness.nn.trained import TrainedNetwork


def load_network(run_id: str, results: str | Path = "results") -> TrainedNetwork:
    """The trained network of a run as a torch module, which takes the task's own inputs.

    Of a table it takes a DataFrame by the names of its columns, or an array in the order that `print` shows. `predict`
    gives a number or a class for each row.

    `run_id` is a run of `harness.runs(study)`. Its experiment must say `keep: networks`. A HarnessError if the run has
    no record in this results folder, has diverged, or its network was not kept.
    """
    from harness.nn.trained import TrainedNetwork  # with torch

    folder = Path(results)
    path = record_path(folder / "runs", run_id)
    if not path.exists():
        raise HarnessError(f"run {run_id!r}: no record in {path.parent}; `harness.runs(study)` has the ids of runs")
    record = read_record(path)
    if record.status == "diverged":
        raise HarnessError(f"run {run_id}: it diverged, so no network was kept; choose a run whose status is done")
    return TrainedNetwork(record, read_network(folder / FOLDER, run_id))
