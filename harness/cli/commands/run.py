"""`harness run`."""

import textwrap

import click

from harness.base.errors import HarnessError, did_you_mean
from harness.base.plain import plain
from harness.cli.mirroring import copy_finished, export_of, wandb_options
from harness.cli.options import EXAMPLE, replan_option, takes_study, until_decided_option, workers_option
from harness.cli.showing import show
from harness.cli.tables import laws_of_experiment
from harness.dispatch.mirror import Mirror
from harness.judging.judge import sentence
from harness.judging.versus import NoHeadline
from harness.paper.replay import EXTENDED, REPLAYS, Made, ReplayRuns, write_page
from harness.show.console import TERMINAL
from harness.show.tables.headline import WIDTH, console_lines
from harness.spec import Manifest
from harness.spec.read import scales_of
from harness.study.analysis import Answered, analyse_and_report, write_pack_costs
from harness.study.folders import StudyFile
from harness.study.sweeps import run_words
from harness.study.training import run_file


@click.command(epilog=f"Example: harness run {EXAMPLE} --workers 2")
@takes_study
@replan_option
@workers_option
@until_decided_option
@click.option("--explain", is_flag=True, help="Also print scaling laws, checks and verdicts, above the answer.")
@wandb_options
def run(
    study: StudyFile, replan: bool, workers: int | None, until_decided: bool, explain: bool, mirror: Mirror | None
) -> None:
    """Train what is missing, and say which side is better.

    This plans, trains, fits, draws and reports. The last lines are the answer: which side has the
    lower test error at equal parameters, FLOPs and seconds, and how many times lower it is.

    With --until-decided it trains the first look of the file's `looks:`, judges the rules, and goes on with the
    replicates that open rules ask for. Without it, it trains all of them.

    You can press Ctrl-C at any moment. Finished runs keep their records, and the same command goes on from there.
    """
    figure = study.said().figure
    if figure and figure not in EXTENDED:
        raise HarnessError(f"figure: {figure}: no figure to which arms can be added; {did_you_mean(figure, EXTENDED)}")
    manifest = run_file(study, TERMINAL, replan, workers, until_decided)
    if mirror:
        copy_finished(export_of(mirror, manifest, study.folder))
    analysis, headline, verdicts = answered = analyse_and_report(manifest, study.folder, TERMINAL)
    if costs := write_pack_costs(manifest, analysis.records, study.folder):
        TERMINAL.say(costs)
    if explain:
        show([*laws_of_experiment(manifest, analysis), *map(sentence, verdicts)])
    more = "" if explain else " Laws, codes and checks: the report, or --explain."
    last = [f"{run_words(manifest, len(analysis.records))}.{more}", f"Report: {study.folder / 'report.html'}"]
    if figure:
        last = [*_beside_published(study, manifest, answered), *last]
    show(last if figure and isinstance(headline, NoHeadline) else console_lines(headline, verdicts, last))


def _beside_published(study: StudyFile, manifest: Manifest, answered: Answered) -> list[str]:
    """Write the page of the figure of the paper that the file names; its first sentence, and where it is."""
    replay = REPLAYS[manifest.experiment.figure or ""]
    records, _, table, laws = answered.analysis
    changes = scales_of(study.file)[study.scale] | dict(study.settings)
    made = Made(f"harness run {study.words}", study.scale, changes, {})
    runs = ReplayRuns(manifest, table, laws, records)
    page = write_page(runs, replay, made, plain(answered.verdicts), study.folder)
    where = f"{replay.place} with these runs: {study.folder / 'replay.html'}, replay.png"
    return [textwrap.fill(page.lead[0], WIDTH), where]
