"""Seeds whose training failed: runs that ended far from the median loss of their size."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from harness.judging.looks import cells_read
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import Case
from harness.judging.runs import of_arm
from harness.judging.scaling import won_on
from harness.spec import side_label

FAR = 10.0  # times the median loss of a size


@dataclass(frozen=True)
class FarRuns:
    """How many of the `runs` of a side ended over FAR times `above` the median loss of their size, and `below` it."""

    side: str
    runs: int
    above: int
    below: int


def far_runs(rows: pd.DataFrame, side: str) -> FarRuns:
    """Those of rows of chosen runs. A run that won several budgets counts once; diverged ones are in no median."""
    losses = rows["test_loss"].where(rows["status"] == "done")
    medians = losses.groupby(rows["cell"]).transform("median")
    above, below = (rows.loc[is_far, "run_id"].nunique() for is_far in (losses > FAR * medians, FAR * losses < medians))
    return FarRuns(side, rows["run_id"].nunique(), above, below)


def far_runs_words(number: int, one: FarRuns) -> str:
    """`2 of 96 runs of kan`: so many of its runs."""
    return f"{number:,} of {one.runs:,} runs of {one.side}"


def failing_words(case: Case) -> str:
    """That some seeds of a side fail where a number is read, or that they differ widely; empty if neither.

    It is asked of test losses alone: at equal size, or of laws.
    """
    takes, quantity = case.condition.takes, QUANTITIES[case.condition.quantity]
    if takes.of_counts or not (takes.of_laws or quantity.reads):
        return ""
    cells = cells_read(case)
    found = []
    for names in case.condition.sides:
        rows = pd.concat(won_on(of_arm(case.runs, task, names).runs, case.axis) for task in case.tasks)
        found.append(far_runs(rows[rows["cell"].isin(cells) & rows["chosen"]], side_label(names)))
    above = {one.side: far_runs_words(one.above, one) for one in found if one.above}
    if above:
        told = f"{' and '.join(above.values())} ended over {FAR:g} times above the median of their size"
        return f"some seeds of {' and '.join(above)} fail: {told}"
    below = {one.side: far_runs_words(one.below, one) for one in found if one.below}
    if below:
        told = f"{' and '.join(below.values())} ended over {FAR:g} times below the median of their size"
        return f"seeds of {' and '.join(below)} differ widely: {told}"
    return ""
