"""Training on this machine, with progress, until every run of a plan has its record."""

import itertools
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError, Stopped
from harness.base.files import check_writable
from harness.cli.plans import planned_runs, records_of
from harness.dispatch.here import Failed, Skipped, available_cores, terminated_like_ctrl_c, train_here
from harness.dispatch.mirror import Mirror, mirroring
from harness.dispatch.slots import Done, Evaluated, Failure, PackedRuns
from harness.record import missing, read_records
from harness.show.console import console, pack_progress
from harness.spec import Manifest, run_id, stages
from harness.tasks import draw


def train_missing(manifest: Manifest, folder: Path, workers: int | None, mirror: Mirror | None) -> None:
    """Train on this machine what has no record yet, with progress; a HarnessError if something is left."""
    records = records_of(folder)
    specs = planned_runs(manifest)
    absent = set(missing(manifest, records))
    packs = [tuple(specs[i] for i in pack) for pack in manifest.packs if absent.intersection(pack)]
    if not packs:
        console.print(f"all {len(specs)} runs have records")
        return
    present = [identity for identity in specs if identity not in absent]
    read_records(present, records, folder)  # damaged ones are named now, not after an hour of training
    check_writable(records)
    for task, seed in {(run.task, run.seed) for run in itertools.chain.from_iterable(packs)}:
        draw(task, seed)  # a target that is not finite is named before anything trains
    try:
        crashed = _train(packs, manifest, folder, workers or available_cores(), mirror)
    except KeyboardInterrupt:
        left = len(missing(manifest, records))
        text = f"stopped: {len(specs) - left} of {len(specs)} runs have records; run the same command again to go on"
        raise Stopped(text, INCOMPLETE) from None
    if crashed:
        log = folder / "crashes.log"
        log.write_text("\n".join(failure.traceback or failure.error for failure in crashed), encoding="utf-8")
        first = crashed[0].error
        raise HarnessError(f"{len(crashed)} packs crashed (first: {first}); tracebacks in {log}", INCOMPLETE)


def _train(
    packs: Sequence[PackedRuns], manifest: Manifest, folder: Path, workers: int, mirror: Mirror | None
) -> list[Failure]:
    """Train the packs, mirror their records, and return why packs were given up."""
    records = records_of(folder)
    stages_of_packs = itertools.chain.from_iterable(stages(pack[0].network, pack[0].recipe) for pack in packs)
    most_evaluations = sum(stage.evaluations for stage in stages_of_packs)
    evaluations_before: dict[PackedRuns, int] = {}
    crashed: list[Failure] = []
    with (
        terminated_like_ctrl_c(),
        pack_progress(len(packs), most_evaluations) as progress,
        mirroring(mirror, manifest.name, records, folder / "wandb", console.print) as mirrored,
        closing(
            train_here(
                packs,
                records,
                workers,
                console.print,
                manifest.experiment.device,
                checkpoints=folder.parent / "checkpoints",
                compiled=progress.compiled,
            )
        ) as events,
    ):
        for pack, event in events:
            shape = "-".join(map(str, pack[0].network.shape))
            what = f"{pack[0].task.target} {pack[0].network.family} {shape}"
            match event:
                case Evaluated(evaluations):
                    progress.evaluated(evaluations - evaluations_before.get(pack, 0))
                    evaluations_before[pack] = evaluations
                case Done(statuses, seconds):
                    progress.pack_done(what, statuses, seconds)
                    mirrored([run_id(run) for run in pack])
                case Skipped():
                    progress.pack_done(what, ["recorded"] * len(pack), 0.0)
                case Failed(failure, "split"):
                    progress.pack_split()
                case Failed(failure, "give up"):
                    crashed.append(failure)
                    progress.pack_done(what, ["crashed"] * len(pack), 0.0)
    return crashed
