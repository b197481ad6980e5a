"""The figure of a replayed table: Pareto frontiers, a small panel a function."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from harness.families import FAMILIES
from harness.show.figures.labels import drawn_keys, set_ticks, write_head
from harness.show.figures.series import INK
from harness.show.figures.theme import LABEL_SIZE, panel_grid, themed

PANEL_HEIGHT = 1.5  # inches
COLUMNS, MANY = 3, 15  # panels a row, and up to how many tasks; more tasks have a column more
# Marks tell the families apart without colour, filling ours from theirs.
LOOKS: dict[tuple[str, str], dict[str, Any]] = {
    ("published", "kan"): {"color": INK, "marker": "o", "mfc": "white", "ms": 4, "ls": (0, (1, 1.3))},
    ("published", "mlp"): {"color": "#777777", "marker": "s", "mfc": "white", "ms": 3.6, "ls": (0, (1, 1.3))},
    ("ours", "kan"): {"color": FAMILIES["kan"].colour, "marker": "o", "ms": 3, "ls": "-"},
    ("ours", "mlp"): {"color": FAMILIES["mlp"].colour, "marker": "s", "ms": 2.7, "ls": "-"},
}


@themed
def pareto_figure(frontiers: pd.DataFrame, tasks: Sequence[str], x_words: str) -> Figure:
    """A panel a task, with a staircase for each of `who` (published or ours) and `family` (kan or mlp) in the rows.

    `frontiers` has a point a row, at `x` (parameters) and `y` (test RMSE).
    """
    columns = min(len(tasks), COLUMNS + (len(tasks) > MANY))
    figure, panels = panel_grid(len(tasks), columns, PANEL_HEIGHT, sharex=True)
    for axes, task in zip(panels, tasks, strict=True):
        axes.set(xscale="log", yscale="log")
        axes.set_title(task, fontsize=LABEL_SIZE, pad=2)
        here = frontiers[frontiers["task"] == task]
        for (who, family), look in LOOKS.items():
            part = here[(here["who"] == who) & (here["family"] == family)]
            words: dict[str, Any] = {"label": f"{who}, {family.upper()}s", "gid": f"{who}:{family}"}
            if len(part):
                axes.plot(part["x"], part["y"], drawstyle="steps-post", lw=0.8, mew=0.8, **look, **words)
    for axes in panels:
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)
    for axes in panels[-columns:]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel(x_words, fontsize=LABEL_SIZE + 1)
    figure.supylabel("test RMSE", fontsize=LABEL_SIZE + 1)
    write_head(figure, drawn_keys(panels))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # which else takes seconds whenever the figure is saved
    return figure
