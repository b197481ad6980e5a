"""The runs of a complete plan analysed: fitted, drawn, judged, and written into its folder and on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd

from harness.base.files import check_writable, whole_file
from harness.base.json_text import write_json
from harness.cli.costs import calibrations_of, table_of
from harness.dispatch.here import available_cores
from harness.judging.checks import Check, check_table
from harness.judging.headline import Headline, NoHeadline, main_headline
from harness.judging.judge import Verdict, judge_all, sentence
from harness.judging.judge import to_json as verdict_to_json
from harness.judging.kept import keeping, tell
from harness.judging.laws import fit_table
from harness.judging.pairs import pairs, pairs_axis
from harness.judging.scaling import SeriesFit, headline_axes
from harness.judging.winners import reported
from harness.measure.cost import pack_costs, pack_errors
from harness.record import Record, write_table
from harness.show.console import console, print_table, steps_progress
from harness.show.costs import errors_sentence
from harness.show.figures.headline import draw_headline
from harness.show.figures.residuals import draw_residuals
from harness.show.figures.scaling import draw_scaling
from harness.show.figures.series import experiment_styles
from harness.show.pages.report import write_report
from harness.show.tables.checks import IN_THE_REPORT, checklists, checks_table
from harness.show.tables.headline import console_lines
from harness.show.tables.laws import fits_table, held_out_table
from harness.show.tables.table import code_lines
from harness.spec import Manifest, axis_short


class Analysis(NamedTuple):
    """The table of a complete plan that is judged, its laws, what was checked of them, and the table of all runs."""

    table: pd.DataFrame
    fits: list[SeriesFit]
    checks: list[Check]
    every: pd.DataFrame


class Answered(NamedTuple):
    """A complete plan analysed, who is better at equal size, and the verdicts of its rules."""

    analysis: Analysis
    found: Headline | NoHeadline
    verdicts: list[Verdict]


@contextmanager
def keeping_fits(folder: Path) -> Iterator[None]:
    """Laws that are fitted in the block are kept in the folder of the plan, and its progress is shown."""
    with steps_progress("analysis") as progress, keeping(folder, progress, available_cores()):
        yield


def analyse(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> Analysis:
    """Fit and check the runs of a complete plan."""
    with keeping_fits(folder):
        every = table_of(manifest, records, folder)
        table = reported(manifest, every)
        checks = [] if manifest.experiment.search else check_table(table, headline_axes(manifest))
        return Analysis(table, fit_table(table), checks, every)


class FitsSaid(NamedTuple):
    """The laws of an experiment, as in `results/NAME/fits.json`. [fitting.md](fitting.md) explains the numbers."""

    experiment_hash: Annotated[str, "of the plan"]
    seconds_on: Annotated[str | None, "the machine that seconds are from; null if they are not measured"]
    fits: Annotated[list[SeriesFit], "one a task, series, axis and form; with `search:` of the form `pure` alone"]
    checks: Annotated[list[Check], "one a task, series and axis; with `search:` none"]


def fits_said(manifest: Manifest, analysis: Analysis) -> FitsSaid:
    """What scripts read of an analysis."""
    table, fits, checks, _ = analysis
    measured_on = table["seconds_on"].iloc[0] if "seconds_on" in table else None
    return FitsSaid(manifest.experiment_hash, measured_on, fits, checks)


def keep_analysis(manifest: Manifest, analysis: Analysis, folder: Path) -> None:
    """Write the tables, laws and checks into the folder of the plan."""
    table, _, checks, every = analysis
    check_writable(folder)
    write_table(every, folder)
    if manifest.experiment.search:
        with whole_file(folder / "winners.csv") as path:
            table.to_csv(path, index=False)
    with whole_file(folder / "pairs.csv") as path:
        pairs(table, pairs_axis(manifest)).to_csv(path, index=False)
    if checks:
        with whole_file(folder / "checklist.md") as path:
            path.write_text(checklists(checks), encoding="utf-8")
    write_json(fits_said(manifest, analysis), folder / "fits.json")


def analyse_and_keep(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> Analysis:
    """Fit and check the runs of a complete plan, and write that into its folder."""
    check_writable(folder)  # said now, not after minutes of fitting
    analysis = analyse(manifest, records, folder)
    keep_analysis(manifest, analysis, folder)
    return analysis


def analyse_and_report(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> Answered:
    """Write all that there is to a complete plan: tables, laws, figures, the answer, and the page report.html."""
    with keeping_fits(folder):
        analysis = analyse_and_keep(manifest, records, folder)
        table, fits, checks, every = analysis
        found, verdicts = main_headline(manifest, table, every), judge_all(manifest, table, every)
        kept = {"headline": found, "verdicts": [verdict_to_json(verdict) for verdict in verdicts]}
        write_json(kept, folder / "answer.json")
        tell("figures", 0, 2)
        draw_figures(manifest, analysis, folder)
        if isinstance(found, Headline):
            draw_headline(found, experiment_styles(manifest, {side.label: side.names for side in found.sides}), folder)
        tell("report", 1, 2)
        write_report(manifest, records, table, fits, checks, found, verdicts, folder)
    return Answered(analysis, found, verdicts)


def draw_figures(manifest: Manifest, analysis: Analysis, folder: Path) -> list[Path]:
    """The figures of an experiment, as files; residuals where laws were checked, which those of a search are not."""
    scaling = draw_scaling(manifest, analysis.table, analysis.fits, folder)
    if not analysis.checks:
        return scaling
    return [*scaling, *draw_residuals(manifest, analysis.table, analysis.fits, folder)]


def write_pack_costs(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> None:
    """How well the seconds of packs were predicted, as `packs.csv` and in a sentence, if this machine is calibrated."""
    calibrations = calibrations_of(manifest, folder.parent)
    if not calibrations:
        return
    costs = pack_costs(manifest, records, calibrations)
    with whole_file(folder / "packs.csv") as path:
        costs.to_csv(path, index=False)
    if errors := pack_errors(costs):
        console.print(errors_sentence(errors), soft_wrap=True)


def print_fits(manifest: Manifest, analysis: Analysis) -> None:
    """The laws, held-out sizes and checks as tables, and below them what every code in these means."""
    axes = headline_axes(manifest)
    crossed = {cell.series for cell in manifest.cells if cell.frontier}
    fits = [fit for fit in analysis.fits if fit.series not in crossed]
    checked = [check for check in analysis.checks if check.series not in crossed]
    shown = [fits_table(fits, axes, axis_short), held_out_table(fits, axes, axis_short)]
    shown += [checks_table(checked, axis_short).without(*IN_THE_REPORT)] if checked else []
    tables = [table.without("axis") for table in shown if table]
    for table in tables:
        print_table(table)
    for line in code_lines(tables):
        console.print(line, soft_wrap=True)


def print_verdicts(verdicts: list[Verdict]) -> None:
    """Each verdict in a sentence."""
    for verdict in verdicts:
        console.print(sentence(verdict), soft_wrap=True)


def print_headline(found: Headline | NoHeadline, verdicts: list[Verdict], last: Sequence[str]) -> None:
    """Who is better at equal size, in at most 16 lines, of which `last` are the closing ones."""
    for line in console_lines(found, verdicts, last):
        console.print(line, soft_wrap=True)
