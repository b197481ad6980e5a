"""Seeds whose training failed: runs that ended far from the median loss of their size."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

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
