"""The figure of more series than lines can tell apart: a row a series, the best above, its sizes as marks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.laws import size_means
from harness.show.figures import labels
from harness.show.figures.series import INK, Style
from harness.show.figures.theme import (
    LABEL_SIZE,
    MOST_HEIGHT,
    figure_width,
    is_narrow,
    panel_grid,
    side_by_side,
    themed,
)
from harness.show.words import LOSS_WORDS, loss_words
from harness.spec import axis_words
from harness.spec.manifest import BEST_OF

ROW_HEIGHT, LEAST_ROW_HEIGHT = 0.145, 0.12  # inches, of a series; the least where else a task would be left out
AROUND = 0.62  # inches, of a panel's title and axis
HEAD_AND_NOTE = 0.9  # inches
ROUNDING = 1e-6  # of rows that are made to fit exactly
COLUMNS = 3  # two, where a long name leaves its panel less room
LONG_NAME = 16  # letters
MARK_SIZES = {"smallest size": 2.4, "middle size": 3.8, "largest size": 5.4}  # points


@themed
def ranking_figure(runs: pd.DataFrame, axis: str, titles: Mapping[str, str], styles: Mapping[str, Style]) -> Figure:
    """A panel a task; in each, series by their loss at their largest size on `axis`. Gids are `kind:series`.

    `runs` have their `size` there; `titles` are of every task. A series without a run that ended at its largest size is
    last.
    """
    most = int(runs.groupby("task")["series"].nunique().max())
    names = {name: name.removeprefix(BEST_OF) for name in runs["series"].unique()}
    longest = max(map(len, names.values()))
    columns = side_by_side(min(COLUMNS - (longest > LONG_NAME), len(titles)))
    room = MOST_HEIGHT - HEAD_AND_NOTE
    fitting = (room / -(-len(titles) // columns) - AROUND) / most
    height = most * min(ROW_HEIGHT, max(LEAST_ROW_HEIGHT, fitting)) + AROUND
    rows_that_fit = max(1, int(room / height + ROUNDING))
    tasks = list(titles) if is_narrow() else list(titles)[: rows_that_fit * columns]
    figure, grid = panel_grid(len(tasks), columns, height)
    beyond = failed = 0
    letters = labels.title_letters(figure_width(columns) / columns - longest / labels.LETTERS_AN_INCH)
    for axes, task in zip(grid, tasks, strict=True):
        own = runs[runs["task"] == task]
        axes.set_title(labels.in_title_lines(titles[task], letters), fontsize=LABEL_SIZE + 0.5)
        axes.set_xlabel(LOSS_WORDS[own["metric"].iloc[0]])
        beyond += _panel(axes, own, styles, names)
        failed += int((own["status"] != "done").sum())
    loss = loss_words(runs["metric"])
    head = f"{loss[0].upper()}{loss[1:]} of {most} series, ranked at their largest size: further left is better"
    keys = [Line2D([], [], ls="", marker="o", ms=size, color=INK, label=name) for name, size in MARK_SIZES.items()]
    labels.write_head(figure, keys, head)
    sizes = (
        f"Sizes: {axis_words(axis)}. Marks: means of ln of runs, in which outliers count less; bars: the runs' range "
        "at the largest size."
    )
    of_several = list(names) != list(names.values())
    several = ["Of several arms in one row, validation picks one in each replicate."] if of_several else []
    edges = labels.edge_notes(beyond, "means", failed)
    labels.write_note(figure, [sizes, *several, *edges, *labels.undrawn_note(len(titles) - len(tasks), "tasks")])
    return figure


def _panel(axes: Axes, runs: pd.DataFrame, styles: Mapping[str, Style], names: Mapping[str, str]) -> int:
    """Draw a task, with the names of series as shown; how many of the drawn means lie beyond the panel."""
    done = runs[runs["status"] == "done"]
    largest = runs.groupby("series", sort=False)["size"].max()
    means: dict[str, np.ndarray] = {}
    losses: list[np.ndarray] = []
    at_largest: dict[str, pd.Series] = {}
    for series, own in done.groupby("series", sort=False):
        name = str(series)
        losses.append(own["test_loss"].to_numpy(float))
        points = size_means(own["size"].to_numpy(float), losses[-1])
        means[name] = points.means
        if points.sizes[-1] == largest[name]:
            at_largest[name] = own.loc[own["size"] == largest[name], "test_loss"]
    ranked = sorted(at_largest, key=lambda name: means[name][-1])
    ranked += largest.index.difference(ranked, sort=False).tolist()
    axes.set(xscale="log", xlim=labels.limits_without_outliers(losses, 0.06))
    axes.set_ylim(len(ranked) - 0.4, -0.6)
    beyond = 0
    for place, name in enumerate(ranked):
        style = styles[name]
        axes.axhline(place, color="0.9", lw=0.5, zorder=0)
        if name in means:
            beyond += _row(axes, place, name, means[name], style)
        if name in at_largest:
            ends = at_largest[name].min(), at_largest[name].max()
            axes.hlines(place, *ends, color=style.colour, lw=1, alpha=0.6, zorder=2, gid=f"range:{name}")
        if (runs.loc[runs["series"] == name, "status"] != "done").any():
            axes.plot(0.985, place, "x", ms=3.5, color=style.colour, transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(ranked)), labels=[names[name] for name in ranked], fontsize=LABEL_SIZE - 0.5)
    for label, name in zip(axes.get_yticklabels(), ranked, strict=True):
        label.set_color(styles[name].text_colour)
    axes.tick_params(axis="y", length=0)
    labels.set_ticks(axes.xaxis, is_small=True)
    return beyond


def _row(axes: Axes, place: int, name: str, means: np.ndarray, style: Style) -> int:
    """The smallest, middle and largest size of a series; how many of these lie beyond the panel."""
    shown = means[list(dict.fromkeys([0, (len(means) - 1) // 2, len(means) - 1]))]
    sizes = list(MARK_SIZES.values())[-len(shown) :]
    look: dict[str, Any] = {"ls": "", "color": style.colour, "zorder": 3}
    within = shown <= axes.get_xlim()[1]
    for mean, size in zip(shown[within], np.array(sizes)[within], strict=True):
        alpha = 1 if size == sizes[-1] else 0.65
        axes.plot(mean, place, marker="o", ms=size, mew=0, alpha=alpha, gid=f"mean:{name}", **look)
    beyond = int(np.sum(~within))
    if beyond:
        look |= {"marker": "+", "ms": 4.5, "transform": axes.get_yaxis_transform()}
        axes.plot(0.97, place, gid=f"beyond:{name}", **look)
    return beyond
