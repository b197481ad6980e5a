"""One run, one file, written once: the record of what was trained, what came out, and where.

Records load, under a manifest, into one table; the manifest is the denominator, so a missing or damaged record is an
error and never a shorter table.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import ValidationError, model_validator

from harness.errors import INCOMPLETE, HarnessError
from harness.files import whole_file
from harness.spec import Cell, Manifest, PlannedRun, RunSpec, canonical_json, run_id, sealed, unsealed
from harness.spec.frozen import Frozen

# 1: first version. 2: evaluations and iterations by stage; counts under more conventions, with their weight table.
# Provenance has grown by fields with defaults, without which older records read as well: that made no new version.
RECORD_SCHEMA = 2


class Metrics(Frozen):
    """Errors at the end of a run, in units of the target. Validation chooses between trials; test is reported.

    `test_root_median_square` is the square root of the median squared error, which some published curves show instead.
    """

    train_rmse: float
    validation_rmse: float
    test_rmse: float
    test_root_median_square: float


class CurvePoint(Frozen):
    """Errors after `evaluations` forward+backward passes of the run, restarts included."""

    evaluations: int
    train_rmse: float | None
    validation_rmse: float | None


class Provenance(Frozen):
    """Where and with what a run was trained; never part of its identity.

    `pack_seconds` is the wall clock of the whole pack of `pack_lanes` lanes that shared `threads` threads, and
    `pack_cpu_seconds` what its process computed in that time: provenance, not axes to compare arms on. They and
    `started_at` are of all attempts, `resumed` being how often training went on from a checkpoint; all else is of the
    last one, `attempt`.
    """

    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    host: str
    device: str
    instruction_set: str
    threads: int
    started_at: str
    pack_seconds: float
    pack_cpu_seconds: float
    pack_lanes: int
    snapshot: str | None = None
    attempt: str | None = None
    resumed: int = 0


class Record(Frozen):
    """The outcome of a run. A diverged run has a record too: status `diverged`, no metrics, and when it happened.

    `by_stage` has the evaluations and iterations of each stage, all starts together; `refused_steps` counts systems of
    Levenberg-Marquardt without a solution; `weights` names the table that says what transcendental functions cost in
    `counts`.
    """

    record_schema: int = RECORD_SCHEMA
    run_id: str
    run: RunSpec
    status: Literal["done", "diverged"]
    metrics: Metrics | None
    evaluations: int
    iterations: int
    by_stage: tuple[tuple[int, int], ...]
    diverged_at: int | None
    refused_steps: int = 0
    counts: dict[str, int]
    weights: str
    curve: tuple[CurvePoint, ...]
    provenance: Provenance

    @model_validator(mode="after")
    def _metrics_if_done(self) -> Record:
        if (self.status == "done") != (self.metrics is not None):
            raise ValueError(f"status {self.status} with metrics {self.metrics}")
        return self


def record_path(folder: Path, identity: str) -> Path:
    """Where the record of a run lives."""
    return folder / f"{identity}.json"


def publish(record: Record, folder: Path) -> bool:
    """Write `record` whole or not at all; False if the run already had one, which then stays as it is.

    The file appears under its name by a hard link from a temporary one, which fails if the name exists: two writers
    cannot mix, and the first wins.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = record_path(folder, record.run_id)
    temporary = folder / f".{record.run_id}.{uuid.uuid4().hex}"
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(json.dumps(sealed(record.model_dump(mode="json")), indent=1))
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)


def read_record(path: Path) -> Record:
    """The record at `path`; a HarnessError if it is damaged, of another schema, or not of the run its name says."""
    mend = "move it away and run again"
    try:
        data = unsealed(path.read_text(encoding="utf-8"))
        if data.get("record_schema") != RECORD_SCHEMA:
            raise ValueError(f"schema {data.get('record_schema')}, this version reads {RECORD_SCHEMA}")
        record = Record.model_validate_json(json.dumps(data), strict=True)
    except (ValueError, OSError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise HarnessError(f"record {path} is damaged ({problem}); {mend}", INCOMPLETE) from None
    if not record.run_id == run_id(record.run) == path.stem:
        problem = f"its config hashes to {run_id(record.run)}, its name and run_id say {path.stem} and {record.run_id}"
        raise HarnessError(f"record {path} does not match its config: {problem}; {mend}", INCOMPLETE)
    return record


def missing(manifest: Manifest, folder: Path) -> list[str]:
    """Ids of the planned runs that have no record yet, in plan order."""
    present = {path.stem for path in folder.glob("*.json")}
    return [identity for identity in manifest.run_ids() if identity not in present]


def statuses(manifest: Manifest, folder: Path) -> dict[str, Literal["done", "diverged"]]:
    """The status of every planned run that has a record."""
    absent = set(missing(manifest, folder))
    paths = {run: record_path(folder, run) for run in manifest.run_ids() if run not in absent}
    return {run: json.loads(path.read_bytes())["status"] for run, path in paths.items()}


def load(manifest: Manifest, folder: Path) -> pd.DataFrame:
    """One row a planned run and series, with counts, metrics and `chosen`, the trial that validation picked.

    `in_window`, `until` and `hold_out` are what the plan declares of the sizes that laws are fitted to.
    `of_budget` marks the series of one training budget each, of which the best sizes make a series of their own.

    A HarnessError (incomplete) if a planned run has no record or a record is damaged.
    """
    absent = missing(manifest, folder)
    if absent:
        total = len(manifest.run_ids())
        raise HarnessError(
            f"{len(absent)} of {total} runs of {manifest.name} have no record in {folder} (first: {absent[0]}); "
            "`harness run` does the missing ones",
            INCOMPLETE,
        )
    records = {identity: read_record(record_path(folder, identity)) for identity in manifest.run_ids()}
    cells = {cell.index: cell for cell in manifest.cells}
    rows = [_row(cells[planned.cell], planned, records[planned.run_id]) for planned in manifest.runs]
    table = pd.DataFrame(rows)
    trials = table.groupby("cell")["trial"].transform("nunique")
    of_budget = table["cell"].map({index: cell.frontier is not None for index, cell in cells.items()})
    table = table.assign(trials=trials, chosen=_chosen(table), of_budget=of_budget)
    return pd.concat([table, *_frontiers(table, cells)], ignore_index=True)


def write_table(table: pd.DataFrame, folder: Path) -> None:
    """The table as `runs.csv` and `runs.parquet` in `folder`."""
    with whole_file(folder / "runs.csv") as path:
        table.to_csv(path, index=False)
    with whole_file(folder / "runs.parquet") as path:
        table.to_parquet(path, index=False)


def _row(cell: Cell, planned: PlannedRun, record: Record) -> dict[str, Any]:
    network = planned.run.network
    metrics = record.metrics.model_dump() if record.metrics else dict.fromkeys(Metrics.model_fields, np.nan)
    return {
        "run_id": planned.run_id,
        "task": cell.task,
        "arm": cell.arm,
        "series": cell.series,
        "shape": "-".join(str(nodes) for nodes in network.shape),
        "grid": getattr(network, "grid", None),
        "order": getattr(network, "order", None),
        "asked": cell.asked,
        "residual": cell.residual,
        "seed": planned.run.seed,
        "trial": planned.trial,
        "recipe": canonical_json(planned.run.recipe.model_dump(mode="json")),
        "dtype": planned.run.dtype,
        "engine": planned.run.engine,
        "status": record.status,
        **metrics,
        "evaluations": record.evaluations,
        "evaluations_by_stage": json.dumps([made for made, _ in record.by_stage]),
        "iterations": record.iterations,
        "refused_steps": record.refused_steps,
        **record.counts,
        "weights": record.weights,
        "pack_seconds": record.provenance.pack_seconds,
        "pack_lanes": record.provenance.pack_lanes,
        "cell": cell.index,
        "in_window": cell.in_window,
        "until_minimum": bool(cell.window and cell.window.until),
        "hold_out": cell.hold_out,
    }


def _frontiers(table: pd.DataFrame, cells: dict[int, Cell]) -> list[pd.DataFrame]:
    """Where sizes were crossed with training budgets: the best size of each budget, by validation, as a series more."""
    frontier = table["cell"].map({index: cell.frontier for index, cell in cells.items()})
    found = []
    for (_, name, _), group in table.groupby([table["task"], frontier, table["asked"]], sort=False):
        validation = group.loc[group["chosen"], ["cell", "validation_rmse"]].fillna({"validation_rmse": np.inf})
        best = validation.groupby("cell")["validation_rmse"].median().idxmin()
        found.append(group[group["cell"] == best].assign(series=str(name), of_budget=False))
    return found


def _chosen(table: pd.DataFrame) -> pd.Series:
    """Per cell, the trial with the lowest median validation RMSE over seeds; a diverged run counts as infinite."""
    validation = table["validation_rmse"].fillna(np.inf)
    medians = validation.groupby([table["cell"], table["trial"]]).median()
    best = medians.groupby("cell").idxmin().map(lambda key: key[1])
    return table["trial"] == table["cell"].map(best)
