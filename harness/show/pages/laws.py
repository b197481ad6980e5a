"""The laws of a report: on the headline axes and on all; and how far to trust them."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.judging.laws import SeriesLaws
from harness.judging.scaling import headline_axes
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import scaling_figure
from harness.show.pages.page import svg
from harness.show.pages.runs import run_tasks
from harness.show.tables.laws import checks_table, held_out_table, laws_table
from harness.show.tables.table import Table
from harness.show.words import metric_words
from harness.spec import Manifest

RESIDUALS_SAY = "Residuals of the drawn laws against size and against the law's value, two panels a series"


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


def laws_part(manifest: Manifest, laws: Sequence[SeriesLaws]) -> LawsPart:
    """Series that were crossed with budgets, whose sizes are those of valleys, are in the table of every axis alone."""
    ordered = by_task(manifest, laws)
    axes = tuple(dict.fromkeys(one.axis for one in laws))
    loss = metric_words(one.metric for one in laws)
    return LawsPart(
        loss=loss,
        level=laws[0].level,
        figure=svg(lambda: scaling_figure(manifest, laws), "laws-figure", f"{loss} against size, a row a task"),
        headline=laws_table(uncrossed(manifest, ordered), headline_axes(manifest)).without("axis"),
        every_axis=laws_table(ordered, axes).without_notes(),
        axes=axes,
        of_budgets=bool(_crossed(manifest)),
    )


def trust_part(manifest: Manifest, laws: Sequence[SeriesLaws]) -> TrustPart | None:
    """Of the same series as the headline table; None where nothing was checked."""
    axes = headline_axes(manifest)
    own = [one for one in uncrossed(manifest, by_task(manifest, laws)) if one.axis in axes]
    checks, held_out = checks_table(own), held_out_table(own)
    if checks is None:
        return None
    return TrustPart(
        checks=checks.without("axis"),
        residuals=svg(lambda: residuals_figure(manifest, laws), "residuals-figure", RESIDUALS_SAY),
        held_out=held_out.without("axis") if held_out else None,
    )


def by_task(manifest: Manifest, laws: Sequence[SeriesLaws]) -> list[SeriesLaws]:
    """In the order of the tasks of the plan."""
    tasks = list(run_tasks(manifest))
    return sorted(laws, key=lambda one: tasks.index(one.task))


def uncrossed(manifest: Manifest, laws: Sequence[SeriesLaws]) -> list[SeriesLaws]:
    """The laws of series that are not of one training budget each."""
    crossed = _crossed(manifest)
    return [one for one in laws if one.series not in crossed]


def _crossed(manifest: Manifest) -> set[str]:
    return {cell.series for cell in manifest.cells if cell.frontier}
