"""Figures of sparse KANs: how many edges are active, and networks whose edges are as dark as they are active."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.families import FAMILIES
from harness.show.figures.labels import write_head, write_note
from harness.show.figures.series import INK
from harness.show.figures.theme import LABEL_SIZE, is_narrow, panel_grid, themed

ROW_HEIGHT, NETWORK_HEIGHT = 0.26, 1.5  # inches
OPACITY = 3.0  # the paper's beta: an edge is as dark as tanh(beta |phi|)
FAINTEST = 0.3  # the opacity of an edge that does nothing, which is a hair that survives a printer
GAP, DARKEST = 0.02, 0.6  # between cells, in widths of one; the opacity behind the largest number

Scores = Sequence[Sequence[Sequence[float]]]  # [layer][output][input]


@themed
def counts_figure(counts: pd.DataFrame, published: pd.Series) -> Figure:
    """A row a setting, a column a seed, and the published numbers in a column of their own at the left.

    The more edges are active, the darker; letters keep the colour of the page's.
    """
    table = counts.rename(columns=lambda seed: f"seed {seed}")
    table.insert(0, "published", published)
    figure, (axes,) = panel_grid(1, 1, ROW_HEIGHT * (len(table) + 2))
    for (row, column), edges in np.ndenumerate(table.to_numpy(float)):
        if np.isnan(edges):
            continue
        cell = (column + GAP, row + GAP)
        alpha = DARKEST * edges / np.nanmax(table.to_numpy(float))
        axes.add_patch(Rectangle(cell, 1 - 2 * GAP, 1 - 2 * GAP, fc=FAMILIES["kan"].colour, alpha=alpha, lw=0))
        axes.text(column + 0.5, row + 0.5, f"{edges:g}", ha="center", va="center", fontsize=LABEL_SIZE, color=INK)
    axes.axvline(1, color=INK, lw=0.8)
    axes.set(xlim=(0, table.shape[1]), ylim=(len(table), 0))
    axes.set_xticks(np.arange(table.shape[1]) + 0.5, labels=table.columns)
    axes.set_yticks(np.arange(len(table)) + 0.5, labels=table.index)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    write_head(figure, [], "Active edges, of 15: three would do")
    write_note(figure, ["Per range: the size of an edge is divided by the range of its knots."])
    return figure


@themed
def networks_figure(networks: Sequence[tuple[str, Scores]]) -> Figure:
    """A panel a network, inputs below and the output above."""
    figure, panels = panel_grid(len(networks), min(2 if is_narrow() else 4, len(networks)), NETWORK_HEIGHT)
    for axes, (title, scores) in zip(panels, networks, strict=True):
        _network(axes, scores)
        axes.set_title(title)
    return figure


def _network(axes: Axes, scores: Scores) -> None:
    sizes = [len(scores[0][0]), *(len(layer) for layer in scores)]
    places = [(np.arange(size) + 0.5) / size for size in sizes]
    for layer, rows in enumerate(scores):
        for (output, source), score in np.ndenumerate(np.array(rows)):
            ends = places[layer][source], places[layer + 1][output]
            activity = float(np.tanh(OPACITY * score))
            look: dict[str, Any] = {"lw": 0.4 + 1.1 * activity, "alpha": FAINTEST + (1 - FAINTEST) * activity}
            axes.plot(ends, (layer, layer + 1), color=INK, **look)
    for layer, across in enumerate(places):
        axes.plot(across, np.full(len(across), layer), "o", ms=3, color=INK)
    axes.set(xlim=(0, 1), ylim=(-0.15, len(scores) + 0.15))
    axes.axis("off")
