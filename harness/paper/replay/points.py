"""Tables of points: published errors beside ours, what each pair says, and what many of them come
to.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.paper.replay.content import page_tables
from harness.show.tables.table import Table

# `what` says in words which published number it is, `ours` which series of ours is beside it (nan
# if none); the errors are those over `seeds`. `with_outcomes` adds the three after `errata`.
POINT_COLUMNS = (
    *("what", "ours", "published", "median", "best", "worst", "seeds", "errata"),
    *("ratio", "tolerance", "outcome"),
)
WORST_GROUPS = 3  # that are named
# Errata that leave a published error without the meaning that its place in the figure gives it.
MEANINGLESS = ("E2", "E4", "E9")


def point(
    what: str, ours: str | float, published: float, errors: Sequence[float]
) -> dict[str, Any]:
    """A row of a table of points: a published number beside our errors, one a seed; nan where there
    are none.
    """
    median, best, worst = (
        float(take(errors)) if len(errors) else math.nan for take in (np.median, min, max)
    )
    of_seeds = {"median": median, "best": best, "worst": worst, "seeds": len(errors) or math.nan}
    return {"what": what, "ours": ours, "published": published, **of_seeds, "errata": ""}


def with_outcomes(points: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The points with `ratio`, our median over the published error, `best_ratio`, `tolerance` and
    `outcome`.

    The outcome is the first of these that holds: not comparable (an erratum of MEANINGLESS), not
    published, not run, within the tolerance, within the seed spread (from our best to our worst),
    better, worse.
    """
    ratio, best_ratio = (points[name] / points["published"] for name in ("median", "best"))
    points = points.assign(ratio=ratio, best_ratio=best_ratio, tolerance=tolerance)
    return points.assign(outcome=[_outcome(row) for row in points.to_dict("records")])


def _outcome(point: dict) -> str:
    if wrong := [erratum for erratum in point["errata"].split() if erratum in MEANINGLESS]:
        return f"not comparable ({', '.join(wrong)})"
    if math.isnan(point["published"]):
        return "not published"
    if math.isnan(point["ratio"]):
        return "not run"
    if 1 / point["tolerance"] <= point["ratio"] <= point["tolerance"]:
        return f"within {point['tolerance']:g}x"
    if point["best"] <= point["published"] <= point["worst"]:
        return "within the seed spread"
    return "better" if point["ratio"] < 1 else "worse"


def compared(points: pd.DataFrame) -> pd.DataFrame:
    """The points that say something: those with an outcome that does not begin with `not`."""
    return points[~points["outcome"].str.startswith("not ")]


# --------------------------------------------------------------------------------------------------
# many points
class Summary(NamedTuple):
    """What a set of points comes to: how many were compared, and how many have which outcome.

    A factor is that between our median and what was published, whichever is larger: its geometric
    mean, its largest value, and the geometric mean for the best seeds. Without points to compare
    they are nan.
    """

    points: int
    typical_factor: float
    largest_factor: float
    best_factor: float
    outcomes: dict[str, int]


def outcome_words(outcomes: dict[str, int]) -> str:
    """`5 within 2x, 1 worse`."""
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())


def summary(points: pd.DataFrame) -> Summary:
    """The summary of points that have outcomes."""
    comparable = compared(points)
    off, best_off = (np.abs(np.log(comparable[name])) for name in ("ratio", "best_ratio"))
    typical, largest, best = (
        float(np.exp(apart)) for apart in (off.mean(), off.max(), best_off.mean())
    )
    return Summary(
        len(comparable), typical, largest, best, dict(Counter(comparable["outcome"]).most_common())
    )


def in_one_sentence(points: pd.DataFrame, arms: Mapping[str, str]) -> str:
    """Whether a page replicates what was published: how many points do, of each kind of `arms`, and
    which do not.
    """
    comparable = compared(points)
    if comparable.empty:
        return (
            "Replicates nothing yet: no published point has a run of ours that it can be "
            "compared with."
        )
    tolerance = comparable["tolerance"].iloc[0]
    is_near, outcomes = (
        comparable["outcome"] == f"within {tolerance:g}x",
        Counter(comparable["outcome"]),
    )
    parts = []
    if "arm" in comparable:
        for kind, near in is_near.groupby(comparable["arm"].map(arms), sort=False):
            parts.append(f"{kind} {near.sum()} of {len(near)}")
    of_kinds = f" ({', '.join(parts)})" if len(parts) > 1 else ""
    counted = [
        f"{outcomes[name]} {name}"
        for name in ("within the seed spread", "better", "worse")
        if outcomes[name]
    ]
    typical = human(summary(comparable).typical_factor, 2)
    apart = ", ".join([*counted, f"typically {typical}x apart"])
    within = (
        f"{is_near.sum()} of {len(comparable)} published points within a factor of {tolerance:g}"
    )
    text = f"Replicates {within}{of_kinds}; {apart}."
    return f"{text} {_worst_groups(comparable)}".rstrip()


def _worst_groups(comparable: pd.DataFrame) -> str:
    """The curves, or kinds of numbers, with the most points that are worse than published."""
    if "panel" in comparable:
        pairs = zip(comparable["panel"], comparable["curve"], strict=True)
        named = [panel if curve in panel else f"{panel} {curve}" for panel, curve in pairs]
    elif "number" in comparable:
        named = list(comparable["number"])
    else:
        return ""
    counted = (
        (comparable["outcome"] == "worse")
        .groupby(np.array(named, object), sort=False)
        .agg(["sum", "size"])
    )
    worst = (
        counted[counted["sum"] > 0]
        .sort_values("sum", ascending=False, kind="stable")
        .head(WORST_GROUPS)
    )
    worst_words = [
        f"{name} ({worse} of {of_group})" for name, worse, of_group in worst.itertuples()
    ]
    return f"Worse most often: {'; '.join(worst_words)}." if worst_words else ""


def groups(points: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """The points that say something, by the values of some columns, in the order of the first point
    of each group.
    """
    for key, rows in compared(points).groupby(list(by), sort=False):
        yield tuple(map(str, key)), rows


def apart_tables(points: pd.DataFrame, panel: str, error: str, more: str) -> tuple[Table, ...]:
    """How far apart each published curve and each series of ours are; `panel` is what a panel of
    the figure is of.

    `error` is what was published, and `more` ends the sentence that explains the factors.
    """
    rows: list[tuple[str | float, ...]] = []
    for key, part in groups(points, "panel", "curve", "ours"):
        series = summary(part)
        factors = (series.typical_factor, series.largest_factor, series.best_factor)
        rows.append(
            (
                *key,
                series.points,
                *(f"{human(factor)}x" for factor in factors),
                outcome_words(series.outcomes),
            )
        )
    return page_tables("apart", rows, panel=panel, error=error, more=more)


# --------------------------------------------------------------------------------------------------
# names
TOLD_BY_MARKS = ("hidden=", "depth=")
SETTING_WORDS = {
    "grid_eps=1.0": "uniform knots",
    "grid_eps=0.02": "knots at percentiles",
    "activation=silu": "SiLU",
    "activation=tanh": "tanh",
}


def plain_name(series: str, arms: Mapping[str, str]) -> str:
    """In figures, less what marks tell: `kan grid_eps=0.02 hidden=[2, 2]` as `KAN, knots at
    percentiles`.

    The label is all that kept runs have of a series (`harness.paper.replay.page.RUN_COLUMNS`).
    """
    arm, *settings = re.split(r" (?=\w+=)", series)
    shown = [
        SETTING_WORDS.get(setting, setting)
        for setting in settings
        if not setting.startswith(TOLD_BY_MARKS)
    ]
    return ", ".join([arms.get(arm, arm), *shown])


def chosen_runs(table: pd.DataFrame) -> pd.DataFrame:
    """The runs that validation chose, once each, with 0 for no grid."""
    chosen = table.assign(grid=whole_grids(table["grid"]))[table["chosen"]]
    return chosen.drop_duplicates(["task", "series", "run_id"])


def whole_grids(grid: pd.Series) -> pd.Series:
    """Grids as whole numbers, 0 where there is none."""
    return grid.astype("Float64").fillna(0).astype(int)


def published_shape(shape: pd.Series) -> pd.Series:
    """Shapes as the paper has them: `2-5-1` as `[2,5,1]`."""
    return "[" + shape.str.replace("-", ",") + "]"


def network_words(shape: pd.Series, grid: pd.Series) -> pd.Series:
    """`[2,5,1], G = 20` of a KAN; an MLP, whose grid is 0, has its shape alone."""
    return shape + np.where(grid > 0, ", G = " + grid.astype(str), "")
