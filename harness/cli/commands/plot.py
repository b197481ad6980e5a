"""`harness plot`."""

from pathlib import Path

import click

from harness.cli.options import EXAMPLE, plan_options
from harness.show.console import PROGRESS
from harness.spec import Manifest
from harness.study.analysis import analyse, draw_figures, keep_analysis, keeping_fits


@click.command(epilog=f"Example: harness plot {EXAMPLE}")
@plan_options
def plot(manifest: Manifest, folder: Path) -> None:
    """Draw test loss against size, with fitted laws.

    Sizes are parameters and training FLOPs. The figure is a PNG and a PDF.
    """
    with keeping_fits(folder, PROGRESS):
        analysis = analyse(manifest, folder, PROGRESS)
        keep_analysis(manifest, analysis, folder)
        drawn = draw_figures(manifest, analysis, folder)
    for path in drawn:
        click.echo(path)
