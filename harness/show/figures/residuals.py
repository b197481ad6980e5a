"""The figure of residuals: how the runs lie about their laws, against size."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.judging.laws import SeriesLaws, drawn_law, runs_in
from harness.judging.scaling import headline_axes
from harness.laws import predict
from harness.show.figures.labels import (
    padded,
    set_ticks,
    title_letters,
    undrawn_note,
    write_letters,
    write_note,
)
from harness.show.figures.series import MANY_SIZES, DrawnLaw, styles_of_laws
from harness.show.figures.theme import (
    figure_width,
    in_column,
    panel_grid,
    panel_height,
    side_by_side,
)
from harness.show.names import shortened, written
from harness.show.tables.laws import uncrossed
from harness.show.words import column_word
from harness.spec.counts import axis_words
from harness.spec.manifest import Manifest

MOST_LAWS = 8
PANEL_HEIGHT, LEFT_OF_PANEL = 1.3, 0.5  # inches; of the vertical axis and its words
TASK_LETTERS = 24


@in_column
def residuals_figure(manifest: Manifest | None, laws: Sequence[SeriesLaws]) -> Figure | None:
    """A panel a drawn law: ln(loss/law) against the size; None if all were refused.

    Of an experiment those on the first headline axis. Runs are faint, means of sizes bold; the grey
    band is one standard deviation of the means about the law.
    """
    styles = styles_of_laws(manifest, laws)
    if manifest:
        laws = uncrossed(manifest, laws)
        laws = [series for series in laws if series.axis == headline_axes(manifest)[0]] or laws
    drawn = []
    for series in laws:
        fit = series.fits[drawn_law(laws, series.task, series.axis)]
        drawn.append(DrawnLaw(series, fit, styles[series.series]))
    fitted = [law for law in drawn if not law.fit.refusals]
    shown = fitted[:MOST_LAWS]
    if not shown:
        return None
    columns = side_by_side(min(2, len(shown)))
    figure, panels = panel_grid(len(shown), columns, panel_height(PANEL_HEIGHT))
    letters = title_letters(figure_width(columns) / columns - LEFT_OF_PANEL)
    names = shortened((series.task for series in laws), TASK_LETTERS)
    for law, axes in zip(shown, panels, strict=True):
        _draw(axes, law)
        title = ", ".join(
            filter(None, (names[law.laws.task], written(law.laws.series), f"{law.fit.law} law"))
        )
        axes.set_title(textwrap.fill(title, letters))
    write_letters(panels)
    refused = len(drawn) - len(fitted)
    notes = [f"Refused laws have no residuals: {refused} not drawn."] if refused else []
    band = (
        "Faint: runs. Bold: means of sizes. Grey band: ± one standard deviation of the means "
        "about the law."
    )
    write_note(figure, [band, *notes, *undrawn_note(len(fitted) - len(shown), "laws")])
    return figure


def _draw(axes: Axes, drawn: DrawnLaw) -> None:
    laws, fit, style = drawn
    points, (x, y) = fit.points, runs_in(laws.table, "fitted")
    name, loss = ":".join(filter(None, (laws.task, laws.series))), column_word(laws.metric)
    runs, means = np.log(y / predict(fit, x)), np.log(points.means / predict(fit, points.sizes))
    assert fit.sigma is not None
    half = fit.sigma / np.sqrt(
        points.weights
    )  # of a size's mean: sizes are weighted by the noise of their seeds
    largest = 1.15 * max(np.abs(runs).max(), np.abs(means).max(), half.max(), np.finfo(float).eps)
    bold: dict[str, Any] = {"ms": 2.0} if points.sizes.size > MANY_SIZES else {}
    axes.fill_between(points.sizes, -half, half, color="0.9", lw=0, zorder=0, gid=f"sigma:{name}")
    axes.axhline(0, color="0.3", lw=0.6, zorder=1, gid=f"zero:{name}")
    axes.plot(x, runs, ".", color=style.colour, mec="none", alpha=0.4, zorder=2, gid=f"runs:{name}")
    axes.plot(
        points.sizes, means, style.marker, color=style.colour, zorder=4, gid=f"means:{name}", **bold
    )
    axes.set(xscale="log", xlim=padded(points.sizes, 0.08), ylim=(-largest, largest))
    axes.set(xlabel=axis_words(laws.axis), ylabel=f"ln({loss} / law)")
    set_ticks(axes.xaxis, is_small=True)
    axes.locator_params(axis="y", nbins=5)
