"""The runs of a complete plan analysed: fitted, drawn, judged, and written into its folder."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from harness.base.files import check_writable, write_whole
from harness.base.json_text import write_json
from harness.dispatch.here import available_cores
from harness.judging.ahead import Foresight, ahead_of_laws
from harness.judging.baselines import baselines_of
from harness.judging.headline import main_headline
from harness.judging.judge import judge_all
from harness.judging.kept import keeping
from harness.judging.laws import AS_DECLARED, SeriesLaws, check, fit_table
from harness.judging.request import FitsAnswer
from harness.judging.scaling import headline_axes
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, NoHeadline
from harness.record import Record, missing, read_present, write_table
from harness.show.console import Terminal
from harness.show.figures.headline import headline_figure
from harness.show.figures.scaling import of_sides, scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.theme import write_figure
from harness.show.pages.report import write_report
from harness.show.tables.laws import checklists
from harness.spec import Manifest
from harness.study.folders import planned_records, records_of, take_kept
from harness.study.tables import judged_tables, source_of


class Analysis(NamedTuple):
    """A complete plan's records, the table of all runs, the one that is judged, its laws, and how these foresee.

    Laws are checked on headline axes, but for those of a search.
    """

    records: dict[str, Record]
    every: pd.DataFrame
    table: pd.DataFrame
    laws: list[SeriesLaws]
    ahead: list[Foresight]


class Answered(NamedTuple):
    """A complete plan analysed, who is better at equal size, and the verdicts of its rules."""

    analysis: Analysis
    headline: Headline | NoHeadline
    verdicts: list[Verdict]


@contextmanager
def keeping_fits(folder: Path, terminal: Terminal) -> Iterator[None]:
    """Laws that are fitted in the block are kept in the folder of the plan."""
    with terminal.steps("analysis") as progress, keeping(folder, progress, available_cores()):
        yield


def analyse(manifest: Manifest, folder: Path, terminal: Terminal) -> Analysis:
    """Fit and check the runs of a complete plan; `keep_analysis` writes what was found into its folder."""
    records = planned_records(manifest, folder)
    check_writable(folder)  # said now, not after minutes of fitting
    with keeping_fits(folder, terminal):
        table, every = judged_tables(manifest, records, folder)
        laws = fit_table(table)
        if not manifest.experiment.search:
            laws = check(laws, headline_axes(manifest))
        shown = [series for series in laws if series.axis in headline_axes(manifest)]
        ahead = ahead_of_laws(shown, (), AS_DECLARED, table if manifest.experiment.search else None)
    return Analysis(records, every, table, laws, ahead)


def keep_analysis(manifest: Manifest, analysis: Analysis, folder: Path) -> None:
    """Write the tables, laws and checks into the folder of the plan."""
    write_table(analysis.every, folder)
    if manifest.experiment.search:
        write_whole(folder / "winners.csv", analysis.table.to_csv(index=False))
    else:
        write_whole(folder / "checklist.md", checklists(analysis.laws, "runs.csv beside this file"))
    write_json(fits_of(manifest, analysis), folder / "fits.json")


def fits_of(manifest: Manifest, analysis: Analysis) -> FitsAnswer:
    """What scripts read of the laws of an analysis."""
    return FitsAnswer(None, source_of(manifest, analysis.every), analysis.laws, analysis.ahead)


def analyse_and_report(manifest: Manifest, folder: Path, terminal: Terminal) -> Answered:
    """Write all that there is to a complete plan: tables, laws, figures, the answer, and the page report.html."""
    with keeping_fits(folder, terminal):
        analysis = analyse(manifest, folder, terminal)
        keep_analysis(manifest, analysis, folder)
        records, every, table, laws, _ = analysis
        headline, verdicts = main_headline(manifest, table, every), judge_all(manifest, table, every)
        write_json({"headline": headline, "verdicts": verdicts}, folder / "answer.json")
        _draw_figures(manifest, analysis, headline, folder)
        write_report(manifest, records, table, laws, headline, verdicts, folder)
    return Answered(analysis, headline, verdicts)


def _draw_figures(manifest: Manifest, analysis: Analysis, headline: Headline | NoHeadline, folder: Path) -> None:
    """Laws of the two sides that an experiment is about, of its other arms if it has some, and the answer."""
    tasks = analysis.table["task"].unique()
    baselines = list(itertools.chain.from_iterable(baselines_of(analysis.table, task) for task in tasks))
    sides, others = of_sides(manifest, analysis.laws)
    write_figure(scaling_figure(manifest, analysis.laws, sides, baselines), folder / "scaling")
    if others:
        write_figure(scaling_figure(manifest, analysis.laws, others, baselines), folder / "scaling_others")
    if isinstance(headline, Headline):
        write_figure(headline_figure(headline, experiment_styles(manifest, headline.names)), folder / "answer")


def recorded_tables(
    manifest: Manifest, folder: Path, say: Callable[[str], None]
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The table that is judged of the runs of a plan that have records, kept ones too, and that of all of these.

    None where no run has a record.
    """
    take_kept(manifest, folder, say)
    if len(missing(manifest, records_of(folder))) == len(manifest.run_ids()):
        return None
    return judged_tables(manifest, read_present(manifest, records_of(folder)), folder)
