"""`harness plot`."""

from pathlib import Path

import click

from harness.cli.later import heavy
from harness.cli.options import EXAMPLE, plan_options
from harness.show.console import TERMINAL
from harness.spec import Manifest


@click.command(epilog=f"Example: harness plot {EXAMPLE}")
@plan_options
def plot(manifest: Manifest, folder: Path) -> None:
    """Draw test loss against size, with fitted laws.

    Sizes are parameters and training FLOPs. The figure is a PNG and a PDF.
    """
    with heavy.keeping_fits(folder, TERMINAL):
        analysis = heavy.analyse(manifest, folder, TERMINAL)
        heavy.keep_analysis(manifest, analysis, folder)
        drawn = heavy.draw_figures(manifest, analysis, folder)
    for path in drawn:
        click.echo(path)
