"""`keep: networks`: what is loaded gives the errors that its record says, and nothing else
changes.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import refused, said

import harness
from harness import nn
from harness.planning.plan import make_plan
from harness.record.networks import network_path
from harness.spec.read import experiment_schema, parse_experiment
from harness.tasks import draw, keep_data, keeping
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
    "mlp with features": (
        BOX,
        "architecture: {family: mlp, hidden: [5], features: 3}",
        ADAM,
        SHORT,
        "engine: torch",
    ),
    "restarts and coarse grids": (
        *(BOX, KAN, LBFGS),
        "max_evaluations: 30, restarts: {count: 2, evaluations: 4}, grid_extension: {grids: [3], "
        "evaluations: 8}, "
        "grid_updates: {every: 4, until: 8}",
        "engine: torch",
    ),
    "phases": ("five_peaks", KAN, ADAM, f"{SHORT}, phases: 2", ""),
    "pruned": (
        "exp2d",
        "architecture: {family: kan, hidden: [3], grid: 3}",
        LBFGS,
        "max_evaluations: 60, sparsity: {strength: 0.01, evaluations: 30}",
        "engine: torch",
    ),
    "classes": ("wine", "architecture: {family: mlp, hidden: [5]}", ADAM, SHORT, "engine: torch"),
    "data": ("diabetes", KAN, ADAM, SHORT, "engine: torch"),
    "own module": (
        BOX,
        "module: own_of_load:Own, size: width, sizes: {width: [4]}",
        ADAM,
        SHORT,
        "engine: torch",
    ),
    "float32": (BOX, KAN, ADAM, SHORT, "engine: torch\ndtype: float32"),
}


PLAIN = CASES["float32"][:4]
KEPT = "engine: torch\nkeep: networks"


def text(task, arm, optimizer, recipe, more) -> str:
    return FILE.format(task=task, arm=arm, optimizer=optimizer, recipe=recipe, more=more)


def planned(*case):
    return make_plan(parse_experiment(text(*case)), "kept")


@pytest.mark.parametrize("case", CASES)
def test_what_is_loaded_has_the_errors_of_its_record(case, here):
    (here / "own_of_load.py").write_text(OWN)
    plan = planned(*CASES[case])
    runs = [one.run for one in plan.runs]
    plain = train_pack(runs, here / "plain")
    records = train_pack(runs, here / "results" / "runs", networks=here / "results" / "networks")
    for record, same in zip(records, plain, strict=True):
        assert record.metrics == same.metrics  # to keep a network changes no number
        module = harness.load_network(record.run_id)
        assert isinstance(module, nn.TrainedNetwork)
        splits = draw(record.run.task, record.run.seed)
        x, y = splits.test.x, splits.test.y
        dtype = getattr(torch, record.run.dtype)
        if (
            scaling := splits.scaling
        ):  # back to the columns of the table, and the unit of its output
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
            assert (outputs - wanted).square().mean().sqrt().item() == pytest.approx(
                record.metrics.test_rmse, rel=rel
            )
    if case == "own module":
        assert type(module.module).__name__ == "Own"
    if case == "pruned":
        assert module.module.network == record.pruned.network


TABLE = """
question: Does a network know the columns of its table?
tasks: {{target: {{data: tide.csv, inputs: [hours, weekend, day], output: {output}}}}}
arms: {{kan: {{architecture: {{family: kan, hidden: [2], grid: 3}}, recipe: short}}}}
recipes: {{short: {{optimizer: {{name: lbfgs}}, max_evaluations: 60}}}}
seeds: [0]
keep: networks
"""


def tide() -> pd.DataFrame:
    """Numbers and truth values to learn from; a number, text, whole numbers and truth values to
    learn.
    """
    chance = np.random.default_rng(0)
    hours, weekend, day = (
        chance.uniform(0, 24, 200),
        chance.integers(0, 2, 200) > 0,
        chance.integers(0, 30, 200),
    )
    metres = hours / 10 + 3 * weekend + day / 10
    kind, level = np.where(metres > 4, "high", "low"), (metres > 3).astype(int) + (metres > 5)
    inputs = {"hours": hours, "note": "x", "weekend": weekend, "day": day}
    return pd.DataFrame(
        {**inputs, "metres": metres, "kind": kind, "level": level, "up": metres > 4}
    )


def trained(output: str) -> nn.TrainedNetwork:
    """The network of the only run, trained from the rows that are kept, as another process does."""
    run = make_plan(parse_experiment(TABLE.format(output=output)), "tide").runs[0].run
    results = Path("results")
    keep_data([run.task], results / "data")
    keeping._KNOWN.clear()
    (record,) = train_pack([run], results / "runs", networks=results / "networks")
    return harness.load_network(record.run_id)


def test_a_table_goes_in_by_the_names_of_its_columns(here):
    table = tide()
    table.to_csv("tide.csv", index=False)
    network, in_order = trained("metres"), ["hours", "weekend", "day"]
    wanted = network(torch.tensor(table[in_order].to_numpy(np.float64)))

    assert network.columns == tuple(in_order)
    assert "takes 3 columns in the order hours, weekend, day; predicts a number" in repr(network)
    assert np.abs(network.predict(table) - table["metres"]).max() < 0.3
    objects = table[in_order].to_numpy()
    assert objects.dtype == object
    one_row = table.iloc[7].to_frame().T
    for given in (table, table[["day", "metres", "weekend", "hours"]], objects, objects.tolist()):
        assert torch.equal(network(given), wanted)
    torch.testing.assert_close(network(one_row), wanted[7:8])
    assert network.float()(table).dtype == torch.float32
    assert network(torch.zeros(4, 3, dtype=torch.int64)).shape == (4, 1)

    odd = table.head(8).assign(day=[1, 2, 3, 4, 5, 6, 7, np.inf])
    unfit = [
        (table[["day"]], "no column hours, weekend; it needs hours, weekend, day, in any order"),
        (
            objects[:, :2],
            r"takes 3 columns in the order hours, weekend, day; this has shape \[200, 2\]",
        ),
        (torch.zeros(5, 1), r"in the order hours, weekend, day; this has shape \[5, 1\]"),
        (table.iloc[0], "takes a pandas DataFrame .*this is of type Series"),
        (table.assign(day="noon"), "column 'day' holds text, such as 'noon'; write it as it was"),
        (table.assign(day=None), "missing values in day .200, first at index 0.; fill them"),
        (odd, "column 'day' is inf at index 7"),
        (pd.concat([table, table[["day"]]], axis=1), "two columns 'day'; keep one"),
    ]
    for given, words in unfit:
        with pytest.raises(harness.HarnessError, match=words):
            network(given)
    assert "predicts a number, and no class: call predict" in refused(network.predict_proba, table)


def test_classes_are_predicted_as_the_table_calls_them(here):
    table = tide()
    table.to_csv("tide.csv", index=False)
    for output, kind in (("kind", "U"), ("level, classes: true", "i"), ("up", "b")):
        network = trained(output)
        predicted, probabilities = network.predict(table), network.predict_proba(table)
        assert predicted.dtype.kind == kind
        assert (predicted == table[output.partition(",")[0]]).mean() > 0.8
        assert network.classes.tolist() == sorted(set(predicted.tolist()))
        np.testing.assert_allclose(probabilities.sum(1), 1)
        np.testing.assert_array_equal(network.classes[probabilities.argmax(1)], predicted)


def test_without_names_of_columns_only_arrays_are_taken(here):
    for case, inputs in (("kan, torch", 2), ("classes", 13)):
        run = planned(*CASES[case]).runs[0].run
        (record,) = train_pack(
            [run], here / "results" / "runs", networks=here / "results" / "networks"
        )
        network = harness.load_network(record.run_id)
        assert network.columns == ()
        assert f"takes {inputs} columns; predicts" in repr(network)
        assert len(network.predict(np.zeros((4, inputs)))) == 4
        with pytest.raises(
            harness.HarnessError, match=f"no names of columns: give an array .* {inputs} columns"
        ):
            network(pd.DataFrame(np.zeros((4, inputs))))
    assert network.classes.tolist() == [0, 1, 2]


def test_a_file_says_it_and_the_ids_of_runs_stay(here):
    case = (*PLAIN, "engine: torch")
    assert planned(*PLAIN, KEPT).run_ids() == planned(*case).run_ids()
    assert "keep" not in planned(*case).experiment.model_dump(mode="json")
    assert "networks" in str(experiment_schema()["properties"]["keep"])
    with pytest.raises(harness.HarnessError, match=r"keep.*networks"):
        planned(*PLAIN, "keep: weights")
    runs, results = [one.run for one in planned(*PLAIN, KEPT).runs], here / "results"
    records = train_pack(runs, results / "runs", networks=results / "networks")
    first, second = (record.run_id for record in records)
    module = harness.load_network(first)
    assert torch.isfinite(module(torch.zeros(3, 2, dtype=torch.float64))).all()
    network_path(here / "results" / "networks", first).write_bytes(b"PK no archive")
    network_path(here / "results" / "networks", second).unlink()
    wrong = {
        first: "is damaged",
        second: "or its record was merged from another",
        "0123456789abcdef": "no record in",
    }
    for run_id, words in wrong.items():
        with pytest.raises(harness.HarnessError, match=words):
            harness.load_network(run_id)


def test_runs_that_have_records_are_told_of(here):
    train_pack(
        [one.run for one in planned(*PLAIN, "engine: torch").runs], here / "results" / "runs"
    )
    (here / "later.yaml").write_text(text(*PLAIN, KEPT))
    ran = said("run", "later.yaml", "--workers", "1")
    assert "2 runs have records already, so no network of theirs is kept" in ran


@pytest.mark.nightly
def test_jobs_keep_networks_too(here):
    (here / "sent.yaml").write_text(text(*PLAIN, KEPT))
    said("submit", "sent.yaml", "--local", "1", "--yes")
    runs = harness.runs("sent.yaml")
    assert runs.figure() is not None
    for run_id in runs["run_id"]:
        assert harness.load_network(run_id).record.run_id == run_id
