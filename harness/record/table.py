"""The table of a plan's records, which laws, verdicts and pages read.

The manifest is the denominator: a missing or damaged record is an error and never a shorter table.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.families import ModuleShape
from harness.record.schema import AnyMetrics, Losses, PhaseEnd, Record, kinds_of
from harness.spec.manifest import Cell, Manifest, PlannedRun
from harness.spec.recipe import Recipe
from harness.spec.run import canonical_json

if TYPE_CHECKING:
    import pandas as pd


def runs_table(manifest: Manifest, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a recorded run and series, with counts, metrics and `chosen`, the trial that
    validation picked.

    `val_loss` and `test_loss` are in the `metric` of the task: the RMSE, or the cross-entropy,
    which has `val_accuracy` and `test_accuracy` beside it. `late_fall` is how many times the
    validation loss fell in the last half of training.

    `in_window`, `until` and `hold_out` are what the plan declares of the sizes that laws are fitted
    to. `of_budget` marks the series of one training budget each, of which the best sizes make a
    series of their own.
    """
    # takes a third of a second, which workers and `harness status` need not wait for
    import pandas as pd

    cells = {cell.index: cell for cell in manifest.cells}
    recorded = [run for run in manifest.runs if run.run_id in records]
    rows = pd.DataFrame(_row(cells[run.cell], run, records[run.run_id]) for run in recorded)
    chosen = _chosen(rows) if manifest.experiment.search else True
    of_budget = rows["cell"].map(
        {index: cell.frontier is not None for index, cell in cells.items()}
    )
    table = rows.assign(chosen=chosen, of_budget=of_budget)
    return pd.concat([table, *_frontiers(table, cells)], ignore_index=True)


def _row(cell: Cell, planned: PlannedRun, record: Record) -> dict[str, Any]:
    network, pruned = planned.run.network, record.pruned
    kept = pruned.network if pruned else network
    of_pruned = pruned and {
        "pruned_shape": pruned.network.dashed,
        "active_edges": pruned.active_edges,
        "test_rmse_unpruned": pruned.test_rmse,
    }
    return {
        "run_id": planned.run_id,
        "task": cell.task,
        "arm": cell.arm,
        "series": cell.series,
        "shape": network.dashed,
        "grid": getattr(network, "grid", None),
        "order": getattr(network, "order", None),
        "train_points": planned.run.task.train_points,
        "asked": cell.asked,
        "residual": cell.residual,
        "seed": planned.run.seed,
        "trial": planned.trial,
        "recipe": canonical_json(planned.run.recipe.model_dump(mode="json")),
        "dtype": planned.run.dtype,
        "engine": planned.run.engine,
        "status": record.status,
        **_errors(planned.run.task.metric, record.metrics),
        **(_forgetting(record.phases) if planned.run.recipe.phases else {}),
        "evaluations": record.evaluations,
        "evaluations_by_stage": json.dumps([made for made, _ in record.by_stage]),
        "iterations": record.iterations,
        "refused_steps": record.refused_steps,
        "late_fall": _late_fall(planned.run.recipe, record),
        **(
            {} if isinstance(kept, ModuleShape) else {"params.stored": kept.stored}
        ),  # which older records lack
        **record.counts,
        **(of_pruned or {}),
        "weights": record.weights,
        "pack_seconds": record.provenance.pack_seconds,
        "pack_lanes": record.provenance.pack_lanes,
        "cell": cell.index,
        "in_window": cell.in_window,
        "until_minimum": bool(cell.window and cell.window.until),
        "hold_out": cell.hold_out,
    }


def _late_fall(recipe: Recipe, record: Record) -> float:
    """How many times the validation loss fell in the last half of what followed the restarts.

    NaN if it diverged, and if a run of half the evaluations would be another one: then its fall
    says nothing.
    """
    if not recipe.can_stop or record.status != "done":
        return math.nan
    late = [point.validation_loss for point in record.last_half]
    return late[0] / late[-1] if late and late[0] and late[-1] else math.nan


def _errors(metric: str, metrics: AnyMetrics | None) -> dict[str, Any]:
    """The columns of a run's errors; those of one that diverged are NaN."""
    losses = metrics.losses if metrics else Losses(math.nan, math.nan, math.nan)
    (kind, _), has = kinds_of(metric), metrics.model_dump() if metrics else {}
    always = {
        name: math.nan for name, field in kind.model_fields.items() if field.is_required()
    } | has
    columns = {column: always[field] for column, field in kind.columns.items() if field in always}
    observed = {f"observed.{name}": value for name, value in has.get("observed", {}).items()}
    return (
        columns
        | {"metric": metric, "val_loss": losses.validation, "test_loss": losses.test}
        | observed
    )


def _forgetting(phases: tuple[PhaseEnd, ...] | None) -> dict[str, float]:
    """Training RMSE, mean over phases, right after each of them and after the last, and how many
    times more that is.
    """
    names = ("rmse_right_after", "rmse_in_the_end", "forgetting")
    if not phases:
        return dict.fromkeys(names, math.nan)
    right_after = sum(end.rmse[index] for index, end in enumerate(phases)) / len(phases)
    in_the_end = sum(phases[-1].rmse) / len(phases)
    times = in_the_end / right_after if right_after else math.nan
    return dict(zip(names, (right_after, in_the_end, times), strict=True))


def _frontiers(table: pd.DataFrame, cells: dict[int, Cell]) -> list[pd.DataFrame]:
    """Where sizes were crossed with training budgets: the best size of each budget, by validation,
    as a series more.
    """
    frontier = table["cell"].map({index: cell.frontier for index, cell in cells.items()})
    best_sizes = []
    for (_, name, _), group in table.groupby([table["task"], frontier, table["asked"]], sort=False):
        validation = group.loc[group["chosen"], ["cell", "val_loss"]].fillna({"val_loss": math.inf})
        best = validation.groupby("cell")["val_loss"].mean().idxmin()
        best_sizes.append(group[group["cell"] == best].assign(series=str(name), of_budget=False))
    return best_sizes


def _chosen(table: pd.DataFrame) -> pd.Series:
    """Whether a run has the lowest validation loss of its cell in its replicate; a diverged run
    counts as infinite.
    """
    validation = table["val_loss"].fillna(math.inf)
    best_runs = validation.groupby([table["cell"], table["seed"]]).idxmin()
    return table.index.to_series().isin(best_runs)
