"""`harness plot`."""

from pathlib import Path

import click

from harness.cli.options import EXAMPLE, planned_argument, results_option
from harness.show.console import TERMINAL
from harness.study.analysis import analyse_and_keep, draw_figures, keeping_fits
from harness.study.folders import frozen_plan, planned_records


@click.command(epilog=f"Example: harness plot {EXAMPLE}")
@planned_argument
@results_option
def plot(file: Path, results: Path) -> None:
    """Draw test loss against size, with fitted laws.

    Sizes are parameters and training FLOPs. The figure is a PNG and a PDF.
    """
    manifest, folder = frozen_plan(file, results)
    with keeping_fits(folder, TERMINAL):
        analysis = analyse_and_keep(manifest, planned_records(manifest, folder), folder, TERMINAL)
        drawn = draw_figures(manifest, analysis, folder)
    for path in drawn:
        click.echo(path)
