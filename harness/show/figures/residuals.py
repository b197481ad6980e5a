"""The figure of residuals: how the runs lie about their laws, against size and against the law's value."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from harness.judging.laws import SeriesLaws, drawn_law, runs_in
from harness.judging.scaling import headline_axes
from harness.laws import Fit, predict
from harness.show.figures.labels import padded, set_ticks, undrawn_note, write_note
from harness.show.figures.series import MANY_SIZES, Style, experiment_styles, named_styles
from harness.show.figures.theme import is_narrow, panel_grid, side_by_side, themed, write_figure
from harness.show.names import shortened
from harness.show.tables.laws import uncrossed
from harness.show.words import metric_words
from harness.spec import Manifest, axis_words

MOST_IN_A_COLUMN = 4  # laws; of more, two stand side by side
MOST_LAWS = 8
PANEL_HEIGHT = 2.1  # inches
TITLE_LETTERS, TASK_LETTERS = 42, 24


class DrawnResiduals(NamedTuple):
    """A law, the runs it was fitted to, and how they are told and drawn."""

    laws: SeriesLaws
    fit: Fit
    style: Style
    title: str


@themed
def residuals_figure(manifest: Manifest | None, laws: Sequence[SeriesLaws]) -> Figure | None:
    """Two panels a drawn law: ln(loss/law) against the size and against the law's value; None if all were refused.

    Of an experiment those on the first headline axis. Runs are faint, means of sizes bold; the grey band is one
    standard deviation of the means about the law.
    """
    own = uncrossed(manifest, laws) if manifest else laws
    if manifest:
        own = [one for one in own if one.axis == headline_axes(manifest)[0]] or own
    items = _drawn(own, experiment_styles(manifest) if manifest else named_styles(one.series for one in own))
    fitted = [one for one in items if not one.fit.refusals]
    if not fitted:
        return None
    shown = fitted[:MOST_LAWS]
    columns = side_by_side(2 if len(shown) <= MOST_IN_A_COLUMN else 4)
    figure, panels = panel_grid(2 * len(shown), columns, PANEL_HEIGHT)
    for one, against_size, against_law in zip(shown, panels[::2], panels[1::2], strict=True):
        _two_panels(against_size, against_law, one)
    refused = len(items) - len(fitted)
    notes = [f"Refused laws have no residuals: {refused} not drawn."] if refused else []
    band = "Faint: runs. Bold: means of sizes. Grey band: ± one standard deviation of the means about the law."
    write_note(figure, [band, *notes, *undrawn_note(len(fitted) - len(shown), "laws")])
    return figure


def draw_residuals(manifest: Manifest | None, laws: Sequence[SeriesLaws], folder: Path) -> list[Path]:
    """Write `residuals.png` and `residuals.pdf` into `folder`; none where all laws were refused."""
    figure = residuals_figure(manifest, laws)
    return write_figure(figure, folder / "residuals") if figure else []


def _drawn(laws: Sequence[SeriesLaws], styles: Mapping[str, Style]) -> list[DrawnResiduals]:
    names = shortened((one.task for one in laws), TASK_LETTERS)
    found = []
    for one in laws:
        fit = one.fits[drawn_law(laws, one.task, one.axis)]
        title = ", ".join(filter(None, (names[one.task], one.series, f"{fit.law} law")))
        found.append(DrawnResiduals(one, fit, styles[one.series], title))
    return found


def _two_panels(against_size: Axes, against_law: Axes, one: DrawnResiduals) -> None:
    points, (x, y) = one.fit.points, runs_in(one.laws.table, "fitted")
    name = ":".join(filter(None, (one.laws.task, one.laws.series)))
    loss = metric_words([one.laws.metric])
    laws = predict(one.fit, points.sizes)
    runs, means = np.log(y / predict(one.fit, x)), np.log(points.means / laws)
    assert one.fit.sigma is not None
    half = one.fit.sigma / np.sqrt(points.weights)  # of a size's mean: sizes are weighted by the noise of their seeds
    largest = 1.15 * max(np.abs(runs).max(), np.abs(means).max(), half.max(), np.finfo(float).eps)
    dots: dict[str, Any] = {"ls": "", "marker": ".", "ms": 4, "mec": "none", "alpha": 0.4, "zorder": 2}
    size = 2.0 if points.sizes.size > MANY_SIZES else 4.5
    bold: dict[str, Any] = {"ls": "", "marker": one.style.marker, "ms": size, "zorder": 4}
    sides = (
        (against_size, x, points.sizes, axis_words(one.laws.axis)),
        (against_law, predict(one.fit, x), laws, f"law of {loss}"),
    )
    for axes, of_runs, of_means, label in sides:
        order = np.argsort(of_means)
        ends = -half[order], half[order]
        axes.fill_between(of_means[order], *ends, color="0.9", lw=0, zorder=0, gid=f"sigma:{name}")
        axes.axhline(0, color="0.3", lw=0.8, zorder=1, gid=f"zero:{name}")
        axes.plot(of_runs, runs, color=one.style.colour, gid=f"runs:{name}", **dots)
        axes.plot(of_means, means, color=one.style.colour, gid=f"means:{name}", **bold)
        axes.set(xscale="log", xlim=padded(of_means, 0.08), ylim=(-largest, largest), xlabel=label)
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
    against_size.set_title(textwrap.fill(one.title, TITLE_LETTERS))
