"""The answer as a figure: how many times lower a side's test loss is, with intervals, at equal size
on each axis.
"""

import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from harness.base.formats import WRITTEN_OUT, human, scientific
from harness.comparison.replicates import Found
from harness.judging.versus import Headline, leader
from harness.show.figures import labels
from harness.show.figures.series import Style, draw_estimate
from harness.show.figures.theme import figure_width, in_column, label_size, most_height, panel_grid
from harness.show.names import written
from harness.show.tables.headline import factor, times_lower, with_ends
from harness.show.words import counted, loss_word
from harness.spec.counts import all_axes

ROW, HEADING, AROUND = (
    1.55,
    2.0,
    7.5,
)  # lines: of a ratio, of the heading of a group, and of all that is around them
TASKS_WITH_ALL_SIZES = 4  # of more tasks, one row each, at the largest size
UNDECIDED = "0.4"  # grey
AXIS_SHARE = 0.75  # of the width of a figure, which what is said of its axis may take
NARROW = (
    1.0,
    1.05,
    1.1,
    1.15,
)  # the ticks, and the end, of an axis on which no ratio is larger than that
TICKS = 4  # of a factor of 1 and what lies to one side of it, at most
LETTERS = 18  # of a task beside its row
LONGEST_LINE = 16  # letters of a side's name; two of them fit beside each other


Row = tuple[str, Found]  # a label, and a ratio with its interval


@in_column
def headline_figure(headline: Headline, styles: Mapping[str, Style]) -> Figure | None:
    """A forest: rows of axes and sizes for each task; of many tasks, rows of tasks for each axis,
    with their numbers.

    A mark has the colour of the side that is ahead, and is hollow and grey where the interval holds
    equality. Artists carry a gid `ratio:leader`. None where no ratio has a number.
    """
    is_by_task = len(headline.tasks) <= TASKS_WITH_ALL_SIZES
    groups = _rows_by_task(headline) if is_by_task else _rows_by_axis(headline)
    if not groups:
        return None
    lines = AROUND + sum(
        HEADING + heading.count("\n") + ROW * len(rows) for heading, rows in groups.items()
    )
    figure, (axes,) = panel_grid(1, 1, lines * labels.line_height())
    names = written(headline.first.label), written(headline.second.label)
    _draw(axes, groups, headline, styles)
    _set_ratios(axes, list(itertools.chain.from_iterable(groups.values())))
    first, second = (textwrap.fill(name, LONGEST_LINE) for name in names)
    above: dict[str, Any] = {
        "xycoords": axes.get_xaxis_transform(),
        "textcoords": "offset points",
        "weight": "bold",
    }
    ends = (
        (f"{first} ▶", "left", 5),
        (f"◀ {second}", "right", -5),
    )  # of several lines the last stands at the axis
    for side, (text, align, shift) in zip(headline.sides, ends, strict=True):
        colour, size = styles[side.label].text_colour, label_size()
        axes.annotate(text, (1, 1), (shift, -size), ha=align, color=colour, fontsize=size, **above)
    what_axis_is = f"how many times lower the {loss_word(headline.metric)} is (×)"
    axes.set_xlabel(
        textwrap.fill(what_axis_is, labels.letters_in(AXIS_SHARE * figure.get_figwidth()))
    )
    labels.write_head(figure, [], finding(headline, names))
    what = "replicates" if headline.efforts else "seeds"
    notes = [
        (
            f"Bars and brackets: {100 * headline.level:.3g} % intervals over {what}. Grey: neither "
            "is ahead."
        )
    ]
    drawn = len(groups) if is_by_task else max(map(len, groups.values()))
    notes += labels.undrawn_note(len(headline.tasks) - drawn, "tasks", "answer.json has all ratios")
    labels.write_note(figure, notes)
    return figure


def finding(headline: Headline, names: tuple[str, str]) -> str:
    """What the ratios say at the largest size on the matched axis, in a sentence without its
    stop.
    """
    ratios = [
        headline.reading(task, headline.columns[0], headline.places[-1]).ratio
        for task in headline.tasks
    ]
    ahead = Counter(leader(ratio, *headline.labels) for ratio in ratios)
    equal, loss = f"equal {counted(headline.columns[0])}", loss_word(headline.metric)
    sides = [(ahead[label], name) for label, name in zip(headline.labels, names, strict=True)]
    (won, better), (lost, worse) = sides if sides[0][0] >= sides[1][0] else sides[::-1]
    if not won:
        return f"At {equal}, neither {better} nor {worse} is ahead"
    if len(ratios) == 1:
        ratio = ratios[0].estimate or math.nan
        return (
            f"{better}'s {loss} is {factor(max(ratio, 1 / ratio))} times lower than "
            f"{worse}'s at {equal}"
        )
    neither = f", neither on {ahead[None]}" if ahead[None] else ""
    return (
        f"At {equal}, {better} is ahead on {won} of {len(ratios)} tasks, {worse} on "
        f"{lost or 'none'}{neither}"
    )


def _rows_by_task(headline: Headline) -> dict[str, list[Row]]:
    """Rows by the heading of a task: the matched axis at all sizes, every other one at the
    largest.
    """
    titles = labels.task_titles(headline.formulas, labels.title_letters(figure_width(1) - 0.3))
    axes = filter(None, (*headline.columns, headline.clock))
    groups: dict[str, list[Row]] = {}
    for task, axis in itertools.product(headline.tasks, axes):
        is_matched, convention = axis == headline.columns[0], all_axes()[axis]
        unit = counted(axis) if is_matched or convention.kind == "params" else convention.short
        for place in headline.places if is_matched else headline.places[-1:]:
            ratio = headline.reading(task, axis, place).ratio
            if ratio.estimate is not None:
                size = f"{human(ratio.at, 2)} {unit}"
                groups.setdefault(titles.get(task, task), []).append((size, ratio))
    return groups


def _rows_by_axis(headline: Headline) -> dict[str, list[Row]]:
    """Rows by the heading of an axis, at the largest size: tasks in the order of their ratios.

    Those in the middle go where room is short.
    """
    titles = labels.task_titles(headline.formulas, LETTERS)
    groups: dict[str, list[Row]] = {}
    for task, axis in itertools.product(headline.tasks, headline.columns):
        ratio = headline.reading(task, axis, headline.places[-1]).ratio
        if ratio.estimate is not None:
            groups.setdefault(f"at equal {all_axes()[axis].words}", []).append(
                (titles.get(task, task), ratio)
            )
    room = most_height() / labels.line_height() - AROUND
    most = max(2, (room / len(headline.columns) - HEADING) / ROW)
    for group, rows in groups.items():
        rows.sort(key=lambda row: -(row[1].estimate or 0.0))
        half = int(min(most, len(rows) + 1) / 2)
        groups[group] = [*rows[:half], *rows[half:][-half:]]
    return groups


def _draw(
    axes: Axes, groups: Mapping[str, Sequence[Row]], headline: Headline, styles: Mapping[str, Style]
) -> None:
    """The groups, each below its letter and heading; the number of each ratio at the right edge."""
    height = 0.0
    heights: dict[float, str] = {}  # of rows, with their labels
    for letter, (heading, rows) in zip(ascii_lowercase, groups.items(), strict=False):
        height -= HEADING + heading.count("\n")
        left: dict[str, Any] = {
            "xycoords": ("figure fraction", "data"),
            "va": "center",
            "in_layout": False,
        }
        if len(groups) > 1:
            axes.annotate(letter, (0.012, height), weight="bold", **left)
        axes.annotate(heading, (0.045 if len(groups) > 1 else 0.012, height), **left)
        top = height - ROW / 2  # between its headings, the line of equality crosses none
        for label, ratio in rows:
            height -= ROW
            heights[height], ahead = label, leader(ratio, *headline.labels)
            colour = styles[ahead].colour if ahead else UNDECIDED
            look = {
                "marker": styles[ahead].marker if ahead else "o",
                "mfc": colour if ahead else "white",
            }
            ends = ratio.low or math.nan, ratio.estimate, ratio.high or math.nan
            draw_estimate(axes, height, ends, colour, gid=f"ratio:{ahead or 'undecided'}", **look)
            ink = styles[ahead].text_colour if ahead else UNDECIDED
            right: dict[str, Any] = {
                "xycoords": axes.get_yaxis_transform(),
                "va": "center",
                "fontsize": label_size(),
            }
            axes.annotate(_number(ratio), (1.02, height), color=ink, annotation_clip=False, **right)
        axes.vlines(1, top, height - 1, color="0.2", lw=0.6, zorder=1)
    axes.set_ylim(height - 1, 0.3)
    axes.set_yticks(list(heights), list(heights.values()))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _number(ratio: Found) -> str:
    """The side on which the mark lies, and how many times lower its loss is, with the interval."""
    times, *ends = with_ends(*times_lower(ratio))
    return f"{'▶' if (ratio.estimate or math.nan) >= 1 else '◀'} {times} [{', '.join(ends)}]"


def _set_ratios(axes: Axes, rows: Sequence[Row]) -> None:
    """A logarithmic axis around the ratios of these rows, with the same round factors on both sides
    of 1.
    """
    ratios = np.array([(ratio.estimate, ratio.low, ratio.high) for _, ratio in rows], float)
    if np.nanmax(np.abs(np.log(ratios))) < np.log(NARROW[-1]):
        low, high, factors = 1 / NARROW[-1], NARROW[-1], np.array(NARROW[:-1])
    else:
        low, high = labels.limits_around(np.append(ratios[:, 0], [0.2, 5.0]), ratios[:, 1:].ravel())
        factors = np.array(labels.tick_values(1, max(high, 1 / low), few=TICKS - 1, most=TICKS))

    def tick(ratio: float, _: int) -> str:
        times = max(ratio, 1 / ratio)
        return scientific(times, 1) if times >= WRITTEN_OUT else f"{times:g}"

    axes.set(xscale="log", xlim=(low, high))
    axes.xaxis.set_major_locator(FixedLocator(np.unique([1 / factors, factors]).tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(tick))
    axes.xaxis.set_minor_locator(LogLocator(subs=(1,), numticks=200))
    axes.xaxis.set_minor_formatter(NullFormatter())
