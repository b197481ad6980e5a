"""`keep: networks`: what is loaded gives the errors that its record says, and nothing else changes."""

import pytest
import torch
from click.testing import CliRunner

import harness
from harness import nn
from harness.cli import main
from harness.planning.plan import make_plan
from harness.record.networks import network_path
from harness.spec import experiment_schema, parse_experiment
from harness.tasks import draw
from harness.train import train_pack

OWN = """
import torch


class Own(torch.nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.first, self.last = torch.nn.Linear(inputs, width), torch.nn.Linear(width, outputs)
        self.register_buffer("shift", torch.rand(width))

    def forward(self, x):
        return self.last(torch.tanh(self.first(x)) + self.shift)
"""
FILE = """
question: Does what is kept say what the record says?
tasks:
  - {{target: {task}}}
arms:
  one: {{{arm}, recipe: own}}
recipes: {{own: {{optimizer: {optimizer}, {recipe}}}}}
seeds: [0, 1]
{more}
"""
ADAM, LBFGS = "{name: adam, learning_rate: 0.02}", "{name: lbfgs}"
KAN = "architecture: {family: kan, hidden: [2], grid: 6}"
SHORT = "max_evaluations: 12"
BOX = "exp2d, low: [0, 1], high: [1, 3], train_points: 200"
CASES = {
    "kan, torch": (BOX, KAN, ADAM, SHORT, "engine: torch"),
    "kan, fused": (BOX, KAN, LBFGS, SHORT, "engine: fused"),
    "mlp with features": (BOX, "architecture: {family: mlp, hidden: [5], features: 3}", ADAM, SHORT, "engine: torch"),
    "restarts and coarse grids": (
        *(BOX, KAN, LBFGS),
        "max_evaluations: 30, restarts: {count: 2, evaluations: 4}, grid_extension: {grids: [3], evaluations: 8}, "
        "grid_updates: {every: 4, until: 8}",
        "engine: torch",
    ),
    "phases": ("five_peaks", "architecture: {family: kan, hidden: [2], grid: 6}", ADAM, f"{SHORT}, phases: 2", ""),
    "pruned": (
        "exp2d",
        "architecture: {family: kan, hidden: [3], grid: 3}",
        LBFGS,
        "max_evaluations: 60, sparsity: {strength: 0.01, evaluations: 30}",
        "engine: torch",
    ),
    "classes": ("wine", "architecture: {family: mlp, hidden: [5]}", ADAM, SHORT, "engine: torch"),
    "data": ("diabetes", KAN, ADAM, SHORT, "engine: torch"),
    "own module": (BOX, "module: own_of_load:Own, size: width, sizes: {width: [4]}", ADAM, SHORT, "engine: torch"),
    "float32": (BOX, KAN, ADAM, SHORT, "engine: torch\ndtype: float32"),
}


def planned(task, arm, optimizer, recipe, more):
    text = FILE.format(task=task, arm=arm, optimizer=optimizer, recipe=recipe, more=more)
    return make_plan(parse_experiment(text), "kept")


@pytest.mark.parametrize("case", CASES)
def test_what_is_loaded_has_the_errors_of_its_record(case, tmp_path, monkeypatch):
    """At the test points of the task, in its own units and box."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_of_load.py").write_text(OWN)
    plan = planned(*CASES[case])
    runs = [one.run for one in plan.runs]
    plain = train_pack(runs, tmp_path / "plain")
    records = train_pack(runs, tmp_path / "results" / "runs", networks=tmp_path / "results" / "networks")
    for record, same in zip(records, plain, strict=True):
        assert record.metrics == same.metrics  # to keep a network changes no number
        module = harness.load_network(record.run_id)
        assert isinstance(module, nn.TrainedNetwork)
        splits = draw(record.run.task, record.run.seed)
        x, y = splits.test.x, splits.test.y
        dtype = getattr(torch, record.run.dtype)
        if scaling := splits.scaling:  # back to the columns of the table, and the unit of its output
            x = scaling.low + (x + 1) * (scaling.high - scaling.low) / 2
        with torch.no_grad():
            outputs = module(torch.from_numpy(x).to(dtype)).double()
        if scaling:
            outputs = (outputs - scaling.centre) / scaling.scale
        wanted = torch.from_numpy(y)
        rel = 1e-9 if dtype == torch.float64 else 1e-4
        if case == "classes":
            loss = torch.nn.functional.cross_entropy(outputs, wanted[:, 0].long())
            assert loss.item() == pytest.approx(record.metrics.test_cross_entropy, rel=rel)
        else:
            assert (outputs - wanted).square().mean().sqrt().item() == pytest.approx(record.metrics.test_rmse, rel=rel)
    if case == "own module":
        assert type(module.module).__name__ == "Own"
    if case == "pruned":
        assert module.module.network == record.pruned.network


def test_a_file_says_it_and_the_ids_of_runs_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    case = (BOX, KAN, ADAM, SHORT, "engine: torch")
    said = (*case[:4], "engine: torch\nkeep: networks")
    assert planned(*said).run_ids() == planned(*case).run_ids()
    assert "keep" not in planned(*case).experiment.model_dump(mode="json")
    assert "networks" in str(experiment_schema()["properties"]["keep"])
    with pytest.raises(harness.HarnessError, match=r"keep.*networks"):
        planned(*case[:4], "keep: weights")
    text = FILE.format(**dict(zip(("task", "arm", "optimizer", "recipe", "more"), said, strict=True)))
    (tmp_path / "kept.yaml").write_text(text)
    answer = harness.run("kept.yaml", workers=1)
    (first, second) = answer.runs["run_id"]
    module = harness.load_network(first)
    assert torch.isfinite(module(torch.zeros(3, 2, dtype=torch.float64))).all()
    network_path(tmp_path / "results" / "networks", first).write_bytes(b"PK no archive")
    network_path(tmp_path / "results" / "networks", second).unlink()
    wrong = {first: "is damaged", second: "or its record was merged from another", "0123456789abcdef": "no record in"}
    for run_id, words in wrong.items():
        with pytest.raises(harness.HarnessError, match=words):
            harness.load_network(run_id)


def test_runs_that_have_records_are_told_of(tmp_path, monkeypatch):
    """`keep: networks` that is added later keeps nothing of what is trained already, and says so."""
    monkeypatch.chdir(tmp_path)
    values = dict(zip(("task", "arm", "optimizer", "recipe"), (BOX, KAN, ADAM, SHORT), strict=True))
    told = []
    for more in ("", "keep: networks", "keep: networks"):
        (tmp_path / "later.yaml").write_text(FILE.format(**values, more=f"engine: torch\n{more}"))
        ran = CliRunner().invoke(main, ["run", "later.yaml", "--workers", "1", "--replan"])
        assert ran.exit_code == 0, ran.output
        told.append("2 runs have records already, so no network of theirs is kept" in ran.output)
    assert told == [False, True, True]


def test_jobs_keep_networks_too(tmp_path, monkeypatch):
    """What `harness submit` sends off says so in the file of each job."""
    monkeypatch.chdir(tmp_path)
    values = dict(zip(("task", "arm", "optimizer", "recipe"), (BOX, KAN, ADAM, SHORT), strict=True))
    (tmp_path / "sent.yaml").write_text(FILE.format(**values, more="engine: torch\nkeep: networks"))
    sent = CliRunner().invoke(main, ["submit", "sent.yaml", "--local", "1", "--yes"])
    assert sent.exit_code == 0, sent.output
    runs = harness.runs("sent.yaml")
    assert runs.figure() is not None
    for run_id in runs["run_id"]:
        assert harness.load_network(run_id).record.run_id == run_id
