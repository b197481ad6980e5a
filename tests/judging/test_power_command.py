"""`harness power`: from a pilot's records, from a declared noise, and with the next moves where there is neither."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, json_of
from judging.made_experiment import write_experiment
from made_study import record_of

from harness.record import publish
from harness.spec import read_manifest

NOISE = 0.2
RULES = """
decide:
  - {claim: is better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
  - {claim: scales faster, quantity: exponent, sides: [kan, mlp], threshold: 0, at_least: 1}
  - {claim: needs less, quantity: multiplier, sides: [kan, mlp], threshold: 1, at_least: 1}
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_experiment(tmp_path, RULES)
    assert invoke("plan", "experiments/made.yaml").exit_code == 0
    return tmp_path


def _rules(*arguments: str) -> list[dict]:
    return json_of("power", "experiments/made.yaml", *arguments)["rules"]


def _write_pilot(folder: Path, seeds: int, noise: float = NOISE) -> None:
    """Records of the first seeds of a plan: laws N^-1 with noise of its own for every run."""
    manifest, random = read_manifest(folder / "results" / "made"), np.random.default_rng(0)
    cells = {cell.index: cell for cell in manifest.cells}
    for planned in manifest.runs:
        if planned.run.seed < seeds:
            counts = cells[planned.cell].counts
            loss = 3 / counts["params.trainable"] * np.exp(random.normal(0, noise))
            publish(record_of(planned.run_id, planned.run, counts, loss), folder / "results" / "runs")


def test_without_records_and_without_noise_there_are_two_next_moves(here):
    done = invoke("power", "experiments/made.yaml")
    write_experiment(here, rules="")
    nothing = invoke("power", "experiments/made.yaml")
    assert done.exit_code == nothing.exit_code == 2
    assert "train a pilot (`harness run FILE`" in done.output
    assert "declare `noise: 0.3`" in done.output
    assert "for once, give --noise" in done.output
    assert "it has no `decide:`" in nothing.output


def test_a_pilot_of_two_seeds_is_enough(here):
    _write_pilot(here, 2)
    (here / "results" / "runs" / f"{read_manifest(here / 'results' / 'made').runs[0].run_id}.json").unlink()
    part = invoke("power", "experiments/made.yaml")
    _write_pilot(here, 2)
    few, many = _rules(), _rules("--replicates", "12")
    shown = invoke("power", "experiments/made.yaml")
    assert invoke("keep", "experiments/made.yaml").exit_code == 0
    shutil.rmtree(here / "results" / "runs")

    assert _rules() == few
    assert part.exit_code == 2
    assert "no two seeds have all of their records" in " ".join(part.output.split())
    assert [one["replicates"] for one in (few[0], many[0])] == [3, 12]
    (of_few,), (of_many,) = few[0]["numbers"], many[0]["numbers"]
    assert of_many["half_width"] < of_few["half_width"]
    assert of_few["replicates_needed"] == of_many["replicates_needed"]
    assert "1. “is better” (from records of 2 replicates): a difference of 10 % would need" in shown.output
    assert "`harness power experiments/made.yaml` says" in invoke("plan", "experiments/made.yaml").output


def test_noise_in_the_file_is_taken_and_told_by_the_plan(here):
    path = here / "experiments" / "made.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "noise: 0.1\n", encoding="utf-8")
    planned = invoke("plan", "experiments/made.yaml", "--replan")
    of_file = _rules()
    _write_pilot(here, 2)
    assert "`harness power experiments/made.yaml` says how many replicates the rules need" in planned.output
    assert [one["source"] for one in (of_file[0], _rules()[0], _rules("--noise", "0.5")[0])] == [
        *("a declared noise of 0.1", "records of 2 replicates", "a declared noise of 0.5")
    ]
