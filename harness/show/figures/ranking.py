"""The figure of more series than lines can tell apart: a row a series, the best above, its sizes as
marks.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.judging.headline import metric_of
from harness.laws import size_means
from harness.show.figures import labels
from harness.show.figures.series import INK, Style
from harness.show.figures.theme import (
    figure_width,
    in_column,
    most_height,
    panel_grid,
    panel_height,
    side_by_side,
)
from harness.show.names import written
from harness.show.words import LOSS_WORDS, loss_word
from harness.spec.counts import axis_words
from harness.spec.decide import BEST_OF

ROW_HEIGHT = 0.085  # inches, of a series
AROUND, HEAD_AND_NOTE = (
    0.45,
    0.8,
)  # inches: of a panel's title and axis, and of what stands above and below all panels
LONG_NAME = 16  # letters; panels with longer ones stand below each other
MOST_NAMED = 3  # series in the title
MARK_SIZES = {"smallest size": 1.8, "middle size": 2.7, "largest size": 3.8}  # points


@in_column
def ranking_figure(
    runs: pd.DataFrame, axis: str, titles: Mapping[str, str], styles: Mapping[str, Style]
) -> Figure:
    """A panel a task; in each, series by their loss at their largest size on `axis`. Gids are
    `kind:series`.

    `runs` have their `size` there; `titles` are of every task. A series without a run that ended at
    its largest size is last.
    """
    most = int(runs.groupby("task")["series"].nunique().max())
    names = {name: written(name.removeprefix(BEST_OF)) for name in runs["series"].unique()}
    longest = max(map(len, names.values()))
    columns = side_by_side(1 if longest > LONG_NAME else min(2, len(titles)))
    height = panel_height(most * ROW_HEIGHT + AROUND)
    rows_that_fit = max(1, int(min((most_height() - HEAD_AND_NOTE) / height, len(titles))))
    tasks = list(titles)[: rows_that_fit * columns]
    figure, grid = panel_grid(len(tasks), columns, height)
    best: Counter[str] = Counter()
    beyond = 0
    letters = labels.title_letters(figure_width(columns) / columns - longest / labels.letters_in(1))
    for axes, task in zip(grid, tasks, strict=True):
        of_task = runs[runs["task"] == task]
        metric = str(of_task["metric"].iloc[0])
        axes.set(
            title=labels.in_title_lines(titles[task], letters),
            xlabel=LOSS_WORDS.get(metric, metric),
        )
        ranked, clipped = _panel(axes, of_task, styles)
        axes.set_yticks(range(len(ranked)), labels=[names[name] for name in ranked])
        for label, name in zip(axes.get_yticklabels(), ranked, strict=True):
            label.set_color(styles[name].text_colour)
        best[names[ranked[0]]] += 1
        beyond += clipped
    labels.write_letters(grid)
    won = ", ".join(f"{name} on {count}" for name, count in best.most_common(MOST_NAMED))
    more = ", …" if len(best) > MOST_NAMED else ""
    keys = [
        Line2D([], [], ls="", marker="o", ms=size, color=INK, label=name)
        for name, size in MARK_SIZES.items()
    ]
    head = (
        f"Least {loss_word(metric_of(runs))} of {most} series at their largest size: "
        f"{won}{more} of {len(tasks)} tasks"
    )
    labels.write_head(figure, keys, head)
    notes = [
        (
            f"Sizes: {axis_words(axis)}. Marks: geometric means of runs; bars: their range at the "
            "largest size."
        )
    ]
    if any(name.startswith(BEST_OF) for name in names):
        notes.append("Of several arms in one row, validation picks one in each replicate.")
    failed = int((runs["status"] != "done").sum())
    notes += [
        *labels.edge_notes(beyond, "means", failed, "won_on" in runs),
        *labels.undrawn_note(len(titles) - len(tasks), "tasks"),
    ]
    labels.write_note(figure, notes)
    return figure


def _panel(axes: Axes, runs: pd.DataFrame, styles: Mapping[str, Style]) -> tuple[list[str], int]:
    """Draw a task; its series from the best to the worst, and how many of the drawn means lie
    beyond the panel.
    """
    done, largest = runs[runs["status"] == "done"], runs.groupby("series", sort=False)["size"].max()
    losses, means = {}, {}
    for name, rows in done.groupby("series", sort=False):
        losses[str(name)] = rows["test_loss"].to_numpy(float)
        means[str(name)] = size_means(rows["size"].to_numpy(float), losses[str(name)])
    at_largest = {
        name: points for name, points in means.items() if points.sizes[-1] == largest[name]
    }
    ranked = sorted(at_largest, key=lambda name: at_largest[name].means[-1])
    ranked += largest.index.difference(ranked, sort=False).tolist()
    low, high = labels.limits_without_outliers(losses.values(), 0.06)
    axes.set(xscale="log", xlim=(low, high), ylim=(len(ranked) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    labels.set_ticks(axes.xaxis, is_small=True)
    edge: dict[str, Any] = {"ls": "", "transform": axes.get_yaxis_transform(), "mew": 0.6}
    beyond = 0
    for place, name in enumerate(ranked):
        colour = styles[name].colour
        axes.axhline(place, color="0.9", lw=0.4, zorder=0)
        if name in means:
            every = means[name].means
            shown = every[list(dict.fromkeys([0, (len(every) - 1) // 2, len(every) - 1]))]
            for mean, size in zip(shown, list(MARK_SIZES.values())[-len(shown) :], strict=True):
                axes.plot(
                    mean, place, "o", ms=size, mew=0, color=colour, zorder=3, gid=f"mean:{name}"
                )
            clipped = int(np.sum(shown > high))
            if clipped:
                axes.plot(0.97, place, marker="+", color=colour, **edge)
            beyond += clipped
        if name in at_largest:
            ends = done.loc[
                (done["series"] == name) & (done["size"] == largest[name]), "test_loss"
            ].agg(["min", "max"])
            axes.hlines(
                place, *ends, color=colour, lw=0.8, alpha=0.6, zorder=2, gid=f"range:{name}"
            )
        if (runs.loc[runs["series"] == name, "status"] != "done").any():
            axes.plot(0.985, place, marker="x", ms=2.5, color=colour, **edge)
    return ranked, beyond
