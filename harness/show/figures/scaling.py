"""The figure of an experiment: test loss against size on the headline axes, with the laws that others fitted."""

import itertools
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.judging.scaling import SeriesFit, chosen_runs, common_law, headline_axes, laws_of, with_parts
from harness.laws import size_means
from harness.show.figures.labels import (
    BESIDE_PANEL,
    LINE_HEIGHT,
    edge_notes,
    key,
    law_key,
    limits_without_outliers,
    padded,
    refusal_notes,
    set_ticks,
    task_titles,
    title_letters,
    undrawn_note,
    write_head,
    write_keys_below,
    write_note,
)
from harness.show.figures.ranking import ranking_figure
from harness.show.figures.series import (
    Series,
    Style,
    draw_means,
    draw_series,
    experiment_styles,
    mark_beyond,
    prepare_bands,
)
from harness.show.figures.theme import figure_width, panel_grid, side_by_side, themed, write_figure
from harness.show.words import LOSS_WORDS, exponent_words, loss_words, refusal_words
from harness.spec import Manifest, axis_words

LOSS_UNITS = {"rmse": "target's units", "cross_entropy": "nats"}
MOST_SERIES = 8  # that lines and marks tell apart; more of them are ranked
MOST_TASKS, MOST_TASKS_TWICE = 12, 6  # on one axis; on two
PANEL_HEIGHT, SMALL_HEIGHT = 2.6, 2.1  # inches
LEAST_HEIGHT, ROWS_HEIGHT = 1.9, 7.2  # inches, of a panel with its title, and of all rows with legends that tell laws
TITLE, SMALL_TITLE = 64, 34  # letters, at most
SMALL_LABEL = 22  # letters of an axis's name
SMALL = 5  # points: the numbers at the curves of budgets
APART = 0.035  # of the height of a panel: between two of these numbers


class DrawnBudget(NamedTuple):
    """A training budget of which several sizes are drawn, and the series that its best size belongs to."""

    best: str
    asked: float


class DrawnExperiment(NamedTuple):
    """What is drawn: the runs, their laws, the style of every series, and the series of one budget each."""

    table: pd.DataFrame
    fits: Sequence[SeriesFit]
    styles: dict[str, Style]
    budgets: dict[str, DrawnBudget]


class Layout(NamedTuple):
    """The panels: a row of `axes` for each of `tasks`, by their titles, in so many columns.

    Where panels are `small` one legend of names serves all; else each has its own, which tells its laws.
    """

    tasks: list[str]
    axes: Sequence[str]
    columns: int
    small: bool
    titles: dict[str, str]

    @property
    def panels(self) -> list[tuple[str, str]]:
        """Task and axis of each panel, in the order in which they stand."""
        return list(itertools.product(self.tasks, self.axes))


class DrawnPanel(NamedTuple):
    """What was drawn in a panel: its series, with the line of a legend of each, and the ids of runs beyond it."""

    series: tuple[Series, ...]
    keys: tuple[Line2D, ...]
    beyond: frozenset[str]


# ------------------------------------------------------------------------------------------------------------- public
def draw_scaling(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit], folder: Path) -> list[Path]:
    """Write `scaling.png` and `scaling.pdf` into `folder`; return their paths."""
    return write_figure(scaling_figure(manifest, table, fits), folder / "scaling")


@themed
def scaling_figure(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit]) -> Figure:
    """A row a task, a column a headline axis. Artists carry a gid `kind:series` (runs, means, outside, law, ...).

    Below a panel stands what its laws say. Of many tasks there are small panels, two tasks a row, with one legend for
    all. Where more than MOST_SERIES stand side by side they are ranked instead (`ranking_figure`).
    """
    of_budget = [cell for cell in manifest.cells if cell.frontier and cell.asked]
    budgets = {cell.series: DrawnBudget(str(cell.frontier), float(cell.asked or 0)) for cell in of_budget}
    styles, axis_names = experiment_styles(manifest), headline_axes(manifest)
    labelled = table[~table["series"].isin(budgets)]
    most_series = labelled.groupby("task")["series"].nunique().max()
    every_task = list(dict.fromkeys(table["task"]))
    if most_series > MOST_SERIES:
        titles = task_titles(manifest, every_task, SMALL_TITLE)
        return ranking_figure(labelled, axis_names[0], titles, styles)
    layout = _layout(manifest, every_task, fits, int(most_series))
    figure, grid = panel_grid(len(layout.panels), layout.columns, SMALL_HEIGHT if layout.small else PANEL_HEIGHT)
    panels = _draw_panels(grid, DrawnExperiment(table, fits, styles, budgets), layout)
    _write_head(figure, panels, layout, table)
    notes = _law_notes(panels, layout)
    if len(layout.axes) < len(axis_names):
        notes.append(f"By {axis_words(axis_names[1])}, all laws are in fits.json.")
    write_note(figure, [*notes, *undrawn_note(len(every_task) - len(layout.tasks), "tasks")])
    if not layout.small:
        write_keys_below(figure, {axes: panel.keys for axes, panel in zip(grid, panels, strict=True)})
    return figure


def _layout(manifest: Manifest, every_task: Sequence[str], fits: Sequence[SeriesFit], most_series: int) -> Layout:
    """As many tasks and axes as there is room for; small panels where legends that tell laws do not fit."""
    axis_names, tasks = headline_axes(manifest), list(every_task[:MOST_TASKS])
    axes = axis_names if len(tasks) <= MOST_TASKS_TWICE else axis_names[:1]
    has_laws = any(not one.fit.refusals for one in fits if one.axis in axis_names)
    small = not has_laws or len(tasks) * (LEAST_HEIGHT + LINE_HEIGHT * most_series) > ROWS_HEIGHT
    columns = side_by_side(_columns(len(tasks), len(axes)))
    panels_below_title = len(axes) if columns > 1 else 1
    letters = title_letters(panels_below_title * figure_width(columns) / columns - BESIDE_PANEL)
    titles = task_titles(manifest, tasks, min(letters, SMALL_TITLE if small else TITLE))
    return Layout(tasks, axes, columns, small, titles)


def _draw_panels(grid: Sequence[Axes], drawn: DrawnExperiment, layout: Layout) -> list[DrawnPanel]:
    """Every panel, with its title and the words beside its axes."""
    laws = {(task, axis): common_law(drawn.fits, task, axis) for task, axis in layout.panels}
    prepare_bands(one.fit for one in drawn.fits if one.fit.law == laws.get((one.task, one.axis)))
    panels = []
    for place, (axes, (task, axis)) in enumerate(zip(grid, layout.panels, strict=True)):
        sharing = layout.axes if layout.columns > 1 else (axis,)
        limits = _loss_limits(drawn.table[drawn.table["task"] == task], sharing)
        panels.append(_panel(axes, drawn, task, axis, limits, not layout.small))
        is_first = axis == layout.axes[0]
        if is_first:
            axes.set_title(layout.titles[task])
        if is_first or layout.columns == 1:
            metric = drawn.table.loc[drawn.table["task"] == task, "metric"].iloc[0]
            unit = "" if layout.small else f" ({LOSS_UNITS[metric]})"
            axes.set_ylabel(LOSS_WORDS[metric] + unit)
        else:
            axes.sharey(grid[place - 1])
            axes.tick_params(labelleft=False)
    for place, axes in enumerate(grid):  # once all limits are known
        for axis_of_panel in (axes.xaxis, axes.yaxis):
            set_ticks(axis_of_panel, is_small=layout.columns > 2)
        has_panel_below = layout.columns > 1 and place + layout.columns < len(grid)
        if layout.small and has_panel_below:
            axes.set_xlabel("")
    return panels


def _write_head(figure: Figure, panels: Sequence[DrawnPanel], layout: Layout, table: pd.DataFrame) -> None:
    """What the figure shows; and above small panels, the legend of all."""
    keys: dict[str, Line2D] = {}
    if layout.small:
        for panel in panels:
            keys |= {str(one.get_label()): one for one in panel.keys}
    by = " and by ".join(axis_words(axis) for axis in layout.axes)
    head = f"{loss_words(table['metric'])} by {by}: lower is better"
    write_head(figure, list(keys.values()), head[0].upper() + head[1:])


def _columns(tasks: int, axes_each: int) -> int:
    """Panels a row: those of a task, or of two where there are too many tasks for a row each."""
    if axes_each == 1:
        return 3
    return 2 if tasks <= 3 else 4


# -------------------------------------------------------------------------------------------------------------- words
def _law_notes(panels: Sequence[DrawnPanel], layout: Layout) -> list[str]:
    """How to read marks and laws; which laws are missing, and which runs, each said once for all axes of a task."""
    refused: dict[str, list[str]] = {}
    failed = 0
    for task, panel in zip(layout.tasks, panels[:: len(layout.axes)], strict=True):
        failed += sum(one.failed.size for one in panel.series)
        for one in panel.series:
            if one.fit.refusals:
                refused.setdefault(refusal_words(one.fit), []).append(f"{one.name} on {task}")
    beyond = frozenset().union(*(panel.beyond for panel in panels))
    every = [one for panel in panels for one in panel.series]
    is_over_replicates = any(one.fit.lines is not None for one in every)
    less = "" if is_over_replicates else ", in which outliers count less"
    marks = [f"Large marks: means of ln of the dots{less}."]
    if any(one.outside[0].size for one in every):
        marks.append("Hollow: not in the fit.")
    if any(one.held_out for one in every):
        marks.append("Half-filled: held out, with a bar where the law predicts them.")
    if any(not one.fit.refusals for one in every):
        marks.append(
            "Lines: the law E + A·x⁻ᵅ, with its 95 % band."
            if any(one.fit.floor for one in every)
            else f"Lines: the law A·x⁻ᵅ{' over replicates' if is_over_replicates else ''}, with its 95 % band."
        )
    return [
        *marks,
        *refusal_notes(refused, len(every) // len(layout.axes)),
        *edge_notes(len(beyond), "runs", failed, "diverged"),
    ]


# ------------------------------------------------------------------------------------------------------------- panels
def _loss_limits(of_task: pd.DataFrame, axis_names: Sequence[str]) -> tuple[float, float]:
    """The limits of a task's losses on all these axes: the runs that a search chose differ between them."""
    losses: list[np.ndarray] = []
    for axis in axis_names:
        done = chosen_runs(of_task[of_task["status"] == "done"], axis)
        losses += [own["test_loss"].to_numpy(float) for _, own in done.groupby("series", sort=False)]
    return limits_without_outliers(losses, 0.08)


def _panel(
    axes: Axes, drawn: DrawnExperiment, task: str, axis: str, limits: tuple[float, float], tells_laws: bool
) -> DrawnPanel:
    """Draw all series of a task on an axis; with a legend that tells their laws, or their names alone."""
    runs = with_parts(chosen_runs(drawn.table, axis))
    runs = runs[runs["task"] == task]
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=axis_words(axis) if tells_laws else textwrap.fill(axis_words(axis), SMALL_LABEL),
        xlim=padded(runs["size"].to_numpy(float), 0.06),
        ylim=limits,
    )
    labelled = [one for one in drawn.fits if one.series not in drawn.budgets]
    law = common_law(labelled, task, axis)
    laws = laws_of(drawn.fits)
    best = {budget.best for budget in drawn.budgets.values()}
    keys, every, beyond = [], [], set()
    ends: dict[str, tuple[float, float]] = {}
    for name, own in runs.groupby("series", sort=False):
        series = str(name)
        if series in drawn.budgets:
            ends |= _draw_budget(axes, series, own, drawn)
        elif series in best and not axis.startswith("flops_train"):
            keys.append(_draw_best(axes, series, own, drawn.styles[series]))
        else:
            shown = _series(series, own, laws[task, series, axis][law], drawn.styles[series])
            draw_series(axes, shown)
            mark_beyond(axes, shown)
            beyond |= set(own.loc[(own["status"] == "done") & (own["test_loss"] > limits[1]), "run_id"])
            every.append(shown)
            in_words = law_key(shown, exponent_words(shown.fit), side_by_side(2), series, failed="diverged")
            keys.append(in_words if tells_laws else key(series, shown.style))
    _write_budgets(axes, ends, drawn)
    return DrawnPanel(tuple(every), tuple(keys), frozenset(beyond))


def _series(name: str, runs: pd.DataFrame, law: SeriesFit, style: Style) -> Series:
    done, outside = runs[runs["status"] == "done"], runs[runs["part"] == "outside"]
    return Series(
        name=name,
        style=style,
        x=done["size"].to_numpy(float),
        y=done["test_loss"].to_numpy(float),
        fit=law.fit,
        outside=(outside["size"].to_numpy(float), outside["test_loss"].to_numpy(float)),
        failed=runs.loc[runs["part"] == "diverged", "size"].to_numpy(float),
        held_out=law.held_out,
    )


def _draw_best(axes: Axes, series: str, runs: pd.DataFrame, style: Style) -> Line2D:
    """The best size of each budget, where size is not the budget: one mark a budget, and no law through them."""
    for _, done in runs[runs["status"] == "done"].groupby("cell"):
        best = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
        draw_means(axes, f"means:{series}", best, style)
    return key(series, style, has_line=False)


def _draw_budget(axes: Axes, series: str, runs: pd.DataFrame, drawn: DrawnExperiment) -> dict[str, tuple[float, float]]:
    """The sizes that were tried at one training budget, thin and joined, in the colour of the best sizes' series.

    The answer is where its curve ends, if there is one.
    """
    budget, done = drawn.budgets[series], runs[runs["status"] == "done"]
    if done.empty:
        return {}
    points = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
    is_spread = points.sizes[-1] > 1.5 * points.sizes[0]  # on the axis of the budget they stand above each other
    thin: dict[str, Any] = {"lw": 0.6, "alpha": 0.55, "zorder": 2, "ms": 2.2, "ls": "-" if is_spread else ""}
    draw_means(axes, f"means:{series}", points, drawn.styles[budget.best], **thin, mew=0)
    return {series: (float(points.sizes[-1]), float(points.means[-1]))} if is_spread else {}


def _write_budgets(axes: Axes, ends: dict[str, tuple[float, float]], drawn: DrawnExperiment) -> None:
    """What each budget was, beside the end of its curve, and clear of the one below."""
    to_share, last = axes.transScale + axes.transLimits, -1.0
    for series, end in sorted(ends.items(), key=lambda one: one[1][1]):
        budget = drawn.budgets[series]
        x, y = to_share.transform(end)
        last = max(y, last + APART)
        words = f"{human(budget.asked, 2)} FLOPs"
        look: dict[str, Any] = {"va": "center", "fontsize": SMALL, "color": drawn.styles[budget.best].text_colour}
        beside: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "annotation_clip": False}
        text = axes.annotate(words, (x, last), xycoords="axes fraction", **beside, **look)
        text.set_gid(f"budget:{series}")
