"""The answer as a figure: how many times lower a side's test loss is, with intervals, at equal size on each axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from operator import methodcaller
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from harness.base.formats import human, scientific
from harness.comparison.replicates import Found
from harness.judging.versus import Headline, leader
from harness.show.figures import labels
from harness.show.figures.series import Style, draw_estimate
from harness.show.figures.theme import LABEL_SIZE, figure_width, panel_grid, side_by_side, themed
from harness.show.names import shortened
from harness.show.words import LOSS_WORDS
from harness.spec import all_axes

MORE_LINES = methodcaller("count", "\n")  # of a title
ROW_HEIGHT = 0.19  # inches
TASKS_WITH_ALL_SIZES = 4  # of more tasks, one row each, at the largest size
TASK_COLUMNS, AXIS_COLUMNS = 2, 3
MOST_ROWS = 30  # in a panel
UNDECIDED = "0.45"  # grey
FEW_TICKS, MANY_TICKS = 3, 4  # of a factor of 1 and what lies to one side of it, at most
LETTERS = 18  # of a task beside its row
LONGEST_NAME = 16  # of a side; two longer ones do not fit beside each other, and are called A and B


class _Row(NamedTuple):
    """A ratio with its interval; `gap` is left above it."""

    label: str
    ratio: Found
    gap: float


@themed
def headline_figure(found: Headline, styles: Mapping[str, Style]) -> Figure | None:
    """A panel for each task with rows of axes and sizes; with many tasks, a panel for each axis with rows of tasks.

    A mark has the colour of the side that is ahead, and is hollow and grey where the interval holds equality. Artists
    carry a gid `ratio:leader`. None where no ratio has a number.
    """
    by_task = len(found.tasks) <= TASKS_WITH_ALL_SIZES
    panels = _task_panels(found) if by_task else _axis_panels(found)
    every_row = list(itertools.chain.from_iterable(panels.values()))
    if not every_row:
        return None
    columns = min(side_by_side(TASK_COLUMNS if by_task else AXIS_COLUMNS), len(panels))
    longest_label = max(len(row.label) for row in every_row)
    label_width = (longest_label + 2) / labels.LETTERS_AN_INCH
    letters = labels.title_letters(figure_width(columns) / columns - label_width)
    short = shortened(found.tasks, letters)
    titles = []
    for panel in panels:  # of a task, which has a formula, or of an axis
        name, formula = short.get(panel, panel), found.formulas.get(panel, panel)
        titles.append(labels.in_title_lines(name if formula == panel else f"{name}: {formula}", letters))
    height = 0.75 + ROW_HEIGHT * (max(map(len, panels.values())) + 1)
    height += labels.TITLE_LINE_HEIGHT * max(map(MORE_LINES, titles))
    figure, axes = panel_grid(len(panels), columns, height)
    full_names = found.first.label, found.second.label
    names = full_names if max(map(len, full_names)) <= LONGEST_NAME else ("A", "B")
    for panel_axes, title, rows in zip(axes, titles, panels.values(), strict=True):
        _draw(panel_axes, rows, found, names, styles)
        # The same on every panel, so that the eye compares them.
        _set_ratios(panel_axes, every_row, FEW_TICKS if columns > TASK_COLUMNS else MANY_TICKS)
        panel_axes.set_title(title)
    loss = LOSS_WORDS[found.metric]
    labels.write_head(figure, [], f"{names[0]} or {names[1]}: whose {loss} is lower, and how many times?")
    what = "replicates" if found.efforts else "seeds"
    over = f"{what}, and over all looks together" if found.looks else what
    notes = [f"Bars: {100 * found.level:.3g} % intervals over {over}. Hollow: undecided."]
    if names != full_names:
        notes.append(f"A: {full_names[0]}. B: {full_names[1]}.")
    labels.write_note(figure, notes)
    return figure


def _task_panels(found: Headline) -> dict[str, list[_Row]]:
    panels: dict[str, list[_Row]] = {}
    for task, axis in itertools.product(found.tasks, filter(None, (*found.columns, found.clock))):
        gap = 0.6  # above the first row of an axis
        for place in found.places:
            ratio = found.reading(task, axis, place).ratio
            if ratio.estimate is not None:
                row = _Row(f"{human(ratio.at, 2)} {all_axes()[axis].short}", ratio, gap)
                panels.setdefault(task, []).append(row)
                gap = 0.0
    return panels


def _axis_panels(found: Headline) -> dict[str, list[_Row]]:
    """By the ratio, so that the eye finds who wins where; tasks beyond the room are left out, those in the middle."""
    panels, short = {}, shortened(found.tasks, LETTERS)
    for axis in found.columns:
        rows = []
        for task in found.tasks:
            ratio = found.reading(task, axis, found.places[-1]).ratio
            if ratio.estimate is not None:
                rows.append(_Row(short[task], ratio, 0.0))
        rows.sort(key=lambda row: -(row.ratio.estimate or 0.0))
        if rows:
            half = MOST_ROWS // 2
            panels[f"at equal {all_axes()[axis].short}"] = [*rows[:half], *rows[half:][-half:]]
    return panels


def _draw(
    axes: Axes, rows: Sequence[_Row], found: Headline, names: tuple[str, str], styles: Mapping[str, Style]
) -> None:
    """The rows of a panel; `names` are what the sides are called, the first one's to the right."""
    first, second = found.first.label, found.second.label
    names_of_rows, ratios, gaps = zip(*rows, strict=True)
    heights = -np.cumsum(1.0 + np.array(gaps))
    for height, ratio in zip(heights, ratios, strict=True):
        ahead = leader(ratio, first, second)
        colour = styles[ahead].colour if ahead else UNDECIDED
        look = {"marker": styles[ahead].marker if ahead else "o", "mfc": colour if ahead else "white"}
        ends = ratio.low or math.nan, ratio.estimate, ratio.high or math.nan
        draw_estimate(axes, height, ends, colour, gid=f"ratio:{ahead or 'undecided'}", **look)
    axes.axvline(1, color="0.2", lw=0.8, zorder=1)
    axes.set_ylim(heights[-1] - 0.7, heights[0] + 1.6)
    axes.set_yticks(heights, names_of_rows)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for label, text, side, shift in ((second, f"◀ {names[1]}", "right", -5), (first, f"{names[0]} ▶", "left", 5)):
        above, colour = axes.get_xaxis_transform(), styles[label].text_colour
        drawn = axes.annotate(text, (1, 1), (shift, 0), xycoords=above, textcoords="offset points", color=colour)
        drawn.set(weight="bold", fontsize=LABEL_SIZE, ha=side, va="top")
    axes.set_xlabel("times lower")


def _set_ratios(axes: Axes, rows: Sequence[_Row], ticks: int) -> None:
    """A logarithmic axis around the ratios of these rows, with the same round factors on both sides of 1."""
    ratios = np.array([(row.ratio.estimate, row.ratio.low, row.ratio.high) for row in rows], float)
    low, high = labels.limits_around(np.append(ratios[:, 0], [0.2, 5.0]), ratios[:, 1:].ravel())
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    factors = np.array(labels.tick_values(1, max(high, 1 / low), few=ticks - 1, most=ticks))
    axes.xaxis.set_major_locator(FixedLocator(np.unique([1 / factors, factors]).tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(_times))
    axes.xaxis.set_minor_locator(LogLocator(subs=(1,), numticks=200))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _times(ratio: float, _: object) -> str:
    """How many times: a ratio below 1 is the other side's."""
    times = max(ratio, 1 / ratio)
    return f"{scientific(times, 1) if times >= 1e4 else human(times, 2)}×"
