"""What tests of the published tables and of replays share."""

import json
from collections.abc import Callable

import pandas as pd
from made_records import made_record

from harness.count import count
from harness.families import KanShape, MlpShape
from harness.paper.replay import ReplayRuns
from harness.planning.plan import make_plan
from harness.record.schema import PhaseEnd
from harness.record.table import runs_table
from harness.spec.read import parse_experiment

PEAKS = """
question: what stays?
tasks: [{target: five_peaks, train_points: 20, validation_points: 5, test_points: 5}]
grid: {recipes.lbfgs.phases: [2, null]}
arms:
  paper: {architecture: {family: kan, hidden: [], grid: 3, base: frozen}, recipe: lbfgs}
  mlp: {architecture: {family: mlp, hidden: [4]}, recipe: lbfgs}
recipes: {lbfgs: {optimizer: {name: lbfgs}, max_evaluations: 4}}
seeds: [0, 1, 2]
"""


def runs_in_phases(text: str, errors: Callable[[str, int], list[list[float]] | None]) -> ReplayRuns:
    """Made records of an experiment like PEAKS.

    `errors` gives, by arm and seed, the training RMSE after each of two phases, on the points of
    both, or None of a run that diverged. Outputs are the phase plus a tenth of the seed.
    """
    manifest = make_plan(parse_experiment(text), "peaks")
    arms = {cell.index: cell.arm for cell in manifest.cells}
    records = {}
    for planned in manifest.runs:
        record, seed = made_record(planned), planned.run.seed
        if planned.run.recipe.phases:
            matrix, ends = errors(arms[planned.cell], seed), None
            if matrix:
                outputs = [(phase + seed / 10,) * 201 for phase in range(2)]
                ends = tuple(
                    PhaseEnd(rmse=tuple(row), outputs=out)
                    for row, out in zip(matrix, outputs, strict=True)
                )
            record = (record if ends else made_record(planned, status="diverged")).model_copy(
                update={"phases": ends}
            )
        records[planned.run_id] = record
    return ReplayRuns(manifest, runs_table(manifest, records), [], records)


def ids(table: pd.DataFrame) -> set[str]:
    """The errata that concern any of the rows."""
    return set(" ".join(table["errata"]).split())


def counts_of(family: str, shape: str, grid: int) -> dict[str, int]:
    nodes = tuple(json.loads(shape))
    return count(
        KanShape(shape=nodes, grid=grid, scales=True) if family == "kan" else MlpShape(shape=nodes)
    )


def edges(shape: str) -> int:
    return counts_of("mlp", shape, 1)["params.paper"]
