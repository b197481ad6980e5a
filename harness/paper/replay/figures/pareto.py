"""The figure of a replayed table: Pareto frontiers, a small panel a function."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from harness.families import FAMILIES
from harness.show.figures.labels import drawn_keys, set_ticks, write_head, write_note
from harness.show.figures.series import INK
from harness.show.figures.theme import LABEL_SIZE, panel_grid, side_by_side, themed
from harness.tasks import TASKS, load_target

PANEL_HEIGHT = 1.4  # inches
COLUMNS, MANY_COLUMNS, MANY = 3, 5, 15  # panels a row, up to how many tasks, and of more
TITLE_LETTERS = {COLUMNS: 40, MANY_COLUMNS: 25, 1: 40}
APART_LOOK: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": LABEL_SIZE - 1, "style": "italic", "color": INK}
# Marks tell the families apart without colour, filling ours from theirs.
LOOKS: dict[tuple[str, str], dict[str, Any]] = {
    ("published", "kan"): {"color": INK, "marker": "o", "mfc": "white", "ms": 4, "ls": (0, (4, 1.5))},
    ("published", "mlp"): {"color": "#666666", "marker": "s", "mfc": "white", "ms": 3.6, "ls": (0, (1, 1.3))},
    ("ours", "kan"): {"color": FAMILIES["kan"].colour, "marker": "o", "ms": 3, "ls": "-"},
    ("ours", "mlp"): {"color": FAMILIES["mlp"].colour, "marker": "s", "ms": 2.7, "ls": "-"},
}


@themed
def pareto_figure(frontiers: pd.DataFrame, tasks: Sequence[str], x_words: str) -> Figure:
    """A panel a task, with a staircase for each of `who` (published or ours) and `family` (kan or mlp) in the rows.

    `frontiers` has a point a row, at `x` (parameters) and `y` (test RMSE).
    """
    columns = side_by_side(COLUMNS if len(tasks) <= MANY else MANY_COLUMNS)
    apart = 0
    figure, panels = panel_grid(len(tasks), columns, PANEL_HEIGHT, sharex=True)
    for axes, task in zip(panels, tasks, strict=True):
        axes.set(xscale="log", yscale="log")
        formula = load_target(task).formula if task in TASKS else task
        title = formula if len(formula) <= TITLE_LETTERS[columns] else task.replace("_", " ")
        axes.set_title(title, fontsize=LABEL_SIZE, pad=2)
        of_task = frontiers[frontiers["task"] == task]
        for (who, family), look in LOOKS.items():
            part = of_task[(of_task["who"] == who) & (of_task["family"] == family)]
            words: dict[str, Any] = {"label": f"{who}, {family.upper()}s", "gid": f"{who}:{family}"}
            if len(part):
                axes.plot(part["x"], part["y"], drawstyle="steps-post", lw=0.8, mew=0.8, **look, **words)
        if _have_no_size_in_common(of_task):
            apart += 1
            axes.text(0.98, 0.95, "no size\nin common", transform=axes.transAxes, gid="apart", **APART_LOOK)
    for axes in panels:
        set_ticks(axes.xaxis, is_small=True)
        set_ticks(axes.yaxis, is_small=True)
    for axes in panels[-columns:]:
        axes.tick_params(labelbottom=True)
    figure.supylabel("test RMSE", fontsize=LABEL_SIZE + 1)
    write_head(figure, drawn_keys(panels))
    notes = [f"Across: {x_words}."]
    if apart:
        panels_of = "1 panel" if apart == 1 else f"{apart} panels"
        notes.append(f"No size in common ({panels_of}): there neither family can be said to win.")
    write_note(figure, notes)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # which else takes seconds whenever the figure is saved
    return figure


def _have_no_size_in_common(frontiers: pd.DataFrame) -> bool:
    """Whether our KANs of a task are all larger than our MLPs, or all smaller: then no size compares the two."""
    ours = frontiers[frontiers["who"] == "ours"].groupby("family")["x"]
    least, most = ours.min(), ours.max()
    return len(least) == 2 and bool(least.max() > most.min())
