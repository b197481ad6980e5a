"""`harness validate`."""

from pathlib import Path

import click

from harness.base.json_text import json_text
from harness.cli.options import EXAMPLE, file_argument, json_option, scale_option
from harness.cli.settings import settings_option
from harness.cli.stages import data_lines, device_lines, plan_of
from harness.planning.warnings import warnings_of
from harness.show.costs import trials_note
from harness.spec import Setting

FEW_CELLS = 3  # that are shown


@click.command(epilog=f"Example: harness validate {EXAMPLE}")
@file_argument
@scale_option
@settings_option
@json_option
def validate(file: Path, scale: str, settings: tuple[Setting, ...], as_json: bool) -> None:
    """Check an experiment file and say what it would run."""
    manifest = plan_of(file, scale, settings=settings)
    runs, infeasible = len(manifest.run_ids()), [cell for cell in manifest.cells if cell.infeasible]
    warnings = [*device_lines(manifest), *(warning.sentence for warning in warnings_of(manifest))]
    summary = {
        "file": str(file),
        "cells": len(manifest.cells),
        "infeasible": len(infeasible),
        "runs": runs,
        "data": data_lines(manifest),
        "warnings": warnings,
    }
    if as_json:
        click.echo(json_text(summary))
        return
    click.echo(f"{file}: valid; {len(manifest.cells):,} cells ({len(infeasible):,} infeasible), {runs:,} runs")
    for line in data_lines(manifest):
        click.echo(line)
    reasons = list(dict.fromkeys(f"{cell.task} {cell.series}: {cell.infeasible}" for cell in infeasible))
    for reason in reasons[:FEW_CELLS]:
        click.echo(f"  infeasible: {reason}")
    if len(reasons) > FEW_CELLS:
        click.echo("  `harness plan` shows them all")
    if note := trials_note(manifest):
        click.echo(note)
    for warning in warnings:
        click.echo(f"warning: {warning}")
