"""An experiment file in a folder of its own, and records that follow known laws."""

from pathlib import Path

import numpy as np
from made_study import record_of

from harness.record.store import publish
from harness.spec.manifest import Manifest, read_manifest

RULES = """
decide:
  - {claim: the first scales faster, quantity: exponent, sides: [kan, mlp], threshold: 0, at_least: 1}
  - {claim: the first is better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
"""
SIZES = "[30, 60, 120, 250, 500, 1000, 2000]"
TEXT = f"""
question: Which is better?
tasks: [xy]
arms:
  kan: {{architecture: {{family: mlp, depth: 2, activation: silu}}, recipe: fast}}
  mlp: {{architecture: {{family: mlp, depth: 2, activation: relu}}, recipe: fast}}
match: {{axis: params, at: {SIZES}, tol: 0.2, solve: width}}
recipes:
  fast: {{optimizer: {{name: adam}}, max_evaluations: 100}}
seeds: [0, 1, 2]
scales:
  short: {{seeds: [0, 1]}}
"""
ALPHAS = {"kan": 1.0, "mlp": 0.6}


def write_experiment(folder: Path, rules: str = RULES, sizes: str = SIZES) -> Path:
    """The file, in `folder`/experiments."""
    path = folder / "experiments" / "made.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(TEXT.replace(SIZES, sizes) + rules, encoding="utf-8")
    return path


def write_records(
    folder: Path, leave_out: int = 0, seeds: int = 3, sd: float = 0.03, alphas=ALPHAS
) -> Manifest:
    """Records of the first seeds of the plan in results/made, all but the last few: losses N^-alpha
    with noise.
    """
    manifest, noise = read_manifest(folder / "results" / "made"), np.random.default_rng(0)
    for planned in manifest.runs[: len(manifest.runs) - leave_out]:
        cell = manifest.cells[planned.cell]
        loss = (
            3 * cell.counts["params.trainable"] ** -alphas[cell.arm] * np.exp(noise.normal(0, sd))
        )
        if planned.run.seed < seeds:
            publish(record_of(planned, cell.counts, loss), folder / "results" / "runs")
    return manifest
