"""The README's commands for a cluster, and docs/tutorials/slurm.md, run on a real SLURM as they are
written.
"""

import json
import re
import shutil

import pytest
from pages import ROOT, blocks_of, lines_of, run_line, write_files
from ruamel.yaml import YAML

pytestmark = pytest.mark.slurm
FILE = "experiments/real_data.yaml"


def test_its_commands_for_a_cluster(testbed, here):
    (here / "experiments").mkdir()
    shutil.copytree(ROOT / "slurm", here / "slurm", ignore=shutil.ignore_patterns("testbed"))
    changed = {
        "partition": "gpu",
        "cpus": "2",
        "memory_gb": "2",
        "time_minutes": "10",
        "job_minutes": "2",
    }
    profile = (here / "slurm" / "cpu.yaml").read_text(encoding="utf-8")
    for name, value in changed.items():
        profile = re.sub(rf"^{name}: \S+", f"{name}: {value}", profile, flags=re.MULTILINE)
    (here / "slurm" / "cpu.yaml").write_text(profile, encoding="utf-8")
    (here / FILE).write_text(
        "question: q\n"
        "tasks: xy\n"
        "arms: {mlp: {architecture: {family: mlp, depth: 2}, recipe: r, sizes: {width: [2, 4]}}}\n"
        "recipes: {r: {optimizer: {name: lbfgs}, max_evaluations: 20}}\n"
        "seeds: [0]\n",
        encoding="utf-8",
    )
    commands = [
        line for block in blocks_of("README.md") for line in lines_of(block) if FILE in line
    ]
    doctor = next(
        line for block in blocks_of("README.md") for line in lines_of(block) if " doctor " in line
    )
    submit, status = commands

    assert "0 FAILED" in run_line(doctor)
    assert "to submit: 2 runs" in run_line(f"{submit} --yes")
    assert "2 done" in run_line(status)


PAGE = "docs/tutorials/slurm.md"
SUBMIT = "harness submit points.yaml --profile mine.yaml"


@pytest.mark.nightly
def test_the_tutorial(testbed, here):
    write_files(PAGE, here)
    experiment = YAML(typ="safe", pure=True).load(here / "points.yaml")
    experiment["match"]["at"] = [40, 60]
    experiment["search"] |= {"runs": 2, "replicates": 2}
    (here / "points.yaml").write_text(json.dumps(experiment), encoding="utf-8")

    printed = {}
    for block in blocks_of(PAGE):
        for line in lines_of(block) if block.language == "sh" else []:
            missing_is_told = line.startswith("harness status")
            printed[line] = run_line(line, codes=(0, 3) if missing_is_told else (0,))

    assert "0 FAILED" in printed["harness doctor --profile mine.yaml"]
    assert "80 runs: 40 planned, 40 done" in printed[f"{SUBMIT} --dry-run"]
    assert "80 done, 0 diverged, 0 missing" in printed["harness status points.yaml --watch"]
    assert "nothing to submit" in printed[f"{SUBMIT} --yes"]
    assert "the KAN has the lower error" in printed["harness verdicts points.yaml"]
