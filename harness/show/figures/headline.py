"""The answer as a figure: how many times lower a side's test loss is, with intervals, at equal size on each axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from harness.base.formats import human, scientific
from harness.comparison.replicates import Found
from harness.judging.versus import Headline, leader
from harness.show.figures.labels import (
    LETTERS_AN_INCH,
    TITLE_LINE_HEIGHT,
    in_title_lines,
    limits_around,
    tick_values,
    title_letters,
    write_head,
    write_note,
)
from harness.show.figures.series import Style
from harness.show.figures.theme import LABEL_SIZE, figure_width, panel_grid, side_by_side, themed, write_figure
from harness.show.names import shortened
from harness.show.words import LOSS_WORDS
from harness.spec import all_axes

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


def draw_headline(found: Headline, styles: Mapping[str, Style], folder: Path) -> list[Path]:
    """Write the figure as answer.png and answer.pdf; nothing where no ratio has a number."""
    figure = headline_figure(found, styles)
    return write_figure(figure, folder / "answer") if figure else []


@themed
def headline_figure(found: Headline, styles: Mapping[str, Style]) -> Figure | None:
    """A panel for each task with rows of axes and sizes; with many tasks, a panel for each axis with rows of tasks.

    A mark has the colour of the side that is ahead, and is hollow and grey where the interval holds equality. Artists
    carry a gid `ratio:leader`. None where no ratio has a number.
    """
    by_task = len(found.tasks) <= TASKS_WITH_ALL_SIZES
    panels = _task_panels(found) if by_task else _axis_panels(found)
    panels = {name: rows for name, rows in panels.items() if rows}
    if not panels:
        return None
    columns = min(side_by_side(TASK_COLUMNS if by_task else AXIS_COLUMNS), len(panels))
    every_row = list(itertools.chain.from_iterable(panels.values()))
    longest_label = max(len(row.label) for row in every_row)
    letters = title_letters(figure_width(columns) / columns - (longest_label + 2) / LETTERS_AN_INCH)
    names_of_tasks = shortened(found.tasks, letters)
    titles = [in_title_lines(_title(panel, names_of_tasks, found.formulas), letters) for panel in panels]
    height = 0.75 + ROW_HEIGHT * (max(map(len, panels.values())) + 1)
    height += TITLE_LINE_HEIGHT * max(title.count("\n") for title in titles)
    figure, axes = panel_grid(len(panels), columns, height)
    ticks = FEW_TICKS if columns > TASK_COLUMNS else MANY_TICKS
    labels = found.first.label, found.second.label
    names = labels if max(map(len, labels)) <= LONGEST_NAME else ("A", "B")
    for panel, title, rows in zip(axes, titles, panels.values(), strict=True):
        _draw(panel, rows, found, names, styles)
        _set_ratios(panel, every_row, ticks)  # the same on every panel, so that the eye compares them
        panel.set_title(title)
    loss = LOSS_WORDS[found.metric]
    write_head(figure, [], f"{names[0]} or {names[1]}: whose {loss} is lower, and how many times?")
    what = "replicates" if found.efforts else "seeds"
    over = f"{what}, and over all looks together" if found.looks else what
    notes = [f"Bars: {100 * found.level:.3g} % intervals over {over}. Hollow: undecided."]
    if names != labels:
        notes.append(f"A: {labels[0]}. B: {labels[1]}.")
    write_note(figure, notes)
    return figure


def _task_panels(found: Headline) -> dict[str, list[_Row]]:
    panels = {}
    for task in found.tasks:
        rows: list[_Row] = []
        for axis in [*found.columns, *([found.clock] if found.clock else [])]:
            readings = [found.reading(task, axis, place).ratio for place in found.places]
            known = [ratio for ratio in readings if ratio.estimate is not None]
            short = all_axes()[axis].short
            rows += [
                _Row(f"{human(ratio.at, 2)} {short}", ratio, 0.0 if index else 0.6) for index, ratio in enumerate(known)
            ]
        panels[task] = rows
    return panels


def _axis_panels(found: Headline) -> dict[str, list[_Row]]:
    """By the ratio, so that the eye finds who wins where; tasks beyond the room are left out, those in the middle."""
    panels, labels = {}, shortened(found.tasks, LETTERS)
    for axis in found.columns:
        ratios = {task: found.reading(task, axis, found.places[-1]).ratio for task in found.tasks}
        rows = [_Row(labels[task], ratio, 0.0) for task, ratio in ratios.items() if ratio.estimate is not None]
        rows.sort(key=lambda row: -(row.ratio.estimate or 0.0))
        panels[f"at equal {all_axes()[axis].short}"] = [
            *rows[: MOST_ROWS // 2],
            *rows[MOST_ROWS // 2 :][-MOST_ROWS // 2 :],
        ]
    return panels


def _title(panel: str, names: Mapping[str, str], formulas: Mapping[str, str]) -> str:
    """Of a task's panel its short name with its formula, of another panel what it is called."""
    if panel not in formulas:
        return panel
    return names[panel] if formulas[panel] == panel else f"{names[panel]}: {formulas[panel]}"


def _draw(
    axes: Axes, rows: Sequence[_Row], found: Headline, names: tuple[str, str], styles: Mapping[str, Style]
) -> None:
    """The rows of a panel; `names` are what the sides are called, the first one's to the right."""
    first, second = found.first.label, found.second.label
    heights = -np.cumsum([1.0 + row.gap for row in rows])
    for height, (_, ratio, _) in zip(heights, rows, strict=True):
        ahead = leader(ratio, first, second)
        colour = UNDECIDED if ahead is None else styles[ahead].colour
        assert ratio.estimate is not None
        low, high = ratio.low or math.nan, ratio.high or math.nan
        axes.plot([low, high], [height, height], color=colour, lw=1.4, solid_capstyle="butt", zorder=2)
        fill = "white" if ahead is None else colour
        marker = "o" if ahead is None else styles[ahead].marker
        look: dict[str, Any] = {"marker": marker, "ms": 5, "mfc": fill, "mec": colour, "ls": "", "zorder": 3}
        axes.plot([ratio.estimate], [height], gid=f"ratio:{ahead or 'undecided'}", **look)
    axes.axvline(1, color="0.2", lw=0.8, zorder=1)
    axes.set_ylim(heights[-1] - 0.7, heights[0] + 1.6)
    axes.set_yticks(heights, [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for label, text, side, shift in ((second, f"◀ {names[1]}", "right", -5), (first, f"{names[0]} ▶", "left", 5)):
        axes.annotate(
            text,
            (1, 1),
            (shift, 0),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha=side,
            va="top",
            weight="bold",
            fontsize=LABEL_SIZE,
            color=styles[label].text_colour,
        )
    axes.set_xlabel("times lower")


def _set_ratios(axes: Axes, rows: Sequence[_Row], ticks: int) -> None:
    """A logarithmic axis around the ratios of these rows, with the same round factors on both sides of 1."""
    estimates = np.array([row.ratio.estimate for row in rows], float)
    ends = np.array([*(row.ratio.low for row in rows), *(row.ratio.high for row in rows)], float)
    low, high = limits_around(np.concatenate([estimates, [0.2, 5.0]]), ends)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    factors = np.array(tick_values(1, max(high, 1 / low), few=ticks - 1, most=ticks))
    axes.xaxis.set_major_locator(FixedLocator(np.unique([1 / factors, factors]).tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(_times))
    axes.xaxis.set_minor_locator(LogLocator(subs=(1,), numticks=200))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _times(ratio: float, _: object) -> str:
    """How many times: a ratio below 1 is the other side's."""
    times = max(ratio, 1 / ratio)
    return f"{scientific(times, 1) if times >= 1e4 else human(times, 2)}×"
