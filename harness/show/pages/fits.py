"""The laws of a report: on the headline axes and on all, what they predicted, and how far to trust them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.judging.checks import Check
from harness.judging.scaling import SeriesFit, headline_axes
from harness.show.figures.residuals import experiment_residuals
from harness.show.figures.scaling import scaling_figure
from harness.show.pages.page import png
from harness.show.pages.runs import run_tasks
from harness.show.tables.checks import checks_table
from harness.show.tables.laws import fits_table, held_out_table
from harness.show.tables.table import Table
from harness.show.words import loss_words
from harness.spec import Manifest


@dataclass(frozen=True)
class FitsPart:
    """Tables and figures of laws; `loss` is what they are of, `level` that of their intervals."""

    loss: str
    level: float
    headline: Table
    held_out: Table | None
    checks: Table
    every_axis: Table
    axes: tuple[str, ...]
    figure: str | None
    residuals: str | None


def fits_part(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit], checks: Sequence[Check]) -> FitsPart:
    """Series that were crossed with budgets, whose sizes are those of valleys, are in the table of every axis alone."""
    tasks = list(run_tasks(manifest))
    headline = headline_axes(manifest)
    crossed = {cell.series for cell in manifest.cells if cell.frontier}
    ordered = sorted(fits, key=lambda one: tasks.index(one.task))
    shown = [one for one in ordered if one.series not in crossed]
    trusted = sorted(
        (check for check in checks if check.series not in crossed), key=lambda check: tasks.index(check.task)
    )
    axes = tuple(dict.fromkeys(one.axis for one in fits))
    held_out = held_out_table(shown, headline)
    return FitsPart(
        loss=loss_words(table["metric"]),
        level=fits[0].fit.level,
        headline=fits_table(shown, headline).without("axis"),
        held_out=held_out.without("axis") if held_out else None,
        checks=checks_table(trusted).without("axis"),
        every_axis=fits_table(ordered, axes).without_notes(),
        axes=axes,
        figure=png(scaling_figure(manifest, table, fits)),
        residuals=png(experiment_residuals(manifest, table, fits)),
    )
