"""The kind of replay of Fig. 3.3: squared errors in two norms along curves, and one network held against others."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.judging.scaling import SeriesFit, size_axes
from harness.paper.reference import load
from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns
from harness.paper.replay.figures.curves import curves_figure
from harness.paper.replay.outcome import compared, in_one_sentence, outcome_words, summary, with_outcomes
from harness.show.tables.table import Table, number_columns, table_of, text_columns
from harness.show.words import exponent_words
from harness.spec import axis_words

# The column of what was published, and ours whose square it is: means over the square domain, not integrals over it.
NORMS = {"L2²": ("l2_squared", "test_rmse"), "H1²": ("h1_squared", "test_h1_error")}
KEYS = ["task", "shape", "grid"]
COUNTS = ("params.paper", "params.trainable")
# What the paper claims, sec. 3.4: this KAN against this MLP, a hundred times more accurate, a hundred times smaller.
KAN, MLP = "[2,10,1]", "[2,100,100,100,1]"
MOST_PARAMETERS = 20_601  # of an MLP that the KAN is held against: the trainable ones of the paper's
# Erratum E2: published at two depths.
DUPLICATED = ("MLP, depth 2", "MLP, depth 3")


def poisson(runs: ReplayRuns, replay: Replay) -> Page:
    """The page of Fig. 3.3; errors are squared on it, as in the figure."""
    published, measured = published_points(replay), measured_points(runs.table)
    points = beside(published, measured, replay.tolerance)
    who = duel(runs.table)
    return Page(
        points=points,
        figures=tuple(norms_picture(published, measured, axis) for axis in COUNTS),
        findings=(in_one_sentence(points), *_duel_findings(who), *_depth_findings(points)),
        tables=(*_duel_table(who), _summary_table(points), *_exponent_table(points, runs.fits)),
    )


# ---------------------------------------------------------------------------------------------------------- two sides
def published_points(replay: Replay) -> pd.DataFrame:
    """The published points, a row each and norm (`quantity`); `curve` is a KAN's shape or an MLP's depth.

    Those of the training curves (panels 1 and 2) are there at the end of every grid; as the errors of an MLP during
    training are not ours to see, only its last. Their `curve` is `course` and the shape.
    """
    scaling, dynamics = (_with_grid(load(name)) for name in replay.published)
    depth = "MLP, depth " + scaling["depth"].astype(str)
    scaling = scaling.assign(curve=scaling["shape"].where(scaling["family"] == "kan", depth))
    is_last = dynamics.groupby("shape")["step"].transform("max") == dynamics["step"]
    dynamics = dynamics[(dynamics["grid"] > 0) | ((dynamics["family"] == "mlp") & is_last)]
    sizes = scaling.drop_duplicates(["shape", "grid"])[["shape", "grid", *COUNTS]]
    dynamics = dynamics.assign(curve="course of " + dynamics["shape"]).merge(sizes, on=["shape", "grid"])
    both = pd.concat([scaling, dynamics], ignore_index=True).assign(task="poisson")
    columns = [*KEYS, "family", "curve", *COUNTS, "errata"]
    found = [both[columns].assign(published=both[theirs], quantity=name) for name, (theirs, _) in NORMS.items()]
    return pd.concat(found, ignore_index=True).assign(x=lambda rows: rows["params.paper"].astype(float))


def _with_grid(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the grid of every row, 0 for an MLP; of a course, the grid that ends at that step, or 0."""
    if "grid" in table:
        return table.assign(grid=table["grid"].fillna(0).astype(int))
    ends = dict(zip((49, 99, 149, 199, 249), (2, 4, 6, 8, 10), strict=True))
    return table.assign(grid=table["step"].map(ends).where(table["family"] == "kan").fillna(0).astype(int))


def measured_points(table: pd.DataFrame) -> pd.DataFrame:
    """Our points, a row a series, network and norm: squared errors over seeds. A diverged run is infinitely bad."""
    keyed = _keyed(table)
    found = []
    for quantity, (_, ours) in NORMS.items():
        groups = keyed.assign(error=keyed[ours].fillna(np.inf) ** 2).groupby([*KEYS, "series"], sort=False)
        points = groups.agg(
            best=("error", "min"),
            median=("error", "median"),
            worst=("error", "max"),
            seeds=("error", "size"),
            evaluations=("evaluations", "median"),
        ).reset_index()
        found.append(points.assign(quantity=quantity))
    return pd.concat(found, ignore_index=True).rename(columns={"series": "ours"})


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """The runs, with the shape as it is published, 0 for no grid, and a column for the H1 error if all diverged."""
    keyed = table.assign(
        shape=[f"[{shape.replace('-', ',')}]" for shape in table["shape"]],
        grid=table["grid"].astype("Float64").fillna(0).astype(int),
        test_h1_error=table.get("test_h1_error", math.nan),
    )
    return keyed[keyed["chosen"]].drop_duplicates(["series", "run_id"])


def beside(published: pd.DataFrame, measured: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """A row a published point and series of ours with that network, with its outcome, in the order of the figure."""
    joined = published.merge(measured, on=[*KEYS, "quantity"], how="left")
    grid = np.where(joined["grid"] > 0, ", G = " + joined["grid"].astype(str), "")
    course = np.where(joined["curve"].str.startswith("course"), " (course)", "")
    return with_outcomes(joined.assign(what=joined["quantity"] + " " + joined["shape"] + grid + course), tolerance)


def norms_picture(published: pd.DataFrame, measured: pd.DataFrame, axis: str) -> Picture:
    """Errors in both norms against a count of parameters."""
    curves = published[~published["curve"].str.startswith("course")]
    curves = curves.assign(x=curves[axis].astype(float))
    return Picture(
        f"replay_{axis.removeprefix('params.')}",
        partial(curves_figure, curves, measured.assign(x=math.nan), ("quantity",), axis, "mean squared error"),
        "Published squared errors and ours in two norms; the numbers are in the table of points",
        f"Squared errors against {axis_words(axis)}. Hollow: published; the MLPs of depths 2 and 3 have one "
        "curve between them (E2). Filled: ours, the median over seeds; bars go from the best to the worst.",
    )


# ----------------------------------------------------------------------------------------------------- one against one
class Duel(NamedTuple):
    """Medians over seeds of the KAN on its finest grid, of the best MLP that is not too large, and of the paper's MLP.

    Each is None where it was not run to its end.
    """

    kan: pd.Series | None
    best: pd.Series | None
    chosen: pd.Series | None


def duel(table: pd.DataFrame) -> Duel:
    """Who is held against whom: validation chooses among MLPs, and the series (activation) of the paper's."""
    keyed = _keyed(table)
    numbers = [name for name in (*size_axes(), "evaluations", "validation_rmse") if name in keyed]
    squares = {norm: keyed[ours] ** 2 for norm, (_, ours) in NORMS.items()}
    keyed = keyed.assign(**squares, pack=keyed["pack_seconds"] / keyed["pack_lanes"])
    keyed = keyed.fillna(dict.fromkeys((*NORMS, "validation_rmse"), np.inf))  # what diverged
    medians = keyed.groupby([*KEYS, "series"], sort=False)[[*numbers, *NORMS, "pack"]].median().reset_index()
    ended = medians[np.isfinite(medians["validation_rmse"])]
    small = ended[(ended["grid"] == 0) & (ended["params.trainable"] <= MOST_PARAMETERS)]
    kans = ended[ended["shape"] == KAN]
    return Duel(
        *(_first(kans[kans["grid"] > 0], "grid", last=True), _first(small, "validation_rmse")),
        _first(small[small["shape"] == MLP], "validation_rmse"),
    )


def _first(rows: pd.DataFrame, by: str, last: bool = False) -> pd.Series | None:
    """The row with the least value (or the largest), if there is one."""
    return None if rows.empty else rows.sort_values(by, ascending=not last, kind="stable").iloc[0]


def _duel_table(one: Duel) -> Iterator[Table]:
    """Errors, counts under every convention and seconds, and how many times the KAN's an MLP's are."""
    kan, rivals = one.kan, [row for row in (one.best, one.chosen) if row is not None]
    if kan is None or not rivals:
        return
    if len(rivals) == 2 and rivals[0].equals(rivals[1]):
        rivals = rivals[:1]
    heads = [f"{row['series']} {row['shape']}" for row in rivals]
    over = [f"{head}, over the KAN's" for head in heads]
    columns = (*text_columns(""), *number_columns(f"KAN {KAN}, G = {kan['grid']}", *heads, *over))
    names = {name: name for name in (*NORMS, *size_axes(), "evaluations")} | {"pack": "seconds in the pack"}
    rows = [
        (named, kan[name], *(row[name] for row in rivals), *(row[name] / kan[name] for row in rivals))
        for name, named in names.items()
        if name in kan and not math.isnan(kan[name])
    ]
    introduction = (
        "Medians over seeds. First the MLP with the least median validation loss among all with at most "
        f"{MOST_PARAMETERS:,} trainable parameters, then the paper's own choice with its better activation, if it was "
        "run. Training FLOPs are of the evaluations that were made; a point inside the square counts as four, for its "
        "value, two derivatives and Laplacian. Seconds are those alone on the machine, if harness bench measured "
        "them; seconds in the pack hang on what else was in it."
    )
    yield table_of("The KAN against MLPs", columns, rows, introduction)


def _duel_findings(one: Duel) -> Iterator[str]:
    """What the best MLP of ours does, the paper's claim and its own points, and what the MLP of that claim does."""
    if one.kan is not None and one.best is not None:
        yield _duel_words(f"the best MLP of at most {MOST_PARAMETERS:,} parameters", one.kan, one.best)
    published = load("pde_scaling")
    kan = published[(published["shape"] == KAN) & published["grid"].notna()].iloc[-1]
    mlp = published[published["shape"] == MLP].iloc[0]
    best = published[(published["family"] == "mlp") & (published["params.trainable"] <= MOST_PARAMETERS)]
    yield (
        f"The paper says that the KAN {KAN} is 100 times more accurate (squared L2 error) than the MLP {MLP}, and 100 "
        f"times smaller. Its figure gives {human(mlp['l2_squared'] / kan['l2_squared'], 2)} and "
        f"{human(mlp['params.paper'] / kan['params.paper'], 2)} times, on true parameters "
        f"{human(mlp['params.trainable'] / kan['params.trainable'], 2)}; against the best of its MLPs of that size or "
        f"less {human(best['l2_squared'].min() / kan['l2_squared'], 2)} times."
    )
    if one.kan is not None and one.chosen is not None:
        yield _duel_words("the MLP of the paper's claim", one.kan, one.chosen)


def _duel_words(who: str, kan: pd.Series, mlp: pd.Series) -> str:
    times = {name: human(mlp[name] / kan[name], 2) for name in (*NORMS, *mlp.index[mlp.index.isin(size_axes())])}
    return (
        f"Ours: {who} is {mlp['series']} {mlp['shape']}, with {human(mlp['params.trainable'], 3)}. Its squared errors "
        f"are {times['L2²']} (L2) and {times['H1²']} (H1) times those of the KAN {KAN}, its parameters "
        f"{times['params.trainable']} times, its training FLOPs {times['flops_train.shared_dense']} (shared-dense) "
        f"and {times['flops_train.local_min']} times (local minimum)."
    )


def _depth_findings(points: pd.DataFrame) -> Iterator[str]:
    """Which of two depths the curve is of that was published for both (E2), by how near our points are to it."""
    there = points[points["curve"].isin(DUPLICATED) & points["ours"].notna() & np.isfinite(points["median"])]
    off = np.exp(np.abs(np.log(there["ratio"])).groupby(there["curve"]).mean())
    if len(off) == len(DUPLICATED):
        nearest, near, far = str(off.idxmin()).removeprefix("MLP, "), human(off.min(), 2), human(off.max(), 2)
        yield (
            f"The curve that is published for depths 2 and 3 (E2) is nearer to ours of {nearest}: typically {near}x "
            f"apart, against {far}x."
        )


# ------------------------------------------------------------------------------------------------------------- tables
def _summary_table(points: pd.DataFrame) -> Table:
    rows: list[tuple[str | float, ...]] = []
    for (quantity, curve, ours), part in compared(points).groupby(["quantity", "curve", "ours"], sort=False):
        one = summary(part)
        factors = (f"{human(each)}x" for each in (one.typical_factor, one.largest_factor, one.best_factor))
        rows.append((*map(str, (quantity, curve, ours)), one.points, *factors, outcome_words(one.outcomes)))
    columns = (
        *text_columns("norm", "published curve", "ours"),
        *number_columns("points", "typical", "largest", "typical, best seeds"),
        *text_columns("outcomes"),
    )
    introduction = (
        "The factor between our median over seeds and the published squared error, whichever is larger: 4x is 2x of "
        "the error itself. A course is panels 1 and 2, at the end of every grid."
    )
    return table_of("How far apart", columns, rows, introduction)


def _exponent_table(points: pd.DataFrame, fits: Sequence[SeriesFit]) -> Iterator[Table]:
    """Of every published KAN curve, beside a series of ours with at least three of its points."""
    laws = {(one.series, one.axis): one for one in fits if one.fit.law == "pure"}
    kans = compared(points[(points["family"] == "kan") & ~points["curve"].str.startswith("course")])
    rows: list[tuple[str, ...]] = []
    for (quantity, curve, ours), part in kans.groupby(["quantity", "curve", "ours"], sort=False):
        if len(part) < 3:
            continue
        slope, our_slope = (_slope(part["x"], part[name]) for name in ("published", "median"))
        slopes = [f"{each:.2f}" for each in (slope, slope / 2, our_slope / 2)]
        of_laws = ["", ""] if quantity != "L2²" else [exponent_words(laws[str(ours), axis].fit) for axis in COUNTS]
        rows.append((*map(str, (quantity, curve, ours)), *slopes, *of_laws))
    laws_by = [f"law, {count}" for count in COUNTS]
    columns = (
        *text_columns("norm", "network", "ours"),
        *number_columns("published slope", "its half", "ours, halved", *laws_by),
    )
    introduction = (
        "The figure's guide N^-4 goes with squared errors (E11): the errors themselves fall with half of the slope. "
        "Splines of order 3 promise 4 in L2 and 3 in H1. Slopes are least squares in logarithms on the paper's axis; "
        "laws are those of report.html, of the error itself, with 95 % intervals."
    )
    if rows:
        yield table_of("Exponents", columns, rows, introduction)


def _slope(x: pd.Series, y: pd.Series) -> float:
    """The exponent alpha of y = A x^-alpha; nan where an error is infinite."""
    return float(-np.polyfit(np.log(x), np.log(y), 1)[0]) if np.isfinite(y).all() else math.nan
