"""`harness open`."""

import json
import shlex
import sys
from pathlib import Path

import click

from harness.base.errors import HarnessError
from harness.cli.options import EXAMPLE, RESULTS, planned_argument, results_option, scale_option
from harness.cli.settings import settings_option
from harness.spec import Setting
from harness.spec.read import FULL
from harness.study.folders import folder_of


@click.command("open", epilog=f"Example: harness open {EXAMPLE}")
@planned_argument
@results_option
@scale_option
@settings_option
def open(file: Path, results: Path, scale: str, settings: tuple[Setting, ...]) -> None:
    """Print where the report of an experiment is, and open it in a browser.

    It is opened where the command is typed on a terminal; a script gets the path alone.
    """
    folder = file.resolve() if file.is_dir() else folder_of(file, results, scale, settings=settings)
    report = folder / "report.html"
    if not report.exists():
        command = "harness run FILE" if file.is_dir() else _run_command(file, results, scale, settings)
        of_folder = ", with the FILE and the options that made this folder" if file.is_dir() else ""
        raise HarnessError(f"{report} is not there yet; `{command}` writes it{of_folder}")
    click.echo(report)
    if sys.stdout.isatty():
        click.launch(str(report))


def _run_command(file: Path, results: Path, scale: str, settings: tuple[Setting, ...]) -> str:
    words = ["harness", "run", str(file)]
    if results != RESULTS:
        words += ["--results", str(results)]
    if scale != FULL:
        words += ["--scale", scale]
    for path, value in settings:
        words += ["--set", f"{path}={json.dumps(value)}"]
    return shlex.join(words)
