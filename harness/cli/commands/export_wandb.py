"""`harness export-wandb`."""

from pathlib import Path
from typing import Any

import click

from harness.base.errors import HarnessError
from harness.cli.mirroring import mirror_of, wandb_options
from harness.cli.options import EXAMPLE, planned_argument, results_option
from harness.cli.plans import frozen_plan, records_of
from harness.dispatch.mirror import export
from harness.show.console import console, counted_progress


@click.command("export-wandb", epilog=f"Example: harness export-wandb {EXAMPLE} --wandb offline")
@planned_argument
@results_option
@wandb_options
def export_wandb(file: Path, results: Path, **wandb: Any) -> None:
    """Copy the finished runs of an experiment to wandb.

    Runs that are there already stay as they are. Nothing is read back. Offline runs are written to the experiment's
    folder, for `wandb sync`.
    """
    mirror = mirror_of(wandb)
    if mirror is None:
        raise HarnessError("--wandb: say online, or offline for files that `wandb sync` uploads")
    manifest, folder = frozen_plan(file, results)
    with counted_progress("wandb") as progress:
        done = export(manifest, mirror, records_of(folder), folder / "wandb", progress)
    left = f"; {done.left_out} runs have no record yet" if done.left_out else ""
    where = f" in {folder / 'wandb'}" if mirror.mode == "offline" else ""
    console.print(f"{done.mirrored} runs of wandb's{where}{left}", soft_wrap=True)
