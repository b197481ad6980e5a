"""`harness replay`: the paper's figures and tables, run again and put beside what was published."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import click
import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError, Stopped
from harness.cli.options import replan_option, results_option, scale_option, workers_option
from harness.judging.answer import not_run_json
from harness.judging.judge import VerdictSaid
from harness.judging.judge import to_json as verdict_to_json
from harness.judging.laws import fit_table
from harness.paper.replay import REPLAYS, Made, Page, ReplayRuns, full_name, write_page
from harness.paper.replay.index import keep, row_of, row_without_page, write_index
from harness.record import missing, read_present, runs_table
from harness.show.console import TERMINAL, console, print_table
from harness.show.tables.verdicts import rules_table
from harness.spec import Manifest, Narrow, freeze, narrowed, read_experiment, scale_changes
from harness.spec.read import FULL
from harness.study.analysis import analyse_and_report
from harness.study.costs import cost_sentence
from harness.study.folders import folder_of, planned_records, records_of
from harness.study.kept import take_kept
from harness.study.plans import plan_of
from harness.study.shipped import EXPERIMENTS, shipped_experiments
from harness.study.sweeps import check_none_underway
from harness.study.training import train_missing

KEPT = "replay"  # the folder in results/ whose content the project keeps


class Planned(NamedTuple):
    """A replay that was asked for: its name, its frozen plan and its results folder; `made` knows of no missing run."""

    name: str
    manifest: Manifest
    folder: Path
    made: Made


@click.command(epilog="Example: harness replay fig2_3 --scale short")
@click.argument("name", metavar="NAME", required=False)
@click.option("--all", "every", is_flag=True, help="Run every replay, and write a page that lists them.")
@results_option
@scale_option
@click.option("--max-width", type=click.IntRange(min=1), metavar="N", help="Leave out MLPs wider than N nodes a layer.")
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Train only the first N seeds.")
@click.option("--partial", is_flag=True, help="Train nothing: write the page from the runs that have records.")
@click.option(
    "--keep", "keeping", is_flag=True, help="Copy page, figures and runs to results/replay/, which git keeps."
)
@replan_option
@workers_option
def replay(
    name: str | None,
    every: bool,
    results: Path,
    scale: str,
    max_width: int | None,
    seeds: int | None,
    partial: bool,
    keeping: bool,
    replan: bool,
    workers: int | None,
) -> None:
    """Run an experiment of the KAN paper again.

    NAME is a file of experiments/, or how its name begins. Without NAME, this lists the replays. It writes a page with
    the published points beside ours. Runs that have records are not trained again, so `harness submit` can do the
    training. The page says on top if it is not of the full scale, or not of all runs.
    """
    if every and (name or max_width or seeds):
        raise HarnessError("--all runs every replay as its file says: leave NAME, --max-width and --seeds out")
    if name is None and not every:
        for known, about in REPLAYS.items():
            console.print(f"{known:26} {about.place}: {about.title}", soft_wrap=True, highlight=False)
        return
    narrow = Narrow(max_width, seeds) if max_width or seeds else None
    names = [full_name(name)] if name else list(REPLAYS)
    planned = [_planned(one, results, scale, narrow, replan) for one in names]
    if not partial:
        for one in planned:
            _say_cost(one, workers)
    if every:
        _all(planned, results, scale, partial, keeping, workers)
        return
    _one(planned[0], partial, keeping, workers)


def _planned(name: str, results: Path, scale: str, narrow: Narrow | None, replan: bool) -> Planned:
    """A replay with its plan, frozen before anything trains."""
    file = EXPERIMENTS / f"{name}.yaml"
    if not file.exists():
        file = shipped_experiments()[name]
    folder = folder_of(file, results, scale, narrow)
    manifest = freeze(plan_of(file, scale, narrow), folder, replan)
    take_kept(manifest, folder, TERMINAL.say)
    changes = {} if scale == FULL else scale_changes(file, scale)
    command, words = _command(name, scale), scale
    if narrow:
        changes = changes | narrowed(read_experiment(file, scale), narrow)[1]
        for option, what, value in (("--max-width", "width", narrow.max_width), ("--seeds", "seeds", narrow.seeds)):
            command += f" {option} {value}" if value else ""
            words += f", {what} {value}" if value else ""
    return Planned(name, manifest, folder, Made(command, words, changes, {}))


def _command(what: str, scale: str) -> str:
    return f"harness replay {what}" + ("" if scale == FULL else f" --scale {scale}")


def _say_cost(planned: Planned, workers: int | None) -> None:
    """What is about to be trained, in runs, evaluations and seconds, if anything is."""
    if absent := missing(planned.manifest, records_of(planned.folder)):
        console.print(cost_sentence(planned.manifest, planned.folder.parent, workers), soft_wrap=True)
        if there := len(planned.manifest.run_ids()) - len(absent):
            console.print(f"{there} of these runs have records already", soft_wrap=True)


def _one(planned: Planned, partial: bool, keeping: bool, workers: int | None) -> None:
    """Train what is missing, unless a page of the rest is asked for; write the page, say what it says."""
    if not partial:
        _train(planned, workers)
    page, table, verdicts = _write(planned)
    for line in page.findings:
        console.print(line, soft_wrap=True, highlight=False)
    if verdicts:
        print_table(rules_table(verdicts))
    console.print(f"page: {planned.folder / 'replay.html'}", soft_wrap=True)
    if keeping:
        kept = keep(planned.folder, table, planned.folder.parent / KEPT)
        console.print(f"kept: {kept}, listed in {kept.parent / 'index.html'}", soft_wrap=True)


def _train(planned: Planned, workers: int | None) -> None:
    """Train what is missing; a HarnessError that names how much is left, and both ways to go on, if something is."""
    check_none_underway(planned.manifest, planned.folder)
    try:
        train_missing(planned.manifest, planned.folder, workers, None, TERMINAL)
    except HarnessError as error:
        if not (left := missing(planned.manifest, records_of(planned.folder))):
            raise
        text = (
            f"{error}\n{planned.manifest.name}: {len(left)} of {len(planned.manifest.run_ids())} runs have no record, "
            f"so there is no page; `{planned.made.command}` goes on, and with --partial it writes a page of the others"
        )
        raise type(error)(text, error.exit_code) from None


def _write(planned: Planned) -> tuple[Page, pd.DataFrame, list[VerdictSaid]]:
    """The page, from all runs, or else from those that have records, their table, and the verdicts on its rules.

    Rules are not judged on a part of the runs.
    """
    manifest, folder, made = planned.manifest, planned.folder, planned.made
    if absent := set(missing(manifest, records_of(folder))):
        records = read_present(manifest, records_of(folder))
        table = runs_table(manifest, records)
        fits = fit_table(table)
        verdicts = [not_run_json(rule) for rule in manifest.experiment.decide]
        cells = {cell.index: cell.series for cell in manifest.cells}
        series = {one.run_id: cells[one.cell] for one in manifest.runs if one.run_id in absent}
        made = made._replace(command=f"{made.command} --partial", missing=dict(Counter(series.values())))
    else:
        records = planned_records(manifest, folder)
        answered = analyse_and_report(manifest, records, folder, TERMINAL)
        table, fits = answered.analysis.table, answered.analysis.laws
        verdicts = [verdict_to_json(verdict) for verdict in answered.verdicts]
    runs = ReplayRuns(manifest, table, fits, records)
    return write_page(runs, REPLAYS[planned.name], made, verdicts, folder), table, verdicts


def _all(planned: list[Planned], results: Path, scale: str, partial: bool, keeping: bool, workers: int | None) -> None:
    """Every replay, and the page that lists them; one whose runs are incomplete is a row that says so."""
    rows, incomplete, stopped = [], [], False
    for one in planned:
        try:
            if not stopped:
                console.print(one.manifest.name, style="bold", highlight=False)
                _one(one, partial, keeping, workers)
                rows.append(row_of(one.folder, results))
                continue
        except HarnessError as error:
            if error.exit_code != INCOMPLETE:
                raise
            stopped = isinstance(error, Stopped)
            console.print(str(error), soft_wrap=True, highlight=False, markup=False)
        incomplete.append(one.name)
        rows.append(row_without_page(REPLAYS[one.name], one.made.scale, _left(one)))
    path, command = results / f"replays{'' if scale == FULL else f'-{scale}'}.html", _command("--all", scale)
    write_index(rows, command, path)
    console.print(f"list: {path}", soft_wrap=True)
    if incomplete:
        text = f"{len(incomplete)} of {len(planned)} replays have no page ({', '.join(incomplete)}); {path} says so"
        raise HarnessError(f"{text}; `{command}` goes on", INCOMPLETE)


def _left(planned: Planned) -> str:
    """What is missing of a replay, and the next move."""
    left, total = len(missing(planned.manifest, records_of(planned.folder))), len(planned.manifest.run_ids())
    return f"{left} of {total} runs have no record, so there is no page; {planned.made.command} goes on"
