"""Columns as tables have them: money, per cent, dates, text and gaps; and splits by a column or by
a day.
"""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from commands import refused
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.base.errors import HarnessError
from harness.cli import main
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment
from harness.spec.task import Task
from harness.study.starter import data_task, starter_text
from harness.tasks import TargetError, draw, keep_data, known_data, resolve
from harness.tasks.baselines import baselines
from harness.tasks.columns import (
    WRITINGS,
    Column,
    Suggestion,
    encoded,
    from_text,
    read_numbers,
    suggest,
    to_text,
)
from harness.tasks.table import Table, numbers, read_table
from harness.train import train_pack

ROWS = 300
PRICES = """
question: What is a price?
tasks:
  - target:
      data: t.csv
      output: y
      numbers: {y: currency, discount: percent}
      encode: {city: one_hot}
      missing: median
      leave_out: [id, sold, weight, agent, country]
arms: {kan: {architecture: {family: kan, hidden: [2], grid: 3}, recipe: short}}
recipes: {short: {optimizer: {name: lbfgs}, max_evaluations: 60}}
seeds: [0]
keep: networks
"""
MONEY = st.decimals(-(10**9), 10**9, places=2)


def learnt(folder: Path, rows: pd.DataFrame, **fields) -> Task:
    """The task of a table in the folder that learns y."""
    rows.to_csv(folder / "t.csv", index=False)
    return resolve(
        Task.model_validate({"target": {"data": "t.csv", "output": "y", **fields}}), folder
    )


def messy(seed: int = 0) -> pd.DataFrame:
    """A price in dollars of rows with gaps, cities, dates and columns that say nothing."""
    chance = np.random.default_rng(seed)
    area = chance.uniform(20, 200, ROWS).round(1)
    rows = pd.DataFrame(
        {
            "id": np.arange(ROWS),
            "area": area,
            "city": chance.choice(["Rome", "Oslo", "Bonn"], ROWS),
            "sold": [
                f"{dt.date(2020, 1, 1) + dt.timedelta(int(day))}"
                for day in chance.integers(0, 1000, ROWS)
            ],
            "discount": [f"{value}%" for value in chance.integers(0, 40, ROWS)],
            "weight": [f"{value:.1f}".replace(".", ",") for value in chance.uniform(1, 9, ROWS)],
            "agent": [f"agent {number}" for number in chance.integers(0, 100, ROWS)],
            "country": "EU",
            "y": [f"${1000 * value:,.0f}" for value in area],
        }
    )
    rows.loc[::10, "area"] = np.nan
    rows.loc[1::25, "city"] = None
    rows.loc[2::50, "y"] = None
    return rows


@given(st.lists(MONEY, min_size=1), st.sampled_from(["{}", "${}", "{} €", "USD {}", "-£{}"]))
def test_money_is_read_as_it_was_written(amounts, form):
    sign = -1 if form.startswith("-") else 1
    of_form = [abs(amount) if sign < 0 else amount for amount in amounts]
    expected = sign * np.array(of_form, float)
    point = pd.DataFrame({"a": [form.format(f"{amount:,.2f}") for amount in of_form]})
    comma = point.map(lambda text: text.translate(str.maketrans(",.", ".,")))
    assert np.array_equal(read_numbers(Table("t", point), "a", "currency"), expected)
    assert np.array_equal(read_numbers(Table("t", comma), "a", "decimal_comma"), expected)


@given(st.lists(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)), min_size=1))
def test_dates_are_days(moments):
    rows = pd.DataFrame({"a": [moment.isoformat() for moment in moments]})
    days = [(moment - dt.datetime(1970, 1, 1)) / dt.timedelta(days=1) for moment in moments]
    assert read_numbers(Table("t", rows), "a", "date") == pytest.approx(days, abs=1e-9)


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        ("currency", "25.966,50"),
        ("currency", "1,23"),
        ("currency", "many"),
        ("percent", "37"),
        ("decimal_comma", "1,234.5"),
        ("date", "31.1.2024"),
        ("date", "2024-02-30"),
    ],
)
def test_a_cell_that_is_written_otherwise_is_named(reading, text):
    rows = pd.DataFrame({"a": [WRITINGS[reading].example, None, text]})
    with pytest.raises(TargetError, match=r"column 'a'") as refused:
        read_numbers(Table("t.csv", rows), "a", reading)
    assert text in str(refused.value)


def test_a_gap_has_the_median_of_the_training_rows_and_an_input_that_says_so(tmp_path):
    rows = messy()
    task = learnt(tmp_path, rows, inputs=["area"], numbers={"y": "currency"}, missing="median")
    data = known_data(task)
    for seed in (0, 1):
        splits, trained = draw(task, seed), data.rows(seed)["train"][: task.train_points]
        fill, low, high = (
            function(data.x[trained, 0]) for function in (np.nanmedian, np.nanmin, np.nanmax)
        )
        is_gap = np.isnan(data.x[trained, 0])
        assert splits.train.x[is_gap, 0] == pytest.approx(2 * (fill - low) / (high - low) - 1)
        assert np.array_equal(splits.train.x[:, 1] == 1, is_gap)
    assert len(data.x) == ROWS - rows["y"].isna().sum()
    assert "y is learnt as a number (currency)" in data.notes[0]
    assert "y is learnt from area" in data.notes[1]


def test_what_an_rmse_of_1_is_in_the_unit_of_the_table(tmp_path):
    task = learnt(tmp_path, messy(), inputs=["area"], numbers={"y": "currency"}, missing="drop")
    data = known_data(task)
    trained = data.rows(0)["train"][: task.train_points]
    assert baselines(task, draw(task, 0)).deviation == pytest.approx(
        data.y[trained].std(), rel=1e-12
    )
    built_in = resolve(Task(target="diabetes"))
    assert baselines(built_in, draw(built_in, 0)).deviation is None


def test_rows_with_gaps_are_dropped_where_the_file_says_so(tmp_path):
    rows = messy()
    fields = {
        "inputs": ["area", "city"],
        "numbers": {"y": "currency"},
        "encode": {"city": "one_hot"},
    }
    task = learnt(tmp_path, rows, missing="drop", **fields)
    whole = rows.dropna(subset=["area", "city", "y"])
    assert np.array_equal(known_data(task).x[:, 0], whole["area"])
    with pytest.raises(
        TargetError,
        match=r"missing values in area \(30, first in line 2\), city .*`missing: median`",
    ):
        learnt(tmp_path, rows, **fields)


def test_a_category_that_training_lacks_is_0_in_all_of_its_inputs(tmp_path):
    numbers = np.arange(41.0)
    parts = ["train", "test"] + ["train"] * 38 + ["test"]
    rows = pd.DataFrame(
        {"a": ["x", "y"] * 20 + ["z"], "b": numbers, "y": numbers**2, "part": parts}
    )
    task = learnt(tmp_path, rows, split="part", encode={"a": "one_hot"})
    splits = draw(task, 0)
    assert splits.scaling.columns == ("a=x", "a=y", "a=z", "b")
    of_z = [
        -1,
        -1,
        0,
    ]  # the lower end of the inputs that vary in training, and 0 of the one that does not
    assert of_z in splits.test.x[:, :3].tolist()
    assert of_z not in splits.train.x[:, :3].tolist()
    columns = from_text(splits.scaling.encoding)
    assert encoded(Table("t", pd.DataFrame({"a": ["new"], "b": [1]})), columns, "").tolist() == [
        [0, 0, 0, 1]
    ]
    assert from_text(to_text([Column("b", "date", (), True)])) == [Column("b", "date", (), True)]


def test_a_number_is_one_category_in_tables_with_gaps_and_without(tmp_path):
    rows = pd.DataFrame({"a": [1, 2] * 10, "b": np.arange(20.0), "y": np.arange(20.0)})
    rows.to_csv(tmp_path / "test.csv", index=False)
    with_gap = rows.assign(a=rows["a"].where(rows["b"] > 0))
    task = learnt(tmp_path, with_gap, test="test.csv", encode={"a": "one_hot"}, missing="median")
    data = known_data(task)
    assert data.columns == ("a=1.0", "a=2.0", "a=(missing)", "b")
    assert data.x[:2, :3].tolist() == [[0, 0, 1], [0, 1, 0]]
    assert data.x[20:22, :3].tolist() == [[1, 0, 0], [0, 1, 0]]
    new = Table("t", pd.DataFrame({"a": [2], "b": [5.0]}))
    assert encoded(new, from_text(data.encoding), "").tolist() == [[0, 1, 0, 5]]


def test_infinity_is_no_number_in_a_column_of_text_either():
    table = Table("t", pd.DataFrame({"a": ["1", "2", "inf"]}))
    assert "first 'inf'" in refused(numbers, table, "a", "")


def test_true_and_false_beside_gaps_are_1_and_0(tmp_path):
    yes = [None, *([True, False] * 10)][:20]
    table = pd.DataFrame({"a": yes, "b": np.arange(20.0), "y": np.arange(20.0)})
    task = learnt(tmp_path, table, missing="median")
    assert known_data(task).x[1:5, 0].tolist() == [1, 0, 1, 0]


def test_a_trained_network_predicts_rows_as_they_are_written(here):
    messy().to_csv("t.csv", index=False)
    Path("t.yaml").write_text(PRICES)
    (planned,) = make_plan(parse_experiment(PRICES), "t", here).runs
    keep_data([planned.run.task], Path("results", "data"))
    (record,) = train_pack(
        [planned.run], Path("results", "runs"), networks=Path("results", "networks")
    )
    network = harness.load_network(record.run_id)
    splits = draw(planned.run.task, 0)

    rows = messy().dropna(subset="y").reset_index(drop=True)
    tested = rows.loc[known_data(planned.run.task).rows(0)["test"][: len(splits.test.x)]]
    errors = network.predict(tested) - tested["y"].str.replace(r"[$,]", "", regex=True).astype(
        float
    )
    assert np.sqrt((errors**2).mean()) == pytest.approx(
        record.metrics.test_rmse * splits.scaling.scale
    )
    assert np.isfinite(network.predict(rows.assign(city="Paris", area=np.nan))).all()
    with pytest.raises(
        TargetError,
        match=r"column 'discount' is 'much' at index 0, which is not written as percent",
    ):
        network.predict(rows.assign(discount="much"))


def test_rows_of_one_patient_go_into_one_split_together(tmp_path):
    chance = np.random.default_rng(0)
    patients = chance.integers(0, 40, ROWS)
    rows = pd.DataFrame(
        {"a": chance.normal(size=ROWS), "patient": patients, "y": chance.normal(size=ROWS)}
    )
    task = learnt(tmp_path, rows, split={"by": "patient"})
    data = known_data(task)
    assert data.columns == ("a",)
    tested = []
    for seed in range(3):
        of_split = {name: set(patients[rows]) for name, rows in data.rows(seed).items()}
        assert sum(map(len, of_split.values())) == len(set.union(*of_split.values()))
        assert len(draw(task, seed).train.x) == task.train_points
        tested.append(frozenset(of_split["test"]))
    assert len(set(tested)) == 3
    left_out = ROWS - task.train_points - task.validation_points - task.test_points
    assert "in one split (" in data.notes[0]
    assert (
        f"each seed leaves out {left_out} of 300 rows, as rows of one patient stay together"
        in data.notes[-1]
    )


def test_rows_after_a_day_are_for_testing(tmp_path):
    rows = messy()
    rows["y"] = np.arange(ROWS)
    fields = {"inputs": ["id"], "numbers": {"sold": "date"}}
    text = PRICES.replace(
        "leave_out: [id, sold, weight, agent, country]",
        "split: {after: 2022-01-01, column: sold}\n      leave_out: [weight]",
    )
    assert parse_experiment(text).tasks[0].target.split.after == dt.date(2022, 1, 1)
    with pytest.raises(
        HarnessError, match=r"split.after.*a day is expected; write it as 2024-01-01"
    ):
        parse_experiment(text.replace("2022-01-01", "soon"))
    task = learnt(tmp_path, rows, split={"after": "2022-01-01"}, **fields)
    for seed in range(2):
        assert set(rows.loc[known_data(task).rows(seed)["test"], "sold"]) == set(
            rows.query("sold > '2022-01-01'")["sold"]
        )
    assert "of which those with sold after 2022-01-01 are for testing" in known_data(task).notes[0]
    with_hours = rows.assign(sold=rows["sold"] + "T12:00")
    assert (
        learnt(tmp_path, with_hours, split={"after": "2022-01-01"}, **fields).test_points
        == task.test_points
    )
    with pytest.raises(TargetError, match="no rows are later than 2030-01-01; choose another day"):
        learnt(tmp_path, rows, split={"after": "2030-01-01"}, **fields)


def test_a_messy_table_has_a_first_file_that_says_all_that_was_chosen(here):
    messy().to_csv("houses.csv", index=False)
    written = CliRunner().invoke(main, ["new", "prices", "--data", "houses.csv", "--target", "y"])
    assert written.exit_code == 0, written.output
    (task,) = parse_experiment(Path("prices.yaml").read_text(), "prices.yaml").tasks
    assert task.target.model_dump(exclude_defaults=True, exclude={"data", "output"}) == {
        "leave_out": ("id", "agent", "country"),
        "numbers": {
            "y": "currency",
            "sold": "date",
            "discount": "percent",
            "weight": "decimal_comma",
        },
        "encode": {"city": "one_hot"},
        "missing": "median",
    }
    assert "left out: id, which has another value in every row" in written.output
    assert (
        "y is learnt from area, city (one_hot), sold (date), discount (percent), weight "
        "(decimal_comma)"
    ) in written.output


def test_codes_are_no_money():
    rows = pd.DataFrame(
        {"seller": [f"S{number % 9}" for number in range(40)], "price": ["25 €", "3.5 EUR"] * 20}
    )
    assert suggest(Table("t", rows), "seller") == Suggestion(one_hot=True)
    assert suggest(Table("t", rows), "price") == Suggestion(reading="currency")


def test_a_table_of_semicolons_is_read_and_one_odd_cell_is_named(tmp_path):
    """As programs write it where the comma is decimal; a dash among percents does not make them
    text.
    """
    rows = pd.DataFrame(
        {
            "area": [f"{30 + number},5" for number in range(40)],
            "share": [*(["37%", "4%"] * 19), "-", ""],
        }
    )
    rows.to_csv(tmp_path / "t.csv", index=False, sep=";")
    table = read_table("t", tmp_path / "t.csv")
    assert suggest(table, "area") == Suggestion(reading="decimal_comma")
    assert table.place(38) == "in line 40"
    rows["share"] = [f"{number}%" for number in range(39)] + ["-"]
    assert suggest(Table("t", rows), "share").left_out.startswith(
        "which is percent, but for cells such as '-'"
    )


def test_the_first_file_of_a_clean_table_says_no_more_than_it_needs(tmp_path):
    chance = np.random.default_rng(0)
    pd.DataFrame(chance.normal(size=(ROWS, 3)), columns=["a", "b", "y"]).to_csv(tmp_path / "t.csv")
    text = starter_text("t", data_task(tmp_path / "t.csv", "y", False, tmp_path), tmp_path)
    (task,) = parse_experiment(text, "t.yaml").tasks
    assert task.target.leave_out == ("Unnamed: 0",)
    assert task.target.model_dump().keys().isdisjoint({"numbers", "encode", "missing"})
