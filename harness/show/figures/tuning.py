"""The figures of a search: what more trials bring each side, and what they do to the ratio of two sides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from harness.base.formats import human
from harness.comparison.tuning_curve import DRAWS, EffortRatio, TuningCurve
from harness.judging.tuning import SearchedSize
from harness.show.figures.labels import key, limits_around, name_sides, set_ticks, write_head, write_note, y_words
from harness.show.figures.series import INK, LINES, MARKS, Style
from harness.show.figures.theme import panel_grid, side_by_side, themed, write_figure
from harness.show.names import shortened
from harness.spec import axis_words

PANEL_HEIGHT = 2.0  # inches
COLUMNS = 3
MOST_PANELS = 12
TASK_LETTERS = 20  # before a size
MOST_TICKS = 8
APART = 1.1  # factor between the confirmed values of two sides, which all belong at the number of all trials
RATIO_STYLE = Style(INK, MARKS[0], LINES[0])

TaskBudget = tuple[str, float | None]  # a task, and a size asked for on it
Ends = tuple[float, float, float]  # estimate, low and high


def draw_tuning(
    curves: Mapping[SearchedSize, TuningCurve],
    styles: Mapping[str, Style],
    folder: Path,
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
    loss: str = "test loss",
) -> list[Path]:
    """Write `tuning_curves.png` and `.pdf` into `folder`; nothing where there are no curves."""
    if not curves:
        return []
    return write_figure(tuning_figure(curves, styles, confirmed, axis, loss), folder / "tuning_curves")


def draw_effort(
    found: Mapping[TaskBudget, EffortRatio],
    sides: tuple[str, str],
    styles: Mapping[str, Style],
    folder: Path,
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
) -> list[Path]:
    """Write `tuning_ratio.png` and `.pdf` into `folder`; nothing where there are no ratios."""
    if not found:
        return []
    return write_figure(effort_figure(found, sides, styles, confirmed, axis), folder / "tuning_ratio")


@themed
def tuning_figure(
    curves: Mapping[SearchedSize, TuningCurve],
    styles: Mapping[str, Style],
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
    loss: str = "test loss",
) -> Figure:
    """A panel a task and size, a line a side; artists carry a gid `kind:side`.

    `confirmed` has a row a task, arm and asked with estimate, low and high: the winner's loss on fresh seeds, drawn at
    the number of all trials. `axis` is what sizes count, and `loss` what test losses are called.
    """
    wheres = list(dict.fromkeys((one.task, one.asked) for one in curves))
    figure, panels = _panels(wheres)
    for (task, asked), axes in panels.items():
        own = {one.arm: curve for one, curve in curves.items() if (one.task, one.asked) == (task, asked)}
        points = {arm: _confirmed(confirmed, task, asked, arm) for arm in own}
        for index, (arm, curve) in enumerate(own.items()):
            _draw_line(axes, arm, curve, np.ones(curve.k.size, bool), styles[arm])
            aside = APART ** (index - (len(own) - 1) / 2)
            _draw_confirmed(axes, arm, curve.trials * aside, points[arm], True, styles[arm])
        _set_limits(axes, own.values(), points.values())
    _label(figure, panels.values(), f"expected {loss}")
    write_head(figure, [key(arm, styles[arm]) for arm in dict.fromkeys(one.arm for one in curves)])
    level = f"{next(iter(curves.values())).level:.0%}"
    notes = [
        f"Lines: {loss} (geometric mean) to expect of the trial that validation picks among k of all trials, "
        f"picked on all seeds but one and read on that one. Bands: {level} intervals over seeds, for these "
        "trials, pointwise."
    ]
    notes += ["At the right: the winner of all trials on fresh seeds."] if confirmed is not None else []
    if any(np.isnan(curve.estimate).any() for curve in curves.values()):
        notes += ["A line is left out where more than a fifth of the picks failed."]
    write_note(figure, [*_size_words(panels, axis), *notes, *_undrawn(len(wheres) - len(panels))])
    return figure


@themed
def effort_figure(
    found: Mapping[TaskBudget, EffortRatio],
    sides: tuple[str, str],
    styles: Mapping[str, Style],
    confirmed: pd.DataFrame | None = None,
    axis: str = "params.trainable",
) -> Figure:
    """The ratio of the second side to the first by number of trials, as `ratios` gives it, a panel a task and size.

    `confirmed` has a row a task and asked with estimate, low and high of the ratio on fresh seeds. Marks are filled
    where the interval leaves out 1.
    """
    first, second = sides
    figure, panels = _panels(list(found))
    for (task, asked), axes in panels.items():
        one, point = found[task, asked], _confirmed(confirmed, task, asked)
        _draw_line(axes, second, one, (one.low > 1) | (one.high < 1), RATIO_STYLE)
        is_decided = point is not None and not point[1] <= 1 <= point[2]
        _draw_confirmed(axes, second, one.trials, point, is_decided, RATIO_STYLE)
        in_sight = [point, (1.0, 1.0, 1.0)]
        if np.isfinite([one.draws_low[-1], one.draws_high[-1]]).all():
            in_sight.append((one.estimate[-1], one.draws_low[-1], one.draws_high[-1]))
        for name, ends in (("low", one.draws_low), ("high", one.draws_high)):
            axes.plot(one.k, ends, ls=":", color=INK, lw=0.9, zorder=3, gid=f"draws:{name}")
        _set_limits(axes, [one], in_sight)
        name_sides(axes, sides, _better_words(one), styles)
    _label(figure, panels.values(), f"test loss of {second} / {first}")
    level = f"{next(iter(found.values())).level:.0%}"
    notes = [
        "Lines: ratio of the test losses to expect after k trials a side, picked on all seeds but one and read on "
        f"that one, paired by seed. Bands: {level} intervals over seeds, for these trials, pointwise; filled "
        "marks: 1 lies outside of them."
    ]
    if any(np.isfinite(one.first_ahead[-1]) for one in found.values()):
        notes += [
            f"Dotted: {DRAWS:.0%} of all draws of k trials a side lie between, read on all seeds. In brackets: in how "
            "many draws of half of the trials a side's pick is better."
        ]
    notes += ["At the right: the winners of all trials on fresh seeds."] if confirmed is not None else []
    write_note(figure, [*_size_words(panels, axis), *notes, *_undrawn(len(found) - len(panels))])
    return figure


def _better_words(one: EffortRatio) -> tuple[str, str]:
    """`better (80%)`: how often each side's pick is better, at the largest k."""
    ahead = one.first_ahead[-1]
    if np.isnan(ahead):
        return "better", "better"
    return f"better ({ahead:.0%})", f"better ({1 - ahead:.0%})"


# ------------------------------------------------------------------------------------------------------------- panels
def _panels(wheres: Sequence[TaskBudget]) -> tuple[Figure, dict[TaskBudget, Axes]]:
    """A figure with an empty panel for each task and size, ascending; of several sizes, each task starts a row.

    Where there is no room for all, each task has its largest sizes.
    """
    of_task: dict[str, list[TaskBudget]] = {}
    for where in sorted(wheres, key=lambda where: where[1] or 0):
        of_task.setdefault(where[0], []).append(where)
    tasks = list(dict.fromkeys(task for task, _ in wheres))
    names = shortened(tasks, TASK_LETTERS)
    most_each = MOST_PANELS if len(wheres) <= MOST_PANELS else max(1, MOST_PANELS // len(tasks))
    groups = [of_task[task][-most_each:] for task in tasks[:MOST_PANELS]]
    if all(len(group) == 1 for group in groups):
        groups = [list(itertools.chain(*groups))]
    columns = side_by_side(min(COLUMNS, max(map(len, groups))))
    places: list[TaskBudget | None] = []
    for group in groups:
        places += [*group, *[None] * (-len(group) % columns)]
    figure, grid = panel_grid(len(places), columns, PANEL_HEIGHT)
    panels = {}
    for axes, place in zip(grid, places, strict=True):
        if place is None:
            axes.set_visible(False)
            continue
        task, asked = place
        axes.set(xscale="log", yscale="log", title=names[task] if asked is None else f"{names[task]}, {human(asked)}")
        panels[place] = axes
    return figure, panels


def _draw_line(axes: Axes, name: str, one: TuningCurve | EffortRatio, decided: np.ndarray, style: Style) -> None:
    """A band and a line over the numbers of trials, with marks at powers of two, open where nothing is decided."""
    colour = style.colour
    axes.fill_between(one.k, one.low, one.high, color=colour, alpha=0.13, lw=0, zorder=1, gid=f"band:{name}")
    axes.plot(one.k, one.estimate, ls=style.line, color=colour, lw=1.3, zorder=3, gid=f"line:{name}")
    marked = np.log2(one.k) % 1 == 0
    look: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 3.8, "mec": colour, "mew": 0.9, "zorder": 4}
    for kind, fill, chosen in (("marks", colour, marked & decided), ("open", "white", marked & ~decided)):
        axes.plot(one.k[chosen], one.estimate[chosen], mfc=fill, gid=f"{kind}:{name}", **look)


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
    known = np.concatenate(ends, axis=1)
    known = known[:, np.isfinite(known[0])]
    if known.size:
        axes.set_ylim(limits_around(known[0], known[1:]))
        set_ticks(axes.yaxis)
    last = max(one.trials for one in lines)
    powers = 2 ** np.arange(int(math.log2(last)) + 1)
    axes.set_xlim(0.85, last * 1.25 * APART ** (len(lines) / 2))
    axes.xaxis.set_major_locator(FixedLocator(powers[:: -math.ceil(powers.size / MOST_TICKS)].tolist()))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())


# -------------------------------------------------------------------------------------------------------------- words
def _label(figure: Figure, panels: Iterable[Axes], y: str) -> None:
    """Name the y-axis once for all rows, as many of them are low, and the x-axis of every panel."""
    figure.supylabel(y_words(y), fontsize=matplotlib.rcParams["axes.labelsize"])
    for axes in panels:
        axes.set_xlabel("trials k")


def _size_words(panels: Iterable[TaskBudget], axis: str) -> list[str]:
    return [f"Panels: task, {axis_words(axis)}."] if any(asked is not None for _, asked in panels) else []


def _undrawn(more: int) -> list[str]:
    return [f"{more} more sizes are in the table alone."] if more > 0 else []
