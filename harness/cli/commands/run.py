"""`harness run`."""

import click

from harness.cli.later import heavy
from harness.cli.mirroring import copy_answer, copy_finished, export_of, wandb_options
from harness.cli.options import EXAMPLE, replan_option, takes_study, until_decided_option, workers_option
from harness.cli.showing import show
from harness.cli.tables import laws_of_experiment
from harness.dispatch.mirror import Mirror
from harness.show.console import TERMINAL
from harness.study.folders import StudyFile
from harness.study.sweeps import run_words


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
    manifest = heavy.run_file(study, TERMINAL, replan, workers, until_decided)
    export = export_of(mirror, manifest, study.folder) if mirror else None
    if export:
        copy_finished(export)
    answered = heavy.analyse_and_report(manifest, study.folder, TERMINAL)
    analysis, headline, verdicts = answered
    if costs := heavy.write_pack_costs(manifest, analysis.records, study.folder):
        TERMINAL.say(costs)
    if explain:
        show([*laws_of_experiment(manifest, analysis), *map(heavy.sentence, verdicts)])
    more = "" if explain else " Laws, codes and checks: the report, or --explain."
    last = [f"{run_words(manifest, len(analysis.records))}.{more}", f"Report: {study.folder / 'report.html'}"]
    lines = heavy.console_lines(headline, verdicts, last)
    if export:
        copy_answer(export, answered, lines)
    show(lines)
