"""The runs that rules are judged on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from harness.spec.manifest import Manifest


@dataclass(frozen=True)
class ExperimentRuns:
    """The table of a plan that is judged (`winners.reported`), that of all its runs, and the axis
    that is matched.

    `every` is None where nobody asks for lower efforts. `curves` remembers curves: rules ask for
    the same ones again.
    """

    manifest: Manifest
    table: pd.DataFrame
    every: pd.DataFrame | None = None
    curves: dict[tuple, Any] = field(default_factory=dict, compare=False)

    @property
    def matched(self) -> str:
        """The axis on which sides are matched; trainable parameters where nothing is."""
        match = self.manifest.experiment.match
        return match.count_name if match else "params.trainable"


def runs_of(
    manifest: Manifest, table: pd.DataFrame, every: pd.DataFrame | None = None
) -> ExperimentRuns:
    """The runs of a plan from their tables (`record.table.runs_table`, with `seconds` where they
    are measured).
    """
    if "seconds" in table:
        table = table.assign(seconds_per_evaluation=table["seconds"] / table["evaluations"])
    return ExperimentRuns(manifest, table, every)
