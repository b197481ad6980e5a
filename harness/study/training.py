"""Training on this machine, with progress, until every run of a plan has its record."""

import itertools
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError, Stopped
from harness.base.files import check_writable
from harness.dispatch.here import Failed, Skipped, Worker, available_cores, terminated_like_ctrl_c, train_here
from harness.dispatch.slots import Done, Evaluated, Failure, PackedRuns
from harness.measure.cost import likely_seconds
from harness.planning.warnings import warnings_line
from harness.record import Record, missing, read_records
from harness.record.networks import FOLDER as NETWORKS
from harness.record.networks import network_path
from harness.show.words import loss_words
from harness.spec import Cell, Manifest, RunSpec, run_id, stages
from harness.study.costs import calibrations_of
from harness.study.folders import planned_runs, records_of
from harness.study.listening import Listener
from harness.tasks import check_drawn, fetch_data

# The least test loss so far of each arm, by task.
BestLosses = defaultdict[str, dict[str, float]]


def train_missing(
    manifest: Manifest,
    folder: Path,
    workers: int | None,
    listener: Listener,
    idle: dict[int, Worker] | None = None,
    only: Collection[str] | None = None,
) -> None:
    """Train on this machine what has no record yet, with progress; a HarnessError if something is left.

    Workers that are `idle` are used first, and wait there afterwards for the next stage. Of the runs `only` some are
    trained, if given: those parts of packs.
    """
    records = records_of(folder)
    specs = planned_runs(manifest)
    wanted = [identity for identity in specs if only is None or identity in only]
    absent = set(missing(manifest, records)).intersection(wanted)
    parts = [tuple(i for i in pack if only is None or i in only) for pack in manifest.packs]
    packs = [tuple(specs[i] for i in part) for part in parts if absent.intersection(part)]
    present = [identity for identity in wanted if identity not in absent]
    if manifest.experiment.keeps_networks and (unkept := _without_network(present, folder)):
        listener.say(f"{unkept} runs have records already, so no network of theirs is kept")
    if not packs:
        listener.say(f"all {len(wanted)} runs have records")
        return
    read_records(present, records, folder)  # damaged ones are named now, not after an hour of training
    check_writable(records)
    if line := warnings_line(manifest):
        listener.say(line)
    fetch_data((run.task for run in itertools.chain.from_iterable(packs)), folder.parent / "data")
    for task, seed in {(run.task, run.seed) for run in itertools.chain.from_iterable(packs)}:
        check_drawn(task, seed)  # a target that is not finite is named before anything trains
    try:
        crashed = _train(packs, manifest, folder, workers or available_cores(), listener, idle)
    except KeyboardInterrupt:
        left = len(set(missing(manifest, records)).intersection(wanted))
        text = f"stopped: {len(wanted) - left} of {len(wanted)} runs have records; run the same command again to go on"
        raise Stopped(text, INCOMPLETE) from None
    if crashed:
        log = folder / "crashes.log"
        log.write_text("\n".join(failure.traceback or failure.error for failure in crashed), encoding="utf-8")
        first = crashed[0].error
        raise HarnessError(f"{len(crashed)} packs crashed (first: {first}); tracebacks in {log}", INCOMPLETE)


def _without_network(present: Sequence[str], folder: Path) -> int:
    """How many of these runs, all with records, have ended with a network that is not kept."""
    networks = folder.parent / NETWORKS
    unkept = [identity for identity in present if not network_path(networks, identity).exists()]
    records = read_records(unkept, records_of(folder), folder).values()
    return sum(record.status != "diverged" for record in records)


def _note_losses(best: BestLosses, cells: Mapping[str, Cell], records: Mapping[str, Record]) -> None:
    """Keep the least test loss of each arm on each task."""
    for identity, record in records.items():
        if record.metrics:
            of_task, arm, loss = best[cells[identity].task], cells[identity].arm, record.metrics.losses.test
            of_task[arm] = min(loss, of_task.get(arm, loss))


def _best_words(task: str, run: RunSpec, losses: Mapping[str, float]) -> str:
    """The least test loss of each arm on a task, one of whose runs is this, as far as runs of it have ended."""
    arms = ", ".join(f"{arm} {loss:.2g}" for arm, loss in losses.items())
    return f"best {loss_words([run.task.metric])} on {task} so far: {arms}" if arms else ""


def _train(
    packs: Sequence[PackedRuns],
    manifest: Manifest,
    folder: Path,
    workers: int,
    listener: Listener,
    idle: dict[int, Worker] | None,
) -> list[Failure]:
    """Train the packs, and return why some were given up."""
    records = records_of(folder)
    likely = likely_seconds(packs, calibrations_of(manifest, folder.parent), manifest.experiment.device)
    work = dict(zip(packs, likely, strict=True))
    cells = {each.run_id: manifest.cells[each.cell] for each in manifest.runs}
    best: BestLosses = defaultdict(dict)
    crashed: list[Failure] = []
    with (
        terminated_like_ctrl_c(),
        listener.packs(work, sum(map(len, packs))) as progress,
        closing(
            train_here(
                packs,
                records,
                workers,
                listener.say,
                manifest.experiment.device,
                checkpoints=folder.parent / "checkpoints",
                compiled=progress.compiled,
                idle=idle,
                networks=folder.parent / NETWORKS if manifest.experiment.keeps_networks else None,
            )
        ) as events,
    ):
        for pack, event in events:
            cell = cells[run_id(pack[0])]
            what = f"{cell.task} {cell.arm} {pack[0].network.words}"
            match event:
                case Evaluated(evaluations):
                    progress.reached(pack, evaluations / _planned_evaluations(pack[0]))
                case Done(statuses, seconds):
                    _note_losses(best, cells, read_records([run_id(run) for run in pack], records, folder))
                    progress.pack_done(pack, what, statuses, seconds, _best_words(cell.task, pack[0], best[cell.task]))
                case Skipped():
                    progress.reached(pack, 1.0)
                    progress.pack_done(pack, what, ["recorded"] * len(pack), 0.0)
                case Failed(failure, "split"):
                    progress.pack_split(pack)
                case Failed(failure, "give up"):
                    crashed.append(failure)
                    progress.pack_done(pack, what, ["crashed"] * len(pack), 0.0)
    return crashed


def _planned_evaluations(run: RunSpec) -> int:
    return sum(stage.evaluations for stage in stages(run.network, run.recipe))
