"""`harness validate`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

import click

from harness.base.json_text import json_text
from harness.cli.options import EXAMPLE, file_argument, json_option, scale_option
from harness.cli.settings import settings_option
from harness.planning.candidates import LAST_POINT
from harness.planning.warnings import warnings_of
from harness.spec import Cell, Setting
from harness.study.plans import data_lines, device_lines, plan_of

FEW_REASONS = 10  # that are shown


class Validated(NamedTuple):
    """What an experiment file would run."""

    file: Annotated[Path, "the file"]
    cells: Annotated[int, "sizes of arms on tasks"]
    infeasible: Annotated[int, "those of them that no network meets"]
    runs: Annotated[int, "different runs"]
    data: Annotated[list[str], "a sentence for each data file of your own"]
    warnings: Annotated[list[str], "what the plan cannot answer"]


@click.command(epilog=f"Example: harness validate {EXAMPLE}")
@file_argument
@scale_option
@settings_option
@json_option({"validate FILE": Validated})
def validate(file: Path, scale: str, settings: tuple[Setting, ...], as_json: bool) -> None:
    """Check an experiment file and say what it would run."""
    manifest = plan_of(file, scale, settings=settings)
    runs, infeasible = len(manifest.run_ids()), [cell for cell in manifest.cells if cell.infeasible]
    warnings = [*device_lines(manifest), *(warning.sentence for warning in warnings_of(manifest))]
    if as_json:
        data = data_lines(manifest)
        click.echo(json_text(Validated(file, len(manifest.cells), len(infeasible), runs, data, warnings)))
        return
    click.echo(f"{file}: valid; {len(manifest.cells):,} cells ({len(infeasible):,} infeasible), {runs:,} runs")
    for line in data_lines(manifest):
        click.echo(line)
    reasons = _reasons(infeasible)
    for reason in reasons[:FEW_REASONS]:
        click.echo(f"  infeasible: {reason}")
    if len(reasons) > FEW_REASONS:
        click.echo(f"  and {len(reasons) - FEW_REASONS} more; `harness plan` shows them all")
    for warning in warnings:
        click.echo(f"warning: {warning}")


def _reasons(infeasible: Iterable[Cell]) -> list[str]:
    """Why cells are infeasible, once a task, series and budget."""
    reasons: dict[tuple[str, str, float | None], str] = {}
    for cell in infeasible:
        why = str(cell.infeasible).partition(LAST_POINT)[0]
        reasons.setdefault((cell.task, cell.series, cell.asked), f"{cell.task} {cell.series}: {why}")
    return list(dict.fromkeys(reasons.values()))
