"""Successive halving: all trials of a search train for a part of the effort, and the best of each arm go on.

A rung is a plan of its own. Its runs are the first evaluations of the full trainings, trained from the start, so that
each is a run like any other; those of the last rung are the full trainings. A rung keeps the trials of the least mean
validation loss: the same share of every arm, task and size, and for every way of searching its own. One trial in
CHECKED_IN goes on whatever its rank, which shows how often halving drops what a full search would have chosen.
"""

from __future__ import annotations

import itertools
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.comparison.choose import scores
from harness.planning.packs import packs_of
from harness.planning.sides import cells_of_sides, ways_of
from harness.record import Record, records_hash
from harness.spec import (
    Cell,
    Follows,
    Manifest,
    PlannedRun,
    RunSpec,
    beginning,
    content_hash,
    run_id,
    search_name,
    searched_name,
)
from harness.spec.search import CHECKED_IN, Way

if TYPE_CHECKING:
    import pandas as pd

RungScores = dict[tuple[int, int], float]  # by the index of a cell and a rung


def next_rung(rungs: Sequence[Manifest], records: Mapping[str, Record]) -> Manifest:
    """The plan of the rung after `rungs`, all plans of a search so far, from the records of their runs by run id."""
    last = rungs[-1]
    whole = all_rungs(rungs)
    score_of = _scores(whole, records)
    going_on: set[int] = set()
    for way in ways_of(last.experiment):
        for cells in _ranked_together(whole, way):
            going_on |= {cell.index for cell in _best(cells, score_of, last)}
    checked = {cell.index for cell in last.cells if is_checked(cell) and np.isfinite(score_of[cell.index, last.rung])}
    runs = []
    for planned in rungs[0].runs:
        if planned.cell in going_on | checked:
            run = _at_rung(planned.run, last.cells[planned.cell], last.rung + 1)
            runs.append(PlannedRun(run_id=run_id(run), cell=planned.cell, trial=planned.trial, run=run))
    seal = Follows(rung=last.rung, plan=content_hash(last), records=records_hash(records))
    name = search_name(searched_name(last.name), last.rung + 1)
    changes = {
        "name": name,
        "runs": tuple(runs),
        "packs": packs_of(runs, last.experiment.device),
        "follows": seal,
        "earlier_plans": (),
    }
    return last.model_copy(update=changes)


def all_rungs(rungs: Sequence[Manifest]) -> Manifest:
    """The search as one plan: of every cell the runs of each rung that its trial reached, the shortest first."""
    runs = tuple(itertools.chain.from_iterable(rung.runs for rung in rungs))
    return rungs[0].model_copy(update={"runs": runs})


def is_checked(cell: Cell) -> bool:
    """Whether a trial is trained to its end whatever its rank: one of every CHECKED_IN in a row, drawn by lot."""
    trial = cell.trial
    assert trial is not None
    block, place = divmod(trial.number, CHECKED_IN)
    lot = np.random.default_rng([trial.scramble, zlib.crc32(cell.arm.encode()), block])
    return int(lot.integers(CHECKED_IN)) == place


def overlooked(rungs: Sequence[Manifest], records: Mapping[str, Record]) -> pd.DataFrame:
    """By arm, how often a trial that halving dropped, and that was trained to its end as a check, beat all it kept.

    `sizes` counts sizes on all tasks, `dropped` and `checked` the trials there, `overlooked` the sizes at which one of
    the checked had a lower mean validation loss than the best that was kept. The others of the dropped are unknown.
    """
    import pandas as pd  # takes half a second, which plans need not wait for

    whole = all_rungs(rungs)
    score_of, end = _scores(whole, records), rungs[-1].rung
    counted = dict.fromkeys(("sizes", "dropped", "checked", "overlooked"), 0)
    rows: dict[str, dict[str, int]] = defaultdict(lambda: dict(counted))
    for cells in _ranked_together(whole, None):
        kept = _best(cells, score_of, rungs[-2])
        dropped = [cell for cell in cells if cell not in kept]
        checked = [score_of[cell.index, end] for cell in dropped if is_checked(cell)]
        best_kept = min([score_of[cell.index, end] for cell in kept], default=np.inf)
        row = rows[cells[0].arm]
        row["sizes"] += 1
        row["dropped"] += len(dropped)
        row["checked"] += len(checked)
        row["overlooked"] += min(checked, default=np.inf) < best_kept
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm").reset_index()


def _scores(whole: Manifest, records: Mapping[str, Record]) -> RungScores:
    """ln of the mean validation loss by cell and rung; infinite where a seed failed or none were trained."""
    losses: dict[tuple[int, int], list[float]] = defaultdict(list)
    for planned in whole.runs:
        metrics = records[planned.run_id].metrics
        loss = metrics.losses.validation if metrics else np.inf
        losses[planned.cell, planned.run.recipe.max_evaluations].append(loss)
    found: RungScores = defaultdict(lambda: np.inf)
    for cell in whole.cells:
        for rung, evaluations in enumerate(cell.trial.rungs if cell.trial else ()):
            if trained := losses.get((cell.index, evaluations)):
                found[cell.index, rung] = float(scores([trained])[0])
    return found


def _ranked_together(whole: Manifest, way: Way | None) -> Iterator[list[Cell]]:
    """The trials of one arm at one size of one task, which are ranked among each other."""
    for task in dict.fromkeys(cell.task for cell in whole.cells):
        of_task = [cell for cell in whole.cells if cell.task == task]
        found: dict[tuple, list[Cell]] = defaultdict(list)
        for side, cells in cells_of_sides(of_task, whole.experiment, way).items():
            for cell in cells:
                found[side, cell.arm, cell.asked].append(cell)
        yield from found.values()


def _best(cells: Sequence[Cell], score_of: RungScores, last: Manifest) -> list[Cell]:
    """Those that go on after the rung `last` and those before it, the best first; never one that failed."""
    search = last.experiment.trial_search
    assert search is not None
    assert search.halving is not None
    left = list(cells)
    for rung in range(last.rung + 1):
        alive = [cell for cell in left if np.isfinite(score_of[cell.index, rung])]
        alive.sort(key=lambda cell: score_of[cell.index, rung])
        left = alive[: search.halving.kept(len(cells), rung)]
    return left


def _at_rung(run: RunSpec, cell: Cell, rung: int) -> RunSpec:
    assert cell.trial is not None
    *_, end = cell.trial.rungs
    whole = run.recipe.optimizer.spanning(None)
    full = run.recipe.model_copy(update={"optimizer": whole, "max_evaluations": end})
    return run.model_copy(update={"recipe": beginning(full, cell.trial.rungs[rung])})
