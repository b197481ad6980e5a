"""The functions on the edges of a KAN."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from harness.show.figures.labels import undrawn_note, write_head, write_note
from harness.show.figures.theme import panel_grid, side_by_side, themed

COLUMNS, MOST_PANELS = 4, 40
PANEL_HEIGHT = 1.5  # inches


class EdgeCurves(NamedTuple):
    """The edges that leave one node: their values y [outputs, n] at x [n]."""

    title: str
    x: np.ndarray
    y: np.ndarray


@themed
def edges_figure(curves: Sequence[EdgeCurves], title: str) -> Figure:
    """A panel for each node, a line for each edge that leaves it; artists carry a gid
    `edge:output`, counted from 1.
    """
    shown = curves[:MOST_PANELS]
    figure, panels = panel_grid(len(shown), side_by_side(min(COLUMNS, len(shown))), PANEL_HEIGHT)
    for axes, node in zip(panels, shown, strict=True):
        colours = colormaps["viridis"](np.linspace(0, 0.85, len(node.y)))
        for number, (y, colour) in enumerate(zip(node.y, colours, strict=True), start=1):
            axes.plot(node.x, y, color=colour, lw=1.1, gid=f"edge:{number}")
        axes.set_title(node.title)
    write_head(figure, [], f"{title}: the functions on its edges")
    notes = ["A line for each output node, the first one darkest."]
    write_note(
        figure, [*notes, *undrawn_note(len(curves) - len(shown), "nodes", "`edges` has all values")]
    )
    return figure
