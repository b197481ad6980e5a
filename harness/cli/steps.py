"""What several commands do: plan a file, find its frozen plan, train what is missing, analyse, say what it costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.base.errors import INCOMPLETE, HarnessError, Stopped
from harness.base.files import check_name, check_writable
from harness.cli.options import FULL

if TYPE_CHECKING:
    import pandas as pd

    from harness.dispatch.mirror import Mirror
    from harness.judging.checks import Check
    from harness.judging.judge import Verdict
    from harness.judging.scaling import SeriesFit
    from harness.judging.searched import Searched
    from harness.measure.calibration import Calibration, Kind
    from harness.record import Record
    from harness.spec import Manifest, Narrow

# Folders beside those of the experiments: the records, and what the project keeps.
RESERVED = ("runs", "checkpoints", "snapshots", "calibrations", "reference", "benchmarks", "fits", "replay", "verdicts")

MANY_SERIES = 20  # whose fits take long enough to be announced


def confirm(question: str, yes: bool, refused: str) -> None:
    """Go on if the user agrees, or has said --yes; a HarnessError that begins with `refused` if not, or if nobody can.

    Who asks without a terminal is a script: a question that it answers by chance is worse than none.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise HarnessError(f"{refused}: there is no terminal to ask at; --yes goes on without asking")
    try:
        agreed = click.confirm(question)
    except click.Abort:  # Ctrl-C or the end of the input
        agreed = False
    if not agreed:
        raise HarnessError(refused, INCOMPLETE)


def plan_of(file: Path, scale: str = FULL, narrow: Narrow | None = None) -> Manifest:
    """The plan that an experiment file makes at one of its scales, narrowed if asked for; its errors name the file."""
    from harness.planning.plan import make_plan
    from harness.spec import narrowed, read_experiment, search_name
    from harness.tasks import draw

    experiment, name = read_experiment(file, scale), _name(file, scale, narrow)
    if narrow:
        experiment, _ = narrowed(experiment, narrow)
    if experiment.search:
        name = search_name(name)
    try:
        manifest = make_plan(experiment, name)
        for run in {planned.run.task: planned.run for planned in manifest.runs}.values():
            draw(run.task, run.seed)  # a target that cannot be learnt is named before anybody relies on the plan
        return manifest
    except HarnessError as error:
        raise HarnessError(f"{file}: {error}", error.exit_code) from None


def folder_of(file: Path, results: Path, scale: str = FULL, narrow: Narrow | None = None) -> Path:
    """The results folder of an experiment file at one of its scales, narrowed if asked for."""
    return results / _name(file, scale, narrow)


def _name(file: Path, scale: str, narrow: Narrow | None) -> str:
    from harness.spec import narrow_words

    check_name(file.stem, f"{file}")
    if file.stem in RESERVED:
        raise HarnessError(f"{file}: results/{file.stem} is kept for something else; give the file another name")
    return file.stem + ("" if scale == FULL else f"-{scale}") + (narrow_words(narrow) if narrow else "")


def records_of(folder: Path) -> Path:
    """Where the records are that an experiment of this folder shares with all others."""
    return folder.parent / "runs"


def frozen_plan(file: Path, results: Path) -> tuple[Manifest, Path]:
    """The frozen plan of an experiment file, which must still say the same, or of a results folder; and the folder.

    Of an experiment with a search it is the plan whose runs come next: the search's, until its winners have one.
    """
    from harness.spec import check_unchanged, manifest_path, read_experiment, read_manifest, searched_name

    if manifest_path(file).exists() and file.name != searched_name(file.name):
        return read_manifest(file), file
    if manifest_path(file).exists() or manifest_path(search_folder(file)).exists():
        return stage_in(file)
    experiment, folder = read_experiment(file), folder_of(file, results)
    manifest, folder = stage_in(folder)
    check_unchanged(manifest, experiment, file)
    return manifest, folder


def confirmed_plan(file: Path, results: Path) -> tuple[Manifest, Path]:
    """The frozen plan whose runs are reported (`frozen_plan`); a HarnessError while a search is before it."""
    from harness.spec import manifest_path, searched_name

    manifest, folder = frozen_plan(file, results)
    confirmed = folder.with_name(searched_name(manifest.name))
    if manifest.is_search and manifest_path(confirmed).exists():
        raise HarnessError(f"{file}: this is a search, whose winners are reported; give {confirmed}")
    if manifest.is_search:
        again = "FILE" if file.is_dir() else file
        raise HarnessError(f"{file}: {search_words(manifest, folder)}; `harness run {again}` goes on", INCOMPLETE)
    return manifest, folder


# -------------------------------------------------------------------------------------------------------------- stages
def search_folder(folder: Path, rung: int = 0) -> Path:
    """Where the search of an experiment of this results folder lives, or with halving one of its rungs."""
    from harness.spec import search_name

    return folder.with_name(search_name(folder.name, rung))


def rungs_in(folder: Path) -> list[Manifest]:
    """The plans of the search of an experiment of this results folder: one, or with halving one a rung begun."""
    from harness.spec import content_hash, manifest_path, read_manifest

    rungs = [read_manifest(search_folder(folder))]
    while manifest_path(place := search_folder(folder, len(rungs))).exists():
        rung = read_manifest(place)
        if rung.follows is None or rung.follows.plan != content_hash(rungs[-1]):
            break  # it followed a search that has been replaced
        rungs.append(rung)
    return rungs


def stage_in(folder: Path) -> tuple[Manifest, Path]:
    """The plan of a results folder whose runs come next, and its folder: a search, until its winners have a plan."""
    from harness.spec import content_hash, manifest_path, read_manifest

    of_search = search_folder(folder)
    if not manifest_path(of_search).exists():
        return read_manifest(folder), folder
    found = read_manifest(folder) if manifest_path(folder).exists() else None
    if found and found.experiment.search is None:  # the file has been rid of its search since
        return found, folder
    search = rungs_in(folder)[-1]
    if found and found.confirms and found.confirms.plan == content_hash(search):
        return found, folder
    return search, search_folder(folder, search.rung)


def freeze_stage(file: Path, results: Path, scale: str, replan: bool, dry_run: bool = False) -> tuple[Manifest, Path]:
    """Freeze what a file says, and return the plan whose runs come next, with its folder.

    A search whose runs all have records is followed by its next rung, and the last rung by the plan of the winners.
    These are made and, unless `dry_run`, frozen here.
    """
    from harness.planning.halving import next_rung
    from harness.record import missing
    from harness.spec import content_hash, freeze, manifest_path, read_manifest

    folder, manifest = folder_of(file, results, scale), plan_of(file, scale)
    manifest = freeze(manifest, folder.parent / manifest.name, replan)
    if not manifest.is_search:
        return manifest, folder
    found = read_manifest(folder) if manifest_path(folder).exists() else None
    if found and not found.confirms and not replan:
        raise HarnessError(
            f"{manifest_path(folder)} holds another plan (without a search); --replan freezes the new one and "
            "keeps the old one beside it; records are kept in any case"
        )
    for rung in (rungs := rungs_in(folder)):
        if missing(rung, records_of(folder)):  # also later, as the report shows the search too
            return rung, search_folder(folder, rung.rung)
    last = rungs[-1]
    if found and found.confirms and found.confirms.plan == content_hash(last):
        return found, folder
    if last.is_last_rung:
        following, place = winners_of(rungs, folder), folder
    else:
        following, place = next_rung(rungs, rung_records(rungs, folder)), search_folder(folder, last.rung + 1)
    return following if dry_run else freeze(following, place, replan=True), place


def rung_records(rungs: Sequence[Manifest], folder: Path) -> dict[str, Record]:
    """The records of all rungs of a search, by run id."""
    from harness.planning.halving import all_rungs

    return planned_records(all_rungs(rungs), folder)


def winners_of(rungs: Sequence[Manifest], folder: Path) -> Manifest:
    """The plan that trains the winners of a complete search on fresh seeds."""
    from harness.planning.confirm import confirmation
    from harness.planning.halving import all_rungs

    search, records = all_rungs(rungs), rung_records(rungs, folder)
    table = table_of(search, records, folder)
    medians = table.groupby("cell")["seconds"].median() if "seconds" in table else None
    seconds = None if medians is None else dict(zip(medians.index.tolist(), medians.tolist(), strict=True))
    return confirmation(rungs, records, seconds)


def search_words(search: Manifest, folder: Path) -> str:
    """How far a search is, and what it is followed by."""
    from harness.record import missing
    from harness.show.sweeps import rung_words

    absent, runs = len(missing(search, records_of(folder))), len(search.run_ids())
    seeds = ", ".join(map(str, search.experiment.seeds))
    what = f"{rung_words(search)} of its search" if rung_words(search) else "its search"
    if not search.is_last_rung:
        following = "the best trials go on to the next rung"
        return f"{absent:,} of {runs:,} runs of {what} have no record; once it is complete, {following}"
    if not absent:
        return f"{what} is complete; winners are chosen next, and trained on seeds {seeds}"
    state = f"{absent:,} of {runs:,} runs of {what} have no record"
    return f"{state}; once it is complete, winners are chosen and trained on seeds {seeds}"


def calibrations_of(manifest: Manifest, results: Path) -> dict[Kind, Calibration]:
    """What `harness bench` measured on this machine of the engines that the plan's runs use."""
    from harness.measure.calibration import missing

    if manifest.experiment.device != "cpu":
        return {}
    found = {kind: calibration_of(results, kind) for kind in missing({}, planned_runs(manifest).values())}
    return {kind: calibration for kind, calibration in found.items() if calibration}


def calibration_of(results: Path, kind: Kind) -> Calibration | None:
    """What was measured of an engine on this kind of processor, if it is whole and current."""
    from harness.base.provenance import processor
    from harness.measure.calibration import is_current, read_calibration

    engine, dtype = kind
    try:
        found = read_calibration(results, engine, processor(), dtype)
    except HarnessError as error:  # it is optional: what can be done without it goes on
        click.echo(f"warning: {error}", err=True)
        return None
    return found if found and is_current(found) else None


def own_calibration(results: Path, kind: Kind) -> Calibration | None:
    """The calibration that a bench can add to: whole, current, and of this very machine."""
    from harness.base.provenance import host

    found = calibration_of(results, kind)
    return found if found and found.host == host() else None


def cost_sentence(manifest: Manifest, results: Path, workers: int | None = None) -> str:
    """What a plan comes to: runs, packs, work, and the time and memory of a sweep on `workers` if calibrated."""
    from harness.dispatch.here import available_cores
    from harness.measure.cost import sweep_cost
    from harness.planning.plan import planned_flops
    from harness.show.plans import cost_words, uncalibrated_words

    specs = planned_runs(manifest)
    evaluations = sum(run.recipe.max_evaluations for run in specs.values())
    flops = sum(planned_flops(run)["flops_train.shared_dense"] for run in specs.values())
    calibrations, workers = calibrations_of(manifest, results), workers or available_cores()
    cost = sweep_cost(calibrations, [[specs[identity] for identity in pack] for pack in manifest.packs], workers)
    seconds = cost_words(cost, workers) if cost else uncalibrated_words(manifest, calibrations)
    return (
        f"{manifest.name}: {len(manifest.run_ids())} runs in {len(manifest.packs)} packs, "
        f"{evaluations:,} evaluations, {flops:.2e} training FLOPs (shared_dense); {seconds}"
    )


def planned_runs(manifest: Manifest) -> dict[str, Any]:
    """The planned runs by their ids."""
    return {planned.run_id: planned.run for planned in manifest.runs}


def mirror_of(options: Mapping[str, Any]) -> Mirror | None:
    """What --wandb and its companions ask for; a HarnessError if wandb cannot do it."""
    from harness.dispatch.mirror import Mirror, check_wandb

    if options["wandb"] is None:
        return None
    check_wandb(options["wandb"])
    return Mirror(
        mode=options["wandb"],
        per=options["wandb_per"],
        project=options["wandb_project"],
        entity=options["wandb_entity"],
    )


def train_missing(manifest: Manifest, folder: Path, workers: int | None, mirror: Mirror | None) -> None:
    """Train on this machine what has no record yet, with progress; a HarnessError if something is left."""
    from harness.dispatch.here import Failed, Skipped, available_cores, terminated_like_ctrl_c, train_here
    from harness.dispatch.mirror import mirroring
    from harness.dispatch.slots import Done, Evaluated, Failure
    from harness.record import missing, read_records
    from harness.show.console import console, pack_progress
    from harness.spec import run_id, stages
    from harness.tasks import draw

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
    for task, seed in {(run.task, run.seed) for pack in packs for run in pack}:
        draw(task, seed)  # a target that is not finite is named before anything trains
    ticks = sum(stage.evaluations for pack in packs for stage in stages(pack[0].network, pack[0].recipe))
    crashed: list[Failure] = []
    behind: dict[tuple, int] = {}
    try:
        with (
            terminated_like_ctrl_c(),
            pack_progress(len(packs), ticks) as progress,
            mirroring(mirror, manifest.name, records, folder / "wandb", console.print) as mirrored,
            closing(
                train_here(
                    packs,
                    records,
                    workers or available_cores(),
                    console.print,
                    manifest.experiment.device,
                    checkpoints=folder.parent / "checkpoints",
                )
            ) as events,
        ):
            for pack, event in events:
                shape = "-".join(map(str, pack[0].network.shape))
                what = f"{pack[0].task.target} {pack[0].network.family} {shape}"
                match event:
                    case Evaluated(evaluations):
                        progress.evaluated(evaluations - behind.get(pack, 0))
                        behind[pack] = evaluations
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
    except KeyboardInterrupt:
        left = len(missing(manifest, records))
        text = f"stopped: {len(specs) - left} of {len(specs)} runs have records; run the same command again to go on"
        raise Stopped(text, INCOMPLETE) from None
    if crashed:
        log = folder / "crashes.log"
        log.write_text("\n".join(failure.traceback or failure.error for failure in crashed), encoding="utf-8")
        first = crashed[0].error
        raise HarnessError(f"{len(crashed)} packs crashed (first: {first}); tracebacks in {log}", INCOMPLETE)


def planned_records(manifest: Manifest, folder: Path) -> dict[str, Record]:
    """The record of every run of a plan in this folder, read once for all that a command does with them."""
    from harness.record import read_planned

    return read_planned(manifest, records_of(folder))


def table_of(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> pd.DataFrame:
    """The table of the records of a plan in this folder, with seconds where they are measured."""
    from harness.measure.cost import with_seconds
    from harness.record import runs_table

    return with_seconds(runs_table(manifest, records), planned_runs(manifest), calibrations_of(manifest, folder.parent))


def write_analysis(
    manifest: Manifest, records: Mapping[str, Record], folder: Path
) -> tuple[pd.DataFrame, list[SeriesFit], list[Check]]:
    """The table of a complete plan, its fits and their checks, written into its folder too."""
    check_writable(folder)  # said now, not after minutes of fitting
    found = analyse(manifest, records, folder)
    keep_analysis(manifest, *found, folder)
    return found


def analyse(
    manifest: Manifest, records: Mapping[str, Record], folder: Path
) -> tuple[pd.DataFrame, list[SeriesFit], list[Check]]:
    """The table of a complete plan, its fits and their checks."""
    from harness.judging.checks import check_table
    from harness.judging.scaling import fit_table, headline_axes

    table = table_of(manifest, records, folder)
    if (series := table.groupby(["task", "series"]).ngroups) > MANY_SERIES:
        click.echo(f"fitting laws of {series} series on every axis, some seconds each", err=True)
    return table, fit_table(table), check_table(table, headline_axes(manifest))


def keep_analysis(
    manifest: Manifest, table: pd.DataFrame, fits: list[SeriesFit], checks: list[Check], folder: Path
) -> None:
    """Write what `analyse` found into the folder."""
    from harness.base.files import whole_file
    from harness.judging.checks import to_json as checks_json
    from harness.judging.pairs import pairs, pairs_axis
    from harness.judging.scaling import to_json
    from harness.record import write_table
    from harness.show.checks import checklists

    check_writable(folder)
    write_table(table, folder)
    with whole_file(folder / "pairs.csv") as path:
        pairs(table, pairs_axis(manifest)).to_csv(path, index=False)
    machine = {"seconds_on": table["seconds_on"].iloc[0]} if "seconds_on" in table else {}
    found = {"fits": to_json(fits), "checks": checks_json(checks)}
    text = json.dumps({"experiment_hash": manifest.experiment_hash, **machine, **found}, indent=1)
    with whole_file(folder / "checklist.md") as path:
        path.write_text(checklists(checks), encoding="utf-8")
    with whole_file(folder / "fits.json") as path:
        path.write_text(text + "\n", encoding="utf-8")


def write_pack_costs(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> None:
    """How well the seconds of packs were predicted, as `packs.csv` and in a sentence, if this machine is calibrated."""
    from harness.base.files import whole_file
    from harness.measure.calibration import errors_sentence
    from harness.measure.cost import pack_costs, pack_errors
    from harness.show.console import console

    calibrations = calibrations_of(manifest, folder.parent)
    if not calibrations:
        return
    costs = pack_costs(manifest, records, calibrations)
    with whole_file(folder / "packs.csv") as path:
        costs.to_csv(path, index=False)
    if errors := pack_errors(costs):
        console.print(errors_sentence(errors), soft_wrap=True)


def searched_of(manifest: Manifest, table: pd.DataFrame, folder: Path) -> Searched | None:
    """What the search was that a plan confirms, kept as winners.csv and tuning_curves.csv too; None without one."""
    from harness.base.files import whole_file
    from harness.judging.searched import searched
    from harness.judging.tuning import curves_table

    if not manifest.confirms:
        return None
    rungs = rungs_in(folder)
    found = searched(rungs, rung_records(rungs, folder), manifest, table)
    tables = {"winners": found.winners, "tuning_curves": curves_table(found.curves), "halving": found.halving}
    for name, kept in tables.items():
        if kept is None:
            continue
        with whole_file(folder / f"{name}.csv") as path:
            kept.to_csv(path, index=False)
    return found


def draw_search(manifest: Manifest, table: pd.DataFrame, found: Searched, folder: Path) -> list[Path]:
    """The figures of a search, as files: tuning curves, and the ratio that the first rule of two sides is about."""
    from harness.base.files import whole_file
    from harness.judging.pairs import pairs_axis
    from harness.judging.searched import confirmed_ratios
    from harness.judging.tuning import ratios, ratios_table
    from harness.show.plans import loss_words
    from harness.show.plot_tuning import draw_effort, draw_tuning
    from harness.spec import side_label

    axis = pairs_axis(manifest)
    drawn = draw_tuning(found.curves, folder, found.confirmed, axis, loss_words(table["metric"]))
    if rule := next((rule for rule in manifest.experiment.decide if len(rule.arms) == 2), None):
        first, second = (side_label(rule.choice(index)) for index in (0, 1))
        confirmed = confirmed_ratios(table, axis, first, second)
        by_effort = ratios(found.curves, first, second)
        with whole_file(folder / "tuning_ratio.csv") as path:
            ratios_table(by_effort).to_csv(path, index=False)
        drawn += draw_effort(by_effort, first, second, folder, confirmed, axis)
    return drawn


def draw_figures(manifest: Manifest, table: pd.DataFrame, fits: list[SeriesFit], folder: Path) -> list[Path]:
    """The figures of an experiment, as files."""
    from harness.judging.scaling import headline_axes
    from harness.show.plot import draw_scaling
    from harness.show.plot_residuals import draw_residuals

    residuals = draw_residuals(table, fits, headline_axes(manifest)[0], folder)
    found = searched_of(manifest, table, folder)
    of_search = draw_search(manifest, table, found, folder) if found else []
    return [*draw_scaling(manifest, table, fits, folder), *residuals, *of_search]


def write_page(
    manifest: Manifest,
    records: Mapping[str, Record],
    table: pd.DataFrame,
    fits: list[SeriesFit],
    checks: list[Check],
    verdicts: list[Verdict],
    folder: Path,
) -> Path:
    """The report page of an experiment."""
    from harness.show.report import write_report

    return write_report(manifest, records, table, fits, checks, verdicts, folder, searched_of(manifest, table, folder))


def judged(manifest: Manifest, table: pd.DataFrame) -> list[Verdict]:
    """The verdicts on an experiment's rules."""
    from harness.judging.judge import judge_all

    return judge_all(manifest, table)


def print_verdicts(verdicts: list[Verdict]) -> None:
    """Each verdict in a sentence."""
    from harness.judging.judge import sentence
    from harness.show.console import console

    for verdict in verdicts:
        console.print(sentence(verdict), soft_wrap=True, highlight=False, markup=False)


def print_fits(fits: list[SeriesFit], checks: list[Check], manifest: Manifest) -> None:
    """The laws, held-out sizes and checks as tables."""
    from harness.judging.scaling import headline_axes
    from harness.show.checks import checks_table
    from harness.show.console import console
    from harness.show.plans import fits_table, held_out_table

    crossed = {cell.series for cell in manifest.cells if cell.frontier}
    shown = [one for one in fits if one.series not in crossed]
    console.print(fits_table(shown, headline_axes(manifest)))
    if held_out := held_out_table(shown, headline_axes(manifest)):
        console.print(held_out)
    console.print(checks_table([check for check in checks if check.series not in crossed]))
