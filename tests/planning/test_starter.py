"""`harness new` writes a file that can answer: five sizes over a decade, a small search of all
sides, and a rule.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke, said

from harness.planning.plan import planned_flops
from harness.planning.warnings import warnings_of
from harness.spec.read import read_experiment
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from harness.study.starter import FLOPS_OF_ALL

ROOT = Path(__file__).parents[2]
CODE = '''
import numpy as np
from torch import nn


def ridge(x):
    """tanh(3 x0 x1)"""
    return np.tanh(3 * x[:, 0] * x[:, 1])


class Net(nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, outputs))

    def forward(self, x):
        return self.layers(x)


class KAN(Net):
    pass
'''


@pytest.fixture
def folder(here, monkeypatch):
    (here / "starter_code.py").write_text(CODE, encoding="utf-8")
    chance = np.random.default_rng(0)
    rows = pd.DataFrame(chance.normal(size=(4000, 3)), columns=["a", "b", "the c"])
    rows["word"], rows["hole"], rows["same"] = "x", np.nan, 1
    rows["y"] = rows["a"] * rows["b"] + 0.1 * chance.normal(size=4000)
    rows["digit"] = (rows["a"] > 0) * 2 + (rows["b"] > 0)
    rows.to_csv(here / "t.csv")
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "starter_code", raising=False)
    return here


new = partial(invoke, "new")


NET, LATER = "--module starter_code:Net", pytest.mark.nightly
WRITTEN = [  # options, what stands in the file, and the inputs and outputs of the task
    (
        "--function starter_code:ridge",
        "inputs: 2|levenberg_marquardt|compare: [[kan, mlp], [kan, spline_mlp], ",
        2,
        1,
    ),
    (
        "--data t.csv --target y",
        "- word # which is constant|- hole # which is empty|early_stopping: true",
        4,
        1,
    ),
    ("--data t.csv --target digit --classes", "classes: true|{name: lbfgs}", 4, 4),
    pytest.param(
        NET, "size: width|solve: {net: width, kan: width}|sides: [net, kan]", 2, 1, marks=LATER
    ),
    pytest.param(
        f"{NET} --against mlp", "sides: [net, mlp]|better, Net or the MLP?", 2, 1, marks=LATER
    ),
    pytest.param(
        "--module starter_code:KAN", "sides: [my_kan, kan]|my KAN or the KAN?", 2, 1, marks=LATER
    ),
]


@pytest.mark.parametrize(("options", "parts", "inputs", "outputs"), WRITTEN)
def test_what_is_written_can_answer(folder, options, parts, inputs, outputs):
    """Every cell is feasible and nothing is warned of; five sizes over a decade, in minutes of
    training.
    """
    written = new("first", *options.split())
    assert written.exit_code == 0, written.output
    text = (folder / "first.yaml").read_text(encoding="utf-8")
    plan = plan_of(StudyFile(folder / "first.yaml"))
    experiment = plan.experiment

    assert [words for words in parts.split("|") if words not in text] == []
    assert experiment.search.early_stopping
    if options.endswith("--target y"):
        assert {planned.run.task.train_points for planned in plan.runs} == {2400}
        assert "y is learnt from a, b, the c, digit\n" in written.output
        assert "\nleft out: word, which" in written.output
    assert max(map(len, text.splitlines())) <= 120
    assert [warning.sentence for warning in warnings_of(plan)] == []
    assert [cell.infeasible for cell in plan.cells if cell.infeasible] == []
    budgets = experiment.match.at
    assert len(budgets) == 5
    assert budgets[-1] / budgets[0] == pytest.approx(10, rel=0.15)
    assert (experiment.search.runs, experiment.search.replicates) == (8, 8)
    assert experiment.sides == tuple((arm,) for arm in experiment.arms)
    assert {planned.run.task.inputs for planned in plan.runs} == {inputs}
    assert {planned.run.task.outputs for planned in plan.runs} == {outputs}
    work = sum(planned_flops(planned.run)["flops_train.local_min"] for planned in plan.runs)
    assert work < 2 * FLOPS_OF_ALL


def test_names_of_columns_stay_text(folder):
    names = [
        "Null",
        "NULL",
        "True",
        "~",
        "1",
        "1e3",
        "net # usd",
        "price: usd",
        "a, b",
        "[a",
        "- a",
        "| x",
        "'",
        "é\n",
    ]
    chance = np.random.default_rng(0)
    rows = pd.DataFrame(chance.normal(size=(60, len(names))), columns=names)
    rows.assign(**{"left\nout": "x"}).to_csv(folder / "odd.csv", index=False)
    for number, target in enumerate(("price: usd", "net # usd", "NULL")):
        written = new(f"odd{number}", "--data", "odd.csv", "--target", target)
        assert written.exit_code == 0, written.output
        experiment = read_experiment(folder / f"odd{number}.yaml")
        (task,) = experiment.tasks
        assert task.target.output == target
        assert task.target.leave_out == ("left\nout",)
        assert experiment.question == f"Which learns {target} better, the KAN or the MLP?"


def test_a_shipped_experiment_is_copied_under_another_name(folder):
    assert new("mine", "--from", "quickstart").exit_code == 0
    assert read_experiment(folder / "mine.yaml") == read_experiment(
        ROOT / "experiments" / "quickstart.yaml"
    )


def test_no_file_is_overwritten_and_no_part_of_one_is_written(folder):
    (folder / "mine.yaml").write_text("precious", encoding="utf-8")
    (folder / "empty.csv").write_text("a,y\n", encoding="utf-8")
    there = new("mine", "--from", "quickstart")
    kept = new("data", "--from", "quickstart")

    assert "nodir/x.yaml: nodir is no folder; make it" in said("new", "nodir/x", exit_code=2)
    assert "cannot be called '.yaml'" in said("new", ".", exit_code=2)
    assert kept.exit_code == 2
    assert "results/data is kept for something else; give the file another name" in kept.output
    assert not (folder / "data.yaml").exists()
    assert there.exit_code == 2
    assert "mine.yaml is there already, and is not overwritten; choose another NAME" in there.output
    assert (folder / "mine.yaml").read_text(encoding="utf-8") == "precious"
    for options, wrong in (
        (("--from", "quickstrat"), "did you mean 'quickstart'"),
        ((), "say what to write: --function, --data with --target"),
        (("--data", "t.csv"), "say which column is learnt, --target COLUMN"),
        (("--data", "t.csv", "--target", "z"), "t.csv has no column 'z'"),
        (
            ("--data", "t.csv", "--target", "y", "--function", "starter_code:ridge"),
            "one of them is learnt",
        ),
        (("--function", "starter_code:ridge", "--target", "y"), "--target goes with --data"),
        (("--function", "starter_code:rigde"), "did you mean 'ridge'"),
        (("--function", "exp2d"), "error: function exp2d: write package.module:name"),
        (
            ("--function", "starter_code:ridge", "--inputs", "300000"),
            "300000 is not in the range 1<=x<=1000",
        ),
        (
            ("--data", "nope.csv", "--target", "y"),
            "--data nope.csv: No such file or directory; give a path",
        ),
        (("--data", "empty.csv", "--target", "y"), "--data empty.csv has no rows; add some"),
        (
            ("--module", "starter_code:ridge"),
            "give a class whose constructor takes inputs, outputs",
        ),
    ):
        refused = new("other", *options)
        assert refused.exit_code == 2, options
        assert wrong in refused.output
        assert not (folder / "other.yaml").exists()


def test_columns_that_cannot_be_inputs_are_left_out_with_the_reason(folder):
    numbers = pd.DataFrame({"b": range(40), "y": range(0, 80, 2)})
    a, c = (
        [wrong.get(row, row) for row in range(40)]
        for wrong in ({39: "#REF!"}, {3: "none yet", 9: "?"})
    )
    numbers.assign(a=a, c=c).to_csv("wrong.csv", index=False)
    numbers.assign(lists=[[1.0] * 40] * 40).to_parquet("lists.parquet")
    for table, reasons in {
        "wrong.csv": [
            "a, in which 1 of 40 cells is no number: '#REF!' in line 41\n",
            "c, in which 2 of 40 cells are no numbers, such as 'none yet' in line 5\n",
        ],
        "lists.parquet": ["lists, which holds object such as"],
    }.items():
        written, file = new(table, "--data", table, "--target", "y"), folder / f"{table}.yaml"
        for reason in reasons:
            assert f"left out: {reason}" in written.output
            name, why = reason.split(", ", 1)
            assert f"- {name} # {why}" in file.read_text(encoding="utf-8")


def test_what_a_table_hides_is_said_before_anything_trains(folder):
    """One price in a hundred is 15 times too high; 4 % of the rows are a class; a row stands
    twice.
    """
    chance = np.random.default_rng(1)
    prices = pd.DataFrame(
        {"a": chance.normal(size=600), "price": np.exp(chance.normal(12, 0.3, 600))}
    )
    prices.loc[:5, "price"] *= 15
    prices["is_yes"] = np.where(np.arange(600) < 24, "yes", "no")
    pd.concat([prices, prices[:7]]).to_csv("prices.csv", index=False)
    tail, rare = (
        new(name, "--data", "prices.csv", "--target", name).output for name in ("price", "is_yes")
    )
    assert "heavy tail: 1 % of the rows own " in tail
    assert "repeated: 7 of 607 rows are copies" in tail
    assert "rare: 0.051 of the rows are yes" in rare
    assert "heavy tail" not in new("plain", "--data", "t.csv", "--target", "y").output


def test_a_target_that_hardly_varies_is_refused(folder):
    """All rows that a seed trains on may have one value: no file is written that `validate` would
    refuse.
    """
    pd.DataFrame({"a": range(8), "y": [1.5] + [0.5] * 7}).to_csv("rare.csv", index=False)
    refused = new("rare", "--data", "rare.csv", "--target", "y")
    assert refused.exit_code == 2
    assert "target rare.csv: its 6 training targets are all equal under seed" in refused.output
    assert not (folder / "rare.yaml").exists()


def test_of_a_target_of_text_or_dates_it_says_what_that_is(folder):
    notes = [f"note {row // 2}" for row in range(60)]
    days = pd.date_range("2022-10-01", periods=60).strftime("%Y-%m-%d")
    pd.DataFrame({"a": np.arange(60.0), "note": notes, "sold": days}).to_csv(
        "sales.csv", index=False
    )
    of_text = said("new", "text", "--data", "sales.csv", "--target", "note", exit_code=2)
    assert "learn another column if it is free text" in of_text
    assert "classes: false" not in of_text
    of_dates = said("new", "dates", "--data", "sales.csv", "--target", "sold")
    assert "sold is a date: its days since 1970-01-01 are learnt" in of_dates
    of_numbers = said(
        "new", "numbers", "--data", "sales.csv", "--target", "a", "--classes", exit_code=2
    )
    assert "say `classes: false` if these are numbers" in of_numbers
