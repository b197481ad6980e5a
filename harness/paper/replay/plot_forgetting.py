"""The figures of forgetting: what networks make of their target after each phase, and how errors grow."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.record import Record
from harness.show.plot import COLOURS, LABEL_SIZE, THEME, set_ticks
from harness.show.plot_residuals import empty_figure
from harness.tasks import Function, load_target, values

COURSE_HEIGHT, LINE_HEIGHT = 0.95, 0.21  # inches, of a row
VALUES = (-0.45, 1.45)  # that a panel shows
TARGET_POINTS = 1001
NAME_COLUMNS = 16
TARGET_COLOUR, SHADE = "#777777", "#F0F0F0"


def courses_figure(rows: Sequence[tuple[str, Record]]) -> Figure:
    """A row a run of one variable in phases, a column a phase; names on the left. Artists' gids: `course:row:phase`."""
    phases = len(rows[0][1].phases or ())
    with matplotlib.rc_context(THEME):
        figure = empty_figure(COURSE_HEIGHT * len(rows), phases)
        grid = figure.subplots(len(rows), phases, squeeze=False, sharex=True, sharey=True)
        for row, (name, record) in enumerate(rows):
            for phase, axes in enumerate(grid[row]):
                _course(axes, record, phase, f"course:{row}:{phase}")
            lines = [textwrap.fill(part, NAME_COLUMNS) for part in name.split("\n")]
            grid[row, 0].set_ylabel("\n".join(lines), rotation=0, ha="right", va="center", fontsize=LABEL_SIZE)
        for phase, axes in enumerate(grid[0]):
            axes.set_title(f"after phase {phase + 1}")
        sns.despine(figure)
    return figure


def _course(axes: Axes, record: Record, phase: int, gid: str) -> None:
    assert record.phases
    ((low, high),) = record.run.task.box
    edges, x = np.linspace(low, high, len(record.phases) + 1), np.linspace(low, high, TARGET_POINTS)
    target = load_target(record.run.task.target, record.run.task.inputs)
    assert isinstance(target, Function)
    wanted = values(record.run.task.target, target, x[:, None])
    outputs = record.phases[phase].outputs
    axes.axvspan(*edges[phase : phase + 2], color=SHADE, lw=0, zorder=0)
    axes.plot(x, wanted, color=TARGET_COLOUR, lw=0.6, zorder=1)
    axes.plot(np.linspace(low, high, len(outputs)), outputs, color=COLOURS[1], lw=1.3, zorder=2, gid=gid)
    axes.set(ylim=VALUES, xlim=(low, high))


def errors_figure(errors: Mapping[str, tuple[Sequence[float], ...]], published: float) -> Figure:
    """A line an arm: its errors right after each phase, after the last one, and on all data at once, a value a seed."""
    with matplotlib.rc_context(THEME):
        figure = empty_figure(LINE_HEIGHT * len(errors) + 0.7, 2)
        axes = figure.subplots()
        looks: tuple[dict[str, Any], ...] = (
            {"marker": "o", "mfc": "white", "mec": COLOURS[0], "color": COLOURS[0]},
            {"marker": "o", "mfc": COLOURS[1], "mec": COLOURS[1], "color": COLOURS[1]},
            {"marker": "x", "mfc": "none", "mec": COLOURS[4], "color": COLOURS[4]},
        )
        for place, of_arm in enumerate(errors.values()):
            for look, values in zip(looks, of_arm, strict=True):
                _spread(axes, place, np.array(values), look)
            first, last = (np.median(of_arm[index]) for index in (0, 1))
            if np.isfinite([first, last]).all():
                axes.plot([first, last], [place, place], color="#BBBBBB", lw=0.8, zorder=1)
        axes.axvline(published, color="#222222", lw=0.7, ls=(0, (4, 2)), zorder=0)
        axes.set(xscale="log", xlabel="training RMSE", yticks=range(len(errors)), yticklabels=list(errors))
        axes.set_ylim(len(errors) - 0.4, -0.6)
        set_ticks(axes.xaxis, axes.get_xlim())
        names = ("right after each phase", "after the last phase", "all data at once")
        handles = [Line2D([], [], ls="none", ms=4, label=name, **look) for name, look in zip(names, looks, strict=True)]
        handles.append(Line2D([], [], color="#222222", lw=0.7, ls=(0, (4, 2)), label="published"))
        figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=LABEL_SIZE)
        sns.despine(figure)
    return figure


def _spread(axes: Axes, place: int, values: np.ndarray, look: dict[str, Any]) -> None:
    """The median, and a bar from the best to the worst; infinite ones are not there."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    axes.hlines(place, finite.min(), finite.max(), color=look["color"], lw=1, alpha=0.6, zorder=2)
    if np.isfinite(middle := np.median(values)):
        axes.plot([middle], [place], ls="none", ms=4, mew=1, zorder=3, **look)
