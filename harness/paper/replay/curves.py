"""The kind of replay whose figure has errors along curves, a point a network: Figs. 2.3 and 3.1."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.judging.scaling import SeriesFit
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns
from harness.paper.replay.figures.curves import course_figure, curves_figure
from harness.paper.replay.names import plain_name
from harness.paper.replay.outcome import Summary, compared, in_one_sentence, outcome_words, summary, with_outcomes
from harness.record import Record
from harness.show.tables.table import Table, number_columns, table_of, text_columns
from harness.show.words import exponent_words

# Errata by which a published error is another quantity of ours.
OTHER_QUANTITY = {"E3": "test_root_median_square"}
KEYS = ["task", "shape", "grid"]
COURSES = 4  # runs whose course is drawn, at most
DATA_END = 50  # the largest grid at which the published errors are not yet those of too few samples


def curves(runs: ReplayRuns, replay: Replay, panels: tuple[str, ...], x: str) -> Page:
    """The page of a figure: `panels` are the columns whose values make a panel of it, `x` its axis."""
    published = published_points(replay, x)
    measured = measured_points(runs.table, x)
    points = beside(published, measured, replay.tolerance, panels)
    of_curves = summaries(points)
    return Page(
        points=points,
        figures=(errors_picture(published, measured, panels, x), *_courses(runs)),
        findings=tuple(_findings(points, of_curves)),
        tables=(_summary_table(of_curves), *_exponent_tables(exponents(points, runs.fits))),
    )


# ---------------------------------------------------------------------------------------------------------- two sides
def published_points(replay: Replay, x: str) -> pd.DataFrame:
    """The published points, a row each: KEYS, `family`, `curve`, `published`, `quantity`, `errata`.

    `x` and `grid` are as errata correct them; `curve` is a KAN's shape or an MLP's depth.
    """
    (name,) = replay.published
    table = load(name)
    table = table.assign(
        family=table.get("family", "kan"),
        grid=_corrected(table, "grid").astype("Float64").fillna(0).astype(int),
        x=_corrected(table, x).astype(float),
        published=table["test_rmse"],
        quantity=[_quantity(errata) for errata in table["errata"]],
    )
    depth = table["shape"].str.count(",")
    table = table.assign(curve=table["shape"].where(table["family"] == "kan", "MLP, depth " + depth.astype(str)))
    return table[[*KEYS, "family", "curve", "x", "published", "quantity", "errata"]]


def _corrected(table: pd.DataFrame, column: str) -> pd.Series:
    """The column, with the values that errata give in place of the published ones."""
    name = f"{column}_corrected"
    return table[name].fillna(table[column]) if name in table else table[column]


def _quantity(errata: str) -> str:
    """Which of our errors a published one is, by its errata."""
    return next((OTHER_QUANTITY[one] for one in errata.split() if one in OTHER_QUANTITY), "test_rmse")


def measured_points(table: pd.DataFrame, x: str) -> pd.DataFrame:
    """Our points, a row a series, network and quantity: `best`, `median` and `worst` over seeds, and what they took.

    A diverged run counts as infinitely bad.
    """
    keyed = table.assign(
        shape=[f"[{shape.replace('-', ',')}]" for shape in table["shape"]],
        grid=table["grid"].astype("Float64").fillna(0).astype(int),
        seconds=table["pack_seconds"] / table["pack_lanes"],
    )
    keyed = keyed[keyed["chosen"]].drop_duplicates([*KEYS, "series", "run_id"])
    found = []
    for quantity in ("test_rmse", *OTHER_QUANTITY.values()):
        errors = keyed.assign(error=keyed[quantity].fillna(np.inf))
        groups = errors.groupby([*KEYS, "arm", "series"], sort=False)
        points = groups.agg(
            best=("error", "min"),
            median=("error", "median"),
            worst=("error", "max"),
            seeds=("error", "size"),
            seconds=("seconds", "median"),
            evaluations=("evaluations", "median"),
            **{"params.paper": ("params.paper", "first"), "params.trainable": ("params.trainable", "first")},
        ).reset_index()
        found.append(points.assign(quantity=quantity))
    points = pd.concat(found, ignore_index=True).rename(columns={"series": "ours"})
    return points.assign(x=points[x].astype(float))


def beside(published: pd.DataFrame, measured: pd.DataFrame, tolerance: float, panels: tuple[str, ...]) -> pd.DataFrame:
    """A row a published point and series of ours with that network, with its outcome, in the order of the figure.

    A published point of which there is no run has a row with the outcome `not run`.
    """
    joined = published.merge(measured.drop(columns="x"), on=[*KEYS, "quantity"], how="left")
    grid = np.where(joined["grid"] > 0, ", G = " + joined["grid"].astype(str), "")
    panel = joined[list(panels)].agg(" ".join, axis=1)
    joined = joined.assign(what=joined["task"] + " " + joined["shape"] + grid, panel=panel)
    order = {name: place for place, name in enumerate(dict.fromkeys(panel))}
    joined = joined.sort_values(["panel", "x"], key=lambda column: column.replace(order), kind="stable")
    return with_outcomes(joined.reset_index(drop=True), tolerance)


# -------------------------------------------------------------------------------------------------------------- words
class OfCurve(NamedTuple):
    """How a series of ours lies beside a published curve."""

    panel: str
    curve: str
    ours: str
    summary: Summary


def summaries(points: pd.DataFrame) -> list[OfCurve]:
    """A summary a panel, published curve and series of ours, in the order of the figure."""
    found = []
    for key, rows in compared(points).groupby(["panel", "curve", "ours"], sort=False):
        panel, curve, ours = map(str, key)
        found.append(OfCurve(panel, curve, ours, summary(rows)))
    return found


def _findings(points: pd.DataFrame, of_curves: Sequence[OfCurve]) -> Iterator[str]:
    """All points first; then, of every arm of KANs, the series nearest to each published curve; MLPs panel by panel."""
    yield in_one_sentence(points)
    arms = dict(zip(points["ours"], points["arm"], strict=True))
    kans = set(points.loc[points["family"] == "kan", "curve"])
    nearest: dict[tuple[str, str, str], OfCurve] = {}
    for one in sorted(of_curves, key=lambda one: one.summary.typical_factor):
        nearest.setdefault((one.panel, one.curve, arms[one.ours]), one)
    for one in of_curves:
        if one.curve not in kans or nearest[one.panel, one.curve, arms[one.ours]] is not one:
            continue
        here = (points["panel"] == one.panel) & (points["curve"] == one.curve) & (points["ours"] == one.ours)
        ratio = points.loc[here & (points["grid"] <= DATA_END), "ratio"].max()
        yield (
            f"{one.panel if one.curve in one.panel else f'{one.panel} {one.curve}'}, {one.ours}: typically "
            f"{human(one.summary.typical_factor, 2)}x apart ({outcome_words(one.summary.outcomes)}); up to "
            f"G = {DATA_END} the error is at most {human(ratio, 2)} times the published one."
        )
    yield from _mlp_findings(points)


def _mlp_findings(points: pd.DataFrame) -> Iterator[str]:
    """How far the MLPs of a panel are, all depths together."""
    for panel, rows in compared(points[points["family"] == "mlp"]).groupby("panel", sort=False):
        found = summary(rows)
        yield (
            f"{panel}, MLPs: typically {human(found.typical_factor, 2)}x apart over {found.points} points "
            f"({outcome_words(found.outcomes)})."
        )


def _summary_table(of_curves: Sequence[OfCurve]) -> Table:
    columns = (
        *text_columns("panel", "published curve", "ours"),
        *number_columns("points", "typical", "largest", "typical, best seeds"),
        *text_columns("outcomes"),
    )
    rows = [
        (
            one.panel,
            one.curve,
            one.ours,
            one.summary.points,
            f"{human(one.summary.typical_factor)}x",
            f"{human(one.summary.largest_factor)}x",
            f"{human(one.summary.best_factor)}x",
            outcome_words(one.summary.outcomes),
        )
        for one in of_curves
    ]
    introduction = (
        "The factor between our median over seeds and the published error, whichever is larger; the typical one is "
        "the geometric mean over a curve."
    )
    return table_of("How far apart", columns, rows, introduction)


class Exponent(NamedTuple):
    """How fast errors fall along a published KAN curve and a series of ours, up to the published minimum.

    The first two are slopes by least squares through the same networks on the figure's axis, ours through medians; the
    others our laws without a floor, with their intervals, on the paper's count of parameters and on the true one.
    """

    panel: str
    curve: str
    ours: str
    published_slope: float
    our_slope: float
    law_on_paper: SeriesFit
    law_on_trainable: SeriesFit


def exponents(points: pd.DataFrame, fits: Sequence[SeriesFit]) -> list[Exponent]:
    """An exponent a published KAN curve and series of ours, in the order of the figure; at least three points each."""
    laws = {(one.task, one.series, one.axis): one for one in fits if one.fit.law == "pure"}
    kans = compared(points[points["family"] == "kan"])
    found = []
    for key, rows in kans.groupby(["panel", "curve", "ours"], sort=False):
        panel, curve, ours = map(str, key)
        falling = rows.iloc[: int(np.argmin(rows["published"])) + 1]
        if len(falling) < 3:
            continue
        task = str(rows["task"].iloc[0])
        published, measured = (_slope(falling["x"], falling[name]) for name in ("published", "median"))
        on_paper, on_trainable = (laws[task, ours, axis] for axis in ("params.paper", "params.trainable"))
        found.append(Exponent(panel, curve, ours, published, measured, on_paper, on_trainable))
    return found


def _slope(x: pd.Series, y: pd.Series) -> float:
    """The exponent alpha of y = A x^-alpha, by least squares of logarithms; nan where an error is infinite."""
    if not np.isfinite(y).all():
        return math.nan
    return float(-np.polyfit(np.log(x), np.log(y), 1)[0])


def _exponent_tables(found: Sequence[Exponent]) -> Iterator[Table]:
    """The exponents, if there are any."""
    columns = (
        *text_columns("panel", "network", "ours"),
        *number_columns("published slope", "our slope", "law, paper's count", "law, trainable parameters"),
    )
    rows = [
        (
            *(one.panel, one.curve, one.ours, f"{one.published_slope:.2f}", f"{one.our_slope:.2f}"),
            *(exponent_words(one.law_on_paper.fit), exponent_words(one.law_on_trainable.fit)),
        )
        for one in found
    ]
    introduction = (
        "Slopes are least squares in logarithms through the same networks, up to the published minimum. Laws are those "
        "of the experiment's report: without a floor, in the declared window, with 95 % intervals; a code in place of "
        "a number is a refusal."
    )
    if rows:
        yield table_of("Exponents", columns, rows, introduction)


# ------------------------------------------------------------------------------------------------------------ figures
def errors_picture(published: pd.DataFrame, measured: pd.DataFrame, panels: tuple[str, ...], x: str) -> Picture:
    """Published errors and ours, a panel a function or network."""
    caption = "Hollow: published. Filled: ours, the median over seeds; bars go from the best to the worst."
    if x == "params.paper":
        caption += " The axis is the paper's, edges × G, as errata correct it; the experiment's report has ours."
    alt = "Published errors and ours in the same panels; the numbers are in the table of points"
    return Picture("replay", partial(curves_figure, published, measured, panels, x), alt, caption)


def _courses(runs: ReplayRuns) -> Iterator[Picture]:
    """The course of training, where there is one task: of each series of KANs the median seed on the finest grid."""
    table = runs.table
    kans = table[table["grid"].notna() & (table["status"] == "done") & table["chosen"]]
    if len(set(kans["task"])) != 1:
        return
    found: list[tuple[str, Record]] = []
    for (task, series), rows in list(kans.groupby(["task", "series"], sort=False))[:COURSES]:
        finest = rows[rows["grid"] == rows["grid"].max()].sort_values("test_rmse")
        record = runs.records[finest.iloc[len(finest) // 2]["run_id"]]
        found.append((f"{task}, {plain_name(str(series))}, {list(record.run.network.shape)}", record))
    yield Picture(
        "course",
        partial(course_figure, found),
        "Training and validation error by evaluation, a panel a series",
        "The course of training: the median seed on the finest grid. Broken lines: the end of the short starts, and "
        "of every grid. Errors are of training and validation samples; test samples are looked at once, at the end.",
    )
