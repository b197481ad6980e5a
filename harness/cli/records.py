"""Records brought from elsewhere, and taken elsewhere: merge, export-wandb."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.cli.options import (
    planned_argument,
    results_option,
    wandb_options,
)
from harness.cli.steps import frozen_plan, mirror_of, records_of
from harness.cli.tables import json_option

if TYPE_CHECKING:
    pass

EXAMPLE = "experiments/quickstart.yaml"


@click.command(epilog="Example: harness merge /media/other/results --plan experiments/quickstart.yaml")
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER")
@results_option
@click.option("--plan", type=click.Path(path_type=Path), metavar="FILE", help="Only records of this experiment's runs.")
@json_option
def merge(source: Path, results: Path, plan: Path | None, as_json: bool) -> None:
    """Bring records that were trained elsewhere, each one checked: a folder of records, or a results folder.

    Nothing is overwritten: what is here stays, and what differs from it is kept beside it and judged. Exit 3 if one is
    damaged, or differs where the same code on the same kind of machine ought to give the same.
    """
    from harness.record.merge import merge as merge_records
    from harness.show.console import console
    from harness.show.sweeps import merged_lines

    manifest = frozen_plan(plan, results)[0] if plan else None
    merged = merge_records(source, manifest, results / "runs")
    if as_json:
        click.echo(json.dumps(merged._asdict()))
    else:
        for line in merged_lines(merged):
            console.print(line, soft_wrap=True)
    if merged.damaged or merged.defects:
        sys.exit(INCOMPLETE)


@click.command("export-wandb", epilog=f"Example: harness export-wandb {EXAMPLE} --wandb offline")
@planned_argument
@results_option
@wandb_options
def export_wandb(file: Path, results: Path, **wandb: Any) -> None:
    """Mirror the finished runs of an experiment to wandb after the fact; what is there already stays as it is.

    Files are the truth: nothing is read back. Offline runs lie in the experiment's folder, for `wandb sync`.
    """
    from harness.dispatch.mirror import export
    from harness.show.console import console, counted_progress

    mirror = mirror_of(wandb)
    if mirror is None:
        raise HarnessError("--wandb: say online, or offline for files that `wandb sync` uploads")
    manifest, folder = frozen_plan(file, results)
    with counted_progress("wandb") as progress:
        done = export(manifest, mirror, records_of(folder), folder / "wandb", progress)
    left = f"; {done.left_out} runs have no record yet" if done.left_out else ""
    where = f" in {folder / 'wandb'}" if mirror.mode == "offline" else ""
    console.print(f"{done.mirrored} runs of wandb's{where}{left}", soft_wrap=True)
