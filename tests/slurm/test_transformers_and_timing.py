"""Transformers on a cluster, and the job that times a plan there."""

import re
from pathlib import Path

import pytest
from real_slurm import wait_until
from sweeps import assert_completes, sweep

from harness.base.provenance import processor
from harness.measure.calibration import read_calibration

pytestmark = pytest.mark.slurm

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
