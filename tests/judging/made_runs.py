"""Tables of runs whose laws are known: what `record.runs_table` would say of the runs of a real
plan.
"""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pandas as pd

from harness.judging.judge import judge
from harness.judging.runs import ExperimentRuns, runs_of
from harness.judging.verdict import Number, Verdict
from harness.planning.plan import make_plan
from harness.spec.decide import Decide
from harness.spec.manifest import Manifest
from harness.spec.read import parse_experiment

SIZES = np.array([30.0, 60, 120, 250, 500, 1000, 2000])
# FLOPs a parameter, by arm: the KAN computes more for each.
FLOPS = {"kan": 40.0, "mlp": 4.0, "deep": 4.0}
TEXT = """
question: Which is better?
tasks: {tasks}
arms:
  kan: {{architecture: {{family: mlp, depth: 2, activation: silu}}, recipe: fast}}
  mlp: {{architecture: {{family: mlp, depth: 2, activation: relu}}, recipe: fast}}
  deep: {{architecture: {{family: mlp, depth: 3, activation: relu}}, recipe: fast}}
match: {{axis: params, at: [30, 60, 120, 250, 500, 1000, 2000], tol: 0.2, solve: width}}
recipes:
  fast: {{optimizer: {{name: adam}}, max_evaluations: 100}}
seeds: {seeds}
{more}
"""
SAME = {
    "trial": 0,
    "status": "done",
    "chosen": True,
    "of_budget": False,
    "metric": "rmse",
}
LAWS = {
    "in_window": True,
    "until_minimum": False,
    "hold_out": 0,
    "dtype": "float64",
    "evaluations": 100,
}
Law = Callable[[np.ndarray], np.ndarray]


@cache
def made_plan(seeds: int = 5, tasks: str = "[xy]", more: str = "") -> Manifest:
    return make_plan(
        parse_experiment(TEXT.format(tasks=tasks, seeds=list(range(seeds)), more=more)), "made"
    )


def made_table(
    manifest: Manifest,
    laws: Mapping[str, Law],
    noise: float = 0.03,
    rng: int = 0,
    task: str = "",
    **columns,
) -> pd.DataFrame:
    """A row for every run of the arms with a law, with noise of its own; `columns` are added, or
    replaced.
    """
    cells = [
        (manifest.cells[one.cell], one)
        for one in manifest.runs
        if manifest.cells[one.cell].arm in laws and task in ("", manifest.cells[one.cell].task)
    ]
    sizes = np.array([cell.asked for cell, _ in cells])
    arms = [cell.arm for cell, _ in cells]
    exact = np.array([float(laws[arm](size)) for arm, size in zip(arms, sizes, strict=True)])
    flops = sizes * [FLOPS[arm] for arm in arms]
    found = {
        "run_id": [one.run_id for _, one in cells],
        "task": [cell.task for cell, _ in cells],
        "arm": arms,
        "series": [cell.series for cell, _ in cells],
        "cell": [cell.index for cell, _ in cells],
        "seed": [one.run.seed for _, one in cells],
        "asked": sizes,
        "test_loss": exact * np.exp(np.random.default_rng(rng).normal(0, noise, sizes.size)),
        "val_loss": exact,
        "params.trainable": sizes,
        "flops_forward.shared_dense": flops,
        "flops_train.shared_dense": 300 * flops,
        "flops_train.local_min": 1200.0 * sizes,
        "seconds": 1e-3 * flops,
    }
    return pd.DataFrame(found | SAME | LAWS | columns)


def made_runs(
    laws: Mapping[str, Law], seeds: int = 5, tasks: str = "[xy]", **made
) -> ExperimentRuns:
    manifest = made_plan(seeds, tasks)
    return runs_of(manifest, made_table(manifest, laws, **made))


def made_rule(**fields) -> Decide:
    return Decide.model_validate({"claim": "c", "sides": ("kan", "mlp"), "at_least": 1} | fields)


def verdict_on(runs: ExperimentRuns, **fields) -> Verdict:
    return judge(made_rule(**fields), runs)


def number_of(runs: ExperimentRuns, **fields) -> Number:
    (number,) = verdict_on(runs, **fields).numbers
    return number


def power(scale: float, alpha: float) -> Law:
    return lambda size: scale * size**-alpha
