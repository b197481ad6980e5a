"""The published tables: all there, each row told from where, counted as the paper counts, and
`harness reference`.
"""

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from commands import invoke
from reading import counts_of, ids

from harness.paper.reference import CONFIDENCE, corrected, load, names
from harness.tasks import load_target

ROOT = Path(__file__).parents[2]
SOURCED = [name for name in names() if name != "sources"]
LINKED = [name for name in SOURCED if name != "errata"]


def test_every_table_is_in_the_package_and_every_file_is_a_table():
    there = {
        entry.name
        for entry in files("harness.paper.reference").iterdir()
        if entry.name.endswith(".csv")
    }
    assert there == {f"{name}.csv" for name in ("tables", *names())}


@pytest.mark.parametrize("name", SOURCED)
def test_every_row_says_where_it_is_from_and_how_it_is_known(name):
    table = load(name)
    assert set(table["source"]) <= set(load("sources")["source"])
    assert set(table["confidence"]) <= set(CONFIDENCE)
    assert not table.duplicated().any()


def test_nothing_is_said_for_nobody():
    assert set(load("sources")["source"]) == set().union(
        *(load(name)["source"] for name in SOURCED)
    )
    assert set(load("errata")["erratum"]) == set().union(*(ids(load(name)) for name in LINKED))


@pytest.mark.parametrize("name", names())
def test_cells_are_typed(name):
    table = load(name)
    for column in table:
        cells = table[column].dropna()
        if column.endswith("shape"):
            assert cells.str.fullmatch(r"\[\d+(,\d+)+\]").all(), column
        elif re.search(r"rmse|_squared$|median_square$", column):
            assert table[column].dtype == float, column
            assert (cells > 0).all(), column
        elif column.startswith("params.") or column in ("grid", "depth", "width", "panel", "step"):
            assert table[column].dtype == "Int64", column


def test_the_numbers_are_those_that_were_held_against_their_sources():
    """Cell by cell, at commit 119fa50. Who corrects a table does it again, and writes the new hash
    here.
    """
    tables = sorted((ROOT / "harness" / "paper" / "reference").glob("*.csv"))
    found = hashlib.sha256(b"".join(path.read_bytes() for path in tables)).hexdigest()
    assert found == "b1468dcaeccdf785b2381b67819c55ca79f54311f7157202684d1ff0eb92c211"


SHAPES = {"special_functions": "best_shape", "feynman": "human_shape"}


@pytest.mark.parametrize("name", ["toy_scaling", "grid_extension", "tutorials", "reruns", *SHAPES])
def test_functions_are_the_tasks_of_this_project(name):
    for row in load(name).to_dict("records"):
        assert load_target(row["task"]).inputs == json.loads(row[SHAPES.get(name, "shape")])[0]


@pytest.mark.parametrize("name", ["toy_scaling", "pde_scaling", "knots"])
def test_params_are_those_of_the_network_but_for_errata(name):
    """Edges times G, or an MLP's weights, are the published count, or the corrected one where an
    erratum says so.
    """
    table = load(name).dropna(subset=["shape", "params.paper"])
    table = table.assign(family="kan", grid=3) if name == "knots" else table
    shapes = zip(table["family"], table["shape"], corrected(table, "grid"), strict=True)
    counted = pd.DataFrame([counts_of(*one) for one in shapes], index=table.index)
    assert (corrected(table, "params.paper") == counted["params.paper"]).all()
    assert (table["params.trainable"] == counted["params.trainable"]).all()
    for row, right in zip(
        table["errata"], table["params.paper"] == counted["params.paper"], strict=True
    ):
        assert right or {"E1", "E6b", "E6c"} & set(row.split())


def _rows(*words: str) -> list[dict]:
    return json.loads(invoke("reference", *words, "--json").output)["rows"]


@pytest.mark.parametrize("name", names())
def test_csv_is_the_file(name):
    file = files("harness.paper.reference").joinpath(f"{name}.csv")
    assert invoke("reference", name, "--csv").output == file.read_text("utf-8")


@pytest.mark.parametrize("name", names())
def test_every_table_can_be_shown(name):
    output = invoke("reference", name).output
    assert output.startswith("E1. " if name == "errata" else f"{name}: ")
    assert name in ("errata", "sources") or f"\n{load(name)['source'].iloc[0]}: " in output


def test_json_has_null_for_what_was_not_published():
    first = _rows("grid_extension", "--where", "task=xy")[0]

    assert (first["shape"], first["grid"], first["test_rmse"]) == ("[2,2,1]", 3, 0.00015006)
    assert (first["test_root_median_square"], first["seconds_per_step"]) == (None, None)
    assert list(first) == list(load("grid_extension"))


def test_rows_are_chosen_by_any_of_their_errata():
    chosen = _rows("toy_scaling", "--where", "errata=E1", "--where", "grid_corrected=8")
    assert [(row["task"], row["errata"]) for row in chosen] == [("exp100d", "E1 E6 E20")]


def test_below_a_table_are_the_errata_of_its_rows_and_no_others():
    output = invoke("reference", "pde_scaling", "--where", "family=mlp").output
    assert re.findall(r"^(E\w+), (\d+ rows?): ", output, flags=re.MULTILINE) == [
        ("E2", "12 rows"),
        ("E6", "24 rows"),
    ]


def test_a_long_table_says_that_it_is_cut():
    output = invoke("reference", "frontiers").output
    assert "2,052 rows, the first 60 shown: choose with --where, or take all with --csv" in output
    assert len(re.findall(r"^│ +\d", output, flags=re.MULTILINE)) == 60
    assert "\nE10, 46 rows: " in output


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["feynmann"], "there is no published table 'feynmann'; did you mean 'feynman'?"),
        (
            ["feynman", "--where", "tsak=I.6.2"],
            "--where 'tsak' is no column of the file; did you mean 'task'?",
        ),
        (
            ["feynman", "--where", "task=I.6.3"],
            "--where 'task=I.6.3' leaves no row; did you mean 'I.6.2'?",
        ),
        (
            ["feynman", "--where", "errata=E77"],
            "--where 'errata=E77' leaves no row; did you mean 'E7b'?",
        ),
        (
            ["feynman", "--csv", "--json"],
            "--csv and --json are two answers to one question; leave one of them out",
        ),
    ],
)
def test_mistakes_are_answered_with_the_next_move(arguments, answer):
    refused = invoke("reference", *arguments)
    assert refused.exit_code == 2
    assert f"error: {answer}" in refused.stderr
