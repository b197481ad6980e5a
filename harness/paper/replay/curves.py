"""The kind of replay whose figure has errors along curves, a point a network: Figs. 2.3, 3.1 and,
with more, 3.3.

Arms that a user added to the experiment are in the figure too, and are compared with all others by
trainable parameters, which every network has. The paper's own count is of KANs and MLPs only.
"""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.base.formats import human
from harness.judging.laws import SeriesLaws
from harness.paper.reference import corrected, load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns, page_tables, picture
from harness.paper.replay.points import (
    apart_tables,
    chosen_runs,
    groups,
    in_one_sentence,
    network_words,
    plain_name,
    published_shape,
    whole_grids,
    with_outcomes,
)
from harness.record.schema import Record
from harness.show.figures.labels import set_ticks, write_head
from harness.show.figures.series import INK, Style, family_styles
from harness.show.figures.theme import panel_grid, side_by_side, themed
from harness.show.words import exponent_words
from harness.spec.counts import all_axes
from harness.tasks import TASKS, load_target

OF_MEDIANS = "E3"  # the erratum by which a published error is another quantity of ours
KEYS = ["task", "shape", "grid", "quantity"]  # by which published points and ours meet
COUNTS = ("params.paper", "params.trainable")
SECONDS = "seconds in the pack"
COURSES = 4  # runs whose course is drawn, at most


def curves(runs: ReplayRuns, replay: Replay, panels: tuple[str, ...], x: str) -> Page:
    """The page of a figure: `panels` are the columns whose values make a panel of it, `x` its axis.

    With arms that the user added the axis is COUNT, and the page begins with them.
    """
    table = runs.table[runs.table["arm"].isin(replay.arms)]
    points = shown = beside(published_points(replay, panels, x), table, replay.tolerance)
    about_added, added_tables = list[str](), page_tables("added", ())
    arms = runs.manifest.experiment.arms.items()
    if families := {name: arm.architecture.family for name, arm in arms if name not in replay.arms}:
        x = COUNT
        published = published_points(replay, panels, x)
        by_count, added = (
            beside(published, table, replay.tolerance),
            added_points(runs.table, families, published),
        )
        shown = pd.concat([by_count, added[added["quantity"] == "test_rmse"]], ignore_index=True)
        ratios = comparisons(by_count, added)
        about_added, added_tables = (
            list(sentences(ratios)),
            page_tables("added", ratios.to_numpy(object).tolist()),
        )
    more = "; the typical one is the geometric mean over a curve."
    rows = []
    for exponent in exponents(points, runs.fits):
        rows.append(
            (*exponent.place, f"{exponent.published:.2f}", f"{exponent.ours:.2f}", *exponent.laws)
        )
    return Page(
        points=shown,
        figures=(errors_picture(shown, replay, x), *_courses(runs, replay)),
        lead=(*about_added, in_one_sentence(points, replay.arms)),
        tables=(
            *added_tables,
            *apart_tables(points, "panel", "error", more),
            *page_tables("exponents", rows),
        ),
    )


# --------------------------------------------------------------------------------------------------
# two sides
def published_points(replay: Replay, panels: tuple[str, ...], x: str) -> pd.DataFrame:
    """The published points, a row each, panel by panel and along the axis: KEYS, and what `beside`
    says of them.

    `x` and `grid` are as errata correct them; `curve` is a KAN's shape or an MLP's depth.
    """
    table = load(replay.published[0])
    grid = whole_grids(corrected(table, "grid"))
    family = table.get("family", pd.Series("kan", table.index))
    depth = table["shape"].str.count(",").astype(str)
    is_median = table["errata"].str.split().map(lambda errata: OF_MEDIANS in errata)
    points = table[["task", "shape", "errata"]].assign(
        grid=grid,
        family=family,
        curve=table["shape"].where(family == "kan", "MLP, depth " + depth),
        what=table["task"] + " " + network_words(table["shape"], grid),
        panel=table[list(panels)].agg(" ".join, axis=1),
        x=corrected(table, x).astype(float),
        published=table["test_rmse"],
        quantity=np.where(is_median, "test_root_median_square", "test_rmse"),
    )
    order = {name: place for place, name in enumerate(dict.fromkeys(points["panel"]))}
    return points.sort_values(
        ["panel", "x"], key=lambda column: column.replace(order), kind="stable"
    )


def chosen_networks(table: pd.DataFrame) -> pd.DataFrame:
    """The chosen runs, with the shape as it is published, and SECONDS."""
    runs = chosen_runs(table)
    return runs.assign(
        shape=published_shape(runs["shape"]), **{SECONDS: runs["pack_seconds"] / runs["pack_lanes"]}
    )


def measured_points(table: pd.DataFrame, quantities: Iterable[str]) -> pd.DataFrame:
    """Our points, a row a series, `cell` (a network) and quantity (a column): errors over seeds,
    and what they took.

    A diverged run counts as infinitely bad.
    """
    runs = chosen_networks(table)
    errors = pd.concat(
        [runs.assign(quantity=name, error=runs[name].fillna(np.inf)) for name in quantities]
    )
    points = errors.groupby([*KEYS, "arm", "series", "cell"], sort=False, dropna=False).agg(
        best=("error", "min"),
        median=("error", "median"),
        worst=("error", "max"),
        seeds=("error", "size"),
        seconds=(SECONDS, "median"),
        evaluations=("evaluations", "median"),
        **{name: (name, "first") for name in COUNTS},
    )
    return points.reset_index().rename(columns={"series": "ours"})


def beside(published: pd.DataFrame, table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """A row a published point and series of ours with that network, with its outcome, in the order
    of the former.

    A published point of which there is no run has a row with the outcome `not run`.
    """
    measured = measured_points(table, published["quantity"].unique()).drop(columns="cell")
    return with_outcomes(published.merge(measured, on=KEYS, how="left"), tolerance)


# --------------------------------------------------------------------------------------------------
# exponents
class Exponent(NamedTuple):
    """How fast errors fall along a published KAN curve and a series of ours, up to the published
    minimum.

    `published` and `ours` are slopes by least squares through the same networks on the figure's
    axis, ours through medians. `laws` are ours without a floor, with their intervals, one of COUNTS
    each, in words.
    """

    place: tuple[str, str, str]
    published: float
    ours: float
    laws: tuple[str, ...]


def exponents(points: pd.DataFrame, fits: Sequence[SeriesLaws]) -> list[Exponent]:
    """An exponent a published KAN curve and series of ours, in the order of the figure; at least
    three points each.
    """
    laws = {(series.task, series.series, series.axis): series.fits["pure"] for series in fits}
    exponents_of_curves = []
    for (panel, curve, ours), rows in groups(
        points.query("family == 'kan'"), "panel", "curve", "ours"
    ):
        falling = rows.iloc[: int(np.argmin(rows["published"])) + 1]
        if len(falling) >= 3:
            slope, our_slope = (
                _slope(falling["x"], falling[name]) for name in ("published", "median")
            )
            words = tuple(
                exponent_words(laws[rows["task"].iloc[0], ours, count]) for count in COUNTS
            )
            exponents_of_curves.append(Exponent((panel, curve, ours), slope, our_slope, words))
    return exponents_of_curves


def _slope(x: pd.Series, y: pd.Series) -> float:
    """The exponent alpha of y = A x^-alpha, by least squares of logarithms; nan where an error is
    infinite.
    """
    return float(-np.polyfit(np.log(x), np.log(y), 1)[0]) if np.isfinite(y).all() else math.nan


# --------------------------------------------------------------------------------------------------
# figures
def errors_picture(points: pd.DataFrame, replay: Replay, x: str) -> Picture:
    """Published errors and ours, a panel a function or network."""
    drawn_by = (
        " The axis is the paper's, edges × G, as errata correct it; the "
        "experiment's report "
        "has ours."
    )
    added = " A star is an arm that was added." if (points["curve"] == ADDED).any() else ""
    about_axis = drawn_by if x == "params.paper" else added
    return picture(
        "curves", "replay", partial(curves_figure, points, replay.arms, x), about_axis=about_axis
    )


def _courses(runs: ReplayRuns, replay: Replay) -> Iterator[Picture]:
    """The course of training, where there is one task: of each series of KANs the median seed on
    the finest grid.
    """
    table = runs.table
    kans = table[table["grid"].notna() & (table["status"] == "done") & table["chosen"]]
    if len(set(kans["task"])) != 1:
        return
    records = []
    for (task, series), rows in list(kans.groupby(["task", "series"], sort=False))[:COURSES]:
        finest = rows[rows["grid"] == rows["grid"].max()].sort_values("test_rmse")
        record = runs.records[finest.iloc[len(finest) // 2]["run_id"]]
        records.append(
            (f"{task}, {plain_name(str(series), replay.arms)}, {record.run.network.words}", record)
        )
    yield picture("course", "course", partial(course_figure, records))


# -----------------------------------------------------------------------------------------------
# arms that a user added
COUNT = "params.trainable"
ADDED = "added"  # the curve of their points, where published ones have a shape or a depth
RIVALS = {"the published MLPs": ("mlp", "published"), "the published KANs": ("kan", "published")}
RIVALS |= {
    "our MLPs": ("mlp", "median"),
    "our KANs": ("kan", "median"),
}  # a family, and whose error it is


def added_points(
    table: pd.DataFrame, families: Mapping[str, str], published: pd.DataFrame
) -> pd.DataFrame:
    """A row a panel, network of an added arm and published quantity, as `beside`."""
    measured = measured_points(
        table[table["arm"].isin(list(families))], published["quantity"].unique()
    )
    panels = published[["task", "panel", "quantity"]].drop_duplicates()
    points = panels.merge(measured, on=["task", "quantity"])
    what = points["task"] + " " + points["ours"] + " " + points["shape"]
    unpublished: dict[str, Any] = {
        "curve": ADDED,
        "errata": "",
        "published": np.nan,
        "outcome": "not published",
    }
    return points.assign(
        what=what, x=points[COUNT], family=points["arm"].map(families), **unpublished
    )


def comparisons(points: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """A row an added arm, task and kind of rival: the best networks of at most as many parameters
    as the arm's largest.

    `points` are those of `curves.beside` by trainable parameters. Errors are in the quantity that
    was published of the rival; `ratio` is how many times the rival's error the arm's is.
    """
    rows: list[dict[str, Any]] = []
    comparable = points[~points["outcome"].str.startswith("not comparable")]
    for (arm, task), ours in added.groupby(["arm", "task"], sort=False):
        for rival, (family, error) in RIVALS.items():
            theirs = comparable[(comparable["task"] == task) & (comparable["family"] == family)]
            theirs = theirs[theirs["x"] <= ours["x"].max()].dropna(subset=[error])
            if len(theirs):
                best = theirs.loc[theirs[error].idxmin()]
                least = ours.loc[ours["quantity"] == best["quantity"], "median"].min()
                network = str(best["what"]).removeprefix(f"{task} ")
                row = {
                    "arm": arm,
                    "task": task,
                    "most": ours["x"].max(),
                    "error": least,
                    "rival": rival,
                }
                rows.append(
                    row
                    | {"network": network, "their_error": best[error], "ratio": least / best[error]}
                )
    return pd.DataFrame(rows)


def sentences(ratios_of_arms: pd.DataFrame) -> Iterator[str]:
    """How each added arm compares, in one sentence."""
    for arm, of_arm in ratios_of_arms.groupby("arm", sort=False):
        parts: list[str] = []
        for rival, ratios in of_arm.groupby("rival", sort=False)["ratio"]:
            times = human(float(np.exp(np.log(ratios).mean())), 2)
            functions = "" if parts else " functions"
            parts.append(
                f"{times} times that of {rival} (lower on {(ratios < 1).sum()} of "
                f"{len(ratios)}{functions})"
            )
        words = ", ".join(parts)
        yield (
            "Among networks with at most as many trainable parameters, the test error of "
            f"{arm} is typically {words}."
        )


# --------------------------------------------------------------------------------------------------
# figures
LABEL_LETTERS = 32  # of a line below a panel
HOLLOW: dict[str, Any] = {
    "mfc": "white",
    "mec": INK,
    "ms": 5,
    "mew": 0.9,
    "lw": 0.6,
    "ls": (0, (1, 1.5)),
}
GRID_WORDS = "intervals of a spline, G"
ADDED_MARK = "*"
ADDED_LOOK: dict[str, Any] = {"ms": 8, "mec": INK, "mew": 0.6, "lw": 1.5, "zorder": 5}
KAN_MARKS, MLP_MARKS = ("o", "P", "X"), ("s", "^", "D", "v")
PANEL_HEIGHT, SMALL_HEIGHT, COURSE_HEIGHT = 3.0, 2.6, 2.6  # inches


@themed
def curves_figure(
    points: pd.DataFrame, arms: Mapping[str, str], x: str, y_words: str = "test RMSE"
) -> Figure:
    """A panel a function (or network): published points hollow and black, ours filled, a mark a
    curve.

    `points` are rows of `harness.paper.replay.curves.beside`, `arms` is what arms are called. Ours
    have a colour a family, in a shade for each way of training. Bars go from the best to the worst
    seed. What diverged, or was not run, is not there.
    """
    ours = points[points["ours"].notna()]
    named = ours.assign(name=[plain_name(series, arms) for series in ours["ours"]])
    in_order = named.sort_values("family", kind="stable")
    styles = family_styles(dict(zip(in_order["name"], in_order["family"], strict=True)))
    shown = points[points["panel"].isin(ours["panel"])] if len(ours) else points
    once = (
        shown[shown["curve"] != ADDED]
        .drop_duplicates(["panel", "curve", "x", "published"])
        .sort_values("x")
    )
    published = {panel: once[once["panel"] == panel] for panel in dict.fromkeys(shown["panel"])}
    is_small = len(published) > 2
    columns = side_by_side(3 if is_small else len(published))
    has_room = len(published) % columns > 0  # for the legend, beside the last panel
    figure, cells = panel_grid(
        len(published) + has_room, columns, SMALL_HEIGHT if is_small else PANEL_HEIGHT
    )
    size = all_axes().get(x)
    for axes, (panel, rows) in zip(
        cells, published.items(), strict=False
    ):  # a cell more has the legend
        _panel(axes, rows, named[named["panel"] == panel].sort_values("x"), styles)
        axes.set_xlabel(textwrap.fill(size.words if size else GRID_WORDS, LABEL_LETTERS))
        axes.set_title(_title(panel))
    for axes in cells[: len(published) : columns]:
        axes.set_ylabel(y_words)
    legend = _legend(published.values(), styles, set(named.loc[named["curve"] == ADDED, "name"]))
    if has_room:
        cells[-1].axis("off")
        cells[-1].legend(handles=legend, loc="center left")
    else:
        write_head(figure, legend, columns=columns + 1, place="outside lower left")
    return figure


def _title(panel: str) -> str:
    """The formula of a task, with what else makes the panel; or the words as they are."""
    task, *more = panel.split(" ")
    formula = load_target(task).formula if task in TASKS else task
    return "  ".join([formula, *more])


def _legend(
    published: Iterable[pd.DataFrame], styles: Mapping[str, Style], added: set[str]
) -> list[Line2D]:
    """Published KANs, then published MLPs by depth, then ours: marks are those of the published
    curves.
    """
    curves: dict[str, list[str]] = {mark: [] for mark in (*KAN_MARKS, *MLP_MARKS)}
    for of_panel in published:
        for curve, mark in _marks(of_panel).items():
            curves[mark].append(curve)
    keys = []
    for mark, marked in curves.items():
        if marked:
            of_kans = "KAN" if len(set(marked)) > 1 else f"KAN {marked[0]}"
            words = marked[0] if mark in MLP_MARKS else of_kans
            keys.append(
                Line2D([], [], marker=mark, color=INK, label=f"published {words}", **HOLLOW)
            )
    for name, style in styles.items():
        look = (
            {"marker": ADDED_MARK, "label": name, **ADDED_LOOK}
            if name in added
            else {"label": f"our {name}"}
        )
        keys.append(Line2D([], [], **{"color": style.colour, "ls": style.line, "lw": 1.3, **look}))
    return keys


@themed
def course_figure(records: Sequence[tuple[str, Record]]) -> Figure:
    """Training and validation errors by evaluation, a panel a run: the staircase of grids."""
    columns = side_by_side(min(2, len(records)))
    figure, grid = panel_grid(len(records), columns, COURSE_HEIGHT, sharey=True)
    for axes, (title, record) in zip(grid, records, strict=True):
        family = record.run.network.family
        styles = family_styles({"train": family, "validation": family})
        evaluations = [point.evaluations for point in record.curve]
        for name, style in styles.items():
            errors = [getattr(point, f"{name}_rmse") or np.nan for point in record.curve]
            axes.plot(
                evaluations,
                errors,
                lw=0.9,
                color=style.colour,
                ls=style.line,
                label=name,
                gid=f"course:{name}",
            )
        for end in np.cumsum([made for made, _ in record.by_stage])[:-1]:
            axes.axvline(end, color="#999999", lw=0.5, ls=(0, (2, 2)), zorder=0)
        axes.set(yscale="log", xlabel="evaluations", title=title)
    for axes in grid:
        set_ticks(axes.yaxis)
    for axes in grid[::columns]:
        axes.set_ylabel("RMSE")
    grid[0].legend()
    return figure


def _panel(
    axes: Axes, published: pd.DataFrame, measured: pd.DataFrame, styles: Mapping[str, Style]
) -> None:
    marks = {**_marks(published), ADDED: ADDED_MARK}
    filled: dict[str, Any] = {"ms": 3.6, "mec": "none", "lw": 0.9}
    for curve, rows in published.groupby(published["curve"].astype(str), sort=False):
        look: dict[str, Any] = {"color": INK, "marker": marks[curve], "zorder": 4, **HOLLOW}
        axes.plot(rows["x"], rows["published"], gid=f"published:{curve}", **look)
    for series, rows in measured.groupby(measured["ours"].astype(str), sort=False):
        style, shown = styles[rows["name"].iloc[0]], rows[np.isfinite(rows["median"])]
        worst = shown["worst"].where(np.isfinite(shown["worst"]), shown["median"])
        axes.vlines(shown["x"], shown["best"], worst, color=style.colour, lw=1, alpha=0.4, zorder=2)
        for curve, part in shown.groupby(shown["curve"].astype(str), sort=False):
            look = {
                "color": style.colour,
                "marker": marks[curve],
                "zorder": 3,
                **filled,
                "ls": style.line,
            }
            look |= ADDED_LOOK if curve == ADDED else {}
            axes.plot(part["x"], part["median"], gid=f"ours:{series}", **look)
    axes.set(xscale="log", yscale="log")
    set_ticks(axes.xaxis, is_small=True)
    set_ticks(axes.yaxis)


def _marks(published: pd.DataFrame) -> dict[str, str]:
    """A mark a curve: the same for an MLP's depth in every panel, and others for its KANs."""
    is_kan = published["family"] == "kan"
    kans, mlps = (
        sorted(published.loc[chosen, "curve"].unique(), key=_nodes) for chosen in (is_kan, ~is_kan)
    )
    return dict(zip(kans, KAN_MARKS, strict=False)) | dict(zip(mlps, MLP_MARKS, strict=False))


def _nodes(curve: str) -> tuple[int, list[int]]:
    """By which curves are ordered: of `[2,5,1]` or `MLP, depth 3` the numbers, deeper networks
    first.
    """
    numbers = [int(number) for number in re.findall(r"\d+", curve)]
    return -len(numbers), numbers
