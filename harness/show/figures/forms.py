"""The figures of other forms than a law of each series: two sizes, isoFLOP, frontiers, scores;
designs.
"""

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import t as t_distribution

from harness.base.formats import exponent, human
from harness.judging.ahead import as_ended, held_out
from harness.judging.design import DesignAnswer
from harness.judging.forms import FormAnswer, Result, crossed_runs
from harness.judging.laws import runs_in
from harness.judging.request import OF_TWO
from harness.judging.scaling import series_name, series_of, with_parts
from harness.laws.frontier import Frontier
from harness.laws.isoflop import Isoflop, Valley
from harness.laws.sigmoid import Sigmoid, scores_at
from harness.laws.surface import Surface
from harness.record.elsewhere import ONE_ARM
from harness.show.figures import labels
from harness.show.figures.series import LAW_POINTS, Style, named_styles, shaded
from harness.show.figures.theme import (
    figure_width,
    in_column,
    panel_grid,
    panel_height,
    side_by_side,
    themed,
)
from harness.show.grouping import grouped
from harness.show.names import written
from harness.show.words import column_word, estimate_words, interval_words, loss_word

PANEL_HEIGHT, PAIR_HEIGHT = 1.5, 2.2  # inches: in a column, and of two panels over two columns
MOST_SERIES = 6
MOST_LEVELS = 5  # lines of a panel
LIGHT, DARK = 0.6, -0.5  # shades of the smallest and of the largest size or budget
FAINT: dict[str, Any] = {"ls": "", "marker": ".", "mec": "none", "alpha": 0.6, "zorder": 2}
Runs = Mapping[str, pd.DataFrame]


class Shown(NamedTuple):
    """What panels show: the answer, the runs of each series on the first axis, its looks, and all
    runs by axis.
    """

    answer: FormAnswer[Any]
    series: Mapping[str, pd.DataFrame]
    styles: Mapping[str, Style]
    runs: Runs

    def loss_word(self, rows: pd.DataFrame) -> str:
        """What the losses of these runs are called."""
        columns = self.answer.request.columns
        return columns.loss if columns else loss_word(str(rows["metric"].iloc[0]))


def form_figure(answer: FormAnswer[Any], runs: Runs) -> Figure | None:
    """Runs, and what was fitted to them; artists carry a gid `kind:series`. `runs` are the tables
    by axis.

    Two sizes: loss over the second one, lines of equal first size, and new runs that were asked
    for. IsoFLOP: the valley of each budget, then its best size over budgets. Of these two, series
    without a run that ended well are not drawn (None if that is all), and of more than MOST_SERIES
    series the first ones are.
    """
    every = list(series_of(with_parts(runs[answer.request.x[0]])))
    of_arms = named_styles(name for _, name, _ in every)
    styles = {series_name(task, name): of_arms[name] for task, name, _ in every}
    series = {series_name(task, name): rows for task, name, rows in every}
    if answer.request.form not in OF_TWO:
        return _lines_figure(Shown(answer, series, styles, runs))
    ended = {name: rows for name, rows in series.items() if (rows["status"] == "done").any()}
    if not ended:
        return None
    shown = Shown(answer, dict(itertools.islice(ended.items(), MOST_SERIES)), styles, runs)
    if answer.request.form == "isoflop":
        draw = themed(_isoflop_figure)
    else:
        draw = in_column(_surface_figure) if len(ended) == 1 else themed(_surface_figure)
    return draw(shown, labels.undrawn_note(len(ended) - MOST_SERIES, "series"))


def _shades(values: np.ndarray, style: Style) -> list[str]:
    """A colour for each of these values, the darker the larger, in the colour of the series."""
    logs = np.log(values)
    share = (logs - logs.min()) / max(float(np.ptp(logs)), 1e-9)
    return [shaded(style.colour, LIGHT + (DARK - LIGHT) * place) for place in share]


def _new_runs(answer: FormAnswer[Any], name: str, columns: Sequence[str]) -> pd.DataFrame:
    """A row for each new run that was asked for and has a loss: its place, its loss and the
    interval of a new run.
    """
    foreseen = [ahead.predictions for ahead in answer.ahead if ahead.series == name]
    rows = [
        {**vars(place), **place.at}
        for place in itertools.chain(*foreseen)
        if place.loss is not None
    ]
    return (
        pd.DataFrame(rows).reindex(columns=[*columns, "loss", "run_low", "run_high"]).astype(float)
    )


def _levels(values: np.ndarray) -> np.ndarray:
    """The values, or as many between their ends as a panel has lines."""
    distinct = np.unique(values)
    return (
        distinct
        if distinct.size <= MOST_LEVELS
        else np.geomspace(distinct[0], distinct[-1], MOST_LEVELS)
    )


def _set_log(axes: Axes, x: np.ndarray, y: np.ndarray, words: tuple[str, str]) -> None:
    axes.set(xscale="log", yscale="log", xlabel=words[0], ylabel=words[1])
    axes.set(xlim=labels.padded(x, 0.06), ylim=labels.padded(y, 0.08))
    for axis in (axes.xaxis, axes.yaxis):
        labels.set_ticks(axis, is_small=True)


# --------------------------------------------------------------------------------------------------
# two sizes
def _surface_figure(shown: Shown, undrawn: Sequence[str]) -> Figure:
    """A panel a series."""
    request, is_alone = shown.answer.request, len(shown.series) == 1
    columns, height = (
        (1, panel_height(PANEL_HEIGHT)) if is_alone else (side_by_side(2), PAIR_HEIGHT)
    )
    figure, grid = panel_grid(len(shown.series), columns, height)
    keys = {}
    for axes, name in zip(grid, shown.series, strict=True):
        law = shown.answer.results[name]
        said = f"no law ({law.refusals[0].code})" if law.refusals else _exponents(law, is_alone)
        axes.set_title(said if is_alone else f"{written(name)}\n{said}")
        keys[axes] = _draw_surface(axes, shown, name)
    is_decayed = bool(request.columns and request.columns.schedule)
    dots = "checkpoints, as if their runs had ended there" if is_decayed else "runs"
    hollow = ["Hollow: held out."] if request.hold_out else []
    bars = ["Bars: intervals of a new run."] if request.predict else []
    labels.write_around(figure, keys, [f"Dots: {dots}.", *bars, *hollow, *undrawn])
    return figure


def _exponents(law: Surface, in_full: bool) -> str:
    """The exponents, with their intervals where there is room, and the floor."""
    assert law.alpha is not None
    assert law.beta is not None
    assert law.floor is not None
    words = estimate_words if in_full else (lambda found: exponent(found.value))
    alpha, beta = map(words, (law.alpha, law.beta))
    return f"α {alpha}, β {beta}, E = {human(law.floor.value, 2)}"


def _draw_surface(axes: Axes, shown: Shown, name: str) -> list[Line2D]:
    answer, rows, style = shown.answer, shown.series[name], shown.styles[name]
    law = answer.results[name]
    crossed = as_ended(crossed_runs(answer.request, rows, shown.runs), law)
    new = _new_runs(answer, name, crossed.names)
    reached = np.append(crossed.d, new[crossed.names[1]])
    losses = np.concatenate([crossed.y, new["run_low"], new["run_high"]])
    _set_log(axes, reached, losses, (crossed.names[1], shown.loss_word(rows)))
    sizes = np.append(crossed.n, new[crossed.names[0]])
    levels = _levels(crossed.n)
    colours = _shades(np.concatenate([sizes, levels]), style)
    of_runs = np.array(colours[: crossed.n.size])
    held = held_out(crossed, answer.request.hold_out)
    look: dict[str, Any] = {"s": 4, "zorder": 2}
    axes.scatter(
        crossed.d[~held], crossed.y[~held], c=of_runs[~held], lw=0, gid=f"runs:{name}", **look
    )
    if held.any():
        hollow: dict[str, Any] = {"facecolors": "none", "edgecolors": of_runs[held], "lw": 0.5}
        axes.scatter(crossed.d[held], crossed.y[held], gid=f"held_out:{name}", **hollow, **look)
    keys = []
    d = np.geomspace(reached.min(), reached.max(), LAW_POINTS)
    for level, colour in zip(levels, colours[sizes.size :], strict=True):
        keys.append(Line2D([], [], color=colour, label=f"{crossed.names[0]} = {human(level, 2)}"))
        if law.region is not None:
            axes.plot(
                d, _on_surface(law, level, d), color=colour, zorder=3, gid=f"law:{name}:{level:g}"
            )
    for (n, at, loss, low, high), colour in zip(
        new.itertuples(index=False), colours[crossed.n.size :], strict=False
    ):
        star: dict[str, Any] = {"color": colour, "zorder": 4, "gid": f"predicted:{name}"}
        axes.plot(at, loss, "*", **star)
        axes.vlines(at, low, high, **star)
        where = f"{crossed.names[0]} = {human(n, 2)}, {crossed.names[1]} = {human(at, 2)}"
        keys.append(labels.key(f"new run: {where}", Style(colour, "*", ""), has_line=False))
    return keys


def _on_surface(law: Surface, n: float, d: np.ndarray) -> np.ndarray:
    assert law.region is not None
    problem = law.region.problem
    u = np.log(np.column_stack([np.full(d.size, n), d])) - problem.logs.log_x_first
    return np.exp(problem.law.curve(law.region.solution.p, u)[0] + problem.logs.log_y_average)


# --------------------------------------------------------------------------------------------------
# isoFLOP
def _isoflop_figure(shown: Shown, undrawn: Sequence[str]) -> Figure:
    """A row a series: the valleys, and the law of their minima."""
    request = shown.answer.request
    budget_name = str(request.value)
    figure, grid = panel_grid(2 * len(shown.series), side_by_side(2), PAIR_HEIGHT)
    keys: dict[Axes, list[Line2D]] = {}
    for index, (name, rows) in enumerate(shown.series.items()):
        left, right = grid[2 * index : 2 * index + 2]
        law, style, done = (
            shown.answer.results[name],
            shown.styles[name],
            rows[rows["status"] == "done"],
        )
        x, y = done["size"].to_numpy(float), done["test_loss"].to_numpy(float)
        budgets = shown.runs[budget_name]["size"][done.index].to_numpy(float)
        colours = _shades(np.append(budgets, [valley.budget for valley in law.valleys]), style)
        _set_log(left, x, y, (request.x[0], shown.loss_word(rows)))
        left.scatter(x, y, s=4, c=colours[: x.size], lw=0, zorder=2, gid=f"runs:{name}")
        left.set_title(written(name) if len(shown.answer.results) > 1 else "")
        of_valleys = list(zip(law.valleys, colours[x.size :], strict=True))
        for valley, colour in of_valleys:
            _draw_valley(left, name, valley, colour)
        few = of_valleys[:: -(-len(of_valleys) // MOST_LEVELS)]
        keys[left] = [
            Line2D([], [], color=c, label=f"{budget_name} = {human(valley.budget, 2)}")
            for valley, c in few
        ]
        keys[right] = _draw_minima(right, name, law, shown.answer, style)
    said = f"Dots: runs. Stars: best sizes, right with {100 * request.level:.3g} % intervals."
    labels.write_around(figure, keys, [said, *undrawn])
    return figure


def _draw_valley(axes: Axes, name: str, valley: Valley, colour: str) -> None:
    if valley.x_best and valley.y_best and valley.curvature:
        x = np.geomspace(valley.smallest, valley.largest, LAW_POINTS)
        parabola = valley.y_best * np.exp(valley.curvature / 2 * np.log(x / valley.x_best) ** 2)
        axes.plot(
            x, parabola, color=colour, lw=0.8, zorder=3, gid=f"valley:{name}:{valley.budget:g}"
        )
        if valley.refusal is None:
            axes.plot(
                valley.x_best, valley.y_best, "*", color=colour, zorder=4, gid=f"minimum:{name}"
            )


def _draw_minima(
    axes: Axes, name: str, law: Isoflop, answer: FormAnswer[Any], style: Style
) -> list[Line2D]:
    """The best sizes over budgets with their intervals, and the law; a line of the legend says its
    exponent.
    """
    x, budget = answer.request.x[0], str(answer.request.value)
    used = law.used
    if not used:
        axes.set_visible(False)
        return []
    budgets = np.array([valley.budget for valley in used])
    best, errors = (
        np.array([getattr(valley, what) or 0.0 for valley in used]) for what in ("x_best", "error")
    )
    spare = np.array([max(valley.sizes - 3, 1) for valley in used])
    factor = np.exp(errors * t_distribution.isf((1 - law.level) / 2, spare))
    _set_log(
        axes, budgets, np.concatenate([best, best * np.minimum(factor, 10)]), (budget, f"best {x}")
    )
    look: dict[str, Any] = {"color": style.colour, "zorder": 3}
    axes.errorbar(
        budgets,
        best,
        [best - best / factor, best * factor - best],
        fmt="*",
        gid=f"best:{name}",
        **look,
    )
    words = f"no law ({law.refusals[0].code})" if law.refusals else ""
    if law.exponent is not None and law.log_coefficient is not None:
        along = np.geomspace(budgets.min(), budgets.max(), LAW_POINTS)
        axes.plot(
            along,
            np.exp(law.log_coefficient + law.exponent * np.log(along)),
            gid=f"law:{name}",
            **look,
        )
        words = f"best {x} ~ {budget}^{interval_words(law.exponent, law.exponent_interval)}"
    words = textwrap.fill(words, labels.letters_in(figure_width(2) / 2) - labels.KEY_MARK)
    return [labels.key(words, Style(style.colour, "*", "-"))]


# --------------------------------------------------------------------------------------------
# frontiers, scores
@in_column
def _lines_figure(shown: Shown) -> Figure:
    """All series of a task in one panel."""
    tasks = grouped(shown.series, lambda name: str(shown.series[name]["task"].iloc[0]))
    figure, grid = panel_grid(
        len(tasks), side_by_side(min(2, len(tasks))), panel_height(PANEL_HEIGHT)
    )
    keys: dict[Axes, list[Line2D]] = {}
    for axes, (task, names) in zip(grid, tasks.items(), strict=True):
        axes.set_title(task)
        points = [runs_in(shown.series[name], "fitted") for name in names]
        x, y = (np.concatenate(values) for values in zip(*points, strict=True))
        words = shown.answer.request.x[0], shown.loss_word(shown.series[names[0]])
        if shown.answer.request.form == "sigmoid":
            axes.set(xlabel=words[0], ylabel=words[1])
        else:
            _set_log(axes, x, y, words)
        keys[axes] = list(_draw_lines(axes, shown, names))
    labels.write_around(figure, keys)
    return figure


def _draw_lines(axes: Axes, shown: Shown, names: Iterable[str]) -> Iterator[Line2D]:
    answer = shown.answer
    for name in names:
        (x, y), style = runs_in(shown.series[name], "fitted"), shown.styles[name]
        axes.plot(x, y, color=style.colour, gid=f"runs:{name}", **FAINT)
        result: Result = answer.results[name]
        arm = str(shown.series[name]["series"].iloc[0])
        called = "" if arm == ONE_ARM else f"{written(name)}: "
        if result.refusals:
            yield labels.key(f"{called}{result.refusals[0].code}", style, has_line=False)
            continue
        new = _new_runs(answer, name, answer.request.x[:1])
        places = new.iloc[:, 0].to_numpy(float)
        ends = float(np.append(x, places).min()), float(np.append(x, places).max())
        along = (
            np.linspace(*ends, LAW_POINTS)
            if isinstance(result, Sigmoid)
            else np.geomspace(*ends, LAW_POINTS)
        )
        look: dict[str, Any] = {"color": style.colour, "zorder": 4, "gid": f"predicted:{name}"}
        axes.plot(places, new["loss"], "*", **look)
        axes.vlines(places, new["run_low"], new["run_high"], **look)
        axes.plot(
            along,
            _line(result, along),
            color=style.colour,
            ls=style.line,
            zorder=3,
            gid=f"law:{name}",
        )
        yield Line2D([], [], color=style.colour, ls=style.line, label=called + _said(result))


def _line(result: Result, x: np.ndarray) -> np.ndarray:
    match result:
        case Frontier(alpha=float(alpha), log_amplitude=float(level)):
            return np.exp(level - alpha * np.log(x))
        case Sigmoid():
            return scores_at(result, x).curve
    raise TypeError(result)


def _said(result: Result) -> str:
    match result:
        case Frontier():
            above = f"above {100 * result.quantile:.3g}% of the runs"
            return f"α {interval_words(result.alpha, result.alpha_interval)}, {above}"
        case Sigmoid():
            return f"midpoint {human(result.parameters['midpoint'].value, 3)}"
    raise TypeError(result)


# --------------------------------------------------------------------------------------------------
# design
PLANS = {
    "proposed": ("*", 1.0),
    "largest": ("^", 0.0),
    "more seeds": ("s", 0.0),
}  # a mark, and how much it is filled


@in_column
def design_figure(answer: DesignAnswer, runs: Runs) -> Figure | None:
    """Where the runs of each plan lie, a panel a law: over both sizes, or over the size and its
    losses so far.
    """
    designs = [design for design in answer.designs if design.runs][:MOST_SERIES]
    if not designs:
        return None
    styles = named_styles(
        arm for design in designs for arm in dict.fromkeys(new.arm for new in design.runs)
    )
    figure, grid = panel_grid(
        len(designs), side_by_side(min(2, len(designs))), panel_height(PANEL_HEIGHT)
    )
    names = list(designs[0].runs[0].at)
    keys: dict[Axes, list[Line2D]] = {}
    for axes, design in zip(grid, designs, strict=True):
        arms = list(dict.fromkeys(new.arm for new in design.runs))
        rows = runs[names[0]][
            runs[names[0]]["series"].isin(arms) & (runs[names[0]]["status"] == "done")
        ]
        x = rows["size"].to_numpy(float)
        y = (runs[names[1]]["size"][rows.index] if names[1:] else rows["test_loss"]).to_numpy(float)
        places = np.array([list(new.at.values()) for new in design.runs])
        above = places[:, 1] if names[1:] else np.full(len(places), y.min())
        metric = str(rows["metric"].iloc[0])
        _set_log(
            axes,
            np.append(x, places[:, 0]),
            np.append(y, above),
            (names[0], [*names, column_word(metric)][1]),
        )
        axes.plot(x, y, color="0.5", gid="runs", **FAINT)
        drawn: dict[str, Line2D] = {}
        for new, (at, *_), height in zip(design.runs, places, above, strict=True):
            (mark, filled), colour = PLANS[new.plan], styles[new.arm].colour
            look: dict[str, Any] = {
                "marker": mark,
                "mec": colour,
                "mfc": colour if filled else "none",
                "ls": "",
            }
            axes.plot(at, height, zorder=4, gid=f"{new.plan}:{new.arm}", **look)
            drawn[new.plan] = Line2D(
                [], [], color=colour, label=f"{new.plan}: interval × {new.width:.2g}", **look
            )
        axes.set_title(labels.in_title_lines(design.quantity, labels.title_letters(2)))
        keys[axes] = list(drawn.values())
    labels.write_around(figure, keys, ["Dots: runs so far."])
    return figure
