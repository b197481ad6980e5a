"""`harness doctor` on a real SLURM: all is well, and each thing that can be wrong is a sentence
with a next move.
"""

import getpass
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commands import invoke, said
from real_slurm import Bed, wait_until

from harness.dispatch.cluster import limits

pytestmark = pytest.mark.slurm
ROOT = Path(__file__).parents[2]
TESTBED = (ROOT / "slurm" / "testbed.yaml").read_text(encoding="utf-8")


def profile(folder: Path, **changed: object) -> Path:
    lines = [line for line in TESTBED.splitlines() if line.split(":")[0] not in changed]
    lines += [f"{name}: {value}" for name, value in changed.items()]
    path = folder / "mine.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def diagnose(profile: Path, results: Path, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = invoke("doctor", "--profile", profile, "--results", results, "--json", *options)
    found = json.loads(done.stdout)
    assert found["failed"] == sum(one["level"] == "FAILED" for one in found["findings"])
    assert all(one["next_move"] for one in found["findings"] if one["level"] != "ok")
    return done.exit_code, {one["what"]: one for one in found["findings"]}


def failures(found: dict[str, dict[str, str]]) -> list[str]:
    return [what for what, one in found.items() if one["level"] == "FAILED"]


def no_trace(bed: Bed, results: Path) -> bool:
    return (
        not bed.slurm("squeue", "-h", "--states=pending,running,completing")
        and not results.exists()
    )


@contextmanager
def busy(bed: Bed) -> Iterator[None]:
    """Both nodes are taken: what is submitted waits."""
    bed.slurm("sbatch", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap", "sleep 300")
    wait_until(lambda: bed.slurm("squeue", "-h", "--states=running"), 30, "the job runs")
    yield
    bed.slurm("scancel", "--name=wrap")


@contextmanager
def partition_with(bed: Bed, setting: str, before: str) -> Iterator[None]:
    bed.slurm("scontrol", "update", "PartitionName=gpu", setting)
    yield
    bed.slurm("scontrol", "update", "PartitionName=gpu", before)


def test_all_is_well(testbed, tmp_path):
    results = tmp_path / "results"
    (results / "runs").mkdir(parents=True)
    code, found = diagnose(profile(tmp_path, gpus=1), results)
    assert (code, failures(found)) == (0, [])
    assert found["node"]["told"].startswith(("n1: Python ", "n2: Python "))
    assert "from a snapshot of the code here" in found["harness"]["told"]
    assert "CUDA_VISIBLE_DEVICES is 0" in found["GPU"]["told"]
    assert found["ended jobs"]["told"].endswith("(MinJobAge)")
    assert [path.name for path in results.iterdir()] == ["runs"]


def test_no_job_asks_and_submits_nothing(testbed, tmp_path):
    asked = profile(tmp_path)
    code, found = diagnose(asked, tmp_path / "results", "--no-job")
    assert (code, "node" in found) == (0, False)
    assert "takes such a job" in found["sbatch"]["told"]
    assert not testbed.slurm("squeue", "-h", "--states=all", "-n", "harness-doctor")
    assert no_trace(testbed, tmp_path / "results")
    # For people each finding is an aligned line under its heading, and the last line counts them.
    lines = said(
        "doctor", "--profile", asked, "--results", tmp_path / "results", "--no-job"
    ).splitlines()
    assert [line for line in lines if not line.startswith(" ")][:2] == ["cluster", "results"]
    assert any(line.startswith("  ok       partition     gpu, UP") for line in lines)
    assert lines[-1].endswith(" ok, 0 warning, 0 FAILED")


@pytest.mark.parametrize(
    ("changed", "what", "told", "next_move"),
    [
        ({"partition": "gup"}, "sbatch", "invalid partition specified: gup", "change the profile"),
        (
            {"gpus": "faker:1"},
            "sbatch",
            "Requested node configuration is not available",
            "change the profile",
        ),
        (
            {"sbatch": "{nicee: 1}"},
            "sbatch",
            "unrecognized option '--nicee=1'",
            "change the profile",
        ),
        (
            {"gpus": 3},
            "sbatch",
            "Requested node configuration is not available",
            "change the profile",
        ),
        (
            {"memory_gb": 900},
            "sbatch",
            "Requested node configuration is not available",
            "change the profile",
        ),
        ({"constraint": "a100"}, "sbatch", "feature", "change the profile"),
        ({"python": "/no/such/python"}, "probe job", "/no/such/python: No such file", "python:"),
        (
            {"python": "env PYTHONPATH= /usr/bin/python3 -S"},
            "probe job",
            "No module named",
            "must be installed",
        ),
        (
            {"setup": '["module load nothere"]'},
            "probe job",
            "set-up line failed: module load nothere",
            "srun",
        ),
        (
            {"setup": '["export PYTHONPATH=/else", "exit 7"]'},
            "probe job",
            "it printed nothing",
            "setup:",
        ),
    ],
)
def test_what_is_wrong_is_told_with_a_next_move(testbed, tmp_path, changed, what, told, next_move):
    code, found = diagnose(profile(tmp_path, **changed), tmp_path / "results")
    assert (code, failures(found)) == (3, [what])
    assert told in found[what]["told"]
    assert next_move in found[what]["next_move"]
    assert no_trace(testbed, tmp_path / "results")


def test_a_partition_that_is_down_or_allows_less_time(testbed, tmp_path):
    with partition_with(testbed, "MaxTime=5", "MaxTime=UNLIMITED"):
        code, found = diagnose(profile(tmp_path), tmp_path / "results")
    assert (code, failures(found)) == (3, ["time"])
    assert found["time"]["next_move"] == "time_minutes: 5 or less"
    assert found["probe job"]["told"].startswith("not sent")
    with partition_with(testbed, "State=DOWN", "State=UP"):
        code, found = diagnose(profile(tmp_path), tmp_path / "results", "--no-job")
    assert (code, found["partition"]["told"]) == (3, "gpu, DOWN")


def test_without_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, found = diagnose(profile(tmp_path), tmp_path / "results")
    assert (code, failures(found)) == (3, ["SLURM"])
    assert "--local" in found["SLURM"]["next_move"]
    assert found["hard link"]["level"] == "ok"


def test_a_controller_that_is_not_there(testbed, tmp_path, monkeypatch):
    conf = tmp_path / "slurm.conf"
    lines = testbed.conf.read_text().splitlines()
    conf.write_text(
        "\n".join("SlurmctldPort=1" if line.startswith("SlurmctldPort") else line for line in lines)
    )
    monkeypatch.setenv("SLURM_CONF", str(conf))
    code, found = diagnose(profile(tmp_path), tmp_path / "results")
    assert (code, failures(found)) == (3, ["controller"])
    assert "Unable to contact slurm controller" in found["controller"]["told"]
    assert "*" not in found["controller"]["told"]


def test_a_full_cluster_is_no_failure(testbed, tmp_path):
    with busy(testbed):
        code, found = diagnose(profile(tmp_path), tmp_path / "results", "--wait", "0.1")
        waiting = testbed.slurm("squeue", "-h", "--states=pending")
    assert (code, failures(found), waiting) == (0, [], "")
    assert found["probe job"]["told"].startswith("did not start within 0.1 min: PENDING")
    assert not (tmp_path / "results").exists()


def test_stopping_it_cancels_its_job(testbed, tmp_path):
    command = [
        "doctor",
        "--profile",
        str(profile(tmp_path)),
        "--results",
        str(tmp_path / "results"),
    ]
    with busy(testbed):
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        with process:
            wait_until(
                lambda: bool(testbed.slurm("squeue", "-h", "--states=pending")),
                60,
                "the probe job waits",
            )
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=60)[1]
        waiting = testbed.slurm("squeue", "-h", "--states=pending")

    assert (process.returncode, waiting) == (130, "")
    assert "cancelled" in told
    assert told.splitlines()[-1] == "stopped; run the same command again to go on"
    assert not (tmp_path / "results").exists()


def test_accounting_remembers(accounting_testbed, tmp_path):
    code, found = diagnose(profile(tmp_path, account="testbed"), tmp_path / "results")
    assert (code, failures(found)) == (0, [])
    assert found["ended jobs"]["told"].endswith("and sacct for longer")


def test_what_a_user_may_submit_on_another_cluster_is_no_limit_here(accounting_testbed):
    before = limits().room
    name = getpass.getuser()
    try:
        for words in (
            "cluster far",
            "account testbed cluster=far",
            f"user {name} account=testbed cluster=far",
        ):
            accounting_testbed.slurm("sacctmgr", "-i", "add", *words.split())
        most = ("where", f"user={name}", "cluster=far", "set", "maxsubmitjobs=3")
        accounting_testbed.slurm("sacctmgr", "-i", "modify", "user", *most)
        assert limits().room == before > 3
    finally:
        accounting_testbed.slurm("sacctmgr", "-i", "delete", "cluster", "far")


def test_an_account_that_is_not_the_users(accounting_testbed, tmp_path):
    code, found = diagnose(profile(tmp_path, account="tested"), tmp_path / "results", "--no-job")
    assert (code, failures(found)) == (3, ["sbatch"])
    assert "Invalid account" in found["sbatch"]["told"]
