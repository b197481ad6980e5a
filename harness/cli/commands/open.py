"""`harness open`."""

import sys
from pathlib import Path

import click

from harness.base.errors import HarnessError
from harness.cli.options import EXAMPLE, planned_argument, results_option, scale_option, settings_option, study_options
from harness.study.folders import StudyFile


@click.command("open", epilog=f"Example: harness open {EXAMPLE}")
@study_options(planned_argument, results_option, scale_option, settings_option)
def open(study: StudyFile) -> None:
    """Print where the report of an experiment is, and open it in a browser.

    It is opened where the command is typed on a terminal; a script gets the path alone.
    """
    is_folder = study.file.is_dir()
    report = (study.file.resolve() if is_folder else study.folder) / "report.html"
    if not report.exists():
        elsewhere = "" if study.results == Path("results") else f" --results {study.results}"
        command = "harness run FILE" if is_folder else f"harness run {study.words}{elsewhere}"
        of_folder = ", with the FILE and the options that made this folder" if is_folder else ""
        raise HarnessError(f"{report} is not there yet; `{command}` writes it{of_folder}")
    click.echo(report)
    if sys.stdout.isatty():
        click.launch(str(report))
