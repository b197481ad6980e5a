"""The figure of two sides: who is better at equal size, by how much, by whose count."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from harness.judging.versus import RatioLine, VersusRequest
from harness.show.figures import labels
from harness.show.figures.labels import limits_around, padded, set_ticks
from harness.show.figures.series import Style, draw_band, plain_styles
from harness.show.figures.theme import (
    figure_width,
    in_column,
    label_size,
    panel_grid,
    panel_height,
    side_by_side,
)
from harness.show.grouping import grouped
from harness.show.names import shortened, written
from harness.spec.counts import axis_words

PANEL_HEIGHT = 1.3  # inches
MOST_PANELS = 12
TITLE_LETTERS, LABEL_LETTERS, Y_LETTERS = 27, 34, 22
NO_TITLES: Mapping[str, str] = {}
WORDS_SHARE = 0.16  # of a panel's height: the words above or below the line of equality
BEYOND = (1e-60, 1e60)  # where an open end is drawn to, beyond every panel


@in_column
def versus_figure(
    asked: VersusRequest,
    curves: Sequence[RatioLine],
    styles: Mapping[str, Style],
    titles: Mapping[str, str] = NO_TITLES,
    against: Mapping[str, str] = NO_TITLES,
) -> Figure | None:
    """A panel a task, a line an axis; artists carry a gid `kind:axis`. None where there is no line.

    Marks are A's sizes, filled where the interval leaves out equality. `styles` are those of the
    two sides; `titles` are of tasks (`task_titles`), which else have their short names. Where the x
    of a panel is not the size of A on the axis asked for, it is what `against` says.
    """
    lines_of = grouped(curves, lambda line: line.task)
    if not lines_of:
        return None
    shown = list(lines_of)[:MOST_PANELS]
    axes_styles, names = plain_styles(line.axis for line in curves), shortened(shown, TITLE_LETTERS)
    columns = side_by_side(min(2, len(shown)))
    figure, panels = panel_grid(len(shown), columns, panel_height(PANEL_HEIGHT))
    first, second = written(asked.first), written(asked.second)
    for index, (axes, task) in enumerate(zip(panels, shown, strict=True)):
        _panel(axes, asked, lines_of[task], axes_styles)
        _name_sides(axes, asked, figure_width(columns) / columns, styles)
        if len(lines_of) > 1 or against:
            axes.set_title(
                labels.in_title_lines(
                    task if against else titles.get(task, names[task]), TITLE_LETTERS
                )
            )
        if index % columns == 0:  # two lines, which the least of panels is high enough for
            ratio = f"{'' if against else 'test loss of '}{second} / {first}"
            axes.set_ylabel(textwrap.fill(ratio, Y_LETTERS, max_lines=2, placeholder=" …"))
        if index + columns >= len(shown) or against:
            of_sizes = f"{first}: {axis_words(asked.axis)}"
            axes.set_xlabel(textwrap.fill(against.get(task, of_sizes), LABEL_LETTERS))
    keys = [labels.key(axis_words(name), style) for name, style in axes_styles.items()]
    labels.write_letters(panels)
    equal = "Size is counted in:" if against else "Both are equal in:"
    labels.write_head(figure, keys, f"{_finding(curves, first, second)} {equal}")
    labels.write_note(figure, _notes(asked, len(lines_of) - len(shown), of_laws=bool(against)))
    return figure


def _finding(curves: Sequence[RatioLine], first: str, second: str) -> str:
    """Who is better beyond doubt at the right end of the curves."""
    won, lost = sum(line.low[-1] > 1 for line in curves), sum(line.high[-1] < 1 for line in curves)
    return (
        f"At the right end {first} is better on {won} of {len(curves)} curves, {second} on {lost}."
    )


def _panel(
    axes: Axes, asked: VersusRequest, lines: Sequence[RatioLine], axes_styles: Mapping[str, Style]
) -> None:
    axes.set(xscale="log", yscale="log")
    for line in lines:
        _draw(axes, line, axes_styles[line.axis])
    points = np.hstack([(line.x, line.ratio, line.low, line.high) for line in lines])
    axes.set_xlim(padded(points[0], 0.06))
    ratios = np.append(points[1], [0.5, 2.0])  # equality is always there
    ends = limits_around(ratios[np.isfinite(ratios) & (ratios > 0)], points[2:].ravel())
    axes.set_ylim(padded(np.array(ends), WORDS_SHARE))  # the words stand clear of the curves
    set_ticks(axes.xaxis, is_small=True)
    if asked.at is not None:
        axes.axvline(asked.at, color="0.4", lw=0.8, ls=(0, (2, 2)), zorder=1, gid="budget")


def _draw(axes: Axes, line: RatioLine, style: Style) -> None:
    name, colour = line.axis, style.colour
    draw_band(
        axes,
        f"band_ratio:{name}",
        line.x,
        (np.clip(line.low, *BEYOND), np.clip(line.high, *BEYOND)),
        style,
    )
    ratios = np.where(np.isfinite(line.ratio) & (line.ratio > 0), line.ratio, np.nan)
    axes.plot(line.x, ratios, ls=style.line, color=colour, zorder=3, gid=f"ratio:{name}")
    decided = (line.low > 1) | (line.high < 1)
    look: dict[str, Any] = {
        "ls": "",
        "marker": style.marker,
        "mec": colour,
        "mew": 0.8,
        "zorder": 4,
    }
    for which, fill, chosen in (("decided", colour, decided), ("open", "white", ~decided)):
        axes.plot(line.x[chosen], line.ratio[chosen], mfc=fill, gid=f"{which}:{name}", **look)


def _name_sides(
    axes: Axes, asked: VersusRequest, inches: float, styles: Mapping[str, Style]
) -> None:
    """Which side is better above the line of equality and which one below it, each in the colour of
    its style.
    """
    room = labels.BOLD_LETTERS_AN_INCH / label_size() * (inches - labels.BESIDE_PANEL)
    names = shortened((asked.first, asked.second), max(8, int(room) - len("▲  better")))
    # The line at 1 must not strike through the words at an end.
    low, high = np.log(axes.get_ylim())
    share = WORDS_SHARE / (1 - WORDS_SHARE)
    axes.set_ylim(np.exp(min(low, -share * high)), np.exp(max(high, -share * low)))
    set_ticks(axes.yaxis, is_small=True)
    axes.axhspan(axes.get_ylim()[0], 1, color="0.94", lw=0, zorder=0)
    axes.axhline(1, color="0.2", lw=0.7, zorder=2)
    halo = withStroke(
        linewidth=2.5, foreground="white", alpha=0.8
    )  # words stand clear of lines below them
    look: dict[str, Any] = {
        "fontsize": label_size(),
        "weight": "bold",
        "zorder": 6,
        "path_effects": [halo],
    }
    for side, mark, y, va in (
        (asked.first, "▲", 0.985, "top"),
        (asked.second, "▼", 0.015, "bottom"),
    ):
        words, colour = f"{mark} {written(names[side])} better", styles[side].text_colour
        axes.text(0.02, y, words, va=va, color=colour, transform=axes.transAxes, **look)


def _notes(asked: VersusRequest, undrawn: int, of_laws: bool) -> list[str]:
    if of_laws:
        notes = [
            f"Bands: {100 * asked.level:.3g} % intervals, pointwise. One that leaves its panel has "
            "no end."
        ]
    else:
        notes = [
            f"{asked.second} is read between its sizes at the one that is equal to "
            f"{asked.first}'s in each count. "
            f"Bands: {100 * asked.level:.3g} % intervals over replicates, pointwise; filled "
            "marks: equality lies "
            f"outside of them. Lines end where {asked.second} has no network that large."
        ]
        for side in asked.sides:
            if len(side.names) > 1:
                best = (
                    f"the best of {', '.join(side.names)} at each budget; in each replicate "
                    "validation picks one."
                )
                notes.append(f"{side.label}: {best}")
    if undrawn:
        notes.append(f"{undrawn} more panels are in the JSON.")
    return notes
