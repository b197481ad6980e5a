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
from harness.show.codes import CODES
from harness.show.figures.labels import (
    BESIDE_PANEL,
    LINE_HEIGHT,
    edge_notes,
    key,
    law_key,
    limits_without_outliers,
    padded,
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
from harness.show.words import exponent_words, metric_words
from harness.spec import Manifest, axis_words

LOSS_UNITS = {"test_rmse": "target's units", "test_cross_entropy": "nats"}
LAW_FORMS = {"pure": "A·x⁻ᵅ", "floor": "E + A·x⁻ᵅ"}
MOST_SERIES = 8  # that lines and marks tell apart; more of them are ranked
MOST_TASKS, MOST_TASKS_TWICE = 12, 6  # or panels of one series each, on one axis; on two
MOST_PLACES = 6  # without a law, named in a sentence
PANEL_HEIGHT, SMALL_HEIGHT = 2.6, 2.1  # inches
LEAST_HEIGHT, ROWS_HEIGHT = 1.9, 7.2  # inches, of a panel with its title, and of all rows with legends that tell laws
TITLE, SMALL_TITLE, EACH_TITLE = 64, 34, 27  # letters, at most; the last of a panel of one series
SMALL_LABEL = 22  # letters of an axis's name
SMALL = 5  # points: the numbers at the curves of budgets
APART = 0.035  # of the height of a panel: between two of these numbers


class Drawn(NamedTuple):
    """What is drawn: the laws, the style of every series, and what an experiment has more.

    Of a series of the sizes tried at one training budget, `budgets` has the series that its best size belongs to, and
    the budget.
    """

    laws: Sequence[SeriesLaws]
    styles: Mapping[str, Style]
    budgets: Mapping[str, tuple[str, float]]
    manifest: Manifest | None

    @property
    def labelled(self) -> list[SeriesLaws]:
        """The laws of series that are not of one budget each."""
        return [one for one in self.laws if one.series not in self.budgets]

    @property
    def tasks(self) -> list[str]:
        """All of them, in order."""
        return list(dict.fromkeys(one.task for one in self.laws))

    def titles(self, tasks: Sequence[str], letters: int) -> dict[str, str]:
        """What stands above the panels of tasks; a table of anybody's has none."""
        return task_titles(self.manifest, tasks, letters) if self.manifest else dict.fromkeys(tasks, "")


class Panel(NamedTuple):
    """The laws that share a panel, which of their forms is drawn, and the limits of losses."""

    title: str
    laws: Sequence[SeriesLaws]
    law: LawName
    limits: tuple[float, float]


class Layout(NamedTuple):
    """The panels, in so many columns; `axes` are those of each task, and `notes` say what is left out.

    Each panel has a legend that tells its laws, or else one legend of names serves all.
    """

    panels: Sequence[Panel]
    columns: int
    height: float
    tells_laws: bool
    axes: Sequence[str]
    notes: Sequence[str]


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
    every_axis = list(dict.fromkeys(one.axis for one in laws))
    headline = [axis for axis in headline_axes(manifest) if axis in every_axis] if manifest else []
    axis_names = headline or every_axis
    of_budget = [cell for cell in manifest.cells if cell.frontier and cell.asked] if manifest else []
    budgets = {cell.series: (str(cell.frontier), float(cell.asked or 0)) for cell in of_budget}
    styles = experiment_styles(manifest) if manifest else named_styles(one.series for one in laws)
    drawn = Drawn([one for one in laws if one.axis in axis_names], styles, budgets, manifest)
    most_series = max(Counter((one.task, one.axis) for one in drawn.labelled).values())
    if most_series > MOST_SERIES and manifest:
        runs = pd.concat([one.table for one in drawn.labelled if one.axis == axis_names[0]])
        return ranking_figure(runs, axis_names[0], drawn.titles(drawn.tasks, SMALL_TITLE), styles)
    is_crowded = most_series > MOST_SERIES
    layout = _a_panel_a_series(drawn) if is_crowded else _a_row_a_task(drawn, axis_names, most_series)
    figure, grid = panel_grid(len(layout.panels), layout.columns, layout.height)
    panels = _draw_panels(grid, drawn, layout)
    if manifest:
        _write_head(figure, panels, layout, drawn)
    write_note(figure, [*_law_notes(panels, len(layout.axes)), *layout.notes])
    if layout.tells_laws:
        write_keys_below(figure, {axes: panel.keys for axes, panel in zip(grid, panels, strict=True)})
    return figure


def _a_row_a_task(drawn: Drawn, axis_names: Sequence[str], most_series: int) -> Layout:
    """As many tasks and axes as there is room for; small panels where legends that tell laws do not fit."""
    tasks = drawn.tasks[:MOST_TASKS]
    axes = axis_names if len(tasks) <= MOST_TASKS_TWICE else axis_names[:1]
    has_laws = any(not fit.refusals for one in drawn.laws for fit in one.fits.values())
    has_room = has_laws and len(tasks) * (LEAST_HEIGHT + LINE_HEIGHT * most_series) <= ROWS_HEIGHT
    tells_laws = has_room or drawn.manifest is None
    fitting = 3 if len(axes) == 1 else 2 if len(tasks) <= 3 else 4
    columns = side_by_side(min(fitting, len(tasks) * len(axes)))
    panels_below_title = len(axes) if columns > 1 else 1
    letters = title_letters(panels_below_title * figure_width(columns) / columns - BESIDE_PANEL)
    titles = drawn.titles(tasks, min(letters, TITLE if tells_laws else SMALL_TITLE))
    panels = []
    for task, axis in itertools.product(tasks, axes):
        sharing = axes if columns > 1 else (axis,)
        limits = _loss_limits([one for one in drawn.laws if one.task == task and one.axis in sharing])
        own = [one for one in drawn.laws if (one.task, one.axis) == (task, axis)]
        title = titles[task] if axis == axes[0] else ""
        panels.append(Panel(title, own, drawn_law(drawn.labelled, task, axis), limits))
    elsewhere = f"By {axis_words(axis_names[-1])}, all laws are in fits.json."
    notes = ([elsewhere] if len(axes) < len(axis_names) else []) + undrawn_note(len(drawn.tasks) - len(tasks), "tasks")
    return Layout(panels, columns, PANEL_HEIGHT if tells_laws else SMALL_HEIGHT, tells_laws, axes, notes)


def _a_panel_a_series(drawn: Drawn) -> Layout:
    """A small panel a series and axis, all with the same losses."""
    shown = drawn.laws[:MOST_TASKS]
    limits, names = _loss_limits(drawn.laws), shortened((one.series for one in drawn.laws), EACH_TITLE)
    panels = []
    for one in shown:
        panels.append(Panel(names[one.series], [one], drawn_law(drawn.laws, one.task, one.axis), limits))
    notes = undrawn_note(len(drawn.laws) - len(shown), "panels")
    return Layout(panels, side_by_side(min(3, len(shown))), SMALL_HEIGHT, True, ("",), notes)


def _loss_limits(laws: Sequence[SeriesLaws]) -> tuple[float, float]:
    return limits_without_outliers([runs_in(one.table)[1] for one in laws], 0.08)


# ------------------------------------------------------------------------------------------------------------- panels
def _draw_panels(grid: Sequence[Axes], drawn: Drawn, layout: Layout) -> list[DrawnPanel]:
    """Every panel, with its title and the words beside its axes; losses are named where they are not those beside."""
    labelled = [(one, panel.law) for panel in layout.panels for one in panel.laws if one.series not in drawn.budgets]
    prepare_bands(one.fits[law] for one, law in labelled)
    panels: list[DrawnPanel] = []
    beside = None
    for place, (axes, panel) in enumerate(zip(grid, layout.panels, strict=True)):
        panels.append(_panel(axes, panel, drawn, layout))
        axes.set_title(panel.title)
        if panel.limits != beside or place % layout.columns == 0:
            metric = panel.laws[0].metric
            unit = f" ({LOSS_UNITS[metric]})" if layout.tells_laws and drawn.manifest else ""
            axes.set_ylabel(metric_words([metric]) + unit)
        else:
            axes.tick_params(labelleft=False)
        beside = panel.limits
        has_panel_below = layout.columns > 1 and place + layout.columns < len(grid)
        if has_panel_below and not layout.tells_laws:
            axes.set_xlabel("")
        set_ticks(axes.xaxis, is_small=layout.columns > 2)
        set_ticks(axes.yaxis, is_small=layout.columns > 2)
    return panels


def _panel(axes: Axes, panel: Panel, drawn: Drawn, layout: Layout) -> DrawnPanel:
    """Draw all series of a panel under one law; with a legend that tells their laws, or their names alone."""
    task, axis = panel.laws[0].task, panel.laws[0].axis
    sizes = np.concatenate([one.table["size"].to_numpy(float) for one in panel.laws])
    size_words = axis_words(axis) if layout.tells_laws else textwrap.fill(axis_words(axis), SMALL_LABEL)
    axes.set(xscale="log", yscale="log", xlabel=size_words, xlim=padded(sizes[sizes > 0], 0.06), ylim=panel.limits)
    bests = {best for best, _ in drawn.budgets.values()}
    keys, every, beyond = [], [], set()
    ends: dict[str, tuple[float, float]] = {}
    for one in panel.laws:
        name = one.series
        if name in drawn.budgets:
            ends |= _draw_budget(axes, one, drawn.styles[drawn.budgets[name][0]])
        elif name in bests and not axis.startswith("flops_train"):
            keys.append(_draw_best(axes, one, drawn.styles[name]))
        else:
            shown = _series(one, one.fits[panel.law], drawn.styles[name])
            draw_series(axes, shown)
            mark_beyond(axes, shown)
            runs = one.table[(one.table["status"] == "done") & (one.table["test_loss"] > panel.limits[1])]
            beyond |= set(runs["run_id"] if "run_id" in runs else runs["row"])
            every.append(shown)
            told = "" if name == ONE_ARM and not task else name
            in_words = law_key(shown, exponent_words(shown.fit), max(layout.columns, side_by_side(2)), told)
            keys.append(in_words if layout.tells_laws else key(name, shown.style))
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
        best, asked = drawn.budgets[series]
        x, y = to_share.transform(end)
        last = max(y, last + APART)
        look: dict[str, Any] = {"va": "center", "fontsize": SMALL, "color": drawn.styles[best].text_colour}
        beside: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "annotation_clip": False}
        words = f"{human(asked, 2)} FLOPs"
        axes.annotate(words, (x, last), xycoords="axes fraction", gid=f"budget:{series}", **beside, **look)


# -------------------------------------------------------------------------------------------------------------- words
def _write_head(figure: Figure, panels: Sequence[DrawnPanel], layout: Layout, drawn: Drawn) -> None:
    keys: dict[str, Line2D] = {}
    for panel in () if layout.tells_laws else panels:
        keys |= {str(one.get_label()): one for one in panel.keys}
    by = " and by ".join(axis_words(axis) for axis in layout.axes)
    head = f"{metric_words(one.metric for one in drawn.laws)} by {by}: lower is better"
    write_head(figure, list(keys.values()), head[0].upper() + head[1:])


def _law_notes(panels: Sequence[DrawnPanel], panels_a_task: int) -> list[str]:
    """How to read marks and laws; which laws are missing, and which runs, each said once for all axes of a task."""
    every = [(one, panel.task) for panel in panels for one in panel.series]
    fits = [one.fit for one, _ in every if not one.fit.refusals]
    is_over_replicates = any(one.fit.lines is not None for one, _ in every)
    less = "" if is_over_replicates else ", in which outliers count less"
    notes = [f"Large marks: means of ln of the dots{less}."]
    if any(one.outside[0].size for one, _ in every):
        notes.append("Hollow: not in the fit.")
    if any(one.held_out for one, _ in every):
        notes.append("Half-filled: held out, with a bar where the law predicts them.")
    if fits:
        law = fits[0].law
        form = LAW_FORMS["floor" if any(fit.floor for fit in fits) else "pure"]
        over = " over replicates" if is_over_replicates else ""
        level = f"{100 * fits[0].level:.3g} %"
        notes.append(f"Lines: the {'law ' + form if law in LAW_FORMS else law + ' law'}{over}, with its {level} band.")
    refused: dict[str, dict[str, None]] = {}  # in what places, by the reason in few words
    for one, task in every:
        if one.fit.refusals:
            place = f"{one.name} on {task}" if task else one.name
            refused.setdefault(CODES[one.fit.refusals[0].code].brief, {})[place] = None
    for why, places in refused.items():
        number = f"{len(places)} of {len(every) // panels_a_task} series"
        notes.append(f"No law ({why}): {', '.join(places) if len(places) <= MOST_PLACES else number}.")
    beyond = frozenset().union(*(panel.beyond for panel in panels))
    failed = sum(one.failed.size for panel in panels[::panels_a_task] for one in panel.series)
    return [*notes, *edge_notes(len(beyond), "runs", failed)]
