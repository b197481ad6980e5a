"""The runs that rules are judged on, and after how many replicates, at which level each time.

Whoever looks several times and stops once a rule is decided has several chances to be wrong. So the
looks share the error that one interval may have, each by the replicates that it adds: a linear
spending function (Lan and DeMets 1983), added up by Bonferroni, so that it serves every quantity,
however its looks hang together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

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


# --------------------------------------------------------------------------------------------------
# looks
@dataclass(frozen=True)
class Look:
    """A look at a rule once its first replicates have run."""

    replicates: Annotated[int, "that have run"]
    of: Annotated[int, "how many there will be"]
    level: Annotated[float, "of its intervals"]


def looks_at(level: float, replicates: Sequence[int]) -> tuple[Look, ...]:
    """The looks after so many `replicates`, ascending. All together err as often as one interval at
    `level`.
    """
    of = replicates[-1]
    shares = [(after - before) / of for before, after in pairwise((0, *replicates))]
    return tuple(
        Look(each, of, 1 - (1 - level) * share)
        for each, share in zip(replicates, shares, strict=True)
    )


def level_over(level: float, looks: Sequence[int], replicates: int) -> float:
    """The level of an interval over so many replicates, if it is looked at after those of `looks`:
    that of its look.

    Where runs diverged its replicates are those of no look, and it has the strictest of their
    levels.
    """
    levels = {look.replicates: look.level for look in looks_at(level, looks)}
    return levels.get(replicates, max(levels.values()))


def has_replicates(runs: ExperimentRuns, number: int) -> bool:
    """Whether the first so many replicates are all recorded."""
    return set(runs.manifest.experiment.seeds[:number]) <= set(runs.table["seed"])


def until(runs: ExperimentRuns, look: Look) -> ExperimentRuns:
    """The runs that a look reads."""
    seeds = runs.manifest.experiment.seeds[: look.replicates]
    table, every = runs.table, runs.every
    of_look = None if every is None else every[every["seed"].isin(seeds)]
    return replace(runs, table=table[table["seed"].isin(seeds)], every=of_look, curves={})
