"""An experiment with looks that trains in seconds: one rule is decided early, and one stays
open.
"""

TEXT = """
question: Which is better?
tasks: [{target: xy, train_points: 40, validation_points: 20, test_points: 20}]
arms:
  good: {architecture: {family: mlp, depth: 2, activation: silu}, recipe: long}
  twin: {architecture: {family: mlp, depth: 2, activation: gelu}, recipe: long}
  bad: {architecture: {family: mlp, depth: 2, activation: silu}, recipe: short}
match: {axis: params, at: [20, 40], tol: 0.3, solve: width}
recipes:
  long: {optimizer: {name: adam, learning_rate: 0.03}, max_evaluations: 60}
  short: {optimizer: {name: adam}, max_evaluations: 1}
engine: torch
decide:
  - {claim: long is better, quantity: test_loss, sides: [good, bad], threshold: 1, at_least: 1}
  - {claim: twins differ, quantity: test_loss, sides: [good, twin], threshold: 1, at_least: 1}
"""


def open_experiment(seeds: int, looks: list[int]) -> str:
    """The text of its file; without looks if there are none."""
    return f"{TEXT}seeds: {list(range(seeds))}\n" + (f"looks: {looks}\n" if looks else "")
