"""Figures of sparse KANs: how many edges are active, and networks whose edges are as dark as they are active."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.show.figures.residuals import empty_figure, hide_rest
from harness.show.figures.scaling import LABEL_SIZE, THEME

ROW_HEIGHT, NETWORK_HEIGHT = 0.26, 1.5  # inches
OPACITY = 3.0  # the paper's beta: an edge is drawn with opacity tanh(beta |phi|)

Scores = Sequence[Sequence[Sequence[float]]]  # [layer][output][input]


def counts_figure(counts: pd.DataFrame, published: pd.Series) -> Figure:
    """A heat map: a row a setting, a column a seed, and the published numbers in a column of their own at the left."""
    table = counts.rename(columns=lambda seed: f"seed {seed}")
    table.insert(0, "published", published)
    with matplotlib.rc_context(THEME):
        figure = empty_figure(ROW_HEIGHT * (len(table) + 2), 1)
        axes = figure.subplots()
        text = table.map(lambda edges: "" if np.isnan(edges) else f"{edges:g}")
        sns.heatmap(
            table.astype(float),
            annot=text,
            fmt="",
            cmap="Blues",
            vmin=0,
            ax=axes,
            linewidths=1,
            cbar=False,
            annot_kws={"size": LABEL_SIZE},
        )
        axes.axvline(1, color="#222222", lw=0.8)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(length=0, labelrotation=0)
        axes.xaxis.tick_top()
    return figure


def networks_figure(networks: Sequence[tuple[str, Scores]]) -> Figure:
    """A panel a network, inputs below and the output above."""
    columns = min(4, len(networks))
    rows = -(-len(networks) // columns)
    with matplotlib.rc_context(THEME):
        figure = empty_figure(rows * NETWORK_HEIGHT, columns)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, (title, scores) in zip(grid.flat, networks, strict=False):
            _network(axes, scores)
            axes.set_title(title, loc="left", parse_math=False)
        hide_rest(grid, len(networks))
    return figure


def _network(axes: Axes, scores: Scores) -> None:
    sizes = [len(scores[0][0]), *(len(layer) for layer in scores)]
    places = [(np.arange(size) + 0.5) / size for size in sizes]
    for layer, rows in enumerate(scores):
        for output, row in enumerate(rows):
            for source, score in enumerate(row):
                ends = places[layer][source], places[layer + 1][output]
                axes.plot(ends, (layer, layer + 1), color="#222222", lw=1.2, alpha=float(np.tanh(OPACITY * score)))
    for layer, across in enumerate(places):
        axes.plot(across, np.full(len(across), layer), "o", ms=3, color="#222222")
    axes.set(xlim=(0, 1), ylim=(-0.15, len(scores) + 0.15))
    axes.axis("off")
