"""The figure of two arms of an experiment: who is better at equal size, by how much, and by whose count of size."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.judging.versus import RatioLine, VersusRequest
from harness.show.plot import DPI, LABEL_SIZE, THEME, WIDTH, Style, darker, series_styles, set_ticks
from harness.show.plot_residuals import hide_rest, write_figure, write_note
from harness.spec import all_axes, axis_words

PANEL_HEIGHT, HEAD_HEIGHT = 2.5, 0.75  # inches
COLUMNS = 3
MOST_PANELS = 12


def draw_versus(asked: VersusRequest, curves: Sequence[RatioLine], stem: Path) -> list[Path]:
    """Write the figure as `<stem>.png` and `.pdf`; nothing where no size can be compared."""
    figure = versus_figure(asked, curves)
    return write_figure(figure, stem) if figure else []


def versus_figure(asked: VersusRequest, curves: Sequence[RatioLine]) -> Figure | None:
    """A panel a task, a line a convention; artists carry a gid `kind:convention`. None where there is no line.

    Marks are A's sizes, filled where the interval leaves out equality.
    """
    tasks = list(dict.fromkeys(line.task for line in curves))
    if not tasks:
        return None
    shown = tasks[:MOST_PANELS]
    styles = series_styles(dict.fromkeys(line.convention for line in curves))
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with matplotlib.rc_context(THEME):
        width = WIDTH if columns > 1 else 0.65 * WIDTH
        figure = Figure(figsize=(width, rows * PANEL_HEIGHT + HEAD_HEIGHT), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, (axes, task) in enumerate(zip(grid.flat, shown, strict=False)):
            own = [line for line in curves if line.task == task]
            _panel(axes, asked, own, styles, task if len(tasks) > 1 else "")
            if index % columns == 0:
                axes.set_ylabel(f"test loss of {asked.second} / {asked.first}", parse_math=False)
            if index + columns >= len(shown):
                axes.set_xlabel(textwrap.fill(f"{asked.first}: {axis_words(asked.axis)}", 34), parse_math=False)
        hide_rest(grid, len(shown))
        sns.despine(figure)
        _head(figure, asked, styles)
        write_note(figure, _notes(asked, len(tasks) - len(shown)))
    return figure


def _panel(axes: Axes, asked: VersusRequest, own: Sequence[RatioLine], styles: dict[str, Style], title: str) -> None:
    axes.set(xscale="log", yscale="log")
    for line in own:
        _draw(axes, line, styles[line.convention])
    _set_limits(axes, own)
    axes.axhspan(axes.get_ylim()[0], 1, color="0.94", lw=0, zorder=0)
    axes.axhline(1, color="0.2", lw=1.0, zorder=2)
    if asked.at is not None:
        axes.axvline(asked.at, color="0.4", lw=0.8, ls=(0, (2, 2)), zorder=1, gid="budget")
    look: dict[str, Any] = {"transform": axes.transAxes, "fontsize": LABEL_SIZE, "weight": "bold", "color": "0.25"}
    look |= {"parse_math": False, "zorder": 6}
    axes.text(0.02, 0.985, f"▲ {asked.first} better", ha="left", va="top", **look)
    axes.text(0.02, 0.015, f"▼ {asked.second} better", ha="left", va="bottom", **look)
    if title:
        axes.set_title(textwrap.shorten(title, 40), loc="left", parse_math=False)


def _draw(axes: Axes, line: RatioLine, style: Style) -> None:
    colour, edge = style.colour, darker(style.colour)
    axes.fill_between(
        line.x, line.low, line.high, color=colour, alpha=0.14, lw=0, zorder=1, gid=f"band:{line.convention}"
    )
    axes.plot(line.x, line.ratio, ls=style.line, color=colour, lw=1.3, zorder=3, gid=f"ratio:{line.convention}")
    decided = (line.low > 1) | (line.high < 1)
    mark: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 4.2, "mec": edge, "mew": 0.8, "zorder": 4}
    axes.plot(line.x[decided], line.ratio[decided], mfc=colour, gid=f"decided:{line.convention}", **mark)
    axes.plot(line.x[~decided], line.ratio[~decided], mfc="white", gid=f"open:{line.convention}", **mark)


def _set_limits(axes: Axes, own: Sequence[RatioLine]) -> None:
    """All ratios and 1, with the bands as far as they go within a factor of a few; ticks at round numbers."""
    ratios = np.log(np.concatenate([line.ratio for line in own] + [np.array([0.5, 2.0])]))
    reach = 0.35 * max(float(np.ptp(ratios)), np.log(4))
    ends = np.log(np.concatenate([end for line in own for end in (line.low, line.high)]))
    low = max(ratios.min() - reach, min(ends.min(), ratios.min()))
    high = min(ratios.max() + reach, max(ends.max(), ratios.max()))
    pad = 0.12 * (high - low)
    axes.set_ylim(float(np.exp(low - pad)), float(np.exp(high + pad)))
    sizes = np.log(np.concatenate([line.x for line in own]))
    side = 0.06 * max(float(np.ptp(sizes)), 0.1)
    axes.set_xlim(float(np.exp(sizes.min() - side)), float(np.exp(sizes.max() + side)))
    set_ticks(axes.xaxis, axes.get_xlim())
    set_ticks(axes.yaxis, axes.get_ylim())


def _head(figure: Figure, asked: VersusRequest, styles: dict[str, Style]) -> None:
    """The question, and below it which line is which convention."""
    title = f"{asked.first} or {asked.second}: which is better where both are equal in …"
    handles = [
        figure.axes[0].plot([], [], ls=one.line, color=one.colour, marker=one.marker, ms=4.2, lw=1.3)[0]
        for one in styles.values()
    ]
    known = all_axes()
    names = [known[name].short for name in styles]
    columns = 2 if figure.get_figwidth() < WIDTH else 4
    figure.suptitle(title + "\n" + "\n" * -(-len(names) // columns), x=0.01, ha="left", fontsize=9, weight="bold")
    figure.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(0.0, 1 - 0.22 / figure.get_figheight()),
        ncols=columns,
        frameon=False,
        fontsize=LABEL_SIZE,
    ).set_in_layout(False)


def _notes(asked: VersusRequest, undrawn: int) -> list[str]:
    notes = [
        f"{asked.second} is read between its sizes at the one that is equal to {asked.first}'s in each count. Bands: "
        f"{asked.level:.0%} intervals over seeds, pointwise; filled marks: equality lies outside of them. "
        f"Lines end where {asked.second} has no network that large."
    ]
    notes += [
        f"{side.label}: the best of {', '.join(side.names)} at each budget, as validation on the other seeds chooses."
        for side in asked.sides
        if len(side.names) > 1
    ]
    return notes + ([f"{undrawn} more tasks are in the JSON."] if undrawn > 0 else [])
