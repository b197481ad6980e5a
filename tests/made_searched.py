"""A small experiment with a search, its plan, and records that nobody trained."""

import numpy as np
from made_records import WHERE

from harness.count import count
from harness.planning.plan import make_plan, planned_flops
from harness.record import CurvePoint, Metrics, Record
from harness.spec import Manifest, parse_experiment

TEXT = """
question: Who is ahead when both are searched?
tasks: [{target: xy, train_points: 40, validation_points: 20, test_points: 20}]
arms:
  kan:
    architecture: {family: kan, depth: 2, width: 2}
    recipe: lbfgs
    space: {architecture.order: [2, 3], architecture.noise: {low: 0.03, high: 3.0, log: true}}
  mlp:
    architecture: {family: mlp, depth: 2}
    recipe: lbfgs
    space: {architecture.activation: [silu, tanh], recipe.gain: {low: 0.5, high: 10.0, log: true}}
match: {axis: params, at: [40, 90], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes:
  lbfgs: {optimizer: {name: lbfgs}, max_evaluations: 9}
  levenberg: {optimizer: {name: levenberg_marquardt}, max_evaluations: 9}
  cosine: {optimizer: {name: adam, schedule: cosine}, max_evaluations: 9}
search:
  runs: 4
  replicates: 2
  cap: {flops_train.shared_dense: [1.0e+6, 4.0e+6]}
  recipes: [lbfgs, levenberg]
decide:
  - {claim: KANs are better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
"""


def changed(*changes: tuple[str, str]) -> str:
    """The text with some of its parts replaced, each of which it must have."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def planned(text: str = TEXT) -> Manifest:
    return make_plan(parse_experiment(text), "tiny")


def made_record(run, identity: str, rng: np.random.Generator, failing: float = 0.0) -> Record:
    """A record with random losses and learning curve; it ends some evaluations before its cap, or has diverged."""
    cap = run.recipe.max_evaluations
    done = rng.random() >= failing
    evaluations = int(rng.integers(max(1, cap - 2), cap + 1))
    diverged_at = None if done else int(rng.integers(1, cap + 1))
    moments = [at for at in (1, 2, 3, 5, 8, 16, 30) if at <= (diverged_at or evaluations)]
    counts = planned_flops(run)
    validation, test = np.exp(rng.normal(size=2))
    metrics = Metrics(train_rmse=0.1, validation_rmse=validation, test_rmse=test, test_root_median_square=test)
    return Record(
        run_id=identity,
        run=run,
        status="done" if done else "diverged",
        metrics=metrics if done else None,
        evaluations=evaluations if done else diverged_at,
        iterations=1,
        by_stage=((evaluations, 1),),
        diverged_at=diverged_at,
        counts={name: value * evaluations // cap for name, value in counts.items()} | count(run.network),
        weights="kanbefair",
        curve=tuple(
            CurvePoint(evaluations=at, train_rmse=1.0, validation_rmse=float(np.exp(rng.normal()))) for at in moments
        ),
        provenance=WHERE,
    )


def made_records(manifest: Manifest, seed: int = 0, failing: float = 0.0) -> dict[str, Record]:
    """A record of every run of a plan, by its id; `failing` is the share of runs that diverge."""
    rng = np.random.default_rng(seed)
    runs = {one.run_id: one.run for one in manifest.runs}
    return {identity: made_record(run, identity, rng, failing) for identity, run in runs.items()}
