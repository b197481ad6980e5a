"""The published tables: all there, every row told from where, and counted as the paper counts."""

import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from reading import counts_of, ids

from harness.paper.reference import CONFIDENCE, corrected, load, names
from harness.tasks import load_target

ROOT = Path(__file__).parents[2]
SOURCED = [name for name in names() if name != "sources"]
LINKED = [name for name in SOURCED if name != "errata"]


def test_every_table_is_in_the_package_and_every_file_is_a_table():
    there = {entry.name for entry in files("harness.paper.reference").iterdir() if entry.name.endswith(".csv")}
    assert there == {f"{name}.csv" for name in ("tables", *names())}


@pytest.mark.parametrize("name", SOURCED)
def test_every_row_says_where_it_is_from_and_how_it_is_known(name):
    table = load(name)
    assert set(table["source"]) <= set(load("sources")["source"])
    assert set(table["confidence"]) <= set(CONFIDENCE)
    assert not table.duplicated().any()


def test_nothing_is_said_for_nobody():
    assert set(load("sources")["source"]) == set().union(*(load(name)["source"] for name in SOURCED))
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
    """Cell by cell, at commit 119fa50, against the files in which the published numbers were first written down.

    Who corrects a table holds it against the publication again, and writes the new hash here.
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
    """Edges times G, or an MLP's weights, are the published count, or the corrected one where an erratum says so."""
    table = load(name).dropna(subset=["shape", "params.paper"])
    table = table.assign(family="kan", grid=3) if name == "knots" else table
    shapes = zip(table["family"], table["shape"], corrected(table, "grid"), strict=True)
    counted = pd.DataFrame([counts_of(*one) for one in shapes], index=table.index)
    assert (corrected(table, "params.paper") == counted["params.paper"]).all()
    assert (table["params.trainable"] == counted["params.trainable"]).all()
    for row, right in zip(table["errata"], table["params.paper"] == counted["params.paper"], strict=True):
        assert right or {"E1", "E6b", "E6c"} & set(row.split())
