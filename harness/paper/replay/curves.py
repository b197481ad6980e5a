"""The kind of replay whose figure has errors along curves, a point a network: Figs. 2.3, 3.1 and, with more, 3.3."""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.judging.laws import SeriesLaws
from harness.paper.reference import corrected, load
from harness.paper.replay.added import ADDED, COUNT, added_families, added_points, comparisons, sentences
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns, page_tables, picture
from harness.paper.replay.figures.curves import course_figure, curves_figure
from harness.paper.replay.names import chosen_runs, network_words, plain_name, published_shape, whole_grids
from harness.paper.replay.points import apart_tables, groups, in_one_sentence, with_outcomes
from harness.show.words import exponent_words

OF_MEDIANS = "E3"  # the erratum by which a published error is another quantity of ours
KEYS = ["task", "shape", "grid", "quantity"]
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
    if families := added_families(runs, replay):
        x = COUNT
        published = published_points(replay, panels, x)
        by_count, added = beside(published, table, replay.tolerance), added_points(runs.table, families, published)
        shown = pd.concat([by_count, added[added["quantity"] == "test_rmse"]], ignore_index=True)
        ratios = comparisons(by_count, added)
        about_added, added_tables = list(sentences(ratios)), page_tables("added", ratios.to_numpy(object).tolist())
    more = "; the typical one is the geometric mean over a curve."
    rows = []
    for exponent in exponents(points, runs.fits):
        rows.append((*exponent.place, f"{exponent.published:.2f}", f"{exponent.ours:.2f}", *exponent.laws))
    return Page(
        points=shown,
        figures=(errors_picture(shown, replay, x), *_courses(runs, replay)),
        lead=(*about_added, in_one_sentence(points, replay.arms)),
        findings=(),
        tables=(*added_tables, *apart_tables(points, "panel", "error", more), *page_tables("exponents", rows)),
    )


# ---------------------------------------------------------------------------------------------------------- two sides
def published_points(replay: Replay, panels: tuple[str, ...], x: str) -> pd.DataFrame:
    """The published points, a row each, panel by panel and along the axis: KEYS, and what `beside` says of them.

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
    return points.sort_values(["panel", "x"], key=lambda column: column.replace(order), kind="stable")


def chosen_networks(table: pd.DataFrame) -> pd.DataFrame:
    """The chosen runs, with the shape as it is published, and SECONDS."""
    runs = chosen_runs(table)
    return runs.assign(shape=published_shape(runs["shape"]), **{SECONDS: runs["pack_seconds"] / runs["pack_lanes"]})


def measured_points(table: pd.DataFrame, quantities: Iterable[str]) -> pd.DataFrame:
    """Our points, a row a series, network and quantity (a column): errors over seeds, and what they took.

    A diverged run counts as infinitely bad.
    """
    runs = chosen_networks(table)
    errors = pd.concat([runs.assign(quantity=name, error=runs[name].fillna(np.inf)) for name in quantities])
    points = errors.groupby([*KEYS, "arm", "series"], sort=False).agg(
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
    """A row a published point and series of ours with that network, with its outcome, in the order of the former.

    A published point of which there is no run has a row with the outcome `not run`.
    """
    measured = measured_points(table, published["quantity"].unique())
    return with_outcomes(published.merge(measured, on=KEYS, how="left"), tolerance)


# ----------------------------------------------------------------------------------------------------------- exponents
class Exponent(NamedTuple):
    """How fast errors fall along a published KAN curve and a series of ours, up to the published minimum.

    `published` and `ours` are slopes by least squares through the same networks on the figure's axis, ours through
    medians. `laws` are ours without a floor, with their intervals, one of COUNTS each, in words.
    """

    place: tuple[str, str, str]
    published: float
    ours: float
    laws: tuple[str, ...]


def exponents(points: pd.DataFrame, fits: Sequence[SeriesLaws]) -> list[Exponent]:
    """An exponent a published KAN curve and series of ours, in the order of the figure; at least three points each."""
    laws = {(series.task, series.series, series.axis): series.fits["pure"] for series in fits}
    exponents_of_curves = []
    for (panel, curve, ours), rows in groups(points.query("family == 'kan'"), "panel", "curve", "ours"):
        falling = rows.iloc[: int(np.argmin(rows["published"])) + 1]
        if len(falling) >= 3:
            slope, our_slope = (_slope(falling["x"], falling[name]) for name in ("published", "median"))
            words = tuple(exponent_words(laws[rows["task"].iloc[0], ours, count]) for count in COUNTS)
            exponents_of_curves.append(Exponent((panel, curve, ours), slope, our_slope, words))
    return exponents_of_curves


def _slope(x: pd.Series, y: pd.Series) -> float:
    """The exponent alpha of y = A x^-alpha, by least squares of logarithms; nan where an error is infinite."""
    return float(-np.polyfit(np.log(x), np.log(y), 1)[0]) if np.isfinite(y).all() else math.nan


# ------------------------------------------------------------------------------------------------------------ figures
def errors_picture(points: pd.DataFrame, replay: Replay, x: str) -> Picture:
    """Published errors and ours, a panel a function or network."""
    drawn_by = " The axis is the paper's, edges × G, as errata correct it; the experiment's report has ours."
    added = " A star is an arm that was added." if (points["curve"] == ADDED).any() else ""
    about_axis = drawn_by if x == "params.paper" else added
    return picture("curves", "replay", partial(curves_figure, points, replay.arms, x), about_axis=about_axis)


def _courses(runs: ReplayRuns, replay: Replay) -> Iterator[Picture]:
    """The course of training, where there is one task: of each series of KANs the median seed on the finest grid."""
    table = runs.table
    kans = table[table["grid"].notna() & (table["status"] == "done") & table["chosen"]]
    if len(set(kans["task"])) != 1:
        return
    records = []
    for (task, series), rows in list(kans.groupby(["task", "series"], sort=False))[:COURSES]:
        finest = rows[rows["grid"] == rows["grid"].max()].sort_values("test_rmse")
        record = runs.records[finest.iloc[len(finest) // 2]["run_id"]]
        records.append((f"{task}, {plain_name(str(series), replay.arms)}, {record.run.network.words}", record))
    yield picture("course", "course", partial(course_figure, records))
