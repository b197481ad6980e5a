"""The figures of a table of runs: losses against size with their laws, and the residuals of those laws."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.comparison.tables.fits import ArmFit, RequestedFits, drawn_law
from harness.fit import Fit, size_means
from harness.show.plot import (
    ROW_HEIGHT,
    THEME,
    Drawn,
    Panel,
    Style,
    darker,
    draw_held_out,
    draw_law,
    draw_means,
    place_labels,
    series_styles,
    series_text,
)
from harness.show.plot_residuals import (
    MANY_SIZES,
    OVERLAID,
    PANELS,
    SMALL_HEIGHT,
    Residuals,
    empty_figure,
    hide_rest,
    padded,
    residuals_figure,
    undrawn_note,
    write_figure,
    write_note,
)
from harness.show.words import exponent_words
from harness.spec import axis_words

COLUMNS = 3  # of small multiples
LABEL_COLUMNS = 34


class _One(NamedTuple):
    """An arm on a size, with the law that is drawn for it and its look."""

    arm: ArmFit
    fit: Fit
    style: Style


# ------------------------------------------------------------------------------------------------------------- public
def draw_fits(found: RequestedFits, folder: Path) -> list[Path]:
    """Write `laws` and `residuals`, each as .png and .pdf, into `folder`; return their paths.

    There is no figure of residuals where every law was refused.
    """
    figures = {"laws": laws_figure(found), "residuals": residuals_of(found)}
    return [path for name, figure in figures.items() if figure for path in write_figure(figure, folder / name)]


def laws_figure(found: RequestedFits) -> Figure:
    """A panel a column of sizes with all arms in it, or a panel an arm where there are too many to tell apart."""
    ones = _ones(found)
    is_overlaid = len({one.arm.arm for one in ones}) <= OVERLAID
    groups = [[one for one in ones if one.arm.x_name == x] for x in found.cells] if is_overlaid else [[o] for o in ones]
    shown = groups[:PANELS]
    columns = min(2 if is_overlaid else COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with matplotlib.rc_context(THEME):
        figure = empty_figure(rows * (ROW_HEIGHT if is_overlaid else SMALL_HEIGHT), columns)
        shares: Any = {"sharex": len(found.cells) == 1, "sharey": True}
        grid = figure.subplots(rows, columns, squeeze=False, **shares)
        panels = [_laws_panel(axes, group) for axes, group in zip(grid.flat, shown, strict=False)]
        hide_rest(grid, len(shown))
        for row in grid:
            row[0].set_ylabel(found.request.columns.y)
        _set_limits(panels, shown)
        for index, (axes, group) in enumerate(zip(grid.flat, shown, strict=False)):
            is_lowest = index + columns >= len(shown)
            if is_lowest or len(found.cells) > 1:
                axes.set_xlabel(axis_words(group[0].arm.x_name))
                axes.tick_params(labelbottom=True)
            if not is_overlaid:
                axes.set_title(textwrap.shorten(group[0].arm.arm, 40), loc="left", parse_math=False)
        sns.despine(figure)
        write_note(figure, [*_law_notes(found, shown), *undrawn_note(len(groups) - len(shown), "panels")])
        place_labels(figure, [panels[i : i + columns] for i in range(0, len(panels), columns)])
    return figure


def residuals_of(found: RequestedFits) -> Figure | None:
    """The residuals of the drawn law of every arm; None if every law was refused."""
    ones = _ones(found)
    shown = [
        Residuals(
            name=one.arm.arm,
            title=one.fit.law if one.arm.arm == "all" else f"{one.arm.arm}, {one.fit.law} law",
            fit=one.fit,
            x=one.arm.x[one.arm.parts.fitted],
            y=one.arm.y[one.arm.parts.fitted],
            style=one.style,
            x_label=axis_words(one.arm.x_name),
            y_name=found.request.columns.y,
        )
        for one in ones
    ]
    return residuals_figure(shown)


# ------------------------------------------------------------------------------------------------------------- layout
def _ones(found: RequestedFits) -> list[_One]:
    styles = series_styles(one.arm for one in found.fits)
    laws = {x: drawn_law(found.fits, x) for x in found.cells}
    drawable = [one for one in found.fits if one.x.size or one.failed_x.size]
    return [_One(one, one.fits[laws[one.x_name]], styles[one.arm]) for one in drawable]


def _set_limits(panels: Sequence[Panel], shown: Sequence[Sequence[_One]]) -> None:
    """Every panel shows all of its runs; panels that share an axis show the widest range of them."""
    for name in dict.fromkeys(group[0].arm.x_name for group in shown):
        ones = [one.arm for group in shown for one in group if one.arm.x_name == name]
        values = np.concatenate([sizes for arm in ones for sizes in (arm.x, arm.failed_x)])
        for panel, group in zip(panels, shown, strict=True):
            if group[0].arm.x_name == name:
                panel.axes.set_xlim(padded(values, 0.06))
    losses = [one.arm.y for group in shown for one in group]
    laws = [np.asarray(line.get_ydata(), float) for panel in panels for one in panel.drawn for line in one.law]
    values = np.concatenate([*losses, *laws])
    panels[0].axes.set_ylim(padded(values, 0.08))


# --------------------------------------------------------------------------------------------------------------- laws
def _laws_panel(axes: Axes, group: Sequence[_One]) -> Panel:
    axes.set(xscale="log", yscale="log")
    return Panel(axes, [_draw_arm(axes, one, named=len(group) > 1 or one.arm.arm == "all") for one in group])


def _draw_arm(axes: Axes, one: _One, named: bool) -> Drawn:
    arm, fit, style = one.arm, one.fit, one.style
    dots: dict[str, Any] = {"marker": ".", "ms": 4, "mec": "none", "alpha": 0.45, "zorder": 2}
    points = axes.plot(arm.x, arm.y, ls="", color=style.colour, gid=f"runs:{arm.arm}", **dots)
    points += draw_means(axes, f"means:{arm.arm}", fit.points, style, style.colour)
    outside = size_means(arm.x[arm.parts.outside], arm.y[arm.parts.outside])
    if outside.sizes.size:
        points += draw_means(axes, f"outside:{arm.arm}", outside, style, "white")
    if arm.failed_x.size:
        cross: dict[str, Any] = {"marker": "x", "ms": 4, "transform": axes.get_xaxis_transform()}
        top = np.full(arm.failed_x.size, 0.97)
        points += axes.plot(arm.failed_x, top, ls="", color=style.colour, gid=f"failed:{arm.arm}", **cross)
    law = [] if fit.refusals else draw_law(axes, arm.arm, fit, style)
    if arm.held_out:
        points += draw_held_out(axes, arm.arm, fit, arm.held_out[fit.law], style)
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
    return Drawn(series_text(axes, arm.arm, "\n".join(lines), style), points, law)


def _thin_out(points: Sequence[Line2D], law: Sequence[Line2D], style: Style) -> None:
    """Marks that would run into each other become small and pale, and the law stands before them."""
    for mark in points:
        mark.set(markersize=2, markeredgewidth=0.4, alpha=0.4)
    for line in law:
        line.set(color=darker(style.colour), zorder=5)


def _law_notes(found: RequestedFits, shown: Sequence[Sequence[_One]]) -> list[str]:
    ones = [one for group in shown for one in group]
    laws = " and ".join(dict.fromkeys(one.fit.law for one in ones))
    notes = [f"α [{found.request.level:.0%} interval] of the {laws} law; shaded: the same interval of the law."]
    if any(one.arm.parts.outside.any() for one in ones):
        notes.append("Hollow: outside the fit window.")
    if any(one.arm.held_out for one in ones):
        notes.append("Half-filled: held out, not fitted, with the interval that the law predicts.")
    return notes
