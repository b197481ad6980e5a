"""What networks learn: the training points of each task of an experiment."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from harness.show.figures.labels import undrawn_note, write_head, write_note
from harness.show.figures.series import INK
from harness.show.figures.theme import panel_grid, side_by_side, themed
from harness.show.names import shortened
from harness.tasks import Samples

COLUMNS, MOST_TASKS = 3, 12
PANEL_HEIGHT = 2.0  # inches
TITLE_LETTERS = 27


@themed
def samples_figure(samples: Mapping[str, Samples]) -> Figure:
    """A panel for each task: targets over the first variable, in the colour of the second one where there are more."""
    shown, names = list(samples.items())[:MOST_TASKS], shortened(samples, TITLE_LETTERS)
    figure, panels = panel_grid(len(shown), side_by_side(min(COLUMNS, len(shown))), PANEL_HEIGHT)
    for axes, (task, points) in zip(panels, shown, strict=True):
        colour: dict[str, Any] = {"c": points.x[:, 1], "cmap": "viridis"} if points.x.shape[1] > 1 else {"color": INK}
        axes.scatter(points.x[:, 0], points.y[:, 0], s=3, lw=0, **colour)
        axes.set(title=names[task], xlabel=f"x1 of {points.x.shape[1]}", ylabel="target")
    write_head(figure, [], "What the networks learn: the training points of the first seed")
    coloured = ["Colour: the second variable."] if any(points.x.shape[1] > 1 for _, points in shown) else []
    write_note(figure, [*coloured, *undrawn_note(len(samples) - len(shown), "tasks", "the experiment file names all")])
    return figure
