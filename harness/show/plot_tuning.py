"""The figures of a search: what more trials bring each side, and what they do to the ratio of two sides."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from harness.base.formats import human
from harness.comparison.tuning_curve import EffortRatio, TuningCurve
from harness.judging.tuning import SearchedSize
from harness.show.plot import (
    COLOURS,
    LABEL_SIZE,
    LINES,
    MARKS,
    THEME,
    Style,
    series_styles,
    set_ticks,
)
from harness.show.plot_residuals import empty_figure, write_figure, write_note
from harness.spec import axis_words

PANEL_HEIGHT, HEAD_HEIGHT = 2.0, 0.3  # inches
COLUMNS = 3
MOST_PANELS = 12
MOST_TICKS = 8
APART = 1.1  # factor between the confirmed values of two sides, which all belong at the number of all trials

Where = tuple[str, float | None]  # a task, and a size asked for on it
Ends = tuple[float, float, float]  # estimate, low and high


def draw_tuning(
    curves: Mapping[SearchedSize, TuningCurve],
    folder: Path,
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
    loss: str = "test loss",
) -> list[Path]:
    """Write `tuning_curves.png` and `.pdf` into `folder`; nothing where there are no curves."""
    return write_figure(tuning_figure(curves, confirmed, axis, loss), folder / "tuning_curves") if curves else []


def draw_effort(
    found: Mapping[Where, EffortRatio],
    first: str,
    second: str,
    folder: Path,
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
) -> list[Path]:
    """Write `tuning_ratio.png` and `.pdf` into `folder`; nothing where there are no ratios."""
    return write_figure(effort_figure(found, first, second, confirmed, axis), folder / "tuning_ratio") if found else []


def tuning_figure(
    curves: Mapping[SearchedSize, TuningCurve],
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
    loss: str = "test loss",
) -> Figure:
    """A panel a task and size, a line a side; artists carry a gid `kind:side`.

    `confirmed` has a row a task, arm and asked with estimate, low and high: the winner's loss on fresh seeds, drawn at
    the number of all trials. `axis` is what sizes count, and `loss` what test losses are called.
    """
    styles = series_styles(one.arm for one in curves)
    wheres = list(dict.fromkeys((one.task, one.asked) for one in curves))
    with matplotlib.rc_context(THEME):
        figure, panels = _panels(wheres)
        for (task, asked), axes in panels.items():
            own = {one.arm: curve for one, curve in curves.items() if (one.task, one.asked) == (task, asked)}
            points = [_confirmed(confirmed, task, asked, arm) for arm in own]
            for index, ((arm, curve), point) in enumerate(zip(own.items(), points, strict=True)):
                _draw_line(axes, arm, curve, np.ones(curve.k.size, bool), styles[arm])
                aside = APART ** (index - (len(own) - 1) / 2)
                _draw_confirmed(axes, arm, curve.trials * aside, point, True, styles[arm])
            _set_limits(axes, own.values(), points)
        _label(figure, panels, f"expected {loss}")
        look: dict[str, Any] = {"ms": 4.5, "lw": 1.3}
        handles = [
            figure.axes[0].plot([], [], ls=style.line, color=style.colour, marker=style.marker, **look)[0]
            for style in styles.values()
        ]
        figure.legend(handles, list(styles), loc="outside upper left", ncols=5, frameon=False, fontsize=LABEL_SIZE)
        level = f"{next(iter(curves.values())).level:.0%}"
        notes = [
            f"Lines: {loss} (geometric mean) to expect of the trial that validation picks among k of all trials, "
            f"picked on all seeds but one and read on that one. Bands: {level} intervals over seeds, for these "
            "trials, pointwise."
        ]
        notes += ["At the right: the winner of all trials on fresh seeds."] if confirmed is not None else []
        if any(np.isnan(curve.estimate).any() for curve in curves.values()):
            notes += ["A line is left out where more than a fifth of the picks failed."]
        write_note(figure, [*_size_words(panels, axis), *notes, *_undrawn(wheres)])
    return figure


def effort_figure(
    found: Mapping[Where, EffortRatio],
    first: str,
    second: str,
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
) -> Figure:
    """The ratio second / first by number of trials, as `ratios` gives it, a panel a task and size.

    `confirmed` has a row a task and asked with estimate, low and high of the ratio on fresh seeds. Marks are filled
    where the interval leaves out 1.
    """
    style = Style(COLOURS[0], *MARKS[0], LINES[0])
    with matplotlib.rc_context(THEME):
        figure, panels = _panels(list(found))
        for (task, asked), axes in panels.items():
            one, point = found[task, asked], _confirmed(confirmed, task, asked)
            _draw_line(axes, second, one, (one.low > 1) | (one.high < 1), style)
            _draw_confirmed(axes, second, one.trials, point, point is not None and not point[1] <= 1 <= point[2], style)
            _set_limits(axes, [one], [point, (1.0, 1.0, 1.0)])
            _show_sides(axes, first, second)
        _label(figure, panels, f"test loss of {second} / {first}")
        level = f"{next(iter(found.values())).level:.0%}"
        notes = [
            "Lines: ratio of the test losses to expect after k trials a side, picked on all seeds but one and read on "
            f"that one, paired by seed. Bands: {level} intervals over seeds, for these trials, pointwise; filled "
            "marks: 1 lies outside of them."
        ]
        notes += ["At the right: the winners of all trials on fresh seeds."] if confirmed is not None else []
        write_note(figure, [*_size_words(panels, axis), *notes, *_undrawn(list(found))])
    return figure


# ------------------------------------------------------------------------------------------------------------- panels
def _panels(wheres: Sequence[Where]) -> tuple[Figure, dict[Where, Axes]]:
    """A figure with an empty panel for each task and size; where a task has several sizes, each task starts a row."""
    shown = wheres[:MOST_PANELS]
    of_task: dict[str, list[Where]] = {}
    for where in shown:
        of_task.setdefault(where[0], []).append(where)
    groups = [shown] if len(of_task) == len(shown) else list(of_task.values())
    rows = [group[start : start + COLUMNS] for group in groups for start in range(0, len(group), COLUMNS)]
    columns = max(map(len, rows))
    figure = empty_figure(len(rows) * PANEL_HEIGHT + HEAD_HEIGHT, columns)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    panels = {
        where: axes for row, cells in zip(rows, grid, strict=True) for where, axes in zip(row, cells, strict=False)
    }
    for (task, asked), axes in panels.items():
        axes.set_visible(True)
        axes.set(xscale="log", yscale="log")
        axes.set_title(task if asked is None else f"{task}, {human(asked)}", loc="left", parse_math=False)
    return figure, panels


def _draw_line(axes: Axes, name: str, one: TuningCurve | EffortRatio, decided: np.ndarray, style: Style) -> None:
    """A band and a line over the numbers of trials, with marks at powers of two, open where nothing is decided."""
    colour = style.colour
    axes.fill_between(one.k, one.low, one.high, color=colour, alpha=0.13, lw=0, zorder=1, gid=f"band:{name}")
    axes.plot(one.k, one.estimate, ls=style.line, color=colour, lw=1.3, zorder=3, gid=f"line:{name}")
    marked = np.log2(one.k) % 1 == 0
    look: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 3.8, "mec": colour, "mew": 0.9, "zorder": 4}
    axes.plot(one.k[marked & decided], one.estimate[marked & decided], mfc=colour, gid=f"marks:{name}", **look)
    axes.plot(one.k[marked & ~decided], one.estimate[marked & ~decided], mfc="white", gid=f"open:{name}", **look)


def _confirmed(confirmed: pd.DataFrame | None, task: str, asked: float | None, arm: str | None = None) -> Ends | None:
    """What was confirmed there, if anything was."""
    if confirmed is None:
        return None
    here = confirmed["asked"].isna() if asked is None else confirmed["asked"] == asked
    here &= confirmed["task"] == task
    rows = confirmed[here if arm is None else here & (confirmed["arm"] == arm)]
    if rows.empty or not np.isfinite(rows["estimate"].iloc[0]):
        return None
    estimate, low, high = rows[["estimate", "low", "high"]].iloc[0].astype(float)
    return estimate, low, high


def _draw_confirmed(axes: Axes, name: str, at: float, point: Ends | None, decided: bool, style: Style) -> None:
    if point is None:
        return
    estimate, low, high = point
    axes.plot([at, at], [low, high], color=style.colour, lw=1.0, zorder=4, gid=f"interval:{name}")
    look: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 5, "mec": style.colour, "mew": 0.9, "zorder": 5}
    axes.plot(at, estimate, mfc=style.colour if decided else "white", gid=f"confirmed:{name}", **look)


def _set_limits(axes: Axes, lines: Collection[TuningCurve | EffortRatio], points: Iterable[Ends | None]) -> None:
    """All estimates, with intervals as far as they go within a factor of a few; powers of two below."""
    ends = [np.array([one.estimate, one.low, one.high]) for one in lines]
    ends += [np.array(point)[:, None] for point in points if point is not None]
    known = np.log(np.concatenate(ends, axis=1))
    known = known[:, np.isfinite(known[0])]
    if known.size:
        reach = 0.5 * max(float(np.ptp(known[0])), math.log(2))
        low = max(known[0].min() - reach, np.nanmin(known))
        high = min(known[0].max() + reach, np.nanmax(known))
        pad = 0.1 * max(high - low, math.log(2))
        axes.set_ylim(math.exp(low - pad), math.exp(high + pad))
        set_ticks(axes.yaxis, axes.get_ylim())
    last = max(one.trials for one in lines)
    powers = 2 ** np.arange(int(math.log2(last)) + 1)
    axes.set_xlim(0.85, last * 1.25 * APART ** (len(lines) / 2))
    axes.xaxis.set_major_locator(FixedLocator(powers[:: -math.ceil(powers.size / MOST_TICKS)].tolist()))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _show_sides(axes: Axes, first: str, second: str) -> None:
    """The line of equality, and where each side is better."""
    axes.axhspan(axes.get_ylim()[0], 1, color="0.94", lw=0, zorder=0)
    axes.axhline(1, color="0.2", lw=1.0, zorder=2)
    look: dict[str, Any] = {"transform": axes.transAxes, "fontsize": LABEL_SIZE, "weight": "bold", "color": "0.25"}
    look |= {"parse_math": False, "zorder": 6}
    axes.text(0.02, 0.985, f"▲ {first} better", ha="left", va="top", **look)
    axes.text(0.02, 0.015, f"▼ {second} better", ha="left", va="bottom", **look)


# -------------------------------------------------------------------------------------------------------------- words
def _label(figure: Figure, panels: Mapping[Where, Axes], loss: str) -> None:
    for axes in panels.values():
        place = axes.get_subplotspec()
        assert place is not None
        if place.is_first_col():
            axes.set_ylabel(loss, parse_math=False)
        axes.set_xlabel("trials k")
    sns.despine(figure)


def _size_words(panels: Iterable[Where], axis: str) -> list[str]:
    return [f"Panels: task, {axis_words(axis)}."] if any(asked is not None for _, asked in panels) else []


def _undrawn(wheres: Sequence[Where]) -> list[str]:
    more = len(wheres) - MOST_PANELS
    return [f"{more} more sizes are in the table alone."] if more > 0 else []
