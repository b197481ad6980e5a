"""An experiment with looks on a cluster: each submission sends what undecided rules ask for by then."""

import pytest
from sweeps import records, sweep, undisturbed

from harness.spec import read_manifest

pytestmark = pytest.mark.slurm

LOOKED = """
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
seeds: [0, 1, 2, 3, 4]
engine: torch
looks: [3, 5]
decide:
  - {claim: long is better, quantity: test_loss, arms: [good, bad], axis: params.trainable, threshold: 1, at_least: 1}
  - {claim: twins differ, quantity: test_loss, arms: [good, twin], axis: params.trainable, threshold: 1, at_least: 1}
"""


def test_a_submission_sends_the_next_look_once_the_one_before_has_ended(testbed, tmp_path):
    """It sends nothing while a look trains, nothing that no rule asks for, and no run twice."""
    swept = sweep(tmp_path)
    swept.file.write_text(LOOKED, encoding="utf-8")
    assert "first look, at 3 of 5 seeds: 18 of 18 runs to go" in swept.submit("--until-decided")
    assert "nothing to submit" in swept.submit("--until-decided")
    swept.wait_for_states({"done": 18, "planned": 12})
    plan = read_manifest(swept.folder)
    assert {f"{run_id}.json" for run_id in plan.with_seeds(3)} == set(records(swept))

    assert "“twins differ” is undecided at 3 of 5 seeds; the next look is at 5" in swept.submit("--until-decided")
    swept.wait_until_over()
    last = swept.submit("--until-decided")
    assert "no rule asks for more seeds" in last
    assert "nothing to submit" in last
    seen = swept.status()
    assert (seen["missing"], seen["unasked"]) == (0, 30 - len(records(swept)))
    assert seen["unasked"] > 0
    assert swept.harness("report").exit_code == 0
    alone, trained = undisturbed(LOOKED), records(swept)
    assert trained == {name: alone[name] for name in trained}  # whatever else a pack would have had
