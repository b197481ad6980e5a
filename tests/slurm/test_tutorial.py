"""docs/tutorials/slurm.md runs on a real SLURM, command by command, with 80 runs in place of 5,000."""

import json

import pytest
from pages import blocks_of, lines_of, run_line, write_files
from ruamel.yaml import YAML

pytestmark = pytest.mark.slurm
PAGE = "docs/tutorials/slurm.md"
SUBMIT = "harness submit points.yaml --profile mine.yaml"


@pytest.mark.nightly
def test_the_tutorial(testbed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(PAGE, tmp_path)
    experiment = YAML(typ="safe", pure=True).load(tmp_path / "points.yaml")
    experiment["match"]["at"] = [40, 60]
    experiment["search"] |= {"runs": 2, "replicates": 2}
    (tmp_path / "points.yaml").write_text(json.dumps(experiment), encoding="utf-8")

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
