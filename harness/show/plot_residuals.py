"""The figure of residuals: how the runs lie about their laws, against size and against the law's value."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from harness.base.files import whole_file
from harness.fit import Fit, predict
from harness.judging.scaling import SeriesFit, chosen_runs, common_law, with_parts
from harness.show.plot import DPI, LABEL_SIZE, THEME, WIDTH, Style, series_styles, set_ticks
from harness.show.words import LOSS_WORDS
from harness.spec import axis_words

OVERLAID = 4  # that can be told apart in one panel
PANELS = 12
MANY_SIZES = 40  # in a panel: marks of full size would be a band
SMALL_HEIGHT = 2.1  # inches, of small multiples
NOTE_COLUMNS = 118


class Residuals(NamedTuple):
    """A law, the runs [n] it was fitted to, and how they are told and drawn."""

    name: str
    title: str
    fit: Fit
    x: np.ndarray
    y: np.ndarray
    style: Style
    x_label: str
    y_name: str


def draw_residuals(table: pd.DataFrame, fits: Sequence[SeriesFit], axis: str, folder: Path) -> list[Path]:
    """Write `residuals.png` and `residuals.pdf` of an experiment into `folder`; none where all laws were refused."""
    figure = experiment_residuals(table, fits, axis)
    return write_figure(figure, folder / "residuals") if figure else []


def experiment_residuals(table: pd.DataFrame, fits: Sequence[SeriesFit], axis: str) -> Figure | None:
    """The residuals of an experiment's laws on `axis`: of every task, the law that its figure shows."""
    runs = with_parts(chosen_runs(table[~table["of_budget"]], axis))
    runs = runs[runs["part"] == "fitted"]
    styles = series_styles(runs["series"])
    shown = []
    for (task, series), group in runs.groupby(["task", "series"], sort=False):
        law = common_law(fits, str(task), axis)
        (one,) = [one for one in fits if (one.task, one.series, one.axis, one.fit.law) == (task, series, axis, law)]
        x, y = group["size"].to_numpy(float), group["test_loss"].to_numpy(float)
        title = f"{task}, {series}, {law} law"
        style, loss = styles[str(series)], LOSS_WORDS[one.metric]
        shown.append(Residuals(f"{task}:{series}", title, one.fit, x, y, style, axis_words(axis), loss))
    return residuals_figure(shown)


def write_figure(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as `path`.png and `path`.pdf; the same numbers give the same files."""
    png, pdf = path.with_suffix(".png"), path.with_suffix(".pdf")
    with matplotlib.rc_context(THEME), whole_file(png) as new_png, whole_file(pdf) as new_pdf:
        figure.savefig(new_png, dpi=DPI)
        figure.savefig(new_pdf, metadata={"CreationDate": None})
    return [png, pdf]


def residuals_figure(items: Sequence[Residuals]) -> Figure | None:
    """Two panels a law: ln(loss/law) against the size and against the law's value; None if every law was refused.

    Runs are faint, means of sizes bold; the grey band is one standard deviation of the means about the law.
    """
    fitted = [one for one in items if not one.fit.refusals]
    if not fitted:
        return None
    shown = fitted[:PANELS]
    pairs = 1 if len(shown) <= OVERLAID else 2  # laws side by side
    rows = -(-len(shown) // pairs)
    with matplotlib.rc_context(THEME):
        figure = empty_figure(rows * SMALL_HEIGHT, 2 * pairs)
        grid = figure.subplots(rows, 2 * pairs, squeeze=False)
        for index, one in enumerate(shown):
            row, column = divmod(index, pairs)
            _two_panels(grid[row, 2 * column], grid[row, 2 * column + 1], one)
        hide_rest(grid, 2 * len(shown))
        sns.despine(figure)
        refused = len(items) - len(fitted)
        notes = [f"Refused laws have no residuals: {refused} not drawn."] if refused else []
        band = "Faint: runs. Bold: means of sizes. Grey band: ± one standard deviation of the means about the law."
        write_note(figure, [band, *notes, *undrawn_note(len(fitted) - len(shown), "laws")])
        figure.draw_without_rendering()
    return figure


def _two_panels(against_size: Axes, against_law: Axes, one: Residuals) -> None:
    points, x, name = one.fit.points, one.x, one.name
    runs = np.log(one.y / predict(one.fit, x))
    laws = predict(one.fit, points.sizes)
    means = np.log(points.means / laws)
    assert one.fit.sigma is not None
    half = one.fit.sigma / np.sqrt(points.weights)  # of a size's mean: sizes are weighted by the noise of their seeds
    largest = 1.15 * max(np.abs(runs).max(), np.abs(means).max(), half.max(), np.finfo(float).eps)
    dots: dict[str, Any] = {"marker": ".", "ms": 4, "mec": "none", "alpha": 0.4, "zorder": 2}
    size = 2.0 if points.sizes.size > MANY_SIZES else 4.5
    bold: dict[str, Any] = {"marker": one.style.marker, "ms": size, "zorder": 4}
    sides = (
        (against_size, x, points.sizes, one.x_label),
        (against_law, predict(one.fit, x), laws, f"law of {one.y_name}"),
    )
    for axes, of_runs, of_means, label in sides:
        order = np.argsort(of_means)
        axes.fill_between(of_means[order], -half[order], half[order], color="0.9", lw=0, zorder=0, gid=f"sigma:{name}")
        axes.axhline(0, color="0.3", lw=0.8, zorder=1, gid=f"zero:{name}")
        axes.plot(of_runs, runs, ls="", color=one.style.colour, gid=f"runs:{name}", **dots)
        axes.plot(of_means, means, ls="", color=one.style.colour, gid=f"means:{name}", **bold)
        axes.set_xscale("log")
        axes.set(xlim=padded(of_means, 0.08), ylim=(-largest, largest), xlabel=label)
        set_ticks(axes.xaxis, axes.get_xlim())
        _keep_powers(axes)
        axes.locator_params(axis="y", nbins=5)
    against_law.tick_params(labelleft=False)
    against_size.set_ylabel(f"ln({one.y_name} / law)")
    against_size.set_title(textwrap.shorten(one.title, 40), loc="left", parse_math=False)


def _keep_powers(axes: Axes) -> None:
    """Ticks of a narrow panel: powers of ten alone where there are two of them."""
    low, high = np.log10(axes.get_xlim())
    powers = 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
    if powers.size >= 2:
        axes.xaxis.set_major_locator(FixedLocator(powers.tolist()))


# ------------------------------------------------------------------------------------------------------------- layout
def empty_figure(height: float, columns: int) -> Figure:
    """A figure of two columns of a paper, or narrower where there is one panel a row; height in inches."""
    width = WIDTH if columns > 1 else 0.65 * WIDTH
    figure = Figure(figsize=(width, height + 0.3), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def hide_rest(grid: np.ndarray, used: int) -> None:
    """Leave the panels that are not used empty."""
    for axes in grid.flat[used:]:
        axes.set_visible(False)


def write_note(figure: Figure, sentences: Sequence[str]) -> None:
    """Write sentences below the panels."""
    columns = int(NOTE_COLUMNS * figure.get_figwidth() / WIDTH)
    text = textwrap.fill(" ".join(sentences), columns)
    if text:
        figure.supxlabel(text, x=0.01, ha="left", fontsize=LABEL_SIZE, parse_math=False)


def undrawn_note(count: int, what: str) -> list[str]:
    """A sentence on what is not drawn, if anything."""
    return [f"{count} more {what} are not drawn; all fits are in fits.json."] if count > 0 else []


def padded(values: np.ndarray, share: float) -> tuple[float, float]:
    """Limits around positive `values`, with `share` of their log range on each side."""
    if not values.size:
        return 0.1, 10.0
    low, high = np.log(values.min()), np.log(values.max())
    pad = share * max(high - low, 0.1)
    return float(np.exp(low - pad)), float(np.exp(high + pad))
