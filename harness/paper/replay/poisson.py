"""Fig. 3.3: squared errors of solutions of Poisson's equation in two norms, and one KAN held
against MLPs.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.judging.laws import SeriesLaws
from harness.judging.scaling import size_axes
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns, page_tables, picture
from harness.paper.replay.curves import (
    COUNTS,
    SECONDS,
    beside,
    chosen_networks,
    curves_figure,
    exponents,
)
from harness.paper.replay.points import apart_tables, in_one_sentence, network_words, whole_grids
from harness.show.tables.table import Table
from harness.spec.counts import axis_words

# The column of what was published, and ours whose square it is: means over the square domain, not
# integrals over it.
NORMS = {"L2²": ("l2_squared", "test_rmse"), "H1²": ("h1_squared", "test_h1_error")}
COURSE = "course of "  # begins the name of a curve of panels 1 and 2
GRID_ENDS = {49: 2, 99: 4, 149: 6, 199: 8, 249: 10}  # by the last step of a course on it
# What the paper claims, sec. 3.4: this KAN against this MLP, a hundred times more accurate, a
# hundred times smaller.
KAN, MLP = "[2,10,1]", "[2,100,100,100,1]"
MOST_PARAMETERS = (
    20_601  # of an MLP that the KAN is held against: the trainable ones of the paper's
)


def poisson(runs: ReplayRuns, replay: Replay) -> Page:
    """The page of Fig. 3.3; errors are squared on it, as in the figure."""
    points = points_of(runs.table, replay)
    more = ": 4x is 2x of the error itself. A course is panels 1 and 2, at the end of every grid."
    return Page(
        points=points,
        figures=tuple(norms_picture(runs.table, replay, axis) for axis in COUNTS),
        lead=(in_one_sentence(points, replay.arms),),
        tables=(
            *_duel_table(duel(runs.table)),
            *apart_tables(points, "norm", "squared error", more),
            *_exponent_table(points, runs.fits),
        ),
    )


# --------------------------------------------------------------------------------------------------
# two sides
def published_points(replay: Replay, axis: str) -> pd.DataFrame:
    """The published points, a row each and norm, as `curves.published_points` has them.

    Those of the training curves (panels 1 and 2) are there at the end of every grid; as the errors
    of an MLP during training are not ours to see, only its last. Their `curve` is `course of` and
    the shape.
    """
    scaling, dynamics = map(load, replay.published)
    depth = "MLP, depth " + scaling["depth"].astype(str)
    scaling = scaling.assign(curve=scaling["shape"].where(scaling["family"] == "kan", depth))
    is_kan = dynamics["family"] == "kan"
    grid = dynamics["step"].map(GRID_ENDS).where(is_kan)
    is_end = np.where(
        is_kan, grid.notna(), dynamics.groupby("shape")["step"].transform("max") == dynamics["step"]
    )
    dynamics = dynamics.assign(grid=grid.astype("Int64"), curve=COURSE + dynamics["shape"])[is_end]
    sizes = scaling.drop_duplicates(["shape", "grid"])[["shape", "grid", *COUNTS]]
    published = pd.concat([scaling, dynamics.merge(sizes, on=["shape", "grid"])], ignore_index=True)
    points = published[["shape", "family", "curve", "errata"]].assign(
        task="poisson", grid=whole_grids(published["grid"]), x=published[axis].astype(float)
    )
    words = network_words(points["shape"], points["grid"]) + np.where(
        _is_course(points), " (course)", ""
    )
    of_norms = [
        points.assign(
            published=published[theirs], quantity=norm, panel=norm, what=f"{norm} " + words
        )
        for norm, (theirs, _) in NORMS.items()
    ]
    return pd.concat(of_norms, ignore_index=True)


def _is_course(points: pd.DataFrame) -> pd.Series:
    return points["curve"].str.startswith(COURSE)


def points_of(table: pd.DataFrame, replay: Replay, axis: str = COUNTS[0]) -> pd.DataFrame:
    """A row a published point and series of ours with that network, with its outcome."""
    return beside(published_points(replay, axis), _with_squares(table), replay.tolerance)


def _with_squares(table: pd.DataFrame) -> pd.DataFrame:
    """The runs with a column for each norm; if all diverged, no run has an H1 error."""
    table = table.assign(test_h1_error=table.get("test_h1_error", math.nan))
    return table.assign(**{norm: table[ours] ** 2 for norm, (_, ours) in NORMS.items()})


def norms_picture(table: pd.DataFrame, replay: Replay, axis: str) -> Picture:
    """Errors in both norms against a count of parameters."""
    points = points_of(table, replay, axis)
    draw = partial(
        curves_figure, points[~_is_course(points)], replay.arms, axis, "mean squared error"
    )
    return picture("norms", f"replay_{axis.removeprefix('params.')}", draw, axis=axis_words(axis))


# --------------------------------------------------------------------------------------------------
# one against one
class Duel(NamedTuple):
    """Medians over seeds of the KAN on its finest grid, of the best MLP that is not too large, and
    of the paper's MLP.

    Each is None where it was not run to its end.
    """

    kan: pd.Series | None
    best: pd.Series | None
    chosen: pd.Series | None


def duel(table: pd.DataFrame) -> Duel:
    """Who is held against whom: validation chooses among MLPs, and the series (activation) of the
    paper's.
    """
    runs = chosen_networks(_with_squares(table))
    runs = runs.fillna(dict.fromkeys((*NORMS, "validation_rmse"), np.inf))  # what diverged
    numbers = [
        name
        for name in (*size_axes(), "evaluations", "validation_rmse", *NORMS, SECONDS)
        if name in runs
    ]
    medians = runs.groupby(["shape", "grid", "series"], sort=False)[numbers].median().reset_index()
    ended = medians[np.isfinite(medians["validation_rmse"])].sort_values(
        "validation_rmse", kind="stable"
    )
    mlps = ended[(ended["grid"] == 0) & (ended["params.trainable"] <= MOST_PARAMETERS)]
    kans = ended[(ended["shape"] == KAN) & (ended["grid"] > 0)].sort_values(
        "grid", ascending=False, kind="stable"
    )
    return Duel(
        *(None if rows.empty else rows.iloc[0] for rows in (kans, mlps, mlps[mlps["shape"] == MLP]))
    )


def _duel_table(who: Duel) -> tuple[Table, ...]:
    """Errors, counts under every convention and seconds, and how many times the KAN's an MLP's
    are.
    """
    rivals = {
        f"{mlp['series']} {mlp['shape']}": mlp for mlp in (who.best, who.chosen) if mlp is not None
    }
    if who.kan is None or not rivals:
        return ()
    numbers = [
        f"KAN {KAN}, G = {who.kan['grid']}",
        *rivals,
        *(f"{name}, over the KAN's" for name in rivals),
    ]
    rows = []
    for name in (*NORMS, *size_axes(), "evaluations", SECONDS):
        if name in who.kan and not math.isnan(who.kan[name]):
            of_rivals = [mlp[name] for mlp in rivals.values()]
            rows.append(
                (name, who.kan[name], *of_rivals, *(number / who.kan[name] for number in of_rivals))
            )
    return page_tables("duel", rows, numbers, most=MOST_PARAMETERS)


# --------------------------------------------------------------------------------------------------
# tables
def _exponent_table(points: pd.DataFrame, fits: Sequence[SeriesLaws]) -> tuple[Table, ...]:
    """Of every published KAN curve, beside a series of ours; laws are of the error in L2 alone."""
    rows = []
    for exponent in exponents(points[~_is_course(points)], fits):
        slopes = (
            f"{slope:.2f}"
            for slope in (exponent.published, exponent.published / 2, exponent.ours / 2)
        )
        rows.append(
            (*exponent.place, *slopes, *(exponent.laws if exponent.place[0] == "L2²" else ("", "")))
        )
    return page_tables("exponents_of_squares", rows)
