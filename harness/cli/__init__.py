"""The `harness` command. Heavy libraries are imported inside the commands that need them, so that --help is instant."""

from __future__ import annotations

import gc
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import __version__
from harness.base.errors import INCOMPLETE, INTERRUPTED, USAGE, HarnessError
from harness.base.files import check_writable, os_words
from harness.cli.compare import compare_command
from harness.cli.doctor import doctor
from harness.cli.options import (
    FULL,
    file_argument,
    planned_argument,
    replan_option,
    results_option,
    scale_option,
    wandb_options,
)
from harness.cli.output import lasting_output
from harness.cli.records import export_wandb, merge
from harness.cli.reference import reference
from harness.cli.replay import replay
from harness.cli.sending import retry, submit
from harness.cli.steps import (
    analyse,
    calibrations_of,
    confirmed_plan,
    cost_sentence,
    draw_figures,
    freeze_stage,
    judged,
    keep_analysis,
    mirror_of,
    own_calibration,
    plan_of,
    planned_records,
    planned_runs,
    print_fits,
    print_verdicts,
    records_of,
    search_words,
    train_missing,
    write_analysis,
    write_pack_costs,
    write_page,
)
from harness.cli.sweeps import cancel, check_none_underway, logs, status
from harness.cli.tables import fit_options, fit_table, given, json_option, table_options
from harness.cli.verdicts import verdicts as verdicts_command

if TYPE_CHECKING:
    from harness.measure.calibration import Calibration, Kind
    from harness.spec import Manifest
    from harness.spec.nouns import Dtype, Engine

EXAMPLE = "experiments/quickstart.yaml"
FEW_CELLS = 3  # that validate tells


class _Group(click.Group):
    """Prints a HarnessError as its sentence and exits with its code; a command outlives whoever reads its output."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with lasting_output() as output:
            try:
                return super().main(*args, **kwargs)
            finally:
                output.flush()
                if output.lost and not isinstance(output.lost, BrokenPipeError):
                    why = f"{output.lost.strerror}; some of what was printed is lost, and nothing else"
                    click.echo(f"error: standard output: {why}", err=True)
                    sys.exit(INCOMPLETE)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().__call__(*arguments, **named)
        except SystemExit as ending:
            if not arguments:  # it is what this process was started for, and a Ctrl-C would replace its exit status
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            if user_code := sys.modules.get("harness.base.user_code"):  # else nothing of the user's was called
                user_code.end_now_if_threads_are_left(ending.code)
            raise

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("error: stopped; run the same command again to go on", err=True)
            sys.exit(INTERRUPTED)
        except HarnessError as error:
            for line in str(error).splitlines():
                click.echo(f"error: {line}" if not line.startswith(" ") else line, err=True)
            sys.exit(error.exit_code)
        except OSError as error:
            click.echo(f"error: {os_words(error)}; move it away or choose another folder", err=True)
            sys.exit(USAGE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """The referee between KANs and MLPs: matched grids, scaling fits, honest intervals.

    \b
    An experiment file becomes runs, runs become records, records become fits and figures:
        harness run experiments/quickstart.yaml

    Exit codes: 0 ok, 2 wrong input, 3 incomplete or damaged results (interrupted training too), 130 ended by Ctrl-C.
    """
    gc.set_threshold(100_000)  # plans are objects by the million, no garbage: searching them took longer than reading


# -------------------------------------------------------------------------------------------------------- definitions
@main.command(epilog=f"Example: harness validate {EXAMPLE}")
@file_argument
@scale_option
@json_option
def validate(file: Path, scale: str, as_json: bool) -> None:
    """Check an experiment file and say what it would run."""
    manifest = plan_of(file, scale)
    runs, infeasible = len(manifest.run_ids()), [cell for cell in manifest.cells if cell.infeasible]
    summary = {"file": str(file), "cells": len(manifest.cells), "infeasible": len(infeasible), "runs": runs}
    if as_json:
        click.echo(json.dumps(summary))
        return
    click.echo(f"{file}: valid; {len(manifest.cells):,} cells ({len(infeasible):,} infeasible), {runs:,} runs")
    for cell in infeasible[:FEW_CELLS]:
        click.echo(f"  infeasible: {cell.task} {cell.series}: {cell.infeasible}")
    if len(infeasible) > FEW_CELLS:
        click.echo("  `harness plan` shows them all")


@main.command(epilog="Example: harness schema > experiment.schema.json")
def schema() -> None:
    """Print the JSON Schema of experiment files, for completion in an editor."""
    from harness.spec import experiment_schema

    click.echo(json.dumps(experiment_schema(), indent=1))


@main.command(epilog=f"Example: harness plan {EXAMPLE}")
@file_argument
@results_option
@scale_option
@replan_option
@click.option("--packs", is_flag=True, help="Show the packs in place of the cells: what each costs.")
@json_option
def plan(file: Path, results: Path, scale: str, replan: bool, packs: bool, as_json: bool) -> None:
    """Expand, match and freeze: show each cell's asked and achieved budget, and what the runs cost."""
    from harness.measure.cost import pack_predictions
    from harness.spec import freeze

    planned = plan_of(file, scale)
    folder = results / planned.name
    manifest = freeze(planned, folder, replan)
    costs = pack_predictions(manifest, calibrations_of(manifest, results)) if packs else None
    if as_json:
        click.echo(manifest.model_dump_json() if costs is None else costs.to_json(orient="records"))
        return
    from harness.show.console import console
    from harness.show.plans import packs_table, plan_table, recipe_note

    console.print(plan_table(manifest) if costs is None else packs_table(costs))
    for cell in manifest.cells:
        if cell.infeasible:
            console.print(f"infeasible: {cell.task} {cell.series}: {cell.infeasible}", markup=False, soft_wrap=True)
    if any(cell.infeasible for cell in manifest.cells):
        console.print(
            "where an arm cannot meet a budget, its curve is read between its two nearest sizes", soft_wrap=True
        )
    if note := recipe_note(manifest):
        console.print(note, markup=False, soft_wrap=True)
    console.print(cost_sentence(manifest, results), soft_wrap=True)
    if manifest.is_search:
        console.print(search_words(manifest, folder), soft_wrap=True)
    console.print(f"frozen in {folder / 'manifest.json'}", soft_wrap=True)


class WithFamilies(click.Command):
    """A command whose help lists the families and their fields."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """After the command's own text."""
        from harness.families.fields import families_help

        super().format_help_text(ctx, formatter)
        with formatter.section("Families and their fields (leave out the one size to solve for)"):
            for line in families_help().splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


@main.command(
    "match",
    cls=WithFamilies,
    epilog="Example: harness match --arm 'kan hidden=[5]' --arm 'mlp depth=3' --inputs 2 --at 1000",
)
@click.option("--arm", "arms", multiple=True, required=True, help="A family and its fields, one size left out; repeat.")
@click.option("--at", "budget", type=click.FloatRange(min=0, min_open=True), required=True, help="The budget.")
@click.option(
    "--axis", default="params", show_default=True, help="params, flops_forward or flops_train, or axis.convention."
)
@click.option("--inputs", type=click.IntRange(min=1), default=2, show_default=True, help="Variables of the target.")
@click.option("--outputs", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--samples", type=click.IntRange(min=1), default=1000, show_default=True, help="Points an evaluation.")
@click.option(
    "--evaluations", type=click.IntRange(min=1), help="Of a run; left out with all sizes given, they are solved for."
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "lbfgs", "levenberg_marquardt"]),
    default="lbfgs",
    show_default=True,
)
@json_option
def match_command(
    arms: tuple[str, ...],
    budget: float,
    axis: str,
    inputs: int,
    outputs: int,
    samples: int,
    evaluations: int | None,
    optimizer: str,
    as_json: bool,
) -> None:
    """Make architectures equal on one axis, and show how unequal they then are on all others."""
    from harness.planning.match import OPTIMIZERS, Setting, axis_named, match_arms, to_json
    from harness.show.console import console
    from harness.show.plans import match_table

    setting = Setting(axis_named(axis), budget, inputs, outputs, samples, evaluations, OPTIMIZERS[optimizer])
    matched = match_arms(arms, setting)
    if as_json:
        click.echo(json.dumps(to_json(matched, setting)))
    else:
        console.print(match_table(matched, setting))


@main.command(epilog=f"Example: harness bench {EXAMPLE}")
@click.argument("file", type=click.Path(path_type=Path), metavar="[FILE]", required=False)
@results_option
@scale_option
@click.option("--engine", type=click.Choice(["fused", "torch"]), help="Without FILE.  [default: fused, of float64]")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), help="Without FILE.  [default: float64]")
@click.option("--workers", type=click.IntRange(min=1), help="Processes at once, as in a sweep.  [default: one a core]")
def bench(
    file: Path | None, results: Path, scale: str, engine: Engine | None, dtype: Dtype | None, workers: int | None
) -> None:
    """Measure what an evaluation takes on this machine, in a minute; plans then predict seconds and memory.

    With FILE, measure the engines that its runs use, and also every shape of that plan alone, a quarter of a second
    each: its runs then have an axis `seconds`, what each would take by itself on this machine.
    """
    from harness.dispatch.here import available_cores
    from harness.measure.calibration import write_calibration
    from harness.show.console import console
    from harness.show.plans import calibration_sentence

    if file:
        for name, given in (("engine", engine), ("dtype", dtype)):
            if given:
                raise HarnessError(f"--{name} {given}: {file} says its {name} itself; leave one of them out")
    elif scale != FULL:
        raise HarnessError(f"--scale {scale}: of which file? Give it, or leave the scale out")
    manifest = plan_of(file, scale) if file else None
    kinds = _kinds(manifest) if manifest else [_kind(engine, dtype or "float64")]
    check_writable(results / "calibrations")
    try:
        found = [_bench(kind, manifest, results, workers or available_cores()) for kind in kinds]
    except KeyboardInterrupt:
        raise HarnessError("stopped; nothing was written, and the next bench starts over", INTERRUPTED) from None
    for calibration in found:
        path = write_calibration(calibration, results)
        console.print(calibration_sentence(calibration), soft_wrap=True)
        console.print(f"calibration: {path}", soft_wrap=True)


def _kind(engine: Engine | None, dtype: Dtype) -> Kind:
    if engine == "fused" and dtype != "float64":
        raise HarnessError(f"--engine fused computes in float64; with --dtype {dtype} leave it out")
    return engine or ("fused" if dtype == "float64" else "torch"), dtype


def _kinds(manifest: Manifest) -> list[Kind]:
    """What must be calibrated for the plan's runs."""
    from harness.measure.calibration import missing

    if manifest.experiment.device != "cpu":
        raise HarnessError(f"device: {manifest.experiment.device}: only CPUs are measured; leave the file out")
    return missing({}, planned_runs(manifest).values())


def _bench(kind: Kind, manifest: Manifest | None, results: Path, workers: int) -> Calibration:
    from harness.measure.bench import bench_classes, bench_solo, compile_kernels
    from harness.measure.calibration import calibrate, kind_of, with_solo
    from harness.measure.design import full_design
    from harness.show.console import console, counted_progress

    calibration, solo = own_calibration(results, kind), []
    if kind[0] == "fused":
        compile_kernels(console.print)
    if calibration is None or manifest is None:
        with counted_progress(f"{kind[0]}: shape classes") as progress:
            rows = bench_classes(full_design(*kind), workers, progress)
        calibration = calibrate(*kind, rows)
    if manifest:
        runs = [run for run in planned_runs(manifest).values() if kind_of(run) == kind]
        with counted_progress(f"{kind[0]}: shapes alone") as progress:
            solo = bench_solo(runs, progress)
    meanwhile = own_calibration(results, kind)  # what another bench wrote, or this file had
    return with_solo(calibration, [*(meanwhile.solo if meanwhile else ()), *solo])


# --------------------------------------------------------------------------------------------------------------- runs
@main.command(epilog=f"Example: harness run {EXAMPLE} --workers 2")
@file_argument
@results_option
@scale_option
@replan_option
@click.option("--workers", type=click.IntRange(min=1), help="Worker processes.  [default: one a core]")
@wandb_options
def run(file: Path, results: Path, scale: str, replan: bool, workers: int | None, **wandb: Any) -> None:
    """Do everything: plan, train what is missing, fit, draw, report.

    Ctrl-C at any moment is safe: finished packs have their records, and the same command goes on from there.
    """
    from harness.record import missing
    from harness.show.console import console

    while True:
        manifest, folder = freeze_stage(file, results, scale, replan)
        if missing(manifest, records_of(folder)):
            check_none_underway(manifest, folder)
            console.print(cost_sentence(manifest, results, workers), soft_wrap=True)
            if manifest.is_search:
                console.print(f"stage 1 of 2, search: {search_words(manifest, folder)}", soft_wrap=True)
            elif manifest.confirms:
                console.print("stage 2 of 2, confirmation: the winners are chosen, and trained on fresh seeds")
        train_missing(manifest, folder, workers, mirror_of(wandb))
        if not manifest.is_search:
            break
    records = planned_records(manifest, folder)
    table, fits, checks = write_analysis(manifest, records, folder)
    draw_figures(manifest, table, fits, folder)
    verdicts = judged(manifest, table)
    write_page(manifest, records, table, fits, checks, verdicts, folder)
    print_fits(fits, checks, manifest)
    print_verdicts(verdicts)
    write_pack_costs(manifest, records, folder)
    console.print(f"report: {folder / 'report.html'}", soft_wrap=True)


# ----------------------------------------------------------------------------------------------------------- analysis
@main.command("fit", epilog="Example: harness fit runs.csv --x params --y rmse --by arch --config shape --seed seed")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE|FOLDER|TABLE")
@results_option
@table_options
@fit_options
@json_option
def fit_command(file: Path, results: Path, as_json: bool, **asked: Any) -> None:
    """Fit scaling laws to the records of an experiment, or to a table of anybody's runs.

    An experiment's fit writes runs.csv, runs.parquet and fits.json, and takes none of the options of tables.

    A table is .csv, .tsv (or .gz of them) or .parquet, one row a run. Rows that cannot be fitted are named, not left
    out. A run is ok if its --status is ok, done, true, 1, yes, success, succeeded, complete, completed or finished;
    others failed and are counted. Columns called metric, convention, hardware or dtype must have one value in a fit.
    A law that the data do not support is refused: its code stands in the place of an exponent.
    """
    from harness.tables.read import is_table

    if is_table(file) or asked["x"] or asked["y"]:
        fit_table(file, as_json, asked)
        return
    for option in given(asked):
        raise HarnessError(f"{option} is for tables of runs; with a table give --x and --y too")
    manifest, folder = confirmed_plan(file, results)
    table, fits, checks = analyse(manifest, planned_records(manifest, folder), folder)
    if as_json:
        from harness.judging.scaling import to_json

        click.echo(json.dumps(to_json(fits)))
    else:
        print_fits(fits, checks, manifest)
    keep_analysis(manifest, table, fits, checks, folder)


for command in (
    submit,
    status,
    retry,
    cancel,
    logs,
    merge,
    export_wandb,
    doctor,
    reference,
    replay,
    compare_command,
    verdicts_command,
):
    main.add_command(command)


@main.command(epilog=f"Example: harness plot {EXAMPLE}")
@planned_argument
@results_option
def plot(file: Path, results: Path) -> None:
    """Draw test loss against parameters and training FLOPs, with fitted laws, as PNG and PDF."""
    manifest, folder = confirmed_plan(file, results)
    table, fits, _ = write_analysis(manifest, planned_records(manifest, folder), folder)
    for path in draw_figures(manifest, table, fits, folder):
        click.echo(path)


@main.command(epilog=f"Example: harness report {EXAMPLE}")
@planned_argument
@results_option
def report(file: Path, results: Path) -> None:
    """Write report.html: question, plan, figures, fits and provenance in one self-contained page."""
    manifest, folder = confirmed_plan(file, results)
    records = planned_records(manifest, folder)
    table, fits, checks = write_analysis(manifest, records, folder)
    draw_figures(manifest, table, fits, folder)
    click.echo(write_page(manifest, records, table, fits, checks, judged(manifest, table), folder))
