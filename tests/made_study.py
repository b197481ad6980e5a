"""Made-up studies, through real plans, records and fits: what figures and reports are drawn
from.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import harness
from harness.judging.laws import SeriesLaws, fit_table
from harness.judging.scaling import HEADLINE_AXES
from harness.planning.plan import make_plan
from harness.record.schema import Metrics, Provenance, Record
from harness.record.store import publish
from harness.spec.manifest import Manifest, PlannedRun
from harness.spec.read import parse_experiment
from tests.made_records import made_record, recorded_table

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
    """Of RMSE = N^-alpha with 5 % of noise; of the largest size one arm may diverge, `bent` ones
    are 30 times worse.
    """
    shapes = [
        f"family: mlp, depth: {2 + i // 4}, activation: {ACTIVATIONS[i % 4]}"
        for i in range(len(exponents))
    ]
    arms = "\n".join(
        f"  {name}: {{architecture: {{{shape}}}, recipe: adam}}"
        for name, shape in zip(exponents, shapes, strict=True)
    )
    at = ", ".join(map(str, budgets))
    text = YAML.format(question=question, tasks=tasks, arms=arms, budgets=at, more=more)
    manifest = make_plan(parse_experiment(text), "study")
    noise = np.random.default_rng(0)
    for planned in manifest.runs:
        cell = manifest.cells[planned.cell]
        largest = cell.asked == budgets[-1]
        offset = 1 + list(exponents).index(cell.arm) / 2
        rmse = (
            offset
            * cell.counts["params.trainable"] ** -exponents[cell.arm]
            * np.exp(noise.normal(0, 0.05))
        )
        rmse *= 30 if largest and cell.arm in bent else 1
        failed = largest and (cell.arm, planned.run.seed) == diverged
        publish(record_of(planned, cell.counts, None if failed else rmse), results / "runs")
    folder = results / "study"
    folder.mkdir()
    table = recorded_table(manifest, results / "runs")
    return Study(manifest, table, fit_table(table, AXES), folder)


def laws_of_rows(rows: list[tuple], laws: tuple[str, ...], **asked) -> list[SeriesLaws]:
    """The laws of a table of anybody's runs: (arm, size, loss) each."""
    return harness.fit(
        pd.DataFrame(rows, columns=["arm", "n", "loss"]), "n", "loss", "arm", law=laws, **asked
    ).answer.laws


TESTHOST = Provenance(
    commit="c0ffee" * 6 + "c0ff",
    dirty=True,
    versions={"python": "3.11", "torch": "2.6"},
    host="testhost",
    device="test processor",
    instruction_set="AVX2",
    threads=1,
    started_at="2026-01-02T03:04:05+00:00",
    pack_seconds=12.5,
    pack_cpu_seconds=12.0,
    pack_lanes=3,
)


def record_of(planned: PlannedRun, counts: dict[str, int], rmse: float | None) -> Record:
    """All errors are the same; a run without one has diverged."""
    names = ("train_rmse", "validation_rmse", "test_rmse", "test_root_median_square")
    spent = {"evaluations": 100, "iterations": 90, "by_stage": ((100, 90),)}
    found = {
        "metrics": Metrics(**dict.fromkeys(names, rmse)) if rmse else None,
        "curve": (),
        "counts": counts,
    }
    record = made_record(planned, status="done" if rmse else "diverged")
    return record.model_copy(update={**spent, **found, "provenance": TESTHOST})
