"""What the commands take that read a finished sweep of 20,000 runs.

python -m benchmarks.analysis        # a few minutes: results/benchmarks/analysis.md
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np
import pandas as pd

from benchmarks import report
from harness.record.schema import CurvePoint, Provenance, Record
from harness.record.store import record_path
from harness.show.console import console
from harness.spec.manifest import Manifest, PlannedRun, freeze
from harness.spec.run import sealed
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from harness.train.outcome import outcome

TASKS = 20
SEEDS = 50
EXPERIMENT = """
question: Which family has the lower test error on {tasks} functions of two variables?
tasks: [{listed}]
arms:
  kan: {{architecture: {{family: kan, hidden: [5]}}, recipe: lbfgs}}
  mlp: {{architecture: {{family: mlp, depth: 3}}, recipe: lbfgs}}
match:
  axis: params
  at: [75, 105, 135, 195, 285, 435, 825, 1545, 3045, 7500]
  tol: 0.2
  solve: {{kan: grid, mlp: width}}
recipes: {{lbfgs: {{optimizer: {{name: lbfgs}}, max_evaluations: 1000}}}}
seeds: {seeds}
decide:
  - {{claim: KANs have the lower error, sides: [kan, mlp], quantity: test_loss,
     at: {{params.trainable: 435}}, threshold: 1, at_least: {tasks}}}
  - {{claim: KANs scale faster, sides: [kan, mlp], quantity: exponent, threshold: 0,
     at_least: {tasks}}}
"""
WHERE = Provenance(
    commit="0" * 40,
    dirty=False,
    versions={"python": "3.11.7", "numpy": "2.0.0", "torch": "2.5.0", "numba": "0.60.0"},
    host="host",
    device="processor",
    instruction_set="instructions",
    threads=1,
    started_at="2026-01-01T00:00:00+00:00",
    pack_seconds=10.0,
    pack_cpu_seconds=10.0,
    pack_lanes=20,
)
NOISE = 0.1  # standard deviation of ln loss between seeds
CURVE_POINTS = 60
COMMANDS = ("fit", "fit", "report", "verdicts", "status")
HARNESS = (sys.executable, "-m", "harness")


class Took(NamedTuple):
    """Seconds on the wall, and those that the processes computed."""

    wall: float
    cpu: float


def compare() -> report.Report:
    """Seconds of the commands, one after the other in a results folder."""
    with TemporaryDirectory() as folder:
        file, manifest = write_sweep(Path(folder))
        console.print(f"{len(manifest.runs):,} records written")
        rows = []
        for command in COMMANDS:
            took = time_command(command, file)
            console.print(f"harness {command}: {took.wall:.1f} s, {took.cpu:.1f} CPU s")
            rows.append({"command": f"`harness {command}`", **took._asdict()})
    table = pd.DataFrame(rows)
    return report.Report(
        name="analysis",
        title=f"Analysis of {len(manifest.runs):,} runs, seconds",
        table=table,
        shown={"command": "command, one after the other", "wall": "wall", "cpu": "CPU"},
        notes=[
            f"{TASKS} tasks, two arms of ten sizes, {SEEDS} seeds. Records have the real format "
            "and size, "
            "and losses that follow a law with a floor, with noise. The second `fit` and all "
            "commands after it find "
            "what the first one has kept.",
        ],
    )


def write_sweep(folder: Path) -> tuple[Path, Manifest]:
    """The experiment file, its frozen plan, and a record for each of its runs."""
    listed = ", ".join(
        f"{{target: additive, inputs: 2, instance: {instance}}}" for instance in range(TASKS)
    )
    file = folder / "sweep.yaml"
    file.write_text(
        EXPERIMENT.format(tasks=TASKS, listed=listed, seeds=list(range(SEEDS))), encoding="utf-8"
    )
    manifest = plan_of(StudyFile(file))
    results = folder / "results"
    freeze(manifest, results / manifest.name)
    (results / "runs").mkdir()
    random = np.random.default_rng(0)
    for planned in manifest.runs:
        data = sealed(made_record(planned, random).model_dump(mode="json"))
        record_path(results / "runs", planned.run_id).write_text(
            json.dumps(data, indent=1), encoding="utf-8"
        )
    return file, manifest


def made_record(planned: PlannedRun, random: np.random.Generator) -> Record:
    """A record that nobody trained: its loss follows a law with a floor, with noise."""
    run = planned.run
    loss = float((1e-4 + run.network.trainable**-1.5) * np.exp(random.normal(0.0, NOISE)))
    evaluations = run.recipe.max_evaluations
    moments = np.unique(np.geomspace(1, evaluations, CURVE_POINTS).astype(int)).tolist()
    curve = tuple(
        CurvePoint(evaluations=at, train_rmse=loss, validation_rmse=loss) for at in moments
    )
    ended = outcome(run, [loss] * 4, ((evaluations, evaluations),), False, 0, curve)
    return Record(
        run_id=planned.run_id, run=run, provenance=WHERE, weights="kanbefair", **vars(ended)
    )


def time_command(command: str, file: Path) -> Took:
    """What a whole process takes, those that it starts included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    arguments = [*HARNESS, command, str(file), "--results", str(file.parent / "results")]
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{' '.join(arguments)}: {done.stderr.strip()}")
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    load = os.getloadavg()[0]
    result = compare()
    console.print(report.rich_table(result), *result.notes, sep="\n")
    console.print(f"written: {', '.join(map(str, report.write(result, report.FOLDER, load)))}")
