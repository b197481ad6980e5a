"""`harness validate`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import click

from harness.base.formats import plural
from harness.cli.options import (
    EXAMPLE,
    file_argument,
    json_option,
    scale_option,
    settings_option,
    study_options,
)
from harness.cli.showing import answer
from harness.planning.candidates import LAST_POINT
from harness.planning.warnings import warnings_of
from harness.spec.manifest import Cell, Manifest
from harness.study.folders import StudyFile
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
@study_options(file_argument, scale_option, settings_option)
@json_option
def validate(study: StudyFile, as_json: bool) -> None:
    """Check an experiment file and say what it would run."""
    manifest = plan_of(study)
    runs, infeasible = (
        len(manifest.run_ids()),
        sum(bool(cell.infeasible) for cell in manifest.cells),
    )
    warnings = [*device_lines(manifest), *(warning.sentence for warning in warnings_of(manifest))]
    validated = Validated(
        study.file, len(manifest.cells), infeasible, runs, data_lines(manifest), warnings
    )
    answer(validated, as_json, _lines(validated, manifest))


def _lines(validated: Validated, manifest: Manifest) -> Iterator[str]:
    cells = f"{plural(validated.cells, 'cell')} ({validated.infeasible:,} infeasible)"
    yield f"{validated.file}: valid; {cells}, {plural(validated.runs, 'run')}"
    yield from validated.data
    first: dict[tuple[str, str, float | None], Cell] = {}  # of a task, series and budget
    for cell in manifest.cells:
        if cell.infeasible:
            first.setdefault((cell.task, cell.series, cell.asked), cell)
    why = [
        f"{cell.task} {cell.series}: {str(cell.infeasible).partition(LAST_POINT)[0]}"
        for cell in first.values()
    ]
    reasons = list(dict.fromkeys(why))
    for reason in reasons[:FEW_REASONS]:
        yield f"  infeasible: {reason}"
    if len(reasons) > FEW_REASONS:
        yield f"  and {len(reasons) - FEW_REASONS} more; `harness plan` shows them all"
    for warning in validated.warnings:
        yield f"warning: {warning}"
