"""The runs that rules are judged on, and the laws that are fitted to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from harness.base.errors import HarnessError
from harness.judging.pairs import pairs_axis
from harness.judging.scaling import SeriesFit, fit_table
from harness.judging.side_runs import SideRuns, side_runs
from harness.spec import Manifest, side_label


@dataclass(frozen=True)
class ExperimentRuns:
    """The runs of an experiment, the target and inputs of its tasks, and the axis on which its arms are matched.

    `are_replicates` tells whether its rows are the winners of replicates, of which each is a number for itself.
    `sides` and `fitted` remember runs and laws: rules ask for the same ones again.
    """

    table: pd.DataFrame
    tasks: Mapping[str, tuple[str, int]]
    matched: str
    are_replicates: bool = False
    sides: dict[tuple, SideRuns] = field(default_factory=dict, compare=False)
    fitted: dict[tuple, list[SeriesFit]] = field(default_factory=dict, compare=False)


def runs_of(manifest: Manifest, table: pd.DataFrame) -> ExperimentRuns:
    """The runs of a plan from their table (`record.load`, with `seconds` where they are measured)."""
    if "seconds" in table:
        table = table.assign(seconds_per_evaluation=table["seconds"] / table["evaluations"])
    return ExperimentRuns(table, manifest.tasks, pairs_axis(manifest), bool(manifest.experiment.search))


def of_arm(runs: ExperimentRuns, task: str, names: Sequence[str]) -> SideRuns:
    """The runs of an arm, or of the best of several (`side_runs`)."""
    key = (task, tuple(names))
    if key not in runs.sides:
        runs.sides[key] = side_runs(runs.table, task, names, side_label(names))
    return runs.sides[key]


def laws(runs: ExperimentRuns, task: str, names: Sequence[str], axis: str, level: float) -> list[SeriesFit]:
    """Both laws of an arm on a task; a HarnessError where the axis is not measured, or counts nothing."""
    key = (task, tuple(names), axis, level)
    if key not in runs.fitted:
        own = of_arm(runs, task, names).runs
        if axis not in own:
            raise HarnessError(f"{axis} is not measured")
        runs.fitted[key] = fit_table(own, [axis], level)
    if not runs.fitted[key]:
        raise HarnessError(f"{axis} counts nothing of {', '.join(names)}")
    return runs.fitted[key]
