"""Training on this machine, with progress, until every run of a plan has its record: what `harness
run` does.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from operator import itemgetter
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError, Stopped
from harness.base.files import check_writable
from harness.base.formats import plural
from harness.base.provenance import available_cores, why_no_device
from harness.dispatch import here
from harness.dispatch.slots import Done, Evaluated, Failure, PackedRuns, TrainingOrder
from harness.planning.warnings import warnings_line
from harness.record.code import check_goes_on
from harness.record.networks import FOLDER as NETWORKS
from harness.record.networks import network_path
from harness.record.store import missing, read_records
from harness.show.console import Terminal
from harness.show.words import loss_word
from harness.spec.manifest import Manifest, manifest_path
from harness.spec.recipe import stages
from harness.spec.run import run_id
from harness.study.folders import StudyFile, planned_runs, records_of
from harness.study.plans import cost_sentence, data_lines, freeze_file, packs_shown
from harness.study.sweeps import check_none_underway
from harness.tasks import check_drawn, fetch_data


def run_file(
    study: StudyFile,
    terminal: Terminal,
    replan: bool = False,
    workers: int | None = None,
) -> Manifest:
    """Freeze what a file says and train what is missing; the plan.

    A HarnessError if a run is left without a record.
    """
    folder = study.folder
    is_new = (
        replan or not manifest_path(folder).exists()
    )  # a frozen plan may have all its records already
    if is_new and (why := why_no_device(study.read().device)):
        raise HarnessError(f"{study.file}: {why}; say device: cpu, or run where there is one")
    manifest = freeze_file(study, replan, terminal.say)
    if missing(manifest, records_of(folder)):
        check_none_underway(manifest, folder)
        terminal.say(*data_lines(manifest))
        terminal.say(cost_sentence(manifest, study.results, workers))
    train_missing(manifest, folder, workers, terminal)
    return manifest


def train_missing(
    manifest: Manifest, folder: Path, workers: int | None, terminal: Terminal
) -> None:
    """Train on this machine what has no record yet, with progress; a HarnessError if something is
    left.
    """
    records = records_of(folder)
    specs = planned_runs(manifest)
    absent = set(missing(manifest, records))
    packs = [
        tuple(specs[run] for run in pack) for pack in manifest.packs if absent.intersection(pack)
    ]
    present = [identity for identity in specs if identity not in absent]
    if manifest.experiment.keep:
        networks = folder.parent / NETWORKS
        unkept = [identity for identity in present if not network_path(networks, identity).exists()]
        ended = [record.status for record in read_records(unkept, records, folder).values()]
        if without := len(ended) - ended.count("diverged"):
            terminal.say(f"{without} runs have records already, so no network of theirs is kept")
    if not packs:
        terminal.say(f"all {len(specs)} runs have records")
        return
    read_records(
        present, records, folder
    )  # damaged ones are named now, not after an hour of training
    check_goes_on(specs, records, folder)
    check_writable(records)
    terminal.say(
        " ".join(
            ["Ctrl-C stops it, and the same command goes on.", warnings_line(manifest)]
        ).rstrip()
    )
    fetch_data((run.task for run in itertools.chain.from_iterable(packs)), folder.parent / "data")
    for task, seed in {(run.task, run.seed) for run in itertools.chain.from_iterable(packs)}:
        check_drawn(task, seed)  # a target that is not finite is named before anything trains
    try:
        crashed = _train(packs, manifest, folder, workers or available_cores(), terminal)
    except KeyboardInterrupt:
        done = len(specs) - len(missing(manifest, records))
        text = (
            f"stopped: {done} of {len(specs)} runs have records; run the same command again "
            "to go on"
        )
        raise Stopped(text, INCOMPLETE) from None
    if crashed:
        log = folder / "crashes.log"
        log.write_text(
            "\n".join(failure.traceback or failure.error for failure in crashed), encoding="utf-8"
        )
        first = crashed[0].error
        problem = f"{plural(len(crashed), 'pack')} crashed (first: {first}); tracebacks in {log}"
        raise HarnessError(f"{problem}; mend that, and run the same command again", INCOMPLETE)


def _train(
    packs: Sequence[PackedRuns], manifest: Manifest, folder: Path, workers: int, terminal: Terminal
) -> list[Failure]:
    """Train the packs, and return why some were given up."""
    experiment = manifest.experiment
    order = TrainingOrder(
        records_of(folder),
        folder.parent / "checkpoints",
        experiment.device,
        networks=folder.parent / NETWORKS if experiment.keep else None,
        snapshots=experiment.snapshots,
        threads=here.threads_of(manifest, workers),
    )
    cells = {planned.run_id: manifest.cells[planned.cell] for planned in manifest.runs}
    best: dict[str, dict[str, float]] = defaultdict(
        dict
    )  # the least validation loss of each arm, by task
    crashed: list[Failure] = []
    with (
        packs_shown(manifest, folder, dict(zip(packs, packs, strict=True)), terminal) as (
            progress,
            interrupted,
        ),
        closing(
            here.train_here(
                packs, order, workers, terminal.say, interrupted, compiled=progress.compiled
            )
        ) as heard,
    ):
        for pack, event in heard:
            cell = cells[run_id(pack[0])]
            pack_words = f"{cell.task} {cell.arm} {pack[0].network.words}"
            match event:
                case Evaluated(evaluations):
                    whole = sum(
                        stage.evaluations for stage in stages(pack[0].network, pack[0].recipe)
                    )
                    progress.reached(pack, evaluations / whole)
                case Done(statuses, seconds):
                    ended = read_records([run_id(run) for run in pack], order.records, folder)
                    for identity, record in ended.items():
                        if record.metrics:
                            losses, arm = best[cells[identity].task], cells[identity].arm
                            losses[arm] = min(
                                record.metrics.validation_loss, losses.get(arm, math.inf)
                            )
                    words = _best_words(best[cell.task], cell.task, pack[0].task.metric)
                    progress.pack_done(pack, pack_words, statuses, seconds, words)
                case here.Skipped():
                    progress.reached(pack, 1.0)
                    progress.pack_done(pack, pack_words, ["recorded"] * len(pack), 0.0)
                case here.Failed(failure, "split"):
                    progress.pack_split(pack)
                case here.Failed(failure, "give up"):
                    crashed.append(failure)
                    progress.pack_done(pack, pack_words, ["crashed"] * len(pack), 0.0)
    return crashed


def _best_words(best: Mapping[str, float], task: str, metric: str) -> str:
    """The least validation loss of each arm: numbers first, as a terminal cuts the end of a
    line.
    """
    arms = ", ".join(f"{arm} {loss:.2g}" for arm, loss in sorted(best.items(), key=itemgetter(1)))
    return (
        f"{arms} on {task} (best validation {loss_word(metric).removeprefix('test ')})"
        if arms
        else ""
    )
