"""Python as its users type it: a table in memory, a dict for a file, laws of anybody's table, the
best network.
"""

import io

import numpy as np
import pandas as pd
import pytest
from commands import json_of, refused
from rich.console import Console

import harness
from harness.base.errors import HarnessError
from harness.show import console

FIELDS = {
    "question": "Which is better?",
    "tasks": ["exp2d"],
    "arms": {
        "kan": {"architecture": {"family": "kan", "hidden": [2], "grid": 3}, "recipe": "short"},
        "mlp": {"architecture": {"family": "mlp", "hidden": [6]}, "recipe": "short"},
    },
    "recipes": {"short": {"optimizer": {"name": "lbfgs"}, "max_evaluations": 20}},
    "seeds": range(3),
    "keep": "networks",
}
OPTIONS = ("--x", "params", "--y", "rmse", "--by", "arm", "--seed", "seed")
SIZES = (10, 30, 100, 300, 1000, 3000)


def prices(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    area = random.uniform(20, 200, rows).round(1)
    return pd.DataFrame(
        {
            "area": area,
            "city": random.choice(["Rome", "Oslo"], rows),
            "price": [f"${a:,.0f}" for a in 900 * area],
        }
    )


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    study = harness.read(FIELDS, results=results, name="mine")
    assert study.folder == results / "mine"
    return harness.run(study, workers=1)


def runs() -> pd.DataFrame:
    random, rows = np.random.default_rng(0), []
    for arm, exponent in (("slow", 0.5), ("fast", 0.8)):
        for size in SIZES:
            rows += [
                (arm, size, seed, size**-exponent * np.exp(0.02 * random.normal()))
                for seed in range(3)
            ]
    return pd.DataFrame(rows, columns=["arm", "params", "seed", "rmse"])


def test_a_table_in_memory_has_a_file_with_its_rows_beside_it(tmp_path):
    first = harness.new(tmp_path / "prices", data=prices(), target="price")
    again = harness.new(tmp_path / "prices", data=prices(), target="price")
    assert first.experiment == again.experiment
    (target,) = {task.target for task in first.experiment.tasks}
    assert (target.numbers, target.encode) == ({"price": "currency"}, {"city": "one_hot"})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / target.data), prices())
    assert {path.suffix for path in tmp_path.iterdir()} == {".yaml", ".parquet"}
    with pytest.raises(HarnessError, match=r"prices.yaml is there already, and is not overwritten"):
        harness.new(tmp_path / "prices", data=prices(), target="area")
    assert "has no column 'cost'" in refused(
        harness.new, tmp_path / "other", data=prices(20), target="cost"
    )
    assert len(list(tmp_path.iterdir())) == 2  # of what failed nothing is left


def test_mistakes_in_a_dict_are_named(tmp_path):
    with pytest.raises(HarnessError, match=r"mine.yaml:1: arm: unknown field; did you mean 'arms'"):
        harness.read({**FIELDS, "arm": {}}, name="mine")


def test_the_headline_pair_needs_no_names_and_the_best_network_is_that_of_validation(answer):
    of_pair = harness.compare(answer.report.parent, "kan", "mlp")
    assert harness.compare(answer.report.parent).sentences == of_pair.sentences
    best = answer.runs.query("arm == 'kan'").sort_values("val_loss").iloc[0]
    network = answer.best("kan")
    assert network.record.run_id == best["run_id"]
    assert np.isfinite(network.predict([[0.1, 0.2]])).all()
    assert "'kn' is no arm with trained runs; did you mean 'kan'" in refused(answer.best, "kn")
    sizes = ["arm", "params.trainable"]
    assert answer.runs.groupby(sizes).test_loss.median().index.names == sizes


def test_laws_of_a_data_frame_are_those_of_the_command(tmp_path):
    laws = harness.fit(runs(), x="params", y="rmse", by="arm", seed="seed")
    runs().to_csv(tmp_path / "t.csv", index=False)
    told = json_of("fit", tmp_path / "t.csv", *OPTIONS)
    assert laws.table["arm"].tolist() == [law["series"] for law in told["laws"]]
    exponents = [law["fits"][laws.table["law"][0]]["alpha"] for law in told["laws"]]
    assert laws.table["exponent"].tolist() == pytest.approx(exponents, rel=1e-12)
    assert laws.sentences[0].startswith("slow by params: 0.5")
    assert sorted(laws.table["exponent"]) == pytest.approx([0.5, 0.8], abs=0.02)
    assert laws.figure() is not None
    for wrong, said_of_it in (
        (
            {},
            r"`x` and `y`: name the column of sizes and that of losses \(arm, params, seed, rmse\)",
        ),
        (
            {"x": "param", "y": "rmse"},
            "`x` 'param' is no column of the file; did you mean 'params'",
        ),
        ({"x": "params", "y": "rmse", "bi": "arm"}, "`bi` is no argument"),
    ):
        with pytest.raises(HarnessError, match=said_of_it):
            harness.fit(runs(), **wrong)


@pytest.mark.parametrize("form", [{"and_": "D"}, {"isoflop": "D"}, {"frontier": 0.5}])
def test_other_forms_of_a_data_frame_are_those_of_the_command(tmp_path, form):
    ((name, value),) = form.items()
    grid = runs().assign(
        D=lambda table: 100.0 * (table["seed"] + 1),
        rmse=lambda table: table["rmse"] + 3 / table["D"],
    )
    forms = harness.fit(grid, "params", "rmse", by="arm", **form)
    grid.to_csv(tmp_path / "t.csv", index=False)
    asked = ("--x", "params", "--y", "rmse", "--by", "arm", f"--{name.strip('_')}", str(value))
    told = json_of("fit", tmp_path / "t.csv", *asked)["results"]
    assert list(forms.answer.results) == list(told)
    for series, law in told.items():
        mine = forms.answer.results[series]
        assert [refusal.code for refusal in mine.refusals] == [
            refusal["code"] for refusal in law["refusals"]
        ], series
    assert forms.table.iloc[:, 0].notna().all()
    assert "ask for one at a time" in refused(
        harness.fit, grid, "params", "rmse", and_="D", frontier=0.5
    )


def test_arms_of_a_data_frame_are_compared_by_their_laws():
    compared = harness.compare(runs(), "slow", "fast", x="params", y="rmse", by="arm", seed="seed")
    largest = compared.table.iloc[-1]
    assert (largest["axis"], largest["size"]) == ("params", SIZES[-1])
    needs = SIZES[-1] ** (0.5 / 0.8 - 1)
    assert largest["multiplier"] == pytest.approx(needs, rel=0.1)
    assert largest["low"] < largest["multiplier"] < largest["high"] < 1
    assert compared.figure() is not None
    assert "name two arms of the table" in refused(
        harness.compare, runs(), x="params", y="rmse", by="arm"
    )


def test_laws_of_an_experiment_need_no_columns(answer):
    laws = harness.fit(answer.report.parent)
    assert set(laws.table["arm"]) == {"kan", "mlp"}
    assert laws.table["refused"].notna().all()  # of one size
    assert "an experiment knows its losses and arms" in refused(
        harness.fit, answer.report.parent, y="rmse"
    )


def test_a_notebook_shows_a_bar_that_is_written_again(monkeypatch, tmp_path):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    monkeypatch.setattr("IPython.display.display", lambda *given, **named: Handle())
    monkeypatch.setattr(console, "console", Console(file=io.StringIO(), force_jupyter=True))
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)
    harness.run(harness.read(FIELDS, results=tmp_path, name="mine"), workers=1)
    training = [data["text/html"] for data in shown if "runs)" in data["text/plain"]]
    assert training[-1].startswith('<progress value="1.0000" max="1">')
    assert "100% (6/6 runs)" in training[-1]
