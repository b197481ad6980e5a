"""What runs take on this machine: its calibrations, what a plan comes to, and the seconds of a table of runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.errors import HarnessError
from harness.base.provenance import host, processor
from harness.dispatch.here import available_cores
from harness.dispatch.jobs import makespan
from harness.judging.baselines import with_baselines
from harness.judging.winners import reported
from harness.measure.calibration import (
    Calibration,
    EngineKind,
    bench_command,
    is_current,
    kind_of,
    latest_calibration,
    machine_words,
    missing,
    read_calibration,
)
from harness.measure.cost import Timed, likely_seconds, never_timed, planned_seconds, timed, with_seconds
from harness.planning.plan import planned_flops
from harness.record import Record, runs_table
from harness.show.costs import cost_words, uncalibrated_words
from harness.spec import Manifest, RunSpec
from harness.study.folders import planned_runs

if TYPE_CHECKING:
    import pandas as pd

LOG = logging.getLogger(__name__)


def calibrations_of(manifest: Manifest, results: Path) -> dict[EngineKind, Calibration]:
    """What `harness bench` measured of the engines that the plan's runs use.

    That is on this kind of processor, or where there is nothing of it, on the kind that was measured last: on a cluster
    a login node reads what its nodes take.
    """
    if manifest.experiment.device != "cpu":
        return {}
    measured = {kind: calibration_of(results, kind) for kind in missing({}, planned_runs(manifest).values())}
    return {kind: calibration for kind, calibration in measured.items() if calibration}


def calibration_of(results: Path, kind: EngineKind) -> Calibration | None:
    """What was measured of an engine, here or elsewhere, if it is whole and current."""
    engine, dtype = kind
    try:
        calibration = read_calibration(results, engine, processor(), dtype) or latest_calibration(results, kind)
    except HarnessError as error:  # it is optional: what can be done without it goes on
        LOG.warning(str(error))
        return None
    return calibration if calibration and is_current(calibration) else None


def own_calibration(results: Path, kind: EngineKind) -> Calibration | None:
    """The calibration that a bench can add to: whole, current, and of this very machine."""
    calibration = calibration_of(results, kind)
    is_own = calibration and (calibration.host, calibration.device) == (host(), processor())
    return calibration if is_own else None


def seconds_by(results: Path, timed_on: set[str]) -> Callable[[RunSpec], float]:
    """What a run takes alone by the calibrations of this folder, whose machines are added to `timed_on`.

    It raises a HarnessError that says how to measure, where nothing was measured of a run's engine.
    """

    @cache
    def machine(kind: EngineKind) -> Timed:
        calibration = calibration_of(results, kind)
        if calibration is None:
            raise HarnessError(
                f"search.cap: a cap in seconds needs a machine whose {kind[0]} engine was timed; "
                f"`{bench_command(kind)}` times this one, and with `profile` a node of a cluster"
            )
        timed_on.add(machine_words(calibration))
        return timed(calibration)

    return lambda run: planned_seconds(machine(kind_of(run)), run)


def cost_sentence(manifest: Manifest, results: Path, workers: int | None = None) -> str:
    """What a plan comes to: runs, packs, work, and the time of a sweep on `workers` if calibrated."""
    specs = planned_runs(manifest)
    evaluations = sum(run.recipe.max_evaluations for run in specs.values())
    flops = sum(planned_flops(run)["flops_train.shared_dense"] for run in specs.values())
    calibrations, workers = calibrations_of(manifest, results), workers or available_cores()
    packs = [[specs[identity] for identity in pack] for pack in manifest.packs]
    if missing(calibrations, specs.values()):
        cost = uncalibrated_words(manifest, calibrations)
    else:
        seconds = makespan(likely_seconds(packs, calibrations, manifest.experiment.device), workers)
        devices = sorted({calibration.device for calibration in calibrations.values()} - {processor()})
        cost = cost_words(seconds, workers, *never_timed(specs.values(), calibrations), devices)
    return (
        f"{manifest.name}: {len(manifest.run_ids())} runs in {len(manifest.packs)} packs, "
        f"{evaluations:,} evaluations, {flops:.2e} training FLOPs (shared_dense); {cost}"
    )


def table_of(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> pd.DataFrame:
    """The table of the records of a plan in this folder, with baselines, and with seconds where they are measured."""
    calibrations = calibrations_of(manifest, folder.parent)
    table = with_baselines(runs_table(manifest, records), manifest, folder.parent)
    return with_seconds(table, planned_runs(manifest), calibrations)


def judged_tables(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table that is judged of these records, of a search that of its winners; and the table of all of them."""
    every = table_of(manifest, records, folder)
    return reported(manifest, every), every
