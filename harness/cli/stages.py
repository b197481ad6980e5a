"""A file becomes a plan; a complete search becomes its next rung, or the plan that trains its winners."""

from collections.abc import Sequence
from pathlib import Path

from harness.base.device import why_no_device
from harness.base.errors import HarnessError
from harness.cli.costs import seconds_by, table_of
from harness.cli.kept import take_kept
from harness.cli.options import FULL
from harness.cli.plans import folder_of, planned_records, records_of, rungs_in, search_folder
from harness.planning.confirm import confirmation
from harness.planning.halving import all_rungs, next_rung
from harness.planning.place import at, place_of
from harness.planning.plan import make_plan
from harness.planning.warnings import check_rules_can_be_judged
from harness.record import Record, missing
from harness.spec import (
    Manifest,
    Narrow,
    Setting,
    content_hash,
    freeze,
    located,
    manifest_path,
    narrowed,
    read_experiment,
    read_manifest,
    search_name,
    searched_name,
    set_aside_if_damaged,
)
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
    if experiment.trial_search:
        name = search_name(name)
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
    """Freeze a plan in a results folder, then keep the rows of its data files: a plan that is refused leaves none.

    With `replan` damaged plans of later stages are set aside, and made anew once the search is complete.
    """
    manifest = freeze(planned, folder, replan)
    if replan and manifest.is_search:
        of = folder.with_name(searched_name(folder.name))
        for later in (of, *(search_folder(of, rung) for rung in range(1, manifest.rungs))):
            set_aside_if_damaged(later)
    keep_data((each.run.task for each in manifest.runs), folder.parent / "data")
    return manifest


def data_lines(manifest: Manifest) -> list[str]:
    """What to know of the data files that a plan was just made of, a sentence each."""
    tasks = {planned.run.task.fingerprint: planned.run.task for planned in manifest.runs}
    lines: list[str] = []
    for task in tasks.values():
        lines += known_data(task).notes if task.is_data_file else ()
    return list(dict.fromkeys(lines))


def freeze_stage(
    file: Path, results: Path, scale: str, replan: bool, dry_run: bool = False, settings: Sequence[Setting] = ()
) -> tuple[Manifest, Path]:
    """Freeze what a file says, and return the plan whose runs come next, with its folder.

    A search whose runs all have records is followed by its next rung, and the last rung by the plan of the winners.
    These are made and, unless `dry_run`, frozen here. Records that are kept of the runs (`take_kept`) are published
    first. With `replan` winners are chosen by seconds too, if these have been measured since.
    """
    manifest, folder = _next_stage(file, results, scale, replan, dry_run, settings)
    if not dry_run:
        take_kept(manifest, folder)
    return manifest, folder


def _next_stage(
    file: Path, results: Path, scale: str, replan: bool, dry_run: bool, settings: Sequence[Setting]
) -> tuple[Manifest, Path]:
    """As `freeze_stage`; the runs of the returned plan may have kept records that are not published yet."""
    folder = folder_of(file, results, scale, settings=settings)
    manifest = plan_of(file, scale, settings=settings, results=results)
    manifest = freeze_plan(manifest, folder.parent / manifest.name, replan)
    if not manifest.is_search:
        return manifest, folder
    frozen = read_manifest(folder) if manifest_path(folder).exists() else None
    if frozen and not frozen.confirms and not replan:
        raise HarnessError(
            f"{manifest_path(folder)} holds another plan (without a search); --replan freezes the new one and "
            "keeps the old one beside it; records are kept in any case"
        )
    while True:
        for rung in (rungs := rungs_in(folder)):
            if not dry_run:
                take_kept(rung, search_folder(folder, rung.rung))
            if missing(rung, records_of(folder)):  # also later, as the report shows the search too
                return rung, search_folder(folder, rung.rung)
        last = rungs[-1]
        if last.is_last_rung:
            break
        following, place = next_rung(rungs, rung_records(rungs, folder)), search_folder(folder, last.rung + 1)
        if dry_run:
            return following, place
        freeze(following, place, replan=True)
    if frozen and frozen.confirms and frozen.confirms.plan == content_hash(last):
        if not (replan and _lacks_seconds(frozen)):
            return frozen, folder
        following = winners_of(rungs, folder)
        if _lacks_seconds(following):
            return frozen, folder
    else:
        following = winners_of(rungs, folder)
    return following if dry_run else freeze(following, folder, replan=True), folder


def _lacks_seconds(plan: Manifest) -> bool:
    """Whether rules read winners by seconds, and none was chosen by them."""
    is_asked = any("seconds" in rule.conventions for rule in plan.experiment.decide)
    return is_asked and all(cell.won is None or cell.won.axis != "seconds" for cell in plan.cells)


def rung_records(rungs: Sequence[Manifest], folder: Path) -> dict[str, Record]:
    """The records of all rungs of a search, by run id."""
    return planned_records(all_rungs(rungs), folder)


def winners_of(rungs: Sequence[Manifest], folder: Path) -> Manifest:
    """The plan that trains the winners of a complete search on fresh seeds."""
    search, records = all_rungs(rungs), rung_records(rungs, folder)
    table = table_of(search, records, folder)
    medians = table.groupby("cell")["seconds"].median() if "seconds" in table else None
    seconds = None if medians is None else dict(zip(medians.index.tolist(), medians.tolist(), strict=True))
    return confirmation(rungs, records, seconds)
