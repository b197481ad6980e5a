"""`harness run`."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from harness.base.errors import HarnessError, did_you_mean
from harness.base.formats import plural
from harness.base.plain import plain
from harness.cli.mirroring import copy_answer, copy_finished, export_of, wandb_option
from harness.cli.options import (
    EXAMPLE,
    mixed_code_option,
    replan_option,
    takes_study,
    workers_option,
)
from harness.cli.showing import show
from harness.cli.tables import laws_of_experiment
from harness.dispatch.mirror import WandbMode
from harness.record.code import code_notes, take_mixed, takes_mixed
from harness.show.console import TERMINAL
from harness.spec.manifest import Manifest
from harness.spec.read import scales_of
from harness.study.folders import StudyFile

if TYPE_CHECKING:
    from harness.study.analysis import Answered


@click.command(epilog=f"Example: harness run {EXAMPLE} --workers 2")
@takes_study
@replan_option
@workers_option
@mixed_code_option
@click.option(
    "--explain",
    is_flag=True,
    help="Also print scaling laws, checks and verdicts, above the answer.",
)
@wandb_option
def run(
    study: StudyFile,
    replan: bool,
    workers: int | None,
    mixed_code: bool,
    explain: bool,
    wandb: WandbMode | None,
) -> None:
    """Train what is missing, and say which side is better.

    This plans, trains, fits, draws and reports. It prints the answer: which side has the lower test
    error at equal parameters, FLOPs and seconds, and how many times lower it is. Progress goes to
    stderr.

    You can press Ctrl-C at any moment. Finished runs keep their records, and the same command goes
    on from there.
    """
    from harness.judging.judge import sentence
    from harness.judging.versus import NoHeadline
    from harness.paper import replay as replays
    from harness.show.tables.headline import console_lines
    from harness.study.analysis import analyse_and_report
    from harness.study.training import run_file

    figure = study.read().figure
    if figure and figure not in replays.EXTENDED:
        near = did_you_mean(figure, replays.EXTENDED)
        raise HarnessError(f"figure: {figure}: no figure to which arms can be added; {near}")
    if mixed_code:
        take_mixed(study.folder)
    manifest = run_file(study, TERMINAL, replan, workers)
    export = export_of(wandb, manifest, study.folder) if wandb else None
    if export:
        copy_finished(export)
    answered = analyse_and_report(manifest, study.folder, TERMINAL)
    analysis, headline, verdicts = answered
    if explain:
        show([*laws_of_experiment(manifest, analysis), *map(sentence, verdicts)])
    report = study.folder / "report.html"
    more = "" if explain else " Laws, codes and checks: the report, or --explain."
    last = [f"{plural(len(analysis.records), 'run')}.{more}", f"Report: {report}"]
    if takes_mixed(study.folder):
        last = [*code_notes(record.provenance for record in analysis.records.values()), *last]
    if figure:
        last = [*_beside_published(study, manifest, answered), *last]
    is_figure_alone = figure and isinstance(headline, NoHeadline)
    lines = last if is_figure_alone else console_lines(headline, verdicts, last)
    if export:
        copy_answer(export, answered, lines)
    show(lines)


def _beside_published(study: StudyFile, manifest: Manifest, answered: Answered) -> list[str]:
    """Write the page of the figure of the paper that the file names; its first sentence, and where
    it is.
    """
    from harness.paper import replay as replays
    from harness.show.tables.headline import WIDTH

    replay = replays.REPLAYS[manifest.experiment.figure or ""]
    records, tables, laws, _ = answered.analysis
    changes = scales_of(study.file)[study.scale] | dict(study.settings)
    made = replays.Made(f"harness run {study.words}", study.scale, changes, {})
    runs = replays.ReplayRuns(manifest, tables.judged, laws, records)
    page = replays.write_page(runs, replay, made, plain(answered.verdicts), study.folder)
    where = f"{replay.place} with these runs: {study.folder / 'replay.html'}, replay.png"
    return [textwrap.fill(page.lead[0], WIDTH), where]
