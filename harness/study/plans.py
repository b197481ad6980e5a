"""A file becomes a plan, which is frozen in its results folder; and what its runs take on machines
that were timed.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from rich.filesize import decimal as size_words

from harness.base.errors import HarnessError, at
from harness.base.provenance import available_cores, host, processor, why_no_device
from harness.dispatch.here import terminated_like_ctrl_c
from harness.dispatch.submission import makespan
from harness.measure.calibration import (
    Calibration,
    EngineKind,
    kind_of,
    latest_calibration,
    missing,
    read_calibration,
)
from harness.measure.cost import likely_seconds, never_timed, planned_seconds
from harness.planning.plan import make_plan, pack_bytes, planned_flops
from harness.planning.warnings import check_rules_can_be_judged
from harness.show.console import PackProgress, Terminal
from harness.show.costs import cost_words, uncalibrated_words
from harness.spec.document import FULL
from harness.spec.experiment import Experiment
from harness.spec.manifest import Manifest, freeze
from harness.spec.read import document_of, variants
from harness.spec.run import RunSpec
from harness.spec.setting import narrowed
from harness.spec.task import RunTask
from harness.study.folders import StudyFile, planned_runs, runs_of, take_kept
from harness.tasks import check_drawn, keep_data, known_data, resolve

LOG = logging.getLogger(__name__)
NOTABLE_BYTES = 10**8  # of memory that is worth a word


def plan_of(study: StudyFile) -> Manifest:
    """The plan that an experiment file makes now; errors name the file.

    A cap in seconds is turned into evaluations by what was timed in the results folder.
    """
    experiment, name, place = (
        study.read(),
        replace(study, results=Path()).folder.name,
        study.file.parent,
    )
    if study.narrow:
        experiment, _ = narrowed(experiment, study.narrow)
    try:
        timed_on: set[str] = set()
        manifest = make_plan(experiment, name, place, seconds_by(study.results, timed_on))
        manifest = manifest.model_copy(update={"timed_on": tuple(sorted(timed_on))})
        for run in {planned.run.task: planned.run for planned in manifest.runs}.values():
            with at(_place_of(run.task, experiment, place)):
                check_drawn(
                    run.task, run.seed
                )  # a target that cannot be learnt is named before anybody relies on it
        if (
            study.scale == FULL
        ):  # a scale is a smaller rehearsal, of which the warnings say what it cannot answer
            check_rules_can_be_judged(manifest)
        return manifest
    except HarnessError as error:
        document = document_of(study.file, study.scale, study.settings, study.text)
        raise HarnessError(document.located(str(error)), error.exit_code) from None


def _place_of(task: RunTask, experiment: Experiment, folder: Path) -> str:
    """The dotted path of the first task in the file that is this one at some point of the axes."""
    for _, variant in variants(experiment):
        for index, written in enumerate(variant.tasks):
            if resolve(written, folder) == task:
                return f"tasks.{index}"
    return "tasks"


def device_lines(manifest: Manifest) -> list[str]:
    """What to know of the device on which a plan is to train: that it is not here, as on a login
    node.
    """
    why = why_no_device(manifest.experiment.device)
    move = "`harness run` refuses; submit it to a cluster with GPUs, or say device: cpu"
    return [f"{why}: {move}"] if why else []


def data_lines(manifest: Manifest) -> list[str]:
    """What to know of the data files that a plan was just made of, a sentence each."""
    tasks = {planned.run.task.fingerprint: planned.run.task for planned in manifest.runs}
    lines: list[str] = []
    for task in tasks.values():
        lines += known_data(task).notes if task.is_data_file else ()
    return list(dict.fromkeys(lines))


def freeze_plan(planned: Manifest, folder: Path, replan: bool) -> Manifest:
    """Freeze a plan in a results folder, then keep the rows of its data files: a plan that is
    refused leaves none.
    """
    manifest = freeze(planned, folder, replan)
    keep_data((run.task for run in planned_runs(manifest).values()), folder.parent / "data")
    return manifest


def freeze_file(study: StudyFile, replan: bool, say: Callable[[str], None]) -> Manifest:
    """Freeze what a file says, publish records that are kept of its runs (`take_kept`), and return
    the plan.
    """
    manifest = freeze_plan(plan_of(study), study.folder, replan)
    take_kept(manifest, study.folder, say)
    return manifest


# --------------------------------------------------------------------------------------------------
# costs
def calibrations_of(manifest: Manifest, results: Path) -> dict[EngineKind, Calibration]:
    """What `harness bench` measured of the engines that the plan's runs use.

    That is on this kind of processor, or where there is nothing of it, on the kind that was
    measured last: on a cluster a login node reads what its nodes take.
    """
    if manifest.experiment.device != "cpu":
        return {}
    measured = {
        kind: calibration_of(results, kind) for kind in missing({}, planned_runs(manifest).values())
    }
    return {kind: calibration for kind, calibration in measured.items() if calibration}


def calibration_of(results: Path, kind: EngineKind) -> Calibration | None:
    """What was measured of an engine, here or elsewhere, if it is whole and current."""
    engine, dtype = kind
    try:
        calibration = read_calibration(results, engine, processor(), dtype) or latest_calibration(
            results, kind
        )
    except HarnessError as error:  # it is optional: what can be done without it goes on
        LOG.warning(str(error))
        return None
    return calibration if calibration and calibration.is_current else None


def own_calibration(results: Path, kind: EngineKind) -> Calibration | None:
    """The calibration that a bench can add to: whole, current, and of this very machine."""
    calibration = calibration_of(results, kind)
    is_own = calibration and (calibration.host, calibration.device) == (host(), processor())
    return calibration if is_own else None


def seconds_by(results: Path, timed_on: set[str]) -> Callable[[RunSpec], float]:
    """What a run takes alone by the calibrations of this folder, whose machines are added to
    `timed_on`.

    It raises a HarnessError that says how to measure, where nothing was measured of a run's engine.
    """

    @cache
    def machine(kind: EngineKind) -> Calibration:
        calibration = calibration_of(results, kind)
        if calibration is None:
            move = f"`{kind.bench_command}` times this one, and with `profile` a node of a cluster"
            needs = f"a cap in seconds needs a machine whose {kind.engine} engine was timed"
            raise HarnessError(f"search.cap: {needs}; {move}")
        timed_on.add(calibration.machine_words)
        return calibration

    return lambda run: planned_seconds(machine(kind_of(run)), run)


def cost_sentence(manifest: Manifest, results: Path, workers: int | None = None) -> str:
    """What a plan comes to: runs, packs, work, and the time of a sweep on `workers` if
    calibrated.
    """
    specs = planned_runs(manifest)
    evaluations = sum(run.recipe.max_evaluations + run.evaluations_beside for run in specs.values())
    flops = sum(planned_flops(run)["flops_train.shared_dense"] for run in specs.values())
    calibrations, workers = calibrations_of(manifest, results), workers or available_cores()
    if missing(calibrations, specs.values()):
        cost = uncalibrated_words(manifest, calibrations)
    else:
        packs = runs_of(manifest, manifest.packs)
        of_packs = likely_seconds(packs, calibrations, manifest.experiment.device)
        seconds = makespan(of_packs, workers)
        devices = sorted(
            {calibration.device for calibration in calibrations.values()} - {processor()}
        )
        cost = cost_words(
            seconds, sum(of_packs), workers, *never_timed(specs.values(), calibrations), devices
        )
    runs = f"{len(manifest.run_ids())} runs in {len(manifest.packs)} packs"
    work = f"{evaluations:,} evaluations, {flops:.2e} training FLOPs (shared_dense)"
    return f"{manifest.name}: {runs}, {work}; {cost}"


def largest_pack_bytes(packs: Iterable[Sequence[RunSpec]]) -> int:
    """Memory that the largest of these packs takes; 0 where that is little."""
    largest = max(map(pack_bytes, packs), default=0)
    return largest if largest >= NOTABLE_BYTES else 0


def memory_lines(manifest: Manifest) -> list[str]:
    """How much memory a process needs for the largest pack of a plan, if that is much."""
    largest = largest_pack_bytes(runs_of(manifest, manifest.packs))
    return [f"memory: the largest pack takes about {size_words(largest)}"] if largest else []


@contextmanager
def packs_shown(
    manifest: Manifest, folder: Path, packs: Mapping[tuple, Sequence[RunSpec]], terminal: Terminal
) -> Iterator[tuple[PackProgress, Callable[[], bool]]]:
    """Progress over packs of a plan, by what each is likely to take, and whether a signal has ended
    their training.
    """
    calibrations = calibrations_of(manifest, folder.parent)
    likely = likely_seconds(list(packs.values()), calibrations, manifest.experiment.device)
    work = dict(zip(packs, likely, strict=True))
    with (
        terminated_like_ctrl_c() as interrupted,
        terminal.packs(work, sum(map(len, packs))) as progress,
    ):
        yield progress, interrupted
