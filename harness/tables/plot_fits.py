"""The figures of a table of runs: losses against size with their laws, and the residuals of those laws."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from harness.files import whole_file
from harness.fit import Fit, predict, size_means
from harness.plot import (
    AXIS_WORDS,
    DPI,
    LABEL_SIZE,
    ROW_HEIGHT,
    THEME,
    WIDTH,
    Drawn,
    Panel,
    Style,
    _darker,
    _draw_held_out,
    _draw_law,
    _means,
    _place_labels,
    _set_ticks,
    _text,
    human,
    series_styles,
)
from harness.tables.fits import Answer, ArmFit, drawn_fit, drawn_law
from harness.tables.show_fits import exponent_words

OVERLAID = 4  # arms that can be told apart in one panel
PANELS = 12
MANY_SIZES = 40  # in a panel: marks of full size would be a band
COLUMNS = 3  # of small multiples
SMALL_HEIGHT = 2.1  # inches
LABEL_COLUMNS = 34
NOTE_COLUMNS = 118


class _One(NamedTuple):
    """An arm on a size, with the law that is drawn for it and its look."""

    arm: ArmFit
    fit: Fit
    style: Style


# ------------------------------------------------------------------------------------------------------------- public
def draw_fits(found: Answer, folder: Path) -> list[Path]:
    """Write `laws` and `residuals`, each as .png and .pdf, into `folder`; return their paths.

    There is no figure of residuals where every law was refused.
    """
    figures = {"laws": laws_figure(found), "residuals": residuals_figure(found)}
    paths = []
    for name, figure in figures.items():
        if figure is None:
            continue
        png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
        with matplotlib.rc_context(THEME), whole_file(png) as new_png, whole_file(pdf) as new_pdf:
            figure.savefig(new_png, dpi=DPI)
            figure.savefig(new_pdf, metadata={"CreationDate": None})
        paths += [png, pdf]
    return paths


def laws_figure(found: Answer) -> Figure:
    """A panel a column of sizes with all arms in it, or a panel an arm where there are too many to tell apart."""
    ones = _ones(found)
    is_overlaid = len({one.arm.arm for one in ones}) <= OVERLAID
    groups = [[one for one in ones if one.arm.x_name == x] for x in found.cells] if is_overlaid else [[o] for o in ones]
    shown = groups[:PANELS]
    columns = min(2 if is_overlaid else COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with matplotlib.rc_context(THEME):
        figure = _figure(rows * (ROW_HEIGHT if is_overlaid else SMALL_HEIGHT), columns)
        shares: Any = {"sharex": len(found.cells) == 1, "sharey": True}
        grid = figure.subplots(rows, columns, squeeze=False, **shares)
        panels = [_laws_panel(axes, group) for axes, group in zip(grid.flat, shown, strict=False)]
        _hide_rest(grid, len(shown))
        for row in grid:
            row[0].set_ylabel(found.request.columns.y)
        _set_limits(panels, shown)
        for index, (axes, group) in enumerate(zip(grid.flat, shown, strict=False)):
            is_lowest = index + columns >= len(shown)
            if is_lowest or len(found.cells) > 1:
                axes.set_xlabel(AXIS_WORDS.get(group[0].arm.x_name, group[0].arm.x_name))
                axes.tick_params(labelbottom=True)
            if not is_overlaid:
                axes.set_title(textwrap.shorten(group[0].arm.arm, 40), loc="left", parse_math=False)
        sns.despine(figure)
        _write_note(figure, [*_law_notes(found, shown), *_undrawn_note(len(groups) - len(shown), "panels")])
        _place_labels(figure, [panels[i : i + columns] for i in range(0, len(panels), columns)])
    return figure


def residuals_figure(found: Answer) -> Figure | None:
    """Two panels an arm: ln(loss/law) against the size and against the law's value; None if every law was refused.

    Runs are faint, means of sizes bold; the grey band is one standard deviation of the means about the law.
    """
    ones = _ones(found)
    fitted = [one for one in ones if not one.fit.refusals]
    if not fitted:
        return None
    shown = fitted[:PANELS]
    pairs = 1 if len(shown) <= OVERLAID else 2  # arms side by side
    rows = -(-len(shown) // pairs)
    with matplotlib.rc_context(THEME):
        figure = _figure(rows * SMALL_HEIGHT, 2 * pairs)
        grid = figure.subplots(rows, 2 * pairs, squeeze=False)
        for index, one in enumerate(shown):
            row, column = divmod(index, pairs)
            _residual_panels(grid[row, 2 * column], grid[row, 2 * column + 1], one, found.request.columns.y)
        _hide_rest(grid, 2 * len(shown))
        sns.despine(figure)
        refused = len(ones) - len(fitted)
        notes = [f"Refused laws have no residuals: {refused} not drawn."] if refused else []
        band = "Faint: runs. Bold: means of sizes. Grey band: ± one standard deviation of the means about the law."
        _write_note(figure, [band, *notes, *_undrawn_note(len(fitted) - len(shown), "arms")])
        figure.draw_without_rendering()
    return figure


# ------------------------------------------------------------------------------------------------------------- layout
def _ones(found: Answer) -> list[_One]:
    styles = series_styles(one.arm for one in found.fits)
    laws = {x: drawn_law(found.fits, x) for x in found.cells}
    drawable = [one for one in found.fits if one.x.size or one.failed_x.size]
    return [_One(one, drawn_fit(one, laws[one.x_name]), styles[one.arm]) for one in drawable]


def _figure(height: float, columns: int) -> Figure:
    width = WIDTH if columns > 1 else 0.65 * WIDTH
    figure = Figure(figsize=(width, height + 0.3), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _hide_rest(grid: np.ndarray, used: int) -> None:
    for axes in grid.flat[used:]:
        axes.set_visible(False)


def _write_note(figure: Figure, sentences: Sequence[str]) -> None:
    columns = int(NOTE_COLUMNS * figure.get_figwidth() / WIDTH)
    text = textwrap.fill(" ".join(sentences), columns)
    if text:
        figure.supxlabel(text, x=0.01, ha="left", fontsize=LABEL_SIZE, parse_math=False)


def _undrawn_note(count: int, what: str) -> list[str]:
    return [f"{count} more {what} are not drawn; all fits are in fits.json."] if count > 0 else []


def _set_limits(panels: Sequence[Panel], shown: Sequence[Sequence[_One]]) -> None:
    """Every panel shows all of its runs; panels that share an axis show the widest range of them."""
    for name in dict.fromkeys(group[0].arm.x_name for group in shown):
        ones = [one.arm for group in shown for one in group if one.arm.x_name == name]
        values = np.concatenate([sizes for arm in ones for sizes in (arm.x, arm.failed_x)])
        for panel, group in zip(panels, shown, strict=True):
            if group[0].arm.x_name == name:
                panel.axes.set_xlim(_padded(values, 0.06))
    losses = [one.arm.y for group in shown for one in group]
    laws = [np.asarray(line.get_ydata(), float) for panel in panels for one in panel.drawn for line in one.law]
    values = np.concatenate([*losses, *laws])
    panels[0].axes.set_ylim(_padded(values, 0.08))


def _padded(values: np.ndarray, share: float) -> tuple[float, float]:
    """Limits around positive `values`, with `share` of their log range on each side."""
    if not values.size:
        return 0.1, 10.0
    low, high = np.log(values.min()), np.log(values.max())
    pad = share * max(high - low, 0.1)
    return float(np.exp(low - pad)), float(np.exp(high + pad))


# --------------------------------------------------------------------------------------------------------------- laws
def _laws_panel(axes: Axes, group: Sequence[_One]) -> Panel:
    axes.set(xscale="log", yscale="log")
    return Panel(axes, [_draw_arm(axes, one, named=len(group) > 1 or one.arm.arm == "all") for one in group])


def _draw_arm(axes: Axes, one: _One, named: bool) -> Drawn:
    arm, fit, style = one.arm, one.fit, one.style
    dots: dict[str, Any] = {"marker": ".", "ms": 4, "mec": "none", "alpha": 0.45, "zorder": 2}
    points = axes.plot(arm.x, arm.y, ls="", color=style.colour, gid=f"runs:{arm.arm}", **dots)
    points += _means(axes, f"means:{arm.arm}", fit.points, style, style.colour)
    outside = size_means(arm.x[arm.parts.outside], arm.y[arm.parts.outside])
    if outside.sizes.size:
        points += _means(axes, f"outside:{arm.arm}", outside, style, "white")
    if arm.failed_x.size:
        cross: dict[str, Any] = {"marker": "x", "ms": 4, "transform": axes.get_xaxis_transform()}
        top = np.full(arm.failed_x.size, 0.97)
        points += axes.plot(arm.failed_x, top, ls="", color=style.colour, gid=f"failed:{arm.arm}", **cross)
    law = [] if fit.refusals else _draw_law(axes, arm.arm, fit, style)
    if arm.held_out:
        points += _draw_held_out(axes, arm.arm, fit, arm.held_out[fit.law], style)
    if fit.points.sizes.size > MANY_SIZES:
        _thin_out(points, law, style)
    words = [f"{arm.arm} {style.glyph}"] if named and arm.arm != "all" else []
    words.append(f"no fit: {exponent_words(fit)}" if fit.refusals else f"α = {exponent_words(fit)}")
    if fit.floor:
        words.append(f"above a floor E = {human(fit.floor, 2)}")
    if not fit.refusals and any(warning.code == "LOCAL_SLOPE" for warning in fit.warnings):
        words.append(f"local slope ({fit.decades:.2g} decades)")
    if arm.failed:
        words.append(f"{arm.failed} {'run' if arm.failed == 1 else 'runs'} failed (×)")
    lines = [textwrap.fill(line, LABEL_COLUMNS, subsequent_indent="  ") for line in words]
    return Drawn(_text(axes, arm.arm, "\n".join(lines), style), points, law)


def _thin_out(points: Sequence[Line2D], law: Sequence[Line2D], style: Style) -> None:
    """Marks that would run into each other become small and pale, and the law stands before them."""
    for mark in points:
        mark.set(markersize=2, markeredgewidth=0.4, alpha=0.4)
    for line in law:
        line.set(color=_darker(style.colour), zorder=5)


def _law_notes(found: Answer, shown: Sequence[Sequence[_One]]) -> list[str]:
    ones = [one for group in shown for one in group]
    laws = " and ".join(dict.fromkeys(one.fit.law for one in ones))
    notes = [f"α [{found.request.level:.0%} interval] of the {laws} law; shaded: the same interval of the law."]
    if any(one.arm.parts.outside.any() for one in ones):
        notes.append("Hollow: outside the fit window.")
    if any(one.arm.held_out for one in ones):
        notes.append("Half-filled: held out, not fitted, with the interval that the law predicts.")
    return notes


# ---------------------------------------------------------------------------------------------------------- residuals
def _residual_panels(against_size: Axes, against_law: Axes, one: _One, y_name: str) -> None:
    points, arm = one.fit.points, one.arm
    x, y = arm.x[arm.parts.fitted], arm.y[arm.parts.fitted]
    runs = np.log(y / predict(one.fit, x))
    laws = predict(one.fit, points.sizes)
    means = np.log(points.means / laws)
    assert one.fit.sigma is not None
    half = one.fit.sigma / np.sqrt(points.weights)  # of a size's mean: sizes are weighted by the noise of their seeds
    largest = 1.15 * max(np.abs(runs).max(), np.abs(means).max(), half.max(), np.finfo(float).eps)
    dots: dict[str, Any] = {"marker": ".", "ms": 4, "mec": "none", "alpha": 0.4, "zorder": 2}
    size = 2.0 if points.sizes.size > MANY_SIZES else 4.5
    bold: dict[str, Any] = {"marker": one.style.marker, "ms": size, "zorder": 4}
    panels = ((against_size, x, points.sizes, arm.x_name), (against_law, predict(one.fit, x), laws, f"law of {y_name}"))
    for axes, of_runs, of_means, name in panels:
        order = np.argsort(of_means)
        axes.fill_between(
            of_means[order], -half[order], half[order], color="0.9", lw=0, zorder=0, gid=f"sigma:{arm.arm}"
        )
        axes.axhline(0, color="0.3", lw=0.8, zorder=1, gid=f"zero:{arm.arm}")
        axes.plot(of_runs, runs, ls="", color=one.style.colour, gid=f"runs:{arm.arm}", **dots)
        axes.plot(of_means, means, ls="", color=one.style.colour, gid=f"means:{arm.arm}", **bold)
        axes.set_xscale("log")
        axes.set(xlim=_padded(of_means, 0.08), ylim=(-largest, largest), xlabel=AXIS_WORDS.get(name, name))
        _set_ticks(axes.xaxis, axes.get_xlim())
        _keep_powers(axes)
        axes.locator_params(axis="y", nbins=5)
    against_law.tick_params(labelleft=False)
    against_size.set_ylabel(f"ln({y_name} / law)")
    title = one.fit.law if arm.arm == "all" else f"{arm.arm}, {one.fit.law} law"
    against_size.set_title(textwrap.shorten(title, 40), loc="left", parse_math=False)


def _keep_powers(axes: Axes) -> None:
    """Ticks of a narrow panel: powers of ten alone where there are two of them."""
    low, high = np.log10(axes.get_xlim())
    powers = 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
    if powers.size >= 2:
        axes.xaxis.set_major_locator(FixedLocator(powers.tolist()))
