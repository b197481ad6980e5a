"""`harness open`."""

import sys
from pathlib import Path

import click

from harness.base.errors import HarnessError
from harness.cli.options import EXAMPLE, planned_argument, results_option, scale_option
from harness.cli.plans import folder_of
from harness.cli.settings import settings_option
from harness.spec import Setting, searched_name


@click.command("open", epilog=f"Example: harness open {EXAMPLE}")
@planned_argument
@results_option
@scale_option
@settings_option
def open(file: Path, results: Path, scale: str, settings: tuple[Setting, ...]) -> None:
    """Print where the report of an experiment is, and open it in a browser.

    It is opened where the command is typed on a terminal; a script gets the path alone.
    """
    folder = file if file.is_dir() else folder_of(file, results, scale, settings=settings)
    report = folder.with_name(searched_name(folder.name)) / "report.html"
    if not report.exists():
        raise HarnessError(f"{report} is not there yet; `harness run {file}` writes it")
    click.echo(report)
    if sys.stdout.isatty():
        click.launch(str(report))
