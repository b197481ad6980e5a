"""The figures of two sides: who is better at equal size, by how much, by whose count; by laws also at equal loss."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from harness.judging.by_laws import ComparedByLaws, Comparison
from harness.judging.versus import RatioLine, VersusRequest
from harness.show.figures.labels import (
    key,
    limits_around,
    name_sides,
    padded,
    set_ticks,
    write_head,
    write_note,
    y_words,
)
from harness.show.figures.series import Style, draw_band, named_styles, plain_styles
from harness.show.figures.theme import LABEL_SIZE, panel_grid, side_by_side, themed, write_figure
from harness.show.names import shortened
from harness.spec import all_axes, axis_words

PANEL_HEIGHT = 2.4  # inches
COLUMNS = 3
MOST_PANELS = 12
TITLE_LETTERS, LABEL_LETTERS = 27, 34
NO_TITLES: Mapping[str, str] = {}
MOST_MARKS = 24  # a line of more points is a law's, whose points are no networks
MOST_VERDICTS = 3
BEYOND = (1e-60, 1e60)  # where an open end is drawn to, beyond every panel
BESIDE = 6.0  # points between the marks of two axes of sizes


def draw_versus(
    asked: VersusRequest,
    curves: Sequence[RatioLine],
    styles: Mapping[str, Style],
    stem: Path,
    titles: Mapping[str, str] = NO_TITLES,
) -> list[Path]:
    """Write the figure as `<stem>.png` and `.pdf`; nothing where no size can be compared."""
    figure = versus_figure(asked, curves, styles, titles)
    return write_figure(figure, stem) if figure else []


@themed
def versus_figure(
    asked: VersusRequest,
    curves: Sequence[RatioLine],
    styles: Mapping[str, Style],
    titles: Mapping[str, str] = NO_TITLES,
) -> Figure | None:
    """A panel a task, a line an axis; artists carry a gid `kind:axis`. None where there is no line.

    Marks are A's sizes, filled where the interval leaves out equality. `styles` are those of the two sides; `titles`
    are of tasks (`task_titles`), which else have their short names.
    """
    tasks = list(dict.fromkeys(line.task for line in curves))
    if not tasks:
        return None
    shown = tasks[:MOST_PANELS]
    axes_styles, names = plain_styles(line.axis for line in curves), shortened(shown, TITLE_LETTERS)
    columns = side_by_side(min(COLUMNS, len(shown)))
    figure, panels = panel_grid(len(shown), columns, PANEL_HEIGHT)
    for index, (axes, task) in enumerate(zip(panels, shown, strict=True)):
        _panel(axes, asked, [line for line in curves if line.task == task], axes_styles)
        name_sides(axes, (asked.first, asked.second), ("better", "better"), styles)
        if len(tasks) > 1:
            axes.set_title(titles.get(task, names[task]))
        if index % columns == 0:
            axes.set_ylabel(y_words(f"test loss of {asked.second} / {asked.first}"))
        if index + columns >= len(shown):
            axes.set_xlabel(textwrap.fill(f"{asked.first}: {axis_words(asked.axis)}", LABEL_LETTERS))
    known = all_axes()
    keys = [key(known[name].words, style) for name, style in axes_styles.items()]
    title = f"{asked.first} or {asked.second}: which is better where both are equal in …"
    write_head(figure, keys, title)
    write_note(figure, _notes(asked, len(tasks) - len(shown)))
    return figure


def _panel(axes: Axes, asked: VersusRequest, own: Sequence[RatioLine], axes_styles: Mapping[str, Style]) -> None:
    _draw_lines(axes, own, axes_styles)
    if asked.at is not None:
        axes.axvline(asked.at, color="0.4", lw=0.8, ls=(0, (2, 2)), zorder=1, gid="budget")


def _draw_lines(axes: Axes, own: Sequence[RatioLine], axes_styles: Mapping[str, Style]) -> None:
    axes.set(xscale="log", yscale="log")
    for line in own:
        _draw(axes, line, axes_styles[line.axis])
    if own:
        axes.set_xlim(padded(np.concatenate([line.x for line in own]), 0.06))
    _set_ratios(axes, [line.ratio for line in own], [end for line in own for end in (line.low, line.high)])


def _set_ratios(axes: Axes, ratios: Sequence[np.ndarray], ends: Sequence[np.ndarray]) -> None:
    """Limits around the ratios, and around equality, which is always there; ticks at round numbers."""
    known = np.concatenate([np.array([0.5, 2.0]), *ratios])
    axes.set_ylim(limits_around(known[np.isfinite(known) & (known > 0)], np.concatenate([*ends, np.array([])])))
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)


def _draw(axes: Axes, line: RatioLine, style: Style, kind: str = "ratio") -> None:
    name, colour = line.axis, style.colour
    draw_band(axes, f"band_{kind}:{name}", line.x, (np.clip(line.low, *BEYOND), np.clip(line.high, *BEYOND)), style)
    known = np.where(np.isfinite(line.ratio) & (line.ratio > 0), line.ratio, np.nan)
    axes.plot(line.x, known, ls=style.line, color=colour, lw=1.3, zorder=3, gid=f"{kind}:{name}")
    if line.x.size > MOST_MARKS:
        return
    decided = (line.low > 1) | (line.high < 1)
    look: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 4.2, "mec": colour, "mew": 0.8, "zorder": 4}
    for which, fill, chosen in (("decided", colour, decided), ("open", "white", ~decided)):
        axes.plot(line.x[chosen], line.ratio[chosen], mfc=fill, gid=f"{which}:{name}", **look)


def _notes(asked: VersusRequest, undrawn: int) -> list[str]:
    notes = [
        f"{asked.second} is read between its sizes at the one that is equal to {asked.first}'s in each count. Bands: "
        f"{100 * asked.level:.3g} % intervals over replicates, pointwise; filled marks: equality lies outside of them. "
        f"Lines end where {asked.second} has no network that large."
    ]
    notes += [
        f"{side.label}: the best of {', '.join(side.names)} at each budget; in each replicate validation picks one."
        for side in asked.sides
        if len(side.names) > 1
    ]
    return notes + ([f"{undrawn} more tasks are in the JSON."] if undrawn > 0 else [])


# ------------------------------------------------------------------------------------------------------------- by laws
def draw_compared(compared: ComparedByLaws, folder: Path) -> list[Path]:
    """Write `compare.png` and `compare.pdf` into `folder`, of tasks `compare_TASK`; return their paths."""
    written: list[Path] = []
    for task in dict.fromkeys(one.task for one in compared.sizes):
        own = replace(compared, sizes=tuple(one for one in compared.sizes if one.task == task))
        written += write_figure(compare_figure(own), folder / f"compare{f'_{task}' if task else ''}")
    return written


@themed
def compare_figure(compared: ComparedByLaws) -> Figure:
    """Left what equal losses cost, right what equal sizes lose: a line an axis of sizes; gids are `kind:axis`.

    Sizes at which the laws may be equal are shaded.
    """
    styles, (first, second), y = plain_styles(one.axis for one in compared.sizes), compared.arms, compared.metric
    several, only = len(styles) > 1, axis_words(compared.sizes[0].axis)
    figure, (left, right) = panel_grid(2, side_by_side(2), PANEL_HEIGHT)
    left.set(xscale="log", yscale="log")
    lines = []
    for index, one in enumerate(compared.sizes):
        _draw_cost(left, one, styles[one.axis], BESIDE * (index - (len(compared.sizes) - 1) / 2))
        unit = one.loss.shared[0] if several and one.loss.shared else 1.0
        for low, high in one.crossover.equal:
            look: dict[str, Any] = {"color": styles[one.axis].colour, "alpha": 0.12, "lw": 0, "zorder": 0}
            right.axvspan(low / unit, high / unit, gid=f"equal:{one.axis}", **look)
        lines += _line(right, one, one.loss.sizes, one.loss, unit)
    _draw_lines(right, lines, styles)
    costs: list[Any] = [ratio for one in compared.sizes for ratio in (one.curve, one.cost, one.twin)]
    known = [one for one in costs if one is not None and one.estimate is not None]
    _set_ratios(left, [one.estimate for one in known], [end for one in known for end in (one.low, one.high)])
    if known:
        left.invert_xaxis()
    left.set(xlabel=f"{y}: the lower, the further to the right", title=f"what an equal {y} costs")
    left.set_ylabel(y_words(f"{'size' if several else only} of {second} / {first}"))
    right.set(xlabel="size / smallest shared size" if several else only, title=f"{y} at equal size")
    right.set_ylabel(y_words(f"{y} of {second} / {first}"))
    for axes, word in ((left, "cheaper"), (right, "better")):
        name_sides(axes, (first, second), (word, word), named_styles(compared.arms))
    told = [f"{verdict.claim}: {verdict.conclusion}" for verdict in compared.judged[:MOST_VERDICTS]]
    told += [f"and {more} more"] if (more := len(compared.judged) - MOST_VERDICTS) > 0 else []
    keys = [key(axis_words(name), style) for name, style in styles.items()]
    write_head(figure, keys if several else [], "\n".join(told), columns=3)
    write_note(figure, _notes_of_laws(compared))
    return figure


def _line(axes: Axes, one: Comparison, places: np.ndarray | None, ratio: Any, unit: float = 1.0) -> list[RatioLine]:
    """The curve of a ratio by laws (of costs or of losses); or its refusals, written into the panel."""
    if places is None:
        reason = f"{axis_words(one.axis)}: {', '.join(refusal.code for refusal in ratio.refusals)}"
        axes.text(0.03, 0.5, reason, transform=axes.transAxes, fontsize=LABEL_SIZE)
        return []
    return [RatioLine(one.task, one.axis, places / unit, ratio.estimate, ratio.low, ratio.high)]


def _draw_cost(axes: Axes, one: Comparison, style: Style, beside: float) -> None:
    """The curve, and the ratio without a law as marks that stand `beside` (points) their losses, clear of others."""
    curve, cost, twin = one.curve, one.cost, one.twin
    for line in _line(axes, one, curve.losses, curve):
        _draw(axes, line, style, "cost")
    if twin is None or cost.losses is None or cost.estimate is None:
        return
    read = np.isfinite(twin.estimate) & (twin.estimate > 0)
    low, high = (np.clip(ends, *BEYOND)[read] for ends in (twin.low, twin.high))
    thin: dict[str, Any] = {"color": style.text_colour, "lw": 0.7, "zorder": 3}
    some = (twin.low[read] > 0) | (twin.high[read] < np.inf)  # bounded on a side
    place = offset_copy(axes.transData, axes.get_figure(root=True), x=beside, units="points")
    bars = axes.vlines(twin.losses[read][some], low[some], high[some], gid=f"twin_interval:{one.axis}", **thin)
    bars.set_transform(place)
    mark: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 4.5, "mfc": "white", "mec": style.text_colour}
    axes.plot(twin.losses[read], twin.estimate[read], transform=place, zorder=4, gid=f"twin:{one.axis}", **mark)
    beyond = _extrapolated(one)
    cross: dict[str, Any] = {"ls": "", "marker": "x", "ms": 4.5, "color": style.colour, "zorder": 4}
    axes.plot(cost.losses[beyond], cost.estimate[beyond], gid=f"extrapolated:{one.axis}", **cross)


def _extrapolated(one: Comparison) -> np.ndarray:
    """Which of the losses that are told lie outside of those attained, and have a ratio."""
    if one.cost.extrapolated is None or one.cost.estimate is None:
        return np.array([], bool)
    return one.cost.extrapolated & np.isfinite(one.cost.estimate) & (one.cost.estimate > 0)


def _notes_of_laws(compared: ComparedByLaws) -> list[str]:
    laws = " and ".join(dict.fromkeys(one.law for one in compared.sizes))
    level = f"{compared.level:.0%}"
    notes = [
        f"Lines: {laws} law of both arms; bands: {level} intervals; left only over losses that both attain.",
        "Marks: the same read from the runs without a law; one without an interval is not bounded by them.",
    ]
    if any(one.crossover.equal for one in compared.sizes):
        notes.append("Shaded sizes: the curves may be equal.")
    ratios = [ratio for one in compared.sizes for ratio in (one.curve, one.loss)]
    if any(np.any(one.low == 0) or np.isinf(one.high).any() for one in ratios if one.high is not None):
        notes.append("A band that leaves its panel has no end.")
    if any(_extrapolated(one).any() for one in compared.sizes):
        notes.append("Crosses: extrapolated.")
    return notes
