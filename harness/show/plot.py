"""The figure of an experiment: test loss against size on the headline axes, with the laws that others fitted."""

import itertools
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from harness.base.files import whole_file
from harness.base.formats import PLAIN, human, scientific
from harness.fit import Fit, Points, band, predict, size_means
from harness.fit.held_out import Extrapolation
from harness.judging.scaling import SeriesFit, chosen_runs, common_law, headline_axes, with_parts
from harness.show.words import LOSS_WORDS, exponent_words
from harness.spec import Manifest, RunTask, axis_words

LOSS_UNITS = {"rmse": "target's units", "cross_entropy": "nats"}

# Okabe & Ito (2008), for the colour-blind; their yellow is left out, it does not print. The numbers of colours, marks
# and lines have no common factor, so that the first 280 series all look different.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("P", "✚"), ("X", "✖"), ("*", "★"))
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (6, 1.5, 1, 1.5)), (0, (1, 1.2)), (0, (6, 1, 1, 1, 1, 1)))

WIDTH, ROW_HEIGHT = 7.0, 2.75  # inches; two columns of a paper
DPI = 200
THEME: dict[Any, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8.5,
    "axes.linewidth": 0.8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "xtick.major.size": 4,
    "ytick.major.size": 4,
    "xtick.minor.size": 2,
    "ytick.minor.size": 2,
    "pdf.fonttype": 42,
}
LABEL_SIZE = 7
LABEL_COLUMNS, TITLE_COLUMNS = 42, 100
LAW_POINTS = 80


Budgets = Mapping[str, tuple[str, float]]  # series of one training budget -> the best sizes' series, and the budget


class Style(NamedTuple):
    """How a series looks everywhere; `glyph` is its marker as a letter, for its label."""

    colour: str
    marker: str
    glyph: str
    line: Any


class Drawn(NamedTuple):
    """A series in a panel: its label, the markers that no label may cover, and its law (none if refused)."""

    label: Text
    points: list[Line2D]
    law: list[Line2D]


class Row(NamedTuple):
    """What a row of panels shows: arms on a task, all of them, or those of a recipe."""

    task: str
    recipe: str
    arms: tuple[str, ...]


class Panel(NamedTuple):
    """One task on one axis."""

    axes: Axes
    drawn: list[Drawn]


# ------------------------------------------------------------------------------------------------------------- public
def draw_scaling(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit], folder: Path) -> list[Path]:
    """Write `scaling.png` and `scaling.pdf` into `folder`; return their paths."""
    figure = scaling_figure(manifest, table, fits)
    png, pdf = folder / "scaling.png", folder / "scaling.pdf"
    with matplotlib.rc_context(THEME), whole_file(png) as new_png, whole_file(pdf) as new_pdf:
        figure.savefig(new_png, dpi=DPI)
        figure.savefig(new_pdf, metadata={"CreationDate": None})  # the same numbers give the same file
    return [png, pdf]


def scaling_figure(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit]) -> Figure:
    """A row a task, a column a headline axis. Artists carry a gid `kind:series` (runs, means, outside, law, ...).

    Where a panel has too many series to label, names stand beside; where too many for that, a task has a row a recipe.
    """
    budgets = {cell.series: (cell.frontier, cell.asked) for cell in manifest.cells if cell.frontier and cell.asked}
    styles = series_styles(name for name in table["series"] if name not in budgets)
    laws, shown = laws_of(fits), headline_axes(manifest)
    parts = _rows(manifest, table, budgets)
    with matplotlib.rc_context(THEME):
        figure = Figure(figsize=(WIDTH, ROW_HEIGHT * len(parts)), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(parts), len(shown), sharey="row", squeeze=False)
        common = {
            (one.task, axis): common_law(_labelled(fits, budgets), one.task, axis) for one in parts for axis in shown
        }
        rows = [
            [
                _panel(axes, table, laws, common[one.task, axis], styles, budgets, one, axis)
                for axes, axis in zip(row, shown, strict=True)
            ]
            for row, one in zip(grid, parts, strict=True)
        ]
        for row, one in zip(rows, parts, strict=True):
            metric = table.loc[table["task"] == one.task, "metric"].iloc[0]
            row[0].axes.set_ylabel(f"{LOSS_WORDS[metric]} ({LOSS_UNITS[metric]})")
            title = f"{one.task}, {one.recipe}" if one.recipe else _title(one.task, manifest.formulas[one.task].formula)
            row[0].axes.set_title(title, loc="left", parse_math=False)
        sns.despine(figure)
        if note := tuning_note(table):
            figure.supxlabel(note, x=0.01, ha="left", fontsize=LABEL_SIZE)
        if len(rows) > MOST_ROWS or max(len(panel.drawn) for row in rows for panel in row) > MOST_LABELS:
            _name_beside(rows, styles)
        else:
            place_labels(figure, rows)
    return figure


def _rows(manifest: Manifest, table: pd.DataFrame, budgets: Budgets) -> list[Row]:
    """What each row of the figure shows: a task with all its arms, or those of one recipe where they are too many."""
    series = table.loc[~table["series"].isin(budgets), ["task", "series"]].drop_duplicates()
    arms = manifest.experiment.arms
    split = series.groupby("task").size().max() > MOST_NAMES
    recipes = dict.fromkeys(arm.recipe for arm in arms.values()) if split else [""]
    found = []
    for task, recipe in itertools.product(dict.fromkeys(table["task"]), recipes):
        own = tuple(name for name, arm in arms.items() if recipe in ("", arm.recipe))
        if ((table["task"] == task) & table["arm"].isin(own)).any():
            found.append(Row(task, recipe, own))
    return found


def tuning_note(table: pd.DataFrame) -> str | None:
    """What to say if arms were tuned unequally; None if they were not."""
    if "won_under" in table:  # other ways of searching have fewer trials, on purpose
        table = table[table["won_under"].isna()]
    trials = table.groupby("arm", sort=False)["trials"].unique()
    if table["trials"].min() == table["trials"].max():
        return None
    words = [f"{arm} {' or '.join(str(number) for number in sorted(counts))}" for arm, counts in trials.items()]
    return f"Unequal tuning, trials a size: {', '.join(words)}."


def series_styles(series: Iterable[str]) -> dict[str, Style]:
    """A style for every series, by order of first appearance; neighbours differ in colour, marker and line."""
    return {
        name: Style(COLOURS[i % len(COLOURS)], *MARKS[i % len(MARKS)], LINES[i % len(LINES)])
        for i, name in enumerate(dict.fromkeys(series))
    }


def laws_of(fits: Iterable[SeriesFit]) -> dict[tuple[str, str, str], dict[str, SeriesFit]]:
    """(task, series, axis) -> law -> its fit."""
    found: dict[tuple[str, str, str], dict[str, SeriesFit]] = {}
    for one in fits:
        found.setdefault((one.task, one.series, one.axis), {})[one.fit.law] = one
    return found


def run_tasks(manifest: Manifest) -> dict[str, RunTask]:
    """Task label -> the task as its runs know it."""
    labels = {cell.index: cell.task for cell in manifest.cells}
    return {labels[planned.cell]: planned.run.task for planned in manifest.runs}


# ------------------------------------------------------------------------------------------------------------- panels
def _panel(
    axes: Axes,
    table: pd.DataFrame,
    laws: dict[tuple[str, str, str], dict[str, SeriesFit]],
    law: str,
    styles: dict[str, Style],
    budgets: Budgets,
    row: Row,
    axis: str,
) -> Panel:
    rows = with_parts(chosen_runs(table, axis))
    rows = rows[(rows["task"] == row.task) & rows["arm"].isin(row.arms)]
    axes.set(xscale="log", yscale="log", xlabel=axis_words(axis))
    names = list(dict.fromkeys(rows["series"]))
    for name in names:
        if name in budgets:
            frontier, budget = budgets[name]
            _draw_budget(axes, name, rows[rows["series"] == name], budget, styles[frontier])
    frontiers = {frontier for frontier, _ in budgets.values()}
    drawn = [
        _draw_best(axes, name, rows[rows["series"] == name], styles[name])
        if name in frontiers and not axis.startswith("flops_train")
        else _draw_series(axes, name, rows[rows["series"] == name], laws[(row.task, name, axis)][law], styles[name])
        for name in names
        if name not in budgets
    ]
    done = rows[rows["status"] == "done"]
    axes.set_xlim(_padded(rows["size"], 0.06))
    axes.set_ylim(_padded(done["test_loss"], 0.08))
    return Panel(axes, drawn)


def _title(task: str, formula: str) -> str:
    return textwrap.fill(task if formula == task else f"{task}:  {formula}", TITLE_COLUMNS)


def _draw_series(axes: Axes, series: str, rows: pd.DataFrame, law: SeriesFit, style: Style) -> Drawn:
    done = rows[rows["status"] == "done"]
    outside, diverged = rows[rows["part"] == "outside"], rows[rows["part"] == "diverged"]
    dots: dict[str, Any] = {"marker": ".", "ms": 4, "mec": "none", "alpha": 0.45, "zorder": 2}
    points = axes.plot(done["size"], done["test_loss"], ls="", color=style.colour, gid=f"runs:{series}", **dots)
    points += draw_means(axes, f"means:{series}", law.fit.points, style, style.colour)
    if len(outside):
        hollow = size_means(outside["size"].to_numpy(), outside["test_loss"].to_numpy())
        points += draw_means(axes, f"outside:{series}", hollow, style, "white")
    if law.held_out:
        points += draw_held_out(axes, series, law.fit, law.held_out, style)
    if len(diverged):
        top = np.full(len(diverged), 0.97)
        cross: dict[str, Any] = {"marker": "x", "ms": 4, "transform": axes.get_xaxis_transform()}
        points += axes.plot(diverged["size"], top, ls="", color=style.colour, gid=f"diverged:{series}", **cross)
    label = series_text(axes, series, _label(series, law, style), style)
    return Drawn(label, points, [] if law.fit.refusals else draw_law(axes, series, law.fit, style))


def _draw_best(axes: Axes, series: str, rows: pd.DataFrame, style: Style) -> Drawn:
    """The best size of each budget, where size is not the budget: one mark a budget, and no law through them."""
    points = []
    for _, done in rows[rows["status"] == "done"].groupby("cell"):
        best = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
        points += draw_means(axes, f"means:{series}", best, style, style.colour)
    return Drawn(series_text(axes, series, f"{series} {style.glyph}", style), points, [])


def series_text(axes: Axes, series: str, words: str, style: Style) -> Text:
    """A series' label, to be placed."""
    return axes.text(
        x=0.5,
        y=0.5,
        s=words,
        transform=axes.transAxes,
        va="bottom",
        fontsize=LABEL_SIZE,
        color=darker(style.colour),
        zorder=5,
        path_effects=[withStroke(linewidth=2, foreground="white", alpha=0.8)],
        parse_math=False,
        in_layout=False,
        gid=f"label:{series}",
    )


def _draw_budget(axes: Axes, series: str, rows: pd.DataFrame, budget: float, style: Style) -> None:
    """The sizes that were tried at one training budget, thin and joined, in the colour of the best sizes' series."""
    done = rows[rows["status"] == "done"]
    if done.empty:
        return
    points = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
    is_spread = points.sizes[-1] > 1.5 * points.sizes[0]  # on the axis of the budget they stand above each other
    look: dict[str, Any] = {"marker": style.marker, "ms": 2.2, "lw": 0.6, "alpha": 0.55, "zorder": 2}
    axes.plot(
        points.sizes, points.means, ls="-" if is_spread else "", color=style.colour, gid=f"means:{series}", **look
    )
    if is_spread:
        where: dict[str, Any] = {
            "xytext": (3, 0),
            "textcoords": "offset points",
            "va": "center",
            "annotation_clip": False,
        }
        end = (points.sizes[-1], points.means[-1])
        text = axes.annotate(human(budget, 2), end, fontsize=5, color=darker(style.colour), **where)
        text.set_gid(f"budget:{series}")


def _labelled(fits: Sequence[SeriesFit], budgets: Budgets) -> list[SeriesFit]:
    """The fits of the series that have a label and a law."""
    return [one for one in fits if one.series not in budgets]


def draw_means(axes: Axes, gid: str, points: Points, style: Style, fill: str, **more: Any) -> list[Line2D]:
    """Marks of a series at its size means."""
    look: dict[str, Any] = {"ms": 4.5, "mec": style.colour, "mfc": fill, "mew": 0.9, "zorder": 4, **more}
    return axes.plot(points.sizes, points.means, ls="", marker=style.marker, gid=gid, **look)


def draw_law(axes: Axes, series: str, fit: Fit, style: Style) -> list[Line2D]:
    """The law over the sizes it was fitted to, with its band."""
    x = np.geomspace(fit.points.sizes[0], fit.points.sizes[-1], LAW_POINTS)
    x[[0, -1]] = fit.points.sizes[[0, -1]]
    low, high = band(fit, x)
    axes.fill_between(x, low, high, color=style.colour, alpha=0.13, lw=0, zorder=1, gid=f"band:{series}")
    return axes.plot(x, predict(fit, x), ls=style.line, color=style.colour, lw=1.3, zorder=3, gid=f"law:{series}")


def draw_held_out(axes: Axes, series: str, fit: Fit, found: Extrapolation, style: Style) -> list[Line2D]:
    """Half-filled marks at what was measured; where the law predicts, it goes on, with an interval at each size."""
    if found.prediction:
        x = np.geomspace(fit.points.sizes[-1], found.measured.sizes[-1], LAW_POINTS)
        thin: dict[str, Any] = {"color": style.colour, "lw": 0.7, "zorder": 2.5}
        axes.plot(x, predict(fit, x), ls=style.line, gid=f"extrapolated:{series}", **thin)
        axes.vlines(
            found.measured.sizes, found.prediction.low, found.prediction.high, gid=f"predicted:{series}", **thin
        )
    half: dict[str, Any] = {"fillstyle": "bottom", "markerfacecoloralt": "white"}
    return draw_means(axes, f"held_out:{series}", found.measured, style, style.colour, **half)


def _label(series: str, law: SeriesFit, style: Style) -> str:
    fit = law.fit
    # The glyph stands inside the text, where nobody takes it for a data point.
    lines = [
        f"{series} {style.glyph} "
        + (f"no fit: {exponent_words(fit)}" if fit.refusals else f"α = {exponent_words(fit)}")
    ]
    if fit.floor:
        lines.append(f"above a floor E = {human(fit.floor, 2)}")
    if not fit.refusals and any(warning.code == "LOCAL_SLOPE" for warning in fit.warnings):
        lines.append(f"local slope ({fit.decades:.2g} decades)")
    if law.held_out and law.held_out.prediction:
        within = law.held_out.prediction.within
        lines.append(f"{within.sum()} of {within.size} held-out sizes as predicted")
    if law.diverged:
        lines.append(f"{law.diverged} {'run' if law.diverged == 1 else 'runs'} diverged (×)")
    return "\n".join(textwrap.fill(line, LABEL_COLUMNS, subsequent_indent="  ") for line in lines)


def darker(colour: str) -> tuple[float, float, float]:
    """The colour, dark enough for text."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return 0.7 * red, 0.7 * green, 0.7 * blue


def _padded(values: pd.Series, share: float) -> tuple[float, float]:
    """Limits around positive `values`, with `share` of their log range (at least a factor of 2) on each side."""
    if values.empty:
        return 0.1, 10.0
    low, high = math.log(values.min()), math.log(values.max())
    pad = share * max(high - low, math.log(2))
    return math.exp(low - pad), math.exp(high + pad)


# -------------------------------------------------------------------------------------------------------------- ticks
TICK_DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7))
FEW_TICKS, MANY_TICKS = 3, 7


def tick_values(low: float, high: float) -> list[float]:
    """Round values within [low, high]: powers of ten where there are at least three, else more digits between them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in TICK_DIGITS:
        ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= FEW_TICKS:
            return ticks[:: math.ceil(len(ticks) / MANY_TICKS)]
    return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high and tick > 0]


def set_ticks(axis: Axis, limits: tuple[float, float]) -> None:
    """Round ticks within the limits of a logarithmic axis."""
    ticks = tick_values(*limits)
    plain = all(PLAIN[0] <= tick < PLAIN[1] for tick in ticks)
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,.6g}" if plain else scientific(tick, 4)))
    axis.set_minor_locator(LogLocator(subs=range(1, 10), numticks=200))
    axis.set_minor_formatter(NullFormatter())


# ------------------------------------------------------------------------------------------------------------- labels
PIXELS = DPI / 72  # of a point
CLEARANCE = 5.5  # points between a label and the centre of a marker
LINE_CLEARANCE = 1.5
BETWEEN_LABELS = 2.0  # points
MOST_LABELS = 10  # in a panel; of more, few find a place that is near
MOST_NAMES = 16  # beside a row
MOST_ROWS = 8  # of panels; with more it takes minutes, as one crowded panel has all of them measured again
CANDIDATES = 40  # positions tried along each side of a panel
COVERED_LINE = 10.0  # what covering one of the LAW_POINTS of a line costs, in points of distance
NOT_OTHERS = 4.0  # what a pixel nearer to another series than to its own costs
BLOCKED = 1e9
WIDENINGS = 12


def place_labels(figure: Figure, rows: list[list[Panel]]) -> None:
    """Put every label where it covers no marker and no label, near its series; make room in rows that have none.

    The layout is then frozen, so that saving does not move what was measured.
    """
    for attempt in range(WIDENINGS + 1):
        for panel in (panel for row in rows for panel in row):
            set_ticks(panel.axes.xaxis, panel.axes.get_xlim())
            set_ticks(panel.axes.yaxis, panel.axes.get_ylim())
        figure.draw_without_rendering()
        free = [[_place_in(panel) for panel in row] for row in rows]
        crowded = [row for row, places in zip(rows, free, strict=True) if not all(places)]
        if not crowded or attempt == WIDENINGS:
            break
        for row in crowded:
            _widen(row[0].axes)
    figure.set_layout_engine("none")
    for panel in (panel for row in rows for panel in row):
        _draw_leaders(panel)


def _name_beside(rows: list[list[Panel]], styles: dict[str, Style]) -> None:
    """In place of labels, the names of a row's series beside its last panel."""
    for row in rows:
        named = dict.fromkeys(str(one.label.get_gid()).removeprefix("label:") for panel in row for one in panel.drawn)
        for panel in row:
            for one in panel.drawn:
                one.label.remove()
            set_ticks(panel.axes.xaxis, panel.axes.get_xlim())
            set_ticks(panel.axes.yaxis, panel.axes.get_ylim())
        handles = [
            Line2D(
                [], [], color=styles[name].colour, marker=styles[name].marker, ls=styles[name].line, ms=4, label=name
            )
            for name in named
        ]
        where: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.02, 0.5), "frameon": False}
        row[-1].axes.legend(handles=handles, fontsize=LABEL_SIZE, labelspacing=0.2, handlelength=2.6, **where)


def _widen(axes: Axes) -> None:
    low, high = axes.get_ylim()
    factor = (high / low) ** 0.08
    axes.set_ylim(low / factor, high * factor)


def _draw_leaders(panel: Panel) -> None:
    """A thin line from each label that stands nearer to another series to the nearest point of its own."""
    to_axes = panel.axes.transAxes.inverted()
    points = [_pixels(one.points + one.law) for one in panel.drawn]
    for own, one in enumerate(panel.drawn):
        box = np.array(one.label.get_window_extent().extents)
        near = [_gaps(box[None], series).min() for series in points]
        if near[own] > min(near):
            target = points[own][_gaps(box[None], points[own]).argmin()]
            start = np.clip(target, box[:2], box[2:])
            ends = to_axes.transform(np.stack([start, target]))
            gid = str(one.label.get_gid()).replace("label:", "leader:", 1)
            look: dict[str, Any] = {"lw": 0.5, "zorder": 2.5, "transform": panel.axes.transAxes}
            panel.axes.plot(*ends.T, color=one.label.get_color(), gid=gid, **look)


def _place_in(panel: Panel) -> bool:
    """Place the labels of a panel; False if one of them had no free place."""
    frame = np.array(panel.axes.get_window_extent().padded(-BETWEEN_LABELS * PIXELS).extents)
    boxes = [_candidate_boxes(one.label, frame) for one in panel.drawn]
    costs = _costs(panel, boxes)
    count = len(boxes)
    turns = [[(first + step) % count for step in range(count)] for first in range(count)]
    tries = [_one_by_one(boxes, costs, order) for turn in turns for order in (turn, turn[::-1])]
    places, cost = min(tries, key=lambda found: found[1])
    for one, own_boxes, place in zip(panel.drawn, boxes, places, strict=True):
        x, y = panel.axes.transAxes.inverted().transform(own_boxes[place, :2])
        one.label.set_position((x, y))
    return cost < BLOCKED


def _one_by_one(boxes: list[np.ndarray], costs: list[np.ndarray], order: list[int]) -> tuple[list[int], float]:
    """The cheapest box of each label that keeps clear of those before it in `order`; the boxes' indices, their cost."""
    places, total = [0] * len(boxes), 0.0
    placed = np.empty((0, 4))
    for own in order:
        cost = costs[own] + BLOCKED * _overlaps(boxes[own], placed)
        places[own] = int(cost.argmin())
        total += float(cost.min())
        placed = np.vstack([placed, boxes[own][places[own]]])
    return places, total


def _costs(panel: Panel, boxes: list[np.ndarray]) -> list[np.ndarray]:
    """What each candidate box of each label costs, other labels apart: at least BLOCKED where it must not be."""
    marks = [_pixels(one.points) for one in panel.drawn]
    lines = [_pixels(one.law) for one in panel.drawn]
    costs = []
    for own, candidates in enumerate(boxes):
        to_marks = np.stack([_gaps(candidates, mark).min(axis=1) for mark in marks])
        to_lines = [_gaps(candidates, line) for line in lines]
        pairs = zip(to_marks, to_lines, strict=True)
        near = np.stack([np.minimum(mark, line.min(axis=1, initial=np.inf)) for mark, line in pairs])
        farther = np.maximum(0, near[own] - np.delete(near, own, axis=0).min(axis=0, initial=np.inf))
        covered = sum(np.sum(gaps < LINE_CLEARANCE * PIXELS, axis=1) for gaps in to_lines)
        blocked = to_marks.min(axis=0) < CLEARANCE * PIXELS
        costs.append(near[own] + NOT_OTHERS * farther + COVERED_LINE * covered + BLOCKED * blocked)
    return costs


def _pixels(lines: Iterable[Line2D]) -> np.ndarray:
    """The vertices of `lines` in pixels [n, 2]."""
    found = [line.get_transform().transform(line.get_xydata()) for line in lines]
    return np.concatenate([np.empty((0, 2)), *found])


def _candidate_boxes(label: Text, frame: np.ndarray) -> np.ndarray:
    """Boxes of the size of `label` within `frame` (left, bottom, right, top), in pixels [c, 4]."""
    size = label.get_window_extent().size
    left = np.linspace(frame[0], max(frame[0], frame[2] - size[0]), CANDIDATES)
    bottom = np.linspace(frame[1], max(frame[1], frame[3] - size[1]), CANDIDATES)
    corners = np.stack(np.meshgrid(left, bottom), axis=-1).reshape(-1, 2)
    return np.concatenate([corners, corners + size], axis=1)


def _gaps(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance from every box to every point, 0 inside [c, n]."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    return np.linalg.norm(np.maximum(0, np.maximum(low - points, points - high)), axis=-1)


def _overlaps(boxes: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """How many of the boxes placed are too near to each box [c]."""
    margin = BETWEEN_LABELS * PIXELS
    apart = (boxes[:, None, :2] > placed[:, 2:] + margin) | (boxes[:, None, 2:] < placed[:, :2] - margin)
    return np.sum(~apart.any(axis=-1), axis=1)
