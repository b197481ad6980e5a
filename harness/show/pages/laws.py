"""The laws of a report: on the headline axes and on all; and how far to trust them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
from markupsafe import Markup

from harness.judging.checks import Check
from harness.judging.scaling import SeriesFit, headline_axes
from harness.show.figures.residuals import experiment_residuals
from harness.show.figures.scaling import scaling_figure
from harness.show.pages.page import svg
from harness.show.pages.runs import run_tasks
from harness.show.tables.checks import checks_table
from harness.show.tables.laws import fits_table, held_out_table
from harness.show.tables.table import Table
from harness.show.words import loss_words
from harness.spec import Manifest

RESIDUALS_SAY = "Residuals of the drawn laws against size and against the law's value, two panels a series"
OfSeries = TypeVar("OfSeries", SeriesFit, Check)


@dataclass(frozen=True)
class LawsPart:
    """The laws in a figure, in a table of the headline axes, and in one of all axes.

    `loss` is what they are of, `level` that of their intervals. With `of_budgets` some sizes are the best of a budget.
    """

    loss: str
    level: float
    figure: Markup | None
    headline: Table
    every_axis: Table
    axes: tuple[str, ...]
    of_budgets: bool


@dataclass(frozen=True)
class TrustPart:
    """How far the laws can be trusted: checks, residuals, and their predictions of held-out sizes."""

    checks: Table
    residuals: Markup | None
    held_out: Table | None


def laws_part(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit]) -> LawsPart:
    """Series that were crossed with budgets, whose sizes are those of valleys, are in the table of every axis alone."""
    ordered = _by_task(manifest, fits)
    axes = tuple(dict.fromkeys(one.axis for one in fits))
    loss = loss_words(table["metric"])
    return LawsPart(
        loss=loss,
        level=fits[0].fit.level,
        figure=svg(lambda: scaling_figure(manifest, table, fits), "laws-figure", f"{loss} against size, a row a task"),
        headline=fits_table(_uncrossed(manifest, ordered), headline_axes(manifest)).without("axis"),
        every_axis=fits_table(ordered, axes).without_notes(),
        axes=axes,
        of_budgets=bool(_crossed(manifest)),
    )


def trust_part(
    manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit], checks: Sequence[Check]
) -> TrustPart:
    """Of the same series as the headline table."""
    held_out = held_out_table(_uncrossed(manifest, _by_task(manifest, fits)), headline_axes(manifest))
    return TrustPart(
        checks=checks_table(_uncrossed(manifest, _by_task(manifest, checks))).without("axis"),
        residuals=svg(lambda: experiment_residuals(manifest, table, fits), "residuals-figure", RESIDUALS_SAY),
        held_out=held_out.without("axis") if held_out else None,
    )


def _by_task(manifest: Manifest, known: Iterable[OfSeries]) -> list[OfSeries]:
    tasks = list(run_tasks(manifest))
    return sorted(known, key=lambda one: tasks.index(one.task))


def _crossed(manifest: Manifest) -> set[str]:
    return {cell.series for cell in manifest.cells if cell.frontier}


def _uncrossed(manifest: Manifest, known: Iterable[OfSeries]) -> list[OfSeries]:
    crossed = _crossed(manifest)
    return [one for one in known if one.series not in crossed]
