"""The README's commands for a cluster run on a real SLURM as they are written."""

import re
import shutil

import pytest
from pages import ROOT, blocks_of, lines_of, run_line

pytestmark = pytest.mark.slurm
FILE = "experiments/real_data.yaml"


def test_its_commands_for_a_cluster(testbed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    shutil.copytree(ROOT / "slurm", tmp_path / "slurm", ignore=shutil.ignore_patterns("testbed"))
    changed = {"partition": "gpu", "cpus": "2", "memory_gb": "2", "time_minutes": "10", "job_minutes": "2"}
    profile = (tmp_path / "slurm" / "cpu.yaml").read_text(encoding="utf-8")
    for name, value in changed.items():
        profile = re.sub(rf"^{name}: \S+", f"{name}: {value}", profile, flags=re.MULTILINE)
    (tmp_path / "slurm" / "cpu.yaml").write_text(profile, encoding="utf-8")
    (tmp_path / FILE).write_text(
        "question: q\n"
        "tasks: xy\n"
        "arms: {mlp: {architecture: {family: mlp, depth: 2}, recipe: r, sizes: {width: [2, 4]}}}\n"
        "recipes: {r: {optimizer: {name: lbfgs}, max_evaluations: 20}}\n"
        "seeds: [0]\n",
        encoding="utf-8",
    )
    commands = [line for block in blocks_of("README.md") for line in lines_of(block) if FILE in line]
    doctor = next(line for block in blocks_of("README.md") for line in lines_of(block) if " doctor " in line)
    submit, status = commands

    assert "0 FAILED" in run_line(doctor)
    assert "to submit: 2 runs" in run_line(f"{submit} --yes")
    assert "2 done" in run_line(status)
