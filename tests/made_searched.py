"""A small experiment with a search, and its plan."""

from harness.planning.plan import make_plan
from harness.spec.manifest import Manifest
from harness.spec.read import parse_experiment

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
  cap: {flops_train.shared_dense: 4.0e+6}
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
