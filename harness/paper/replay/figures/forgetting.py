"""The figures of forgetting: what networks make of their target after each phase, and how errors grow."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.families import FAMILIES
from harness.record import Record
from harness.show.figures.labels import set_ticks, write_head
from harness.show.figures.series import INK, SPARE
from harness.show.figures.theme import LABEL_SIZE, figure_width, is_narrow, panel_grid, themed
from harness.tasks import Function, load_target, values

COURSE_HEIGHT, LINE_HEIGHT = 0.95, 0.21  # inches, of a row
VALUES = (-0.45, 1.45)  # that a panel shows
TARGET_POINTS = 1001
NAME_COLUMNS = 16  # letters of a line beside a row of panels
TARGET_COLOUR, SHADE = "#777777", "#F0F0F0"
# Arms are the rows here, so that colours are of no family.
KEPT_LOOKS: dict[str, dict[str, Any]] = {
    "right after each phase": {"marker": "o", "mfc": "white", "mec": SPARE[1], "color": SPARE[1]},
    "after the last phase": {"marker": "o", "mfc": SPARE[0], "mec": SPARE[0], "color": SPARE[0]},
    "all data at once": {"marker": "x", "mfc": "none", "mec": INK, "color": INK},
}


@themed
def courses_figure(rows: Sequence[tuple[str, Record]]) -> Figure:
    """A row a run of one variable in phases, a column a phase; names on the left. Artists' gids: `course:row:phase`."""
    phases = len(rows[0][1].phases or ())
    height = COURSE_HEIGHT * (0.7 if is_narrow() else 1)
    figure, panels = panel_grid(len(rows) * phases, phases, height, sharex=True, sharey=True)
    for place, axes in enumerate(panels):
        row, phase = divmod(place, phases)
        name, record = rows[row]
        _course(axes, record, phase, f"course:{row}:{phase}")
        if is_narrow():
            axes.tick_params(labelbottom=False, labelleft=False)
            if phase == 0:
                axes.set_title(name.split("\n")[0], fontsize=LABEL_SIZE, pad=2)
            continue
        if row == 0:
            axes.set_title(f"after phase {phase + 1}", loc="center")
        if phase == 0:
            lines = [textwrap.fill(part, NAME_COLUMNS) for part in name.split("\n")]
            axes.set_ylabel("\n".join(lines), rotation=0, ha="right", va="center", fontsize=LABEL_SIZE)
    return figure


def _course(axes: Axes, record: Record, phase: int, gid: str) -> None:
    assert record.phases
    ((low, high),) = record.run.task.box
    edges, x = np.linspace(low, high, len(record.phases) + 1), np.linspace(low, high, TARGET_POINTS)
    target = load_target(record.run.task.target, record.run.task.inputs)
    assert isinstance(target, Function)
    target_values = values(record.run.task.target, target, x[:, None])
    outputs, colour = record.phases[phase].outputs, FAMILIES[record.run.network.family].colour
    axes.axvspan(*edges[phase : phase + 2], color=SHADE, lw=0, zorder=0)
    axes.plot(x, target_values, color=TARGET_COLOUR, lw=0.6, zorder=1)
    axes.plot(np.linspace(low, high, len(outputs)), outputs, color=colour, lw=1.3, zorder=2, gid=gid)
    axes.set(ylim=VALUES, xlim=(low, high))


@themed
def errors_figure(errors: Mapping[str, tuple[Sequence[float], ...]], published: float) -> Figure:
    """A line an arm: its errors right after each phase, after the last one, and on all data at once, a value a seed."""
    figure, (axes,) = panel_grid(1, 1, LINE_HEIGHT * len(errors) + 0.7)
    figure.set_figwidth(figure_width(2))
    for place, of_arm in enumerate(errors.values()):
        for look, of_seeds in zip(KEPT_LOOKS.values(), of_arm, strict=True):
            _spread(axes, place, np.array(of_seeds), look)
        first, last = (np.median(of_arm[index]) for index in (0, 1))
        if np.isfinite([first, last]).all():
            axes.plot([first, last], [place, place], color="#BBBBBB", lw=0.8, zorder=1)
    dashed: dict[str, Any] = {"color": INK, "lw": 0.7, "ls": (0, (4, 2))}
    axes.axvline(published, zorder=0, **dashed)
    axes.set(xscale="log", xlabel="training RMSE", yticks=range(len(errors)), yticklabels=list(errors))
    axes.set_ylim(len(errors) - 0.4, -0.6)
    set_ticks(axes.xaxis)
    handles = [Line2D([], [], ls="none", ms=4, label=name, **look) for name, look in KEPT_LOOKS.items()]
    handles.append(Line2D([], [], label="published", **dashed))
    write_head(figure, handles, columns=4, place="outside lower left")
    return figure


def _spread(axes: Axes, place: int, values: np.ndarray, look: dict[str, Any]) -> None:
    """The median, and a bar from the best to the worst; infinite ones are not there."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    axes.hlines(place, finite.min(), finite.max(), color=look["color"], lw=1, alpha=0.6, zorder=2)
    if np.isfinite(middle := np.median(values)):
        axes.plot([middle], [place], ls="none", ms=4, mew=1, zorder=3, **look)
