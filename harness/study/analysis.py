"""The runs of a complete plan analysed: fitted, drawn, judged, and written into its folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd

from harness.base.files import check_writable, whole_file
from harness.base.json_text import json_text, write_json
from harness.dispatch.here import available_cores
from harness.judging.checks import Check, check_table
from harness.judging.headline import Headline, NoHeadline, main_headline
from harness.judging.judge import Verdict, VerdictSaid, judge_all
from harness.judging.judge import to_json as verdict_to_json
from harness.judging.kept import keeping, tell
from harness.judging.laws import fit_table
from harness.judging.pairs import pairs, pairs_axis
from harness.judging.scaling import SeriesFit, headline_axes
from harness.judging.winners import reported
from harness.measure.cost import pack_costs, pack_errors
from harness.record import Record, write_table
from harness.show.costs import errors_sentence
from harness.show.figures.headline import draw_headline
from harness.show.figures.residuals import draw_residuals
from harness.show.figures.scaling import draw_scaling
from harness.show.figures.series import experiment_styles
from harness.show.pages.report import write_report
from harness.show.tables.checks import checklists
from harness.spec import Manifest, read_manifest
from harness.study.costs import calibrations_of, table_of
from harness.study.folders import planned_records
from harness.study.listening import Listener


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
def keeping_fits(folder: Path, listener: Listener) -> Iterator[None]:
    """Laws that are fitted in the block are kept in the folder of the plan."""
    with listener.steps("analysis") as progress, keeping(folder, progress, available_cores()):
        yield


def analyse(manifest: Manifest, records: Mapping[str, Record], folder: Path, listener: Listener) -> Analysis:
    """Fit and check the runs of a complete plan."""
    with keeping_fits(folder, listener):
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


def analyse_and_keep(manifest: Manifest, records: Mapping[str, Record], folder: Path, listener: Listener) -> Analysis:
    """Fit and check the runs of a complete plan, and write that into its folder."""
    check_writable(folder)  # said now, not after minutes of fitting
    analysis = analyse(manifest, records, folder, listener)
    keep_analysis(manifest, analysis, folder)
    return analysis


def analyse_and_report(manifest: Manifest, records: Mapping[str, Record], folder: Path, listener: Listener) -> Answered:
    """Write all that there is to a complete plan: tables, laws, figures, the answer, and the page report.html."""
    with keeping_fits(folder, listener):
        analysis = analyse_and_keep(manifest, records, folder, listener)
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


def refresh_answer(folder: Path, verdicts: Sequence[VerdictSaid], listener: Listener) -> None:
    """Write answer and report anew where the answer that is there says other `verdicts`.

    So it is after new records, and once `harness bench` has measured seconds.
    """
    path = folder / "answer.json"
    there = json.loads(path.read_text(encoding="utf-8"))["verdicts"] if path.exists() else None
    if there != json.loads(json_text({"verdicts": verdicts}))["verdicts"]:
        manifest = read_manifest(folder)
        analyse_and_report(manifest, planned_records(manifest, folder), folder, listener)


def draw_figures(manifest: Manifest, analysis: Analysis, folder: Path) -> list[Path]:
    """The figures of an experiment, as files; residuals where laws were checked, which those of a search are not."""
    scaling = draw_scaling(manifest, analysis.table, analysis.fits, folder)
    if not analysis.checks:
        return scaling
    return [*scaling, *draw_residuals(manifest, analysis.table, analysis.fits, folder)]


def write_pack_costs(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> str:
    """How well the seconds of packs were predicted, as `packs.csv`, and in a sentence if this machine is calibrated."""
    calibrations = calibrations_of(manifest, folder.parent)
    if not calibrations:
        return ""
    costs = pack_costs(manifest, records, calibrations)
    with whole_file(folder / "packs.csv") as path:
        costs.to_csv(path, index=False)
    errors = pack_errors(costs)
    return errors_sentence(errors) if errors else ""
