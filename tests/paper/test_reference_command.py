"""`harness reference`: what it lists, shows, chooses and refuses."""

import json
import re
from importlib.resources import files

import pytest
from commands import invoke

from harness.paper.reference import load, names


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
    assert re.findall(r"^(E\w+), (\d+ rows?): ", output, flags=re.MULTILINE) == [("E2", "12 rows"), ("E6", "24 rows")]


def test_a_long_table_says_that_it_is_cut():
    output = invoke("reference", "frontiers").output
    assert "2,052 rows, the first 60 shown: choose with --where, or take all with --csv" in output
    assert len(re.findall(r"^│ +\d", output, flags=re.MULTILINE)) == 60
    assert "\nE10, 46 rows: " in output


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["feynmann"], "there is no published table 'feynmann'; did you mean 'feynman'?"),
        (["feynman", "--where", "tsak=I.6.2"], "--where 'tsak' is no column of the file; did you mean 'task'?"),
        (["feynman", "--where", "task=I.6.3"], "--where 'task=I.6.3' leaves no row; did you mean 'I.6.2'?"),
        (["feynman", "--where", "errata=E77"], "--where 'errata=E77' leaves no row; did you mean 'E7b'?"),
        (["feynman", "--csv", "--json"], "--csv and --json are two answers to one question; leave one of them out"),
    ],
)
def test_mistakes_are_answered_with_the_next_move(arguments, answer):
    refused = invoke("reference", *arguments)
    assert refused.exit_code == 2
    assert f"error: {answer}" in refused.stderr
