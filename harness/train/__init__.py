"""From a pack of runs to their records.

A trainer takes runs and a resumable state and returns state and outcomes (see `trainer`); this file
holds what is the same for every one: the clock, threads, checkpoints, the provenance, the
publishing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.base import provenance
from harness.base.errors import HarnessError
from harness.base.provenance import why_no_device
from harness.count import DEFAULT_WEIGHTS
from harness.record.networks import Snapshot, keep_network
from harness.record.schema import Provenance, Record
from harness.record.store import duplicate_path, publish, record_path
from harness.spec.recipe import Stage
from harness.spec.run import Device, Engine, RunSpec, run_id
from harness.tasks import draw, fetch_data
from harness.tasks.baselines import kept_baselines
from harness.train import checkpoint, phases, pruning
from harness.train.checkpoint import Checkpoint
from harness.train.fused.compiled import processor_name
from harness.train.lanes import EngineState, Trained, ended
from harness.train.outcome import Outcome
from harness.train.trainer import ENGINES, Trainer

# Seconds between two words of progress, at which Ctrl-C is heard too.
CHUNK_SECONDS = 0.2


class PackStopped(Exception):
    """The pack was told to stop; what was trained of it is in its checkpoint."""


@dataclass(frozen=True)
class Supervisor:
    """Who watches over a pack that trains.

    `progress` hears how many of the planned evaluations every lane has behind it, `saved` how many
    those of a checkpoint have, `announce` what the user should know. `stop` is asked every
    `CHUNK_SECONDS` whether to end. No more than `checkpoint_seconds` of training can be lost, and
    the seconds that writing a checkpoint takes.
    """

    progress: Callable[[int], None] = lambda evaluations: None
    saved: Callable[[int], None] = lambda evaluations: None
    announce: Callable[[str], None] = print
    stop: Callable[[], bool] = lambda: False
    checkpoint_seconds: float = 60.0


def train_pack(
    runs: Sequence[RunSpec],
    records: Path,
    device: Device = "cpu",
    supervisor: Supervisor = Supervisor(),
    checkpoints: Path | None = None,
    attempt: str | None = None,
    networks: Path | None = None,
    snapshots: int = 0,
    threads: int = 1,
) -> list[Record]:
    """Train those of `runs`, one `planning.plan.computation`, that have no record in `records`, as
    one ensemble.

    Their records are published and returned. With a folder for `checkpoints`, training goes on from
    the one of `runs`, and leaves one now and then and when it is stopped, until all records are
    there. With a folder for `networks`, what was trained is kept there before its record is
    published, and so many `snapshots` of it. Torch takes so many `threads`, or where training goes
    on those that it began with. Raises PackStopped.
    """
    if why := why_no_device(device):
        raise HarnessError(f"{why}; say device: cpu, or run where there is one")
    fetch_data((run.task for run in runs), records.parent / "data")
    since = _clock()
    specs = {run_id(run): run for run in runs}
    file = checkpoint.checkpoint_path(checkpoints, list(specs)) if checkpoints else None
    to_train = tuple(identity for identity in specs if not record_path(records, identity).exists())
    new_records = []
    if to_train:
        trainer: Trainer = ENGINES[
            runs[0].engine
        ]  # a module, whose functions are those of `Trainer`
        if runs[0].recipe.phases:
            trainer = phases
        elif runs[0].recipe.sparsity:
            trainer = pruning
        with torch_threads(threads):
            numerics = _numerics(runs[0].engine, device)
            pack, begun = _begun_or_resumed(
                trainer, specs, to_train, numerics, device, file, supervisor
            )
            moments = snapshot_moments(pack.stages, snapshots)
            end = _train(trainer, pack, begun, since, file, supervisor, moments)
            outcomes = trainer.finish(pack, end.state)
            for task, seed in {(run.task, run.seed) for run in runs}:
                kept_baselines(task, seed, records.parent)
            if networks:
                _keep_networks(
                    pack.runs, outcomes, trainer.trained(pack, end.state), end.snapshots, networks
                )
        where = _provenance(_timed(end, since), attempt)
        new_records = [
            Record(
                run_id=run_id(run),
                run=run,
                provenance=where,
                weights=DEFAULT_WEIGHTS,
                **vars(outcome),
            )
            for run, outcome in zip(pack.runs, outcomes, strict=True)
        ]
        for record in new_records:
            if publish(record, records) == "defect":
                supervisor.announce(
                    f"run {record.run_id}: two records differ though code and kind of machine are "
                    "the same, a defect "
                    "of determinism, which should be reported; the second one is kept in "
                    f"{duplicate_path(records, record)}"
                )
    if file:
        file.unlink(missing_ok=True)
    return new_records


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Torch and its LAPACK take so many threads: the bits of some sums hang on how many there
    are.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def instruction_set(engine: Engine) -> str:
    """What an engine's code is compiled for on this processor."""
    of_torch = torch.backends.cpu.get_cpu_capability()  # by which knots move in both engines
    return of_torch if engine == "torch" else f"{processor_name()}, {of_torch}"


def _numerics(engine: Engine, device: Device) -> dict[str, Any]:
    """All that decides the last bits of a run."""
    return {
        "engine": engine,
        "device": provenance.processor() if device == "cpu" else torch.cuda.get_device_name(),
        "instruction_set": instruction_set(engine),
        "versions": provenance.versions(),
        "source": provenance.source_hash(),
    }


def _begun_or_resumed(
    trainer: Trainer,
    specs: Mapping[str, RunSpec],
    to_train: tuple[str, ...],
    numerics: dict[str, Any],
    device: Device,
    file: Path | None,
    supervisor: Supervisor,
) -> tuple[Any, Checkpoint]:
    """The pack of the runs in the checkpoint file, where it was saved; or of those that are left,
    at their beginning.

    A checkpoint has more runs than are left if some of its records were published before it ended.
    """
    recipe = specs[to_train[0]].recipe
    saved = (
        checkpoint.read_checkpoint(file, to_train, recipe, numerics, device, supervisor.announce)
        if file
        else None
    )
    threads = torch.get_num_threads()
    if file and saved:
        torch.set_num_threads(saved.threads)
        pack = trainer.prepare([specs[identity] for identity in saved.runs], device)
        if trainer.fits(pack, saved.state):
            return pack, saved
        why = "is not of the networks of its runs and"
        supervisor.announce(
            f"{file} {why} {checkpoint.set_aside(file)}; its pack starts from the beginning"
        )
        torch.set_num_threads(threads)
    pack = trainer.prepare([specs[identity] for identity in to_train], device)
    state = trainer.begin(pack)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    return pack, Checkpoint(
        to_train, numerics, len(state.lanes), started_at, state, threads=threads
    )


def _train(
    trainer: Trainer,
    pack: Any,
    begun: Checkpoint,
    since: tuple[float, float],
    file: Path | None,
    supervisor: Supervisor,
    moments: Sequence[int],
) -> Checkpoint:
    """The pack with all stages behind, in chunks of about `CHUNK_SECONDS`; its seconds stay those
    of `begun`.

    Its checkpoint has snapshots of all networks at these moments, in planned evaluations.
    """
    announce_once = cache(supervisor.announce)
    timed = (
        pack.runs[0].readings if len(begun.runs) == 1 else ()
    )  # several runs share their seconds
    latest, chunk, saved = begun, 1, since[0]
    supervisor.progress(latest.evaluations)
    while not ended(pack, latest.state):
        stop, now = supervisor.stop(), time.perf_counter()
        if file and latest is not begun and (stop or now - saved >= supervisor.checkpoint_seconds):
            try:
                checkpoint.write_checkpoint(_timed(latest, since), file)
                supervisor.saved(latest.evaluations)
            except OSError as error:  # what can be lost grows, which is better than to lose all now
                announce_once(f"{file}: {error.strerror}; training goes on without new checkpoints")
            saved = time.perf_counter()
        if stop:
            raise PackStopped
        now, computed = time.perf_counter(), _clock()[1]
        ahead = [
            moment - latest.evaluations
            for moment in (*moments, *timed)
            if moment > latest.evaluations
        ]
        at_once = min([chunk, *ahead])
        state = trainer.advance(pack, latest.state, at_once)
        main = (
            state.main or state
        )  # what is trained beside it, for a reading, counts towards no progress
        behind = sum(stage.evaluations for stage in pack.stages[: main.stage]) + main.done
        if timed:
            latest = _timed_readings(latest, state, _clock()[1] - computed)
        latest = replace(latest, state=state, evaluations=behind)
        if behind in moments and not state.main:
            latest = replace(
                latest,
                snapshots=(*latest.snapshots, (behind, _copied(trainer.trained(pack, state)))),
            )
        supervisor.progress(behind)
        # Twice or half as many at a time, at most: the first evaluation may also compile.
        share = CHUNK_SECONDS / max(time.perf_counter() - now, 1e-9)
        chunk = max(1, round(at_once * min(max(share, 0.5), 2.0)))
    return latest


def _timed_readings(latest: Checkpoint, state: EngineState, computing: float) -> Checkpoint:
    """With what it took to get from the checkpoint's state to this one, and that of the readings
    made on the way.
    """
    main, beside = latest.training_cpu_seconds
    main, beside = (main, beside + computing) if latest.state.main else (main + computing, beside)
    made = (state.main or state).readings.shape[1] - len(latest.reading_cpu_seconds)
    of_readings = (*latest.reading_cpu_seconds, *[round(main + beside, 4)] * made)
    spent = (main, beside if state.main else 0.0)
    return replace(latest, training_cpu_seconds=spent, reading_cpu_seconds=of_readings)


def snapshot_moments(stages: Sequence[Stage], snapshots: int) -> list[int]:
    """After how many planned evaluations to take so many snapshots: evenly in their logarithm, in
    the last stage.
    """
    *before, last = stages
    if not snapshots or last.starts > 1:
        return []
    in_stage = np.unique(np.geomspace(last.evaluations, 1, snapshots).round().astype(int))
    return [sum(stage.evaluations for stage in before) + int(moment) for moment in in_stage]


def _copied(networks: Sequence[Trained | None]) -> list[list[np.ndarray]]:
    """The parameters of each run's network and its knots, for a checkpoint; nothing of one that has
    diverged.
    """
    copies = []
    for network in networks:
        kept = network.to_keep(None) if network else None
        copies.append([array.copy() for array in (kept.parameters, *kept.knots)] if kept else [])
    return copies


def _keep_networks(
    runs: Sequence[RunSpec],
    outcomes: Sequence[Outcome],
    networks: Sequence[Trained | None],
    snapshots: Sequence[tuple[int, Any]],
    folder: Path,
) -> None:
    """Keep the network of every run that has not diverged, and its snapshots."""
    for index, (run, outcome, network) in enumerate(zip(runs, outcomes, networks, strict=True)):
        if network is None or outcome.status != "done":
            continue
        states = [(evaluations, of_runs[index]) for evaluations, of_runs in snapshots]
        on_the_way = [
            Snapshot(evaluations, parameters, tuple(knots))
            for evaluations, (parameters, *knots) in states
        ]
        kept = network.to_keep(draw(run.task, run.seed).scaling)
        keep_network(kept._replace(snapshots=tuple(on_the_way)), folder, run_id(run))


def _clock() -> tuple[float, float]:
    """Seconds of the wall and of this process's computing."""
    return time.perf_counter(), time.process_time()


def _timed(latest: Checkpoint, since: tuple[float, float]) -> Checkpoint:
    """With the seconds of this attempt added to those of the attempts before."""
    wall, computing = (now - before for now, before in zip(_clock(), since, strict=True))
    return replace(
        latest, seconds=latest.seconds + wall, cpu_seconds=latest.cpu_seconds + computing
    )


def _provenance(end: Checkpoint, attempt: str | None) -> Provenance:
    return Provenance(
        **provenance.code()._asdict(),
        **{name: end.numerics[name] for name in ("versions", "device", "instruction_set")},
        host=provenance.host(),
        threads=end.threads,
        started_at=end.started_at,
        pack_seconds=end.seconds,
        pack_cpu_seconds=end.cpu_seconds,
        pack_lanes=end.lanes,
        attempt=attempt,
        resumed=end.resumed,
        source_hash=end.numerics["source"],
        reading_cpu_seconds=end.reading_cpu_seconds,
    )
