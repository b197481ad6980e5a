"""An experiment trained here: what `harness run` and `harness.run` do."""

from pathlib import Path
from typing import NamedTuple

from harness.base.device import why_no_device
from harness.base.errors import HarnessError
from harness.dispatch.here import Worker, idle_workers
from harness.record import Record, missing
from harness.spec import Manifest, Setting, manifest_path, read_experiment
from harness.study.costs import cost_sentence
from harness.study.folders import folder_of, planned_records, records_of
from harness.study.listening import Listener
from harness.study.looks import check_looks, look_lines, wanted_now
from harness.study.plans import data_lines, freeze_file
from harness.study.sweeps import check_none_underway
from harness.study.training import train_missing


class TrainedPlan(NamedTuple):
    """The plan whose runs are reported, its folder, and the records of its runs."""

    manifest: Manifest
    folder: Path
    records: dict[str, Record]


def run_file(
    file: Path,
    results: Path,
    scale: str,
    listener: Listener,
    replan: bool = False,
    workers: int | None = None,
    until_decided: bool = False,
    settings: tuple[Setting, ...] = (),
) -> TrainedPlan:
    """Freeze what a file says and train what is missing; with `until_decided`, look by look.

    A HarnessError if a run is left without a record.
    """
    if until_decided:
        check_looks(file, scale, settings)
    _check_device(file, results, scale, replan, settings)
    manifest, folder = freeze_file(file, results, scale, replan, listener.say, settings=settings)
    if missing(manifest, records_of(folder)):
        check_none_underway(manifest, folder)
        for line in data_lines(manifest):
            listener.say(line)
        most = ", if all replicates are asked for" if until_decided and manifest.looks else ""
        listener.say(f"{cost_sentence(manifest, results, workers)}{most}")
    with idle_workers() as idle:
        if until_decided:
            _train_looks(manifest, folder, workers, idle, listener)
        else:
            train_missing(manifest, folder, workers, listener, idle)
    return TrainedPlan(manifest, folder, planned_records(manifest, folder))


def _check_device(file: Path, results: Path, scale: str, replan: bool, settings: tuple[Setting, ...]) -> None:
    """A HarnessError before a plan is frozen that cannot train here; a frozen one may have all its records already."""
    folder = folder_of(file, results, scale, settings=settings)
    if manifest_path(folder).exists() and not replan:
        return
    if why := why_no_device(read_experiment(file, scale, settings).device):
        raise HarnessError(f"{file}: {why}; say device: cpu, or run where there is one")


def _train_looks(
    manifest: Manifest,
    folder: Path,
    workers: int | None,
    idle: dict[int, Worker],
    listener: Listener,
) -> None:
    """Train the first look, then what open rules ask for, until nothing is asked for."""
    while True:
        wanted = wanted_now(manifest, folder)
        for line in look_lines(manifest, wanted):
            listener.say(line)
        if not wanted.absent:
            return
        train_missing(manifest, folder, workers, listener, idle, frozenset(wanted.run_ids))
