"""The figure of residuals: how the runs lie about their laws, against size and against the law's value."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from harness.judging.laws import SeriesLaws, drawn_law, runs_in
from harness.judging.scaling import headline_axes
from harness.laws import predict
from harness.show.figures.labels import padded, set_ticks, undrawn_note, write_note
from harness.show.figures.series import MANY_SIZES, DrawnLaw, experiment_styles, named_styles
from harness.show.figures.theme import is_narrow, panel_grid, side_by_side, themed
from harness.show.names import shortened
from harness.show.tables.laws import uncrossed
from harness.show.words import metric_words
from harness.spec import Manifest, axis_words

MOST_IN_A_COLUMN = 4  # laws; of more, two stand side by side
MOST_LAWS = 8
PANEL_HEIGHT = 2.1  # inches
TITLE_LETTERS, TASK_LETTERS = 42, 24


@themed
def residuals_figure(manifest: Manifest | None, laws: Sequence[SeriesLaws]) -> Figure | None:
    """Two panels a drawn law: ln(loss/law) against the size and against the law's value; None if all were refused.

    Of an experiment those on the first headline axis. Runs are faint, means of sizes bold; the grey band is one
    standard deviation of the means about the law.
    """
    styles = experiment_styles(manifest) if manifest else named_styles(series.series for series in laws)
    if manifest:
        laws = uncrossed(manifest, laws)
        laws = [series for series in laws if series.axis == headline_axes(manifest)[0]] or laws
    drawn = []
    for series in laws:
        fit = series.fits[drawn_law(laws, series.task, series.axis)]
        drawn.append(DrawnLaw(series, fit, styles[series.series]))
    fitted = [law for law in drawn if not law.fit.refusals]
    if not fitted:
        return None
    shown = fitted[:MOST_LAWS]
    columns = side_by_side(2 if len(shown) <= MOST_IN_A_COLUMN else 4)
    figure, panels = panel_grid(2 * len(shown), columns, PANEL_HEIGHT)
    names = shortened((series.task for series in laws), TASK_LETTERS)
    for law, against_size, against_law in zip(shown, panels[::2], panels[1::2], strict=True):
        _two_panels(against_size, against_law, law)
        title = ", ".join(filter(None, (names[law.laws.task], law.laws.series, f"{law.fit.law} law")))
        against_size.set_title(textwrap.fill(title, TITLE_LETTERS))
    refused = len(drawn) - len(fitted)
    notes = [f"Refused laws have no residuals: {refused} not drawn."] if refused else []
    band = "Faint: runs. Bold: means of sizes. Grey band: ± one standard deviation of the means about the law."
    write_note(figure, [band, *notes, *undrawn_note(len(fitted) - len(shown), "laws")])
    return figure


def _two_panels(against_size: Axes, against_law: Axes, drawn: DrawnLaw) -> None:
    laws, fit, style = drawn
    points, (x, y) = fit.points, runs_in(laws.table, "fitted")
    name, loss = ":".join(filter(None, (laws.task, laws.series))), metric_words([laws.metric])
    of_runs, of_means = predict(fit, x), predict(fit, points.sizes)
    runs, means = np.log(y / of_runs), np.log(points.means / of_means)
    assert fit.sigma is not None
    half = fit.sigma / np.sqrt(points.weights)  # of a size's mean: sizes are weighted by the noise of their seeds
    largest = 1.15 * max(np.abs(runs).max(), np.abs(means).max(), half.max(), np.finfo(float).eps)
    dots: dict[str, Any] = {"ls": "", "marker": ".", "ms": 4, "mec": "none", "alpha": 0.4, "zorder": 2}
    size = 2.0 if points.sizes.size > MANY_SIZES else 4.5
    bold: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": size, "zorder": 4}
    sides = (
        (against_size, x, points.sizes, axis_words(laws.axis)),
        (against_law, of_runs, of_means, f"law of {loss}"),
    )
    for axes, x_of_runs, x_of_means, label in sides:
        order = np.argsort(x_of_means)
        ends = -half[order], half[order]
        axes.fill_between(x_of_means[order], *ends, color="0.9", lw=0, zorder=0, gid=f"sigma:{name}")
        axes.axhline(0, color="0.3", lw=0.8, zorder=1, gid=f"zero:{name}")
        axes.plot(x_of_runs, runs, color=style.colour, gid=f"runs:{name}", **dots)
        axes.plot(x_of_means, means, color=style.colour, gid=f"means:{name}", **bold)
        axes.set(xscale="log", xlim=padded(x_of_means, 0.08), ylim=(-largest, largest), xlabel=label)
        set_ticks(axes.xaxis)
        low, high = np.log10(axes.get_xlim())
        powers = 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
        if powers.size >= 2:  # enough for a narrow panel
            axes.xaxis.set_major_locator(FixedLocator(powers.tolist()))
        axes.locator_params(axis="y", nbins=5)
    against_size.set_ylabel(f"ln({loss} / law)")
    if is_narrow():
        against_law.set_ylabel(f"ln({loss} / law)")
    else:
        against_law.tick_params(labelleft=False)
