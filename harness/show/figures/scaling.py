"""The figure of an experiment: test loss against size on the headline axes, with the laws that others fitted."""

import itertools
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.fit import size_means
from harness.judging.scaling import SeriesFit, chosen_runs, common_law, headline_axes, laws_of, with_parts
from harness.show.figures.labels import key, law_key, padded, set_ticks, write_keys_below, write_keys_beside, write_note
from harness.show.figures.series import Series, Style, draw_means, draw_series, experiment_styles, prepare_bands
from harness.show.figures.theme import panel_grid, side_by_side, themed, write_figure
from harness.show.words import LOSS_WORDS, exponent_words
from harness.spec import Manifest, axis_words

LOSS_UNITS = {"rmse": "target's units", "cross_entropy": "nats"}
PANEL_HEIGHT = 2.6  # inches
TITLE_COLUMNS = 100
MOST_LAWS = 8  # that a legend below a panel tells; of more series it has the names alone, beside the row
MOST_NAMES = 16  # beside a row
SMALL = 5  # points: the numbers at the curves of budgets


class PanelRow(NamedTuple):
    """What a row of panels shows: arms on a task, all of them, or those of a recipe; and how many series that makes."""

    task: str
    recipe: str
    arms: tuple[str, ...]
    series: int


class DrawnBudget(NamedTuple):
    """A training budget of which several sizes are drawn, and the series that its best size belongs to."""

    best: str
    asked: float


class DrawnExperiment(NamedTuple):
    """What is drawn: the runs, their laws, the style of every series, and the series that are of one budget each.

    `tells_laws`: legends say what laws say, and not the names of series alone.
    """

    table: pd.DataFrame
    fits: Sequence[SeriesFit]
    styles: dict[str, Style]
    budgets: dict[str, DrawnBudget]
    tells_laws: bool


# ------------------------------------------------------------------------------------------------------------- public
def draw_scaling(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit], folder: Path) -> list[Path]:
    """Write `scaling.png` and `scaling.pdf` into `folder`; return their paths."""
    return write_figure(scaling_figure(manifest, table, fits), folder / "scaling")


@themed
def scaling_figure(manifest: Manifest, table: pd.DataFrame, fits: Sequence[SeriesFit]) -> Figure:
    """A row a task, a column a headline axis. Artists carry a gid `kind:series` (runs, means, outside, law, ...).

    Below a panel stands what its laws say. Where there are too many series for that, their names stand beside the row;
    where too many for that, a task has a row a recipe.
    """
    of_budget = [cell for cell in manifest.cells if cell.frontier and cell.asked]
    budgets = {cell.series: DrawnBudget(str(cell.frontier), float(cell.asked or 0)) for cell in of_budget}
    axis_names, rows = headline_axes(manifest), _rows(manifest, table, budgets)
    tells_laws = max(row.series for row in rows) <= MOST_LAWS
    drawn = DrawnExperiment(table, fits, experiment_styles(manifest), budgets, tells_laws)
    columns = side_by_side(len(axis_names))
    figure, panels = panel_grid(len(rows) * len(axis_names), columns, PANEL_HEIGHT, sharey="row")
    laws = {(row.task, axis): common_law(fits, row.task, axis) for row, axis in itertools.product(rows, axis_names)}
    prepare_bands(one.fit for one in fits if one.fit.law == laws.get((one.task, one.axis)))
    keys = {}
    for axes, (row, axis) in zip(panels, itertools.product(rows, axis_names), strict=True):
        keys[axes] = _panel(axes, drawn, row, axis)
        if axis == axis_names[0]:
            metric = table.loc[table["task"] == row.task, "metric"].iloc[0]
            axes.set_ylabel(f"{LOSS_WORDS[metric]} ({LOSS_UNITS[metric]})")
            axes.set_title(_title(manifest, row))
    for axes in panels:
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)
    if note := tuning_note(table):
        write_note(figure, [note])
    if tells_laws:
        write_keys_below(figure, keys)
    else:
        write_keys_beside(keys)
    return figure


def tuning_note(table: pd.DataFrame) -> str | None:
    """What to say if arms were tuned unequally; None if they were not."""
    if "won_under" in table:  # other ways of searching have fewer trials, on purpose
        table = table[table["won_under"].isna()]
    trials = table.groupby("arm", sort=False)["trials"].unique()
    if table["trials"].min() == table["trials"].max():
        return None
    words = [f"{arm} {' or '.join(str(number) for number in sorted(counts))}" for arm, counts in trials.items()]
    return f"Unequal tuning, trials a size: {', '.join(words)}."


# ------------------------------------------------------------------------------------------------------------- panels
def _rows(manifest: Manifest, table: pd.DataFrame, budgets: dict[str, DrawnBudget]) -> list[PanelRow]:
    """What each row of the figure shows: a task with all its arms, or those of one recipe where they are too many."""
    series = table.loc[~table["series"].isin(budgets), ["task", "arm", "series"]].drop_duplicates()
    arms = manifest.experiment.arms
    split = series.groupby("task")["series"].nunique().max() > MOST_NAMES
    recipes = dict.fromkeys(arm.recipe for arm in arms.values()) if split else [""]
    found = []
    for task, recipe in itertools.product(dict.fromkeys(table["task"]), recipes):
        own = tuple(name for name, arm in arms.items() if recipe in ("", arm.recipe))
        if count := series.loc[(series["task"] == task) & series["arm"].isin(own), "series"].nunique():
            found.append(PanelRow(task, recipe, own, count))
    return found


def _title(manifest: Manifest, row: PanelRow) -> str:
    if row.recipe:
        return f"{row.task}, {row.recipe}"
    formula = manifest.formulas[row.task].formula
    return textwrap.fill(row.task if formula == row.task else f"{row.task}:  {formula}", TITLE_COLUMNS)


def _panel(axes: Axes, drawn: DrawnExperiment, row: PanelRow, axis: str) -> list[Line2D]:
    """Draw all series of a row on an axis; what a legend says of each."""
    runs = with_parts(chosen_runs(drawn.table, axis))
    runs = runs[(runs["task"] == row.task) & runs["arm"].isin(row.arms)]
    done = runs[runs["status"] == "done"]
    axes.set(xscale="log", yscale="log", xlabel=axis_words(axis))
    axes.set(xlim=padded(runs["size"].to_numpy(float), 0.06), ylim=padded(done["test_loss"].to_numpy(float), 0.08))
    labelled = [one for one in drawn.fits if one.series not in drawn.budgets]
    law = common_law(labelled, row.task, axis)
    laws = laws_of(drawn.fits)
    best = {budget.best for budget in drawn.budgets.values()}
    keys = []
    for name, own in runs.groupby("series", sort=False):
        series = str(name)
        if series in drawn.budgets:
            _draw_budget(axes, series, own, drawn)
        elif series in best and not axis.startswith("flops_train"):
            keys.append(_draw_best(axes, series, own, drawn.styles[series]))
        else:
            shown = _series(series, own, laws[row.task, series, axis][law], drawn.styles[series])
            draw_series(axes, shown)
            in_words = law_key(shown, exponent_words(shown.fit), 2, series, failed="diverged")
            keys.append(in_words if drawn.tells_laws else key(series, shown.style))
    return keys


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


def _draw_budget(axes: Axes, series: str, runs: pd.DataFrame, drawn: DrawnExperiment) -> None:
    """The sizes that were tried at one training budget, thin and joined, in the colour of the best sizes' series."""
    budget, done = drawn.budgets[series], runs[runs["status"] == "done"]
    if done.empty:
        return
    style = drawn.styles[budget.best]
    points = size_means(done["size"].to_numpy(), done["test_loss"].to_numpy())
    is_spread = points.sizes[-1] > 1.5 * points.sizes[0]  # on the axis of the budget they stand above each other
    thin: dict[str, Any] = {"lw": 0.6, "alpha": 0.55, "zorder": 2, "ms": 2.2, "ls": "-" if is_spread else ""}
    draw_means(axes, f"means:{series}", points, style, **thin, mew=0)
    if is_spread:
        end = (points.sizes[-1], points.means[-1])
        beside: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "annotation_clip": False}
        words = human(budget.asked, 2)
        text = axes.annotate(words, end, va="center", fontsize=SMALL, color=style.text_colour, **beside)
        text.set_gid(f"budget:{series}")
