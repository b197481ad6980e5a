"""`harness report`."""

from pathlib import Path

import click

from harness.cli.options import EXAMPLE, plan_options
from harness.show.console import TERMINAL
from harness.spec.manifest import Manifest


@click.command(epilog=f"Example: harness report {EXAMPLE}")
@plan_options
def report(manifest: Manifest, folder: Path) -> None:
    """Write report.html, one self-contained page.

    It has the answer, figures, fits, the plan and provenance.
    """
    from harness.study.analysis import analyse_and_report

    analyse_and_report(manifest, folder, TERMINAL)
    click.echo(folder / "report.html")
