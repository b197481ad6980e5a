"""The runs of a complete plan analysed: fitted, drawn, judged, and written into its folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.base.files import check_writable, whole_file
from harness.base.json_text import json_text, write_json
from harness.dispatch.here import available_cores
from harness.judging.headline import main_headline
from harness.judging.judge import judge_all
from harness.judging.kept import keeping, tell
from harness.judging.laws import SeriesLaws, check, fit_table
from harness.judging.request import FitsAnswer, Source
from harness.judging.scaling import headline_axes
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, NoHeadline
from harness.judging.winners import reported
from harness.measure.cost import pack_costs, pack_errors
from harness.record import Record, write_table
from harness.show.costs import errors_sentence
from harness.show.figures.headline import draw_headline
from harness.show.figures.residuals import draw_residuals
from harness.show.figures.scaling import draw_scaling
from harness.show.figures.series import experiment_styles
from harness.show.pages.report import write_report
from harness.show.tables.laws import checklists
from harness.spec import Manifest, read_manifest
from harness.study.costs import calibrations_of, table_of
from harness.study.folders import planned_records
from harness.study.listening import Listener


class Analysis(NamedTuple):
    """The table of a complete plan that is judged, its laws, checked on headline axes, and the table of all runs."""

    table: pd.DataFrame
    laws: list[SeriesLaws]
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
        laws = fit_table(table)
        if not manifest.experiment.search:
            laws = check(laws, headline_axes(manifest))
        return Analysis(table, laws, every)


def fits_of(manifest: Manifest, analysis: Analysis) -> FitsAnswer:
    """What scripts read of the laws of an analysis."""
    every = analysis.every
    ended = {str(status): int(count) for status, count in every["status"].value_counts().items()}
    seconds_on = str(every["seconds_on"].iloc[0]) if "seconds_on" in every else None
    return FitsAnswer(None, Source(manifest.experiment_hash, ended, seconds_on), analysis.laws)


def keep_analysis(manifest: Manifest, analysis: Analysis, folder: Path) -> None:
    """Write the tables, laws and checks into the folder of the plan."""
    table, laws, every = analysis
    check_writable(folder)
    write_table(every, folder)
    if manifest.experiment.search:
        with whole_file(folder / "winners.csv") as path:
            table.to_csv(path, index=False)
    if not manifest.experiment.search:
        with whole_file(folder / "checklist.md") as path:
            path.write_text(checklists(laws, "runs.csv beside this file"), encoding="utf-8")
    write_json(fits_of(manifest, analysis), folder / "fits.json")


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
        table, laws, every = analysis
        found, verdicts = main_headline(manifest, table, every), judge_all(manifest, table, every)
        kept = {"headline": found, "verdicts": verdicts}
        write_json(kept, folder / "answer.json")
        tell("figures", 0, 2)
        draw_figures(manifest, analysis, folder)
        if isinstance(found, Headline):
            draw_headline(found, experiment_styles(manifest, {side.label: side.names for side in found.sides}), folder)
        tell("report", 1, 2)
        write_report(manifest, records, table, laws, found, verdicts, folder)
    return Answered(analysis, found, verdicts)


def refresh_answer(folder: Path, verdicts: Sequence[Mapping[str, Any]], listener: Listener) -> None:
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
    scaling = draw_scaling(manifest, analysis.laws, folder)
    return scaling if manifest.experiment.search else [*scaling, *draw_residuals(manifest, analysis.laws, folder)]


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
