"""`harness report`."""

from pathlib import Path

import click

from harness.cli.options import EXAMPLE, planned_argument, results_option
from harness.show.console import TERMINAL
from harness.study.analysis import analyse_and_report
from harness.study.folders import frozen_plan, planned_records


@click.command(epilog=f"Example: harness report {EXAMPLE}")
@planned_argument
@results_option
def report(file: Path, results: Path) -> None:
    """Write report.html, one self-contained page.

    It has the answer, figures, fits, the plan and provenance.
    """
    manifest, folder = frozen_plan(file, results)
    analyse_and_report(manifest, planned_records(manifest, folder), folder, TERMINAL)
    click.echo(folder / "report.html")
