"""Experiments with looks, and of transformers, on a cluster: what is sent, and that its bits are
those of here.
"""

import re
from pathlib import Path

import pytest
from made_open import open_experiment
from real_slurm import wait_until
from sweeps import assert_completes, records, sweep, undisturbed

from harness.base.provenance import processor
from harness.measure.calibration import read_calibration
from harness.spec.manifest import read_manifest

pytestmark = pytest.mark.slurm

LOOKED = open_experiment(seeds=7, looks=[3, 5, 7]).replace(
    "sides: [good, twin], threshold: 1", "sides: [good, twin], within: 1.9"
)


def test_a_submission_sends_the_next_look_once_the_one_before_has_ended(testbed, tmp_path):
    swept = sweep(tmp_path)
    swept.file.write_text(LOOKED, encoding="utf-8")
    assert "first look, at 3 of 7 replicates: 18 of 18 runs to go" in swept.submit(
        "--until-decided"
    )
    assert "nothing to submit" in swept.submit("--until-decided")
    swept.wait_for_states({"done": 18, "planned": 24})
    plan = read_manifest(swept.folder)
    assert {f"{run_id}.json" for run_id in plan.with_seeds(3)} == set(records(swept))

    assert "“twins differ” is open; the next look is at 5 of 7 replicates" in swept.submit(
        "--until-decided"
    )
    swept.wait_until_over()
    last = swept.submit("--until-decided")
    assert "no rule asks for more replicates" in last
    assert "nothing to submit" in last
    seen = swept.status()
    assert (seen["missing"], seen["unasked"]) == (0, 42 - len(records(swept)))
    assert seen["unasked"] == 12
    assert swept.harness("report").exit_code == 0
    alone, trained = undisturbed(LOOKED), records(swept)
    assert trained == {name: alone[name] for name in trained}  # whatever else a pack would have had


SWAP = """question: Do transformers train on nodes?
tasks: {target: mess3, context: 4, train_points: 32, validation_points: 32, test_points: 64}
arms:
  kan: {architecture: {family: transformer, layers: 1, block: {family: kan, grid: 3}}, recipe: adam}
  mlp: {architecture: {family: transformer, layers: 1, block: {family: mlp}}, recipe: adam, sizes: {width: [8]}}
match: {axis: params, like: mlp, solve: block.width, tol: 0.25}
recipes: {adam: {optimizer: {name: adam, batch_size: 16}, max_evaluations: 40}}
seeds: [0, 1]
dtype: float32
"""


def test_a_sweep_of_transformers(testbed, tmp_path):
    swept = sweep(tmp_path)
    swept.file.write_text(SWAP, encoding="utf-8")
    assert "4 runs" in swept.submit()
    assert_completes(swept)


def test_a_job_times_the_plan_on_a_node(testbed, tmp_path):
    swept = sweep(tmp_path, cpus=2, time_minutes=30)
    assert "uncalibrated" in swept.harness("plan").output
    done = swept.harness("bench", "--profile", str(swept.profile))
    number = re.search(r"submitted: job (\d+)", done.output)[1]
    log = Path(re.search(r"its output: (.*)", done.output)[1])
    assert testbed.job(number)["NumCPUs"] == "1"
    wait_until(log.exists, 60, "the job writes")
    wait_until(lambda: "calibration: " in log.read_text(), 400, "the bench ends")
    calibration = read_calibration(swept.results, "torch", processor(), "float64")
    assert {row.shape.optimizer for row in calibration.solo} == {
        "adam",
        "lbfgs",
        "levenberg_marquardt",
    }
    assert "(calibrated)" in swept.harness("plan").output
    wait_until(lambda: not list(swept.results.glob(".bench-*")), 30, "the job's code is removed")


def test_a_dry_run_and_a_limit_that_is_too_short_send_nothing(testbed, tmp_path):
    swept = sweep(tmp_path, time_minutes=30)
    shown = swept.harness("bench", "--profile", str(swept.profile), "--dry-run")
    short = sweep(tmp_path, time_minutes=3)
    refused = short.harness("bench", "--profile", str(short.profile))
    assert (shown.exit_code, refused.exit_code) == (0, 2)
    assert "one job of one CPU times 1 shape, about 2 min" in shown.output
    assert "raise it to 4" in refused.output
    assert not testbed.slurm("squeue", "-h")
    assert not list(swept.results.glob(".bench-*"))
