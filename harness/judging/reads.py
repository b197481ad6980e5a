"""Which cells of a plan a number reads: looks at more seeds need the runs of these alone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.judging.curves import LOSS, SideCurve, largest_common, neighbours, side_curve, size_of
from harness.judging.quantity import Case
from harness.judging.runs import of_arm
from harness.judging.scaling import won_on
from harness.spec import side_label


def every_cell(case: Case) -> set[int]:
    """All sizes of all arms of the sides, on every task: what laws are fitted to."""
    found: set[int] = set()
    for task in case.tasks:
        for names in case.condition.sides:
            found |= set(_rows_of_side(case, task, names, case.axis)["cell"])
    return found


def cells_next_to(case: Case, axis: str, column: str = LOSS) -> set[int]:
    """The cells at the sizes or budgets between which both sides are read, where they are equal on `axis`.

    A side of several arms is chosen at each budget, also without each of its seeds: all that may be read there counts,
    and all that it is chosen among. A HarnessError where the sides have no size in common.
    """
    sides = [of_arm(case.runs, case.task, names) for names in case.condition.sides]
    curves = [side_curve(side, axis, column) for side in sides]
    at, known = case.condition.place, case.runs.matched
    found: set[int] = set()
    if isinstance(at, str):
        size = largest_common(*curves)
    else:
        size = size_of(sides[0].runs, axis, float(at or 0), known)
        found |= _cells_around(side_curve(sides[0], known), float(at or 0))
    for names, one in zip(case.condition.sides, curves, strict=True):
        for each in (one, *one.without.values()):
            found |= _cells_around(each, size)
        rows = _rows_of_side(case, case.task, names, axis)
        budgets = rows.loc[rows["cell"].isin(found), "asked"].dropna()
        found |= set(rows.loc[rows["asked"].isin(budgets), "cell"])
    return found


def _cells_around(one: SideCurve, at: float) -> set[int]:
    """The cells between whose sizes a curve is read."""
    inside = min(max(at, one.sizes[0]), one.sizes[-1])
    sizes = one.sizes[list(neighbours(one, inside))]
    return set(one.cells.loc[one.cells["size"].isin(sizes), "cell"])


def _rows_of_side(case: Case, task: str, names: Sequence[str], axis: str) -> pd.DataFrame:
    """All rows that the runs of a side are chosen from, as sizes on `axis`: every arm and trial at every size."""
    table = case.runs.table
    if "won_on" in table:
        table = won_on(table, axis)
        return table[(table["task"] == task) & (table["series"] == side_label(names))]
    return table[(table["task"] == task) & (table["arm"].isin(names) | table["series"].isin(names))]
