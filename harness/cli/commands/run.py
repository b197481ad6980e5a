"""`harness run`."""

import click

from harness.cli.mirroring import copy_finished, export_of, wandb_options
from harness.cli.options import EXAMPLE, replan_option, takes_study, until_decided_option, workers_option
from harness.cli.showing import show
from harness.cli.tables import laws_of_experiment
from harness.dispatch.mirror import Mirror
from harness.judging.judge import sentence
from harness.show.console import TERMINAL
from harness.show.pages.markdown import answer_markdown
from harness.show.tables.headline import console_lines
from harness.study.analysis import analyse_and_report, write_pack_costs
from harness.study.folders import StudyFile
from harness.study.sweeps import run_words
from harness.study.training import run_file


@click.command(epilog=f"Example: harness run {EXAMPLE} --workers 2")
@takes_study
@replan_option
@workers_option
@until_decided_option
@click.option("--explain", is_flag=True, help="Also print scaling laws, checks and verdicts, above the answer.")
@click.option("--markdown", is_flag=True, help="Print the answer as Markdown, for a pull request.")
@wandb_options
def run(
    study: StudyFile,
    replan: bool,
    workers: int | None,
    until_decided: bool,
    explain: bool,
    markdown: bool,
    mirror: Mirror | None,
) -> None:
    """Train what is missing, and say which side is better.

    This plans, trains, fits, draws and reports. It prints the answer: which side has the lower test error at equal
    parameters, FLOPs and seconds, and how many times lower it is. Progress goes to stderr.

    With --until-decided it trains the first look of the file's `looks:`, judges the rules, and goes on with the
    replicates that open rules ask for. Without it, it trains all of them.

    You can press Ctrl-C at any moment. Finished runs keep their records, and the same command goes on from there.
    """
    manifest = run_file(study, TERMINAL, replan, workers, until_decided)
    if mirror:
        copy_finished(export_of(mirror, manifest, study.folder))
    analysis, headline, verdicts = analyse_and_report(manifest, study.folder, TERMINAL)
    if costs := write_pack_costs(manifest, analysis.records, study.folder):
        TERMINAL.say(costs)
    if explain:
        show([*laws_of_experiment(manifest, analysis), *map(sentence, verdicts)])
    report = study.folder / "report.html"
    if markdown:
        click.echo(answer_markdown(manifest, analysis.records.values(), headline, verdicts, (study.file, report)))
        return
    more = "" if explain else " Laws, codes and checks: the report, or --explain."
    last = [f"{run_words(manifest, len(analysis.records))}.{more}", f"Report: {report}"]
    show(console_lines(headline, verdicts, last))
