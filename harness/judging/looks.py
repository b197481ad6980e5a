"""Looks: after how many replicates rules are judged, and at which level each time.

Whoever looks several times and stops once a rule is decided has several chances to be wrong. So the looks share the
error that one interval may have, each by the replicates that it adds: a linear spending function (Lan and DeMets 1983),
added up by Bonferroni, so that it serves every quantity, however its looks hang together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated

from harness.judging.runs import ExperimentRuns


@dataclass(frozen=True)
class Look:
    """A look at a rule once its first replicates have run."""

    replicates: Annotated[int, "that have run"]
    of: Annotated[int, "how many there will be"]
    level: Annotated[float, "of its intervals"]


def looks_at(level: float, replicates: Sequence[int]) -> tuple[Look, ...]:
    """The looks after so many `replicates`, ascending. All together err as often as one interval at `level`."""
    of = replicates[-1]
    shares = [(after - before) / of for before, after in pairwise((0, *replicates))]
    return tuple(Look(each, of, 1 - (1 - level) * share) for each, share in zip(replicates, shares, strict=True))


def level_over(level: float, looks: Sequence[int], replicates: int) -> float:
    """The level of an interval over so many replicates, if it is looked at after those of `looks`: that of its look.

    Where runs diverged its replicates are those of no look, and it has the strictest of their levels.
    """
    own = {look.replicates: look.level for look in looks_at(level, looks)}
    return own.get(replicates, max(own.values()))


def has_replicates(runs: ExperimentRuns, number: int) -> bool:
    """Whether the first so many replicates are all recorded."""
    return set(runs.manifest.experiment.seeds[:number]) <= set(runs.table["seed"])


def until(runs: ExperimentRuns, look: Look) -> ExperimentRuns:
    """The runs that a look reads."""
    seeds = runs.manifest.experiment.seeds[: look.replicates]
    table, every = runs.table, runs.every
    of_look = None if every is None else every[every["seed"].isin(seeds)]
    return replace(runs, table=table[table["seed"].isin(seeds)], every=of_look, curves={})
