"""How far one of our errors is from a published one, and what that says; what a whole curve of them comes to."""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human

# Errata that leave a published error without the meaning that its place in the figure gives it.
MEANINGLESS = ("E2", "E4", "E9")


def with_outcomes(points: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """The points with `ratio`, our median over the published error, `best_ratio`, `tolerance` and `outcome`.

    The outcome is the first of these that holds: not comparable (an erratum of MEANINGLESS), not published, not run,
    within the tolerance, within the seed spread (from our best to our worst), better, worse.
    """
    found = points.assign(
        ratio=points["median"] / points["published"],
        best_ratio=points["best"] / points["published"],
        tolerance=tolerance,
    )
    return found.assign(outcome=[_outcome(row) for row in found.to_dict("records")])


def _outcome(point: dict) -> str:
    if wrong := [one for one in point["errata"].split() if one in MEANINGLESS]:
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


class Summary(NamedTuple):
    """What a set of points comes to: how many were compared, and how many have which outcome.

    A factor is that between our median and what was published, whichever is larger: its geometric mean, its largest
    value, and the geometric mean for the best seeds. Without points to compare they are nan.
    """

    points: int
    typical_factor: float
    largest_factor: float
    best_factor: float
    outcomes: dict[str, int]


def summary(points: pd.DataFrame) -> Summary:
    """The summary of points that have outcomes."""
    found = compared(points)
    outcomes = dict(Counter(found["outcome"]).most_common())
    if found.empty:
        return Summary(0, math.nan, math.nan, math.nan, outcomes)
    off, best_off = (np.abs(np.log(found[name])) for name in ("ratio", "best_ratio"))
    typical, largest, best = (float(np.exp(value)) for value in (off.mean(), off.max(), best_off.mean()))
    return Summary(len(found), typical, largest, best, outcomes)


def outcome_words(outcomes: dict[str, int]) -> str:
    """`5 within 2x, 1 worse`."""
    return ", ".join(f"{count} {what}" for what, count in outcomes.items())


def in_one_sentence(points: pd.DataFrame) -> str:
    """What all points of a page come to, as its first finding."""
    found = summary(points)
    if not found.points:
        return "No published point has a run of ours that it can be compared with."
    return (
        f"Of {found.points} points compared: {outcome_words(found.outcomes)}; "
        f"typically {human(found.typical_factor, 2)}x apart."
    )
