"""Figures of sparse KANs: how many edges are active, and networks whose edges are as dark as they are active."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.show.figures.series import INK
from harness.show.figures.theme import LABEL_SIZE, panel_grid, themed

ROW_HEIGHT, NETWORK_HEIGHT = 0.26, 1.5  # inches
OPACITY = 3.0  # the paper's beta: an edge is drawn with opacity tanh(beta |phi|)

Scores = Sequence[Sequence[Sequence[float]]]  # [layer][output][input]


@themed
def counts_figure(counts: pd.DataFrame, published: pd.Series) -> Figure:
    """A heat map: a row a setting, a column a seed, and the published numbers in a column of their own at the left."""
    table = counts.rename(columns=lambda seed: f"seed {seed}")
    table.insert(0, "published", published)
    figure, (axes,) = panel_grid(1, 1, ROW_HEIGHT * (len(table) + 2))
    text = table.map(lambda edges: "" if np.isnan(edges) else f"{edges:g}")
    look: dict[str, Any] = {"cmap": "Blues", "vmin": 0, "linewidths": 1, "cbar": False}
    sns.heatmap(table.astype(float), annot=text, fmt="", ax=axes, annot_kws={"size": LABEL_SIZE}, **look)
    axes.axvline(1, color=INK, lw=0.8)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0, labelrotation=0)
    axes.xaxis.tick_top()
    return figure


@themed
def networks_figure(networks: Sequence[tuple[str, Scores]]) -> Figure:
    """A panel a network, inputs below and the output above."""
    figure, panels = panel_grid(len(networks), min(4, len(networks)), NETWORK_HEIGHT)
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
            axes.plot(ends, (layer, layer + 1), color=INK, lw=1.2, alpha=float(np.tanh(OPACITY * score)))
    for layer, across in enumerate(places):
        axes.plot(across, np.full(len(across), layer), "o", ms=3, color=INK)
    axes.set(xlim=(0, 1), ylim=(-0.15, len(scores) + 0.15))
    axes.axis("off")
