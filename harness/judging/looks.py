"""Looks: after how many seeds rules are judged, at which level each time, and which runs a number reads at a look.

Whoever looks several times and stops once a rule is decided has several chances to be wrong. So the looks share the
error that one interval may have, each by the seeds that it adds: a linear spending function (Lan and DeMets 1983),
added up by Bonferroni, so that it serves every quantity, however its looks hang together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from harness.base.errors import HarnessError
from harness.judging.found import Found, Look
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import Case
from harness.judging.reads import every_cell
from harness.judging.runs import ExperimentRuns, runs_of
from harness.record import chosen_anew
from harness.spec import Manifest

SEEDS_DO_NOT_MEND = ("TOO_FEW: ", "RANGE: ", "NO_OVERLAP: ", "ZERO: ")  # refusals that ask for something else


def looks_at(level: float, seeds: Sequence[int]) -> tuple[Look, ...]:
    """The looks after so many `seeds`, ascending. All together err as often as one interval at `level`."""
    shares = [(after - before) / seeds[-1] for before, after in pairwise((0, *seeds))]
    return tuple(Look(each, seeds[-1], 1 - (1 - level) * share) for each, share in zip(seeds, shares, strict=True))


def level_over(level: float, looks: Sequence[int], seeds: int) -> float:
    """The level of an interval over so many seeds, if it is looked at after those of `looks`: that of its look.

    Where runs diverged its seeds are those of no look, and it has the strictest of their levels.
    """
    own = {look.seeds: look.level for look in looks_at(level, looks)}
    return own.get(seeds, max(own.values()))


@dataclass(frozen=True)
class LookedRuns:
    """The recorded runs of a plan with looks, of which a look reads some.

    `first` are those of the first look, of all sizes. `present` are the ids of runs that later looks may read. `made`
    remembers the runs that looks read, as many numbers read the same ones.
    """

    manifest: Manifest
    whole: ExperimentRuns
    first: ExperimentRuns
    present: frozenset[str]
    made: dict[tuple, ExperimentRuns] = field(default_factory=dict, compare=False)


class Reading(NamedTuple):
    """The ids of the runs that a number reads at a look, and these runs; None while one of them has no record."""

    run_ids: frozenset[str]
    runs: ExperimentRuns | None


def looked_runs(manifest: Manifest, table: pd.DataFrame) -> LookedRuns:
    """The runs of a plan with looks; `table` has all those of the first look, and any others."""
    whole = runs_of(manifest, table)
    present = recorded_ids(manifest, table)
    is_first = whole.table["seed"].isin(manifest.experiment.seeds[: manifest.looks[0]])
    first = replace(whole, table=chosen_anew(manifest, whole.table, is_first), sides={}, fitted={})
    return LookedRuns(manifest, whole, first, present)


def recorded_ids(manifest: Manifest, table: pd.DataFrame) -> frozenset[str]:
    """Ids of the recorded runs behind a table that is judged, which of replicates has the winners alone."""
    if not manifest.experiment.search:
        return frozenset(table["run_id"])
    seeds = set(table["seed"])
    return frozenset(planned.run_id for planned in manifest.runs if planned.run.seed in seeds)


def reading_at(looked: LookedRuns, case: Case, seeds: int) -> Reading | None:
    """What a case reads once so many seeds have run, from the case at the first look; None if seeds add nothing to it.

    Sizes by training costs hang on the runs. So the sizes next to the one that is read are looked up again with more
    seeds, until they are all there.
    """
    cells = cells_read(case)
    if not cells:
        return None
    while True:
        run_ids = looked.manifest.with_seeds(seeds, cells)
        if not run_ids <= looked.present:
            return Reading(run_ids, None)
        runs = _with_seeds(looked, case.tasks, cells, seeds)
        more = cells_read(replace(case, runs=runs))
        if more <= cells:
            return Reading(run_ids, runs)
        cells |= more


def seeds_can_decide(found: Found) -> bool:
    """Whether more seeds can decide what an interval left open: a refusal that asks for other sizes stays."""
    return found.refused is None or not any(code in found.refused for code in SEEDS_DO_NOT_MEND)


def cells_read(case: Case) -> frozenset[int]:
    """The cells whose runs a case reads: those that its quantity names, or all of its sides; none if it reads none."""
    reads = QUANTITIES[case.condition.quantity].reads or every_cell
    try:
        return frozenset(reads(case))
    except HarnessError:
        return frozenset()


def _with_seeds(looked: LookedRuns, tasks: Sequence[str], cells: frozenset[int], seeds: int) -> ExperimentRuns:
    """The runs on some tasks: of these cells with so many seeds, of all others with those of the first look."""
    key = (tuple(tasks), cells, seeds)
    if key not in looked.made:
        table, manifest = looked.whole.table, looked.manifest
        first = table["seed"].isin(manifest.experiment.seeds[: manifest.looks[0]])
        added = table["cell"].isin(cells) & table["seed"].isin(manifest.experiment.seeds[:seeds])
        rows = chosen_anew(manifest, table, table["task"].isin(tasks) & (first | added))
        looked.made[key] = replace(looked.whole, table=rows, sides={}, fitted={})
    return looked.made[key]
