"""A file becomes a plan, which is frozen in its results folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.base.device import why_no_device
from harness.base.errors import HarnessError
from harness.planning.place import at, place_of
from harness.planning.plan import make_plan
from harness.planning.warnings import check_rules_can_be_judged
from harness.spec import Manifest, Narrow, Setting, freeze, located, narrowed, read_experiment
from harness.spec.read import FULL
from harness.study.costs import seconds_by
from harness.study.folders import folder_of
from harness.study.kept import take_kept
from harness.tasks import check_drawn, keep_data, known_data


def plan_of(
    file: Path,
    scale: str = FULL,
    narrow: Narrow | None = None,
    settings: Sequence[Setting] = (),
    results: Path = Path("results"),
) -> Manifest:
    """The plan that an experiment file makes at one of its scales, narrowed or with fields set if asked for.

    A cap in seconds is turned into evaluations by what was timed in `results`. Its errors name the file.
    """
    experiment = read_experiment(file, scale, settings)
    name = folder_of(file, Path(), scale, narrow, settings).name
    if narrow:
        experiment, _ = narrowed(experiment, narrow)
    try:
        timed_on: set[str] = set()
        manifest = make_plan(experiment, name, file.parent, seconds_by(results, timed_on))
        manifest = manifest.model_copy(update={"timed_on": tuple(sorted(timed_on))})
        for run in {planned.run.task: planned.run for planned in manifest.runs}.values():
            with at(place_of(run.task, experiment, file.parent)):
                check_drawn(
                    run.task, run.seed
                )  # a target that cannot be learnt is named before anybody relies on the plan
        if scale == FULL:  # a scale is a smaller rehearsal, of which the warnings say what it cannot answer
            check_rules_can_be_judged(manifest)
        return manifest
    except HarnessError as error:
        raise HarnessError(located(str(error), file, scale, settings), error.exit_code) from None


def device_lines(manifest: Manifest) -> list[str]:
    """What to know of the device on which a plan is to train: that it is not here, as on a login node."""
    why = why_no_device(manifest.experiment.device)
    move = "`harness run` refuses; submit it to a cluster with GPUs, or say device: cpu"
    return [f"{why}: {move}"] if why else []


def freeze_plan(planned: Manifest, folder: Path, replan: bool) -> Manifest:
    """Freeze a plan in a results folder, then keep the rows of its data files: a plan that is refused leaves none."""
    manifest = freeze(planned, folder, replan)
    keep_data((each.run.task for each in manifest.runs), folder.parent / "data")
    return manifest


def data_lines(manifest: Manifest) -> list[str]:
    """What to know of the data files that a plan was just made of, a sentence each."""
    tasks = {planned.run.task.fingerprint: planned.run.task for planned in manifest.runs}
    lines: list[str] = []
    for task in tasks.values():
        lines += known_data(task).notes if task.is_data_file else ()
    return list(dict.fromkeys(lines))


def freeze_file(
    file: Path,
    results: Path,
    scale: str,
    replan: bool,
    say: Callable[[str], None],
    dry_run: bool = False,
    settings: Sequence[Setting] = (),
) -> tuple[Manifest, Path]:
    """Freeze what a file says, and return the plan with its folder.

    Unless `dry_run`, records that are kept of its runs (`take_kept`) are published first.
    """
    folder = folder_of(file, results, scale, settings=settings)
    manifest = freeze_plan(plan_of(file, scale, settings=settings, results=results), folder, replan)
    if not dry_run:
        take_kept(manifest, folder, say)
    return manifest, folder
