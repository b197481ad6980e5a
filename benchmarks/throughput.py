"""Whole runs, as a sweep has them: how many an hour, and what a second worker brings."""

import statistics
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.jobs import EXP2D_WIDE
from benchmarks.report import Report
from benchmarks.time_to_rmse import run_of
from harness.base.provenance import available_cores
from harness.dispatch.here import Failed, train_here
from harness.dispatch.slots import Evaluated, TrainingOrder
from harness.record.store import read_record, record_path
from harness.spec.run import RunSpec, run_id
from harness.train import train_pack

GRID = 20
LANES = 64
ALONE = 8  # runs that this process trains
ROUNDS = 3


def compare(folder: Path) -> Report:
    """Runs of [2,5,1] from G=3 to 20, restarts included, with their records written."""
    runs = [run_of(EXP2D_WIDE, seed, GRID) for seed in range(LANES)]
    train_pack(runs[:1], Path(tempfile.mkdtemp()))  # compiles
    alone = [_alone(runs[:ALONE]) for _ in range(ROUNDS)]
    both: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(ROUNDS if available_cores() > 1 else 0):
        for workers, seconds in both.items():
            seconds.append(_with_workers(runs, workers))
    rows = [
        _row("this process, CPU time", 1, ALONE, statistics.median(alone), statistics.median(alone))
    ]
    for workers, seconds in both.items():
        if seconds:
            wall, cpu = map(statistics.median, zip(*seconds, strict=True))
            rows.append(
                _row(f"{workers} worker{'s' * (workers > 1)}, wall time", workers, LANES, wall, cpu)
            )
    return Report(
        name="throughput",
        title=(
            f"Runs of {EXP2D_WIDE.words}, G = 3 to {GRID} by extension, Levenberg-Marquardt, "
            "restarts included"
        ),
        table=pd.DataFrame(rows),
        shown={
            "what": "trained by",
            "runs": "runs",
            "seconds": "seconds",
            "runs_an_hour": "runs an hour",
            "cpu_seconds": "CPU seconds",
            "share_of_cores": "share of its cores",
        },
        notes=[
            f"Medians of {ROUNDS} rounds, in which one worker and two take turns; their clock "
            "starts when the first of "
            "them has begun to train. Wall time needs a machine that does nothing else.",
        ],
    )


def _row(what: str, workers: int, runs: int, seconds: float, cpu_seconds: float) -> dict:
    return {
        "what": what,
        "workers": workers,
        "runs": runs,
        "seconds": seconds,
        "runs_an_hour": runs * 3600 / seconds,
        "cpu_seconds": cpu_seconds,
        "share_of_cores": cpu_seconds / (seconds * workers),
    }


def _alone(runs: list[RunSpec]) -> float:
    """CPU seconds."""
    with tempfile.TemporaryDirectory() as records:
        began = time.process_time()
        for run in runs:
            train_pack([run], Path(records))
        return time.process_time() - began


def _with_workers(runs: list[RunSpec], workers: int) -> tuple[float, float]:
    """Wall seconds from the first evaluations that are heard of until the last run has ended; CPU
    seconds of all.
    """
    began: float | None = None
    with tempfile.TemporaryDirectory() as records:
        for _, event in train_here([(run,) for run in runs], TrainingOrder(Path(records)), workers):
            match event:
                case Evaluated(evaluations) if evaluations and began is None:
                    began = time.perf_counter()
                case Failed(failure):
                    raise RuntimeError(failure.traceback)
        ended = time.perf_counter()
        found = [read_record(record_path(Path(records), run_id(run))) for run in runs]
    assert began is not None
    return ended - began, sum(record.provenance.pack_cpu_seconds for record in found)
