"""A file becomes a plan, which is frozen in its results folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.base.device import why_no_device
from harness.base.errors import HarnessError, at
from harness.planning.plan import make_plan
from harness.planning.warnings import check_rules_can_be_judged
from harness.spec import Experiment, Manifest, RunTask, freeze, variants
from harness.spec.read import FULL, located
from harness.spec.setting import narrowed
from harness.study.costs import seconds_by
from harness.study.folders import StudyFile
from harness.study.kept import take_kept
from harness.tasks import check_drawn, keep_data, known_data, resolve


def plan_of(study: StudyFile) -> Manifest:
    """The plan that an experiment file makes now; errors name the file.

    A cap in seconds is turned into evaluations by what was timed in the results folder.
    """
    experiment, name, place = study.said(), replace(study, results=Path()).folder.name, study.file.parent
    if study.narrow:
        experiment, _ = narrowed(experiment, study.narrow)
    try:
        timed_on: set[str] = set()
        manifest = make_plan(experiment, name, place, seconds_by(study.results, timed_on))
        manifest = manifest.model_copy(update={"timed_on": tuple(sorted(timed_on))})
        for run in {planned.run.task: planned.run for planned in manifest.runs}.values():
            with at(_place_of(run.task, experiment, place)):
                check_drawn(run.task, run.seed)  # a target that cannot be learnt is named before anybody relies on it
        if study.scale == FULL:  # a scale is a smaller rehearsal, of which the warnings say what it cannot answer
            check_rules_can_be_judged(manifest)
        return manifest
    except HarnessError as error:
        message = located(str(error), study.file, study.scale, study.settings)
        raise HarnessError(message, error.exit_code) from None


def _place_of(task: RunTask, experiment: Experiment, folder: Path) -> str:
    """The dotted path of the first task in the file that is this one at some point of the axes."""
    for _, variant in variants(experiment):
        for index, written in enumerate(variant.tasks):
            if resolve(written, folder) == task:
                return f"tasks.{index}"
    return "tasks"


def device_lines(manifest: Manifest) -> list[str]:
    """What to know of the device on which a plan is to train: that it is not here, as on a login node."""
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
    """Freeze a plan in a results folder, then keep the rows of its data files: a plan that is refused leaves none."""
    manifest = freeze(planned, folder, replan)
    keep_data((each.run.task for each in manifest.runs), folder.parent / "data")
    return manifest


def freeze_file(study: StudyFile, replan: bool, say: Callable[[str], None], dry_run: bool = False) -> Manifest:
    """Freeze what a file says, and return the plan.

    Unless `dry_run`, records that are kept of its runs (`take_kept`) are published first.
    """
    manifest = freeze_plan(plan_of(study), study.folder, replan)
    if not dry_run:
        take_kept(manifest, study.folder, say)
    return manifest
