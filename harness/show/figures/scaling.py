"""The figure of a table of runs: losses against sizes, with the laws that others fitted."""

import itertools
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.judging.laws import SeriesLaws, drawn_law, runs_in
from harness.judging.scaling import headline_axes
from harness.laws import Fit, LawName, size_means
from harness.record.elsewhere import ONE_ARM
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
    named_styles,
    prepare_bands,
)
from harness.show.figures.theme import figure_width, panel_grid, side_by_side, themed, write_figure
from harness.show.names import shortened
from harness.show.words import exponent_words, metric_words, refusal_words
from harness.spec import Manifest, axis_words

LOSS_UNITS = {"test_rmse": "target's units", "test_cross_entropy": "nats"}
LAW_FORMS = {"pure": "A·x⁻ᵅ", "floor": "E + A·x⁻ᵅ"}
MOST_SERIES = 8  # that lines and marks tell apart; more of them are ranked
MOST_TASKS, MOST_TASKS_TWICE = 12, 6  # or panels of one series each, on one axis; on two
PANEL_HEIGHT, SMALL_HEIGHT = 2.6, 2.1  # inches
LEAST_HEIGHT, ROWS_HEIGHT = 1.9, 7.2  # inches, of a panel with its title, and of all rows with legends that tell laws
TITLE, SMALL_TITLE, EACH_TITLE = 64, 34, 27  # letters, at most; the last of a panel of one series
SMALL_LABEL = 22  # letters of an axis's name
SMALL = 5  # points: the numbers at the curves of budgets
APART = 0.035  # of the height of a panel: between two of these numbers


class DrawnBudget(NamedTuple):
    """A training budget of which several sizes are drawn, and the series that its best size belongs to."""

    best: str
    asked: float


class Drawn(NamedTuple):
    """What is drawn: the laws, the style of every series, the series of one budget each, and what a loss is called."""

    laws: Sequence[SeriesLaws]
    styles: Mapping[str, Style]
    budgets: Mapping[str, DrawnBudget]
    manifest: Manifest | None

    @property
    def labelled(self) -> list[SeriesLaws]:
        """The laws of series that are not of one budget each."""
        return [one for one in self.laws if one.series not in self.budgets]

    @property
    def tasks(self) -> list[str]:
        """All of them, in order."""
        return list(dict.fromkeys(one.task for one in self.laws))

    def on(self, task: str, axis: str) -> list[SeriesLaws]:
        """The laws of a panel."""
        return [one for one in self.laws if (one.task, one.axis) == (task, axis)]

    def titles(self, tasks: Sequence[str], letters: int) -> dict[str, str]:
        """What stands above the panels of tasks; a table of anybody's has none."""
        return task_titles(self.manifest, tasks, letters) if self.manifest else dict.fromkeys(tasks, "")


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

    task: str
    series: tuple[Series, ...]
    keys: tuple[Line2D, ...]
    beyond: frozenset[str]


# ------------------------------------------------------------------------------------------------------------- public
def draw_scaling(manifest: Manifest | None, laws: Sequence[SeriesLaws], folder: Path) -> list[Path]:
    """Write `scaling.png` and `scaling.pdf` into `folder`; return their paths."""
    return write_figure(scaling_figure(manifest, laws), folder / "scaling")


@themed
def scaling_figure(manifest: Manifest | None, laws: Sequence[SeriesLaws]) -> Figure:
    """A row a task, a column an axis. Artists carry a gid `kind:series` (runs, means, outside, law, ...).

    The axes are the headline ones of an experiment; without a `manifest` the laws are of a table of anybody's, and all
    axes are drawn. Below a panel stands what its laws say. Of many tasks there are small panels, two tasks a row, with
    one legend for all. Where more than MOST_SERIES stand side by side, those of an experiment are ranked instead
    (`ranking_figure`), and those of a table have a panel each.
    """
    axis_names = _axes_of(manifest, laws)
    of_budget = [cell for cell in manifest.cells if cell.frontier and cell.asked] if manifest else []
    budgets = {cell.series: DrawnBudget(str(cell.frontier), float(cell.asked or 0)) for cell in of_budget}
    styles = experiment_styles(manifest) if manifest else named_styles(one.series for one in laws)
    drawn = Drawn([one for one in laws if one.axis in axis_names], styles, budgets, manifest)
    most_series = max(Counter((one.task, one.axis) for one in drawn.labelled).values())
    if most_series > MOST_SERIES and manifest:
        runs = pd.concat([one.table for one in drawn.labelled if one.axis == axis_names[0]])
        return ranking_figure(runs, axis_names[0], drawn.titles(drawn.tasks, SMALL_TITLE), styles)
    if most_series > MOST_SERIES:
        return _a_panel_each(drawn)
    layout = _layout(drawn, axis_names, most_series)
    figure, grid = panel_grid(len(layout.panels), layout.columns, SMALL_HEIGHT if layout.small else PANEL_HEIGHT)
    panels = _draw_panels(grid, drawn, layout)
    if manifest:
        _write_head(figure, panels, layout, drawn)
    notes = _law_notes(panels, len(layout.axes))
    if len(layout.axes) < len(axis_names):
        notes.append(f"By {axis_words(axis_names[1])}, all laws are in fits.json.")
    write_note(figure, [*notes, *undrawn_note(len(drawn.tasks) - len(layout.tasks), "tasks")])
    if not layout.small:
        write_keys_below(figure, {axes: panel.keys for axes, panel in zip(grid, panels, strict=True)})
    return figure


def _axes_of(manifest: Manifest | None, laws: Sequence[SeriesLaws]) -> list[str]:
    """The headline axes that there are laws on, or else all axes."""
    every = list(dict.fromkeys(one.axis for one in laws))
    return [axis for axis in headline_axes(manifest) if axis in every] or every if manifest else every


def _layout(drawn: Drawn, axis_names: Sequence[str], most_series: int) -> Layout:
    """As many tasks and axes as there is room for; small panels where legends that tell laws do not fit."""
    tasks = drawn.tasks[:MOST_TASKS]
    axes = axis_names if len(tasks) <= MOST_TASKS_TWICE else axis_names[:1]
    has_laws = any(not fit.refusals for one in drawn.laws for fit in one.fits.values())
    small = not has_laws or len(tasks) * (LEAST_HEIGHT + LINE_HEIGHT * most_series) > ROWS_HEIGHT
    small = small and drawn.manifest is not None
    columns = side_by_side(min(_columns(len(tasks), len(axes)), len(tasks) * len(axes)))
    panels_below_title = len(axes) if columns > 1 else 1
    letters = title_letters(panels_below_title * figure_width(columns) / columns - BESIDE_PANEL)
    titles = drawn.titles(tasks, min(letters, SMALL_TITLE if small else TITLE))
    return Layout(tasks, axes, columns, small, titles)


def _a_panel_each(drawn: Drawn) -> Figure:
    """A small panel a series and axis, all with the same losses, and its law below it."""
    shown = drawn.laws[:MOST_TASKS]
    columns = side_by_side(min(3, len(shown)))
    figure, grid = panel_grid(len(shown), columns, SMALL_HEIGHT)
    limits = _loss_limits(drawn.laws)
    names = shortened((one.series for one in drawn.laws), EACH_TITLE)
    panels = []
    for place, (axes, one) in enumerate(zip(grid, shown, strict=True)):
        law = drawn_law(drawn.laws, one.task, one.axis)
        panels.append(_panel(axes, drawn._replace(laws=[one]), law, limits, True))
        axes.set_title(names[one.series])
        if place % columns == 0:
            axes.set_ylabel(metric_words([one.metric]))
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)
    notes = _law_notes(panels, 1)
    write_note(figure, [*notes, *undrawn_note(len(drawn.laws) - len(shown), "panels")])
    write_keys_below(figure, {axes: panel.keys for axes, panel in zip(grid, panels, strict=True)})
    return figure


def _draw_panels(grid: Sequence[Axes], drawn: Drawn, layout: Layout) -> list[DrawnPanel]:
    """Every panel, with its title and the words beside its axes."""
    laws = {place: drawn_law(drawn.labelled, *place) for place in layout.panels}
    prepare_bands(one.fits[laws[one.task, one.axis]] for one in drawn.labelled if (one.task, one.axis) in laws)
    panels = []
    for place, (axes, (task, axis)) in enumerate(zip(grid, layout.panels, strict=True)):
        sharing = layout.axes if layout.columns > 1 else (axis,)
        limits = _loss_limits([one for axis_name in sharing for one in drawn.on(task, axis_name)])
        own = drawn.on(task, axis)
        panels.append(_panel(axes, drawn._replace(laws=own), laws[task, axis], limits, not layout.small))
        is_first = axis == layout.axes[0]
        if is_first:
            axes.set_title(layout.titles[task])
        if is_first or place % layout.columns == 0:
            metric = own[0].metric
            unit = "" if layout.small or not drawn.manifest else f" ({LOSS_UNITS[metric]})"
            axes.set_ylabel(metric_words([metric]) + unit)
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


def _write_head(figure: Figure, panels: Sequence[DrawnPanel], layout: Layout, drawn: Drawn) -> None:
    """What the figure shows; and above small panels, the legend of all."""
    keys: dict[str, Line2D] = {}
    if layout.small:
        for panel in panels:
            keys |= {str(one.get_label()): one for one in panel.keys}
    by = " and by ".join(axis_words(axis) for axis in layout.axes)
    head = f"{metric_words(one.metric for one in drawn.laws)} by {by}: lower is better"
    write_head(figure, list(keys.values()), head[0].upper() + head[1:])


def _columns(tasks: int, axes_each: int) -> int:
    """Panels a row: those of a task, or of two where there are too many tasks for a row each."""
    if axes_each == 1:
        return 3
    return 2 if tasks <= 3 else 4


# -------------------------------------------------------------------------------------------------------------- words
def _law_notes(panels: Sequence[DrawnPanel], panels_a_task: int) -> list[str]:
    """How to read marks and laws; which laws are missing, and which runs, each said once for all axes of a task."""
    refused: dict[str, dict[str, None]] = {}
    for one, task in ((one, panel.task) for panel in panels for one in panel.series if one.fit.refusals):
        refused.setdefault(refusal_words(one.fit), {})[f"{one.name}{f' on {task}' if task else ''}"] = None
    failed = sum(one.failed.size for panel in panels[::panels_a_task] for one in panel.series)
    beyond = frozenset().union(*(panel.beyond for panel in panels))
    every = [one for panel in panels for one in panel.series]
    drawn_fits = [one.fit for one in every if not one.fit.refusals]
    is_over_replicates = any(one.fit.lines is not None for one in every)
    less = "" if is_over_replicates else ", in which outliers count less"
    marks = [f"Large marks: means of ln of the dots{less}."]
    if any(one.outside[0].size for one in every):
        marks.append("Hollow: not in the fit.")
    if any(one.held_out for one in every):
        marks.append("Half-filled: held out, with a bar where the law predicts them.")
    if drawn_fits:
        law = drawn_fits[0].law
        form = LAW_FORMS["floor" if any(fit.floor for fit in drawn_fits) else "pure"]
        over = " over replicates" if is_over_replicates else ""
        level = f"{100 * drawn_fits[0].level:.3g} %"
        marks.append(f"Lines: the {'law ' + form if law in LAW_FORMS else law + ' law'}{over}, with its {level} band.")
    return [
        *marks,
        *refusal_notes({why: list(places) for why, places in refused.items()}, len(every) // panels_a_task),
        *edge_notes(len(beyond), "runs", failed),
    ]


# ------------------------------------------------------------------------------------------------------------- panels
def _loss_limits(laws: Sequence[SeriesLaws]) -> tuple[float, float]:
    """The limits of the losses of all these, so that panels can share them."""
    return limits_without_outliers([runs_in(one.table)[1] for one in laws], 0.08)


def _panel(axes: Axes, drawn: Drawn, law: LawName, limits: tuple[float, float], tells_laws: bool) -> DrawnPanel:
    """Draw all series of a panel under one law; with a legend that tells their laws, or their names alone."""
    task, axis = drawn.laws[0].task, drawn.laws[0].axis
    sizes = np.concatenate([one.table["size"].to_numpy(float) for one in drawn.laws])
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=axis_words(axis) if tells_laws else textwrap.fill(axis_words(axis), SMALL_LABEL),
        xlim=padded(sizes[sizes > 0], 0.06),
        ylim=limits,
    )
    best = {budget.best for budget in drawn.budgets.values()}
    keys, every, beyond = [], [], set()
    ends: dict[str, tuple[float, float]] = {}
    for one in drawn.laws:
        name, budget = one.series, drawn.budgets.get(one.series)
        style = drawn.styles[budget.best if budget else name]
        if budget:
            ends |= _draw_budget(axes, one, style)
        elif name in best and not axis.startswith("flops_train"):
            keys.append(_draw_best(axes, one, style))
        else:
            shown = _series(one, one.fits[law], style)
            draw_series(axes, shown)
            mark_beyond(axes, shown)
            runs = one.table[(one.table["status"] == "done") & (one.table["test_loss"] > limits[1])]
            beyond |= set(runs["run_id"] if "run_id" in runs else runs["row"])
            every.append(shown)
            told = "" if name == ONE_ARM and not task else name
            in_words = law_key(shown, exponent_words(shown.fit), side_by_side(2), told)
            keys.append(in_words if tells_laws else key(name, style))
    _write_budgets(axes, ends, drawn)
    return DrawnPanel(task, tuple(every), tuple(keys), frozenset(beyond))


def _series(one: SeriesLaws, fit: Fit, style: Style) -> Series:
    x, y = runs_in(one.table)
    failed = one.table.loc[one.table["status"] != "done", "size"].to_numpy(float)
    outside, held_out = runs_in(one.table, "outside"), one.held_out.get(fit.law)
    return Series(one.series, style, x, y, fit, outside, failed, held_out)


def _draw_best(axes: Axes, one: SeriesLaws, style: Style) -> Line2D:
    """The best size of each budget, where size is not the budget: one mark a budget, and no law through them."""
    for _, done in one.table[one.table["status"] == "done"].groupby("cell"):
        best = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
        draw_means(axes, f"means:{one.series}", best, style)
    return key(one.series, style, has_line=False)


def _draw_budget(axes: Axes, one: SeriesLaws, style: Style) -> dict[str, tuple[float, float]]:
    """The sizes that were tried at one training budget, thin and joined, in the colour of the best sizes' series.

    The answer is where its curve ends, if there is one.
    """
    x, y = runs_in(one.table)
    if not x.size:
        return {}
    points = size_means(x, y)
    is_spread = points.sizes[-1] > 1.5 * points.sizes[0]  # on the axis of the budget they stand above each other
    thin: dict[str, Any] = {"lw": 0.6, "alpha": 0.55, "zorder": 2, "ms": 2.2, "ls": "-" if is_spread else ""}
    draw_means(axes, f"means:{one.series}", points, style, **thin, mew=0)
    return {one.series: (float(points.sizes[-1]), float(points.means[-1]))} if is_spread else {}


def _write_budgets(axes: Axes, ends: dict[str, tuple[float, float]], drawn: Drawn) -> None:
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
