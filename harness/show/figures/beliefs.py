"""Beliefs in the simplex of a process's states: the true ones, and what a probe reads in the
network of each arm.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from harness.base.formats import human
from harness.show.figures.labels import drawn_keys, set_ticks, write_head, write_letters, write_note
from harness.show.figures.series import Style
from harness.show.figures.theme import panel_grid, panel_height, side_by_side, themed
from harness.show.names import written
from harness.tasks.processes import Probed
from harness.tasks.samples import Array

PANEL_HEIGHT = 2.1  # inches
GRID = "#bbbbbb"  # of the edges of a simplex
MOST_POINTS = 20_000  # of a panel
COURSE_AXES = {"evaluations": "training steps", "excess": "excess cross-entropy (nats a token)"}
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])  # of the simplex of three states


@themed
def beliefs_figure(task: str, by_arm: Mapping[str, Probed]) -> Figure:
    """A panel of the true beliefs, and one for each arm; points of one colour are one belief."""
    true = next(iter(by_arm.values())).true
    panels_of = {"true": true}
    for arm, probed in by_arm.items():
        panels_of[f"{written(arm)}: error {human(probed.error, 2)}"] = probed.read
    place = _places(true)
    columns = 2 if len(panels_of) == 4 else min(3, len(panels_of))
    figure, panels = panel_grid(len(panels_of), columns, PANEL_HEIGHT)
    shown = CORNERS if true.shape[1] == 3 else place(true)
    low, high = shown.min(0), shown.max(0)
    margin = 0.1 * (high - low)
    for axes, (title, beliefs) in zip(panels, panels_of.items(), strict=True):
        x, y = place(beliefs)[:MOST_POINTS].T
        axes.scatter(x, y, s=1, lw=0, c=_colours(true)[:MOST_POINTS], rasterized=True)
        if true.shape[1] == 3:
            axes.plot(*CORNERS[[0, 1, 2, 0]].T, color=GRID, lw=0.6, zorder=0)
        axes.spines[:].set_visible(False)
        axes.set(title=title, xticks=[], yticks=[], aspect="equal")
        axes.set(
            xlim=(low[0] - margin[0], high[0] + margin[0]),
            ylim=(low[1] - margin[1], high[1] + margin[1]),
        )
    write_letters(panels)
    write_head(figure, [], f"{task}: beliefs that a probe reads after the last block")
    corners = (
        "Corners are certainty of one state."
        if true.shape[1] == 3
        else "The first two principal components."
    )
    colours = "Equal colours are equal true beliefs. Error: mean squared, of a state's probability."
    write_note(figure, [corners, colours])
    return figure


@themed
def course_figure(task: str, course: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """How well a probe reads beliefs while networks train: over evaluations, and at equal excess
    cross-entropy.

    `course` has a row a snapshot: `arm`, `evaluations`, `excess` and `belief_error`.
    """
    figure, panels = panel_grid(2, side_by_side(2), panel_height(PANEL_HEIGHT), sharey=True)
    for axes, (column, words) in zip(panels, COURSE_AXES.items(), strict=True):
        for arm, rows in course.groupby("arm", sort=False):
            style = styles[str(arm)]
            look: dict[str, Any] = {
                "color": style.colour,
                "marker": style.marker,
                "ls": style.line,
                "ms": 3,
            }
            axes.plot(rows[column], rows["belief_error"], label=written(str(arm)), **look)
        axes.set(xscale="log", yscale="log", xlabel=words)
        set_ticks(axes.xaxis, is_small=True)
        set_ticks(axes.yaxis, is_small=True)
    panels[0].set_ylabel("mean squared error of a probe")
    panels[1].invert_xaxis()  # training goes to the right in both
    write_letters(panels)
    write_head(
        figure, drawn_keys(panels[:1]), f"{task}: how clear beliefs become while networks train"
    )
    write_note(
        figure,
        [
            (
                "A mark is a snapshot of one network. At equal excess, a lower error means clearer "
                "beliefs."
            )
        ],
    )
    return figure


def _places(true: Array) -> Callable[[Array], Array]:
    """From beliefs [M, S] to the plane: of three states the simplex, of more their first principal
    components.
    """
    if true.shape[1] == 3:
        return lambda beliefs: beliefs @ CORNERS
    centre = true.mean(0)
    axes = np.linalg.svd(true - centre, full_matrices=False)[2][:2]
    return lambda beliefs: (beliefs - centre) @ axes.T


def _colours(true: Array) -> Array:
    """Red, green and blue of each true belief."""
    of_three = true[:, :3] if true.shape[1] == 3 else _places(true)(true)
    low, high = of_three.min(0), of_three.max(0)
    shares = (of_three - low) / (high - low)
    return shares if shares.shape[1] == 3 else np.column_stack([shares, 1 - shares.mean(1)])
