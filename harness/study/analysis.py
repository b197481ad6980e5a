"""The runs of a plan analysed: fitted, drawn, judged, and written into its folder.

And what is said of an experiment: of its rules (`harness verdicts`), and of two of its sides
(`harness compare`).
"""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import check_writable, whole_file, write_whole
from harness.base.json_text import write_json
from harness.judging.ahead import Foresight, ahead_of_laws
from harness.judging.baselines import baselines_of
from harness.judging.headline import headline, level_of, main_headline, main_sides
from harness.judging.judge import judge_all
from harness.judging.laws import AS_DECLARED, SeriesLaws, check, fit_table
from harness.judging.pair import check_asked, conventions_of, lines, sides_named
from harness.judging.request import FitsAnswer
from harness.judging.runs import runs_of
from harness.judging.scaling import headline_axes, is_answered
from harness.judging.verdict import Answer, Verdict, not_run
from harness.judging.versus import Headline, NoHeadline, RatioLine, VersusRequest
from harness.planning.match import axis_named
from harness.record.code import code_notes
from harness.record.schema import Record
from harness.record.store import missing, read_present
from harness.record.table_files import for_spreadsheets, write_table
from harness.show.console import Terminal
from harness.show.figures.headline import headline_figure
from harness.show.figures.scaling import of_sides, scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.surface import surface_figure
from harness.show.figures.theme import write_figure
from harness.show.pages.report import write_report
from harness.show.tables.laws import checklists
from harness.spec.budgets import by_count
from harness.spec.counts import default_count
from harness.spec.experiment import Experiment
from harness.spec.manifest import Manifest, check_unchanged, manifest_path, read_manifest
from harness.study.folders import EXPERIMENTS, StudyFile, planned_records, records_of, take_kept
from harness.study.tables import READINGS, Tables, keeping_fits, source_of, tables_of


class Analysis(NamedTuple):
    """A complete plan's records, its tables, its laws, and how these foresee.

    Laws are checked on headline axes, but for those of a search.
    """

    records: dict[str, Record]
    tables: Tables
    laws: list[SeriesLaws]
    ahead: list[Foresight]


class Answered(NamedTuple):
    """A complete plan analysed, who is better at equal size, and the verdicts of its rules."""

    analysis: Analysis
    headline: Headline | NoHeadline
    verdicts: list[Verdict]


def analyse(manifest: Manifest, folder: Path) -> Analysis:
    """Fit and check the runs of a complete plan; `keep_analysis` writes what was found into its
    folder.
    """
    records = planned_records(manifest, folder)
    check_writable(folder)  # said now, not after minutes of fitting
    tables = tables_of(manifest, records, folder)
    table = tables.judged
    level = (
        level_of(runs_of(manifest, table), main_sides(manifest))
        if manifest.experiment.search
        else AS_DECLARED.level
    )
    laws = fit_table(table, how=AS_DECLARED._replace(level=level))
    if not manifest.experiment.search:
        laws = check(laws, headline_axes(manifest))
    shown = [series for series in laws if series.axis in headline_axes(manifest)]
    ahead = ahead_of_laws(shown, (), AS_DECLARED, table if manifest.experiment.search else None)
    return Analysis(records, tables, laws, ahead)


def keep_analysis(manifest: Manifest, analysis: Analysis, folder: Path) -> None:
    """Write the tables, laws and checks into the folder of the plan."""
    tables = analysis.tables
    write_table(tables.runs, folder)
    if not tables.readings.empty:
        with whole_file(folder / READINGS) as path:
            tables.readings.to_csv(path, index=False, compression="xz")
    if manifest.experiment.search:
        write_whole(folder / "winners.csv", for_spreadsheets(tables.judged).to_csv(index=False))
    else:
        write_whole(folder / "checklist.md", checklists(analysis.laws, "runs.csv beside this file"))
    write_json(fits_of(manifest, analysis), folder / "fits.json")


def fits_of(manifest: Manifest, analysis: Analysis) -> FitsAnswer:
    """What scripts read of the laws of an analysis."""
    return FitsAnswer(
        None, source_of(manifest, analysis.tables.runs), analysis.laws, analysis.ahead
    )


def analyse_and_report(manifest: Manifest, folder: Path, terminal: Terminal) -> Answered:
    """Write all that there is to a complete plan: tables, laws, figures, the answer, and the page
    report.html.
    """
    with keeping_fits(folder, terminal):
        analysis = analyse(manifest, folder)
        keep_analysis(manifest, analysis, folder)
        records, tables, laws, _ = analysis
        table, every, *_ = tables
        headline, verdicts = (
            main_headline(manifest, table, every),
            judge_all(manifest, table, every),
        )
        write_json({"headline": headline, "verdicts": verdicts}, folder / "answer.json")
        _draw_figures(manifest, analysis, headline, folder)
        write_report(manifest, records, table, laws, headline, verdicts, folder)
    return Answered(analysis, headline, verdicts)


def _draw_figures(
    manifest: Manifest, analysis: Analysis, headline: Headline | NoHeadline, folder: Path
) -> None:
    """Laws of the two sides that an experiment is about, of its other arms if it has some, and the
    answer.
    """
    table = analysis.tables.judged
    baselines = list(
        itertools.chain.from_iterable(baselines_of(table, task) for task in table["task"].unique())
    )
    sides, others = of_sides(manifest, analysis.laws)
    write_figure(scaling_figure(manifest, analysis.laws, sides, baselines), folder / "scaling")
    if others:
        write_figure(
            scaling_figure(manifest, analysis.laws, others, baselines), folder / "scaling_others"
        )
    if manifest.experiment.search and (budgets := by_count(manifest.experiment.read_at)):
        sides_shown = [
            side.names for side in main_sides(manifest) or ()
        ] or manifest.experiment.sides
        drawn = surface_figure(
            manifest,
            analysis.tables.every,
            sides_shown,
            experiment_styles(manifest),
            next(iter(budgets)),
        )
        write_figure(drawn, folder / "surface")
    if isinstance(headline, Headline):
        write_figure(
            headline_figure(headline, experiment_styles(manifest, headline.names)),
            folder / "answer",
        )


def recorded_tables(manifest: Manifest, folder: Path, say: Callable[[str], None]) -> Tables | None:
    """The tables of the runs of a plan that have records, kept ones too; None where no run has
    one.
    """
    take_kept(manifest, folder, say)
    if len(missing(manifest, records_of(folder))) == len(manifest.run_ids()):
        return None
    return tables_of(manifest, read_present(manifest, records_of(folder)), folder)


# --------------------------------------------------------------------------------------------------
# answers
def answer_of(study: StudyFile) -> tuple[Answer, pd.DataFrame | None]:
    """What is said of an experiment file, or of the plan in a results folder; and the table of its
    runs if whole.
    """
    file, folder = study.file, study.folder
    if study.is_folder:
        return _judged(read_manifest(folder), folder, _file_of(folder.name), ())
    experiment, command = study.read(), study.words
    if not manifest_path(folder).exists():
        _check_rules(experiment, file)
        why, rules = "no plan, no runs", tuple(map(not_run, experiment.decide))
        command = f"harness run {command}"
        return Answer(
            str(file), folder.name, experiment.question, why, command, verdicts=rules
        ), None
    manifest = read_manifest(folder)
    if experiment.decide and not manifest.experiment.decide:
        problem = f"{file}: its `decide:` is newer than the plan, which has none"
        raise HarnessError(
            f"{problem}; `harness run {command} --replan` takes it in, and trains nothing again"
        )
    try:
        check_unchanged(manifest, experiment, file)
        notes: tuple[str, ...] = ()
    except HarnessError as error:
        notes = (f"judged by the plan as it was frozen: {error}",)
    return _judged(manifest, folder, command, notes)


def _file_of(name: str) -> str:
    """The file and scale that made a results folder of that name, as a command takes them.

    It is FILE if none is here, and of a folder of --set, whose values its name does not have as
    they were written.
    """
    for file in sorted(EXPERIMENTS.glob("*.yaml"), key=lambda file: -len(file.stem)):
        stem, _, scale = name.partition(f"{file.stem}-")
        if name == file.stem:
            return str(file)
        if scale and not stem and "+" not in scale:
            return f"{file} --scale {scale}"
    return "FILE"


def _check_rules(experiment: Experiment, file: Path) -> None:
    if not experiment.decide:
        raise HarnessError(
            f"{file}: it has no `decide:`, so there is nothing to judge; docs/verdicts.md says "
            "how to add"
        )


def _judged(
    manifest: Manifest, folder: Path, command: str, notes: tuple[str, ...]
) -> tuple[Answer, pd.DataFrame | None]:
    experiment = manifest.experiment
    _check_rules(experiment, folder)
    if manifest.earlier_plans:
        notes = (*notes, f"this plan replaced earlier ones: {', '.join(manifest.earlier_plans)}")

    file = str(folder) if command == "FILE" else command.split()[0]
    answer = partial(Answer, file, manifest.name, experiment.question)
    not_judged = partial(
        answer, verdicts=tuple(map(not_run, experiment.decide)), command=f"harness run {command}"
    )
    try:
        if absent := missing(manifest, records_of(folder)):
            why = f"{len(absent)} of {len(manifest.run_ids())} runs have no record"
            return not_judged(why=why, notes=notes), None
        records = read_present(manifest, records_of(folder))
    except HarnessError as error:
        if error.exit_code != INCOMPLETE:
            raise
        return not_judged(why=str(error), damaged=True, notes=notes), None
    table, every, *_ = tables_of(manifest, records, folder)
    asks_seconds = any(rule.axis == "seconds" for rule in experiment.decide) and is_answered(
        table, "seconds"
    )
    if asks_seconds and "seconds" not in table:
        notes = (*notes, f"seconds are not measured: `harness bench {command}`")
    made = [record.provenance for record in records.values()]
    notes = (*notes, *code_notes(made))
    commits = Counter(
        f"{code.commit or 'no commit'}{' (dirty)' if code.dirty else ''}" for code in made
    )
    judged = answer(
        verdicts=tuple(judge_all(manifest, table, every)),
        notes=notes,
        commits=tuple(commit for commit, _ in commits.most_common()),
        runs=len(records),
        diverged=sum(record.status == "diverged" for record in records.values()),
        flops_train=sum(record.counts[default_count("flops_train")] for record in records.values()),
    )
    return judged, table


# --------------------------------------------------------------------------------------------------
# two sides
@dataclass(frozen=True)
class Compared:
    """Two sides of an experiment: at equal budgets, what they cost each other, and their ratio
    everywhere.

    `results/NAME/compare_A_B.json` has the same. `results/NAME/answer.json`, which `harness run`
    writes, has such a `headline`, or in its place `why` there is none, and the `verdicts` of
    `harness verdicts`.
    """

    headline: Annotated[Headline, "who is better at equal size; nothing in it is read off a law"]
    asked: Annotated[VersusRequest, "what was asked"]
    lines: Annotated[list[RatioLine], "one a task and axis"]
    not_measured: Annotated[list[str], "axes without numbers, such as `seconds`"]


def compare_sides(
    manifest: Manifest,
    folder: Path,
    arms: tuple[str, str],
    axis: str | None = None,
    at: float | None = None,
    level: float | None = None,
) -> Compared:
    """Compare two sides, as a user names them, of a complete plan in this folder; see `headline`
    for what is asked.
    """
    table, every, *_ = tables_of(manifest, planned_records(manifest, folder), folder)
    runs = runs_of(manifest, table, every)
    named = runs.matched if axis is None else axis if axis == "seconds" else axis_named(axis)
    sides = sides_named(runs, *arms)
    check_asked(runs, VersusRequest(sides, named, at))
    compared = headline(runs, sides, at, named, level)
    request = VersusRequest((compared.first, compared.second), named, at, compared.level)
    return Compared(compared, request, lines(runs, request), conventions_of(runs, named)[1])
