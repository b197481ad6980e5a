"""The figure of a table of runs: losses against sizes, with the laws that others fitted."""

import itertools
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.judging.laws import SeriesLaws, drawn_law, runs_in
from harness.judging.scaling import headline_axes
from harness.laws import Fit, size_means
from harness.record.elsewhere import ONE_ARM
from harness.show.codes import CODES
from harness.show.figures import labels
from harness.show.figures.labels import limits_without_outliers, padded
from harness.show.figures.ranking import ranking_figure
from harness.show.figures.series import (
    DrawnLaw,
    Style,
    draw_law,
    draw_means,
    experiment_styles,
    named_styles,
    prepare_bands,
)
from harness.show.figures.theme import figure_width, panel_grid, side_by_side, themed
from harness.show.names import shortened
from harness.show.words import loss_of_laws, metric_words
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


class Panel(NamedTuple):
    """The laws that share a panel, those of them that are drawn as laws, and the limits of losses."""

    title: str
    laws: Sequence[SeriesLaws]
    drawn: Sequence[DrawnLaw]
    limits: tuple[float, float]


class Shown(NamedTuple):
    """What is shown: the laws, the style of every series, and what an experiment has more.

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
        return [series for series in self.laws if series.series not in self.budgets]

    @property
    def tasks(self) -> list[str]:
        """All of them, in order."""
        return list(dict.fromkeys(series.task for series in self.laws))

    def titles(self, tasks: Sequence[str], letters: int) -> dict[str, str]:
        """What stands above the panels of tasks; a table of anybody's has none."""
        return labels.task_titles(self.manifest, tasks, letters) if self.manifest else dict.fromkeys(tasks, "")

    def panel(self, title: str, laws: Sequence[SeriesLaws], beside: Sequence[SeriesLaws]) -> Panel:
        """A panel of laws on one task and axis, with room for the losses of what stands `beside` too.

        The best sizes of budgets are no law where size is not the budget.
        """
        bests = {best for best, _ in self.budgets.values()}
        law, drawn = drawn_law(self.labelled, laws[0].task, laws[0].axis), []
        for series in laws:
            is_best = series.series in bests and not series.axis.startswith("flops_train")
            if series.series not in self.budgets and not is_best:
                drawn.append(DrawnLaw(series, series.fits[law], self.styles[series.series]))
        limits = limits_without_outliers([runs_in(series.table)[1] for series in beside], 0.08)
        return Panel(title, laws, drawn, limits)


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

    @property
    def drawn(self) -> list[DrawnLaw]:
        """The laws of all panels."""
        return list(itertools.chain.from_iterable(panel.drawn for panel in self.panels))


# ------------------------------------------------------------------------------------------------------------- layout
@themed
def scaling_figure(manifest: Manifest | None, laws: Sequence[SeriesLaws]) -> Figure:
    """A row a task, a column an axis. Artists carry a gid `kind:series` (runs, means, outside, law, ...).

    The axes are the headline ones of an experiment; without a `manifest` the laws are of a table of anybody's, and all
    axes are drawn. Below a panel stands what its laws say. Of many tasks there are small panels, two tasks a row, with
    one legend for all. Where more than MOST_SERIES stand side by side, those of an experiment are ranked instead
    (`ranking_figure`), and those of a table have a panel each.
    """
    axis_names = list(dict.fromkeys(series.axis for series in laws))
    styles = experiment_styles(manifest) if manifest else named_styles(series.series for series in laws)
    budgets: dict[str, tuple[str, float]] = {}
    if manifest:
        axis_names = [axis for axis in headline_axes(manifest) if axis in axis_names] or axis_names
        for cell in manifest.cells:
            if cell.frontier and cell.asked:
                budgets[cell.series] = cell.frontier, cell.asked
    shown = Shown([series for series in laws if series.axis in axis_names], styles, budgets, manifest)
    most_series = max(Counter((series.task, series.axis) for series in shown.labelled).values())
    if most_series > MOST_SERIES and manifest:
        runs = pd.concat([series.table for series in shown.labelled if series.axis == axis_names[0]])
        return ranking_figure(runs, axis_names[0], shown.titles(shown.tasks, SMALL_TITLE), styles)
    is_crowded = most_series > MOST_SERIES
    layout = _a_panel_a_series(shown) if is_crowded else _a_row_a_task(shown, axis_names, most_series)
    figure, grid = panel_grid(len(layout.panels), layout.columns, layout.height)
    keys = _draw_panels(grid, shown, layout)
    if manifest:
        by = " and by ".join(map(axis_words, layout.axes))
        head = f"{loss_of_laws(shown.laws)} by {by}: lower is better"
        named = {} if layout.tells_laws else {handle.get_label(): handle for handle in itertools.chain(*keys)}
        labels.write_head(figure, list(named.values()), head[0].upper() + head[1:])
    labels.write_note(figure, [*_law_notes(layout), *layout.notes])
    if layout.tells_laws:
        labels.write_keys_below(figure, dict(zip(grid, keys, strict=True)))
    return figure


def _a_row_a_task(shown: Shown, axis_names: Sequence[str], most_series: int) -> Layout:
    """As many tasks and axes as there is room for; small panels where legends that tell laws do not fit."""
    tasks = shown.tasks[:MOST_TASKS]
    axes = axis_names if len(tasks) <= MOST_TASKS_TWICE else axis_names[:1]
    fits = itertools.chain.from_iterable(series.fits.values() for series in shown.laws)
    has_laws = any(not fit.refusals for fit in fits)
    has_room = has_laws and len(tasks) * (LEAST_HEIGHT + labels.LINE_HEIGHT * most_series) <= ROWS_HEIGHT
    tells_laws = has_room or shown.manifest is None
    fitting = 3 if len(axes) == 1 else 2 if len(tasks) <= 3 else 4
    columns = side_by_side(min(fitting, len(tasks) * len(axes)))
    panels_below_title = len(axes) if columns > 1 else 1
    letters = labels.title_letters(panels_below_title * figure_width(columns) / columns - labels.BESIDE_PANEL)
    titles = shown.titles(tasks, min(letters, TITLE if tells_laws else SMALL_TITLE))
    panels = []
    for task, axis in itertools.product(tasks, axes):
        sharing = axes if columns > 1 else (axis,)
        of_task = [series for series in shown.laws if series.task == task and series.axis in sharing]
        own = [series for series in of_task if series.axis == axis]
        panels.append(shown.panel(titles[task] if axis == axes[0] else "", own, of_task))
    notes = labels.undrawn_note(len(shown.tasks) - len(tasks), "tasks")
    if len(axes) < len(axis_names):
        notes.insert(0, f"By {axis_words(axis_names[-1])}, all laws are in fits.json.")
    return Layout(panels, columns, PANEL_HEIGHT if tells_laws else SMALL_HEIGHT, tells_laws, axes, notes)


def _a_panel_a_series(shown: Shown) -> Layout:
    """A small panel a series and axis, all with the same losses."""
    names = shortened((series.series for series in shown.laws), EACH_TITLE)
    panels = [shown.panel(names[series.series], [series], shown.laws) for series in shown.laws[:MOST_TASKS]]
    notes = labels.undrawn_note(len(shown.laws) - len(panels), "panels")
    return Layout(panels, side_by_side(min(3, len(panels))), SMALL_HEIGHT, True, ("",), notes)


# ------------------------------------------------------------------------------------------------------------- panels
def _draw_panels(grid: Sequence[Axes], shown: Shown, layout: Layout) -> list[list[Line2D]]:
    """Every panel, with its title and the words beside its axes; losses are named where they are not those beside.

    Returns the lines of the legend of each.
    """
    prepare_bands(law.fit for law in layout.drawn)
    keys, beside = [], None
    for place, (axes, panel) in enumerate(zip(grid, layout.panels, strict=True)):
        keys.append(_draw_panel(axes, panel, shown, layout))
        axes.set_title(panel.title)
        if panel.limits != beside or place % layout.columns == 0:
            metric = panel.laws[0].metric
            unit = f" ({LOSS_UNITS[metric]})" if layout.tells_laws and shown.manifest else ""
            axes.set_ylabel(metric_words([metric]) + unit)
        else:
            axes.tick_params(labelleft=False)
        beside = panel.limits
        has_panel_below = layout.columns > 1 and place + layout.columns < len(grid)
        if has_panel_below and not layout.tells_laws:
            axes.set_xlabel("")
        for axis in (axes.xaxis, axes.yaxis):
            labels.set_ticks(axis, is_small=layout.columns > 2)
    return keys


def _draw_panel(axes: Axes, panel: Panel, shown: Shown, layout: Layout) -> list[Line2D]:
    """Draw all series of a panel, and return a line of its legend for each: what its law says, or its name alone."""
    sizes = np.concatenate([series.table["size"].to_numpy(float) for series in panel.laws])
    words = axis_words(panel.laws[0].axis)
    x_words, x_limits = (
        words if layout.tells_laws else textwrap.fill(words, SMALL_LABEL),
        padded(sizes[sizes > 0], 0.06),
    )
    axes.set(xscale="log", yscale="log", xlabel=x_words, xlim=x_limits, ylim=panel.limits)
    drawn = {law.laws.series: law for law in panel.drawn}
    keys = []
    ends: dict[str, tuple[float, float]] = {}
    for series in panel.laws:
        name = series.series
        if name in shown.budgets:
            ends |= _draw_budget(axes, series, shown.styles[shown.budgets[name][0]])
        elif name not in drawn:
            keys.append(_draw_best(axes, series, shown.styles[name]))
        else:
            draw_law(axes, drawn[name])
            if layout.tells_laws:
                told = "" if name == ONE_ARM and not series.task else name
                keys.append(labels.law_key(drawn[name], max(layout.columns, side_by_side(2)), told))
            else:
                keys.append(labels.key(name, shown.styles[name]))
    _write_budgets(axes, ends, shown)
    return keys


def _draw_best(axes: Axes, series: SeriesLaws, style: Style) -> Line2D:
    """The best size of each budget, where size is not the budget: one mark a budget, and no law through them."""
    for _, done in series.table[series.table["status"] == "done"].groupby("cell"):
        best = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
        draw_means(axes, f"means:{series.series}", best, style)
    return labels.key(series.series, style, has_line=False)


def _draw_budget(axes: Axes, series: SeriesLaws, style: Style) -> dict[str, tuple[float, float]]:
    """The sizes that were tried at one training budget, thin and joined, in the colour of the best sizes' series.

    The answer is where its curve ends, if there is one.
    """
    x, y = runs_in(series.table)
    if not x.size:
        return {}
    points = size_means(x, y)
    is_spread = points.sizes[-1] > 1.5 * points.sizes[0]  # on the axis of the budget they stand above each other
    thin: dict[str, Any] = {"lw": 0.6, "alpha": 0.55, "zorder": 2, "ms": 2.2, "ls": "-" if is_spread else ""}
    draw_means(axes, f"means:{series.series}", points, style, **thin, mew=0)
    return {series.series: (float(points.sizes[-1]), float(points.means[-1]))} if is_spread else {}


def _write_budgets(axes: Axes, ends: dict[str, tuple[float, float]], shown: Shown) -> None:
    """What each budget was, beside the end of its curve, and clear of the one below."""
    to_share, last = axes.transScale + axes.transLimits, -1.0
    for series, end in sorted(ends.items(), key=lambda item: item[1][1]):
        best, asked = shown.budgets[series]
        x, y = to_share.transform(end)
        last = max(y, last + APART)
        look: dict[str, Any] = {"va": "center", "fontsize": SMALL, "color": shown.styles[best].text_colour}
        beside: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "annotation_clip": False}
        words = f"{human(asked, 2)} FLOPs"
        axes.annotate(words, (x, last), xycoords="axes fraction", gid=f"budget:{series}", **beside, **look)


# -------------------------------------------------------------------------------------------------------------- notes
def _law_notes(layout: Layout) -> list[str]:
    """How to read marks and laws; which laws are missing, and which runs, each said once for all axes of a task."""
    fits: list[Fit] = []
    beyond: set[object] = set()
    failed = 0
    has_outside = has_held_out = is_over_replicates = False
    refused: dict[str, dict[str, None]] = {}  # in what places, by the reason in few words
    for index, panel in enumerate(layout.panels):
        for laws, fit, _ in panel.drawn:
            has_outside |= laws.runs_outside_window > 0
            has_held_out |= fit.law in laws.held_out
            is_over_replicates |= fit.lines is not None
            if fit.refusals:
                place = " on ".join(filter(None, (laws.series, laws.task)))
                refused.setdefault(CODES[fit.refusals[0].code].brief, {})[place] = None
            else:
                fits.append(fit)
            runs = laws.table[(laws.table["status"] == "done") & (laws.table["test_loss"] > panel.limits[1])]
            beyond.update(runs["run_id"] if "run_id" in runs else runs["row"])
            failed += laws.runs_failed if index % len(layout.axes) == 0 else 0
    less = "" if is_over_replicates else ", in which outliers count less"
    notes = [f"Large marks: means of ln of the dots{less}."]
    if has_outside:
        notes.append("Hollow: not in the fit.")
    if has_held_out:
        notes.append("Half-filled: held out, with a bar where the law predicts them.")
    if fits:
        law = fits[0].law
        form = LAW_FORMS["floor" if any(fit.floor for fit in fits) else "pure"]
        over = " over replicates" if is_over_replicates else ""
        level = f"{100 * fits[0].level:.3g} %"
        notes.append(f"Lines: the {'law ' + form if law in LAW_FORMS else law + ' law'}{over}, with its {level} band.")
    for why, places in refused.items():
        number = f"{len(places)} of {len(layout.drawn) // len(layout.axes)} series"
        notes.append(f"No law ({why}): {', '.join(places) if len(places) <= MOST_PLACES else number}.")
    return [*notes, *labels.edge_notes(len(beyond), "runs", failed)]
