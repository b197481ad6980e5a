"""The figure of a replayed table: Pareto frontiers, a small panel a function."""

import itertools
from collections.abc import Sequence
from typing import Any

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from harness.show.figures.residuals import empty_figure, hide_rest
from harness.show.figures.scaling import COLOURS, LABEL_SIZE, THEME

PANEL_HEIGHT, FRAME_HEIGHT = 1.35, 0.7  # inches; the latter for the axis and the legend
COLUMNS, MANY = 3, 15  # panels a row, and up to how many tasks; more tasks have a column more
# Marks tell the families apart without colour, filling ours from theirs.
LOOKS: dict[tuple[str, str], dict[str, Any]] = {
    ("published", "kan"): {"color": "#222222", "marker": "o", "mfc": "white", "ms": 4, "ls": (0, (1, 1.3))},
    ("published", "mlp"): {"color": "#777777", "marker": "s", "mfc": "white", "ms": 3.6, "ls": (0, (1, 1.3))},
    ("ours", "kan"): {"color": COLOURS[0], "marker": "o", "ms": 3, "ls": "-"},
    ("ours", "mlp"): {"color": COLOURS[1], "marker": "s", "ms": 2.7, "ls": "-"},
}


def pareto_figure(frontiers: pd.DataFrame, tasks: Sequence[str], x_words: str) -> Figure:
    """A panel a task, with a staircase for each of `who` (published or ours) and `family` (kan or mlp) in the rows.

    `frontiers` has a point a row, at `x` (parameters) and `y` (test RMSE).
    """
    columns = min(len(tasks), COLUMNS + (len(tasks) > MANY))
    rows = -(-len(tasks) // columns)
    with matplotlib.rc_context(THEME):
        figure = empty_figure(rows * PANEL_HEIGHT + FRAME_HEIGHT, columns)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for axes, task in zip(grid.flat, tasks, strict=False):
            here = frontiers[frontiers["task"] == task]
            for (who, family), look in LOOKS.items():
                part = here[(here["who"] == who) & (here["family"] == family)]
                words = {"label": f"{who}, {family.upper()}s", "gid": f"{who}:{family}"}
                if len(part):
                    axes.plot(part["x"], part["y"], drawstyle="steps-post", lw=0.8, mew=0.8, **look, **words)
            axes.set(xscale="log", yscale="log")
            axes.set_title(task, loc="left", parse_math=False, fontsize=LABEL_SIZE, pad=2)
            axes.yaxis.set_major_locator(LogLocator(numticks=5))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_minor_formatter(NullFormatter())
        hide_rest(grid, len(tasks))
        for axes in grid.flat[max(0, len(tasks) - columns) : len(tasks)]:
            axes.tick_params(labelbottom=True)
        figure.supxlabel(x_words, fontsize=LABEL_SIZE + 1)
        figure.supylabel("test RMSE", fontsize=LABEL_SIZE + 1)
        drawn = itertools.chain.from_iterable(axes.get_legend_handles_labels()[0] for axes in grid.flat)
        handles = {handle.get_label(): handle for handle in drawn}
        figure.legend(
            handles=list(handles.values()), loc="outside upper left", ncols=4, frameon=False, fontsize=LABEL_SIZE
        )
        sns.despine(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # which else takes seconds whenever the figure is saved
    return figure
