"""`harness power`: from a pilot's records, from a declared noise, and with the next moves where there is neither."""

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from judging.made_experiment import write_experiment, write_records
from judging.made_looks import looked_plan
from made_study import record_of

from harness.cli import main
from harness.judging.foreseen import _pilot_seeds
from harness.planning.plan import make_plan
from harness.record import publish
from harness.spec import read_experiment, read_manifest

NOISE = 0.2
RULES = """
decide:
  - {claim: is better, quantity: test_loss, arms: [kan, mlp], threshold: 1, at_least: 1, axis: params.trainable}
  - {claim: scales faster, quantity: exponent, arms: [kan, mlp], threshold: 0, at_least: 1, axis: params.trainable}
  - {claim: is ahead, quantity: crossover, arms: [kan, mlp], at_least: 1, axis: params.trainable}
  - {claim: is cheaper, quantity: cost, arms: [kan, mlp], threshold: 1, at_least: 1, axis: params.trainable}
  - {claim: predicts, quantity: held_out, arms: [kan, mlp], at_least: 1, axis: params.trainable}
hold_out: 3
"""
RULES_OF_XY = "decide: [{claim: c, quantity: test_loss, arms: [kan, mlp], threshold: 1, at_least: 1, tasks: [xy]}]"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder with one experiment file and its plan, in which commands are run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write_experiment(tmp_path, RULES)
    assert _harness("plan", "experiments/made.yaml").exit_code == 0
    return tmp_path


def _harness(*arguments: str):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def _rules(*arguments: str) -> list[dict]:
    done = _harness("power", "experiments/made.yaml", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["rules"]


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
    """A pilot, or a noise."""
    done = _harness("power", "experiments/made.yaml")
    write_experiment(here, rules="")
    nothing = _harness("power", "experiments/made.yaml")

    assert done.exit_code == nothing.exit_code == 2
    assert "train a pilot (`harness run FILE`" in done.output
    assert "give --noise 0.3" in done.output
    assert "it has no `decide:`" in nothing.output


def test_a_pilot_of_two_seeds_is_enough(here):
    """What it says is of the planned seeds, and of the seeds that are there; a seed in part does not count."""
    _write_pilot(here, 2)
    (here / "results" / "runs" / f"{read_manifest(here / 'results' / 'made').runs[0].run_id}.json").unlink()
    part = _harness("power", "experiments/made.yaml")
    _write_pilot(here, 2)
    few, many = _rules(), _rules("--seeds", "12")
    shown = _harness("power", "experiments/made.yaml")
    assert _harness("keep", "experiments/made.yaml").exit_code == 0
    shutil.rmtree(here / "results" / "runs")

    assert _rules() == few
    assert part.exit_code == 2
    assert few[0]["source"] == "records of 2 seeds"
    assert [one["seeds"] for one in (few[0], many[0])] == [3, 12]
    for less, more in zip(few[:3], many[:3], strict=True):
        (of_few,), (of_many,) = less["numbers"], more["numbers"]
        assert of_few["seeds_now"] == of_many["seeds_now"] == 2
        assert of_few["half_width_now"] == of_many["half_width_now"]
        assert of_many["seen"] < of_few["seen"]
        assert of_few["seeds_needed"] == of_many["seeds_needed"]
    assert few[4]["numbers"] == []
    assert "seen with 3 seeds" in shown.output
    assert "1. “is better” (from records of 2 seeds): a difference of 1.1 would need" in shown.output
    assert "`harness power experiments/made.yaml` says" in _harness("plan", "experiments/made.yaml").output


def test_a_declared_noise_says_what_records_with_that_noise_say(here):
    """Within the chance of a pilot of three seeds, and of four sizes that a law without a floor has."""
    declared = _rules("--noise", str(NOISE))
    _write_pilot(here, 3)
    recorded = _rules()

    for index in range(3):
        (one,), (other,) = declared[index]["numbers"], recorded[index]["numbers"]
        assert declared[index]["source"] == f"a declared noise of {NOISE}"
        assert one["sizes"] == other["sizes"]
        widths = [each["half_width"] if index == 1 else math.log(each["half_width"]) for each in (one, other)]
        assert 1 / 3 < widths[0] / widths[1] < 3
    assert declared[0]["numbers"][0]["noise"] == pytest.approx(NOISE * math.sqrt(2))
    assert "only a pilot says" in declared[3]["numbers"][0]["why"]
    assert "only a pilot says" in declared[3]["sentence"]


def test_a_decided_rule_is_said_to_be_decided(here):
    """By the records of all seeds, or of a look, as verdicts say it; not by a pilot, nor with a given noise."""

    def decided(*arguments: str) -> list[str]:
        return [one["decided"] or "inconclusive" for one in _rules(*arguments)]

    write_records(here)
    (answer,) = json.loads(_harness("verdicts", "--json").stdout)["experiments"]
    verdicts = [one["verdict"] for one in answer["verdicts"]]
    told = _harness("power", "experiments/made.yaml").output

    assert {"supported", "inconclusive"} <= set(verdicts)
    assert decided() == verdicts
    assert decided("--noise", "0.2") == ["inconclusive"] * 5
    assert "1. “is better” (from records of 3 seeds): already decided: supported; it needs no more seeds." in told

    for planned in read_manifest(here / "results" / "made").runs:
        if planned.run.seed == 2:
            (here / "results" / "runs" / f"{planned.run_id}.json").unlink()
    assert decided() == ["inconclusive"] * 5
    write_experiment(here, RULES + "looks: [2, 3]\n")
    assert _harness("plan", "experiments/made.yaml", "--replan").exit_code == 0
    assert decided()[0] == "supported"


def test_noise_in_the_file_is_taken_and_told_by_the_plan(here):
    """Records go before it, and --noise before both."""
    path = here / "experiments" / "made.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "noise: 0.1\n", encoding="utf-8")
    planned = _harness("plan", "experiments/made.yaml", "--replan")
    of_file = _rules()
    _write_pilot(here, 2)

    assert "1. “is better” (from a declared noise of 0.1): a difference of 1.1 would need" in planned.output
    assert [one["source"] for one in (of_file[0], _rules()[0], _rules("--noise", "0.5")[0])] == [
        *("a declared noise of 0.1", "records of 2 seeds", "a declared noise of 0.5")
    ]


def test_one_seed_has_no_interval_to_foresee(here):
    """`power` refuses it, and the plan is made."""
    path = here / "experiments" / "made.yaml"
    text = re.sub(r"seeds: \[.*\]", "seeds: [0]", path.read_text(encoding="utf-8"))
    path.write_text(text + "noise: 0.1\n", encoding="utf-8")
    planned, power = (_harness(*command, "experiments/made.yaml") for command in (["plan", "--replan"], ["power"]))

    assert planned.exit_code == 0, planned.output
    assert power.exit_code == 2
    assert "seeds: [0] is one seed, which has no interval; give two or more" in power.output


def test_the_pilot_of_a_rule_is_of_its_own_tasks():
    """Records of other tasks are not waited for."""
    manifest = looked_plan((), rules=RULES_OF_XY)
    own = [planned.run_id for planned in manifest.runs if manifest.cells[planned.cell].task == "xy"]
    (rule,) = manifest.experiment.decide

    assert 0 < len(own) < len(manifest.runs)
    assert len(_pilot_seeds(manifest, pd.DataFrame({"run_id": own}), rule)) == len(manifest.experiment.seeds)


def test_a_search_is_foreseen_from_a_noise():
    """Its trials are no pilot: their sizes are the budgets."""
    experiments = Path(__file__).parents[2] / "experiments"
    done = _harness("power", str(experiments / "quickstart.yaml"), "--noise", "0.3", "--seeds", "12", "--json")
    (rule,) = json.loads(done.stdout)["rules"]

    assert rule["seeds"] == 12
    assert {one["task"] for one in rule["numbers"]} == {"exp2d", "j0"}
    assert rule["sentence"].startswith("a difference of 1.1 would need")
    assert "(80 % for each task); the planned 12 seeds can tell only one of" in rule["sentence"]


def test_the_pilot_of_a_rule_about_series_is_found():
    """A side may be a series of an arm: all seeds of a whole plan are its pilot."""
    experiment = read_experiment(Path(__file__).parents[2] / "experiments" / "app_c_ablation.yaml", "short")
    manifest = make_plan(experiment, "ablation")
    table = pd.DataFrame({"run_id": [planned.run_id for planned in manifest.runs]})
    assert {rule.arms[0] for rule in experiment.decide} - experiment.arms.keys()
    for rule in experiment.decide:
        assert len(_pilot_seeds(manifest, table, rule)) == len(experiment.seeds)
