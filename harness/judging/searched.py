"""What a search and its confirmation come to, as tables: trials, winners, and by how much choosing flattered them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution

from harness.comparison.choose import shares
from harness.comparison.tuning_curve import EffortRatio, TuningCurve
from harness.judging.scaling import chosen_runs
from harness.judging.tuning import SearchedSize, ratios, tuning_curves
from harness.planning.halving import all_rungs, overlooked
from harness.record import Record
from harness.spec import Cell, Manifest, Recipe, canonical_json, run_id, side_label

TRIAL_COLUMNS = ("task", "arm", "asked", "trial", "seed", "val_loss", "test_loss", "status")


@dataclass(frozen=True)
class Searched:
    """What pages and figures show of a search: winners, tuning curves and confirmed values.

    `winners` is a `winners_table`. There is a curve for every side at every size. `halving` says what was `overlooked`,
    if halving was used.
    """

    winners: pd.DataFrame
    curves: dict[SearchedSize, TuningCurve]
    confirmed: pd.DataFrame
    halving: pd.DataFrame | None


def searched(
    rungs: Sequence[Manifest], records: Mapping[str, Record], manifest: Manifest, table: pd.DataFrame
) -> Searched:
    """From the plans of a search and their records, and from the plan that confirms it and the table of its runs."""
    search = all_rungs(rungs)
    assert search.experiment.trial_search is not None
    assert search.experiment.match is not None
    curves = tuning_curves(trials_table(search, records))
    confirmed = confirmed_values(table, search.experiment.match.count_name)
    halving = overlooked(rungs, records) if search.experiment.trial_search.halving else None
    return Searched(winners_table(manifest, table), curves, confirmed, halving)


def effort_ratios(searched: Searched, first: str, second: str) -> dict[tuple[str, float | None], EffortRatio]:
    """The ratio second / first by number of trials, by task and size.

    After halving it has no spread over draws: a dropped trial has the losses of a shorter training.
    """
    found = ratios(searched.curves, first, second)
    if searched.halving is None:
        return found
    unknown = {where: np.full(one.k.size, np.nan) for where, one in found.items()}
    return {
        where: replace(one, draws_low=unknown[where], draws_high=unknown[where], first_ahead=unknown[where])
        for where, one in found.items()
    }


def confirmed_ratios(table: pd.DataFrame, axis: str, first: str, second: str, level: float = 0.95) -> pd.DataFrame:
    """The ratio second / first of two sides' confirmed test losses by task and size, paired by seed."""
    runs = chosen_runs(table, axis)
    logs = np.log(runs["test_loss"].where(runs["status"] == "done"))
    wide = runs.assign(log=logs).pivot_table("log", ["task", "asked", "seed"], "series", aggfunc="first", sort=False)
    if not {first, second} <= set(wide.columns):
        return pd.DataFrame(columns=["task", "asked", "estimate", "low", "high"])
    gaps = (wide[second] - wide[first]).groupby(level=["task", "asked"], sort=False)
    return _geometric(gaps, level).reset_index()


def _geometric(groups: Any, level: float) -> pd.DataFrame:
    """Of groups of ln values the geometric mean, with Student's interval."""
    number, mean = groups.count(), groups.mean()
    half = t_distribution.isf((1 - level) / 2, (number - 1).clip(lower=1)) * groups.std() / np.sqrt(number)
    return pd.DataFrame({"estimate": np.exp(mean), "low": np.exp(mean - half), "high": np.exp(mean + half)})


def trials_table(search: Manifest, records: Mapping[str, Record]) -> pd.DataFrame:
    """The trials that every side chose from at every size, a row a trial and seed, for `harness.judging.tuning`.

    `arm` is the side, whose arms' trials are numbered through. A trial that no size brings to a budget is `infeasible`.
    With halving, `search` has the runs of all rungs, and a trial's losses are those of the last one that it reached.
    """
    experiment = search.experiment
    assert experiment.trial_search is not None
    runs: dict[int, dict[int, Record]] = {}
    for planned in search.runs:
        runs.setdefault(planned.cell, {})[planned.run.seed] = records[run_id(planned.run)]
    rows = []
    for side in experiment.sides:
        of_arm = shares(experiment.trial_search.trials, len(side))
        first = {arm: sum(of_arm[:index]) for index, arm in enumerate(side)}
        most = dict(zip(side, of_arm, strict=True))
        for cell in search.cells:
            trial = cell.trial
            scramble = experiment.trial_search.scramble
            if trial is None or trial.scramble != scramble or trial.number >= most.get(cell.arm, 0):
                continue
            for seed in experiment.trial_search.seeds:
                outcome = _outcome(runs.get(cell.index, {}).get(seed))
                rows.append((cell.task, side_label(side), cell.asked, first[cell.arm] + trial.number, seed, *outcome))
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))


def _outcome(record: Record | None) -> tuple[float, float, str]:
    """Validation and test loss, and the status."""
    if record is None:
        return math.nan, math.nan, "infeasible"
    if record.metrics is None:
        return math.nan, math.nan, record.status
    losses = record.metrics.losses
    return losses.validation, losses.test, record.status


def confirmed_values(table: pd.DataFrame, axis: str, level: float = 0.95) -> pd.DataFrame:
    """The test loss of every side's winners on `axis`, geometric mean over the fresh seeds, with Student's interval."""
    runs = chosen_runs(table, axis)
    logs = np.log(runs["test_loss"].where(runs["status"] == "done"))
    found = _geometric(logs.groupby([runs["task"], runs["series"], runs["asked"]], sort=False), level)
    return found.rename_axis(["task", "arm", "asked"]).reset_index()


def winners_table(manifest: Manifest, table: pd.DataFrame) -> pd.DataFrame:
    """A row a winner: what it won and with what, its losses on the search's seeds, and what fresh seeds confirm.

    Losses are means over seeds. `flattered` is the confirmed test loss over that of the search's seeds: above 1,
    choosing made it look better than it is. No test loss was recorded at a stop, so there is none for winners that
    stop early.
    """
    done = table[table["status"] == "done"]
    confirmed = done["test_loss"].groupby(done["cell"]).mean()
    recipes = {planned.cell: planned.run.recipe for planned in manifest.runs}
    rows = [_winner_row(cell, recipes[cell.index], confirmed.get(cell.index)) for cell in manifest.cells if cell.won]
    return pd.DataFrame(rows)


def _winner_row(cell: Cell, recipe: Recipe, confirmed: float | None) -> dict[str, Any]:
    assert cell.won is not None
    assert cell.network is not None
    won = cell.won
    return {
        "task": cell.task,
        "side": cell.series,
        "searched": won.under or "as declared",
        "axis": won.axis,
        "budget": cell.asked,
        "arm": cell.arm,
        "trial": won.trial,
        "of_trials": won.trials,
        "network": cell.network.words,
        "shape": canonical_json(cell.network.model_dump(mode="json")),
        "optimizer": recipe.optimizer.name,
        "gain": recipe.gain,
        "evaluations": recipe.max_evaluations,
        "stopped_early": won.stop is not None,
        "search_val_loss": won.validation_loss,
        "search_test_loss": won.test_loss,
        "confirmed_test_loss": confirmed,
        "flattered": confirmed / won.test_loss if confirmed and won.test_loss else None,
        "flops_search": won.flops_search,
        "recipe": canonical_json(recipe.model_dump(mode="json")),
    }
