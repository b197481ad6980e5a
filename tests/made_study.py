"""Made-up studies, through real plans, records and fits: what figures and reports are drawn from."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.judging.laws import SeriesLaws, fit_table
from harness.judging.request import Request
from harness.judging.scaling import HEADLINE_AXES
from harness.planning.plan import make_plan
from harness.record import Metrics, Provenance, Record, load, publish
from harness.record.elsewhere import Columns
from harness.spec import Manifest, parse_experiment
from harness.study.tables import fits_answer, of_file

QUESTION = '"Does <b>alpha</b> & beta differ?"'
CLAIM = "the first arm scales <faster>"
DECIDE = (
    f"decide: [{{claim: {CLAIM}, quantity: exponent, sides: [bent, mlp], at: params.trainable, "
    "threshold: 0.25, at_least: 2}]"
)
WINDOW = "window: {kan: {min: 100}, turned: {until: minimum}}"
AXES = (*HEADLINE_AXES, "params.paper")
SIZES = (30, 60, 120, 250, 500, 1000, 2000)
ACTIVATIONS = ("silu", "relu", "tanh", "gelu")
YAML = """
question: {question}
tasks: {tasks}
arms:
{arms}
recipes: {{adam: {{optimizer: {{name: adam}}, max_evaluations: 100}}}}
match: {{axis: params, at: [{budgets}], solve: width, tol: 0.2}}
seeds: [0, 1, 2]
{more}
"""


class Study(NamedTuple):
    """What `scaling_figure` and `write_report` are given."""

    manifest: Manifest
    table: pd.DataFrame
    laws: list[SeriesLaws]
    folder: Path


def study(
    results: Path,
    exponents: dict[str, float],
    tasks: str = "[exp2d]",
    budgets: tuple[int, ...] = SIZES,
    question: str = "Which family scales faster?",
    more: str = "",
    diverged: tuple[str, int] | None = None,
    bent: tuple[str, ...] = (),
) -> Study:
    """An experiment whose arms follow RMSE = N^-alpha with 5 % of noise, with laws on three axes.

    `diverged` is an arm and the seed that diverges at its largest size; that of `bent` arms is 30 times worse than
    their law.
    """
    shapes = [f"family: mlp, depth: {2 + i // 4}, activation: {ACTIVATIONS[i % 4]}" for i in range(len(exponents))]
    arms = "\n".join(
        f"  {name}: {{architecture: {{{shape}}}, recipe: adam}}" for name, shape in zip(exponents, shapes, strict=True)
    )
    at = ", ".join(map(str, budgets))
    text = YAML.format(question=question, tasks=tasks, arms=arms, budgets=at, more=more)
    manifest = make_plan(parse_experiment(text), "study")
    noise = np.random.default_rng(0)
    cells = {cell.index: cell for cell in manifest.cells}
    for planned in manifest.runs:
        cell = cells[planned.cell]
        largest = cell.asked == budgets[-1]
        offset = 1 + list(exponents).index(cell.arm) / 2
        rmse = offset * cell.counts["params.trainable"] ** -exponents[cell.arm] * np.exp(noise.normal(0, 0.05))
        rmse *= 30 if largest and cell.arm in bent else 1
        failed = largest and (cell.arm, planned.run.seed) == diverged
        publish(record_of(planned.run_id, planned.run, cell.counts, None if failed else rmse), results / "runs")
    folder = results / "study"
    folder.mkdir()
    table = load(manifest, results / "runs")
    return Study(manifest, table, fit_table(table, AXES), folder)


def laws_of_rows(folder: Path, rows: list[tuple], laws: tuple[str, ...], **asked) -> list[SeriesLaws]:
    """The laws of a table of anybody's runs: (arm, size, loss) each."""
    table, columns = folder / "runs.csv", Columns("loss", by=("arm",))
    pd.DataFrame(rows, columns=["arm", "n", "loss"]).to_csv(table, index=False)
    request = Request(table, ("n",), columns, laws=laws, **asked)
    return fits_answer(request, of_file(request, columns)).laws


def record_of(identity, run, counts, rmse) -> Record:
    provenance = Provenance(
        commit="c0ffee" * 6 + "c0ff",
        dirty=True,
        versions={"python": "3.11", "torch": "2.6"},
        host="testhost",
        device="test processor",
        instruction_set="AVX2",
        threads=2,
        started_at="2026-01-02T03:04:05+00:00",
        pack_seconds=12.5,
        pack_cpu_seconds=12.0,
        pack_lanes=3,
    )
    return Record(
        run_id=identity,
        run=run,
        status="done" if rmse else "diverged",
        metrics=Metrics(train_rmse=rmse, validation_rmse=rmse, test_rmse=rmse, test_root_median_square=rmse)
        if rmse
        else None,
        evaluations=100,
        iterations=90,
        diverged_at=None if rmse else 40,
        counts=counts,
        by_stage=((100, 90),),
        weights="kanbefair",
        curve=(),
        provenance=provenance,
    )
