"""The figure of a table of runs: losses against sizes, with the laws that others fitted."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.judging.headline import main_sides
from harness.judging.laws import SeriesLaws, drawn_law, runs_in
from harness.judging.scaling import headline_axes
from harness.judging.versus import Baseline
from harness.laws import Fit, size_means
from harness.record.elsewhere import ONE_ARM
from harness.show.codes import CODES
from harness.show.figures import labels
from harness.show.figures.labels import limits_without_outliers, padded
from harness.show.figures.ranking import ranking_figure
from harness.show.figures.series import (
    DrawnLaw,
    Style,
    draw_baseline,
    draw_law,
    draw_means,
    prepare_bands,
    sizes_outside,
    styles_of_laws,
)
from harness.show.figures.theme import (
    MOST_HEIGHT,
    in_column,
    label_size,
    panel_grid,
    panel_height,
    side_by_side,
)
from harness.show.names import written
from harness.show.words import column_word, counted, loss_of_laws
from harness.spec.counts import axis_words
from harness.spec.manifest import Manifest

LAW_FORMS = {"pure": "A·x⁻ᵅ", "floor": "E + A·x⁻ᵅ"}
MOST_SERIES = 8  # that lines and marks tell apart; more of them are ranked
MOST_NAMED = 3  # series in a title
PANEL_HEIGHT, LEAST_HEIGHT, HEAD_AND_NOTE = 1.2, 0.9, 1.2  # inches
LINES_A_LAW = 1.5  # of a legend
TITLE, SMALL_TITLE = 44, 20  # letters, at most; of one column of many tasks
APART = 0.1  # of the height of a panel: between two of the numbers at the curves of budgets


class Panel(NamedTuple):
    """The laws that share a panel, those of them that are drawn as laws, and the limits of
    losses.
    """

    title: str
    laws: Sequence[SeriesLaws]
    drawn: Sequence[DrawnLaw]
    baselines: Sequence[Baseline]
    limits: tuple[float, float]


class Shown(NamedTuple):
    """What is known of all panels: the style of every series, and what an experiment has more.

    Of a series of the sizes tried at one training budget, `budgets` has the series that its best
    size belongs to, and the budget.
    """

    manifest: Manifest | None
    every: Sequence[SeriesLaws]
    styles: Mapping[str, Style]
    budgets: Mapping[str, tuple[str, float]]
    baselines: Sequence[Baseline]

    def panel(self, title: str, laws: Sequence[SeriesLaws], beside: Sequence[SeriesLaws]) -> Panel:
        """A panel of laws on one task and axis, with room for the losses of what stands `beside`
        too.

        The best sizes of budgets are no law where size is not the budget.
        """
        task, axis = laws[0].task, laws[0].axis
        law = drawn_law(
            [series for series in self.every if series.series not in self.budgets], task, axis
        )
        no_laws = {
            *self.budgets,
            *(best for best, _ in self.budgets.values() if not axis.startswith("flops_train")),
        }
        drawn = []
        for series in laws:
            if series.series not in no_laws:
                drawn.append(DrawnLaw(series, series.fits[law], self.styles[series.series]))
        baselines = [baseline for baseline in self.baselines if baseline.task == task]
        means = np.concatenate([series.points.means for series in beside])
        always = [*(baseline.loss for baseline in baselines), *means]
        limits = limits_without_outliers(
            [runs_in(series.table)[1] for series in beside], 0.08, always
        )
        return Panel(title, laws, drawn, baselines, limits)


# --------------------------------------------------------------------------------------------------
# layout
def of_sides(manifest: Manifest, laws: Sequence[SeriesLaws]) -> tuple[list[str], list[str]]:
    """The series of the two sides that an experiment is about, and those of its other arms.

    All of them, and none, where it is about no two.
    """
    sides, every = main_sides(manifest) or (), dict.fromkeys(series.series for series in laws)
    names = {name for side in sides for name in (side.label, *side.names)}
    for cell in manifest.cells:
        if cell.arm in names:
            names |= {cell.series, cell.frontier or cell.series}
    asked = [name for name in every if name in names]
    return (asked, [name for name in every if name not in names]) if asked else (list(every), [])


@in_column
def scaling_figure(
    manifest: Manifest | None,
    laws: Sequence[SeriesLaws],
    names: Sequence[str] = (),
    baselines: Sequence[Baseline] = (),
) -> Figure:
    """A row a task, a column an axis. Artists carry a gid `kind:series` (runs, means, outside, law,
    ...).

    Only series of these `names` are drawn, if there are some. The axes are the headline ones of an
    experiment; without a `manifest` the laws are of a table of anybody's, and all axes are drawn.
    Below a panel stands what its laws say. Many tasks have one axis. More than MOST_SERIES side by
    side are ranked instead (`ranking_figure`).
    """
    axes = list(dict.fromkeys(series.axis for series in laws))
    styles = styles_of_laws(manifest, laws)
    budgets: dict[str, tuple[str, float]] = {}
    if manifest:
        axes = [axis for axis in headline_axes(manifest) if axis in axes] or axes
        for cell in manifest.cells:
            if cell.frontier and cell.asked:
                budgets[cell.series] = cell.frontier, cell.asked
    shown = Shown(manifest, laws, styles, budgets, baselines)
    drawn_series = [
        series for series in laws if series.axis in axes and (not names or series.series in names)
    ]
    tasks = list(dict.fromkeys(series.task for series in drawn_series))
    of_laws = [series for series in drawn_series if series.series not in budgets]
    most_series = max(Counter((series.task, series.axis) for series in of_laws).values())
    rows = int(
        (MOST_HEIGHT - HEAD_AND_NOTE)
        / (LEAST_HEIGHT + LINES_A_LAW * most_series * labels.line_height())
    )
    titles = dict.fromkeys(tasks, "")  # of a table of anybody's
    if manifest:
        is_row = len(tasks) <= rows and (
            len(axes) > 1 or len(tasks) == 1
        )  # else two tasks stand side by side
        letters = TITLE if is_row else SMALL_TITLE
        titles = labels.task_titles(
            {task: manifest.formulas[task].formula for task in tasks}, letters
        )
    if most_series > MOST_SERIES:
        runs = pd.concat([series.table for series in of_laws if series.axis == axes[0]])
        return ranking_figure(runs, axes[0], titles, styles)
    left_out = []
    if len(tasks) > rows and len(axes) > 1:
        left_out.append(f"`harness fit` has the laws by {axis_words(axes[-1])}.")
        axes = axes[:1]
    most_tasks = max(1, 2 * rows // len(axes))
    left_out += labels.undrawn_note(len(tasks) - most_tasks, "tasks")
    panels = []
    for task, axis in itertools.product(tasks[:most_tasks], axes):
        of_task = [series for series in drawn_series if series.task == task and series.axis in axes]
        of_axis = [series for series in of_task if series.axis == axis]
        panels.append(shown.panel(titles[task] if axis == axes[0] else "", of_axis, of_task))
    columns = side_by_side(min(2, len(panels)))
    figure, grid = panel_grid(len(panels), columns, panel_height(PANEL_HEIGHT))
    prepare_bands(law.fit for panel in panels for law in panel.drawn)
    keys: dict[Axes, list[Line2D]] = {}
    for place, (panel_axes, panel) in enumerate(zip(grid, panels, strict=True)):
        keys[panel_axes] = _draw_panel(panel_axes, panel, shown, columns)
        is_last = place % columns == columns - 1 or place == len(panels) - 1
        for baseline in panel.baselines:
            draw_baseline(panel_axes, baseline.name, baseline.loss, is_named=is_last)
        if place % columns and panel.limits == panels[place - 1].limits:
            panel_axes.set_ylabel("")
            panel_axes.tick_params(labelleft=False)
        if columns > 1 and any(
            below.laws[0].axis == panel.laws[0].axis for below in panels[place + columns :][:1]
        ):
            panel_axes.set_xlabel("")
    labels.write_letters(
        [panel_axes for panel_axes, panel in zip(grid, panels, strict=True) if panel.title]
    )
    if manifest:
        labels.write_head(figure, [], _finding(panels, loss_of_laws(drawn_series)))
    budgeted = (
        ["Thin curves: sizes at equal training FLOPs, whose number is at the right."]
        if budgets
        else []
    )
    labels.write_note(figure, [*_law_notes(panels, manifest), *budgeted, *left_out])
    labels.write_keys_below(figure, keys)
    return figure


def _finding(panels: Sequence[Panel], loss: str) -> str:
    """On how many tasks the loss of each series follows a law that falls beyond doubt, on the first
    axis with laws.
    """
    axis = next((panel.laws[0].axis for panel in panels if panel.drawn), panels[0].laws[0].axis)
    of_axis = [panel for panel in panels if panel.laws[0].axis == axis]
    falls: Counter[str] = Counter()
    for laws, fit, _ in itertools.chain.from_iterable(panel.drawn for panel in of_axis):
        falls[laws.series] += bool(
            fit.alpha_interval and fit.alpha_interval.low > 0 and not labels.is_misfit(fit)
        )
    law = f"{loss[0].upper()}{loss[1:]} falls as a power of {counted(axis)}"
    if len(falls) > MOST_NAMED:
        curves = sum(len(panel.drawn) for panel in of_axis)
        return f"{law} along {falls.total()} of {curves} curves"
    if not falls.total():
        sides, is_drawn = (
            " or ".join(map(written, falls)),
            any(law.fit.alpha for panel in of_axis for law in panel.drawn),
        )
        if is_drawn:
            return f"{loss[0].upper()}{loss[1:]} falls as no power of {counted(axis)} for {sides}"
        return f"No law by {counted(axis)} for the {loss} of {sides}"
    if len(of_axis) == 1:
        by_series = [
            f"{'' if count else 'not '}for {written(name)}" for name, count in falls.most_common()
        ]
        return f"{law} {', '.join(by_series)}"
    (first, most), *others = falls.items()
    counts = [f"on {count or 'none'} for {written(name)}" for name, count in others]
    return ", ".join(
        [f"{law} on {most or 'none'} of {len(of_axis)} tasks for {written(first)}", *counts]
    )


# --------------------------------------------------------------------------------------------------
# panels
def _draw_panel(axes: Axes, panel: Panel, shown: Shown, columns: int) -> list[Line2D]:
    """Draw all series of a panel, and return a line of its legend for each: what its law says."""
    sizes = np.concatenate([series.table["size"].to_numpy(float) for series in panel.laws])
    metric, loss = panel.laws[0].metric, column_word(panel.laws[0].metric)
    # Only data have a linear baseline, and their targets are divided by their standard deviation.
    is_of_data = any(baseline.name == "linear" for baseline in panel.baselines)
    units = {
        "test_rmse": f"{'SD' if is_of_data else 'units'} of the target",
        "test_cross_entropy": "nats",
    }
    if shown.manifest and metric in units:
        loss += f"\n({units[metric]})"
    axes.set(xscale="log", yscale="log", title=panel.title, xlabel=axis_words(panel.laws[0].axis))
    axes.set(xlim=padded(sizes[sizes > 0], 0.06), ylim=panel.limits, ylabel=loss)
    drawn = {law.laws.series: law for law in panel.drawn}
    keys = []
    ends: dict[str, tuple[float, float]] = {}
    for series in panel.laws:
        name = series.series
        if name in shown.budgets:
            ends |= _draw_budget(axes, series, shown.styles[shown.budgets[name][0]])
        elif (
            name not in drawn
        ):  # best sizes of budgets, where size is not the budget: marks, and no law through them
            for _, done in series.table[series.table["status"] == "done"].groupby("cell"):
                means = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
                draw_means(axes, f"means:{name}", means, shown.styles[name])
            keys.append(labels.key(written(name), shown.styles[name], has_line=False))
        else:
            draw_law(axes, drawn[name])
            name_shown = "" if name == ONE_ARM and not series.task else written(name)
            keys.append(labels.law_key(drawn[name], max(columns, side_by_side(2)), name_shown))
    # What each budget was, at the right edge: as high as the end of its curve, and clear of the one
    # above.
    to_share, lowest = axes.transScale + axes.transLimits, math.inf
    for name, end in sorted(ends.items(), key=lambda item: -item[1][1]):
        best, asked = shown.budgets[name]
        lowest = min(to_share.transform(end)[1], lowest - APART)
        look: dict[str, Any] = {
            "va": "center",
            "fontsize": label_size(),
            "color": shown.styles[best].text_colour,
        }
        place: dict[str, Any] = {
            "xycoords": "axes fraction",
            "annotation_clip": False,
            "gid": f"budget:{name}",
        }
        axes.annotate(human(asked, 2), (1.01, lowest), **place, **look)
    for axis in (axes.xaxis, axes.yaxis):
        labels.set_ticks(axis, is_small=columns > 1)
    return keys


def _draw_budget(axes: Axes, series: SeriesLaws, style: Style) -> dict[str, tuple[float, float]]:
    """The sizes that were tried at one training budget, thin and joined, in the colour of the best
    sizes' series.

    The answer is where its curve ends, if there is one.
    """
    x, y = runs_in(series.table)
    if not x.size:
        return {}
    points = size_means(x, y)
    is_spread = (
        points.sizes[-1] > 1.5 * points.sizes[0]
    )  # on the axis of the budget they stand above each other
    thin: dict[str, Any] = {
        "lw": 0.5,
        "alpha": 0.55,
        "zorder": 2,
        "ms": 1.6,
        "ls": "-" if is_spread else "",
    }
    draw_means(axes, f"means:{series.series}", points, style, **thin, mew=0)
    return {series.series: (float(points.sizes[-1]), float(points.means[-1]))} if is_spread else {}


# --------------------------------------------------------------------------------------------------
# notes
def _law_notes(panels: Sequence[Panel], manifest: Manifest | None) -> list[str]:
    """How to read marks and laws; why laws are missing, and which runs, each said once."""
    fits: list[Fit] = []
    beyond = 0
    failed: dict[str, int] = {}  # by task and series: they are the same runs on every axis
    has_outside = has_held_out = False
    refused: dict[str, None] = {}  # in few words
    for laws, fit, limits in [
        (law.laws, law.fit, panel.limits) for panel in panels for law in panel.drawn
    ]:
        has_outside |= sizes_outside(laws, fit)[0].size > 0
        has_held_out |= fit.law in laws.held_out
        if fit.refusals:
            refused[CODES[fit.refusals[0].code].brief] = None
        else:
            fits.append(fit)
        if laws.axis == panels[0].laws[0].axis:  # a run that wins at two sizes has two marks
            is_beyond = (laws.table["status"] == "done") & ~laws.table["test_loss"].between(*limits)
            beyond += int(is_beyond.sum())
        failed[laws.name] = laws.runs_failed
    is_over_replicates = bool(manifest and manifest.experiment.search)
    less = "one a replicate" if is_over_replicates else "in which outliers count less"
    notes = [f"Large marks: geometric means of the dots, {less}."]
    if has_outside:
        notes.append("Hollow: not in the fit.")
    if has_held_out:
        notes.append("Half-filled: held out, with a bar where the law predicts them.")
    if fits:
        law, over = fits[0].law, " over replicates" if is_over_replicates else ""
        form = LAW_FORMS["floor" if any(fit.floor for fit in fits) else "pure"]
        lines = f"law {form}" if law in LAW_FORMS else f"{law} law"
        notes.append(f"Thick lines: the {lines}{over}, with {100 * fits[0].level:.3g} % bands.")
    if any(map(labels.is_misfit, fits)):
        notes.append("†: points are off this law, so that α is a mean slope.")
    notes += [f"No law: {why}." for why in refused]
    return [*notes, *labels.edge_notes(beyond, "runs", sum(failed.values()), is_over_replicates)]
