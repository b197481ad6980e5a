"""A plan with looks, and records that nobody trained: laws of the arms with noise, and work that differs by seed."""

import numpy as np
import pandas as pd
from made_study import record_of

from harness.judging.judge import judge_looks, wanted
from harness.planning.plan import make_plan, planned_flops
from harness.record import Record, chosen_anew, runs_table
from harness.spec import Manifest, parse_experiment

LOOKS = (3, 5, 8)
TEXT = """
question: Which is better?
tasks: [{target: xy, <<: &thousand {validation_points: 1000, test_points: 1000}}, {target: exp2d, <<: *thousand}]
arms:
  kan: {architecture: {family: mlp, depth: 2, activation: silu}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 2, activation: relu}, recipe: fast}
  deep: {architecture: {family: mlp, depth: 3, activation: relu}, recipe: fast}
match: {axis: params, at: [30, 60, 120, 250, 500, 1000], tol: 0.2, solve: width}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 100}
seeds: [7, 3, 5, 11, 2, 13, 17, 19]
"""
RULES = """
decide:
  - {claim: better, quantity: test_loss, arms: [kan, [mlp, deep]], threshold: 1, at_least: 1}
  - {claim: at 200, quantity: test_loss, arms: [mlp, deep], at: 200.0, threshold: 1, at_least: 1, tasks: [xy]}
  - {claim: faster, quantity: exponent, arms: [kan, mlp], axis: params.trainable, threshold: 0, at_least: 1, tasks: xy}
  - claim: cheaper, and better
    quantity: cost
    arms: [kan, mlp]
    axis: flops_train.shared_dense
    tasks: [xy]
    threshold: 1
    at_least: 1
    also: [{quantity: test_loss, arms: [kan, deep], threshold: 1}]
    given: [{quantity: test_loss, arms: [mlp, deep], most: 1.5}]
  - {claim: alike, quantity: test_loss, arms: [kan, mlp], threshold: 1, at_least: 1, invariant: true}
  - {claim: longer, quantity: count, arms: [mlp, deep], axes: [flops_train.shared_dense], threshold: 1, at_least: 2}
"""


def looked_plan(looks: tuple[int, ...] = LOOKS, rules: str = RULES, text: str = TEXT) -> Manifest:
    """The plan, without looks if there are none."""
    said = f"looks: {list(looks)}\n" if looks else ""
    return make_plan(parse_experiment(text + said + rules), "looked")


def made_records(manifest: Manifest, ratio: float = 1.0, noise: float = 0.1, seed: int = 0) -> dict[str, Record]:
    """A record of every run: the KAN is `ratio` times better at each size; one run in twenty diverges."""
    rng = np.random.default_rng(seed)
    records = {}
    for planned in manifest.runs:
        cell = manifest.cells[planned.cell]
        better = ratio if cell.arm == "kan" else 1.0
        loss = 3 * cell.counts["params.trainable"] ** -0.8 / better * np.exp(rng.normal(0, noise))
        work = rng.uniform(0.7, 1.0)
        counts = cell.counts | {name: int(work * count) for name, count in planned_flops(planned.run).items()}
        record = record_of(planned.run_id, planned.run, counts, 0.0 if rng.random() < 0.05 else float(loss))
        records[planned.run_id] = record
    return records


def made_looked_table(manifest: Manifest, **made) -> pd.DataFrame:
    """The table of all runs."""
    return runs_table(manifest, made_records(manifest, **made))


def only(manifest: Manifest, table: pd.DataFrame, run_ids) -> pd.DataFrame:
    """The table of some of the runs."""
    return chosen_anew(manifest, table, table["run_id"].isin(run_ids))


def asked_for(manifest: Manifest, table: pd.DataFrame) -> list[frozenset[str]]:
    """The runs that are wanted, as `--until-decided` comes to know them: from the first look to the end."""
    steps = [manifest.with_seeds(manifest.looks[0])]
    while True:
        _, verdicts = judge_looks(manifest, only(manifest, table, steps[-1]))
        after = wanted(manifest, verdicts)
        if after == steps[-1]:
            return steps
        steps.append(after)
